"""Lines of members, names of places, nearest names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms_core.config.locate import At, dotted, line_of, nearest, repeated

TEXT = """
{
  "a": {"x": [1, {"y": 2},
    {"y": "{]\\"",
     "z": null}]},
  "b": true
}"""


@pytest.mark.parametrize(
    ("at", "line"),
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
def test_the_line_of_a_member(at: At, line: int) -> None:
    """K-23, K-24: errors and warnings say where."""
    assert line_of(TEXT, at) == line


def _places(value: Any, at: At = ()) -> list[At]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for name, item in inside for place in _places(item, (*at, name)))]


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    )
)
def test_every_member_is_found_where_json_has_it(value: Any) -> None:
    """K-24: with one member a line, members are on rising lines; no object is taken for one with repeated names."""
    text = json.dumps(value, indent=1)
    lines = [line_of(text, at) for at in _places(value)]
    assert lines == sorted(lines)
    assert repeated(text) is None


def test_a_place_is_written_with_dots() -> None:
    """K-24: names with dots in them are quoted."""
    assert dotted(("providers", "z.ai", "models", 0, "$schema")) == 'providers."z.ai".models[0].$schema'


def test_the_nearest_name() -> None:
    """K-24."""
    assert nearest("BASEURL", ["api", "base_url"]) == "base_url"
    assert nearest("qqq", ["api", "base_url"]) is None
