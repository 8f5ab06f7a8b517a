"""The steps of a scripted reply."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from llms_core.testing.upstream.seen import Seen

Headers: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Status:
    """Send the status line and the headers.

    The framing of the body follows from the steps after this one, unless the headers state it: chunked if there is a
    `Chunk`, until the connection closes if the headers contain `connection: close`, otherwise by content-length.
    """

    code: int = 200
    headers: Headers = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Body:
    """Send the body, or the next part of it, in one write."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """Send one chunk of a chunked body, and flush it before the next step begins."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Drip:
    """Send the next part of the body in many writes of `size` bytes; in a chunked body each write is a chunk."""

    data: bytes
    size: int = 1


@dataclass(frozen=True, slots=True)
class Raw:
    """Send bytes without any framing: something that is not HTTP, or malformed HTTP."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Wait:
    """Send nothing until the test sets `event`; reset the connection if that takes more than `timeout` seconds."""

    event: threading.Event
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class Stall:
    """Send nothing more until the client disconnects or the upstream stops."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection normally, although the announced body is incomplete."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset the connection: the client reads what has arrived, then gets "connection reset by peer"."""


Step: TypeAlias = Status | Body | Chunk | Drip | Raw | Wait | Stall | Close | Reset
Part: TypeAlias = "Step | Reply | Callable[[Seen], Reply]"

#: Steps after which the rest of the body is never sent.
TRUNCATING = (Stall, Close, Reset)


class Reply:
    """A sequence of steps. A part can also be another reply, or a function that builds a reply from the request."""

    def __init__(self, *parts: Part) -> None:
        self.parts = parts

    def __repr__(self) -> str:
        return f"Reply({', '.join(map(repr, self.parts))})"

    def steps(self, seen: Seen) -> Iterator[Step]:
        """Yield the steps that answer the request `seen`."""
        for part in self.parts:
            if isinstance(part, Reply):
                yield from part.steps(seen)
            elif callable(part):
                yield from part(seen).steps(seen)
            else:
                yield part
