"""A chat request as one of the Responses API: parameters, tools and formats."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chat_requests import chat_requests
from hypothesis import given, settings
from responses_adapter import assert_known_to_the_sdk, call_of, dropped, responses_adapter, sent

from llms_core.errors import RequestError, Unsupported
from llms_core.provider import ANY_MEMBER

Json = dict[str, Any]

SCHEMA = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "integer"}}}
FUNCTION = {
    "type": "function",
    "function": {"name": "f", "description": "does f", "parameters": SCHEMA},
}
GRAMMAR = {"syntax": "lark", "definition": "start: WORD"}


def test_nothing_is_stored_and_encrypted_reasoning_is_requested() -> None:
    assert sent() == {
        "model": "gpt-x",
        "input": [{"role": "user", "content": "Hi"}],
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }


def test_a_stream_is_requested() -> None:
    assert sent(stream=True, stream_options={"include_usage": True})["stream"] is True


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_limit_has_another_name(name: str) -> None:
    assert sent(**{name: 100})["max_output_tokens"] == 100


def test_a_limit_below_the_least_is_raised_and_reported() -> None:
    """OpenAI answers "Expected a value >= 16"."""
    assert sent(max_tokens=1)["max_output_tokens"] == 16
    assert dropped(max_tokens=1) == ("max_tokens",)
    assert dropped(max_tokens=16) == ()


def test_an_effort_asks_for_a_summary() -> None:
    assert sent(reasoning_effort="high")["reasoning"] == {"effort": "high", "summary": "auto"}
    assert sent(reasoning_effort="none")["reasoning"] == {"effort": "none"}
    assert "reasoning" not in sent()


def test_parameters_of_the_same_name_are_passed_on() -> None:
    same: Json = {
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "prompt_cache_key": "k",
        "safety_identifier": "s",
        "service_tier": "flex",
        "temperature": 0.5,
        "top_p": 0.5,
        "user": "u",
    }
    body = sent(**same)
    assert {name: body[name] for name in same} == same
    assert dropped(**same) == ()


def test_parameters_without_a_counterpart_are_reported() -> None:
    lost: Json = {
        "seed": 1,
        "stop": "x",
        "logit_bias": {},
        "presence_penalty": 0.5,
        "store": True,
        "top_k": 3,
    }
    assert dropped(**lost) == ("logit_bias", "presence_penalty", "seed", "stop", "store", "top_k")
    sent(**lost)


def test_null_means_absent() -> None:
    assert dropped(seed=None, stop=None, store=None) == ()
    assert sent(seed=None, tools=None, response_format=None, verbosity=None) == sent()


def test_a_server_that_ignores_the_unknown_gets_it() -> None:
    adapter = responses_adapter(members=frozenset({ANY_MEMBER}))
    request = adapter.request(call_of(provider={"order": ["a"]}, seed=1))
    assert json.loads(request.content)["provider"] == {"order": ["a"]}
    assert request.dropped == ("seed",)


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"n": 2}, "n"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "a", "format": "mp3"}}, "audio"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"messages": [{"role": "function", "name": "f", "content": "1"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "odd"}]}]}, "messages[0].content[0]"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(members: Json, param: str) -> None:
    with pytest.raises(Unsupported) as refused:
        responses_adapter().request(call_of(**members))
    assert refused.value.param == param


@pytest.mark.parametrize(
    "tool", [{"type": "function"}, {"type": "custom"}, {"type": "function", "function": {}}]
)
def test_a_tool_without_a_function_is_an_error_of_the_client(tool: Json) -> None:
    with pytest.raises(RequestError) as refused:
        responses_adapter().request(call_of(tools=[tool]))
    assert (refused.value.param or "").startswith("tools[0]")


# Tools


def test_functions_have_no_member_of_their_own_and_are_not_strict_by_default() -> None:
    """There, `strict` is true unless it is given."""
    assert sent(tools=[FUNCTION])["tools"] == [
        {
            "type": "function",
            "name": "f",
            "description": "does f",
            "parameters": SCHEMA,
            "strict": False,
        }
    ]


def test_schemas_keep_the_order_of_their_members() -> None:
    content = responses_adapter().request(call_of(tools=[FUNCTION])).content
    assert json.dumps(SCHEMA, separators=(",", ":")).encode() in content


def test_a_function_without_parameters_takes_an_empty_object() -> None:
    (tool,) = sent(tools=[{"type": "function", "function": {"name": "f", "strict": True}}])["tools"]
    assert tool["parameters"] == {"type": "object", "properties": {}}
    assert tool["strict"] is True


def test_custom_tools_keep_their_grammar() -> None:
    custom = {"name": "c", "description": "d", "format": {"type": "grammar", "grammar": GRAMMAR}}
    assert sent(tools=[{"type": "custom", "custom": custom}])["tools"] == [
        {
            "type": "custom",
            "name": "c",
            "description": "d",
            "format": {"type": "grammar", **GRAMMAR},
        }
    ]
    plain = {"name": "c", "format": {"type": "text"}}
    assert sent(tools=[{"type": "custom", "custom": plain}])["tools"] == [
        {"type": "custom", **plain}
    ]


def test_tools_that_the_provider_runs_are_passed_on() -> None:
    search = {"type": "web_search", "search_context_size": "low"}
    assert sent(tools=[FUNCTION, search])["tools"][1] == search


def test_options_of_a_search_become_a_tool() -> None:
    place = {"type": "approximate", "approximate": {"city": "Rome", "country": "IT"}}
    body = sent(web_search_options={"search_context_size": "low", "user_location": place})
    assert body["tools"] == [
        {
            "type": "web_search",
            "search_context_size": "low",
            "user_location": {"type": "approximate", "city": "Rome", "country": "IT"},
        }
    ]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", "auto"),
        ("required", "required"),
        ({"type": "function", "function": {"name": "f"}}, {"type": "function", "name": "f"}),
        ({"type": "custom", "custom": {"name": "c"}}, {"type": "custom", "name": "c"}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "auto",
                    "tools": [{"type": "function", "function": {"name": "f"}}],
                },
            },
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        ),
    ],
)
def test_a_choice_of_tools_is_translated(choice: object, expected: object) -> None:
    assert sent(tools=[FUNCTION], tool_choice=choice)["tool_choice"] == expected


# Text


def test_a_schema_for_the_answer_is_a_format_of_the_text() -> None:
    given = {"name": "n", "schema": SCHEMA, "strict": True, "description": "d"}
    body = sent(response_format={"type": "json_schema", "json_schema": given}, verbosity="low")
    assert body["text"] == {"format": {"type": "json_schema", **given}, "verbosity": "low"}
    assert sent(response_format={"type": "json_object"})["text"] == {
        "format": {"type": "json_object"}
    }


def test_log_probabilities_are_included() -> None:
    body = sent(logprobs=True, top_logprobs=3)
    assert body["top_logprobs"] == 3
    assert body["include"] == ["reasoning.encrypted_content", "message.output_text.logprobs"]
    assert "top_logprobs" not in sent(logprobs=False)


# Any request


@pytest.mark.slow
@settings(max_examples=300)
@given(chat_requests(never=("n",)))
def test_every_valid_request_becomes_a_valid_one_or_is_refused(body: Json) -> None:
    call = call_of(**body)
    before = bytes(call.members["messages"])
    try:
        request = responses_adapter().request(call)
    except Unsupported:
        return
    assert_known_to_the_sdk(json.loads(request.content))
    assert bytes(call.members["messages"]) == before
