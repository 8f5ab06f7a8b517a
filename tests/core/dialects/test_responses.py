"""`POST /v1/responses`: requests, whole answers and errors."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest
from openai.types.responses import Response

from llms_core.testing import ScriptedUpstream, error
from tests.core.server.conftest import UPSTREAM_ID, Asking, error_of, whole

Json = dict[str, Any]

RESPONSES = "/v1/responses"
PIXEL = "data:image/png;base64,iVBORw0KGgo="
GATEWAY_TOOL = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}


def answered(ask: Asking, **members: object) -> Json:
    """The response to a request, which the official SDK's types accept."""
    response = posted(ask, **members)
    assert response.status_code == 200, response.text
    Response.model_validate_json(response.text)
    found: Json = response.json()
    return found


def posted(ask: Asking, **members: object) -> httpx.Response:
    return ask.post({"model": "m", "input": "Say hello", "store": False, **members}, RESPONSES)


def sent(ask: Asking, first: ScriptedUpstream, **members: object) -> Json:
    """What the provider gets."""
    answered(ask, **members)
    found: Json = first.requests[-1].json
    return found


def dropped(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    names = response.headers.get("x-llms-dropped-params", "")
    return names.split(", ") if names else []


# Input


def test_a_text_is_a_users_message(ask: Asking, first: ScriptedUpstream) -> None:
    assert sent(ask, first) == {
        "model": UPSTREAM_ID,
        "messages": [{"role": "user", "content": "Say hello"}],
    }


def test_instructions_come_first(ask: Asking, first: ScriptedUpstream) -> None:
    messages = sent(ask, first, instructions="Be brief", input=[{"role": "user", "content": "Hi"}])[
        "messages"
    ]
    assert messages == [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "Hi"},
    ]


def test_images_files_and_sounds_of_a_user(ask: Asking, first: ScriptedUpstream) -> None:
    content = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": PIXEL, "detail": "low"},
        {
            "type": "input_file",
            "filename": "a.pdf",
            "file_data": "data:application/pdf;base64,JVBERi0=",
        },
        {"type": "input_file", "file_url": "https://example.com/b.pdf"},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
    ]
    messages = sent(ask, first, input=[{"type": "message", "role": "user", "content": content}])[
        "messages"
    ]
    assert messages[0]["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
        {
            "type": "file",
            "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"},
        },
        {"type": "file", "file": {"file_data": "https://example.com/b.pdf", "filename": "b.pdf"}},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
    ]


def test_the_items_of_one_turn_are_one_message(ask: Asking, first: ScriptedUpstream) -> None:
    """Whatever their order: providers require that results follow the message with the calls."""
    items = [
        {"role": "user", "content": "Go"},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "I go"}],
        },
        {"type": "function_call", "call_id": "c2", "name": "f", "arguments": '{"a":1}'},
        {"type": "function_call_output", "call_id": "c2", "output": "two"},
        {
            "type": "function_call_output",
            "call_id": "c1",
            "output": [{"type": "input_text", "text": "one"}],
        },
    ]
    assert sent(ask, first, input=items, tools=[GATEWAY_TOOL])["messages"] == [
        {"role": "user", "content": "Go"},
        {
            "role": "assistant",
            "content": "I go",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "c2", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
            ],
        },
        {"role": "tool", "tool_call_id": "c2", "content": "two"},
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
    ]


def test_images_in_the_output_of_a_tool(ask: Asking, first: ScriptedUpstream) -> None:
    output = [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": PIXEL}]
    items = [
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": output},
    ]
    result = sent(ask, first, input=items)["messages"][-1]
    assert [part["type"] for part in result["content"]] == ["text", "image_url"]


def test_reasoning_of_another_server_is_dropped_with_notice(
    ask: Asking, first: ScriptedUpstream
) -> None:
    items = [
        {"role": "user", "content": "Go"},
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [],
            "content": None,
            "encrypted_content": "ZW5jcnlwdGVk",
        },
        {"role": "assistant", "content": "Gone"},
        {"role": "user", "content": "Again"},
    ]
    response = posted(ask, input=items)
    assert dropped(response) == ["input.reasoning"]
    assert first.requests[-1].json["messages"][1] == {"role": "assistant", "content": "Gone"}


