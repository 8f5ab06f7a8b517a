"""A chat completion request: a validated view of the client's JSON, and the call that one provider gets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, UnsetType

from llms_core.contracts.body import BodyDecoder, Members, RequestBody
from llms_core.contracts.content import Part, is_remote_or_inline
from llms_core.contracts.json import is_null
from llms_core.contracts.native import NativeRequest
from llms_core.contracts.upstream import ProviderCall
from llms_core.errors import RequestError

Role = Literal["system", "developer", "user", "assistant", "tool", "function"]


class Message(msgspec.Struct, frozen=True):
    """One message. Members that are not declared here stay in the raw body and are sent unchanged.

    `provider_extra` is opaque data, keyed by adapter, that an adapter added to an earlier answer (reasoning
    signatures, for example). The client returns it unchanged.
    """

    role: Role
    content: str | list[Part] | None = None
    name: str | None = None
    #: decoded already in a CommonMessage: `llms_core.contracts.tools.called` reads both
    tool_calls: list[Raw] | None = None
    tool_call_id: str | None = None
    reasoning_content: Any = None
    provider_extra: dict[str, Any] | None = None


class StreamOptions(msgspec.Struct, frozen=True):
    """`stream_options`."""

    include_usage: bool | None = None


class ResponseFormat(msgspec.Struct, frozen=True):
    """`response_format`: `text`, `json_object` or `json_schema`."""

    type: str


class ChatRequest(msgspec.Struct, frozen=True):
    """The validated members of a request, with OpenAI's bounds. `null` means absent."""

    model: Annotated[str, Meta(min_length=1)]
    messages: Annotated[list[Message], Meta(min_length=1)]
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Meta(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    reasoning_effort: str | None = None
    enable_thinking: bool | None = None
    response_format: ResponseFormat | None = None
    tools: list[Raw] | None = None

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with a usage chunk (SR-055)."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    @property
    def token_limit(self) -> int | None:
        """The maximum number of output tokens, under either of its two names (SR-014)."""
        if self.max_completion_tokens is not None:
            return self.max_completion_tokens
        return self.max_tokens


class CommonPart(Part, frozen=True, forbid_unknown_fields=True):
    """The content part of a CommonMessage."""


class CommonFunction(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """The function of a CommonToolCall."""

    name: str
    arguments: str


class CommonToolCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A call of a function as OpenAI sends it, without further members. What is in its arguments is not checked."""

    id: str
    type: Literal["function"]
    function: CommonFunction


class CommonMessage(Message, frozen=True, forbid_unknown_fields=True):
    """A message that every provider with OpenAI's JSON accepts: it has no members but the four here, and none is null.

    `content` may be null, because it often is beside tool calls.
    """

    # The types are narrower than those of Message, which msgspec checks and mypy cannot express. Only tool calls are
    # decoded instead: agents send many, in every request.
    role: Literal["system", "user", "assistant", "tool"]
    content: str | list[CommonPart] | None = None  # type: ignore[assignment]
    tool_calls: Annotated[list[CommonToolCall], Meta(min_length=1)] = None  # type: ignore[assignment]
    tool_call_id: str = None  # type: ignore[assignment]
    name: UnsetType = None  # type: ignore[assignment]
    reasoning_content: UnsetType = None  # type: ignore[assignment]
    provider_extra: UnsetType = None  # type: ignore[assignment]


class CommonChatRequest(ChatRequest, frozen=True):
    """The view of a request with common messages only, as most have: adapters need not look for more in them."""

    messages: Annotated[list[CommonMessage], Meta(min_length=1)]  # type: ignore[assignment]


ChatBody = RequestBody[ChatRequest]


class ChatCall(ProviderCall, frozen=True, kw_only=True):
    """A chat request as one candidate receives it: the complete input of an adapter.

    `body` is the request with the provider's defaults applied. `upstream_model` is the provider's id of the model,
    `client_model` the name that the client sees. `id` and `created` (Unix seconds) are for adapters whose provider
    sends neither. `dropped` names the client's parameters that this candidate does not get because it lacks them.
    `native` is the request in the client's own protocol if this candidate takes it; see `provider.PassesThrough`.
    `protocol` is what the adapter's `other_protocol` returned after an earlier refusal (see `Negotiates`), or empty.
    Adapters must not modify a call.
    """

    body: ChatBody
    upstream_model: str
    client_model: str
    id: str
    created: int
    dropped: tuple[str, ...] = ()
    native: NativeRequest | None = None
    protocol: str = ""

    @property
    def request(self) -> ChatRequest:
        """The typed view of the body."""
        return self.body.view

    @property
    def members(self) -> Members:
        """The raw top-level members of the body, read-only."""
        return self.body.members

    @property
    def model(self) -> str:
        """The same as `upstream_model`; kept for adapters written before 0.1.0."""
        return self.upstream_model

    @property
    def name(self) -> str:
        """The same as `client_model`; kept for adapters written before 0.1.0."""
        return self.client_model

    @property
    def stream(self) -> bool:
        """Whether the client asked for a stream."""
        return self.body.stream

    def get(self, name: str) -> Any:
        """The decoded value of a member that `request` does not declare; None if it is absent or null."""
        raw = self.body.members.get(name)
        if raw is None:
            return None
        return msgspec.json.decode(raw)

    def pick(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the decoded values of the named members, without those that are absent or null."""
        found = {}
        for name in names:
            value = self.get(name)
            if value is not None:
                found[name] = value
        return found

    def non_null_members(self) -> set[str]:
        """Return the names of the members that are present and not null."""
        return {name for name, raw in self.body.members.items() if not is_null(raw)}


_decoder = BodyDecoder(ChatRequest, CommonChatRequest)

# Two names for one limit: a default or forced value for one also replaces the other (SR-014).
_SYNONYMS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}


def decode(data: bytes) -> ChatBody:
    """Decode and validate a request body.

    Raises RequestError (400), which names the invalid member (SR-010 … SR-030, SR-039).
    """
    body = _decoder.decode(data)
    _reject_local_paths(body.view)
    return body


def assemble(members: dict[str, Raw]) -> ChatBody:
    """Return the body with these members, which a dialect has translated and checked for local paths.

    Raises RequestError (400), which names the invalid member.
    """
    return _decoder.assemble(members)


def with_provider_settings(body: ChatBody, defaults: Members, force: Members) -> ChatBody:
    """Apply a provider's `defaults`, which the client overrides, and `force`, which overrides the client."""
    changes: dict[str, Raw | None] = {}
    for name, value in defaults.items():
        synonym = _SYNONYMS.get(name, name)
        if not (_is_set(body, name) or _is_set(body, synonym)):
            changes[name] = value
    for name, value in force.items():
        if name in _SYNONYMS:
            changes[_SYNONYMS[name]] = None
        changes[name] = value
    if changes:
        return body.with_members(changes)
    return body


def _is_set(body: ChatBody, name: str) -> bool:
    raw = body.members.get(name)
    return raw is not None and not is_null(raw)


def _reject_local_paths(request: ChatRequest) -> None:
    """A client must not make the server read its own files."""
    for message_number, message in enumerate(request.messages):
        if not isinstance(message.content, list):
            continue
        for part_number, part in enumerate(message.content):
            if not part.has_references:
                continue
            for member, value, base64_allowed in part.references():
                if not is_remote_or_inline(value, base64_allowed):
                    param = f"messages[{message_number}].content[{part_number}].{member}"
                    raise RequestError(
                        f"Invalid value for '{param}': expected an http(s) URL or inline data; "
                        "local files are not read over HTTP",
                        param=param,
                        code="invalid_value",
                    )
