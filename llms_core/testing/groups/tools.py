"""T: tool calls, from the declaration to the second turn."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from llms_core.testing.asked import QUESTION, has_text, leaves, tools, user
from llms_core.testing.groups.base import Group, not_applicable, streamed
from llms_core.testing.groups.response import body_of
from llms_core.testing.memory import Said, said, stream, whole
from llms_core.testing.reading import must_be_read, read_stream
from llms_core.testing.subject import Subject
from llms_core.testing.wire import Call, Example

_RESULT = "mark-of-result-"
_PARIS, _OSLO = (
    Call(name="get_weather", arguments={"city": "Mark-Paris"}),
    Call(name="get_time", arguments={"at": "Mark-Oslo"}),
)


def _example(subject: Subject, name: str) -> Example:
    if not subject.spec.capabilities.tools:
        not_applicable("the provider does not claim tools")
    found = subject.wire.example(name)
    assert found is not None, f"the provider claims tools, and the Wire has no `{name}`"
    return found


def _turns(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A conversation whose assistant called tools, and the result of each."""
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": f"{_RESULT}{number}"}
        for number, call in enumerate(message["tool_calls"])
    ]
    return [user(QUESTION), dict(message), *results]


def _message(calls: Sequence[Call], **more: Any) -> dict[str, Any]:
    called = [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
        }
        for number, call in enumerate(calls)
    ]
    return {"role": "assistant", "tool_calls": called, **more}


def _arrived(body: bytes, calls: Sequence[Call]) -> None:
    """The calls and their results are in a request, each result after its call."""
    for number, call in enumerate(calls):
        assert has_text(body, call.name)
        for value in call.arguments.values():
            assert has_text(body, str(value)), f"the argument {value!r} of the call did not arrive"
        assert has_text(body, f"{_RESULT}{number}"), "the tool's result did not arrive"


