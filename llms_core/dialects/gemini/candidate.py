"""A choice of chat as a candidate of Google's, for whole answers and streams alike.

Calls are written when their arguments are complete. What has to come back to the provider, and Google's parts have no
member for, travels in the `thoughtSignature` of the part that it belongs to: that of a call, which clients return
because Gemini needs it, or that of an empty text at the end. A signature of Google's own is written as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from llms_core.contracts import reasoning_details
from llms_core.contracts.json import UNREADABLE, objects
from llms_core.contracts.reasoning_details import consolidated
from llms_core.contracts.tools import INVALID_ARGUMENTS
from llms_core.dialects.envelope import Envelope, as_base64, seal
from llms_core.dialects.gemini.merging import merge
from llms_core.dialects.gemini.model_turn import GOOGLE
from llms_core.dialects.gemini.views import Message, ToolCall
from llms_core.dialects.json_balance import Balance

Json = dict[str, Any]

_FINISH_REASONS = {"length": "MAX_TOKENS", "content_filter": "SAFETY"}
#: What Google's adapter keeps of a candidate.
_CANDIDATE_MEMBERS = (
    "finishMessage",
    "citationMetadata",
    "groundingMetadata",
    "urlContextMetadata",
    "safetyRatings",
)
#: A blocked prompt, of a provider that does not say more.
_BLOCKED = {"blockReason": "OTHER"}

_DATA_URI = re.compile(r"data:([^;,]+);base64,")


class _Call:
    """A call whose arguments arrive in pieces."""

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.pieces: list[str] = []
        self.extra: Json = {}
        self._balance = Balance()

    def add(self, fragment: ToolCall) -> None:
        self.id = self.id or fragment.id or ""
        merge(self.extra, fragment.extra())
        if fragment.function is None:
            return
        self.name = self.name or fragment.function.name or ""
        if fragment.function.text:
            self.pieces.append(fragment.function.text)
            self._balance.feed(fragment.function.text)

    @property
    def is_complete(self) -> bool:
        """Whether the arguments are a whole object: none may still come."""
        return self._balance.is_complete

    def part(self) -> Json:
        function: Json = {"name": self.name, "args": _arguments("".join(self.pieces))}
        return {"functionCall": {"id": self.id, **function} if self.id else function}


class CandidateWriter:
    """Writes one candidate."""

    def __init__(self, index: int):
        self.index = index
        #: calls that are not written yet, by number, in the order in which they began
        self._calls: dict[int, _Call] = {}
        self._written: set[int] = set()
        self._has_calls = False
        self._has_content = False
        self._is_refused = False
        self._finish_reason = ""
        self._thoughts: list[str] = []
        self._logprobs: list[Json] = []
        #: `provider_extra.google`
        self._google: Json = {}
        self._is_googles = False
        #: what has to come back and was not written yet
        self._envelope = Envelope()

    def add(self, message: Message, logprobs: Any = None) -> list[Json]:
        """Return the parts for a message, or a delta of one."""
        parts: list[Json] = []
        if message.provider_extra:
            parts += self._keep(message.provider_extra)
        if details := objects(message.reasoning_details):
            self._envelope.message.setdefault(reasoning_details.NAME, []).extend(details)
        thought, text = message.texts()
        if thought:
            self._thoughts.append(thought)
            parts.append({"text": thought, "thought": True})
        if text:
            parts.append({"text": text})
        if message.refusal:
            self._is_refused = True
            parts.append({"text": message.refusal})
        parts += [part for image in objects(message.images) if (part := _image(image)) is not None]
        self._logprobs += _tokens(logprobs)
        if parts and self._calls:
            parts = [*self._take_calls(), *parts]
        for position, fragment in enumerate(message.tool_calls or ()):
            number = position if fragment.index is None else fragment.index
            if number in self._written:
                # Nothing can be added to a call that was complete.
                continue
            if number not in self._calls:
                parts += self._take_calls()
                self._calls[number] = _Call()
            self._calls[number].add(fragment)
        self._has_content |= bool(parts)
        return parts

    def finish(self, reason: str | None) -> None:
        """Keep the reason why the candidate ended."""
        self._finish_reason = reason or self._finish_reason

    def end(self) -> list[Json]:
        """Return the parts that were held back."""
        parts = self._take_calls(all_of_them=True)
        self._has_content |= bool(parts)
        signature = self._google.pop("thought_signature", None)
        if isinstance(signature, str):
            parts.append({"text": "", "thoughtSignature": signature})
        if self._envelope:
            parts.append({"text": "", "thoughtSignature": self._sealed()})
        return parts

    def members(self) -> Json:
        """Return the members of the candidate's end."""
        own = self._google.get("finishReason")
        reason = own if isinstance(own, str) else _FINISH_REASONS.get(self._finish_reason, "STOP")
        found: Json = {
            "finishReason": "SAFETY" if self._is_refused and reason == "STOP" else reason
        }
        for name in _CANDIDATE_MEMBERS:
            if name in self._google:
                found[name] = self._google[name]
        if self._logprobs:
            found["logprobsResult"] = _logprobs_result(self._logprobs)
            found["avgLogprobs"] = sum(_logprob(token) for token in self._logprobs) / len(
                self._logprobs
            )
        return found

    def prompt_feedback(self) -> Json | None:
        """Return why the prompt was blocked, or the model refused to answer it; None if neither is so."""
        own = self._google.get("promptFeedback")
        if isinstance(own, dict):
            return own
        is_blocked = (
            self._finish_reason == "content_filter"
            and not self._has_content
            and not self._is_googles
        )
        if is_blocked or self._is_refused:
            return _BLOCKED
        return None

    @property
    def is_blocked_by_google(self) -> bool:
        """Whether Google answered without a candidate."""
        return (
            "promptFeedback" in self._google
            and "finishReason" not in self._google
            and not self._has_content
        )

    def _keep(self, provider_extra: Mapping[str, Any]) -> list[Json]:
        """Keep opaque data; return the parts among it that only Google knows."""
        others = {name: value for name, value in provider_extra.items() if name != GOOGLE}
        merge(self._envelope.provider_extra, others)
        own = provider_extra.get(GOOGLE)
        if not isinstance(own, dict):
            return []
        self._is_googles = True
        merge(self._google, {name: value for name, value in own.items() if name != "parts"})
        parts = own.get("parts")
        if not isinstance(parts, list):
            return []
        return [{name: value for name, value in part.items() if name != "index"} for part in parts]

    def _take_calls(self, *, all_of_them: bool = False) -> list[Json]:
        """Return the calls that are complete, up to the first that is not."""
        parts = []
        for number, call in list(self._calls.items()):
            if not (call.is_complete or all_of_them):
                break
            del self._calls[number]
            self._written.add(number)
            parts.append(self._call_part(call))
        return parts

    def _call_part(self, call: _Call) -> Json:
        part = call.part()
        signature = _googles_signature(call.extra)
        if signature is not None:
            self._is_googles = True
            part["thoughtSignature"] = signature
        elif call.extra:
            self._envelope.calls[call.id] = call.extra
        if not (self._is_googles or self._has_calls) and self._thoughts:
            # Clients leave thoughts out of the conversation, but some providers need them with the results.
            self._envelope.message["reasoning_content"] = "".join(self._thoughts)
        self._has_calls = True
        if self._envelope and signature is None:
            part["thoughtSignature"] = self._sealed()
        return part

    def _sealed(self) -> str:
        """Return what has to come back, and begin anew."""
        envelope = self._envelope
        self._envelope = Envelope()
        if reasoning_details.NAME in envelope.message:
            envelope.message[reasoning_details.NAME] = consolidated(
                envelope.message[reasoning_details.NAME]
            )
        return as_base64(seal(envelope))


