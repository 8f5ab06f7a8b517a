"""E: errors. Each becomes a ProviderError whose kind tells the gateway what to do next, and never an answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from llms_core.errors import ErrorKind, ProviderError
from llms_core.testing.framing import MEDIA, encode_json
from llms_core.testing.groups.base import Group, body_of, example, not_applicable
from llms_core.testing.playback import JSON, Outcome, Response, play_completion, play_stream
from llms_core.testing.reading import assert_failed
from llms_core.testing.sample_requests import longest_text
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
"""The kinds that are right for a status whose body says nothing more specific."""

HTML_PAGE = (
    b"<!doctype html><html><head><title>Bad gateway</title></head><body><h1>502</h1></body></html>"
)

# Proxies and broken servers send these; no provider documents them.
_UNEXPECTED_BODIES = (
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
    # Nested so deeply that a recursive parser fails with RecursionError.
    b"[" * 100_000,
    HTML_PAGE,
)

#: Values that replace each member of a valid answer in turn.
_WRONG_VALUES: tuple[object, ...] = (
    None,
    -7,
    2.5,
    "odd",
    [],
    [None],
    [{}],
    {},
    {"odd": 1},
    True,
)

#: The statuses for which a Wire must show the provider's own error.
_REQUIRED_STATUSES = frozenset({400, 401, 429})

_MAX_MESSAGE = 10_000  # characters
_RETRY_TOLERANCE = 2  # seconds: a date has no fractions, and time passes during the test


def body_of_failure(failure: Failure) -> bytes:
    """Return a failure's body as the provider sends it."""
    if isinstance(failure.body, bytes):
        return failure.body
    return encode_json(failure.body)


def _failures(subject: Subject, status: int) -> list[Failure]:
    return [failure for failure in subject.wire.failures if failure.status == status]


def _assert_kind(
    error: ProviderError, kinds: frozenset[ErrorKind], status: int, body: bytes
) -> None:
    expected = " or ".join(sorted(kind.name for kind in kinds))
    assert error.kind in kinds, (
        f"`error` must return the kind {expected} for status {status} and the body {body[:80]!r}, "
        f"but returned {error.kind.name}"
    )


def _assert_quotes(error: ProviderError, failure: Failure) -> None:
    quoted = failure.says
    if quoted is None:
        quoted = longest_text(failure.body)
    assert quoted in error.message, (
        f"the message must contain the provider's own text {quoted!r}, but is {error.message!r}; "
        "read it in `error`, or set Failure.says if another text of the body is the message"
    )


def _play_success(subject: Subject, body: bytes, media: str) -> Iterator[Outcome]:
    """Play a body with status 200, once to a request without streaming and once to one for a stream."""
    yield play_completion(subject, Response([body], media=media))
    if subject.spec.capabilities.streaming:
        yield play_stream(subject, Response([body], media=media))


#: Errors of servers that are in front of many providers, all with the text "It broke".
_UNUSUAL_ERRORS = (
    b'{"object": "error", "message": "It broke", "code": 40303}',
    b'{"code": 20012, "message": "It broke", "data": null}',
    b'{"code": "20012", "msg": "It broke"}',
    b'{"error_code": 336003, "error_msg": "It broke"}',
    b'{"base_resp": {"status_code": 1008, "status_msg": "It broke"}}',
    b'{"error": {"code": 99999999999999999999, "message": "It broke"}}',
    b'{"Message": "It broke"}',
    b'{"detail": "It broke"}',
)


