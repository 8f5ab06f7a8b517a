"""E: errors. Each becomes a ProviderError whose kind says what the gateway should do, and never an answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from llms_core.errors import ErrorKind, ProviderError
from llms_core.testing.asked import longest_text
from llms_core.testing.framing import MEDIA, as_json
from llms_core.testing.groups.base import Group, example, not_applicable
from llms_core.testing.groups.response import body_of
from llms_core.testing.memory import JSON, Outcome, Said, stream, whole
from llms_core.testing.reading import must_have_failed
from llms_core.testing.subject import Subject
from llms_core.testing.wire import Failure

KINDS: Mapping[int, frozenset[ErrorKind]] = {
    400: frozenset({ErrorKind.INVALID_REQUEST}),
    401: frozenset({ErrorKind.AUTH}),
    403: frozenset({ErrorKind.PERMISSION, ErrorKind.AUTH}),
    404: frozenset({ErrorKind.MODEL_NOT_FOUND}),
    408: frozenset({ErrorKind.TIMEOUT}),
    413: frozenset({ErrorKind.INVALID_REQUEST, ErrorKind.CONTEXT_LENGTH}),
    422: frozenset({ErrorKind.INVALID_REQUEST}),
    429: frozenset({ErrorKind.RATE_LIMIT}),
    500: frozenset({ErrorKind.OVERLOADED}),
    502: frozenset({ErrorKind.OVERLOADED}),
    503: frozenset({ErrorKind.OVERLOADED}),
    504: frozenset({ErrorKind.TIMEOUT}),
    529: frozenset({ErrorKind.OVERLOADED}),
}
"""What a status means where the body does not say better."""

PAGE = b"<!doctype html><html><head><title>Bad gateway</title></head><body><h1>502</h1></body></html>"
ODD = (
    b"",
    b"null",
    b"42",
    b'"an error"',
    b"[]",
    b"[[]]",
    b"{}",
    b'{"error": null}',
    b'{"error": 5}',
    b'{"error": []}',
    b'{"error": {"message": {"text": 1}, "code": {"a": 1}}}',
    b'{"message": null}',
    b'{"errors": [null]}',
    b'{"error": "un',
    b"\xff\xfe\x00garbage",
    b"[" * 100_000,
    PAGE,
)
"""Bodies that no provider documents, and proxies and faults make."""


_OTHER: tuple[object, ...] = (None, -7, 2.5, "odd", [], [None], [{}], {}, {"odd": 1}, True)


def body_of_failure(failure: Failure) -> bytes:
    """A failure's body as the provider writes it."""
    return failure.body if isinstance(failure.body, bytes) else as_json(failure.body)


def _failures(subject: Subject, status: int | None = None) -> list[Failure]:
    return [failure for failure in subject.wire.failures if status in (None, failure.status)]


def _answers(subject: Subject, body: bytes, media: str) -> Iterator[Outcome]:
    """A body with status 200, where a whole answer was asked for, and where a stream was."""
    yield whole(subject, Said([body], media=media))
    if subject.spec.capabilities.streaming:
        yield stream(subject, Said([body], media=media))


