"""A request's headers by name, looked up in several places and made once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KEY = "llms_core.headers"


def by_name(scope: Any) -> Mapping[bytes, bytes]:
    """Return the headers of an ASGI scope by their lower-case names; of a name that occurs twice, the last."""
    headers: Mapping[bytes, bytes] | None = scope.get(_KEY)
    if headers is None:
        headers = scope[_KEY] = dict(scope["headers"])
    return headers
