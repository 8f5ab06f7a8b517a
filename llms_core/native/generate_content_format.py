"""An answer of Gemini's as the pieces of a stream, and the reverse: providers may answer in the other way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion, Usage
from llms_core.contracts.json import UNREADABLE, objects
from llms_core.contracts.native import GENERATE_CONTENT
from llms_core.errors import ErrorKind, ProviderError

Json = dict[str, Any]

_decode = msgspec.json.Decoder(Json).decode
_decode_pieces = msgspec.json.Decoder(list[Raw]).decode


def as_chunks(completion: Completion) -> list[Chunk]:
    """Return an answer as one piece; a list of answers, which a stream is without `alt=sse`, as several."""
    pieces = [completion.data]
    if completion.data.lstrip().startswith(b"["):
        pieces = [bytes(piece) for piece in _decode_pieces(completion.data)]
    indices: dict[int, None] = {}
    for piece in pieces:
        indices |= dict.fromkeys(_index_of(candidate) for candidate in _candidates(_decode(piece)))
    # A blocked prompt has no candidate.
    begun = tuple(indices) or (0,)
    chunks = [Chunk(piece, content=True, begun=begun, native=GENERATE_CONTENT) for piece in pieces]
    chunks[-1].ended = begun
    if completion.usage is not None:
        counts = msgspec.json.encode({"choices": [], "usage": completion.usage})
        chunks.append(Chunk(counts, usage=True))
    return chunks


def joined(chunks: Sequence[Chunk], usage: Usage | None) -> Completion:
    """Return the answer that pieces make up. Raises ProviderError if one cannot be read."""
    try:
        pieces = [_decode(chunk.data) for chunk in chunks if chunk.native]
    except UNREADABLE as error:
        raise ProviderError(
            ErrorKind.BAD_RESPONSE, f"Cannot parse Google's response: {error}", status=200
        ) from None
    return Completion(msgspec.json.encode(joined_pieces(pieces)), usage, native=GENERATE_CONTENT)


def joined_pieces(pieces: Iterable[Json]) -> Json:
    """Return one answer with the parts of all pieces; of other members, the last counts."""
    answer: Json = {}
    candidates: dict[int, Json] = {}
    parts: dict[int, list[Any]] = {}
    for piece in pieces:
        answer |= {name: value for name, value in piece.items() if name != "candidates"}
        for candidate in _candidates(piece):
            index = _index_of(candidate)
            candidates.setdefault(index, {}).update(candidate)
            parts.setdefault(index, []).extend(_parts(candidate))
    for index, collected in parts.items():
        if collected:
            candidates[index]["content"] = {"role": "model", "parts": collected}
    if candidates:
        answer = {"candidates": [candidates[index] for index in sorted(candidates)], **answer}
    return answer


def _candidates(answer: Json) -> list[Json]:
    return objects(answer.get("candidates"))


def _index_of(candidate: Json) -> int:
    index = candidate.get("index")
    if isinstance(index, int):
        return index
    return 0


def _parts(candidate: Json) -> list[Any]:
    content = candidate.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    if isinstance(parts, list):
        return parts
    return []
