"""Predicates on raw values, and the exceptions of JSON that cannot be read."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from llms_core.contracts.json import (
    ABSENT,
    UNREADABLE,
    decode_members,
    encode_raw,
    has_more_members,
    is_null,
    is_set,
)


@pytest.mark.parametrize("text", ["", "null", "false", '""', "{}", "[]"])
def test_an_empty_member_is_not_set(text: str) -> None:
    """SR-027: some providers send `"error": ""` with every answer."""
    assert not is_set(Raw(text.encode()))


@pytest.mark.parametrize("text", ["0", "true", '"x"', '{"a": 1}', "[0]"])
def test_a_member_with_a_value_is_set(text: str) -> None:
    assert is_set(Raw(text.encode()))


def number_of_members(value: object) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(number_of_members, value.values()))
    return sum(map(number_of_members, value)) if isinstance(value, list) else 0


texts = st.text(st.sampled_from('":\\{}[],a\n')) | st.text()
documents = st.recursive(
    st.none() | st.integers() | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=20,
)


@given(documents, st.integers(0, 12), st.booleans())
def test_the_members_of_any_document_are_counted(
    document: object, limit: int, ascii_only: bool
) -> None:
    """Whatever its strings contain."""
    data = json.dumps(document, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert has_more_members(data, limit) == (number_of_members(document) > limit)


def test_only_null_is_null() -> None:
    """SR-027."""
    assert is_null(Raw(b"null"))
    assert not any(is_null(raw) for raw in (ABSENT, Raw(b'"null"'), Raw(b"0"), Raw(b"{}")))


def test_members_keep_their_bytes() -> None:
    members = decode_members(b'{"a": 1.50, "b": {"c":  null}}')
    assert {name: bytes(raw) for name, raw in members.items()} == {
        "a": b"1.50",
        "b": b'{"c":  null}',
    }
    members["b"] = encode_raw([1, None])
    assert msgspec.json.encode(members) == b'{"a":1.50,"b":[1,null]}'


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b'{"\xff": 1}', b'{"a": ' + b"[" * 100_000],
    ids=["empty", "cut", "a list", "null", "not UTF-8", "nested too deeply"],
)
def test_unreadable_data_raises_one_of_the_listed_exceptions(data: bytes) -> None:
    with pytest.raises(UNREADABLE):
        decode_members(data)
