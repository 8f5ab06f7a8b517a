"""Anthropic's messages, whole or streamed, as OpenAI's completions and chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, TypeVar

import msgspec

from llms_core.contracts.building import Chunks, ToolCall, completion
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion, Usage, finish_reason
from llms_core.contracts.request import ChatCall
from llms_core.errors import ErrorKind, ProviderError

T = TypeVar("T")
Json = dict[str, Any]
Failure = Callable[[bytes], ProviderError]
"""What a body that is no message means."""

#: As in what is asked: what Anthropic's own data is called in `provider_extra`, and the tool whose input is the answer.
NAME, ANSWER = "anthropic", "answer_in_json"


class _Thought(msgspec.Struct):
    thinking_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens_details: _Thought | None = None
    server_tool_use: Json | None = None


class _End(msgspec.Struct):
    """What is known of a message when it is over."""

    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: Json | None = None
    container: Json | None = None
    usage: _Usage | None = None


class _Message(_End):
    type: str = ""
    id: str | None = None
    content: list[Json] | None = None


class _Event(msgspec.Struct):
    type: str = ""
    index: int = 0
    delta: Json = {}
    content_block: Json = {}
    message: _Message | None = None
    usage: _Usage | None = None


class _Citation(msgspec.Struct):
    url: str | None = None
    title: str | None = None


class _Block(msgspec.Struct):
    """A block, as far as it is looked at."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    citations: list[_Citation] | None = None
    id: str = ""
    name: str = ""
    input: Json | None = None

    @property
    def is_call(self) -> bool:
        return self.type == "tool_use" and self.name != ANSWER

    @property
    def said(self) -> str:
        """The text of the answer in it."""
        if self.type == "tool_use" and self.name == ANSWER:
            return _json(self.input or {})
        return (self.text or "") if self.type == "text" else ""


_message = msgspec.json.Decoder(_Message)
_event = msgspec.json.Decoder(_Event)


def whole(call: ChatCall, body: bytes, failure: Failure) -> Completion:
    """A message as a chat completion."""
    message = _decoded(body, _message)
    if message.type != "message" or message.content is None:
        raise failure(body)
    blocks = [_viewed(block) for block in message.content]
    text = "".join(block.said for block in blocks)
    calls = [
        ToolCall(id=block.id, name=block.name, arguments=_json(block.input or {}), extra=_extra_of_call(raw))
        for block, raw in zip(blocks, message.content, strict=True)
        if block.is_call
    ]
    return completion(
        call,
        id=message.id,
        content=text or (None if calls else ""),
        reasoning="".join(block.thinking or "" for block in blocks),
        tool_calls=calls,
        finish_reason=_reason(message.stop_reason, called=bool(calls)),
        usage=_counted(message.usage or _Usage()),
        message=_further(message.content, message),
    )


