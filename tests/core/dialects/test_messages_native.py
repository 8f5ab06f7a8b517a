"""Messages requests that are passed on as they are, and failover to providers that need a translation, and back."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from captures import Capture, captures
from message_events import Json, check_order, events_of, final_message
from recordings import Recording, for_each, recordings

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion
from llms_core.contracts.native import MESSAGES
from llms_core.native import message_format
from llms_core.testing import (
    Body,
    Close,
    Reply,
    ScriptedUpstream,
    Status,
    completion,
    events,
    json_body,
    refused_base_url,
)
from tests.core.server.conftest import NO_RETRIES, Pair, running, until

PATH = "/v1/messages"
CLAUDE = "claude-sonnet-4-5"
HELLO = [{"role": "user", "content": "Hello!"}]
WEATHER = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
SIGNATURE = "EqQBCgIYAhIkMWVn"
NO_CIRCUITS = f"{NO_RETRIES}[routing.breaker]\nfailures = 100000\n"

ANSWER: Json = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": CLAUDE,
    "content": [
        {"type": "thinking", "thinking": "Both.", "signature": SIGNATURE},
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}},
        {"type": "a_block_of_the_future", "value": 1.50},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "output_tokens": 7},
    "a_member_of_the_future": [1],
}


def config(upstream: ScriptedUpstream) -> dict[str, Any]:
    """The model `m` natively and then translated, `o` the other way round; `claude-sonnet-4-5` natively only."""
    other = {"type": "OpenAiProvider", "base_url": upstream.base_url, "api_key": "sk-marked-other"}
    claude = {"type": "anthropic", "base_url": upstream.base_url, "api_key": "sk-marked-claude"}
    return {
        "providers": {
            "before": {**other, "models": {"o": "vendor/up-m"}},
            "claude": {
                **claude,
                "models": {"m": CLAUDE, "o": CLAUDE, CLAUDE: CLAUDE, "newest": "claude-opus-5"},
            },
            "forced": {**claude, "models": {"forced": CLAUDE}, "force": {"temperature": 0.5}},
            "opted-out": {**claude, "models": {"opted-out": CLAUDE}, "pass_through": False},
            "gone": {**claude, "base_url": refused_base_url(), "models": {"r": CLAUDE}},
            "after": {**other, "models": {"m": "vendor/up-m", "r": "vendor/up-m"}},
            "deepseek": {
                "base_url": upstream.origin,
                "api_key": "sk-marked-deep",
                "models": {"deep": "deepseek-chat"},
            },
            "openrouter": {
                "base_url": f"{upstream.origin}/proxy/v1",
                "api_key": "sk-marked-router",
                "models": {"proxied": "vendor/up-m"},
            },
        }
    }


LISTENING = """
from llms_core import hookimpl
heard = []
@hookimpl
def llms_request_finished(record): heard.append(record)
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("native")
    (folder / "native_records.py").write_text(LISTENING, "utf-8")
    with running(
        folder, f'[plugins]\nload = ["native_records.py"]\n{NO_CIRCUITS}', config
    ) as started:
        yield started


@pytest.fixture(autouse=True)
def upstream(pair: Pair) -> ScriptedUpstream:
    pair.upstream.requests.clear()
    pair.upstream.default = json_body(ANSWER)
    return pair.upstream


def post(pair: Pair, content: bytes, headers: Mapping[str, str] | None = None) -> httpx.Response:
    with httpx.Client(base_url=pair.gateway.origin, timeout=20, trust_env=False) as client:
        return client.post(PATH, content=content, headers=headers)


def ask(pair: Pair, headers: Mapping[str, str] | None = None, **members: Any) -> httpx.Response:
    body = {"model": CLAUDE, "max_tokens": 100, "messages": HELLO, **members}
    return post(pair, json.dumps(body, ensure_ascii=False).encode(), headers)


def stream_of(message: Json) -> bytes:
    [chunk] = message_format.as_chunks(Completion(json.dumps(message).encode(), native=MESSAGES))
    return chunk.data


def streamed(data: bytes, *after: Any) -> Reply:
    return Reply(
        Status(200, {"content-type": "text/event-stream", "connection": "close"}),
        Body(data),
        *after,
    )


