"""A response as the events of a stream, and the reverse, for providers that answer in the other way than requested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion, Usage
from llms_core.contracts.json import ABSENT, UNREADABLE
from llms_core.contracts.native import RESPONSES
from llms_core.errors import ErrorKind, ProviderError
from llms_core.native.events import framed

Json = dict[str, Any]

_decode = msgspec.json.Decoder(Json).decode


class _Event(msgspec.Struct):
    response: Raw = ABSENT


_decode_event = msgspec.json.Decoder(_Event).decode


def as_chunks(completion: Completion) -> list[Chunk]:
    """Return a response as one chunk with all events. Each text and each call's arguments are one piece."""
    response: Json = _decode(completion.data)
    events = []
    for number, (kind, members) in enumerate(_events(response)):
        event = {"type": kind, "sequence_number": number, **members}
        events.append(framed(kind, msgspec.json.encode(event)))
    return [Chunk(b"".join(events), content=True, begun=(0,), ended=(0,), native=RESPONSES)]


def joined(chunks: Sequence[Chunk], usage: Usage | None) -> Completion:
    """Return the response of the last event. Raises ProviderError if there is none."""
    last = next((chunk for chunk in reversed(chunks) if chunk.native), None)
    lines = [] if last is None else last.data.splitlines()
    data = b"".join(line.removeprefix(b"data: ") for line in lines if line.startswith(b"data: "))
    try:
        return Completion(bytes(_decode_event(data).response), usage, native=RESPONSES)
    except UNREADABLE:
        raise ProviderError(ErrorKind.BAD_RESPONSE, "The stream ended without a response") from None


def _events(response: Json) -> Iterator[tuple[str, Json]]:
    begun = {**response, "status": "in_progress", "output": [], "usage": None}
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    for index, item in enumerate(response.get("output") or ()):
        yield from _item_events(item, index)
    yield f"response.{response['status']}", {"response": response}


def _item_events(item: Any, index: int) -> Iterator[tuple[str, Json]]:
    """Yield the events of an item. Clients show what arrives in pieces, and would show nothing of a whole item."""
    place: Json = {"output_index": index}
    match item:
        case {"type": "message", "id": str(id), "content": list(parts)}:
            yield (
                "response.output_item.added",
                {**place, "item": {**item, "content": [], "status": "in_progress"}},
            )
            for number, part in enumerate(parts):
                yield from _part_events(part, {**place, "item_id": id, "content_index": number})
        case {
            "type": "function_call",
            "id": str(id),
            "name": str(name),
            "arguments": str(arguments),
        }:
            yield (
                "response.output_item.added",
                {**place, "item": {**item, "arguments": "", "status": "in_progress"}},
            )
            place_of_call = {**place, "item_id": id}
            yield "response.function_call_arguments.delta", {**place_of_call, "delta": arguments}
            yield (
                "response.function_call_arguments.done",
                {**place_of_call, "name": name, "arguments": arguments},
            )
        case _:
            yield "response.output_item.added", {**place, "item": item}
    yield "response.output_item.done", {**place, "item": item}


def _part_events(part: Any, place: Json) -> Iterator[tuple[str, Json]]:
    match part:
        case {"type": "output_text", "text": str(text)}:
            yield (
                "response.content_part.added",
                {**place, "part": {"type": "output_text", "text": "", "annotations": []}},
            )
            yield "response.output_text.delta", {**place, "delta": text, "logprobs": []}
            yield "response.output_text.done", {**place, "text": text, "logprobs": []}
        case {"type": "refusal", "refusal": str(text)}:
            yield (
                "response.content_part.added",
                {**place, "part": {"type": "refusal", "refusal": ""}},
            )
            yield "response.refusal.delta", {**place, "delta": text}
            yield "response.refusal.done", {**place, "refusal": text}
        case _:
            yield "response.content_part.added", {**place, "part": part}
    yield "response.content_part.done", {**place, "part": part}
