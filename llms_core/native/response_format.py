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
    """Return a response as one chunk with all events: the items without their pieces, which clients do not need."""
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
        yield "response.output_item.added", {"output_index": index, "item": item}
        yield "response.output_item.done", {"output_index": index, "item": item}
    yield f"response.{response['status']}", {"response": response}
