"""Calls that another model left in a conversation, in each client's API, for providers of the same and other protocols.

Whether a request is passed on or translated, the provider gets calls that it accepts, and results that belong to them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pytest

from llms_core.testing import ScriptedUpstream
from tests.core.server.conftest import NO_RETRIES, Asking, Pair, running

Json = dict[str, Any]

CLAUDES = r"[a-zA-Z0-9_-]{1,64}"

#: The models, each of a provider of its own, and the ids that it accepts.
PROVIDERS = {
    "claude": ("anthropic", "claude-sonnet-4-5", CLAUDES),
    "kimi": ("anthropic", "kimi-k3", CLAUDES),
    "bedrock": ("bedrock", "anthropic.claude-sonnet-4-5-v1:0", CLAUDES),
    "gemini": ("google", "gemini-2.5-flash", r"(?s:.+)"),
    "cohere": ("cohere", "command-a-03-2025", CLAUDES),
    "openai": ("openai", "gpt-5.4", r"(?s:.{1,64})"),
    "groq": ("groq", "some-model", r"(?s:.+)"),
    "mistral": ("mistral", "some-model", r"[a-zA-Z0-9]{9}"),
    "deepseek": ("deepseek", "some-model", r"(?s:.+)"),
}


def config(upstream: ScriptedUpstream) -> Json:
    blocks: Json = {}
    for name, (type_, model, _) in PROVIDERS.items():
        block = {
            "type": type_,
            "base_url": upstream.base_url,
            "api_key": "sk-marked-key",
            "models": {name: model},
        }
        blocks[name] = {**block, "region": "us-east-1"} if type_ == "bedrock" else block
    return {"providers": blocks}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    breaker = "[routing.breaker]\nfailures = 100000\n"
    with running(tmp_path_factory.mktemp("pair"), NO_RETRIES + breaker, config) as pair:
        yield pair


class Call(NamedTuple):
    """A call of an earlier turn, whose result is the text of its place among all calls."""

    id: str
    arguments: Any = {}  # noqa: RUF012
    name: str = "f"


Turns = Sequence[Sequence[Call]]
Body = Callable[[str, Turns], tuple[str, Json]]


def with_results(turns: Turns) -> Iterator[list[tuple[Call, str]]]:
    count = 0
    for turn in turns:
        yield [(call, str(count + number)) for number, call in enumerate(turn)]
        count += len(turn)


def as_chat(model: str, turns: Turns) -> tuple[str, Json]:
    messages: list[Json] = [{"role": "user", "content": "Hi"}]
    for turn in with_results(turns):
        functions = [{"name": call.name, "arguments": call.arguments} for call, _ in turn]
        calls = [
            {"id": call.id, "type": "function", "function": function}
            for (call, _), function in zip(turn, functions, strict=True)
        ]
        messages.append({"role": "assistant", "content": None, "tool_calls": calls})
        messages += [
            {"role": "tool", "tool_call_id": call.id, "content": result} for call, result in turn
        ]
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    return "/v1/chat/completions", {"model": model, "messages": messages, "tools": tools}


def as_messages(model: str, turns: Turns) -> tuple[str, Json]:
    messages: list[Json] = [{"role": "user", "content": "Hi"}]
    for turn in with_results(turns):
        uses = [
            {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}
            for call, _ in turn
        ]
        results = [
            {"type": "tool_result", "tool_use_id": call.id, "content": result}
            for call, result in turn
        ]
        messages += [{"role": "assistant", "content": uses}, {"role": "user", "content": results}]
    tools = [{"name": "f", "input_schema": {"type": "object"}}]
    return "/v1/messages", {"model": model, "max_tokens": 100, "messages": messages, "tools": tools}


def as_responses(model: str, turns: Turns) -> tuple[str, Json]:
    items: list[Json] = [{"role": "user", "content": "Hi"}]
    for turn in with_results(turns):
        for call, _ in turn:
            arguments = (
                json.dumps(call.arguments) if isinstance(call.arguments, dict) else call.arguments
            )
            items.append(
                {
                    "type": "function_call",
                    "call_id": call.id,
                    "name": call.name,
                    "arguments": arguments,
                }
            )
        items += [
            {"type": "function_call_output", "call_id": call.id, "output": result}
            for call, result in turn
        ]
    tools = [{"type": "function", "name": "f", "parameters": {"type": "object"}}]
    return "/v1/responses", {"model": model, "input": items, "tools": tools}


def as_gemini(model: str, turns: Turns) -> tuple[str, Json]:
    contents: list[Json] = [{"role": "user", "parts": [{"text": "Hi"}]}]
    for turn in with_results(turns):
        calls = [
            {"functionCall": {"id": call.id, "name": call.name, "args": call.arguments}}
            for call, _ in turn
        ]
        results = [
            {"functionResponse": {"id": call.id, "name": call.name, "response": {"output": result}}}
            for call, result in turn
        ]
        contents += [{"role": "model", "parts": calls}, {"role": "user", "parts": results}]
    tools = [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]}]
    return f"/v1beta/models/{model}:generateContent", {"contents": contents, "tools": tools}


APIS: dict[str, Body] = {
    "chat": as_chat,
    "messages": as_messages,
    "responses": as_responses,
    "gemini": as_gemini,
}
api = pytest.mark.parametrize("api", APIS)
provider = pytest.mark.parametrize("provider", PROVIDERS)


def sent_calls(body: Json) -> Iterator[tuple[str, Any, str]]:
    """The id, the arguments and the name of each call that a provider got, in whichever protocol."""
    for message in body.get("messages", ()):
        for call in message.get("tool_calls") or ():
            yield call["id"], json.loads(call["function"]["arguments"]), call["function"]["name"]
        for block in message["content"] if isinstance(message.get("content"), list) else ():
            if block.get("type") == "tool_use":
                yield block["id"], block["input"], block["name"]
            if "toolUse" in block:
                yield (
                    block["toolUse"]["toolUseId"],
                    block["toolUse"]["input"],
                    block["toolUse"]["name"],
                )
    for content in body.get("contents", ()):
        for part in content["parts"]:
            if "functionCall" in part:
                call = part["functionCall"]
                # Google reads null as an absent member.
                yield call["id"], call["args"] or {}, call["name"]
    for item in body.get("input", ()):
        if item.get("type") == "function_call":
            yield item["call_id"], json.loads(item["arguments"]), item["name"]


def sent_results(body: Json) -> Iterator[tuple[str, str]]:
    """The id and the text of each result that a provider got."""
    for message in body.get("messages", ()):
        if message["role"] == "tool":
            yield message["tool_call_id"], text_of(message["content"])
        for block in message["content"] if isinstance(message.get("content"), list) else ():
            if block.get("type") == "tool_result":
                yield block["tool_use_id"], text_of(block["content"])
            if "toolResult" in block:
                yield block["toolResult"]["toolUseId"], text_of(block["toolResult"]["content"])
    for content in body.get("contents", ()):
        for part in content["parts"]:
            if "functionResponse" in part:
                yield part["functionResponse"]["id"], part["functionResponse"]["response"]["output"]
    for item in body.get("input", ()):
        if item.get("type") == "function_call_output":
            yield item["call_id"], text_of(item["output"])


def text_of(content: str | list[Json]) -> str:
    if isinstance(content, str):
        return content
    document: Json = content[0].get("document", {})
    return str(document.get("data") or content[0]["text"])


def received(ask: Asking, first: ScriptedUpstream, api: str, provider: str, turns: Turns) -> Json:
    """What a provider gets of a conversation in one of the clients' APIs."""
    path, body = APIS[api](provider, turns)
    answered = ask.post(body, path)
    assert first.requests, answered.text
    found: Json = first.requests[-1].json
    return found


