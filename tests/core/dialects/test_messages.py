"""Anthropic's Messages API over HTTP: its own SDK is the client, and the provider speaks OpenAI's JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import anthropic
import httpx
import pytest
from message_events import Json, check_order, events_of

from llms_core.testing import Close, Reply, completion, error, events
from tests.core.server.conftest import NO_RETRIES, Pair, chunk, running, whole

PATH = "/v1/messages"
HELLO = [{"role": "user", "content": "Hello!"}]
WEATHER = {
    "name": "weather",
    "description": "The weather of a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
WEB_SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with running(tmp_path_factory.mktemp("messages"), NO_RETRIES) as started:
        yield started


@pytest.fixture
def claude(pair: Pair) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(
        base_url=pair.gateway.origin, api_key="not-needed", max_retries=0
    ) as client:
        yield client


def post(
    pair: Pair, body: Any, path: str = PATH, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return request(pair, "POST", path, headers, content)


def request(
    pair: Pair,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
) -> httpx.Response:
    with httpx.Client(base_url=pair.gateway.origin, timeout=20, trust_env=False) as client:
        return client.request(method, path, headers=headers, content=content)


def ask(pair: Pair, **members: Any) -> httpx.Response:
    return post(pair, {"model": "m", "max_tokens": 100, "messages": HELLO, **members})


def sent(pair: Pair, **members: Any) -> Json:
    """What the provider gets for a request."""
    pair.upstream.default = completion()
    response = ask(pair, **members)
    assert response.status_code == 200, response.text
    body: Json = pair.upstream.requests[-1].json
    return body


def error_of(response: httpx.Response) -> Json:
    """The error object of a response, which has to be Anthropic's."""
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert body.keys() - {"attempts"} == {"type", "error"}
    assert body["type"] == "error"
    assert body["error"].keys() == {"type", "message"}
    found: Json = body["error"]
    return found


def dropped(response: httpx.Response) -> list[str]:
    return str(response.headers.get("x-llms-dropped-params", "")).split(", ")


# Answers


def test_the_sdk_reads_a_message(claude: anthropic.Anthropic, pair: Pair) -> None:
    pair.upstream.default = completion("Hello, too!")
    message = claude.messages.create(
        model="m", max_tokens=100, messages=[{"role": "user", "content": "Hello!"}]
    )
    assert message.id.startswith("msg_")
    assert (message.model, message.role, message.stop_reason) == ("m", "assistant", "end_turn")
    assert [block.to_dict() for block in message.content] == [
        {"type": "text", "text": "Hello, too!"}
    ]
    assert message.usage.output_tokens > 0


def test_the_sdk_reads_a_stream(claude: anthropic.Anthropic, pair: Pair) -> None:
    pair.upstream.default = completion("Hello, too!")
    with claude.messages.stream(
        model="m", max_tokens=100, messages=[{"role": "user", "content": "Hello!"}]
    ) as stream:
        assert "".join(stream.text_stream) == "Hello, too!"
        assert stream.get_final_message().stop_reason == "end_turn"


def test_the_query_of_the_beta_clients_changes_nothing(
    claude: anthropic.Anthropic, pair: Pair
) -> None:
    pair.upstream.default = completion("Hello, too!")
    message = claude.beta.messages.create(
        model="m", max_tokens=100, messages=[{"role": "user", "content": "Hello!"}]
    )
    assert message.stop_reason == "end_turn"


def test_usage_is_estimated_at_the_start_and_final_at_the_end(pair: Pair) -> None:
    usage = {
        "prompt_tokens": 50,
        "completion_tokens": 7,
        "total_tokens": 57,
        "prompt_tokens_details": {"cached_tokens": 30},
    }
    pair.upstream.default = events(
        chunk({"role": "assistant", "content": "Hi"}),
        chunk({}, "stop"),
        chunk({}, usage=usage) | {"choices": []},
        "[DONE]",
    )
    found = events_of(ask(pair, stream=True).content)
    check_order(found)
    assert found[0]["message"]["usage"]["input_tokens"] > 0
    counts = found[-2]["usage"]
    assert (counts["input_tokens"], counts["cache_read_input_tokens"], counts["output_tokens"]) == (
        20,
        30,
        7,
    )


def test_a_stream_that_breaks_ends_in_an_error_event(pair: Pair) -> None:
    """SR-058"""
    head = chunk({"role": "assistant", "content": "Hi"})
    pair.upstream.default = Reply(events(head), Close())
    response = ask(pair, stream=True)
    found = events_of(response.content)
    check_order(found, complete=False)
    assert found[-1]["type"] == "error"
    assert found[-1]["error"]["type"] == "api_error"


