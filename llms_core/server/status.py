"""`/health`, `/ready` and the page at `/`. None of them calls a provider, and none shows a key."""

from __future__ import annotations

import html
from typing import Any

from litestar import MediaType, Response, get
from litestar.connection import Request
from litestar.datastructures import State
from litestar.openapi import ResponseSpec

from llms_core import __version__
from llms_core.secret import redact
from llms_core.server.gateway import Gateway


@get("/health", summary="Whether the process lives", sync_to_thread=False, tags=["Status"])
def health() -> dict[str, str]:
    """200 as long as the process answers."""
    return {"status": "ok"}


_NOT_READY = ResponseSpec(
    dict[str, Any], description="No provider is enabled, or the server is stopping", generate_examples=False
)


@get(
    "/ready",
    summary="Whether requests can be served",
    responses={503: _NOT_READY},
    sync_to_thread=False,
    tags=["Status"],
)
def ready(request: Request[object, object, State]) -> Response[dict[str, Any]]:
    """200 where at least one provider is enabled and the server is not stopping, else 503; says why in either case."""
    gateway: Gateway = request.app.state.gateway
    state = gateway.readiness()
    return Response(state, status_code=200 if state["ready"] else 503)


@get("/", media_type=MediaType.HTML, include_in_schema=False, sync_to_thread=False)
def page(request: Request[object, object, State]) -> str:
    """A small page that shows the providers (SR-083)."""
    gateway: Gateway = request.app.state.gateway
    rows = "".join(
        f"<tr><td>{html.escape(item.id)}</td><td>{html.escape(item.provider.spec.title)}</td>"
        f"<td>{html.escape(redact(item.disabled) if item.disabled else 'enabled')}</td></tr>"
        for item in gateway.startup.configured
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>llms</title><style>'
        "body{font:16px system-ui;margin:3rem auto;max-width:50rem;padding:0 1rem}"
        "td,th{text-align:left;padding:.3rem 1rem .3rem 0}"
        f"</style></head><body><h1>llms {__version__}</h1>"
        '<p>OpenAI-compatible API at <code>/v1</code>. <a href="/docs">API reference</a> · '
        '<a href="/v1/models">models</a> · <a href="/ready">status as JSON</a></p>'
        f"<table><tr><th>provider</th><th></th><th>state</th></tr>{rows}</table></body></html>"
    )