def asking(call_id: str) -> Json:
    """The assistant's message with one call."""
    return {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": call_id, "name": "weather", "input": {}}],
    }


def result(call_id: str) -> Json:
    return {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": call_id, "content": "20°"}],
    }


OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
ERROR_EVENT = b"event: error\ndata: " + json.dumps(OVERLOADED).encode() + b"\n\n"
START = stream_of(ANSWER).partition(b"event: content_block_start")[0]


# The request


@for_each(recordings("anthropic", lambda each: each.status == 200))
def test_a_recorded_exchange_is_passed_on_in_both_directions(
    pair: Pair, recording: Recording
) -> None:
    """Only the model's name and the key are replaced."""
    body = json.dumps(recording.request["body"], ensure_ascii=False).encode()
    own = recording.request["body"]["model"]
    sent = body.replace(json.dumps(own).encode(), b'"newest"', 1)
    pair.upstream.default = (
        streamed(recording.body) if recording.stream else Reply(Status(200), Body(recording.body))
    )
    response = post(pair, sent)
    assert response.status_code == 200, response.text
    seen = pair.upstream.requests[-1]
    assert seen.path == PATH
    assert seen.headers["x-api-key"] == "sk-marked-claude"
    if recording.request["body"].get("temperature") is not None or any(
        recording.request["body"].get(name) is not None for name in ("top_p", "top_k")
    ):
        # Composed for another model, and refused by the newest: translated.
        return
    assert seen.body == sent.replace(b'"newest"', b'"claude-opus-5"', 1)
    answered = (
        json.loads(recording.body)["model"] if not recording.stream else model_in(recording.body)
    )
    for written in (b'"model":%b', b'"model": %b'):
        if recording.body.count(written % json.dumps(answered).encode()):
            break
    expected = recording.body.replace(
        written % json.dumps(answered).encode(), written % b'"newest"', 1
    )
    assert response.content == expected


def model_in(stream: bytes) -> str:
    start = next(event for event in events_of(stream) if event["type"] == "message_start")
    return str(start["message"]["model"])


def is_repaired(body: Json) -> bool:
    """Whether a conversation has what this model refuses: the clients were captured with a mock in its place."""
    blocks = [
        message["content"] for message in body["messages"] if isinstance(message["content"], list)
    ]
    begins_without_thinking = (
        len(blocks) > 1
        and blocks[-1][0]["type"] == "tool_result"
        and blocks[-2][0]["type"] != "thinking"
    )
    return (
        any(message["role"] == "system" for message in body["messages"])
        or '"signature"' in json.dumps(body["messages"])
        or (body.get("thinking", {}).get("type") == "enabled" and begins_without_thinking)
    )


@captures(PATH)
def test_a_captured_request_of_an_agent_is_passed_on(pair: Pair, capture: Capture) -> None:
    body = {**capture.body, "model": CLAUDE}
    pair.upstream.default = streamed(stream_of(ANSWER)) if body.get("stream") else json_body(ANSWER)
    headers = {name.decode(): value.decode() for name, value in capture.headers}
    content = json.dumps(body).encode()
    response = post(pair, content, headers)
    assert response.status_code == 200, response.text
    seen = pair.upstream.requests[-1]
    if is_repaired(body):
        assert seen.body != content
    else:
        assert seen.body == content
        assert seen.headers["anthropic-version"] == headers["anthropic-version"]
    if "anthropic-beta" in headers:
        assert seen.headers["anthropic-beta"] == headers["anthropic-beta"]


def test_no_other_header_of_the_client_reaches_the_provider(pair: Pair) -> None:
    private = {
        "authorization": "Bearer of-the-client",
        "x-api-key": "of-the-client",
        "cookie": "session=of-the-client",
        "proxy-authorization": "of-the-client",
        "x-claude-code-session-id": "of-the-client",
        "user-agent": "of-the-client",
        "anthropic-dangerous-direct-browser-access": "of-the-client",
        "anthropic-organization-id": "of-the-client",
    }
    for model in (CLAUDE, "deep"):
        response = ask(pair, {**private, "anthropic-beta": "files-api-2025-04-14"}, model=model)
        assert response.status_code == 200
        seen = pair.upstream.requests[-1]
        assert "of-the-client" not in str(seen.headers)
        assert seen.headers["anthropic-beta"] == "files-api-2025-04-14"


