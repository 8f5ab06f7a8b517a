"""The chunks of a stream whose provider speaks OpenAI's JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
from msgspec import Raw

from llms_core.contracts.chunk import Chunk, ChunkChoice, ChunkView
from llms_core.contracts.completion import Usage, finish_reason, usage
from llms_core.contracts.error_body import describes_error
from llms_core.contracts.json import ABSENT, UNREADABLE, decode_members, encode_raw, is_set
from llms_core.contracts.request import ChatCall
from llms_core.contracts.tool_call_ids import AnswerCallIds
from llms_core.errors import ErrorKind, ProviderError
from llms_core.openai_compatible.fast_path import TextChunks
from llms_core.openai_compatible.function_names import renamed_functions, restored
from llms_core.openai_compatible.members import (
    CHUNK,
    EMPTY_LIST,
    normalized_created,
    normalized_id,
    with_earlier_counts,
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
        #: the finish reasons of the choices that have one
        self._ended: dict[int, str] = {}
        self._usage: Usage | None = None
        self._normalizer = ChunkNormalizer(AnswerCallIds(call))
        self._text_chunks = TextChunks(self._normalizer.begun)
        #: None if no name of a function was changed
        self._names = renamed_functions(call)

    def feed(self, event: str, data: bytes) -> Iterable[Chunk]:
        """Return the chunks of one event: usage that comes along with choices becomes a chunk of its own (SR-055).

        Raises ProviderError if the event is an error or not a chunk.
        """
        if not event:
            chunk = self._text_chunks.rewrite(data)
            if chunk is not None:
                return (chunk,)
        if event == "error":
            raise self._adapter.error(200, {}, data)
        try:
            view = _decode_view(data)
            members = decode_members(data)
            data.decode()  # msgspec does not check the UTF-8 of values that stay raw
        except UNREADABLE as error:
            message = f"Cannot parse a chunk of the stream: {error}"
            raise ProviderError(ErrorKind.BAD_RESPONSE, message) from None
        if is_set(view.error):
            raise self._adapter.error(200, {}, data)

        choices = view.choices
        if not choices and not is_set(view.usage) and describes_error(data):
            raise self._adapter.error(200, {}, data)
        if choices is None:
            # Usage may come without choices; anything else without them is not a chunk.
            if "choices" not in members and not view.usage:
                if event:
                    # An event of the server's own, such as the progress of a tool.
                    return ()
                raise ProviderError(ErrorKind.BAD_RESPONSE, "A chunk of the stream has no choices")
            choices = []
            members["choices"] = EMPTY_LIST
        chunks = self._translate(members, choices, view.usage)
        if choices and not is_set(view.usage):
            self._text_chunks.learn(data, members)
        return chunks

    def _translate(
        self, members: dict[str, Raw], choices: Sequence[ChunkChoice], raw_usage: Raw
    ) -> list[Chunk]:
        """Normalize the members of a chunk in place and return the one or two chunks that it becomes."""
        self._identify(members)
        has_usage = is_set(raw_usage)
        chunks: list[Chunk] = []
        if choices:
            if has_usage:
                del members["usage"]
            chunks += self._choices_chunks(members, choices)
        if has_usage:
            members["choices"] = EMPTY_LIST
            members["usage"] = self._usage_so_far(raw_usage)
            chunks.append(Chunk(data=_encode(members), usage=True))
        elif not choices:
            # A chunk of its own after the end, such as OpenAI's `moderation`, is a part of the answer.
            chunks.append(Chunk(data=_encode(members), content=bool(self._ended)))
        return chunks

    def _choices_chunks(
        self, members: dict[str, Raw], choices: Sequence[ChunkChoice]
    ) -> list[Chunk]:
        self._normalizer.has_content |= self._text_chunks.has_content
        normalized = self._normalizer.normalized(choices, members["choices"])
        if normalized is not None:
            members["choices"] = encode_raw(normalized)
        if self._names is not None:
            members["choices"] = restored(members["choices"], self._names)
        ended = tuple(choice.index for choice in choices if choice.finish_reason)
        late_calls = [
            choice for choice in choices if choice.index in self._ended and _has_calls(choice)
        ]
        for choice in choices:
            if choice.finish_reason:
                self._ended[choice.index] = finish_reason(choice.finish_reason) or "stop"
        chunk = Chunk(
            data=_encode(members),
            content=any(
                choice.delta is not None and choice.delta.bears_content() for choice in choices
            ),
            begun=tuple(choice.index for choice in choices),
            ended=ended,
            replaces_end=any(choice.finish_reason for choice in late_calls),
        )
        ends = [
            self._end_again(members, choice.index)
            for choice in late_calls
            if not choice.finish_reason
        ]
        return [chunk, *ends]

    def _end_again(self, members: dict[str, Raw], index: int) -> Chunk:
        """Return the end of a choice that had ended before its last tool calls."""
        reason = self._ended[index]
        if reason == "stop":
            reason = "tool_calls"
        choice = {"index": index, "delta": {}, "finish_reason": reason}
        data = _encode({**members, "choices": [choice]})
        return Chunk(data=data, begun=(index,), ended=(index,), replaces_end=True)

    def _usage_so_far(self, raw: Raw) -> Raw:
        """Return the usage with its total. A count of zero does not replace an earlier one that is not."""
        counts = usage(raw)
        if counts is None:
            return raw
        raw = with_earlier_counts(raw, counts, self._usage)
        self._usage = usage(raw)
        return with_total_tokens(raw, self._usage)

    def _identify(self, members: dict[str, Raw]) -> None:
        """Set the id and created of the stream's first chunk (SR-053), and the model's name for clients (SR-045)."""
        if not self._id:
            self._id = normalized_id(members.get("id", ABSENT), self._call.id)
            self._created = normalized_created(members.get("created", ABSENT), self._call.created)
        members["id"] = self._id
        members["created"] = self._created
        members["model"] = self._model
        members["object"] = CHUNK


def _has_calls(choice: ChunkChoice) -> bool:
    return choice.delta is not None and bool(choice.delta.tool_calls)
