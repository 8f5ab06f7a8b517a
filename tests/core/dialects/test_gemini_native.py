"""Requests and answers of Gemini's API that are passed on to Google, at the Gemini API and at Vertex AI."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import pytest

from llms_core.dialects.envelope import Envelope, as_base64, seal
from llms_core.testing import (
    Chunk,
    Reply,
    ScriptedUpstream,
    Status,
    completion,
    error,
    json_body,
    text_body,
)
from tests.conftest import MARK, Gateway, Serve
from tests.core.server.conftest import NO_RETRIES, Asking

Json = dict[str, Any]

GENERATE = "/v1beta/models/m:generateContent"
STREAM = "/v1beta/models/m:streamGenerateContent"
BODY = (
    b'{ "contents" : [{"role":"user","parts":[{"text":"Gr\\u00fc\xc3\x9fe"}]}],\n "tools":[{"google_search":{}}],'
    b'"generationConfig":{"temperature":1e0,"brandNew":[ 1 ]}, "brandNewMember":{"a":[ 1 ]} }'
)
HELLO = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
ANSWER = (
    b'{\n  "candidates": [ {"content":{"parts":[{"text":"Gr\\u00fc\xc3\x9fe","brandNew":1}],"role":"model"},'
    b'"finishReason":"STOP","index":0} ],\n  "usageMetadata": {"promptTokenCount":4,"candidatesTokenCount":2,'
    b'"thoughtsTokenCount":3,"totalTokenCount":9},\n  "modelVersion": "gemini-2.5-flash-001", "responseId": "r" }'
)


def candidate(text: str, reason: str | None = None, **members: Any) -> Json:
    end = {"finishReason": reason} if reason else {}
    return {
        "candidates": [
            {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0, **end}
        ],
        **members,
    }


EVENTS = [
    candidate("Hi", usageMetadata={"promptTokenCount": 4}, modelVersion="gemini-2.5-flash-001"),
    candidate(", you", brandNew={"a": 1}),
    candidate(
        "!",
        "STOP",
        usageMetadata={"promptTokenCount": 4, "candidatesTokenCount": 3, "totalTokenCount": 7},
    ),
    {"usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 5, "totalTokenCount": 9}},
]


def stream(events: list[Json], size: int = 0) -> Reply:
    data = b"".join(b"data: %b\r\n\r\n" % json.dumps(event).encode() for event in events)
    pieces = [data[start : start + size] for start in range(0, len(data), size)] if size else [data]
    return Reply(Status(200, {"content-type": "text/event-stream"}), *map(Chunk, pieces))


def expected(events: list[Json]) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)


def google(upstream: ScriptedUpstream, **members: object) -> Json:
    """A block of the Gemini API."""
    return {
        "type": "google",
        "base_url": f"{upstream.origin}/v1beta",
        "api_key": f"{MARK}of-google",
        "models": {"m": "gemini-2.5-flash"},
        **members,
    }


@pytest.fixture
def second() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture
def first() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as upstream:
        upstream.default = text_body(ANSWER.decode(), media="application/json")
        yield upstream


Ask = Callable[[Mapping[str, Json]], Asking]


@pytest.fixture
def asking_with(served: Serve, asking: Callable[[Gateway], Asking]) -> Ask:
    """Asks a gateway with these providers."""
    return lambda providers: asking(served({"providers": providers}, NO_RETRIES))


@pytest.fixture
def ask(asking_with: Ask, first: ScriptedUpstream) -> Asking:
    """Asks a gateway with the Gemini API alone."""
    return asking_with({"google": google(first)})


def test_a_request_reaches_the_gemini_api_as_it_was_written(
    ask: Asking, first: ScriptedUpstream
) -> None:
    given = {"x-goog-api-key": "mine", "cookie": "a=b", "x-goog-api-client": "google-genai-sdk/1"}
    response = ask.post(BODY, GENERATE, given)
    assert response.content == ANSWER
    seen = first.requests[0]
    assert seen.body == BODY
    assert seen.path == "/v1beta/models/gemini-2.5-flash:generateContent"
    assert seen.headers["x-goog-api-key"] == f"{MARK}of-google"
    assert "cookie" not in seen.headers
    assert response.headers["x-llms-upstream-model"] == "gemini-2.5-flash"
    assert "x-llms-dropped-params" not in response.headers


def test_a_request_reaches_vertex_ai_as_it_was_written(
    asking_with: Ask, first: ScriptedUpstream
) -> None:
    base_url = f"{first.origin}/v1/projects/p/locations/global/publishers/google"
    ask = asking_with({"vertex": google(first, type="vertex", base_url=base_url)})
    assert ask.post(BODY, GENERATE).content == ANSWER
    seen = first.requests[0]
    assert seen.body == BODY
    assert seen.path.endswith("/publishers/google/models/gemini-2.5-flash:generateContent")
    assert seen.headers["authorization"] == f"Bearer {MARK}of-google"


def test_vertex_ai_gets_no_turns_without_roles(asking_with: Ask, first: ScriptedUpstream) -> None:
    ask = asking_with(
        {"vertex": google(first, type="vertex", base_url=f"{first.origin}/v1/publishers/google")}
    )
    assert ask.post({"contents": [{"parts": [{"text": "Hi"}]}]}, GENERATE).status_code == 200
    assert first.requests[0].json["contents"] == [{"role": "user", "parts": [{"text": "Hi"}]}]


@pytest.mark.parametrize("size", [0, 1, 7])
def test_a_stream_is_passed_on_in_whatever_pieces_it_arrives(
    ask: Asking, first: ScriptedUpstream, size: int
) -> None:
    first.default = stream(EVENTS, size)
    response = ask.post(BODY, f"{STREAM}?alt=sse")
    assert response.content == expected(EVENTS)
    assert first.requests[0].path == "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    assert first.requests[0].body == BODY


def test_a_stream_is_an_array_for_clients_that_want_one(
    ask: Asking, first: ScriptedUpstream
) -> None:
    first.default = stream(EVENTS)
    assert ask.post(HELLO, STREAM).json() == EVENTS
    assert first.requests[0].path.endswith("?alt=sse")


@pytest.mark.parametrize("query", ["", "?alt=sse"])
def test_a_stream_that_is_cut_never_ends_like_a_complete_one(
    ask: Asking, first: ScriptedUpstream, query: str
) -> None:
    for count in range(1, 3):
        first.default = stream(EVENTS[:count])
        response = ask.post(HELLO, STREAM + query)
        assert "finishReason" not in response.text
        assert '"error":{' in response.text
        if not query:
            assert response.json()[:count] == EVENTS[:count]


def test_the_last_counts_are_recorded(ask: Asking, first: ScriptedUpstream) -> None:
    first.default = stream(EVENTS)
    ask.post(HELLO, STREAM)
    ask.post(HELLO, GENERATE)
    assert ask.gateway.log().count(" 200 model='m'") == 2


def test_a_blocked_prompt_is_an_answer(ask: Asking, first: ScriptedUpstream) -> None:
    blocked = {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 4},
    }
    first.default = stream([blocked])
    assert ask.post(HELLO, STREAM).json() == [blocked]
    first.default = json_body(blocked)
    assert ask.post(HELLO, GENERATE).json() == blocked


@pytest.mark.parametrize("body", [b"{}", b'{"candidates": []}', b"not JSON", b"[]"])
def test_what_is_no_answer_leads_to_the_next_provider(
    asking_with: Ask, first: ScriptedUpstream, second: ScriptedUpstream, body: bytes
) -> None:
    first.default = text_body(body.decode(), media="application/json")
    second.default = completion("Hi from chat")
    other = {
        "type": "openai-compatible",
        "base_url": second.base_url,
        "api_key": "k",
        "models": {"m": "x"},
    }
    ask = asking_with({"google": google(first), "other": other})
    answer = ask.post(HELLO, GENERATE).json()
    assert answer["candidates"][0]["content"]["parts"] == [{"text": "Hi from chat"}]


def test_an_error_in_a_stream_leads_to_the_next_provider(
    asking_with: Ask, first: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    first.default = stream(
        [{"error": {"code": 503, "message": "Overloaded", "status": "UNAVAILABLE"}}]
    )
    second.default = completion("Hi from chat")
    other = {
        "type": "openai-compatible",
        "base_url": second.base_url,
        "api_key": "k",
        "models": {"m": "x"},
    }
    ask = asking_with({"google": google(first), "other": other})
    response = ask.post(HELLO, STREAM)
    assert response.headers["x-llms-provider"] == "other"
    assert response.json()[-1]["candidates"][0]["finishReason"] == "STOP"


def test_what_only_google_has_skips_providers_without_it(
    asking_with: Ask, first: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    other = {
        "type": "openai-compatible",
        "base_url": second.base_url,
        "api_key": "k",
        "models": {"m": "x"},
    }
    ask = asking_with({"other": other, "google": google(first)})
    assert ask.post({**HELLO, "cachedContent": "cachedContents/1"}, GENERATE).content == ANSWER
    assert not second.requests
    assert first.requests[0].json["cachedContent"] == "cachedContents/1"


UNKNOWN_PART = {"contents": [{"role": "user", "parts": [{"brandNew": {"a": 1}}]}]}


@pytest.mark.parametrize("path", [GENERATE, STREAM])
def test_what_chat_cannot_express_skips_providers_of_other_protocols(
    asking_with: Ask, first: ScriptedUpstream, second: ScriptedUpstream, path: str
) -> None:
    other = {
        "type": "openai-compatible",
        "base_url": second.base_url,
        "api_key": "k",
        "models": {"m": "x"},
    }
    ask = asking_with({"other": other, "google": google(first)})
    assert ask.post(UNKNOWN_PART, path).status_code == 200
    assert not second.requests
    assert first.requests[0].json == UNKNOWN_PART


def test_what_chat_cannot_express_is_refused_where_nobody_has_the_api(
    asking_with: Ask, second: ScriptedUpstream
) -> None:
    other = {
        "type": "openai-compatible",
        "base_url": second.base_url,
        "api_key": "k",
        "models": {"m": "x"},
    }
    response = asking_with({"other": other}).post(UNKNOWN_PART, GENERATE)
    assert response.status_code == 400
    assert "contents[0].parts[0]" in response.text
    assert not second.requests


def test_googles_refusal_is_the_clients_error(ask: Asking, first: ScriptedUpstream) -> None:
    first.default = error(400, "Unknown name")
    response = ask.post(BODY, GENERATE)
    assert response.status_code == 400
    assert response.json()["error"]["status"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    "members",
    [
        {"safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]},
        {"thinking_config": {"thinkingBudget": 0}},
        {"temperature": 0.5},
    ],
)
def test_settings_of_the_provider_apply_so_the_request_is_translated(
    asking_with: Ask, first: ScriptedUpstream, members: Json
) -> None:
    ask = asking_with({"google": google(first, **members)})
    assert ask.post(HELLO, GENERATE).status_code == 200
    assert first.requests[0].json != HELLO


def call_turn(signature: str | None) -> Json:
    part: Json = {"functionCall": {"name": "f", "args": {}}}
    if signature:
        part["thoughtSignature"] = signature
    return {"role": "model", "parts": [part, {"functionCall": {"name": "f", "args": {}}}]}


RESULTS = {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}] * 2}


@pytest.mark.parametrize(
    ("model", "signature", "is_passed_on"),
    [
        ("gemini-2.5-flash", None, True),
        ("gemini-3-pro-preview", "CiQB0e2Kb4c5Yg==", True),
        ("gemini-3-pro-preview", None, False),
        ("gemini-2.5-flash", as_base64(seal(Envelope({"x": {}}))), False),
    ],
)
def test_a_conversation_that_another_model_began_is_translated(
    asking_with: Ask, first: ScriptedUpstream, model: str, signature: str | None, is_passed_on: bool
) -> None:
    """Gemini 3 refuses calls without a signature, which the adapter knows to replace."""
    ask = asking_with({"google": google(first, models={"m": model})})
    request = {"contents": [*HELLO["contents"], call_turn(signature), RESULTS]}
    assert ask.post(request, GENERATE).status_code == 200
    assert (first.requests[0].json == request) == is_passed_on


def test_a_client_that_leaves_at_the_end_is_not_a_cancellation(
    ask: Asking, first: ScriptedUpstream
) -> None:
    first.default = stream(EVENTS)
    with httpx.Client(base_url=ask.gateway.origin, timeout=20, trust_env=False) as client:
        assert client.post(STREAM, json=HELLO).status_code == 200
    assert "cancelled" not in ask.gateway.log()


def test_an_answer_that_came_whole_is_one_piece(ask: Asking, first: ScriptedUpstream) -> None:
    events = ask.post(HELLO, f"{STREAM}?alt=sse").content
    # Google's SDKs read one line of an event.
    assert events == b"data: %b\n\n" % ANSWER.replace(b"\n", b" ")
    assert ask.post(HELLO, STREAM).json() == [json.loads(ANSWER)]


@pytest.mark.parametrize("path", [STREAM, GENERATE])
def test_a_stream_that_came_as_an_array_keeps_its_pieces(
    ask: Asking, first: ScriptedUpstream, path: str
) -> None:
    first.default = text_body(json.dumps(EVENTS), media="application/json")
    found = ask.post(HELLO, path).json()
    if path == STREAM:
        assert found == EVENTS
    else:
        assert [part["text"] for part in found["candidates"][0]["content"]["parts"]] == [
            "Hi",
            ", you",
            "!",
        ]
        assert found["candidates"][0]["finishReason"] == "STOP"


def test_a_stream_that_was_not_asked_for_becomes_one_answer(
    ask: Asking, first: ScriptedUpstream
) -> None:
    first.default = stream(EVENTS)
    found = ask.post(HELLO, GENERATE).json()
    assert [part["text"] for part in found["candidates"][0]["content"]["parts"]] == [
        "Hi",
        ", you",
        "!",
    ]
    assert found["usageMetadata"]["totalTokenCount"] == 9
    assert found["modelVersion"] == "gemini-2.5-flash-001"
