"""Cohere's chat API: recorded exchanges, agreement with Cohere's SDK, and cases that the recordings lack."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pytest
from chat_requests import PDF, PNG, WAV, chat_call, chat_requests, data_uri
from client_view import (
    assert_leaves_call_unchanged,
    complete,
    request_or_refusal,
    summarize_completion,
    summarize_stream,
    translate_stream,
)
from cohere.v2.types import V2ChatResponse, V2ChatStreamResponse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from official_types import check_cohere
from openai import OpenAI
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion
from pydantic import TypeAdapter
from recordings import Recording, failures, for_each, recordings, streams, whole_answers

from llms_core import ErrorKind, ProviderError, Unsupported
from llms_core.contracts.chunk import Chunk
from llms_core.provider import Discovers, Inlines, ProviderSettings, UpstreamRequest
from llms_core.secret import Secret
from llms_core.testing import Body, Reply, ScriptedUpstream, Status, json_body
from llms_providers.cohere import COHERE, Cohere, llms_providers

if TYPE_CHECKING:
    from tests.conftest import Serve

Json = dict[str, Any]

HELLO: Json = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
MODEL = "command-a-03-2025"


def cohere(base_url: str = "", api_key: str | None = None) -> Cohere:
    secret = Secret(api_key) if api_key else None
    return Cohere(COHERE, ProviderSettings(id="cohere", base_url=base_url, api_key=secret))


def sent(body: Mapping[str, Any]) -> UpstreamRequest:
    return cohere().request(chat_call(body, model=MODEL))


def native(**members: Any) -> Json:
    """Return the body sent to Cohere for a request with these members."""
    body: Json = json.loads(sent({**HELLO, **members}).content)
    return body


def message(**members: Any) -> Json:
    """Return what is sent to Cohere for a message with these members."""
    messages = [HELLO["messages"][0], members]
    translated: Json = native(messages=messages)["messages"][1]
    return translated


def completed(answer: Json | bytes) -> ChatCompletion:
    return complete(cohere(), chat_call(HELLO), answer)


def streamed(body: bytes, size: int | None = None) -> list[Chunk]:
    return translate_stream(cohere(), chat_call({**HELLO, "stream": True}), body, size)


def joined(chunks: Iterable[Chunk]) -> Json:
    return summarize_stream(chunks, "cohere", counts_of)


def read(completion: ChatCompletion) -> Json:
    return summarize_completion(completion, "cohere", counts_of)


def counts_of(usage: CompletionUsage) -> tuple[int | None, ...]:
    """Return the prompt tokens, the output tokens, and the cached and the reasoning tokens among them."""
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    prompt = usage.prompt_tokens_details
    output = usage.completion_tokens_details
    cached = prompt.cached_tokens if prompt is not None else None
    reasoning = output.reasoning_tokens if output is not None else None
    return usage.prompt_tokens, usage.completion_tokens, cached, reasoning


def events(*data: Json) -> bytes:
    """Return a stream of these events."""
    return b"".join(
        b"event: %s\ndata: %s\n\n" % (each["type"].encode(), json.dumps(each).encode())
        for each in data
    )


def delta(type: str, index: int | None = None, **message: Any) -> Json:
    event: Json = {"type": type, "delta": {"message": message}}
    if index is not None:
        event["index"] = index
    return event


TEXT = delta("content-delta", 0, content={"text": "Hi"})


def end(reason: str | None = "COMPLETE", **members: Any) -> Json:
    """Return the event that ends a stream."""
    return {"type": "message-end", "delta": {"finish_reason": reason, **members}}


def whole(text: str = "Hi", *, message: Json | None = None, **members: Any) -> Json:
    """Return a whole answer. `message` is further members of the message."""
    content = [{"type": "text", "text": text}]
    return {
        "id": "an-id",
        "message": {"role": "assistant", "content": content, **(message or {})},
        "finish_reason": "COMPLETE",
        **members,
    }


FINISH = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
}


def expected(answer: Json) -> Json:
    """Return the summary of a recorded answer, read independently of the adapter."""
    message = answer["message"]
    blocks = message.get("content") or ()
    usage = answer["usage"]
    tokens = usage["tokens"]
    calls = []
    for call in message.get("tool_calls") or ():
        function = call["function"]
        calls.append((call["id"], function["name"], json.loads(function["arguments"] or "{}")))
    extra = {}
    if message.get("citations"):
        extra["citations"] = message["citations"]
    if calls:
        extra["tool_plan"] = message.get("tool_plan", "")
    thoughts = "".join(block.get("thinking", "") for block in blocks)
    return {
        "id": answer["id"],
        "text": "".join(block.get("text", "") for block in blocks),
        "reasoning": thoughts + message.get("tool_plan", ""),
        "calls": calls,
        "finish": FINISH[answer["finish_reason"]],
        "usage": (
            tokens["input_tokens"] + tokens.get("image_tokens", 0),
            tokens["output_tokens"],
            usage.get("cached_tokens"),
            tokens.get("reasoning_tokens"),
        ),
        "extra": extra,
        "logprobs": [
            (piece["text"], sum(piece["logprobs"])) for piece in answer.get("logprobs") or ()
        ],
    }


def gathered(body: bytes) -> Json:
    """Return the whole answer that a recorded stream consists of."""
    lines = [line[6:] for line in body.decode().splitlines() if line.startswith("data: {")]
    message: Json = {"content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    answer: Json = {"message": message, "logprobs": []}
    for event in map(json.loads, lines):
        part = event.get("delta", {}).get("message", {})
        if "logprobs" in event:
            answer["logprobs"].append(event["logprobs"])
        match event["type"]:
            case "message-start":
                answer["id"] = event["id"]
            case "content-start" | "content-delta":
                message["content"].append(part["content"])
            case "tool-plan-delta":
                message["tool_plan"] += part["tool_plan"]
            case "tool-call-start":
                message["tool_calls"].append(part["tool_calls"])
            case "tool-call-delta":
                function = message["tool_calls"][event["index"]]["function"]
                function["arguments"] += part["tool_calls"]["function"]["arguments"]
            case "citation-start":
                message["citations"].append(part["citations"])
            case "message-end":
                answer |= event["delta"]
    return answer


# Recorded answers ---------------------------------------------------------------------------------------------------


@for_each(whole_answers("cohere"))
def test_recorded_answers_are_translated_completely(recording: Recording) -> None:
    """SR-042 … SR-050."""
    answer = json.loads(recording.body)
    found = completed(recording.body)
    assert read(found) == expected(answer)
    assert (found.created, found.model, found.object) == (
        1700000000,
        HELLO["model"],
        "chat.completion",
    )
    assert (found.model_extra or {})["provider_extra"]["cohere"]["billed_units"] == answer["usage"][
        "billed_units"
    ]


@for_each(streams("cohere"))
def test_recorded_streams_are_translated_completely(recording: Recording) -> None:
    """SR-053 … SR-056: independent of the size of the network's pieces."""
    chunks = streamed(recording.body)
    assert joined(chunks) == expected(gathered(recording.body))
    assert (
        streamed(recording.body, 1)
        == streamed(recording.body, 7)
        == streamed(recording.body, 64)
        == chunks
    )