class ToolTests(Group):
    """Group T."""

    @pytest.mark.parametrize("name", ["tool_call", "parallel_calls"])
    def test_t_calls_of_a_whole_answer(self, subject: Subject, name: str) -> None:
        """Names, arguments as JSON text, ids of their own, and `tool_calls` as the finish_reason."""
        found = _example(subject, name)
        read = must_be_read(whole(subject, Said([body_of(found)]), tools=tools(found.calls)), found)
        assert read.choices[0].finish_reason == "tool_calls"

    @pytest.mark.parametrize("name", ["tool_call", "parallel_calls"])
    def test_t_calls_of_a_stream(self, subject: Subject, name: str) -> None:
        """Calls numbered from 0; id, type and name at the begin of each, the arguments in pieces after it."""
        _example(subject, name)
        found, events = streamed(subject, name)
        read = must_be_read(stream(subject, said(subject, *events), tools=tools(found.calls)), found)
        assert read.choices[0].finish_reason == "tool_calls"

    def test_t_tools_are_declared(self, subject: Subject) -> None:
        """Names, descriptions and parameters go to the provider."""
        _example(subject, "tool_call")
        body = subject.request(tools=tools([_PARIS, _OSLO])).content
        for mark in ("get_weather", "Mark of get_weather", "city", "get_time", "Mark of get_time", "at"):
            assert has_text(body, mark)

    def test_t_tool_without_parameters(self, subject: Subject) -> None:
        """A function that takes nothing may leave `parameters` out, and `description`."""
        _example(subject, "tool_call")
        for function in (
            {"name": "get_time"},
            {"name": "get_time", "parameters": {"type": "object", "properties": {}}},
        ):
            assert has_text(subject.request(tools=[{"type": "function", "function": function}]).content, "get_time")

    @pytest.mark.parametrize(
        "choice", ["none", "required", {"type": "function", "function": {"name": "get_weather"}}], ids=str
    )
    def test_t_tool_choice_arrives_or_is_named(self, subject: Subject, choice: object) -> None:
        """A choice makes a difference in the request, or is in `dropped`."""
        _example(subject, "tool_call")
        declared = tools([_PARIS, _OSLO])
        plain, chosen = subject.request(tools=declared), subject.request(tools=declared, tool_choice=choice)
        assert plain.content != chosen.content or "tool_choice" in chosen.dropped

    @pytest.mark.parametrize("content", [{"content": None}, {}, {"content": ""}, {"content": "I look it up."}], ids=str)
    @pytest.mark.parametrize("calls", [(_PARIS,), (_PARIS, _OSLO)], ids=["one", "two"])
    def test_t_second_turn(self, subject: Subject, calls: tuple[Call, ...], content: Mapping[str, Any]) -> None:
        """The assistant's calls, with content that is null, absent, empty or there, and the results of each."""
        _example(subject, "tool_call")
        body = subject.request(messages=_turns(_message(calls, **content)), tools=tools(calls)).content
        _arrived(body, calls)

    def test_t_results_keep_to_their_calls(self, subject: Subject) -> None:
        """Each result names its call, however the protocol does so: by id, or by name and order."""
        _example(subject, "tool_call")
        turns = _turns(_message((_PARIS, _OSLO)))
        body = subject.request(messages=turns, tools=tools([_PARIS, _OSLO])).content.decode()
        assert body.index("mark-of-result-0") < body.index("mark-of-result-1")
        swapped = [*turns[:2], {**turns[2], "tool_call_id": "call_1"}, {**turns[3], "tool_call_id": "call_0"}]
        other = subject.request(messages=swapped, tools=tools([_PARIS, _OSLO])).content.decode()
        assert body != other, "a result is sent without a word on which call it answers"

    @pytest.mark.parametrize("name", ["tool_call", "parallel_calls"])
    def test_t_answer_goes_back_as_it_came(self, subject: Subject, name: str) -> None:
        """The message of a whole answer, sent back with results; signatures that came with it go along."""
        found = _example(subject, name)
        read = must_be_read(whole(subject, Said([body_of(found)]), tools=tools(found.calls)), found)
        self._second_turn(subject, found, read.members["choices"][0]["message"])

    def test_t_stream_goes_back_as_it_came(self, subject: Subject) -> None:
        """The same with what a client puts together from a stream."""
        _example(subject, "parallel_calls")
        found, events = streamed(subject, "parallel_calls")
        outcome = stream(subject, said(subject, *events), tools=tools(found.calls))
        must_be_read(outcome, found)
        assert read_stream(chunk.data for chunk in outcome.chunks).choices == found.choices
        self._second_turn(subject, found, _joined([json.loads(chunk.data) for chunk in outcome.chunks]))

    @staticmethod
    def _second_turn(subject: Subject, found: Example, message: Mapping[str, Any]) -> None:
        body = subject.request(messages=_turns(message), tools=tools(found.calls)).content
        _arrived(body, found.calls)
        texts = [leaf for leaf in leaves(json.loads(body)) if isinstance(leaf, str)]
        for kept in found.kept:
            assert any(kept in text for text in texts), f"{kept!r} of the answer is not in the next request"


def _joined(chunks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The assistant's message as clients join it from deltas: texts joined, other members as they are."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    calls: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        for choice in chunk["choices"]:
            for name, value in choice["delta"].items():
                if name == "tool_calls":
                    for fragment in value or ():
                        _join_call(calls.setdefault(fragment["index"], {}), fragment)
                elif name != "role" and value is not None:
                    message[name] = message[name] + value if isinstance(message.get(name), str) else value
    return {**message, "tool_calls": [calls[index] for index in sorted(calls)]}


def _join_call(call: dict[str, Any], fragment: Mapping[str, Any]) -> None:
    for name, value in fragment.items():
        if name == "function":
            function = call.setdefault("function", {"arguments": ""})
            function["arguments"] += value.get("arguments") or ""
            function.update({"name": value["name"]} if value.get("name") else {})
        elif name != "index" and value is not None:
            call[name] = value
