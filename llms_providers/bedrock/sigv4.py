"""AWS Signature Version 4: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.

Written here because AWS's own lightweight signer (aws-sdk-signers) requires Python 3.12, and botocore adds 25 MB.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import parse_qsl, quote, urlsplit

import msgspec

from llms_core.secret import Secret

_ALGORITHM = "AWS4-HMAC-SHA256"
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Credentials(msgspec.Struct, frozen=True):
    """An access key."""

    access_key_id: Secret
    secret_access_key: Secret
    #: Set for temporary credentials only.
    session_token: Secret | None = None


def sign(
    method: str,
    url: str,
    headers: Mapping[str, str],
    content: bytes,
    *,
    credentials: Credentials,
    region: str,
    service: str,
    now: datetime,
) -> dict[str, str]:
    """Return `headers` with lower-case names, and the headers that hold the signature. `now` is in UTC.

    All of them are signed. `host` is signed too, but left to the HTTP client to send.
    """
    parts = urlsplit(url)
    time = now.strftime("%Y%m%dT%H%M%SZ")
    sent = {name.lower(): value for name, value in headers.items()}
    sent["x-amz-date"] = time
    if credentials.session_token is not None:
        sent["x-amz-security-token"] = credentials.session_token.reveal()

    # HTTP clients leave the default port out of `host`.
    host = parts.netloc.removesuffix(_DEFAULT_PORTS.get(parts.scheme, ""))
    signed_headers = {**sent, "host": host}
    canonical_request = _canonical_request(method, parts.path, parts.query, signed_headers, content)

    scope = f"{time[:8]}/{region}/{service}/aws4_request"
    string_to_sign = "\n".join(
        [
            _ALGORITHM,
            time,
            scope,
            hashlib.sha256(canonical_request.encode()).hexdigest(),
        ]
    )
    key = _signing_key(credentials.secret_access_key, scope)
    signature = _hmac(key, string_to_sign).hex()
    sent["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key_id.reveal()}/{scope}, "
        f"SignedHeaders={_names(signed_headers)}, Signature={signature}"
    )
    return sent


def _canonical_request(
    method: str, path: str, query: str, headers: Mapping[str, str], content: bytes
) -> str:
    header_lines = []
    for name, value in sorted(headers.items()):
        # Leading, trailing and repeated blanks do not count.
        collapsed = " ".join(value.split())
        header_lines.append(f"{name}:{collapsed}")
    return "\n".join(
        [
            method,
            # The path in the URL is percent-encoded already, and is encoded a second time: only S3 differs.
            quote(_normalize_path(path), safe="/-_.~"),
            _canonical_query(query),
            *header_lines,
            # An empty line ends the headers.
            "",
            _names(headers),
            hashlib.sha256(content).hexdigest(),
        ]
    )


def _canonical_query(query: str) -> str:
    pairs = [
        (_encode(name), _encode(value)) for name, value in parse_qsl(query, keep_blank_values=True)
    ]
    # Sorted after encoding, as the specification requires.
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _normalize_path(path: str) -> str:
    """Remove empty, `.` and `..` segments, as AWS does before it verifies the signature."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    normalized = "/" + "/".join(kept)
    if kept and path.endswith("/"):
        normalized += "/"
    return normalized


def _names(headers: Mapping[str, str]) -> str:
    return ";".join(sorted(headers))


def _signing_key(secret_access_key: Secret, scope: str) -> bytes:
    """Derive a key that is valid for one day, region and service."""
    key = f"AWS4{secret_access_key.reveal()}".encode()
    for step in scope.split("/"):
        key = _hmac(key, step)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _encode(text: str) -> str:
    return quote(text, safe="-_.~")
