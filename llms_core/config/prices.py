"""Prices: from the units of llms.json to USD per million tokens (K-07, K-08, L-13)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from llms_core.config.locate import JsonPath
from llms_core.config.model import Price
from llms_core.config.price_shape import Amount, Cost, PriceRow
from llms_core.config.source import Source
from llms_core.prices.rates import Rates, Tier

# No model costs less than the first for a million tokens, or more than the second for one token.
_MIN_PER_MILLION = 0.0001
_MAX_PER_TOKEN = Decimal("0.01")

#: The rates that are amounts for tokens, and those that are for something else.
_OF_TOKENS = frozenset({
    "input",
    "output",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "reasoning",
    "input_audio",
    "output_audio",
    "input_image",
    "output_image",
})  # fmt: skip
_OTHERS = frozenset({"image", "minute", "request", "search"})


def price(row: PriceRow | Cost | None) -> Price | None:
    """Convert a price. None if it is incomplete, or if it is a price per request."""
    if row is None or row.input is None or row.output is None:
        return None
    if isinstance(row, Cost) and row.type == "request":
        return None
    rates = _rates(row)
    if isinstance(row, Cost):
        rates = msgspec.structs.replace(rates, tiers=tuple(_tiers(row, rates)))
    return Price(
        input=_per_million(row.input),
        output=_per_million(row.output),
        cache_read=rates.cache_read,
        rates=rates,
    )


def _rates(row: msgspec.Struct) -> Rates:
    """The rates that a row states."""
    stated = {}
    for name in row.__struct_fields__:
        value = getattr(row, name)
        if value is not None and name in _OF_TOKENS:
            stated[name] = _per_million(value)
        elif value is not None and name in _OTHERS:
            stated[name] = value
    return msgspec.convert(stated, Rates)


def _tiers(row: Cost, rates: Rates) -> Iterable[Tier]:
    """The rates for longer prompts: those that the row has for them, and else the usual ones."""
    found: dict[int, msgspec.Struct] = {}
    if row.context_over_200k is not None:
        found[200_000] = row.context_over_200k
    for tier in row.tiers or ():
        if tier.tier is not None and tier.tier.type == "context" and tier.tier.size is not None:
            found[tier.tier.size] = tier
    for above in sorted(found):
        stated = msgspec.structs.asdict(_rates(found[above]))
        changed = {name: stated[name] for name in _OF_TOKENS if stated[name] is not None}
        yield Tier(above=above, rates=msgspec.structs.replace(rates, **changed))


def per_token(amount: float) -> str:
    """Return an amount in USD per million tokens as llms.py writes it: in USD per token, without an exponent."""
    return format((Decimal(repr(amount)) / 10**6).normalize(), "f")


def warn_of_wrong_units(
    source: Source, path: JsonPath, rows: Mapping[str, PriceRow | Cost | None]
) -> None:
    """Warn about prices that seem to be in the other unit: once for a whole table."""
    wrong = [name for name, row in rows.items() if row is not None and _has_wrong_unit(row)]
    if not wrong:
        return
    more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    message = f"the price{more} seems to be in the wrong unit"
    hint = "a string is USD per token, a number is USD per million tokens"
    source.warn((*path, wrong[0]), message, hint)


def _has_wrong_unit(row: PriceRow | Cost) -> bool:
    amounts = (row.input, row.output)
    return any(amount is not None and _is_implausible(amount) for amount in amounts)


def _is_implausible(amount: Amount) -> bool:
    if isinstance(amount, str):
        return Decimal(amount.strip()) > _MAX_PER_TOKEN
    return 0 < amount < _MIN_PER_MILLION


def _per_million(amount: Amount) -> float:
    """Convert an amount: a string is per token, a number is per million tokens already.

    Decimal keeps "0.0000003" at exactly 0.3.
    """
    if isinstance(amount, str):
        return float(Decimal(amount.strip()) * 10**6)
    return amount
