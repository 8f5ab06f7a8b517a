"""Models: the one for users who name none, and explanations for names that no enabled provider has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from llms_core.cli.user_error import Failure
from llms_core.operations.chat import CHAT
from llms_core.provider import Discovers

if TYPE_CHECKING:
    from llms_core.candidate import Configured
    from llms_core.config.model import Provider
    from llms_core.routing.candidates import ModelIndex
    from llms_core.server.service import Service

#: What media are called in messages, by the capabilities that they need.
_MEDIA = {"vision": "images", "audio": "audio", "files": "files"}
_MOST_LISTED = 3

TEXT = "text"
"""The template of prompts without media, whose model `llms default` sets."""


def first(service: Service, needed: Iterable[str] = ()) -> str:
    """Return the first model of the configuration that has the needed capabilities, for users without a default.

    Discovered models are left out, because the order of a provider's list means nothing. Raises Failure.
    """
    capabilities = frozenset(needed)
    listed = service.router.models.listed_for(CHAT.name)
    for candidate in listed:
        if capabilities <= candidate.capabilities:
            return candidate.client_model
    if not listed and not any(_may_have_more(item) for item in service.startup.configured):
        raise Failure(
            "no model: no provider can be used (`llms add` sets up a provider and its key; `llms ls` lists what the "
            "others lack)"
        )
    media = " and ".join(_MEDIA[name] for name in sorted(capabilities))
    taking = f" that takes {media}" if listed else ""
    raise Failure(
        f"no model{taking} (name one with -m, or choose a default with `llms default MODEL`)"
    )


def explanation(service: Service, name: str, template: str = "") -> str:
    """Return what may help a user if no enabled provider has a model.

    `template` is that of llms.json from which the name comes; empty if the user has written it.
    """
    lines = []
    if template:
        path = service.startup.llms_json.path
        change = "`llms default MODEL` changes it" if template == TEXT else "change it there"
        lines.append(
            f"It is the model of `defaults.{template}` in {path}: name another one with -m, or {change}."
        )
    for provider, said in service.discovery.items():
        if not service.discovered.get(provider):
            lines.append(f"  {provider} was asked for its models: {said}")
    return "\n".join([*lines, suggestion(service.router.models, name)])


def suggestion(index: ModelIndex, name: str) -> str:
    """Return which providers of a model cannot be used, and similar names."""
    lines = list(_unusable(index.configured, name))
    known = [candidate.client_model for candidate in index.listed()]
    similar = get_close_matches(name, known, n=_MOST_LISTED)
    if similar:
        lines.append(f"Similar models: {', '.join(similar)}")
    elif lines:
        lines.append(
            "`llms add` sets up a provider and its key; `llms ls` lists the models that are known."
        )
    else:
        lines.append("`llms ls` lists the models that are known.")
    return "\n".join(lines)


def unlisted(configured: Iterable[Configured], name: str) -> list[str]:
    """Return the providers that list their models themselves, and may have one that llms.json does not have there."""
    return [
        item.id
        for item in configured
        if _may_have_more(item) and not has_any(item.provider, [name])
    ]


def has_any(provider: Provider, names: Iterable[str]) -> bool:
    """Whether a provider, enabled or not, has one of the models in the configuration."""
    known: set[str] = set()
    for model in provider.models:
        known.update(model.names)
    if not provider.fold_case:
        return not known.isdisjoint(names)
    folded = {name.lower() for name in known}
    return not folded.isdisjoint(name.lower() for name in names)


def _may_have_more(item: Configured) -> bool:
    return item.provider.discover and item.disabled is None and isinstance(item.adapter, Discovers)


def _unusable(configured: Sequence[Configured], name: str) -> Iterator[str]:
    """Lines for the providers that have the model in llms.json, but cannot be used."""
    having = [
        item for item in configured if item.disabled is not None and has_any(item.provider, [name])
    ]
    for item in having[:_MOST_LISTED]:
        yield f"  {item.id} has it, but cannot be used: {item.disabled}"
    if len(having) > _MOST_LISTED:
        yield f"  … and {len(having) - _MOST_LISTED} more; `llms route {name}` lists all"
