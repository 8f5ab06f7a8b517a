"""Asks the cheapest provider first, and none that costs more than a caller may spend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from llms_core import hookimpl
from llms_core.candidate import Candidate
from llms_core.plugins.settings import PluginSettings
from llms_core.records import Caller


class Settings(msgspec.Struct, frozen=True):
    """The table `[plugin.cheapest]` of plugins.toml."""

    #: The name of a caller -> the highest price, in USD for a million tokens of input and one of output.
    limits: Mapping[str, float] = {}


_limits: dict[str, float] = {}


@hookimpl
def llms_configure(settings: PluginSettings) -> None:
    _limits.clear()
    _limits.update(settings.decode(Settings).limits)


@hookimpl
def llms_candidates(candidates: Sequence[Candidate], caller: Caller | None) -> Sequence[Candidate]:
    """Sort by price. If everything is too expensive, nothing is left, and the gateway refuses the request."""
    limit = float("inf") if caller is None else _limits.get(caller.name, float("inf"))
    # The sort is stable: providers at the same price keep the order of llms.json.
    return sorted((one for one in candidates if _price(one) <= limit), key=_price)


def _price(candidate: Candidate) -> float:
    # What is unknown may cost anything, so it comes last, and only callers without a limit may use it.
    return (
        float("inf") if candidate.price is None else candidate.price.input + candidate.price.output
    )
