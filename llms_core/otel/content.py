"""The texts of chats in the form of OpenTelemetry's conventions, if `[otel] content` asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.json import UNREADABLE
from llms_core.errors import ProviderError
from llms_core.middleware import Answered, Call, Forward
from llms_core.middleware.streams import ObservedStream
from llms_core.operations import Operation

#: Characters of each text.
_MAX_TEXT = 16 * 1024
#: Bytes of a stream that are kept.
_MAX_STREAM = 1024 * 1024
_CHAT = "chat"
#: What a stream that broke off raises, and an answer that a plugin has made up.
_ODD = (ProviderError, LookupError, TypeError, AttributeError, *UNREADABLE)

Json = Any


class Content:
    """A chat and its answer. They are only read when the request has ended."""

    def __init__(self, operation: Operation[Any, Any], messages: msgspec.Raw):
        self._operation = operation
        self._messages = messages
        self._bytes_left = _MAX_STREAM
        self.chunks: list[Chunk] = []
        self.answer = b""

    def read(self, chunks: Sequence[Chunk]) -> None:
        """Keep a part of a stream."""
        self._bytes_left -= sum(len(chunk.data) for chunk in chunks)
        if self._bytes_left >= 0:
            self.chunks += chunks

    def input_messages(self) -> str:
        """Return what the model was told, as JSON; empty if the messages are not those of a chat."""
        try:
            return _encoded(map(_message, msgspec.json.decode(self._messages)))
        except _ODD:
            return ""

    def output_messages(self) -> str:
        """Return what it answered, as JSON; empty if it did not, or not to the end."""
        answer = self.answer
        try:
            if not answer and self.chunks:
                answer = self._operation.from_chunks(self.chunks).data
            choices = msgspec.json.decode(answer)["choices"] if answer else ()
            found = [
                {**_message(each["message"]), "finish_reason": each.get("finish_reason")}
                for each in choices
            ]
        except _ODD:
            return ""
        if found:
            return _encoded(found)
        return ""


class ContentMiddleware:
    """Remembers the chats that are running."""

    def __init__(self) -> None:
        self._running: dict[str, Content] = {}

    async def __call__(self, call: Call, forward: Forward) -> Answered:
        """Forward a call, and remember it and its answer."""
        messages = call.body.members.get("messages")
        if call.operation.name != _CHAT or messages is None:
            return await forward(call)
        content = self._running[call.id] = Content(call.operation, messages)
        answered = await forward(call)
        if answered.answer is not None:
            content.answer = answered.answer.data
        elif answered.stream is not None:
            return answered.with_stream(ObservedStream(answered.stream, content.read))
        return answered

    def take(self, request_id: str) -> Content | None:
        """Return the texts of a request that has ended."""
        return self._running.pop(request_id, None)


def _message(message: Mapping[str, Json]) -> dict[str, Json]:
    """Return one of OpenAI's messages as the conventions' role and parts."""
    parts: list[dict[str, Json]] = []
    content = message.get("content")
    if message.get("role") == "tool":
        response = content[:_MAX_TEXT] if isinstance(content, str) else content
        parts.append(
            {"type": "tool_call_response", "id": message.get("tool_call_id"), "response": response}
        )
    elif isinstance(content, str):
        parts.append(_text(content))
    else:
        parts += map(_part, content or ())
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        arguments = function.get("arguments")
        parts.append(
            {
                "type": "tool_call",
                "id": call.get("id"),
                "name": function.get("name"),
                "arguments": arguments,
            }
        )
    return {"role": message.get("role"), "parts": parts}


def _part(part: Mapping[str, Json]) -> dict[str, Json]:
    # Of images, sound and files, only that they were there.
    if part.get("type") == "text":
        return _text(part["text"])
    return {"type": part.get("type")}


def _text(text: str) -> dict[str, Json]:
    return {"type": "text", "content": text[:_MAX_TEXT]}


def _encoded(messages: Any) -> str:
    return msgspec.json.encode(list(messages)).decode()
