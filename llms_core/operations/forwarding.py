"""What the operations share whose requests and answers are sent on as they are, with only the model's name replaced.

Their answers are checked as far as a client depends on them, and streams to their end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from llms_core.candidate import Candidate
from llms_core.contracts.body import RequestBody
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Usage
from llms_core.contracts.error_body import describes_error
from llms_core.contracts.forwarding import (
    EventChunk,
    FormRequest,
    ForwardCall,
    ForwardedAnswer,
    ForwardRequest,
    read_usage,
)
from llms_core.contracts.json import UNREADABLE, is_set
from llms_core.errors import ErrorKind, ProviderError
from llms_core.operations import Operation
from llms_core.operations.adapter_results import expect
from llms_core.operations.stream import StreamReader
from llms_core.provider import Forwards, Framing, UpstreamRequest

_END_MARKER = b"[DONE]"
_encode = msgspec.json.encode


class Forwarding(Operation[Any, ForwardCall]):
    """An operation whose requests are sent on. Adapters that implement `Forwards` serve it.

    `[routing] fallbacks` apply: whoever names another model for one of these wants its answer.
    """

    adapter_protocol = Forwards
    reads_content_type = True
    #: Types of the events that end an answer, of which there are as many as were requested.
    end_events: frozenset[str] = frozenset()

    def call(
        self, body: RequestBody[Any], candidate: Candidate, request_id: str, created: int
    ) -> ForwardCall:
        """Replace the name of the model."""
        view: ForwardRequest = body.view
        model = candidate.upstream_model
        call = ForwardCall(
            operation=self.name,
            upstream_model=model,
            client_model=candidate.client_model,
            events=view.events,
            answers=view.answers,
            created=created,
        )
        if isinstance(view, FormRequest):
            upload = view.form.upload(model)
            return msgspec.structs.replace(call, upload=upload, content_type=upload.content_type)
        members = body.copy_members()
        members["model"] = Raw(_encode(model))
        return msgspec.structs.replace(call, members=members, content=_encode(members))

    def can_repeat(self, body: RequestBody[Any]) -> bool:
        """Whether everything that the client has sent of a form was kept."""
        view = body.view
        return not isinstance(view, FormRequest) or view.form.upload(view.model).repeatable

    def request(self, adapter: Forwards, call: ForwardCall) -> UpstreamRequest:
        """Return the adapter's request."""
        return adapter.forward_request(call)

    def typed_answer(
        self, adapter: Any, call: ForwardCall, body: bytes, content_type: str
    ) -> ForwardedAnswer:
        """Read a whole answer. Raises ProviderError if it is an error, or nothing that a client could use."""
        translated = adapter.forwarded(
            call, ForwardedAnswer(body, content_type=content_type or "application/json")
        )
        answer = expect(ForwardedAnswer, translated, "forwarded")
        fault = self.fault(call, answer)
        if fault is None:
            usage = answer.usage or self.counted(answer)
            return msgspec.structs.replace(answer, usage=usage)
        if describes_error(body):
            raise expect(ProviderError, adapter.error(200, {}, body), "error")
        message = f"The answer is not one of {self.name}: {fault}"
        raise ProviderError(ErrorKind.BAD_RESPONSE, message, status=200)

    def fault(self, call: ForwardCall, answer: ForwardedAnswer) -> str | None:
        """Return what is wrong with an answer; None if clients can use it."""
        raise NotImplementedError

    def counted(self, answer: ForwardedAnswer) -> Usage | None:
        """Return what a whole answer is charged by; None if that is not known."""
        return read_usage(answer.data)

    def stream(self, adapter: Any, call: ForwardCall) -> StreamReader:
        """Return a reader of the provider's events."""

        def read_error(data: bytes) -> ProviderError:
            return expect(ProviderError, adapter.error(200, {}, data), "error")

        return StreamReader(
            Events(self.end_events, call.answers), end_marker=_END_MARKER, read_error=read_error
        )

    def as_chunks(self, answer: Any) -> Sequence[Chunk]:
        """Return a whole answer as the events of a stream. Raises ProviderError if it has no such form."""
        events = self.events_of(answer)
        if not events:
            raise ProviderError(
                ErrorKind.BAD_RESPONSE, "The provider answered whole, though a stream was requested"
            )
        return [
            EventChunk(_encode(event), content=True, begun=(0,), event=event["type"])
            for event in events
        ]

    def events_of(self, answer: ForwardedAnswer) -> Sequence[Mapping[str, Any]]:
        """Return the events that say the same as a whole answer; none if that cannot be said."""
        return ()

    def usage(self, chunk: Chunk) -> Usage | None:
        """Read the usage of the event that ended the answer."""
        return read_usage(chunk.data)


class _EventView(msgspec.Struct):
    type: str = ""
    error: Raw = Raw()


_decode_event = msgspec.json.Decoder(_EventView).decode


class Events:
    """A `ChunkTranslator` that sends events on. The answer is complete after `n` events of one of the `end` types."""

    framing: Framing = "sse"

    def __init__(self, end: frozenset[str], n: int):
        self._end = end
        self._missing = n

    def feed(self, event: str, data: bytes) -> Iterator[Chunk]:
        """Return an event. Raises ProviderError if it is an error or cannot be read."""
        try:
            view = _decode_event(data)
        except UNREADABLE:
            raise ProviderError(
                ErrorKind.BAD_RESPONSE, "An event of the stream is not valid JSON"
            ) from None
        type_ = view.type or event
        if type_ == "error" or is_set(view.error):
            # The reader of the stream asks the adapter what it means.
            raise ProviderError(ErrorKind.BAD_RESPONSE, "The stream ended with an error")
        # The data of an event is one line.
        line = b" ".join(data.split(b"\n"))
        if type_ not in self._end:
            yield EventChunk(line, content=bool(type_), begun=(0,), event=event)
            return
        self._missing -= 1
        ended = (0,) if self._missing == 0 else ()
        yield EventChunk(line, content=True, begun=(0,), ended=ended, event=event)
        if ended:
            # The same once more, for its usage; writers leave it out.
            yield Chunk(line, usage=True)


def json_members(data: bytes) -> Mapping[str, Raw] | None:
    """Return the members of an answer that is a JSON object; None if it is none."""
    try:
        members = msgspec.json.decode(data, type=dict[str, Raw])
        data.decode()
    except UNREADABLE:
        return None
    return members


def list_in(data: bytes, name: str) -> list[Any] | None:
    """Return the list in a member of an answer; None if there is none."""
    members = json_members(data)
    if members is None or name not in members:
        return None
    try:
        value = msgspec.json.decode(members[name])
    except UNREADABLE:
        return None
    if isinstance(value, list):
        return value
    return None
