"""Prices as they are written, to USD per million tokens (K-07, K-08, L-13)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from llms_core.config.llms_json_shape import Amount, Cost, PriceRow
from llms_core.config.locate import At
from llms_core.config.model import Price
from llms_core.config.reading import Reading

# No model costs as little for a million tokens, or as much for one.
_LEAST_PER_MILLION, _MOST_PER_TOKEN = 0.0001, Decimal("0.01")


def price(row: PriceRow | Cost | None) -> Price | None:
    """A row's price; None where it says too little, or is one of requests and not of tokens."""
    if row is None or row.input is None or row.output is None or (isinstance(row, Cost) and row.type == "request"):
        return None
    return Price(
        input=_per_million(row.input),
        output=_per_million(row.output),
        cache_read=None if row.cache_read is None else _per_million(row.cache_read),
        cache_write=None if row.cache_write is None else _per_million(row.cache_write),
        reasoning=None if row.reasoning is None else _per_million(row.reasoning),
    )


def warn_of_odd_units(reading: Reading, at: At, rows: Mapping[str, PriceRow | Cost | None]) -> None:
    """Say where prices seem to be in the other unit; once for a whole table."""
    odd = [name for name, row in rows.items() if row is not None and any(map(_is_odd, _amounts(row)))]
    if odd:
        others = f" and {len(odd) - 1} more" if len(odd) > 1 else ""
        hint = "a string is USD per token, a number is USD per million tokens"
        reading.warn((*at, odd[0]), f"the price{others} seems to be in another unit", hint)


def _amounts(row: PriceRow | Cost) -> Iterable[Amount]:
    return (value for value in (row.input, row.output) if value is not None)


def _is_odd(amount: Amount) -> bool:
    if isinstance(amount, str):
        return Decimal(amount.strip()) > _MOST_PER_TOKEN
    return 0 < amount < _LEAST_PER_MILLION


def _per_million(amount: Amount) -> float:
    """A string is per token, a number per million. Through Decimal, so that "0.0000003" is 0.3 and not nearly 0.3."""
    return float(Decimal(amount.strip()) * 10**6) if isinstance(amount, str) else amount