def test_calls_of_one_answer_are_blocks_that_the_sdk_decodes(
    claude: anthropic.Anthropic, pair: Pair
) -> None:
    calls = [
        {
            "index": number,
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": "weather", "arguments": ""},
        }
        for number in range(2)
    ]
    pieces = [
        {"index": number, "function": {"arguments": text}}
        for text, number in (('{"city": ', 0), ('{"city"', 1), ('"Paris"}', 0), (': "Oslo"}', 1))
    ]
    deltas = [{"tool_calls": [each]} for each in (*calls, *pieces)]
    pair.upstream.default = events(
        *(chunk(delta) for delta in deltas), chunk({}, "tool_calls"), "[DONE]"
    )
    with claude.messages.stream(
        model="m",
        max_tokens=100,
        messages=[{"role": "user", "content": "?"}],
        tools=[WEATHER],  # type: ignore[list-item]
    ) as stream:
        message = stream.get_final_message()
    assert message.stop_reason == "tool_use"
    assert [block.input for block in message.content if block.type == "tool_use"] == [
        {"city": "Paris"},
        {"city": "Oslo"},
    ]


def test_arguments_that_were_cut_off_reach_the_client_as_text(pair: Pair) -> None:
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city": "Pa'},
    }
    pair.upstream.default = whole(
        {"role": "assistant", "content": None, "tool_calls": [call]}, "length"
    )
    body = ask(pair, tools=[WEATHER]).json()
    assert body["stop_reason"] == "max_tokens"
    assert body["content"][-1]["input"] == {"invalid_arguments": '{"city": "Pa'}


# Requests


def test_a_conversation_with_tools_is_translated(pair: Pair) -> None:
    body = sent(
        pair,
        system=[
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=1"},
            {"type": "text", "text": "Be brief."},
        ],
        tools=[WEATHER],
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
        stop_sequences=["END"],
        temperature=0.5,
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "The weather?"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "Paris"}},
                    {"type": "tool_use", "id": "b", "name": "weather", "input": {"city": "Oslo"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Hurry."},
                    {
                        "type": "tool_result",
                        "tool_use_id": "b",
                        "content": [{"type": "text", "text": "Rain"}],
                    },
                    {"type": "tool_result", "tool_use_id": "a", "content": "Sun"},
                ],
            },
            {"role": "system", "content": "Answer in French."},
        ],
    )
    assert [(message["role"], message["content"]) for message in body["messages"]] == [
        ("system", "Be brief."),
        ("user", "The weather?"),
        ("assistant", "I look."),
        ("tool", "Rain"),
        ("tool", "Sun"),
        ("user", "Hurry."),
        ("system", "Answer in French."),
    ]
    assert [
        json.loads(call["function"]["arguments"]) for call in body["messages"][2]["tool_calls"]
    ] == [
        {"city": "Paris"},
        {"city": "Oslo"},
    ]
    assert [message["tool_call_id"] for message in body["messages"][3:5]] == ["b", "a"]
    function = {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": WEATHER["input_schema"],
    }
    assert body["tools"] == [{"type": "function", "function": function}]
    assert (body["tool_choice"], body["parallel_tool_calls"]) == ("required", False)
    assert (body["stop"], body["temperature"], body["max_tokens"]) == (["END"], 0.5, 100)


def test_an_image_in_a_result_follows_it_in_a_message_of_the_user(pair: Pair) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    body = sent(
        pair,
        messages=[
            *HELLO,
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "a", "name": "shot", "input": {}}],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "a", "content": [image]}],
            },
        ],
    )
    result, shown = body["messages"][-2:]
    assert (result["role"], result["tool_call_id"]) == ("tool", "a")
    assert isinstance(result["content"], str)
    assert shown["role"] == "user"
    assert shown["content"][-1] == {
        "type": "image_url",
        "image_url": {"url": f"data:image/png;base64,{PNG}"},
    }


