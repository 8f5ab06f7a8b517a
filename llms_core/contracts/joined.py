"""The chunks of a stream as one whole completion, for providers that stream without being asked to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from llms_core.contracts import reasoning_details
from llms_core.contracts.chunk import Chunk

Json = dict[str, Any]

#: Texts that name something. If they are repeated, the first one counts; all other texts are joined.
_NAMES = frozenset({"role", "id", "type", "name"})


class _Text(list[str]):
    """The pieces of a text. They are joined once, because appending to a long text copies it."""


class _Details(list[Json]):
    """The pieces of `reasoning_details`."""


class _Entries(dict[int, Json]):
    """The entries of a list whose deltas name them by `index`."""


def joined(chunks: Iterable[Chunk]) -> bytes:
    """Return a chat.completion with the answer of all chunks of a complete stream, and its usage if there is any."""
    completion: Json = {}
    choices: dict[int, Json] = {}
    for chunk in chunks:
        members: Json = msgspec.json.decode(chunk.data)
        for choice in members.pop("choices", ()):
            _add_choice(choices.setdefault(choice.get("index", 0), {}), choice)
        completion.update(members)
    completion["object"] = "chat.completion"
    completion["choices"] = [
        {"index": index, **_whole_choice(choices[index])} for index in sorted(choices)
    ]
    return msgspec.json.encode(completion)


def merged(deltas: Iterable[Mapping[str, Any]]) -> Json:
    """Return one object with what all deltas of it contain."""
    known: Json = {}
    for delta in deltas:
        _merge(known, delta)
    found: Json = _finished(known)
    return found


def _add_choice(known: Json, choice: Mapping[str, Any]) -> None:
    for name, value in choice.items():
        if name in ("delta", "logprobs"):
            _merge(known.setdefault(name, {}), value or {})
        elif value is not None:
            known[name] = value


def _whole_choice(known: Json) -> Json:
    choice = {
        name: value for name, value in known.items() if name not in ("index", "delta", "logprobs")
    }
    message = _finished(known.get("delta", {}))
    has_calls = bool(message.get("tool_calls") or message.get("function_call"))
    if message.get("content") is None:
        # As OpenAI answers: null beside tool calls, and a string otherwise.
        message["content"] = None if has_calls else ""
    logprobs = _finished(known.get("logprobs", {})) or None
    return {"message": {"role": "assistant", **message}, "logprobs": logprobs, **choice}


def _merge(known: Json, delta: Mapping[str, Any]) -> None:
    """Add a delta: texts are joined, lists extended, objects merged; of other values the first one counts."""
    for name, value in delta.items():
        before = known.get(name)
        if isinstance(value, str) and name not in _NAMES:
            if not isinstance(before, _Text):
                before = known[name] = _Text()
            before.append(value)
        elif isinstance(value, dict):
            if not isinstance(before, dict):
                before = known[name] = {}
            _merge(before, value)
        elif isinstance(value, list) and name == reasoning_details.NAME:
            if not isinstance(before, _Details):
                before = known[name] = _Details()
            before.extend(entry for entry in value if isinstance(entry, dict))
        elif isinstance(value, list):
            known[name] = _extended(before, value)
        elif before is None:
            known[name] = value


def _extended(known: Any, entries: list[Any]) -> Any:
    """Return a list with further entries; those that have an `index` are merged into the entry of that index."""
    if entries and all(
        isinstance(entry, dict) and isinstance(entry.get("index"), int) for entry in entries
    ):
        indexed = known if isinstance(known, _Entries) else _Entries()
        for entry in entries:
            _merge(indexed.setdefault(entry["index"], {}), entry)
        return indexed
    if not isinstance(known, list):
        known = []
    known.extend(entries)
    return known


def _finished(value: Any) -> Any:
    """Return a value with its texts joined, and lists in place of entries."""
    if isinstance(value, _Text):
        return "".join(value)
    if isinstance(value, _Details):
        return reasoning_details.consolidated(value)
    if isinstance(value, _Entries):
        return [_finished(_without_index(value[index])) for index in sorted(value)]
    if isinstance(value, dict):
        return {name: _finished(member) for name, member in value.items()}
    return value


def _without_index(entry: Json) -> Json:
    return {name: value for name, value in entry.items() if name != "index"}
