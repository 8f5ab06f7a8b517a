"""The further routes of dialects, for what they have stored. Their requests are few, so Litestar serves them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from litestar import Response, delete, get, post
from litestar.connection import Request
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler

from llms_core.dialects import IncomingRequest, Route
from llms_core.operations.adapter_results import expect
from llms_core.server.authenticate import resolve
from llms_core.server.gateway import Gateway
from llms_core.server.openapi import error_responses

_PARAMETER = re.compile(r"\{(\w+)\}")
_DECORATORS: Mapping[str, Callable[..., Callable[[Callable[..., Any]], HTTPRouteHandler]]] = {
    "GET": get,
    "POST": post,
    "DELETE": delete,
}


def handlers(gateway: Gateway) -> Sequence[HTTPRouteHandler]:
    """Return a handler for each route of each dialect."""
    return [_handler(gateway, route) for dialect in gateway.dialects for route in dialect.routes]


def _handler(gateway: Gateway, route: Route) -> HTTPRouteHandler:
    @_DECORATORS[route.method](
        _PARAMETER.sub(r"{\1:str}", route.path),
        name=f"{route.method} {route.path}",
        status_code=200,
        summary=route.summary,
        operation_id=route.operation_id,
        tags=[route.tag],
        responses=error_responses(400, 401, 404, 503),
    )
    async def serve(request: Request[Any, Any, State]) -> Response[bytes]:
        caller = await resolve(gateway.admit(request.scope))
        incoming = IncomingRequest(
            b"",
            request.url.path,
            request.scope["query_string"],
            request.scope["headers"],
            caller,
            request.path_params,
        )
        body = expect(bytes, await route.serve(incoming), "serve")
        return Response(body, media_type="application/json")

    return serve
