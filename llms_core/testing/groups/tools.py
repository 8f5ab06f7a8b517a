"""T: tool calls, from the declaration to the second turn."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from llms_core.testing.groups.base import Group, body_of, require_capability, streamed_example
from llms_core.testing.playback import Response, play_completion, play_stream, stream_response
from llms_core.testing.reading import assert_means, difference, read_stream
from llms_core.testing.sample_requests import (
    QUESTION,
    has_text,
    texts,
    tool_declarations,
    user_message,
)
from llms_core.testing.subject import Subject
from llms_core.testing.wire import Call, Example

_RESULT = "mark-of-result-"
_PARIS = Call(name="get_weather", arguments={"city": "Mark-Paris"})
_OSLO = Call(name="get_time", arguments={"at": "Mark-Oslo"})

#: Functions without parameters, as clients declare them.
_FUNCTIONS_WITHOUT_PARAMETERS = (
    {"name": "get_time"},
    {"name": "get_time", "parameters": {"type": "object", "properties": {}}},
)


#: What clients send as the assistant's content beside its calls.
_CONTENTS_BESIDE_CALLS: tuple[Mapping[str, Any], ...] = (
    {"content": None},
    {},
    {"content": ""},
    {"content": "I look it up."},
)


def _tool_example(subject: Subject, name: str) -> Example:
    require_capability(subject, "tools")
    found = subject.wire.example(name)
    assert found is not None, f"the spec claims tools: add the example `{name}` to the Wire"
    return found


def _conversation(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a conversation in which the assistant's `message` calls tools, with the result of each call."""
    results = []
    for number, call in enumerate(message["tool_calls"]):
        results.append(
            {"role": "tool", "tool_call_id": call["id"], "content": f"{_RESULT}{number}"}
        )
    return [user_message(QUESTION), dict(message), *results]


def _assistant_message(calls: Sequence[Call], **more: Any) -> dict[str, Any]:
    tool_calls = []
    for number, call in enumerate(calls):
        function = {"name": call.name, "arguments": json.dumps(call.arguments)}
        tool_calls.append({"id": f"call_{number}", "type": "function", "function": function})
    return {"role": "assistant", "tool_calls": tool_calls, **more}


def _assert_calls_arrived(body: bytes, calls: Sequence[Call]) -> None:
    """Assert that a request contains the calls of an earlier turn, and their results."""
    for number, call in enumerate(calls):
        assert has_text(body, call.name), (
            f"the earlier tool call's name {call.name!r} is not in the next request"
        )
        for value in call.arguments.values():
            assert has_text(body, str(value)), (
                f"the argument {value!r} of the earlier call is not in the next request"
            )
        result = f"{_RESULT}{number}"
        assert has_text(body, result), f"the tool's result {result!r} is not in the next request"


def _assert_ends_with_tool_calls(finish_reason: str) -> None:
    assert finish_reason == "tool_calls", (
        f"an answer with tool calls must have the finish_reason 'tool_calls', but has {finish_reason!r}"
    )


def _assert_second_turn(subject: Subject, found: Example, message: Mapping[str, Any]) -> None:
    """Assert that the assistant's message can be sent back, and that nothing of it is lost."""
    body = subject.request(
        messages=_conversation(message), tools=tool_declarations(found.calls)
    ).content
    _assert_calls_arrived(body, found.calls)
    sent = texts(json.loads(body))
    for kept in found.kept:
        assert any(kept in text for text in sent), (
            f"the provider needs {kept!r} of its answer in the next request (Example.kept), but it is missing; "
            "put it into `provider_extra` of the message, and send it back from there"
        )


