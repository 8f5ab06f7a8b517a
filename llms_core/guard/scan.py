"""Looks for what the rules describe, in a text or in all texts of a JSON value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llms_core.errors import RequestError
from llms_core.guard.files import is_file, text_file, with_text
from llms_core.guard.reading import found_in
from llms_core.guard.rules import Rule


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


def cleaned_value(value: Any, rules: Sequence[Rule], where: str, member: str = "") -> Any:
    """Return a JSON value with all of its texts and names cleaned; the same object if nothing was found.

    `member` is the name of the member whose value it is.
    """
    match value:
        case str():
            if is_file(value, member):
                return _cleaned_file(value, rules, where)
            return cleaned(value, rules, where)
        case dict():
            return _cleaned_object(value, rules, where)
        case list():
            entries = [cleaned_value(entry, rules, where, member) for entry in value]
            if all(new is old for new, old in zip(entries, value, strict=True)):
                return value
            return entries
    return value


def _cleaned_object(value: dict[str, Any], rules: Sequence[Rule], where: str) -> dict[str, Any]:
    items: dict[str, Any] = {}
    is_same = True
    for name, member in value.items():
        new_name = cleaned(name, rules, where)
        if new_name in items:
            # Two names that are masked alike: one of the members would be lost.
            raise denied(found_in(name, rules)[0].rule, where)
        items[new_name] = cleaned_value(member, rules, where, name)
        is_same = is_same and new_name is name and items[new_name] is member
    return value if is_same else items


def _cleaned_file(uri: str, rules: Sequence[Rule], where: str) -> str:
    """Return a file that is a text with the text cleaned; any other as it is."""
    text = text_file(uri)
    if text is None:
        return uri
    changed = cleaned(text, rules, where)
    if changed is text:
        return uri
    return with_text(uri, changed)


def denied(rule: Rule, where: str) -> RequestError:
    """Return the refusal. It does not repeat what was found."""
    message = f"The {where} contains something that this gateway does not let through: {rule.name}"
    return RequestError(message, status=400, code="content_policy_violation")