class MessageChunks:
    """One stream's events. Blocks are put together as they come: what only they have is sent with the end."""

    framing: Literal["sse"] = "sse"

    def __init__(self, call: ChatCall, failure: Failure):
        self._chunks, self._failure = Chunks(call), failure
        self._blocks: dict[int, _Growing] = {}
        self._calls = 0
        self._end = _End()

    def feed(self, event: str, data: bytes) -> Iterable[Chunk]:
        """The chunks of one event; those of unknown types give none."""
        said = _decoded(data, _event)
        match said.type:
            case "content_block_delta":
                return self._grow(said.index, said.delta)
            case "content_block_start":
                return self._begin(said.index, said.content_block)
            case "content_block_stop":
                return self._close(said.index)
            case "message_start" if said.message is not None:
                self._end.usage = said.message.usage
                if said.message.id:
                    self._chunks.identify(said.message.id)
            case "message_delta":
                return self._finish(said)
            case "error":
                raise self._failure(data)
        return ()

    def _begin(self, index: int, raw: Json) -> Iterator[Chunk]:
        block = _viewed(raw)
        growing = self._blocks[index] = _Growing(block, raw)
        if block.is_call:
            growing.number, self._calls = self._calls, self._calls + 1
            yield self._chunks.call_begins(growing.number, block.id, block.name, extra=_extra_of_call(raw))
        elif block.type == "text" and block.text:
            yield self._chunks.text(block.text)
        elif block.thinking:
            yield self._chunks.reasoning(block.thinking)

    def _grow(self, index: int, delta: Json) -> Iterator[Chunk]:
        growing = self._blocks.get(index)
        if growing is None:
            growing = self._blocks[index] = _Growing(_Block("text"), {"type": "text"})
        growing.add(delta)
        match delta:
            case {"type": "text_delta", "text": str(text)} if text:
                yield self._chunks.text(text)
            case {"type": "thinking_delta", "thinking": str(text)} if text:
                yield self._chunks.reasoning(text)
            case {"type": "input_json_delta", "partial_json": str(text)} if text:
                yield from self._input(growing, text)

    def _close(self, index: int) -> Iterator[Chunk]:
        """Some tools take no input, and some servers send it whole with the start."""
        growing = self._blocks.get(index)
        if growing is not None and growing.block.type == "tool_use" and not growing.joined("partial_json"):
            yield from self._input(growing, _json(growing.block.input or {}))

    def _input(self, growing: _Growing, text: str) -> Iterator[Chunk]:
        if growing.number is not None:
            yield self._chunks.call_arguments(growing.number, text)
        elif growing.block.type == "tool_use":
            yield self._chunks.text(text)

    def _finish(self, event: _Event) -> Iterator[Chunk]:
        _update(self._end, _converted(event.delta, _End))
        usage = self._end.usage = self._end.usage or _Usage()
        _update(usage, event.usage or _Usage())
        if self._end.stop_reason:
            blocks = [self._blocks[index].whole() for index in sorted(self._blocks)]
            reason = _reason(self._end.stop_reason, called=self._calls > 0)
            yield self._chunks.finish(reason, delta=_further(blocks, self._end))
            yield self._chunks.usage(_counted(usage))


_MANY = 512


class _Growing:
    """A block of a stream. Its pieces are joined at the end: to append to ever longer text costs its square."""

    def __init__(self, block: _Block, raw: Json):
        self.block, self._raw = block, raw
        self.number: int | None = None
        self._pieces: dict[str, list[Any]] = {}

    def add(self, delta: Json) -> None:
        for name, value in delta.items():
            if name != "type":
                pieces = self._pieces.setdefault(name, [])
                pieces.append(value)
                if len(pieces) >= _MANY and isinstance(value, str):  # many small strings take ten times the text's room
                    pieces[:] = [self.joined(name)]

    def joined(self, name: str) -> str:
        return "".join(piece for piece in self._pieces.get(name, ()) if isinstance(piece, str))

    def whole(self) -> Json:
        block = dict(self._raw)
        for name, pieces in self._pieces.items():
            if name == "partial_json":
                block["input"] = _loaded(self.joined(name)) or block.get("input") or {}
            elif name == "citation":
                block["citations"] = [*(block.get("citations") or ()), *pieces]
            elif isinstance(pieces[0], str):
                block[name] = (block.get(name) or "") + self.joined(name)
            else:
                block[name] = pieces[-1]
        return block


