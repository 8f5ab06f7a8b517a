"""The status page at `/` (SR-083). The browser asks for it again and again, and gets it when something has changed."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from litestar import Response, get
from litestar.connection import Request
from litestar.datastructures import State

from llms_core import __version__
from llms_core.records import Caller
from llms_core.secret import redact
from llms_core.server.gateway import Gateway
from llms_core.server.pages import circuits, first_steps, providers, requests
from llms_core.server.pages.layout import HEADERS, page
from llms_core.server.pages.markup import Markup, element, join
from llms_core.server.pages.sign_in import form
from llms_core.server.pages.visitors import visitor


@get("/", include_in_schema=False, response_headers=HEADERS, media_type="text/html")
async def show(request: Request[object, object, State]) -> Response[bytes]:
    """Return the page, or the form to sign in if the client lacks a key that the server requires."""
    gateway: Gateway = request.app.state.gateway
    who = await visitor(request)
    if who is None:
        return Response(form(gateway, "/"))
    content = _content(request, gateway, who.caller)
    body = page("/", "Status · llms", content, scripts=("status.js",), has_session=who.has_session)
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    if request.headers.get("if-none-match") == etag:
        return Response(b"", status_code=304, headers={"etag": etag})
    return Response(body, headers={"etag": etag})


def _content(request: Request[Any, Any, State], gateway: Gateway, caller: Caller | None) -> Markup:
    state = gateway.readiness()
    return join(
        _heading(gateway, state),
        first_steps.section(request, gateway),
        providers.enabled(gateway, state["circuits"]),
        providers.disabled(gateway),
        requests.section(gateway, caller),
        circuits.section(state["circuits"]),
        _footer(gateway),
    )


def _heading(gateway: Gateway, state: dict[str, Any]) -> Markup:
    """Whether requests can be served, and why not."""
    parts = [element("h1", "Status")]
    if gateway.draining:
        parts.append(element("p", "Stopping.", class_="state bad"))
    elif state["ready"]:
        parts.append(element("p", "Ready.", class_="state ok"))
    else:
        advice = join(
            "Not ready: no provider is enabled. ", element("code", "llms add"), " sets one up."
        )
        parts.append(element("p", advice, class_="state bad"))
    parts.append(
        element("button", "Pause updates", type="button", id="live", class_="quiet", hidden=True)
    )
    parts.append(element("p", id="connection", class_="soft", role="status"))
    content = [element("div", *parts, class_="heading")]
    error = state["configuration_error"]
    if error is not None:
        text = join(
            element("strong", "The configuration on disk cannot be used. "),
            "The previous one still is. ",
            element("span", redact(error)),
        )
        content.append(element("p", text, class_="problem"))
    return element("div", *content, data_live="heading")


def _footer(gateway: Gateway) -> Markup:
    parts: list[str] = [f"llms {__version__}"]
    if gateway.is_open:
        # Browsers send no key, and a session is for the pages alone.
        parts += [" · ", element("a", "Status as JSON", href="/ready")]
        parts += [" · ", element("a", "Models", href="/v1/models")]
    if gateway.workers > 1:
        parts.append(
            f" · This page shows process {os.getpid()}. The server has {gateway.workers}, and each of them has its own "
            "circuits and recent requests."
        )
    return element("footer", *parts, class_="soft", data_live="footer")
