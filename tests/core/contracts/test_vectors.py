"""Vectors as numbers and as base64: nothing is lost, and nothing unusable is passed on."""

from __future__ import annotations

import base64
import json
import math
import struct
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms_core.contracts.vectors import (
    MAX_DIMENSIONS,
    Vector,
    as_base64,
    as_json,
    check_vectors,
    in_order,
    vector,
)
from llms_core.errors import ErrorKind, ProviderError

float32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
finite = st.floats(allow_nan=False, allow_infinity=False, min_value=-3e38, max_value=3e38)


@given(st.lists(float32))
def test_base64_is_little_endian_float32(numbers: list[float]) -> None:
    encoded = base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
    assert vector(encoded).tolist() == numbers
    assert as_base64(vector(encoded)) == encoded
    assert as_base64(vector(numbers)) == encoded


@given(st.lists(finite))
def test_numbers_stay_as_the_provider_sent_them(numbers: list[float]) -> None:
    assert json.loads(as_json(vector(numbers))) == numbers


@given(st.lists(finite, min_size=1))
def test_base64_of_numbers_is_the_nearest_float32(numbers: list[float]) -> None:
    decoded = vector(as_base64(vector(numbers)))
    assert decoded.tolist() == array("f", numbers).tolist()


@given(st.text())
def test_any_text_is_a_vector_or_a_bad_answer(text: str) -> None:
    try:
        found = vector(text)
    except ProviderError:
        return
    assert base64.b64decode(text) == found.tobytes()


@pytest.mark.parametrize("text", ["AAA", "AAAA", "AAAAAA==AAAA", "AAAA AAAA", "ÄÄÄÄ"])
def test_what_is_not_base64_of_whole_numbers_is_a_bad_answer(text: str) -> None:
    with pytest.raises(ProviderError, match="The answer has no usable embeddings"):
        vector(text)


@pytest.mark.parametrize(
    ("vectors", "count", "reason"),
    [
        ([[1.0]], 2, "1 vectors for 2 inputs"),
        ([[1.0], [2.0]], 1, "2 vectors for 1 inputs"),
        ([[]], 1, "0 dimensions"),
        ([[1.0, 2.0], [3.0]], 2, "vector 1 has 1 dimensions, and vector 0 has 2"),
        ([[1.0], [math.nan]], 2, "vector 1 has numbers that are not finite"),
        ([[math.inf]], 1, "vector 0 has numbers that are not finite"),
        ([[math.inf, -math.inf]], 1, "vector 0 has numbers that are not finite"),
        ([[1e39]], 1, "vector 0 has numbers that are not finite"),
        ([[0.0] * (MAX_DIMENSIONS + 1)], 1, f"{MAX_DIMENSIONS + 1} dimensions"),
    ],
)
def test_unusable_vectors_are_a_bad_answer(
    vectors: list[list[float]], count: int, reason: str
) -> None:
    with pytest.raises(ProviderError, match=reason) as caught:
        check_vectors([vector(each) for each in vectors], count)
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


@given(st.permutations(range(5)))
def test_vectors_are_put_in_the_order_of_their_indexes(indexes: list[int]) -> None:
    vectors = [vector([float(index)]) for index in indexes]
    ordered = in_order(vectors, indexes)
    assert [each[0] for each in ordered] == [0.0, 1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize("indexes", [[0, 0], [1, 2], [-1, 0], [None, 1], [1, None]])
def test_indexes_that_are_not_those_of_the_inputs_are_a_bad_answer(
    indexes: list[int | None],
) -> None:
    vectors: list[Vector] = [vector([1.0]), vector([2.0])]
    with pytest.raises(ProviderError, match="indexes"):
        in_order(vectors, indexes)


def test_vectors_without_indexes_stay_in_their_order() -> None:
    vectors: list[Vector] = [vector([1.0]), vector([2.0])]
    assert in_order(vectors, [None, None]) == vectors
