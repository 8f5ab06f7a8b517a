"""Classification of recorded error responses (SR-064, SR-068, SR-072), and how long to wait before a retry."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms_core.errors import ErrorKind
from llms_core.failure import classify, retry_after

KINDS: list[tuple[int, Any, ErrorKind]] = [
    (400, {"error": {"message": "bad", "type": "invalid_request_error"}}, ErrorKind.INVALID_REQUEST),
    (400, {"error": {"message": "x", "code": "context_length_exceeded"}}, ErrorKind.CONTEXT_LENGTH),
    (400, {"error": {"message": "x", "type": "too_many_prompt_tokens", "code": 400}}, ErrorKind.CONTEXT_LENGTH),
    (400, {"error": {"message": "This model's maximum context length is 8192 tokens"}}, ErrorKind.CONTEXT_LENGTH),
    (500, {"error": {"message": "Context size has been exceeded.", "code": 500}}, ErrorKind.CONTEXT_LENGTH),
    (500, {"error": {"message": "image input is not supported - hint: mmproj"}}, ErrorKind.INVALID_REQUEST),
    (400, {"error": {"message": "x", "code": "content_filter"}}, ErrorKind.CONTENT_POLICY),
    (400, {"error": {"message": "x", "code": "data_inspection_failed"}}, ErrorKind.CONTENT_POLICY),
    (403, {"error": {"message": "Your input was flagged", "code": 403}}, ErrorKind.CONTENT_POLICY),
    (400, [{"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}}], ErrorKind.AUTH),
    (401, {"detail": "Unauthorized"}, ErrorKind.AUTH),
    (403, {"error": "please check the api-key you provided"}, ErrorKind.AUTH),
    (401, {"error": {"message": "You have insufficient permissions for this operation."}}, ErrorKind.PERMISSION),
    (403, {"error": {"message": "Country not supported"}}, ErrorKind.PERMISSION),
    (402, {"error": "You have depleted your monthly included credits."}, ErrorKind.QUOTA),
    (429, {"error": {"message": "x", "code": "insufficient_quota"}}, ErrorKind.QUOTA),
    (429, {"error": {"message": "Rate limit reached"}}, ErrorKind.RATE_LIMIT),
    (404, {"message": "Model x does not exist", "code": "model_not_found"}, ErrorKind.MODEL_NOT_FOUND),
    (400, {"error": {"message": "The supported API model names are a or b"}}, ErrorKind.MODEL_NOT_FOUND),
    (400, {"error": {"code": "400", "message": "Param Incorrect", "param": "Not supported model bad"}},
     ErrorKind.MODEL_NOT_FOUND),
    (404, {"error": {"message": "No endpoints found that support image input"}}, ErrorKind.INVALID_REQUEST),
    (405, None, ErrorKind.MODEL_NOT_FOUND),
    (407, {"error": {"message": "Proxy Authentication Required"}}, ErrorKind.NETWORK),
    (410, None, ErrorKind.MODEL_NOT_FOUND),
    (408, None, ErrorKind.TIMEOUT),
    (409, None, ErrorKind.OVERLOADED),
    (413, None, ErrorKind.INVALID_REQUEST),
    (422, {"detail": [{"type": "missing", "loc": ["body", "messages"], "msg": "Field required"}]},
     ErrorKind.INVALID_REQUEST),
    (498, None, ErrorKind.OVERLOADED),
    (500, None, ErrorKind.OVERLOADED),
    (502, None, ErrorKind.OVERLOADED),
    (503, None, ErrorKind.OVERLOADED),
    (504, None, ErrorKind.TIMEOUT),
    (524, None, ErrorKind.TIMEOUT),
    (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, ErrorKind.OVERLOADED),
    (301, None, ErrorKind.BAD_RESPONSE),
    (200, {"error": {"message": "Provider returned error", "code": 429}}, ErrorKind.RATE_LIMIT),
    (200, {"error": {"message": "x", "type": "invalid_request_error"}}, ErrorKind.INVALID_REQUEST),
    (200, {"error": {"message": "x"}}, ErrorKind.BAD_RESPONSE),
    (200, {"error": {"message": "x", "code": 429.0}}, ErrorKind.RATE_LIMIT),
    (200, {"title": "Too Many Requests", "status": 429, "type": "about:blank"}, ErrorKind.RATE_LIMIT),
    (200, {"__type": "ThrottlingException"}, ErrorKind.RATE_LIMIT),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "kind"), KINDS, ids=lambda value: str(value)[:60])
def test_the_kind_follows_from_status_and_body(status: int, body: Any, kind: ErrorKind) -> None:
    assert classify(status, {}, json.dumps(body).encode() if body is not None else b"").kind is kind


def test_the_providers_message_type_param_and_code_are_kept() -> None:
    """SR-068."""
    body = {
        "error": {
            "message": "too long",
            "type": "invalid_request_error",
            "param": "messages",
            "code": "c",
        }
    }
    error = classify(400, {}, json.dumps(body).encode())
    members = (error.message, error.type, error.param, error.code)
    assert members == ("too long", "invalid_request_error", "messages", "c")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"reason": "no capacity", "hint": 5},
            'The provider answered HTTP 400: {"reason":"no capacity","hint":5}',
        ),
        (
            {"data": {"error": {"message": "x"}}},
            'The provider answered HTTP 400: {"data":{"error":{"message":"x"}}}',
        ),
        ({"reason": "x" * 1000}, f'The provider answered HTTP 400: {{"reason":"{"x" * 289}'),
        ({}, "The provider answered HTTP 400"),
        (None, "The provider answered HTTP 400"),
    ],
)
def test_an_error_of_an_unknown_shape_is_shown(body: Any, message: str) -> None:
    assert classify(400, {}, json.dumps(body).encode()).message == message


def test_the_error_behind_a_router_needs_no_message_of_the_routers() -> None:
    body = {"error": {"metadata": {"raw": "overloaded"}}}
    assert classify(502, {}, json.dumps(body).encode()).message == "overloaded"


def test_the_location_of_a_validation_error_becomes_the_param() -> None:
    body = {
        "detail": [
            {"type": "missing", "loc": ["body", "messages", 0, "role"], "msg": "Field required"}
        ]
    }
    error = classify(422, {}, json.dumps(body).encode())
    assert (error.message, error.param) == ("Field required", "messages.0.role")


NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Mon, 23 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0.5s"}, 360.5),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "120ms"}, 0.12),
        ({"x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "1s"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    """SR-064: in seconds."""
    assert retry_after(headers, now=NOW) == seconds


def test_googles_retry_info_is_read() -> None:
    body = {
        "error": {
            "code": 429,
            "message": "x",
            "details": [{"@type": "RetryInfo", "retryDelay": "34s"}],
        }
    }
    assert classify(429, {}, json.dumps(body).encode()).retry_after == 34.0


@pytest.mark.parametrize("digits", [100, 400, 5000, 60_000])
@pytest.mark.parametrize("unit", ["", "s", "ms", "m5s", ".5s", "x", "-"])
def test_a_delay_may_have_any_number_of_digits(digits: int, unit: str) -> None:
    """It is too long to wait for, and takes no time to read: with the square of the digits it would take hours."""
    delay = "9" * digits + unit
    details = {"error": {"message": "slow down", "details": [{"retryDelay": delay}]}}
    exhausted = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": delay}
    for headers in ({"retry-after": delay}, {"retry-after-ms": delay}, exhausted, {}):
        found = classify(429, headers, json.dumps(details).encode())
        assert (found.kind, found.retry_after) == (ErrorKind.RATE_LIMIT, None)


@pytest.mark.parametrize(
    "date",
    [
        "Mon, 23 Nov 99999999999999999999 12:00:00 GMT",
        "Mon, 23 Nov 2026 12:00:00 +9999999999",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Sat, 01 Jan 0001 00:00:00 +2359",
    ],
)
def test_a_date_beyond_the_calendar_can_be_classified(date: str) -> None:
    found = classify(429, {"retry-after": date}, b"")
    assert found.retry_after is None or 0 <= found.retry_after < 1e9


waits = st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms"]), st.text())


@given(st.integers(200, 599), waits, st.binary())
def test_arbitrary_responses_can_be_classified(
    status: int, headers: dict[str, str], body: bytes
) -> None:
    assert classify(status, headers, body).kind in ErrorKind


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "detail", "code", "type", "metadata", "details"]),
            inner,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_arbitrary_json_can_be_classified(body: Any) -> None:
    assert isinstance(classify(400, {}, json.dumps(body).encode()).message, str)
