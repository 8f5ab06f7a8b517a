"""What reads a provider's stream. `llms_core.provider` has these names, too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Protocol

from llms_core.contracts.chunk import Chunk

Framing = Literal["sse", "ndjson", "aws", "bytes"]
"""How a provider separates a stream into events: server-sent events, lines of JSON, or AWS's event stream.

`bytes` is for a stream that has none, such as sound: its pieces are events, and an empty one is its end.
"""


class ChunkTranslator(Protocol):
    """Translates the events of one stream into chunks; created anew for each stream."""

    @property
    def framing(self) -> Framing:
        """How the provider separates its stream into events."""

    def feed(self, event: str, data: bytes) -> Iterable[Chunk]:
        """Return the chunks that one event contains.

        `event` is the event's name, or empty if it has none. AWS failure events are named `exception:` or `error:`
        followed by the name of the failure.

        Raises ProviderError if the event reports an error or cannot be parsed.
        """