def test_reasoning_returns_to_the_provider_that_needs_it(pair: Pair) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    answer = {
        "role": "assistant",
        "content": None,
        "reasoning_content": "Look it up.",
        "tool_calls": [call],
    }
    pair.upstream.default = whole(answer, "tool_calls")
    content = ask(pair, tools=[WEATHER]).json()["content"]
    assert [block["type"] for block in content] == ["thinking", "tool_use"]
    result = {"type": "tool_result", "tool_use_id": "c1", "content": "Sun"}
    turns = [
        *HELLO,
        {"role": "assistant", "content": content},
        {"role": "user", "content": [result]},
    ]
    assert sent(pair, messages=turns)["messages"][1]["reasoning_content"] == "Look it up."

    content[0]["signature"] = content[0]["signature"][:-6] + "AAAAAA"
    assert "reasoning_content" not in sent(pair, messages=turns)["messages"][1]
    content[0]["signature"] = "EqQBCgIYAhIkMWVn"
    assert "reasoning_content" not in sent(pair, messages=turns)["messages"][1]


def test_a_schema_for_the_answer_is_a_response_format(pair: Pair) -> None:
    schema = {
        "type": "object",
        "properties": {"title": {"type": "string"}},
        "required": ["title"],
        "additionalProperties": False,
    }
    body = sent(pair, output_config={"format": {"type": "json_schema", "schema": schema}})
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "response", "schema": schema, "strict": True},
    }


def test_a_long_id_of_a_user_is_shortened(pair: Pair) -> None:
    assert sent(pair, metadata={"user_id": "u1"})["user"] == "u1"
    assert len(sent(pair, metadata={"user_id": "u" * 200})["user"]) == 64


def test_what_the_provider_lacks_is_reported(pair: Pair) -> None:
    pair.upstream.default = completion()
    response = ask(
        pair,
        thinking={"type": "adaptive"},
        output_config={"effort": "high"},
        context_management={"edits": []},
        top_k=5,
        tools=[WEATHER, WEB_SEARCH],
    )
    assert response.status_code == 200
    assert {
        "thinking",
        "output_config.effort",
        "context_management",
        "top_k",
        "tools.web_search",
    } <= set(dropped(response))
    body = pair.upstream.requests[-1].json
    assert [tool["function"]["name"] for tool in body["tools"]] == ["weather"]
    assert (
        not {"thinking", "output_config", "context_management", "top_k", "provider_extra"}
        & body.keys()
    )


def test_marks_of_tools_are_left_out_and_reported(pair: Pair) -> None:
    marked = {**WEATHER, "cache_control": {"type": "ephemeral"}, "defer_loading": True}
    pair.upstream.default = completion()
    response = ask(pair, tools=[marked, WEATHER])
    assert {"tools.cache_control", "tools.defer_loading"} <= set(dropped(response))
    assert all(
        tool.keys() == {"type", "function"} for tool in pair.upstream.requests[-1].json["tools"]
    )


def test_a_tool_that_is_forced_and_missing_is_refused(pair: Pair) -> None:
    response = ask(pair, tools=[WEB_SEARCH], tool_choice={"type": "tool", "name": "web_search"})
    assert response.status_code == 400
    assert "web_search" in error_of(response)["message"]


# Errors


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": None}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "?"}]}, "messages[0].role"),
        (
            {"messages": [{"role": "user", "content": [{"type": "strange"}]}]},
            "messages[0].content[0].type",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]},
            "messages[0].content[0].tool_use_id",
        ),
        ({"temperature": 1.5}, "temperature"),
        ({"tools": [{"name": "x"}]}, "tools[0].input_schema"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": {"type": "tool", "name": "x"}}, "tool_choice.name"),
        ({"thinking": {"type": "often"}}, "thinking.type"),
        ({"system": [{"type": "image"}]}, "system[0].type"),
    ],
)
def test_an_invalid_member_is_named(pair: Pair, members: Json, named: str) -> None:
    body = {"model": "m", "max_tokens": 100, "messages": HELLO, **members}
    response = post(pair, {name: value for name, value in body.items() if value is not None})
    assert response.status_code == 400
    found = error_of(response)
    assert found["type"] == "invalid_request_error"
    assert f"'{named}'" in found["message"]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "/etc/passwd", "ftp://x/y"])
def test_no_local_file_is_read(pair: Pair, url: str) -> None:
    """SR-039"""
    for type_ in ("image", "document"):
        block = {"type": type_, "source": {"type": "url", "url": url}}
        response = ask(pair, messages=[{"role": "user", "content": [block]}])
        assert response.status_code == 400
        assert "messages[0].content[0].source.url" in error_of(response)["message"]


