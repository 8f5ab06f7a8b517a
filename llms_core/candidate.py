"""The providers that routing chooses from: a configured provider, a candidate for one request, a refusal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from llms_core.config.model import Price, Provider
from llms_core.contracts.body import RequestBody
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion
from llms_core.contracts.native import NativeRequest
from llms_core.contracts.request import ChatCall
from llms_core.provider import Adapter, AdapterHttp, ProviderSettings, ProviderSpec

if TYPE_CHECKING:
    # It imports asyncio, which most commands can do without.
    from llms_core.preparation import Preparation


class Configured(msgspec.Struct, frozen=True, eq=False):
    """One provider at run time.

    `disabled` is the reason why it is not used, or None. A disabled provider may still have an adapter, for
    example if a program that it needs is not installed.
    """

    id: str
    provider: Provider
    adapter: Adapter | None
    disabled: str | None
    #: Whether the adapter, or the settings that only it has, are why the provider is disabled.
    fault: bool = False


class Circuit:
    """What recent traffic showed about one operation of one model of one provider.

    `routing.circuit.CircuitBreaker` maintains it.
    """

    __slots__ = (
        "failed_probes",
        "failures",
        "in_flight",
        "latency",
        "open_until",
        "probing",
        "protocol",
        "protocol_until",
        "used",
    )

    def __init__(self) -> None:
        #: Failures in a row.
        self.failures = 0
        #: Probes in a row that failed since the circuit opened.
        self.failed_probes = 0
        #: Attempts that are running now.
        self.in_flight = 0
        #: Moving average of the seconds to the first token; None before the first success.
        self.latency: float | None = None
        #: The breaker's clock time until which the circuit is open; 0.0 if it is closed.
        self.open_until = 0.0
        #: Whether the single request that a half-open circuit admits is running.
        self.probing = False
        #: The name of the protocol that the provider demanded for this model in a refusal; empty if it did not.
        self.protocol = ""
        #: The breaker's clock time until which that is believed.
        self.protocol_until = 0.0
        #: Whether there has been an attempt.
        self.used = False


class _ProviderReference(NamedTuple):
    id: str


class Candidate(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """One model of one enabled provider, which can be tried for a request."""

    #: The provider's name in llms.json.
    provider_id: str
    spec: ProviderSpec
    settings: ProviderSettings
    adapter: Adapter
    #: The model name that the client sees.
    client_model: str
    #: The provider's id of the model.
    upstream_model: str
    price: Price | None
    circuit: Circuit
    #: The provider's position in llms.json, from 0.
    position: int
    #: The names of the model that clients may use; the first one is listed.
    names: tuple[str, ...]
    #: The tokens of a prompt and its answer together; None if unknown.
    context: int | None = None
    #: Names of the operations that the adapter serves.
    operations: frozenset[str]
    #: Names of the provider's `Capabilities` that are true.
    capabilities: frozenset[str]
    #: Retries at this provider before the next one is tried.
    retries: int = 0
    #: See `Prepares`.
    preparation: Preparation | None = None
    #: See `Generates`.
    generate: (
        Callable[[ChatCall, AdapterHttp], Awaitable[Completion] | AsyncIterator[Chunk]] | None
    ) = None
    #: Whether it cannot stream: a client that wants a stream gets the whole answer as one.
    replays: bool = False
    #: See `Inlines`.
    inlines: frozenset[str] = frozenset()
    #: See `PassesThrough`.
    passes_through: Callable[[NativeRequest, str], bool] | None = None

    def accepted_original(self, body: RequestBody[Any]) -> NativeRequest | None:
        """Return the request in the client's own protocol, if this candidate takes it.

        The settings of a provider are written in terms of chat, so a request that they change is translated.
        """
        native = body.native
        settings = self.settings
        if native is None or self.passes_through is None or not settings.pass_through:
            return None
        if settings.defaults or settings.force or (self.replays and body.stream):
            return None
        if self.passes_through(native, self.upstream_model):
            return native
        return None

    @property
    def provider(self) -> _ProviderReference:
        """Kept for plugins written before 0.1.0, which read `candidate.provider.id`; use `provider_id`."""
        return _ProviderReference(self.provider_id)


class Refusal(msgspec.Struct, frozen=True):
    """Why a provider is not a candidate."""

    provider: str
    reason: str
