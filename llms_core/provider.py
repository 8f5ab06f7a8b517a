"""The adapter contract: an adapter translates requests and answers in pure functions; the core does all I/O.

The life cycle of an adapter:

1. A plugin's `llms_providers` hook yields a `ProviderSpec`, which names the adapter and declares its capabilities.
2. For each provider block in llms.json the core decodes the block into `spec.settings` and calls
   `spec.adapter(spec, settings)` to create the adapter. A reload creates a new one only if the settings changed.
3. `available()` may report that the adapter cannot work on this machine (see `Available`).
4. `await prepare(http)` makes the provider ready before a request, unless it is still ready (see `Prepares`).
5. `request(call)` builds the upstream request, and the core sends it.
6. `completion(call, body)` translates a whole answer; `chunks(call)` creates a translator for a stream; `error(…)`
   classifies an error answer.
7. `await aclose()` runs once, when the adapter is retired (see `Closes`).

An adapter whose provider takes more than one exchange, or none over HTTP, has `generate(call, http)` in place of
`request`, `completion`, `chunks` and `error` (see `Generates`).

`available`, `prepare`, `aclose`, `models`, `inlines`, `passes_through` and `other_protocol` are optional: each belongs
to a protocol of its own, which the core detects by the presence of the method. So are the methods of operations other
than chat, such as `Embeds`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Protocol,
    Unpack,
    cast,
    overload,
    runtime_checkable,
)

import msgspec

from llms_core.adapter_http import AdapterHttp as AdapterHttp
from llms_core.adapter_http import UpstreamEvents as UpstreamEvents
from llms_core.adapter_http import UpstreamReply as UpstreamReply
from llms_core.contracts.abilities import ANY_MEMBER as ANY_MEMBER
from llms_core.contracts.abilities import Capabilities as Capabilities
from llms_core.contracts.abilities import NativeEndpoint as NativeEndpoint
from llms_core.contracts.abilities import RequestRules as RequestRules
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion
from llms_core.contracts.embeddings import EmbeddingCall, EmbeddingRules, Embeddings
from llms_core.contracts.forwarding import ForwardCall, ForwardedAnswer
from llms_core.contracts.litellm import LiteLLMNames as LiteLLMNames
from llms_core.contracts.native import NativeRequest
from llms_core.contracts.provider_settings import ProviderSettings as ProviderSettings
from llms_core.contracts.request import ChatCall
from llms_core.contracts.rerank import Ranking, RerankCall
from llms_core.contracts.upstream import Framing as Framing
from llms_core.contracts.upstream import Headers as Headers
from llms_core.contracts.upstream import UpstreamRequest as UpstreamRequest
from llms_core.errors import OtherProtocol, ProviderError

if TYPE_CHECKING:
    # Type checkers bundle typing_extensions; at run time it would be one more dependency, only for `default=`.
    from typing_extensions import TypeVar

    from llms_core.contracts.spec_members import SpecMembers
else:
    from typing import TypeVar


class ChunkTranslator(Protocol):
    """Translates the events of one stream into chunks; created anew for each stream."""

    @property
    def framing(self) -> Framing:
        """How the provider separates its stream into events."""

    def feed(self, event: str, data: bytes) -> Iterable[Chunk]:
        """Return the chunks that one event contains.

        `event` is the event's name, or empty if it has none. AWS failure events are named `exception:` or `error:`
        followed by the name of the failure.

        Raises ProviderError if the event reports an error or cannot be parsed.
        """


@runtime_checkable
class HttpAdapter(Protocol):
    """The four methods of every adapter. They do no I/O: each depends only on its arguments and on the settings."""

    def request(self, call: ChatCall) -> UpstreamRequest:
        """Build the request to send. Raises Unsupported if the provider cannot do what the client asks for."""

    def completion(self, call: ChatCall, body: bytes) -> Completion:
        """Translate a whole answer into a chat.completion. Raises ProviderError if the body is not a valid answer."""

    def chunks(self, call: ChatCall) -> ChunkTranslator:
        """Create a translator for one stream."""

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """Classify an answer whose status is not 2xx; `llms_core.failure.classify` handles the usual shapes."""


@runtime_checkable
class Embeds(HttpAdapter, Protocol):
    """An adapter whose provider has an API for embeddings, too. These methods do no I/O either."""

    def embedding_rules(self, model: str) -> EmbeddingRules:
        """Return what the provider accepts for one of its models, which it names by its own id."""

    def embed_request(self, call: EmbeddingCall) -> UpstreamRequest:
        """Build the request to send. Raises Unsupported if the provider cannot do what the client asks for."""

    def embeddings(self, call: EmbeddingCall, body: bytes) -> Embeddings:
        """Read the vectors, in the order of the inputs. Raises ProviderError if the body is not a valid answer."""


@runtime_checkable
class Forwards(HttpAdapter, Protocol):
    """An adapter for OpenAI's moderations, images and audio, or those that it `Offers`. These methods do no I/O."""

    def forward_request(self, call: ForwardCall) -> UpstreamRequest:
        """Build the request to send, with the call's `content` or `upload`.

        Raises Unsupported if the provider cannot do what the client asks for.
        """

    def forwarded(self, call: ForwardCall, answer: ForwardedAnswer) -> ForwardedAnswer:
        """Return a whole answer as OpenAI's API has it. Raises ProviderError if it cannot be read."""


