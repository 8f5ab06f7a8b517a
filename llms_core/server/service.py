"""What answers requests: middleware and routing, made from the current configuration.

The server's gateway is one (`gateway.py`), with clients around it. The command line uses one without a server, so that
`llms "…"` takes the same path as a request over HTTP.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from copy import copy
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from llms_core import images
from llms_core.adapter_tasks import AdapterTasks
from llms_core.candidate import Configured
from llms_core.config import places
from llms_core.config.model import LlmsJson, Model, PluginsToml, Retry, Routing, Timeouts
from llms_core.contracts.body import RequestBody
from llms_core.errors import RequestError
from llms_core.middleware import Answered, Call
from llms_core.middleware.chain import compose
from llms_core.operations import FetchMedia, Operation
from llms_core.operations.table import OPERATIONS
from llms_core.preparation import Preparations
from llms_core.prices.book import price_book
from llms_core.provider import Closes
from llms_core.routing import discovery, strategies
from llms_core.routing.attempt import AttemptObserver
from llms_core.routing.attempts import Router
from llms_core.routing.candidates import ModelIndex
from llms_core.routing.circuit import CircuitBreaker
from llms_core.routing.trace import RequestTrace
from llms_core.secret import redact
from llms_core.server import accounting
from llms_core.server.request_headers import tags_of
from llms_core.startup import Startup
from llms_core.status import Measurement
from llms_core.upstream.engine import create_transport
from llms_core.upstream.fetch import Fetcher
from llms_core.upstream.transport import HttpTransport

if TYPE_CHECKING:
    from llms_core.images.converter import ImageConverter

log = logging.getLogger(__name__)

_ONCE = Routing(retry=Retry(attempts=0))


class Service:
    """Answers requests by way of the middleware and the providers of the current configuration.

    It is built before the event loop runs; `enter` starts it.
    """

    #: See `GatewayStatus`.
    workers_folder: Path | None = None

    def __init__(self, startup: Startup, *, keeps_records: bool = False):
        """With `keeps_records`, successful attempts are recorded even if no plugin or log reads them."""
        #: The discovered models, by provider id.
        self.discovered: Mapping[str, Sequence[Model]] = {}
        #: The result of the last discovery in words, by provider id.
        self.discovery: Mapping[str, str] = {}
        self._keeps_records = keeps_records
        self._breaker = CircuitBreaker()
        #: Where coroutines of adapters run.
        self._tasks = AdapterTasks()
        self._preparations = Preparations(self._tasks)
        self._transport: HttpTransport | None = None
        #: Plugins cannot be reloaded, so neither can these.
        self._operations = (*OPERATIONS, *startup.host.operations(OPERATIONS))
        #: The middleware of all plugins as one; None if there is none.
        self.middleware = compose(startup.host.middleware)
        self._fetcher = Fetcher(startup.plugins_toml.upstream.fetch_from)
        self._router: Router | None = None
        #: What makes images smaller; None unless llms.json asks for it.
        self.images: ImageConverter | None = None
        self._prices = price_book(places.cache(os.environ))
        self._use(startup)

    @property
    def router(self) -> Router:
        """The router of the current configuration. Raises RequestError (503) before `open`."""
        if self._router is None:
            raise RequestError(
                "The server is starting",
                status=503,
                type="api_error",
                code="starting",
                retry_after=1,
            )
        return self._router

    async def enter(self, stack: AsyncExitStack) -> None:
        """Open connections, and enter the plugins' lifespans; `stack` ends them in reverse order."""
        await self.open()
        stack.push_async_callback(self.close)
        if self.observes_requests:
            # The ledger prices afterwards what is answered before the list is there. One question of the command line
            # is not worth the making of the list.
            load = partial(self._prices.load, may_compile=not self._keeps_records)
            threading.Thread(target=load, name="llms-prices", daemon=True).start()
        host = self.startup.host
        for plugin, context in host.lifespans(self):
            try:
                await stack.enter_async_context(context)
            # A plugin that does not start must not keep the others from starting.
            except (Exception, SystemExit):
                log.exception("%s: llms_lifespan failed to start", host.origin_of(plugin))
        for finding in host.findings:
            if finding.hook == "llms_lifespan":
                log.error("%s", finding.text)

    async def open(self) -> None:
        """Create the HTTP client, which belongs to the event loop."""
        plugins_toml = self.startup.plugins_toml
        self._transport = create_transport(plugins_toml.upstream, Path(plugins_toml.path).parent)
        self._rebuild()

    async def close(self) -> None:
        """Close all connections and adapters."""
        await self._tasks.aclose()
        for item in self.startup.configured:
            if isinstance(item.adapter, Closes):
                await close_adapter(item.adapter)
        if self._transport is not None:
            await self._transport.aclose()

    def measurements(self) -> Iterator[Measurement]:
        """Yield the numbers of the gateway itself and of all plugins."""
        yield from self._breaker.measurements()
        yield from self.startup.host.measurements()

    def model_named(self, name: str) -> str | None:
        """Return the first name of the configured model that clients call `name`; None if there is no such model."""
        found = self.router.models.find(name)
        return found[0].names[0] if found else None

    async def answer(
        self,
        trace: RequestTrace,
        operation: Operation[Any, Any],
        body: RequestBody[Any],
        *,
        dialect: str,
        headers: Iterable[tuple[bytes, bytes]] = (),
        has_form: bool = False,
    ) -> Answered:
        """Return the answer of a provider, by way of the middleware if there is any.

        `dialect` is the name of the format in which the client wrote the request; `headers` are the client's. Raises
        what `Router.answer` raises.
        """
        if self.images is not None:
            body = await self.images.fitted(body)
        if self.middleware is None:
            return await self.router.answer(trace, operation, body)
        router = self.router
        call = Call(
            id=trace.id,
            caller=trace.caller,
            operation=operation,
            dialect=dialect,
            body=body.translated(),
            deadline=asyncio.get_running_loop().time() + router.timeouts.total,
            has_form=has_form,
            tags=tags_of(headers),
        )

        async def forward(changed: Call) -> Answered:
            return await router.answer(trace, operation, changed.body, changed.deadline)

        answered = await self.middleware(call, forward)
        # A middleware may answer in either way, and the client gets what it asked for.
        if body.stream:
            return answered.replayed(operation)
        return await answered.whole(operation)

    def only(self, item: Configured) -> Service:
        """Return a service that tries a model of one provider once, without middleware, to find out how it answers.

        It shares the connections of this one, which has to be open.
        """
        once = copy(self)
        once.middleware = None
        once._router = msgspec.structs.replace(
            self.router,
            models=ModelIndex(
                [_without_retries(item)],
                self._operations,
                CircuitBreaker(),
                self.discovered,
                self._preparations,
            ),
            order=strategies.create(_ONCE),
            routing=_ONCE,
        )
        return once

    def configured_models(self) -> ModelIndex:
        """Return the models that are known without asking a provider."""
        return ModelIndex(self.startup.configured, self._operations, CircuitBreaker())

    @property
    def has_providers(self) -> bool:
        """Whether any provider is enabled."""
        return any(item.disabled is None for item in self.startup.configured)

    async def discover_models(
        self, providers: Sequence[Configured] | None = None
    ) -> Mapping[str, Sequence[Model] | str]:
        """Ask these providers for their models, or all of them, without using the result yet."""
        asked = self.startup.configured if providers is None else providers
        return await discovery.discover_models(self.router.transport, asked, self._preparations)

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

    def _use(self, startup: Startup) -> None:
        self.startup = startup
        host = startup.host
        #: Whether anybody reads records: without a plugin or a log that does, none are made.
        self.observes_requests = (
            self._keeps_records
            or host.observes_requests
            or host.observes_attempts
            or accounting.is_logged()
        )
        limits = startup.llms_json.images
        if limits is None or not images.is_available():
            self.images = None
        elif self.images is None or self.images.limits != limits:
            # Most configurations do not need it.
            from llms_core.images.converter import ImageConverter

            self.images = ImageConverter(limits)
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
        observer = AttemptObserver(
            self._breaker,
            startup.host,
            redact,
            records_successes=self.observes_requests,
            prices=self._prices,
        )
        fetch: FetchMedia = self._fetcher.fetch
        if self.images is not None:
            fetch = self.images.fetching(fetch)
        self._router = Router(
            models=ModelIndex(
                startup.configured,
                self._operations,
                self._breaker,
                self.discovered,
                self._preparations,
            ),
            order=strategies.create(routing),
            breaker=self._breaker,
            transport=self._transport,
            host=startup.host,
            routing=routing,
            timeouts=_timeouts(startup.plugins_toml, startup.llms_json),
            max_bytes=startup.plugins_toml.upstream.max_answer,
            fetch=fetch,
            observer=observer,
            tasks=self._tasks,
        )


def _without_retries(item: Configured) -> Configured:
    return msgspec.structs.replace(item, provider=msgspec.structs.replace(item.provider, retries=0))


async def close_adapter(adapter: Closes) -> None:
    """Close an adapter. It is plugin code: its failure must not keep the others from being closed."""
    try:
        await adapter.aclose()
    except (Exception, SystemExit):
        log.exception("an adapter failed to close")


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
