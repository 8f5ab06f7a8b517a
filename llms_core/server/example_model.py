"""A model for examples: one that is served, so that an example works when it is copied."""

from __future__ import annotations

from llms_core.candidate import Candidate
from llms_core.errors import RequestError
from llms_core.server.gateway import Gateway


def example_model(gateway: Gateway, operation: str) -> str | None:
    """Return the name of a model for an operation; None if no provider is known to have one.

    It is the first in the order of llms.json that works, as far as recent requests have shown.
    """
    try:
        models = gateway.router.models
    except RequestError:
        # The server is starting.
        return None
    listed = models.listed_for(operation)
    for each in listed:
        if any(_works(candidate) for candidate in models.find(each.client_model)):
            return each.client_model
    return listed[0].client_model if listed else None


def _works(candidate: Candidate) -> bool:
    return not candidate.circuit.open_until
