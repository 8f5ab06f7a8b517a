"""What each preset is sent: a conversation with everything that clients and other models leave in one.

The test checks requests against the preset's own data, so that a new preset is covered without another line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms_core.contracts.request import ChatCall, decode
from llms_core.openai_compatible import OPENAI_COMPATIBLE
from llms_core.provider import ProviderSpec
from llms_providers.azure import AZURE
from llms_providers.presets import PRESETS

Json = dict[str, Any]

SPECS = (*PRESETS, AZURE, OPENAI_COMPATIBLE)
MODELS = ("gpt-5.4", "o3-mini", "openai/gpt-5", "gpt-4.1", "some-model")

PDF = "data:application/pdf;base64,JVBERi0xLjQ="

#: Members of messages, of which the answers of some provider or the requests of some client are full.
EXTRAS: Json = {
    "provider_extra": {"anthropic": {"thinking": []}},
    "extra_content": {"google": {"thought_signature": "c2ln"}},
    "reasoning_content": "hm",
    "reasoning": "hm",
    "reasoning_details": [{"type": "reasoning.text", "text": "hm"}],
    "thinking_blocks": [],
    "refusal": None,
    "annotations": [],
    "audio": None,
    "cache_control": {"type": "ephemeral"},
    "name": "Ada",
    "timestamp": 17,
    "prefix": True,
    "partial": False,
}


def tool_call(id: str, arguments: Any = "{}", **more: Any) -> Json:
    return {"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}, **more}


CONVERSATION: list[Json] = [
    {"role": "developer", "content": "Be brief.", **EXTRAS},
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Hi", **EXTRAS},
    {
        "role": "user",
        "content": [{"type": "text", "text": "there", "cache_control": {"type": "ephemeral"}}],
    },
    {
        "role": "assistant",
        "content": None,
        "reasoning_content": "only thoughts",
        "tool_calls": None,
    },
    {"role": "assistant", "content": "Hello", "tool_calls": [], **EXTRAS},
    {"role": "user", "content": "What is in it?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            tool_call("toolu_01AbCdEf", extra_content=EXTRAS["extra_content"], index=0),
            tool_call("toolu_01AbCdEf", '{"a": "cut', provider_extra={}),
            {"id": "", "function": {"name": "f", "arguments": None}},
            tool_call("x" * 64, {"a": 1}),
        ],
        **EXTRAS,
    },
    {"role": "tool", "tool_call_id": "toolu_01AbCdEf", "content": "1", "name": "f"},
    {"role": "tool", "tool_call_id": "toolu_01AbCdEf", "content": "2", "cache_control": {}},
    {"role": "tool", "tool_call_id": "", "content": "3"},
    {"role": "tool", "tool_call_id": "x" * 64, "content": "4"},
    {"role": "user", "content": "And?"},
    {"role": "assistant", "content": None, "tool_calls": [tool_call("toolu_01AbCdEf")]},
    {"role": "tool", "tool_call_id": "toolu_01AbCdEf", "content": "5"},
    {"role": "system", "content": "Answer now."},
    {"role": "user", "content": "Now."},
]

#: Tools, each without something that a provider may require.
TOOLS = [
    {"type": "function", "function": {"name": "f"}},
    {"type": "function", "function": {"name": "g", "description": "G", "parameters": None}},
    {
        "type": "function",
        "function": {"name": "h", "parameters": {"type": "object", "properties": {}}},
    },
]


def sent(
    spec: ProviderSpec, messages: list[Json], *, model: str = "some-model", **members: Any
) -> Json:
    """The JSON that the provider gets."""
    adapter = spec.adapter(spec, spec.settings(id="x", base_url="https://api.example"))
    body = decode(json.dumps({"model": "m", "messages": messages, **members}).encode())
    call = ChatCall(body=body, upstream_model=model, client_model="m", id="chatcmpl-1", created=1)
    found: Json = json.loads(adapter.request(call).content)
    return found


def accepts(spec: ProviderSpec, place: str, name: str, common: str) -> bool:
    """Whether a member may be in a message of a role, or in another place."""
    members = spec.rules.members
    if name in common.split() or name in members or f"{place}.{name}" in members:
        return True
    return "*" in members and name not in ("provider_extra", "extra_content", "reasoning_content")


def violations(spec: ProviderSpec, body: Json) -> Iterator[str]:
    """What the preset's data says that the provider rejects."""
    rules = spec.rules
    ids: set[str] = set()
    waiting: set[str] = set()
    previous = ""
    for number, message in enumerate(body["messages"]):
        role = message["role"]
        place = f"messages[{number}] ({role})"
        for name, value in message.items():
            if not accepts(spec, role, name, "role content tool_calls tool_call_id"):
                yield f"{place}.{name}"
            if value is None and name in ("tool_calls", "tool_call_id"):
                yield f"{place}.{name} is null"
        if role == "developer" and not rules.developer:
            yield place
        for part in message["content"] if isinstance(message["content"], list) else ():
            for name in part:
                if not accepts(
                    spec,
                    "parts",
                    name,
                    "type text image_url file input_audio document_url document_name",
                ):
                    yield f"{place}.content: {name}"
            if rules.document_url and part["type"] == "file":
                yield f"{place}.content: file"
        if "tool_calls" in message:
            waiting = set()
            if not message["tool_calls"]:
                yield f"{place}.tool_calls is empty"
        for call in message.get("tool_calls", ()):
            for name in call:
                if not accepts(spec, "tool_calls", name, "id type function"):
                    yield f"{place}.tool_calls: {name}"
            if call["id"] in ids or not re.fullmatch(rules.tool_call_id or "(?s:.+)", call["id"]):
                yield f"{place}: id {call['id']}"
            if not isinstance(json.loads(call["function"]["arguments"]), dict):
                yield f"{place}: arguments"
            ids.add(call["id"])
            waiting.add(call["id"])
        if role == "tool":
            if message["tool_call_id"] not in waiting:
                yield f"{place}: result of no call"
            waiting.discard(message["tool_call_id"])
        if rules.assistant_after_tool and previous == "tool" and role not in ("assistant", "tool"):
            yield f"{place} after a tool"
        if rules.alternate and role == previous and role in ("user", "assistant"):
            yield f"{place} again"
        if rules.alternate and role == "system" and previous not in ("", "system"):
            yield f"{place} is late"
        previous = role
    for tool in body.get("tools", ()):
        if rules.tool_parameters and not isinstance(tool["function"].get("parameters"), dict):
            yield f"no parameters: {tool}"
    yield from (name for name in (*spec.drop, *spec.rename) if name in body)
    if rules.logprobs_number and (type(body.get("logprobs")) is not int or "top_logprobs" in body):
        yield f"logprobs: {body.get('logprobs')}"
    takes_new_limit = any(
        fnmatchcase(body["model"], pattern) for pattern in rules.max_completion_tokens
    )
    if takes_new_limit and "max_tokens" in body and "max_completion_tokens" not in spec.rename:
        yield "max_tokens"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_preset_gets_only_what_it_accepts(spec: ProviderSpec, model: str) -> None:
    # Models that otherwise want another protocol get chat completions if they are not to reason.
    parameters = {
        "reasoning_effort": "none",
        "max_tokens": 9,
        "seed": 1,
        "metadata": {},
        "user": "u",
        "store": True,
        "enable_thinking": False,
    }
    body = sent(
        spec, CONVERSATION, model=model, tools=TOOLS, logprobs=True, top_logprobs=3, **parameters
    )
    assert list(violations(spec, body)) == []
    limits = [body.get("max_tokens"), body.get("max_completion_tokens")]
    assert limits.count(9) == 1, "the limit is lost"


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_nothing_that_was_said_is_lost(spec: ProviderSpec) -> None:
    """Every text and every result is still there, in order, and results are behind their calls."""
    text = json.dumps(sent(spec, CONVERSATION, tools=TOOLS)["messages"])
    said = [
        "Be brief.",
        "Be kind.",
        "Hi",
        "there",
        "Hello",
        "What is in it?",
        *['"1"', '"2"', '"3"', '"4"'],
    ]
    said += ["And?", '"5"', "Answer now.", "Now."]
    places = [text.index(each) for each in said]
    assert places == sorted(places)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_an_ordinary_conversation_is_sent_byte_for_byte(spec: ProviderSpec) -> None:
    messages = (
        b'[{"role":"system","content":"\\u00e9"},{ "role" : "user","content":[{"type":"text","text":"a"}]},'
        b'{"content":null,"role":"assistant","tool_calls":[{"id":"abcdefghi","type":"function",'
        b'"function":{"name":"f","arguments":"{ \\"a\\": 1.0 }"}}]},'
        b'{"role":"tool","tool_call_id":"abcdefghi","content":"ok"},{"role":"assistant","content":"b"}]'
    )
    adapter = spec.adapter(spec, spec.settings(id="x", base_url="https://api.example"))
    body = decode(b'{"model":"m","messages":%b}' % messages)
    call = ChatCall(body=body, upstream_model="m", client_model="m", id="chatcmpl-1", created=1)
    assert messages in adapter.request(call).content


