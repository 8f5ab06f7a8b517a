"""The running gateway: what the configuration makes of it now, and what outlives a reload."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from litestar.types import Scope

from llms_core.config.model import LlmsJson, Model, PluginsToml, Price, Timeouts
from llms_core.contracts.completion import Usage
from llms_core.contracts.request import ChatRequest
from llms_core.errors import ConfigError, ErrorKind, RequestError
from llms_core.plugins.report import PluginReport
from llms_core.provider import Closes
from llms_core.records import Caller, RequestRecord
from llms_core.routing import strategies
from llms_core.routing.attempts import Router, Served
from llms_core.routing.candidates import Catalogue
from llms_core.routing.circuit import Health
from llms_core.routing.trace import Track
from llms_core.secret import redact
from llms_core.server import authenticate
from llms_core.startup import Startup
from llms_core.upstream import transport as engine
from llms_core.upstream.fetch import Fetcher

log = logging.getLogger(__name__)


class Gateway:
    """One process's gateway. Built before the event loop runs; `open` and `close` belong to its lifespan."""

    def __init__(self, startup: Startup):
        self.running = 0
        self.draining = False
        self.discovered: dict[str, Sequence[Model]] = {}
        self.discovery: dict[str, str] = {}
        self.problem: str | None = None
        self._health = Health()
        self._engine: engine.Engine | None = None
        self._fetcher = Fetcher(startup.plugins_toml.upstream.fetch_from)
        self._router: Router | None = None
        self._retired: set[asyncio.Task[None]] = set()
        self._use(startup)

    @property
    def router(self) -> Router:
        """The way to an answer, as configured now. There is none before `open`."""
        if self._router is None:
            raise RequestError("The server is starting", status=503, type="api_error", code="starting", retry_after=1)
        return self._router

    async def open(self) -> None:
        """Make the HTTP client: it belongs to the event loop."""
        self._engine = engine.create(self.startup.plugins_toml.upstream)
        self.rebuild()

    async def close(self) -> None:
        """Let go of connections and adapters."""
        for item in self.startup.configured:
            if isinstance(item.adapter, Closes):
                await _close(item.adapter)
        for task in self._retired:
            task.cancel()
        await asyncio.gather(*self._retired, return_exceptions=True)
        await self._fetcher.aclose()
        if self._engine is not None:
            await self._engine.aclose()

    def apply(self, startup: Startup) -> None:
        """Take a new configuration; requests that run go on with what they began with."""
        self._use(startup)
        self.rebuild()
        self._health.forget({item.id for item in startup.configured})
        for adapter in startup.retired:
            task = asyncio.get_running_loop().create_task(self._retire(adapter))
            self._retired.add(task)
            task.add_done_callback(self._retired.discard)

    def rebuild(self) -> None:
        """Build the router anew, from the configuration and from what was discovered."""
        if self._engine is None:
            return
        toml, document = self.startup.plugins_toml, self.startup.llms_json
        routing = toml.routing
        if document.retries is not None:
            retry = msgspec.structs.replace(routing.retry, attempts=max(0, document.retries - 1))
            routing = msgspec.structs.replace(routing, retry=retry)
        self._health.breaker = routing.breaker
        self._router = Router(
            catalogue=Catalogue(self.startup.configured, self.discovered),
            order=strategies.create(routing, self._health),
            health=self._health,
            engine=self._engine,
            host=self.startup.host,
            routing=routing,
            timeouts=_timeouts(toml, document),
            largest=toml.upstream.max_answer,
            fetch=self._fetcher.fetch,
            observed=self._observed,
            redact=redact,
        )

    def admit(self, scope: Scope) -> Caller | None:
        """Who asks. Raises RequestError: 401 for who may not, 503 where there are too many requests at once."""
        if self.running > self.server.max_requests:
            message = f"The server has {self.server.max_requests} requests at once already"
            raise RequestError(message, status=503, type="api_error", code="overloaded", retry_after=1)
        return self.authenticate(scope["headers"]) if self.authenticate is not None else None

    def finished(
        self,
        track: Track,
        request: ChatRequest | None,
        served: Served | None,
        caller: Caller | None,
        status: int,
        overhead: float | None,
        failure: ErrorKind | None,
    ) -> None:
        """A request is over: tell the log and the plugins, if they listen."""
        if not self._observed:
            return
        last = track.attempts[-1] if track.attempts else None
        won = last if served is not None else None
        record = RequestRecord(
            request_id=track.id,
            model=request.model if request is not None else "",
            status=status,
            stream=bool(request is not None and request.stream),
            duration=track.duration,
            overhead=overhead if overhead is not None else track.overhead,
            attempts=tuple(track.attempts),
            provider=won.provider if won else None,
            upstream_model=won.upstream_model if won else None,
            usage=won.usage if won else None,
            cost=_cost(served.candidate.model.price, won.usage) if served is not None and won is not None else None,
            kind=failure or (last.kind if last is not None else None),
            caller=caller.name if caller is not None else None,
        )
        self.startup.host.request_finished(record)
        if log.isEnabledFor(logging.INFO):
            log.info(
                "%s %s model=%.200r provider=%s attempts=%d %.0f ms",
                record.request_id, status, record.model, record.provider or "-", len(record.attempts),
                record.duration * 1000,
            )  # fmt: skip

    def readiness(self) -> dict[str, Any]:
        """What `/ready` tells: providers, plugins, circuits, and a configuration that could not be read."""
        startup = self.startup
        enabled = [item.id for item in startup.configured if item.adapter is not None and item.disabled is None]
        return {
            "ready": self._router is not None and not self.draining and bool(enabled),
            "providers": {
                "enabled": enabled,
                "disabled": {item.id: item.disabled for item in startup.configured if item.disabled is not None},
            },
            "discovery": self.discovery,
            "plugins": _plugins(startup.host.reports),
            "circuits": self._health.snapshot(),
            "configuration_error": self.problem,
        }

    def _use(self, startup: Startup) -> None:
        self.authenticate = authenticate.create(startup.plugins_toml, startup.host)  # first: it may raise ConfigError
        self.startup = startup
        self.server = startup.plugins_toml.server
        self.max_body = startup.llms_json.max_body
        host = startup.host  # where neither it nor the log wants to know, no records are made
        self._observed = host.observes_requests or host.observes_attempts or log.isEnabledFor(logging.INFO)
        keys = [item.provider.settings.api_key for item in startup.configured]
        redact.add(key for key in keys if key is not None)

    async def _retire(self, adapter: Closes) -> None:
        """Close an adapter of the old configuration once the requests that may use it have had their time."""
        try:
            await asyncio.sleep(self.server.drain)
        finally:
            await _close(adapter)