@api
@provider
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (None, {}),
        ("", {}),
        ("{}", {}),
        ('{"a": 1}', {"a": 1}),
        ('{"a": "par', {"invalid_arguments": '{"a": "par'}),
        ([1], {"invalid_arguments": "[1]"}),
        (5, {"invalid_arguments": "5"}),
    ],
)
def test_past_arguments_are_always_an_object(
    ask: Asking, first: ScriptedUpstream, api: str, provider: str, arguments: Any, expected: Json
) -> None:
    calls = list(sent_calls(received(ask, first, api, provider, [[Call("call_1", arguments)]])))
    assert [found for _, found, _ in calls] == [expected]


CONVERSATIONS = {
    "numbered anew in each turn": [[Call("call_0"), Call("call_1")], [Call("call_0")]],
    "the same within a turn": [[Call("call_0"), Call("call_0")]],
    "different only in unusual characters": [[Call("a:b"), Call("a.b")], [Call("a_b")]],
    "too long": [[Call("x" * 90 + "1"), Call("x" * 90 + "2")]],
    "empty": [[Call("")], [Call("")]],
}


@api
@provider
@pytest.mark.parametrize("case", CONVERSATIONS)
def test_ids_are_unique_and_valid_and_results_stay_with_their_calls(
    ask: Asking, first: ScriptedUpstream, api: str, provider: str, case: str
) -> None:
    if api == provider == "gemini" and case == "empty":
        pytest.skip("Google matches calls without ids by their order")
    body = received(ask, first, api, provider, CONVERSATIONS[case])
    ids = [each for each, _, _ in sent_calls(body)]
    assert len(set(ids)) == len(ids) > 1
    assert all(re.fullmatch(PROVIDERS[provider][2], each) for each in ids)
    assert list(sent_results(body)) == [(each, str(number)) for number, each in enumerate(ids)]


@provider
@pytest.mark.parametrize("api", ["chat", "messages", "responses"])
def test_the_name_of_a_call_is_never_empty(
    ask: Asking, first: ScriptedUpstream, api: str, provider: str
) -> None:
    """Some models call a function without a name, and no provider accepts that when it comes back."""
    calls = list(sent_calls(received(ask, first, api, provider, [[Call("call_1", name="")]])))
    assert [name for _, _, name in calls] == ["f_"]
