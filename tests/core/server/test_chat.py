"""`POST /v1/chat/completions` as a client sees it, and what the provider behind it sees."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from llms_core.testing import (
    Close,
    Reply,
    Reset,
    ScriptedUpstream,
    Stall,
    Wait,
    completion,
    error,
    events,
    json_body,
    text_body,
)
from tests.core.server.conftest import (
    CHAT,
    HELLO,
    KEY,
    NO_RETRIES,
    TEXT,
    UPSTREAM_ID,
    Asking,
    Pair,
    Wire,
    chunk,
    data_of,
    error_of,
    first_alone,
    request_of,
    until,
    whole,
)

if TYPE_CHECKING:
    from tests.conftest import Gateway, ProviderBlock, Serve

Ask = Callable[["Gateway"], Asking]
Connect = Callable[["Gateway"], Wire]
ConfigOf = Callable[..., dict[str, Any]]


# Routes


def test_sr_001_sr_006_sr_025_a_model_and_messages_are_enough(
    ask: Asking, first: ScriptedUpstream
) -> None:
    """SR-001, SR-006, SR-025, SR-051: JSON in, JSON out."""
    response = ask.post({"model": "m", "messages": HELLO})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json()["choices"][0]["message"] == {"role": "assistant", "content": "Hello!"}
    assert first.requests[0].json == {"model": UPSTREAM_ID, "messages": HELLO}


def test_sr_003_no_key_is_needed(ask: Asking) -> None:
    response = ask.chat()
    assert "authorization" not in response.request.headers
    assert response.status_code == 200


@pytest.mark.parametrize(
    "value",
    ["Bearer not-needed", "Bearer x", "Basic zzz", "", "Bearer", "Bearer  ", "é", "Bearer é"],
)
def test_sr_004_any_key_is_accepted(pair: Pair, wire: Connect, value: str) -> None:
    connection = wire(pair.gateway)
    connection.send(request_of({"model": "m", "messages": HELLO}, headers={"authorization": value}))
    assert connection.answer().status_code == 200


@pytest.mark.parametrize(
    "name", ["authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie"]
)
def test_sr_005_the_clients_key_is_not_forwarded(
    ask: Asking, first: ScriptedUpstream, name: str
) -> None:
    ask.chat({name: "Bearer of-the-client"})
    seen = first.requests[0]
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert "of-the-client" not in f"{seen.headers}{seen.body!r}{seen.path}"


def test_sr_007_every_model_of_every_enabled_provider(
    upstreams: Callable[[], ScriptedUpstream],
    provider: ProviderBlock,
    config_of: ConfigOf,
    served: Serve,
    asking: Ask,
) -> None:
    """SR-007: by its local name, which becomes the provider's own."""
    one, two = upstreams(), upstreams()
    named = {
        "kimi-k2": "moonshotai/kimi-k2",
        "llama": "llama-3.1-8b",
        "org/with:slash": "org/with:slash@1",
    }
    listed = ["a-model", "another model", "ünïcode"]
    config = config_of(one=provider(one, named), two={**provider(two), "models": listed})
    ask = asking(served(config))
    for name in [*named, *listed]:
        assert ask.chat(model=name).json()["model"] == name
    assert [seen.json["model"] for seen in one.requests] == list(named.values())
    assert [seen.json["model"] for seen in two.requests] == listed


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/nope"),
        ("POST", "/v1/fine_tuning"),
        ("GET", "/v1"),
        ("POST", "/v1/chat"),
        ("POST", "/v1/chat/completions/more"),
        ("POST", "/V1/chat/completions"),
        ("GET", "/nope.html"),
        ("GET", '/%00/%ff/"<b>'),
        ("GET", "/x/nope"),
    ],
)
def test_sr_008_an_unknown_path(ask: Asking, method: str, path: str) -> None:
    response = ask.http.request(method, path)
    assert response.status_code == 404
    error = error_of(response)
    assert (error["type"], error["code"]) == ("invalid_request_error", "not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *((method, CHAT) for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS")),
        ("GET", "/v1/completions"),
        ("POST", "/v1/models"),
        ("DELETE", "/v1/models/m"),
        ("POST", "/health"),
    ],
)
def test_sr_008_a_wrong_method(ask: Asking, method: str, path: str) -> None:
    """SR-008: 405 with the allowed methods."""
    response = ask.http.request(method, path)
    assert response.status_code == 405
    assert error_of(response)["code"] == "method_not_allowed"
    allowed = set(response.headers["allow"].split(", "))
    assert allowed & {"POST", "GET"}
    assert ("HEAD" in allowed) == ("GET" in allowed)


def test_sr_008_head_has_a_status_and_no_body(ask: Asking) -> None:
    response = ask.http.head(CHAT)
    assert (response.status_code, response.content) == (405, b"")


