"""Bedrock's answers as OpenAI's, whole and streamed.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html

Reasoning that is signed or redacted goes to the client in `provider_extra.bedrock` of the message, with the vendor of
the model, for a model of that vendor to get it back. Citations are there, too, for the client to show.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Raw

from llms_core import ErrorKind, ProviderError
from llms_core.contracts.building import Chunks, ToolCall, completion
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion, Usage, finish_reason
from llms_core.contracts.request import ChatCall

_REASONS = {
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "model_context_window_exceeded": "length",
}
_FAILURES = ("malformed_model_output", "malformed_tool_use")
#: The type of a call that Bedrock answers itself.
_SERVER_TOOL = "server_tool_use"


class _Struct(msgspec.Struct, rename="camel"):
    pass


class _Usage(_Struct):
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_write_input_tokens: int = 0

    def as_openai(self) -> Usage:
        """OpenAI counts what came from a cache among the prompt's tokens, Bedrock beside them."""
        read, written = self.cache_read_input_tokens, self.cache_write_input_tokens
        details = {"cached_tokens": read, **({"cache_write_tokens": written} if written else {})}
        return Usage(
            prompt_tokens=self.input_tokens + read + written,
            completion_tokens=self.output_tokens,
            total_tokens=self.total_tokens,
            prompt_tokens_details=details if read or written else None,
        )


class _ToolUse(_Struct):
    tool_use_id: str = ""
    name: str = ""
    input: Raw = Raw(b"{}")
    type: str | None = None


class _ReasoningText(_Struct):
    text: str = ""
    signature: str | None = None


class _Reasoning(_Struct):
    """`text` and `signature` are a delta's, `reasoning_text` is a block's."""

    reasoning_text: _ReasoningText | None = None
    redacted_content: bytes | None = None
    text: str | None = None
    signature: str | None = None


class _Text(_Struct):
    text: str = ""


class _Cited(_Struct):
    content: list[_Text] = []
    citations: list[dict[str, Any]] = []


class _Source(_Struct):
    data: bytes = msgspec.field(default=b"", name="bytes")


class _Image(_Struct):
    """The format comes with a block's start, the bytes with its deltas, and both with a whole block."""

    format: str = "png"
    source: _Source | None = None


class _Block(_Struct):
    text: str | None = None
    tool_use: _ToolUse | None = None
    reasoning_content: _Reasoning | None = None
    citations_content: _Cited | None = None
    image: _Image | None = None


class _Said(_Struct):
    content: list[_Block]


class _Output(_Struct):
    message: _Said


class _Told(_Struct):
    """What Bedrock tells about an answer, to those who asked for it."""

    trace: Raw = Raw()
    additional_model_response_fields: Raw = Raw()
    performance_config: Raw = Raw()
    service_tier: Raw = Raw()

    def told(self) -> dict[str, Raw]:
        names = zip(_Told.__struct_fields__, _Told.__struct_encode_fields__, strict=True)
        return {name: raw for field, name in names if len(raw := getattr(self, field)) and bytes(raw) != b"null"}


class _Answer(_Told, kw_only=True):
    output: _Output
    stop_reason: str
    usage: _Usage | None = None


class _Start(_Struct):
    tool_use: _ToolUse | None = None
    image: _Image | None = None


class _DeltaTool(_Struct):
    input: str = ""


class _Delta(_Struct):
    text: str | None = None
    tool_use: _DeltaTool | None = None
    reasoning_content: _Reasoning | None = None
    citation: dict[str, Any] | None = None
    image: _Image | None = None


class _Event(_Told):
    """Any event of a stream."""

    content_block_index: int = 0
    start: _Start = msgspec.field(default_factory=_Start)
    delta: _Delta = msgspec.field(default_factory=_Delta)
    stop_reason: str = ""
    usage: _Usage | None = None


_answer = msgspec.json.Decoder(_Answer)
_event = msgspec.json.Decoder(_Event)


