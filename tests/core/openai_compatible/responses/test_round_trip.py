"""From chat to the Responses API and back: by the adapter, and by the dialect of the same API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from captures import FOLDER
from chat_requests import PNG, data_uri
from openai.types.responses import Response
from response_events import response_in
from responses_adapter import call_of, responses_adapter, sent

from llms_core.config.model import Responses
from llms_core.contracts.body import RequestBody
from llms_core.contracts.request import ChatBody, ChatCall
from llms_core.dialects import Dialect, IncomingRequest, responses
from llms_core.operations.chat import CHAT
from llms_core.testing.framing import encode_events
from llms_core.testing.upstream.responses import response_events
from llms_core.upstream.stream_decoder import StreamDecoder

Json = dict[str, Any]

IMAGE = {"type": "image_url", "image_url": {"url": data_uri("image/png", PNG), "detail": "auto"}}
CALLS = [
    {"id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": '{"a":1}'}}
    for name in "fg"
]
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
CONVERSATIONS: dict[str, list[Json]] = {
    "text": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": "Why?"},
    ],
    "parts": [
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}, IMAGE]},
    ],
    "tools": [
        {"role": "developer", "content": "Use tools."},
        {"role": "user", "content": "Go"},
        {"role": "assistant", "content": "Wait", "tool_calls": CALLS},
        {"role": "tool", "tool_call_id": "call_f", "content": "1"},
        {
            "role": "tool",
            "tool_call_id": "call_g",
            "content": [{"type": "text", "text": "See"}, IMAGE],
        },
        {"role": "assistant", "content": None, "tool_calls": [{**CALLS[0], "id": "call_h"}]},
        {"role": "tool", "tool_call_id": "call_h", "content": "2"},
    ],
}


@pytest.fixture
def dialect(tmp_path: Path) -> Dialect:
    """The dialect of a server that stores nothing."""
    return responses.create(Responses(store=False), tmp_path)[0]


def decoded(dialect: Dialect, body: Json) -> ChatBody:
    found = dialect.decode(IncomingRequest(json.dumps(body).encode()))
    assert isinstance(found, RequestBody)
    return found


def members_of(body: ChatBody) -> Json:
    return {name: msgspec.json.decode(raw) for name, raw in body.members.items()}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_conversations_survive(dialect: Dialect, name: str) -> None:
    body = sent(messages=CONVERSATIONS[name])
    assert members_of(decoded(dialect, body))["messages"] == CONVERSATIONS[name]


def test_parameters_survive(dialect: Dialect) -> None:
    function = {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True}
    given: Json = {
        "messages": CONVERSATIONS["text"],
        "tools": [{"type": "function", "function": function}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": False,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": SCHEMA, "strict": True},
        },
        "reasoning_effort": "low",
        "verbosity": "low",
        "max_completion_tokens": 100,
        "temperature": 0.5,
        "logprobs": True,
        "top_logprobs": 2,
    }
    found = members_of(decoded(dialect, sent(**given)))
    assert {name: found.get(name) for name in given} == given


# Recorded requests and answers of clients


def captured() -> Iterator[Any]:
    """Recorded requests that refer to no earlier response."""
    for path in [*sorted(FOLDER.glob("codex-*.json")), *sorted(FOLDER.glob("responses-*.json"))]:
        for number, request in enumerate(json.loads(path.read_text("utf-8"))["requests"]):
            body = request.get("body")
            if (
                isinstance(body, dict)
                and "/responses" in request["path"]
                and not body.get("previous_response_id")
            ):
                yield pytest.param(request, id=f"{path.stem}-{number}")


def chat_call(body: ChatBody) -> ChatCall:
    return msgspec.structs.replace(call_of(), body=body)


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the recorded requests are not here")
@pytest.mark.parametrize("request_", list(captured()))
def test_recorded_requests_reach_a_provider_of_the_same_api(
    dialect: Dialect, request_: Json
) -> None:
    recorded = request_["body"]
    body = json.loads(responses_adapter().request(chat_call(decoded(dialect, recorded))).content)
    assert outputs_in(body) == outputs_in(recorded)
    names = {
        tool["name"]
        for tool in recorded.get("tools") or ()
        if tool["type"] in ("function", "custom")
    }
    assert names <= {tool.get("name") for tool in body.get("tools", ())}
    if recorded.get("text", {}).get("format"):
        assert body["text"]["format"]["type"] == recorded["text"]["format"]["type"]


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the recorded requests are not here")
@pytest.mark.parametrize("request_", list(captured()))
def test_recorded_answers_come_back_as_they_were(dialect: Dialect, request_: Json) -> None:
    answer = response_in_capture(request_)
    if answer is None:
        pytest.skip("the recording is not whole")
    body = decoded(dialect, request_["body"])
    call = chat_call(body)
    adapter = responses_adapter()
    given = {**answer, "output": [as_sent(item) for item in answer["output"]]}
    encoded = dialect.encode_answer(adapter.completion(call, json.dumps(given).encode()), body)
    assert isinstance(encoded, bytes)
    Response.model_validate_json(encoded)
    assert essence(json.loads(encoded)) == essence(answer)

    reader = CHAT.stream(adapter, call)
    events = [(event["type"], event) for event in response_events(given)]
    chunks = StreamDecoder(reader).feed(b"".join(encode_events(events, "sse")))
    assert dialect.stream_writer is not None
    writer = dialect.stream_writer(body)
    text = writer.write([*chunks, *reader.held_back()])
    end = writer.end()
    assert isinstance(end, bytes)
    assert essence(response_in((text + end).decode())) == essence(answer)


def as_sent(item: Json) -> Json:
    """An item as the provider sends it: it gets the client's custom tools as functions with one text."""
    if item["type"] != "custom_tool_call":
        return item
    arguments = json.dumps({"input": item["input"]})
    return {**item, "type": "function_call", "arguments": arguments}


def outputs_in(body: Json) -> int:
    """How many results of tools a request has."""
    if isinstance(body["input"], str):
        return 0
    return sum(str(item.get("type")).endswith("_output") for item in body["input"])


def response_in_capture(request: Json) -> Json | None:
    """The recorded answer, whole or the one that a stream ended with; None if it was shortened."""
    text = request.get("answer_that_the_app_accepted") or ""
    lines = [
        line.removeprefix("data: ")
        for line in text.splitlines()
        if line.startswith(("data: {", "{"))
    ]
    try:
        last = json.loads(lines[-1])
    except (IndexError, json.JSONDecodeError):
        return None
    found = last.get("response", last)
    return found if found.get("status") == "completed" else None


def essence(response: Json) -> list[Any]:
    """What a client reads of a response: texts, and calls with their arguments."""
    found: list[Any] = []
    for item in response["output"]:
        match item["type"]:
            case "message":
                found.append("".join(part.get("text", "") for part in item["content"]))
            case "function_call":
                found.append((item["name"], item["arguments"], item["call_id"]))
            case "custom_tool_call":
                found.append((item["name"], item["input"], item["call_id"]))
    return found
