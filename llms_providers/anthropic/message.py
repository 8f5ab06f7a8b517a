"""Typed views of Anthropic's messages and their blocks: only the members that are read."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from llms_core.contracts.building import arguments_text
from llms_core.errors import ErrorKind, ProviderError
from llms_core.native.message_usage import MessageUsage
from llms_providers.anthropic.blocks import ANSWER_TOOL, Block

T = TypeVar("T")


class MessageEnd(msgspec.Struct):
    """What is known about a message when it is complete."""

    stop_reason: str | None = None
    #: The stop sequence that ended the message.
    stop_sequence: str | None = None
    #: The category and the explanation of a refusal.
    stop_details: dict[str, Any] | None = None
    #: The container of the code execution tool, which a later request may reuse.
    container: dict[str, Any] | None = None
    usage: MessageUsage | None = None


class Message(MessageEnd):
    """A complete message, or the start of a streamed one."""

    type: str = ""
    id: str | None = None
    content: list[Block] | None = None


class Citation(msgspec.Struct):
    """A citation in a text block; citations of documents have no `url`."""

    url: str | None = None
    title: str | None = None


class BlockView(msgspec.Struct):
    """A content block. Blocks of types that OpenAI's messages cannot express have the type `opaque`."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    citations: list[Citation] | None = None
    #: These three describe a `tool_use`.
    id: str = ""
    name: str = ""
    #: an object; some servers send JSON text
    input: Any = None

    @property
    def is_answer_tool(self) -> bool:
        """Whether the block calls the tool whose input is the answer. The client must not see the call."""
        return self.type == "tool_use" and self.name == ANSWER_TOOL

    @property
    def is_call(self) -> bool:
        """Whether the block calls one of the client's tools."""
        return self.type == "tool_use" and self.name != ANSWER_TOOL

    @property
    def answer_text(self) -> str:
        """The text that the block contributes to the answer."""
        if self.is_answer_tool:
            return self.input_json
        if self.type == "text":
            return self.text or ""
        return ""

    @property
    def input_json(self) -> str:
        """The input of a `tool_use` as JSON text."""
        return arguments_text(self.input)


def decode(data: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode a message or an event. Raises ProviderError (BAD_RESPONSE) if it is invalid."""
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _bad_response(error) from None


def convert(value: object, type_: type[T]) -> T:
    """Convert decoded JSON to a struct. Raises ProviderError (BAD_RESPONSE) if it does not fit."""
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        raise _bad_response(error) from None


def view_block(raw: Block) -> BlockView:
    """Return the view of a block. Raises ProviderError (BAD_RESPONSE) if the block is invalid."""
    # Other blocks are not read, so what is in them cannot make an answer fail.
    if raw.get("type") not in ("text", "thinking", "tool_use"):
        return BlockView(type="opaque")
    view = convert(raw, BlockView)
    if view.type == "tool_use" and not (view.id and view.name):
        raise ProviderError(
            ErrorKind.BAD_RESPONSE, "The answer has a tool call without an id or a name"
        )
    return view


def _bad_response(error: Exception) -> ProviderError:
    return ProviderError(
        ErrorKind.BAD_RESPONSE, f"The answer is not a valid Anthropic message: {error}"
    )
