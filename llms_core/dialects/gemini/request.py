"""A request of Gemini's API, validated: https://ai.google.dev/api/generate-content."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Raw

from llms_core.contracts.body import BodyDecoder
from llms_core.contracts.json import UNREADABLE, is_null
from llms_core.errors import RequestError

T = TypeVar("T")

NonEmpty = Annotated[str, Meta(min_length=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]


class Blob(msgspec.Struct, frozen=True, rename="camel"):
    """`inlineData`."""

    mime_type: str = ""
    #: base64, in either alphabet
    data: str = ""
    display_name: str | None = None


class FileData(msgspec.Struct, frozen=True, rename="camel"):
    """`fileData`."""

    file_uri: NonEmpty
    mime_type: str = ""
    display_name: str | None = None


class FunctionCall(msgspec.Struct, frozen=True):
    """A call of one of the client's functions. Many clients do not return its id."""

    name: NonEmpty
    #: an object
    args: Raw = msgspec.field(default_factory=Raw)
    id: str | None = None


class FunctionResponse(msgspec.Struct, frozen=True):
    """The result of a call."""

    name: NonEmpty
    #: an object
    response: Raw = msgspec.field(default_factory=Raw)
    id: str | None = None
    #: media that belong to the result
    parts: list[Part] | None = None


class Part(msgspec.Struct, frozen=True, rename="camel"):
    """A part of a turn: one of `text` and the members with data. Parts of other kinds are Google's own."""

    text: str | None = None
    #: whether the model thought this part
    thought: bool | None = None
    #: opaque data of the model, which the client returns unchanged
    thought_signature: str | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    video_metadata: Raw = msgspec.field(default_factory=Raw)


class Content(msgspec.Struct, frozen=True):
    """A turn, of `user` or `model`; results of functions are also sent as `function`."""

    parts: list[Part] | None = None
    role: str | None = None


class ThinkingConfig(msgspec.Struct, frozen=True, rename="camel"):
    """`thinkingConfig`: a number of tokens, of which -1 leaves it to the model, or a level."""

    include_thoughts: bool | None = None
    thinking_budget: Annotated[int, Meta(ge=-1)] | None = None
    thinking_level: str | None = None


class GenerationConfig(msgspec.Struct, frozen=True, rename="camel"):
    """`generationConfig`: the members that are translated. All others are Google's own."""

    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Share | None = None
    top_k: Annotated[float, Meta(ge=0)] | None = None
    max_output_tokens: Annotated[int, Meta(ge=1)] | None = None
    stop_sequences: list[str] | None = None
    candidate_count: Annotated[int, Meta(ge=1)] | None = None
    seed: int | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    response_mime_type: str | None = None
    #: in Gemini's dialect of schemas
    response_schema: dict[str, Any] | None = None
    #: a JSON schema
    response_json_schema: dict[str, Any] | None = None
    response_modalities: list[str] | None = None
    response_logprobs: bool | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    thinking_config: ThinkingConfig | None = None


class FunctionDeclaration(msgspec.Struct, frozen=True, rename="camel"):
    """A function of the client."""

    name: NonEmpty
    description: str | None = None
    #: in Gemini's dialect of schemas
    parameters: dict[str, Any] | None = None
    parameters_json_schema: Raw = msgspec.field(default_factory=Raw)


class FunctionCallingConfig(msgspec.Struct, frozen=True, rename="camel"):
    """`functionCallingConfig`: the mode is AUTO, ANY, NONE or VALIDATED."""

    mode: str | None = None
    allowed_function_names: list[str] | None = None


class ToolConfig(msgspec.Struct, frozen=True, rename="camel"):
    """`toolConfig`: the member that is translated."""

    function_calling_config: FunctionCallingConfig | None = None


class GenerateContentRequest(msgspec.Struct, frozen=True, rename="camel"):
    """A request for content. Both spellings of names are accepted: `systemInstruction` and `system_instruction`."""

    contents: Annotated[list[Content], Meta(min_length=1)]
    system_instruction: Content | None = None
    #: `functionDeclarations`, or one of the tools that Google runs
    tools: list[dict[str, Raw]] | None = None
    tool_config: ToolConfig | None = None
    generation_config: GenerationConfig | None = None
    safety_settings: list[dict[str, Any]] | None = None
    cached_content: str | None = None
    labels: dict[str, str] | None = None


class CountTokensRequest(msgspec.Struct, frozen=True, rename="camel"):
    """A prompt whose tokens are to be counted: its `contents`, or a whole request for content."""

    contents: list[Content] | None = None
    generate_content_request: GenerateContentRequest | None = None


request_decoder = BodyDecoder(GenerateContentRequest)
count_decoder = BodyDecoder(CountTokensRequest)


def invalid(param: str, problem: str) -> RequestError:
    """Return the error for a member that cannot be used."""
    return RequestError(
        f"Invalid value for '{param}': {problem}", param=param, code="invalid_value"
    )


def read(raw: Raw, type_: type[T], param: str) -> T:
    """Decode a raw member. Raises RequestError, which names it."""
    try:
        return msgspec.json.decode(raw, type=type_)
    except UNREADABLE as error:
        raise invalid(param, str(error)) from None


def is_set(raw: Raw) -> bool:
    """Whether a raw member is present and not null."""
    return bool(raw) and not is_null(raw)
