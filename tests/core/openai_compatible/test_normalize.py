"""Departures from OpenAI's contract in recorded answers are normalized, and nothing else is changed."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from chat_requests import chat_call
from msgspec import Raw
from msgspec.structs import replace

from llms_core.contracts.chunk import ChunkChoice
from llms_core.contracts.completion import ChoiceView
from llms_core.contracts.tool_call_ids import AnswerCallIds
from llms_core.errors import ErrorKind, ProviderError
from llms_core.openai_compatible.normalize import (
    ChunkNormalizer,
    is_nonconforming,
    normalized,
    repeats_ids,
)

#: A request after a turn with a call that has the id "call_0".
CHAT_CALL = replace(
    chat_call(
        {
            "model": "m",
            "messages": [
                {"role": "user", "content": "Hi"},
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "call_0", "function": {"name": "f", "arguments": "{}"}}],
                },
                {"role": "tool", "tool_call_id": "call_0", "content": "ok"},
            ],
        }
    ),
    id="chatcmpl-x",
)


def new_ids() -> AnswerCallIds:
    return AnswerCallIds(CHAT_CALL)


CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def choice(finish_reason: str | None = "stop", **message: object) -> dict[str, Any]:
    members = {"role": "assistant", "content": "Hello", **message}
    kept = {name: value for name, value in members.items() if value != "absent"}
    return {"index": 0, "message": kept, "finish_reason": finish_reason}


def nonconforming(given: dict[str, Any]) -> bool:
    view = msgspec.json.decode(json.dumps(given).encode(), type=ChoiceView)
    return is_nonconforming(view) or repeats_ids([view], CHAT_CALL)


def whole(given: dict[str, Any], *others: dict[str, Any]) -> dict[str, Any]:
    """Return the first choice of a whole answer, normalized."""
    assert nonconforming(given)
    return normalized(Raw(json.dumps([given, *others]).encode()), new_ids())[0]


# Whole answers

CONFORMING = {
    "a text": choice(),
    "an empty text": choice(content=""),
    "no text beside calls": choice("tool_calls", content=None, tool_calls=[CALL]),
    "no calls": choice(tool_calls=None),
    "further members": choice(refusal=None, reasoning_content="Hm", annotations=[]),
}


@pytest.mark.parametrize("case", CONFORMING)
def test_a_conforming_choice_is_not_changed(case: str) -> None:
    """SR-050: its bytes are passed on."""
    assert not nonconforming(CONFORMING[case])


@pytest.mark.parametrize("role", ["absent", None, "", "model", "user"])
def test_the_role_is_assistant(role: object) -> None:
    """SR-047."""
    assert whole(choice(role=role))["message"]["role"] == "assistant"


def test_missing_content_becomes_null() -> None:
    """SR-046."""
    given = choice("tool_calls", content="absent", tool_calls=[CALL])
    assert whole(given)["message"] == {"role": "assistant", "content": None, "tool_calls": [CALL]}


def test_a_missing_index_is_added() -> None:
    """SR-046."""
    first, second = choice(), choice(content="Bye")
    del first["index"], second["index"]
    assert nonconforming(first)
    found = normalized(Raw(json.dumps([first, second]).encode()), new_ids())
    assert [each["index"] for each in found] == [0, 1]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("STOP", "stop"), ("max_tokens", "length"), ("SAFETY", "content_filter")],
)
def test_the_finish_reason_gets_openais_spelling(reason: str, expected: str) -> None:
    """SR-048."""
    assert whole(choice(reason))["finish_reason"] == expected


@pytest.mark.parametrize("reason", [None, ""])
def test_a_missing_finish_reason_is_added_to_a_whole_answer(reason: str | None) -> None:
    """SR-048: a whole answer has ended."""
    assert whole(choice(reason))["finish_reason"] == "stop"
    assert whole(choice(reason, tool_calls=[CALL]))["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("reason", ["error", "abort"])
def test_a_finish_reason_that_means_failure_raises(reason: str) -> None:
    """SR-058, SR-072."""
    with pytest.raises(ProviderError) as caught:
        whole(choice(reason))
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


def test_a_choice_without_a_message_raises() -> None:
    """SR-072."""
    with pytest.raises(ProviderError):
        whole({"index": 0, "finish_reason": "stop"})


THINKING = [
    {
        "type": "thinking",
        "thinking": [{"type": "text", "text": "Let me "}, {"type": "text", "text": "think."}],
    },
    {"type": "text", "text": "Hel"},
    {"type": "text", "text": "lo"},
]


def test_content_parts_are_joined() -> None:
    """SR-046, SR-050: Mistral's reasoning models; their thinking becomes `reasoning_content`."""
    message = whole(choice(content=THINKING))["message"]
    assert message == {
        "role": "assistant",
        "content": "Hello",
        "reasoning_content": "Let me think.",
    }


