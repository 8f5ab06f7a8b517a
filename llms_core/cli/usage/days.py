"""Days as users write them."""

from __future__ import annotations

import re
import time
from datetime import date, timedelta
from typing import NamedTuple

from llms_core.errors import ConfigError

_EPOCH = date(1970, 1, 1)
_AGO = re.compile(r"(\d{1,5})d")
_SECONDS_PER_DAY = 86_400


class Period(NamedTuple):
    """Some days, both ends included, counted from 1970-01-01."""

    first: int
    last: int


def period(since: str, until: str) -> Period:
    """Return the days from `since` to `until`. Raises ConfigError."""
    today = int(time.time() // _SECONDS_PER_DAY)
    found = Period(_day(since, today, "--since"), _day(until, today, "--until"))
    if found.first > found.last:
        raise ConfigError(f"{text_of(found.first)} is after {text_of(found.last)}", field="--since")
    return found


def text_of(day: int) -> str:
    """Return a day as text, such as 2026-11-01."""
    return (_EPOCH + timedelta(days=day)).isoformat()


def _day(text: str, today: int, option: str) -> int:
    if text == "today":
        return today
    if text == "yesterday":
        return today - 1
    if ago := _AGO.fullmatch(text):
        # `1d` is today alone.
        return max(0, today - max(int(ago[1]), 1) + 1)
    try:
        return (date.fromisoformat(text) - _EPOCH).days
    except ValueError:
        hint = "2026-11-01, today, yesterday, or 7d for the last seven days"
        raise ConfigError(f"'{text}' is not a day", field=option, hint=hint) from None
