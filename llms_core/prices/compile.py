"""Writes the price list from the data of genai-prices: `python -m llms_core.prices.compile`.

It runs in a process of its own, because that data takes 100 MB; see `listed.py`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

import msgspec

from llms_core.prices.listed import FORMAT, DatedRates, Period, RawRate, Variant

#: The names of genai-prices -> ours, and what its rates are multiplied by. Others are not charged by tokens, images or
#: sound, or not counted by providers.
_NAMES: Mapping[str, tuple[str, Decimal]] = {
    "input_mtok": ("input", Decimal(1)),
    "output_mtok": ("output", Decimal(1)),
    "cache_read_mtok": ("cache_read", Decimal(1)),
    "cache_write_mtok": ("cache_write", Decimal(1)),
    "cache_write_1h_mtok": ("cache_write_1h", Decimal(1)),
    "output_reasoning_mtok": ("reasoning", Decimal(1)),
    "input_audio_mtok": ("input_audio", Decimal(1)),
    "output_audio_mtok": ("output_audio", Decimal(1)),
    "input_image_mtok": ("input_image", Decimal(1)),
    "output_image_mtok": ("output_image", Decimal(1)),
    "audio_hours": ("minute", Decimal(1) / 60),
    "requests_kcount": ("request", Decimal(1) / 1000),
    "web_searches_kcount": ("search", Decimal(1) / 1000),
}

#: The package's own code charges for so many seconds at least.
_MIN_SECONDS = {("groq", "whisper-large-v3"): 10.0, ("groq", "whisper-large-v3-turbo"): 10.0}

_COMPARISONS = ("starts_with", "ends_with", "contains", "regex", "equals")


def compiled() -> bytes:
    """Return the price list as a file's content."""
    from importlib.metadata import version

    from genai_prices.data import providers

    document = {
        "format": FORMAT,
        "version": version("genai-prices"),
        "providers": [_provider(provider) for provider in providers],
    }
    return msgspec.json.encode(document)


def _provider(provider: Any) -> Mapping[str, Any]:
    return {
        "id": provider.id,
        "url": provider.api_pattern,
        "match": None if provider.provider_match is None else _clause(provider.provider_match),
        "fallbacks": list(provider.fallback_model_providers or ()),
        "sources": list(provider.pricing_urls or ()),
        "models": [_model(provider.id, model) for model in provider.models],
    }


def _model(provider: str, model: Any) -> Mapping[str, Any]:
    conditional = model.prices if isinstance(model.prices, list) else None
    dated = [DatedRates(_rates(model.prices))] if conditional is None else list(_dated(conditional))
    floor = _MIN_SECONDS.get((provider, model.id))
    if floor is not None:
        for each in dated:
            each.rates["min_seconds"] = floor
    variants = [
        Variant(dict(each.when), _rates(each.prices), _period(each))
        for each in model.price_variants or ()
    ]
    return {"id": model.id, "match": _clause(model.match), "prices": dated, "variants": variants}


def _dated(prices: Iterable[Any]) -> Iterable[DatedRates]:
    for each in prices:
        yield DatedRates(_rates(each.prices), _period(each))


def _period(conditional: Any) -> Period:
    constraint = conditional.constraint
    if constraint is None:
        return Period()
    start = getattr(constraint, "start_date", None)
    if start is not None:
        return Period(start=datetime.combine(start, time(), UTC).timestamp())
    return Period(
        from_second=_second(constraint.start_time), until_second=_second(constraint.end_time)
    )


def _second(value: time) -> float:
    """The second of the day in UTC; a time without a zone is in UTC."""
    offset = value.utcoffset()
    seconds = value.hour * 3600 + value.minute * 60 + value.second
    return (seconds - (offset.total_seconds() if offset is not None else 0)) % 86400


def _rates(price: Any) -> dict[str, RawRate]:
    rates: dict[str, RawRate] = {}
    for name, value in vars(price).items():
        if value is None or name not in _NAMES:
            continue
        ours, factor = _NAMES[name]
        if isinstance(value, Decimal):
            rates[ours] = float(value * factor)
        else:
            tiers = [(tier.start, float(tier.price * factor)) for tier in value.tiers]
            rates[ours] = (float(value.base * factor), tiers)
    return rates


def _clause(clause: Any) -> Mapping[str, Any]:
    for name in ("or", "and"):
        parts = getattr(clause, f"{name}_", None)
        if parts is not None:
            return {name: [_clause(part) for part in parts]}
    for name in _COMPARISONS:
        value = getattr(clause, name, None)
        if value is not None:
            return {name: value}
    raise ValueError(f"unknown comparison: {clause!r}")


if __name__ == "__main__":
    if hasattr(os, "nice"):
        # A gateway that starts at the same time has better things to do.
        os.nice(19)
    sys.stdout.buffer.write(compiled())
