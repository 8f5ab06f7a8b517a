"""An adapter's answer, read as strictly as OpenAI's contract allows, and compared with an example."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llms_core.contracts.completion import FINISH_REASONS
from llms_core.errors import ProviderError
from llms_core.testing.playback import Outcome
from llms_core.testing.sample_requests import CLIENT_MODEL
from llms_core.testing.wire import Call, Example, Meaning

#: The most characters of an answer that an error message shows.
_SHOWN = 1000


@dataclass
class Read:
    """What a client received."""

    choices: tuple[Meaning, ...]
    #: The tokens of the prompt, of the answer, and their sum; None if the answer has no usage.
    usage: tuple[int, int, int] | None
    members: Mapping[str, Any] = field(default_factory=dict)


class ContractError(AssertionError):
    """An answer violates OpenAI's contract."""


def _require(condition: object, problem: str, answer: object) -> None:
    """Raise ContractError, with the part of the answer that is wrong, unless `condition` is true."""
    if not condition:
        raise ContractError(
            f"{problem}: {json.dumps(answer, ensure_ascii=False, default=str)[:_SHOWN]}"
        )


def read_whole(data: bytes, model: str = CLIENT_MODEL) -> Read:
    """Read a chat.completion; `model` is the client's name for the model. Raises ContractError."""
    answer = json.loads(data)
    _require(isinstance(answer, dict), "the completion must be a JSON object", answer)
    _check_envelope(answer, "chat.completion", model)
    choices = answer["choices"]
    indices = [choice.get("index") for choice in choices]
    _require(
        indices == list(range(len(choices))),
        "the choices must be numbered 0, 1, … in order",
        answer,
    )
    meanings = tuple(_read_choice(choice) for choice in choices)
    return Read(meanings, _read_usage(answer.get("usage")), answer)


def read_stream(chunks: Iterable[bytes], model: str = CLIENT_MODEL) -> Read:
    """Read the chunks of a finished stream; `model` is the client's name for the model. Raises ContractError."""
    first_envelope: tuple[object, ...] | None = None
    # Chunks of several choices may alternate.
    choices: dict[int, _StreamedChoice] = {}
    usage: tuple[int, int, int] | None = None
    for data in chunks:
        chunk = json.loads(data)
        _check_envelope(chunk, "chat.completion.chunk", model)
        envelope = (chunk["id"], chunk["created"])
        _require(
            first_envelope in (None, envelope),
            "`id` and `created` must not change within a stream",
            chunk,
        )
        first_envelope = envelope
        _require(usage is None, "the chunk with the usage must be the last", chunk)
        usage = _read_usage(chunk.get("usage"))
        _require(
            usage is None or not chunk["choices"],
            "the chunk with the usage must not have choices",
            chunk,
        )
        for choice in chunk["choices"]:
            index = choice.get("index")
            _require(type(index) is int, "each choice must have an integer `index`", chunk)
            choices.setdefault(index, _StreamedChoice()).add(choice)
    indices = sorted(choices)
    _require(indices == list(range(len(choices))), "the choices must be numbered 0, 1, …", indices)
    return Read(tuple(choices[index].meaning() for index in indices), usage)


def read_outcome(outcome: Outcome) -> Read:
    """Read the completion or the stream of an outcome that is not an error. Raises ContractError."""
    if outcome.completion is not None:
        return read_whole(outcome.completion.data)
    return read_stream(chunk.data for chunk in outcome.chunks)


def difference(read: Read, example: Example) -> str | None:
    """Return how an answer differs from its example, or None. The usage is not compared."""
    if read.choices == example.choices:
        return None
    return f"the answer means {list(read.choices)}, but the example's `means` is {list(example.choices)}"


def unnoticed_fault(outcome: Outcome, example: Example) -> str | None:
    """Return what is wrong with a stream that came out as a complete answer although it was tampered with.

    None if it ended with an error, or if the answer is right in spite of the fault.
    """
    if outcome.error is not None:
        return None
    try:
        return difference(read_stream(chunk.data for chunk in outcome.chunks), example)
    except ContractError as error:
        return str(error)


