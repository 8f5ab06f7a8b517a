"""`GET /metrics`."""

from __future__ import annotations

from litestar import Request, Response, get
from litestar.datastructures import State

from llms_core.errors import RequestError
from llms_core.metrics.current import running


@get("/metrics", name="metrics", include_in_schema=False)
async def metrics(request: Request[object, object, State]) -> Response[bytes]:
    """The metrics of all workers, for Prometheus."""
    if not running:
        raise RequestError(
            "The server is starting", status=503, type="api_error", code="starting", retry_after=1
        )
    text, media_type = await running[-1].text(request.headers.get("accept", ""))
    return Response(text, media_type=media_type)