class _Extra:
    """What a message has that OpenAI's has no place for."""

    def __init__(self, vendor: str):
        self._vendor = vendor
        self._reasoning: list[dict[str, Any]] = []
        self.citations: list[dict[str, Any]] = []

    def add(self, text: str, signature: str | None, redacted: bytes | None) -> None:
        """A block of reasoning, kept where only the model's vendor can have made it."""
        if redacted:
            self._reasoning.append({"reasoningContent": {"redactedContent": redacted}})
        elif signature:
            self._reasoning.append({"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}})

    def as_member(self) -> dict[str, Any]:
        said: dict[str, Any] = {"vendor": self._vendor, "reasoning": self._reasoning} if self._reasoning else {}
        if self.citations:
            said["citations"] = self.citations
        return _extra(said)


def as_completion(call: ChatCall, body: bytes, *, vendor: str, structured: str | None) -> Completion:
    """An answer of Converse. `structured` names the tool whose call is the answer.

    Raises a DecodeError where it is none.
    """
    answer = _answer.decode(body)
    texts, reasoning, calls = list[str](), list[str](), list[ToolCall]()
    extra, images, whole = _Extra(vendor), list[dict[str, Any]](), None
    for block in answer.output.message.content:
        if block.text is not None:
            texts.append(block.text)
        if (cited := block.citations_content) is not None:
            texts += [each.text for each in cited.content]
            extra.citations += cited.citations
        if (reasoned := block.reasoning_content) is not None:
            said = reasoned.reasoning_text or _ReasoningText()
            reasoning.append(said.text)
            extra.add(said.text, said.signature, reasoned.redacted_content)
        if (image := block.image) is not None and image.source is not None:
            images.append(_shown(image.format, image.source.data))
        if (use := block.tool_use) is not None and use.type != _SERVER_TOOL:
            if use.name == structured:
                whole = bytes(use.input).decode()
            else:
                calls.append(ToolCall(id=use.tool_use_id, name=use.name, arguments=bytes(use.input).decode()))
    return completion(
        call,
        content=whole or "".join(texts) or (None if calls else ""),
        reasoning="".join(reasoning),
        tool_calls=calls,
        finish_reason=_finish(answer.stop_reason, calls=bool(calls)),
        usage=answer.usage.as_openai() if answer.usage is not None else None,
        message={**extra.as_member(), **({"images": images} if images else {})},
        extra=_extra(answer.told()),
    )


class ConverseChunks:
    """The events of ConverseStream as chunks. `failed` makes an error of an event that tells of one."""

    framing: Literal["aws"] = "aws"

    def __init__(
        self, call: ChatCall, *, vendor: str, structured: str | None, failed: Callable[[str, bytes], ProviderError]
    ):
        self._chunks, self._structured, self._failed = Chunks(call), structured, failed
        self._extra = _Extra(vendor)
        self._told: dict[str, Raw] = {}
        #: By the index of their block: the numbers of calls, and of those without arguments so far.
        self._calls: dict[int, int] = {}
        self._silent: dict[int, int] = {}
        self._answers: set[int] = set()
        self._texts: list[str] = []
        self._reasoning, self._signature, self._redacted = "", "", b""
        self._format, self._image = "", b""

    def feed(self, event: str, data: bytes) -> Iterable[Chunk]:
        """One event's chunks."""
        if event.startswith(("exception:", "error:")):
            raise self._failed(event.partition(":")[2], data)
        try:
            decoded = _event.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ProviderError(ErrorKind.BAD_RESPONSE, f"An event of the stream makes no sense: {error}") from None
        self._told |= decoded.told()
        match event:
            case "contentBlockStart":
                return self._begin(decoded.content_block_index, decoded.start)
            case "contentBlockDelta":
                return self._go_on(decoded.content_block_index, decoded.delta)
            case "contentBlockStop":
                return self._end(decoded.content_block_index)
            case "messageStop":
                return self._stop(decoded.stop_reason)
            case "metadata" if decoded.usage is not None:
                return [self._chunks.usage(decoded.usage.as_openai(), extra=_extra(self._told))]
        return ()

    def _begin(self, index: int, start: _Start) -> Iterator[Chunk]:
        if start.image is not None:
            self._format = start.image.format
        use = start.tool_use
        if use is None or use.type == _SERVER_TOOL:
            return
        if use.name == self._structured:
            self._answers.add(index)
            return
        number = self._calls[index] = self._silent[index] = len(self._calls)
        yield self._chunks.call_begins(number, use.tool_use_id, use.name)

    def _go_on(self, index: int, delta: _Delta) -> Iterator[Chunk]:
        if delta.text:
            if self._structured is None:
                yield self._chunks.text(delta.text)
            else:  # it counts only where the answer does not come as it should
                self._texts.append(delta.text)
        if (reasoned := delta.reasoning_content) is not None:
            self._reasoning += reasoned.text or ""
            self._signature += reasoned.signature or ""
            self._redacted += reasoned.redacted_content or b""
            if reasoned.text:
                yield self._chunks.reasoning(reasoned.text)
        if (use := delta.tool_use) is not None and use.input:
            if index in self._answers:
                yield self._chunks.text(use.input)
            elif index in self._calls:
                self._silent.pop(index, None)
                yield self._chunks.call_arguments(self._calls[index], use.input)
        if delta.citation is not None:
            self._extra.citations.append(delta.citation)
        if delta.image is not None and delta.image.source is not None:
            self._image += delta.image.source.data

    def _end(self, index: int) -> Iterator[Chunk]:
        self._extra.add(self._reasoning, self._signature, self._redacted)
        self._reasoning, self._signature, self._redacted = "", "", b""
        if (number := self._silent.pop(index, None)) is not None:
            yield self._chunks.call_arguments(number, "{}")
        if self._image:
            yield self._chunks.delta({"images": [_shown(self._format or "png", self._image)]})
            self._format, self._image = "", b""

    def _stop(self, reason: str) -> Iterator[Chunk]:
        if self._texts and not self._answers:
            yield self._chunks.text("".join(self._texts))
        yield self._chunks.finish(_finish(reason, calls=bool(self._calls)), delta=self._extra.as_member())


def _finish(reason: str, *, calls: bool) -> str:
    """A call that was the answer itself, or was of Bedrock's own tools, is none of the client's."""
    if reason in _FAILURES:
        raise ProviderError(ErrorKind.BAD_RESPONSE, f"The model broke off its answer: {reason}", status=200)
    known = _REASONS.get(reason) or finish_reason(reason) or "stop"
    if known in ("tool_calls", "stop"):
        return "tool_calls" if calls else "stop"
    return known


def _shown(format: str, data: bytes) -> dict[str, Any]:
    uri = f"data:image/{format};base64,{base64.b64encode(data).decode()}"
    return {"type": "image_url", "image_url": {"url": uri}}


def _extra(said: Mapping[str, Any]) -> dict[str, Any]:
    return {"provider_extra": {"bedrock": said}} if said else {}
