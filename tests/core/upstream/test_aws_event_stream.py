"""AWS's event streams: split anywhere by the network, truncated, and damaged."""

from __future__ import annotations

import json
import struct
import uuid
import zlib
from contextlib import suppress

import pytest
from aws_events import event, exception, message
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from llms_core.errors import ErrorKind, ProviderError
from llms_core.upstream import event_buffer
from llms_core.upstream.aws_event_stream import EventStreamMessages

STREAM = event("messageStart", {"role": "assistant"}) + event(
    "contentBlockDelta", {"delta": {"text": "Grüße 🦙"}}
)
FIRST = len(event("messageStart", {"role": "assistant"}))
EVENTS = [
    ("messageStart", b'{"role": "assistant"}'),
    ("contentBlockDelta", json.dumps({"delta": {"text": "Grüße 🦙"}}).encode()),
]


def read(*pieces: bytes) -> list[tuple[str, bytes]]:
    reader = EventStreamMessages()
    return [found for piece in pieces for found in reader.feed(piece)] + reader.end()


def test_messages_do_not_depend_on_how_the_stream_is_split() -> None:
    for size in range(1, len(STREAM) + 1):
        assert read(*(STREAM[at : at + size] for at in range(0, len(STREAM), size))) == EVENTS, size


@given(
    st.lists(
        st.tuples(st.text(st.characters(codec="utf-8"), max_size=20), st.binary(max_size=50)),
        max_size=5,
    ),
    st.integers(1, 40),
)
def test_messages_are_the_same_as_with_amazons_sdk(
    messages: list[tuple[str, bytes]], size: int
) -> None:
    stream = b"".join(
        message(payload, {":event-type": name, ":message-type": "event"})
        for name, payload in messages
    )
    theirs = EventStreamBuffer()
    theirs.add_data(stream)
    expected = [(each.headers[":event-type"], each.payload) for each in theirs]
    assert (
        read(*(stream[at : at + size] for at in range(0, len(stream), size)))
        == expected
        == messages
    )


def test_headers_of_all_types_are_skipped() -> None:
    def header(name: str, kind: int, value: bytes) -> bytes:
        return bytes([len(name)]) + name.encode() + bytes([kind]) + value

    headers = b"".join((
        header("yes", 0, b""),
        header("no", 1, b""),
        header("byte", 2, b"\x01"),
        header("short", 3, struct.pack("!h", 2)),
        header("integer", 4, struct.pack("!i", 3)),
        header("long", 5, struct.pack("!q", 4)),
        header("bytes", 6, b"\x00\x03abc"),
        header(":event-type", 7, b"\x00\x04last"),
        header("time", 8, struct.pack("!q", 5)),
        header("uuid", 9, uuid.UUID(int=6).bytes),
    ))  # fmt: skip
    assert read(message(b"{}", headers)) == [("last", b"{}")]


def test_exceptions_and_errors_are_named_as_such() -> None:
    failed = exception("throttlingException", {"message": "Too many tokens"})
    error = message(
        b"",
        {":message-type": "error", ":error-code": "InternalError", ":error-message": "An error"},
    )
    assert read(failed, error) == [
        ("exception:throttlingException", b'{"message": "Too many tokens"}'),
        ("error:InternalError", b'{"message": "An error"}'),
    ]


def test_a_message_without_headers_has_no_name() -> None:
    assert read(message(b"{}", {})) == [("", b"{}")]


def test_a_truncated_message_is_not_returned() -> None:
    """SR-058: so that the stream is recognized as incomplete."""
    for keep in range(1, len(STREAM)):
        assert read(STREAM[:keep]) == (EVENTS[:1] if keep >= FIRST else []), keep


def test_a_flipped_bit_is_detected_and_ends_the_stream() -> None:
    for at in range(len(STREAM)):
        damaged = bytearray(STREAM)
        damaged[at] ^= 1
        reader = EventStreamMessages()
        if at >= FIRST:
            assert reader.feed(bytes(damaged)) == EVENTS[:1], at
            damaged.clear()
        with pytest.raises(ProviderError, match="The stream is damaged") as caught:
            reader.feed(bytes(damaged))
        assert caught.value.kind is ErrorKind.BAD_RESPONSE


def test_damage_after_the_last_message_is_reported_at_the_end() -> None:
    reader = EventStreamMessages()
    assert reader.feed(STREAM + b"\0" * 12) == EVENTS
    with pytest.raises(ProviderError, match="The stream is damaged"):
        reader.end()


@pytest.mark.parametrize(
    "headers",
    [
        b"\x04",
        b"\x04name",
        b"\x04name\x0a",
        b"\x04name\x07\x00\x09short",
        b"\x04name\x05\x00",
        b"\x01\xff\x07\x00\x00",
    ],
)
def test_invalid_headers_raise(headers: bytes) -> None:
    with pytest.raises(ProviderError, match="the headers of a message are invalid"):
        read(message(b"{}", headers))


def test_contradictory_lengths_raise() -> None:
    prelude = struct.pack("!II", 16, 100)
    with pytest.raises(ProviderError, match="shorter than its headers"):
        read(prelude + struct.pack("!I", zlib.crc32(prelude)))


def test_a_message_that_is_too_large_is_rejected_before_it_is_complete(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_buffer, "MAX_EVENT_BYTES", 1000)
    large = event("contentBlockDelta", {"delta": {"text": "x" * 1000}})
    with pytest.raises(ProviderError, match="exceeds 1000 bytes") as caught:
        read(large[:12])
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


@given(st.lists(st.binary(max_size=30), max_size=20))
def test_arbitrary_bytes_raise_only_provider_errors(pieces: list[bytes]) -> None:
    with suppress(ProviderError):
        read(*pieces)
