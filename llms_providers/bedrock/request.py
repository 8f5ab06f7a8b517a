"""Translate a chat request to the body of Converse and ConverseStream.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from typing import Any

from llms_core import Unsupported
from llms_core.contracts.request import ChatCall
from llms_providers.bedrock.conversation import Conversation
from llms_providers.bedrock.models import Family, family_of, function_names_of
from llms_providers.bedrock.output_format import output_format
from llms_providers.bedrock.parameters import Parameters
from llms_providers.bedrock.tools import Tools

Json = dict[str, Any]

#: Bedrock's own members, sent unchanged.
_PASSED_THROUGH = (
    "guardrailConfig",
    "performanceConfig",
    "requestMetadata",
    "promptVariables",
    "additionalModelResponseFieldPaths",
)
#: Every member that is sent in some form; any other is reported as dropped.
_SUPPORTED = frozenset(
    {
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "stop",
        "n",
        "logprobs",
        "tools",
        "tool_choice",
        "response_format",
        "reasoning_effort",
        "thinking",
        "top_k",
        "service_tier",
        "modalities",
        "additional_model_request_fields",
        "additionalModelRequestFields",
        *_PASSED_THROUGH,
    }
)
#: Members of the body that CountTokens accepts, too.
COUNTED = ("messages", "system", "toolConfig", "additionalModelRequestFields")
#: Members that cannot be dropped: the client would not get the kind of answer that it expects.
_REJECTED = ("audio", "functions", "function_call", "web_search_options")
_SERVICE_TIERS = frozenset({"default", "flex", "priority", "reserved"})


def to_body(call: ChatCall) -> tuple[Json, tuple[str, ...]]:
    """Return the body of the request, and the sorted names of the parameters that had to be left out.

    Raises Unsupported for what Bedrock, or this model on it, cannot do.
    """
    _reject_unsupported(call)
    family = family_of(call)
    output = output_format(call, family)
    names = function_names_of(call, family)
    tools = Tools(call, family, names, output.tool)
    conversation = Conversation(call, family, names, has_tools=bool(tools.specs))
    parameters = Parameters(
        call,
        family,
        is_call_forced=tools.is_call_forced,
        is_answer_begun=conversation.is_answer_begun,
    )
    stops = _stop_sequences(call, family)
    if stops:
        parameters.inference["stopSequences"] = stops

    body: Json = {"messages": conversation.messages}
    system = conversation.system
    if output.instruction:
        system = [*system, {"text": output.instruction}]
    if system:
        body["system"] = system
    if parameters.inference:
        body["inferenceConfig"] = parameters.inference
    if tools.specs:
        body["toolConfig"] = tools.config
    if parameters.fields:
        body["additionalModelRequestFields"] = parameters.fields
    if output.config is not None:
        body["outputConfig"] = output.config
    tier = call.get("service_tier")
    if tier in _SERVICE_TIERS:
        body["serviceTier"] = {"type": tier}
    body |= call.pick(_PASSED_THROUGH)

    dropped = _dropped(call, family) | tools.dropped | parameters.dropped
    return body, tuple(sorted(dropped))


def _reject_unsupported(call: ChatCall) -> None:
    modalities = call.get("modalities")
    if modalities not in (None, [], ["text"]):
        raise Unsupported(
            f"Bedrock supports only the modality 'text', not {modalities}", param="modalities"
        )
    for name in _REJECTED:
        if call.get(name) is not None:
            raise Unsupported(f"Bedrock does not support '{name}'", param=name)


def _given_stops(call: ChatCall) -> list[str]:
    stop = call.request.stop
    if isinstance(stop, str):
        return [stop]
    return stop or []


def _stop_sequences(call: ChatCall, family: Family) -> list[str]:
    """Return the stop sequences that the model accepts: none that is empty and, for Claude, none that is blank."""
    accepted = []
    for stop in _given_stops(call):
        is_rejected = not stop.strip() if family.vendor == "anthropic" else not stop
        if not is_rejected:
            accepted.append(stop)
    return accepted


def _dropped(call: ChatCall, family: Family) -> set[str]:
    """Return the names of the parameters that are left out whatever the model is, and of `stop` if it is shortened."""
    dropped = call.non_null_members() - _SUPPORTED
    if call.get("parallel_tool_calls") is True:
        # True is what Bedrock does anyway.
        dropped.discard("parallel_tool_calls")
    if len(_stop_sequences(call, family)) < len(_given_stops(call)):
        dropped.add("stop")
    if any(message.name for message in call.request.messages if message.role != "tool"):
        dropped.add("messages[].name")
    tier = call.get("service_tier")
    if tier is not None and tier != "auto" and tier not in _SERVICE_TIERS:
        dropped.add("service_tier")
    return dropped