_ids = st.sampled_from(["", "call_1", "call_1", "abcdefghi", "toolu_01AbCdEf", "x" * 64, "é\n"])
_arguments = st.sampled_from(["{}", "", "null", '{"a": "cut', '{"a": 1}', "[1]", None, {"a": 1}])
_extras = st.dictionaries(st.sampled_from(sorted(EXTRAS)), st.just("x"), max_size=2).map(
    lambda chosen: {name: EXTRAS[name] for name in chosen}
)
_speech = st.builds(
    lambda role, content, extras: {"role": role, "content": content, **extras},
    st.sampled_from(["system", "developer", "user", "assistant"]),
    st.sampled_from(["", "Hi", [{"type": "text", "text": "Hi"}]]),
    _extras,
)


@st.composite
def _tool_turn(draw: st.DrawFn) -> list[Json]:
    """An answer with tool calls, and their results in order."""
    ids = draw(st.lists(_ids, min_size=1, max_size=3))
    extras = draw(_extras)
    calls = [tool_call(each, draw(_arguments), **extras) for each in ids]
    results = [{"role": "tool", "tool_call_id": each, "content": "r"} for each in ids]
    return [{"role": "assistant", "content": None, "tool_calls": calls, **draw(_extras)}, *results]


_conversations = st.lists(
    _speech.map(lambda message: [message]) | _tool_turn(), min_size=1, max_size=5
).map(lambda turns: [message for turn in turns for message in turn])


@settings(max_examples=200, deadline=None)
@given(spec=st.sampled_from(SPECS), messages=_conversations)
def test_any_conversation_becomes_one_that_the_preset_accepts(
    spec: ProviderSpec, messages: list[Json]
) -> None:
    assert list(violations(spec, sent(spec, messages, logprobs=True))) == []
