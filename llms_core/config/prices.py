"""Prices: from the units of llms.json to USD per million tokens (K-07, K-08, L-13)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from llms_core.config.locate import JsonPath
from llms_core.config.model import Price
from llms_core.config.shape import Amount, Cost, PriceRow
from llms_core.config.source import Source

# No model costs less than the first for a million tokens, or more than the second for one token.
_MIN_PER_MILLION = 0.0001
_MAX_PER_TOKEN = Decimal("0.01")


def price(row: PriceRow | Cost | None) -> Price | None:
    """Convert a price. None if it is incomplete, or if it is a price per request."""
    if row is None or row.input is None or row.output is None:
        return None
    if isinstance(row, Cost) and row.type == "request":
        return None
    cache_read = None
    if row.cache_read is not None:
        cache_read = _per_million(row.cache_read)
    return Price(
        input=_per_million(row.input),
        output=_per_million(row.output),
        cache_read=cache_read,
    )


def per_token(amount: float) -> str:
    """Return an amount in USD per million tokens as llms.py writes it: in USD per token, without an exponent."""
    return format((Decimal(repr(amount)) / 10**6).normalize(), "f")


def warn_of_wrong_units(source: Source, path: JsonPath, rows: Mapping[str, PriceRow | Cost | None]) -> None:
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
