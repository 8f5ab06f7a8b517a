"""A request of Anthropic's Messages API, validated: https://platform.claude.com/docs/en/api/messages."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Raw

from llms_core.contracts.body import BodyDecoder
from llms_core.contracts.json import UNREADABLE
from llms_core.errors import RequestError

T = TypeVar("T")

NonEmpty = Annotated[str, Meta(min_length=1)]
Share = Annotated[float, Meta(ge=0, le=1)]


class Block(msgspec.Struct, frozen=True):
    """A content block of any type. Raw members are empty if absent; their types depend on `type`."""

    type: NonEmpty
    text: str | None = None
    source: Raw = msgspec.field(default_factory=Raw)
    cache_control: Raw = msgspec.field(default_factory=Raw)
    #: of documents
    title: str | None = None
    context: Raw = msgspec.field(default_factory=Raw)
    citations: Raw = msgspec.field(default_factory=Raw)
    #: of `tool_use`
    id: str | None = None
    name: str | None = None
    input: Raw = msgspec.field(default_factory=Raw)
    #: of `tool_result`
    tool_use_id: str | None = None
    #: of `tool_reference`
    tool_name: str | None = None
    #: of `container_upload`
    file_id: str | None = None
    content: Raw = msgspec.field(default_factory=Raw)
    is_error: bool | None = None
    #: of `thinking` and `redacted_thinking`
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None


class InputMessage(msgspec.Struct, frozen=True):
    """One message. Claude Code also sends messages of the role `system` between the others."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class Tool(msgspec.Struct, frozen=True):
    """A tool of the client, or with a dated type one that Anthropic runs or defines."""

    name: NonEmpty | None = None
    type: str | None = None
    description: str | None = None
    #: a JSON schema
    input_schema: Raw = msgspec.field(default_factory=Raw)
    strict: bool | None = None
    cache_control: Raw = msgspec.field(default_factory=Raw)
    defer_loading: Raw = msgspec.field(default_factory=Raw)
    allowed_callers: Raw = msgspec.field(default_factory=Raw)
    input_examples: Raw = msgspec.field(default_factory=Raw)
    eager_input_streaming: Raw = msgspec.field(default_factory=Raw)


class ToolChoice(msgspec.Struct, frozen=True):
    """`tool_choice`; `name` is for the type `tool`."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Thinking(msgspec.Struct, frozen=True):
    """`thinking`; the budget is for the type `enabled`."""

    type: Literal["enabled", "adaptive", "disabled", "between_tools"]
    budget_tokens: Annotated[int, Meta(ge=1)] | None = None


class OutputFormat(msgspec.Struct, frozen=True):
    """`output_config.format`."""

    type: Literal["json_schema"]
    schema: Raw


class OutputConfig(msgspec.Struct, frozen=True):
    """`output_config`."""

    effort: str | None = None
    format: OutputFormat | None = None


class Metadata(msgspec.Struct, frozen=True):
    """`metadata`."""

    user_id: str | None = None


class CountTokensRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt, as for a message; the other members of a message's request are accepted as well."""

    model: NonEmpty
    messages: Annotated[list[InputMessage], Meta(min_length=1)]
    system: str | list[Block] | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    #: the older name of `output_config.format`
    output_format: OutputFormat | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    metadata: Metadata | None = None
    stop_sequences: list[str] | None = None
    temperature: Share | None = None
    top_p: Share | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    stream: bool | None = None


class MessagesRequest(CountTokensRequest, frozen=True, kw_only=True):
    """A request for a message."""

    max_tokens: Annotated[int, Meta(ge=1)]


message_decoder = BodyDecoder(MessagesRequest)
prompt_decoder = BodyDecoder(CountTokensRequest)


def invalid(param: str, problem: str) -> RequestError:
    """Return the error for a member that cannot be used."""
    return RequestError(
        f"Invalid value for '{param}': {problem}", param=param, code="invalid_value"
    )


def read(raw: Raw, type_: type[T], param: str) -> T:
    """Decode a raw member. Raises RequestError, which names it."""
    if not raw:
        raise RequestError(
            f"Missing required parameter: '{param}'", param=param, code="missing_required_parameter"
        )
    try:
        return msgspec.json.decode(raw, type=type_)
    except UNREADABLE as error:
        raise invalid(param, str(error)) from None
