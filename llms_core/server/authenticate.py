"""From a request's headers to its caller. Without configured keys, any key or none is accepted (SR-003, SR-004)."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
from litestar.types import Scope

from llms_core.errors import PluginError, RequestError
from llms_core.plugins.host import PluginHost
from llms_core.records import Caller
from llms_core.server.request_headers import by_name

log = logging.getLogger(__name__)

Found: TypeAlias = Caller | Awaitable[Caller]
"""A caller, or what has to be awaited to get it: keys and most plugins know it at once."""

Authenticate = Callable[[Scope], Found]

PATH = "llms_core.path"
"""The member of an ASGI scope that holds the whole path, where its `path` may be a part of it."""

#: Azure's, Anthropic's and Google's headers for keys.
_KEY_HEADERS = (b"api-key", b"x-api-key", b"x-goog-api-key")


def create(
    callers: Mapping[str, Caller], host: PluginHost, *, required: bool = False, timeout: float = 5.0
) -> Authenticate | None:
    """Return the function that finds a request's caller, or None if nobody has to authenticate.

    `callers` are those with keys, by the hash of their key. If authentication is `required`, every request is refused
    without keys and plugins. `timeout` is in seconds, for each plugin that is asynchronous. The function raises
    RequestError: 401 for an unknown caller, and 503 if a plugin did not answer in time and no other knows the caller.
    """
    plugins = [
        _Authenticator(host.origin_of(name), hook, timeout) for name, hook in host.authenticators
    ]
    if not callers and not plugins and not required:
        return None

    def authenticate(scope: Scope) -> Found:
        caller = callers.get(key_hash(_key_in(by_name(scope))))
        if caller is not None:
            return caller
        return _ask(plugins, _seen(scope) if plugins else ())

    return authenticate


async def resolve(found: Found | None) -> Caller | None:
    """Return the caller that `found` is, or becomes."""
    if found is None or isinstance(found, Caller):
        return found
    return await found


class _Authenticator(msgspec.Struct, frozen=True):
    """One plugin's `llms_authenticate`. A plugin that fails does not recognize any caller."""

    #: The plugin and its distribution, for messages.
    origin: str
    hook: Callable[..., Any]
    #: In seconds.
    timeout: float

    def ask(self, seen: Sequence[Any]) -> Caller | Awaitable[Any] | None:
        """Return the caller that the plugin recognizes, or an awaitable for it.

        Raises the RequestError with which the plugin refuses the request.
        """
        try:
            caller = self.hook(*seen)
            if inspect.isawaitable(caller):
                return caller
            return _checked(caller)
        except RequestError:
            raise
        except (Exception, SystemExit):
            log.exception("%s: llms_authenticate failed", self.origin)
            return None

    async def wait(self, pending: Awaitable[Any]) -> Caller | None:
        """Return the caller that the plugin recognizes in the end.

        Raises TimeoutError if that takes too long, and the RequestError with which the plugin refuses the request.
        """
        limit = asyncio.timeout(self.timeout)
        try:
            async with limit:
                return _checked(await pending)
        except RequestError:
            raise
        except (Exception, SystemExit):
            if limit.expired():
                raise TimeoutError from None
            log.exception("%s: llms_authenticate failed", self.origin)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Not this request was cancelled, but something that the plugin waited for.
            log.exception("%s: llms_authenticate failed", self.origin)
        return None


def _ask(plugins: Sequence[_Authenticator], seen: Sequence[Any], *, is_late: bool = False) -> Found:
    """Ask one plugin after the other. `is_late`: one of those before has not answered in time."""
    for place, plugin in enumerate(plugins):
        found = plugin.ask(seen)
        if isinstance(found, Caller):
            return found
        if found is not None:
            return _wait(plugin, found, plugins[place + 1 :], seen, is_late)
    raise _timed_out() if is_late else _unknown_caller()


async def _wait(
    plugin: _Authenticator,
    pending: Awaitable[Any],
    others: Sequence[_Authenticator],
    seen: Sequence[Any],
    is_late: bool,
) -> Caller:
    try:
        caller = await plugin.wait(pending)
    except TimeoutError:
        log.error(
            "%s: llms_authenticate took more than %g s ([server] authenticate_timeout): it lets nobody in",
            plugin.origin,
            plugin.timeout,
        )
        caller = None
        is_late = True
    if caller is not None:
        return caller
    found = _ask(others, seen, is_late=is_late)
    if isinstance(found, Caller):
        return found
    return await found


def _seen(scope: Scope) -> tuple[Mapping[str, str], str, str, str]:
    """What plugins are told of a request: the arguments of `llms_authenticate`."""
    headers = {name.decode("latin-1"): _text(value) for name, value in scope["headers"]}
    client = scope.get("client")
    path: str = scope.get(PATH) or scope["path"]  # type: ignore[assignment]
    return headers, str(scope.get("method", "")), path, client[0] if client else ""


def _checked(caller: object) -> Caller | None:
    if caller is not None and not isinstance(caller, Caller):
        raise PluginError(
            f"it returned a {type(caller).__name__} instead of a Caller; return Caller(name), or None for nobody"
        )
    return caller


def _unknown_caller() -> RequestError:
    message = "Authentication required"
    return RequestError(
        message, status=401, type="authentication_error", code="unauthorized", bare=True
    )


def _timed_out() -> RequestError:
    """Not a 401: the client may be known, and clients do not repeat a request after a 401."""
    message = "The caller could not be identified in time"
    return RequestError(
        message, status=503, type="api_error", code="authentication_timeout", retry_after=1
    )


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


def key_hash(key: bytes) -> str:
    """Return the hash of a key as plugins.toml has it."""
    # A fast hash is enough for long random keys. Keys are looked up by their hash, so that the time of the comparison
    # depends on nothing that a client can choose bit by bit.
    return f"sha256:{hashlib.sha256(key).hexdigest()}"


def _text(value: bytes) -> str:
    """A header's value as text: UTF-8, or Latin-1, which decodes any bytes."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