@pytest.mark.parametrize("path", ["/docs/x", "/docs/x.json", "/docs/x/y", "/none"])
def test_sr_008_an_unknown_path_is_an_error_in_json(ask: Asking, path: str) -> None:
    response = ask.get(path)
    assert response.status_code == 404
    assert f"Unknown path: {path}" in error_of(response)["message"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/health",
        "/ready",
        "/v1/models",
        "/v1/models/m",
        "/docs",
        "/docs/openapi.json",
        "/v1/nope",
    ],
)
def test_sr_008_head_works_wherever_get_does(ask: Asking, path: str) -> None:
    """SR-008: the same status and headers; monitors and browsers send it."""
    head, get = ask.http.head(path), ask.get(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    for name in ("content-type", "content-length"):
        assert head.headers.get(name) == get.headers.get(name)


def test_sr_008_a_connection_serves_on_after_head(pair: Pair, wire: Connect) -> None:
    connection = wire(pair.gateway)
    connection.send(
        b"HEAD /health HTTP/1.1\r\nhost: test\r\n\r\n"
        + request_of({"model": "m", "messages": HELLO})
    )
    received = b""
    while b"chat.completion" not in received:
        received += connection.socket.recv(65536)
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert b'"status"' not in received


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/chat/completions", "/v1/chat/completions"),
        ("/v1/v1/chat/completions", "/v1/chat/completions"),
        ("/api/chat/completions", "/v1/chat/completions"),
        ("/openai/v1/chat/completions/", "/v1/chat/completions"),
        ("/completions", "/v1/completions"),
        ("/v1/v1/completions", "/v1/completions"),
        ("/models", "/v1/models"),
        ("/v1/v1/models", "/v1/models"),
    ],
)
def test_sr_008_a_wrong_base_url_is_explained(ask: Asking, path: str, meant: str) -> None:
    # llms.py has a list of models at `/models`; what follows is for clients of OpenAI's SDKs.
    headers = {"x-stainless-lang": "python"}
    response = ask.get(path, headers) if meant == "/v1/models" else ask.post({}, path, headers)
    message = error_of(response)["message"]
    assert response.status_code == 404
    assert f"Did you mean {meant}? A client's base URL has to end in /v1, once." in message


def test_sr_008_the_same_version_of_an_api_is_suggested(ask: Asking) -> None:
    assert "Did you mean /v2/rerank?" in error_of(ask.post({}, "/v1/v2/rerank"))["message"]


@pytest.mark.parametrize("path", ["/nope", "/v1/nope", "/v1/fine_tuning", "/v1", "/" + "y" * 4000])
def test_sr_008_an_unknown_path_lists_what_is_served(ask: Asking, path: str) -> None:
    message = error_of(ask.post({}, path))["message"]
    assert "Served are POST /v1/chat/completions, /v1/completions, /v1/messages, " in message
    assert ", and GET /v1/models, " in message
    assert ", /v1/responses/{response_id}, " in message
    assert "Did you mean" not in message
    assert len(message) < 1200


# Parameters


def test_sr_020_stream_true_is_a_stream(ask: Asking, first: ScriptedUpstream) -> None:
    response = ask.chat(stream=True)
    assert response.headers["content-type"].partition(";")[0] == "text/event-stream"
    assert data_of(response.text)[-1] == "[DONE]"
    assert first.requests[0].json["stream"] is True


@pytest.mark.parametrize("members", [{}, {"stream": False}, {"stream": None}])
def test_sr_028_anything_else_is_not_streamed(ask: Asking, members: dict[str, object]) -> None:
    assert ask.chat(**members).json()["object"] == "chat.completion"


def test_sr_026_unknown_parameters_pass_through_unchanged(
    ask: Asking, first: ScriptedUpstream
) -> None:
    """SR-026: byte for byte, so that numbers and escapes keep their spelling."""
    members = [
        rb'"tools": [{"type":"function","function":{"name":"f","parameters":{"minimum":1.50,"x":1e2}}}]',
        rb'"tool_choice": {"type":"function","function":{"name":"f"}}',
        rb'"response_format": {"type":"json_schema","json_schema":{"name":"n","schema":{"type": "object"}}}',
        rb'"n": 1',
        rb'"user": "\u00fc\ud83d\ude00 \/ \n"',
        rb'"parallel_tool_calls": false',
        rb'"store": true',
        rb'"service_tier": "flex"',
        rb'"verbosity": "low"',
        rb'"prompt_cache_key": "k"',
        rb'"safety_identifier": "s"',
        rb'"logit_bias": {"50256": -100, "1": 0.10}',
        rb'"metadata": {"a": "b"}',
        rb'"prediction": {"type":"content","content":"x"}',
        rb'"modalities": ["text"]',
        rb'"audio": {"voice":"alloy","format":"mp3"}',
        rb'"of_a_vendor": {"deep":[1.0,-0,1E+2,12345678901234567890123,null,{"k":[]}], "k" : "v"}',
        '"naïve": "é"'.encode(),
    ]
    body = (
        b'{"model":"m","messages":[{"role":"user","content":"Hello!"}],' + b",".join(members) + b"}"
    )
    assert ask.post(body).status_code == 200
    sent = first.requests[0].body
    assert [member for member in members if member.partition(b": ")[2] not in sent] == []
    assert first.requests[0].json.keys() == json.loads(body).keys()


