"""A whole completion as the chunks of a stream, for a provider that answers whole although a stream was asked for."""

from __future__ import annotations

from typing import Any

import msgspec

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion


def as_chunks(completion: Completion) -> list[Chunk]:
    """One chunk with every choice's whole message, one with their ends, and one with the usage where there is one."""
    whole: dict[str, Any] = msgspec.json.decode(completion.data)
    choices, usage = whole.pop("choices"), whole.pop("usage", None)
    envelope = {**whole, "object": "chat.completion.chunk"}
    indices = tuple(choice.get("index", position) for position, choice in enumerate(choices))
    begun = [
        {"index": index, "delta": _delta(choice["message"]), "logprobs": choice.get("logprobs"), "finish_reason": None}
        for index, choice in zip(indices, choices, strict=True)
    ]
    ended = [
        {"index": index, "delta": {}, "logprobs": None, "finish_reason": choice["finish_reason"]}
        for index, choice in zip(indices, choices, strict=True)
    ]
    encode = msgspec.json.encode
    chunks = [
        Chunk(data=encode({**envelope, "choices": begun}), content=True, begun=indices),
        Chunk(data=encode({**envelope, "choices": ended}), begun=indices, ended=indices),
    ]
    if usage:
        chunks.append(Chunk(data=encode({**envelope, "choices": [], "usage": usage}), usage=True))
    return chunks


def _delta(message: dict[str, Any]) -> dict[str, Any]:
    """A message as a delta: its tool calls are numbered."""
    calls = message.get("tool_calls")
    if not calls:
        return message
    return {**message, "tool_calls": [{**call, "index": number} for number, call in enumerate(calls)]}
