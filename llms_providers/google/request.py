"""Translates a chat completion request into the body of Gemini's `generateContent`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from llms_core import RequestError, Unsupported
from llms_core.contracts.function_names import FunctionNames
from llms_core.contracts.request import ChatCall
from llms_core.contracts.signatures import Owner
from llms_providers.google.messages import conversation
from llms_providers.google.models import (
    NAME_RULE,
    accepts_penalties,
    thinking_config,
    thinking_control,
)
from llms_providers.google.output_format import OutputFormat
from llms_providers.google.tools import tools_and_config

Json = dict[str, Any]

#: Gemini's own parameters at the top level of a request
_TOP_LEVEL = ("safetySettings", "cachedContent", "labels", "toolConfig")
#: Gemini's own parameters within `generationConfig`
_IN_GENERATION_CONFIG = (
    "topK",
    "mediaResolution",
    "speechConfig",
    "imageConfig",
    "audioTimestamp",
    "thinkingConfig",
)


def _spellings() -> dict[str, str]:
    """Return Gemini's name of each of its own parameters, by the two spellings that Google's APIs accept."""
    names = {}
    for name in (*_TOP_LEVEL, *_IN_GENERATION_CONFIG):
        snake_case = re.sub("[A-Z]", r"_\g<0>", name).lower()
        names[name] = name
        names[snake_case] = name
    return names


_GEMINI_PARAMETERS = _spellings()

_TRANSLATED = frozenset({
    "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "top_p",
    "presence_penalty", "frequency_penalty", "seed", "stop", "n", "logprobs", "top_logprobs", "modalities", "tools",
    "tool_choice", "response_format", "reasoning_effort", "service_tier", "web_search_options", "extra_body",
    "generationConfig", *_GEMINI_PARAMETERS,
})  # fmt: skip

_PENALTIES = ("presence_penalty", "frequency_penalty")

# OpenAI's other values, `auto` and `default`, stand for what Gemini does without the parameter.
_SERVICE_TIERS = ("flex", "priority")


def request_body(
    call: ChatCall,
    base_url: str,
    owner: Owner,
    *,
    safety_settings: Sequence[Json],
    default_thinking: Mapping[str, Any],
) -> Json:
    """Return the body of a `generateContent` request.

    `owner` is the model. `safety_settings` and `default_thinking` are the provider's settings, for requests without
    their own (SR-117). Raises Unsupported for what Gemini does not support, and RequestError for an invalid parameter.
    """
    for name in ("functions", "function_call"):
        if call.get(name) is not None:
            raise Unsupported(
                f"'{name}' is deprecated and not supported: use tools and tool_choice", param=name
            )
    own = _gemini_parameters(call)
    names = FunctionNames(call, NAME_RULE)
    tools, tool_config, output = tools_and_config(call, names, own["toolConfig"])
    contents, system = conversation(call, base_url, owner, names, instruction=output.instruction)
    body: Json = {
        "contents": contents,
        "systemInstruction": {"parts": system} if system else None,
        "tools": tools,
        "toolConfig": tool_config,
        "generationConfig": _generation_config(call, own, output, default_thinking),
        "safetySettings": own.get("safetySettings", safety_settings),
        "cachedContent": own.get("cachedContent"),
        "labels": own.get("labels"),
        "serviceTier": _service_tier(call),
    }
    return {name: value for name, value in body.items() if value}


def dropped_parameters(call: ChatCall) -> tuple[str, ...]:
    """Return the names of the client's parameters that have no counterpart and are not sent."""
    given = {name for name, raw in call.members.items() if bytes(raw) != b"null"}
    dropped = given - _TRANSLATED
    if call.get("parallel_tool_calls"):
        # Gemini always may make parallel calls: only `false` cannot be honoured.
        dropped.discard("parallel_tool_calls")
    if not accepts_penalties(call):
        # 0 stands for what Gemini does without the parameter.
        dropped |= {name for name in _PENALTIES if call.get(name)}
    if "reasoning_effort" in given and thinking_control(call) == "none":
        dropped.add("reasoning_effort")
    return tuple(sorted(dropped))


