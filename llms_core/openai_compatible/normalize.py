"""Normalizes the choices of answers that depart from OpenAI's contract.

The departures are those of recorded answers. The views find them, so that choices that conform are never decoded in
full, and their bytes are passed on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
from msgspec import Raw

from llms_core.contracts.building import arguments_text
from llms_core.contracts.chunk import ChunkChoice, DeltaView
from llms_core.contracts.completion import (
    FINISH_REASONS,
    CalledFunctionView,
    CallView,
    ChoiceView,
    finish_reason,
)
from llms_core.contracts.request import ChatCall
from llms_core.contracts.tool_call_ids import AnswerCallIds
from llms_core.errors import ErrorKind, ProviderError
from llms_core.openai_compatible.tool_calls import ToolCallNormalizer

# Whole answers


def is_nonconforming(choice: ChoiceView) -> bool:
    """Whether a choice of a whole answer has to be normalized."""
    message = choice.message
    if message is None or message.role != "assistant":
        return True
    if choice.index is None or choice.finish_reason not in FINISH_REASONS:
        return True
    if any(map(_is_incomplete, message.tool_calls or ())):
        return True
    if message.function_call is not None and bytes(message.function_call.arguments).startswith(
        b"{"
    ):
        return True
    is_missing = len(message.content) == 0
    is_list_of_parts = bytes(message.content).startswith(b"[")
    return is_missing or is_list_of_parts


def _is_incomplete(call: CallView) -> bool:
    # Mistral sends no type.
    return call.type is None or not _has_arguments(call.function)


def _has_arguments(function: CalledFunctionView | None) -> bool:
    """Whether a function's arguments are a text that is not empty; also True without a function."""
    # The quotes alone are two bytes.
    return function is None or (
        len(function.arguments) > 2 and bytes(function.arguments).startswith(b'"')
    )


class _Called(Protocol):
    @property
    def id(self) -> str | None: ...


class _Message(Protocol):
    @property
    def tool_calls(self) -> Sequence[_Called] | None: ...


class _Choice(Protocol):
    @property
    def message(self) -> _Message | None: ...


def repeats_ids(choices: Sequence[_Choice], call: ChatCall) -> bool:
    """Whether a tool call of a whole answer has no id, or that of another call of the answer or the conversation."""
    ids: AnswerCallIds | None = None
    for choice in choices:
        if choice.message is None or not choice.message.tool_calls:
            continue
        ids = ids or AnswerCallIds(call)
        if any(ids.unique(tool_call.id) != tool_call.id for tool_call in choice.message.tool_calls):
            return True
    return False


def normalized(choices: Raw, ids: AnswerCallIds) -> list[dict[str, Any]]:
    """Return the choices of a whole answer, normalized. `ids` makes those of its tool calls unique.

    Raises ProviderError if a choice has no message, or the provider gave up.
    """
    decoded: list[dict[str, Any]] = msgspec.json.decode(choices)
    for position, choice in enumerate(decoded):
        if choice.get("index") is None:
            choice["index"] = position
        message = _message(choice)
        if message is None:
            raise ProviderError(
                ErrorKind.BAD_RESPONSE,
                "The answer is not a chat completion: a choice has no message",
            )
        message["role"] = "assistant"
        message.setdefault("content", None)
        _join_parts(message)
        calls = [call for call in message.get("tool_calls") or () if isinstance(call, dict)]
        for call in calls:
            call["id"] = ids.unique(call.get("id"))
            call["type"] = call.get("type") or "function"
            _normalize_arguments(call.get("function"))
        function = message.get("function_call")
        # Snowflake sends one without a name and arguments with every answer.
        if isinstance(function, dict) and isinstance(function.get("arguments"), dict):
            _normalize_arguments(function)
        is_empty = not _bears_content(message)
        reason = _normalized_reason(choice.get("finish_reason"), is_empty=is_empty)
        if reason is None:
            if is_empty:
                problem = "The provider's answer has no content, and no reason for that"
                raise ProviderError(ErrorKind.BAD_RESPONSE, problem)
            # The answer is whole, so it has ended, even if the provider gives no reason.
            reason = "tool_calls" if calls else "stop"
        choice["finish_reason"] = reason
    return decoded


def _message(choice: dict[str, Any]) -> dict[str, Any] | None:
    """Return the message of a choice, wherever it is: some servers answer as in a stream, or as the API for text."""
    delta = choice.pop("delta", None)
    text = choice.pop("text", None)
    message = choice.get("message")
    if not isinstance(message, dict):
        message = delta
    if not isinstance(message, dict) and isinstance(text, str):
        message = {"content": text}
    if not isinstance(message, dict):
        return None
    choice["message"] = message
    return message


def _normalize_arguments(function: Any) -> None:
    if isinstance(function, dict):
        function["arguments"] = arguments_text(function.get("arguments"))


def _bears_content(message: dict[str, Any]) -> bool:
    return any(message.get(name) for name in DeltaView.__struct_fields__ if name != "role")


# Streams


class _Conformity(msgspec.Struct, frozen=True):
    """What has to be normalized in a choice of a chunk."""

    #: it is the choice's first chunk
    is_first: bool
    #: `message` or `text` has what belongs into `delta`
    is_misplaced: bool
    delta_conforms: bool
    tool_calls_conform: bool


