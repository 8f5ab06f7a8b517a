"""Lines of members, dotted paths, similar names."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms_core.config.locate import JsonPath, dotted, find_duplicate, line_of, nearest

TEXT = """
{
  "a": {"x": [1, {"y": 2},
    {"y": "{]\\"",
     "z": null}]},
  "b": true
}"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a",), 3),
        (("a", "x", 1, "y"), 3),
        (("a", "x", 2), 4),
        (("a", "x", 2, "z"), 5),
        (("b",), 6),
        (("a", "gone", "gone"), 3),
        ((), 2),
    ],
)
def test_line_of_returns_the_line_of_a_member_or_of_its_closest_parent(
    path: JsonPath, line: int
) -> None:
    """K-23, K-24: messages contain the line."""
    assert line_of(TEXT, path) == line


def _paths(value: Any, path: JsonPath = ()) -> list[JsonPath]:
    paths = [path]
    inside: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        inside = value.items()
    elif isinstance(value, list):
        inside = enumerate(value)
    for name, item in inside:
        paths += _paths(item, (*path, name))
    return paths


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
        ),
    )
)
def test_line_of_finds_every_member_of_any_document(value: Any) -> None:
    """K-24: with one member per line, lines never decrease. There are no false reports of duplicate names."""
    text = json.dumps(value, indent=1)
    lines = [line_of(text, path) for path in _paths(value)]
    assert lines == sorted(lines)
    assert find_duplicate(text) is None


def test_dotted_quotes_names_that_contain_dots() -> None:
    """K-24."""
    assert (
        dotted(("providers", "z.ai", "models", 0, "$schema"))
        == 'providers."z.ai".models[0].$schema'
    )


def test_nearest_ignores_case_and_returns_none_if_nothing_is_similar() -> None:
    """K-24."""
    assert nearest("BASEURL", ["api", "base_url"]) == "base_url"
    assert nearest("qqq", ["api", "base_url"]) is None
