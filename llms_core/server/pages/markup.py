"""HTML as text that is escaped where it is put together, so that no name from a file or a plugin becomes markup."""

from __future__ import annotations

import html
from typing import Any

#: Elements without content and end tag.
_VOID = frozenset({"br", "input", "link", "meta"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(tag: str, /, *children: str, **attributes: Any) -> Markup:
    """Return an element. Children that are not Markup are text, and are escaped like the values of attributes.

    In names of attributes, `_` stands for `-`, and one at the end is left out (`class_`). An attribute that is True has
    no value; one that is None or False is left out.
    """
    written = "".join(_attribute(each, value) for each, value in attributes.items())
    if tag in _VOID:
        return Markup(f"<{tag}{written}>")
    return Markup(f"<{tag}{written}>{join(*children)}</{tag}>")


def join(*children: str) -> Markup:
    """Return several pieces as one; those that are not Markup are text."""
    return Markup("".join(map(_escaped, children)))


def _escaped(text: str) -> str:
    if isinstance(text, Markup):
        return text
    return html.escape(text)


def _attribute(name: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = name.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    return f' {name}="{html.escape(str(value))}"'