@pytest.mark.parametrize(
    "name",
    [
        *(
            "temperature",
            "max_tokens",
            "max_completion_tokens",
            "top_p",
            "frequency_penalty",
            "presence_penalty",
        ),
        *(
            "stop",
            "seed",
            "stream",
            "logprobs",
            "top_logprobs",
            "reasoning_effort",
            "enable_thinking",
        ),
        *("tools", "tool_choice", "response_format", "n", "stream_options", "user", "of_a_vendor"),
    ],
)
def test_sr_027_null_is_absent(ask: Asking, name: str) -> None:
    assert ask.chat(**{name: None}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{bad", b"[]", b"null", b'"m"', b"1", b"\xff\xfe", b'{"model":"m","messages":[]'),
        *(
            b'{"model":"m","messages":[{"role":"user","content":"\xff"}]}',
            b'{"a":' * 20_000,
            b"[" * 20_000,
        ),
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"deep":'
        + b"[" * 20_000
        + b"]" * 20_000
        + b"}",
    ],
    ids=lambda body: repr(body[:40]),
)
def test_sr_030_a_body_that_is_not_a_json_object(
    ask: Asking, first: ScriptedUpstream, body: bytes
) -> None:
    response = ask.post(body)
    assert response.status_code == 400
    assert error_of(response)["type"] == "invalid_request_error"
    assert first.requests == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": HELLO}, "model"),
        ({"model": None, "messages": HELLO}, "model"),
        ({"model": "", "messages": HELLO}, "model"),
        ({"model": 1, "messages": HELLO}, "model"),
        ({"model": "m"}, "messages"),
        ({"model": "m", "messages": None}, "messages"),
        ({"model": "m", "messages": []}, "messages"),
        ({"model": "m", "messages": "Hello!"}, "messages"),
        ({"model": "m", "messages": ["Hello!"]}, "messages[0]"),
        ({"model": "m", "messages": [{"content": "Hello!"}]}, "messages[0].role"),
        ({"model": "m", "messages": HELLO, "temperature": 2.1}, "temperature"),
        ({"model": "m", "messages": HELLO, "max_tokens": 1.5}, "max_tokens"),
        ({"model": "m", "messages": HELLO, "stop": 1}, "stop"),
        ({"model": "m", "messages": HELLO, "stop": ["a", 1]}, "stop[1]"),
        ({"model": "m", "messages": HELLO, "stream": "yes"}, "stream"),
        (
            {"model": "m", "messages": HELLO, "stream_options": {"include_usage": 1}},
            "stream_options.include_usage",
        ),
        ({"model": "m", "messages": HELLO, "top_logprobs": 21}, "top_logprobs"),
    ],
)
def test_sr_010_to_sr_022_the_invalid_parameter_is_named(
    ask: Asking, first: ScriptedUpstream, body: dict[str, object], param: str
) -> None:
    """SR-010, SR-011, SR-012, SR-013, SR-018, SR-020, SR-022, SR-084: 400 with `param`; nothing is sent upstream."""
    response = ask.post(body)
    assert response.status_code == 400
    error = error_of(response)
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert first.requests == []


# Messages


def test_sr_031_a_conversation_keeps_its_order(ask: Asking, first: ScriptedUpstream) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "Two."},
        {"role": "user", "content": "Three?", "name": "ada"},
    ]
    assert ask.chat(messages=messages).status_code == 200
    assert first.requests[0].json["messages"] == messages


@pytest.mark.parametrize("role", ["developer", "tool", "function"])
def test_sr_032_further_roles(ask: Asking, first: ScriptedUpstream, role: str) -> None:
    messages = [*HELLO, {"role": role, "content": "x", "name": "f", "tool_call_id": "call_1"}]
    assert ask.chat(messages=messages).status_code == 200
    assert first.requests[0].json["messages"] == messages


@pytest.mark.parametrize("role", ["root", "User", "", None, 1])
def test_sr_032_an_unknown_role(ask: Asking, role: object) -> None:
    response = ask.chat(messages=[*HELLO, {"role": role, "content": "x"}])
    assert response.status_code == 400
    assert error_of(response)["param"] == "messages[1].role"


JPEG = "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQ=="
TEXT_PART = {"type": "text", "text": "What is it?"}