@pytest.mark.parametrize("value", ["a: b", "x y\tz", '{"key": "sk-1"}', "{}"])
def test_headers_with_impossible_values_are_left_out(pair: Pair, value: str) -> None:
    assert ask(pair, {"anthropic-beta": value, "anthropic-version": value}).status_code == 200
    seen = pair.upstream.requests[-1]
    assert "anthropic-beta" not in seen.headers
    assert seen.headers["anthropic-version"] == "2023-06-01"


def test_what_only_the_protocol_expresses_reaches_a_provider_that_speaks_it(pair: Pair) -> None:
    """The same request is refused by others, with the member's name."""
    messages = [
        {"role": "user", "content": [{"type": "block_of_the_future", "x": 1}]},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": [{"type": "image", "source": {"type": "telepathy"}}]},
    ]
    members: Json = {
        "messages": messages,
        "tools": [{"type": "web_search_20250305", "name": "web_search"}],
        "new": 1,
    }
    response = ask(pair, **members)
    assert response.status_code == 200
    assert "x-llms-dropped-params" not in response.headers
    assert pair.upstream.requests[-1].json["messages"] == messages
    assert pair.upstream.requests[-1].json["tools"] == members["tools"]
    for model in ("proxied", "opted-out"):
        refused = ask(pair, model=model, **members)
        assert refused.status_code == 400
        assert refused.json()["error"]["type"] == "invalid_request_error"
        assert "'messages[0].content[0].type'" in refused.json()["error"]["message"]


def test_the_settings_of_a_provider_are_applied_to_a_translation(pair: Pair) -> None:
    ask(pair, model="forced", unknown=1)
    assert pair.upstream.requests[-1].json["temperature"] == 0.5
    ask(pair, model="opted-out")
    assert pair.upstream.requests[-1].json["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Hello!"}]}
    ]


@pytest.mark.parametrize(
    ("model", "members"),
    [
        # A parameter that the newest models lack, of a client that asked for another.
        ("newest", {"temperature": 0.5}),
        # Instructions between the messages, which an older model refuses.
        (CLAUDE, {"messages": [*HELLO, {"role": "system", "content": "Be brief."}]}),
        # Thinking that another vendor's server of the same protocol signed.
        (
            CLAUDE,
            {
                "messages": [
                    *HELLO,
                    {
                        "role": "assistant",
                        "content": [{"type": "thinking", "thinking": "…", "signature": "deep-1"}],
                    },
                    *HELLO,
                ]
            },
        ),
        # A call's id that no server of this protocol accepts.
        (
            CLAUDE,
            {
                "messages": [
                    *HELLO,
                    {
                        "role": "assistant",
                        "content": [
                            {"type": "tool_use", "id": "f:0", "name": "weather", "input": {}}
                        ],
                    },
                    {
                        "role": "user",
                        "content": [
                            {"type": "tool_result", "tool_use_id": "f:0", "content": "20°"}
                        ],
                    },
                ]
            },
        ),
        # A turn that another model began without thinking cannot go on with a budget for it.
        (
            CLAUDE,
            {
                "thinking": {"type": "enabled", "budget_tokens": 1024},
                "max_tokens": 4096,
                "messages": [
                    *HELLO,
                    {
                        "role": "assistant",
                        "content": [
                            {"type": "tool_use", "id": "f0", "name": "weather", "input": {}}
                        ],
                    },
                    {
                        "role": "user",
                        "content": [{"type": "tool_result", "tool_use_id": "f0", "content": "20°"}],
                    },
                ],
            },
        ),
        # An empty text, as models answer with.
        (
            CLAUDE,
            {
                "messages": [
                    *HELLO,
                    {"role": "assistant", "content": [{"type": "text", "text": ""}]},
                    *HELLO,
                ]
            },
        ),
    ],
)
def test_what_another_model_left_is_repaired(pair: Pair, model: str, members: Json) -> None:
    assert ask(pair, model=model, **members).status_code == 200
    sent = pair.upstream.requests[-1].json
    assert "temperature" not in sent
    assert "thinking" not in sent
    assert {message["role"] for message in sent["messages"]} <= {"user", "assistant"}
    assert "f:0" not in json.dumps(sent)
    assert "deep-1" not in json.dumps(sent)