def assert_means(outcome: Outcome, example: Example) -> Read:
    """Return the answer. Raises AssertionError if it is an error, or does not mean what the example says."""
    error = outcome.error
    if error is not None:
        raise AssertionError(
            f"the adapter returned an error for a valid response: {error.kind.value}: {error.message}"
        ) from error
    read = read_outcome(outcome)
    wrong = difference(read, example)
    assert wrong is None, wrong
    return read


def assert_failed(outcome: Outcome) -> ProviderError:
    """Return the error. Raises AssertionError if the response came out as an answer."""
    if outcome.error is not None:
        return outcome.error
    if outcome.completion is not None:
        answer = outcome.completion.data
    else:
        answer = b"".join(chunk.data for chunk in outcome.chunks)
    raise AssertionError(
        "the adapter must raise ProviderError for a response that is not a valid answer, "
        f"but returned {answer[:_SHOWN]!r}"
    )


def _check_envelope(answer: Mapping[str, Any], kind: str, model: str) -> None:
    created = answer.get("created")
    _require(answer.get("object") == kind, f"`object` must be '{kind}'", answer)
    _require(_is_non_empty_text(answer.get("id")), "`id` must be a non-empty string", answer)
    _require(type(created) is int and created > 0, "`created` must be a positive integer", answer)
    _require(
        answer.get("model") == model, f"`model` must be the client's name for it, '{model}'", answer
    )
    _require(isinstance(answer.get("choices"), list), "`choices` must be a list", answer)


def _is_non_empty_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _read_choice(choice: Mapping[str, Any]) -> Meaning:
    message = choice.get("message")
    _require(isinstance(message, dict), "`message` must be an object", choice)
    assert isinstance(message, dict)
    _require(message.get("role") == "assistant", "the message's `role` must be 'assistant'", choice)
    _require("content" in message, "the message must have `content`, even if it is null", choice)
    _require(
        isinstance(message["content"], str | None), "`content` must be a string or null", choice
    )
    _require_finish_reason(choice.get("finish_reason"), choice)
    calls = message.get("tool_calls") or []
    for call in calls:
        _require(_is_non_empty_text(call.get("id")), "each tool call must have an `id`", choice)
        _require(
            call.get("type") == "function", "each tool call must have the `type` 'function'", choice
        )
    _require_distinct([call["id"] for call in calls], choice)
    return Meaning(
        text=message["content"] or "",
        calls=tuple(_read_call(call["function"], choice) for call in calls),
        reasoning=_read_reasoning(message),
        finish_reason=choice["finish_reason"],
    )


def _require_finish_reason(finish_reason: object, choice: object) -> None:
    allowed = ", ".join(sorted(FINISH_REASONS))
    _require(finish_reason in FINISH_REASONS, f"`finish_reason` must be one of {allowed}", choice)


def _require_distinct(ids: Sequence[object], answer: object) -> None:
    _require(len(set(ids)) == len(ids), "the ids of tool calls must differ", answer)


def _read_call(function: Mapping[str, Any], answer: object) -> Call:
    name = function["name"]
    arguments = function["arguments"]
    _require(_is_non_empty_text(name), "each tool call must have a name", answer)
    _require(
        isinstance(arguments, str), "a tool call's `arguments` must be a string of JSON", answer
    )
    try:
        # Some providers send an empty string for a call without arguments.
        decoded = json.loads(arguments or "{}")
    except ValueError:
        decoded = None
    _require(
        isinstance(decoded, dict), "a tool call's `arguments` must contain a JSON object", answer
    )
    assert isinstance(decoded, dict)
    return Call(name=name, arguments=decoded)


def _read_reasoning(message: Mapping[str, Any]) -> str:
    # Providers use either name; OpenAI's contract has neither.
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(reasoning, str):
        return reasoning
    return ""


