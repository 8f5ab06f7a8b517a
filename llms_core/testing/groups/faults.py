"""S: broken streams. Whatever goes wrong, a client never receives a part of an answer as if it were complete."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

from llms_core.errors import ErrorKind
from llms_core.testing.framing import MEDIA, encode_events, encode_json
from llms_core.testing.groups.base import Group, body_of, not_applicable, streamed_example
from llms_core.testing.playback import (
    JSON,
    SHORT_LIMITS,
    Ending,
    Outcome,
    Response,
    begin_stream,
    feed_streams,
    play_completion,
    play_streams,
    stream_response,
)
from llms_core.testing.reading import assert_failed, assert_means, unnoticed_fault
from llms_core.testing.sample_requests import longest_text, members_for
from llms_core.testing.subject import Subject
from llms_core.testing.wire import Event, Example

_EXAMPLES = ("text", "length", "tool_call", "parallel_calls", "reasoning", "several")

#: Events that are damaged in each framing: truncated JSON, invalid UTF-8, text that is not JSON.
_DAMAGED_EVENTS = {
    "sse": (b"data: {\n\n", b'data: {"a": \xff}\n\n', b"data: oops\n\n"),
    "ndjson": (b"{\n", b'{"a": \xff}\n', b"oops\n"),
    "aws": (b"\0" * 16, b"oops" * 8),
}

# An adapter may reject or skip these, but must not raise an exception other than ProviderError.
_UNKNOWN_EVENTS = (
    "null",
    "42",
    '"text"',
    "[]",
    "[null]",
    "{}",
    '{"mark_of_new": {"a": 1}}',
)
"""Valid JSON that is not an event of any provider."""


def _assert_no_fault_unnoticed(
    outcomes: Iterable[Outcome], found: Example, position: str
) -> list[bool]:
    """Return for each outcome whether it is a complete answer.

    Raises AssertionError for one that looks complete and is not; `position` says where each fault was.
    """
    complete = []
    for number, outcome in enumerate(outcomes):
        wrong = unnoticed_fault(outcome, found)
        assert wrong is None, (
            f"the stream {position} {number} came out as a complete answer: {wrong}. "
            "Set `ended` of a Chunk only when the provider has finished that choice, and raise ProviderError in `feed` "
            "for events that cannot be read"
        )
        complete.append(outcome.error is None)
    return complete


def _cut_after_each_event(
    subject: Subject, events: Sequence[bytes], count: int, then: Ending, *after: bytes
) -> list[Response]:
    """Return `count` streams, cut after 0, 1, … events; `after` follows the cut, and `then` is how each ends."""
    return [stream_response(subject, *events[:at], *after, then=then) for at in range(count)]


def _events_until_complete(subject: Subject, name: str, found: Example, events: list[bytes]) -> int:
    """Return how many of the events it takes until the answer is complete."""
    decoder = begin_stream(subject, **members_for(name, found))
    for number, event in enumerate(events, 1):
        decoder.feed(event)
        if decoder.reader.complete:
            return number
    return len(events)


def _event_name(event: Event) -> str:
    if isinstance(event, tuple):
        return event[0]
    return ""


def _event_data(event: Event) -> object:
    if isinstance(event, tuple):
        return event[1]
    return event


def _message_of(event: Event) -> str:
    data = _event_data(event)
    # Bytes have no leaves that are texts.
    return longest_text(data)


class FaultTests(Group):
    """Group S, second half."""

    @pytest.mark.parametrize("then", ["end", "break"])
    @pytest.mark.parametrize("name", _EXAMPLES)
    def test_s_cut_at_every_event(self, subject: Subject, name: str, then: Ending) -> None:
        """A stream that ends between two events is an error, unless the answer was complete by then."""
        found, events = streamed_example(subject, name)
        cut = _cut_after_each_event(subject, events, len(events), then)
        outcomes = play_streams(subject, cut, **members_for(name, found))
        complete = _assert_no_fault_unnoticed(outcomes, found, "cut after event")
        assert not complete[0], (
            "a stream without any event must become a ProviderError, but came out as an answer"
        )

    def test_s_cut_at_every_byte(self, subject: Subject) -> None:
        """A stream that ends at any byte is an error, unless the answer was complete by then."""
        found, events = streamed_example(subject, "text")
        body = b"".join(events)
        outcomes = feed_streams(subject, ((body[:at],) for at in range(len(body))))
        _assert_no_fault_unnoticed(outcomes, found, "cut after byte")

    @pytest.mark.parametrize("name", ["text", "tool_call"])
    def test_s_stalled_at_every_event(self, subject: Subject, name: str) -> None:
        """A stream that stops without ending runs into the gateway's timeouts."""
        found, events = streamed_example(subject, name)
        complete = _events_until_complete(subject, name, found, events)
        stalled = _cut_after_each_event(subject, events, complete, "stall")
        for outcome in play_streams(subject, stalled, SHORT_LIMITS, **members_for(name, found)):
            kind = assert_failed(outcome).kind
            assert kind is ErrorKind.TIMEOUT, (
                f"a stalled stream must become a timeout, but became {kind}"
            )

    @pytest.mark.parametrize("name", ["text", "tool_call"])
    def test_s_malformed_event(self, subject: Subject, name: str) -> None:
        """A damaged event, in place of each event in turn, is noticed."""
        if subject.wire.plain_events:
            not_applicable("any text is an event")
        found, events = streamed_example(subject, name)
        for junk in _DAMAGED_EVENTS[subject.wire.framing]:
            damaged = []
            for at in range(len(events)):
                pieces = [*events[:at], junk, *events[at + 1 :]]
                damaged.append(stream_response(subject, *pieces))
            outcomes = play_streams(subject, damaged, **members_for(name, found))
            _assert_no_fault_unnoticed(outcomes, found, f"with {junk[:20]!r} in place of event")

    def test_s_damaged_bytes(self, subject: Subject) -> None:
        """A single wrong bit anywhere is noticed, because binary framing has checksums."""
        found, events = streamed_example(subject, "text")
        if subject.wire.framing != "aws":
            not_applicable("the framing has no checksums")
        body = b"".join(events)
        damaged = []
        for at in range(len(body)):
            flipped = bytes([body[at] ^ 0x20])  # this bit changes the case of a letter
            damaged.append(stream_response(subject, body[:at] + flipped + body[at + 1 :]))
        _assert_no_fault_unnoticed(
            play_streams(subject, damaged), found, "with a wrong bit in byte"
        )

    def test_s_unknown_event(self, subject: Subject) -> None:
        """JSON that is not an event of this protocol, before each event in turn, does not corrupt the answer."""
        found, events = streamed_example(subject, "text")
        for unknown in _UNKNOWN_EVENTS:
            responses = []
            for at, event in enumerate(found.events):
                # Adapters that dispatch on the name get the unknown data under a name that they know.
                inserted = encode_events([(_event_name(event), unknown)], subject.wire.framing)
                responses.append(stream_response(subject, *events[:at], *inserted, *events[at:]))
            _assert_no_fault_unnoticed(
                play_streams(subject, responses), found, f"with {unknown} before event"
            )

    def test_s_repeated_finish(self, subject: Subject) -> None:
        """The end of an answer, sent twice, is one end."""
        found, events = streamed_example(subject, "text")
        last = _events_until_complete(subject, "text", found, events) - 1
        pieces = [*events[: last + 1], *events[last:]]
        assert_means(play_streams(subject, [stream_response(subject, *pieces)])[0], found)

    def test_s_failure_within_a_stream(self, subject: Subject) -> None:
        """The provider's error event, after each event in turn, ends the stream at once, and its text is quoted."""
        found, events = streamed_example(subject, "text")
        failures = subject.wire.stream_failures
        if not failures:
            not_applicable("the Wire has no `stream_failures`")
        complete = _events_until_complete(subject, "text", found, events)
        encoded_failures = encode_events(failures, subject.wire.framing)
        # With "stall", the error must not wait for the end of the stream.
        endings: tuple[Ending, ...] = ("end", "stall")
        for event, encoded in zip(failures, encoded_failures, strict=True):
            quoted = _message_of(event)
            for then in endings:
                broken = _cut_after_each_event(subject, events, complete, then, encoded)
                for outcome in play_streams(subject, broken, SHORT_LIMITS):
                    message = assert_failed(outcome).message
                    assert quoted in message, (
                        f"the error must contain the provider's text {quoted!r}, but is {message!r}; "
                        "raise ProviderError in `feed` for this event"
                    )

    def test_s_failure_in_place_of_a_stream(self, subject: Subject) -> None:
        """An error's body that is sent with status 200 in place of a stream is an error."""
        streamed_example(subject, "text")
        bodies = [
            encode_json(failure.body)
            for failure in subject.wire.failures
            if isinstance(failure.body, dict)
        ]
        for media in (JSON, MEDIA[subject.wire.framing]):
            # As one line, so that it is an event where the framing is by lines.
            responses = [Response([body + b"\n"], media=media) for body in bodies]
            for outcome in play_streams(subject, responses):
                assert_failed(outcome)

    def test_s_whole_answer_in_place_of_a_stream(self, subject: Subject) -> None:
        """A whole answer to a request for a stream is that answer, whatever its content type says."""
        found, _ = streamed_example(subject, "text")
        body = body_of(found)
        responses = [
            Response([body], media=media)
            for media in (JSON, MEDIA[subject.wire.framing], "text/html")
        ]
        responses.append(Response([body[at : at + 1] for at in range(len(body))]))
        for outcome in play_streams(subject, responses):
            assert_means(outcome, found)

    def test_s_stream_in_place_of_a_whole_answer(self, subject: Subject) -> None:
        """A stream that answers a request without `stream` is that answer, whatever its content type says."""
        for name in ("text", "tool_call"):
            found, events = streamed_example(subject, name)
            for media in (JSON, MEDIA[subject.wire.framing]):
                outcome = play_completion(
                    subject, Response(events, media=media), **members_for(name, found)
                )
                assert_means(outcome, found)
            # Cut before the end of the answer, it is an error.
            complete = _events_until_complete(subject, name, found, events)
            cut = Response(events[: complete - 1], media=JSON)
            assert_failed(play_completion(subject, cut, **members_for(name, found)))

    def test_s_empty_stream(self, subject: Subject) -> None:
        """A stream without an event is an error."""
        streamed_example(subject, "text")
        for piece in (b"", b"\n\n", b": ping\n\n"):
            assert_failed(play_streams(subject, [stream_response(subject, piece)])[0])
