"""A request's headers by name, looked up in several places and made once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

HEADERS = "llms_core.headers"
"""The member of an ASGI scope that holds them."""


def by_name(scope: Any) -> Mapping[bytes, bytes]:
    """Return the headers of an ASGI scope by their lower-case names; of a name that occurs twice, the last."""
    headers: Mapping[bytes, bytes] | None = scope.get(HEADERS)
    if headers is None:
        headers = scope[HEADERS] = dict(scope["headers"])
    return headers


def tags_of(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, ...]:
    """Return the tags in the headers `x-llms-tag`, each of which may list several."""
    tags: list[str] = []
    for name, value in headers:
        if name == b"x-llms-tag":
            tags += [tag.strip() for tag in value.decode("latin-1").split(",")]
    return tuple(tag for tag in tags if tag)
