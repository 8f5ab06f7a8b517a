"""The page at `/docs`: a viewer of our own for the OpenAPI document, so that no other server's code runs in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from litestar import MediaType, Request, Router, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.types import Guard

HEADERS: Mapping[str, str] = {
    # The page shows text of plugins, and holds the user's key: nothing but these files may run in it or be called.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
"""The headers of every HTML page of the server."""


class ViewerPlugin(OpenAPIRenderPlugin):
    """Litestar's way to serve a page beside the OpenAPI document."""

    def __init__(self) -> None:
        super().__init__(path="/", media_type=MediaType.HTML)
        self._page = _content("index.html")

    def render(self, request: Request[Any, Any, State], openapi_schema: dict[str, Any]) -> bytes:
        """The page, which loads the document itself, with the user's key."""
        return self._page


def router(guard: Guard) -> Router:
    """Return the router of `/docs`, with what the page needs. Litestar adds the page and the document.

    `guard` is called before each handler.
    """
    files = [_file("/viewer.js", "text/javascript"), _file("/viewer.css", "text/css")]
    return Router("/docs", route_handlers=files, guards=[guard], include_in_schema=False, response_headers=HEADERS)


def _file(path: str, media_type: str) -> HTTPRouteHandler:
    content = _content(path.removeprefix("/"))

    @get(path, media_type=media_type, sync_to_thread=False)
    def serve() -> bytes:
        return content

    return serve


def _content(name: str) -> bytes:
    return (Path(__file__).parent / "viewer" / name).read_bytes()
