"""One large event takes time in proportion to its size, whatever it consists of and however it is split."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from llms_core.testing.growth import assert_linear
from llms_core.upstream.event_buffer import Event
from llms_core.upstream.ndjson import Lines
from llms_core.upstream.sse import ServerSentEvents

Reader = ServerSentEvents | Lines

#: What a large event is made of, in pieces of which each might look like the end of it.
EVENTS: dict[str, tuple[Callable[[], Reader], bytes, bytes]] = {
    "one line": (ServerSentEvents, b"x" * 64, b"\n\n"),
    "many lines": (ServerSentEvents, b"data: " + b"x" * 57 + b"\n", b"\n"),
    "many lines that end with CR": (ServerSentEvents, b"data: " + b"x" * 57 + b"\r", b"\r"),
    "many lines that end with CRLF": (ServerSentEvents, b"data: " + b"x" * 56 + b"\r\n", b"\r\n"),
    "a line of JSON": (Lines, b"x" * 64, b"\n"),
    "a line of JSON with CR in it": (Lines, b"x" * 63 + b"\r", b"\n"),
}


@pytest.mark.parametrize("name", EVENTS)
def test_a_large_event_is_read_in_linear_time(name: str) -> None:
    new_reader, piece, end = EVENTS[name]

    def read(size: int) -> None:
        reader = new_reader()
        events: list[Event] = reader.feed(b"data: ")
        for _ in range(size // len(piece)):
            events += reader.feed(piece)
        events += reader.feed(end)
        assert len(events) == 1

    assert_linear(name, lambda size: partial(read, size), 2**18)
