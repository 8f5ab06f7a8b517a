"""Keeps idle connections for the next request, for a limited time and in a limited number."""

from __future__ import annotations

import asyncio

from llms_core.upstream.http1.connection import Connection

#: Seconds that an idle connection is kept. Many servers close theirs after 60 s, some after less.
KEEP_ALIVE = 30.0

#: Idle connections of all servers. The number of connections in use is not limited: the server limits its requests.
MAX_IDLE = 1024


class Pool:
    """The connections of a transport."""

    def __init__(self, *, keep_alive: float = KEEP_ALIVE, max_idle: int = MAX_IDLE) -> None:
        self._keep_alive = keep_alive
        self._max_idle = max_idle
        self._idle: dict[object, list[Connection]] = {}
        self._idle_count = 0
        self._all: set[Connection] = set()
        #: runs while there are idle connections
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    def add(self, key: object, connection: Connection) -> None:
        """Take over a new connection, which can be used for requests with the same `key`."""
        connection.key = key
        connection.owner = self
        self._all.add(connection)

    def take(self, key: object) -> Connection | None:
        """Return the connection with this key that was used last; None if none is idle."""
        idle = self._idle.get(key)
        while idle:
            connection = idle.pop()
            self._idle_count -= 1
            if connection.closed:
                continue
            if connection.idle_since >= connection.loop.time() - self._keep_alive:
                return connection
            connection.abort()
        return None

    def released(self, connection: Connection) -> None:
        """Keep a connection until the next request with its key."""
        if self._closed or self._idle_count >= self._max_idle:
            connection.abort()
            return
        connection.idle_since = connection.loop.time()
        self._idle.setdefault(connection.key, []).append(connection)
        self._idle_count += 1
        if self._sweeper is None:
            self._sweeper = connection.loop.call_later(
                self._keep_alive, self._sweep, connection.loop
            )

    def lost(self, connection: Connection) -> None:
        """Forget a connection that has been closed."""
        self._all.discard(connection)
        idle = self._idle.get(connection.key)
        if idle is not None and connection in idle:
            idle.remove(connection)
            self._idle_count -= 1
            if not idle:
                del self._idle[connection.key]

    def close_idle(self) -> None:
        """Close all idle connections."""
        for idle in list(self._idle.values()):
            for connection in idle:
                connection.abort()
        self._idle.clear()
        self._idle_count = 0

    def close(self) -> None:
        """Close all connections, also those in use."""
        self._closed = True
        self._idle.clear()
        self._idle_count = 0
        for connection in list(self._all):
            connection.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close the connections that have been idle for too long."""
        self._sweeper = None
        oldest = loop.time() - self._keep_alive
        for key, idle in list(self._idle.items()):
            # The list is in the order in which its connections became idle.
            while idle and idle[0].idle_since <= oldest:
                idle.pop(0).abort()
                self._idle_count -= 1
            if not idle:
                del self._idle[key]
        if self._idle:
            self._sweeper = loop.call_later(self._keep_alive, self._sweep, loop)
