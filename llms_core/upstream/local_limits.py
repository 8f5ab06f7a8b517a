"""Recognizes that this machine, not the provider, is the reason why a connection cannot be made.

Without file descriptors, memory or local ports no provider can be reached. The client gets a 503, and no provider is
blamed for it.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

from llms_core.errors import RequestError

log = logging.getLogger(__name__)

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

# About how many file descriptors the system's resolver needs at a time.
_RESOLVER_SOCKETS = 4

# File descriptors of this process that belong to no connection: standard streams, the event loop, plugins.
_OWN_DESCRIPTORS = 32

# File descriptors that a request may need: its connection, one to a provider, and files of the resolver.
_NEEDED_DESCRIPTORS = 4

# Seconds between two log lines: under load, every request would write one.
_LOG_INTERVAL = 1.0

_last_logged = float("-inf")


def local_limit(error: BaseException) -> RequestError | None:
    """Return the error for the client if `error` means that this machine is exhausted; None if it does not."""
    reason = _reason(error)
    if reason is None:
        return None
    _log(reason)
    message = f"The gateway cannot open another connection: {reason}"
    return RequestError(message, status=503, type="api_error", code="overloaded", retry_after=1)


def _reason(error: BaseException) -> str | None:
    for cause in causes(error):
        if isinstance(cause, socket.gaierror):
            # A resolver that cannot open a socket reports only that it failed.
            return _socket_failure()
        if not isinstance(cause, OSError):
            continue
        if cause.errno in _EXHAUSTED:
            return cause.strerror
        if cause.errno == errno.EADDRNOTAVAIL and isinstance(cause, NoLocalPort):
            return "no local port is free"
    return None


def max_connections(wanted: int) -> int:
    """Return how many clients can be connected at a time, at most `wanted`, and let this process open as many files.

    Each request needs a file descriptor for its client and another for its provider.
    """
    try:
        import resource
    except ImportError:
        return wanted  # Windows has no such limit
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    needed = 2 * wanted + _OWN_DESCRIPTORS
    if soft != unlimited and soft < needed:
        allowed = needed if hard == unlimited else min(needed, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
            soft = allowed
        except (OSError, ValueError):
            pass  # macOS has a further limit
    if soft == unlimited:
        return wanted
    return max(1, min(wanted, (soft - _OWN_DESCRIPTORS) // 2))


def check_descriptors() -> None:
    """Log it if this process has no file descriptors left, with which it could accept a connection and answer it.

    A single one does not tell: libuv keeps one, with which it refuses connections, and files are opened and closed.
    """
    try:
        with ExitStack() as probes:
            for _ in range(_NEEDED_DESCRIPTORS):
                probes.enter_context(socket.socket())
    except OSError as error:
        if error.errno in _EXHAUSTED:
            _log(os.strerror(error.errno))


class NoLocalPort(OSError):
    """No local port is free for a connection to an address that can be reached."""


def refine_connect_error(error: OSError, family: int, address: tuple[object, ...]) -> OSError:
    """Return NoLocalPort if `error` is due to a lack of ports, and otherwise `error` itself.

    EADDRNOTAVAIL also means that this machine has no address to connect from, such as without IPv6. UDP needs an
    address as well, but none of TCP's ports.
    """
    if error.errno != errno.EADDRNOTAVAIL:
        return error
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(address)
    except OSError:
        return error
    return NoLocalPort(errno.EADDRNOTAVAIL, "no local port is free")


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, those that it was raised from, and the members of groups among them."""
    remaining: list[BaseException] = [error]
    # A bound, because contexts can form a cycle.
    for _ in range(50):
        if not remaining:
            return
        current = remaining.pop()
        yield current
        if isinstance(current, BaseExceptionGroup):
            remaining.extend(current.exceptions)
        following = current.__cause__ or current.__context__
        if following is not None:
            remaining.append(following)


def _socket_failure() -> str | None:
    """Return why the system's resolver cannot open its files and sockets; None if it can."""
    try:
        with ExitStack() as sockets:
            for _ in range(_RESOLVER_SOCKETS):
                sockets.enter_context(socket.socket())
    except OSError as error:
        return error.strerror
    return None


def _log(reason: str) -> None:
    global _last_logged
    now = time.monotonic()
    if now - _last_logged >= _LOG_INTERVAL:
        _last_logged = now
        log.error(
            "no connection can be opened or accepted: %s; raise the limits of this machine (ulimit -n)",
            reason,
        )
