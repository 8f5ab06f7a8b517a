"""The table of error kinds: what the client gets, what happens next, and whose fault it is."""

from __future__ import annotations

import pytest

from llms_core.errors import ERROR_TABLE, AllProvidersFailed, ErrorKind, ErrorRow, ProviderError, RequestError
from llms_core.server.error_response import describe, describe_in_stream, retry_after_header

# status, code, action, retried in place, at fault, trips the circuit
EXPECTED = {
    ErrorKind.AUTH: ErrorRow(502, None, "next", False, "provider", True),
    ErrorKind.PERMISSION: ErrorRow(502, None, "next", False, "provider", True),
    ErrorKind.QUOTA: ErrorRow(429, None, "next", False, "provider", True),
    ErrorKind.RATE_LIMIT: ErrorRow(429, None, "next", True, "provider", True),
    ErrorKind.OVERLOADED: ErrorRow(502, None, "next", True, "provider", True),
    ErrorKind.TIMEOUT: ErrorRow(504, None, "next", False, "provider", True),
    ErrorKind.NETWORK: ErrorRow(502, None, "next", True, "provider", True),
    ErrorKind.CONTEXT_LENGTH: ErrorRow(400, "context_length_exceeded", "next", False, "client", False),
    ErrorKind.CONTENT_POLICY: ErrorRow(400, "content_policy_violation", "stop", False, "policy", False),
    ErrorKind.INVALID_REQUEST: ErrorRow(400, None, "next", False, "client", False),
    ErrorKind.MODEL_NOT_FOUND: ErrorRow(502, None, "next", False, "provider", True),
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
    response = describe(ProviderError(kind, "It failed", type="their_type", code="their_code", param="their_param"))
    assert (response.type, response.code, response.param) == ("their_type", "their_code", "their_param")


@pytest.mark.parametrize("kind", ErrorKind)
def test_a_stream_always_gets_a_code(kind: ErrorKind) -> None:
    """SR-058."""
    assert describe_in_stream(ProviderError(kind, "It failed")).code == kind.value


@pytest.mark.parametrize("kind", ErrorKind)
def test_what_all_providers_agree_on_is_reported(kind: ErrorKind) -> None:
    """SR-062 … SR-064: requests that no provider accepts, rate limits and time-outs; anything else is a 502."""
    response = describe(AllProvidersFailed("m", [ProviderError(kind, "It failed")] * 2))
    reported = {
        ErrorKind.INVALID_REQUEST: 400,
        ErrorKind.CONTEXT_LENGTH: 400,
        ErrorKind.RATE_LIMIT: 429,
        ErrorKind.TIMEOUT: 504,
    }
    assert response.status == reported.get(kind, 502)


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), -1.0, 1e308])
def test_an_impossible_delay_is_not_passed_on(seconds: float) -> None:
    """A plugin may raise an error with any number; the client gets the error all the same."""
    assert retry_after_header(describe(RequestError("busy", status=503, retry_after=seconds))) is None
