"""The cost of one answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from llms_core.contracts.completion import Usage
from llms_core.contracts.token_counts import Tokens
from llms_core.prices.rates import Rates, amount

#: xAI counts in these: https://docs.x.ai/docs/api-reference
_TICKS_PER_USD = 1e10


class Cost(NamedTuple):
    """An amount in USD, and where it comes from."""

    amount: float
    source: Literal["provider", "configuration", "genai-prices"]


def cost_of(
    configured: Rates | None, usage: Usage, tokens: Tokens, look_up: Callable[[], Rates | None]
) -> Cost | None:
    """Return what an answer costs; None if that is not known.

    What the provider itself reports counts most, and the rates of the configuration more than those of the price
    list, which are looked up only if they are needed.
    """
    reported = reported_cost(usage)
    if reported is not None:
        return Cost(reported, "provider")
    if configured is not None:
        charged = amount(configured, tokens)
        if charged is None:
            return None
        return Cost(charged, "configuration")
    rates = look_up()
    charged = None if rates is None else amount(rates, tokens)
    if charged is None:
        return None
    return Cost(charged, "genai-prices")


def reported_cost(usage: Usage) -> float | None:
    """Return what a provider states in its answer as the cost in USD; None if it does not.

    OpenRouter has `cost`, to which the provider's own share comes if the user has a key there; Perplexity has a `cost`
    with a `total_cost`, DeepInfra has `estimated_cost`, and xAI has `cost_in_usd_ticks`.
    """
    cost = usage.cost
    if cost is not None:
        if isinstance(cost, Mapping):
            return _amount(cost.get("total_cost"))
        amount = _amount(cost)
        if amount is not None and usage.is_byok is True and isinstance(usage.cost_details, Mapping):
            amount += _amount(usage.cost_details.get("upstream_inference_cost")) or 0.0
        return amount
    if usage.estimated_cost is not None:
        return _amount(usage.estimated_cost)
    if usage.cost_in_usd_ticks is not None:
        ticks = _amount(usage.cost_in_usd_ticks)
        if ticks is None:
            return None
        return ticks / _TICKS_PER_USD
    return None


def _amount(value: Any) -> float | None:
    """Return an amount that a provider sent, if it can be one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if 0 <= value < math.inf:
        return float(value)
    return None
