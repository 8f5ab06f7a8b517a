"""The HTTP routes of plugins. They need a key like everything else, except for those that a plugin names as public."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from litestar import Router
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import ControllerRouterHandler, Guard

from llms_core.errors import PluginError
from llms_core.plugins.report import summary
from llms_core.server.application import Application
from llms_core.server.gateway import Gateway

ROOT_ROUTES = "llms_root_routes"


def routers(gateway: Gateway, others: Sequence[ControllerRouterHandler]) -> Sequence[Router]:
    """Return routers for each plugin's routes, those under `/x/<plugin>` first; what cannot be served is left out.

    `others` are the server's own routes.
    """
    host = gateway.startup.host
    public_names = host.public_routes()
    offered = [
        (plugin, f"/x/{plugin}", "llms_routes", handlers) for plugin, handlers in host.routes()
    ]
    offered += [
        (plugin, "/", ROOT_ROUTES, handlers) for plugin, handlers in host.routes(ROOT_ROUTES)
    ]
    found: list[Router] = []
    #: The names of each plugin's routes.
    names: dict[str, set[str]] = {}
    for plugin, prefix, hook, handlers in offered:
        known = names.setdefault(plugin, set())
        try:
            guard = _guard(gateway, public_names.get(plugin, frozenset()))
            router = Router(prefix, route_handlers=_checked(handlers), guards=[guard])
            if not _are_own(handlers):
                _try_out([*others, *found, router])
        # Litestar raises errors of several kinds, and a plugin's own classes may raise any.
        except (Exception, SystemExit) as error:
            reason = str(error) if isinstance(error, PluginError) else summary(error)
            host.leave_out(plugin, hook, reason)
            # What is public of routes that are not served need not be complained about as well.
            known |= public_names.get(plugin, frozenset())
            continue
        known.update(filter(None, _names(router)))
        found.append(router)
    for plugin, known in names.items():
        for name in sorted(public_names.get(plugin, frozenset()) - known):
            others_named = ", ".join(sorted(known)) or "none has a name"
            host.leave_out(
                plugin,
                "llms_public_routes",
                f"no route has the name {name!r}, only: {others_named}",
            )
    return found


def _checked(handlers: Sequence[object]) -> list[Any]:
    """Return what can be a route. Raises PluginError for anything else, of which Litestar does not tell what it is."""
    for handler in handlers:
        is_class = isinstance(handler, type)
        if is_class or isinstance(handler, BaseRouteHandler | Router):
            continue
        name = getattr(handler, "__name__", type(handler).__name__)
        how = "put @get, @post, … (from litestar) above a function"
        raise PluginError(
            f"'{name}' is a {type(handler).__name__} and no route handler of Litestar: {how}"
        )
    return list(handlers)


def _are_own(handlers: Sequence[object]) -> bool:
    """Whether all are of llms-core's own plugins, which need not be tried out: that takes a tenth of a start."""
    return all(
        str(getattr(handler, "fn", handler).__module__).startswith("llms_core.")
        for handler in handlers
    )


def _try_out(handlers: Sequence[ControllerRouterHandler]) -> None:
    """Raise what Litestar raises for routes that are in each other's way, or that it cannot describe."""
    # The document is made at its first request, and one route that cannot be described would take it from all others.
    _ = Application(route_handlers=handlers, logging_config=None).openapi_schema


def _guard(gateway: Gateway, public: Collection[str]) -> Guard:
    """The check before each handler: it sets the caller, or raises RequestError for an unknown one."""

    async def check(
        connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
    ) -> None:
        is_public = handler.name in public
        connection.scope["user"] = None if is_public else await gateway.identify(connection.scope)

    return check


def _names(router: Router) -> set[str | None]:
    return {handler.name for route in router.routes for handler in _handlers(route)}


def _handlers(route: Any) -> Sequence[BaseRouteHandler]:
    # An HTTP route has a handler per method, the others have one.
    handlers: Sequence[BaseRouteHandler] = getattr(route, "route_handlers", None) or (
        route.route_handler,
    )
    return handlers
