"""The members of a request that are validated: https://platform.openai.com/docs/api-reference/responses/create."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw

from llms_core.dialects.responses.items import Item


class Reasoning(msgspec.Struct, frozen=True):
    """`reasoning`."""

    effort: str | None = None
    summary: str | None = None
    #: the former name of `summary`
    generate_summary: str | None = None


class Format(msgspec.Struct, frozen=True):
    """`text.format`."""

    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    description: str | None = None
    #: a JSON schema; a factory, because the OpenAPI document would show a plain default, and cannot
    schema: Raw = msgspec.field(default_factory=Raw)
    strict: bool | None = None


class Text(msgspec.Struct, frozen=True):
    """`text`."""

    format: Format | None = None
    verbosity: str | None = None


class ResponsesRequest(msgspec.Struct, frozen=True):
    """The validated members of a request, with OpenAI's bounds. `null` means absent."""

    model: Annotated[str, Meta(min_length=1)]
    input: str | Annotated[list[Item], Meta(min_length=1)]
    instructions: str | None = None
    stream: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    max_output_tokens: Annotated[int, Meta(ge=1)] | None = None
    reasoning: Reasoning | None = None
    text: Text | None = None
    tools: list[Raw] | None = None
    parallel_tool_calls: bool | None = None
    include: list[str] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None


class ResponseObject(msgspec.Struct):
    """The guaranteed members of a response."""

    id: str
    object: Literal["response"]
    created_at: int
    status: Literal["completed", "incomplete", "failed", "in_progress"]
    model: str
    output: list[dict[str, Any]]
    usage: dict[str, Any] | None
    error: dict[str, Any] | None = None
    incomplete_details: dict[str, Any] | None = None
    previous_response_id: str | None = None
    store: bool = False