@pytest.mark.parametrize(
    "content",
    [
        "plain",
        "",
        "ü 😀 \u2028 \x00",
        [TEXT_PART],
        [TEXT_PART, {"type": "image_url", "image_url": {"url": JPEG, "detail": "low"}}],
        [{"type": "image_url", "image_url": {"url": "https://example.com/a.png?x=1"}}],
        [{"type": "image_url", "image_url": "https://example.com/a.png"}],
        [{"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}],
        [
            {
                "type": "file",
                "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
            }
        ],
        [{"type": "file", "file": {"file_id": "file-abc"}}],
        [
            {
                "type": "of_a_vendor",
                "of_a_vendor": {"x": [1]},
                "cache_control": {"type": "ephemeral"},
            }
        ],
    ],
)
def test_sr_033_to_sr_038_content_of_every_kind_is_forwarded(
    ask: Asking, first: ScriptedUpstream, content: object
) -> None:
    """SR-033, SR-034, SR-035, SR-036, SR-037, SR-038: an OpenAI-compatible provider receives it unchanged."""
    messages = [{"role": "user", "content": content}]
    assert ask.chat(messages=messages).status_code == 200
    assert first.requests[0].json["messages"] == messages


@pytest.mark.parametrize(
    ("member", "part"),
    [
        ("image_url.url", {"type": "image_url", "image_url": {"url": "/etc/hostname"}}),
        ("image_url.url", {"type": "image_url", "image_url": {"url": "file:///etc/hostname"}}),
        ("image_url.url", {"type": "image_url", "image_url": {"url": "cat.png"}}),
        ("image_url", {"type": "image_url", "image_url": "../cat.png"}),
        (
            "input_audio.data",
            {"type": "input_audio", "input_audio": {"data": "/etc/hostname", "format": "wav"}},
        ),
        ("file.file_data", {"type": "file", "file": {"file_data": "/etc/hostname"}}),
        ("file.file_data", {"type": "file", "file": {"file_data": "~/.ssh/id_rsa"}}),
        ("file.file_data", {"type": "file", "file": {"file_data": "C:\\boot.ini"}}),
    ],
)
def test_sr_039_a_local_path_is_refused(
    ask: Asking, first: ScriptedUpstream, member: str, part: dict[str, object]
) -> None:
    response = ask.chat(messages=[*HELLO, {"role": "user", "content": [TEXT_PART, part]}])
    assert response.status_code == 400
    assert error_of(response)["param"] == f"messages[1].content[1].{member}"
    assert first.requests == []


def test_sr_040_a_tool_call_and_its_answer(ask: Asking, first: ScriptedUpstream) -> None:
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "f", "arguments": '{"a": 1.0}'},
    }
    messages = [
        *HELLO,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    ]
    assert ask.chat(messages=messages).status_code == 200
    assert first.requests[0].json["messages"] == messages


def test_sr_041_every_system_message_is_kept(ask: Asking, first: ScriptedUpstream) -> None:
    messages = [
        {"role": "system", "content": "One."},
        *HELLO,
        {"role": "system", "content": "Two."},
    ]
    assert ask.chat(messages=messages).status_code == 200
    assert first.requests[0].json["messages"] == messages


# The answer


@pytest.mark.parametrize("upstream_id", [None, ""])
def test_sr_042_a_hundred_answers_have_a_hundred_ids(
    ask: Asking, first: ScriptedUpstream, upstream_id: str | None
) -> None:
    """SR-042: also if the provider sends none."""
    first.default = whole(id=upstream_id)
    ids = {ask.chat().json()["id"] for _ in range(100)}
    assert len(ids) == 100
    assert all(isinstance(one, str) and one for one in ids)


@pytest.mark.parametrize("given", [None, "text", ""])
def test_sr_043_the_object_is_a_chat_completion(
    ask: Asking, first: ScriptedUpstream, given: str | None
) -> None:
    first.default = whole(object=given)
    assert ask.chat().json()["object"] == "chat.completion"


@pytest.mark.parametrize(
    "given",
    [
        None,
        1_700_000_000.25,
        "1700000000",
        1_700_000_000_250,
        1_700_000_000_250.0,
        "soon",
        -1,
        0,
        True,
    ],
)
def test_sr_044_created_is_an_integer(ask: Asking, first: ScriptedUpstream, given: object) -> None:
    """SR-044: in seconds, in any spelling of the provider; the current time if the value is invalid."""
    first.default = whole(created=given)
    created = ask.chat().json()["created"]
    assert type(created) is int
    assert created == 1_700_000_000 or abs(created - time.time()) < 60


def test_sr_045_the_model_is_the_local_name(ask: Asking, first: ScriptedUpstream) -> None:
    """SR-045: the provider and its own id for the model are in the headers."""
    first.default = whole(model=UPSTREAM_ID)
    response = ask.chat()
    assert response.json()["model"] == "m"
    assert response.headers["x-llms-upstream-model"] == UPSTREAM_ID
    assert response.headers["x-llms-provider"] == "first"


def test_sr_045_after_a_fallback_it_is_the_name_that_served(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    served: Serve,
    asking: Ask,
) -> None:
    upstream.script(error(500), completion())
    config = config_of(one=provider(upstream, {"big": "up-big", "small": "up-small"}))
    ask = asking(served(config, NO_RETRIES + '[routing.fallbacks]\nbig = ["small"]\n'))
    response = ask.chat(model="big")
    assert response.json()["model"] == "small"
    assert response.headers["x-llms-upstream-model"] == "up-small"


