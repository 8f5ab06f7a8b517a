"""Answers of Gemini's API, passed on as they are: https://ai.google.dev/api/generate-content.

A stream is passed on as the JSON of its events: the client has them as server-sent events, or as an array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Raw

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion, Usage
from llms_core.contracts.json import ABSENT, UNREADABLE, is_set
from llms_core.contracts.native import GENERATE_CONTENT
from llms_core.contracts.request import ChatCall
from llms_core.errors import ErrorKind, ProviderError
from llms_core.native.generate_content_format import joined_pieces

ReadError = Callable[[bytes], ProviderError]
"""Classifies an error that arrived with the status 200."""


class ModalityCount(msgspec.Struct, rename="camel"):
    """The tokens of one modality, such as TEXT or AUDIO."""

    modality: str = "TEXT"
    token_count: int = 0


class UsageMetadata(msgspec.Struct, rename="camel"):
    """Token counts; in a stream those of the answer so far."""

    prompt_token_count: int = 0
    cached_content_token_count: int = 0
    tool_use_prompt_token_count: int = 0
    candidates_token_count: int = 0
    thoughts_token_count: int = 0
    total_token_count: int = 0
    prompt_tokens_details: list[ModalityCount] = []
    candidates_tokens_details: list[ModalityCount] = []

    def as_chat(self) -> Usage:
        """Return the counts in OpenAI's terms, which count reasoning as part of the completion."""
        completion = self.candidates_token_count + self.thoughts_token_count
        prompt = self.prompt_token_count + self.tool_use_prompt_token_count
        if not prompt:
            # Some recorded answers lack the prompt's count, but none lacks the total.
            prompt = max(0, self.total_token_count - completion)

        prompt_details = _tokens_by_modality(self.prompt_tokens_details)
        prompt_details["cached_tokens"] = self.cached_content_token_count
        prompt_details["tool_use_tokens"] = self.tool_use_prompt_token_count
        completion_details = _tokens_by_modality(self.candidates_tokens_details)
        completion_details["reasoning_tokens"] = self.thoughts_token_count
        return Usage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=self.total_token_count,
            prompt_tokens_details=_nonzero(prompt_details),
            completion_tokens_details=_nonzero(completion_details),
        )


def _tokens_by_modality(counts: Sequence[ModalityCount]) -> dict[str, int]:
    """Return counts under names such as `audio_tokens`, as OpenAI's details have them."""
    return {f"{count.modality.lower()}_tokens": count.token_count for count in counts}


def _nonzero(details: dict[str, int]) -> dict[str, int] | None:
    """Return the counts other than 0, or None if there are none, so that the member is left out."""
    return {name: count for name, count in details.items() if count} or None


class _Content(msgspec.Struct):
    parts: list[Raw] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    content: _Content | None = None
    index: int = 0
    finish_reason: str | None = None


class _Answer(msgspec.Struct, rename="camel"):
    """A whole answer, or an event of a stream, with what the core has to know of it."""

    candidates: list[_Candidate] | None = None
    usage_metadata: Raw = ABSENT
    prompt_feedback: dict[str, Any] | None = None
    error: Raw = ABSENT

    @property
    def is_blocked(self) -> bool:
        """Whether the prompt was blocked, so that there is no candidate."""
        return not self.candidates and bool((self.prompt_feedback or {}).get("blockReason"))


_decode = msgspec.json.Decoder(_Answer).decode
_decode_list = msgspec.json.Decoder(list[Raw]).decode
_decode_usage = msgspec.json.Decoder(UsageMetadata | None).decode


def read_answer(call: ChatCall, body: bytes, read_error: ReadError) -> Completion:
    """Return a whole answer. Raises ProviderError if it is an error or no answer.

    Where a proxy drops `alt=sse`, a stream arrives as one list of its pieces, and stays one if a stream was requested.
    """
    pieces = [body]
    if body.lstrip().startswith(b"["):
        pieces = _pieces(body, read_error)
    answers = [_read(piece, read_error) for piece in pieces]
    if not any(answer.candidates or answer.is_blocked for answer in answers):
        raise ProviderError(
            ErrorKind.BAD_RESPONSE, "Google's response has no candidates", status=200
        )
    usage = _last_usage(answers)
    if len(pieces) > 1 or pieces[0] is not body:
        if not any(_is_last(answer) for answer in answers):
            raise ProviderError(
                ErrorKind.BAD_RESPONSE,
                "The stream ended before the answer was complete",
                status=200,
            )
        if not call.stream:
            body = msgspec.json.encode(joined_pieces(msgspec.json.decode(body)))
    return Completion(body, usage, native=GENERATE_CONTENT)


def _last_usage(answers: Sequence[_Answer]) -> Usage | None:
    for answer in reversed(answers):
        usage = _usage(answer)
        if usage is not None:
            return usage
    return None


def _pieces(body: bytes, read_error: ReadError) -> list[bytes]:
    try:
        return [bytes(piece) for piece in _decode_list(body)]
    except UNREADABLE as error:
        raise _unreadable(body, read_error, error) from None


def _is_last(answer: _Answer) -> bool:
    return answer.is_blocked or any(
        candidate.finish_reason for candidate in answer.candidates or ()
    )


class GenerateContentEvents:
    """Passes on the events of one stream. From the first end of a candidate on, they are held back until all ended."""

    framing: Literal["sse"] = "sse"

    def __init__(self, call: ChatCall, read_error: ReadError):
        self._count = call.request.n or 1
        self._read_error = read_error
        self._has_ends = False

    def feed(self, event: str, data: bytes) -> Iterable[Chunk]:
        """Return one event as it is. Raises ProviderError if it is an error or invalid."""
        answer = _read(data, self._read_error)
        candidates = answer.candidates or []
        begun = tuple(candidate.index for candidate in candidates)
        ended = tuple(candidate.index for candidate in candidates if candidate.finish_reason)
        if answer.is_blocked:
            begun = ended = tuple(range(self._count))
        self._has_ends |= bool(ended)
        # What follows an end must not overtake it, even without content.
        has_content = self._has_ends or any(
            each.content is not None and each.content.parts for each in candidates
        )
        yield Chunk(data, content=has_content, begun=begun, ended=ended, native=GENERATE_CONTENT)
        # The counts before the end are provisional.
        usage = _usage(answer) if self._has_ends else None
        if usage is not None:
            yield Chunk(msgspec.json.encode({"choices": [], "usage": usage}), usage=True)


def _read(data: bytes, read_error: ReadError) -> _Answer:
    try:
        answer = _decode(data)
        data.decode()  # msgspec does not check the UTF-8 of values that stay raw
    except UNREADABLE as error:
        raise _unreadable(data, read_error, error) from None
    if is_set(answer.error):
        raise read_error(data)
    return answer


def _unreadable(data: bytes, read_error: ReadError, error: Exception) -> ProviderError:
    """Return the error for data that is no answer: the one that it describes, if it does."""
    refused = read_error(data)
    if refused.kind is not ErrorKind.BAD_RESPONSE:
        return refused
    return ProviderError(
        ErrorKind.BAD_RESPONSE, f"Cannot parse Google's response: {error}", status=200
    )


def _usage(answer: _Answer) -> Usage | None:
    """Return the counts; None if they are absent or invalid, which must not fail the answer."""
    if not answer.usage_metadata:
        return None
    try:
        metadata = _decode_usage(answer.usage_metadata)
    except UNREADABLE:
        return None
    return metadata.as_chat() if metadata is not None else None
