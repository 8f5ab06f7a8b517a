"""The contract of operations. An operation is what a client requests: a chat completion, embeddings, …

An operation knows its request, the adapter protocol that serves it, and how to read its answers. It knows neither how
clients write it down (see `llms_core.dialects`) nor how a provider is chosen (see `llms_core.routing`). To add one,
subclass `Operation` and add an instance to `llms_core.operations.table`, or return it from a plugin's
`llms_operations` hook.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from llms_core.candidate import Candidate
from llms_core.contracts.body import RequestBody
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Usage
from llms_core.errors import ErrorKind, OtherProtocol, ProviderError, Unsupported
from llms_core.operations.stream import ChunkReader, StreamReader
from llms_core.provider import Offers, UpstreamRequest

FetchMedia = Callable[[str, str], Awaitable[tuple[str, bytes]]]
"""(URL, name of the parameter) -> (media type, bytes)."""


class RequestView(Protocol):
    """What routing has to know about a request of any operation."""

    @property
    def model(self) -> str:
        """The model name that the client sent."""

    @property
    def stream(self) -> bool | None:
        """Whether the client asked for a stream."""


class Answer(Protocol):
    """A complete, validated answer."""

    @property
    def data(self) -> bytes:
        """The answer in the operation's own format, which a dialect may translate."""

    @property
    def usage(self) -> Usage | None:
        """Token counts, if the provider sent any."""


View = TypeVar("View", bound=RequestView)
Call = TypeVar("Call")


class Operation(Generic[View, Call]):
    """One operation. `View` is the typed view of its requests, `Call` is what its adapters receive.

    Instances have no state. Errors are ProviderError, unless stated otherwise.
    """

    #: The name in logs, records and reasons, such as `chat`.
    name: str
    #: A runtime-checkable protocol: an adapter that implements it serves this operation, unless `Offers` denies it.
    adapter_protocol: type
    #: The seconds that all attempts together may take; None if only `[timeouts]` limits them.
    max_seconds: float | None = None
    #: Whether there is an answer without a provider, see `estimate`. Then no provider with an open circuit is tried.
    can_estimate: bool = False
    #: Whether `[routing.fallbacks]` do not apply, because the answer of another model would be a wrong answer.
    same_model_only: bool = False
    #: Whether a client that wants a stream may get a whole answer as one, from a provider that cannot stream.
    can_replay: bool = False
    #: Whether the content type of a response tells its format, and `typed_answer` takes the place of `answer`. By
    #: default its first bytes do: of chat, providers state wrong types.
    reads_content_type: bool = False
    #: Patterns of the ids of models that serve this operation and no other, as in file names and in lower case. They
    #: only affect lists of models: a request for any other model is passed on, too.
    model_patterns: tuple[str, ...] = ()

    def is_offered_by(self, adapter: object) -> bool:
        """Whether an adapter serves this operation."""
        if not isinstance(adapter, self.adapter_protocol):
            return False
        return not isinstance(adapter, Offers) or adapter.offers(self.name)

    def needed_capabilities(self, view: View) -> frozenset[str]:
        """Names of the `Capabilities` that a provider needs to serve this request."""
        return frozenset()

    def call(
        self, body: RequestBody[View], candidate: Candidate, request_id: str, created: int
    ) -> Call:
        """Return the request as one candidate receives it, with its defaults; `created` is in Unix seconds."""
        raise NotImplementedError

    def split(self, call: Call, candidate: Candidate) -> Sequence[Call]:
        """Return the calls, at least one, that together are this call, where a provider limits the size of one."""
        return (call,)

    def join(self, call: Call, answers: Sequence[Answer]) -> Answer:
        """Return the answer to a call from those to its parts, in order."""
        raise NotImplementedError

    async def inline_media(self, call: Call, types: frozenset[str], fetch: FetchMedia) -> Call:
        """Replace URLs in content parts of these types by the files' bytes, for adapters that declare `Inlines`."""
        return call

    def in_protocol(self, call: Call, name: str) -> Call:
        """Return the call, to be made in another protocol; see `llms_core.provider.Negotiates`."""
        return call

    def other_protocol(
        self, adapter: Any, call: Call, error: ProviderError
    ) -> OtherProtocol | None:
        """Return how an adapter would make a refused call instead; None if it cannot."""
        return None

    def request(self, adapter: Any, call: Call) -> UpstreamRequest:
        """Return the HTTP request to send. Raises Unsupported before any network access."""
        raise NotImplementedError

    def answer(self, adapter: Any, call: Call, body: bytes) -> Answer:
        """Read the complete body of a successful response."""
        raise NotImplementedError

    def typed_answer(self, adapter: Any, call: Call, body: bytes, content_type: str) -> Answer:
        """Read the complete body of a successful response, if `reads_content_type`."""
        raise NotImplementedError

    def can_repeat(self, body: RequestBody[View]) -> bool:
        """Whether a request that has failed can be sent again, to whichever provider."""
        return True

    def stream(self, adapter: Any, call: Call) -> StreamReader:
        """Return a reader for one streamed response."""
        raise Unsupported(f"{self.name} cannot be streamed", param="stream")

    def generated(self, call: Call) -> ChunkReader | None:
        """Return a reader for what an adapter's `generate` yields; None if the call is made by `request`.

        See `llms_core.provider.Generates`.
        """
        return None

    def checked(self, answer: object) -> Answer:
        """Return what an adapter's `generate` returned, if it is an answer. Raises PluginError if it is not."""
        raise NotImplementedError

    def as_whole(self, body: RequestBody[View]) -> RequestBody[View]:
        """Return a request for a stream as one for a whole answer, if `can_replay`."""
        raise NotImplementedError

    def as_chunks(self, answer: Answer) -> Sequence[Chunk]:
        """Return a complete answer as the chunks of a stream, for providers that ignore `stream` or cannot stream."""
        raise NotImplementedError

    def from_chunks(self, chunks: Sequence[Chunk]) -> Answer:
        """Return the chunks of a complete stream as one answer, for providers that stream without being asked to."""
        raise ProviderError(
            ErrorKind.BAD_RESPONSE, "The provider sent a stream, which was not requested"
        )

    def estimate(self, body: RequestBody[View]) -> Answer:
        """Return the answer if no provider of the model offers the operation, or none answers."""
        raise NotImplementedError

    def usage(self, chunk: Chunk) -> Usage | None:
        """Read the token counts from a stream's usage chunk."""
        return None