def test_sr_046_sr_047_the_choices(ask: Asking, first: ScriptedUpstream) -> None:
    """SR-046, SR-047: index, message and finish_reason, also if the provider omits the role."""
    first.default = whole({"content": "Hello!"})
    (choice,) = ask.chat().json()["choices"]
    assert choice == {
        "index": 0,
        "message": {"role": "assistant", "content": "Hello!"},
        "finish_reason": "stop",
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [("STOP", "stop"), ("MAX_TOKENS", "length"), ("SAFETY", "content_filter"), (None, "stop")],
)
def test_sr_048_finish_reasons_are_openais(
    ask: Asking, first: ScriptedUpstream, given: str | None, expected: str
) -> None:
    first.default = whole(finish_reason=given)
    assert ask.chat().json()["choices"][0]["finish_reason"] == expected


def test_sr_049_usage_is_the_providers(ask: Asking, first: ScriptedUpstream) -> None:
    details = {"cached_tokens": 3}
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 1,
        "total_tokens": 12,
        "prompt_tokens_details": details,
    }
    first.default = whole(usage=usage)
    assert ask.chat().json()["usage"] == usage


def test_sr_050_sr_052_only_the_providers_fields_are_returned(
    ask: Asking, first: ScriptedUpstream
) -> None:
    """SR-050: nothing is lost. SR-052: nothing is added, so that strict clients see only known fields."""
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
        "x": 1,
    }
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [call],
        "refusal": None,
        "reasoning_content": "Hm.",
        "annotations": [{"type": "url_citation", "url_citation": {"url": "https://example.com"}}],
    }
    logprobs = {
        "content": [{"token": "H", "logprob": -0.50, "bytes": [72], "top_logprobs": []}],
        "refusal": None,
    }
    choice = {
        "index": 0,
        "message": message,
        "logprobs": logprobs,
        "finish_reason": "tool_calls",
        "of_vendor": True,
    }
    members: dict[str, Any] = {
        "choices": [choice],
        "system_fingerprint": "fp_1",
        "service_tier": "default",
        "citations": ["x"],
    }
    first.default = whole(**members)
    body = ask.chat(logprobs=True).json()
    assert {name: body[name] for name in members} == members
    assert body.keys() == {"id", "object", "created", "model", "usage", *members}


def test_sr_052_time_and_attempts_are_in_the_headers(ask: Asking) -> None:
    headers = ask.chat().headers
    assert headers["x-llms-attempts"] == "first;ok"
    assert float(headers["x-llms-overhead-ms"]) >= 0
    assert headers["x-request-id"]


def test_dropped_parameters_are_in_a_header(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    served: Serve,
    asking: Ask,
) -> None:
    """A parameter that the provider does not support is not dropped silently."""
    config = config_of(one={**provider(upstream), "type": "odd"})
    ask = asking(served(config, "[types.odd]\ndrop = ['logit_bias', 'user', 'store']\n"))
    response = ask.chat(user="u", logit_bias={"1": 1}, seed=1)
    assert response.headers["x-llms-dropped-params"] == "logit_bias, user"
    assert upstream.requests[-1].json.keys() == {"model", "messages", "seed"}


def test_the_header_of_dropped_parameters_is_limited(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    served: Serve,
    asking: Ask,
) -> None:
    """A client may send any number of parameters with names of any length."""
    upstream.default = json_body(
        {
            "message": {"role": "assistant", "content": [{"type": "text", "text": "Hi"}]},
            "finish_reason": "COMPLETE",
        }
    )
    ask = asking(served(config_of(one={**provider(upstream), "type": "cohere"})))
    for names in ([f"unknown_{number}" for number in range(5000)], ["x" * 1_000_000, "y"]):
        response = ask.chat(**dict.fromkeys(names, 1))
        assert response.status_code == 200
        assert response.headers["x-llms-dropped-params"].endswith("...")
        assert len(response.headers["x-llms-dropped-params"]) < 2000


# Streams


def test_sr_053_the_shape_of_a_stream(ask: Asking, first: ScriptedUpstream) -> None:
    """SR-053, SR-045: one id, created and model throughout, even if the provider changes them midway."""
    first.default = events(
        chunk({"role": "assistant", "content": ""}, id="a", created=1_700_000_001, model="x"),
        chunk({"content": "Hello"}, id="b", created=1_700_000_002, model="y", object=""),
        chunk({"content": "!"}, id="", created=None, model=None),
        chunk({}, "stop", id="c"),
        "[DONE]",
    )
    response = ask.chat(stream=True)
    assert response.status_code == 200
    assert response.headers["content-type"].partition(";")[0] == "text/event-stream"
    assert response.headers["x-llms-upstream-model"] == UPSTREAM_ID
    *chunks, _ = (json.loads(data) for data in [*data_of(response.text)[:-1], "0"])
    assert {(one["object"], one["id"], one["created"], one["model"]) for one in chunks} == {
        ("chat.completion.chunk", "a", 1_700_000_001, "m")
    }
    assert "".join(one["choices"][0]["delta"].get("content", "") for one in chunks) == "Hello!"