def _decoded(data: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _senseless(error) from None


def _converted(value: object, type_: type[T]) -> T:
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        raise _senseless(error) from None


def _senseless(error: Exception) -> ProviderError:
    return ProviderError(ErrorKind.BAD_RESPONSE, f"The answer is no message of Claude's: {error}")


def _viewed(raw: Json) -> _Block:
    if raw.get("type") not in ("text", "thinking", "tool_use"):
        return _Block("opaque")
    block = _converted(raw, _Block)
    if block.type == "tool_use" and not (block.id and block.name):
        raise ProviderError(ErrorKind.BAD_RESPONSE, "The answer has a tool call without an id or a name")
    return block


def _update(known: msgspec.Struct, said: msgspec.Struct) -> None:
    """What is said now wins; null says nothing."""
    for name in said.__struct_fields__:
        if (value := getattr(said, name)) is not None:
            setattr(known, name, value)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _loaded(text: str) -> Any:
    """A tool's input; {} where the answer was cut off within it."""
    try:
        return msgspec.json.decode(text) if text else {}
    except msgspec.DecodeError:
        return {}


def _extra_of_call(raw: Json) -> Json:
    """What a call has beyond OpenAI's members, such as a `caller` that is not Claude itself."""
    extra = {
        name: value
        for name, value in raw.items()
        if name not in ("type", "id", "name", "input") and value not in (None, {"type": "direct"})
    }
    return {"provider_extra": {NAME: extra}} if extra else {}


#: OpenAI's reasons for those that `finish_reason` does not know; a paused turn goes on when it is sent back.
_REASONS = {"model_context_window_exceeded": "length", "pause_turn": "stop"}
_PLAIN_REASONS = ("end_turn", "max_tokens", "stop_sequence", "tool_use")


def _reason(said: str | None, *, called: bool) -> str:
    """The tool that gives the answer is none to the client."""
    if said is None or (said == "tool_use" and not called):
        return "stop"
    return _REASONS.get(said) or finish_reason(said) or "stop"


def _counted(usage: _Usage) -> Usage:
    """Claude counts what its cache was read and written apart from the rest of the prompt; OpenAI does not."""
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    details: Json = {}
    if usage.output_tokens_details is not None:
        details["reasoning_tokens"] = usage.output_tokens_details.thinking_tokens or 0
    if usage.server_tool_use:
        details["server_tool_use"] = usage.server_tool_use
    return Usage(
        prompt_tokens=(usage.input_tokens or 0) + read + written,
        completion_tokens=usage.output_tokens or 0,
        prompt_tokens_details={"cached_tokens": read, "cache_write_tokens": written},
        completion_tokens_details=details or None,
    )


def _further(raws: list[Json], end: _End) -> Json:
    """Members of the message beside its text and calls, for the client to show or to send back."""
    further: Json = {}
    blocks = [_viewed(raw) for raw in raws]
    if annotations := list(_annotations(blocks)):
        further["annotations"] = annotations
    explanation = (end.stop_details or {}).get("explanation")
    if end.stop_reason == "refusal" and isinstance(explanation, str):
        further["refusal"] = explanation
    extra = {
        "content": _to_keep(raws, blocks),
        "container": end.container,
        "stop_reason": None if end.stop_reason in _PLAIN_REASONS else end.stop_reason,
        "stop_sequence": end.stop_sequence,
        "stop_details": end.stop_details,
    }
    if extra := {name: value for name, value in extra.items() if value}:
        further["provider_extra"] = {NAME: extra}
    return further


def _to_keep(raws: list[Json], blocks: list[_Block]) -> list[Json]:
    """What OpenAI's message cannot say. Where that leads, as thinking does, the rest is made anew of the text and the
    calls; else every block is kept, because their order matters."""
    opaque = [block.type not in ("text", "tool_use") or bool(block.citations) for block in blocks]
    leading = opaque.index(False) if False in opaque else len(opaque)
    in_order = not any(opaque[leading:]) and "text" not in [block.type for block in blocks[leading + 1 :]]
    kept = raws if any(opaque) and not in_order else raws[:leading]
    return [{name: value for name, value in raw.items() if value is not None} for raw in kept]


def _annotations(blocks: Iterable[_Block]) -> Iterator[Json]:
    """Citations of pages, as OpenAI has them: of the span of text that they are for."""
    end = 0
    for block in blocks:
        start, end = end, end + len(block.said)
        for cited in block.citations or ():
            if cited.url:
                page = {"url": cited.url, "title": cited.title or ""}
                yield {"type": "url_citation", "url_citation": {"start_index": start, "end_index": end, **page}}
