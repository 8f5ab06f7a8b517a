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
<style>
body {{ font: 16px system-ui; margin: 3rem auto; max-width: 50rem; padding: 0 1rem }}
td, th {{ text-align: left; padding: .3rem 1rem .3rem 0 }}
</style>
</head>
<body>
<h1>llms {version}</h1>
<p>
  OpenAI-compatible API at <code>/v1</code>.
  <a href="/docs">API reference</a> · <a href="/v1/models">models</a> · <a href="/ready">status as JSON</a>
</p>
<table>
<tr><th>provider</th><th></th><th>state</th></tr>
{rows}
</table>
</body>
</html>
"""


@get("/health", summary="Whether the process is alive", sync_to_thread=False, tags=["Status"])
def health() -> dict[str, str]:
    """200 as long as the process answers."""
    return {"status": "ok"}


@get(
    "/ready",
    summary="Whether requests can be served",
    responses={503: _NOT_READY},
    sync_to_thread=False,
    tags=["Status"],
)
def ready(request: Request[object, object, State]) -> Response[dict[str, Any]]:
    """200 if at least one provider is enabled and the server is not stopping, otherwise 503; with the reasons."""
    gateway: Gateway = request.app.state.gateway
    state = gateway.readiness()
    return Response(state, status_code=200 if state["ready"] else 503)


@get("/", media_type=MediaType.HTML, include_in_schema=False, sync_to_thread=False)
def page(request: Request[object, object, State]) -> str:
    """A small page that shows the providers (SR-083)."""
    gateway: Gateway = request.app.state.gateway
    rows = "\n".join(_row(item) for item in gateway.startup.configured)
    return _PAGE.format(version=__version__, rows=rows)


def _row(item: Configured) -> str:
    # A reason may repeat what a plugin raised, and that may contain a key.
    state = redact(item.disabled) if item.disabled else "enabled"
    cells = (item.id, item.provider.spec.title, state)
    return f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"
