"""An answer as an OpenAI client reads it: strictly by OpenAI's contract, and what it means."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from llms_core.contracts.completion import FINISH_REASONS
from llms_core.errors import ProviderError
from llms_core.testing.asked import LOCAL
from llms_core.testing.memory import Outcome
from llms_core.testing.wire import Call, Example, Meaning


@dataclass
class Read:
    """What a client got. `usage` is the tokens of the prompt, of the answer and of both; None where it got none."""

    choices: tuple[Meaning, ...]
    usage: tuple[int, int, int] | None
    members: Mapping[str, Any] = field(default_factory=dict)


class ContractError(AssertionError):
    """The answer is not what OpenAI's contract says."""


def _must(holds: object, what: str, where: object) -> None:
    if not holds:
        raise ContractError(f"{what}: {json.dumps(where, ensure_ascii=False, default=str)[:1000]}")


def read_whole(data: bytes, model: str = LOCAL) -> Read:
    """A chat.completion of a model, by its local name. Raises ContractError."""
    answer = json.loads(data)
    _must(isinstance(answer, dict), "the completion is no object", answer)
    _envelope(answer, "chat.completion", model)
    choices = answer["choices"]
    _must([choice.get("index") for choice in choices] == list(range(len(choices))), "the indices are odd", answer)
    return Read(tuple(_choice(choice) for choice in choices), _usage(answer.get("usage")), answer)


def read_stream(chunks: Iterable[bytes], model: str = LOCAL) -> Read:
    """The chunks of a stream that is over. Raises ContractError."""
    envelope: tuple[object, ...] | None = None
    choices: dict[int, _Streamed] = {}
    usage: tuple[int, int, int] | None = None
    for data in chunks:
        chunk = json.loads(data)
        _envelope(chunk, "chat.completion.chunk", model)
        own = (chunk["id"], chunk["created"])
        _must(envelope in (None, own), "id or created change within the stream", chunk)
        envelope = own
        _must(usage is None, "a chunk comes after the usage, which has to be the last", chunk)
        usage = _usage(chunk.get("usage"))
        _must(usage is None or not chunk["choices"], "usage is in a chunk that has choices", chunk)
        for choice in chunk["choices"]:
            index = choice.get("index")
            _must(type(index) is int, "a choice has no index", chunk)
            choices.setdefault(index, _Streamed()).add(choice)
    _must(sorted(choices) == list(range(len(choices))), "the choices are numbered oddly", sorted(choices))
    return Read(tuple(choices[index].meaning() for index in sorted(choices)), usage)


def differs(read: Read, example: Example) -> str | None:
    """How an answer departs from what the example means; None where it does not. Usage is not looked at."""
    if read.choices == example.choices:
        return None
    return f"it means {list(read.choices)}, and the example says {list(example.choices)}"


def passed_off(outcome: Outcome, example: Example) -> str | None:
    """How an answer that was meddled with deceives: it came out as whole, and is not. None for a failure, too."""
    if outcome.error is not None:
        return None
    try:
        return differs(read_stream(chunk.data for chunk in outcome.chunks), example)
    except ContractError as error:
        return str(error)


def must_be_read(outcome: Outcome, example: Example) -> Read:
    """The answer, which has to mean what the example says. Raises AssertionError."""
    if outcome.error is not None:
        error = outcome.error
        raise AssertionError(f"the answer was refused: {error.kind.value}: {error.message}") from error
    if outcome.completion is not None:
        read = read_whole(outcome.completion.data)
    else:
        read = read_stream(chunk.data for chunk in outcome.chunks)
    wrong = differs(read, example)
    assert wrong is None, wrong
    return read


def must_have_failed(outcome: Outcome) -> ProviderError:
    """The failure that the answer has to be. Raises AssertionError."""
    shown = outcome.completion.data if outcome.completion else b"".join(chunk.data for chunk in outcome.chunks)
    assert outcome.error is not None, f"it was taken for an answer: {shown[:1000]!r}"
    return outcome.error


def _envelope(answer: Mapping[str, Any], kind: str, model: str) -> None:
    _must(answer.get("object") == kind, f"`object` is not {kind}", answer)
    _must(isinstance(answer.get("id"), str) and answer["id"], "`id` is no text", answer)
    _must(type(answer.get("created")) is int and answer["created"] > 0, "`created` is no whole number", answer)
    _must(answer.get("model") == model, f"`model` is not the name that the client knows, {model}", answer)
    _must(isinstance(answer.get("choices"), list), "`choices` is no list", answer)


