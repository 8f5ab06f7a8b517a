"""`/health`, `/ready` and the page at `/`. None of them calls a provider, and none shows a key."""

from __future__ import annotations

import html
from typing import Any

from litestar import MediaType, Response, get
from litestar.connection import Request
from litestar.datastructures import State
from litestar.openapi import ResponseSpec

from llms_core import __version__
from llms_core.candidate import Configured
from llms_core.secret import redact
from llms_core.server import docs
from llms_core.server.gateway import Gateway

_NOT_READY = ResponseSpec(
    dict[str, Any], description="No provider is enabled, or the server is stopping", generate_examples=False
)

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>llms</title>
<link rel="stylesheet" href="/docs/viewer.css">
</head>
<body>
<h1>llms</h1>
<p>OpenAI-compatible API at <code>/v1</code>. <a href="/docs">API reference</a></p>
<p>{state}</p>
{details}
</body>
</html>
"""

_DETAILS = """\
<p>Version {version} · <a href="/v1/models">models</a> · <a href="/ready">status as JSON</a></p>
<table>
<tr><th>provider</th><th></th><th>state</th></tr>
{rows}
</table>
"""


@get("/health", summary="Whether the process is alive", sync_to_thread=False, tags=["Status"])
def health() -> dict[str, str]:
    """200 as long as the process answers."""
    return {"status": "ok"}


@get(
    "/ready",
    summary="Whether requests can be served",
    responses={503: _NOT_READY},
    tags=["Status"],
)
async def ready(request: Request[object, object, State]) -> Response[dict[str, Any]]:
    """200 if at least one provider is enabled and the server is not stopping, otherwise 503.

    With the reasons; if the server requires keys, only for clients that have one.
    """
    gateway: Gateway = request.app.state.gateway
    state = gateway.readiness()
    status = 200 if state["ready"] else 503
    if not await gateway.trusts(request.scope):
        state = {"ready": state["ready"]}
    return Response(state, status_code=status)


@get("/", media_type=MediaType.HTML, include_in_schema=False, response_headers=docs.HEADERS)
async def page(request: Request[object, object, State]) -> str:
    """A small page that shows the providers (SR-083), unless the client lacks a key that the server requires."""
    gateway: Gateway = request.app.state.gateway
    state = "Ready." if gateway.readiness()["ready"] else "Not ready."
    details = _details(gateway) if await gateway.trusts(request.scope) else ""
    return _PAGE.format(state=state, details=details)


def _details(gateway: Gateway) -> str:
    rows = "\n".join(_row(item) for item in gateway.startup.configured)
    return _DETAILS.format(version=__version__, rows=rows)


def _row(item: Configured) -> str:
    # A reason may repeat what a plugin raised, and that may contain a key.
    state = redact(item.disabled) if item.disabled else "enabled"
    cells = (item.id, item.provider.spec.title, state)
    return f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"
