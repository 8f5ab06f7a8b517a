"""The HTTP routes of plugins. They need a key like everything else, except for those that a plugin names as public."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Any

from litestar import Router
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from llms_core.server.gateway import Gateway

log = logging.getLogger(__name__)


def routers(gateway: Gateway) -> Sequence[Router]:
    """Return a router for each plugin's routes, under `/x/<plugin>`."""
    host = gateway.startup.host
    public_names = host.public_routes()
    found = []
    for plugin, handlers in host.routes():
        public = public_names.get(plugin, frozenset())
        router = Router(f"/x/{plugin}", route_handlers=handlers, guards=[_guard(gateway, public)])
        for name in sorted(public - _names(router)):
            log.error("%s: llms_public_routes: no route has the name %r", host.origin_of(plugin), name)
        found.append(router)
    return found


def _guard(gateway: Gateway, public: Collection[str]) -> Guard:
    """The check before each handler: it sets the caller, or raises RequestError for an unknown one."""

    async def check(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        is_public = handler.name in public
        connection.scope["user"] = None if is_public else await gateway.identify(connection.scope)

    return check


def _names(router: Router) -> set[str | None]:
    return {handler.name for route in router.routes for handler in _handlers(route)}


def _handlers(route: Any) -> Sequence[BaseRouteHandler]:
    # An HTTP route has a handler per method, the others have one.
    handlers: Sequence[BaseRouteHandler] = getattr(route, "route_handlers", None) or (route.route_handler,)
    return handlers
