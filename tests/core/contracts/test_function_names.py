"""The names of functions are valid for the provider, unique, and come back as the client wrote them."""

from __future__ import annotations

import json
import re

from chat_requests import chat_call
from hypothesis import given
from hypothesis import strategies as st

from llms_core.contracts.function_names import FunctionNames, NameRule
from llms_core.contracts.request import ChatCall

STRICT = NameRule(characters="A-Za-z0-9_", first="A-Za-z_")
VALID = re.compile("[A-Za-z_][A-Za-z0-9_]{0,63}")

names = st.text("aB3_-. é", max_size=70)


def call_with(*functions: str) -> ChatCall:
    tools = [{"type": "function", "function": {"name": name}} for name in functions]
    return chat_call(
        {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "tools": tools}
    )


def translator(*functions: str) -> FunctionNames:
    return FunctionNames(call_with(*functions), STRICT)


def test_a_valid_name_stays_as_it_is() -> None:
    assert translator("get_weather").to_provider("get_weather") == "get_weather"
    assert translator("get_weather").to_client("get_weather") == "get_weather"


def test_an_invalid_name_becomes_a_similar_one() -> None:
    renamed = translator("3d_render", "files.read", "")
    assert renamed.to_provider("3d_render") == "f_3d_render"
    assert renamed.to_provider("files.read") == "files_read"
    assert renamed.to_client("f_3d_render") == "3d_render"


def test_an_unknown_name_in_an_answer_is_passed_on() -> None:
    assert translator("3d").to_client("invented") == "invented"


def test_names_of_providers_own_tools_are_taken() -> None:
    tools = [
        {"type": "web_search_20250305", "name": "web_search"},
        {"type": "function", "function": {"name": "web.search"}},
    ]
    call = chat_call(
        {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "tools": tools}
    )
    assert FunctionNames(call, STRICT).to_provider("web.search") != "web_search"


@given(st.lists(names, max_size=6, unique=True), st.lists(names, max_size=3))
def test_names_are_valid_unique_and_return_unchanged(
    offered: list[str], earlier: list[str]
) -> None:
    """`earlier` are functions of the conversation that the client may not offer any more."""
    request = translator(*offered)
    sent = {name: request.to_provider(name) for name in [*earlier, *offered]}
    assert all(VALID.fullmatch(name) for name in sent.values())
    # A function that is not offered may keep a valid name that another one was given.
    assert len({sent[name] for name in offered}) == len(offered)
    # The answer is read with another object.
    answer = FunctionNames(call_with(*offered), STRICT)
    assert [answer.to_client(sent[name]) for name in offered] == offered


def test_the_call_is_not_changed() -> None:
    call = call_with("3d")
    FunctionNames(call, STRICT).to_provider("3d")
    assert json.loads(bytes(call.members["tools"]))[0]["function"]["name"] == "3d"