def test_what_openais_servers_did_is_dropped_with_notice(
    ask: Asking, first: ScriptedUpstream
) -> None:
    items = [
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        {"role": "user", "content": "Go"},
    ]
    assert dropped(posted(ask, input=items)) == ["input.web_search_call"]


# Parameters


def test_parameters_have_the_names_of_chat_completions(
    ask: Asking, first: ScriptedUpstream
) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    body = sent(
        ask,
        first,
        max_output_tokens=99,
        reasoning={"effort": "low", "summary": "auto"},
        text={
            "format": {"type": "json_schema", "name": "out", "schema": schema, "strict": True},
            "verbosity": "low",
        },
        temperature=0.5,
        top_p=0.9,
        user="u",
        prompt_cache_key="k",
        safety_identifier="s",
        service_tier="flex",
        include=["message.output_text.logprobs"],
        top_logprobs=2,
    )
    del body["model"], body["messages"]
    assert body == {
        "max_completion_tokens": 99,
        "reasoning_effort": "low",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "out", "schema": schema, "strict": True},
        },
        "verbosity": "low",
        "temperature": 0.5,
        "top_p": 0.9,
        "user": "u",
        "prompt_cache_key": "k",
        "safety_identifier": "s",
        "service_tier": "flex",
        "logprobs": True,
        "top_logprobs": 2,
    }


def test_reasoning_without_a_text_is_no_words_of_the_assistant(
    ask: Asking, first: ScriptedUpstream
) -> None:
    """pydantic-ai writes reasoning of unknown models into a message; a model would read the empty marks as its own."""
    call = {"type": "function_call", "call_id": "c", "name": "gateway", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c", "output": "Yes"}
    thought = {"role": "assistant", "content": "<think>\n\n</think>"}
    response = posted(ask, input=[{"role": "user", "content": "?"}, thought, call, output])
    assert dropped(response) == ["input.reasoning"]
    assert [message["role"] for message in first.requests[-1].json["messages"]] == [
        "user",
        "assistant",
        "tool",
    ]
    assert "<think>" not in first.requests[-1].body.decode()
    # A text of its own stays.
    thought["content"] = "<think>\nHm\n</think>"
    posted(ask, input=[{"role": "user", "content": "?"}, thought, call, output])
    assert first.requests[-1].json["messages"][1]["content"] == "<think>\nHm\n</think>"


def test_what_has_no_effect_is_reported(ask: Asking, first: ScriptedUpstream) -> None:
    response = posted(
        ask,
        truncation="auto",
        client_metadata={"a": "b"},
        max_tool_calls=3,
        metadata={"k": "v"},
        conversation=None,
    )
    assert sorted(dropped(response)) == ["client_metadata", "max_tool_calls", "truncation"]
    assert response.json()["metadata"] == {"k": "v"}
    assert first.requests[-1].json.keys() == {"model", "messages"}


def test_parallel_tool_calls_are_only_sent_beside_tools(
    ask: Asking, first: ScriptedUpstream
) -> None:
    """Providers refuse them otherwise."""
    assert "parallel_tool_calls" not in sent(
        ask, first, parallel_tool_calls=True, tool_choice="auto", tools=[]
    )
    body = sent(ask, first, parallel_tool_calls=False, tool_choice="auto", tools=[GATEWAY_TOOL])
    assert body["parallel_tool_calls"] is False
    assert body["tool_choice"] == "auto"


def test_a_provider_that_drops_a_parameter_is_reported_with_the_clients_name(
    ask: Asking, first: ScriptedUpstream
) -> None:
    """As it is in an error."""
    first.default = error(
        400, "Unsupported parameter", param="reasoning_effort", code="unsupported_parameter"
    )
    assert error_of(posted(ask, reasoning={"effort": "low"}))["param"] == "reasoning.effort"


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"model": ""}, "model"),
        ({"input": []}, "input"),
        ({"input": 3}, "input"),
        ({"temperature": 3}, "temperature"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"truncation": "some"}, "truncation"),
        ({"text": {"format": {"type": "json_schema", "name": "a"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "yaml"}}}, "text.format.type"),
        ({"input": [{"type": "message", "content": "a"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "tool", "content": "a"}]}, "input[0].role"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_text"}]}]},
            "input[0].content[0].text",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_video"}]}]},
            "input[0].content[0].type",
        ),
        (
            {
                "input": [
                    {
                        "role": "user",
                        "content": [{"type": "input_image", "image_url": "/etc/passwd"}],
                    }
                ]
            },
            "input[0].content[0].image_url",
        ),
        (
            {
                "input": [
                    {
                        "role": "user",
                        "content": [{"type": "input_file", "file_data": "/etc/passwd"}],
                    }
                ]
            },
            "input[0].content[0].file_data",
        ),
        (
            {
                "input": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "input_audio", "input_audio": {"data": "/etc/passwd"}}
                        ],
                    }
                ]
            },
            "input[0].content[0].input_audio.data",
        ),
        (
            {
                "input": [
                    {
                        "type": "function_call_output",
                        "call_id": "c",
                        "output": [{"type": "input_file", "file_url": "/a"}],
                    }
                ]
            },
            "input[0].output[0].file_url",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file_1"}]}]},
            "input[0].content[0].file_id",
        ),
        (
            {"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]},
            "input[0].call_id",
        ),
        (
            {"input": [{"type": "function_call", "call_id": "c", "arguments": "{}"}]},
            "input[0].name",
        ),
        ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "input[0].output"),
        (
            {"input": [{"type": "function_call_output", "call_id": "c", "output": 5}]},
            "input[0].output",
        ),
        ({"input": [{"type": "compaction", "encrypted_content": "x"}]}, "input[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"name": "f"}]}, "tools[0]"),
        (
            {"tool_choice": {"type": "function", "name": "g"}, "tools": [GATEWAY_TOOL]},
            "tool_choice",
        ),
        ({"tool_choice": {"type": "web_search"}, "tools": [{"type": "web_search"}]}, "tool_choice"),
        ({"tool_choice": "required", "tools": [{"type": "web_search"}]}, "tool_choice"),
        ({"tool_choice": 5}, "tool_choice"),
    ],
)
def test_an_invalid_request_is_refused_with_the_members_name(
    ask: Asking, first: ScriptedUpstream, members: Json, param: str
) -> None:
    response = posted(ask, **members)
    assert response.status_code == 400
    assert error_of(response)["param"] == param
    assert first.requests == []