@for_each(whole_answers("cohere"))
def test_answers_agree_with_coheres_sdk(recording: Recording) -> None:
    sdk = V2ChatResponse.model_validate_json(recording.body)
    found = read(completed(recording.body))
    blocks = sdk.message.content or []
    assert found["text"] == "".join(block.text for block in blocks if block.type == "text")
    thoughts = "".join(block.thinking for block in blocks if block.type == "thinking")
    assert found["reasoning"] == thoughts + (sdk.message.tool_plan or "")
    calls = [
        (call.id, call.function and call.function.name) for call in sdk.message.tool_calls or ()
    ]
    assert [call[:2] for call in found["calls"]] == calls
    assert (found["id"], found["finish"]) == (sdk.id, FINISH[sdk.finish_reason])


@for_each(streams("cohere"))
def test_streams_agree_with_coheres_sdk(recording: Recording) -> None:
    event_type: TypeAdapter[Any] = TypeAdapter(V2ChatStreamResponse)
    lines = [line[6:] for line in recording.body.splitlines() if line.startswith(b"data: {")]
    received = [event_type.validate_json(line) for line in lines]
    pieces_of_text = [
        each.delta.message.content.text for each in received if each.type == "content-delta"
    ]
    plans = [each.delta.message.tool_plan for each in received if each.type == "tool-plan-delta"]
    thoughts = [
        each.delta.message.content.thinking for each in received if each.type == "content-delta"
    ]
    calls = [each.delta.message.tool_calls for each in received if each.type == "tool-call-start"]
    found = joined(streamed(recording.body))
    assert found["text"] == "".join(filter(None, pieces_of_text))
    assert found["reasoning"] == "".join(filter(None, [*thoughts, *plans]))
    assert [call[:2] for call in found["calls"]] == [
        (call.id, call.function.name) for call in calls
    ]
    assert found["finish"] == FINISH[received[-1].delta.finish_reason]


