"""Serves the paths of dialects without Litestar's router and middleware, which would cost a tenth of a request."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from litestar import Litestar
from litestar.types import Send
from litestar.utils import normalize_path

from llms_core.dialects import openai_error
from llms_core.dialects.paths import PathTable
from llms_core.errors import LlmsError
from llms_core.server.authenticate import PATH
from llms_core.server.error_response import describe_http_error, retry_headers

#: Litestar's hooks that run for every request, and that a handler called directly would bypass.
_HOOKS = (
    "middleware",
    "before_request",
    "after_request",
    "after_response",
    "before_send",
    "guards",
)

#: Characters of a path and query for Litestar, which keeps the last thousand of them, whoever sent them.
_MAX_TARGET = 4096


Handler = Callable[[Any, Any, Any], Coroutine[Any, Any, None]]
"""An ASGI application that is a coroutine function."""


class DirectPath:
    """An ASGI application: POST requests to exactly these paths go to their handlers, everything else to Litestar.

    The parameters of a path are in the scope's `path_params`, where Litestar has them, too.

    A HEAD request is answered like GET, without the body.

    The handlers answer every error themselves. Whatever Litestar runs for every request, such as middleware, would not
    apply to them: construction raises LlmsError if anything of the kind is configured.
    """

    def __init__(self, app: Litestar, handlers: Mapping[str, Handler]):
        for hook in _HOOKS:
            if getattr(app, hook, None):
                raise LlmsError(
                    f"Litestar's `{hook}` would not apply to {', '.join(handlers)}: "
                    "wrap the application returned by create_app in an ASGI middleware instead"
                )
        self.app = app
        self._handlers = PathTable(handlers)

    def __call__(self, scope: Any, receive: Any, send: Any) -> Coroutine[Any, Any, None]:
        """Serve one connection."""
        if scope["type"] == "http" and scope["method"] == "POST":
            found = self._handlers.find(scope["path"])
            if found is not None:
                handler, scope["path_params"] = found
                # Returned, not awaited: each layer of coroutines is passed through by every chunk.
                return handler(scope, receive, send)
        return self._serve_by_litestar(scope, receive, send)

    async def _serve_by_litestar(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            if len(scope["path"]) + len(scope["query_string"]) > _MAX_TARGET:
                await _refuse_long_target(send)
                return
            # Litestar cuts the path for an application that is mounted within a route.
            scope[PATH] = normalize_path(scope["path"])
            if scope["method"] == "HEAD":
                # Litestar's routes would each have to allow it.
                scope = {**scope, "method": "GET"}
                send = _without_body(send)
        # Including other spellings of these paths, such as a trailing slash, which Litestar normalizes.
        await self.app(scope, receive, send)


def _without_body(send: Send) -> Send:
    async def send_head(message: Any) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head


async def _refuse_long_target(send: Send) -> None:
    response = describe_http_error(414, f"The path and query exceed {_MAX_TARGET} characters")
    body = openai_error.encode(response)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    headers += [(name.encode(), value.encode()) for name, value in retry_headers(response).items()]
    await send({"type": "http.response.start", "status": 414, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
