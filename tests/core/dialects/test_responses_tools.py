"""Tools of the Responses API: functions for the provider, and the client's own types of calls on the way back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from openai.types.responses import Response
from response_events import response_in

from llms_core.testing import ScriptedUpstream, events
from tests.core.server.conftest import Asking, chunk, error_of, whole

Json = dict[str, Any]

RESPONSES = "/v1/responses"
PARAMETERS = {"type": "object", "properties": {"a": {"type": "string"}}}
FUNCTION = {
    "type": "function",
    "name": "f",
    "description": "d",
    "parameters": PARAMETERS,
    "strict": True,
}
PATCH = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edit files",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"},
}
SPACE = {
    "type": "namespace",
    "name": "agents",
    "description": "d",
    "tools": [{**FUNCTION, "name": "spawn"}, PATCH],
}
SEARCH = {
    "type": "tool_search",
    "execution": "client",
    "description": "Find tools",
    "parameters": PARAMETERS,
}


def functions(first: ScriptedUpstream) -> dict[str, Json]:
    """The functions that the provider got, by name."""
    tools = first.requests[-1].json.get("tools", [])
    assert all(tool["type"] == "function" for tool in tools)
    return {tool["function"]["name"]: tool["function"] for tool in tools}


def outputs(
    ask: Asking, first: ScriptedUpstream, tools: list[Json], name: str, arguments: object
) -> list[Json]:
    """The calls that the client gets if the model calls a function: whole and streamed, which are the same."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": text}}
    first.default = whole(
        {"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls"
    )
    body = {"model": "m", "input": "Go", "tools": tools, "store": False}
    answered = ask.post(body, RESPONSES)
    assert answered.status_code == 200, answered.text
    Response.model_validate_json(answered.text)

    pieces = [text[:3], text[3:]]
    begin = {
        "index": 0,
        "id": "call_1",
        "type": "function",
        "function": {"name": name, "arguments": ""},
    }
    rest = [{"index": 0, "function": {"arguments": piece}} for piece in pieces]
    deltas = [chunk({"tool_calls": [fragment]}) for fragment in (begin, *rest)]
    first.default = events(*deltas, chunk({}, "tool_calls"), "[DONE]")
    streamed = response_in(ask.post({**body, "stream": True}, RESPONSES).text)["output"]
    found: list[Json] = answered.json()["output"]
    assert [_without_id(item) for item in streamed] == [_without_id(item) for item in found]
    return found


def _without_id(item: Json) -> Json:
    return {name: value for name, value in item.items() if name != "id"}


def test_a_function(ask: Asking, first: ScriptedUpstream) -> None:
    (call,) = outputs(ask, first, [FUNCTION], "f", {"a": "b"})
    assert functions(first)["f"] == {
        "name": "f",
        "description": "d",
        "parameters": PARAMETERS,
        "strict": True,
    }
    assert (call["type"], call["name"], call["call_id"]) == ("function_call", "f", "call_1")
    assert json.loads(call["arguments"]) == {"a": "b"}


def test_a_custom_tool_takes_one_text(ask: Asking, first: ScriptedUpstream) -> None:
    (call,) = outputs(ask, first, [PATCH], "apply_patch", {"input": "*** Begin\n“x”"})
    function = functions(first)["apply_patch"]
    assert list(function["parameters"]["properties"]) == ["input"]
    assert "lark" in function["description"]
    assert "start: /.+/" in function["description"]
    assert (call["type"], call["name"], call["input"]) == (
        "custom_tool_call",
        "apply_patch",
        "*** Begin\n“x”",
    )


def test_a_custom_call_that_is_no_json_is_its_input(ask: Asking, first: ScriptedUpstream) -> None:
    (call,) = outputs(ask, first, [PATCH], "apply_patch", "*** Begin Patch")
    # The gateway makes an object of arguments that are none; the text is what the client needs.
    assert "*** Begin Patch" in call["input"]


def test_a_custom_call_and_its_output_come_back_as_a_function_call(
    ask: Asking, first: ScriptedUpstream
) -> None:
    items = [
        {"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": "x"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "done"},
    ]
    ask.post({"model": "m", "input": items, "tools": [PATCH], "store": False}, RESPONSES)
    call, result = first.requests[-1].json["messages"]
    assert call["tool_calls"][0]["function"] == {
        "name": "apply_patch",
        "arguments": '{"input":"x"}',
    }
    assert result == {"role": "tool", "tool_call_id": "c1", "content": "done"}


def test_namespaces_are_flattened_and_restored(ask: Asking, first: ScriptedUpstream) -> None:
    (call,) = outputs(ask, first, [FUNCTION, SPACE], "agents__spawn", {"a": "b"})
    assert list(functions(first)) == ["f", "agents__spawn", "agents__apply_patch"]
    assert (call["type"], call["namespace"], call["name"]) == ("function_call", "agents", "spawn")

    items = [call, {"type": "function_call_output", "call_id": "call_1", "output": "done"}]
    ask.post({"model": "m", "input": items, "tools": [SPACE], "store": False}, RESPONSES)
    sent = first.requests[-1].json["messages"][0]["tool_calls"][0]
    assert sent["function"]["name"] == "agents__spawn"

    (call,) = outputs(ask, first, [SPACE], "agents__apply_patch", {"input": "x"})
    assert (call["type"], call["namespace"], call["name"]) == (
        "custom_tool_call",
        "agents",
        "apply_patch",
    )


def test_flattened_names_are_unique_and_valid(ask: Asking, first: ScriptedUpstream) -> None:
    taken = {**FUNCTION, "name": "agents__spawn"}
    long = {
        **SPACE,
        "name": "a.b" * 20,
        "tools": [{**FUNCTION, "name": name} for name in ("x" * 60, "x" * 61)],
    }
    (call,) = outputs(ask, first, [SPACE, long, taken], "agents__spawn", {})
    assert "namespace" not in call
    names = list(functions(first))
    assert len(names) == len(set(names)) == 5
    assert all(
        len(name) <= 64 and name.replace("_", "").replace("-", "").isalnum() for name in names
    )
    renamed = next(name for name in names if name.startswith("agents__spawn_"))
    (call,) = outputs(ask, first, [SPACE, long, taken], renamed, {})
    assert (call["namespace"], call["name"]) == ("agents", "spawn")


def test_a_search_for_tools_that_the_client_runs(ask: Asking, first: ScriptedUpstream) -> None:
    (call,) = outputs(ask, first, [SEARCH], "tool_search", {"a": "mail"})
    assert functions(first)["tool_search"]["parameters"] == PARAMETERS
    assert (call["type"], call["execution"], call["arguments"]) == (
        "tool_search_call",
        "client",
        {"a": "mail"},
    )

    found = {
        "type": "tool_search_output",
        "call_id": "call_1",
        "tools": [{**FUNCTION, "name": "mail"}],
    }
    ask.post({"model": "m", "input": [call, found], "tools": [SEARCH], "store": False}, RESPONSES)
    assert list(functions(first)) == ["tool_search", "mail"]
    assert first.requests[-1].json["messages"][-1]["content"] == '{"found":["mail"]}'


@pytest.mark.parametrize(
    ("tool", "arguments", "type_", "member", "output"),
    [
        (
            {"type": "local_shell"},
            {"command": ["ls", "-l"]},
            "local_shell_call",
            {"action": {"type": "exec", "command": ["ls", "-l"], "env": {}}},
            {"type": "local_shell_call_output", "id": "call_1", "output": "a"},
        ),
        (
            {"type": "shell"},
            {"commands": ["ls"]},
            "shell_call",
            {"action": {"commands": ["ls"], "timeout_ms": None, "max_output_length": None}},
            {
                "type": "shell_call_output",
                "call_id": "call_1",
                "output": [{"stdout": "a", "stderr": ""}],
            },
        ),
        (
            {"type": "apply_patch"},
            {"type": "delete_file", "path": "a"},
            "apply_patch_call",
            {"operation": {"type": "delete_file", "path": "a"}},
            {"type": "apply_patch_call_output", "call_id": "call_1", "status": "completed"},
        ),
    ],
    ids=["local_shell", "shell", "apply_patch"],
)
def test_tools_that_the_client_runs_by_their_type(
    ask: Asking,
    first: ScriptedUpstream,
    tool: Json,
    arguments: Json,
    type_: str,
    member: Json,
    output: Json,
) -> None:
    (call,) = outputs(ask, first, [tool], tool["type"], arguments)
    assert call["type"] == type_
    assert call.items() >= member.items()
    answered = ask.post(
        {"model": "m", "input": [call, output], "tools": [tool], "store": False}, RESPONSES
    )
    assert answered.status_code == 200, answered.text
    sent, result = first.requests[-1].json["messages"]
    assert sent["tool_calls"][0]["function"]["name"] == tool["type"]
    assert result["tool_call_id"] == "call_1"


def test_a_call_of_a_shell_without_a_command_is_not_passed_on(
    ask: Asking, first: ScriptedUpstream
) -> None:
    call = {
        "id": "c",
        "type": "function",
        "function": {"name": "local_shell", "arguments": '{"cmd": 1}'},
    }
    first.default = whole(
        {"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls"
    )
    answered = ask.post(
        {"model": "m", "input": "Go", "tools": [{"type": "local_shell"}], "store": False}, RESPONSES
    )
    assert answered.status_code == 502
    assert "local_shell" in error_of(answered)["message"]


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "web_search"},
        {"type": "web_search_preview"},
        {"type": "file_search", "vector_store_ids": ["v"]},
        {"type": "code_interpreter", "container": {"type": "auto"}},
        {"type": "image_generation"},
        {"type": "mcp", "server_label": "s"},
        {"type": "tool_search"},
        {"type": "shell", "environment": {"type": "container_auto"}},
        {"type": "not_known_yet"},
    ],
    ids=lambda tool: tool["type"],
)
def test_a_tool_that_openai_would_run_is_left_out_with_notice(
    ask: Asking, first: ScriptedUpstream, tool: Mapping[str, object]
) -> None:
    body = {
        "model": "m",
        "input": "Go",
        "tools": [tool, FUNCTION],
        "tool_choice": "auto",
        "store": False,
    }
    answered = ask.post(body, RESPONSES)
    assert answered.headers["x-llms-dropped-params"] == f"tools.{tool['type']}"
    assert list(functions(first)) == ["f"]
    forced = ask.post({**body, "tool_choice": {"type": tool["type"]}}, RESPONSES)
    assert error_of(forced)["param"] == "tool_choice"


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("required", "required"),
        ({"type": "function", "name": "f"}, {"type": "function", "function": {"name": "f"}}),
        (
            {"type": "custom", "name": "apply_patch"},
            {"type": "function", "function": {"name": "apply_patch"}},
        ),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "auto",
                    "tools": [{"type": "function", "function": {"name": "f"}}],
                },
            },
        ),
    ],
)
def test_the_choice_of_a_tool(
    ask: Asking, first: ScriptedUpstream, choice: object, sent: object
) -> None:
    body = {
        "model": "m",
        "input": "Go",
        "tools": [FUNCTION, PATCH],
        "tool_choice": choice,
        "store": False,
    }
    assert ask.post(body, RESPONSES).status_code == 200
    assert first.requests[-1].json["tool_choice"] == sent
