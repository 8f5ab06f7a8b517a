"""The contract of middleware: what plugins put around every request, before a provider is chosen.

A middleware is an async callable that gets a `Call` and `forward`, and returns an `Answered`:

    class Shout:
        async def __call__(self, call: Call, forward: Forward) -> Answered:
            answered = await forward(call.with_members({"temperature": 0.0}))
            return answered.with_headers({"x-shout": "yes"})

It may refuse the request by raising RequestError, change it, answer by itself, call `forward` more than once, and
inspect or replace the answer. It runs once per request, for every operation and dialect, streamed or not.
Requests and answers have the operation's own format, whatever the client's dialect: for chat, that of chat completions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import msgspec
from msgspec.structs import replace

from llms_core.candidate import Candidate
from llms_core.contracts.body import RequestBody
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.json import encode_raw
from llms_core.middleware.streams import ChunkFilter, ChunkStream, FilteredStream, ReplayedStream
from llms_core.operations import Answer, Operation
from llms_core.records import Caller

__all__ = ["Answered", "Call", "ChunkFilter", "ChunkStream", "Forward", "Middleware"]


class Call(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """One request of a client."""

    #: Also the response header `x-request-id`.
    id: str
    #: None for an anonymous client.
    caller: Caller | None
    operation: Operation[Any, Any]
    #: The name of the dialect in which the client wrote the request.
    dialect: str
    #: The request. It is immutable: `with_members` returns a call with another one.
    body: RequestBody[Any]
    #: The event loop's time by which the answer has to have begun.
    deadline: float
    #: Whether the request is a form, which is sent on while it arrives: only few of its fields are in `body`.
    has_form: bool = False
    #: What the client wrote into the header `x-llms-tag`, in order.
    tags: tuple[str, ...] = ()

    @property
    def request(self) -> Any:
        """The typed view of the request: a ChatRequest if the operation is `chat`."""
        return self.body.view

    def with_members(self, changes: Mapping[str, Any]) -> Call:
        """The same call with some members of the request replaced; None removes a member.

        Raises msgspec.ValidationError if a new value does not fit the request.
        """
        encoded = {
            name: None if value is None else encode_raw(value) for name, value in changes.items()
        }
        return replace(self, body=self.body.with_members(encoded))


class Answered(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """An answer on its way to the client: either `answer`, which is whole, or `stream`."""

    answer: Answer | None = None
    #: It has to be closed, unless it is returned to the client.
    stream: ChunkStream | None = None
    #: Who gave the answer; None if a middleware did.
    candidate: Candidate | None = None
    #: Names of parameters that were not sent to the provider.
    dropped: tuple[str, ...] = ()
    #: Further headers for the client.
    headers: Mapping[str, str] = MappingProxyType({})

    def with_headers(self, headers: Mapping[str, str]) -> Answered:
        """The same answer with further headers."""
        return replace(self, headers={**self.headers, **headers})

    def with_answer(self, answer: Answer) -> Answered:
        """The same with another whole answer."""
        return replace(self, answer=answer, stream=None)

    def with_data(self, data: bytes) -> Answered:
        """The same whole answer with another body, which is JSON unless the answer is a text or sound."""
        if self.answer is None:
            raise TypeError("the answer is a stream, which `filtered` changes")
        answer: Answer = replace(self.answer, data=data)  # type: ignore[type-var]  # all answers are structs
        return self.with_answer(answer)

    def with_stream(self, stream: ChunkStream) -> Answered:
        """The same with another stream."""
        return replace(self, answer=None, stream=stream)

    def filtered(self, chunks: ChunkFilter) -> Answered:
        """The same with a stream whose chunks have passed a filter. A whole answer stays as it is."""
        if self.stream is None:
            return self
        return self.with_stream(FilteredStream(self.stream, chunks))

    async def whole(self, operation: Operation[Any, Any]) -> Answered:
        """The same with a whole answer: a stream is read to its end, and closed."""
        if self.stream is None:
            return self
        return self.with_answer(operation.from_chunks(await _all_chunks(self.stream)))

    def replayed(self, operation: Operation[Any, Any]) -> Answered:
        """The same as a stream: a whole answer becomes one of few chunks."""
        if self.answer is None:
            return self
        return self.with_stream(ReplayedStream(operation.as_chunks(self.answer)))


Forward = Callable[[Call], Awaitable[Answered]]
"""Passes a call on: to the next middleware, and from the last one to the providers.

Raises RequestError, ProviderError or AllProvidersFailed if nobody answers.
"""


@runtime_checkable
class Middleware(Protocol):
    """What a plugin's hook `llms_middleware` returns."""

    async def __call__(self, call: Call, forward: Forward) -> Answered:
        """Answer a call, usually by forwarding it. Raises RequestError to refuse it."""


async def _all_chunks(stream: ChunkStream) -> Sequence[Chunk]:
    chunks: list[Chunk] = []
    try:
        while not stream.is_complete:
            chunks += await stream.read()
    finally:
        await stream.aclose()
    return chunks
