"""What differs between Google's model families: how much they think, and whether they take system instructions.

A model is recognised by its id, because Google's list of models does not state these properties.
"""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple

from llms_core import Unsupported
from llms_core.contracts.function_names import NameRule
from llms_core.contracts.request import ChatCall

Json = dict[str, Any]

ThinkingControl = Literal["none", "budget", "level"]
"""How the amount of thinking is set: not at all, as a number of tokens, or as a named level."""


class _Effort(NamedTuple):
    """What one value of OpenAI's `reasoning_effort` becomes."""

    #: `thinkingLevel`, for Gemini 3 and later
    level: str
    #: `thinkingBudget` in tokens, for Gemini 2.5
    budget: int


# The mapping of Google's OpenAI-compatible endpoint: https://ai.google.dev/gemini-api/docs/openai
_EFFORTS = {
    "none": _Effort("minimal", 0),
    "minimal": _Effort("minimal", 1024),
    "low": _Effort("low", 1024),
    "medium": _Effort("medium", 8192),
    "high": _Effort("high", 24576),
    "xhigh": _Effort("high", 24576),
}

_WITHOUT_THINKING = re.compile(r"gemini-(1|2\.0)|gemma|learnlm")
_WITH_BUDGET = re.compile(r"gemini-(2\.5|robotics-er-1)")
# "Developer instruction is not enabled for models/gemma-3-27b-it"
_WITHOUT_SYSTEM_INSTRUCTION = re.compile(r"gemma-[123]")
_WITH_MINIMAL_LEVEL = re.compile(r"gemini-3(\.[0-6])?-flash")
# "Penalty is not enabled for models/gemini-2.5-flash"
_WITH_PENALTIES = re.compile(r"gemini-(1\.5-(pro|flash)-002|2\.0-flash(?!-thinking))")
# Thinking cannot be switched off in the Pro models of Gemini 2.5: this is the smallest budget that they accept.
_MIN_PRO_BUDGET = 128


#: The names of functions: https://ai.google.dev/api/caching#FunctionDeclaration
NAME_RULE = NameRule(characters="A-Za-z0-9_.:-", first="A-Za-z_")


def model_name(call: ChatCall) -> str:
    """Return the model's id without a prefix such as `models/` or `publishers/google/models/`."""
    return call.upstream_model.rpartition("/")[2]


def thinking_control(call: ChatCall) -> ThinkingControl:
    """Return how the model's thinking is controlled."""
    return _thinking_control(model_name(call))


def requires_signatures(model: str) -> bool:
    """Return whether a model, by its id at Google, requires thought signatures on tool calls."""
    return _thinking_control(model.rpartition("/")[2]) == "level"


def _thinking_control(name: str) -> ThinkingControl:
    if _WITHOUT_THINKING.match(name):
        return "none"
    if _WITH_BUDGET.match(name):
        return "budget"
    # Aliases without a version, such as `gemini-flash-latest`, stand for the newest family.
    return "level"


def is_gemini_3_or_later(call: ChatCall) -> bool:
    """Return whether the model belongs to the families that require thought signatures on tool calls."""
    return thinking_control(call) == "level"


def accepts_penalties(call: ChatCall) -> bool:
    """Return whether the model takes `presencePenalty` and `frequencyPenalty`. Newer ones reject the whole request."""
    return _WITH_PENALTIES.match(model_name(call)) is not None


def accepts_system_instruction(call: ChatCall) -> bool:
    """Return whether the model takes `systemInstruction`."""
    return not _WITHOUT_SYSTEM_INSTRUCTION.match(model_name(call))


def thinking_config(call: ChatCall, configured: Json, requested: Json) -> Json:
    """Return `thinkingConfig`, merged from three sources of which a later one wins (SR-117).

    The sources are the provider's settings (`configured`), the client's `reasoning_effort`, and Gemini's own parameter
    in the request (`requested`). Raises Unsupported for an unknown effort.
    """
    if thinking_control(call) == "none":
        # The settings apply to all models of the provider, and these would refuse the parameter.
        configured = {}
    merged: Json = {}
    for source in (configured, _config_of_effort(call), requested):
        if "thinkingBudget" in source or "thinkingLevel" in source:
            # A budget and a level are mutually exclusive: the amount of an earlier source must not remain.
            merged = _without_amount(merged)
        merged |= source
    return merged


def _without_amount(config: Json) -> Json:
    if "includeThoughts" not in config:
        return {}
    return {"includeThoughts": config["includeThoughts"]}


def _config_of_effort(call: ChatCall) -> Json:
    name = call.request.reasoning_effort
    control = thinking_control(call)
    if name is None or control == "none":
        return {}
    effort = _EFFORTS.get(name)
    if effort is None:
        supported = ", ".join(_EFFORTS)
        message = f"Gemini does not support reasoning_effort '{name}': use one of {supported}"
        raise Unsupported(message, param="reasoning_effort")
    include_thoughts = name != "none"
    if control == "budget":
        return {
            "thinkingBudget": _supported_budget(call, effort.budget),
            "includeThoughts": include_thoughts,
        }
    return {
        "thinkingLevel": _supported_level(call, effort.level),
        "includeThoughts": include_thoughts,
    }


def _supported_budget(call: ChatCall, budget: int) -> int:
    if "-pro" in model_name(call):
        return max(budget, _MIN_PRO_BUDGET)
    return budget


def _supported_level(call: ChatCall, level: str) -> str:
    """Return the nearest level that the model has: not every model of a family has all of them."""
    name = model_name(call)
    if level == "minimal" and not _WITH_MINIMAL_LEVEL.match(name):
        return "low"
    if level == "medium" and name.startswith("gemini-3-pro"):
        return "high"
    return level
