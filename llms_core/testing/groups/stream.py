"""S: streams as they should be, in whatever pieces the network and whatever forms the framing allows."""

from __future__ import annotations

import pytest

from llms_core.errors import ErrorKind
from llms_core.testing.asked import request_for
from llms_core.testing.framing import encoded
from llms_core.testing.groups.base import Group, not_applicable, streamed
from llms_core.testing.memory import fed, said, stream, stream_decoder
from llms_core.testing.reading import must_be_read, must_have_failed, read_stream
from llms_core.testing.subject import Subject
from llms_core.testing.wire import EXAMPLES, Example


def _sse(subject: Subject) -> tuple[Example, list[bytes]]:
    if subject.wire.framing != "sse":
        not_applicable("the stream is not one of server-sent events")
    return streamed(subject, "text")


def _bytes(body: bytes) -> list[bytes]:
    return [body[at : at + 1] for at in range(len(body))]


class StreamTests(Group):
    """Group S, its first half."""

    @pytest.mark.parametrize("name", EXAMPLES)
    def test_s_stream_means_what_the_provider_said(self, subject: Subject, name: str) -> None:
        """Each example: one envelope throughout, the role first, one finish_reason a choice, the usage last."""
        found, events = streamed(subject, name)
        outcome = stream(subject, said(subject, *events), **request_for(name, found))
        if isinstance(found.means, ErrorKind):
            assert must_have_failed(outcome).kind is found.means
        else:
            must_be_read(outcome, found)

    @pytest.mark.parametrize("name", EXAMPLES)
    def test_s_usage_is_told(self, subject: Subject, name: str) -> None:
        """A stream ends with the provider's count."""
        found, events = streamed(subject, name)
        if isinstance(found.means, ErrorKind) or found.usage is None:
            not_applicable(f"`{name}` has no usage")
        members = {"stream_options": {"include_usage": True}, **request_for(name, found)}
        read = must_be_read(stream(subject, said(subject, *events), **members), found)
        assert read.usage == (*found.usage, sum(found.usage))

    def test_s_split_anywhere(self, subject: Subject) -> None:
        """The network may cut a stream in two anywhere: inside an event, a line end, a character."""
        found, events = streamed(subject, "text")
        body = b"".join(events)
        for outcome in fed(subject, ((body[:at], body[at:]) for at in range(len(body)))):
            must_be_read(outcome, found)

    @pytest.mark.parametrize("name", EXAMPLES)
    def test_s_byte_by_byte(self, subject: Subject, name: str) -> None:
        """The same at every byte at once."""
        found, events = streamed(subject, name)
        if isinstance(found.means, ErrorKind):
            not_applicable(f"`{name}` is a failure")
        pieces = _bytes(b"".join(events))
        must_be_read(stream(subject, said(subject, *pieces), **request_for(name, found)), found)

    @pytest.mark.parametrize("end", [b"\r\n", b"\r"], ids=["crlf", "cr"])
    def test_s_line_ends(self, subject: Subject, end: bytes) -> None:
        """SSE allows LF, CRLF and CR."""
        found, events = _sse(subject)
        body = b"".join(events).replace(b"\n", end)
        for pieces in ([body], _bytes(body)):
            must_be_read(stream(subject, said(subject, *pieces)), found)

    def test_s_comments(self, subject: Subject) -> None:
        """Comments, ids and retry times are no events; they come as signs of life."""
        found, events = _sse(subject)
        for extra in (b": ping\n\n", b":\n", b"id: 7\nretry: 100\n\n", b"\n\n", b"event: nothing\n\n"):
            pieces = [piece for event in events for piece in (extra, event)]
            must_be_read(stream(subject, said(subject, *pieces, extra)), found)

    def test_s_data_in_several_lines(self, subject: Subject) -> None:
        """One event's data may come in several `data:` lines."""
        found, _ = _sse(subject)
        must_be_read(stream(subject, said(subject, *encoded(found.events, "sse", indent=True))), found)

    def test_s_data_without_a_space(self, subject: Subject) -> None:
        """The space after `data:` is optional."""
        found, events = _sse(subject)
        tight = [event.replace(b"data: ", b"data:").replace(b"event: ", b"event:") for event in events]
        must_be_read(stream(subject, said(subject, *tight)), found)

    def test_s_byte_order_mark(self, subject: Subject) -> None:
        """A stream may begin with one."""
        found, events = _sse(subject)
        must_be_read(stream(subject, said(subject, b"\xef\xbb\xbf", *events)), found)

    def test_s_no_blank_line_at_the_end(self, subject: Subject) -> None:
        """The last event counts although the line end after it is missing."""
        found, events = streamed(subject, "text")
        if subject.wire.framing == "aws":
            not_applicable("a message of the binary framing has no end of its own")
        must_be_read(stream(subject, said(subject, b"".join(events).rstrip())), found)

    def test_s_no_end_marker(self, subject: Subject) -> None:
        """Events after the answer's end that say nothing, such as [DONE], may be missing."""
        found, events = streamed(subject, "text")
        progress = stream_decoder(subject, subject.call(stream=True))
        complete = 0
        for number, event in enumerate(events, 1):
            before = progress.reader.held_back()
            progress.feed(event)
            if progress.reader.held_back() != before:
                complete = number
        if complete == len(events):
            not_applicable("the stream has no marker of its end")
        must_be_read(stream(subject, said(subject, *events[:complete])), found)

    def test_s_nothing_is_held_back(self, subject: Subject) -> None:
        """Text is passed on as it comes, and not once it is whole."""
        _, events = streamed(subject, "text")
        progress = stream_decoder(subject, subject.call(stream=True))
        told = [number for number, event in enumerate(events) if any(chunk.content for chunk in progress.feed(event))]
        assert len(told) >= 2, "the text of `text` has to be in two events at least, and passed on with each"

    def test_s_ignored_events(self, subject: Subject) -> None:
        """Events that say nothing may come anywhere."""
        found, events = streamed(subject, "text")
        if not subject.wire.ignored:
            not_applicable("the Wire has no `ignored` events")
        for extra in encoded(subject.wire.ignored, subject.wire.framing):
            pieces = [piece for event in events for piece in (event, extra)]
            must_be_read(stream(subject, said(subject, extra, *pieces)), found)

    def test_s_streams_do_not_mix(self, subject: Subject) -> None:
        """Two streams at the same time, event by event: each is its own."""
        found, events = streamed(subject, "text")
        other, others = streamed(subject, "length")
        first, second = (stream_decoder(subject, subject.call(stream=True)) for _ in range(2))
        chunks: tuple[list[bytes], list[bytes]] = ([], [])
        for number in range(max(len(events), len(others))):
            for progress, own, got in ((first, events, chunks[0]), (second, others, chunks[1])):
                if number < len(own) and not progress.reader.finished:
                    got += [chunk.data for chunk in progress.feed(own[number])]
        for progress, example, got in ((first, found, chunks[0]), (second, other, chunks[1])):
            got += [chunk.data for chunk in progress.reader.held_back()]
            assert read_stream(got).choices == example.choices

    def test_s_request_without_usage(self, subject: Subject) -> None:
        """What the client says of usage is the gateway's business: the stream is the same."""
        found, events = streamed(subject, "text")
        for options in ({"include_usage": False}, {}, None):
            must_be_read(stream(subject, said(subject, *events), stream_options=options), found)
