"""How a model is found in the price list, and which of its prices applies."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest

from llms_core.prices import listed
from llms_core.prices.listed import FORMAT, Listing, PriceList

DAY = 86_400.0


def list_of(*providers: dict[str, Any]) -> PriceList:
    document = {"format": FORMAT, "version": "1", "providers": providers}
    return listed.decode(msgspec.json.encode(document))


def provider(id: str, *models: dict[str, Any], **members: Any) -> dict[str, Any]:
    url = f"https://api\\.{id}\\.example"
    return {
        "id": id,
        "url": url,
        "match": None,
        "fallbacks": [],
        "sources": [],
        "models": list(models),
        **members,
    }


def model(id: str, *prices: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {
        "id": id,
        "match": {"equals": id},
        "prices": list(prices) or [{"rates": {"input": 1.0}}],
        **members,
    }


def found(prices: PriceList, url: str, name: str, reference: str) -> str | None:
    listing = listed.find(prices, url, name, reference)
    return None if listing is None else f"{listing.provider.id}/{listing.model.id}"


def test_the_url_of_the_api_decides_whose_price_it_is() -> None:
    """A model of the same name at another URL has no known price."""
    prices = list_of(provider("one", model("m")), provider("two", model("m")))
    assert found(prices, "https://api.two.example/v1", "one", "m") == "two/m"
    assert found(prices, "http://localhost:8000/v1", "one", "m") is None
    assert found(prices, "https://api.two.example/v1", "one", "other") is None


def test_without_a_url_the_type_of_the_provider_decides() -> None:
    prices = list_of(
        provider("one", model("m")), provider("aws", model("m"), match={"contains": "bedrock"})
    )
    assert found(prices, "", "bedrock", "m") == "aws/m"
    assert found(prices, "", "ONE", "m") == "one/m"
    assert found(prices, "", "three", "m") is None


def test_a_provider_of_the_models_of_others_has_their_prices() -> None:
    prices = list_of(
        provider("cloud", model("own"), fallbacks=["one"]), provider("one", model("m"))
    )
    assert found(prices, "https://api.cloud.example", "", "m") == "cloud/m"


@pytest.mark.parametrize(
    ("clause", "text", "expected"),
    [
        ({"equals": "GPT-4o"}, "gpt-4o", True),
        ({"starts_with": "gpt-"}, "gpt-4o", True),
        ({"ends_with": "-mini"}, "gpt-4o", False),
        ({"contains": "4o"}, "gpt-4o", True),
        ({"regex": "^gpt-4o(-\\d{4}-\\d\\d-\\d\\d)?$"}, "gpt-4o-2024-08-06", True),
        ({"or": [{"equals": "a"}, {"equals": "b"}]}, "b", True),
        ({"and": [{"contains": "a"}, {"contains": "b"}]}, "a", False),
    ],
)
def test_conditions(clause: dict[str, Any], text: str, expected: bool) -> None:
    assert listed.matches(clause, text) is expected


def test_a_compact_date_is_understood() -> None:
    prices = list_of(provider("one", model("m-2025-12-11")))
    assert found(prices, "https://api.one.example", "", "M-20251211") == "one/m-2025-12-11"


def listing(*prices: dict[str, Any], **members: Any) -> Listing:
    match = listed.find(
        list_of(provider("one", model("m", *prices, **members))), "https://api.one.example", "", "m"
    )
    assert match is not None
    return match


def test_the_price_of_the_day_applies() -> None:
    """History: a request keeps the price of its time."""
    dated = listing(
        {"rates": {"input": 10.0}}, {"rates": {"input": 2.0}, "period": {"start": 100 * DAY}}
    )
    assert dated.rates(100 * DAY - 1).input == 10.0
    assert dated.rates(100 * DAY).input == 2.0
    assert (dated.since(0.0), dated.since(101 * DAY)) == (None, date(1970, 4, 11))


def test_a_price_may_apply_at_some_hours() -> None:
    """And over midnight."""
    night = {"from_second": 16.5 * 3600, "until_second": 0.5 * 3600}
    dated = listing({"rates": {"input": 2.0}}, {"rates": {"input": 1.0}, "period": night})
    hours = [16, 17, 23.9, 24.4, 24.6]
    assert [dated.rates(hour * 3600).input for hour in hours] == [2.0, 1.0, 1.0, 1.0, 2.0]


def test_a_tier_of_service_replaces_some_rates() -> None:
    dear = listing(
        {"rates": {"input": 2.0, "output": 8.0}},
        variants=[
            {"when": {"service_tier": "flex"}, "rates": {"input": 1.0}},
            {"when": {"processing": "batch"}, "rates": {"output": 4.0}},
        ],
    )
    assert (dear.rates(0.0, "flex").input, dear.rates(0.0, "flex").output) == (1.0, 8.0)
    assert (dear.rates(0.0, "batch").input, dear.rates(0.0, "batch").output) == (2.0, 4.0)
    assert dear.rates(0.0, "other") == dear.rates(0.0)


def test_rates_of_longer_prompts() -> None:
    rates = listing({"rates": {"input": [1.0, [[200, 2.0], [500, 3.0]]], "output": 5.0}}).rates(0.0)
    assert [(tier.above, tier.rates.input, tier.rates.output) for tier in rates.tiers] == [
        (200, 2.0, 5.0),
        (500, 3.0, 5.0),
    ]


def test_a_file_of_another_format_is_not_used() -> None:
    with pytest.raises(ValueError, match="format"):
        listed.decode(msgspec.json.encode({"format": FORMAT + 1, "version": "1", "providers": []}))
