"""The composition root: from the two files to the ASGI application."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from litestar import Response
from litestar.connection import Request
from litestar.datastructures import State
from litestar.exceptions import HTTPException, MethodNotAllowedException
from litestar.handlers import asgi
from litestar.types import ControllerRouterHandler, Receive, Scope, Send

from llms_core import checks, startup
from llms_core.config import places
from llms_core.dialects.paths import parameters
from llms_core.errors import LlmsError
from llms_core.plugins.doctor import examine
from llms_core.server import (
    dialect_routes,
    in_effect,
    llms_py,
    models,
    openapi,
    plugin_routes,
    provider_switch,
    status,
)
from llms_core.server.application import Application
from llms_core.server.background import FileWatcher, keep_models_current, stamps
from llms_core.server.browsers import BrowserGuard, is_loopback
from llms_core.server.client_dialect import dialect_of_error
from llms_core.server.direct_path import DirectPath, Handler
from llms_core.server.error_response import (
    describe,
    describe_http_error,
    encode,
    retry_headers,
    status_of,
)
from llms_core.server.gateway import Gateway
from llms_core.server.handler import handle
from llms_core.server.pages.routes import pages
from llms_core.server.unknown_path import unknown_path
from llms_core.server.watchdog import Watchdog

log = logging.getLogger(__name__)


def create_app(
    config: Path | None = None,
    plugins: Path | None = None,
    *,
    host: str = "127.0.0.1",
    requires_key: bool = False,
    workers_folder: Path | None = None,
) -> BrowserGuard:
    """Return the application for the two files; a file that is None is looked for in the usual places.

    `host` is the address that the server listens on: one that other machines cannot reach is protected from web pages
    that pretend to come from it. With `requires_key`, every request is refused if no keys are configured. A server of
    several workers gives them a `workers_folder`.

    Raises ConfigError if a file is wrong, or if a plugin that may authenticate clients cannot be loaded.
    """
    config = places.llms_json(config, os.environ)
    plugins = places.plugins_toml(plugins, os.environ)
    stamps_before = stamps(config, plugins)
    started = startup.load(config, plugins)
    checks.check(started)
    gateway = Gateway(started, requires_key=requires_key, workers_folder=workers_folder)
    watcher = FileWatcher(gateway, config, plugins, stamps_before)
    app = application(watcher, is_loopback=is_loopback(host))
    for warning in in_effect.warnings(started):
        log.warning("%s", warning)
    for note in started.llms_json.notes:
        log.info("%s", note)
    # Now that all hooks have been called that are called at startup.
    for finding in examine(started.host, started.configured):
        if finding.is_warned:
            continue
        log.log(logging.ERROR if finding.fault else logging.INFO, "%s", finding.text)
    return BrowserGuard(app, gateway, is_loopback=is_loopback(host))


def application(watcher: FileWatcher, *, is_loopback: bool = False) -> DirectPath:
    """Return the routes of the watcher's gateway. The watcher runs as long as the application does.

    What is wrong with the routes of plugins is in the findings of the plugin host.
    """
    gateway = watcher.gateway
    handlers = _dialect_handlers(gateway)
    routes: list[ControllerRouterHandler] = [
        # Litestar has no parameters within a segment, so templates have the direct path only.
        *(_route(path, handler) for path, handler in handlers.items() if not parameters(path)),
        *dialect_routes.handlers(gateway),
        *models.routers(gateway),
        status.health,
        status.ready,
        *pages(),
        llms_py.router(provider_switch.route(watcher, is_loopback=is_loopback)),
    ]
    app = Application(
        route_handlers=[*routes, *plugin_routes.routers(gateway, routes)],
        lifespan=[lambda app: _lifespan(gateway, watcher)],
        state=State({"gateway": gateway}),
        exception_handlers={
            Exception: _on_exception,
            LlmsError: _on_exception,
            HTTPException: _on_exception,
        },
        openapi_config=openapi.config(gateway.dialects),
        # Litestar would replace the process's logging configuration.
        logging_config=None,
    )
    return DirectPath(app, handlers)


def _dialect_handlers(gateway: Gateway) -> dict[str, Handler]:
    """The handler of each path of each dialect."""
    handlers: dict[str, Handler] = {}
    for dialect in gateway.dialects:
        for path in dialect.paths:
            handlers[path] = partial(handle, gateway, dialect)
    return handlers


def _route(path: str, serve: Handler) -> ControllerRouterHandler:
    """A POST route that bypasses Litestar's request parsing, which costs more than the rest of the gateway."""

    # Nothing uses the scope after the handler, so copying it would be wasted.
    @asgi(path, copy_scope=False, name=path)
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        # Litestar cannot restrict a plain ASGI route to a method.
        if scope["method"] != "POST":  # type: ignore[typeddict-item]
            raise MethodNotAllowedException(headers={"allow": "POST"})
        await serve(scope, receive, send)

    return handler


@asynccontextmanager
async def _lifespan(gateway: Gateway, watcher: FileWatcher) -> AsyncIterator[None]:
    """Connections, the plugins' lifespans and background tasks; they end in reverse order."""
    async with AsyncExitStack() as stack:
        await gateway.enter(stack)
        # Background tasks start last and so end first: they must not use what a plugin has closed.
        watchdog = Watchdog(gateway)
        stack.callback(watchdog.stop)
        for work in (
            watchdog.beat(),
            watcher.watch(),
            keep_models_current(gateway, watcher.changed),
        ):
            stack.push_async_callback(_cancel, asyncio.create_task(work))
        yield
        gateway.drain()


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    # An exception in one task must not prevent the shutdown of the others.
    await asyncio.gather(task, return_exceptions=True)


def _on_exception(request: Request[Any, Any, State], error: Exception) -> Response[bytes]:
    """The error's JSON for what Litestar refuses, and for what its handlers raise (SR-008, SR-065).

    It is OpenAI's, unless the path or the client belongs to another dialect.
    """
    headers: dict[str, str] = {}
    if isinstance(error, HTTPException) and error.status_code < 500:
        response = describe_http_error(error.status_code, _http_message(request, error))
        headers.update(_with_head(error.headers or {}))
    else:
        # An LlmsError is deliberate and describes itself; anything else is a bug, and needs its traceback.
        if not isinstance(error, LlmsError):
            log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        response = describe(error)
    headers.update(retry_headers(response))
    gateway: Gateway = request.app.state.gateway
    dialect = dialect_of_error(request.url.path, request.headers, gateway.dialects)
    body = encode(response, dialect)
    return Response(
        body,
        status_code=status_of(response, dialect),
        headers=headers,
        media_type="application/json",
    )


def _with_head(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of an error, with HEAD among the methods that are allowed beside GET; see `DirectPath`."""
    allowed = headers.get("allow", "").split(", ")
    if "GET" not in allowed:
        return dict(headers)
    return {**headers, "allow": ", ".join(sorted({*allowed, "HEAD"}))}


def _http_message(request: Request[Any, Any, State], error: HTTPException) -> str:
    path = request.url.path
    match error.status_code:
        case 404:
            gateway: Gateway = request.app.state.gateway
            return unknown_path(path, gateway.dialects)
        case 405:
            return f"{request.method} is not allowed on {path}"
        case _:
            return error.detail
