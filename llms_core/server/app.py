"""The composition root: configuration -> gateway -> ASGI application."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from litestar import Litestar, Response, Router
from litestar.connection import Request
from litestar.datastructures import State
from litestar.exceptions import HTTPException, MethodNotAllowedException
from litestar.handlers import asgi
from litestar.types import ASGIApp, ControllerRouterHandler, Receive, Scope, Send

from llms_core import startup
from llms_core.config import places
from llms_core.dialects import CHAT, TEXT
from llms_core.errors import LlmsError
from llms_core.plugins.doctor import examine
from llms_core.plugins.report import PluginReport
from llms_core.server import chat, models, openapi, status
from llms_core.server import error_response as problems
from llms_core.server.background import discover_models, watch_files
from llms_core.server.gateway import Gateway, check
from llms_core.server.watchdog import Watchdog
from llms_core.startup import Startup

log = logging.getLogger(__name__)


class _Application(Litestar):
    """Litestar, but for a POST to the very path of a completion: its handler is called without router and middleware.

    It answers for every fault itself, and needs nothing of theirs; they would cost a tenth of the request.
    """

    completions: Mapping[str, ASGIApp] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Application entry point."""
        if scope["type"] == "http" and scope["method"] == "POST":
            serve = self.completions.get(scope["path"])
            if serve is not None:
                await serve(scope, receive, send)
                return
        await super().__call__(scope, receive, send)


def create_app(config: Path | None = None, plugins: Path | None = None) -> Litestar:
    """The application for the two files; where one is None it is looked for in the usual places.

    Raises ConfigError where a file is wrong.
    """
    config, plugins = places.llms_json(config, os.environ), places.plugins_toml(plugins, os.environ)
    started = startup.load(config, plugins)
    check(started)
    for warning in started.warnings:
        log.warning("%s", warning)
    for note in started.llms_json.notes:
        log.info("%s", note)
    _tell_of_plugins(started.host.reports)
    gateway = Gateway(started)
    completions = {
        "/v1/chat/completions": partial(chat.complete, gateway, CHAT),
        "/v1/completions": partial(chat.complete, gateway, TEXT),
    }
    app = _Application(
        route_handlers=[
            *(_completions(path, serve) for path, serve in completions.items()),
            models.router,
            status.health,
            status.ready,
            status.page,
            *_plugin_routes(started),
        ],
        lifespan=[lambda app: _lifespan(gateway, config, plugins)],
        state=State({"gateway": gateway}),
        exception_handlers={Exception: _on_exception, LlmsError: _on_exception, HTTPException: _on_exception},
        openapi_config=openapi.CONFIG,
        logging_config=None,
    )
    app.completions = completions
    return app


def _tell_of_plugins(reports: Iterable[PluginReport]) -> None:
    """Log what keeps a plugin, or a part of it, from working, and what may soon."""
    for report in reports:
        for finding in examine([report]):
            text = finding.text if report.origin in finding.text else f"{report.origin}: {finding.text}"
            log.log(logging.WARNING if finding.fault else logging.INFO, "%s", text)


def _completions(path: str, serve: ASGIApp) -> ControllerRouterHandler:
    """A POST route below Litestar's request machinery, which costs more than the rest of the gateway."""

    @asgi(path, copy_scope=False, name=path)
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":  # type: ignore[typeddict-item]
            raise MethodNotAllowedException(headers={"allow": "POST"})
        await serve(scope, receive, send)

    return handler


@asynccontextmanager
async def _lifespan(gateway: Gateway, config: Path | None, plugins: Path | None) -> AsyncIterator[None]:
    """Connections, plugins' own lifespans and background tasks; left in reverse order."""
    changed = asyncio.Event()
    async with AsyncExitStack() as stack:
        await gateway.open()
        stack.push_async_callback(gateway.close)
        for plugin, context in gateway.startup.host.lifespans():
            try:
                await stack.enter_async_context(context)
            except (Exception, SystemExit):
                log.exception("%s: its llms_lifespan failed to start", gateway.startup.host.origin_of(plugin))
        watchdog = Watchdog(gateway)
        stack.callback(watchdog.stop)
        for work in (
            watchdog.beat(),
            watch_files(gateway, config, plugins, changed),
            discover_models(gateway, changed),
        ):
            stack.push_async_callback(_cancel, asyncio.create_task(work))
        yield
        gateway.draining = True


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _plugin_routes(started: Startup) -> Sequence[ControllerRouterHandler]:
    """Each plugin's routes under `/x/<plugin>`."""
    return [Router(f"/x/{name}", route_handlers=handlers) for name, handlers in started.host.routes()]


def _on_exception(request: Request[Any, Any, State], error: Exception) -> Response[bytes]:
    """OpenAI's error JSON for what Litestar refuses, and for what our handlers raise (SR-008, SR-065)."""
    if isinstance(error, HTTPException) and error.status_code < 500:
        path = request.url.path
        messages = {404: f"Unknown path: {path}", 405: f"{request.method} is not allowed on {path}"}
        problem = problems.http_problem(error.status_code, messages.get(error.status_code, error.detail))
        headers = dict(error.headers or {})
    else:
        if not isinstance(error, LlmsError):
            log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        problem, headers = problems.problem(error), {}
    if problem.retry_after_header is not None:
        headers["retry-after"] = problem.retry_after_header
    return Response(problem.body, status_code=problem.status, headers=headers, media_type="application/json")
