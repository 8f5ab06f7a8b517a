"""Chat's answers, whole and streamed, with the members that are translated."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from llms_core.contracts.json import ABSENT, is_null, objects, text_of_json

Json = dict[str, Any]


class Function(msgspec.Struct):
    """The function of a call, or of a fragment of one."""

    name: str | None = None
    #: JSON text; some servers send the arguments themselves
    arguments: Raw = ABSENT

    @property
    def text(self) -> str:
        """The arguments as JSON text, or a piece of it."""
        if not self.arguments or is_null(self.arguments):
            return ""
        return text_of_json(self.arguments)


class ToolCall(msgspec.Struct):
    """A call, or a fragment of one."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None
    extra_content: Json | None = None
    provider_extra: Json | None = None

    def extra(self) -> Json:
        """Return the members that have to come back with the call."""
        members = {"extra_content": self.extra_content, "provider_extra": self.provider_extra}
        return {name: value for name, value in members.items() if value}


class Message(msgspec.Struct):
    """A message, or a delta of one."""

    #: a list of parts with Mistral's reasoning models
    content: str | list[Json] | None = None
    #: the model's reasoning, under either of the names that providers use
    reasoning_content: Any = None
    reasoning: Any = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    #: not of the contract, so each provider's may have any shape
    images: Any = None
    reasoning_details: Any = None
    provider_extra: Json | None = None

    def texts(self) -> tuple[str, str]:
        """Return the reasoning and the text."""
        reasoning = self.reasoning_content or self.reasoning
        thought = reasoning if isinstance(reasoning, str) else ""
        if not isinstance(self.content, list):
            return thought, self.content or ""
        text = ""
        for part in self.content:
            if part.get("type") == "thinking":
                thought += _thinking(part.get("thinking"))
            else:
                text += str(part.get("text") or "")
        return thought, text


class Choice(msgspec.Struct):
    """A choice of a completion or a chunk."""

    index: int = 0
    message: Message | None = None
    delta: Message | None = None
    finish_reason: str | None = None
    logprobs: Any = None


class ChatAnswer(msgspec.Struct):
    """A chat.completion, or a chunk of one."""

    choices: list[Choice] = []
    id: str = ""
    model: str = ""
    usage: Raw = ABSENT


decode_answer = msgspec.json.Decoder(ChatAnswer).decode


def _thinking(thinking: object) -> str:
    if isinstance(thinking, str):
        return thinking
    return "".join(str(part.get("text") or "") for part in objects(thinking))
