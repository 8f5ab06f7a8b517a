"""The operations `audio_transcriptions` and `audio_translations`: what is said in a recording, as in OpenAI's API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from llms_core.contracts.error_body import describes_error
from llms_core.contracts.forwarding import ForwardCall, ForwardedAnswer
from llms_core.contracts.json import UNREADABLE
from llms_core.operations.forwarding import Forwarding, json_members


class Transcriptions(Forwarding):
    """What is said in a recording: JSON with a text, or the text itself, with or without times (`response_format`)."""

    model_patterns = (
        "whisper*",
        "*-whisper*",
        "*/whisper*",
        "*-transcribe*",
        "voxtral-*-transcribe*",
    )
    end_events = frozenset({"transcript.text.done"})

    def __init__(self, name: str):
        self.name = name

    def fault(self, call: ForwardCall, answer: ForwardedAnswer) -> str | None:
        """Return what is wrong with an answer. Nothing may have been said: an empty text is none."""
        media_type = answer.content_type.partition(";")[0].strip().lower()
        if media_type == "application/json":
            return _fault_of_json(answer.data)
        if media_type == "text/event-stream":
            return "it is a stream, which was not requested"
        if answer.data.lstrip()[:1] == b"<" and media_type == "text/html":
            return "it is a page"
        try:
            answer.data.decode()
        except UnicodeDecodeError:
            return f"it is not text ({media_type})"
        # Some servers state the wrong type, for errors too.
        if describes_error(answer.data) and json_members(answer.data):
            return "it is an error"
        return None

    def events_of(self, answer: ForwardedAnswer) -> Sequence[Mapping[str, Any]]:
        """Return the text as one piece, and once more at the end, as in every stream of text."""
        members = json_members(answer.data)
        if members is None:
            return ()
        text = msgspec.json.decode(members["text"])
        done = {"type": "transcript.text.done", "text": text}
        if "usage" in members:
            done["usage"] = members["usage"]
        return [{"type": "transcript.text.delta", "delta": text}, done]


def _fault_of_json(data: bytes) -> str | None:
    members = json_members(data)
    if members is None:
        # A text that was requested as such may still be sent as JSON.
        if _is_string(data):
            return None
        return "it is not valid JSON"
    if _is_string(bytes(members.get("text", b""))):
        return None
    return "it has no text"


def _is_string(data: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(data), str)
    except UNREADABLE:
        return False


TRANSCRIPTIONS = Transcriptions("audio_transcriptions")
TRANSLATIONS = Transcriptions("audio_translations")
