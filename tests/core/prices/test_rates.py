"""What an answer costs by the rates of its model."""

from __future__ import annotations

import pytest

from llms_core.contracts.completion import Usage
from llms_core.contracts.token_counts import Tokens, tokens_of
from llms_core.prices.cost import cost_of
from llms_core.prices.rates import Rates, Tier, amount

RATES = Rates(
    input=10.0,
    output=100.0,
    cache_read=1.0,
    cache_write=20.0,
    cache_write_1h=40.0,
    reasoning=200.0,
    input_audio=30.0,
    output_audio=300.0,
    input_image=50.0,
    output_image=500.0,
)


@pytest.mark.parametrize(
    ("tokens", "millionths"),
    [
        (Tokens(input=7, output=3), 7 * 10 + 3 * 100),
        (Tokens(input=7, cached=5), 2 * 10 + 5),
        (Tokens(input=7, cache_write=4, cache_write_1h=1), 3 * 10 + 3 * 20 + 40),
        (Tokens(input=7, audio_input=2, image_input=3), 2 * 10 + 2 * 30 + 3 * 50),
        (Tokens(output=7, reasoning=4), 3 * 100 + 4 * 200),
        (Tokens(output=7, audio_output=2, image_output=3), 2 * 100 + 2 * 300 + 3 * 500),
        (Tokens(input=7, cached=70), 7),
        (Tokens(), 0),
    ],
)
def test_each_kind_of_token_has_its_rate(tokens: Tokens, millionths: int) -> None:
    assert amount(RATES, tokens) == pytest.approx(millionths / 1e6)


def test_a_kind_without_a_rate_costs_as_much_as_any_other_token() -> None:
    tokens = Tokens(input=7, cached=2, cache_write=2, audio_input=2, output=5, reasoning=3)
    assert amount(Rates(input=10.0, output=100.0), tokens) == pytest.approx(
        (7 * 10 + 5 * 100) / 1e6
    )


@pytest.mark.parametrize(
    ("rates", "tokens"),
    [
        (Rates(output=1.0), Tokens(input=1)),
        (Rates(input=1.0), Tokens(output=1)),
        (Rates(input=1.0, output=1.0), Tokens(images=1)),
        (Rates(input=1.0, output=1.0), Tokens(seconds=1.0)),
    ],
)
def test_an_unknown_rate_makes_an_unknown_cost(rates: Rates, tokens: Tokens) -> None:
    """It is never 0."""
    assert amount(rates, tokens) is None


def test_images_sound_requests_and_searches() -> None:
    assert amount(Rates(image=0.04), Tokens(images=3)) == pytest.approx(0.12)
    assert amount(Rates(minute=0.006), Tokens(seconds=90.0)) == pytest.approx(0.009)
    assert amount(Rates(minute=0.006, min_seconds=10.0), Tokens(seconds=1.0)) == pytest.approx(
        0.001
    )
    with_fees = Rates(input=1.0, output=1.0, request=0.005, search=0.01)
    assert amount(with_fees, Tokens(input=1, output=1, searches=2)) == pytest.approx(0.025002)


@pytest.mark.parametrize(("length", "rate"), [(100, 1), (101, 2), (1000, 2), (1001, 3)])
def test_the_length_of_the_prompt_decides_the_tier(length: int, rate: int) -> None:
    """All tokens of the request cost that much."""
    tiers = (Tier(above=100, rates=Rates(input=2.0)), Tier(above=1000, rates=Rates(input=3.0)))
    assert amount(Rates(input=1.0, tiers=tiers), Tokens(input=length)) == pytest.approx(
        length * rate / 1e6
    )


def test_the_provider_counts_more_than_the_configuration_and_that_more_than_the_list() -> None:
    usage = Usage(prompt_tokens=1_000_000)
    tokens = tokens_of(usage)
    listed = Rates(input=3.0)
    assert cost_of(None, usage, tokens, lambda: listed) == (3.0, "genai-prices")
    assert cost_of(Rates(input=2.0), usage, tokens, lambda: listed) == (2.0, "configuration")
    usage.cost = 1.0
    assert cost_of(Rates(input=2.0), usage, tokens, lambda: listed) == (1.0, "provider")
    assert cost_of(None, Usage(prompt_tokens=1), tokens, lambda: None) is None
