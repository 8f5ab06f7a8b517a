"""Newline-delimited JSON, split anywhere by the network."""

from __future__ import annotations

import pytest

from llms_core.errors import ErrorKind, ProviderError
from llms_core.upstream import event_buffer
from llms_core.upstream.ndjson import Lines


def test_lines_do_not_depend_on_how_the_stream_is_split() -> None:
    stream = b'{"a":1}\n\n{"b":2}\r\n{"c":3}'
    for size in range(1, len(stream) + 1):
        reader = Lines()
        found = []
        for start in range(0, len(stream), size):
            found += reader.feed(stream[start : start + size])
        assert found + reader.end() == [("", b'{"a":1}'), ("", b'{"b":2}'), ("", b'{"c":3}')]


def test_an_endless_line_is_rejected_before_it_fills_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_buffer, "MAX_EVENT_BYTES", 1000)
    reader = Lines()
    with pytest.raises(ProviderError, match="exceeds 1000 bytes") as caught:
        [reader.feed(piece) for piece in [b"x" * 100] * 100]
    assert caught.value.kind is ErrorKind.BAD_RESPONSE
