"""What is checked: from the arguments to models of providers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from llms_core.candidate import Configured
from llms_core.cli.similar import no_such
from llms_core.cli.user_error import Failure
from llms_core.operations.chat import CHAT
from llms_core.server.service import Service
from llms_core.startup import Startup

ALL = "all"
"""The argument for every model, also those that a provider lists itself."""


class Target(NamedTuple):
    """One check."""

    item: Configured
    #: the name for clients; None for a provider that cannot be checked
    model: str | None
    #: why it cannot be checked; empty if it can
    obstacle: str = ""


def chosen_providers(startup: Startup, name: str | None) -> Sequence[Configured]:
    """Return the provider of this name, or else all that are enabled. Raises Failure if there is none."""
    if name is None:
        enabled = [item for item in startup.configured if item.disabled is None]
        if not enabled:
            raise Failure("no provider is enabled; `llms ls` lists the reasons")
        return enabled
    for item in startup.configured:
        if item.id == name:
            return [item]
    raise no_such("provider", name, [item.id for item in startup.configured])


async def find(service: Service, name: str | None, models: Sequence[str]) -> list[Target]:
    """Return what to check: these models of the provider `name`, or one of each provider that chats without a name.

    Providers are asked for their models if llms.json does not have those that are wanted. Raises Failure if
    nothing can be checked.
    """
    chosen = chosen_providers(service.startup, name)
    reasons = await _discover(service, chosen, models)
    targets: list[Target] = []
    for item in chosen:
        if item.disabled is not None:
            targets.append(Target(item, None, item.disabled))
            continue
        names = _names(service, item, models)
        if name is None:
            names = names[:1]
        targets += [Target(item, each) for each in names]
        if not names and (item.id in reasons or name is not None):
            targets.append(Target(item, None, reasons.get(item.id, "no model that chats is known")))
    if not targets:
        raise Failure("no enabled provider has a model that chats")
    return targets


async def _discover(
    service: Service, chosen: Sequence[Configured], models: Sequence[str]
) -> dict[str, str]:
    """Ask providers for their models where that is necessary, and return why some did not tell them."""
    asked = [item for item in chosen if _has_to_be_asked(item, models)]
    if not asked:
        return {}
    found = await service.discover_models(asked)
    service.update_models(found)
    return {provider: result for provider, result in found.items() if isinstance(result, str)}


def _has_to_be_asked(item: Configured, models: Sequence[str]) -> bool:
    if not item.provider.discover or item.disabled is not None:
        return False
    known: set[str] = set()
    for model in item.provider.models:
        known.update(model.names)
    return ALL in models or not known or not known.issuperset(models)


def _names(service: Service, item: Configured, models: Sequence[str]) -> Sequence[str]:
    """The names of the models to check. Raises Failure for one that the provider does not have."""
    index = service.only(item).router.models
    listed = [candidate.client_model for candidate in index.listed_for(CHAT.name)]
    if ALL in models:
        return listed
    if not models:
        configured = {model.names[0] for model in item.provider.models}
        return [name for name in listed if name in configured] or listed
    for name in models:
        if not index.find(name):
            known = [candidate.client_model for candidate in index.listed()]
            raise no_such(f"model of {item.id}", name, known)
    return models
