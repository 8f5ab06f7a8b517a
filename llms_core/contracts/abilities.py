"""What a provider can do, and what it accepts: data of its spec. `llms_core.provider` has these names, too."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider can do. The router skips candidates that lack a capability that the request needs."""

    #: streams answers
    streaming: bool = True
    #: calls tools
    tools: bool = True
    #: `response_format` of type `json_schema`
    json_schema: bool = True
    #: `response_format` of type `json_object`
    json_object: bool = True
    #: content parts of type `image_url`
    vision: bool = True
    #: content parts of type `input_audio` or `audio_url`
    audio: bool = True
    #: content parts of type `file`
    files: bool = True
    #: probabilities of tokens
    logprobs: bool = True
    #: more than one choice per request
    n: bool = True
    #: continues a final message of the assistant instead of answering it
    prefill: bool = False
    #: understands `stream_options.include_usage`
    stream_usage: bool = True


#: In `RequestRules.members`: every member but those that come from answers and that many providers reject, which are
#: `provider_extra`, `extra_content` and `reasoning_content`.
ANY_MEMBER = "*"


class RequestRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider that speaks OpenAI's JSON accepts in a request. OpenAICompatible rewrites everything else.

    The defaults are for a server that is not known: they are what nearly every one accepts.
    """

    #: Members of messages, tool calls, content parts and tools that the provider accepts beside the common ones. A
    #: name may be limited to the messages of one role (`assistant.prefix`), to `tool_calls`, `parts` or `tools`
    #: (`tool_calls.extra_content`). ANY_MEMBER is for a provider that ignores what it does not know.
    members: frozenset[str] = frozenset({ANY_MEMBER, "extra_content", "reasoning_content"})
    #: Whether the provider documents the role `developer`, which otherwise becomes `system`.
    developer: bool = False
    #: A regular expression for the whole of a tool call's id; empty if any will do.
    tool_call_id: Annotated[str, Meta(examples=["[0-9A-Za-z]{9}"])] = ""
    #: Whether the assistant has to speak between a tool's result and the next message of a user.
    assistant_after_tool: bool = False
    #: Whether users and the assistant have to take turns, and system messages have to come first.
    alternate: bool = False
    #: Whether the result of a tool may have images and files, for which OpenAI has no room there.
    tool_media: bool = False
    #: Whether a function has to have `parameters`, even if it takes none.
    tool_parameters: bool = False
    #: Whether documents are parts of the type `document_url`, as Mistral calls them, instead of `file`.
    document_url: bool = False
    #: Whether `logprobs` is the number of alternatives for each token, which OpenAI calls `top_logprobs`.
    logprobs_number: bool = False
    #: Patterns of models, as in file names, that take `max_completion_tokens` and reject `max_tokens`. By default
    #: OpenAI's reasoning models, wherever they are served.
    max_completion_tokens: tuple[str, ...] = ("o[1-9]*", "gpt-[5-9]*", "*/o[1-9]*", "*/gpt-[5-9]*")
    #: Patterns of models that take `reasoning_effort`: they get what clients of other APIs wish for in its place.
    reasoning_effort: Annotated[tuple[str, ...], Meta(examples=[["acme-think*"]])] = ()
    #: Patterns of models that are only served by the Responses API (`/responses`).
    responses: Annotated[tuple[str, ...], Meta(examples=[["acme-agent*"]])] = ()
    #: Patterns of models that refuse tools in chat completions unless their reasoning is switched off.
    responses_for_tools: Annotated[tuple[str, ...], Meta(examples=[["acme-think*"]])] = ()


class NativeEndpoint(msgspec.Struct, frozen=True):
    """Where a provider that speaks OpenAI's JSON also speaks the protocol of another dialect."""

    #: What is appended to the base URL, or a URL at the host of the spec's.
    url: str
    #: The header for the key, in lower case: `authorization` is for a bearer token.
    key_header: str = "authorization"
    #: Whether the server has all of the protocol. Where it has not, a request that it refuses is translated.
    complete: bool = False