def test_sr_042_a_stream_without_ids_gets_one(ask: Asking, first: ScriptedUpstream) -> None:
    first.default = events(
        chunk({"content": "Hello!"}, id=""), chunk({}, "stop", id=None), "[DONE]"
    )
    one, two = ({each["id"] for each in ask.chunks()} for _ in range(2))
    assert len(one) == len(two) == 1
    assert one != two
    assert all(one | two)


def test_sr_054_the_role_comes_first_and_the_finish_reason_last(
    ask: Asking, first: ScriptedUpstream
) -> None:
    """SR-054: also if the provider omits the role."""
    first.default = events(
        chunk({"content": "Hello"}), chunk({"content": "!"}), chunk({}, "stop"), "[DONE]"
    )
    chunks = ask.chunks()
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert [one["choices"][0]["finish_reason"] for one in chunks] == [None] * (len(chunks) - 1) + [
        "stop"
    ]


@pytest.mark.parametrize("ends", [(), ("[DONE]",), ("[DONE]", "[DONE]")], ids=len)
def test_sr_054_done_comes_once(
    ask: Asking, first: ScriptedUpstream, ends: tuple[str, ...]
) -> None:
    """SR-054: an answer is complete even if the provider omits or repeats it."""
    first.default = events(
        chunk({"role": "assistant", "content": "Hello!"}), chunk({}, "stop"), *ends
    )
    assert ask.events().count("[DONE]") == 1


@pytest.mark.parametrize("along", [True, False], ids=["with the last choice", "alone"])
def test_sr_055_usage_if_it_is_requested(ask: Asking, first: ScriptedUpstream, along: bool) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
    hello = chunk({"role": "assistant", "content": "Hello!"})
    ends = (
        [chunk({}, "stop", usage=usage)]
        if along
        else [chunk({}, "stop"), {**chunk({}), "choices": [], "usage": usage}]
    )
    first.default = events(hello, *ends, "[DONE]")
    *chunks, last = ask.chunks(stream_options={"include_usage": True})
    assert (last["choices"], last["usage"]) == ([], usage)
    assert all(one["choices"] and not one.get("usage") for one in chunks)


@pytest.mark.parametrize(
    "members", [{}, {"stream_options": None}, {"stream_options": {"include_usage": False}}]
)
def test_sr_055_no_usage_if_it_is_not_requested(
    ask: Asking, first: ScriptedUpstream, members: dict[str, object]
) -> None:
    """SR-055: although the gateway itself requests it from the provider."""
    chunks = ask.chunks(**members)
    assert first.requests[0].json["stream_options"]["include_usage"] is True
    assert [one for one in chunks if one.get("usage") or not one["choices"]] == []


ALWAYS = '[server]\nstream_usage = "always"\n'


@pytest.mark.parametrize(
    "members", [{}, {"stream_options": None}, {"stream_options": {"include_usage": False}}]
)
def test_sr_055_usage_for_every_stream_if_the_user_wants_it(
    served: Serve, upstream: ScriptedUpstream, asking: Ask, members: dict[str, object]
) -> None:
    """SR-055: for clients that would otherwise report 0 tokens."""
    ask = asking(served(first_alone(upstream), ALWAYS))
    *chunks, last = ask.chunks(**members)
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] > 0
    assert all(one["choices"] for one in chunks)


def test_sr_055_usage_for_every_text_stream(
    served: Serve, upstream: ScriptedUpstream, asking: Ask
) -> None:
    """SR-055: of the legacy dialect, too."""
    ask = asking(served(first_alone(upstream), ALWAYS))
    response = ask.post({"model": "m", "prompt": "Hi", "stream": True}, TEXT)
    *_, last, done = data_of(response.text)
    assert done == "[DONE]"
    assert json.loads(last)["usage"]["total_tokens"] > 0


def test_sr_056_parallel_tool_calls_keep_their_indices(
    ask: Asking, first: ScriptedUpstream
) -> None:
    def part(index: int, arguments: str, **more: object) -> dict[str, object]:
        return {"index": index, "function": {"arguments": arguments}, **more}

    def begin(index: int) -> dict[str, object]:
        function = {"name": "f", "arguments": ""}
        return {"index": index, "id": f"call_{index}", "type": "function", "function": function}

    rows = [[begin(0)], [part(0, '{"a":')], [begin(1), part(0, "1}")], [part(1, '{"b":2}')]]
    begun = chunk({"role": "assistant", "content": None, "tool_calls": rows[0]})
    first.default = events(
        begun, *(chunk({"tool_calls": row}) for row in rows[1:]), chunk({}, "tool_calls"), "[DONE]"
    )
    *chunks, last = ask.chunks()
    assert [one["choices"][0]["delta"]["tool_calls"] for one in chunks] == rows
    assert last["choices"][0]["finish_reason"] == "tool_calls"


