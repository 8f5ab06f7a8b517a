"""The messages of a request, rewritten by a provider's rules. Presets: tests/providers/test_preset_requests.py."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llms_core.contracts.request import ChatCall, decode
from llms_core.errors import Unsupported
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import ProviderSettings, ProviderSpec, RequestRules, UpstreamRequest

Json = dict[str, Any]

CLOSED = frozenset[str]()
HI: Json = {"role": "user", "content": "Hi"}
PDF = "data:application/pdf;base64,JVBERi0xLjQ="


def request(
    messages: list[Json], parameters: Json | None = None, *, model: str = "m", **rules: Any
) -> UpstreamRequest:
    """The request to a provider with these rules."""
    spec = ProviderSpec(
        name="x",
        title="X",
        adapter=OpenAICompatible,
        base_url="http://x",
        rules=RequestRules(**rules),
    )
    body = decode(json.dumps({"model": "m", "messages": messages, **(parameters or {})}).encode())
    call = ChatCall(body=body, upstream_model=model, client_model="m", id="chatcmpl-1", created=1)
    return OpenAICompatible(spec, ProviderSettings(id="x")).request(call)


def sent(messages: list[Json], **rules: Any) -> list[Json]:
    found: list[Json] = json.loads(request(messages, **rules).content)["messages"]
    return found


def calling(*calls: Json, **more: Any) -> Json:
    return {"role": "assistant", "content": None, "tool_calls": list(calls), **more}


def tool_call(id: str, arguments: Any = "{}", **more: Any) -> Json:
    return {"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}, **more}


def result(id: str) -> Json:
    return {"role": "tool", "tool_call_id": id, "content": "ok"}


def test_a_server_that_is_not_known_gets_unknown_members_but_not_our_own() -> None:
    message = {
        "role": "assistant",
        "content": "a",
        "reasoning_content": "r",
        "x": 1,
        "provider_extra": {},
    }
    assert sent([message]) == [
        {"role": "assistant", "content": "a", "reasoning_content": "r", "x": 1}
    ]


def test_a_member_may_be_accepted_from_one_role_only() -> None:
    assistant = {"role": "assistant", "content": "a", "prefix": True}
    assert sent([{**HI, "prefix": True}, assistant], members=frozenset({"assistant.prefix"})) == [
        HI,
        assistant,
    ]


def test_what_the_client_set_in_vain_is_reported() -> None:
    """SR-024; but not what comes from answers, nor null. The header stays short, whatever the client sends."""
    strange = {f"member_{number}": 1 for number in range(20)} | {"with space": 1, "x" * 99: 1}
    extras = {"name": "Ada", "reasoning": "r", "refusal": None, "timestamp": None}
    assert request([{**HI, **extras}], members=CLOSED).dropped == ("messages.name",)
    assert len(request([{**HI, **strange}], members=CLOSED).dropped) == 8


def test_an_answer_of_thoughts_alone_is_left_out_where_they_are_not_accepted() -> None:
    thought = {"role": "assistant", "content": None, "reasoning_content": "hm"}
    assert sent([HI, thought, HI], members=CLOSED) == [HI, HI]


def test_an_empty_list_of_tool_calls_is_left_out() -> None:
    """Together's answers have one, and OpenAI answers "[] is too short"."""
    assert sent([{"role": "assistant", "content": "a", "tool_calls": []}]) == [
        {"role": "assistant", "content": "a"}
    ]


@pytest.mark.parametrize(("developer", "role"), [(True, "developer"), (False, "system")])
def test_developer_becomes_system_where_it_is_not_documented(developer: bool, role: str) -> None:
    assert sent([{"role": "developer", "content": "a"}], developer=developer) == [
        {"role": role, "content": "a"}
    ]


def test_calls_of_custom_tools_keep_their_ids() -> None:
    custom = {"id": "call_1", "type": "custom", "custom": {"name": "c", "input": "x"}}
    messages = [calling(custom), result("call_1")]
    assert sent(messages) == messages


