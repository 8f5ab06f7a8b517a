"""Every recorded answer of every provider as Gemini's: as Google's SDK reads it, and with the meaning of the answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gemini_requests import Json, check_pieces, incoming, pieces_of
from google.genai.types import GenerateContentResponse
from recorded_answers import (
    Meaning,
    meaning_of,
    meaning_of_chunks,
    streamed,
    streams,
    whole,
    whole_answers,
)
from recordings import Recording, for_each

from llms_core.contracts.body import RequestBody
from llms_core.dialects.gemini import GENERATE_CONTENT, STREAM_GENERATE_CONTENT
from llms_core.dialects.gemini.stream import GeminiStreamWriter

HELLO = {"contents": [{"role": "user", "parts": [{"text": "Hello!"}]}]}
FINISH_REASONS = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
}


def body_of(dialect: Any) -> RequestBody[Any]:
    body = dialect.decode(incoming(HELLO, query=b"alt=sse"))
    assert isinstance(body, RequestBody)
    return body


def check(pieces: list[Json], expected: Meaning) -> None:
    for piece in pieces:
        GenerateContentResponse.model_validate(piece)
    parts = [
        part
        for piece in pieces
        for candidate in piece.get("candidates", ())
        if candidate["index"] == 0
        for part in candidate["content"]["parts"]
    ]
    assert (
        "".join(part["text"] for part in parts if "text" in part and not part.get("thought"))
        == expected.text
    )
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    assert [(call["name"], call["args"]) for call in calls] == expected.calls
    if pieces[-1].get("candidates") and "promptFeedback" not in pieces[-1]:
        reason = pieces[-1]["candidates"][0]["finishReason"]
        # Google's own reasons say more than chat's.
        assert FINISH_REASONS[expected.finish_reason] == reason or expected.finish_reason in (
            "content_filter",
            "stop",
        )


@for_each(whole_answers())
def test_a_whole_answer(recording: Recording) -> None:
    body = body_of(GENERATE_CONTENT)
    answer = whole(recording, body)
    if answer is None:
        pytest.skip("an error, in spite of its status")
    data = GENERATE_CONTENT.encode_answer(answer, body)
    assert isinstance(data, bytes)
    check([json.loads(data)], meaning_of(answer.data))


@for_each(streams())
def test_a_streamed_answer(recording: Recording) -> None:
    for is_split in (False, True):
        body = body_of(STREAM_GENERATE_CONTENT)
        batches = streamed(recording, body, is_split=is_split)
        if batches is None:
            pytest.skip("no complete answer")
        writer = GeminiStreamWriter(body)
        data = b"".join(writer.write(batch) for batch in batches) + writer.end()
        pieces = pieces_of(data)
        check_pieces(pieces)
        check(pieces, meaning_of_chunks(batches))
