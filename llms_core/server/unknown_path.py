"""What a client is told about a path that is not served. Most often, its base URL is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from llms_core.dialects import Dialect
from llms_core.dialects.paths import parameters, pattern

#: Paths besides those of the dialects, which are for POST requests.
_GET_PATHS = (
    "/v1/models",
    "/v1/models/{model}",
    "/health",
    "/ready",
    "/docs",
    "/models",
    "/models/list",
    "/status",
    "/config",
)

_API_ROOT = "/v1"
_VERSION = re.compile(r"/v\d")
_MAX_PATH = 200


def unknown_path(path: str, dialects: Sequence[Dialect]) -> str:
    """Return the message for a path that is not served: what is, and what may be wrong with the client's base URL."""
    post_paths: list[str] = []
    for dialect in dialects:
        post_paths += dialect.paths
    message = f"Unknown path: {path[:_MAX_PATH]}."
    below_root = [each for each in (*post_paths, "/v1/models") if _VERSION.match(each)]
    if (meant := _path_meant(path, below_root)) is not None:
        message += f" Did you mean {meant}? {_base_url(meant, dialects)}"
    get_paths = [*_GET_PATHS, *_get_paths_of(dialects)]
    return f"{message} Served are POST {', '.join(post_paths)}, and GET {', '.join(get_paths)}."


def _get_paths_of(dialects: Sequence[Dialect]) -> Iterator[str]:
    """Yield the paths for GET requests that dialects have of their own: what they have stored, and their models."""
    for dialect in dialects:
        for route in dialect.routes:
            if route.method == "GET":
                yield route.path
        if dialect.models_path:
            yield dialect.models_path
            yield f"{dialect.models_path}/{{model}}"


def _base_url(path: str, dialects: Sequence[Dialect]) -> str:
    """Return what a client's base URL has to be for a path."""
    if any(path in dialect.paths and not dialect.base_path for dialect in dialects):
        return f"A client's base URL must not end in {_root(path)}, which this API's clients add."
    return f"A client's base URL has to end in {_API_ROOT}, once."


def _path_meant(path: str, served: Sequence[str]) -> str | None:
    """The served path that `path` ends in, with or without its root: `/chat/completions`, `/v1/v1/models`, …"""
    path = path.rstrip("/")
    # One that is there as a whole is closer than one with the same end, such as the other version of an API.
    whole = [each for each in served if path.endswith(each)]
    if whole:
        return max(whole, key=len)
    # The longest first: `/v1/chat/completions` ends in `/completions`, too.
    for candidate in sorted(served, key=len, reverse=True):
        end = candidate.removeprefix(_root(candidate))
        if path.endswith(end) or (
            parameters(end) and re.search(f"{pattern(end).pattern}$", path, re.DOTALL)
        ):
            return candidate
    return None


def _root(path: str) -> str:
    """Return the first segment of a path, which is the version of its API."""
    return "/" + path.split("/")[1]
