"""Translate Cohere's answers, whole and streamed, and its list of models.

https://docs.cohere.com/reference/chat and https://docs.cohere.com/v2/docs/streaming
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import StringIO
from typing import Any, Literal

import msgspec
from msgspec import Raw

from llms_core import ErrorKind, ProviderError
from llms_core.contracts.building import Chunks, ToolCall, arguments_text, completion
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion, Usage, finish_reason
from llms_core.contracts.function_names import FunctionNames
from llms_core.contracts.request import ChatCall
from llms_providers.cohere.errors import to_error
from llms_providers.cohere.request import NAME_RULE

Json = dict[str, Any]

#: What decoding a body can raise: a body may be malformed, not UTF-8, or nested too deeply.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _ContentBlock(msgspec.Struct):
    # A block has one of the two.
    text: str | None = None
    thinking: str | None = None


class _Function(msgspec.Struct):
    name: str
    #: JSON text; empty for a function without parameters.
    arguments: Raw = Raw()


class _ToolCall(msgspec.Struct):
    function: _Function
    id: str | None = None


class _Message(msgspec.Struct):
    content: list[_ContentBlock] | None = None
    #: What the model intends to do with the tool calls.
    tool_plan: str | None = None
    tool_calls: list[_ToolCall] | None = None
    citations: list[Any] | None = None


class _ChatResponse(msgspec.Struct):
    message: _Message
    id: str | None = None
    finish_reason: str | None = None
    usage: Json | None = None
    logprobs: list[Any] | None = None


class _Model(msgspec.Struct):
    name: str
    is_deprecated: bool | None = None


class _ModelList(msgspec.Struct):
    models: list[_Model]


_decode_response = msgspec.json.Decoder(_ChatResponse).decode
_decode_event = msgspec.json.Decoder(Json).decode
_decode_models = msgspec.json.Decoder(_ModelList).decode


def to_completion(call: ChatCall, body: bytes) -> Completion:
    """Translate a whole answer. Raises ProviderError if it is unreadable, or if generation failed."""
    response = _read(body)
    message = response.message
    blocks = message.content or []
    plan = message.tool_plan or ""
    usage = _usage(response.usage)
    tool_calls = _tool_calls(message, FunctionNames(call, NAME_RULE))
    content: str | None = "".join(block.text or "" for block in blocks)
    if not content and tool_calls:
        # OpenAI's `content` is null beside tool calls, and a string otherwise.
        content = None
    thoughts = "".join(block.thinking or "" for block in blocks)
    return completion(
        call,
        id=response.id or None,
        content=content,
        # The plan comes last: that is how a request that sends it back finds where it begins.
        reasoning=thoughts + plan,
        tool_calls=tool_calls,
        finish_reason=_finish_reason(
            response.finish_reason,
            has_tool_calls=bool(tool_calls),
            is_empty=not (content or thoughts or plan or tool_calls),
        ),
        logprobs=_logprobs(response.logprobs or ()),
        usage=usage,
        message=_message_extra(message.citations or [], plan, has_tool_calls=bool(tool_calls)),
        extra=_billed_units(response.usage),
    )


class CohereChunks:
    """Translates the events of one stream.

    Citations are collected and sent at the end: clients join the text of deltas, but cannot join objects.
    """

    framing: Literal["sse"] = "sse"

    def __init__(self, call: ChatCall):
        self._chunks = Chunks(call)
        self._names = FunctionNames(call, NAME_RULE)
        #: The number of each tool call, counted from 0, by Cohere's index.
        self._numbers: dict[int, int] = {}
        #: The indexes of the tool calls that have no arguments yet.
        self._without_arguments: set[int] = set()
        self._plan = StringIO()
        self._has_text = False
        self._citations: list[Any] = []

    def feed(self, event: str, data: bytes) -> Iterator[Chunk]:
        """Translate one event. Raises ProviderError if it is an error or unreadable."""
        try:
            received = _decode_event(data)
        except _UNREADABLE as error:
            message = f"Cannot parse an event of Cohere's stream: {error}"
            raise ProviderError(ErrorKind.BAD_RESPONSE, message) from None
        position = received.get("index")
        # A call without an index is taken for the first.
        index = position if isinstance(position, int) else 0
        match received:
            case {"type": "message-start", "id": str(id)} if id:
                self._chunks.identify(id)
            case {
                "type": "content-start" | "content-delta",
                "delta": {"message": {"content": dict(block)}},
            }:
                yield from self._content(block, received.get("logprobs"))
            case {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": str(plan)}}} if (
                plan
            ):
                self._plan.write(plan)
                yield self._chunks.reasoning(plan)
            case {
                "type": "tool-call-start",
                "delta": {
                    "message": {
                        "tool_calls": {"function": {"name": str(name)} as function} as tool_call
                    }
                },
            }:
                yield self._tool_call_start(
                    index, tool_call.get("id"), name, _piece(function.get("arguments"))
                )
            case {
                "type": "tool-call-delta",
                "delta": {"message": {"tool_calls": {"function": {"arguments": arguments}}}},
            } if arguments and index in self._numbers:
                yield self._tool_call_arguments(index, _piece(arguments))
            case {"type": "tool-call-end"} if index in self._without_arguments:
                # The arguments of a call have to be JSON (SR-056).
                yield self._tool_call_arguments(index, "{}")
            case {"type": "citation-start", "delta": {"message": {"citations": citation}}}:
                self._citations.append(citation)
            case {"type": "message-end", "delta": dict(delta)}:
                yield from self._end(delta)
            case {"message": str()} if "type" not in received:
                # An error that came up after the status 200 has the form of an error response.
                raise to_error(500, {}, data)

    def _content(self, block: Json, logprobs: Any) -> Iterator[Chunk]:
        thoughts = block.get("thinking")
        if thoughts and isinstance(thoughts, str):
            self._has_text = True
            yield self._chunks.reasoning(thoughts)
        text = block.get("text")
        if text and isinstance(text, str):
            self._has_text = True
            yield self._chunks.text(text, logprobs=_logprobs([logprobs]))

    def _tool_call_start(self, index: int, id: Any, name: str, arguments: str) -> Chunk:
        number = len(self._numbers)
        self._numbers[index] = number
        if not arguments:
            self._without_arguments.add(index)
        call_id = id if isinstance(id, str) else ""
        return self._chunks.call_begins(number, call_id, self._names.to_client(name), arguments)

    def _tool_call_arguments(self, index: int, arguments: str) -> Chunk:
        self._without_arguments.discard(index)
        return self._chunks.call_arguments(self._numbers[index], arguments)

    def _end(self, delta: Json) -> Iterator[Chunk]:
        for index in list(self._without_arguments):
            # The end of a call may be missing.
            yield self._tool_call_arguments(index, "{}")
        has_tool_calls = bool(self._numbers)
        reason = _finish_reason(
            delta.get("finish_reason"),
            delta.get("error"),
            has_tool_calls=has_tool_calls,
            is_empty=not (self._has_text or has_tool_calls),
        )
        extra = _message_extra(
            self._citations, self._plan.getvalue(), has_tool_calls=has_tool_calls
        )
        yield self._chunks.finish(reason, delta=extra)
        usage = _usage(delta.get("usage"))
        if usage is not None:
            yield self._chunks.usage(usage, extra=_billed_units(delta.get("usage")))


def to_models(body: bytes) -> dict[str, str]:
    """Map the name of each model that is not deprecated to itself. Raises ProviderError if the list is unreadable."""
    try:
        models = _decode_models(body).models
    except _UNREADABLE as error:
        raise ProviderError(
            ErrorKind.BAD_RESPONSE, f"Cannot parse Cohere's list of models: {error}"
        ) from None
    return {model.name: model.name for model in models if not model.is_deprecated}


def _read(body: bytes) -> _ChatResponse:
    try:
        return _decode_response(body)
    except _UNREADABLE as error:
        message = f"Cannot parse Cohere's answer: {error}"
        raise ProviderError(ErrorKind.BAD_RESPONSE, message, status=200) from None


def _tool_calls(message: _Message, names: FunctionNames) -> list[ToolCall]:
    translated = []
    for tool_call in message.tool_calls or ():
        function = tool_call.function
        name = names.to_client(function.name)
        arguments = arguments_text(function.arguments)
        translated.append(ToolCall(id=tool_call.id or "", name=name, arguments=arguments))
    return translated


def _piece(arguments: Any) -> str:
    """Return a piece of a call's arguments, which may also be the arguments themselves; "" if there is none yet."""
    return arguments_text(arguments) if arguments else ""