def test_background_is_refused_with_an_explanation(ask: Asking) -> None:
    assert (
        "Background responses are not supported"
        in error_of(posted(ask, background=True))["message"]
    )


# Answers


def test_the_answer_says_what_was_asked_and_what_it_cost(
    ask: Asking, first: ScriptedUpstream
) -> None:
    first.default = whole(
        usage={
            "prompt_tokens": 9,
            "completion_tokens": 12,
            "total_tokens": 21,
            "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 5},
        }
    )
    tool = {**GATEWAY_TOOL, "description": "d", "strict": False}
    response = answered(
        ask, instructions="Be brief", tools=[tool], temperature=0.5, metadata={"k": "v"}
    )
    assert response["object"] == "response"
    assert response["status"] == "completed"
    assert response["model"] == "m"
    assert response["instructions"] == "Be brief"
    assert response["tools"] == [tool]
    assert (response["temperature"], response["metadata"], response["store"]) == (
        0.5,
        {"k": "v"},
        False,
    )
    assert response["usage"] == {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 12,
        "output_tokens_details": {"reasoning_tokens": 5},
        "total_tokens": 21,
    }
    (message,) = response["output"]
    assert message["content"] == [
        {"type": "output_text", "text": "Hello!", "annotations": [], "logprobs": []}
    ]
    assert (message["role"], message["status"]) == ("assistant", "completed")


@pytest.mark.parametrize(
    ("finish_reason", "reason"),
    [("length", "max_output_tokens"), ("content_filter", "content_filter")],
)
def test_an_answer_that_was_cut_is_incomplete(
    ask: Asking, first: ScriptedUpstream, finish_reason: str, reason: str
) -> None:
    first.default = whole(finish_reason=finish_reason)
    response = answered(ask)
    assert response["status"] == response["output"][0]["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": reason}
    assert response["completed_at"] is None