def test_a_function_named_custom_is_no_custom_tool() -> None:
    messages = [
        calling({"id": "", "type": "function", "function": {"name": "custom", "arguments": "{}"}}),
        result(""),
    ]
    call, answer = sent(messages)
    assert call["tool_calls"][0]["id"] == answer["tool_call_id"] != ""


def test_signatures_stay_beside_calls_where_they_are_accepted() -> None:
    messages = [calling(tool_call("a", extra_content={"google": {}})), result("a")]
    assert sent(messages, members=frozenset({"extra_content"})) == messages
    assert sent(messages, members=CLOSED) == [calling(tool_call("a")), result("a")]


@pytest.mark.parametrize("next_role", ["user", "system", "developer"])
def test_the_assistant_speaks_after_a_tool(next_role: str) -> None:
    messages = [HI, calling(tool_call("a")), result("a"), {"role": next_role, "content": "b"}]
    roles = [message["role"] for message in sent(messages, assistant_after_tool=True)]
    assert roles[:4] == ["user", "assistant", "tool", "assistant"]
    assert len(roles) == 5


def test_users_and_the_assistant_take_turns() -> None:
    system = {"role": "system", "content": "s"}
    image = {"type": "image_url", "image_url": {"url": "https://x/y.png"}}
    messages = [
        system,
        system,
        HI,
        {"role": "user", "content": [image]},
        system,
        {"role": "assistant", "content": "a"},
    ]
    text = {"type": "text", "text": "Hi"}
    late = {"type": "text", "text": "s"}
    assert sent(messages, alternate=True) == [
        system,
        system,
        {"role": "user", "content": [text, image, late]},
        {"role": "assistant", "content": "a"},
    ]
    assert sent([HI, HI], alternate=True) == [{"role": "user", "content": "Hi\n\nHi"}]


def test_documents_are_document_urls() -> None:
    file = {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}}
    (message,) = sent([{"role": "user", "content": [file]}], document_url=True)
    assert message["content"] == [
        {"type": "document_url", "document_url": PDF, "document_name": "a.pdf"}
    ]
    image = {"type": "file", "file": {"file_data": "data:image/png;base64,AA=="}}
    (message,) = sent([{"role": "user", "content": [image]}], document_url=True)
    assert message["content"] == [{"type": "image_url", "image_url": "data:image/png;base64,AA=="}]


@pytest.mark.parametrize(
    "file", [{"file_id": "file-1"}, {"file_data": "data:audio/mpeg;base64,AA=="}]
)
def test_a_file_that_cannot_be_a_document_is_left_to_another_provider(file: Json) -> None:
    with pytest.raises(Unsupported):
        sent([{"role": "user", "content": [{"type": "file", "file": file}]}], document_url=True)


@pytest.mark.parametrize(
    ("client", "logprobs"),
    [
        ({"logprobs": True}, 1),
        ({"logprobs": True, "top_logprobs": 0}, 1),
        ({"logprobs": True, "top_logprobs": 5}, 5),
        ({"logprobs": False, "top_logprobs": None}, None),
        ({"top_logprobs": 5}, None),
        ({}, None),
    ],
)
def test_logprobs_as_a_number(client: Json, logprobs: int | None) -> None:
    body = json.loads(request([HI], client, logprobs_number=True).content)
    assert body.get("logprobs") == logprobs
    assert "top_logprobs" not in body


@pytest.mark.parametrize(
    ("model", "client", "limits"),
    [
        ("gpt-5.4", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ("openai/o3-mini", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ("GPT-5-mini", {"max_tokens": 5, "max_completion_tokens": 7}, {"max_completion_tokens": 7}),
        ("o1", {"max_tokens": 5, "max_completion_tokens": None}, {"max_completion_tokens": 5}),
        ("gpt-oss-120b", {"max_tokens": 5}, {"max_tokens": 5}),
        ("olmo-2", {"max_tokens": 5}, {"max_tokens": 5}),
    ],
)
def test_reasoning_models_get_the_newer_name_of_the_limit(
    model: str, client: Json, limits: Json
) -> None:
    """SR-014."""
    body = json.loads(request([HI], client, model=model).content)
    assert {name: value for name, value in body.items() if name.startswith("max_")} == limits