@for_each(failures("cohere"))
def test_recorded_errors_are_classified(recording: Recording) -> None:
    kinds = {
        400: ErrorKind.INVALID_REQUEST,
        401: ErrorKind.AUTH,
        404: ErrorKind.MODEL_NOT_FOUND,
        422: ErrorKind.INVALID_REQUEST,
    }
    error = cohere().error(recording.status, recording.headers, recording.body)
    assert error.kind is kinds[recording.status]
    assert (error.message, error.status) == (
        json.loads(recording.body)["message"],
        recording.status,
    )


@for_each(recordings("cohere", lambda each: each.status == 200 and "tool_call" in each.tags))
@pytest.mark.parametrize("faithful", [True, False])
def test_recorded_tool_calls_are_sent_back_unchanged(recording: Recording, faithful: bool) -> None:
    """SR-040: also from clients that keep only the reasoning, which then becomes the plan of the calls."""
    answer = gathered(recording.body) if recording.stream else json.loads(recording.body)
    came = {name: value for name, value in answer["message"].items() if value and name != "role"}
    thoughts = "".join(block.get("thinking", "") for block in came.pop("content", ()))
    plan = {"tool_plan": thoughts} if thoughts else {}
    block = {"content": [{"type": "thinking", "thinking": thoughts}]} if thoughts else {}
    for call in came["tool_calls"]:
        call["function"]["arguments"] = call["function"]["arguments"] or "{}"
    data = cohere().completion(chat_call(HELLO), json.dumps(answer).encode()).data
    translated = json.loads(data)["choices"][0]["message"]
    if not faithful:
        del translated["provider_extra"]
    assert message(**translated) == {"role": "assistant", **came, **(block if faithful else plan)}


# Recorded requests --------------------------------------------------------------------------------------------------


def as_openai(body: Json) -> Json:
    """Return a recorded request as an OpenAI client would send it."""
    names = {"max_tokens": "max_completion_tokens", "stop_sequences": "stop"}
    request = {names.get(name, name): value for name, value in body.items()}
    request["messages"] = [message_as_openai(message) for message in body["messages"]]
    if "tool_choice" in body:
        request["tool_choice"] = body["tool_choice"].lower()
    if request.pop("strict_tools", None) is not None:
        request["tools"] = [
            {**tool, "function": {**tool["function"], "strict": True}} for tool in body["tools"]
        ]
    thinking = request.pop("thinking", None)
    if thinking is not None:
        request["reasoning_effort"] = {"enabled": "high", "disabled": "none"}[thinking["type"]]
    if "json_schema" in body.get("response_format", {}):
        schema = {"name": "answer", "schema": body["response_format"]["json_schema"]}
        request["response_format"] = {"type": "json_schema", "json_schema": schema}
    return request


def message_as_openai(message: Json) -> Json:
    if not isinstance(message.get("content"), list):
        return message
    translated = dict(message)
    translated["content"] = [block for block in message["content"] if block["type"] != "thinking"]
    thoughts = [block["thinking"] for block in message["content"] if block["type"] == "thinking"]
    if thoughts:
        translated["reasoning_content"] = "".join(thoughts)
    return translated


def normalize(body: Json) -> Json:
    """Return a request without members that have no effect, spelled as in Cohere's reference."""
    normalized = {"stream": False, **body}
    normalized["messages"] = [
        {name: value for name, value in message.items() if value is not None}
        for message in body["messages"]
    ]
    if "tool_choice" in body:
        normalized["tool_choice"] = body["tool_choice"].upper()
    if "response_format" in body:
        normalized["response_format"] = {**body["response_format"], "type": "json_object"}
    return normalized


@for_each(recordings("cohere"))
def test_recorded_requests_survive_translation_from_openais_format(recording: Recording) -> None:
    """SR-013 … SR-023, SR-031 … SR-036, SR-040."""
    recorded = recording.request["body"]
    request = cohere().request(chat_call(as_openai(recorded), model=recorded["model"]))
    assert normalize(json.loads(request.content)) == normalize(recorded)
    assert request.dropped == ()
    check_cohere(json.loads(request.content))


# Any request --------------------------------------------------------------------------------------------------------