def test_sr_050_fields_of_chunks_are_preserved(ask: Asking, first: ScriptedUpstream) -> None:
    delta = {
        "role": "assistant",
        "content": "Hello!",
        "reasoning_content": "Hm.",
        "of_vendor": {"x": 1.0},
    }
    sent = chunk(delta, system_fingerprint="fp_1", citations=["x"])
    first.default = events(sent, chunk({}, "stop"), "[DONE]")
    assert ask.chunks()[0] == {**sent, "model": "m"}


@pytest.mark.parametrize(
    "reply",
    [
        error(500),
        Reply(events(), Close()),
        Reply(events(chunk({"role": "assistant", "content": ""})), Reset()),
        events(
            chunk({"role": "assistant", "content": ""}),
            {"error": {"message": "out of order", "code": 500}},
        ),
        events(chunk({"role": "assistant", "content": ""})),
        text_body("<html>", media="text/html"),
    ],
    ids=[
        "a status",
        "closed at once",
        "reset before content",
        "an error event",
        "ended before content",
        "a page",
    ],
)
def test_sr_057_a_failure_before_the_first_byte_has_a_status(
    ask: Asking, first: ScriptedUpstream, reply: Reply
) -> None:
    """SR-057: JSON, not a stream with an error in it."""
    first.default = reply
    response = ask.chat(stream=True)
    assert response.status_code == 502
    assert error_of(response)["code"] == "provider_error"


BEGUN = (chunk({"role": "assistant", "content": ""}), chunk({"content": "Half"}))


@pytest.mark.parametrize(
    "reply",
    [
        Reply(events(*BEGUN), Close()),
        Reply(events(*BEGUN), Reset()),
        events(*BEGUN),
        events(*BEGUN, "[DONE]"),
        events(*BEGUN, {"error": {"message": "out of order", "type": "server_error", "code": 500}}),
        events(*BEGUN, "{not JSON"),
    ],
    ids=["closed", "reset", "ended", "done without a finish_reason", "an error event", "garbage"],
)
def test_sr_058_a_failure_after_the_first_byte_does_not_look_complete(
    ask: Asking, first: ScriptedUpstream, reply: Reply
) -> None:
    """SR-058: an error event in OpenAI's shape; no finish_reason, no `[DONE]`."""
    first.default = reply
    *chunks, last = (json.loads(data) for data in ask.events())
    assert [one["choices"][0]["delta"].get("content") for one in chunks] == ["", "Half"]
    assert {one["choices"][0]["finish_reason"] for one in chunks} == {None}
    assert last.keys() == {"error"}
    assert isinstance(last["error"]["message"], str)
    assert isinstance(last["error"]["type"], str)


def test_sr_059_a_client_that_leaves_a_stream_releases_the_provider(
    ask: Asking, first: ScriptedUpstream
) -> None:
    first.default = Reply(events(*BEGUN), Stall())
    with ask.stream() as response:
        next(response.iter_lines())
    first.wait_for_request().wait_closed()


@pytest.mark.parametrize("stream", [True, False])
def test_sr_059_a_client_that_leaves_before_the_answer_releases_the_provider(
    pair: Pair, first: ScriptedUpstream, wire: Connect, stream: bool
) -> None:
    first.default = Reply(Stall())
    connection = wire(pair.gateway)
    connection.send(request_of({"model": "m", "messages": HELLO, "stream": stream}))
    seen = first.wait_for_request()
    connection.close()
    seen.wait_closed()


def test_sr_060_chunks_are_forwarded_as_they_are_sent(ask: Asking, first: ScriptedUpstream) -> None:
    go = threading.Event()
    # The head is sent already.
    rest = events(chunk({"content": " whole"}), chunk({}, "stop"), "[DONE]").parts[1:]
    first.default = Reply(events(*BEGUN), Wait(go), *rest)
    with ask.stream() as response:
        lines = response.iter_lines()
        first_content = next(line for line in lines if "Half" in line)
        go.set()
        assert (
            json.loads(first_content.removeprefix("data: "))["choices"][0]["delta"]["content"]
            == "Half"
        )
        assert "data: [DONE]" in list(lines)


def test_sr_053_a_silent_stream_is_kept_alive_by_comments(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    served: Serve,
    asking: Ask,
) -> None:
    """`[server] keep_alive`: the seconds after which a comment keeps proxies from closing a silent stream."""
    go = threading.Event()
    rest = events(chunk({"content": " whole"}), chunk({}, "stop"), "[DONE]").parts[1:]
    upstream.default = Reply(events(*BEGUN), Wait(go), *rest)
    ask = asking(served(config_of(one=provider(upstream)), "[server]\nkeep_alive = 0.05\n"))
    with ask.stream() as response:
        lines = response.iter_lines()
        assert next(line for line in lines if line.startswith(":")) == ": keep-alive"
        go.set()
        assert "data: [DONE]" in list(lines)


