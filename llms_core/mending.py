"""Where a provider's answer departs from OpenAI's contract: choices made as the contract has them.

The departures are those of recorded answers. What does not depart is never decoded this far.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Raw

from llms_core.contracts.chunk import ChunkChoice
from llms_core.contracts.completion import FINISH_REASONS, ChoiceView, finish_reason
from llms_core.errors import ErrorKind, ProviderError


def is_odd(choice: ChoiceView) -> bool:
    """Whether a choice of a whole answer has to be mended."""
    message = choice.message
    if message is None or message.role != "assistant" or choice.finish_reason not in FINISH_REASONS:
        return True
    return len(message.content) == 0 or bytes(message.content).startswith(b"[")


def mended(choices: Raw) -> list[dict[str, Any]]:
    """The choices of a whole answer, mended. Raises ProviderError where there is no message, or it was broken off."""
    found: list[dict[str, Any]] = msgspec.json.decode(choices)
    for choice in found:
        message = choice.get("message")
        if not isinstance(message, dict):
            raise ProviderError(ErrorKind.BAD_RESPONSE, "The answer is not a chat completion: a choice has no message")
        message["role"] = "assistant"
        message.setdefault("content", None)
        _flatten(message)
        calls = [call for call in message.get("tool_calls") or () if isinstance(call, dict)]
        for call in calls:
            call.setdefault("type", "function")
        choice["finish_reason"] = _finish(choice.get("finish_reason")) or ("tool_calls" if calls else "stop")
    return found


def is_odd_chunk(choice: ChunkChoice, first: bool) -> bool:
    """Whether a choice of a chunk has to be mended; `first`: it is the first of its index."""
    delta = choice.delta
    if delta is None or (first and delta.role != "assistant") or isinstance(delta.content, list):
        return True
    # An absent id is how fragments go on; an empty one would overwrite the call's.
    if delta.tool_calls and any(call.index is None or not (call.id or call.id is UNSET) for call in delta.tool_calls):
        return True
    return choice.finish_reason is not None and choice.finish_reason not in FINISH_REASONS


def mended_chunk(choices: Raw, calls: dict[int, int]) -> list[dict[str, Any]]:
    """The choices of a chunk, mended. `calls` counts the tool calls begun so far by choice, for those not numbered."""
    found: list[dict[str, Any]] = msgspec.json.decode(choices)
    for choice in found:
        delta = choice["delta"] = choice.get("delta") or {}
        delta["role"] = "assistant"
        _flatten(delta)
        for call in delta.get("tool_calls") or ():
            _mend_fragment(call, choice.get("index", 0), calls)
        choice["finish_reason"] = _finish(choice.get("finish_reason"))
    return found


def _mend_fragment(call: dict[str, Any], choice: int, calls: dict[int, int]) -> None:
    """An id that is empty would overwrite the real one; a call without an index is a new one if it has an id."""
    if not call.get("id"):
        call.pop("id", None)
        function = call.get("function")
        if isinstance(function, dict) and not function.get("name"):
            function.pop("name", None)
    begun = calls.get(choice, 0)
    if call.get("index") is None:
        call["index"] = begun if "id" in call else max(0, begun - 1)
    if "id" in call:
        call.setdefault("type", "function")
        calls[choice] = max(begun, call["index"] + 1)


def _flatten(message: dict[str, Any]) -> None:
    """Content that is a list of parts (Mistral's reasoning models) as a string, its thinking as reasoning_content."""
    parts = message.get("content")
    if not isinstance(parts, list):
        return
    texts: list[str] = []
    thoughts: list[str] = []
    for part in parts:
        if isinstance(part, dict) and part.get("type") == "thinking":
            inner = part.get("thinking")
            pieces = inner if isinstance(inner, list) else [{"text": inner}]
            thoughts += [str(piece.get("text") or "") for piece in pieces if isinstance(piece, dict)]
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            texts.append(part["text"])
    message["content"] = "".join(texts)
    if thoughts:
        message.setdefault("reasoning_content", "".join(thoughts))


def _finish(reason: str | None) -> str | None:
    if not reason:
        return None
    known = finish_reason(reason)
    if known is None:
        raise ProviderError(ErrorKind.BAD_RESPONSE, f"The provider broke off its answer: finish_reason '{reason}'")
    return known
