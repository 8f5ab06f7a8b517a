"""Translate Ollama's answers, whole and streamed, and its list of models: https://docs.ollama.com/api/chat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from msgspec import Raw

from llms_core import ErrorKind, ProviderError
from llms_core.contracts.building import Chunks, ToolCall, arguments_text, completion
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion, Usage, finish_reason
from llms_core.contracts.request import ChatCall
from llms_providers.ollama.errors import to_error

#: What decoding a body can raise: a body may be malformed, not UTF-8, or nested too deeply.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Function(msgspec.Struct):
    name: str
    #: An object, or JSON text from a few models.
    arguments: Raw = Raw(b"{}")


class _ToolCall(msgspec.Struct):
    function: _Function
    #: Older servers send none.
    id: str | None = None


class _Message(msgspec.Struct):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _ChatResponse(msgspec.Struct):
    """A whole answer, or one line of a stream."""

    message: _Message | None = None
    #: True for a whole answer and for the last line of a stream.
    done: bool = False
    done_reason: str | None = None
    # Ollama leaves out a count of zero, for example for a prompt that is fully cached.
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    logprobs: list[dict[str, Any]] | None = None
    error: Any = None


class _Model(msgspec.Struct):
    name: str


class _ModelList(msgspec.Struct):
    models: list[_Model]


_decode_response = msgspec.json.Decoder(_ChatResponse).decode
_decode_models = msgspec.json.Decoder(_ModelList).decode


def to_completion(call: ChatCall, body: bytes) -> Completion:
    """Translate a whole answer. Raises ProviderError if it is an error, unreadable or incomplete."""
    response = _read(body)
    message = response.message
    if message is None or not response.done:
        raise ProviderError(
            ErrorKind.BAD_RESPONSE, "Ollama's answer is not a complete chat message", status=200
        )
    tool_calls = _tool_calls(message)
    content = message.content
    if not content:
        # OpenAI's `content` is null beside tool calls, and a string otherwise.
        content = None if tool_calls else ""
    return completion(
        call,
        content=content,
        reasoning=message.thinking,
        tool_calls=tool_calls,
        finish_reason=_finish_reason(
            response,
            has_content=bool(message.content or message.thinking),
            has_tool_calls=bool(tool_calls),
        ),
        logprobs=_logprobs(response),
        usage=_usage(response),
    )


class OllamaChunks:
    """Translates the lines of one stream. A tool call arrives whole; the last line holds the reason and the usage."""

    framing: Literal["ndjson"] = "ndjson"

    def __init__(self, call: ChatCall):
        self._chunks = Chunks(call)
        self._has_content = False
        self._tool_call_count = 0
        self._has_ended = False

    def feed(self, event: str, data: bytes) -> Iterator[Chunk]:
        """Translate one line. Raises ProviderError if it is an error or unreadable."""
        response = _read(data)
        delta = self._delta(response.message or _Message())
        logprobs = _logprobs(response)
        if delta:
            self._has_content = True
            yield self._chunks.delta(delta, logprobs=logprobs)
        elif logprobs:
            # Ollama holds back the text of some tokens until a later line, but reports their log probabilities now.
            yield self._chunks.delta({"content": ""}, logprobs=logprobs, content=False)
        if response.done:
            yield from self._end(response)
        elif self._has_ended and "tool_calls" in delta:
            yield msgspec.structs.replace(self._chunks.finish("tool_calls"), replaces_end=True)

    def _delta(self, message: _Message) -> dict[str, Any]:
        delta: dict[str, Any] = {}
        if message.thinking:
            delta["reasoning_content"] = message.thinking
        if message.content:
            delta["content"] = message.content
        fragments = []
        for tool_call in _tool_calls(message):
            tool_call.id = self._chunks.call_ids.unique(tool_call.id)
            fragments.append({"index": self._tool_call_count, **tool_call.as_openai()})
            self._tool_call_count += 1
        if fragments:
            delta["tool_calls"] = fragments
        return delta

    def _end(self, response: _ChatResponse) -> Iterator[Chunk]:
        reason = _finish_reason(
            response,
            has_content=self._has_content,
            has_tool_calls=self._tool_call_count > 0,
        )
        end = self._chunks.finish(reason)
        # Calls may come after an end.
        end.replaces_end = self._has_ended
        self._has_ended = True
        yield end
        usage = _usage(response)
        if usage is not None:
            yield self._chunks.usage(usage)


def to_models(body: bytes) -> dict[str, str]:
    """Map the name for clients, without `:latest`, to the full name of each model in `/api/tags`.

    Raises ProviderError if the list is unreadable.
    """
    try:
        models = _decode_models(body).models
    except _UNREADABLE as error:
        raise ProviderError(
            ErrorKind.BAD_RESPONSE, f"Cannot parse Ollama's list of models: {error}"
        ) from None
    return {model.name.removesuffix(":latest"): model.name for model in models}


def _read(data: bytes) -> _ChatResponse:
    """Decode a whole answer or one line. Raises ProviderError if it is an error or unreadable."""
    try:
        response = _decode_response(data)
    except _UNREADABLE as error:
        message = f"Cannot parse Ollama's answer: {error}"
        raise ProviderError(ErrorKind.BAD_RESPONSE, message, status=200) from None
    if response.error:
        # The HTTP status was 200, because the error came up after generation had started.
        raise to_error(500, {}, data)
    return response


def _tool_calls(message: _Message) -> list[ToolCall]:
    """Translate the tool calls of a message."""
    translated = []
    for tool_call in message.tool_calls or ():
        function = tool_call.function
        arguments = arguments_text(function.arguments)
        translated.append(ToolCall(id=tool_call.id or "", name=function.name, arguments=arguments))
    return translated


def _finish_reason(response: _ChatResponse, *, has_content: bool, has_tool_calls: bool) -> str:
    """Translate `done_reason`. Raises ProviderError if generation failed or never started."""
    # The oldest servers send no reason.
    done_reason = response.done_reason or "stop"
    if done_reason in ("load", "unload") and not (has_content or has_tool_calls):
        # Ollama only loads or unloads the model if the request gives it nothing to answer: retrying does not help.
        message = f"Ollama generated nothing (done_reason '{done_reason}'): check that a message has the role 'user'"
        raise ProviderError(ErrorKind.INVALID_REQUEST, message, status=200)
    reason = finish_reason(done_reason, is_empty=not (has_content or has_tool_calls))
    if reason is None:
        message = f"Ollama stopped before the answer was complete (done_reason '{done_reason}')"
        raise ProviderError(ErrorKind.BAD_RESPONSE, message, status=200)
    if reason == "stop" and has_tool_calls:
        return "tool_calls"
    return reason


def _logprobs(response: _ChatResponse) -> dict[str, Any] | None:
    """Return OpenAI's `logprobs`. Members that OpenAI requires and Ollama may leave out are filled in."""
    if not response.logprobs:
        return None
    tokens = [{"bytes": None, "top_logprobs": [], **token} for token in response.logprobs]
    return {"content": tokens, "refusal": None}


def _usage(response: _ChatResponse) -> Usage | None:
    """Return the token counts; None if neither count is present. A single missing count is zero."""
    if response.prompt_eval_count is None and response.eval_count is None:
        return None
    return Usage(
        prompt_tokens=response.prompt_eval_count or 0,
        completion_tokens=response.eval_count or 0,
    )