def _choice(choice: Mapping[str, Any]) -> Meaning:
    message = choice.get("message")
    _must(
        isinstance(message, dict) and message.get("role") == "assistant", "the message is not the assistant's", choice
    )
    assert isinstance(message, dict)
    _must("content" in message and isinstance(message["content"], str | None), "`content` is no text", choice)
    _must(choice.get("finish_reason") in FINISH_REASONS, "the finish_reason is not one of OpenAI's", choice)
    calls = message.get("tool_calls") or []
    for call in calls:
        _must(isinstance(call.get("id"), str) and call["id"], "a tool call has no id", choice)
        _must(call.get("type") == "function", "a tool call is of no type", choice)
    _must(len({call["id"] for call in calls}) == len(calls), "two tool calls have one id", choice)
    return Meaning(
        text=message["content"] or "",
        calls=tuple(_call(call["function"]["name"], call["function"]["arguments"], choice) for call in calls),
        reasoning=_reasoning(message),
        finish_reason=choice["finish_reason"],
    )


def _call(name: object, arguments: object, where: object) -> Call:
    _must(isinstance(name, str) and name, "a tool call has no name", where)
    try:
        value = json.loads(str(arguments) or "{}")
    except ValueError:
        value = None
    _must(isinstance(arguments, str) and isinstance(value, dict), "a tool call's arguments are no JSON object", where)
    assert isinstance(value, dict)
    return Call(name=str(name), arguments=value)


def _reasoning(message: Mapping[str, Any]) -> str:
    said = message.get("reasoning_content") or message.get("reasoning")
    return said if isinstance(said, str) else ""


def _usage(usage: Any) -> tuple[int, int, int] | None:
    if usage is None:
        return None
    counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")]
    _must(all(type(count) is int and count >= 0 for count in counts), "usage has counts that are none", usage)
    _must(counts[0] + counts[1] == counts[2], "usage does not add up", usage)
    return counts[0], counts[1], counts[2]


class _Streamed:
    """One choice of a stream, put together."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[dict[str, Any]] = []
        self._finish: str | None = None
        self._first = True

    def add(self, choice: Mapping[str, Any]) -> None:
        delta = choice.get("delta")
        _must(isinstance(delta, dict), "a choice has no delta", choice)
        assert isinstance(delta, dict)
        role = delta.get("role")
        _must(role == "assistant" if self._first else role is None, "the role belongs to the first delta alone", choice)
        self._first = False
        bears = any(delta.get(name) for name in ("content", "tool_calls", "reasoning_content", "reasoning"))
        _must(self._finish is None or not bears, "content comes after the finish_reason", choice)
        _must(isinstance(delta.get("content"), str | None), "`content` is no text", choice)
        self._text.append(delta.get("content") or "")
        self._reasoning.append(_reasoning(delta))
        for fragment in delta.get("tool_calls") or ():
            self._add_fragment(fragment)
        finish = choice.get("finish_reason")
        if finish is not None:
            _must(finish in FINISH_REASONS, "the finish_reason is not one of OpenAI's", choice)
            _must(self._finish is None, "a choice has a second finish_reason", choice)
            self._finish = finish

    def _add_fragment(self, fragment: Mapping[str, Any]) -> None:
        index, function = fragment.get("index"), fragment.get("function") or {}
        _must(type(index) is int and 0 <= index <= len(self._calls), "a tool call is numbered oddly", fragment)
        assert isinstance(index, int)
        if index == len(self._calls):
            _must(isinstance(fragment.get("id"), str) and fragment["id"], "a tool call begins without an id", fragment)
            _must(fragment.get("type") == "function", "a tool call begins without its type", fragment)
            _must(function.get("name"), "a tool call begins without a name", fragment)
            self._calls.append({"id": fragment["id"], "name": function["name"], "arguments": ""})
        else:
            known = fragment.get("id") in (None, self._calls[index]["id"])
            _must(known and not function.get("name"), "a tool call begins anew under its old number", fragment)
        self._calls[index]["arguments"] += function.get("arguments") or ""

    def meaning(self) -> Meaning:
        _must(self._finish is not None, "a choice has no finish_reason", "".join(self._text))
        ids = [call["id"] for call in self._calls]
        _must(len(set(ids)) == len(ids), "two tool calls have one id", ids)
        return Meaning(
            text="".join(self._text),
            calls=tuple(_call(call["name"], call["arguments"], call) for call in self._calls),
            reasoning="".join(self._reasoning),
            finish_reason=self._finish or "",
        )