OWN = {
    "documents": st.lists(
        st.just({"id": "a", "data": {"text": "It is so."}}) | st.text(min_size=1), max_size=2
    ),
    "citation_options": st.sampled_from([{"mode": "FAST"}, {"mode": "OFF"}]),
    "safety_mode": st.sampled_from(["CONTEXTUAL", "STRICT", "OFF"]),
    "k": st.integers(0, 500),
    "top_k": st.integers(0, 500),
    "p": st.floats(0.01, 0.99),
    "priority": st.integers(0, 999),
    "strict_tools": st.booleans(),
    "thinking": st.sampled_from([{"type": "disabled"}, {"type": "enabled", "token_budget": 100}]),
}


def is_empty_instruction(message: Json) -> bool:
    """Whether a message says nothing, which Cohere rejects, and need not say anything."""
    if message["role"] not in ("system", "developer"):
        return False
    content = message["content"]
    return not (content if isinstance(content, str) else "".join(part["text"] for part in content))


@pytest.mark.slow
@settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(chat_requests(also=OWN, never=("n",)))
def test_any_request_is_valid_for_the_sdk_or_rejected_with_a_reason(body: Json) -> None:
    """SR-001, SR-026: parameters that are left out are reported."""
    request = request_or_refusal(cohere(), chat_call(body, model=MODEL))
    if not isinstance(request, UpstreamRequest):
        assert request.message
        assert request.param
        return
    sent_body = json.loads(request.content)
    check_cohere(sent_body)
    assert len(sent_body["messages"]) == sum(
        not is_empty_instruction(message) for message in body["messages"]
    )
    assert set(request.dropped) <= body.keys() | {"tools.strict"}
    assert sent_body["model"] == MODEL
    assert sent_body["stream"] is bool(body.get("stream"))
    assert sent_body.get("tool_choice") in (None, "REQUIRED", "NONE")
    assert 0.01 <= sent_body.get("p", 0.5) <= 0.99


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(chat_requests(also=OWN, never=("n",)))
def test_request_does_not_modify_the_call(body: Json) -> None:
    extra = {"cohere": {"citations": [{"start": 0}], "tool_plan": "So."}}
    answer = {
        "role": "assistant",
        "content": "Hi",
        "reasoning_content": "So.",
        "provider_extra": extra,
    }
    call = chat_call({**body, "messages": [*body["messages"], answer]})
    assert_leaves_call_unchanged(cohere(), call)


# Addresses, keys and models -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v2", "/v2/", "/compatibility/v1"])
def test_base_url_may_contain_a_version(path: str) -> None:
    """SR-114."""
    adapter = cohere(f"https://api.cohere.com{path}", "co-key")
    request, listing = adapter.request(chat_call(HELLO)), adapter.models_request()
    assert (request.method, request.url) == ("POST", "https://api.cohere.com/v2/chat")
    url = "https://api.cohere.com/v1/models?page_size=1000"
    assert (listing.method, listing.url) == ("GET", url)
    assert request.headers["authorization"] == listing.headers["authorization"] == "Bearer co-key"
    assert b"co-key" not in request.content
    assert "co-key" not in repr(adapter.settings)


def test_spec_names_both_key_variables() -> None:
    (spec,) = llms_providers()
    assert (spec.name, spec.key_env, spec.needs_key) == (
        "cohere",
        ("CO_API_KEY", "COHERE_API_KEY"),
        True,
    )
    assert sent(HELLO).url == "https://api.cohere.com/v2/chat"


def test_deprecated_models_are_not_listed() -> None:
    """SR-118."""
    adapter = cohere()
    assert isinstance(adapter, Discovers)
    listed = [
        {"name": "command-a-03-2025", "endpoints": ["chat"]},
        {"name": "command-light", "is_deprecated": True},
    ]
    assert adapter.models(json.dumps({"models": listed}).encode()) == {
        "command-a-03-2025": "command-a-03-2025"
    }


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"models": [{}]}', b'{"models": null}', b"\xff", b"<html>"]
)
def test_unreadable_model_list_is_an_error(body: bytes) -> None:
    with pytest.raises(ProviderError, match="Cannot parse Cohere's list of models"):
        cohere().models(body)


# Parameters ---------------------------------------------------------------------------------------------------------


def test_parameters_have_coheres_names() -> None:
    """SR-012 … SR-021."""
    body = native(
        temperature=0.5, top_p=0.9, seed=7, stop="END", max_tokens=9, max_completion_tokens=5, logprobs=True,
        frequency_penalty=0.1, presence_penalty=0, top_k=40,
    )  # fmt: skip
    assert {name: value for name, value in body.items() if name not in ("model", "messages", "stream")} == {
        "temperature": 0.5, "p": 0.9, "seed": 7, "stop_sequences": ["END"], "max_tokens": 5, "logprobs": True,
        "frequency_penalty": 0.1, "k": 40,
    }  # fmt: skip
    assert native(stop=["a", "b"])["stop_sequences"] == ["a", "b"]


