"""A whole completion as the chunks of a stream, for providers that ignore `stream` and answer whole (SR-020)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion


def as_chunks(completion: Completion) -> list[Chunk]:
    """Return a chunk with every whole message, one with the finish reasons, and one with the usage if there is any."""
    envelope: dict[str, Any] = msgspec.json.decode(completion.data)
    envelope["object"] = "chat.completion.chunk"
    choices = envelope.pop("choices")
    usage = envelope.pop("usage", None)

    indices = tuple(choice.get("index", position) for position, choice in enumerate(choices))
    messages = []
    endings = []
    for index, choice in zip(indices, choices, strict=True):
        messages.append(_choice(index, _delta(choice["message"]), logprobs=choice.get("logprobs")))
        endings.append(_choice(index, {}, finish_reason=choice["finish_reason"]))

    chunks = [
        Chunk(data=_chunk(envelope, messages), content=True, begun=indices),
        Chunk(data=_chunk(envelope, endings), begun=indices, ended=indices),
    ]
    if usage:
        chunks.append(Chunk(data=_chunk(envelope, [], usage=usage), usage=True))
    return chunks


def _chunk(envelope: dict[str, Any], choices: Sequence[dict[str, Any]], **members: object) -> bytes:
    return msgspec.json.encode({**envelope, "choices": choices, **members})


def _choice(
    index: int,
    delta: dict[str, Any],
    *,
    logprobs: object = None,
    finish_reason: object = None,
) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}


def _delta(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message as a delta. The tool calls of a delta have an `index`, those of a message have none."""
    calls = message.get("tool_calls")
    if not calls:
        return message
    numbered = [{**call, "index": number} for number, call in enumerate(calls)]
    return {**message, "tool_calls": numbered}
