"""Answers that are passed on in the provider's own protocol, which is also the client's: see `contracts.native`.

Nothing is translated, but the core still has to know when an answer has content, when it is complete, and what it
costs. One module per protocol reads that much of it; `READERS` lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion
from llms_core.contracts.native import MESSAGES, RESPONSES
from llms_core.contracts.request import ChatCall
from llms_core.errors import ProviderError
from llms_core.native import messages, responses

ReadError = Callable[[bytes], ProviderError]
"""Classifies an error that arrived with the status 200."""


class EventReader(Protocol):
    """Reads the events of one stream; see `llms_core.provider.ChunkTranslator`."""

    @property
    def framing(self) -> Literal["sse"]:
        """Streams of these protocols are server-sent events."""

    def feed(self, event: str, data: bytes) -> Iterable[Chunk]:
        """Return one event as it is. Raises ProviderError if it is an error, invalid or out of order."""


class Reader(NamedTuple):
    """How the answers of a protocol are read."""

    completion: Callable[[ChatCall, bytes, ReadError], Completion]
    events: Callable[[ChatCall, ReadError], EventReader]


READERS: Mapping[str, Reader] = MappingProxyType(
    {
        MESSAGES: Reader(messages.completion, messages.MessageEvents),
        RESPONSES: Reader(responses.completion, responses.ResponseEvents),
    }
)
"""By the name of the protocol."""