def test_thinking_may_be_a_string() -> None:
    message = whole(
        choice(content=[{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "Hello"}])
    )["message"]
    assert (message["content"], message["reasoning_content"]) == ("Hello", "Hm")


def test_parts_of_other_types_are_ignored() -> None:
    parts = [
        {"type": "reference", "reference_ids": [1]},
        {"type": "text", "text": "Hello"},
        "x",
        None,
    ]
    assert whole(choice(content=parts))["message"]["content"] == "Hello"


def test_a_missing_type_is_added_to_a_tool_call() -> None:
    """SR-050: Mistral omits it."""
    bare = {"id": "call_1", "function": CALL["function"]}
    assert whole(choice("tool_calls", tool_calls=[bare]))["message"]["tool_calls"] == [CALL]


@pytest.mark.parametrize("id", ["absent", "", None])
def test_a_missing_id_is_added_to_a_tool_call(id: object) -> None:
    """SR-040: the tool's result refers to it; Gemini's are empty."""
    bare = {name: value for name, value in {**CALL, "id": id}.items() if value != "absent"}
    calls = whole(choice("tool_calls", tool_calls=[bare, bare]))["message"]["tool_calls"]
    assert [call["id"] for call in calls] == ["call_x_0", "call_x_1"]


@pytest.mark.parametrize(
    "ids", [["call_1", "call_1"], ["call_0", "call_1"]], ids=["in the answer", "of an earlier turn"]
)
def test_repeated_ids_of_tool_calls_become_unique(ids: list[str]) -> None:
    calls = whole(choice("tool_calls", tool_calls=[{**CALL, "id": each} for each in ids]))[
        "message"
    ]["tool_calls"]
    assert len({"call_0", *(call["id"] for call in calls)}) == 3


# Streams


class Client:
    """Assembles deltas as OpenAI's own client does: it concatenates all strings."""

    def __init__(self) -> None:
        self.normalizer = ChunkNormalizer(new_ids())
        self.deltas: list[dict[str, Any]] = []
        self.normalized = 0
        self.role = ""
        self.calls: dict[int, dict[str, str]] = {}
        self.finish_reasons: list[str | None] = []

    def take(
        self, delta: dict[str, Any] | None, finish_reason: str | None = None, index: int = 0
    ) -> Client:
        choices = json.dumps(
            [{"index": index, "delta": delta, "finish_reason": finish_reason}]
        ).encode()
        views = msgspec.json.decode(choices, type=list[ChunkChoice])
        found = self.normalizer.normalized(views, Raw(choices))
        self.normalized += found is not None
        given = found if found is not None else json.loads(choices)
        self.deltas.append(given[0]["delta"])
        self.finish_reasons.append(given[0]["finish_reason"])
        self.role += given[0]["delta"].get("role") or ""
        for call in given[0]["delta"].get("tool_calls") or ():
            joined = self.calls.setdefault(call["index"], {"id": "", "name": "", "arguments": ""})
            joined["id"] += call.get("id") or ""
            for name in ("name", "arguments"):
                joined[name] += call["function"].get(name) or ""
        return self