class ErrorTests(Group):
    """Group E."""

    @pytest.mark.parametrize("status", KINDS)
    def test_e_status_has_its_kind(self, subject: Subject, status: int) -> None:
        """With the provider's own body where the Wire has one, else with none that helps."""
        failures = _failures(subject, status) or [Failure(status, b"{}"), Failure(status, b"Sorry")]
        for failure in failures:
            error = subject.adapter.error(status, failure.headers, body_of_failure(failure))
            kinds = KINDS[status] if failure.kind is None else {failure.kind}
            assert error.kind in kinds, f"{error.kind} for {failure.body!r}"
            assert error.status == status
            assert error.message

    def test_e_provider_is_quoted(self, subject: Subject) -> None:
        """The error's message is the provider's own."""
        needed = {400, 401, 429}
        there = {failure.status for failure in subject.wire.failures}
        assert needed <= there, f"Wire.failures has none of status {sorted(needed - there)}"
        assert max(there) >= 500, "Wire.failures has no 5xx"
        for failure in _failures(subject):
            if failure.status == 200:
                continue  # its adapter has to find out by itself that it is one
            error = subject.adapter.error(failure.status, failure.headers, body_of_failure(failure))
            assert longest_text(failure.body, failure.says) in error.message
            if failure.kind is not None:
                assert error.kind is failure.kind
            if failure.retry_after is not None:
                assert error.retry_after == pytest.approx(failure.retry_after, abs=2)

    @pytest.mark.parametrize("form", ["seconds", "date", "milliseconds"])
    @pytest.mark.parametrize("status", [429, 503])
    def test_e_retry_after_is_read(self, subject: Subject, form: str, status: int) -> None:
        """How long the provider asks to wait, in any of the three ways to say it."""
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
        headers, seconds = {
            "seconds": ({"retry-after": "7"}, 7.0),
            "date": ({"retry-after": date}, 30.0),
            "milliseconds": ({"retry-after-ms": "1500"}, 1.5),
        }[form]
        bodies = [body_of_failure(failure) for failure in _failures(subject, status) if failure.kind is None]
        error = subject.adapter.error(status, headers, bodies[0] if bodies else b"{}")
        assert error.retry_after == pytest.approx(seconds, abs=2)

    def test_e_pages_are_not_quoted(self, subject: Subject) -> None:
        """A proxy's HTML page is no message for a client."""
        for status in (403, 404, 429, 500, 502, 503):
            error = subject.adapter.error(status, {"content-type": "text/html"}, PAGE)
            assert error.kind in KINDS[status]
            assert "<" not in error.message

    @pytest.mark.parametrize("status", [400, 429, 500])
    def test_e_odd_bodies_are_errors_too(self, subject: Subject, status: int) -> None:
        """Whatever the body is, the adapter gives a ProviderError, and raises nothing."""
        for body in ODD:
            error = subject.adapter.error(status, {}, body)
            assert isinstance(error, ProviderError)
            assert isinstance(error.message, str)
            assert error.message
            assert error.kind in KINDS[status], f"{error.kind} for {body[:80]!r}"

    def test_e_long_bodies_are_cut(self, subject: Subject) -> None:
        """An error body of a megabyte does not become a message of a megabyte."""
        long = "x" * 2**20
        for body in (long.encode(), as_json({"error": {"message": long}}), as_json({"message": long})):
            assert len(subject.adapter.error(500, {}, body).message) <= 10_000

    def test_e_status_decides_over_the_body(self, subject: Subject) -> None:
        """An error's status makes it an error, for streams too, even where the body looks like an answer."""
        body = body_of(example(subject, "text"))
        error = must_have_failed(whole(subject, Said([body], status=500)))
        assert error.kind is ErrorKind.OVERLOADED
        if subject.spec.capabilities.streaming:
            must_have_failed(stream(subject, Said([body], status=500, media=MEDIA[subject.wire.framing])))

    def test_e_success_with_an_error_body_is_an_error(self, subject: Subject) -> None:
        """Some failures come with status 200: none is an answer, and none is the adapter's own exception."""
        for failure in _failures(subject):
            for outcome in _answers(subject, body_of_failure(failure), JSON):
                error = must_have_failed(outcome)
                if failure.status == 200:
                    assert error.kind is failure.kind
                    assert longest_text(failure.body, failure.says) in error.message

    def test_e_success_that_is_no_answer_is_an_error(self, subject: Subject) -> None:
        """Status 200 with a page, with nothing, or with JSON of another shape."""
        for media in (JSON, "text/html", MEDIA[subject.wire.framing]):
            for body in ODD:
                for outcome in _answers(subject, body, media):
                    must_have_failed(outcome)

    def test_e_success_cut_short_is_an_error(self, subject: Subject) -> None:
        """A whole answer that lacks its end is none."""
        body = body_of(example(subject, "text")).rstrip()
        for at in range(0, len(body), max(1, len(body) // 50)):
            must_have_failed(whole(subject, Said([body[:at]])))

    def test_e_members_of_other_types_are_an_error(self, subject: Subject) -> None:
        """Each top-level member of an answer in turn is null, a number, a text, a list, an object, or missing.

        What comes of it is an answer by OpenAI's contract or a ProviderError, and never the adapter's own exception.
        """
        found = example(subject, "text")
        if not isinstance(found.whole, Mapping):
            not_applicable("the answer is no JSON object")
        for name in found.whole:
            rest = {other: value for other, value in found.whole.items() if other != name}
            for value in _OTHER:
                whole(subject, Said([as_json({**found.whole, name: value})]))
            whole(subject, Said([as_json(rest)]))
