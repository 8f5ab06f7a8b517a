"""From a request's headers to its caller. Without configured keys, any key or none is accepted (SR-003, SR-004)."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping

from litestar.types import Scope

from llms_core.errors import PluginError, RequestError
from llms_core.plugins.host import PluginHost
from llms_core.records import Caller
from llms_core.server.request_headers import by_name

log = logging.getLogger(__name__)

Authenticate = Callable[[Scope], Caller]

#: Azure's, Anthropic's and Google's headers for keys.
_KEY_HEADERS = (b"api-key", b"x-api-key", b"x-goog-api-key")


def create(callers: Mapping[str, Caller], host: PluginHost, *, required: bool = False) -> Authenticate | None:
    """Return the function that finds a request's caller, or None if nobody has to authenticate.

    `callers` are those with keys, by the hash of their key. If authentication is `required`, every request is refused
    without keys and plugins. The function raises RequestError, 401, for an unknown caller.
    """
    plugins = host.authenticators
    if not callers and not plugins and not required:
        return None

    def authenticate(scope: Scope) -> Caller:
        caller = callers.get(_hash(_key_in(by_name(scope))))
        if caller is not None:
            return caller
        if plugins:
            decoded = {name.decode("latin-1"): _text(value) for name, value in scope["headers"]}
            for plugin, ask in plugins:
                caller = _ask_plugin(host.origin_of(plugin), ask, decoded)
                if caller is not None:
                    return caller
        message = "Authentication required"
        raise RequestError(message, status=401, type="authentication_error", code="unauthorized", bare=True)

    return authenticate


def _ask_plugin(
    plugin: str, ask: Callable[[Mapping[str, str]], Caller | None], headers: Mapping[str, str]
) -> Caller | None:
    """Return the caller that a plugin recognizes. A plugin that fails does not recognize any caller.

    Raises the RequestError with which the plugin refuses the request.
    """
    try:
        caller = ask(headers)
        if caller is not None and not isinstance(caller, Caller):
            raise PluginError(f"it returned a {type(caller).__name__} instead of a Caller")
    except RequestError:
        raise
    except (Exception, SystemExit):
        log.exception("%s: llms_authenticate failed", plugin)
        return None
    return caller


def _key_in(headers: Mapping[bytes, bytes]) -> bytes:
    """The key that a request presents, in one of the headers that clients use; empty if there is none.

    Keys are compared as bytes, because they may contain any UTF-8 text.
    """
    scheme, _, value = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return value.strip(b" \t")
    for name in _KEY_HEADERS:
        if headers.get(name):
            return headers[name]
    return b""


def _hash(key: bytes) -> str:
    # A fast hash is enough for long random keys. Keys are looked up by their hash, so that the time of the comparison
    # depends on nothing that a client can choose bit by bit.
    return f"sha256:{hashlib.sha256(key).hexdigest()}"


def _text(value: bytes) -> str:
    """A header's value as text: UTF-8, or Latin-1, which decodes any bytes."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
