"""Translates one of Gemini's candidates into one of OpenAI's choices, for whole answers and streams alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from io import StringIO
from typing import Any

import msgspec
from msgspec import Raw

from llms_core import ErrorKind, ProviderError
from llms_core.contracts.building import arguments_text, choice_of
from llms_core.contracts.completion import finish_reason
from llms_core.contracts.function_names import FunctionNames
from llms_core.contracts.signatures import Owner
from llms_core.contracts.tool_call_ids import AnswerCallIds
from llms_providers.google.answer import Answer, Blob, Candidate, FunctionCall, Part, Token, decode
from llms_providers.google.output_format import ANSWER_TOOL

Json = dict[str, Any]

# https://ai.google.dev/api/generate-content#FinishReason, and Vertex AI's
_CONTENT_FILTERS = (
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MODEL_ARMOR",
    "ESCALATION",
    "OTHER",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "IMAGE_OTHER",
)
_FINISH_REASONS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    **dict.fromkeys(_CONTENT_FILTERS, "content_filter"),
}
# With these there is no usable answer. After a bad response the same request may succeed when it is tried again.
_FAILURES = {
    "MALFORMED_FUNCTION_CALL": ErrorKind.BAD_RESPONSE,
    "UNEXPECTED_TOOL_CALL": ErrorKind.BAD_RESPONSE,
    "TOO_MANY_TOOL_CALLS": ErrorKind.BAD_RESPONSE,
    "MALFORMED_RESPONSE": ErrorKind.BAD_RESPONSE,
    "MISSING_THOUGHT_SIGNATURE": ErrorKind.INVALID_REQUEST,
    "PUP_LIMITED_DISABLED": ErrorKind.PERMISSION,
}

_SIGNATURE_MEMBERS = {"thought", "thoughtSignature"}

_part = msgspec.json.Decoder(Part)


class ChoiceBuilder:
    """The state of one choice: what was translated so far, and how many entries its lists have.

    `owner` is the model, to whom its signatures belong. `ids` and `names` are those of the answer's tool calls.
    """

    def __init__(self, index: int, owner: Owner, ids: AnswerCallIds, names: FunctionNames):
        self.index = index
        #: OpenAI's finish reason; empty until the candidate ends
        self.finish_reason = ""
        self._has_content = False
        self._names = names
        self._owner = owner
        self._ids = ids
        # The message of a whole answer: its texts, which grow in place, and its other members.
        self._texts: dict[str, StringIO] = {}
        self._message: Json = {}
        self._logprobs: Json | None = None
        # The last number given to an entry of `tool_calls`, `images` and `parts`.
        self._numbers: dict[str, int] = {}
        # Members of `provider_extra.google` that are sent once, at the end.
        self._extra: Json = {}

    def deltas(self, candidate: Candidate, answer: Answer) -> list[Json]:
        """Translate more of the candidate into deltas. Raises ProviderError if it ended in a failure."""
        _raise_for_failure(candidate)
        deltas = []
        for raw in _parts(candidate):
            delta = self._delta(raw, decode(_part, raw))
            if delta is not None:
                self._has_content = True
                deltas.append(delta)
        self._logprobs = logprobs(candidate) or self._logprobs
        self._keep(
            groundingMetadata=candidate.grounding_metadata,
            citationMetadata=candidate.citation_metadata,
            urlContextMetadata=candidate.url_context_metadata,
            safetyRatings=candidate.safety_ratings,
        )
        self._finish(candidate, answer)
        return deltas

    def final_delta(self) -> Json:
        """Return the delta that is sent with the finish reason."""
        if not self._extra:
            return {}
        return {"provider_extra": {"google": self._extra}}

    def add(self, deltas: Iterable[Json]) -> None:
        """Add deltas to the message of `as_openai`."""
        for delta in deltas:
            for name, value in delta.items():
                if isinstance(value, str):
                    self._texts.setdefault(name, StringIO()).write(value)
                else:
                    _merge(self._message, {name: value})

    def as_openai(self) -> Json:
        """Return the choice of a chat.completion; to be called once, at the end.

        Raises ProviderError if the candidate has neither content nor a reason to end.
        """
        message = self._message
        message |= {name: text.getvalue() for name, text in self._texts.items()}
        if self._extra:
            provider_extra = message.setdefault("provider_extra", {})
            provider_extra.setdefault("google", {}).update(self._extra)
        # OpenAI's content is null beside tool calls, and an empty string otherwise.
        content = message.pop("content", None if self._has_calls else "")
        reason = self.finish_reason
        if not reason:
            if not self._has_content:
                problem = "Gemini's answer has no content, and no reason for that"
                raise ProviderError(ErrorKind.BAD_RESPONSE, problem, status=200)
            reason = "tool_calls" if self._has_calls else "stop"
        return choice_of(
            content=content,
            finish_reason=reason,
            logprobs=self._logprobs,
            message=message,
            index=self.index,
        )

    @property
    def _has_calls(self) -> bool:
        return "tool_calls" in self._numbers

    def _finish(self, candidate: Candidate, answer: Answer) -> None:
        reason = candidate.finish_reason
        if reason:
            self.finish_reason = self._translated(reason, candidate)
        if self.finish_reason == "stop" and self._has_calls:
            # Gemini ends an answer with calls as any other.
            self.finish_reason = "tool_calls"
        if self.finish_reason == "content_filter":
            # `content_filter` does not say which of the filters it was.
            self._keep(promptFeedback=answer.prompt_feedback)
            if answer.candidates:
                # Otherwise the candidate is not Google's: it stands for a blocked prompt.
                self._keep(finishReason=reason)
            self._keep(finishMessage=candidate.finish_message)

    def _translated(self, reason: str, candidate: Candidate) -> str:
        """Translate a finish reason. Raises ProviderError if it is unknown and the answer has no content."""
        translated = _FINISH_REASONS.get(reason) or finish_reason(
            reason, is_empty=not self._has_content
        )
        if translated is None:
            raise _failure(ErrorKind.BAD_RESPONSE, candidate)
        if reason not in _FINISH_REASONS:
            # `stop` does not say why the answer ended.
            self._keep(finishReason=reason, finishMessage=candidate.finish_message)
        return translated

    def _delta(self, raw: Raw, part: Part) -> Json | None:
        """Translate a part, or return None if it adds nothing to the message yet."""
        if part.thought_signature:
            self._keep(owner=self._owner)
        if part.function_call is not None:
            return self._tool_call(part.function_call, part)
        if part.inline_data is not None and part.inline_data.mime_type.startswith("image/"):
            if part.thought:
                # A draft of the image that follows.
                return None
            return self._image(part.inline_data, part)
        if part.text is not None:
            self._keep(thought_signature=part.thought_signature)
            return _text(part)
        members = msgspec.json.decode(raw)
        if members.keys() <= _SIGNATURE_MEMBERS:
            # A signature alone belongs to the text before it.
            self._keep(thought_signature=part.thought_signature)
            return None
        # Executed code, its output and whatever comes next: the client returns it unchanged in the next turn.
        kept = {"index": self._number("parts"), **members}
        return {"provider_extra": {"google": {"parts": [kept]}}}

    def _tool_call(self, call: FunctionCall, part: Part) -> Json:
        arguments = arguments_text(call.args)
        if call.name == ANSWER_TOOL:
            self._keep(thought_signature=part.thought_signature)
            return {"content": arguments}
        number = self._number("tool_calls")
        entry = {
            "index": number,
            "id": self._ids.unique(call.id),
            "type": "function",
            "function": {"name": self._names.to_client(call.name), "arguments": arguments},
            **_signature(part),
        }
        return {"tool_calls": [entry]}

    def _image(self, blob: Blob, part: Part) -> Json:
        # The member and its form are OpenRouter's, which several clients know.
        entry = {
            "index": self._number("images"),
            "type": "image_url",
            "image_url": {"url": f"data:{blob.mime_type};base64,{blob.data}"},
            **_signature(part),
        }
        return {"images": [entry]}

    def _number(self, name: str) -> int:
        """Return the position of the next entry of a list."""
        number = self._numbers.get(name, -1) + 1
        self._numbers[name] = number
        return number

    def _keep(self, **extra: Any) -> None:
        """Keep members of `provider_extra.google` for the end; empty ones are ignored."""
        self._extra |= {name: value for name, value in extra.items() if value}


def logprobs(candidate: Candidate) -> Json | None:
    """Return a candidate's log probabilities in OpenAI's form, or None if it has none."""
    result = candidate.logprobs_result
    if result is None or not result.chosen_candidates:
        return None
    alternatives = [top.candidates for top in result.top_candidates]
    if not alternatives:
        alternatives = [[]] * len(result.chosen_candidates)
    content = []
    for chosen, top in zip(result.chosen_candidates, alternatives, strict=False):
        entry = _token(chosen)
        entry["top_logprobs"] = [_token(token) for token in top]
        content.append(entry)
    return {"content": content, "refusal": None}


def _token(token: Token) -> Json:
    return {
        "token": token.token,
        "logprob": token.log_probability,
        "bytes": list(token.token.encode()),
    }


def _raise_for_failure(candidate: Candidate) -> None:
    reason = candidate.finish_reason
    if reason is None or reason not in _FAILURES:
        return
    raise _failure(_FAILURES[reason], candidate)


def _failure(kind: ErrorKind, candidate: Candidate) -> ProviderError:
    reason = candidate.finish_reason
    message = candidate.finish_message or "Gemini stopped before it completed its answer"
    return ProviderError(kind, f"{message} (finishReason {reason})", status=200, type=reason)


def _parts(candidate: Candidate) -> list[Raw]:
    if candidate.content is None:
        return []
    return candidate.content.parts or []


def _text(part: Part) -> Json | None:
    if not part.text:
        return None
    if part.thought:
        return {"reasoning_content": part.text}
    return {"content": part.text}


def _signature(part: Part) -> Json:
    """Return the part's signature, where Google's OpenAI-compatible endpoint puts it: in `extra_content`."""
    if not part.thought_signature:
        return {}
    return {"extra_content": {"google": {"thought_signature": part.thought_signature}}}


def _merge(message: Json, delta: Mapping[str, Any]) -> None:
    """Add a delta to a message: lists are extended, objects merged.

    The entries of a list lose their `index`, which whole messages do not have.
    """
    for name, value in delta.items():
        if isinstance(value, dict):
            _merge(message.setdefault(name, {}), value)
        elif isinstance(value, list):
            entries = message.setdefault(name, [])
            for entry in value:
                entries.append({key: member for key, member in entry.items() if key != "index"})
        else:
            message[name] = value
