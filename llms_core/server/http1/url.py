"""The parts of a request's URL, which are remembered, because there are few."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import unquote

import httptools


@lru_cache(maxsize=256)
def split_url(url: bytes) -> tuple[str, bytes, bytes]:
    """Return path, raw path and query of a request's URL. Raises httptools.HttpParserInvalidURLError."""
    parsed = httptools.parse_url(url)
    raw_path = parsed.path or b""
    path = raw_path.decode("ascii")
    return unquote(path) if "%" in path else path, raw_path, parsed.query or b""
