"""The files that the pages need. Their paths contain a hash of all of them, so that browsers may keep them for ever.

It is one hash because scripts import each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from litestar import Router, get
from litestar.handlers import HTTPRouteHandler

PATH = "/assets"

_FOLDER = Path(__file__).parent / "static"
_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_NAMES = (
    "docs.css",
    "docs.js",
    "element.js",
    "icon.svg",
    "page.js",
    "status.js",
    "style.css",
    "try.js",
)
_HEADERS = {
    "cache-control": "public, max-age=31536000, immutable",
    "x-content-type-options": "nosniff",
    # An image that somebody opens as a page can run nothing.
    "content-security-policy": "default-src 'none'; sandbox",
}
#: The icon's second path has no hash.
_UNHASHED = {"cache-control": "public, max-age=3600"}


def url(name: str) -> str:
    """Return the path at which a file is served."""
    return f"{PATH}/{_version()}/{name}"


@cache
def _version() -> str:
    content = b"\0".join(_content(name) for name in _NAMES)
    return hashlib.sha256(content).hexdigest()[:16]


def routers() -> Sequence[Router]:
    """Return the router of all files, and that of the icon where browsers look for it."""
    files = [_file(url(name).removeprefix(PATH), name) for name in _NAMES]
    icon = _file("/favicon.ico", "icon.svg")
    return [
        Router(PATH, route_handlers=files, include_in_schema=False, response_headers=_HEADERS),
        Router(
            "/",
            route_handlers=[icon],
            include_in_schema=False,
            response_headers={**_HEADERS, **_UNHASHED},
        ),
    ]


def _file(path: str, name: str) -> HTTPRouteHandler:
    content = _content(name)

    @get(path, media_type=_MEDIA_TYPES[Path(name).suffix], sync_to_thread=False)
    def serve() -> bytes:
        return content

    return serve


def _content(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()
