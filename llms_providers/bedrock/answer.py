"""Translate whole answers of Converse, and the list of inference profiles.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_ResponseSyntax
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from llms_core import ErrorKind, ProviderError
from llms_core.contracts.building import ToolCall, arguments_text, completion
from llms_core.contracts.completion import Completion, Usage, finish_reason
from llms_core.contracts.request import ChatCall
from llms_providers.bedrock.errors import UNREADABLE, to_error
from llms_providers.bedrock.models import Family, family_of, function_names_of
from llms_providers.bedrock.output_format import answer_tool_of

Json = dict[str, Any]

SERVER_TOOL_USE = "server_tool_use"
"""The type of a tool call that Bedrock executes itself, so that the client does not see it."""

#: Stop reasons beyond those that `llms_core.contracts.completion.finish_reason` translates.
_FINISH_REASONS = {
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "model_context_window_exceeded": "length",
}
#: Stop reasons of an answer that is of no use.
_FAILURES = ("malformed_model_output", "malformed_tool_use")


class CamelStruct(msgspec.Struct, rename="camel"):
    """A struct whose members are in camel case in JSON."""


class TokenUsage(CamelStruct):
    """`usage`."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_write_input_tokens: int = 0

    def as_openai(self) -> Usage:
        """Translate to OpenAI's usage, which counts cached tokens as prompt tokens; Bedrock counts them separately."""
        cached = self.cache_read_input_tokens
        written = self.cache_write_input_tokens
        details: Json | None = None
        if cached or written:
            details = {"cached_tokens": cached}
        if details is not None and written:
            details["cache_write_tokens"] = written
        return Usage(
            prompt_tokens=self.input_tokens + cached + written,
            completion_tokens=self.output_tokens,
            total_tokens=self.total_tokens,
            prompt_tokens_details=details,
        )


class Metadata(CamelStruct):
    """What an answer tells about itself if the request asks for it. In a stream, any event may have some of it."""

    trace: Raw = Raw()
    additional_model_response_fields: Raw = Raw()
    performance_config: Raw = Raw()
    service_tier: Raw = Raw()

    def as_members(self) -> dict[str, Raw]:
        """Return the members that are present and not null, under their names in JSON."""
        members = {
            "trace": self.trace,
            "additionalModelResponseFields": self.additional_model_response_fields,
            "performanceConfig": self.performance_config,
            "serviceTier": self.service_tier,
        }
        return {name: raw for name, raw in members.items() if bytes(raw) not in (b"", b"null")}


class ImageSource(CamelStruct):
    """`image.source`."""

    data: bytes = msgspec.field(default=b"", name="bytes")


class Image(CamelStruct):
    """`image`. In a stream, the format comes with the start of the block and the source with its deltas."""

    format: str = "png"
    source: ImageSource | None = None


class _ToolUse(CamelStruct):
    tool_use_id: str | None = None
    name: str = ""
    input: Raw = Raw(b"{}")
    type: str | None = None


class _ReasoningText(CamelStruct):
    text: str = ""
    signature: str | None = None


class _Reasoning(CamelStruct):
    # A block has one of the two.
    reasoning_text: _ReasoningText | None = None
    redacted_content: bytes | None = None


class _Text(CamelStruct):
    text: str = ""


class _CitedText(CamelStruct):
    content: list[_Text] = []
    citations: list[Json] = []


class _ContentBlock(CamelStruct):
    # A block has one of these. Blocks of other kinds have none, and are ignored.
    text: str | None = None
    tool_use: _ToolUse | None = None
    reasoning_content: _Reasoning | None = None
    citations_content: _CitedText | None = None
    image: Image | None = None


class _Message(CamelStruct):
    content: list[_ContentBlock]


class _Output(CamelStruct):
    message: _Message


class _Response(Metadata, kw_only=True):
    output: _Output
    stop_reason: str
    usage: TokenUsage | None = None


class _Profile(CamelStruct):
    inference_profile_id: str
    inference_profile_name: str = ""
    inference_profile_arn: str = ""
    type: str = "SYSTEM_DEFINED"


class _ProfileList(CamelStruct):
    inference_profile_summaries: list[_Profile]


_decode_response = msgspec.json.Decoder(_Response).decode
_decode_profiles = msgspec.json.Decoder(_ProfileList).decode


class _TokenCount(msgspec.Struct, rename="camel"):
    input_tokens: int


_decode_token_count = msgspec.json.Decoder(_TokenCount).decode