def fragment(index: int | None = 0, *, arguments: str = "", **more: Any) -> dict[str, Any]:
    """Return a fragment of a tool call; `name` is the name of its function."""
    function = {name: more.pop(name) for name in ("name",) if name in more}
    numbered = {} if index is None else {"index": index}
    return {**numbered, **more, "function": {**function, "arguments": arguments}}


def begin(
    index: int | None = 0, id: str = "call_1", name: str = "f", arguments: str = ""
) -> dict[str, Any]:
    return fragment(index, id=id, type="function", name=name, arguments=arguments)


def calls(*chunks: list[dict[str, Any]]) -> Client:
    client = Client().take({"role": "assistant", "content": None})
    for fragments in chunks:
        client.take({"tool_calls": fragments})
    return client


def joined(id: str = "call_1", name: str = "f", arguments: str = '{"a": 1}') -> dict[str, str]:
    return {"id": id, "name": name, "arguments": arguments}


A, B = '{"a"', ": 1}"


def test_a_conforming_stream_is_not_changed() -> None:
    """SR-050: its bytes are passed on."""
    client = (
        Client()
        .take({"role": "assistant", "content": ""})
        .take({"content": "Hello"})
        .take({}, "stop")
    )
    assert client.normalized == 0


def test_conforming_tool_calls_are_not_changed() -> None:
    """SR-056: ids on first fragments, distinct indices, arguments in pieces."""
    client = calls(
        [begin()],
        [fragment(arguments=A)],
        [fragment(arguments=B)],
        [begin(1, "call_2", "g", A + B)],
    )
    assert client.normalized == 0
    assert client.calls == {0: joined(), 1: joined("call_2", "g")}


@pytest.mark.parametrize(
    "delta", [{"content": "Hello"}, {"role": None, "content": "Hello"}, {"role": "model"}, None]
)
def test_the_first_delta_has_the_role(delta: dict[str, Any] | None) -> None:
    """SR-054."""
    assert Client().take(delta).deltas[0]["role"] == "assistant"


def test_the_role_is_not_repeated() -> None:
    """SR-054: clients would concatenate it."""
    client = Client()
    for word in ("Hel", "lo"):
        client.take({"role": "assistant", "content": word})
    assert client.role == "assistant"


def test_the_first_delta_of_every_choice_has_the_role() -> None:
    """SR-054."""
    client = Client().take({"role": "assistant"}, index=0).take({"content": "x"}, index=1)
    assert client.deltas[1]["role"] == "assistant"


@pytest.mark.parametrize(
    ("reason", "expected"), [("STOP", "stop"), ("MAX_TOKENS", "length"), ("", None), (None, None)]
)
def test_the_finish_reason_in_a_stream_gets_openais_spelling(
    reason: str | None, expected: str | None
) -> None:
    """SR-048: an empty one becomes null."""
    assert Client().take({"role": "assistant"}).take({}, reason).finish_reasons[-1] == expected


def test_a_finish_reason_that_means_failure_raises_in_a_stream() -> None:
    """SR-058."""
    with pytest.raises(ProviderError) as caught:
        Client().take({"role": "assistant"}).take({}, "error")
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


def test_content_parts_are_joined_in_a_stream() -> None:
    """SR-050: Mistral's reasoning models."""
    client = (
        Client()
        .take({"role": "assistant", "content": THINKING[:1]})
        .take({"content": THINKING[1:]})
    )
    assert client.deltas == [
        {"role": "assistant", "content": "", "reasoning_content": "Let me think."},
        {"content": "Hello"},
    ]


