"""The credentials of a request are redacted once it has failed, also those that only its adapter knows."""

from __future__ import annotations

import pytest

from llms_core.provider import UpstreamRequest
from llms_core.secret import MASK, redact
from llms_core.upstream.credentials import redact_credentials

TOKEN = "ya29.run-time-token-{}"


@pytest.mark.parametrize(
    ("number", "headers", "url"),
    [
        (1, {"authorization": "Bearer {}"}, ""),
        (2, {"Authorization": "{}"}, ""),
        (3, {"x-api-key": "{}"}, ""),
        (4, {"api-key": "{}"}, ""),
        (5, {"x-goog-api-key": "{}"}, ""),
        (6, {"x-amz-security-token": "{}"}, ""),
        (7, {"proxy-authorization": "Basic {}"}, ""),
        (8, {}, "https://example.com/v1?alt=sse&key={}"),
        (9, {}, "https://example.com/v1?access_token={}"),
    ],
)
def test_credentials_are_redacted_wherever_they_are(
    number: int, headers: dict[str, str], url: str
) -> None:
    token = TOKEN.format(number)
    sent = {name: value.format(token) for name, value in headers.items()}
    redact_credentials(UpstreamRequest(url=url.format(token), headers=sent, content=b""))
    assert redact(f"no good: {token}") == f"no good: {MASK}"


def test_other_headers_are_not_redacted() -> None:
    """Nor a signature, which is different each time and worth nothing."""
    headers = {
        "content-type": "application/octets",
        "x-tokens-used": "1000000",
        "authorization": "AWS4-HMAC Sig=abcdef",
    }
    redact_credentials(
        UpstreamRequest(url="https://example.com/?alt=sse-of-test", headers=headers, content=b"")
    )
    text = " ".join([*headers.values(), "sse-of-test"])
    assert redact(text) == text
