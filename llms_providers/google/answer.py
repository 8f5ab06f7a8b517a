"""Gemini's answers as OpenAI's: what one candidate says, part by part, for whole answers and for streams alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from llms_core import ErrorKind, ProviderError
from llms_core.contracts.building import choice_of
from llms_core.contracts.completion import Usage, finish_reason
from llms_core.contracts.request import ChatCall

Json = dict[str, Any]
T = TypeVar("T")

_FILTERED = (
    "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "ESCALATION", "OTHER",
    "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER",
)  # fmt: skip
_ENDS = {"STOP": "stop", "MAX_TOKENS": "length", "CONTINUATION": "length", **dict.fromkeys(_FILTERED, "content_filter")}
_FAILED = {
    "MALFORMED_FUNCTION_CALL": ErrorKind.BAD_RESPONSE,
    "UNEXPECTED_TOOL_CALL": ErrorKind.BAD_RESPONSE,
    "TOO_MANY_TOOL_CALLS": ErrorKind.BAD_RESPONSE,
    "MALFORMED_RESPONSE": ErrorKind.BAD_RESPONSE,
    "MISSING_THOUGHT_SIGNATURE": ErrorKind.INVALID_REQUEST,
    "PUP_LIMITED_DISABLED": ErrorKind.PERMISSION,
}


class _FunctionCall(msgspec.Struct):
    name: str
    args: Json | None = None
    id: str | None = None


class _Blob(msgspec.Struct, rename="camel"):
    mime_type: str = ""
    data: str = ""


class _Part(msgspec.Struct, rename="camel"):
    text: str | None = None
    thought: bool = False
    thought_signature: str | None = None
    function_call: _FunctionCall | None = None
    inline_data: _Blob | None = None


class _Content(msgspec.Struct):
    parts: list[Raw] | None = None


class _Token(msgspec.Struct, rename="camel"):
    token: str = ""
    log_probability: float = 0.0


class _Tops(msgspec.Struct):
    candidates: list[_Token] = []


class _Logprobs(msgspec.Struct, rename="camel"):
    chosen_candidates: list[_Token] = []
    top_candidates: list[_Tops] = []


class Candidate(msgspec.Struct, rename="camel"):
    """One of the answers that were asked for, or what an event of a stream adds to it."""

    content: _Content | None = None
    index: int = 0
    finish_reason: str | None = None
    finish_message: str | None = None
    logprobs_result: _Logprobs | None = None
    grounding_metadata: Any = None
    citation_metadata: Any = None
    url_context_metadata: Any = None
    safety_ratings: Any = None


class _Modality(msgspec.Struct, rename="camel"):
    modality: str = "TEXT"
    token_count: int = 0


class _UsageMetadata(msgspec.Struct, rename="camel"):
    """Token counts; in a stream those of all of it up to there."""

    prompt_token_count: int = 0
    cached_content_token_count: int = 0
    tool_use_prompt_token_count: int = 0
    candidates_token_count: int = 0
    thoughts_token_count: int = 0
    total_token_count: int = 0
    prompt_tokens_details: list[_Modality] = []
    candidates_tokens_details: list[_Modality] = []

    def as_openai(self) -> Usage:
        """OpenAI counts thoughts as tokens of the completion; Google leaves out a count now and then, but no total."""
        completion = self.candidates_token_count + self.thoughts_token_count
        prompt = self.prompt_token_count + self.tool_use_prompt_token_count
        of_prompt = {f"{each.modality.lower()}_tokens": each.token_count for each in self.prompt_tokens_details}
        of_prompt |= {
            "cached_tokens": self.cached_content_token_count,
            "tool_use_tokens": self.tool_use_prompt_token_count,
        }
        of_completion = {f"{each.modality.lower()}_tokens": each.token_count for each in self.candidates_tokens_details}
        of_completion["reasoning_tokens"] = self.thoughts_token_count
        return Usage(
            prompt_tokens=prompt or max(0, self.total_token_count - completion),
            completion_tokens=completion,
            total_tokens=self.total_token_count,
            prompt_tokens_details={name: count for name, count in of_prompt.items() if count} or None,
            completion_tokens_details={name: count for name, count in of_completion.items() if count} or None,
        )


class Answer(msgspec.Struct, rename="camel"):
    """A whole answer, or an event of a stream."""

    candidates: list[Candidate] | None = None
    usage_metadata: Raw = Raw()
    response_id: str | None = None
    prompt_feedback: Json | None = None
    error: Raw = Raw()

    def usage(self) -> Usage | None:
        """The usage so far; None where there is none or it makes no sense, for which no answer is to be lost."""
        try:
            found = _usage.decode(self.usage_metadata) if len(self.usage_metadata) else None
        except msgspec.DecodeError:
            return None
        return found.as_openai() if found is not None else None

    def choices(self, call: ChatCall) -> list[Candidate]:
        """The candidates; where the prompt was refused there is none, and each that was asked for ends at once."""
        if self.candidates or not (self.prompt_feedback or {}).get("blockReason"):
            return self.candidates or []
        return [Candidate(index=index, finish_reason="SAFETY") for index in range(call.request.n or 1)]


_answers = msgspec.json.Decoder(list[Answer] | Answer)
_part = msgspec.json.Decoder(_Part)
_usage = msgspec.json.Decoder(_UsageMetadata | None)


def decode(decoder: msgspec.json.Decoder[T], data: bytes | Raw) -> T:
    """What Google sent. Raises ProviderError where it makes no sense."""
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProviderError(ErrorKind.BAD_RESPONSE, f"The answer makes no sense: {error}", status=200) from None


def answers(data: bytes) -> list[Answer]:
    """The answers in a body or an event: a stream that came without `alt=sse` is a list of them."""
    found = decode(_answers, data)
    return found if isinstance(found, list) else [found]


class Choice:
    """What one candidate said so far."""

    def __init__(self, call: ChatCall, index: int):
        self._stem, self._index = f"call_{call.id.rpartition('-')[2]}_{index}", index
        self._message: Json = {}
        self._counts: dict[str, int] = {}
        self._logprobs: Json | None = None
        self._extra: Json = {}  # what is said at the end, once
        self.finish = ""

    def take(self, candidate: Candidate, answer: Answer) -> list[Json]:
        """More of the candidate, as deltas. Raises ProviderError where it ended in a failure."""
        reason = candidate.finish_reason or ""
        if reason in _FAILED:
            said = candidate.finish_message or "Gemini broke off its answer"
            raise ProviderError(_FAILED[reason], f"{said} (finishReason {reason})", status=200, type=reason)
        parts = (candidate.content.parts if candidate.content is not None else None) or ()
        deltas = [delta for raw in parts for delta in self._deltas(raw, decode(_part, raw))]
        self._logprobs = logprobs(candidate) or self._logprobs
        self._keep(
            groundingMetadata=candidate.grounding_metadata,
            citationMetadata=candidate.citation_metadata,
            urlContextMetadata=candidate.url_context_metadata,
            safetyRatings=candidate.safety_ratings,
        )
        if reason:
            self.finish = _ENDS.get(reason) or finish_reason(reason) or "stop"
        if self.finish == "stop" and "tool_calls" in self._counts:
            self.finish = "tool_calls"
        if self.finish == "content_filter":
            given = reason if answer.candidates else None
            self._keep(
                promptFeedback=answer.prompt_feedback, finishReason=given, finishMessage=candidate.finish_message
            )
        return deltas

    def rest(self) -> Json:
        """The delta for the end."""
        return {"provider_extra": {"google": self._extra}} if self._extra else {}

    def join(self, deltas: Iterable[Json]) -> None:
        """Keep deltas for the whole."""
        for delta in deltas:
            _join(self._message, delta)

    def as_openai(self) -> Json:
        """What was kept, and the end, as a choice of a chat.completion."""
        message, calls = self._message, "tool_calls" in self._counts
        if self._extra:
            message.setdefault("provider_extra", {}).setdefault("google", {}).update(self._extra)
        return choice_of(
            content=message.pop("content", None if calls else ""),
            finish_reason=self.finish or ("tool_calls" if calls else "stop"),
            logprobs=self._logprobs,
            message=message,
            index=self._index,
        )

    def _deltas(self, raw: Raw, part: _Part) -> Iterator[Json]:
        """A part as a delta; none for a signature alone. What OpenAI has no place for is kept as it is."""
        signed = {"extra_content": {"google": {"thought_signature": part.thought_signature}}}
        extra = signed if part.thought_signature else {}
        if (call := part.function_call) is not None:
            number = self._number("tool_calls")
            function = {"name": call.name, "arguments": msgspec.json.encode(call.args or {}).decode()}
            named = {"index": number, "id": call.id or f"{self._stem}_{number}", "type": "function"}
            yield {"tool_calls": [{**named, "function": function, **extra}]}
        elif (blob := part.inline_data) is not None and blob.mime_type.startswith("image/"):
            if not part.thought:  # else a draft of the picture that follows
                url = {"url": f"data:{blob.mime_type};base64,{blob.data}"}
                yield {"images": [{"index": self._number("images"), "type": "image_url", "image_url": url, **extra}]}
        elif part.text is not None or (whole := msgspec.json.decode(raw)).keys() <= {"thought", "thoughtSignature"}:
            self._keep(thought_signature=part.thought_signature)
            if part.text:
                yield {"reasoning_content" if part.thought else "content": part.text}
        else:
            yield {"provider_extra": {"google": {"parts": [{"index": self._number("parts"), **whole}]}}}

    def _number(self, name: str) -> int:
        self._counts[name] = self._counts.get(name, -1) + 1
        return self._counts[name]

    def _keep(self, **extra: Any) -> None:
        self._extra |= {name: value for name, value in extra.items() if value}


def logprobs(candidate: Candidate) -> Json | None:
    """A candidate's logprobs as OpenAI's."""
    found = candidate.logprobs_result
    if found is None or not found.chosen_candidates:
        return None
    tops = [top.candidates for top in found.top_candidates] or [[]] * len(found.chosen_candidates)
    content = [
        {**_token(chosen), "top_logprobs": [_token(each) for each in top]}
        for chosen, top in zip(found.chosen_candidates, tops, strict=False)
    ]
    return {"content": content, "refusal": None}


def _token(said: _Token) -> Json:
    return {"token": said.token, "logprob": said.log_probability, "bytes": list(said.token.encode())}


def _join(message: Json, delta: Json) -> None:
    """Add a delta to a message: texts and lists go on, and the places in a list are no longer said."""
    for name, value in delta.items():
        if isinstance(value, dict):
            _join(message.setdefault(name, {}), value)
        elif isinstance(value, list):
            entries = [{key: each for key, each in entry.items() if key != "index"} for entry in value]
            message.setdefault(name, []).extend(entries)
        else:
            message[name] = message.get(name, "") + value