NONCONFORMING_CALLS: dict[str, tuple[list[list[dict[str, Any]]], dict[int, dict[str, str]]]] = {
    "empty ids in continuations": (
        [[begin()], [fragment(id="", name="", arguments=A)], [fragment(id=None, arguments=B)]],
        {0: joined()},
    ),
    "the id repeated with every fragment": (
        [[begin(arguments=A)], [fragment(id="call_1", type="function", arguments=B)]],
        {0: joined()},
    ),
    "the name repeated with every fragment": (
        [[begin(arguments=A)], [fragment(id="call_1", type="function", name="f", arguments=B)]],
        {0: joined()},
    ),
    "no index": ([[begin(None, arguments=A)], [fragment(None, arguments=B)]], {0: joined()}),
    "no index, several calls": (
        [
            [begin(None, arguments=A + B)],
            [begin(None, "call_2", "g", A)],
            [fragment(None, arguments=B)],
        ],
        {0: joined(), 1: joined("call_2", "g")},
    ),
    "no index, several calls in one chunk": (
        [[begin(None, arguments=A + B), begin(None, "call_2", "g", A + B)]],
        {0: joined(), 1: joined("call_2", "g")},
    ),
    "one index for all calls": (
        [[begin(0, arguments=A + B)], [begin(0, "call_2", "g", A)], [fragment(0, arguments=B)]],
        {0: joined(), 1: joined("call_2", "g")},
    ),
    "one index for all calls, in one chunk": (
        [[begin(0, arguments=A + B), begin(0, "call_2", "g", A + B)]],
        {0: joined(), 1: joined("call_2", "g")},
    ),
    "indices from 1": (
        [[begin(1, arguments=A)], [fragment(1, arguments=B)], [begin(2, "call_2", "g", A + B)]],
        {0: joined(), 1: joined("call_2", "g")},
    ),
    "no id at all": (
        [[fragment(0, name="f", arguments=A)], [fragment(0, arguments=B)]],
        {0: joined("call_x_0")},
    ),
    "an empty id in the first fragment": (
        [
            [fragment(0, id="", type="function", name="f", arguments=A)],
            [fragment(0, id="", arguments=B)],
        ],
        {0: joined("call_x_0")},
    ),
    "one id for two calls": (
        [[begin(0, arguments=A + B)], [begin(1, name="g", arguments=A + B)]],
        {0: joined(), 1: joined("call_x_0", "g")},
    ),
    "one id for two calls in one chunk": (
        [[begin(0, arguments=A + B), begin(1, name="g", arguments=A + B)]],
        {0: joined(), 1: joined("call_x_0", "g")},
    ),
    "one id and one index for two calls": (
        [
            [begin(0, arguments=A + B)],
            [begin(0, name="g", arguments=A)],
            [fragment(0, arguments=B)],
        ],
        {0: joined(), 1: joined("call_x_0", "g")},
    ),
    "the id of an earlier turn": (
        [[begin(0, "call_0", arguments=A)], [fragment(0, id="call_0", arguments=B)]],
        {0: joined("call_x_0")},
    ),
    "interleaved calls": (
        [
            [begin(0), begin(1, "call_2", "g")],
            [fragment(0, id="", arguments=A), fragment(1, id="", arguments=A)],
            [fragment(1, id="", arguments=B), fragment(0, id="", arguments=B)],
        ],
        {0: joined(), 1: joined("call_2", "g")},
    ),
}


@pytest.mark.parametrize("case", NONCONFORMING_CALLS)
def test_nonconforming_tool_calls_can_be_assembled(case: str) -> None:
    """SR-056: each has one id, one name, an index of its own, and arguments that are JSON."""
    chunks, expected = NONCONFORMING_CALLS[case]
    client = calls(*chunks)
    assert client.normalized > 0
    assert client.calls == expected


def test_a_missing_type_is_added_to_the_first_fragment() -> None:
    """SR-056."""
    client = calls([fragment(0, id="call_1", name="f")])
    assert client.deltas[-1]["tool_calls"][0]["type"] == "function"


def test_tool_calls_are_numbered_separately_for_each_choice() -> None:
    """SR-056."""
    client = Client()
    for index in (0, 1):
        client.take(
            {"role": "assistant", "tool_calls": [begin(None, f"call_{index}")]}, index=index
        )
    assert [delta["tool_calls"][0]["index"] for delta in client.deltas] == [0, 0]