def test_an_empty_answer_is_an_empty_message(ask: Asking, first: ScriptedUpstream) -> None:
    first.default = whole({"role": "assistant", "content": ""})
    assert answered(ask)["output"][0]["content"][0]["text"] == ""


def test_citations_refusals_and_images(ask: Asking, first: ScriptedUpstream) -> None:
    citation = {"url": "https://example.com", "title": "E", "start_index": 0, "end_index": 5}
    message = {
        "role": "assistant",
        "content": "Hello!",
        "refusal": "No more",
        "annotations": [{"type": "url_citation", "url_citation": citation}],
        "images": [{"type": "image_url", "image_url": {"url": PIXEL}}],
    }
    first.default = whole(message)
    text, image = answered(ask)["output"]
    assert text["content"][0]["annotations"] == [{"type": "url_citation", **citation}]
    assert text["content"][1] == {"type": "refusal", "refusal": "No more"}
    assert (image["type"], image["result"]) == ("image_generation_call", "iVBORw0KGgo=")


def test_log_probabilities_are_sent_if_they_are_included(
    ask: Asking, first: ScriptedUpstream
) -> None:
    token = {
        "token": "Hi",
        "logprob": -0.1,
        "bytes": None,
        "top_logprobs": [{"token": "Hi", "logprob": -0.1}],
    }
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "Hi"},
        "finish_reason": "stop",
    }
    first.default = whole(choices=[{**choice, "logprobs": {"content": [token]}}])
    (message,) = answered(ask, include=["message.output_text.logprobs"])["output"]
    assert message["content"][0]["logprobs"][0]["token"] == "Hi"
    assert answered(ask)["output"][0]["content"][0]["logprobs"] == []


def test_reasoning_and_signatures_come_back_to_their_provider(
    ask: Asking, first: ScriptedUpstream
) -> None:
    """In an envelope that only the gateway opens, so that no state is needed."""
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "sig"}},
    }
    message = {
        "role": "assistant",
        "content": None,
        "reasoning_content": "I think",
        "tool_calls": [call],
    }
    first.default = whole(message, "tool_calls")
    output = answered(ask, tools=[GATEWAY_TOOL], reasoning={"summary": "auto"})["output"]
    assert [item["type"] for item in output] == ["reasoning", "function_call"]
    assert output[0]["summary"] == [{"type": "summary_text", "text": "I think"}]
    assert "sig" not in json.dumps(output)

    first.default = whole()
    result = {"type": "function_call_output", "call_id": "c1", "output": "done"}
    answered(ask, input=[{"role": "user", "content": "Go"}, *output, result], tools=[GATEWAY_TOOL])
    again = first.requests[-1].json["messages"][1]
    assert again["reasoning_content"] == "I think"
    assert again["tool_calls"] == [call]


def test_reasoning_that_a_client_has_changed_is_dropped_with_notice(
    ask: Asking, first: ScriptedUpstream
) -> None:
    first.default = whole({"role": "assistant", "content": "Hi", "reasoning_content": "I think"})
    thought, said = answered(ask)["output"]
    prefix, _, sealed = thought["encrypted_content"].partition(".")
    changed = base64.urlsafe_b64decode(sealed).replace(b"I think", b"I thank")
    thought["encrypted_content"] = f"{prefix}.{base64.urlsafe_b64encode(changed).decode()}"

    response = posted(ask, input=[{"role": "user", "content": "Go"}, thought, said])
    assert dropped(response) == ["input.reasoning"]
    assert "reasoning_content" not in first.requests[-1].json["messages"][1]


def test_reasoning_is_content_unless_a_summary_was_requested(
    ask: Asking, first: ScriptedUpstream
) -> None:
    first.default = whole({"role": "assistant", "content": "Hi", "reasoning_content": "I think"})
    thought, _ = answered(ask)["output"]
    assert thought["content"] == [{"type": "reasoning_text", "text": "I think"}]
    assert thought["summary"] == []


def test_an_error_of_the_provider_is_openais_error(ask: Asking, first: ScriptedUpstream) -> None:
    first.default = error(401)
    response = posted(ask)
    assert response.status_code == 424
    assert error_of(response)["code"] == "provider_error"
