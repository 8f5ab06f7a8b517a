"""A stream: from chunks of a chat completion to the events of a response.

The items of an answer follow each other: one ends when the next begins. Only calls may stay open, because providers may
mix the fragments of several, and clients run a call once its item is done.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Usage, usage
from llms_core.contracts.joined import merged
from llms_core.contracts.json import ABSENT, objects
from llms_core.contracts.reasoning_details import consolidated
from llms_core.contracts.request import ChatBody
from llms_core.dialects import ErrorResponse, sse
from llms_core.dialects.envelope import Envelope
from llms_core.dialects.responses import output
from llms_core.dialects.responses.answer import Function, Message, ToolCall
from llms_core.dialects.responses.context import Context, error_code
from llms_core.dialects.responses.open_items import Events, OpenCall, OpenMessage, OpenReasoning

Json = dict[str, Any]

Finish = Callable[[Json, Context], bytes | Awaitable[bytes]]
"""Encodes a response that has ended, and stores it if it is to be."""


class _Choice(msgspec.Struct):
    delta: Message | None = None
    finish_reason: str | None = None
    logprobs: Any = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    model: str = ""
    created: int | None = None
    service_tier: Any = None
    usage: Raw = ABSENT


_decode = msgspec.json.Decoder(_Chunk).decode


class ResponsesStreamWriter:
    """Writes the events of one response: https://platform.openai.com/docs/api-reference/responses-streaming."""

    content_type = sse.CONTENT_TYPE
    keep_alive = sse.KEEP_ALIVE

    def __init__(self, body: ChatBody, finish: Finish):
        self._context: Context = body.context
        self._finish = finish
        self._events = Events(self._context)
        self._reasoning: OpenReasoning | None = None
        self._message: OpenMessage | None = None
        #: by the number that the provider gives them
        self._calls: dict[int, OpenCall] = {}
        #: deltas of `provider_extra`, and of further members of calls by their id
        self._extras: list[Json] = []
        self._call_extras: dict[str, list[Json]] = {}
        #: OpenRouter's, as their pieces have come
        self._reasoning_details: list[Json] = []
        self._has_begun = False
        self._model = body.view.model
        self._created = int(time.time())
        self._finish_reason: str | None = None
        self._usage: Usage | None = None
        self._service_tier: Any = None

    def write(self, chunks: Sequence[Chunk]) -> bytes:
        """Write the events for chunks that arrived together."""
        for chunk in chunks:
            self._add(_decode(chunk.data))
        return self._events.taken()

    def end(self) -> bytes | Awaitable[bytes]:
        """Write the end of all items, and the event that ends the response."""
        ended = output.ended(self._finish_reason, self._usage, self._service_tier)
        status: output.Status = ended["status"]
        self._begin()
        self._close_reasoning()
        self._close_message(status)
        for number in sorted(self._calls):
            self._calls.pop(number).close(status)
        self._add_signatures()
        if not self._events.output:
            OpenMessage(self._events).close(status)
        before = self._events.taken()
        number = self._events.next_number()

        def event(response: bytes) -> bytes:
            name = f"response.{status}".encode()
            data = b'{"type":"%b","sequence_number":%d,"response":%b}' % (name, number, response)
            return before + sse.event(data, name)

        encoded = self._finish(self._response(**ended), self._context)
        if isinstance(encoded, bytes):
            return event(encoded)
        return _then(encoded, event)

    def error(self, error: ErrorResponse) -> bytes:
        """Write the error, and the response as far as it has come, which has failed."""
        code = error_code(error)
        self._begin()
        self._events.emit("error", code=error.code, message=error.message, param=error.param)
        if self._message is not None:
            self._message.cut()
        failed = self._response(
            status="failed", error={"code": code, "message": error.message}, store=False
        )
        self._events.emit("response.failed", response=failed)
        return self._events.taken()

    def _add(self, chunk: _Chunk) -> None:
        if not self._has_begun:
            self._model = chunk.model or self._model
            self._created = chunk.created or self._created
            self._begin()
        if chunk.usage:
            self._usage = usage(chunk.usage) or self._usage
        if chunk.service_tier is not None:
            self._service_tier = chunk.service_tier
        for choice in chunk.choices:
            if choice.delta is not None:
                self._add_delta(choice.delta, choice.logprobs)
            if choice.finish_reason is not None:
                self._finish_reason = choice.finish_reason

    def _add_delta(self, delta: Message, logprobs: Any) -> None:
        thought, text = delta.texts()
        if thought:
            self._open_reasoning().add(thought)
        if text:
            self._open_message().add_text(text, logprobs)
        if delta.refusal:
            self._open_message().add_refusal(delta.refusal)
        for annotation in delta.text_annotations():
            self._open_message().add_annotation(annotation)
        for url in delta.image_urls():
            self._close_reasoning()
            self._close_message("completed")
            self._events.add_item(output.image(self._events.new_id("ig"), url))
        for position, fragment in enumerate(delta.tool_calls or ()):
            self._add_fragment(position if fragment.index is None else fragment.index, fragment)
        if delta.provider_extra:
            self._extras.append(delta.provider_extra)
        self._reasoning_details += objects(delta.reasoning_details)

    def _add_fragment(self, number: int, fragment: ToolCall) -> None:
        function = fragment.function or Function()
        call = self._calls.get(number)
        if call is None:
            self._close_reasoning()
            self._close_message("completed")
            self._close_whole_calls()
            origin = self._context.toolset.origin(function.name or "")
            call = self._calls[number] = OpenCall(self._events, origin, fragment.id or "")
        piece = function.text
        if piece:
            call.add(piece)
        extra = fragment.extra()
        if extra:
            self._call_extras.setdefault(call.call_id, []).append(extra)

    def _begin(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            response = self._response()
            self._events.emit("response.created", response=response)
            self._events.emit("response.in_progress", response=response)

    def _open_reasoning(self) -> OpenReasoning:
        if self._reasoning is None:
            self._close_message("completed")
            self._close_whole_calls()
            self._reasoning = OpenReasoning(self._events)
        return self._reasoning

    def _open_message(self) -> OpenMessage:
        if self._message is None:
            self._close_reasoning()
            self._close_whole_calls()
            self._message = OpenMessage(self._events)
        return self._message

    def _close_reasoning(self) -> None:
        if self._reasoning is not None:
            self._reasoning.close()
            self._reasoning = None

    def _close_message(self, status: output.Status) -> None:
        if self._message is not None:
            self._message.close(status)
            self._message = None

    def _close_whole_calls(self) -> None:
        """End the calls whose arguments are complete, since something else begins."""
        for number, call in list(self._calls.items()):
            if call.is_whole:
                del self._calls[number]
                call.close("completed")

    def _add_signatures(self) -> None:
        """Add an item with what has to come back to the provider, and what was not complete before the end."""
        calls = {call_id: merged(extras) for call_id, extras in self._call_extras.items()}
        envelope = Envelope(merged(self._extras), calls)
        if self._reasoning_details:
            envelope.message["reasoning_details"] = consolidated(self._reasoning_details)
        if envelope:
            self._events.add_item(
                output.reasoning(self._events.new_id("rs"), "", envelope, self._context)
            )

    def _response(self, **members: Any) -> Json:
        items = [item for item in self._events.output if item is not None]
        return output.response(self._context, self._model, self._created, items, **members)


async def _then(encoded: Awaitable[bytes], event: Callable[[bytes], bytes]) -> bytes:
    return event(await encoded)
