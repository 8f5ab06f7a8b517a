"""The Responses API with every adapter: recorded requests of real clients, and recorded answers of providers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from captures import FOLDER
from chat_streams import ChatStream
from official_types import CHECKS
from openai.types.responses import Response
from response_events import response_in

from llms_core.config.model import Responses
from llms_core.contracts.body import RequestBody
from llms_core.contracts.request import ChatBody, ChatCall
from llms_core.dialects import Dialect, ErrorResponse, IncomingRequest, responses
from llms_core.errors import ErrorKind, ProviderError
from llms_core.operations.chat import CHAT
from llms_core.testing.framing import encode_events, encode_json
from llms_core.testing.subject import Subject, find
from llms_core.testing.wire import Example

Json = dict[str, Any]

PROVIDERS = (
    "openai",
    "anthropic",
    "google",
    "vertex",
    "bedrock",
    "cohere",
    "ollama",
    "azure",
    "mistral",
    "groq",
    "responses",
)
EXAMPLES = ("text", "length", "tool_call", "parallel_calls", "reasoning", "empty", "blocked")
FAILED = ErrorResponse(
    status=502, message="The stream broke", type="api_error", code="bad_response"
)

TOOLS = [
    {"type": "function", "name": name, "parameters": {"type": "object"}} for name in ("a", "b")
]


@pytest.fixture(scope="module")
def dialect(tmp_path_factory: pytest.TempPathFactory) -> Dialect:
    """The dialect of a server that stores nothing."""
    return responses.create(Responses(store=False), tmp_path_factory.mktemp("none"))[0]


@cache
def subject_of(provider: str) -> Subject:
    if provider == "responses":
        return find("openai-compatible", None, "llms_core.testing.responses_wire:RESPONSES")
    return find(provider, None)


@pytest.fixture(params=PROVIDERS)
def subject(request: pytest.FixtureRequest) -> Subject:
    return subject_of(request.param)


def captures() -> Iterator[Any]:
    """Every recorded request to this API; in place of an earlier response, those with the calls that it had."""
    for path in [*sorted(FOLDER.glob("codex-*.json")), *sorted(FOLDER.glob("responses-*.json"))]:
        for number, request in enumerate(json.loads(path.read_text("utf-8"))["requests"]):
            body = request.get("body")
            if isinstance(body, dict) and "/responses" in request["path"]:
                yield pytest.param(with_calls(body), id=f"{path.stem}-{number}")


def with_calls(body: Json) -> Json:
    if body.get("previous_response_id") is None:
        return body
    answered = [item["call_id"] for item in body["input"] if item["type"] == "function_call_output"]
    calls = [
        {"type": "function_call", "call_id": each, "name": "get_weather", "arguments": "{}"}
        for each in answered
    ]
    return {**body, "previous_response_id": None, "input": [*calls, *body["input"]]}


def decoded(dialect: Dialect, **members: object) -> ChatBody:
    body = dialect.decode(
        IncomingRequest(json.dumps({"model": "m", "input": "Go", **members}).encode())
    )
    assert isinstance(body, RequestBody)
    return body


def call_of(subject: Subject, body: ChatBody) -> ChatCall:
    return ChatCall(
        body=body,
        upstream_model=subject.wire.model,
        client_model=body.view.model,
        id="chatcmpl-1",
        created=1_700_000_000,
    )


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the recorded requests are not here")
@pytest.mark.parametrize("capture", list(captures()))
def test_every_recorded_request_is_accepted_and_translated(
    dialect: Dialect, subject: Subject, capture: Json
) -> None:
    body = decoded(dialect, **capture)
    request = subject.adapter.request(call_of(subject, body))
    assert json.loads(request.content)
    texts = json.dumps(capture, ensure_ascii=False)
    sent = request.content.decode()
    for tool in capture.get("tools") or ():
        if tool["type"] in ("function", "custom"):
            assert tool["name"] in sent
        if tool["type"] == "namespace":
            assert all(f"{tool['name']}__{inner['name']}" in sent for inner in tool["tools"])
    assert ("Go [[tool:get_weather" in texts) == ("Go [[tool:get_weather" in sent)


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the recorded requests are not here")
@pytest.mark.parametrize("provider", CHECKS)
@pytest.mark.parametrize("capture", list(captures()))
def test_the_providers_own_sdk_could_have_sent_it(
    dialect: Dialect, provider: str, capture: Json
) -> None:
    subject = subject_of(provider)
    call = call_of(subject, decoded(dialect, **{**capture, "stream": False}))
    request = CHAT.request(subject.adapter, call)
    CHECKS[provider](json.loads(request.content), subject.wire.model)


def examples(subject: Subject) -> Iterator[Example]:
    """The recorded answers that are no errors."""
    for name in EXAMPLES:
        example = subject.wire.example(name)
        if example is not None and not isinstance(example.means, ErrorKind):
            yield example


def test_every_recorded_answer_is_one_of_this_api(dialect: Dialect, subject: Subject) -> None:
    for example in examples(subject):
        body = decoded(dialect, tools=TOOLS)
        call = call_of(subject, body)
        data = example.whole if isinstance(example.whole, bytes) else encode_json(example.whole)
        encoded = dialect.encode_answer(subject.adapter.completion(call, data), body)
        assert isinstance(encoded, bytes)
        Response.model_validate_json(encoded)
        check_meaning(example, json.loads(encoded))


def test_every_recorded_stream_is_one_of_this_api_however_it_is_split(
    dialect: Dialect, subject: Subject
) -> None:
    body = decoded(dialect, tools=TOOLS, stream=True)
    for example in examples(subject):
        data = b"".join(encode_events(example.events, subject.wire.framing))
        for size in (5, len(data)):
            if data:
                check_meaning(example, response_in(streamed(dialect, subject, body, data, size)))


def check_meaning(example: Example, response: Json) -> None:
    (meaning,) = example.choices
    items = response["output"]
    texts = [
        part["text"]
        for item in items
        if item["type"] == "message"
        for part in item["content"]
        if part["type"] == "output_text"
    ]
    assert "".join(texts) == meaning.text
    calls = [item for item in items if item["type"] == "function_call"]
    assert [(call["name"], json.loads(call["arguments"])) for call in calls] == [
        (call.name, call.arguments) for call in meaning.calls
    ]
    thoughts = [
        part["text"]
        for item in items
        if item["type"] == "reasoning"
        for part in item.get("content", ())
    ]
    assert "".join(thoughts) == meaning.reasoning
    incomplete = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(
        meaning.finish_reason
    )
    assert response["status"] == ("completed" if incomplete is None else "incomplete")
    if incomplete is not None:
        assert response["incomplete_details"] == {"reason": incomplete}


@pytest.mark.slow
def test_a_stream_that_is_cut_at_any_byte_is_whole_or_failed(
    dialect: Dialect, subject: Subject
) -> None:
    example = subject.wire.parallel_calls or subject.wire.text
    data = b"".join(encode_events(example.events, subject.wire.framing))
    body = decoded(dialect, tools=TOOLS, stream=True)
    ends = set()
    for end in range(len(data) + 1):
        text = streamed(dialect, subject, body, data[:end], max(end, 1))
        last = text[text.rindex("event: ") :].partition("\n")[0]
        if last not in ends or "completed" in last:
            response = response_in(text)
            if response["status"] == "completed":
                check_meaning(example, response)
        assert text.count("event: response.completed\n") == ("completed" in last)
        ends.add(last)
    assert ends == {"event: response.completed", "event: response.failed"}


def streamed(dialect: Dialect, subject: Subject, body: ChatBody, data: bytes, size: int) -> str:
    """The stream that the client gets if the provider's ends after this data, as the server reads and writes it."""
    call = call_of(subject, body)
    assert dialect.stream_writer is not None
    writer = dialect.stream_writer(body)
    stream = ChatStream(subject.adapter.chunks(call))
    written = b""
    try:
        for start in range(0, len(data), size):
            written += writer.write(stream.feed(data[start : start + size]))
        written += writer.write(stream.feed(b""))
    except ProviderError:
        return (written + writer.error(FAILED)).decode()
    if stream.failure is not None or not stream.complete:
        return (written + writer.error(FAILED)).decode()
    written += writer.write(stream.held_back())
    end = writer.end()
    assert isinstance(end, bytes)
    return (written + end).decode()
