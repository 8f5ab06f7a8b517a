"""Vectors as providers send them, as clients want them, and whether they are what was requested."""

from __future__ import annotations

import binascii
import math
import sys
from array import array
from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from llms_core.errors import ErrorKind, ProviderError

Vector: TypeAlias = "array[float]"
"""One embedding. The typecode is `f` if the provider sent float32, and `d` if it sent decimal numbers."""

MAX_DIMENSIONS = 65_536
"""More than any model has. A broken provider must not make the gateway hold vectors of any size."""

#: The largest finite float32: a larger number has no base64 form.
_MAX_FLOAT32 = 3.4028234663852886e38
_FLOAT32_BYTES = 4

_encode = msgspec.json.encode


def vector(embedding: Sequence[float] | str) -> Vector:
    """Return an embedding as a provider sends it: numbers, or base64 of little-endian float32.

    Raises ProviderError for text that is no such base64.
    """
    if not isinstance(embedding, str):
        return array("d", embedding)
    try:
        data = binascii.a2b_base64(embedding, strict_mode=True)
    except ValueError as error:
        raise _bad_answer(f"a vector is not valid base64: {error}") from None
    if len(data) % _FLOAT32_BYTES:
        raise _bad_answer(f"a vector has {len(data)} bytes, which are not whole float32 numbers")
    numbers = array("f", data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def as_base64(numbers: Vector) -> str:
    """Return base64 of little-endian float32, as OpenAI sends it."""
    if numbers.typecode != "f" or sys.byteorder == "big":
        numbers = array("f", numbers)
    if sys.byteorder == "big":
        numbers.byteswap()
    return binascii.b2a_base64(numbers, newline=False).decode()


def as_json(numbers: Vector) -> bytes:
    """Return a JSON array of numbers."""
    return _encode(numbers.tolist())


def check_vectors(vectors: Sequence[Vector], count: int) -> int:
    """Return the number of dimensions of an answer's vectors, of which there have to be `count`.

    Raises ProviderError if the answer cannot be used: a vector too few, of another size, or with a number that is not
    finite.
    """
    if len(vectors) != count:
        raise _bad_answer(f"it has {len(vectors)} vectors for {count} inputs")
    dimensions = len(vectors[0])
    if not 0 < dimensions <= MAX_DIMENSIONS:
        raise _bad_answer(f"a vector has {dimensions} dimensions")
    for index, each in enumerate(vectors):
        if len(each) != dimensions:
            raise _bad_answer(
                f"vector {index} has {len(each)} dimensions, and vector 0 has {dimensions}"
            )
        if not _is_finite(each):
            raise _bad_answer(f"vector {index} has numbers that are not finite float32")
    return dimensions


def _is_finite(numbers: Vector) -> bool:
    """Whether all numbers are finite float32, in one pass, because there may be millions of them."""
    if numbers.typecode == "f":
        # A sum of doubles cannot overflow here, and a number that is not finite makes it so, too.
        return math.isfinite(sum(numbers))
    # False for every way to be unusable: not a number, infinite, or too large.
    return sum(map(abs, numbers)) <= _MAX_FLOAT32


def in_order(vectors: Sequence[Vector], indexes: Sequence[int | None]) -> Sequence[Vector]:
    """Return vectors in the order of their inputs, whose indexes the provider states for all or for none.

    Raises ProviderError if an input has no vector, or two.
    """
    stated = [index for index in indexes if index is not None]
    if not stated or stated == list(range(len(vectors))):
        return vectors
    if sorted(stated) != list(range(len(vectors))):
        raise _bad_answer("the indexes of its vectors are not those of the inputs")
    pairs = sorted(zip(stated, vectors, strict=True), key=lambda pair: pair[0])
    return [each for _, each in pairs]


def _bad_answer(reason: str) -> ProviderError:
    return ProviderError(
        ErrorKind.BAD_RESPONSE, f"The answer has no usable embeddings: {reason}", status=200
    )
