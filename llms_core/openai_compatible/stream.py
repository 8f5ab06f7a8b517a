"""The chunks of a stream whose provider speaks OpenAI's JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
from msgspec import Raw

from llms_core.contracts.chunk import Chunk, ChunkChoice, ChunkView
from llms_core.contracts.completion import usage
from llms_core.contracts.json import ABSENT, UNREADABLE, decode_members, encode_raw, is_set
from llms_core.contracts.request import ChatCall
from llms_core.contracts.tool_call_ids import AnswerCallIds
from llms_core.errors import ErrorKind, ProviderError
from llms_core.openai_compatible.fast_path import TextChunks
from llms_core.openai_compatible.members import (
    CHUNK,
    EMPTY_LIST,
    normalized_created,
    normalized_id,
    with_total_tokens,
)
from llms_core.openai_compatible.normalize import ChunkNormalizer
from llms_core.provider import HttpAdapter

_decode_view = msgspec.json.Decoder(ChunkView).decode
_encode = msgspec.json.encode


class OpenAIChunks:
    """Translates one stream: its chunks are passed on, normalized and with the same id, created and model throughout.

    `adapter` classifies the errors in the stream.
    """

    framing: Literal["sse"] = "sse"

    def __init__(self, adapter: HttpAdapter, call: ChatCall):
        self._adapter = adapter
        self._call = call
        self._model = encode_raw(call.client_model)
        #: of the stream's first chunk; empty until there is one
        self._id = ABSENT
        self._created = ABSENT
        #: whether a choice has its finish_reason
        self._ended = False
        self._normalizer = ChunkNormalizer(AnswerCallIds(call))
        self._text_chunks = TextChunks(self._normalizer.begun)

    def feed(self, event: str, data: bytes) -> Iterable[Chunk]:
        """Return the chunks of one event: usage that comes along with choices becomes a chunk of its own (SR-055).

        Raises ProviderError if the event is an error or not a chunk.
        """
        if not event:
            chunk = self._text_chunks.rewrite(data)
            if chunk is not None:
                return (chunk,)
        try:
            view = _decode_view(data)
            members = decode_members(data)
            data.decode()  # msgspec does not check the UTF-8 of values that stay raw
        except UNREADABLE as error:
            message = f"Cannot parse a chunk of the stream: {error}"
            raise ProviderError(ErrorKind.BAD_RESPONSE, message) from None
        if event == "error" or is_set(view.error):
            raise self._adapter.error(200, {}, data)

        choices = view.choices
        if choices is None:
            # Usage may come without choices; anything else without them is not a chunk.
            if "choices" not in members and not view.usage:
                raise ProviderError(ErrorKind.BAD_RESPONSE, "A chunk of the stream has no choices")
            choices = []
            members["choices"] = EMPTY_LIST
        chunks = self._translate(members, choices, view.usage)
        if choices and not is_set(view.usage):
            self._text_chunks.learn(data, members)
        return chunks

    def _translate(self, members: dict[str, Raw], choices: Sequence[ChunkChoice], raw_usage: Raw) -> list[Chunk]:
        """Normalize the members of a chunk in place and return the one or two chunks that it becomes."""
        self._identify(members)
        has_usage = is_set(raw_usage)
        chunks = []
        if choices:
            if has_usage:
                del members["usage"]
            chunks.append(self._choices_chunk(members, choices))
        if has_usage:
            members["choices"] = EMPTY_LIST
            members["usage"] = with_total_tokens(raw_usage, usage(raw_usage))
            chunks.append(Chunk(data=_encode(members), usage=True))
        elif not choices:
            # A chunk of its own after the end, such as OpenAI's `moderation`, is a part of the answer.
            chunks.append(Chunk(data=_encode(members), content=self._ended))
        return chunks

    def _choices_chunk(self, members: dict[str, Raw], choices: Sequence[ChunkChoice]) -> Chunk:
        normalized = self._normalizer.normalized(choices, members["choices"])
        if normalized is not None:
            members["choices"] = encode_raw(normalized)
        ended = tuple(choice.index for choice in choices if choice.finish_reason)
        self._ended = self._ended or bool(ended)
        return Chunk(
            data=_encode(members),
            content=any(choice.delta is not None and choice.delta.bears_content() for choice in choices),
            begun=tuple(choice.index for choice in choices),
            ended=ended,
        )

    def _identify(self, members: dict[str, Raw]) -> None:
        """Set the id and created of the stream's first chunk (SR-053), and the model's name for clients (SR-045)."""
        if not self._id:
            self._id = normalized_id(members.get("id", ABSENT), self._call.id)
            self._created = normalized_created(members.get("created", ABSENT), self._call.created)
        members["id"] = self._id
        members["created"] = self._created
        members["model"] = self._model
        members["object"] = CHUNK
