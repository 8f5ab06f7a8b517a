"""Gemini's answers as it sends them: `GenerateContentResponse`, whole or as one event of a stream.

https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from llms_core import ErrorKind, ProviderError
from llms_core.contracts.completion import Usage
from llms_core.contracts.request import ChatCall
from llms_core.native.generate_content import UsageMetadata

Json = dict[str, Any]
T = TypeVar("T")


class FunctionCall(msgspec.Struct):
    """A tool call. Gemini sends all of its arguments at once, in streams too."""

    name: str
    #: an object; some models' are JSON text
    args: Any = None
    #: often missing: which models send one is not documented
    id: str | None = None


class Blob(msgspec.Struct, rename="camel"):
    """Inline media: `data` is base64."""

    mime_type: str = ""
    data: str = ""


class Part(msgspec.Struct, rename="camel"):
    """The members of a part that are translated. Other kinds of parts are kept as raw JSON."""

    text: str | None = None
    #: the text or the image belongs to the model's reasoning
    thought: bool = False
    #: opaque state of the model, which has to be sent back with the same part in the next turn
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    inline_data: Blob | None = None


class Content(msgspec.Struct):
    """The parts of a candidate, raw, because unknown ones are passed on unchanged."""

    parts: list[Raw] | None = None


class Token(msgspec.Struct, rename="camel"):
    """A token and the natural logarithm of its probability."""

    token: str = ""
    log_probability: float = 0.0


class TopTokens(msgspec.Struct):
    """The most probable tokens at one position."""

    candidates: list[Token] = []


class LogprobsResult(msgspec.Struct, rename="camel"):
    """The chosen token of each position, and the alternatives to it."""

    chosen_candidates: list[Token] = []
    top_candidates: list[TopTokens] = []


class Candidate(msgspec.Struct, rename="camel"):
    """One of the answers that were asked for, or what an event of a stream adds to it."""

    #: missing if a filter stopped the answer
    content: Content | None = None
    index: int = 0
    #: only set at the end
    finish_reason: str | None = None
    finish_message: str | None = None
    logprobs_result: LogprobsResult | None = None
    # What OpenAI's format has no place for goes to the client as it is.
    grounding_metadata: Any = None
    citation_metadata: Any = None
    url_context_metadata: Any = None
    safety_ratings: Any = None


class Answer(msgspec.Struct, rename="camel"):
    """A whole answer, or an event of a stream."""

    candidates: list[Candidate] | None = None
    #: decoded by `usage`, which tolerates an invalid one
    usage_metadata: Raw = Raw()
    response_id: str | None = None
    #: set if the prompt was blocked
    prompt_feedback: Json | None = None
    #: Google reports failures with status 200 too: in the middle of a stream, and in lists
    error: Raw = Raw()

    @property
    def is_error(self) -> bool:
        """Whether the answer is a failure."""
        return len(self.error) > 0 and bytes(self.error) != b"null"

    def usage(self) -> Usage | None:
        """Return the usage so far, or None if it is absent or invalid.

        An answer without its token counts is still worth more to the client than an error.
        """
        if not len(self.usage_metadata):
            return None
        try:
            metadata = _usage_metadata.decode(self.usage_metadata)
        except msgspec.DecodeError:
            return None
        if metadata is None:
            return None
        return metadata.as_chat()

    def candidates_for(self, call: ChatCall) -> list[Candidate]:
        """Return the candidates.

        A blocked prompt has none: it then gets an empty one for each answer that was asked for, stopped by the filter.
        """
        if self.candidates:
            return self.candidates
        is_blocked = (self.prompt_feedback or {}).get("blockReason")
        if not is_blocked:
            return []
        return [
            Candidate(index=index, finish_reason="SAFETY") for index in range(call.request.n or 1)
        ]


_answers = msgspec.json.Decoder(list[Answer] | Answer)
_usage_metadata: msgspec.json.Decoder[UsageMetadata | None] = msgspec.json.Decoder(
    UsageMetadata | None
)


def decode(decoder: msgspec.json.Decoder[T], data: bytes | Raw) -> T:
    """Decode what Google sent. Raises ProviderError if it does not have the expected form."""
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"Cannot parse Google's response: {error}"
        raise ProviderError(ErrorKind.BAD_RESPONSE, message, status=200) from None


def decode_answers(data: bytes) -> list[Answer]:
    """Return the answers in a body or an event. Raises ProviderError if it cannot be parsed.

    There are several if a stream arrives as one JSON array: Google sends it so if a proxy drops `alt=sse`.
    """
    found = decode(_answers, data)
    if isinstance(found, list):
        return found
    return [found]
