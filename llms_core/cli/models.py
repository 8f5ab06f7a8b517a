"""Models: the one for users who name none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from llms_core.errors import ConfigError
from llms_core.operations.chat import CHAT

WHERE_TO_LOOK = "`llms ls` lists the models that are known."

if TYPE_CHECKING:
    from llms_core.server.service import Service


def default(service: Service) -> str:
    """Return the model of prompts without media. Raises ConfigError if there is none."""
    name = service.startup.llms_json.templates.get("text", {}).get("model")
    return name if isinstance(name, str) and name else first(service)


def first(service: Service, needed: Iterable[str] = ()) -> str:
    """Return the first model of the configuration that has the needed capabilities, for users without a default.

    Discovered models are left out, because the order of a provider's list means nothing. Raises ConfigError.
    """
    capabilities = frozenset(needed)
    for candidate in service.router.models.listed_for(CHAT.name):
        if capabilities <= candidate.capabilities:
            return candidate.client_model
    raise ConfigError("no model", hint="name one with -m, or choose a default with `llms default MODEL`")