@runtime_checkable
class Reranks(HttpAdapter, Protocol):
    """An adapter whose provider ranks documents, too. These methods do no I/O either."""

    def rerank_request(self, call: RerankCall) -> UpstreamRequest:
        """Build the request to send."""

    def ranking(self, call: RerankCall, body: bytes) -> Ranking:
        """Read the ranking. Raises ValueError, or what msgspec raises, if the body has none."""


@runtime_checkable
class Offers(Protocol):
    """An adapter that has the methods of more operations than its provider has: data tells which there are."""

    def offers(self, operation: str) -> bool:
        """Whether the provider has this operation, whose methods the adapter has."""


@runtime_checkable
class Discovers(Protocol):
    """An adapter that can ask its provider for its list of models."""

    def models_request(self) -> UpstreamRequest:
        """Build the request for the list of models."""

    def models(self, body: bytes) -> dict[str, str]:
        """Map the model names that clients use to the provider's ids. Raises ProviderError for an invalid list."""


@runtime_checkable
class Prepares(Protocol):
    """An adapter that has to do some work before its provider can answer: obtain a token, or start a local model."""

    async def prepare(self, http: AdapterHttp) -> float | None:
        """Make the provider ready. Returns for how many seconds it stays so; None if only for the next request.

        It runs before the request that needs it, which waits. Requests that need it at the same time share one run, and
        its failure; one that leaves does not end it. Before its time is over it is renewed in the background. If the
        provider answers with an authentication failure, it is renewed at once, and the request repeated, once.

        An adapter that makes no requests may leave out the parameter. Raises ProviderError if the provider cannot be
        made ready.
        """


@runtime_checkable
class Generates(Protocol):
    """An adapter whose provider does not answer in one exchange: create and poll, queues, gRPC, models in-process.

    It needs none of the methods of `HttpAdapter`. `error`, if it has it, classifies the errors of exchanges that the
    core makes itself, such as for the list of models.
    """

    def generate(
        self, call: ChatCall, http: AdapterHttp
    ) -> Awaitable[Completion] | AsyncIterator[Chunk]:
        """Answer a call: an `async def` that either returns a Completion or yields chunks.

        Either will do: a client that wants a stream gets a Completion as one, and one that does not gets the chunks as
        one answer; `call.stream` tells what it wants. Chunks have to end each choice with a finish reason, or the
        answer counts as incomplete. `llms_core.contracts.building` builds both.

        It runs in a task of its own, within the time limits of an attempt. If the client leaves, or the time is over,
        it is cancelled; its `finally` has 5 s, in which it may still use `http`. Until the first chunk with content, a
        failure leads to the next provider. It must not block the event loop: whatever computes for long belongs in
        `asyncio.to_thread`.

        Raises ProviderError, such as `classify(reply.status, reply.headers, reply.body)`, or Unsupported. Any other
        exception is a bug of the adapter, and fails this attempt.
        """