class ToolTests(Group):
    """Group T."""

    @pytest.mark.parametrize("name", ["tool_call", "parallel_calls"])
    def test_t_calls_of_a_whole_answer(self, subject: Subject, name: str) -> None:
        """Calls have names, arguments as JSON text and distinct ids; the finish_reason is `tool_calls`."""
        found = _tool_example(subject, name)
        response = Response([body_of(found)])
        read = assert_means(
            play_completion(subject, response, tools=tool_declarations(found.calls)), found
        )
        _assert_ends_with_tool_calls(read.choices[0].finish_reason)

    @pytest.mark.parametrize("name", ["tool_call", "parallel_calls"])
    def test_t_calls_of_a_stream(self, subject: Subject, name: str) -> None:
        """Calls are numbered from 0; each begins with its id, type and name, and its arguments follow in pieces."""
        _tool_example(subject, name)
        found, events = streamed_example(subject, name)
        response = stream_response(subject, *events)
        read = assert_means(
            play_stream(subject, response, tools=tool_declarations(found.calls)), found
        )
        _assert_ends_with_tool_calls(read.choices[0].finish_reason)

    def test_t_tools_are_declared(self, subject: Subject) -> None:
        """The names, descriptions and parameters of tools are sent to the provider."""
        _tool_example(subject, "tool_call")
        body = subject.request(tools=tool_declarations([_PARIS, _OSLO])).content
        for mark in (
            "get_weather",
            "Mark of get_weather",
            "city",
            "get_time",
            "Mark of get_time",
            "at",
        ):
            assert has_text(body, mark), (
                f"{mark!r} of the client's `tools` is not in what `request` sends"
            )

    def test_t_tool_without_parameters(self, subject: Subject) -> None:
        """A function without parameters may leave out `parameters`, and `description`."""
        _tool_example(subject, "tool_call")
        for function in _FUNCTIONS_WITHOUT_PARAMETERS:
            body = subject.request(tools=[{"type": "function", "function": function}]).content
            assert has_text(body, "get_time"), (
                f"the function {function} of `tools` is not in what `request` sends"
            )

    @pytest.mark.parametrize(
        "choice",
        ["none", "required", {"type": "function", "function": {"name": "get_weather"}}],
        ids=str,
    )
    def test_t_tool_choice_arrives_or_is_dropped(self, subject: Subject, choice: object) -> None:
        """A `tool_choice` changes the request, or is listed in `dropped`."""
        _tool_example(subject, "tool_call")
        declared = tool_declarations([_PARIS, _OSLO])
        plain = subject.request(tools=declared)
        chosen = subject.request(tools=declared, tool_choice=choice)
        assert plain.content != chosen.content or "tool_choice" in chosen.dropped, (
            f"`tool_choice` {choice!r} changes nothing in what `request` sends: "
            "translate it, or name 'tool_choice' in UpstreamRequest.dropped"
        )

    @pytest.mark.parametrize("content", _CONTENTS_BESIDE_CALLS, ids=str)
    @pytest.mark.parametrize("calls", [(_PARIS,), (_PARIS, _OSLO)], ids=["one", "two"])
    def test_t_second_turn(
        self, subject: Subject, calls: tuple[Call, ...], content: Mapping[str, Any]
    ) -> None:
        """The assistant's calls and their results are sent, whether its content is null, absent, empty or a text."""
        _tool_example(subject, "tool_call")
        messages = _conversation(_assistant_message(calls, **content))
        body = subject.request(messages=messages, tools=tool_declarations(calls)).content
        _assert_calls_arrived(body, calls)

    def test_t_results_keep_to_their_calls(self, subject: Subject) -> None:
        """Each result refers to its call in the way of the protocol: by id, or by name and order."""
        _tool_example(subject, "tool_call")
        declared = tool_declarations([_PARIS, _OSLO])
        question, message, first, second = _conversation(_assistant_message((_PARIS, _OSLO)))
        messages = [question, message, first, second]
        body = subject.request(messages=messages, tools=declared).content.decode()
        in_order = body.index("mark-of-result-0") < body.index("mark-of-result-1")
        assert in_order, (
            "`request` must send the results of tools in the order of the client's messages"
        )
        swapped = [
            question,
            message,
            {**first, "tool_call_id": "call_1"},
            {**second, "tool_call_id": "call_0"},
        ]
        other = subject.request(messages=swapped, tools=declared).content.decode()
        assert body != other, (
            "`request` sends the same when the `tool_call_id` of two results are swapped: "
            "send with each result which call it answers"
        )

    @pytest.mark.parametrize("name", ["tool_call", "parallel_calls"])
    def test_t_answer_goes_back_unchanged(self, subject: Subject, name: str) -> None:
        """The message of a whole answer can be sent back with results, including signatures that came with it."""
        found = _tool_example(subject, name)
        response = Response([body_of(found)])
        read = assert_means(
            play_completion(subject, response, tools=tool_declarations(found.calls)), found
        )
        _assert_second_turn(subject, found, read.members["choices"][0]["message"])

    def test_t_stream_goes_back_unchanged(self, subject: Subject) -> None:
        """The message that a client assembles from a stream can be sent back with results."""
        _tool_example(subject, "parallel_calls")
        found, events = streamed_example(subject, "parallel_calls")
        response = stream_response(subject, *events)
        outcome = play_stream(subject, response, tools=tool_declarations(found.calls))
        assert_means(outcome, found)
        chunks = [chunk.data for chunk in outcome.chunks]
        wrong = difference(read_stream(chunks), found)
        assert wrong is None, wrong
        _assert_second_turn(subject, found, _join_deltas([json.loads(data) for data in chunks]))


def _join_deltas(chunks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Assemble the assistant's message as clients do: texts are concatenated, other members are replaced."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    calls: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        for choice in chunk["choices"]:
            delta = dict(choice["delta"])
            for fragment in delta.pop("tool_calls", None) or ():
                _join_call(calls.setdefault(fragment["index"], {}), fragment)
            _join_members(message, delta)
    return {**message, "tool_calls": [calls[index] for index in sorted(calls)]}


def _join_members(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for name, value in delta.items():
        if name == "role" or value is None:
            continue
        if isinstance(message.get(name), str):
            message[name] += value
        else:
            message[name] = value


def _join_call(call: dict[str, Any], fragment: Mapping[str, Any]) -> None:
    for name, value in fragment.items():
        if name == "function":
            function = call.setdefault("function", {"arguments": ""})
            function["arguments"] += value.get("arguments") or ""
            if value.get("name"):
                function["name"] = value["name"]
        elif name != "index" and value is not None:
            call[name] = value
