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
    "mixed line ends": (
        b"data: a\r\n\rdata: b\r\r\ndata: c\n\r\n",
        [("", b"a"), ("", b"b"), ("", b"c")],
    ),
    "keep-alives without data": (
        b"data:\n\ndata: \n\nevent: ping\ndata:  \n\ndata: a\n\n",
        [("", b"a")],
    ),
    "JSON without a field": (
        b'data: a\n\n: ping\n{"error":\n {}}\n\n',
        [("", b"a"), ("", b'{"error":\n {}}')],
    ),
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


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
def test_an_event_is_returned_with_the_line_end_that_completes_it(end: bytes) -> None:
    """Not with the next piece: CR alone ends a line, and an LF after it belongs to the same end."""
    reader = ServerSentEvents()
    stream = b"data: a" + end + end[:1]
    assert reader.feed(stream) == [("", b"a")]
    assert reader.feed(end[1:] + b"data: b" + end + end) == [("", b"b")]


_NEAR_LINE_ENDS = st.lists(
    st.sampled_from([b"\r", b"\n", b"data: x", b"data:", b"event: e", b":", b"{"]), max_size=30
)


@given(_NEAR_LINE_ENDS)
def test_line_ends_do_not_depend_on_how_the_stream_is_split(pieces: list[bytes]) -> None:
    in_pieces = ServerSentEvents()
    found = [event for piece in pieces for event in in_pieces.feed(piece)]
    at_once = ServerSentEvents()
    with_line_feeds = b"".join(pieces).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    expected = at_once.feed(with_line_feeds)
    assert found + in_pieces.end() == expected + at_once.end()


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=20))
def test_arbitrary_bytes_give_the_same_events_however_they_are_split(pieces: list[bytes]) -> None:
    in_pieces = ServerSentEvents()
    found = []
    for piece in pieces:
        found += in_pieces.feed(piece)
    at_once = ServerSentEvents()
    expected = at_once.feed(b"".join(pieces))
    assert found + in_pieces.end() == expected + at_once.end()


def test_an_endless_event_is_rejected_before_it_fills_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_buffer, "MAX_EVENT_BYTES", 1000)
    reader = ServerSentEvents()
    with pytest.raises(ProviderError, match="exceeds 1000 bytes") as caught:
        [reader.feed(piece) for piece in [b"data: " + b"x" * 100] * 100]
    assert caught.value.kind is ErrorKind.BAD_RESPONSE
