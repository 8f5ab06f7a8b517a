"""The model that a prompt is for."""

from __future__ import annotations

from collections.abc import Iterable

from llms_core.errors import ConfigError
from llms_core.operations.chat import CHAT
from llms_core.server.service import Service


async def known(service: Service, name: str) -> str:
    """Return the name of a model. If the configuration does not have it, providers are asked for their models first."""
    if not service.router.models.find(name):
        service.update_models(await service.discover_models())
    return name


def first(service: Service, needed: Iterable[str] = ()) -> str:
    """Return the first model of the configuration that has the needed capabilities, for users who named none.

    Discovered models are left out, because the order of a provider's list means nothing. Raises ConfigError.
    """
    capabilities = frozenset(needed)
    for candidate in service.router.models.listed_for(CHAT.name):
        if capabilities <= candidate.capabilities:
            return candidate.client_model
    raise ConfigError("no model", hint="name one with -m, or choose a default with `llms default MODEL`")
