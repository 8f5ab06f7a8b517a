"""Server-sent events, split anywhere by the network."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms_core.errors import ErrorKind, ProviderError
from llms_core.upstream import event_buffer
from llms_core.upstream.sse import ServerSentEvents

STREAMS = {
    "plain": (b'data: {"a":1}\n\ndata: [DONE]\n\n', [("", b'{"a":1}'), ("", b"[DONE]")]),
    "crlf": (b"data: a\r\n\r\ndata: b\r\n\r\n", [("", b"a"), ("", b"b")]),
    "cr": (b"data: a\r\rdata: b\r\r", [("", b"a"), ("", b"b")]),
    "comments": (b": PROCESSING\n\n:\n\ndata: a\n\n", [("", b"a")]),
    "event names": (b"event: error\ndata: a\n\ndata: b\n\n", [("error", b"a"), ("", b"b")]),
    "several data lines": (b"data: a\ndata: b\n\n", [("", b"a\nb")]),
    "no space after the colon": (b"data:a\n\n", [("", b"a")]),
    "id and retry": (b"id: 1\nretry: 10\ndata: a\n\n", [("", b"a")]),
    "byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [("", b"a")]),
    "no blank line at the end": (b"data: a\n\ndata: b", [("", b"a"), ("", b"b")]),
    "many blank lines": (b"data: a\n\n\n\n\ndata: b\n\n", [("", b"a"), ("", b"b")]),
    "other characters": ("data: Grüße 🦙\n\n".encode(), [("", "Grüße 🦙".encode())]),
    "empty": (b"", []),
}


@pytest.mark.parametrize("name", STREAMS)
def test_events_do_not_depend_on_how_the_stream_is_split(name: str) -> None:
    stream, expected = STREAMS[name]
    for size in range(1, len(stream) + 1):
        reader = ServerSentEvents()
        found = []
        for start in range(0, len(stream), size):
            found += reader.feed(stream[start : start + size])
        assert found + reader.end() == expected, size


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=20))
def test_arbitrary_bytes_give_the_same_events_however_they_are_split(pieces: list[bytes]) -> None:
    in_pieces = ServerSentEvents()
    found = []
    for piece in pieces:
        found += in_pieces.feed(piece)
    at_once = ServerSentEvents()
    expected = at_once.feed(b"".join(pieces))
    assert found + in_pieces.end() == expected + at_once.end()


def test_an_endless_event_is_rejected_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_buffer, "MAX_EVENT_BYTES", 1000)
    reader = ServerSentEvents()
    with pytest.raises(ProviderError, match="exceeds 1000 bytes") as caught:
        [reader.feed(piece) for piece in [b"data: " + b"x" * 100] * 100]
    assert caught.value.kind is ErrorKind.BAD_RESPONSE