@pytest.mark.parametrize("user", ["ada@example.com", "+49 170 1234567", "x" * 257])
def test_an_id_that_identifies_the_user_is_hashed(pair: Pair, user: str) -> None:
    """Anthropic refuses such ids."""
    assert ask(pair, metadata={"user_id": user}).status_code == 200
    sent = pair.upstream.requests[-1].json["metadata"]["user_id"]
    assert re.fullmatch("[0-9a-f]{64}", sent)


def test_adaptive_thinking_is_translated_for_an_older_claude_that_was_not_asked_for(
    pair: Pair,
) -> None:
    """Claude Code asks every model for it whose name it does not know."""
    assert ask(pair, model="m", max_tokens=4096, thinking={"type": "adaptive"}).status_code == 200
    assert pair.upstream.requests[-1].json["thinking"] == {"type": "enabled", "budget_tokens": 3276}


def test_adaptive_thinking_is_passed_on_to_the_claude_that_was_asked_for(pair: Pair) -> None:
    assert ask(pair, model=CLAUDE, thinking={"type": "adaptive"}).status_code == 200
    assert pair.upstream.requests[-1].json["thinking"] == {"type": "adaptive"}


def test_a_vendors_address_of_the_protocol_is_used_at_the_configured_host(pair: Pair) -> None:
    system = [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=1; cch=2"},
        {"type": "text", "text": "Be brief."},
    ]
    response = ask(pair, model="deep", system=system)
    assert response.status_code == 200
    assert response.json()["content"] == ANSWER["content"]
    assert response.json()["model"] == "deep"
    seen = pair.upstream.requests[-1]
    assert seen.path == "/anthropic/v1/messages"
    assert seen.headers["x-api-key"] == "sk-marked-deep"
    assert seen.json["model"] == "deepseek-chat"
    # It changes with each request and would spoil the cache of the prompt.
    assert seen.json["system"] == system[1:]
    ask(pair, model="deep", system=system[:1])
    assert "system" not in pair.upstream.requests[-1].json


def test_claudes_thinking_is_translated_for_another_vendor(pair: Pair) -> None:
    pair.upstream.default = completion()
    thought = {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "…", "signature": SIGNATURE}],
    }
    assert ask(pair, model="deep", messages=[*HELLO, thought, *HELLO]).status_code == 200
    assert pair.upstream.requests[-1].path == "/chat/completions"


def test_a_proxy_in_front_of_a_vendor_gets_chat_completions(pair: Pair) -> None:
    pair.upstream.default = completion()
    assert ask(pair, model="proxied").json()["content"][0]["text"] == "Hello!"
    assert pair.upstream.requests[-1].path == "/proxy/v1/chat/completions"


# The answer


@pytest.mark.parametrize("model", [CLAUDE, "deep"])
def test_a_whole_answer_to_a_request_for_a_stream_becomes_one(pair: Pair, model: str) -> None:
    response = ask(pair, model=model, stream=True)
    assert response.headers["content-type"].startswith("text/event-stream")
    check_order(
        [event for event in events_of(response.content) if event.get("index") != 3][: -0 or None]
    )
    message = final_message(response.content)
    assert message.model == model
    assert [block.type for block in message.content] == [
        block["type"] for block in ANSWER["content"]
    ]
    assert message.usage.output_tokens == 7


@pytest.mark.parametrize("model", [CLAUDE, "deep"])
def test_a_stream_that_was_not_requested_becomes_a_message(pair: Pair, model: str) -> None:
    pair.upstream.default = streamed(stream_of(ANSWER))
    response = ask(pair, model=model)
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {**ANSWER, "model": model}


