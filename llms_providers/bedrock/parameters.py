"""Translate sampling and reasoning parameters, which differ between the families of models on Bedrock.

Parameters by model: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
Claude's thinking: https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-adaptive-thinking.html
Nova 2's thinking: https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html
"""

from __future__ import annotations

from typing import Any

from llms_core.contracts.request import ChatCall
from llms_providers.bedrock.models import Family

Json = dict[str, Any]

#: OpenAI's efforts as the three that most models have.
_EFFORTS = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
#: Efforts as thinking tokens, for versions of Claude that take a budget.
_THINKING_BUDGETS = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16384,
    "xhigh": 32768,
    "max": 32768,
}
#: Claude rejects a smaller budget.
_MIN_THINKING_BUDGET = 1024
_THINKING_DISABLED = {"type": "disabled"}

# Versions of Claude from which on a rule applies.
_CAN_THINK = (3, 7)
_ONE_SAMPLING_PARAMETER = (4, 1)
ADAPTIVE_THINKING = (4, 6)
_NO_SAMPLING = (4, 7)

#: Bedrock's names of parameters in `inferenceConfig`, where they differ from OpenAI's.
_INFERENCE_NAMES = {"top_p": "topP"}


class Parameters:
    """The parameters of one call as `inferenceConfig` and `additionalModelRequestFields`.

    `is_call_forced`: the model has to call a tool. `is_answer_begun`: the conversation ends in an answer without its
    reasoning, which the client did not send back.
    """

    def __init__(
        self, call: ChatCall, family: Family, *, is_call_forced: bool, is_answer_begun: bool
    ):
        #: The value of `inferenceConfig`.
        self.inference: Json = {}
        #: The value of `additionalModelRequestFields`.
        self.fields: Json = {}
        #: The parameters that this model does not support.
        self.dropped: set[str] = set()
        self._call = call
        self._family = family

        self._add_inference()
        self._add_top_k()
        if family.vendor == "anthropic":
            # Before adaptive thinking, an answer had to begin with its reasoning.
            can_think = not is_answer_begun or family.claude_version >= ADAPTIVE_THINKING
            # Claude rejects thinking together with a forced tool call.
            self._add_claude_thinking(
                can_think, can_start_thinking=can_think and not is_call_forced
            )
            self._drop_claude_sampling()
        else:
            self._add_effort()
        self._add_additional_fields()

    def _add_inference(self) -> None:
        request = self._call.request
        if request.token_limit is not None:
            self.inference["maxTokens"] = request.token_limit
        if request.temperature is not None:
            # OpenAI's range ends at 2, Bedrock's at 1.
            self.inference["temperature"] = min(request.temperature, 1.0)
            if request.temperature > 1:
                self.dropped.add("temperature")
        if request.top_p is not None:
            self.inference["topP"] = request.top_p

    def _add_top_k(self) -> None:
        """Add `top_k`, which Converse leaves to each vendor."""
        top_k = self._call.get("top_k")
        if top_k is None:
            return
        match self._family.vendor:
            case "anthropic":
                self.fields["top_k"] = top_k
            case "amazon":
                self.fields["inferenceConfig"] = {"topK": top_k}
            case _:
                self.dropped.add("top_k")

    def _add_additional_fields(self) -> None:
        """Add the client's own fields last, so that they take precedence."""
        for name in ("additional_model_request_fields", "additionalModelRequestFields"):
            fields = self._call.get(name)
            if isinstance(fields, dict):
                self.fields |= fields

    # Models other than Claude ----------------------------------------------------------------------------------------

    def _add_effort(self) -> None:
        if self._call.get("thinking") is not None:
            self.dropped.add("thinking")
        effort = self._call.request.reasoning_effort
        if effort is None or effort == "none":
            return
        family = self._family
        translated = _EFFORTS.get(effort)
        if translated is not None and family.vendor == "openai":
            self.fields["reasoning_effort"] = translated
        elif translated is not None and family.vendor == "amazon" and "nova-2" in family.name:
            self._add_nova_effort(translated)
        else:
            self.dropped.add("reasoning_effort")

    def _add_nova_effort(self, effort: str) -> None:
        if effort == "high":
            # Nova rejects sampling parameters and a token limit beside its highest effort. The limit matters more
            # than the effort.
            self._drop("temperature", "top_p", "top_k")
            if "maxTokens" in self.inference:
                self.dropped.add("reasoning_effort")
                effort = "medium"
        self.fields["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": effort}

    # Claude ----------------------------------------------------------------------------------------------------------

    def _add_claude_thinking(self, can_think: bool, *, can_start_thinking: bool) -> None:
        """Add the client's `thinking`, or what its `reasoning_effort` means.

        `can_think`: the conversation allows it. `can_start_thinking`: so does the choice of a tool.
        """
        thinking = self._call.get("thinking")
        if thinking is not None:
            is_enabled = isinstance(thinking, dict) and thinking.get("type") == "enabled"
            if is_enabled and not can_think:
                # The turn began without thinking, for example with another model's call.
                self.dropped.add("thinking")
            else:
                self.fields["thinking"] = thinking
            return
        effort = self._call.request.reasoning_effort
        if effort is None or effort == "none":
            return
        fields = self._claude_thinking(effort) if can_start_thinking else None
        if fields is None:
            self.dropped.add("reasoning_effort")
        else:
            self.fields |= fields

    def _claude_thinking(self, effort: str) -> Json | None:
        """Return the fields that make Claude think with an effort; None if this version or the limit prevents it."""
        version = self._family.claude_version
        if effort not in _EFFORTS or version < _CAN_THINK:
            return None
        if version >= ADAPTIVE_THINKING:
            return _adaptive_thinking(effort, version)
        budget = _THINKING_BUDGETS[effort]
        limit = self.inference.get("maxTokens")
        if limit is not None:
            # The budget is part of the limit: leave a fifth for the answer.
            budget = min(budget, limit * 4 // 5)
        if budget < _MIN_THINKING_BUDGET:
            return None
        return {"thinking": {"type": "enabled", "budget_tokens": budget}}

    def _drop_claude_sampling(self) -> None:
        """Drop the sampling parameters that Claude rejects."""
        version = self._family.claude_version
        is_thinking = self.fields.get("thinking", _THINKING_DISABLED) != _THINKING_DISABLED
        if is_thinking or version >= _NO_SAMPLING:
            self._drop("top_k")
            # The default is accepted.
            if self.inference.get("temperature") != 1:
                self._drop("temperature")
            min_top_p = 0.95 if version < _NO_SAMPLING else 1
            if self.inference.get("topP", 0) < min_top_p:
                self._drop("top_p")
        if version >= _ONE_SAMPLING_PARAMETER and {"temperature", "topP"} <= self.inference.keys():
            self._drop("top_p")

    def _drop(self, *names: str) -> None:
        """Remove parameters that the model does not support, and record those that the client sent."""
        for name in names:
            if self._call.get(name) is not None:
                self.dropped.add(name)
            if name == "top_k":
                # It may be in either place, see `_add_top_k`.
                self.fields.pop("top_k", None)
                self.fields.pop("inferenceConfig", None)
            else:
                self.inference.pop(_INFERENCE_NAMES.get(name, name), None)


def _adaptive_thinking(effort: str, version: tuple[int, int]) -> Json:
    """Return the fields for versions of Claude that decide themselves how much to think."""
    thinking = {"type": "adaptive"}
    translated = _EFFORTS[effort]
    if version >= _NO_SAMPLING:
        # These versions return no reasoning unless a summary is requested, and have one more effort.
        thinking["display"] = "summarized"
        if effort == "xhigh":
            translated = "xhigh"
    elif effort == "xhigh":
        translated = "max"
    if effort == "max":
        translated = "max"
    return {"thinking": thinking, "output_config": {"effort": translated}}
