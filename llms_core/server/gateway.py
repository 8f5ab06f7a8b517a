"""The running gateway: what the current configuration makes of it, and what outlives a reload."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from litestar.types import Scope

from llms_core.config import client_keys
from llms_core.config.client_keys import ClientKeys
from llms_core.config.model import LlmsJson, Model, PluginsToml, Routing, Timeouts
from llms_core.dialects.table import dialects
from llms_core.errors import RequestError
from llms_core.middleware.chain import compose
from llms_core.operations.table import OPERATIONS
from llms_core.plugins.host import PluginHost
from llms_core.plugins.report import PluginReport
from llms_core.provider import Closes
from llms_core.records import Caller
from llms_core.routing import discovery, strategies
from llms_core.routing.attempt import AttemptObserver
from llms_core.routing.attempts import Router
from llms_core.routing.candidates import ModelIndex
from llms_core.routing.circuit import CircuitBreaker
from llms_core.secret import redact
from llms_core.server import accounting, authenticate
from llms_core.server.spool import ReplayMemory
from llms_core.startup import Startup
from llms_core.upstream.engine import create_transport
from llms_core.upstream.fetch import Fetcher
from llms_core.upstream.transport import HttpTransport

log = logging.getLogger(__name__)


class Gateway:
    """The state of one process's gateway.

    It is built before the event loop runs; `open` and `close` belong to the application's lifespan.
    """

    def __init__(self, startup: Startup, *, requires_key: bool = False):
        """Raises ConfigError if the keys of clients cannot be read. With `requires_key`, it is never open."""
        self.running = 0
        self.draining = False
        #: The discovered models, by provider id.
        self.discovered: Mapping[str, Sequence[Model]] = {}
        #: The result of the last discovery in words, by provider id.
        self.discovery: Mapping[str, str] = {}
        #: Why the files on disk could not be loaded; None if the running configuration is current.
        self.configuration_error: str | None = None
        self._breaker = CircuitBreaker()
        self._transport: HttpTransport | None = None
        #: Plugins cannot be reloaded, so neither can these.
        self._operations = (*OPERATIONS, *startup.host.operations(OPERATIONS))
        own = dialects(startup.plugins_toml)
        self.dialects = (*own, *startup.host.dialects(own, self._operations))
        #: What is kept of uploads, so that they can be sent again.
        self.replay_memory = ReplayMemory(startup.plugins_toml.server.replay_buffer)
        #: The middleware of all plugins as one; None if there is none.
        self.middleware = compose(startup.host.middleware())
        self._fetcher = Fetcher(startup.plugins_toml.upstream.fetch_from)
        self._router: Router | None = None
        self._closing: set[asyncio.Task[None]] = set()
        #: Once there have been keys, no change of the files opens the gateway to everybody.
        self._requires_key = requires_key or startup.llms_json.requires_key
        toml = startup.plugins_toml
        self.use_keys(startup.host, client_keys.collect(toml.server, toml.path, may_be_empty=requires_key))
        self._use(startup)

    @property
    def router(self) -> Router:
        """The router of the current configuration. Raises RequestError (503) before `open`."""
        if self._router is None:
            raise RequestError("The server is starting", status=503, type="api_error", code="starting", retry_after=1)
        return self._router

    async def open(self) -> None:
        """Create the HTTP client, which belongs to the event loop."""
        plugins_toml = self.startup.plugins_toml
        self._transport = create_transport(plugins_toml.upstream, Path(plugins_toml.path).parent)
        self._rebuild()

    async def close(self) -> None:
        """Close all connections and adapters."""
        for item in self.startup.configured:
            if isinstance(item.adapter, Closes):
                await _close(item.adapter)
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        if self._transport is not None:
            await self._transport.aclose()
        for dialect in self.dialects:
            if dialect.aclose is not None:
                await dialect.aclose()

    def drain(self) -> None:
        """Report as not ready from now on: the server is stopping."""
        self.draining = True

    def apply(self, startup: Startup) -> None:
        """Use a new configuration. Running requests continue with the one they began with."""
        if startup.llms_json.requires_key and not self._requires_key:
            self._requires_key = True
            self.use_keys(startup.host, self._keys)
        self._use(startup)
        self._rebuild()
        self.configuration_error = None
        self._breaker.keep_only({item.id for item in startup.configured})
        for adapter in startup.retired:
            task = asyncio.get_running_loop().create_task(self._close_later(adapter))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def use_keys(self, host: PluginHost, keys: ClientKeys) -> None:
        """Accept these keys from now on, and no others."""
        self._keys = keys
        self._requires_key = self._requires_key or bool(keys.callers)
        self.authenticate = authenticate.create(keys.callers, host, required=self._requires_key)
        #: The file that keys are read from, which is watched.
        self.keys_file = keys.file
        if self._requires_key and not keys.callers and not host.authenticators:
            log.warning(
                "no client has a key, so that every request is refused: create one with `llms keys new NAME`, and add "
                "what it prints to plugins.toml"
            )

    def reject(self, error: str) -> None:
        """Keep the current configuration, because the files on disk cannot be loaded."""
        self.configuration_error = error

    def update_models(self, found: Mapping[str, Sequence[Model] | str]) -> None:
        """Use the result of a discovery; a provider that gave a reason instead keeps its last list."""
        discovered: dict[str, Sequence[Model]] = {}
        summary: dict[str, str] = {}
        for provider_id, result in found.items():
            if isinstance(result, str):
                discovered[provider_id] = self.discovered.get(provider_id, ())
                summary[provider_id] = redact(result)
            else:
                discovered[provider_id] = result
                summary[provider_id] = f"{len(result)} models"
        self.discovered = discovered
        self.discovery = summary
        if found:
            self._rebuild()

    async def discover_models(self) -> Mapping[str, Sequence[Model] | str]:
        """Ask the providers for their models, without using the result yet."""
        return await discovery.discover_models(self.router.transport, self.startup.configured)

    def request_started(self) -> None:
        """Count a running request."""
        self.running += 1

    def request_ended(self) -> None:
        """Count a running request no more."""
        self.running -= 1

    def admit(self, scope: Scope) -> Caller | None:
        """Return the caller. Raises RequestError: 401 for an unknown one, 503 if too many requests are running."""
        # The current request has already been counted.
        if self.running > self.server.max_requests:
            message = f"The server is already handling {self.server.max_requests} requests"
            raise RequestError(message, status=503, type="api_error", code="overloaded", retry_after=1)
        return self.identify(scope)

    @property
    def is_open(self) -> bool:
        """Whether clients need no key."""
        return self.authenticate is None

    def identify(self, scope: Scope) -> Caller | None:
        """Return the caller, or None if nobody has to authenticate. Raises RequestError (401) for an unknown one."""
        if self.authenticate is None:
            return None
        return self.authenticate(scope)

    def trusts(self, scope: Scope) -> bool:
        """Whether the client may see more than whether the server is ready: anybody, unless there are keys."""
        try:
            self.identify(scope)
        except RequestError:
            return False
        return True

    def readiness(self) -> dict[str, Any]:
        """What `/ready` reports: providers, plugins, circuits, and a configuration that could not be loaded."""
        startup = self.startup
        # A disabled provider can have an adapter, for example if a program it needs is not installed.
        enabled = [item.id for item in startup.configured if item.adapter is not None and item.disabled is None]
        return {
            "ready": self._router is not None and not self.draining and bool(enabled),
            "providers": {
                "enabled": enabled,
                "disabled": {item.id: item.disabled for item in startup.configured if item.disabled is not None},
            },
            "discovery": self.discovery,
            "plugins": _plugins(startup.host.reports),
            "circuits": self._breaker.snapshot(),
            "configuration_error": self.configuration_error,
        }

    def _use(self, startup: Startup) -> None:
        self.startup = startup
        self.server = startup.plugins_toml.server
        self.max_body = startup.llms_json.max_body
        host = startup.host
        #: Whether anybody reads records: without a plugin or a log that does, none are made.
        self.observes_requests = host.observes_requests or host.observes_attempts or accounting.is_logged()
        # Keys of earlier configurations stay redacted: running requests may still use them.
        keys = [item.provider.settings.api_key for item in startup.configured]
        redact.add(key for key in keys if key is not None)

    def _rebuild(self) -> None:
        """Build a new router from the configuration and the discovered models."""
        if self._transport is None:
            return
        startup = self.startup
        routing = _routing(startup.plugins_toml, startup.llms_json)
        self._breaker.settings = routing.breaker
        observer = AttemptObserver(self._breaker, startup.host, redact, records_successes=self.observes_requests)
        self._router = Router(
            models=ModelIndex(startup.configured, self._operations, self._breaker, self.discovered),
            order=strategies.create(routing),
            breaker=self._breaker,
            transport=self._transport,
            host=startup.host,
            routing=routing,
            timeouts=_timeouts(startup.plugins_toml, startup.llms_json),
            max_bytes=startup.plugins_toml.upstream.max_answer,
            fetch=self._fetcher.fetch,
            observer=observer,
        )

    async def _close_later(self, adapter: Closes) -> None:
        """Close an adapter of the previous configuration once requests that may use it have had time to end."""
        try:
            # Long enough for running requests to end. If the server stops first, `finally` closes the adapter.
            await asyncio.sleep(self.server.drain)
        finally:
            await _close(adapter)


def _plugins(reports: Sequence[PluginReport]) -> dict[str, Any]:
    """The state of each plugin; the second of two with the same name is listed under its distribution."""
    plugins: dict[str, Any] = {}
    for report in reports:
        name = report.origin if report.name in plugins else report.name
        plugins[name] = {"distribution": report.distribution, "state": report.state, "reason": report.reason}
    return plugins


def _routing(toml: PluginsToml, document: LlmsJson) -> Routing:
    """`[routing]`, with the retries of llms.py's `limits` if the document has them."""
    routing = toml.routing
    if document.retries is None:
        return routing
    # llms.py counts attempts, `[routing.retry]` counts retries.
    retry = msgspec.structs.replace(routing.retry, attempts=max(0, document.retries - 1))
    return msgspec.structs.replace(routing, retry=retry)


def _timeouts(toml: PluginsToml, document: LlmsJson) -> Timeouts:
    """`[timeouts]`; llms.py's `limits.client_timeout` is the total unless plugins.toml sets one."""
    if document.client_timeout is None or toml.timeouts.total != Timeouts().total:
        return toml.timeouts
    return msgspec.structs.replace(toml.timeouts, total=document.client_timeout)


async def _close(adapter: Closes) -> None:
    try:
        await adapter.aclose()
    except (Exception, SystemExit):
        # The adapter is plugin code: its failure must not keep the others from being closed.
        log.exception("an adapter failed to close")
