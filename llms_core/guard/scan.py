"""Looks for what the rules describe, in a text or in all texts of a JSON value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from llms_core.errors import RequestError
from llms_core.guard.rules import Rule

#: Files inside of requests: their bytes are not text.
_FILE = re.compile(r"data:[^,]{0,200};base64,")


class Found(NamedTuple):
    """A match of a rule."""

    start: int
    end: int
    rule: Rule


def found_in(text: str, rules: Sequence[Rule]) -> list[Found]:
    """Return all matches by their position; of those that overlap, the first."""
    matches = [
        Found(match.start(), match.end(), rule)
        for rule in rules
        for match in rule.pattern.finditer(text)
        if match.end() > match.start() and rule.is_meant(match[0])
    ]
    if len(matches) < 2:
        return matches
    matches.sort(key=lambda found: (found.start, -found.end))
    kept = matches[:1]
    for found in matches[1:]:
        if found.start >= kept[-1].end:
            kept.append(found)
    return kept


def cleaned(text: str, rules: Sequence[Rule], where: str) -> str:
    """Return a text with what is to be masked replaced. Raises RequestError for what is denied, in `where`."""
    pieces: list[str] = []
    position = 0
    for found in found_in(text, rules):
        if found.rule.denies:
            raise denied(found.rule, where)
        pieces += (text[position : found.start], f"[{found.rule.name}]")
        position = found.end
    if not pieces:
        return text
    return "".join([*pieces, text[position:]])


def cleaned_value(value: Any, rules: Sequence[Rule], where: str) -> Any:
    """Return a JSON value with all of its texts cleaned; the same object if nothing was found."""
    match value:
        case str():
            return value if _FILE.match(value) else cleaned(value, rules, where)
        case dict():
            items = {name: cleaned_value(member, rules, where) for name, member in value.items()}
            return value if all(items[name] is value[name] for name in value) else items
        case list():
            entries = [cleaned_value(entry, rules, where) for entry in value]
            return value if all(new is old for new, old in zip(entries, value, strict=True)) else entries
    return value


def denied(rule: Rule, where: str) -> RequestError:
    """Return the refusal. It does not repeat what was found."""
    message = f"The {where} contains something that this gateway does not let through: {rule.name}"
    return RequestError(message, status=400, code="content_policy_violation")
