"""A stream: from chunks of a chat completion to the events of a response.

The items of an answer follow each other: one ends when the next begins. Only calls may stay open, because providers may
mix the fragments of several, and clients run a call once its item is done.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Usage
from llms_core.contracts.joined import merged
from llms_core.contracts.json import UNREADABLE
from llms_core.contracts.request import ChatBody
from llms_core.dialects import ErrorResponse, sse
from llms_core.dialects.responses import output
from llms_core.dialects.responses.answer import Function, Logprobs, Message, ToolCall
from llms_core.dialects.responses.context import Context
from llms_core.dialects.responses.envelope import Envelope
from llms_core.dialects.responses.tools import Origin

Json = dict[str, Any]

Finish = Callable[[Json, Context], bytes | Awaitable[bytes]]
"""Writes the last response, and stores it if that has been asked for."""


class _Choice(msgspec.Struct):
    delta: Message | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    model: str = ""
    created: int | None = None
    service_tier: str | None = None
    usage: Usage | None = None


_decode = msgspec.json.Decoder(_Chunk).decode
_encode = msgspec.json.encode

#: Written for nearly every chunk, so without a dictionary.
_TEXT_DELTA = (
    b"event: response.output_text.delta\n"
    b'data: {"type":"response.output_text.delta","sequence_number":%d,"item_id":"%b","output_index":%d,'
    b'"content_index":%d,"delta":%b,"logprobs":%b}\n\n'
)

#: This API's codes of errors for the kinds of errors that it has one for.
_ERROR_CODES = {429: "rate_limit_exceeded", 400: "invalid_prompt"}


class _Thought:
    """An open reasoning item."""

    def __init__(self, index: int, id: str):
        self.index = index
        self.id = id
        self.texts: list[str] = []


class _Text:
    """An open message, with the content part that is being written."""

    def __init__(self, index: int, id: str):
        self.index = index
        self.id = id
        #: the parts that are done
        self.content: list[Json] = []
        #: of the open part; None if there is none
        self.is_refusal: bool | None = None
        self.texts: list[str] = []
        self.annotations: list[Json] = []
        self.logprobs: list[Json] = []


class _Call:
    """An open call."""

    def __init__(self, index: int, id: str, call_id: str, origin: Origin):
        self.index = index
        self.id = id
        self.call_id = call_id
        self.origin = origin
        self.pieces: list[str] = []

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)


class ResponsesStreamWriter:
    """Writes the events of one response: https://platform.openai.com/docs/api-reference/responses-streaming."""

    content_type = sse.CONTENT_TYPE
    keep_alive = sse.KEEP_ALIVE

    def __init__(self, body: ChatBody, finish: Finish):
        self._context: Context = body.context
        self._finish = finish
        self._sequence_number = 0
        self._events: list[bytes] = []
        #: finished items, by their position; None for one that is open
        self._output: list[Json | None] = []
        self._thought: _Thought | None = None
        self._text: _Text | None = None
        self._calls: dict[int, _Call] = {}
        self._extras: list[Json] = []
        self._call_extras: dict[str, list[Json]] = {}
        self._has_begun = False
        self._model = body.view.model
        self._created = int(time.time())
        self._finish_reason: str | None = None
        self._usage: Usage | None = None
        self._service_tier: str | None = None

    def write(self, chunks: Sequence[Chunk]) -> bytes:
        """Write the events for chunks that arrived together."""
        for chunk in chunks:
            self._add(_decode(chunk.data))
        return self._written()

    def end(self) -> bytes | Awaitable[bytes]:
        """Write the end of all items, and the event that ends the response."""
        self._begin()
        ended = output.ended(self._finish_reason, self._usage, self._service_tier)
        status: output.Status = ended["status"]
        self._close_thought()
        self._close_text(status)
        for number in sorted(self._calls):
            self._close_call(number, status)
        self._add_signatures()
        if not self._output:
            self._open_part(is_refusal=False)
            self._close_text(status)
        response = self._response(**ended)
        before = self._written()
        number = self._next()

        def event(response: bytes) -> bytes:
            name = f"response.{status}".encode()
            data = b'{"type":"%b","sequence_number":%d,"response":%b}' % (name, number, response)
            return before + sse.event(data, name)

        encoded = self._finish(response, self._context)
        if isinstance(encoded, bytes):
            return event(encoded)
        return _then(encoded, event)

    def error(self, error: ErrorResponse) -> bytes:
        """Write the error, and the response as far as it has come, which has failed."""
        self._begin()
        self._emit("error", code=error.code, message=error.message, param=error.param)
        if self._text is not None:
            self._output[self._text.index] = self._finished_text(self._text, "incomplete")
        code = _ERROR_CODES.get(error.status, "server_error")
        failed = self._response(status="failed", error={"code": code, "message": error.message})
        self._emit("response.failed", response=failed)
        return self._written()

    def _add(self, chunk: _Chunk) -> None:
        if not self._has_begun:
            self._model = chunk.model or self._model
            self._created = chunk.created or self._created
            self._begin()
        if chunk.usage is not None:
            self._usage = chunk.usage
        if chunk.service_tier is not None:
            self._service_tier = chunk.service_tier
        for choice in chunk.choices:
            if choice.delta is not None:
                self._add_delta(choice.delta, choice.logprobs)
            if choice.finish_reason is not None:
                self._finish_reason = choice.finish_reason

    def _add_delta(self, delta: Message, logprobs: Logprobs | None) -> None:
        thought, text = delta.texts()
        if thought:
            self._add_thought(thought)
        if text:
            self._add_text(text, logprobs)
        if delta.refusal:
            self._add_refusal(delta.refusal)
        for each in delta.annotations or ():
            self._add_annotation(each)
        for url in delta.image_urls():
            self._close_text("completed")
            self._add_item(output.image(self._new_id("ig"), url))
        for position, fragment in enumerate(delta.tool_calls or ()):
            self._add_fragment(position if fragment.index is None else fragment.index, fragment)
        if delta.provider_extra:
            self._extras.append(delta.provider_extra)

    def _begin(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            response = self._response()
            self._emit("response.created", response=response)
            self._emit("response.in_progress", response=response)

    # Reasoning

    def _add_thought(self, text: str) -> None:
        thought = self._thought
        if thought is None:
            self._close_text("completed")
            self._close_whole_calls()
            thought = self._thought = _Thought(len(self._output), self._new_id("rs"))
            self._open_item(output.reasoning(thought.id, "", None, self._context))
            if self._context.shows_summary:
                part = {"type": "summary_text", "text": ""}
                self._emit_in("response.reasoning_summary_part.added", thought, summary_index=0, part=part)
            else:
                part = {"type": "reasoning_text", "text": ""}
                self._emit_in("response.content_part.added", thought, content_index=0, part=part)
        thought.texts.append(text)
        if self._context.shows_summary:
            self._emit_in("response.reasoning_summary_text.delta", thought, summary_index=0, delta=text)
        else:
            self._emit_in("response.reasoning_text.delta", thought, content_index=0, delta=text)

    def _close_thought(self) -> None:
        thought = self._thought
        if thought is None:
            return
        self._thought = None
        text = "".join(thought.texts)
        if self._context.shows_summary:
            part = {"type": "summary_text", "text": text}
            self._emit_in("response.reasoning_summary_text.done", thought, summary_index=0, text=text)
            self._emit_in("response.reasoning_summary_part.done", thought, summary_index=0, part=part)
        else:
            part = {"type": "reasoning_text", "text": text}
            self._emit_in("response.reasoning_text.done", thought, content_index=0, text=text)
            self._emit_in("response.content_part.done", thought, content_index=0, part=part)
        self._close_item(thought.index, output.reasoning(thought.id, text, Envelope(text), self._context))

    def _add_signatures(self) -> None:
        """Add an item with what has to come back to the provider, and that was not complete before the end."""
        calls = {call_id: merged(extras) for call_id, extras in self._call_extras.items()}
        envelope = Envelope("", merged(self._extras), calls)
        if envelope:
            self._add_item(output.reasoning(self._new_id("rs"), "", envelope, self._context))

    # Text

    def _add_text(self, text: str, logprobs: Logprobs | None) -> None:
        message = self._text
        if message is None or message.is_refusal is not False:
            message = self._open_part(is_refusal=False)
        message.texts.append(text)
        shown = b"[]"
        if logprobs is not None and self._context.shows_logprobs:
            found = [output.logprob(each) for each in logprobs.content or ()]
            message.logprobs += found
            shown = _encode(found)
        self._events.append(
            _TEXT_DELTA % (self._next(), message.id.encode(), message.index, len(message.content), _encode(text), shown)
        )

    def _add_refusal(self, text: str) -> None:
        message = self._text
        if message is None or not message.is_refusal:
            message = self._open_part(is_refusal=True)
        message.texts.append(text)
        self._emit_in("response.refusal.delta", message, content_index=len(message.content), delta=text)

    def _add_annotation(self, raw: Json) -> None:
        message = self._text
        if message is None or message.is_refusal is not False:
            message = self._open_part(is_refusal=False)
        found = output.annotation(raw)
        self._emit_in(
            "response.output_text.annotation.added",
            message,
            content_index=len(message.content),
            annotation_index=len(message.annotations),
            annotation=found,
        )
        message.annotations.append(found)

    def _open_part(self, *, is_refusal: bool) -> _Text:
        """Begin a content part, in the open message or in a new one."""
        self._close_thought()
        message = self._text
        if message is None:
            self._close_whole_calls()
            message = self._text = _Text(len(self._output), self._new_id("msg"))
            self._open_item(output.message(message.id, [], "in_progress"))
        self._close_part(message)
        message.is_refusal = is_refusal
        part = output.refusal_part("") if is_refusal else output.text_part("")
        self._emit_in("response.content_part.added", message, content_index=len(message.content), part=part)
        return message

    def _close_part(self, message: _Text) -> None:
        if message.is_refusal is None:
            return
        index = len(message.content)
        part = self._part(message)
        if message.is_refusal:
            self._emit_in("response.refusal.done", message, content_index=index, refusal=part["refusal"])
        else:
            self._emit_in(
                "response.output_text.done",
                message,
                content_index=index,
                text=part["text"],
                logprobs=part["logprobs"],
            )
        self._emit_in("response.content_part.done", message, content_index=index, part=part)
        message.content.append(part)
        message.is_refusal = None
        message.texts = []
        message.annotations = []
        message.logprobs = []

    def _close_text(self, status: output.Status) -> None:
        message = self._text
        if message is None:
            return
        self._text = None
        self._close_part(message)
        self._close_item(message.index, output.message(message.id, message.content, status))

    def _finished_text(self, message: _Text, status: output.Status) -> Json:
        """The message with what there is of it, without the events that end it."""
        content = message.content if message.is_refusal is None else [*message.content, self._part(message)]
        return output.message(message.id, content, status)

    def _part(self, message: _Text) -> Json:
        text = "".join(message.texts)
        if message.is_refusal:
            return output.refusal_part(text)
        return output.text_part(text, message.annotations, message.logprobs)

    # Calls

    def _add_fragment(self, number: int, fragment: ToolCall) -> None:
        function = fragment.function or Function()
        call = self._calls.get(number)
        if call is None:
            self._close_thought()
            self._close_text("completed")
            self._close_whole_calls()
            call = self._calls[number] = self._open_call(fragment.id or "", function.name or "")
        piece = function.text
        if piece:
            call.pieces.append(piece)
            if call.origin.kind == "function":
                self._emit_in("response.function_call_arguments.delta", call, delta=piece)
        extra = fragment.extra()
        if extra:
            self._call_extras.setdefault(call.call_id, []).append(extra)

    def _open_call(self, call_id: str, name: str) -> _Call:
        origin = self._context.toolset.origin(name)
        call = _Call(len(self._output), self._new_id(output.CALL_PREFIXES[origin.kind]), call_id, origin)
        if origin.kind in ("function", "custom"):
            item = output.call(origin, call.id, call_id, "", "in_progress")
            assert item is not None  # noqa: S101 - both kinds accept any text
            self._open_item(item)
        else:
            # Without its arguments, there is no such item: it is added when they are complete.
            self._output.append(None)
        return call

    def _close_whole_calls(self) -> None:
        """End the calls whose arguments are complete, since something else begins."""
        for number, call in list(self._calls.items()):
            if _is_object(call.arguments):
                self._close_call(number, "completed")

    def _close_call(self, number: int, status: output.Status) -> None:
        call = self._calls.pop(number)
        arguments = call.arguments
        item = output.call(call.origin, call.id, call.call_id, arguments, status)
        if item is None:
            return
        match call.origin.kind:
            case "function":
                self._emit_in("response.function_call_arguments.done", call, name=call.origin.name, arguments=arguments)
            case "custom":
                if item["input"]:
                    self._emit_in("response.custom_tool_call_input.delta", call, delta=item["input"])
                self._emit_in("response.custom_tool_call_input.done", call, input=item["input"])
            case _:
                self._emit(
                    "response.output_item.added", output_index=call.index, item={**item, "status": "in_progress"}
                )
        self._close_item(call.index, item)

    # Items and events

    def _new_id(self, prefix: str) -> str:
        return self._context.item_id(prefix, len(self._output))

    def _add_item(self, item: Json) -> None:
        """Add an item that is complete from the start."""
        index = len(self._output)
        self._open_item(item)
        self._close_item(index, item)

    def _open_item(self, item: Json) -> None:
        self._emit("response.output_item.added", output_index=len(self._output), item=item)
        self._output.append(None)

    def _close_item(self, index: int, item: Json) -> None:
        self._output[index] = item
        self._emit("response.output_item.done", output_index=index, item=item)

    def _response(self, **members: Any) -> Json:
        items = [item for item in self._output if item is not None]
        return output.response(self._context, self._model, self._created, items, **members)

    def _emit_in(self, event: str, item: _Thought | _Text | _Call, **members: Any) -> None:
        """Write an event of an open item."""
        self._emit(event, item_id=item.id, output_index=item.index, **members)

    def _emit(self, event: str, **members: Any) -> None:
        data = _encode({"type": event, "sequence_number": self._next(), **members})
        self._events.append(sse.event(data, event.encode()))

    def _next(self) -> int:
        number = self._sequence_number
        self._sequence_number = number + 1
        return number

    def _written(self) -> bytes:
        data = b"".join(self._events)
        self._events.clear()
        return data


async def _then(encoded: Awaitable[bytes], event: Callable[[bytes], bytes]) -> bytes:
    return event(await encoded)


def _is_object(text: str) -> bool:
    """Whether JSON text is complete. A piece of an object never is one."""
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except UNREADABLE:
        return False
