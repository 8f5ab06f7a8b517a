"""Recorded requests of Gemini's clients for every adapter, and Google's recorded answers through chat and back."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from captures import FOLDER, Capture, _load
from gemini_requests import Json, chat_call, check_pieces, parts_of, pieces_of, upstream_request
from recordings import Recording, for_each, recordings, streams, whole_answers

from llms_core.dialects.gemini.answer import encode_answer
from llms_core.dialects.gemini.stream import GeminiStreamWriter
from llms_core.errors import ProviderError, RequestError, Unsupported
from llms_core.operations.chat import CHAT
from llms_core.testing.subject import Subject, find

PROVIDERS = (
    "openai",
    "deepseek",
    "openrouter",
    "mistral",
    "azure",
    "anthropic",
    "google",
    "bedrock",
    "cohere",
    "ollama",
)
HELLO = {"contents": [{"role": "user", "parts": [{"text": "?"}]}]}
CAPTURES = [each for each in _load() if "/v1beta/models/" in each.path]
#: What Google writes and clients get under another name, or not at all.
FAILURES = ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MALFORMED_RESPONSE")


@cache
def subject_of(provider: str) -> Subject:
    return find(provider, None)


def texts(contents: Any) -> list[str]:
    found = []
    for turn in contents:
        # Google takes a part alone, too.
        parts = turn["parts"] if isinstance(turn["parts"], list) else [turn["parts"]]
        found += [part["text"] for part in parts if part.get("text") and not part.get("thought")]
    return found


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("capture", CAPTURES, ids=[each.id for each in CAPTURES])
def test_a_captured_request_is_translated_for_every_adapter(
    capture: Capture, provider: str
) -> None:
    request = upstream_request(subject_of(provider), capture.body)
    written = json.dumps(json.loads(request.content), ensure_ascii=False)
    turns = [*capture.body["contents"], capture.body["systemInstruction"]]
    for text in texts(turns):
        assert json.dumps(text, ensure_ascii=False)[1:-1] in written
    for tool in capture.body["tools"]:
        for declaration in tool["functionDeclarations"]:
            assert declaration["name"] in written


def test_there_are_captures() -> None:
    if not CAPTURES:
        pytest.skip(f"no captures of Gemini's API in {FOLDER}")


def answered(recording: Recording) -> bool:
    return recording.status == 200


@pytest.mark.parametrize("provider", ["google", "vertex", "openai", "anthropic"])
@for_each(recordings("gemini", answered))
def test_a_recorded_request_is_translated(recording: Recording, provider: str) -> None:
    """All of a request that Google has answered reaches Google, and what is text every other provider."""
    try:
        request = upstream_request(
            subject_of(provider), recording.request["body"], model=recording.model
        )
    except Unsupported:
        assert provider not in ("google", "vertex")
        return
    written = json.dumps(json.loads(request.content), ensure_ascii=False)
    for text in texts(recording.request["body"]["contents"]):
        assert json.dumps(text, ensure_ascii=False)[1:-1] in written
    if provider == "google":
        sent = json.loads(request.content)
        for name in ("safetySettings", "cachedContent"):
            assert sent.get(name) == recording.request["body"].get(name)
        assert request.dropped == ()


def candidates_of(answers: list[Json]) -> list[Json]:
    """The parts of Google's answers that clients have to get, as those of pieces are joined."""
    for answer in answers:
        for candidate in answer.get("candidates") or ():
            content = candidate.setdefault("content", {})
            content.setdefault("parts", [])
            candidate.setdefault("index", 0)
    return parts_of(answers)


def kinds(parts: list[Json]) -> Json:
    """What a client makes of parts, whatever their order."""
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    others = [
        {name: value for name, value in part.items() if name != "thoughtSignature"}
        for part in parts
        if not part.keys() & {"text", "functionCall"}
        and part.keys() - {"thoughtSignature", "thought"}
    ]
    return {
        "text": "".join(
            part["text"] for part in parts if "text" in part and not part.get("thought")
        ),
        "thoughts": "".join(
            part["text"] for part in parts if "text" in part and part.get("thought")
        ),
        "calls": [(call["name"], call.get("args") or {}) for call in calls],
        "others": sorted(json.dumps(other, sort_keys=True) for other in others),
        "signatures": {part["thoughtSignature"] for part in parts if part.get("thoughtSignature")},
    }