def test_sr_057_nothing_is_sent_before_there_is_an_answer(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    served: Serve,
    wire: Connect,
) -> None:
    """A keep-alive comment would commit to 200, so that a failure could not have a status."""
    go = threading.Event()
    upstream.default = Reply(Wait(go), error(500))
    gateway = served(
        config_of(one=provider(upstream)), NO_RETRIES + "[server]\nkeep_alive = 0.01\n"
    )
    connection = wire(gateway)
    connection.send(request_of({"model": "m", "messages": HELLO, "stream": True}))
    upstream.wait_for_request()
    assert connection.is_silent(0.2)
    go.set()
    assert connection.answer().status_code == 502


# Errors


@pytest.mark.parametrize(
    "name", ["unknown-model", "M", "m ", UPSTREAM_ID, "it's", 'a "b" ü\n', "x" * 10_000]
)
@pytest.mark.parametrize("stream", [False, True])
def test_sr_061_sr_062_an_unknown_model(
    ask: Asking, first: ScriptedUpstream, name: str, stream: bool
) -> None:
    response = ask.chat(model=name, stream=stream)
    assert response.status_code == 404
    assert response.json() == {
        "error": {
            "message": f"Model '{name}' not found in any enabled provider",
            "type": "invalid_request_error",
            "code": "model_not_found",
        }
    }
    assert first.requests == []


def test_sr_061_the_body_is_exact(ask: Asking) -> None:
    """SR-061: to the byte."""
    assert ask.chat(model="unknown-model").text == (
        '{"error":{"message":"Model \'unknown-model\' not found in any enabled provider",'
        '"type":"invalid_request_error","code":"model_not_found"}}'
    )


def test_sr_064_every_error_says_whether_to_retry(ask: Asking, first: ScriptedUpstream) -> None:
    """SR-064: errors of a request, a path, a method, a model and a provider."""
    first.default = error(500)
    for response, expected in (
        (ask.post(b"{"), "false"),
        (ask.get("/nope"), "false"),
        (ask.get(CHAT), "false"),
        (ask.get("/v1/models/nope"), "false"),
        (ask.chat(model="nope"), "false"),
        (ask.chat(), "true"),
    ):
        assert response.headers["x-should-retry"] == expected


def test_sr_065_an_error_has_a_content_length(ask: Asking) -> None:
    response = ask.chat(temperature=9)
    assert int(response.headers["content-length"]) == len(response.content)
    assert response.headers["x-request-id"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("where", ["message", "type", "code", "param"])
def test_sr_066_a_key_repeated_by_a_provider_is_redacted(
    ask: Asking, first: ScriptedUpstream, where: str, stream: bool
) -> None:
    """SR-066: a provider's error for an invalid request is passed on without its key."""
    first.default = error(400, **{where: f"no good with {KEY}"})  # type: ignore[arg-type]
    response = ask.chat(stream=stream)
    assert response.status_code == 400
    assert error_of(response)[where] == "no good with ***"
    assert KEY not in f"{response.text}{response.headers}"


@pytest.mark.parametrize("where", ["message", "type", "code"])
def test_sr_066_a_key_in_an_error_event_is_redacted(
    ask: Asking, first: ScriptedUpstream, where: str
) -> None:
    fault = {
        "message": "out of order",
        "type": "server_error",
        "code": "broken",
        where: f"no good with {KEY}",
    }
    first.default = events(*BEGUN, {"error": fault})
    last = json.loads(ask.events()[-1])
    assert last["error"][where] == "no good with ***"


def test_sr_066_a_key_in_a_providers_headers_is_not_forwarded(
    ask: Asking, first: ScriptedUpstream
) -> None:
    """SR-066: a provider's own headers do not reach the client."""
    first.default = error(
        500, f"no good with {KEY}", {"x-echo": KEY, "x-request-id": KEY, "set-cookie": KEY}
    )
    response = ask.chat()
    assert response.status_code == 502
    assert KEY not in f"{response.text}{response.headers}"


def test_sr_066_a_key_is_not_in_the_log(ask: Asking, first: ScriptedUpstream) -> None:
    first.default = error(400, f"no good with {KEY}")
    number = ask.chat().headers["x-request-id"]
    lines = [line for line in ask.gateway.log().splitlines() if number in line]
    assert any("no good with ***" in line for line in lines)
    assert KEY not in ask.gateway.log()


def test_a_request_is_logged_in_one_line(ask: Asking) -> None:
    """Which provider answered, with what result, and how long it took."""
    number = ask.chat().headers["x-request-id"]
    until(lambda: number in ask.gateway.log())  # the client has its answer a little sooner
    (line,) = [line for line in ask.gateway.log().splitlines() if number in line]
    assert re.search(r"INFO \S+ \w+ 200 model='m' provider=first attempts=1 \d+ ms$", line)


def test_a_model_cannot_forge_a_line_of_the_log(ask: Asking) -> None:
    """Nor flood it: clients choose the name freely."""
    number = ask.chat(model="m\nINFO forged" + "x" * 10_000).headers["x-request-id"]
    until(lambda: number in ask.gateway.log())
    assert "\nINFO forged" not in ask.gateway.log()
    assert "x" * 1000 not in ask.gateway.log()
