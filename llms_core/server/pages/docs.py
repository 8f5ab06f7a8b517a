"""The page at `/docs`: a viewer of our own for the OpenAPI document, so that no other server's code runs in it."""

from __future__ import annotations

from typing import Any

from litestar import MediaType, Request, Router
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from litestar.handlers import BaseRouteHandler
from litestar.openapi.plugins import OpenAPIRenderPlugin

from llms_core.server.gateway import Gateway
from llms_core.server.pages.layout import HEADERS, page
from llms_core.server.pages.markup import Markup, element, join
from llms_core.server.pages.sign_in import form
from llms_core.server.pages.visitors import Connection, session, visitor

DOCUMENT = "/openapi.json"
"""Where the document is, below `/docs`."""

#: The member of an ASGI scope that holds who looks at the page; None for a stranger.
_VISITOR = "llms_core.visitor"


class ViewerPlugin(OpenAPIRenderPlugin):
    """Litestar's way to serve a page beside the OpenAPI document."""

    def __init__(self) -> None:
        super().__init__(path="/", media_type=MediaType.HTML)

    def render(self, request: Request[Any, Any, State], openapi_schema: dict[str, Any]) -> bytes:
        """The page, which loads the document itself; the form to sign in for a stranger."""
        gateway: Gateway = request.app.state.gateway
        who = request.scope[_VISITOR]  # type: ignore[literal-required]
        if who is None:
            return form(gateway, "/docs")
        content = join(_heading(gateway), element("div", _without_script(), id="document"))
        styles = ("docs.css",)
        return page(
            "/docs",
            "API reference · llms",
            content,
            styles=styles,
            scripts=("docs.js",),
            has_session=who.has_session,
        )


def router() -> Router:
    """Return the router of `/docs`. Litestar adds the page and the document."""
    return Router(
        "/docs",
        route_handlers=[],
        guards=[_admit],
        include_in_schema=False,
        response_headers=HEADERS,
    )


async def _admit(connection: Connection, handler: BaseRouteHandler) -> None:
    """Raise RequestError for an unknown caller: the document lists the routes of plugins, which not all may know.

    Raises NotFoundException for any other path, which Litestar would answer with a page of its own.
    """
    if "/" in handler.paths:
        connection.scope[_VISITOR] = await visitor(connection)  # type: ignore[literal-required]
        return
    if session(connection) is None:
        await connection.app.state.gateway.identify(connection.scope)
    if DOCUMENT not in handler.paths:
        raise NotFoundException


def _heading(gateway: Gateway) -> Markup:
    heading = element("h1", "API reference")
    if gateway.is_open:
        return element("div", heading, class_="heading")
    field = element(
        "input",
        id="key",
        type="password",
        autocomplete="off",
        spellcheck="false",
        aria_describedby="key-hint",
    )
    hint = element(
        "p", "For “Try it”. It stays in the memory of this page.", class_="soft", id="key-hint"
    )
    label = element("label", "Key", for_="key")
    return element(
        "div", heading, element("div", label, field, hint, class_="key"), class_="heading"
    )


def _without_script() -> Markup:
    link = element("a", "openapi.json", href="/docs/openapi.json")
    return element("p", "This page needs JavaScript; the document itself is ", link, ".")