def check(found: list[Json], original: list[Json]) -> None:
    expected = kinds(candidates_of(original))
    actual = kinds(parts_of(found))
    # Texts with signatures of their own are one text for chat, and the last signature counts.
    assert actual.pop("signatures") <= expected.pop("signatures")
    assert actual == expected
    last = next(
        (
            each
            for answer in reversed(original)
            for each in answer.get("candidates") or ()
            if each.get("finishReason")
        ),
        None,
    )
    if last is not None and found[-1].get("candidates"):
        assert found[-1]["candidates"][0]["finishReason"] == last["finishReason"]


@for_each(whole_answers("gemini"))
def test_googles_recorded_answers_survive_chat(recording: Recording) -> None:
    subject = subject_of(recording.provider if recording.provider == "vertex" else "google")
    call = chat_call(subject, HELLO, model=recording.model)
    original = recording.response["json"]
    try:
        answer = subject.adapter.completion(call, recording.body)
    except ProviderError:
        assert any(reason in json.dumps(original) for reason in FAILURES)
        return
    found = json.loads(encode_answer(answer, call.body))
    check([found], [original])
    usage = original.get("usageMetadata", {})
    for name in (
        "promptTokenCount",
        "thoughtsTokenCount",
        "cachedContentTokenCount",
        "totalTokenCount",
    ):
        if usage.get("promptTokenCount"):
            assert found["usageMetadata"].get(name) == usage.get(name)


def events_in(recording: Recording) -> list[bytes]:
    """The events of a recorded stream, some of which were JSON arrays."""
    if "json" in recording.response:
        return [json.dumps(each).encode() for each in recording.response["json"]]
    lines = str(recording.response["text"]).splitlines()
    return [line.removeprefix("data: ").encode() for line in lines if line.startswith("data: ")]


@for_each(streams("gemini"))
def test_googles_recorded_streams_survive_chat(recording: Recording) -> None:
    subject = subject_of(recording.provider if recording.provider == "vertex" else "google")
    call = chat_call(subject, HELLO, stream=True, model=recording.model)
    reader = CHAT.stream(subject.adapter, call)
    events = events_in(recording)
    chunks = [chunk for event in events for chunk in reader.feed([("", event)])]
    if reader.failure is not None:
        assert any(reason in json.dumps(recording.response) for reason in FAILURES)
        return
    writer = GeminiStreamWriter(call.body.with_context(True))
    found = pieces_of(writer.write(chunks) + writer.write(reader.held_back()) + writer.end())
    check_pieces(found)
    check(found, [json.loads(event) for event in events])


@for_each(recordings("gemini", lambda recording: "tool_call" in recording.tags))
def test_a_signed_call_returns_to_google_as_it_was(recording: Recording) -> None:
    """The turn that clients keep, through chat."""
    if recording.status != 200 or recording.stream:
        pytest.skip("not a whole answer")
    subject = subject_of(recording.provider if recording.provider == "vertex" else "google")
    call = chat_call(subject, HELLO, model=recording.model)
    if any(reason in recording.body.decode() for reason in FAILURES):
        pytest.skip("no answer")
    answer = subject.adapter.completion(call, recording.body)
    turn = json.loads(encode_answer(answer, call.body))["candidates"][0]["content"]
    calls = [part for part in turn["parts"] if "functionCall" in part]
    results = [
        {"functionResponse": {"name": part["functionCall"]["name"], "response": {}}}
        for part in calls
    ]
    contents = [*HELLO["contents"], turn, {"role": "user", "parts": results}]
    try:
        sent = json.loads(
            upstream_request(subject, {"contents": contents}, model=recording.model).content
        )
    except RequestError as error:
        pytest.fail(str(error))
    returned = [
        part for content in sent["contents"] for part in content["parts"] if "functionCall" in part
    ]
    assert [part.get("thoughtSignature") for part in returned if part in calls] == [
        part.get("thoughtSignature") for part in calls if part in returned
    ]
    assert [part["functionCall"]["args"] for part in returned] == [
        part["functionCall"]["args"] for part in calls
    ]