def _googles_signature(extra: Mapping[str, Any]) -> str | None:
    """Return a signature of Google's; None if there is more than that, or none."""
    match extra:
        case {
            "extra_content": {"google": {"thought_signature": str(signature), **more}, **others}
        } if not (more or others or len(extra) > 1):
            return signature
    return None


def _arguments(text: str) -> Json | Raw:
    """Return arguments as an object: text that is none, for example because it was cut off, becomes a member."""
    text = text or "{}"
    try:
        if isinstance(msgspec.json.decode(text), dict):
            return Raw(text.encode())
    except UNREADABLE:
        pass
    return {INVALID_ARGUMENTS: text}


def _image(image: Json) -> Json | None:
    """Return the part for an image; None if it has none."""
    match image:
        case {"image_url": {"url": str(url)}}:
            pass
        case _:
            return None
    found = _DATA_URI.match(url)
    part: Json = {"fileData": {"mimeType": "image/*", "fileUri": url}}
    if found is not None:
        part = {"inlineData": {"mimeType": found[1], "data": url[found.end() :]}}
    signature = _googles_signature({"extra_content": image.get("extra_content") or {}})
    if signature is not None:
        part["thoughtSignature"] = signature
    return part


def _tokens(logprobs: Any) -> list[Json]:
    if isinstance(logprobs, dict):
        return objects(logprobs.get("content"))
    return []


def _logprobs_result(tokens: list[Json]) -> Json:
    result: Json = {"chosenCandidates": [_token(token) for token in tokens]}
    if any(token.get("top_logprobs") for token in tokens):
        result["topCandidates"] = [
            {"candidates": list(map(_token, objects(token.get("top_logprobs"))))}
            for token in tokens
        ]
    return result


def _token(token: Json) -> Json:
    return {"token": str(token.get("token") or ""), "logProbability": _logprob(token)}


def _logprob(token: Json) -> float:
    value = token.get("logprob")
    if isinstance(value, int | float):
        return float(value)
    return 0.0
