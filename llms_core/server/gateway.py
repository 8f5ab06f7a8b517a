"""The running gateway: what the current configuration makes of it, and what outlives a reload."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from litestar.types import Scope

from llms_core.candidate import Configured
from llms_core.config import client_keys
from llms_core.config.client_keys import ClientKeys
from llms_core.config.model import Model
from llms_core.dialects.table import dialects
from llms_core.errors import RequestError
from llms_core.plugins.host import PluginHost
from llms_core.provider import Closes
from llms_core.records import Caller
from llms_core.routing.candidates import merged
from llms_core.server import authenticate
from llms_core.server.recent_requests import RecentRequests
from llms_core.server.service import Service, close_adapter
from llms_core.server.spool import ReplayMemory
from llms_core.startup import Startup
from llms_core.status import Measurement

log = logging.getLogger(__name__)


class Gateway(Service):
    """The state of one process's gateway: what answers requests, and everything about its clients."""

    def __init__(
        self, startup: Startup, *, requires_key: bool = False, workers_folder: Path | None = None
    ):
        """Raises ConfigError if the keys of clients cannot be read. With `requires_key`, it is never open."""
        super().__init__(startup)
        self.workers_folder = workers_folder
        self.recent = RecentRequests()
        #: The processes that serve the same address; each has a state of its own.
        self.workers = 1
        self.running = 0
        self.draining = False
        #: Why the files on disk could not be loaded; None if the running configuration is current.
        self.configuration_error: str | None = None
        own = dialects(startup.plugins_toml)
        self.dialects = (*own, *startup.host.dialects(own, self._operations))
        #: What is kept of uploads, so that they can be sent again.
        self.replay_memory = ReplayMemory(startup.plugins_toml.server.replay_buffer)
        self._closing: set[asyncio.Task[None]] = set()
        #: Once there have been keys, no change of the files opens the gateway to everybody.
        self._requires_key = requires_key or startup.llms_json.requires_key
        toml = startup.plugins_toml
        self.use_keys(
            startup.host, client_keys.collect(toml.server, toml.path, may_be_empty=requires_key)
        )

    async def close(self) -> None:
        """Close all connections and adapters."""
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await super().close()
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
            self.use_keys(startup.host, self.keys)
        self._use(startup)
        self._rebuild()
        self.configuration_error = None
        self._breaker.keep_only({item.id for item in startup.configured})
        self._preparations.keep_only(item.id for item in startup.configured)
        for adapter in startup.retired:
            task = asyncio.get_running_loop().create_task(self._close_later(adapter))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def use_keys(self, host: PluginHost, keys: ClientKeys) -> None:
        """Accept these keys from now on, and no others."""
        self.keys = keys
        self._requires_key = self._requires_key or bool(keys.callers)
        self.authenticate = authenticate.create(
            keys.callers,
            host,
            required=self._requires_key,
            timeout=self.server.authenticate_timeout,
        )
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

    def request_started(self) -> None:
        """Count a running request."""
        self.running += 1

    def request_ended(self) -> None:
        """Count a running request no more."""
        self.running -= 1

    def measurements(self) -> Iterator[Measurement]:
        """Yield the numbers of the gateway itself and of all plugins."""
        yield Measurement(
            name="llms_requests_in_flight",
            help="Requests that are being answered.",
            value=self.running,
        )
        yield from super().measurements()

    def admit(self, scope: Scope) -> authenticate.Found | None:
        """Return the caller, or what has to be awaited for it; None if nobody has to authenticate.

        Raises RequestError: 503 if too many requests are running, and what `authenticate.create` lists.
        """
        # The current request has already been counted.
        if self.running > self.server.max_requests:
            message = f"The server is already handling {self.server.max_requests} requests"
            raise RequestError(
                message, status=503, type="api_error", code="overloaded", retry_after=1
            )
        if self.authenticate is None:
            return None
        return self.authenticate(scope)

    def models_of(self, item: Configured) -> Sequence[Model]:
        """Return the models of a provider: those of its block, and those that it lists itself."""
        found = self.discovered.get(item.id, ()) if item.provider.discover else ()
        return merged(item.provider.models, found)

    @property
    def is_open(self) -> bool:
        """Whether clients need no key."""
        return self.authenticate is None

    async def identify(self, scope: Scope) -> Caller | None:
        """Return the caller, or None if nobody has to authenticate. Raises RequestError for an unknown one."""
        if self.authenticate is None:
            return None
        return await authenticate.resolve(self.authenticate(scope))

    async def trusts(self, scope: Scope) -> bool:
        """Whether the client may see more than whether the server is ready: anybody, unless there are keys."""
        try:
            await self.identify(scope)
        except RequestError:
            return False
        return True

    def readiness(self) -> dict[str, Any]:
        """What `/ready` reports: providers, plugins, circuits, and a configuration that could not be loaded."""
        startup = self.startup
        enabled: list[str] = []
        disabled: dict[str, str] = {}
        for item in startup.configured:
            # It can have an adapter nevertheless, for example if a program it needs is not installed.
            if item.disabled is not None:
                disabled[item.id] = item.disabled
            elif item.adapter is not None:
                enabled.append(item.id)
        return {
            "ready": self._router is not None and not self.draining and bool(enabled),
            "providers": {"enabled": enabled, "disabled": disabled},
            "discovery": self.discovery,
            "plugins": _plugins(startup.host),
            "circuits": self._breaker.snapshot(),
            "configuration_error": self.configuration_error,
        }

    def _use(self, startup: Startup) -> None:
        super()._use(startup)
        self.server = startup.plugins_toml.server
        self.max_body = startup.llms_json.max_body
        # The status page shows every request.
        self.observes_requests = True

    async def _close_later(self, adapter: Closes) -> None:
        """Close an adapter of the previous configuration once requests that may use it have had time to end."""
        try:
            # Long enough for running requests to end. If the server stops first, `finally` closes the adapter.
            await asyncio.sleep(self.server.drain)
        finally:
            await close_adapter(adapter)


def _plugins(host: PluginHost) -> dict[str, Any]:
    """The state of each plugin; the second of two with the same name is listed under its distribution."""
    plugins: dict[str, Any] = {}
    for report in host.reports:
        name = report.origin if report.name in plugins else report.name
        plugins[name] = {
            "distribution": report.distribution,
            "state": report.state,
            "reason": report.reason,
        }
    for name, status in host.statuses().items():
        plugins[name]["status"] = status
    for contributor in host.contributors:
        if contributor.failure:
            plugins[contributor.name]["reason"] = f"llms_config failed: {contributor.failure}"
    return plugins
