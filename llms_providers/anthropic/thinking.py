"""`reasoning_effort` and `thinking`, and the sampling parameters that the model and thinking leave available."""

from __future__ import annotations

from typing import Any

from llms_providers.anthropic.blocks import THINKING_TYPES
from llms_providers.anthropic.draft import Draft
from llms_providers.anthropic.originals import CLAUDE

#: The tokens to think with, for models that take a budget. OpenAI's efforts have no official counterpart in tokens.
_BUDGETS = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16_384,
    "xhigh": 32_000,
    "max": 32_000,
}
#: The lowest budget that Anthropic accepts.
_MIN_BUDGET = 1024

#: `output_config.effort` for OpenAI's efforts, for models with adaptive thinking.
_EFFORTS = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}

#: The lowest `top_p` that Anthropic accepts together with thinking.
_MIN_TOP_P_WITH_THINKING = 0.95


def add_thinking(draft: Draft) -> None:
    """Add `thinking` as the client wrote it, or as `reasoning_effort` translates for this model (SR-023)."""
    own_thinking = draft.parameters.get("thinking")
    if own_thinking is not None and _is_unknown_to_model(draft, own_thinking):
        _replace_adaptive_thinking(draft)
    elif own_thinking is not None and _can_think(draft, own_thinking):
        draft.body["thinking"] = own_thinking
    elif own_thinking is not None:
        draft.dropped.add("thinking")
    effort = draft.call.request.reasoning_effort
    if effort is None:
        return
    if effort == "none" and own_thinking is None:
        _disable_thinking(draft)
    elif draft.family.thinking == "adaptive" and effort in _EFFORTS:
        _set_effort(draft, effort)
    elif draft.family.thinking == "budget" and effort in _BUDGETS and _can_add_budget(draft):
        _set_budget(draft, effort)
    else:
        draft.dropped.add("reasoning_effort")


def _is_unknown_to_model(draft: Draft, thinking: dict[str, Any]) -> bool:
    """Return whether a client that knows the model by another name asks Claude to think adaptively before it could."""
    is_claude = draft.owner.family == CLAUDE
    return is_claude and thinking.get("type") == "adaptive" and draft.family.thinking != "adaptive"


def _replace_adaptive_thinking(draft: Draft) -> None:
    """Add a budget instead, for the client's effort, which these models do not know either."""
    own_config = dict(draft.parameters.get("output_config") or {})
    effort = own_config.pop("effort", None)
    draft.parameters = {**draft.parameters, "output_config": own_config}
    if draft.family.thinking == "budget" and _can_add_budget(draft):
        # Without an effort, adaptive thinking has a high one.
        _set_budget(draft, effort if effort in _BUDGETS else "high")
    else:
        draft.dropped.add("thinking")


def _disable_thinking(draft: Draft) -> None:
    family = draft.family
    if not family.thinks_by_default:
        return
    if family.thinking_off is None:
        # The closest to none that this model can do.
        draft.output_config["effort"] = "low"
        draft.dropped.add("reasoning_effort")
        return
    draft.body["thinking"] = {"type": family.thinking_off}


def _set_effort(draft: Draft, effort: str) -> None:
    if effort == "xhigh" and not draft.family.xhigh_effort:
        effort = "max"
    draft.output_config["effort"] = _EFFORTS[effort]
    if "thinking" not in draft.body:
        # Without `display`, the newest models return thinking blocks with a signature, but without text.
        draft.body["thinking"] = {"type": "adaptive", "display": "summarized"}


def _set_budget(draft: Draft, effort: str) -> None:
    # The budget counts towards `max_tokens`: leave a fifth for the answer.
    affordable = draft.body["max_tokens"] * 4 // 5
    budget = min(_BUDGETS[effort], affordable)
    draft.body["thinking"] = {"type": "enabled", "budget_tokens": max(budget, _MIN_BUDGET)}


def _can_add_budget(draft: Draft) -> bool:
    """Return whether Anthropic would accept a thinking budget in this request."""
    if "thinking" in draft.body:
        return False
    if draft.body["max_tokens"] <= _MIN_BUDGET:
        return False
    # Thinking cannot be combined with forced tool calls.
    if draft.body.get("tool_choice", {}).get("type") in ("any", "tool"):
        return False
    # A turn has to start with its thinking: it is too late if the client already began the answer.
    if draft.turns[-1]["role"] == "assistant":
        return False
    # The same is true between a tool call and its result, unless the client sent back the thinking before the call.
    return not _is_call_without_thinking(draft)


def _can_think(draft: Draft, thinking: dict[str, Any]) -> bool:
    """Return whether Claude would accept the client's own `thinking`.

    Claude rejects a budget if it has to continue a turn that began without thinking: one that another model began.
    Other vendors' servers, and adaptive thinking, have no such rule.
    """
    is_claude = draft.owner.family == CLAUDE
    return not (
        is_claude and thinking.get("type") == "enabled" and _is_call_without_thinking(draft)
    )


def _is_call_without_thinking(draft: Draft) -> bool:
    """Return whether the conversation ends in the result of a tool call whose turn began without thinking."""
    if len(draft.turns) < 2 or draft.turns[-1]["content"][0]["type"] != "tool_result":
        return False
    return draft.turns[-2]["content"][0]["type"] not in THINKING_TYPES


def add_sampling(draft: Draft, *, known_to_version: bool) -> None:
    """Add `temperature`, `top_p` and `top_k` as far as the model and thinking allow them.

    `known_to_version` tells whether the requested version of the API has these parameters.
    """
    requested: dict[str, Any] = {}
    for name in ("temperature", "top_p", "top_k"):
        if draft.parameters.get(name) is not None:
            requested[name] = draft.parameters[name]
    sent = dict(requested)
    # Anthropic's temperatures end at 1, OpenAI's at 2.
    if sent.get("temperature", 0) > 1:
        sent["temperature"] = 1
        draft.dropped.add("temperature")
    if draft.body.get("thinking", {}).get("type") in ("enabled", "adaptive"):
        _restrict_to_thinking(sent)
    if not known_to_version or draft.family.sampling_parameters == 0:
        sent.clear()
    elif draft.family.sampling_parameters == 1 and "temperature" in sent:
        sent.pop("top_p", None)
    draft.body.update(sent)
    draft.dropped.update(requested.keys() - sent.keys())


def _restrict_to_thinking(sampling: dict[str, Any]) -> None:
    """Remove the parameters that Anthropic rejects together with thinking."""
    sampling.pop("top_k", None)
    if sampling.get("temperature") != 1:
        sampling.pop("temperature", None)
    if sampling.get("top_p", 1) < _MIN_TOP_P_WITH_THINKING:
        del sampling["top_p"]
