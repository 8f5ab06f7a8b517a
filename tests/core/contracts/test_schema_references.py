"""Recursion in JSON schemas is found, and nothing else is taken for it."""

from __future__ import annotations

from typing import Any

import pytest

from llms_core.contracts.schema_references import is_recursive


def reference(name: str, section: str = "$defs") -> dict[str, Any]:
    return {"items": {"$ref": f"#/{section}/{name}"}}


@pytest.mark.parametrize(
    "schema",
    [
        {"$defs": {"A": reference("A")}},
        {"$defs": {"A": reference("B"), "B": reference("A")}},
        {"definitions": {"A": reference("A", "definitions")}},
        {
            "$defs": {"A": reference("B"), "B": reference("C"), "C": reference("B")},
            **reference("A"),
        },
        {"items": {"$ref": "#"}},
        {"$defs": {"A": {"items": {"$ref": "#"}}}, **reference("A")},
    ],
)
def test_recursive_schemas(schema: dict[str, Any]) -> None:
    assert is_recursive(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"$defs": 1},
        {"$defs": {"A": {"type": "string"}}, **reference("A")},
        {"$defs": {"A": reference("B"), "B": {}}, "allOf": [reference("A"), reference("B")]},
        reference("Missing"),
        {"$defs": {f"d{number}": reference(f"d{number + 1}") for number in range(5000)}},
    ],
)
def test_schemas_without_recursion(schema: dict[str, Any]) -> None:
    assert not is_recursive(schema)