def _read_usage(usage: Any) -> tuple[int, int, int] | None:
    if usage is None:
        return None
    prompt = _token_count(usage, "prompt_tokens")
    completion = _token_count(usage, "completion_tokens")
    total = _token_count(usage, "total_tokens")
    _require(
        prompt + completion == total,
        "`total_tokens` must be the sum of prompt and completion tokens",
        usage,
    )
    return prompt, completion, total


def _token_count(usage: Mapping[str, Any], name: str) -> int:
    count = usage.get(name)
    # Not isinstance: True and False are integers too.
    _require(type(count) is int and count >= 0, f"`{name}` must be a non-negative integer", usage)
    assert isinstance(count, int)
    return count


class _StreamedChoice:
    """One choice of a stream, joined as OpenAI's clients join it."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[dict[str, Any]] = []
        self._finish_reason: str | None = None
        self._is_first_delta = True

    def add(self, choice: Mapping[str, Any]) -> None:
        """Add the choice of one chunk."""
        delta = choice.get("delta")
        _require(isinstance(delta, dict), "each choice must have a `delta`", choice)
        assert isinstance(delta, dict)
        self._check_role(delta, choice)
        has_content = any(
            delta.get(name) for name in ("content", "tool_calls", "reasoning_content", "reasoning")
        )
        _require(
            self._finish_reason is None or not has_content,
            "content must not follow the finish_reason",
            choice,
        )
        _require(
            isinstance(delta.get("content"), str | None),
            "`content` must be a string or null",
            choice,
        )
        self._text.append(delta.get("content") or "")
        self._reasoning.append(_read_reasoning(delta))
        for fragment in delta.get("tool_calls") or ():
            self._add_fragment(fragment)
        finish_reason = choice.get("finish_reason")
        if finish_reason is not None:
            _require_finish_reason(finish_reason, choice)
            _require(self._finish_reason is None, "each choice must have one finish_reason", choice)
            self._finish_reason = finish_reason

    def _check_role(self, delta: Mapping[str, Any], choice: object) -> None:
        role = delta.get("role")
        if self._is_first_delta:
            _require(
                role == "assistant", "the first delta must have the `role` 'assistant'", choice
            )
        else:
            _require(role is None, "only the first delta may have a `role`", choice)
        self._is_first_delta = False

    def _add_fragment(self, fragment: Mapping[str, Any]) -> None:
        index = fragment.get("index")
        function = fragment.get("function") or {}
        _require(
            type(index) is int and 0 <= index <= len(self._calls),
            "tool calls must be numbered 0, 1, … in the order in which they begin",
            fragment,
        )
        assert isinstance(index, int)
        if index == len(self._calls):
            self._begin_call(fragment, function)
        else:
            has_same_id = fragment.get("id") in (None, self._calls[index]["id"])
            is_continuation = has_same_id and not function.get("name")
            _require(is_continuation, "a new tool call must have a new `index`", fragment)
        self._calls[index]["arguments"] += function.get("arguments") or ""

    def _begin_call(self, fragment: Mapping[str, Any], function: Mapping[str, Any]) -> None:
        begins = "the first fragment of a tool call must have"
        _require(_is_non_empty_text(fragment.get("id")), f"{begins} an `id`", fragment)
        _require(fragment.get("type") == "function", f"{begins} the `type` 'function'", fragment)
        _require(function.get("name"), f"{begins} a name", fragment)
        self._calls.append({"id": fragment["id"], "name": function["name"], "arguments": ""})

    def meaning(self) -> Meaning:
        """Return what the choice means, once the stream is over."""
        text = "".join(self._text)
        _require(self._finish_reason is not None, "each choice must have a finish_reason", text)
        _require_distinct([call["id"] for call in self._calls], self._calls)
        return Meaning(
            text=text,
            calls=tuple(_read_call(call, call) for call in self._calls),
            reasoning="".join(self._reasoning),
            finish_reason=self._finish_reason or "",
        )
