"""A block's models: their names, the provider's ids and their prices (K-06 … K-08, K-10, L-13 … L-15, L-20)."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping

import msgspec

from llms_core.config.llms_json_shape import ModelEntry, ProviderBlock
from llms_core.config.llms_py.catalogue import Entry
from llms_core.config.locate import At
from llms_core.config.model import Model
from llms_core.config.prices import price, warn_of_odd_units
from llms_core.config.reading import Reading
from llms_core.provider import ProviderSpec

Given = Mapping[str, str | ModelEntry]


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider has: the models that are known, and whether to ask it for more."""

    models: tuple[Model, ...]
    discover: bool


def offer(
    reading: Reading, at: At, block: ProviderBlock, spec: ProviderSpec, entry: Entry | None, *, v3: bool
) -> Offer:
    """The models of a block. Raises ConfigError for a regular expression that is none."""
    wanted = _pattern(reading, (*at, "include_models"), block.include_models)
    refused = _pattern(reading, (*at, "exclude_models"), block.exclude_models)
    named = _named(block)
    # Models that the block has stand for the catalogue's, even if there are none: then the provider is asked (L-19).
    catalogued = entry.models if entry and block.models is None else {}
    known: Given = named or catalogued or (spec.models if block.models is None else {})
    discover = bool(block.all_models) if block.all_models is not None else not known and not block.map_models
    rows = block.pricing or {}
    warn_of_odd_units(reading, (*at, "pricing"), rows)
    warn_of_odd_units(reading, at, {"default_pricing": block.default_pricing})
    costs = {name: item.cost for name, item in named.items() if isinstance(item, ModelEntry)}
    warn_of_odd_units(reading, (*at, "models"), costs)
    models = []
    for names, upstream, details in _chosen(known, block.map_models, v3=v3):
        if not all((*names, upstream)):
            raise reading.error((*at, "models"), "the name of a model is empty")
        if (wanted and not wanted.search(upstream)) or (refused and refused.search(upstream)):
            continue
        row = rows.get(upstream) or rows.get(names[0])
        limit = details.limit
        models.append(
            Model(
                names=names,
                upstream=upstream,
                price=price(row or details.cost or block.default_pricing),
                context=(limit and limit.context) or None,
                output=(limit and limit.output) or None,
            )
        )
    return Offer(models=tuple(models), discover=discover)


def _named(block: ProviderBlock) -> Given:
    models = block.models or {}
    return models if isinstance(models, dict) else {name: name for name in models}


def _chosen(
    known: Given, aliases: Mapping[str, str] | None, *, v3: bool
) -> list[tuple[tuple[str, ...], str, ModelEntry]]:
    """Names for clients, the provider's id and what else is known, of each model that is to be offered.

    With aliases these are the only models (L-14), known or not. In v3 a model also goes by its id, its name and the
    last part of its id (L-20); in v2 by its local name alone.
    """
    unknown = ModelEntry()
    models = {
        name: (item.id or name, item) if isinstance(item, ModelEntry) else (item, unknown)
        for name, item in known.items()
    }
    if aliases:
        by_id = dict(models.values())
        models = {alias: (upstream, by_id.get(upstream, unknown)) for alias, upstream in aliases.items()}
    return [
        (_distinct(name, upstream, details.name, upstream.rpartition("/")[2]) if v3 else (name,), upstream, details)
        for name, (upstream, details) in models.items()
    ]


def _distinct(*names: str | None) -> tuple[str, ...]:
    """The names that differ in more than case, the first spelling of each."""
    distinct: dict[str, str] = {}
    for name in names:
        if name is not None:
            distinct.setdefault(name.casefold(), name)
    return tuple(distinct.values())


def _pattern(reading: Reading, at: At, text: str | None) -> re.Pattern[str] | None:
    if not text:
        return None
    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # `[[` may mean a set of sets one day
            return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise reading.error(at, f"not a regular expression: {error}") from None