def _gemini_parameters(call: ChatCall) -> Json:
    """Return the request's own parameters of Gemini under their names in its JSON.

    `toolConfig`, `thinkingConfig` and `generationConfig` are always present, as objects. The last one has the members
    that are no parameters of their own here. Raises RequestError if one is not an object.
    """
    given = _parameters_in_extra_body(call)
    generation_config = _object("generationConfig", call.get("generationConfig"))
    given |= generation_config
    for name in call.members:
        if name in _GEMINI_PARAMETERS:
            given[name] = call.get(name)
    own: Json = {}
    for spelling, value in given.items():
        if spelling in _GEMINI_PARAMETERS and value is not None:
            own[_GEMINI_PARAMETERS[spelling]] = value
    for name in ("toolConfig", "thinkingConfig"):
        own[name] = _camel_case(_object(name, own.get(name)))
    rest = generation_config.keys() - _GEMINI_PARAMETERS.keys()
    own["generationConfig"] = {
        name: generation_config[name] for name in generation_config if name in rest
    }
    return own


def _object(name: str, value: Any) -> Json:
    """Return a parameter that has to be an object, {} if it is absent. Raises RequestError for any other value."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RequestError(
            f"Invalid value for '{name}': expected an object", param=name, code="invalid_value"
        )
    return value


def _parameters_in_extra_body(call: ChatCall) -> Json:
    """Return `extra_body.google`, where Google's OpenAI-compatible endpoint takes Gemini's parameters."""
    extra = call.get("extra_body")
    if not isinstance(extra, dict):
        return {}
    google = extra.get("google")
    if not isinstance(google, dict):
        return {}
    return google


def _generation_config(
    call: ChatCall,
    own: Mapping[str, Any],
    output: OutputFormat,
    default_thinking: Mapping[str, Any],
) -> Json:
    request = call.request
    config: Json = {
        "maxOutputTokens": request.token_limit,
        "temperature": request.temperature,
        "topP": request.top_p,
        "seed": _seed(call),
        "stopSequences": _stop_sequences(call),
    }
    if accepts_penalties(call):
        config["presencePenalty"] = request.presence_penalty
        config["frequencyPenalty"] = request.frequency_penalty
    if request.n != 1:
        config["candidateCount"] = request.n
    if request.logprobs:
        config["responseLogprobs"] = True
        config["logprobs"] = request.top_logprobs or None
    config["responseModalities"] = _response_modalities(call)
    config |= output.config
    for name in _IN_GENERATION_CONFIG:
        config[name] = own.get(name)
    thinking = thinking_config(call, _camel_case(default_thinking), own["thinkingConfig"])
    config["thinkingConfig"] = thinking or None
    config |= own["generationConfig"]
    return {name: value for name, value in config.items() if value is not None}


def _seed(call: ChatCall) -> int | None:
    seed = call.request.seed
    if seed is None:
        return None
    # OpenAI's seeds have 64 bits, Gemini's are signed integers of 32 bits.
    return seed % 2**31


def _stop_sequences(call: ChatCall) -> list[str] | None:
    stop = call.request.stop
    if isinstance(stop, str):
        return [stop]
    return stop


def _response_modalities(call: ChatCall) -> list[str] | None:
    modalities = call.get("modalities") or []
    if not isinstance(modalities, list) or any(
        name not in ("text", "image") for name in modalities
    ):
        raise Unsupported(
            "Gemini answers support only the modalities 'text' and 'image'", param="modalities"
        )
    return [name.upper() for name in modalities] or None


def _service_tier(call: ChatCall) -> str | None:
    tier: object = call.get("service_tier")
    if isinstance(tier, str) and tier in _SERVICE_TIERS:
        return tier
    return None


def _camel_case(members: Mapping[str, Any]) -> Json:
    """Return an object with the names of its members in Gemini's spelling: `thinkingBudget` for `thinking_budget`."""
    return {
        re.sub(r"_([a-z])", lambda found: found[1].upper(), name): value
        for name, value in members.items()
    }
