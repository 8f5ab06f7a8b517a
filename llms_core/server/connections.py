"""What limits a connection from the first byte to the last, with or without a key: how many there are, and their time.

One check per second covers all connections of a server. A timer for each request would cost more than the request's
share of everything else in this module.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Set
from http import HTTPStatus
from typing import Any
from weakref import WeakKeyDictionary

from llms_core.dialects import openai_error
from llms_core.server.error_response import describe_http_error, retry_headers
from llms_core.server.memory import release_free_memory
from llms_core.upstream.local_limits import check_descriptors
from llms_core.write_batch import shared_write_batch

log = logging.getLogger(__name__)

HEAD_TIMEOUT = 30.0
"""Seconds that a connection may be without a request that is being served: until the first request's head is complete,
and after each response until the next one's is, whatever the client sends meanwhile."""

CHECK_INTERVAL = 1.0
"""Seconds between two checks, and so the longest time by which a limit can be late."""

_LOG_INTERVAL = 1.0

# Bytes that are sent at once instead of with what other connections write; they are not copied either.
_MAX_UNSENT = 64 * 1024


class BufferedTransport:
    """A transport that sends what is written with what other connections write (`write_batch`), and counts it.

    A response's head and the first piece of its body are one packet.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop):
        self._transport = transport
        self.batch = shared_write_batch(loop)
        #: what is sent in the event loop's next iteration
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        #: bytes that were handed to the transport, sent or not
        self.accepted = 0
        # The methods that are called most are bound here, which saves a call each.
        self.is_closing = transport.is_closing
        self.get_extra_info = transport.get_extra_info
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.unsent = transport.get_write_buffer_size
        self.abort = transport.abort

    def write(self, data: bytes) -> None:
        """Send data soon."""
        if not self._waiting:
            self.batch.add(self)
        self._waiting.append(data)
        self._waiting_size += len(data)
        if self._waiting_size > _MAX_UNSENT:
            self.flush()

    def write_body(self, data: bytes) -> None:
        """Send data and what is kept: soon, or at once if it is for the only request."""
        self.write(data)
        if self.batch.has_one_request:
            self.flush()

    def close(self) -> None:
        """Send what is kept, and close."""
        self.flush()
        self._transport.close()

    def end(self) -> None:
        """Send what is kept, and tell the client that nothing follows. What it sends still arrives."""
        self.flush()
        if not self.is_closing():
            self._transport.write_eof()

    def flush(self) -> None:
        """Send what is kept."""
        waiting = self._waiting
        if not waiting:
            return
        size = self._waiting_size
        self._waiting = []
        self._waiting_size = 0
        if self.is_closing():
            return
        self.accepted += size
        if len(waiting) == 1:
            self._transport.write(waiting[0])
        elif size > _MAX_UNSENT:
            self._transport.writelines(waiting)
        else:
            # Joining small pieces takes less time than handing them over one by one.
            self._transport.write(b"".join(waiting))


class ConnectionTimes:
    """What one check of a connection leaves for the next."""

    __slots__ = ("cycle", "idle_since", "progress_since", "sent")

    def __init__(self, now: float):
        #: the latest request on the connection
        self.cycle: Any = None
        #: when it was last seen to have a request that is served, or a new one
        self.idle_since = now
        #: bytes that had left the process
        self.sent = 0
        #: when they were last seen to become more, or all
        self.progress_since = now


class ConnectionCheck:
    """Checks all connections of one server, as long as there are any.

    A connection is a uvicorn protocol with a `BufferedTransport`, `ConnectionTimes` as `times`, a `write_timeout` and
    `max_connections`.
    """

    def __init__(self, connections: Set[Any], loop: asyncio.AbstractEventLoop):
        self._connections = connections
        self._loop = loop
        self._is_scheduled = False
        self._last_logged = -math.inf
        #: Whether the last check has aborted a connection, and freed what it had not sent.
        self._has_aborted = False

    def admit(self, limit: int) -> bool:
        """Whether a connection that has been added may stay. All are checked regularly from now on."""
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_later(CHECK_INTERVAL, self._check_all)
        if len(self._connections) <= limit:
            return True
        self._log_refused(limit)
        return False

    def _check_all(self) -> None:
        self._is_scheduled = False
        if self._has_aborted:
            release_free_memory()
            self._has_aborted = False
        if not self._connections:
            return
        self._is_scheduled = True
        self._loop.call_later(CHECK_INTERVAL, self._check_all)
        self._check_connections()
        # Some event loops say nothing when they cannot accept a connection.
        check_descriptors()

    def _check_connections(self) -> None:
        now = self._loop.time()
        # A copy, because a connection that ends leaves the set.
        for connection in tuple(self._connections):
            if _has_stalled(connection, now):
                # Closing it would wait for the client to read.
                connection.transport.abort()
                self._has_aborted = True
            elif _is_idle(connection, now) and not connection.transport.is_closing():
                connection.transport.close()

    def _log_refused(self, limit: int) -> None:
        now = self._loop.time()
        if now - self._last_logged >= _LOG_INTERVAL:
            self._last_logged = now
            log.error(
                "new clients are refused, because there are %d connections; raise [server] max_connections, and the "
                "limit of file descriptors of this process (ulimit -n)",
                limit,
            )


def _has_stalled(connection: Any, now: float) -> bool:
    """Whether the client has read nothing for too long, although there is something to read."""
    times: ConnectionTimes = connection.times
    transport: BufferedTransport = connection.transport
    unsent = transport.unsent()
    sent = transport.accepted - unsent
    if not unsent or sent != times.sent:
        times.sent = sent
        times.progress_since = now
        return False
    return bool(now - times.progress_since >= connection.write_timeout)


def _is_idle(connection: Any, now: float) -> bool:
    """Whether the connection has been without a request for too long."""
    times: ConnectionTimes = connection.times
    cycle = connection.cycle
    is_serving = cycle is not None and not cycle.response_complete
    # A request may have begun and ended since the last check.
    if is_serving or cycle is not times.cycle:
        times.cycle = cycle
        times.idle_since = now
        return False
    return now - times.idle_since >= HEAD_TIMEOUT


_checks: WeakKeyDictionary[Any, ConnectionCheck] = WeakKeyDictionary()


def admit(connection: Any) -> bool:
    """Begin to check a new connection. Returns False if it is one too many, and has to be refused."""
    check = _checks.get(connection.server_state)
    if check is None:
        check = ConnectionCheck(connection.connections, connection.loop)
        _checks[connection.server_state] = check
    return check.admit(connection.max_connections)


TOO_MANY_CONNECTIONS = "The server has too many connections"


def refusal(status: int, message: str) -> bytes:
    """A complete response with an error, after which the connection is closed.

    Written directly: uvicorn can only answer a request whose head is complete.
    """
    response = describe_http_error(status, message)
    body = openai_error.encode(response)
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        "connection: close",
        *(f"{name}: {value}" for name, value in retry_headers(response).items()),
    ]
    if status == 503:
        lines.append("retry-after: 1")
    return "\r\n".join([*lines, "", ""]).encode() + body
