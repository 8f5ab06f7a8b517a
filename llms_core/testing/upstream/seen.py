"""A request as the scripted upstream received it."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class Seen:
    """A request that arrived, and whether the client waited for the whole reply."""

    method: str
    #: As it was sent, including the query string.
    path: str
    #: Keyed by lower-case name; the values of a repeated header are joined with a comma.
    headers: dict[str, str]
    body: bytes
    #: The number of the connection, from 1. Requests over one kept-alive connection share it.
    connection: int
    #: Whether the client closed or reset the connection before the reply was complete.
    closed_early: bool = False
    _over: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def json(self) -> Any:
        """The decoded JSON body."""
        return json.loads(self.body)

    def wait_closed(self, timeout: float = 5.0) -> None:
        """Wait until the client abandons the request.

        Raises AssertionError if the client keeps the connection for `timeout` seconds, or if it read the whole reply.
        """
        if not self._over.wait(timeout):
            raise AssertionError(
                f"after {timeout} s the client still holds the connection of {self}"
            )
        if not self.closed_early:
            raise AssertionError(
                f"the client did not close the connection before the reply was over: {self}"
            )

    def mark_over(self) -> None:
        """Release `wait_closed`: the reply has been played, or the client has gone."""
        self._over.set()

    def __str__(self) -> str:
        return f"{self.method} {self.path}"
