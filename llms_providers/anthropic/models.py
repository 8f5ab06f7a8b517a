"""How the parameters that Anthropic's models accept differ from model to model.

The table follows https://platform.claude.com/docs/en/about-claude/models/overview and the pages on thinking, effort,
structured outputs and migration between models.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal


@dataclass(frozen=True)
class ModelFamily:
    """Models that accept the same parameters. The defaults describe the newest models."""

    #: The highest `max_tokens`. Anthropic requires the parameter, so it is sent if the client sets no limit.
    max_tokens: int = 128_000
    #: How a request enables thinking: with a budget of tokens, or adaptively with an effort. None: not at all.
    thinking: Literal["budget", "adaptive"] | None = "adaptive"
    #: Whether the model thinks even if the request does not mention it.
    thinks_by_default: bool = True
    #: The `type` of `thinking` that disables it; None if thinking by default cannot be disabled.
    thinking_off: str | None = "disabled"
    #: Whether the effort `xhigh` exists; other models get `max` instead.
    xhigh_effort: bool = True
    #: How many of `temperature` and `top_p` a request may set.
    sampling_parameters: Literal[0, 1, 2] = 0
    #: Whether `output_config.format` and strict tools are available.
    structured_outputs: bool = True
    #: Whether `tool_choice` can force the model to call a tool.
    forced_tool_calls: bool = True
    #: Whether messages of the role `system` may stand between the others.
    system_messages: bool = True


_WITHOUT_THINKING = ModelFamily(
    max_tokens=4096,
    thinking=None,
    thinks_by_default=False,
    sampling_parameters=2,
    structured_outputs=False,
    system_messages=False,
)
_WITH_BUDGET = ModelFamily(
    max_tokens=64_000,
    thinking="budget",
    thinks_by_default=False,
    sampling_parameters=1,
    structured_outputs=False,
    system_messages=False,
)
_ALWAYS_THINKING = ModelFamily(thinking_off=None)

#: Models of other vendors behind the same protocol: assume the parameters that most of their servers implement.
_OTHER_VENDORS = replace(_WITH_BUDGET, max_tokens=8192, sampling_parameters=2)

# The first pattern found in a model's name decides. Dots in the name are dashes by then, and `\b` after a minor version
# keeps a date from being read as one: `claude-opus-4-20250514` is not version 4.2.
_PATTERNS = (
    (r"claude-(?:[12]\b|instant|v\d|3-(?:opus|sonnet|haiku))", _WITHOUT_THINKING),
    (r"claude-3-5", replace(_WITHOUT_THINKING, max_tokens=8192)),
    (r"claude-3-7", replace(_WITH_BUDGET, sampling_parameters=2)),
    # Opus 4 and 4.1, also spelled `claude-4-opus`.
    (r"claude-(?:opus-4|4-opus)(?!-[2-9]\b)", replace(_WITH_BUDGET, max_tokens=32_000)),
    (r"claude-(?:sonnet-4|4-sonnet)(?!-[1-9]\b)", _WITH_BUDGET),
    (r"claude-(?:opus|sonnet|haiku)-4-5\b", replace(_WITH_BUDGET, structured_outputs=True)),
    (
        r"claude-(?:opus|sonnet)-4-6\b",
        ModelFamily(
            thinks_by_default=False,
            xhigh_effort=False,
            sampling_parameters=1,
            system_messages=False,
        ),
    ),
    (r"claude-opus-4-7\b", ModelFamily(thinks_by_default=False, system_messages=False)),
    # Opus 4.8 and later.
    (r"claude-opus-4", ModelFamily(thinks_by_default=False)),
    (r"claude-(?:(?:fable|mythos)-5|mythos-preview)(?!-[1-9]\b)", _ALWAYS_THINKING),
    (r"claude-(?:fable|mythos|opus-5-5)", replace(_ALWAYS_THINKING, forced_tool_calls=False)),
    (r"claude-sonnet-5-5", ModelFamily(thinking_off="between_tools", forced_tool_calls=False)),
    # An unknown Claude is probably newer than this table.
    (r"claude-", ModelFamily()),
)
_FAMILIES = tuple((re.compile(pattern), family) for pattern, family in _PATTERNS)


# Models are few, and the patterns many.
@lru_cache(maxsize=1024)
def family_of(model: str) -> ModelFamily:
    """Return the family of a model, given its id on any platform."""
    # Some platforms write versions with a dot: `claude-sonnet-4.5`.
    name = model.lower().replace(".", "-")
    for pattern, family in _FAMILIES:
        if pattern.search(name):
            return family
    return _OTHER_VENDORS
