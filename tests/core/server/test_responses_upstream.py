"""Clients of chat completions and of Anthropic's Messages, and a provider that only speaks the Responses API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest

from llms_core.testing import Reply, ScriptedUpstream, completion, error, response
from llms_core.testing.upstream.responses import function_call_item, message_item, reasoning_item
from tests.conftest import Gateway
from tests.core.server.conftest import NO_RETRIES

Json = dict[str, Any]

ONLY_RESPONSES = error(
    404,
    "This model is only supported in v1/responses and not in v1/chat/completions.",
    param="model",
)
NO_TOOLS = error(
    400,
    "Function tools with reasoning_effort are not supported for gpt-x in /v1/chat/completions. "
    "To use function tools, use /v1/responses or set reasoning_effort to 'none'.",
    param="reasoning_effort",
)
NO_ROUTE = error(404, "Not Found")

THOUGHT = reasoning_item("The user wants", "the weather.", encrypted="gAAAAAB-opaque")
CALL = function_call_item("get_weather", {"city": "Rome"})
WEATHER = response(THOUGHT, CALL)
DONE = response(message_item("Sunny."))

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "description": "now", "parameters": PARAMETERS},
}
QUESTION = {"role": "user", "content": "What is the weather in Rome?"}

Ask = Callable[..., httpx.Response]


@pytest.fixture
def only_responses(upstream: ScriptedUpstream) -> ScriptedUpstream:
    """A provider that has nothing but `/v1/responses`; its answers come from the script."""
    upstream.routes["/chat/completions"] = ONLY_RESPONSES
    return upstream


@pytest.fixture
def gateway_for(served: Any, provider: Any) -> Callable[..., Gateway]:
    """Serves a gateway in front of one provider, with a block of these members."""

    def serve(upstream: ScriptedUpstream, model: str = "some-model", **block: Any) -> Gateway:
        gateway: Gateway = served(
            {"providers": {"first": provider(upstream, {"m": model}, **block)}}, NO_RETRIES
        )
        return gateway

    return serve


def ask(gateway: Gateway, **members: Any) -> httpx.Response:
    body = {"model": "m", "messages": [QUESTION], **members}
    return httpx.post(
        f"{gateway.base_url}/chat/completions", json=body, timeout=20, trust_env=False
    )


def paths(upstream: ScriptedUpstream) -> list[str]:
    return [seen.path.removeprefix("/v1") for seen in upstream.requests]


# Clients


@pytest.fixture
def codex(only_responses: ScriptedUpstream, gateway_for: Callable[..., Gateway]) -> Gateway:
    return gateway_for(only_responses, "gpt-5.1-codex", id="openai")


@pytest.fixture
def openai_client(codex: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=codex.base_url, api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture
def anthropic_client(codex: Gateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=codex.origin, api_key="k", max_retries=0) as client:
        yield client


def test_a_chat_client_uses_tools_and_reasoning(
    openai_client: openai.OpenAI, only_responses: ScriptedUpstream
) -> None:
    only_responses.script(WEATHER, DONE)
    create: Any = openai_client.chat.completions.create
    common: Json = {"model": "m", "tools": [TOOL], "reasoning_effort": "high"}
    first = create(messages=[QUESTION], **common).choices[0]
    assert first.finish_reason == "tool_calls"
    assert first.message.reasoning_content == "The user wants\n\nthe weather."
    call = first.message.tool_calls[0]
    assert json.loads(call.function.arguments) == {"city": "Rome"}
    result = {"role": "tool", "tool_call_id": call.id, "content": "22 °C"}
    second = create(
        messages=[QUESTION, first.message.model_dump(exclude_none=True), result], **common
    ).choices[0]
    assert (second.finish_reason, second.message.content) == ("stop", "Sunny.")
    sent = only_responses.requests[1].json
    assert sent["reasoning"] == {"effort": "high", "summary": "auto"}
    assert [item.get("type") for item in sent["input"]] == [
        None,
        "reasoning",
        "function_call",
        "function_call_output",
    ]
    assert sent["input"][1] == THOUGHT
    assert sent["store"] is False
    assert set(paths(only_responses)) == {"/responses"}


def test_a_chat_client_streams_tools_and_reasoning(
    openai_client: openai.OpenAI, only_responses: ScriptedUpstream
) -> None:
    only_responses.script(WEATHER)
    create: Any = openai_client.chat.completions.create
    chunks = list(create(model="m", messages=[QUESTION], tools=[TOOL], stream=True))
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == (
        "The user wants\n\nthe weather."
    )
    fragments = [fragment for delta in deltas for fragment in delta.tool_calls or ()]
    assert fragments[0].function.name == "get_weather"
    assert json.loads("".join(fragment.function.arguments or "" for fragment in fragments)) == {
        "city": "Rome"
    }
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    assert deltas[-1].provider_extra["openai"]["items"] == [THOUGHT]


@pytest.mark.parametrize("streams", [False, True])
def test_a_messages_client_uses_tools_and_thinking(
    anthropic_client: anthropic.Anthropic, only_responses: ScriptedUpstream, streams: bool
) -> None:
    only_responses.script(WEATHER, DONE)
    tool = {"name": "get_weather", "description": "now", "input_schema": PARAMETERS}
    create: Any = anthropic_client.messages.create
    common: Json = {
        "model": "m",
        "max_tokens": 4000,
        "tools": [tool],
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "max"},
    }

    def message(messages: list[Any]) -> Any:
        if not streams:
            return create(messages=messages, **common)
        stream: Any = anthropic_client.messages.stream
        with stream(messages=messages, **common) as events:
            return events.get_final_message()

    first = message([QUESTION])
    assert first.stop_reason == "tool_use"
    kinds = [block.type for block in first.content]
    # What has to come back is known only at the end of a stream.
    assert [kind for kind in kinds if kind != "redacted_thinking"] == ["thinking", "tool_use"]
    call = next(block for block in first.content if block.type == "tool_use")
    assert call.input == {"city": "Rome"}
    result = {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "22 °C"}],
    }
    answer = [block.model_dump(exclude_none=True) for block in first.content]
    second = message([QUESTION, {"role": "assistant", "content": answer}, result])
    assert second.content[0].text == "Sunny."
    sent = only_responses.requests[1].json["input"]
    assert [item.get("type") for item in sent] == [
        None,
        "reasoning",
        "function_call",
        "function_call_output",
    ]
    assert sent[1]["encrypted_content"] == "gAAAAAB-opaque"
    # The highest effort that each of OpenAI's models has.
    assert only_responses.requests[1].json["reasoning"] == {"effort": "high", "summary": "auto"}


# Learning


@pytest.mark.parametrize("streams", [False, True])
def test_a_refusal_that_names_the_responses_api_is_followed_at_once_and_remembered(
    only_responses: ScriptedUpstream, gateway_for: Callable[..., Gateway], streams: bool
) -> None:
    only_responses.script(DONE, DONE)
    gateway = gateway_for(only_responses)
    answers = [ask(gateway, stream=streams) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert paths(only_responses) == ["/chat/completions", "/responses", "/responses"]
    assert (
        answers[0].headers["x-llms-attempts"] == "first;error=model_not_found;status=404, first;ok"
    )
    assert answers[1].headers["x-llms-attempts"] == "first;ok"


def test_tools_beside_reasoning_are_learned_apart_from_the_rest(
    upstream: ScriptedUpstream, gateway_for: Callable[..., Gateway]
) -> None:
    upstream.routes["/responses"] = DONE
    upstream.script(NO_TOOLS, completion("Chat"), completion("Chat"))
    gateway = gateway_for(upstream)
    assert (
        ask(gateway, tools=[TOOL], reasoning_effort="low").json()["choices"][0]["message"][
            "content"
        ]
        == "Sunny."
    )
    assert ask(gateway).json()["choices"][0]["message"]["content"] == "Chat"
    assert (
        ask(gateway, tools=[TOOL], reasoning_effort="none").json()["choices"][0]["message"][
            "content"
        ]
        == "Chat"
    )
    assert ask(gateway, tools=[TOOL]).json()["choices"][0]["message"]["content"] == "Sunny."
    assert paths(upstream) == [
        "/chat/completions",
        "/responses",
        "/chat/completions",
        "/chat/completions",
        "/responses",
    ]


@pytest.mark.parametrize("missing", [NO_ROUTE, error(405, "Method Not Allowed")])
def test_a_server_without_the_responses_api_gets_chat_completions_from_then_on(
    upstream: ScriptedUpstream, gateway_for: Callable[..., Gateway], missing: Reply
) -> None:
    upstream.routes["/responses"] = missing
    gateway = gateway_for(upstream, "gpt-5.1-codex", id="openai")
    assert [ask(gateway).status_code for _ in range(2)] == [200, 200]
    assert paths(upstream) == ["/responses", "/chat/completions", "/chat/completions"]


def test_a_refusal_does_not_open_the_circuit(
    only_responses: ScriptedUpstream, gateway_for: Callable[..., Gateway]
) -> None:
    """The other protocol fails, too, so nothing is remembered; only these failures count."""
    only_responses.routes["/responses"] = error(400, "The image is too large")
    gateway = gateway_for(only_responses)
    assert {ask(gateway).status_code for _ in range(6)} == {400}
    circuits = httpx.get(f"{gateway.origin}/ready", trust_env=False).json()
    assert '"failures": 0' in json.dumps(circuits)
    assert '"failures": 1' not in json.dumps(circuits)
    assert paths(only_responses) == ["/chat/completions", "/responses"] * 6


def test_the_users_choice_is_not_changed_by_a_refusal(
    upstream: ScriptedUpstream, gateway_for: Callable[..., Gateway]
) -> None:
    upstream.routes["/responses"] = NO_ROUTE
    gateway = gateway_for(upstream, protocol="responses")
    assert ask(gateway).status_code == 424
    assert paths(upstream) == ["/responses"]


def test_the_user_can_choose_chat_completions(
    upstream: ScriptedUpstream, gateway_for: Callable[..., Gateway]
) -> None:
    gateway = gateway_for(upstream, "gpt-5.1-codex", id="openai", protocol="chat")
    assert ask(gateway).status_code == 200
    assert paths(upstream) == ["/chat/completions"]


def test_a_model_that_does_not_exist_stays_unknown(
    upstream: ScriptedUpstream, gateway_for: Callable[..., Gateway]
) -> None:
    upstream.default = error(404, "The model `gpt-9-codex` does not exist", code="model_not_found")
    gateway = gateway_for(upstream, "gpt-9-codex", id="openai")
    assert ask(gateway).status_code >= 400
    assert paths(upstream) == ["/responses"]


def test_summaries_are_given_up_where_the_organization_may_not_have_them(
    upstream: ScriptedUpstream, gateway_for: Callable[..., Gateway]
) -> None:
    refusal = error(
        400,
        "Your organization must be verified to generate reasoning summaries.",
        param="reasoning.summary",
        code="unsupported_value",
    )
    upstream.script(refusal, DONE, DONE)
    gateway = gateway_for(upstream, protocol="responses")
    assert [ask(gateway, reasoning_effort="low").status_code for _ in range(2)] == [200, 200]
    assert [seen.json["reasoning"] for seen in upstream.requests] == [
        {"effort": "low", "summary": "auto"},
        {"effort": "low"},
        {"effort": "low"},
    ]


def test_reasoning_that_cannot_be_decrypted_is_left_out_once(
    upstream: ScriptedUpstream, gateway_for: Callable[..., Gateway]
) -> None:
    refusal = error(
        400, "The encrypted content could not be verified.", code="invalid_encrypted_content"
    )
    upstream.script(response(THOUGHT, message_item("Hm.")), refusal, DONE, DONE)
    gateway = gateway_for(upstream, protocol="responses")
    answer = ask(gateway).json()["choices"][0]["message"]
    conversation = [QUESTION, answer, {"role": "user", "content": "Go on"}]
    assert [ask(gateway, messages=conversation).status_code for _ in range(2)] == [200, 200]
    has_reasoning = [b"gAAAAAB-opaque" in seen.body for seen in upstream.requests[1:]]
    assert has_reasoning == [True, False, True]


# Failover


def test_a_conversation_goes_to_a_provider_of_chat_and_back(
    upstreams: Callable[[], ScriptedUpstream], served: Any, provider: Any
) -> None:
    """Its reasoning is only sent to its owner, and tool calls in progress go along."""
    first, second = upstreams(), upstreams()
    first.script(WEATHER, error(500), DONE)
    second.script(completion("Second."))
    blocks = {
        "first": provider(first, {"m": "gpt-x"}, protocol="responses"),
        "second": provider(second),
    }
    gateway = served({"providers": blocks}, NO_RETRIES)
    asked = {"tools": [TOOL]}
    answer = ask(gateway, **asked).json()["choices"][0]["message"]
    messages = [
        QUESTION,
        answer,
        {"role": "tool", "tool_call_id": answer["tool_calls"][0]["id"], "content": "22 °C"},
    ]
    elsewhere = ask(gateway, messages=messages, **asked).json()["choices"][0]["message"]
    assert elsewhere["content"] == "Second."
    sent = second.requests[0].json["messages"]
    assert b"gAAAAAB-opaque" not in second.requests[0].body
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"]
    back = ask(
        gateway, messages=[*messages, elsewhere, {"role": "user", "content": "And?"}], **asked
    )
    assert back.json()["choices"][0]["message"]["content"] == "Sunny."
    assert [item.get("type") for item in first.requests[2].json["input"]] == [
        None,
        "reasoning",
        "function_call",
        "function_call_output",
        None,
        None,
    ]


# Clients of the same API


def respond(gateway: Gateway, **members: Any) -> httpx.Response:
    body = {"model": "m", "input": "What is the weather in Rome?", **members}
    return httpx.post(f"{gateway.base_url}/responses", json=body, timeout=20, trust_env=False)


@pytest.mark.parametrize("streams", [False, True])
def test_a_client_of_the_same_api_is_translated_for_a_server_that_turns_out_to_lack_it(
    upstream: ScriptedUpstream, gateway_for: Callable[..., Gateway], streams: bool
) -> None:
    upstream.routes["/responses"] = NO_ROUTE
    upstream.default = completion("Sunny.")
    gateway = gateway_for(upstream, "gpt-5", id="openai")
    answers = [respond(gateway, stream=streams) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert all("Sunny." in answer.text for answer in answers)
    assert paths(upstream) == ["/responses", "/chat/completions", "/chat/completions"]


def test_what_chat_cannot_express_is_not_translated_for_a_server_without_the_api(
    upstream: ScriptedUpstream, gateway_for: Callable[..., Gateway]
) -> None:
    upstream.routes["/responses"] = NO_ROUTE
    gateway = gateway_for(upstream, "gpt-5", id="openai")
    answers = [
        respond(gateway, input=[{"type": "compaction", "encrypted_content": "x"}]) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [424, 424]
    assert paths(upstream) == ["/responses", "/responses"]


def test_the_users_choice_of_the_protocol_passes_requests_on(
    upstream: ScriptedUpstream, gateway_for: Callable[..., Gateway]
) -> None:
    upstream.default = DONE
    assert (
        respond(gateway_for(upstream, protocol="responses"), truncation="auto").status_code == 200
    )
    assert upstream.requests[0].json["truncation"] == "auto"
    assert upstream.requests[0].json["input"] == "What is the weather in Rome?"


# Errors


@pytest.mark.parametrize(
    ("code", "status"),
    [("rate_limit_exceeded", 429), ("invalid_prompt", 400), ("server_error", 502)],
)
@pytest.mark.parametrize("streams", [False, True])
def test_a_failed_response_is_an_error(
    upstream: ScriptedUpstream,
    gateway_for: Callable[..., Gateway],
    code: str,
    status: int,
    streams: bool,
) -> None:
    upstream.default = response(
        status="failed", tokens=None, error={"code": code, "message": "It did not work"}
    )
    answer = ask(gateway_for(upstream, protocol="responses"), stream=streams)
    assert answer.status_code == status
    assert "It did not work" in answer.text or "All providers failed" in answer.text


def test_more_than_one_choice_is_refused_by_name(
    only_responses: ScriptedUpstream, gateway_for: Callable[..., Gateway]
) -> None:
    answer = ask(gateway_for(only_responses, protocol="responses"), n=2)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "n"
    assert only_responses.requests == []


def test_parameters_without_a_counterpart_are_named(
    only_responses: ScriptedUpstream, gateway_for: Callable[..., Gateway]
) -> None:
    only_responses.script(DONE)
    answer = ask(
        gateway_for(only_responses, protocol="responses"),
        seed=1,
        stop=["x"],
        logit_bias={},
        temperature=0,
    )
    assert answer.headers["x-llms-dropped-params"].replace(" ", "") == "logit_bias,seed,stop"
    assert only_responses.requests[0].json["temperature"] == 0