@pytest.mark.parametrize("stream", [False, True])
def test_the_usage_of_an_answer_that_is_passed_on_is_recorded(pair: Pair, stream: bool) -> None:
    records: list[Any] = sys.modules["llms_plugin_native_records"].heard
    records.clear()
    pair.upstream.default = streamed(stream_of(ANSWER)) if stream else json_body(ANSWER)
    assert ask(pair, stream=stream).status_code == 200
    until(lambda: bool(records))
    [record] = records
    assert (record.usage.prompt_tokens, record.usage.completion_tokens) == (9, 7)


def test_an_answer_that_is_cut_anywhere_ends_with_an_error_and_without_an_end(pair: Pair) -> None:
    data = stream_of(ANSWER)
    for end in (*range(0, len(data) - 2, 97), len(data) - 3):
        pair.upstream.default = streamed(data[:end], Close())
        response = ask(pair, stream=True)
        assert b"message_stop" not in response.content
        if response.status_code == 200:
            assert events_of(response.content)[-1]["type"] == "error"
        else:
            assert response.json()["type"] == "error"


def test_an_error_after_content_reaches_the_client_as_the_end_of_the_stream(pair: Pair) -> None:
    data = stream_of(ANSWER)
    begun = data[: data.index(b"event: content_block_stop")]
    pair.upstream.default = streamed(begun + ERROR_EVENT)
    received = events_of(ask(pair, stream=True, model="m").content)
    assert received[-1]["type"] == "error"
    assert received[-1]["error"]["type"] == "overloaded_error"
    check_order(received[:-1], complete=False)


# Failover