def _finish_reason(reason: Any, error: Any = None, *, has_tool_calls: bool, is_empty: bool) -> str:
    """Translate Cohere's reason. Raises ProviderError if it means that generation failed.

    `error` is the text that a stream's last event may hold.
    """
    if reason == "TIMEOUT":
        message = str(error or "Cohere took too long to generate the answer")
        raise ProviderError(ErrorKind.TIMEOUT, message, status=200)
    if error or reason == "ERROR":
        message = error or "Cohere failed to generate the answer"
        raise to_error(500, {}, msgspec.json.encode({"message": message}))
    translated = finish_reason(str(reason or ""), is_empty=is_empty)
    if translated is None:
        message = f"Cohere stopped before the answer was complete (finish_reason '{reason}')"
        raise ProviderError(ErrorKind.BAD_RESPONSE, message, status=200)
    if translated == "stop" and has_tool_calls:
        return "tool_calls"
    return translated


def _message_extra(citations: list[Any], plan: str, *, has_tool_calls: bool) -> Json:
    """Return `provider_extra` for what OpenAI's message has no member for; {} if there is nothing.

    Beside tool calls the plan is included even if it is empty: it tells a request that sends the message back that the
    reasoning before the calls is not their plan.
    """
    extra: Json = {}
    if citations:
        extra["citations"] = citations
    if has_tool_calls:
        extra["tool_plan"] = plan
    return _provider_extra(extra)


