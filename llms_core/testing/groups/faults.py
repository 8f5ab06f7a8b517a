"""S: streams that go wrong. Whatever happens, a client never gets a part of an answer as the whole of it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from llms_core.errors import ErrorKind
from llms_core.operations.stream import StreamReader
from llms_core.testing.asked import longest_text, request_for
from llms_core.testing.framing import MEDIA, encoded
from llms_core.testing.groups.base import Group, not_applicable, streamed
from llms_core.testing.memory import HASTY, JSON, Outcome, Said, fed, said, streams
from llms_core.testing.reading import must_be_read, must_have_failed, passed_off
from llms_core.testing.subject import Subject
from llms_core.testing.wire import Example
from llms_core.upstream.stream_decoder import StreamDecoder

_EXAMPLES = ("text", "length", "tool_call", "parallel_calls", "reasoning", "several")
_JUNK = {
    "sse": (b"data: {\n\n", b'data: {"a": \xff}\n\n', b"data: oops\n\n"),
    "ndjson": (b"{\n", b'{"a": \xff}\n', b"oops\n"),
    "aws": (b"\0" * 16, b"oops" * 8),
}
_ODD = ("null", "42", '"text"', "[]", "[null]", "{}", '{"mark_of_new": {"a": 1}}')
"""JSON that is no event of any provider's: to be refused or passed over, and never the adapter's own exception."""


def _failed_or_whole(outcomes: Iterable[Outcome], found: Example, what: str) -> list[bool]:
    """Which of the outcomes are whole answers. Raises AssertionError for one that only looks like it."""
    whole = []
    for number, outcome in enumerate(outcomes):
        wrong = passed_off(outcome, found)
        assert wrong is None, f"{what} {number} came out as a whole answer: {wrong}"
        whole.append(outcome.error is None)
    return whole


def _complete(subject: Subject, name: str, found: Example, events: list[bytes]) -> int:
    """How many of the events it takes until the answer is complete."""
    members = request_for(name, found)
    progress = StreamDecoder(
        StreamReader(subject.adapter.chunks(subject.call(stream=True, **members)), parts=len(found.choices))
    )
    for number, event in enumerate(events, 1):
        progress.feed(event)
        if progress.reader.complete:
            return number
    return len(events)


class FaultTests(Group):
    """Group S, its second half."""

    @pytest.mark.parametrize("then", ["end", "break"])
    @pytest.mark.parametrize("name", _EXAMPLES)
    def test_s_cut_at_every_event(self, subject: Subject, name: str, then: str) -> None:
        """A stream that ends between two events is broken, unless all that counts has come."""
        found, events = streamed(subject, name)
        cuts = [said(subject, *events[:at], then="end" if then == "end" else "break") for at in range(len(events))]
        outcomes = streams(subject, cuts, **request_for(name, found))
        whole = _failed_or_whole(outcomes, found, "the stream cut after event")
        assert not whole[0]

    def test_s_cut_at_every_byte(self, subject: Subject) -> None:
        """The same, wherever the bytes end."""
        found, events = streamed(subject, "text")
        body = b"".join(events)
        outcomes = fed(subject, ((body[:at],) for at in range(len(body))))
        _failed_or_whole(outcomes, found, "the stream cut after byte")

    @pytest.mark.parametrize("name", ["text", "tool_call"])
    def test_s_stalled_at_every_event(self, subject: Subject, name: str) -> None:
        """A stream that stops without an end runs into the gateway's time limits."""
        found, events = streamed(subject, name)
        complete = _complete(subject, name, found, events)
        stalls = [said(subject, *events[:at], then="stall") for at in range(complete)]
        for outcome in streams(subject, stalls, HASTY, **request_for(name, found)):
            assert must_have_failed(outcome).kind is ErrorKind.TIMEOUT

    @pytest.mark.parametrize("name", ["text", "tool_call"])
    def test_s_malformed_event(self, subject: Subject, name: str) -> None:
        """An event that is damaged on the way, in turn each of them."""
        found, events = streamed(subject, name)
        for junk in _JUNK[subject.wire.framing]:
            damaged = [said(subject, *events[:at], junk, *events[at + 1 :]) for at in range(len(events))]
            outcomes = streams(subject, damaged, **request_for(name, found))
            _failed_or_whole(outcomes, found, "the stream with a damaged event in place of event")

    def test_s_damaged_bytes(self, subject: Subject) -> None:
        """One bit wrong, anywhere: the checksums of a binary framing tell."""
        found, events = streamed(subject, "text")
        if subject.wire.framing != "aws":
            not_applicable("the framing has no checksums")
        body = b"".join(events)
        damaged = (body[:at] + bytes([body[at] ^ 0x20]) + body[at + 1 :] for at in range(len(body)))
        outcomes = streams(subject, (said(subject, each) for each in damaged))
        _failed_or_whole(outcomes, found, "the stream with a wrong bit in byte")

    def test_s_odd_event(self, subject: Subject) -> None:
        """JSON that is no event of this protocol, before each event in turn."""
        found, events = streamed(subject, "text")
        named = [event[0] if isinstance(event, tuple) else "" for event in found.events]
        for odd in _ODD:
            added = [
                said(subject, *events[:at], *encoded([(name, odd)], subject.wire.framing), *events[at:])
                for at, name in enumerate(named)
            ]
            _failed_or_whole(streams(subject, added), found, f"the stream with {odd} before event")

    def test_s_finish_that_is_repeated(self, subject: Subject) -> None:
        """The end of an answer said twice is one end."""
        found, events = streamed(subject, "text")
        at = _complete(subject, "text", found, events) - 1
        repeated = said(subject, *events[: at + 1], events[at], *events[at + 1 :])
        must_be_read(streams(subject, [repeated])[0], found)

    def test_s_failure_within_a_stream(self, subject: Subject) -> None:
        """An event that says that the provider failed, after each event in turn: noticed at once, and quoted."""
        found, events = streamed(subject, "text")
        if not subject.wire.stream_failures:
            not_applicable("the Wire has no `stream_failures`")
        complete = _complete(subject, "text", found, events)
        for event, failure in zip(
            subject.wire.stream_failures, encoded(subject.wire.stream_failures, subject.wire.framing), strict=True
        ):
            told = longest_text(event[1] if isinstance(event, tuple) else event)
            for then in ("end", "stall"):
                broken = [said(subject, *events[:at], failure, then=then) for at in range(complete)]
                for outcome in streams(subject, broken, HASTY):
                    error = must_have_failed(outcome)
                    assert told in error.message, f"it should say {told!r}, and says {error.message!r}"

    def test_s_failure_in_place_of_a_stream(self, subject: Subject) -> None:
        """The bodies of the provider's errors, with status 200, where a stream was due."""
        streamed(subject, "text")
        bodies = [encoded([failure.body], "ndjson")[0] for failure in subject.wire.failures
                  if isinstance(failure.body, dict)]  # fmt: skip
        for media in (JSON, MEDIA[subject.wire.framing]):
            for outcome in streams(subject, [Said([body], media=media) for body in bodies]):
                must_have_failed(outcome)

    def test_s_nothing_comes(self, subject: Subject) -> None:
        """A stream without an event is no answer."""
        streamed(subject, "text")
        for piece in (b"", b"\n\n", b": ping\n\n"):
            must_have_failed(streams(subject, [said(subject, piece)])[0])
