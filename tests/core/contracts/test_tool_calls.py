"""The tool calls of earlier answers: their arguments are repaired, their ids are unique and valid (SR-056)."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms_core.contracts.request import ChatCall, Message, decode
from llms_core.contracts.tool_call_ids import AnswerCallIds, SentCall, ToolCallIds
from llms_core.contracts.tools import INVALID_ARGUMENTS, Called, called
from llms_core.errors import RequestError, Unsupported

NARROW = re.compile(r"[a-zA-Z0-9]{9}")
CLAUDE = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def message(**members: Any) -> Message:
    return (
        msgspec.convert(members, Message) if "tool_calls" not in members else _with_calls(members)
    )


def _with_calls(members: dict[str, Any]) -> Message:
    return msgspec.json.decode(json.dumps(members), type=Message)


def answer(*ids: str | None, name: str = "f") -> Message:
    """Return an answer with calls; None is a null id."""
    calls = [
        {"id": each, "type": "function", "function": {"name": name, "arguments": "{}"}}
        for each in ids
    ]
    return message(role="assistant", tool_calls=calls)


def result(id: str | None = None, name: str | None = None) -> Message:
    return message(role="tool", tool_call_id=id, name=name, content="ok")


def past_call(arguments: Any) -> Called:
    function = {"name": "f", "arguments": arguments}
    return called(message(role="assistant", tool_calls=[{"id": "1", "function": function}]))[0]


def call_with(*messages: dict[str, Any]) -> ChatCall:
    body = decode(json.dumps({"model": "m", "messages": list(messages)}).encode())
    return ChatCall(body=body, upstream_model="m", client_model="m", id="chatcmpl-abc", created=1)


# Arguments

REPAIRED: dict[str, tuple[Any, dict[str, Any]]] = {
    "an object": ('{"a": 1}', {"a": 1}),
    "an object as JSON instead of text": ({"a": 1}, {"a": 1}),
    "an object that was encoded twice": (json.dumps('{"a": 1}'), {"a": 1}),
    "nothing": ("", {}),
    "blanks": (" \n", {}),
    "null": ("null", {}),
    "null instead of text": (None, {}),
    "null that was encoded twice": ('"null"', {}),
    "an object that is cut off": ('{"a": "par', {INVALID_ARGUMENTS: '{"a": "par'}),
    "two objects": ("{}{}", {INVALID_ARGUMENTS: "{}{}"}),
    "a list": ("[1]", {INVALID_ARGUMENTS: "[1]"}),
    "a list instead of text": ([1], {INVALID_ARGUMENTS: "[1]"}),
    "a number": ("1", {INVALID_ARGUMENTS: "1"}),
    "text": ("Paris", {INVALID_ARGUMENTS: "Paris"}),
    "text that was encoded": ('"Paris"', {INVALID_ARGUMENTS: '"Paris"'}),
    "half a surrogate pair": ('{"a": "\\ud83d', {INVALID_ARGUMENTS: '{"a": "\\ud83d'}),
    "deeply nested": ('{"a":' * 5000, {INVALID_ARGUMENTS: '{"a":' * 5000}),
}


@pytest.mark.parametrize("case", REPAIRED)
def test_past_arguments_are_repaired(case: str) -> None:
    arguments, expected = REPAIRED[case]
    assert past_call(arguments).arguments() == expected


@pytest.mark.parametrize("case", REPAIRED)
def test_repaired_arguments_are_available_as_text(case: str) -> None:
    arguments, expected = REPAIRED[case]
    assert json.loads(past_call(arguments).arguments_text()) == expected


def test_arguments_that_are_an_object_keep_their_spelling() -> None:
    assert past_call('{ "a": 1.0 }').arguments_text() == '{ "a": 1.0 }'


def test_a_repair_is_logged_without_the_arguments(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        past_call('{"secret": "par').arguments()
    [record] = caplog.records
    assert "'f'" in record.getMessage()
    assert "secret" not in record.getMessage()


@given(
    st.text()
    | st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner)).map(
        json.dumps
    )
)
def test_no_past_arguments_raise(arguments: str) -> None:
    call = past_call(arguments)
    assert json.loads(call.arguments_text()) == call.arguments()


def test_a_call_of_a_custom_tool_is_unsupported_so_that_another_provider_is_tried() -> None:
    custom = {"id": "1", "type": "custom", "custom": {"name": "f", "input": "x"}}
    with pytest.raises(Unsupported):
        called(message(role="assistant", tool_calls=[custom]))


@pytest.mark.parametrize(
    "broken", [{"id": "1"}, {"function": {}}, {"id": 1, "function": {"name": "f"}}]
)
def test_a_broken_call_is_the_clients_mistake(broken: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        called(message(role="assistant", tool_calls=[broken]))


# Ids in a request


def run(ids: ToolCallIds, *messages: Message) -> tuple[list[list[str]], list[SentCall | None]]:
    """Return the ids of the calls of each answer, and the call that each result belongs to."""
    answers = []
    results = []
    for each in messages:
        if each.role == "assistant":
            answers.append([call.id for call in ids.calls(each)])
        elif each.role == "tool":
            results.append(ids.result(each))
    return answers, results


def numbers(results: list[SentCall | None]) -> list[int | None]:
    return [None if call is None else call.number for call in results]


def test_ids_that_are_unique_and_valid_are_kept() -> None:
    answers, results = run(ToolCallIds(CLAUDE), answer("a", "b"), result("b"), result("a"))
    assert answers == [["a", "b"]]
    assert numbers(results) == [1, 0]


def test_ids_that_repeat_across_turns_become_unique_and_results_stay_with_their_calls() -> None:
    turn = (answer("f:0", "f:1"), result("f:0"), result("f:1"))
    answers, results = run(ToolCallIds(CLAUDE), *turn, *turn)
    assert len({each for ids in answers for each in ids}) == 4
    assert numbers(results) == [0, 1, 2, 3]


def test_a_call_without_a_result_does_not_take_that_of_a_later_one() -> None:
    _, results = run(
        ToolCallIds(), answer("a"), message(role="user", content="wait"), answer("a"), result("a")
    )
    assert numbers(results) == [1]


def test_results_of_calls_with_the_same_id_belong_to_them_in_order() -> None:
    answers, results = run(ToolCallIds(), answer("a", "a"), result("a"), result("a"))
    assert len(set(answers[0])) == 2
    assert numbers(results) == [0, 1]


@pytest.mark.parametrize("no_id", ["", None])
def test_without_ids_results_belong_to_the_calls_in_order(no_id: str | None) -> None:
    answers, results = run(ToolCallIds(), answer(no_id, no_id), result(no_id), result(no_id))
    assert all(answers[0])
    assert len(set(answers[0])) == 2
    assert numbers(results) == [0, 1]


def test_without_ids_results_belong_to_the_calls_of_the_function_that_they_name() -> None:
    ids = ToolCallIds()
    calls = [{"function": {"name": name}} for name in ("f", "g")]
    _, results = run(
        ids, message(role="assistant", tool_calls=calls), result(name="g"), result(name="f")
    )
    assert numbers(results) == [1, 0]


def test_a_result_with_an_id_belongs_to_a_call_without_one() -> None:
    _, results = run(ToolCallIds(), answer("", ""), result("x"), result("y"))
    assert numbers(results) == [0, 1]


def test_a_result_without_an_id_belongs_to_the_next_call() -> None:
    _, results = run(ToolCallIds(), answer("a", "b"), result(), result())
    assert numbers(results) == [0, 1]


def test_ids_that_differ_only_in_invalid_characters_stay_different() -> None:
    answers, results = run(ToolCallIds(CLAUDE), answer("f.0", "f:0", "f_0"), result("f:0"))
    assert len(set(answers[0])) == 3
    assert answers[0][0] == "f_0"
    assert numbers(results) == [1]


def test_a_late_or_second_result_belongs_to_its_call() -> None:
    _, results = run(ToolCallIds(), answer("a"), answer("b"), result("b"), result("a"), result("a"))
    assert numbers(results) == [1, 0, 0]


def test_a_result_of_no_call_has_a_valid_id() -> None:
    ids = ToolCallIds(NARROW, length=9)
    assert ids.result(result("nothing before")) is None
    assert NARROW.fullmatch(ids.result_id(result("nothing before")))


IDS = st.lists(
    st.lists(st.sampled_from(["", "a", "a.b", "a:b", "a" * 70, "abcdef123"]), max_size=4),
    max_size=5,
)


@pytest.mark.parametrize(("valid", "length"), [(NARROW, 9), (CLAUDE, 32)])
@given(turns=IDS)
def test_all_ids_are_valid_and_unique_and_every_result_has_its_call(
    valid: re.Pattern[str], length: int, turns: list[list[str]]
) -> None:
    messages = [each for turn in turns for each in (answer(*turn), *map(result, turn))]
    answers, results = run(ToolCallIds(valid, length=length), *messages)
    flat = [each for ids in answers for each in ids]
    assert len(flat) == len(set(flat))
    assert all(map(valid.fullmatch, flat))
    assert numbers(results) == list(range(len(flat)))


@given(turns=IDS)
def test_ids_do_not_depend_on_later_messages(turns: list[list[str]]) -> None:
    messages = [answer(*turn) for turn in turns]
    all_ids, _ = run(ToolCallIds(CLAUDE), *messages)
    for count in range(len(messages)):
        ids, _ = run(ToolCallIds(CLAUDE), *messages[:count])
        assert ids == all_ids[:count]


# Ids in an answer

USER = {"role": "user", "content": "Hi"}


def test_an_answers_ids_are_kept_if_they_are_unique() -> None:
    ids = AnswerCallIds(call_with(USER))
    assert [ids.unique(each) for each in ("a", "b")] == ["a", "b"]


@pytest.mark.parametrize("given_ids", [["a", "a"], ["", ""], [None, None], ["", "call_abc_0"]])
def test_an_answers_ids_become_unique(given_ids: list[str | None]) -> None:
    ids = AnswerCallIds(call_with(USER))
    found = [ids.unique(each) for each in given_ids]
    assert all(found)
    assert len(set(found)) == 2


def test_an_answers_ids_do_not_repeat_those_of_the_conversation() -> None:
    past = {"id": "f:0", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    call = call_with(
        USER,
        {"role": "assistant", "tool_calls": [past]},
        {**USER, "role": "tool", "tool_call_id": "f:0"},
    )
    assert AnswerCallIds(call).unique("f:0") == "call_abc_0"


def test_many_calls_of_an_answer_do_not_repeat_those_of_the_conversation() -> None:
    earlier = [str(number) for number in range(50)]
    calls = [{"id": each, "function": {"name": "f"}} for each in earlier]
    ids = AnswerCallIds(call_with(USER, {"role": "assistant", "tool_calls": calls}))
    found = [ids.unique(each) for each in earlier]
    assert len({*earlier, *found}) == 100
