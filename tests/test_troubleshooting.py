"""docs/troubleshooting.md quotes messages that exist, and covers every kind of error."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from llms_core.errors import ErrorKind

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")

_PLACEHOLDER = "…"
#: How log messages are formatted.
_PERCENT = re.compile(r"%[.\d]*[sdrgf]")
_CODE = re.compile(r"``\s(.+?)\s``|`([^`]+)`")


def quoted() -> list[str]:
    """The messages of the tables: in the first column, or in the second one of the kinds of errors."""
    messages = []
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if not line.startswith("| `") or len(cells) < 3:
            continue
        cell = cells[1] if cells[0].strip("`") in set(ErrorKind) else cells[0]
        messages += [first or second for first, second in _CODE.findall(cell)]
    return messages


@cache
def texts() -> tuple[str, ...]:
    """Every text in the source, with a placeholder for each value that is inserted."""
    return tuple(_texts())


def _texts() -> Iterator[str]:
    for package in ("llms_core", "llms_providers"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    yield "".join(_part(value) for value in node.values)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield _PERCENT.sub(_PLACEHOLDER, node.value)


def _part(value: ast.expr) -> str:
    return (
        value.value
        if isinstance(value, ast.Constant) and isinstance(value.value, str)
        else _PLACEHOLDER
    )


def test_messages_are_quoted() -> None:
    assert len(quoted()) > 50


@pytest.mark.parametrize("message", quoted())
def test_each_quoted_message_exists(message: str) -> None:
    pattern = re.compile(
        ".*".join(map(re.escape, message.strip(_PLACEHOLDER).split(_PLACEHOLDER))), re.DOTALL
    )
    assert any(pattern.search(text) for text in texts())


def test_every_kind_of_error_is_covered() -> None:
    for kind in ErrorKind:
        assert f"\n| `{kind}` |" in PAGE