@pytest.mark.parametrize(("top_p", "p"), [(1, 0.99), (0, 0.01), (0.4, 0.4)])
def test_top_p_is_limited_to_coheres_range(top_p: float, p: float) -> None:
    """SR-015: many clients send 1, and Cohere accepts 0.01 to 0.99."""
    assert native(top_p=top_p)["p"] == p


@pytest.mark.parametrize("content", ["", None, [], [{"type": "text", "text": ""}]])
def test_instructions_without_a_text_are_left_out(content: Any) -> None:
    """Cohere rejects messages without content."""
    hello = {"role": "user", "content": "Hello!"}
    assert native(messages=[{"role": "system", "content": content}, hello])["messages"] == [hello]


def test_users_message_has_no_empty_text() -> None:
    empty = {"type": "text", "text": ""}
    hello = {"type": "text", "text": "Hello"}
    for content, expected in (
        ("", "(no content)"),
        ([empty], "(no content)"),
        ([empty, hello], [hello]),
    ):
        assert (
            native(messages=[{"role": "user", "content": content}])["messages"][0]["content"]
            == expected
        )


def test_plain_request_has_no_additional_members() -> None:
    """SR-025, SR-027, SR-028."""
    hello = {"model": "command-a-03-2025", "messages": HELLO["messages"], "stream": False}
    assert native() == hello
    assert native(temperature=None, tools=None, thinking=None, documents=None, user=None) == hello


def test_coheres_own_parameters_are_passed_through() -> None:
    own = {
        "documents": ["a"],
        "citation_options": {"mode": "FAST"},
        "safety_mode": "STRICT",
        "k": 3,
        "priority": 1,
    }
    assert native(**own, top_k=9).items() >= own.items()


def test_unsupported_parameters_are_reported_as_dropped() -> None:
    request = sent(
        {**HELLO, "logit_bias": {"1": 2}, "top_logprobs": 2, "user": "me", "metadata": None}
    )
    assert json.loads(request.content).keys() == {"model", "messages", "stream"}
    assert request.dropped == ("logit_bias", "top_logprobs", "user")


@pytest.mark.parametrize(
    ("members", "thinking"),
    [
        ({"reasoning_effort": "none"}, {"type": "disabled"}),
        ({"reasoning_effort": "low"}, {"type": "enabled", "token_budget": 2048}),
        ({"reasoning_effort": "medium"}, {"type": "enabled", "token_budget": 8192}),
        ({"reasoning_effort": "high"}, {"type": "enabled"}),
        ({"enable_thinking": True}, {"type": "enabled"}),
        ({"enable_thinking": False, "reasoning_effort": "high"}, {"type": "disabled"}),
        ({"thinking": {"token_budget": 500}, "reasoning_effort": "low"}, {"token_budget": 500}),
    ],
)
def test_reasoning_effort_becomes_thinking(members: Json, thinking: Json) -> None:
    """SR-023, SR-024."""
    assert native(**members)["thinking"] == thinking


def test_response_format_is_translated() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}
    assert native(response_format=wanted)["response_format"] == {
        "type": "json_object",
        "json_schema": schema,
    }
    assert native(response_format={"type": "json_object"})["response_format"] == {
        "type": "json_object"
    }
    assert "response_format" not in native(response_format={"type": "text"})
    with pytest.raises(Unsupported, match="'grammar'"):
        native(response_format={"type": "grammar"})


# Tools --------------------------------------------------------------------------------------------------------------


def tool(name: str, *required: str, **more: Any) -> Json:
    properties = {each: {"type": "string"} for each in required}
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"type": "function", "function": {"name": name, "parameters": schema, **more}}


WEATHER, TIME = tool("weather", "city"), {"type": "function", "function": {"name": "time"}}


@pytest.mark.parametrize(
    ("choice", "names", "expected_choice"),
    [
        ("auto", ["weather", "time"], None),
        ("required", ["weather", "time"], "REQUIRED"),
        ("none", ["weather", "time"], "NONE"),
        ({"type": "function", "function": {"name": "time"}}, ["time"], "REQUIRED"),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [WEATHER]}},
            ["weather"],
            None,
        ),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [TIME]}},
            ["time"],
            "REQUIRED",
        ),
    ],
)
def test_tools_excluded_by_tool_choice_are_not_sent(
    choice: Any, names: list[str], expected_choice: str | None
) -> None:
    body = native(tools=[WEATHER, TIME], tool_choice=choice)
    assert [each["function"]["name"] for each in body["tools"]] == names
    assert body.get("tool_choice") == expected_choice


