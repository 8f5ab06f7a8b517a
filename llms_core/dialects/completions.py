"""OpenAI's legacy completions, `POST /v1/completions`, translated to chat completions and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Raw

from llms_core.contracts.body import BodyDecoder
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.request import ChatBody, decode
from llms_core.dialects import MODEL, Dialect, IncomingRequest, OpenApi, openai_error, sse
from llms_core.dialects.chat_completions import ChatStreamWriter
from llms_core.errors import RequestError
from llms_core.operations import Answer
from llms_core.operations.chat import CHAT


class _LegacyRequest(msgspec.Struct):
    model: str
    #: texts, or the numbers of tokens, which only the model that they are for can read
    prompt: str | list[Any]
    suffix: str | None = None
    echo: bool | None = None
    best_of: int | None = None
    logprobs: int | None = None


_decoder = BodyDecoder(_LegacyRequest)
_encode = msgspec.json.encode

#: Members that a chat completion does not have.
_LEGACY_ONLY = ("prompt", "suffix", "echo", "best_of", "logprobs")


def _decode(request: IncomingRequest) -> ChatBody:
    """Turn the prompt into a user message. Raises RequestError, also for what a chat model cannot do."""
    body = _decoder.decode(request.body)
    legacy = body.view
    members = body.copy_members()
    prompts = [legacy.prompt] if isinstance(legacy.prompt, str) else legacy.prompt
    if len(prompts) != 1 or not isinstance(prompts[0], str):
        raise RequestError(
            "Exactly one prompt is supported, as a text", param="prompt", code="unsupported"
        )
    requested = {
        "suffix": bool(legacy.suffix),
        "echo": bool(legacy.echo),
        "logprobs": bool(legacy.logprobs),
        "best_of": legacy.best_of is not None and legacy.best_of > 1,
    }
    for name, is_requested in requested.items():
        if is_requested:
            raise RequestError(
                f"'{name}' is not supported by chat models", param=name, code="unsupported"
            )
    for name in _LEGACY_ONLY:
        members.pop(name, None)
    members["messages"] = Raw(_encode([{"role": "user", "content": prompts[0]}]))
    return decode(_encode(members))


def _encode_answer(answer: Answer, body: ChatBody) -> bytes:
    completion: dict[str, Any] = msgspec.json.decode(answer.data)
    completion["object"] = "text_completion"
    completion["choices"] = [
        _text_choice(choice, choice["message"]) for choice in completion.get("choices") or ()
    ]
    return _encode(completion)


class TextStreamWriter(ChatStreamWriter):
    """Text completion chunks, in the same events as chat completions."""

    def write(self, chunks: Sequence[Chunk]) -> bytes:
        """Chunks that arrived together; the usage chunk is left out unless `include_usage`."""
        include_usage = self.include_usage
        return sse.events(
            [_text_chunk(chunk.data) for chunk in chunks if include_usage or not chunk.usage]
        )


def _text_chunk(data: bytes) -> bytes:
    chunk: dict[str, Any] = msgspec.json.decode(data)
    chunk["object"] = "text_completion"
    chunk["choices"] = [
        _text_choice(choice, choice.get("delta", {})) for choice in chunk.get("choices") or ()
    ]
    return _encode(chunk)


#: This API has no tools: a model that called one all the same has ended its text.
_FINISH_REASONS = {"tool_calls": "stop", "function_call": "stop"}


class _Message(msgspec.Struct):
    """A message or a delta: the members that are texts here."""

    content: str | None = None
    refusal: str | None = None


def _text_choice(choice: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
    """Return a choice of this API. Raises ValidationError if the message has no text where it should have one."""
    reason: str | None = choice.get("finish_reason")
    texts = msgspec.convert(message, _Message)
    return {
        "index": choice.get("index", 0),
        # A refusal is a text as well; chat has a member of its own for it.
        "text": (texts.content or "") + (texts.refusal or ""),
        "logprobs": None,
        "finish_reason": _FINISH_REASONS.get(reason or "", reason),
    }


class CompletionRequest(msgspec.Struct):
    """A legacy completion: one prompt; the parameters of a chat completion apply."""

    model: Annotated[str, msgspec.Meta(min_length=1)]
    prompt: str
    max_tokens: int | None = None
    temperature: float | None = None
    stream: bool | None = None


COMPLETIONS = Dialect(
    name="completions",
    operation=CHAT,
    paths=("/v1/completions",),
    decode=_decode,
    encode_answer=_encode_answer,
    encode_error=openai_error.encode,
    stream_writer=TextStreamWriter,
    openapi=OpenApi(
        summary="A legacy completion",
        operation_id="Completion",
        example={"model": MODEL, "prompt": "Once upon a time", "max_tokens": 50},
        request=CompletionRequest,
        error=openai_error.ErrorBody,
    ),
)