FAILURES = {
    "refused with 429": json_body(OVERLOADED, 429),
    "refused with 529": json_body(OVERLOADED, 529),
    "refused with 400": json_body(OVERLOADED, 400),
    "cut in the body": Reply(Status(200, {"content-length": "1000"}), Body(b'{"id":'), Close()),
    "an error event before content": streamed(
        START + b"event: error\ndata: " + json.dumps(OVERLOADED).encode() + b"\n\n"
    ),
    "cut before content": streamed(START, Close()),
    "cut in the start of the message": streamed(START[:50], Close()),
    "a page": Reply(Status(200, {"content-type": "text/html"}), Body(b"<html></html>")),
    "an error with the status 200": json_body(OVERLOADED),
    "nothing": streamed(b""),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
@pytest.mark.parametrize("stream", [False, True])
def test_after_a_native_failure_the_next_provider_gets_a_translation(
    pair: Pair, failure: Reply, stream: bool
) -> None:
    pair.upstream.script(failure, completion("Hello from the next."))
    response = ask(
        pair,
        model="m",
        stream=stream,
        tools=[WEATHER],
        thinking={"type": "enabled", "budget_tokens": 50},
    )
    assert response.status_code == 200, response.text
    assert response.headers["x-llms-provider"] == "after"
    assert [seen.path for seen in pair.upstream.requests] == [PATH, "/v1/chat/completions"]
    [block] = content_of(response, stream=stream)
    assert block["text"] == "Hello from the next."
    assert b"Overloaded" not in response.content


def test_after_a_refused_connection_the_next_provider_gets_a_translation(pair: Pair) -> None:
    pair.upstream.default = completion("Hello from the next.")
    assert ask(pair, model="r").json()["content"][0]["text"] == "Hello from the next."


@pytest.mark.parametrize("stream", [False, True])
def test_after_a_translated_failure_the_next_provider_gets_the_clients_request(
    pair: Pair, stream: bool
) -> None:
    answer = streamed(stream_of(ANSWER)) if stream else json_body(ANSWER)
    pair.upstream.script(json_body({"error": {"message": "Busy"}}, 503), answer)
    response = ask(pair, model="o", stream=stream, tools=[WEATHER], only_anthropic=1)
    assert response.headers["x-llms-provider"] == "claude"
    assert "x-llms-dropped-params" not in response.headers
    assert pair.upstream.requests[-1].json == {
        "model": CLAUDE,
        "max_tokens": 100,
        "messages": HELLO,
        "stream": stream,
        "tools": [WEATHER],
        "only_anthropic": 1,
    }
    message = (
        json.loads(message_format.joined(chunk_of(response), None).data)
        if stream
        else response.json()
    )
    assert message["content"] == ANSWER["content"]


def chunk_of(response: httpx.Response) -> list[Any]:
    return [Chunk(response.content, native=MESSAGES)]


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_turn_that_began_natively_goes_on_translated_and_natively_again(
    pair: Pair, stream: bool
) -> None:
    known = {**ANSWER, "content": ANSWER["content"][:3]}
    pair.upstream.script(streamed(stream_of(known)) if stream else json_body(known))
    first = ask(pair, model="m", stream=stream, tools=[WEATHER])
    content = content_of(first, stream=stream)
    assert content == known["content"]
    conversation = [*HELLO, {"role": "assistant", "content": content}, result("toolu_1")]

    # Claude fails: another model gets the call and its result, without Claude's thinking.
    pair.upstream.script(json_body(OVERLOADED, 529), completion("20 degrees."))
    second = ask(pair, model="m", stream=stream, tools=[WEATHER], messages=conversation)
    native, translated = pair.upstream.requests[-2:]
    assert native.json["messages"] == conversation
    assert [message["role"] for message in translated.json["messages"]] == [
        "user",
        "assistant",
        "tool",
    ]
    assert translated.json["messages"][1]["tool_calls"][0]["id"] == "toolu_1"
    assert SIGNATURE not in translated.body.decode()
    conversation += [{"role": "assistant", "content": content_of(second, stream=stream)}, *HELLO]

    # Claude is back, and gets its thinking as it was.
    pair.upstream.script(json_body(ANSWER))
    assert (
        ask(pair, model="m", messages=conversation, tools=[WEATHER]).json()["content"]
        == ANSWER["content"]
    )
    sent = pair.upstream.requests[-1].json["messages"]
    assert sent[1]["content"][0] == known["content"][0]
    assert sent[1]["content"][-1]["id"] == "toolu_1"


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_turn_that_another_model_began_goes_on_natively(pair: Pair, stream: bool) -> None:
    """Its reasoning travels in an envelope, which only its owner gets back."""
    called = {
        "role": "assistant",
        "content": None,
        "reasoning_content": "Paris, then.",
        "tool_calls": [
            {
                "id": "call:0",
                "index": 0,
                "type": "function",
                "function": {"name": "weather", "arguments": '{"city":"Paris"}'},
            }
        ],
    }
    choice = {"index": 0, "finish_reason": "tool_calls"}
    frame = {"id": "chatcmpl-1", "created": 1, "model": "up-m"}
    whole = {**frame, "object": "chat.completion", "choices": [{**choice, "message": called}]}
    chunk = {**frame, "object": "chat.completion.chunk", "choices": [{**choice, "delta": called}]}
    pair.upstream.script(events(chunk, "[DONE]") if stream else json_body(whole))
    content = content_of(ask(pair, model="o", stream=stream, tools=[WEATHER]), stream=stream)
    assert [block["type"] for block in content] == ["thinking", "tool_use"]
    conversation = [*HELLO, {"role": "assistant", "content": content}, result(content[1]["id"])]

    pair.upstream.script(json_body({"error": {"message": "Busy"}}, 503), json_body(ANSWER))
    thinking = {"type": "enabled", "budget_tokens": 1024}
    answer = ask(
        pair, model="o", messages=conversation, tools=[WEATHER], thinking=thinking, max_tokens=4000
    )
    assert answer.json()["content"] == ANSWER["content"]
    sent = pair.upstream.requests[-1].json
    assert [[block["type"] for block in message["content"]] for message in sent["messages"]] == [
        ["text"],
        ["tool_use"],
        ["tool_result"],
    ]
    # Claude cannot think in a turn that began without, and refuses the other model's id.
    assert "thinking" not in sent
    assert (
        sent["messages"][1]["content"][0]["id"]
        == sent["messages"][2]["content"][0]["tool_use_id"]
        != "call:0"
    )


def content_of(response: httpx.Response, *, stream: bool) -> list[Json]:
    assert response.status_code == 200, response.text
    if not stream:
        content: list[Json] = response.json()["content"]
        return content
    check_order(events_of(response.content))
    return [block.to_dict() for block in final_message(response.content).content]
