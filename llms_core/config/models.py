"""The models of a block: their names, the provider's ids and their prices (K-06 … K-08, K-10, L-13 … L-15, L-20)."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping

import msgspec

from llms_core.config.locate import JsonPath
from llms_core.config.model import Model
from llms_core.config.prices import price, warn_of_wrong_units
from llms_core.config.shape import ModelEntry, ProviderBlock
from llms_core.config.source import Source
from llms_core.provider import ProviderSpec


class OfferedModel(msgspec.Struct, frozen=True):
    """A model before the regular expressions and prices of its block are applied."""

    #: its name for clients
    name: str
    upstream: str
    entry: ModelEntry


class Models(msgspec.Struct, frozen=True):
    """What a provider offers."""

    known: tuple[Model, ...]
    #: whether to ask the provider for more
    discover: bool


def models(source: Source, path: JsonPath, block: ProviderBlock, spec: ProviderSpec) -> Models:
    """Return the models of a block. Raises ConfigError for an invalid regular expression or an empty name."""
    included = _pattern(source, (*path, "include_models"), block.include_models)
    excluded = _pattern(source, (*path, "exclude_models"), block.exclude_models)
    _warn_of_wrong_units(source, path, block)
    # A block's own list replaces the spec's, even if it is empty: the provider is asked then.
    entries = _entries(spec.models if block.models is None else block.models)
    known = []
    for offered in _mapped(entries, block.map_models):
        if not offered.name or not offered.upstream:
            raise source.error((*path, "models"), "the name of a model is empty")
        if included is not None and not included.search(offered.upstream):
            continue
        if excluded is not None and excluded.search(offered.upstream):
            continue
        known.append(_model(block, offered))
    discover = block.all_models
    if discover is None:
        discover = not entries and not block.map_models
    return Models(tuple(known), discover)


def _entries(
    models: Mapping[str, str | ModelEntry] | Mapping[str, str] | list[str],
) -> dict[str, OfferedModel]:
    """The models by their names for clients, whichever way they are written."""
    if isinstance(models, list):
        models = {name: name for name in models}
    entries = {}
    for name, item in models.items():
        if isinstance(item, ModelEntry):
            entries[name] = OfferedModel(name, item.id or name, item)
        else:
            entries[name] = OfferedModel(name, item, ModelEntry())
    return entries


def _mapped(
    entries: Mapping[str, OfferedModel], map_models: Mapping[str, str] | None
) -> Iterable[OfferedModel]:
    """Apply `map_models`: if it is given, its models are the only ones, whether they are known or not (L-14)."""
    if not map_models:
        return entries.values()
    by_upstream = {offered.upstream: offered.entry for offered in entries.values()}
    mapped = []
    for name, upstream in map_models.items():
        entry = by_upstream.get(upstream, ModelEntry())
        mapped.append(OfferedModel(name, upstream, entry))
    return mapped


def _model(block: ProviderBlock, offered: OfferedModel) -> Model:
    pricing = block.pricing or {}
    # Files have prices by the provider's id, or by the local name.
    row = pricing.get(offered.upstream) or pricing.get(offered.name)
    return Model(
        names=tuple(
            (block.model_prefix or "") + name
            for name in _names(offered, lenient=bool(block.lenient_names))
        ),
        upstream=offered.upstream,
        price=price(row or offered.entry.cost or block.default_pricing),
        context=None if offered.entry.limit is None else offered.entry.limit.context,
    )


def _names(offered: OfferedModel, *, lenient: bool) -> tuple[str, ...]:
    """What clients may call a model: its name alone, or also its id, display name and last part of its id (L-20)."""
    if not lenient:
        return (offered.name,)
    last_part = offered.upstream.rpartition("/")[2]
    distinct: dict[str, str] = {}
    for name in (offered.name, offered.upstream, offered.entry.name, last_part):
        if name is not None:
            # Lenient look-ups ignore case, so that two spellings are one name. The first is kept.
            distinct.setdefault(name.casefold(), name)
    return tuple(distinct.values())


def _warn_of_wrong_units(source: Source, path: JsonPath, block: ProviderBlock) -> None:
    warn_of_wrong_units(source, (*path, "pricing"), block.pricing or {})
    warn_of_wrong_units(source, path, {"default_pricing": block.default_pricing})
    if isinstance(block.models, dict):
        costs = {
            name: item.cost for name, item in block.models.items() if isinstance(item, ModelEntry)
        }
        warn_of_wrong_units(source, (*path, "models"), costs)


def _pattern(source: Source, path: JsonPath, text: str | None) -> re.Pattern[str] | None:
    if not text:
        return None
    try:
        # Python warns that `[[` may mean a set of sets in a future version.
        with warnings.catch_warnings(action="ignore", category=FutureWarning):
            return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise source.error(path, f"not a regular expression: {error}") from None
