"""Function names that a provider does not accept are sent as others, and come back as the client wrote them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from llms_core.contracts.request import ChatCall, decode
from llms_core.testing.framing import encode_events
from llms_core.testing.groups.base import body_of
from llms_core.testing.playback import decode_stream
from llms_core.testing.subject import Subject, find

PROVIDERS = (
    "anthropic",
    "azure",
    "bedrock",
    "cohere",
    "google",
    "mistral",
    "ollama",
    "openai",
    "responses",
    "vertex",
)
NAMES = ("3d_render", "get-weather", "files.read", "mcp/search query", "n" * 80)
QUESTION = {"role": "user", "content": "Which?"}


def names_in(value: Any) -> Iterator[str]:
    """Yield the members `name` of all objects in a JSON value."""
    if isinstance(value, dict):
        if isinstance(value.get("name"), str):
            yield value["name"]
        for member in value.values():
            yield from names_in(member)
    elif isinstance(value, list):
        for entry in value:
            yield from names_in(entry)


def tool(name: str) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object", "properties": {}}},
    }


def conversation_with(name: str) -> list[dict[str, Any]]:
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": "{}"}}
    return [
        QUESTION,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "Done"},
    ]


def subject_of(provider: str) -> Subject:
    if provider == "responses":
        return find("openai-compatible", None, "llms_core.testing.responses_wire:RESPONSES")
    return find(provider, None)


@pytest.fixture(params=PROVIDERS)
def subject(request: pytest.FixtureRequest) -> Subject:
    return subject_of(request.param)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_the_same_everywhere_in_a_request_and_returns_unchanged(
    subject: Subject, name: str
) -> None:
    members = {
        "tools": [tool(name)],
        "messages": conversation_with(name),
        "tool_choice": {"type": "function", "function": {"name": name}},
    }
    sent = set(names_in(json.loads(subject.request(**members).content)))
    assert len(sent) == 1
    (provider_name,) = sent

    example = subject.wire.tool_call
    assert example is not None
    (known,) = example.calls
    whole = body_of(example).replace(known.name.encode(), provider_name.encode())
    message = json.loads(subject.adapter.completion(subject.call(**members), whole).data)[
        "choices"
    ][0]["message"]
    assert [call["function"]["name"] for call in message["tool_calls"]] == [name]

    text = json.dumps(
        [list(event) if isinstance(event, tuple) else event for event in example.events]
    )
    events = json.loads(text.replace(known.name, provider_name))
    pairs = [tuple(event) if isinstance(event, list) else event for event in events]
    decoder = decode_stream(subject, subject.call(stream=True, **members))
    chunks = decoder.feed(b"".join(encode_events(pairs, subject.wire.framing)))
    streamed = [call_name for chunk in chunks for call_name in names_in(json.loads(chunk.data))]
    assert streamed == [name]


def test_names_that_become_equal_are_told_apart(subject: Subject) -> None:
    body = json.loads(subject.request(tools=[tool("a.b"), tool("a/b"), tool("a_b")]).content)
    names = list(names_in(body))
    assert len(set(names)) == len(names) == 3


def test_names_that_need_no_change_are_passed_on_as_bytes() -> None:
    subject = find("openai", None)
    odd = {
        "type": "function",
        "function": {"name": "f", "parameters": {"default": {"name": "a.b"}, "x": 1.50}},
    }
    request = subject.request(tools=[odd])
    assert json.loads(request.content)["tools"] == [odd]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_name_of_an_earlier_call_needs_no_tool(provider: str) -> None:
    """The conversation may have begun with other tools."""
    subject = subject_of(provider)
    sent = json.loads(
        subject.request(
            messages=conversation_with("files.read"), tools=[tool("files_read")]
        ).content
    )
    assert len(set(names_in(sent))) <= 2
    if provider in ("openai", "azure", "mistral", "responses"):
        assert len(set(names_in(sent))) == 2
        assert "files.read" not in set(names_in(sent))


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
def test_names_are_restored_in_answers_of_the_responses_api(is_streamed: bool) -> None:
    """OpenAI answers some models only there."""
    subject = find("openai", None)
    members = {
        "tools": [tool("files.read")],
        "messages": conversation_with("files.read"),
        "stream": is_streamed,
    }
    body = decode(json.dumps({"model": "m", **members}).encode())
    call = ChatCall(
        body=body, upstream_model="gpt-5-codex", client_model="m", id="chatcmpl-1", created=1
    )
    request = subject.adapter.request(call)
    assert request.url.endswith("/responses")
    assert set(names_in(json.loads(request.content))) == {"files_read"}

    item = {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "call_2",
        "name": "files_read",
        "arguments": "{}",
    }
    response = {
        "id": "resp_1",
        "status": "completed",
        "output": [{**item, "status": "completed"}],
        "model": "m",
    }
    if is_streamed:
        translator = subject.adapter.chunks(call)
        found: list[Any] = []
        for event in (
            {
                "type": "response.created",
                "response": {**response, "status": "in_progress", "output": []},
            },
            {
                "type": "response.output_item.added",
                "output_index": 0,
                "item": {**item, "arguments": ""},
            },
            {
                "type": "response.function_call_arguments.delta",
                "output_index": 0,
                "item_id": "fc_1",
                "delta": "{}",
            },
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": response},
        ):
            found += [
                json.loads(chunk.data) for chunk in translator.feed("", json.dumps(event).encode())
            ]
    else:
        found = [json.loads(subject.adapter.completion(call, json.dumps(response).encode()).data)]
    calls = [call for chunk in found for choice in chunk["choices"] for call in calls_in(choice)]
    assert [call["function"]["name"] for call in calls if call["function"].get("name")] == [
        "files.read"
    ]


def calls_in(choice: dict[str, Any]) -> list[dict[str, Any]]:
    return (choice.get("message") or choice.get("delta") or {}).get("tool_calls") or []