class ErrorTests(Group):
    """Group E."""

    @pytest.mark.parametrize("status", KINDS)
    def test_e_status_has_its_kind(self, subject: Subject, status: int) -> None:
        """Each status gives its kind: with the provider's own body if the Wire has one, else with a meaningless one."""
        failures = _failures(subject, status) or [Failure(status, b"{}"), Failure(status, b"Sorry")]
        for failure in failures:
            body = body_of_failure(failure)
            error = subject.adapter.error(status, failure.headers, body)
            kinds = KINDS[status] if failure.kind is None else frozenset({failure.kind})
            _assert_kind(error, kinds, status, body)
            assert error.status == status, (
                f"ProviderError.status must be {status}, but is {error.status}"
            )
            assert error.message, (
                f"ProviderError.message must not be empty (status {status}, body {body[:80]!r})"
            )

    def test_e_provider_is_quoted(self, subject: Subject) -> None:
        """The error's message is the provider's own."""
        statuses = {failure.status for failure in subject.wire.failures}
        missing = sorted(_REQUIRED_STATUSES - statuses)
        assert not missing, f"Wire.failures needs a Failure with each of the statuses {missing}"
        assert max(statuses) >= 500, (
            f"Wire.failures needs a Failure with a 5xx status, but has only {sorted(statuses)}"
        )
        for failure in subject.wire.failures:
            # With a success status the adapter has to recognize the error by itself: another test checks that.
            if failure.status == 200:
                continue
            body = body_of_failure(failure)
            error = subject.adapter.error(failure.status, failure.headers, body)
            _assert_quotes(error, failure)
            if failure.kind is not None:
                _assert_kind(error, frozenset({failure.kind}), failure.status, body)
            if failure.retry_after is not None:
                expected = pytest.approx(failure.retry_after, abs=_RETRY_TOLERANCE)
                assert error.retry_after == expected, (
                    f"ProviderError.retry_after must be {failure.retry_after} s, but is {error.retry_after}"
                )

    @pytest.mark.parametrize("form", ["seconds", "date", "milliseconds"])
    @pytest.mark.parametrize("status", [429, 503])
    def test_e_retry_after_is_read(self, subject: Subject, form: str, status: int) -> None:
        """The time that the provider asks to wait is read in each of its three forms."""
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
        headers, seconds = {
            "seconds": ({"retry-after": "7"}, 7.0),
            "date": ({"retry-after": date}, 30.0),
            "milliseconds": ({"retry-after-ms": "1500"}, 1.5),
        }[form]
        bodies = [
            body_of_failure(failure)
            for failure in _failures(subject, status)
            if failure.kind is None
        ]
        body = bodies[0] if bodies else b"{}"
        error = subject.adapter.error(status, headers, body)
        assert error.retry_after == pytest.approx(seconds, abs=_RETRY_TOLERANCE), (
            f"ProviderError.retry_after must be {seconds} s for {headers}, but is {error.retry_after}; "
            "llms_core.failure.classify reads these headers"
        )

    def test_e_pages_are_not_quoted(self, subject: Subject) -> None:
        """A proxy's HTML page does not become the message for the client."""
        for status in (403, 404, 429, 500, 502, 503):
            error = subject.adapter.error(status, {"content-type": "text/html"}, HTML_PAGE)
            _assert_kind(error, KINDS[status], status, HTML_PAGE)
            assert "<" not in error.message, (
                f"the message for status {status} must not contain HTML, but is {error.message!r}"
            )

    @pytest.mark.parametrize("status", [400, 429, 500])
    def test_e_unexpected_bodies_are_errors_too(self, subject: Subject, status: int) -> None:
        """Whatever the body is, `error` returns a ProviderError and raises nothing."""
        for body in _UNEXPECTED_BODIES:
            error = subject.adapter.error(status, {}, body)
            assert isinstance(error, ProviderError), (
                f"`error` must return a ProviderError for the body {body[:80]!r}, but returned {error!r}"
            )
            assert isinstance(error.message, str), (
                f"ProviderError.message must be a string for the body {body[:80]!r}, but is {error.message!r}"
            )
            assert error.message, (
                f"ProviderError.message must not be empty for the body {body[:80]!r}"
            )
            _assert_kind(error, KINDS[status], status, body)

    def test_e_long_bodies_are_cut(self, subject: Subject) -> None:
        """An error body of a megabyte does not become a message of a megabyte."""
        text = "x" * 2**20
        bodies = (
            text.encode(),
            encode_json({"message": text}),
            encode_json({"error": {"message": text}}),
        )
        for body in bodies:
            length = len(subject.adapter.error(500, {}, body).message)
            assert length <= _MAX_MESSAGE, (
                f"the message must be cut to at most {_MAX_MESSAGE} characters, but has {length}"
            )

    def test_e_status_decides_over_the_body(self, subject: Subject) -> None:
        """An error status makes a response an error, even if its body looks like an answer or a stream."""
        body = body_of(example(subject, "text"))
        error = assert_failed(play_completion(subject, Response([body], status=500)))
        _assert_kind(error, KINDS[500], 500, body)
        if subject.spec.capabilities.streaming:
            response = Response([body], status=500, media=MEDIA[subject.wire.framing])
            assert_failed(play_stream(subject, response))

    def test_e_success_with_an_error_body_is_an_error(self, subject: Subject) -> None:
        """An error that is sent with status 200 becomes a ProviderError, never an answer or another exception."""
        for failure in subject.wire.failures:
            body = body_of_failure(failure)
            for outcome in _play_success(subject, body, JSON):
                error = assert_failed(outcome)
                if failure.status == 200:
                    assert failure.kind is not None, (
                        f"a Failure with status 200 needs a `kind`: {failure}"
                    )
                    _assert_kind(error, frozenset({failure.kind}), 200, body)
                    _assert_quotes(error, failure)

    def test_e_errors_are_found_in_unusual_places(self, subject: Subject) -> None:
        """An error with status 200 is quoted wherever it is in the body, and its code is not taken for a status."""
        for body in _UNUSUAL_ERRORS:
            for outcome in _play_success(subject, body, JSON):
                error = assert_failed(outcome)
                assert "It broke" in error.message, (
                    f"the error must contain the provider's text, but is {error.message!r} for {body!r}; "
                    "llms_core.failure.classify reads these forms"
                )
                assert error.status is None or 100 <= error.status < 600, (
                    f"{error.status} is not an HTTP status"
                )

    def test_e_success_without_an_answer_is_an_error(self, subject: Subject) -> None:
        """Status 200 with a page, with an empty body, or with unrelated JSON is an error."""
        for media in (JSON, "text/html", MEDIA[subject.wire.framing]):
            for body in _UNEXPECTED_BODIES:
                for outcome in _play_success(subject, body, media):
                    assert_failed(outcome)

    def test_e_success_cut_short_is_an_error(self, subject: Subject) -> None:
        """A truncated answer is an error."""
        body = body_of(example(subject, "text")).rstrip()
        step = max(1, len(body) // 50)  # fifty cuts are enough, however long the answer is
        for at in range(0, len(body), step):
            assert_failed(play_completion(subject, Response([body[:at]])))

    def test_e_members_of_other_types_are_an_error(self, subject: Subject) -> None:
        """An answer with a member of a wrong type, or without it, is an error or a valid answer.

        Each top-level member in turn is replaced and left out. The adapter must raise no other exception than
        ProviderError.
        """
        found = example(subject, "text")
        if not isinstance(found.whole, Mapping):
            not_applicable("the answer is not a JSON object")
        for name in found.whole:
            others = {other: value for other, value in found.whole.items() if other != name}
            for value in _WRONG_VALUES:
                changed = {**found.whole, name: value}
                play_completion(subject, Response([encode_json(changed)]))
            play_completion(subject, Response([encode_json(others)]))
