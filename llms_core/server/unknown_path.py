"""What a client is told about a path that is not served. Most often, its base URL is wrong."""

from __future__ import annotations

from collections.abc import Sequence

from llms_core.dialects import Dialect

#: Paths besides those of the dialects, which are for POST requests.
_GET_PATHS = ("/v1/models", "/v1/models/{model}", "/health", "/ready", "/docs")

_API_ROOT = "/v1"
_MAX_PATH = 200


def unknown_path(path: str, dialects: Sequence[Dialect]) -> str:
    """Return the message for a path that is not served: what is, and what may be wrong with the client's base URL."""
    post_paths = [each for dialect in dialects for each in dialect.paths]
    message = f"Unknown path: {path[:_MAX_PATH]}."
    below_root = [each for each in (*post_paths, "/v1/models") if each.startswith(_API_ROOT)]
    if (meant := _path_meant(path, below_root)) is not None:
        message += f" Did you mean {meant}? A client's base URL has to end in {_API_ROOT}, once."
    return f"{message} Served are POST {', '.join(post_paths)}, and GET {', '.join(_GET_PATHS)}."


def _path_meant(path: str, served: Sequence[str]) -> str | None:
    """The served path that `path` ends in, with or without its root: `/chat/completions`, `/v1/v1/models`, …"""
    path = path.rstrip("/")
    # The longest first: `/v1/chat/completions` ends in `/completions`, too.
    for candidate in sorted(served, key=len, reverse=True):
        if path.endswith(candidate.removeprefix(_API_ROOT)):
            return candidate
    return None