class ChunkNormalizer:
    """Normalizes the chunks of one stream. `ids` makes those of its tool calls unique."""

    def __init__(self, ids: AnswerCallIds):
        #: the choices that have had their first chunk, which has the role
        self.begun: set[int] = set()
        #: whether a chunk has had content
        self.has_content = False
        #: the choices whose deltas are in `message`
        self._misplaced: set[int] = set()
        self._tool_calls = ToolCallNormalizer(ids)

    def normalized(self, views: Sequence[ChunkChoice], choices: Raw) -> list[dict[str, Any]] | None:
        """Return a chunk's choices, normalized; None if all of them conform.

        Must be called for each chunk in order: tool calls are tracked from chunk to chunk. Raises ProviderError if the
        provider gave up.
        """
        checks: list[_Conformity] = []
        all_conform = True
        for view in views:
            check = self._check(view)
            checks.append(check)
            lacks_arguments = view.finish_reason is not None and self._tool_calls.lacks_arguments(
                view.index
            )
            if lacks_arguments or not (check.delta_conforms and check.tool_calls_conform):
                all_conform = False
        if all_conform:
            return None
        decoded: list[dict[str, Any]] = msgspec.json.decode(choices)
        for choice, check in zip(decoded, checks, strict=True):
            index = choice.get("index", 0)
            if not check.delta_conforms:
                if check.is_misplaced:
                    choice["delta"] = _message(choice)
                    del choice["message"]
                _normalize_delta(choice, is_first=check.is_first, is_empty=not self.has_content)
            delta = choice["delta"]
            if not check.tool_calls_conform:
                for call in delta["tool_calls"]:
                    self._tool_calls.normalize(call, index)
            if choice.get("finish_reason"):
                fragments = self._tool_calls.complete_arguments(index)
                if fragments:
                    delta["tool_calls"] = [*(delta.get("tool_calls") or ()), *fragments]
        return decoded

    def _check(self, view: ChunkChoice) -> _Conformity:
        index = view.index
        is_first = index not in self.begun
        self.begun.add(index)
        is_misplaced = view.delta is None and self._move_to_delta(view, is_first)
        if view.delta is not None and view.delta.bears_content():
            self.has_content = True
        conforms = not is_misplaced and _delta_conforms(view, is_first)
        return _Conformity(is_first, is_misplaced, conforms, self._tool_calls.conforms(view))

    def _move_to_delta(self, view: ChunkChoice, is_first: bool) -> bool:
        """Give a choice without a delta what belongs into it; return False if it has nothing new.

        After deltas, a `message` is the whole answer again.
        """
        if view.message is None and view.text is None:
            return False
        if is_first:
            self._misplaced.add(view.index)
        if view.index not in self._misplaced:
            return False
        view.delta = view.message or DeltaView(content=view.text)
        return True


def _delta_conforms(choice: ChunkChoice, is_first: bool) -> bool:
    delta = choice.delta
    if delta is None or isinstance(delta.content, list):
        return False
    # Only the first delta has a role (SR-054): OpenAI's own client concatenates the role if it is repeated.
    expected_role = "assistant" if is_first else None
    if delta.role != expected_role:
        return False
    return choice.finish_reason is None or choice.finish_reason in FINISH_REASONS


def _normalize_delta(choice: dict[str, Any], *, is_first: bool, is_empty: bool) -> None:
    delta = choice.get("delta") or {}
    choice["delta"] = delta
    if is_first:
        delta["role"] = "assistant"
    else:
        delta.pop("role", None)
    _join_parts(delta)
    choice["finish_reason"] = _normalized_reason(choice.get("finish_reason"), is_empty=is_empty)


# Both


def _join_parts(message: dict[str, Any]) -> None:
    """Turn content that is a list of parts into a string, and its thinking into `reasoning_content`.

    Mistral's reasoning models answer in parts.
    """
    parts = message.get("content")
    if not isinstance(parts, list):
        return
    texts: list[str] = []
    thoughts: list[str] = []
    for part in parts:
        if not isinstance(part, dict):
            continue
        if part.get("type") == "thinking":
            thoughts += _thoughts(part.get("thinking"))
        elif isinstance(part.get("text"), str):
            texts.append(part["text"])
    message["content"] = "".join(texts)
    if thoughts:
        message.setdefault("reasoning_content", "".join(thoughts))


def _thoughts(thinking: object) -> list[str]:
    """Return the texts of a `thinking` part, which is a list of text parts or a plain string."""
    if not isinstance(thinking, list):
        return [str(thinking or "")]
    return [str(piece.get("text") or "") for piece in thinking if isinstance(piece, dict)]


def _normalized_reason(reason: str | None, *, is_empty: bool) -> str | None:
    """Return a finish reason in OpenAI's spelling; None if there is none.

    Raises ProviderError if it is a failure, or unknown after an answer without content.
    """
    if not reason:
        return None
    known = finish_reason(reason, is_empty=is_empty)
    if known is None:
        message = f"The provider stopped before its answer was complete: finish_reason '{reason}'"
        raise ProviderError(ErrorKind.BAD_RESPONSE, message)
    return known
