"""Prices, which are in USD per million tokens after reading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from llms_core.config.model import LlmsJson, Price
from llms_core.errors import ConfigError
from llms_core.prices.rates import Rates, Tier

Read = Callable[..., LlmsJson]
Block = Callable[..., Any]

SERVER = {
    "type": "OpenAiProvider",
    "base_url": "http://localhost:8001",
    "models": {"local": "upstream", "other": "o"},
}


@pytest.mark.parametrize(
    ("amount", "per_million"),
    [
        ("0.0000003", 0.3),
        ("0.00000125", 1.25),
        ("0", 0.0),
        ("3e-7", 0.3),
        (" 0.000001 ", 1.0),
        (0.3, 0.3),
        (3, 3.0),
        (0, 0.0),
    ],
)
def test_strings_are_per_token_and_numbers_per_million(
    reader: Read, amount: object, per_million: float
) -> None:
    """K-07: without rounding errors of binary fractions."""
    row = {"input": amount, "output": amount}
    config = reader({"providers": {"mine": {**SERVER, "pricing": {"upstream": row}}}}, strict=True)
    assert config.providers[0].models[0].price == Price(input=per_million, output=per_million)
    assert config.warnings == ()


def test_prices_are_found_by_the_providers_id_or_by_the_local_name(block: Block) -> None:
    """K-07: llms.py's own files have the first, its documentation has the second."""
    rows = {
        "upstream": {"input": 1, "output": 1},
        "local": {"input": 2, "output": 2},
        "other": {"input": 3, "output": 3},
    }
    models = block({**SERVER, "pricing": rows}).models
    assert [model.price.input for model in models] == [1.0, 3.0]


def test_the_default_price(block: Block) -> None:
    """K-08: it also applies to discovered models."""
    pricing = {"o": {"input": 1, "output": 2}}
    provider = block(
        {**SERVER, "pricing": pricing, "default_pricing": {"input": "0", "output": "0"}}
    )
    assert [model.price for model in provider.models] == [
        Price(input=0.0, output=0.0),
        Price(input=1.0, output=2.0),
    ]
    assert provider.price == Price(input=0.0, output=0.0)


def test_an_unknown_price_is_none(block: Block) -> None:
    """K-07: which is not the same as free."""
    assert [model.price for model in block(SERVER).models] == [None, None]


@pytest.mark.parametrize("amount", [0.0000003, "0.3", "3", 0.00009])
@pytest.mark.parametrize("member", ["pricing", "default_pricing"])
def test_a_price_that_seems_to_be_in_the_wrong_unit(
    reader: Read, amount: object, member: str
) -> None:
    """K-07, K-08: there is one warning per table."""
    row = {"input": amount, "output": 0}
    rows = {"pricing": {"upstream": row, "o": row}, "default_pricing": row}
    [warning] = reader({"providers": {"mine": {**SERVER, member: rows[member]}}}).warnings
    assert f"providers.mine.{member}" in warning
    assert "USD per token" in warning


@pytest.mark.parametrize(
    "amount", ["free", "-1", -1, "", "1,5", "NaN", "Infinity", "1e999", True, [], None]
)
def test_an_invalid_price_is_rejected(block: Block, amount: object) -> None:
    """K-07."""
    with pytest.raises(ConfigError, match=r"providers\.mine\.pricing\.upstream\.input"):
        block({**SERVER, "pricing": {"upstream": {"input": amount, "output": "0"}}})


@pytest.mark.parametrize(
    "cost", [{"input": 1}, {"output": 1}, {"input": 0, "output": 0.04, "type": "request"}, {}]
)
def test_an_incomplete_cost_is_not_used(block: Block, cost: dict[str, Any]) -> None:
    """L-13: nor is a price per request."""
    assert block({"models": {"a": {"cost": cost}}}, "groq", v3=True).models[0].price is None


def test_a_complete_cost(block: Block) -> None:
    """L-13: and the rates for longer prompts, in which what is not stated stays the same."""
    longer = {"input": 4, "output": 12}
    cost: dict[str, Any] = {
        "input": 2,
        "output": 8,
        "cache_read": 0.2,
        "cache_write": 2.5,
        "reasoning": 9,
    }
    cost |= {"input_audio": 4}
    cost |= {
        "context_over_200k": longer,
        "tiers": [{"tier": {"type": "context", "size": 500_000}, "input": 5}],
    }
    members = {"models": {"a": {"cost": cost}}, "api_key": "k"}
    [model] = block(members, "groq", v3=True, strict=True).models
    rates = Rates(
        input=2.0, output=8.0, cache_read=0.2, cache_write=2.5, reasoning=9.0, input_audio=4.0
    )
    over_200k = replace(rates, input=4.0, output=12.0)
    over_500k = replace(rates, input=5.0)
    tiers = (Tier(above=200_000, rates=over_200k), Tier(above=500_000, rates=over_500k))
    assert model.price == Price(
        input=2.0, output=8.0, cache_read=0.2, rates=replace(rates, tiers=tiers)
    )
