"""Opaque data of providers, which clients of other APIs than OpenAI's chat completions return unchanged.

Reasoning and signatures of a provider have to come back to it. Where chat's JSON has members for them, Anthropic's has
only the signature of a thinking block, and the Responses API the `encrypted_content` of a reasoning item. So they
travel in that member: as an envelope that this gateway recognizes and has authenticated. Anything else in it is not the
gateway's and is never opened. The data is authenticated, not encrypted: clients may read it.

The key is shared by all workers: it is in the file `signature.key` of the user's folder, made when it is first needed.
Gateways on several machines share `$LLMS_SIGNATURE_KEY`, any text. If neither can be had, the key lives as long as the
process.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import os
import secrets
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from llms_core.config import places
from llms_core.contracts.json import UNREADABLE

log = logging.getLogger(__name__)

#: Begins every envelope. The number is the version of the format.
_PREFIX = "llms1."
#: The same in base64. It has no padding, because the prefix has six characters.
_BASE64_PREFIX = base64.b64encode(_PREFIX.encode()).decode()
_TO_URL_SAFE = str.maketrans("+/", "-_")
_MAC_BYTES = 16
_KEY_BYTES = 32


class Envelope(msgspec.Struct, omit_defaults=True):
    """What has to come back with the next request."""

    #: a message's `provider_extra`, whose parts name their owners
    provider_extra: dict[str, Any] = {}
    #: further members of tool calls (`extra_content`, `provider_extra`), by the call's id
    calls: dict[str, dict[str, Any]] = {}
    #: further members of the message, such as `reasoning_details`
    message: dict[str, Any] = {}

    def __bool__(self) -> bool:
        """Whether anything has to come back."""
        return bool(self.provider_extra or self.calls or self.message)


_decode = msgspec.json.Decoder(Envelope).decode


def seal(envelope: Envelope) -> str:
    """Return a signature that holds the envelope."""
    payload = msgspec.json.encode(envelope)
    return _PREFIX + base64.urlsafe_b64encode(_mac(payload) + payload).decode()


def opened(signature: str | None) -> Envelope | None:
    """Return the envelope in a signature; None if the signature is somebody else's, or was changed."""
    if not signature or not signature.startswith(_PREFIX):
        return None
    try:
        sealed = base64.b64decode(signature[len(_PREFIX) :], altchars=b"-_", validate=True)
    except ValueError:
        return None
    mac = sealed[:_MAC_BYTES]
    payload = sealed[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(payload)):
        return None
    try:
        return _decode(payload)
    except UNREADABLE:
        return None


def is_sealed(signature: str | None) -> bool:
    """Whether a signature looks like an envelope, of this gateway or another."""
    return signature is not None and signature.startswith(_PREFIX)


def as_base64(signature: str) -> str:
    """Return an envelope as base64 and nothing else, for APIs whose clients decode signatures."""
    return _BASE64_PREFIX + signature.removeprefix(_PREFIX)


def from_base64(signature: str | None) -> str | None:
    """Return the envelope that `as_base64` was given, in whichever alphabet it comes back; others as they are."""
    if signature is None or not signature.startswith(_BASE64_PREFIX):
        return signature
    encoded = signature.removeprefix(_BASE64_PREFIX).translate(_TO_URL_SAFE).rstrip("=")
    return _PREFIX + encoded + "=" * (-len(encoded) % 4)


def may_hold_envelope(data: bytes) -> bool:
    """Whether there may be an envelope anywhere in a request."""
    return _PREFIX.encode() in data or _BASE64_PREFIX.encode() in data


def _mac(payload: bytes) -> bytes:
    return hashlib.blake2b(payload, key=_key(), digest_size=_MAC_BYTES).digest()


@cache
def _key() -> bytes:
    return key_of(os.environ)


def key_of(env: Mapping[str, str]) -> bytes:
    """Return the key of this installation; make it if there is none."""
    given = env.get("LLMS_SIGNATURE_KEY")
    if given:
        # A variable may hold bytes that are no UTF-8.
        return hashlib.sha256(given.encode(errors="surrogateescape")).digest()
    try:
        return _stored_key(places.home(env) / "signature.key")
    except OSError as error:
        log.warning(
            "Reasoning can only return to this process, because its key cannot be stored: %s. "
            "Set LLMS_HOME to a folder that can be written, or LLMS_SIGNATURE_KEY to a secret text",
            error,
        )
        return secrets.token_bytes(_KEY_BYTES)


def _stored_key(path: Path) -> bytes:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        own = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
            # Fails if another worker was faster, whose key then counts. A worker never sees half of a key.
            os.link(own, path)
        except FileExistsError:
            pass
        finally:
            own.unlink()
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise OSError(f"{path} does not hold a key of {_KEY_BYTES} bytes; delete it")
    return key
