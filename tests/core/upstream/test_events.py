"""SSE and NDJSON, whatever pieces the network cuts them into."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms_core.errors import ErrorKind, ProviderError
from llms_core.upstream import event_buffer
from llms_core.upstream.ndjson import Lines
from llms_core.upstream.sse import ServerSentEvents

STREAMS = {
    "plain": (b'data: {"a":1}\n\ndata: [DONE]\n\n', [("", b'{"a":1}'), ("", b"[DONE]")]),
    "crlf": (b"data: a\r\n\r\ndata: b\r\n\r\n", [("", b"a"), ("", b"b")]),
    "cr": (b"data: a\r\rdata: b\r\r", [("", b"a"), ("", b"b")]),
    "comments": (b": PROCESSING\n\n:\n\ndata: a\n\n", [("", b"a")]),
    "event names": (b"event: error\ndata: a\n\ndata: b\n\n", [("error", b"a"), ("", b"b")]),
    "several lines of data": (b"data: a\ndata: b\n\n", [("", b"a\nb")]),
    "no blank after the colon": (b"data:a\n\n", [("", b"a")]),
    "id and retry": (b"id: 1\nretry: 10\ndata: a\n\n", [("", b"a")]),
    "byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [("", b"a")]),
    "no blank line at the end": (b"data: a\n\ndata: b", [("", b"a"), ("", b"b")]),
    "many blank lines": (b"data: a\n\n\n\n\ndata: b\n\n", [("", b"a"), ("", b"b")]),
    "other letters": ("data: Grüße 🦙\n\n".encode(), [("", "Grüße 🦙".encode())]),
    "nothing": (b"", []),
}


@pytest.mark.parametrize("name", STREAMS)
def test_events_are_the_same_wherever_the_stream_is_cut(name: str) -> None:
    stream, expected = STREAMS[name]
    for size in range(1, len(stream) + 1):
        reader = ServerSentEvents()
        got = [event for at in range(0, len(stream), size) for event in reader.feed(stream[at : at + size])]
        assert got + reader.end() == expected, size


@given(st.lists(st.binary(max_size=30), max_size=20))
def test_any_bytes_are_read_without_a_fault_and_alike_in_any_pieces(pieces: list[bytes]) -> None:
    in_pieces, at_once = ServerSentEvents(), ServerSentEvents()
    got = [event for piece in pieces if piece for event in in_pieces.feed(piece)] + in_pieces.end()
    assert got == (at_once.feed(b"".join(pieces)) if any(pieces) else []) + at_once.end()


def test_lines_are_the_same_wherever_the_stream_is_cut() -> None:
    stream = b'{"a":1}\n\n{"b":2}\r\n{"c":3}'
    for size in range(1, len(stream) + 1):
        reader = Lines()
        got = [event for at in range(0, len(stream), size) for event in reader.feed(stream[at : at + size])]
        assert got + reader.end() == [("", b'{"a":1}'), ("", b'{"b":2}'), ("", b'{"c":3}')]


@pytest.mark.parametrize("reader", [ServerSentEvents, Lines])
def test_an_event_without_end_is_refused_before_it_fills_the_memory(
    reader: type[ServerSentEvents | Lines], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_buffer, "MAX_EVENT_BYTES", 1000)
    reading = reader()
    pieces = [b"data: " + b"x" * 100] * 100
    with pytest.raises(ProviderError) as caught:
        [reading.feed(piece) for piece in pieces]
    assert caught.value.kind is ErrorKind.BAD_RESPONSE
