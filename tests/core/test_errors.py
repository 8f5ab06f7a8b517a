"""The table of error kinds: what the client gets, what happens next, and whose fault it is."""

from __future__ import annotations

import pytest

from llms_core.errors import (
    ERROR_TABLE,
    AllProvidersFailed,
    ErrorKind,
    ErrorRow,
    ProviderError,
    RequestError,
)
from llms_core.server.error_response import describe, describe_in_stream, retry_headers

# status, code, action, retried in place, at fault, trips the circuit, permanent
EXPECTED = {
    ErrorKind.AUTH: ErrorRow(502, None, "next", False, "provider", True, True),
    ErrorKind.PERMISSION: ErrorRow(502, None, "next", False, "provider", True, True),
    ErrorKind.QUOTA: ErrorRow(429, None, "next", False, "provider", True, True),
    ErrorKind.RATE_LIMIT: ErrorRow(429, None, "next", True, "provider", True),
    ErrorKind.OVERLOADED: ErrorRow(502, None, "next", True, "provider", True),
    ErrorKind.TIMEOUT: ErrorRow(504, None, "next", False, "provider", True),
    ErrorKind.NETWORK: ErrorRow(502, None, "next", True, "provider", True),
    ErrorKind.CONTEXT_LENGTH: ErrorRow(
        400, "context_length_exceeded", "next", False, "client", False
    ),
    ErrorKind.CONTENT_POLICY: ErrorRow(
        400, "content_policy_violation", "stop", False, "policy", False
    ),
    ErrorKind.INVALID_REQUEST: ErrorRow(400, None, "next", False, "client", False),
    ErrorKind.MODEL_NOT_FOUND: ErrorRow(502, None, "next", False, "provider", True, True),
    ErrorKind.BAD_RESPONSE: ErrorRow(502, None, "next", True, "provider", True),
    ErrorKind.CANCELLED: ErrorRow(502, None, "stop", False, "client", False),
}


@pytest.mark.parametrize("kind", ErrorKind)
def test_every_kind_has_its_row(kind: ErrorKind) -> None:
    """SR-064 … SR-068: a new kind fails here until its consequences have been decided."""
    assert ERROR_TABLE[kind] == EXPECTED[kind]


@pytest.mark.parametrize("kind", ErrorKind)
def test_an_error_that_stops_the_chain_is_reported_with_its_row(kind: ErrorKind) -> None:
    row = ERROR_TABLE[kind]
    response = describe(ProviderError(kind, "It failed"))
    expected_type = "invalid_request_error" if row.status == 400 else "api_error"
    assert (response.status, response.code, response.type) == (row.status, row.code, expected_type)


@pytest.mark.parametrize("kind", ErrorKind)
def test_the_providers_own_code_and_type_come_first(kind: ErrorKind) -> None:
    """SR-068."""
    response = describe(
        ProviderError(kind, "It failed", type="their_type", code="their_code", param="their_param")
    )
    assert (response.type, response.code, response.param) == (
        "their_type",
        "their_code",
        "their_param",
    )


@pytest.mark.parametrize("kind", ErrorKind)
def test_a_stream_always_gets_a_code(kind: ErrorKind) -> None:
    """SR-058."""
    assert describe_in_stream(ProviderError(kind, "It failed")).code == kind.value


@pytest.mark.parametrize("kind", ErrorKind)
def test_what_all_providers_agree_on_is_reported(kind: ErrorKind) -> None:
    """SR-062 … SR-064: requests that no provider accepts, rate limits, time-outs, permanent failures; else 502."""
    response = describe(AllProvidersFailed("m", [ProviderError(kind, "It failed")] * 2))
    reported = {
        ErrorKind.INVALID_REQUEST: 400,
        ErrorKind.CONTEXT_LENGTH: 400,
        ErrorKind.RATE_LIMIT: 429,
        ErrorKind.TIMEOUT: 504,
        ErrorKind.AUTH: 424,
        ErrorKind.PERMISSION: 424,
        ErrorKind.QUOTA: 424,
        ErrorKind.MODEL_NOT_FOUND: 424,
    }
    assert response.status == reported.get(kind, 502)


IN_VAIN = (
    ErrorKind.AUTH,
    ErrorKind.PERMISSION,
    ErrorKind.QUOTA,
    ErrorKind.MODEL_NOT_FOUND,
    ErrorKind.INVALID_REQUEST,
    ErrorKind.CONTEXT_LENGTH,
    ErrorKind.CONTENT_POLICY,
    ErrorKind.CANCELLED,
)


@pytest.mark.parametrize("kind", ErrorKind)
def test_clients_are_told_whether_to_retry(kind: ErrorKind) -> None:
    """SR-064: if one failure may pass, so may the request."""
    error = ProviderError(kind, "It failed")
    expected = kind not in IN_VAIN
    assert describe(error).should_retry is expected
    assert describe(AllProvidersFailed("m", [error, error])).should_retry is expected
    assert describe(
        AllProvidersFailed("m", [error, ProviderError(ErrorKind.OVERLOADED, "Busy")])
    ).should_retry


@pytest.mark.parametrize(
    ("status", "expected"), [(400, False), (401, False), (413, False), (408, True), (503, True)]
)
def test_clients_are_told_whether_to_retry_what_the_gateway_refuses(
    status: int, expected: bool
) -> None:
    assert describe(RequestError("no", status=status)).should_retry is expected


def test_a_bug_is_not_worth_a_retry() -> None:
    assert not describe(KeyError("a bug")).should_retry


@pytest.mark.parametrize(
    ("kinds", "status"),
    [
        ((ErrorKind.AUTH, ErrorKind.QUOTA, ErrorKind.MODEL_NOT_FOUND), 424),
        ((ErrorKind.AUTH, ErrorKind.OVERLOADED), 502),
        ((ErrorKind.AUTH, ErrorKind.TIMEOUT), 502),
        ((ErrorKind.AUTH, ErrorKind.INVALID_REQUEST), 502),
    ],
)
def test_failures_are_permanent_if_all_are(kinds: tuple[ErrorKind, ...], status: int) -> None:
    """SR-064."""
    assert (
        describe(AllProvidersFailed("m", [ProviderError(kind, "x") for kind in kinds])).status
        == status
    )


@pytest.mark.parametrize(("other", "status"), [(ErrorKind.RATE_LIMIT, 429), (ErrorKind.QUOTA, 424)])
def test_an_exhausted_quota_with_429_is_a_rate_limit_beside_one(
    other: ErrorKind, status: int
) -> None:
    """SR-064."""
    errors = [
        ProviderError(ErrorKind.QUOTA, "x", status=429),
        ProviderError(other, "x", status=429),
    ]
    assert describe(AllProvidersFailed("m", errors)).status == status


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), -1.0, 1e308])
def test_an_impossible_delay_is_not_passed_on(seconds: float) -> None:
    """A plugin may raise an error with any number; the client gets the error all the same."""
    assert "retry-after" not in retry_headers(
        describe(RequestError("busy", status=503, retry_after=seconds))
    )
