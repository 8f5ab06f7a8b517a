"""The price list: what the package genai-prices knows, in a form that takes a hundredth of its memory.

To import the package's data takes half a second and 100 MB. So a process of its own does that once for each version of
the package (`compile.py`), and writes the list to a file, which takes a few milliseconds to read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Raw

from llms_core.prices.rates import Rates, Tier

FORMAT = 1
"""The version of the file's format. A file of another one is made again."""

Clause = Mapping[str, Any]
"""A condition on a text: one member, which is named after the comparison."""

RawRate = float | tuple[float, list[tuple[int, float]]]
"""A rate, or the one of short prompts with those of longer ones: pairs of a number of tokens and a rate."""


class Period(msgspec.Struct, frozen=True, omit_defaults=True):
    """When a price applies; always, if it has no members."""

    #: Unix seconds.
    start: float | None = None
    #: Seconds of the day in UTC; the interval may contain midnight.
    from_second: float | None = None
    until_second: float | None = None

    def includes(self, at: float) -> bool:
        """Whether the price applies at a time, in Unix seconds."""
        if self.start is not None:
            return at >= self.start
        if self.from_second is None or self.until_second is None:
            return True
        second = at % 86400
        if self.until_second < self.from_second:
            return second >= self.from_second or second < self.until_second
        return self.from_second <= second < self.until_second


class DatedRates(msgspec.Struct, frozen=True):
    """Rates, by their names in `Rates`, and when they apply."""

    rates: dict[str, RawRate]
    period: Period = Period()


class Variant(msgspec.Struct, frozen=True):
    """Rates that replace the standard ones for requests of some kind, such as `{"service_tier": "flex"}`."""

    when: dict[str, str]
    rates: dict[str, RawRate]
    period: Period = Period()


class ListedModel(msgspec.Struct, frozen=True):
    """A model of the list."""

    id: str
    match: Clause
    #: The last one that applies counts; the first one if none does.
    prices: list[DatedRates]
    variants: list[Variant] = []


class ListedProvider(msgspec.Struct, frozen=True):
    """A provider of the list. Its models are decoded when they are needed."""

    id: str
    #: A regular expression of the URLs of its API.
    url: str
    match: Clause | None
    #: Ids of the providers whose prices apply to models that it has no price for.
    fallbacks: list[str]
    #: Pages on which it states its prices.
    sources: list[str]
    models: Raw


class PriceList(msgspec.Struct, frozen=True):
    """The file."""

    format: int
    #: The version of genai-prices.
    version: str
    providers: list[ListedProvider]


class Listing(msgspec.Struct, frozen=True):
    """A model that was found, with its provider in the list."""

    provider: ListedProvider
    model: ListedModel
    version: str

    def rates(self, at: float, service_tier: str | None = None) -> Rates:
        """Return the rates at a time, in Unix seconds, for a tier of service."""
        standard = self.model.prices[self.position(at)].rates
        if service_tier is None:
            return _merged(standard)
        context = {"service_tier": service_tier, "processing": service_tier}
        replacements: dict[str, RawRate] = {}
        for variant in self.model.variants:
            # The first of several counts.
            if variant.period.includes(at) and variant.when.items() <= context.items():
                replacements = {**variant.rates, **replacements}
        return _merged(standard, replacements)

    def has_tier(self, service_tier: str) -> bool:
        """Whether the list has rates of its own for a tier of service."""
        return any(service_tier in variant.when.values() for variant in self.model.variants)

    def since(self, at: float) -> date | None:
        """Return the day since which the price applies that does at a time; None if the list does not tell."""
        start = self.model.prices[self.position(at)].period.start
        if start is None:
            return None
        return datetime.fromtimestamp(start, UTC).date()

    def position(self, at: float) -> int:
        """Return which of the model's prices applies at a time."""
        for position in reversed(range(len(self.model.prices))):
            if self.model.prices[position].period.includes(at):
                return position
        return 0


