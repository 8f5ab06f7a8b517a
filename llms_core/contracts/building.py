"""For adapters that translate: OpenAI's answers built piece by piece, in the envelope that the call gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion, Usage
from llms_core.contracts.request import ChatCall

_encode = msgspec.json.encode


class ToolCall(msgspec.Struct, kw_only=True):
    """A call of a function: `arguments` is JSON text. `extra` are further members of the call, such as signatures."""

    id: str
    name: str
    arguments: str
    extra: Mapping[str, Any] = {}

    def as_openai(self) -> dict[str, Any]:
        """As a member of `tool_calls`."""
        function = {"name": self.name, "arguments": self.arguments}
        return {"id": self.id, "type": "function", "function": function, **self.extra}


def completion(
    call: ChatCall,
    *,
    content: str | None,
    finish_reason: str,
    usage: Usage | None,
    tool_calls: Sequence[ToolCall] = (),
    reasoning: str | None = None,
    logprobs: Mapping[str, Any] | None = None,
    message: Mapping[str, Any] = {},
    extra: Mapping[str, Any] = {},
    id: str | None = None,
) -> Completion:
    """A chat.completion of one choice. `message` and `extra` are further members of the message and of the whole."""
    choice = choice_of(
        content=content,
        finish_reason=finish_reason,
        tool_calls=tool_calls,
        reasoning=reasoning,
        logprobs=logprobs,
        message=message,
    )
    return completion_of(call, [choice], usage, extra=extra, id=id)


def choice_of(
    *,
    content: str | None,
    finish_reason: str,
    tool_calls: Sequence[ToolCall] = (),
    reasoning: str | None = None,
    logprobs: Mapping[str, Any] | None = None,
    message: Mapping[str, Any] = {},
    index: int = 0,
) -> dict[str, Any]:
    """One choice of a chat.completion."""
    said: dict[str, Any] = {"role": "assistant", "content": content}
    if reasoning:
        said["reasoning_content"] = reasoning
    if tool_calls:
        said["tool_calls"] = [each.as_openai() for each in tool_calls]
    return {"index": index, "message": {**said, **message}, "logprobs": logprobs, "finish_reason": finish_reason}


def completion_of(
    call: ChatCall,
    choices: Sequence[Mapping[str, Any]],
    usage: Usage | None,
    *,
    extra: Mapping[str, Any] = {},
    id: str | None = None,
) -> Completion:
    """A chat.completion of choices that are made already."""
    whole: dict[str, Any] = {
        "id": id or call.id,
        "object": "chat.completion",
        "created": call.created,
        "model": call.client_model,
        "choices": choices,
    }
    if usage is not None:
        whole["usage"] = usage
    return Completion(data=_encode({**whole, **extra}), usage=usage)


class Chunks:
    """The chunks of one stream: the envelope is the same throughout, the role comes with each choice's first delta."""

    def __init__(self, call: ChatCall):
        self._envelope: dict[str, Any] = {
            "id": call.id,
            "object": "chat.completion.chunk",
            "created": call.created,
            "model": call.client_model,
        }
        self._begun: set[int] = set()

    def identify(self, id: str) -> None:
        """Use the provider's own id from the first chunk on."""
        self._envelope["id"] = id

    def text(self, text: str, *, index: int = 0, logprobs: Mapping[str, Any] | None = None) -> Chunk:
        """A piece of the answer."""
        return self.delta({"content": text}, index=index, logprobs=logprobs)

    def reasoning(self, text: str, *, index: int = 0) -> Chunk:
        """A piece of the model's reasoning."""
        return self.delta({"reasoning_content": text}, index=index)

    def call_begins(
        self, number: int, id: str, name: str, arguments: str = "", *, extra: Mapping[str, Any] = {}, index: int = 0
    ) -> Chunk:
        """A tool call begins: `number` counts the calls of a choice from 0."""
        function = {"name": name, "arguments": arguments}
        fragment = {"index": number, "id": id, "type": "function", "function": function, **extra}
        return self.delta({"tool_calls": [fragment]}, index=index)

    def call_arguments(self, number: int, arguments: str, *, index: int = 0) -> Chunk:
        """A piece of a tool call's arguments, as JSON text."""
        return self.delta({"tool_calls": [{"index": number, "function": {"arguments": arguments}}]}, index=index)

    def delta(
        self,
        delta: Mapping[str, Any],
        *,
        index: int = 0,
        logprobs: Mapping[str, Any] | None = None,
        content: bool = True,
    ) -> Chunk:
        """Any delta. `content`: it bears a part of the answer, so that the stream may be committed to."""
        return self._chunk(delta, index, None, logprobs, content)

    def finish(self, reason: str, *, index: int = 0, delta: Mapping[str, Any] = {}) -> Chunk:
        """The end of a choice; `delta` is what is only known then."""
        return self._chunk(delta, index, reason, None, False)

    def usage(self, usage: Usage, *, extra: Mapping[str, Any] = {}) -> Chunk:
        """The stream's usage."""
        return Chunk(data=_encode({**self._envelope, "choices": [], "usage": usage, **extra}), usage=True)

    def _chunk(
        self,
        delta: Mapping[str, Any],
        index: int,
        reason: str | None,
        logprobs: Mapping[str, Any] | None,
        content: bool,
    ) -> Chunk:
        if index not in self._begun:
            self._begun.add(index)
            delta = {"role": "assistant", **delta}
        choice: dict[str, Any] = {"index": index, "delta": delta, "finish_reason": reason}
        if logprobs is not None:
            choice["logprobs"] = logprobs
        return Chunk(
            data=_encode({**self._envelope, "choices": [choice]}),
            content=content,
            begun=(index,),
            ended=(index,) if reason is not None else (),
        )
