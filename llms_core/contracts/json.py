"""Reading JSON: shared decoders, predicates on raw values, and the exceptions of input that cannot be read."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec import Raw

#: What decoding raises for input that is not valid JSON, not valid UTF-8, nested too deeply, or of another type than
#: asked for (msgspec.ValidationError is a DecodeError).
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

#: The value of a Raw member that is absent: the default of Raw members in structs.
ABSENT = Raw()

#: The value of a member that is `null`.
NULL = Raw(b"null")

_NULL = b"null"
_EMPTY_VALUES = (_NULL, b"false", b'""', b"{}", b"[]")

#: Returns the top-level members of a JSON object, each as the bytes that were received. Raises one of UNREADABLE if the
#: data is not a JSON object. msgspec does not check the UTF-8 of values that it leaves raw: `data.decode()` does.
decode_members = msgspec.json.Decoder(dict[str, Raw]).decode

_encode = msgspec.json.encode

_OTHER_THAN_QUOTES_AND_COLONS = bytes(set(range(256)) - set(b'":'))


#: Digits of the largest numbers that every decoder takes for an integer.
_MAX_DIGITS = 18


def decode_any(data: bytes) -> Any:
    """Return the value of some JSON with numbers of any size: those that are too large become infinite.

    Raises ValueError if it is not JSON, and RecursionError if it is nested too deeply.
    """
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:
        # It takes longer, and refuses no number.
        return json.loads(data, parse_int=_number)


def objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list; none of any other value, as a provider's own members may be anything."""
    if isinstance(value, list):
        return [each for each in value if isinstance(each, dict)]
    return []


def _number(digits: str) -> int | float:
    if len(digits) <= _MAX_DIGITS:
        return int(digits)
    return float(digits)


def has_more_members(data: bytes, limit: int) -> bool:
    """Whether the objects in some JSON have more than `limit` members together.

    Takes a small part of the time for decoding it. The count of data that is not JSON means nothing.
    """
    # An upper bound, which is enough for nearly every document: each member has a colon, and strings may have more.
    return data.count(b":") > limit and _count_members(data) > limit


def _count_members(data: bytes) -> int:
    """Count the colons outside of strings, with nothing but functions on whole strings of bytes, which are fast."""
    without_escapes = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    signs = without_escapes.translate(None, _OTHER_THAN_QUOTES_AND_COLONS)
    # Two quotes in a row: what follows is outside of a string if it was so before.
    pieces = signs.replace(b'""', b"").split(b'"')
    return sum(map(len, pieces[::2]))


def encode_raw(value: Any) -> Raw:
    """Encode a value as a raw member, to be put into an object that is encoded later."""
    return Raw(_encode(value))


def text_of_json(raw: Raw) -> str:
    """Return the text that a JSON string holds, and any other value as it is: JSON text, if that is what is wanted."""
    text = bytes(raw).decode()
    if not text.startswith('"'):
        return text
    try:
        return str(msgspec.json.decode(text))
    except UNREADABLE:
        # Half of a surrogate pair, for example.
        return text


def is_null(raw: Raw) -> bool:
    """Whether a member is `null`, which the gateway treats as absent (SR-027)."""
    return bytes(raw) == _NULL


def is_set(raw: Raw) -> bool:
    """Whether a member is present and not empty: some providers send `"error": ""` or `{}` with every answer."""
    return bool(raw) and bytes(raw) not in _EMPTY_VALUES
