"""The session of a browser: a cookie that says who has signed in, and until when.

It holds no key, and is no key: only the pages accept it, to be read. It is signed with the key that all workers of this
installation share, and with the hash of the client's key, so that it ends when that key is removed. What a plugin has
identified cannot be checked again without the client's key, so that such a session is short.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import time
from collections.abc import Iterator
from functools import cache

import msgspec

from llms_core.contracts.json import UNREADABLE
from llms_core.dialects.envelope import key_of
from llms_core.records import Caller
from llms_core.server.gateway import Gateway

SECONDS = 12 * 3600
"""How long a session lasts."""
PLUGIN_SECONDS = 3600
"""How long it lasts if a plugin has identified the caller."""

_MAC_BYTES = 32
_MAX_COOKIE = 2000


class _Session(msgspec.Struct, frozen=True, array_like=True):
    name: str
    #: In Unix seconds.
    expires: int
    is_admin: bool
    #: Whether a plugin has identified the caller, who has no key of ours.
    is_of_plugin: bool


_decode = msgspec.json.Decoder(_Session).decode


def begin(gateway: Gateway, caller: Caller, key_hash: str) -> tuple[str, int]:
    """Return the value of the cookie for a caller, and the seconds for which it is valid.

    `key_hash` is that of the key that the client has presented.
    """
    seconds = SECONDS
    is_of_plugin = key_hash not in gateway.keys.callers
    if is_of_plugin:
        seconds = PLUGIN_SECONDS
        key_hash = ""
    session = _Session(caller.name, int(time.time()) + seconds, caller.is_admin, is_of_plugin)
    payload = msgspec.json.encode(session)
    mac = _mac(gateway, payload, key_hash)
    return base64.urlsafe_b64encode(mac + payload).decode().rstrip("="), seconds


def caller_of(gateway: Gateway, cookie: str) -> Caller | None:
    """Return who has signed in; None if the session is over, or was never begun here."""
    opened = _opened(cookie)
    if opened is None:
        return None
    mac, payload = opened
    try:
        session = _decode(payload)
    except UNREADABLE:
        return None
    if time.time() >= session.expires:
        return None
    for key_hash, caller in _possible(gateway, session):
        if hmac.compare_digest(mac, _mac(gateway, payload, key_hash)):
            return caller
    return None


def _possible(gateway: Gateway, session: _Session) -> Iterator[tuple[str, Caller]]:
    """Yield whose session it may be, with the hash of the key that it then belongs to."""
    if session.is_of_plugin:
        # The plugins of a server that has none any more cannot have let anybody in.
        if gateway.startup.host.authenticators:
            yield "", Caller(session.name, session.is_admin)
        return
    # A caller may have several keys.
    for key_hash, caller in gateway.keys.callers.items():
        if caller.name == session.name:
            yield key_hash, caller


def _opened(cookie: str) -> tuple[bytes, bytes] | None:
    """The signature and the content of a cookie; None if it cannot be one."""
    if not cookie or len(cookie) > _MAX_COOKIE:
        return None
    try:
        data = base64.b64decode(cookie + "=" * (-len(cookie) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    return data[:_MAC_BYTES], data[_MAC_BYTES:]


def _mac(gateway: Gateway, payload: bytes, key_hash: str) -> bytes:
    # The file keeps apart servers of the same user: each trusts its own plugins only.
    bound = msgspec.json.encode([gateway.startup.plugins_toml.path, key_hash])
    return hmac.digest(_key(), bound + b"\0" + payload, hashlib.sha256)


@cache
def _key() -> bytes:
    """The key of this installation, for this purpose alone."""
    return hmac.digest(key_of(os.environ), b"sessions of the pages", hashlib.sha256)
