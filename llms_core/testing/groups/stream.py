"""S: valid streams, split in every way by the network, and in every form that their framing allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from llms_core.errors import ErrorKind
from llms_core.testing.framing import encode_events
from llms_core.testing.groups.base import Group, not_applicable, streamed_example
from llms_core.testing.playback import (
    begin_stream,
    distinct,
    feed_streams,
    play_stream,
    stream_response,
)
from llms_core.testing.reading import Read, assert_failed, assert_means, difference, read_stream
from llms_core.testing.sample_requests import members_for
from llms_core.testing.subject import Subject
from llms_core.testing.wire import EXAMPLES, Example

#: Server-sent events without data, which clients ignore (https://html.spec.whatwg.org/multipage/server-sent-events.html).
_EMPTY_EVENTS = (
    b": ping\n\n",
    b":\n",
    b"id: 7\nretry: 100\n\n",
    b"\n\n",
    b"event: nothing\n\n",
    b"data:\n\n",
    b"data: \n\n",
    b'event: ping\ndata: {"type": "ping"}\n\n',
)


def _sse_example(subject: Subject) -> tuple[Example, list[bytes]]:
    if subject.wire.framing != "sse":
        not_applicable("the stream does not consist of server-sent events")
    return streamed_example(subject, "text")


def _assert_stream_means(
    subject: Subject, found: Example, pieces: Sequence[bytes], **members: Any
) -> Read:
    """Assert that a stream, in these pieces, becomes what its example means."""
    response = stream_response(subject, *pieces)
    return assert_means(play_stream(subject, response, **members), found)


def _single_bytes(body: bytes) -> list[bytes]:
    return [body[at : at + 1] for at in range(len(body))]


def _interleave(events: Sequence[bytes], extra: bytes) -> list[bytes]:
    """Insert `extra` before each event, and after the last."""
    pieces = [extra]
    for event in events:
        pieces += [event, extra]
    return pieces


class StreamTests(Group):
    """Group S, first half."""

    @pytest.mark.parametrize("name", EXAMPLES)
    def test_s_stream_means_what_the_provider_said(self, subject: Subject, name: str) -> None:
        """Each example becomes a stream with one envelope, the role first, one finish_reason per choice, usage last."""
        found, events = streamed_example(subject, name)
        outcome = play_stream(
            subject, stream_response(subject, *events), **members_for(name, found)
        )
        if isinstance(found.means, ErrorKind):
            kind = assert_failed(outcome).kind
            assert kind is found.means, (
                f"the stream of Wire.{name} must become {found.means}, but became {kind}"
            )
        else:
            assert_means(outcome, found)

    @pytest.mark.parametrize("name", EXAMPLES)
    def test_s_usage_is_reported(self, subject: Subject, name: str) -> None:
        """A stream ends with the provider's token counts."""
        found, events = streamed_example(subject, name)
        if isinstance(found.means, ErrorKind) or found.usage is None:
            not_applicable(f"`{name}` has no usage")
        members = {"stream_options": {"include_usage": True}, **members_for(name, found)}
        read = _assert_stream_means(subject, found, events, **members)
        expected = (*found.usage, sum(found.usage))
        assert read.usage == expected, (
            f"the stream's usage (prompt, completion, total) must be {expected}, as in Wire.{name}, "
            f"but is {read.usage}; "
            "yield it in a chunk with `usage` from `feed`"
        )

    def test_s_split_anywhere(self, subject: Subject) -> None:
        """The network may split a stream anywhere: within an event, a line ending or a character."""
        # There is one stream for each byte, so only one example, without the cost of an event loop for each.
        found, events = streamed_example(subject, "text")
        body = b"".join(events)
        splits = ((body[:at], body[at:]) for at in range(len(body)))
        for outcome in distinct(feed_streams(subject, splits)):
            assert_means(outcome, found)

    @pytest.mark.parametrize("name", EXAMPLES)
    def test_s_byte_by_byte(self, subject: Subject, name: str) -> None:
        """A stream that arrives byte by byte gives the same answer."""
        found, events = streamed_example(subject, name)
        if isinstance(found.means, ErrorKind):
            not_applicable(f"`{name}` is an error")
        pieces = _single_bytes(b"".join(events))
        _assert_stream_means(subject, found, pieces, **members_for(name, found))

    @pytest.mark.parametrize("end", [b"\r\n", b"\r"], ids=["crlf", "cr"])
    def test_s_line_endings(self, subject: Subject, end: bytes) -> None:
        """Server-sent events may use LF, CRLF and CR."""
        found, events = _sse_example(subject)
        body = b"".join(events).replace(b"\n", end)
        # Byte by byte too: a parser that sees CR alone must not take the LF after it for another line ending.
        for pieces in ([body], _single_bytes(body)):
            _assert_stream_means(subject, found, pieces)

    def test_s_comments(self, subject: Subject) -> None:
        """Comments, pings and events without data, which keep the connection alive, are no part of the answer."""
        found, events = _sse_example(subject)
        for extra in _EMPTY_EVENTS:
            pieces = _interleave(events, extra)
            _assert_stream_means(subject, found, pieces)

    def test_s_data_in_several_lines(self, subject: Subject) -> None:
        """The data of one event may span several `data:` lines."""
        found, _ = _sse_example(subject)
        pieces = encode_events(found.events, "sse", indent=True)
        _assert_stream_means(subject, found, pieces)

    def test_s_data_without_a_space(self, subject: Subject) -> None:
        """The space after `data:` is optional."""
        found, events = _sse_example(subject)
        compact = [
            event.replace(b"data: ", b"data:").replace(b"event: ", b"event:") for event in events
        ]
        _assert_stream_means(subject, found, compact)

    def test_s_byte_order_mark(self, subject: Subject) -> None:
        """A stream may begin with a byte order mark."""
        found, events = _sse_example(subject)
        _assert_stream_means(subject, found, [b"\xef\xbb\xbf", *events])

    def test_s_no_blank_line_at_the_end(self, subject: Subject) -> None:
        """The last event counts even if the line ending after it is missing."""
        found, events = streamed_example(subject, "text")
        if subject.wire.framing == "aws":
            not_applicable("a message of the binary framing does not end with a line ending")
        body = b"".join(events).rstrip()
        _assert_stream_means(subject, found, [body])

    def test_s_no_end_marker(self, subject: Subject) -> None:
        """Events after the end of the answer that add nothing, such as [DONE], may be missing."""
        found, events = streamed_example(subject, "text")
        decoder = begin_stream(subject)
        complete = 0
        for number, event in enumerate(events, 1):
            before = decoder.reader.held_back()
            decoder.feed(event)
            # The end and the usage are held back until the stream is over: these are the last events that count.
            if decoder.reader.held_back() != before:
                complete = number
        if complete == len(events):
            not_applicable("the stream has no end marker")
        _assert_stream_means(subject, found, events[:complete])

    def test_s_nothing_is_held_back(self, subject: Subject) -> None:
        """Text is passed on as it arrives, not collected first."""
        _, events = streamed_example(subject, "text")
        decoder = begin_stream(subject)
        yielding_text = 0
        for event in events:
            if any(chunk.content for chunk in decoder.feed(event)):
                yielding_text += 1
        assert yielding_text >= 2, (
            f"at least two events of Wire.text must each yield a chunk with text, but {yielding_text} do; "
            "yield text from `feed` as soon as it arrives, and spread the text of Wire.text over several events"
        )

    def test_s_ignored_events(self, subject: Subject) -> None:
        """Events without content may arrive anywhere."""
        found, events = streamed_example(subject, "text")
        if not subject.wire.ignored:
            not_applicable("the Wire has no `ignored` events")
        for extra in encode_events(subject.wire.ignored, subject.wire.framing):
            pieces = _interleave(events, extra)
            _assert_stream_means(subject, found, pieces)

    def test_s_streams_do_not_mix(self, subject: Subject) -> None:
        """Two streams that are translated at the same time do not affect each other."""
        examples = [streamed_example(subject, name) for name in ("text", "length")]
        streams = [begin_stream(subject) for _ in examples]
        received: list[list[bytes]] = [[] for _ in examples]
        longest = max(len(events) for _, events in examples)
        for number in range(longest):
            for (_, events), decoder, chunks in zip(examples, streams, received, strict=True):
                if number < len(events) and not decoder.reader.finished:
                    chunks += [chunk.data for chunk in decoder.feed(events[number])]
        for (found, _), decoder, chunks in zip(examples, streams, received, strict=True):
            chunks += [chunk.data for chunk in decoder.reader.held_back()]
            wrong = difference(read_stream(chunks), found)
            assert wrong is None, (
                f"when two streams alternate, {wrong}; `chunks` must return a new translator for each stream"
            )

    def test_s_request_without_usage(self, subject: Subject) -> None:
        """The stream is the same whether or not the client asks for usage: the gateway filters it."""
        found, events = streamed_example(subject, "text")
        for options in ({"include_usage": False}, {}, None):
            _assert_stream_means(subject, found, events, stream_options=options)
