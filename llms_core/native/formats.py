"""How each protocol makes a stream of an answer that came whole, and a whole answer of a stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion, Usage
from llms_core.contracts.native import GENERATE_CONTENT, MESSAGES, RESPONSES
from llms_core.errors import ErrorKind, ProviderError
from llms_core.native import generate_content_format, message_format, response_format


class Format(NamedTuple):
    """The two conversions of a protocol."""

    as_chunks: Callable[[Completion], Sequence[Chunk]]
    joined: Callable[[Sequence[Chunk], Usage | None], Completion]


_FORMATS = {
    GENERATE_CONTENT: Format(generate_content_format.as_chunks, generate_content_format.joined),
    MESSAGES: Format(message_format.as_chunks, message_format.joined),
    RESPONSES: Format(response_format.as_chunks, response_format.joined),
}


def format_of(protocol: str) -> Format:
    """Return the conversions of a protocol. Raises ProviderError if it has none."""
    found = _FORMATS.get(protocol)
    if found is None:
        message = (
            "The provider streamed without being asked to, or answered whole instead of streaming"
        )
        raise ProviderError(ErrorKind.BAD_RESPONSE, message)
    return found
