"""The event streams of the Responses API as chunks: https://platform.openai.com/docs/api-reference/responses-streaming.

Items are told apart by their position (`output_index`), because those of a stream may interleave. Every event that
repeats something whole only adds what is missing: some servers send no deltas, or no events but the last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec

from llms_core.contracts.building import Chunks, arguments_text
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.function_names import FunctionNames
from llms_core.contracts.json import UNREADABLE
from llms_core.contracts.request import ChatCall
from llms_core.contracts.signatures import Owner
from llms_core.openai_compatible.function_names import RULE
from llms_core.openai_compatible.responses.answer import (
    PARAGRAPH,
    additional_members,
    finish_reason_of,
    logprobs_of,
    unexpected,
)
from llms_core.openai_compatible.responses.failures import ErrorReader, failure_of, read_failure
from llms_core.openai_compatible.responses.views import (
    CALLS,
    Json,
    Response,
    bad_response,
    objects_in,
    text_in,
    usage_of,
)


class _Event(msgspec.Struct):
    """An event of any type. What other types have under these names may be of any type."""

    type: str = ""
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    delta: Any = None
    text: Any = None
    refusal: Any = None
    arguments: Any = None
    input: Any = None
    item: Any = None
    logprobs: Any = None
    response: msgspec.Raw = msgspec.Raw()


_decode_event = msgspec.json.Decoder(_Event).decode
_decode_response = msgspec.json.Decoder(Response).decode

_encode = msgspec.json.encode

#: The delta of a chunk without text.
_NO_TEXT = b'"content":""'

_Part = tuple[int, str, int]
"""A part of an answer: the position of its item, its kind, and its position in the item."""


class _Call(msgspec.Struct):
    """A tool call that has begun."""

    number: int
    id: str
    is_custom: bool


class ResponseChunks:
    """Translates the events of one stream."""

    framing: Literal["sse"] = "sse"

    def __init__(self, call: ChatCall, owner: Owner, read_error: ErrorReader):
        self._chunks = Chunks(call)
        self._names = FunctionNames(call, RULE)
        self._owner = owner
        self._read_error = read_error
        #: how many characters of each part have been sent
        self._sent: defaultdict[_Part, int] = defaultdict(int)
        self._reasoning_part: _Part | None = None
        self._calls: dict[int, _Call] = {}
        #: Whether a chunk has been built; the first one differs from the others.
        self._has_begun = False
        #: what is before and after the text in a chunk
        self._frame: tuple[bytes, bytes] | None = None
        #: finished items by their position
        self._items: dict[int, Json] = {}

    def feed(self, event: str, data: bytes) -> Iterable[Chunk]:
        """Return the chunks of one event. Raises ProviderError if it is an error or invalid.

        Events of unknown types give no chunks: there are many for tools that the provider runs itself.
        """
        try:
            received = _decode_event(data)
        except UNREADABLE as error:
            raise bad_response(error) from None
        kind = received.type or event
        # The most frequent types come first.
        match kind:
            case "response.output_text.delta":
                return self._extend_text(received)
            case "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta":
                return self._extend_call(received.output_index, received.delta)
            case "response.reasoning_summary_text.delta":
                return self._think(
                    (received.output_index, "summary", received.summary_index), received.delta
                )
            case "response.reasoning_text.delta":
                return self._think(
                    (received.output_index, "reasoning", received.content_index), received.delta
                )
            case "response.refusal.delta":
                return self._refuse(
                    (received.output_index, "refusal", received.content_index), received.delta
                )
            case "response.output_item.added":
                return self._begin_item(received)
            case "response.output_item.done":
                return self._end_item(received.output_index, received.item)
            case "response.created":
                self._identify(self._response(received))
            case "response.completed" | "response.incomplete":
                return self._finish(self._response(received), kind.removeprefix("response."))
            case "response.failed" | "response.cancelled":
                raise failure_of(self._response(received), self._read_error)
            case "error":
                raise read_failure(data, self._read_error)
            case "":
                raise bad_response("an event has no type")
        return ()

    def _response(self, received: _Event) -> Response:
        try:
            return _decode_response(received.response)
        except UNREADABLE as error:
            raise bad_response(error) from None

    def _identify(self, response: Response) -> None:
        if response.id:
            self._chunks.identify(response.id)

    def _begin_item(self, received: _Event) -> Iterator[Chunk]:
        item = received.item
        if isinstance(item, dict) and item.get("type") in CALLS:
            yield self._begin_call(received.output_index, item)

    def _end_item(self, index: int, item: Any) -> Iterator[Chunk]:
        """Send what an item has beyond what has been sent of it."""
        if not isinstance(item, dict):
            raise bad_response("an item is not an object")
        match item.get("type"):
            case "message":
                for number, part in enumerate(objects_in(item, "content")):
                    text = (index, "text", number)
                    yield from self._write(text, self._rest(text, text_in(part, "text")), None)
                    refusal = (index, "refusal", number)
                    yield from self._refuse(refusal, self._rest(refusal, text_in(part, "refusal")))
            case "reasoning":
                yield from self._think_whole(index, item)
            case "function_call" | "custom_tool_call":
                yield from self._end_call(index, item)
                item = {**item, "call_id": self._calls[index].id}
        self._items[index] = item

    def _extend_text(self, received: _Event) -> Iterable[Chunk]:
        delta = received.delta
        if not isinstance(delta, str):
            raise bad_response("the delta of a text is not text")
        logprobs = received.logprobs
        entries = objects_in({"logprobs": logprobs}, "logprobs") if logprobs else ()
        part = (received.output_index, "text", received.content_index)
        return self._write(part, delta, logprobs_of(entries) if entries else None)

    def _write(self, part: _Part, text: str, logprobs: Json | None) -> Iterable[Chunk]:
        if not text:
            return ()
        self._sent[part] += len(text)
        if logprobs is not None or not self._has_begun:
            self._has_begun = True
            return (self._chunks.text(text, logprobs=logprobs),)
        return (self._text_chunk(text),)

    def _text_chunk(self, text: str) -> Chunk:
        """Return one more piece of text: nearly every chunk of a stream is one, and all have the same frame."""
        if self._frame is None:
            head, member, tail = self._chunks.text("").data.partition(_NO_TEXT)
            self._frame = (head + member[:-2], tail)
        head, tail = self._frame
        return Chunk(b"%b%b%b" % (head, _encode(text), tail), content=True, begun=(0,))

    def _refuse(self, part: _Part, delta: Any) -> Iterable[Chunk]:
        if not isinstance(delta, str) or not delta:
            return ()
        self._sent[part] += len(delta)
        return (self._chunks.delta({"refusal": delta}),)

    def _think(self, part: _Part, delta: Any) -> Iterable[Chunk]:
        if not isinstance(delta, str) or not delta:
            return ()
        self._sent[part] += len(delta)
        is_new = self._reasoning_part not in (None, part)
        self._reasoning_part = part
        return (self._chunks.reasoning(PARAGRAPH + delta if is_new else delta),)

    def _think_whole(self, index: int, item: Json) -> Iterator[Chunk]:
        """Send the summary, or the reasoning itself; not both, as one says what the other does."""
        for member, kind in (("summary", "summary"), ("content", "reasoning")):
            texts = [text_in(part, "text") for part in objects_in(item, member)]
            for number, text in enumerate(texts):
                part = (index, kind, number)
                yield from self._think(part, self._rest(part, text))
            if any(texts):
                return

    def _begin_call(self, index: int, item: Json) -> Chunk:
        name = text_in(item, "name")
        if not name:
            raise bad_response("it has a tool call without a name")
        number = len(self._calls)
        is_custom = item["type"] == "custom_tool_call"
        call = _Call(number, self._chunks.call_ids.unique(text_in(item, "call_id")), is_custom)
        self._calls[index] = call
        begin: Json = {"index": number, "id": call.id}
        if is_custom:
            begin |= {"type": "custom", "custom": {"name": name, "input": ""}}
        else:
            begin |= {
                "type": "function",
                "function": {"name": self._names.to_client(name), "arguments": ""},
            }
        return self._chunks.delta({"tool_calls": [begin]})

    def _extend_call(self, index: int, delta: Any) -> Iterable[Chunk]:
        call = self._calls.get(index)
        if call is None:
            raise bad_response("the arguments of a tool call precede the call")
        if not isinstance(delta, str):
            raise bad_response("the delta of a tool call is not text")
        if not delta:
            return ()
        self._sent[index, "call", 0] += len(delta)
        if call.is_custom:
            fragment = {"index": call.number, "custom": {"input": delta}}
            return (self._chunks.delta({"tool_calls": [fragment]}),)
        return (self._chunks.call_arguments(call.number, delta),)

    def _end_call(self, index: int, item: Json) -> Iterator[Chunk]:
        """Send the rest of a call."""
        if index not in self._calls:
            yield self._begin_call(index, item)
        call = self._calls[index]
        whole = text_in(item, "input") if call.is_custom else arguments_text(item.get("arguments"))
        yield from self._extend_call(index, self._rest((index, "call", 0), whole))

    def _rest(self, part: _Part, whole: str) -> str:
        return whole[self._sent[part] :]

    def _finish(self, response: Response, status: str) -> Iterator[Chunk]:
        # Other servers than OpenAI's may leave it out.
        response.status = response.status or status
        failure = unexpected(response, self._read_error)
        if failure is not None:
            raise failure
        for index, item in enumerate(response.output or ()):
            if index not in self._items:
                yield from self._end_item(index, item)
        items = [self._items[index] for index in sorted(self._items)]
        # Annotations and images come as one list each: clients that join deltas cannot continue one.
        members = additional_members(items, self._owner)
        reason = finish_reason_of(response, has_calls=bool(self._calls))
        yield self._chunks.finish(reason, delta=members)
        usage = usage_of(response)
        if usage is not None:
            extra = {} if response.service_tier is None else {"service_tier": response.service_tier}
            yield self._chunks.usage(usage, extra=extra)
