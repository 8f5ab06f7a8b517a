"""A client's key in the URL, as Google's API takes it: `?key=…`.

URLs are shown and logged where headers are not. So the key becomes a header before anything else sees the request, at
the paths of the dialects that have such a parameter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

from llms_core.dialects import Dialect
from llms_core.server.client_dialect import dialect_of_path

HEADER = b"x-goog-api-key"
"""The header that a key in the URL becomes, unless the request has it already."""


def move_key(scope: Any, dialects: Sequence[Dialect]) -> None:
    """Take the key out of the query of an ASGI scope, if the dialect of its path has it there."""
    dialect = dialect_of_path(scope["path"], dialects)
    if dialect is None or not dialect.key_parameter:
        return
    name = dialect.key_parameter.encode()
    kept: list[bytes] = []
    key = b""
    for pair in scope["query_string"].split(b"&"):
        parameter, _, value = pair.partition(b"=")
        if unquote_to_bytes(parameter) == name:
            key = key or unquote_to_bytes(value)
        else:
            kept.append(pair)
    scope["query_string"] = b"&".join(kept)
    if key and all(header != HEADER for header, _ in scope["headers"]):
        scope["headers"] = [*scope["headers"], (HEADER, key)]
