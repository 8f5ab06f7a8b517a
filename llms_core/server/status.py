"""`/health` and `/ready`. Neither calls a provider, and neither shows a key. The page is `pages/status.py`."""

from __future__ import annotations

from typing import Any

from litestar import Response, get
from litestar.connection import Request
from litestar.datastructures import State
from litestar.openapi import ResponseSpec

from llms_core.server.gateway import Gateway

_NOT_READY = ResponseSpec(
    dict[str, Any],
    description="No provider is enabled, or the server is stopping",
    generate_examples=False,
)


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