def _plugins(reports: Sequence[PluginReport]) -> dict[str, Any]:
    """Each plugin's state; of two plugins of one name the second is told apart by its distribution."""
    found: dict[str, Any] = {}
    for report in reports:
        told = {"distribution": report.distribution, "state": report.state, "reason": report.reason}
        found[report.origin if report.name in found else report.name] = told
    return found


def reread(startup: Startup, toml: PluginsToml) -> Startup:
    """The startup with the parts of plugins.toml that can change while the server runs."""
    old = startup.plugins_toml
    fixed = ("plugins", "server", "upstream", "plugin", "types")
    changed = [name for name in fixed if getattr(old, name) != getattr(toml, name)]
    if changed:
        log.warning("%s: a change of [%s] needs a restart", toml.path, "], [".join(changed))
    kept: Mapping[str, Any] = {name: getattr(old, name) for name in fixed}
    return msgspec.structs.replace(startup, plugins_toml=msgspec.structs.replace(toml, **kept))


def check(startup: Startup) -> None:
    """Raises ConfigError for what only shows when the parts are put together."""
    path = startup.plugins_toml.path
    try:
        strategies.create(startup.plugins_toml.routing, Health())
    except ConfigError as error:
        raise ConfigError(error.message, path=path, field=error.field, hint=error.hint) from None
    for network in startup.plugins_toml.upstream.fetch_from:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise ConfigError(str(error), path=path, field="upstream.fetch_from") from None
    known = {item.id for item in startup.configured}
    for field, names in (
        ("routing.weights", startup.plugins_toml.routing.weights),
        ("timeouts.provider", startup.plugins_toml.timeouts.provider),
    ):
        for name in names:
            if name not in known:
                raise ConfigError(f"there is no provider '{name}'", path=path, field=f"{field}.{name}")


def _timeouts(toml: PluginsToml, document: LlmsJson) -> Timeouts:
    """llms.py's `limits.client_timeout` is the total, unless plugins.toml has one of its own."""
    if document.client_timeout is None or toml.timeouts.total != Timeouts().total:
        return toml.timeouts
    return msgspec.structs.replace(toml.timeouts, total=document.client_timeout)


def _cost(price: Price | None, usage: Usage | None) -> float | None:
    """USD for the tokens of the model that served; None where the price or the usage is not known."""
    if price is None or usage is None:
        return None
    cached = (usage.prompt_tokens_details or {}).get("cached_tokens") or 0
    cached = min(int(cached), usage.prompt_tokens)
    reading = price.input if price.cache_read is None else price.cache_read
    dear = (usage.prompt_tokens - cached) * price.input + cached * reading + usage.completion_tokens * price.output
    return dear / 1e6


async def _close(adapter: Closes) -> None:
    try:
        await adapter.aclose()
    except (Exception, SystemExit):
        log.exception("an adapter failed to close")