_decode_models = msgspec.json.Decoder(list[ListedModel]).decode
_decode_list = msgspec.json.Decoder(PriceList).decode


def decode(data: bytes) -> PriceList:
    """Decode the file. Raises msgspec.DecodeError or ValueError if it is not one of this format."""
    found = _decode_list(data)
    if found.format != FORMAT:
        raise ValueError(f"the format is {found.format}")
    return found


def find(listed: PriceList, url: str, name: str, model: str) -> Listing | None:
    """Return a provider's model; None if the list has no such provider, or no such model of it.

    The provider is found by the URL of its API. Only if `url` is empty, because an adapter makes the URL itself, `name`
    counts, which is its type in llms.json: nobody knows what a model of the same name costs at another URL.
    """
    provider = _provider_at(listed, url) if url else _provider_named(listed, name)
    if provider is None:
        return None
    candidates = [
        provider,
        *(other for other in listed.providers if other.id in provider.fallbacks),
    ]
    lower = model.lower()
    for reference in dict.fromkeys((lower, _with_dashed_date(lower))):
        for candidate in candidates:
            found = _model(candidate, reference)
            if found is not None:
                return Listing(provider, found, listed.version)
    return None


def search(listed: PriceList, model: str) -> Sequence[Listing]:
    """Return the model wherever it is offered."""
    lower = model.lower()
    found = ((provider, _model(provider, lower)) for provider in listed.providers)
    return [
        Listing(provider, match, listed.version) for provider, match in found if match is not None
    ]


def matches(clause: Clause, text: str) -> bool:
    """Whether a text, in lower case, meets a condition."""
    ((kind, value),) = clause.items()
    match kind:
        case "equals":
            return bool(text == value.lower())
        case "starts_with":
            return text.startswith(value.lower())
        case "ends_with":
            return text.endswith(value.lower())
        case "contains":
            return value.lower() in text
        case "regex":
            return _pattern(value).search(text) is not None
        case "or":
            return any(matches(each, text) for each in value)
        case "and":
            return all(matches(each, text) for each in value)
    raise ValueError(f"unknown comparison: {kind}")


def _provider_at(listed: PriceList, url: str) -> ListedProvider | None:
    for provider in listed.providers:
        if _pattern(provider.url).match(url):
            return provider
    return None


def _provider_named(listed: PriceList, name: str) -> ListedProvider | None:
    lower = name.lower()
    for provider in listed.providers:
        if provider.id == lower:
            return provider
    for provider in listed.providers:
        if provider.match is not None and matches(provider.match, lower):
            return provider
    return None


def _model(provider: ListedProvider, reference: str) -> ListedModel | None:
    for model in _decode_models(provider.models):
        if matches(model.match, reference):
            return model
    return None


_COMPACT_DATE = re.compile(r"-(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")


def _with_dashed_date(reference: str) -> str:
    """Some gateways write `gpt-5.2-20251211` for `gpt-5.2-2025-12-11`."""
    return _COMPACT_DATE.sub(r"-\1-\2-\3", reference)


_pattern = lru_cache(maxsize=1024)(re.compile)


def _merged(*parts: Mapping[str, RawRate]) -> Rates:
    merged: dict[str, RawRate] = {}
    for part in parts:
        merged.update(part)
    limits = sorted(
        {limit for rate in merged.values() if isinstance(rate, tuple) for limit, _ in rate[1]}
    )
    tiers = tuple(Tier(above=limit, rates=_flat(merged, limit)) for limit in limits)
    return msgspec.structs.replace(_flat(merged, 0), tiers=tiers)


def _flat(rates: Mapping[str, RawRate], above: int) -> Rates:
    """The rates of prompts that are longer than a limit."""
    return msgspec.convert({name: _rate(rate, above) for name, rate in rates.items()}, Rates)


def _rate(rate: RawRate, above: int) -> float:
    if not isinstance(rate, tuple):
        return rate
    base, tiers = rate
    for limit, dearer in reversed(tiers):
        if above >= limit:
            return dearer
    return base
