"""A chat completion request as the body of a request to Anthropic's Messages API."""

from __future__ import annotations

import hashlib
from typing import Any

from llms_core.contracts.function_names import FunctionNames
from llms_core.contracts.request import ChatCall, Message
from llms_core.contracts.signatures import Owner
from llms_core.errors import RequestError, Unsupported
from llms_core.native.message_request import identifies_person
from llms_providers.anthropic.blocks import NAME_RULE
from llms_providers.anthropic.draft import Draft
from llms_providers.anthropic.messages import conversation
from llms_providers.anthropic.models import family_of
from llms_providers.anthropic.thinking import add_sampling, add_thinking
from llms_providers.anthropic.tools import add_response_format, add_tool_choice, add_tools

BETA_MEMBER = "anthropic_beta"
"""The member with the features that go to the header `anthropic-beta`."""

#: Parameters that are translated; every other one that is not `_NATIVE` is reported as dropped.
_TRANSLATED = frozenset({
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "n",
    "output_config",
    "parallel_tool_calls",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "service_tier",
    "stop",
    "stream",
    "stream_options",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
    "user",
})  # fmt: skip

#: Anthropic's own parameters that are passed on as they are.
_NATIVE = (
    BETA_MEMBER,
    "cache_control",
    "container",
    "context_management",
    "diagnostics",
    "fallbacks",
    "inference_geo",
    "mcp_servers",
    "speed",
    "user_profile_id",
)

#: Members of a body that `/messages/count_tokens` accepts, too. It rejects all others.
COUNTED = frozenset({
    "cache_control",
    "context_management",
    "mcp_servers",
    "messages",
    "model",
    "output_config",
    "speed",
    "system",
    "thinking",
    "tool_choice",
    "tools",
    "user_profile_id",
})  # fmt: skip

#: Parameters that have to be JSON objects because their members are read.
_OBJECTS = ("metadata", "output_config", "thinking")

#: OpenAI's parameters that cannot be dropped, because the answer would not be what the client asked for.
_UNSUPPORTED = ("audio", "functions", "function_call", "web_search_options")

#: `service_tier` as Anthropic names it; `auto` uses the priority capacity of an organization that has any.
_SERVICE_TIERS = {
    "auto": "auto",
    "priority": "auto",
    "default": "standard_only",
    "standard_only": "standard_only",
}


def build_body(
    call: ChatCall, owner: Owner, *, sampling: bool
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the body to send and the names of the parameters that it leaves out.

    `owner` is the model. `sampling` tells whether the version of the API has `temperature` and the like. Raises
    Unsupported if Anthropic, or the requested model, cannot do what is asked, and RequestError for invalid values.
    """
    _reject_unsupported(call)
    draft = _new_draft(call, owner)
    _add_native_parameters(draft)
    # The order matters: `response_format` may add a tool for `tool_choice` to force, which rules out thinking, which
    # in turn limits sampling.
    add_tools(draft)
    add_response_format(draft)
    add_tool_choice(draft)
    add_thinking(draft)
    _add_output_config(draft)
    add_sampling(draft, known_to_version=sampling)
    _add_stop_sequences(draft)
    _add_account(draft)
    if call.stream:
        draft.body["stream"] = True
    if draft.system:
        draft.body["system"] = draft.system
    draft.body["messages"] = draft.turns
    if any(_names_author(message) for message in call.request.messages):
        # Anthropic's messages have no name.
        draft.dropped.add("messages[].name")
    return draft.body, tuple(sorted(draft.dropped))


def _reject_unsupported(call: ChatCall) -> None:
    request = call.request
    if request.n is not None and request.n > 1:
        raise Unsupported("Claude gives one answer per request: set 'n' to 1", param="n")
    if request.logprobs:
        raise Unsupported("Claude does not return log probabilities", param="logprobs")
    if call.get("modalities") not in (None, ["text"], []):
        raise Unsupported("Claude answers only in text", param="modalities")
    for name in _UNSUPPORTED:
        if call.get(name) is not None:
            raise Unsupported(f"Claude does not support '{name}'", param=name)


def _new_draft(call: ChatCall, owner: Owner) -> Draft:
    parameters: dict[str, Any] = {}
    for name in call.members:
        # These two can be large, and are decoded where they are needed.
        if name not in ("messages", "tools"):
            parameters[name] = call.get(name)
    for name in _OBJECTS:
        if not isinstance(parameters.get(name), dict | None):
            message = f"Invalid value for '{name}': expected an object"
            raise RequestError(message, param=name, code="invalid_value")
    names = FunctionNames(call, NAME_RULE)
    system, turns = conversation(call, owner, names)
    return Draft(
        call=call,
        owner=owner,
        family=family_of(call.upstream_model),
        names=names,
        parameters=parameters,
        system=system,
        turns=turns,
    )


def _add_native_parameters(draft: Draft) -> None:
    """Add the model, the token limit and Anthropic's own parameters, and note those that are ignored."""
    draft.body["model"] = draft.call.upstream_model
    draft.body["max_tokens"] = draft.call.request.token_limit or draft.family.max_tokens
    for name in _NATIVE:
        if draft.parameters.get(name) is not None:
            draft.body[name] = draft.parameters[name]
    for name, value in draft.parameters.items():
        if value is not None and name not in _TRANSLATED and name not in _NATIVE:
            draft.dropped.add(name)


def _add_output_config(draft: Draft) -> None:
    own_config = draft.parameters.get("output_config") or {}
    config = {**draft.output_config, **own_config}
    if config:
        draft.body["output_config"] = config


def _add_stop_sequences(draft: Draft) -> None:
    stop = draft.call.request.stop
    requested = [stop] if isinstance(stop, str) else stop or []
    # Anthropic rejects sequences that consist of whitespace.
    sequences = [text for text in requested if text and not text.isspace()]
    if sequences:
        draft.body["stop_sequences"] = sequences
    if len(sequences) < len(requested):
        draft.dropped.add("stop")


def _add_account(draft: Draft) -> None:
    """Add who makes the request and the service tier."""
    parameters = draft.parameters
    metadata = parameters.get("metadata") or {}
    user = parameters.get("user") or metadata.get("user_id") or parameters.get("safety_identifier")
    if user:
        draft.body["metadata"] = {"user_id": _opaque(user)}
    # OpenAI's metadata is arbitrary, Anthropic's has no other member.
    if metadata.keys() - {"user_id"}:
        draft.dropped.add("metadata")
    tier = parameters.get("service_tier")
    if isinstance(tier, str) and tier in _SERVICE_TIERS:
        draft.body["service_tier"] = _SERVICE_TIERS[tier]
    elif tier is not None:
        draft.dropped.add("service_tier")


def _opaque(user: Any) -> Any:
    """Return the id of a user, hashed if Anthropic would reject it, or if it identifies a person."""
    if not isinstance(user, str) or not identifies_person(user):
        return user
    return hashlib.sha256(user.encode()).hexdigest()


def _names_author(message: Message) -> bool:
    # In messages of these roles, `name` is that of the function.
    return bool(message.name) and message.role not in ("tool", "function")
