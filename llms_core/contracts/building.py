"""For adapters that translate: builds OpenAI's completions and chunks with the id, date and model of a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion, Usage
from llms_core.contracts.json import text_of_json
from llms_core.contracts.request import ChatCall
from llms_core.contracts.tool_call_ids import AnswerCallIds

_encode = msgspec.json.encode


def arguments_text(arguments: object) -> str:
    """Return the arguments of a complete tool call as JSON text, whatever the provider sent.

    That is text, a decoded JSON value or a raw one, or nothing for a function without parameters.
    """
    if isinstance(arguments, Raw):
        arguments = text_of_json(arguments)
    if arguments in (None, "", "null"):
        return "{}"
    if isinstance(arguments, str):
        return arguments
    return _encode(arguments).decode()


class ToolCall(msgspec.Struct, kw_only=True):
    """A call of a function."""

    #: as the provider sent it; `completion` and `Chunks` replace it if it is empty or not unique
    id: str
    name: str
    #: JSON text
    arguments: str
    #: further members of the call, such as signatures
    extra: Mapping[str, Any] = {}

    def as_openai(self) -> dict[str, Any]:
        """Return the call as a member of `tool_calls`."""
        return {
            "id": self.id,
            "type": "function",
            "function": {"name": self.name, "arguments": self.arguments},
            **self.extra,
        }


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
    """Build a chat.completion with one choice.

    `message` and `extra` are further members of the message and of the completion; `id` is the provider's own id.
    """
    choice = choice_of(
        content=content,
        finish_reason=finish_reason,
        tool_calls=with_unique_ids(tool_calls, call),
        reasoning=reasoning,
        logprobs=logprobs,
        message=message,
    )
    return completion_of(call, [choice], usage, extra=extra, id=id)


def with_unique_ids(tool_calls: Sequence[ToolCall], call: ChatCall) -> list[ToolCall]:
    """Return the tool calls of an answer with ids that are not empty and unique in the conversation."""
    ids = AnswerCallIds(call)
    return [replace(tool_call, id=ids.unique(tool_call.id)) for tool_call in tool_calls]


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
    """Build one choice of a chat.completion. `message` are further members of its message."""
    members: dict[str, Any] = {"role": "assistant", "content": content}
    if reasoning:
        members["reasoning_content"] = reasoning
    if tool_calls:
        members["tool_calls"] = [tool_call.as_openai() for tool_call in tool_calls]
    members.update(message)
    return {
        "index": index,
        "message": members,
        "logprobs": logprobs,
        "finish_reason": finish_reason,
    }


def completion_of(
    call: ChatCall,
    choices: Sequence[Mapping[str, Any]],
    usage: Usage | None,
    *,
    extra: Mapping[str, Any] = {},
    id: str | None = None,
) -> Completion:
    """Build a chat.completion from its choices. `extra` are further members, `id` is the provider's own id."""
    members: dict[str, Any] = {
        "id": id or call.id,
        "object": "chat.completion",
        "created": call.created,
        "model": call.client_model,
        "choices": choices,
    }
    if usage is not None:
        members["usage"] = usage
    members.update(extra)
    return Completion(data=_encode(members), usage=usage)


class Chunks:
    """Builds the chunks of one stream: all have the same envelope, and each choice's first delta has the role."""

    def __init__(self, call: ChatCall):
        self._envelope: dict[str, Any] = {
            "id": call.id,
            "object": "chat.completion.chunk",
            "created": call.created,
            "model": call.client_model,
        }
        self._begun: set[int] = set()
        #: the ids of the tool calls, for deltas that an adapter builds itself
        self.call_ids = AnswerCallIds(call)

    def identify(self, id: str) -> None:
        """Use the provider's own id. To be called before the first chunk is built."""
        self._envelope["id"] = id

    def text(
        self, text: str, *, index: int = 0, logprobs: Mapping[str, Any] | None = None
    ) -> Chunk:
        """Build a chunk with a piece of the answer."""
        return self.delta({"content": text}, index=index, logprobs=logprobs)

    def reasoning(self, text: str, *, index: int = 0) -> Chunk:
        """Build a chunk with a piece of the model's reasoning."""
        return self.delta({"reasoning_content": text}, index=index)

    def call_begins(
        self,
        number: int,
        id: str,
        name: str,
        arguments: str = "",
        *,
        extra: Mapping[str, Any] = {},
        index: int = 0,
    ) -> Chunk:
        """Build a chunk that begins a tool call. `number` counts the calls of a choice from 0.

        `id` is the provider's; it is replaced if it is empty or not unique in the conversation.
        """
        fragment = {
            "index": number,
            "id": self.call_ids.unique(id),
            "type": "function",
            "function": {"name": name, "arguments": arguments},
            **extra,
        }
        return self.delta({"tool_calls": [fragment]}, index=index)

    def call_arguments(self, number: int, arguments: str, *, index: int = 0) -> Chunk:
        """Build a chunk with a piece of a tool call's arguments, which is JSON text."""
        fragment = {"index": number, "function": {"arguments": arguments}}
        return self.delta({"tool_calls": [fragment]}, index=index)

    def delta(
        self,
        delta: Mapping[str, Any],
        *,
        index: int = 0,
        logprobs: Mapping[str, Any] | None = None,
        content: bool = True,
    ) -> Chunk:
        """Build a chunk with any delta. `content`: it carries a part of the answer, which commits the stream to it."""
        return self._chunk(delta, index=index, logprobs=logprobs, content=content)

    def finish(self, reason: str, *, index: int = 0, delta: Mapping[str, Any] = {}) -> Chunk:
        """Build the chunk that ends a choice. `delta` is for what is known only at the end."""
        return self._chunk(delta, index=index, finish_reason=reason)

    def usage(self, usage: Usage, *, extra: Mapping[str, Any] = {}) -> Chunk:
        """Build the chunk with the stream's usage."""
        members = {**self._envelope, "choices": [], "usage": usage, **extra}
        return Chunk(data=_encode(members), usage=True)

    def _chunk(
        self,
        delta: Mapping[str, Any],
        *,
        index: int,
        finish_reason: str | None = None,
        logprobs: Mapping[str, Any] | None = None,
        content: bool = False,
    ) -> Chunk:
        if index not in self._begun:
            self._begun.add(index)
            delta = {"role": "assistant", **delta}
        choice: dict[str, Any] = {"index": index, "delta": delta, "finish_reason": finish_reason}
        if logprobs is not None:
            choice["logprobs"] = logprobs
        return Chunk(
            data=_encode({**self._envelope, "choices": [choice]}),
            content=content,
            begun=(index,),
            ended=(index,) if finish_reason is not None else (),
        )
