"""Members of a JSON text that are changed in place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from llms_core.config.comments import as_json, find_extras
from llms_core.config.edit import set_member


@pytest.mark.parametrize(
    ("text", "path", "value", "expected"),
    [
        pytest.param(
            '{\n  "p": {\n    "a": {"enabled": true, "x": 1}, // first\n    "b": {}\n  }\n}\n',
            ("p", "a", "enabled"),
            False,
            '{\n  "p": {\n    "a": {"enabled": false, "x": 1}, // first\n    "b": {}\n  }\n}\n',
            id="a value",
        ),
        pytest.param(
            '{\n    "p": {\n        "a": 1 // one\n        // more to come\n    }\n}',
            ("p", "b"),
            {"x": [1]},
            '{\n    "p": {\n        "a": 1, // one\n        "b": {\n            "x": [\n                1\n'
            "            ]\n        }\n        // more to come\n    }\n}",
            id="after a comment, with the file's indentation",
        ),
        pytest.param(
            '{\r\n\t"a": 1, /* one,\r\n\t */\r\n}',
            ("b",),
            2,
            '{\r\n\t"a": 1, /* one,\r\n\t */\r\n\t"b": 2,\r\n}',
            id="with a trailing comma, CRLF and tabs",
        ),
        pytest.param(
            '{"p":{"a":1}}', ("p", "b"), {"c": 2}, '{"p":{"a":1, "b": {"c": 2}}}', id="on one line"
        ),
        pytest.param(
            '{"p": {}}',
            ("p", "b"),
            {"c": 2},
            '{"p": {"b": {"c": 2}}}',
            id="an empty object on one line",
        ),
        pytest.param(
            '{\n  "p": {}\n}',
            ("p", "b"),
            1,
            '{\n  "p": {\n    "b": 1\n  }\n}',
            id="an empty object in a longer text",
        ),
        pytest.param(
            '{\n  "p": { // none yet\n  }\n}',
            ("p", "b"),
            1,
            '{\n  "p": { // none yet\n    "b": 1\n  }\n}',
            id="an object with a comment alone",
        ),
        pytest.param(
            '{\n  "a": 1\n}',
            ("p", "q"),
            1,
            '{\n  "a": 1,\n  "p": {\n    "q": 1\n  }\n}',
            id="a missing object",
        ),
        pytest.param(
            '{\n  "p": null\n}',
            ("p", "q"),
            1,
            '{\n  "p": {\n    "q": 1\n  }\n}',
            id="null in place of an object",
        ),
        pytest.param(
            '{ "a": 1,\n  "b": 2 }',
            ("c",),
            3,
            '{ "a": 1,\n  "b": 2,\n  "c": 3 }',
            id="a closing brace on its line",
        ),
        pytest.param('{"é": 1}', ("é",), "ü", '{"é": "ü"}', id="any characters"),
    ],
)
def test_one_member_changes(text: str, path: tuple[str, ...], value: Any, expected: str) -> None:
    assert set_member(text, path, value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '{\n  "a": { // mine\n    // the URL\n    "x": 1\n  }\n}',
            '{\n  "a": { // mine\n    "n": 0,\n    // the URL\n    "x": 1\n  }\n}',
        ),
        ('{"a": {"x": 1}}', '{"a": {"n": 0, "x": 1}}'),
        ('{"a": {}}', '{"a": {"n": 0}}'),
        ('{"a": { "x": 1 }}', '{"a": { "n": 0, "x": 1 }}'),
    ],
)
def test_a_new_member_can_be_the_first(text: str, expected: str) -> None:
    assert set_member(text, ("a", "n"), 0, first=True) == expected


@pytest.mark.parametrize("text", ['{"a": 1}', '{"a": []}', '{"a": "x"}'])
def test_another_value_is_not_replaced_by_an_object(text: str) -> None:
    with pytest.raises(ValueError, match=r"^a is not an object$"):
        set_member(text, ("a", "b"), 1)


names = st.sampled_from(["a", "b", "c", "é", 'a "b"', "//", ""])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='a/*,"}\\ \né', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(names, values, max_size=4)
gaps = st.sampled_from(
    ["", "", " ", "\n", "\n  ", "\r\n\t", " // c , }\n", "/* { */", "\n/* a\n b */ ", "// x\n\n   "]
)


@st.composite
def written(draw: st.DrawFn, value: Any) -> str:
    """JSON of `value` with arbitrary white space, comments and trailing commas."""

    def write(value: Any) -> str:
        if isinstance(value, dict):
            pairs = [
                json.dumps(name) + draw(gaps) + ":" + draw(gaps) + write(item)
                for name, item in value.items()
            ]
            return listed("{", pairs, "}")
        if isinstance(value, list):
            return listed("[", [write(item) for item in value], "]")
        return json.dumps(value, ensure_ascii=draw(st.booleans()))

    def listed(opening: str, parts: list[str], closing: str) -> str:
        text = opening
        for number, part in enumerate(parts, 1):
            is_last = number == len(parts)
            comma = "" if is_last and draw(st.booleans()) else ","
            text += draw(gaps) + part + draw(gaps) + comma
        return text + draw(gaps) + closing

    return draw(gaps) + write(value) + draw(gaps)


def parsed(text: str) -> list[Any]:
    """The value of a text, with the order of its members."""
    value: list[Any] = json.loads(as_json(text), object_pairs_hook=lambda pairs: ["object", *pairs])
    return value


def expected(
    value: dict[str, Any], path: tuple[str, ...], new: Any, *, first: bool
) -> dict[str, Any]:
    """`value` with a member changed, as Python does it."""
    name, *rest = path
    inner = value.get(name)
    changed = new
    if rest:
        changed = expected(inner if inner is not None else {}, tuple(rest), new, first=first)
    if first and name not in value:
        return {name: changed, **value}
    return {**value, name: changed}


def current(value: Any, path: tuple[str, ...]) -> Any:
    """The member at a path, or what is there in its place."""
    for name in path:
        if value is None:
            return NULL
        if not isinstance(value, dict):
            return BLOCKED
        value = value.get(name, MISSING)
        if value is MISSING:
            return MISSING
    return value


#: There is no such member.
MISSING = object()
#: A null is in the place of an object on the way.
NULL = object()
#: Something else is in the place of an object on the way.
BLOCKED = object()
PATHS = st.lists(names, min_size=1, max_size=3).map(tuple)
MARK = "the new value"


@given(st.data(), objects, PATHS, values, st.booleans())
def test_editing_and_parsing_is_parsing_and_editing(
    data: st.DataObject, value: dict[str, Any], path: tuple[str, ...], new: Any, first: bool
) -> None:
    text = data.draw(written(value))
    if current(value, path) is BLOCKED:
        with pytest.raises(ValueError, match="is not an object"):
            set_member(text, path, new, first=first)
        return
    edited = set_member(text, path, new, first=first)
    assert parsed(edited) == parsed(json.dumps(expected(value, path, new, first=first)))


@given(st.data(), objects, PATHS, st.booleans())
def test_everything_but_the_member_stays_as_it_is(
    data: st.DataObject, value: dict[str, Any], path: tuple[str, ...], first: bool
) -> None:
    """Comments, white space, the spelling of strings, trailing commas."""
    text = data.draw(written(value))
    before = current(value, path)
    assume(before is not BLOCKED and before is not NULL)
    edited = set_member(text, path, MARK, first=first)
    start, end = edited.split(json.dumps(MARK))
    if before is not MISSING:
        assert text.startswith(start)
        assert text.endswith(end)
        assert parsed(text[len(start) : len(text) - len(end)]) == parsed(json.dumps(before))
        return
    # What was there is still there, in the same order. Only white space inside of an empty object may be replaced.
    assert is_subsequence("".join(text.split()), edited)
    assert comments(edited) == comments(text)


def comments(text: str) -> list[str]:
    return [text[start:end] for start, end in find_extras(text).comments]


def is_subsequence(shorter: str, longer: str) -> bool:
    characters = iter(longer)
    return all(each in characters for each in shorter)