Adapter = HttpAdapter | Generates
"""What `ProviderSpec.adapter` creates."""


@runtime_checkable
class PassesThrough(Protocol):
    """An adapter whose provider also speaks the protocol of a dialect, so that nothing has to be translated.

    If `passes_through` agrees, the call has `native`, and these methods take the place of `request`, `completion` and
    `chunks`. `llms_core.native` reads the answers of the protocols of the dialects that ship.
    """

    def passes_through(self, native: NativeRequest, model: str) -> bool:
        """Whether the provider's model (its upstream name) takes this request as it is."""

    def native_request(self, call: ChatCall, native: NativeRequest) -> UpstreamRequest:
        """Build the request with the client's body; `native` is the call's."""

    def native_completion(self, call: ChatCall, body: bytes) -> Completion:
        """Return the answer as the provider wrote it, marked as `native`. Raises ProviderError if it is not one."""

    def native_chunks(self, call: ChatCall) -> ChunkTranslator:
        """Create a reader for one stream, whose chunks are `native`: they hold events as the provider wrote them."""


@runtime_checkable
class Closes(Protocol):
    """An adapter that holds a resource, such as a child process, that has to be released."""

    async def aclose(self) -> None:
        """Release the resource; awaited once, at shutdown or at a reload that replaces the adapter."""


@runtime_checkable
class Inlines(Protocol):
    """An adapter whose provider needs the bytes of media that a client may name by URL.

    The core fetches them before it calls `request`.
    """

    @property
    def inlines(self) -> frozenset[str]:
        """Types of content parts (`image_url`, `file`, …) whose http(s) URLs are replaced by data URIs."""


@runtime_checkable
class CountsTokens(Protocol):
    """An adapter whose provider counts the tokens of a prompt without answering it."""

    def count_request(self, call: ChatCall) -> UpstreamRequest:
        """Build the request for the count. Raises Unsupported if the provider cannot count for this model."""

    def token_count(self, call: ChatCall, body: bytes) -> int:
        """Read the count. Raises ProviderError if the body is not a valid answer."""


@runtime_checkable
class Available(Protocol):
    """An adapter that depends on something optional, such as a library that may not be installed."""

    def available(self) -> str | None:
        """Return None if the adapter can be used, or what is missing and how to install it.

        Called at each start and reload: it must be fast and must not use the network.
        """


@runtime_checkable
class Negotiates(Protocol):
    """An adapter whose provider has several protocols and may refuse a request that is made in one of them."""

    def other_protocol(self, call: ChatCall, error: ProviderError) -> OtherProtocol | None:
        """Return how to make a refused request instead; None if the refusal stands.

        The core then makes it once more, at once, with a call that has the name as its `protocol`. Once that has
        succeeded, further calls for the model have it from the beginning. The refusal does not count against the
        provider's circuit.
        """


if TYPE_CHECKING:
    # Covariant, so that a list of specs with different settings is a `list[ProviderSpec]`.
    Settings_co = TypeVar(
        "Settings_co", bound=ProviderSettings, default=ProviderSettings, covariant=True
    )
else:
    Settings_co = TypeVar("Settings_co", bound=ProviderSettings, covariant=True)

OwnSettings = TypeVar("OwnSettings", bound=ProviderSettings)