def _logprobs(pieces: Iterable[Any]) -> Json | None:
    """Return OpenAI's `logprobs`, in which each piece of text is one token.

    A piece may consist of several of Cohere's tokens. Its probability is their product, so the logarithms are added.
    """
    tokens = []
    for piece in pieces:
        match piece:
            case {"text": str(text), "logprobs": [_, *_] as logprobs} if all(
                map(_is_number, logprobs)
            ):
                tokens.append(
                    {
                        "token": text,
                        "logprob": sum(logprobs),
                        "bytes": list(text.encode()),
                        "top_logprobs": [],
                    }
                )
    if not tokens:
        return None
    return {"content": tokens, "refusal": None}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _usage(reported: Any) -> Usage | None:
    """Translate the token counts; None if there are none."""
    if not isinstance(reported, dict):
        return None
    tokens = reported.get("tokens")
    if not isinstance(tokens, dict):
        return None
    counts: dict[str, int] = {}
    # Some counts are members of `tokens`, others are next to it. Cohere writes them as floats.
    for name, value in {**tokens, **reported}.items():
        if isinstance(value, int | float):
            counts[name] = int(value)
    return Usage(
        # Cohere counts image tokens separately from input tokens, but reasoning tokens as part of output tokens.
        prompt_tokens=counts.get("input_tokens", 0) + counts.get("image_tokens", 0),
        completion_tokens=counts.get("output_tokens", 0),
        prompt_tokens_details=_details(counts, ("cached_tokens", "image_tokens")),
        completion_tokens_details=_details(counts, ("reasoning_tokens",)),
    )


def _details(counts: dict[str, int], names: Iterable[str]) -> Json | None:
    """Return the named counts; None if all of them are missing."""
    details = {name: counts[name] for name in names if name in counts}
    return details or None


def _billed_units(usage: Any) -> Json:
    """Return `provider_extra` with the billed units, which differ from the token counts; {} if there are none."""
    if not isinstance(usage, dict):
        return {}
    billed = usage.get("billed_units")
    return _provider_extra({"billed_units": billed} if billed else {})


def _provider_extra(extra: Json) -> Json:
    return {"provider_extra": {"cohere": extra}} if extra else {}
