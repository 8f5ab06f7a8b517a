"""Azure's streams: OpenAI's, with the results of the content filter among the chunks."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.request import ChatCall
from llms_core.openai_compatible import OpenAIChunks, OpenAICompatible

Members = dict[str, msgspec.Raw]

_members_decoder = msgspec.json.Decoder(Members)


class AzureChunks(OpenAIChunks):
    """Translates the events of one stream.

    The first chunk has the filter's results for the prompt, and neither id nor date. It is held until the second
    chunk, and sent with the id and date of that one. If the filter runs asynchronously, its results for the answer
    arrive in chunks of their own, even after the end.
    """

    def __init__(self, adapter: OpenAICompatible, call: ChatCall):
        super().__init__(adapter, call)
        self._is_first = True
        self._prompt_results: Members | None = None

    def feed(self, event: str, data: bytes) -> Iterable[Chunk]:
        """Return the chunks of one event. Raises ProviderError if it is an error or invalid."""
        is_first = self._is_first
        self._is_first = False
        if is_first and b'"prompt_filter_results"' in data:
            members = _decode_members(data)
            if _has_empty_envelope(members):
                self._prompt_results = members
                return []
        chunks: list[Chunk] = []
        if self._prompt_results is not None:
            chunks += self._send_prompt_results(self._prompt_results, data)
            self._prompt_results = None
        chunks += super().feed(event, data)
        if b'"content_filter_offsets"' in data:
            # Results about text that the client already has count as content: after the end of an answer, the core
            # passes on nothing else.
            return [msgspec.structs.replace(chunk, content=not chunk.usage) for chunk in chunks]
        return chunks

    def _send_prompt_results(self, results: Members, next_data: bytes) -> Iterable[Chunk]:
        """Return the chunks of the held event, completed from the next one."""
        next_members = _decode_members(next_data)
        completed = dict(results)
        for name in ("id", "created"):
            if name in next_members:
                completed[name] = next_members[name]
        return super().feed("", msgspec.json.encode(completed))


def _decode_members(data: bytes) -> Members:
    """Return the members of a chunk; none if it is not a JSON object, which `OpenAIChunks.feed` reports."""
    try:
        return _members_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _has_empty_envelope(members: Members) -> bool:
    """Return whether a chunk has an empty id and no choices."""
    raw_id = members.get("id", b"")
    raw_choices = members.get("choices", b"")
    return bytes(raw_id) == b'""' and bytes(raw_choices) == b"[]"
