"""A filter for streams of chat that holds text back, so that a middleware sees whole words before the client does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from llms_core.contracts.chunk import Chunk, NativeBlock
from llms_core.contracts.json import decode_any

Json = dict[str, Any]

Clean = Callable[[str, bool], tuple[str, str]]
"""(text, whether it is the last of it) -> (what may be sent, what waits for more text). Raises RequestError."""

#: Members of a delta that hold a piece of text.
_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")
#: Members that are the same in all chunks of a stream.
_COMMON = ("id", "object", "created", "model")


class _Place(NamedTuple):
    """A text of the answer, whose pieces come in several chunks."""

    choice: int
    #: a member of the delta, or the number of a call whose arguments they are
    member: str | int


class _Piece(NamedTuple):
    place: _Place
    holder: Json
    name: str


class TextWindow:
    """Passes every text of a stream through `clean`, and everything else in it through `whole`.

    `clean` gets what it held back before, with what has come since. Texts keep their order: before another text begins,
    and before the answer ends, what was held back is cleaned for the last time and sent.
    """

    def __init__(self, clean: Clean, whole: Callable[[Any], Any]):
        self._clean = clean
        self._whole = whole
        self._held: dict[_Place, str] = {}
        self._common: Json = {}

    def feed(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Return the chunks that can be sent on now."""
        return [passed for chunk in chunks for passed in self._passed(chunk)]

    def end(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Return what was held back, and the last chunks."""
        return [*self.feed(chunks), *self._released(self._held)]

    def _passed(self, chunk: Chunk) -> Iterator[Chunk]:
        try:
            members: Json = _decode(chunk.data)
        except ValueError:
            # Sound: there is no text in it.
            yield chunk
            return
        if not isinstance(members.get("choices"), list):
            # Not a chunk of chat: its texts are whole.
            yield replace(chunk, data=msgspec.json.encode(self._whole(members)))
            return
        self._common = {name: members[name] for name in _COMMON if name in members}
        for choice in members["choices"]:
            # They are those of the provider's own pieces.
            choice.pop("logprobs", None)
        pieces = list(_pieces(members))
        begun = {piece.place for piece in pieces}
        is_end = bool(chunk.ended) or chunk.usage
        others = [place for place in self._held if is_end or (begun and place not in begun)]
        yield from self._released([place for place in others if place not in begun])
        for place, holder, name in pieces:
            ready, held = self._clean(self._held.pop(place, "") + holder[name], is_end)
            holder[name] = ready
            if held:
                self._held[place] = held
        is_empty = bool(pieces) and not any(holder[name] for _, holder, name in pieces)
        if is_empty and not is_end and _is_only_text(members):
            return
        blocks = tuple(NativeBlock(self._whole(block.block), block.owner) for block in chunk.blocks)
        content = chunk.content and not is_empty
        yield replace(chunk, data=msgspec.json.encode(members), content=content, blocks=blocks)

    def _released(self, places: Sequence[_Place] | dict[_Place, str]) -> Iterator[Chunk]:
        """Return what was held back of these texts, in chunks of their own."""
        for place in list(places):
            text, _ = self._clean(self._held.pop(place), True)
            if text:
                choice = {
                    "index": place.choice,
                    "delta": _delta(place.member, text),
                    "finish_reason": None,
                }
                yield Chunk(
                    msgspec.json.encode({**self._common, "choices": [choice]}), content=True
                )


def _decode(data: bytes) -> Json:
    """Return the members of a chunk. Raises ValueError if it has none."""
    members = decode_any(data)
    if not isinstance(members, dict):
        raise ValueError("not an object")
    return members


def _pieces(members: Json) -> Iterator[_Piece]:
    for choice in members["choices"]:
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            continue
        index = choice.get("index") or 0
        for name in _TEXTS:
            if isinstance(delta.get(name), str) and delta[name]:
                yield _Piece(_Place(index, name), delta, name)
        for call in delta.get("tool_calls") or ():
            function = call.get("function")
            if (
                isinstance(function, dict)
                and isinstance(function.get("arguments"), str)
                and function["arguments"]
            ):
                yield _Piece(_Place(index, call.get("index") or 0), function, "arguments")


def _delta(member: str | int, text: str) -> Json:
    if isinstance(member, str):
        return {member: text}
    return {"tool_calls": [{"index": member, "function": {"arguments": text}}]}


def _is_only_text(members: Json) -> bool:
    """Whether nothing is left of a chunk whose texts are empty."""
    for choice in members["choices"]:
        delta = choice.get("delta") or {}
        if choice.get("finish_reason") is not None or any(name not in _TEXTS for name in delta):
            return False
    return True
