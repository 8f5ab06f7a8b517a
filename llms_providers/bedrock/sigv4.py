"""AWS Signature Version 4: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.

AWS's own light signer (aws-sdk-signers) needs Python 3.12 and botocore weighs 25 MB, for what hmac and hashlib do.
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
_PORTS = {"http": ":80", "https": ":443"}


class Credentials(msgspec.Struct, frozen=True):
    """An access key; temporary ones come with a session token."""

    access_key_id: Secret
    secret_access_key: Secret
    session_token: Secret | None = None


def signed(
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
    """`headers`, which are all signed, with those that carry the signature. `now` is in UTC.

    `host` is signed, and left to the HTTP client to send.
    """
    parts = urlsplit(url)
    host = parts.netloc.removesuffix(_PORTS.get(parts.scheme, ""))
    time = now.strftime("%Y%m%dT%H%M%SZ")
    sent = {**{name.lower(): value for name, value in headers.items()}, "x-amz-date": time}
    if credentials.session_token is not None:
        sent["x-amz-security-token"] = credentials.session_token.reveal()
    signing = sorted({**sent, "host": host}.items())
    names = ";".join(name for name, _ in signing)
    query = sorted((_quoted(name), _quoted(value)) for name, value in parse_qsl(parts.query, keep_blank_values=True))
    canonical = "\n".join((
        method,
        quote(_normal(parts.path), safe="/-_.~"),  # encoded once more than it is sent, as everywhere but in S3
        "&".join(f"{name}={value}" for name, value in query),
        *(f"{name}:{' '.join(value.split())}" for name, value in signing),
        "",
        names,
        hashlib.sha256(content).hexdigest(),
    ))  # fmt: skip
    scope = f"{time[:8]}/{region}/{service}/aws4_request"
    signing_text = "\n".join((_ALGORITHM, time, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{credentials.secret_access_key.reveal()}".encode()
    for step in scope.split("/"):
        key = _hmac(key, step)
    sent["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key_id.reveal()}/{scope}, "
        f"SignedHeaders={names}, Signature={_hmac(key, signing_text).hex()}"
    )
    return sent


def _normal(path: str) -> str:
    """A path without empty, `.` and `..` segments, as Amazon reads it."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    return "/" + "/".join(kept) + ("/" if kept and path.endswith("/") else "")


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")
