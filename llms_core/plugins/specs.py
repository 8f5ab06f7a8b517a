"""Collects the provider specs of plugins, validates them, and registers them by name and alias."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from llms_core.contracts.embeddings import EmbeddingRules
from llms_core.errors import PluginError
from llms_core.plugins.report import summary
from llms_core.plugins.verify import Hook
from llms_core.provider import Capabilities, ProviderSettings, ProviderSpec

_STRING_FIELDS = ("name", "title", "docs", "base_url", "wire")
_COLLECTION_FIELDS = ("key_env", "aliases", "drop")


class Registered(NamedTuple):
    """The outcome of registering one plugin's specs."""

    specs: tuple[ProviderSpec, ...]
    #: Which specs or aliases were ignored, and why.
    conflicts: list[str]


def collect(hook: Hook) -> tuple[ProviderSpec, ...]:
    """Call a plugin's `llms_providers`.

    Raises PluginError if it raises, or returns anything but valid ProviderSpecs.
    """
    try:
        result = hook.call()
        reject_awaitable(result)
        if not isinstance(result, Iterable):
            raise PluginError(f"llms_providers {not_a_list(result, 'ProviderSpecs')}")
        specs = tuple(result)
    except (PluginError, KeyboardInterrupt):
        raise
    # A plugin may raise SystemExit, or a panic of an extension module.
    except BaseException as error:
        raise PluginError(f"llms_providers raised {summary(error)}") from error
    for spec in specs:
        if not isinstance(spec, ProviderSpec):
            raise PluginError(
                f"llms_providers returned a {type(spec).__name__} instead of a ProviderSpec: "
                "return [ProviderSpec(name=…, title=…, adapter=…)]"
            )
        if error_text := _validation_error(spec):
            raise PluginError(f"llms_providers: the provider '{spec.name}': {error_text}")
    return specs


def not_a_list(result: object, items: str) -> str:
    """Say what a hook returned instead of a list, and how to correct it."""
    if result is None:
        return (
            f"returned None instead of a list of {items}: is there a `return`? Return [] for none"
        )
    return f"returned a {type(result).__name__} instead of a list of {items}: return [it]"


def reject_awaitable(result: Any) -> None:
    """Raise PluginError for a coroutine or an async generator: hooks are synchronous, so it would never run."""
    if inspect.iscoroutine(result):
        result.close()  # or Python would warn that it was never awaited
    if inspect.isawaitable(result) or inspect.isasyncgen(result):
        raise PluginError(
            f"the hook returned a {type(result).__name__}; hooks must be synchronous functions: do the work in it, or "
            "in a task that `llms_lifespan` starts"
        )


def register(
    specs: dict[str, ProviderSpec],
    origins: dict[str, str],
    offered: Iterable[ProviderSpec],
    origin: str,
) -> Registered:
    """Add the specs of one plugin to `specs` and `origins` under their names and aliases, in lower case.

    The plugin that is loaded first keeps a name. A spec whose alias is taken is still registered.
    """
    accepted = []
    conflicts = []
    for spec in offered:
        owner = origins.get(spec.name.lower())
        if owner is not None:
            conflicts.append(
                f"provider '{spec.name}' is ignored, because {owner} already provides that name"
            )
            continue
        accepted.append(spec)
        for name in (spec.name, *spec.aliases):
            owner = origins.setdefault(name.lower(), origin)
            if specs.setdefault(name.lower(), spec) is not spec:
                conflicts.append(
                    f"alias '{name}' of provider '{spec.name}' is ignored, because {owner} already provides that name"
                )
    return Registered(tuple(accepted), conflicts)


def _validation_error(spec: ProviderSpec) -> str | None:
    """Check the types of a spec's members, because msgspec does not check a struct that Python code creates."""
    for field in _STRING_FIELDS:
        if not isinstance(getattr(spec, field), str):
            return f"`{field}` must be a string"
    if not spec.name:
        return "`name` must not be empty"
    for field in _COLLECTION_FIELDS:
        if not _is_collection_of_strings(getattr(spec, field)):
            return f"`{field}` must be a collection of strings, such as ('one',): the comma makes it one"
    if not callable(spec.adapter):
        return "`adapter` must be callable: the adapter's class, or a function of the spec and the settings"
    if not isinstance(spec.paths, Mapping) or not _is_collection_of_strings(
        [*spec.paths, *spec.paths.values()]
    ):
        return (
            "`paths` must map names of operations to paths, such as {'embeddings': '/embeddings'}"
        )
    if not isinstance(spec.embeddings, EmbeddingRules):
        return "`embeddings` must be an instance of EmbeddingRules"
    if not isinstance(spec.capabilities, Capabilities):
        return (
            "`capabilities` must be an instance of Capabilities, such as Capabilities(tools=False)"
        )
    if not (isinstance(spec.settings, type) and issubclass(spec.settings, ProviderSettings)):
        return "`settings` must be a subclass of ProviderSettings: class MySettings(ProviderSettings, kw_only=True)"
    return None


def _is_collection_of_strings(value: object) -> bool:
    # A plain string is a collection of strings, too, and a common mistake: `aliases="acme"`.
    if not isinstance(value, (tuple, list, set, frozenset)):
        return False
    return all(isinstance(item, str) for item in value)
