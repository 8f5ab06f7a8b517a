"""The provider specs of plugins: checked when they are collected, and looked up by name or alias."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

from llms_core.errors import PluginError
from llms_core.plugins.report import summary
from llms_core.plugins.verify import Hook
from llms_core.provider import Capabilities, ProviderSettings, ProviderSpec

_TEXTS = ("name", "title", "docs", "base_url", "wire")
_COLLECTIONS = ("key_env", "aliases", "drop")


def collect(hook: Hook) -> tuple[ProviderSpec, ...]:
    """What a plugin's `llms_providers` gives.

    Raises PluginError where that is anything but ProviderSpecs that make sense.
    """
    try:
        given = hook.call()
        unwanted(given)
        specs = tuple(given)
    except PluginError:
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise PluginError(f"llms_providers raised {summary(error)}") from error
    for spec in specs:
        if not isinstance(spec, ProviderSpec):
            raise PluginError(f"llms_providers gave a {type(spec).__name__}, which is no ProviderSpec")
        if wrong := _fault(spec):
            raise PluginError(f"the provider '{spec.name}': {wrong}")
    return specs


def unwanted(given: Any) -> None:
    """Raise PluginError for a coroutine or an async generator, which nobody would await; and close it."""
    if inspect.iscoroutine(given):
        given.close()
    if inspect.isawaitable(given) or inspect.isasyncgen(given):
        raise PluginError(f"a hook gave a {type(given).__name__}, and nobody would await it: hooks are plain functions")


def add(
    specs: dict[str, ProviderSpec], origins: dict[str, str], offered: Iterable[ProviderSpec], origin: str
) -> tuple[tuple[ProviderSpec, ...], list[str]]:
    """Enter specs under their names and aliases in lower case; who comes first keeps a name.

    Gives the specs that were taken, and the refusals. A refused alias leaves its spec in.
    """
    taken, refusals = [], []
    for spec in offered:
        if holder := origins.get(spec.name.lower()):
            refusals.append(f"its provider '{spec.name}' is left out: the name is that of {holder}")
            continue
        taken.append(spec)
        for name in (spec.name, *spec.aliases):
            holder = origins.setdefault(name.lower(), origin)
            if specs.setdefault(name.lower(), spec) is not spec:
                refusals.append(f"its alias '{name}' of '{spec.name}' is left out: the name is that of {holder}")
    return tuple(taken), refusals


def _fault(spec: ProviderSpec) -> str | None:
    """What a type checker would have said; msgspec checks no types when a struct is made in Python."""
    for field in _TEXTS:
        if not isinstance(getattr(spec, field), str):
            return f"`{field}` is not a string"
    if not spec.name:
        return "`name` is empty"
    for field in _COLLECTIONS:
        value: object = getattr(spec, field)
        if not isinstance(value, (tuple, list, set, frozenset)) or not all(isinstance(item, str) for item in value):
            return f"`{field}` is not a collection of strings"
    if not callable(spec.adapter):
        return "`adapter` cannot be called"
    if not isinstance(spec.capabilities, Capabilities):
        return "`capabilities` is no Capabilities"
    if not (isinstance(spec.settings, type) and issubclass(spec.settings, ProviderSettings)):
        return "`settings` is no subclass of ProviderSettings"
    return None