class ProviderSpec(msgspec.Struct, Generic[Settings_co], frozen=True, kw_only=True, eq=False):
    """A provider type, or a preset for one provider, as a plugin registers it.

    The type parameter is the class of the provider's settings; `ProviderSpec` alone stands for any of them.
    """

    #: What llms.json gives as `type`. For a preset the provider's own name in llms.json is enough.
    name: str
    #: Creates the adapter for one provider block, an `Adapter`: usually the adapter's class.
    adapter: Callable[[ProviderSpec[Any], Settings_co], Any]
    #: The name for humans.
    title: str
    #: URL of the provider's API documentation.
    docs: str = ""
    #: The URL that paths such as `/chat/completions` are appended to.
    base_url: str = ""
    #: What is appended to the base URL for chat completions, if the adapter is an OpenAICompatible.
    path: str = "/chat/completions"
    #: Operations other than chat -> their paths at the base URL. An OpenAICompatible offers these alone.
    paths: Mapping[str, str] = {}
    #: Environment variables that may hold the key; the first one that is set is used.
    key_env: tuple[str, ...] = ()
    #: Further environment variables that the adapter reads itself, such as a region.
    variables: tuple[str, ...] = ()
    needs_key: bool = True
    capabilities: Capabilities = Capabilities()
    #: The provider cannot stream: a client that wants a stream of chat gets the whole answer as one.
    replay_streams: bool = False
    #: OpenAI's name of a parameter -> the provider's name for it.
    rename: Mapping[str, str] = {}
    #: OpenAI parameters that the provider rejects; they are removed and reported to the client.
    drop: frozenset[str] = frozenset()
    #: What the provider accepts in messages and tools, if its adapter is an OpenAICompatible.
    rules: RequestRules = RequestRules()
    #: What it accepts in requests for embeddings; of adapters that are no OpenAICompatible, `embedding_rules` decides.
    embeddings: EmbeddingRules = EmbeddingRules()
    #: Owners of parameters beyond OpenAI's that the adapter understands, see `llms_core.contracts.extras`.
    extras: frozenset[str] = frozenset()
    #: The protocols of other dialects that the provider speaks as well, if its adapter is an OpenAICompatible.
    native: Mapping[str, NativeEndpoint] = {}
    #: Further names for the same type.
    aliases: tuple[str, ...] = ()
    #: Model names for clients -> the provider's ids, unless llms.json lists the models.
    models: Mapping[str, str] = {}
    #: The class that the provider's block is decoded into. The cast is needed because a default is not generic.
    settings: type[Settings_co] = cast("Any", ProviderSettings)
    #: `package.module:NAME` of a `llms_core.testing.wire.Wire`, for the conformance suite, unless OpenAI's is right.
    wire: str = ""
    #: True for a model that is only for trying the gateway out. It answers requests with tools, but without them.
    demo: bool = False
    #: Whether the gateway runs the model: then its provider is the last one, unless llms.json has a block for it.
    embedded: bool = False
    #: What LiteLLM calls the provider, for `llms import litellm`; only where it differs.
    litellm: LiteLLMNames = LiteLLMNames()

    if TYPE_CHECKING:
        # A signature that is derived from the members would take the settings type from the expected type, and reject
        # an adapter with settings of its own. It would also accept such an adapter without `settings=`.

        @overload
        def __init__(
            self: ProviderSpec[OwnSettings],
            *,
            adapter: Callable[[ProviderSpec[Any], OwnSettings], Adapter],
            settings: type[OwnSettings],
            **members: Unpack[SpecMembers],
        ) -> None: ...

        @overload
        def __init__(
            self: ProviderSpec[ProviderSettings],
            *,
            adapter: Callable[[ProviderSpec[Any], ProviderSettings], Adapter],
            **members: Unpack[SpecMembers],
        ) -> None: ...

        # The first overload again, for where a plain `ProviderSpec` is expected.
        @overload
        def __init__(
            self: ProviderSpec[ProviderSettings],
            *,
            adapter: Callable[[ProviderSpec[Any], OwnSettings], Adapter],
            settings: type[OwnSettings],
            **members: Unpack[SpecMembers],
        ) -> None: ...

        def __init__(self, **members: Any) -> None: ...
