"""Comments and trailing commas."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms_core.config.comments import as_json, find_extras


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1} // end', '{"a": 1}       '),
        ('{"a": /* 1 */ 2}', '{"a":         2}'),
        ("[1, /* two\r\nlines */ 3]", "[1,       \r\n         3]"),
        ('["// no", "/* no */", "\\" // no"]', '["// no", "/* no */", "\\" // no"]'),
        ("[1, 2, ]", "[1, 2  ]"),
        ("[1, // one\n]", "[1        \n]"),
        ('{"a": {}, }', '{"a": {}  }'),
        ("[,]", "[,]"),
        ("[1,,]", "[1,,]"),
        ('{"a":,}', '{"a":,}'),
        ('{"url": "http://x/"}', '{"url": "http://x/"}'),
        ('{"a": 1 /* no end }', '{"a": 1 /* no end }'),
    ],
)
def test_extras_become_spaces_of_the_same_length(text: str, expected: str) -> None:
    """K-23."""
    assert as_json(text) == expected
    assert len(expected) == len(text)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_json_has_no_extras(value: object) -> None:
    """K-23: whatever strings contain."""
    for text in (json.dumps(value), json.dumps(value, indent=2, ensure_ascii=False)):
        assert find_extras(text) == ([], [])
        assert as_json(text) == text