def test_function_without_parameters_gets_an_empty_schema() -> None:
    """Cohere requires a schema."""
    assert native(tools=[TIME])["tools"][0]["function"]["parameters"] == {
        "type": "object",
        "properties": {},
    }


@pytest.mark.parametrize(
    ("tools", "strict", "dropped"),
    [
        ([tool("a", "x", strict=True), tool("b", "y", strict=True)], True, ()),
        ([tool("a", "x", strict=True), tool("b", "y")], None, ("tools.strict",)),
        ([tool("a", "x", strict=True), tool("b", strict=True)], None, ("tools.strict",)),
        ([tool("a", "x", strict=False)], None, ()),
    ],
)
def test_strict_tools_applies_to_all_tools_or_none(
    tools: list[Json], strict: bool | None, dropped: tuple[str, ...]
) -> None:
    """Cohere has one switch for all tools, which fails for a tool without a required parameter."""
    request = sent({**HELLO, "tools": tools})
    body = json.loads(request.content)
    assert body.get("strict_tools") == strict
    assert all("strict" not in each["function"] for each in body["tools"])
    assert request.dropped == dropped
    assert native(tools=tools, strict_tools=False)["strict_tools"] is False


def test_tool_that_is_not_a_function_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="Tools of type 'custom'"):
        native(tools=[{"type": "custom", "custom": {"name": "x"}}])


def test_reasoning_is_sent_back_with_tool_calls() -> None:
    """SR-032, SR-040: an empty plan next to a call means that the reasoning is not the plan."""
    call = {"id": "a", "type": "function", "function": {"name": "time", "arguments": ""}}
    sent_call = {"id": "a", "type": "function", "function": {"name": "time", "arguments": "{}"}}
    answer: Json = {
        "role": "assistant",
        "content": None,
        "reasoning_content": "Time it is.",
        "tool_calls": [call],
    }
    assert message(**answer) == {
        "role": "assistant",
        "tool_plan": "Time it is.",
        "tool_calls": [sent_call],
    }
    thoughts = {"type": "thinking", "thinking": "Time it is."}
    known = {"provider_extra": {"cohere": {"tool_plan": ""}}}
    assert message(**answer, **known) == {
        "role": "assistant",
        "content": [thoughts],
        "tool_calls": [sent_call],
    }
    both = {"provider_extra": {"cohere": {"tool_plan": " is."}}}
    assert message(**answer, **both)["content"] == [{"type": "thinking", "thinking": "Time it"}]
    result = message(role="tool", tool_call_id="a", content=[{"type": "text", "text": "12:00"}])
    assert result == {
        "role": "tool",
        "tool_call_id": "a",
        "content": [{"type": "text", "text": "12:00"}],
    }


def test_citations_and_reasoning_are_sent_back() -> None:
    citations = [{"start": 0, "end": 2, "text": "Hi", "sources": []}]
    translated = message(
        role="assistant",
        content="Hi",
        reasoning_content="So.",
        provider_extra={"cohere": {"citations": citations}},
    )
    blocks = [{"type": "thinking", "thinking": "So."}, {"type": "text", "text": "Hi"}]
    assert translated == {"role": "assistant", "content": blocks, "citations": citations}
    plain = {"role": "assistant", "content": "Hi"}
    assert message(**plain, provider_extra={"other": 1}) == plain