def test_an_unknown_model_is_not_found(pair: Pair) -> None:
    for path in (PATH, f"{PATH}/count_tokens"):
        response = post(pair, {"model": "none", "max_tokens": 1, "messages": HELLO}, path)
        assert (response.status_code, error_of(response)["type"]) == (404, "not_found_error")


@pytest.mark.parametrize(
    ("status", "expected", "type_"),
    [
        (429, 429, "rate_limit_error"),
        (503, 529, "overloaded_error"),
        (401, 424, "api_error"),
        (400, 400, None),
    ],
)
def test_errors_of_providers_have_anthropics_statuses(
    pair: Pair, status: int, expected: int, type_: str | None
) -> None:
    pair.upstream.default = error(status, headers={"retry-after": "2"})
    response = ask(pair)
    assert response.status_code == expected
    assert error_of(response)["type"] == (type_ or "invalid_request_error")


def test_errors_of_the_server_are_anthropics_at_and_below_its_paths(pair: Pair) -> None:
    version = {"anthropic-version": "2023-06-01"}
    for response, status in (
        (request(pair, "GET", PATH), 405),
        (post(pair, {}, f"{PATH}/batches"), 404),
        (request(pair, "GET", "/v1/models/none", version), 404),
        (request(pair, "GET", "/v1/none", version), 404),
        (post(pair, b"{"), 400),
        (post(pair, {}, headers={"origin": "https://other.example"}), 403),
    ):
        assert response.status_code == status
        error_of(response)


def test_the_sdk_reads_the_id_of_a_request(claude: anthropic.Anthropic, pair: Pair) -> None:
    pair.upstream.default = completion()
    message = claude.messages.create(
        model="m", max_tokens=100, messages=[{"role": "user", "content": "Hello!"}]
    )
    assert message._request_id
    with pytest.raises(anthropic.NotFoundError) as raised:
        claude.messages.create(
            model="none", max_tokens=100, messages=[{"role": "user", "content": "Hello!"}]
        )
    assert raised.value.request_id
    for response in (ask(pair), ask(pair, stream=True), ask(pair, max_tokens=0)):
        assert response.headers["request-id"] == response.headers["x-request-id"]


# Keys, models and tokens


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A gateway with a key."""
    digest = hashlib.sha256(b"sk-of-ada").hexdigest()
    with running(
        tmp_path_factory.mktemp("closed"), f'[server]\nkeys = {{ ada = "sha256:{digest}" }}\n'
    ) as started:
        yield started


@pytest.mark.parametrize("path", [PATH, f"{PATH}/count_tokens"])
@pytest.mark.parametrize(
    "headers", [{"x-api-key": "sk-of-ada"}, {"authorization": "Bearer sk-of-ada"}]
)
def test_a_key_is_accepted_in_either_header(
    closed: Pair, path: str, headers: Mapping[str, str]
) -> None:
    closed.upstream.default = completion()
    body = {"model": "m", "max_tokens": 100, "messages": HELLO}
    assert post(closed, body, path, headers).status_code == 200
    for wrong in ({}, {name: f"{value}x" for name, value in headers.items()}):
        response = post(closed, body, path, wrong)
        assert (response.status_code, error_of(response)["type"]) == (401, "authentication_error")


def test_models_are_listed_as_anthropic_does(claude: anthropic.Anthropic, pair: Pair) -> None:
    assert [model.id for model in claude.models.list()] == ["m"]
    assert claude.models.retrieve("m").display_name == "m"
    assert request(pair, "GET", "/v1/models").json()["object"] == "list"


def test_tokens_are_estimated_without_the_provider(claude: anthropic.Anthropic, pair: Pair) -> None:
    before = len(pair.upstream.requests)
    short = claude.messages.count_tokens(
        model="m", messages=[{"role": "user", "content": "Hello!"}]
    )
    long = claude.messages.count_tokens(
        model="m", messages=[{"role": "user", "content": "Hello! " * 1000}]
    )
    assert 0 < short.input_tokens < 100 < long.input_tokens
    response = post(pair, {"model": "m", "messages": HELLO}, f"{PATH}/count_tokens")
    assert response.headers["x-llms-token-count"] == "estimate"
    assert len(pair.upstream.requests) == before


@pytest.mark.parametrize("path", ["/messages", "/v1/v1/messages", "/v1/v1/messages/count_tokens"])
def test_a_wrong_base_url_is_recognized(pair: Pair, path: str) -> None:
    message = post(pair, {}, path).json()["error"]["message"]
    assert "Did you mean /v1/messages" in message
    assert "must not end in /v1" in message