class MessageExtra:
    """`provider_extra.bedrock` of a message: what OpenAI's message has no member for.

    Reasoning that is signed or redacted goes to the client together with the model's vendor, and comes back with the
    next request: only models of that vendor accept it. Citations are for the client to show.
    """

    def __init__(self, vendor: str):
        self._vendor = vendor
        self._reasoning: list[Json] = []
        self.citations: list[Json] = []

    def add_reasoning(self, text: str, signature: str | None, redacted: bytes | None) -> None:
        """Keep a block of reasoning, unless it is neither signed nor redacted: such a block is not worth returning."""
        if redacted:
            self._reasoning.append({"reasoningContent": {"redactedContent": redacted}})
        elif signature:
            self._reasoning.append(
                {"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}}
            )

    def as_member(self) -> Json:
        """Return the member of the message; {} if there is nothing."""
        extra: Json = {}
        if self._reasoning:
            extra["vendor"] = self._vendor
            extra["reasoning"] = self._reasoning
        if self.citations:
            extra["citations"] = self.citations
        return provider_extra(extra)


class _Collector:
    """Collects the content blocks of an answer. A call of the answer tool is the answer itself."""

    def __init__(self, call: ChatCall, family: Family):
        self.texts: list[str] = []
        self.reasoning: list[str] = []
        self.tool_calls: list[ToolCall] = []
        self.images: list[Json] = []
        self.extra = MessageExtra(family.vendor)
        #: The arguments of the answer tool's call, as JSON text.
        self.structured_answer = ""
        self._answer_tool = answer_tool_of(call)
        self._names = function_names_of(call, family)

    def add(self, block: _ContentBlock) -> None:
        if block.text is not None:
            self.texts.append(block.text)
        if block.citations_content is not None:
            self.texts += [part.text for part in block.citations_content.content]
            self.extra.citations += block.citations_content.citations
        if block.reasoning_content is not None:
            self._add_reasoning(block.reasoning_content)
        if block.image is not None and block.image.source is not None:
            self.images.append(image_part(block.image.format, block.image.source.data))
        if block.tool_use is not None and block.tool_use.type != SERVER_TOOL_USE:
            self._add_tool_use(block.tool_use)

    def _add_reasoning(self, reasoning: _Reasoning) -> None:
        signed = reasoning.reasoning_text or _ReasoningText()
        self.reasoning.append(signed.text)
        self.extra.add_reasoning(signed.text, signed.signature, reasoning.redacted_content)

    def _add_tool_use(self, tool_use: _ToolUse) -> None:
        arguments = arguments_text(tool_use.input)
        if tool_use.name == self._answer_tool:
            self.structured_answer = arguments
        else:
            name = self._names.to_client(tool_use.name)
            self.tool_calls.append(
                ToolCall(id=tool_use.tool_use_id or "", name=name, arguments=arguments)
            )

    @property
    def content(self) -> str | None:
        """The text of the answer; None if there are only tool calls."""
        content = self.structured_answer or "".join(self.texts)
        if not content and self.tool_calls:
            return None
        return content

    @property
    def is_empty(self) -> bool:
        """Whether the answer has no content."""
        return not (self.content or self.tool_calls or self.images or any(self.reasoning))

    def as_extra_members(self) -> Json:
        """Return the members of the message beyond OpenAI's."""
        members = self.extra.as_member()
        if self.images:
            members["images"] = self.images
        return members


def to_completion(call: ChatCall, body: bytes) -> Completion:
    """Translate a whole answer. Raises ProviderError if it is an error, unreadable or malformed."""
    collector = _Collector(call, family_of(call))
    try:
        response = _decode_response(body)
        for block in response.output.message.content:
            collector.add(block)
    except UNREADABLE as error:
        raise _unreadable(body, error) from None
    return completion(
        call,
        content=collector.content,
        reasoning="".join(collector.reasoning),
        tool_calls=collector.tool_calls,
        finish_reason=translate_stop_reason(
            response.stop_reason,
            has_tool_calls=bool(collector.tool_calls),
            is_empty=collector.is_empty,
        ),
        usage=response.usage.as_openai() if response.usage is not None else None,
        message=collector.as_extra_members(),
        extra=provider_extra(response.as_members()),
    )


def to_models(body: bytes) -> dict[str, str]:
    """Map names for clients to the ids of inference profiles.

    A profile of AWS is named by its id. One of the account's own is named as the account named it, and called by its
    ARN. Raises ProviderError if the list is unreadable.
    """
    try:
        profiles = _decode_profiles(body).inference_profile_summaries
    except UNREADABLE as error:
        raise ProviderError(
            ErrorKind.BAD_RESPONSE, f"Cannot parse Bedrock's list of models: {error}"
        ) from None
    system: dict[str, str] = {}
    own: dict[str, str] = {}
    for profile in profiles:
        if profile.type == "APPLICATION":
            own[profile.inference_profile_name] = profile.inference_profile_arn
        else:
            system[profile.inference_profile_id] = profile.inference_profile_id
    # The account's own profiles take precedence.
    return system | own


def to_token_count(body: bytes) -> int:
    """Return the number of tokens in an answer of CountTokens. Raises ProviderError if it is unreadable."""
    try:
        return _decode_token_count(body).input_tokens
    except UNREADABLE as error:
        raise ProviderError(
            ErrorKind.BAD_RESPONSE, f"Cannot parse Bedrock's token count: {error}"
        ) from None


def translate_stop_reason(reason: str, *, has_tool_calls: bool, is_empty: bool) -> str:
    """Translate a stop reason.

    Raises ProviderError if the model's output was malformed, or the reason is unknown and the answer has no content.

    Whether the answer ends in a tool call follows from the calls that the client sees, not from the reason: a call may
    have been the answer itself, or one that Bedrock executed.
    """
    translated = _FINISH_REASONS.get(reason) or finish_reason(reason, is_empty=is_empty)
    if reason in _FAILURES or translated is None:
        message = f"The model stopped with a malformed answer (stopReason '{reason}')"
        raise ProviderError(ErrorKind.BAD_RESPONSE, message, status=200)
    if translated not in ("stop", "tool_calls"):
        return translated
    return "tool_calls" if has_tool_calls else "stop"


def image_part(format: str, data: bytes) -> Json:
    """Return an image of an answer as a content part."""
    encoded = base64.b64encode(data).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/{format};base64,{encoded}"}}


def provider_extra(members: Mapping[str, Any]) -> Json:
    """Return `provider_extra` with members for this adapter; {} if there are none."""
    return {"provider_extra": {"bedrock": members}} if members else {}


def _unreadable(body: bytes, cause: Exception) -> ProviderError:
    """Return the error for a body that is not an answer: the error that it describes, if it does."""
    error = to_error(200, {}, body)
    if error.kind is ErrorKind.BAD_RESPONSE:
        return ProviderError(error.kind, f"Cannot parse Bedrock's answer: {cause}", status=200)
    return error
