"""A request of Gemini's API as a chat request.

Members that chat has in another form are translated. What only Google understands travels as extras (see
`llms_core.contracts.extras`): a provider without it gets the request without it, and the client learns its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from msgspec import Raw

from llms_core.contracts import extras
from llms_core.contracts.body import RequestBody
from llms_core.contracts.extras import EFFORT, HINTS, Extra
from llms_core.contracts.json import ABSENT, decode_members, encode_raw, is_null
from llms_core.contracts.request import ChatBody, assemble
from llms_core.dialects import IncomingRequest
from llms_core.dialects.gemini.conversation import chat_messages
from llms_core.dialects.gemini.model_turn import GOOGLE
from llms_core.dialects.gemini.original import original, untranslated
from llms_core.dialects.gemini.reading import decode_body
from llms_core.dialects.gemini.request import (
    GenerateContentRequest,
    GenerationConfig,
    ThinkingConfig,
    count_decoder,
    invalid,
    request_decoder,
)
from llms_core.dialects.gemini.tools import add_output_format, add_tools, without_null
from llms_core.errors import RequestError

Json = dict[str, Any]

CLIENT_NAMES: Mapping[str, str] = {
    "max_tokens": "generationConfig.maxOutputTokens",
    "messages": "contents",
    "modalities": "generationConfig.responseModalities",
    "n": "generationConfig.candidateCount",
    "logprobs": "generationConfig.responseLogprobs",
    "frequency_penalty": "generationConfig.frequencyPenalty",
    "presence_penalty": "generationConfig.presencePenalty",
    "reasoning_effort": "generationConfig.thinkingConfig",
    "response_format": "generationConfig.responseSchema",
    "seed": "generationConfig.seed",
    "stop": "generationConfig.stopSequences",
    "temperature": "generationConfig.temperature",
    "tool_choice": "toolConfig",
    "top_logprobs": "generationConfig.logprobs",
    "top_p": "generationConfig.topP",
}
"""What clients call the parameters of chat."""

#: Members of `generationConfig` that chat has under another name.
_SAME = {
    "candidateCount": "n",
    "frequencyPenalty": "frequency_penalty",
    "logprobs": "top_logprobs",
    "maxOutputTokens": "max_tokens",
    "presencePenalty": "presence_penalty",
    "responseLogprobs": "logprobs",
    "seed": "seed",
    "stopSequences": "stop",
    "temperature": "temperature",
    "topP": "top_p",
}
#: Those that are translated here.
_FORMAT = ("responseJsonSchema", "responseMimeType", "responseSchema")
_TRANSLATED = frozenset(
    {"contents", "generationConfig", "model", "systemInstruction", "toolConfig", "tools"}
)

#: The answer depends on these: no provider may ignore them.
_REQUIRED = {"cachedContent": "'cachedContent' is a part of the prompt that only Google has"}

_ANTHROPIC = "anthropic"

#: The largest budgets of tokens for each of OpenAI's efforts; beyond them, it is high.
_EFFORT_OF_BUDGET = ((0, "none"), (2048, "low"), (8192, "medium"))
_EFFORTS = frozenset({"minimal", "low", "medium", "high"})
#: These efforts as those that all models of OpenAI's have. Only some of these can be told not to reason.
_COMMON_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high"}


def decode_content(incoming: IncomingRequest) -> ChatBody:
    """Decode a request for a whole answer. Raises RequestError, which names the invalid member."""
    return _decode(incoming)


def decode_stream(incoming: IncomingRequest) -> ChatBody:
    """Decode a request for a stream. Its context tells whether the client wants server-sent events."""
    body = _decode(incoming, stream=True)
    alt = parse_qs(incoming.query.decode("latin-1")).get("alt", [""])
    return body.with_context("sse" in alt)


def decode_prompt(incoming: IncomingRequest) -> ChatBody:
    """Decode a prompt whose tokens are to be counted."""
    body = decode_body(count_decoder, incoming.body)
    whole = body.members.get("generateContentRequest")
    if whole is None or is_null(whole):
        whole = encode_raw(body.copy_members())
    return _chat_body(decode_body(request_decoder, bytes(whole)), _model(incoming))


def _decode(incoming: IncomingRequest, *, stream: bool = False) -> ChatBody:
    body = decode_body(request_decoder, incoming.body)
    native = original(incoming, body)
    try:
        translated = _chat_body(body, _model(incoming), stream=stream)
    except RequestError as error:
        if native is None:
            raise
        return untranslated(_model(incoming), native, error, stream=stream)
    if native is None:
        return translated
    return translated.with_original(native)


def _model(incoming: IncomingRequest) -> str:
    return incoming.parameters["model"]


def _chat_body(
    body: RequestBody[GenerateContentRequest], model: str, *, stream: bool = False
) -> ChatBody:
    view = body.view
    members: Json = {"model": model, "messages": chat_messages(view, body.members["contents"])}
    if stream:
        members["stream"] = True
    others: dict[str, Extra] = {}
    for name, value in without_null(dict(body.members)).items():
        if name not in _TRANSLATED:
            others[name] = Extra({GOOGLE: {name: value}}, _REQUIRED.get(name, ""))
    add_tools(view, body.members.get("toolConfig", ABSENT), members, others)
    if view.generation_config is not None:
        _add_generation_config(
            view.generation_config, body.members["generationConfig"], members, others
        )
    if others:
        members[extras.EXTRAS] = extras.encoded(others)
    return assemble({name: encode_raw(value) for name, value in members.items()})


def _add_generation_config(
    config: GenerationConfig, raw: Raw, members: Json, others: dict[str, Extra]
) -> None:
    native: dict[str, Raw] = {}
    for name, value in without_null(decode_members(raw)).items():
        if name in _SAME:
            members[_SAME[name]] = value
        elif name not in _FORMAT:
            native[name] = value
    add_output_format(config, members, native)
    if config.response_modalities is not None:
        _add_modalities(config.response_modalities, members, native)
    hints = _hints(config)
    # All of them are sent once.
    own: Json = {"generationConfig": dict(native)}
    for name in native:
        owners: dict[str, Json] = dict(hints.get(name, {}))
        # After the hints, which a later owner overrides: Google has the parameters themselves.
        owners[GOOGLE] = own | dict.fromkeys(owners.get(HINTS, ()), None)
        others[f"generationConfig.{name}"] = Extra(owners, _required(name, config))
        own = {}


def _add_modalities(modalities: list[str], members: Json, native: dict[str, Raw]) -> None:
    """Add `modalities`; text alone is what every model gives, and sound is left to Google."""
    names = [name.lower() for name in modalities]
    if set(names) <= {"text", "image"}:
        del native["responseModalities"]
        if "image" in names:
            members["modalities"] = names
    elif not set(names) <= {"text", "image", "audio"}:
        raise invalid("generationConfig.responseModalities", "expected TEXT, IMAGE and AUDIO only")


def _required(name: str, config: GenerationConfig) -> str:
    """Return why a request cannot be served without a parameter; empty if it can."""
    match name:
        case "responseModalities":
            return "'generationConfig.responseModalities' asks for sound, which this provider cannot be asked for"
        case "responseMimeType":
            return f"This provider has no answers of the type '{config.response_mime_type}'"
    return ""


def _hints(config: GenerationConfig) -> dict[str, dict[str, Json]]:
    """Return what parameters of Google's are to others that have something of the kind."""
    found: dict[str, dict[str, Json]] = {}
    if config.top_k is not None:
        top_k = int(config.top_k)
        found["topK"] = {HINTS: {"top_k": top_k}, _ANTHROPIC: {"top_k": top_k}}
    effort = _effort(config.thinking_config) if config.thinking_config is not None else None
    if effort is not None:
        found["thinkingConfig"] = {
            HINTS: {"reasoning_effort": effort},
            _ANTHROPIC: {"reasoning_effort": effort},
        }
        if effort in _COMMON_EFFORTS:
            found["thinkingConfig"][EFFORT] = {"reasoning_effort": _COMMON_EFFORTS[effort]}
    return found


def _effort(config: ThinkingConfig) -> str | None:
    """Return OpenAI's effort for an amount of thinking; None if it is left to the model."""
    level = (config.thinking_level or "").lower()
    if level:
        return level if level in _EFFORTS else None
    budget = config.thinking_budget
    if budget is None or budget < 0:
        return None
    for limit, name in _EFFORT_OF_BUDGET:
        if budget <= limit:
            return name
    return "high"