def test_tool_call_without_arguments_gets_an_empty_object() -> None:
    """SR-056: arguments are always JSON."""
    start = delta(
        "tool-call-start", 0, tool_calls={"id": "a", "function": {"name": "f", "arguments": ""}}
    )
    stop: Json = {"type": "tool-call-end", "index": 0}
    assert joined(streamed(events(start, stop, end("TOOL_CALL"))))["calls"] == [("a", "f", {})]
    calls = [{"id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]
    assert read(completed(whole("", message={"tool_calls": calls})))["calls"] == [("a", "f", {})]


def test_interleaved_tool_calls_are_kept_apart() -> None:
    """SR-056: independent of Cohere's indexes."""
    data = [delta("message-start", role="assistant")]
    for index in (3, 7):
        call = {"id": f"c{index}", "function": {"name": "f", "arguments": '{"n"'}}
        data.append(delta("tool-call-start", index, tool_calls=call))
    for index in (7, 3):
        data += [
            delta("tool-call-delta", index, tool_calls={"function": {"arguments": f": {index}}}"}})
        ]
    found = joined(streamed(events(*data, end("TOOL_CALL"))))
    assert found["calls"] == [("c3", "f", {"n": 3}), ("c7", "f", {"n": 7})]


# Messages -----------------------------------------------------------------------------------------------------------


def test_system_messages_keep_their_position() -> None:
    """SR-041."""
    messages = [
        {"role": "system", "content": "One"},
        {"role": "developer", "content": "Two"},
        HELLO["messages"][0],
    ]
    assert native(messages=messages)["messages"] == [
        messages[0],
        {**messages[1], "role": "system"},
        messages[2],
    ]


def test_images_are_sent_as_data_or_url() -> None:
    """SR-035, SR-036: Cohere downloads URLs itself."""
    assert not isinstance(cohere(), Inlines)
    inline, url = data_uri("image/png", PNG), "https://example.com/cat.png"
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": inline, "detail": "low"}},
        {"type": "image_url", "image_url": url},
    ]
    assert message(role="user", content=parts)["content"] == [
        parts[0], {"type": "image_url", "image_url": {"url": inline, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": url}},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("role", "part"),
    [
        (
            "user",
            {
                "type": "input_audio",
                "input_audio": {"data": data_uri("audio/wav", WAV), "format": "wav"},
            },
        ),
        (
            "user",
            {
                "type": "file",
                "file": {"filename": "a.pdf", "file_data": data_uri("application/pdf", PDF)},
            },
        ),
        ("user", {"type": "hologram"}),
        (
            "tool",
            {
                "type": "file",
                "file": {"filename": "a.pdf", "file_data": data_uri("application/pdf", PDF)},
            },
        ),
    ],
)
def test_content_other_than_text_and_images_is_unsupported(role: str, part: Json) -> None:
    """SR-037, SR-038."""
    assert {COHERE.capabilities.audio, COHERE.capabilities.files} == {False}
    with pytest.raises(Unsupported) as caught:
        message(role=role, tool_call_id="a", content=[part])
    assert caught.value.param == "messages[1].content[0]"


def test_message_of_role_function_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="'function'"):
        message(role="function", name="f", content="4")


# Finish reasons, usage and errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "finish"), [*FINISH.items(), (None, "stop"), ("SOMETHING_NEW", "stop")]
)
def test_finish_reason_is_translated(reason: str | None, finish: str) -> None:
    """SR-048."""
    assert completed(whole(finish_reason=reason)).choices[0].finish_reason == finish
    assert joined(streamed(events(TEXT, end(reason))))["finish"] == finish


@pytest.mark.parametrize(
    ("reason", "error", "kind"),
    [
        ("ERROR", None, ErrorKind.OVERLOADED),
        ("ERROR", "the model failed", ErrorKind.OVERLOADED),
        (None, "the model failed", ErrorKind.OVERLOADED),
        ("TIMEOUT", None, ErrorKind.TIMEOUT),
    ],
)
def test_failed_generation_is_an_error(
    reason: str | None, error: str | None, kind: ErrorKind
) -> None:
    """SR-058: a stream reports it in its last event."""
    with pytest.raises(ProviderError) as caught:
        streamed(events(TEXT, end(reason, **({"error": error} if error else {}))))
    assert caught.value.kind is kind
    assert error is None or caught.value.message == error
    if reason is not None:
        with pytest.raises(ProviderError):
            completed(whole(finish_reason=reason))


def test_error_within_a_stream_is_raised() -> None:
    """SR-058."""
    with pytest.raises(ProviderError, match="internal server error"):
        streamed(events(TEXT) + b'data: {"message": "internal server error"}\n\n')


def test_unknown_and_malformed_events_are_ignored() -> None:
    data = [
        delta("message-start"),
        {"type": "debug", "prompt": "…"},
        {"type": "message-end"},
        {"type": "content-start"},
        delta("content-start", 0, content={"type": "hologram", "hologram": 1}),
        delta("tool-call-delta", 5, tool_calls={"function": {"arguments": "{}"}}),
        TEXT,
        end(),
    ]
    assert joined(streamed(events(*data)))["text"] == "Hi"


def test_usage_is_translated() -> None:
    """SR-049: image tokens count as prompt tokens; an answer without usage has none."""
    tokens = {
        "input_tokens": 34.0,
        "output_tokens": 56.0,
        "reasoning_tokens": 0,
        "image_tokens": 259,
    }
    found = completed(whole(usage={"tokens": tokens, "cached_tokens": 3})).usage
    assert found is not None
    assert counts_of(found) == (293, 56, 3, 0)
    assert found.total_tokens == 349
    assert completed(whole()).usage is None
    assert joined(streamed(events(TEXT, end())))["usage"] is None


def test_logprob_of_a_text_is_the_sum_of_its_tokens() -> None:
    """SR-021."""
    pieces_of_text = [
        {"text": "Hi", "token_ids": [1, 2], "logprobs": [-0.5, -0.25]},
        {"token_ids": [3]},
    ]
    assert read(completed(whole(logprobs=pieces_of_text)))["logprobs"] == [("Hi", -0.75)]


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (400, "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292.",
         ErrorKind.CONTEXT_LENGTH),
        (401, "no api key supplied", ErrorKind.AUTH),
        (402, "Maximum billing reached for this API key as set in your dashboard", ErrorKind.QUOTA),
        (429, "You are past the per minute request limit, please wait and try again later.", ErrorKind.RATE_LIMIT),
        (429, "You are using a Trial key, which is limited to 40 API calls / minute.", ErrorKind.RATE_LIMIT),
        (429, "You are using a Trial key, which is limited to 1000 API calls / month.", ErrorKind.QUOTA),
        (498, "invalid token", ErrorKind.CONTENT_POLICY),
        (500, "internal server error", ErrorKind.OVERLOADED),
        (504, "gateway timeout", ErrorKind.TIMEOUT),
    ],
)  # fmt: skip
def test_errors_are_classified_by_status_and_message(
    status: int, text: str, kind: ErrorKind
) -> None:
    error = cohere().error(status, {}, json.dumps({"id": "1", "message": text}).encode())
    assert (error.kind, error.message, error.status) == (kind, text, status)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{}", b"\xff", b"<html>", b'{"message": "no"}']
)
def test_unreadable_answer_is_an_error(body: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        cohere().completion(chat_call(HELLO), body)
    assert caught.value.kind is ErrorKind.BAD_RESPONSE
    with pytest.raises(ProviderError):
        list(cohere().chunks(chat_call(HELLO)).feed("", body if body != b"{}" else b"1"))


# Through the gateway ------------------------------------------------------------------------------------------------


def test_openai_client_uses_cohere_through_the_gateway(
    upstream: ScriptedUpstream, served: Serve
) -> None:
    """SR-020, SR-055: whole and streamed; the SDK joins the deltas of the stream."""
    citations: list[Json] = [
        {"start": at, "end": at + 1, "text": "o", "sources": []} for at in (1, 3)
    ]
    stream = events(
        {"type": "message-start", "id": "an-id", "delta": {"message": {"role": "assistant"}}},
        delta("content-delta", 0, content={"thinking": "So"}),
        *(delta("content-delta", 1, content={"text": text}) for text in ("Hel", "lo")),
        *(delta("citation-start", number, citations=each) for number, each in enumerate(citations)),
        end(usage={"tokens": {"input_tokens": 3, "output_tokens": 2}}),
    )
    replies = iter(
        [
            json_body(whole("Hello")),
            Reply(Status(200, {"content-type": "text/event-stream"}), Body(stream)),
        ]
    )
    upstream.routes["/v2/chat"] = Reply(lambda seen: next(replies))
    block = {
        "type": "cohere",
        "base_url": upstream.origin,
        "api_key": "sk-marked-cohere",
        "models": {"m": "command-a"},
    }
    with OpenAI(
        base_url=served({"providers": {"cohere": block}}).base_url, api_key="any"
    ) as client:
        answer = client.chat.completions.create(model="m", messages=HELLO["messages"])
        assert (answer.model, answer.choices[0].message.content) == ("m", "Hello")
        options: Any = {"include_usage": True}
        with client.chat.completions.stream(
            model="m", messages=HELLO["messages"], stream_options=options
        ) as reading:
            final = reading.get_final_completion()
    found = read(ChatCompletion.model_validate(final.model_dump()))
    assert (found["id"], found["text"], found["reasoning"], found["finish"]) == (
        "an-id",
        "Hello",
        "So",
        "stop",
    )
    assert found["extra"]["citations"] == citations
    assert final.usage is not None
    assert final.usage.total_tokens == 5
    assert [seen.json["model"] for seen in upstream.requests] == ["command-a"] * 2
