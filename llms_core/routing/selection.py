"""Which candidates are tried for a request, and in which order, before plugins have a say.

`llms route` shows what this module says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from llms_core.candidate import Candidate, Refusal
from llms_core.config.model import Routing
from llms_core.contracts.body import RequestBody
from llms_core.operations import Operation
from llms_core.routing.candidates import ModelIndex, cannot_serve, split_by_capability
from llms_core.routing.strategies import Order


class Selection(NamedTuple):
    """The candidates for a request."""

    #: In the order in which they are tried.
    candidates: Sequence[Candidate]
    #: Why other providers of the model, or of its fallbacks, cannot serve the request.
    unable: Sequence[Refusal]


def select(
    models: ModelIndex,
    order: Order,
    routing: Routing,
    operation: Operation[Any, Any],
    body: RequestBody[Any],
) -> Selection:
    """Return the candidates: the model's own, then those of its fallbacks.

    Raises RequestError if no enabled provider has the model, or none can do what the request asks for.
    """
    model = body.model
    found = order(models.find(model))
    for fallback in fallbacks(routing, operation, model):
        found = [*found, *order(models.find(fallback))]
    if not found:
        raise models.not_found(model)
    able, unable = models.for_operation(found, operation)
    if not able:
        raise cannot_serve(model, unable)
    taking_original: list[Candidate] = []
    if body.native is not None:
        taking_original = [
            candidate for candidate in able if candidate.accepted_original(body) is not None
        ]
    if len(taking_original) == len(able):
        return Selection(able, unable)
    if (reason := body.untranslatable) is not None:
        if not taking_original:
            raise reason
        return Selection(taking_original, unable)
    if needed := operation.needed_capabilities(body.view):
        able, lacking = split_by_capability(able, needed)
        if not able:
            raise cannot_serve(model, lacking)
        unable = [*unable, *lacking]
    return Selection(able, unable)


def fallbacks(routing: Routing, operation: Operation[Any, Any], model: str) -> Sequence[str]:
    """The models that are tried after all providers of one have failed."""
    if operation.same_model_only:
        return ()
    return routing.fallbacks.get(model, ())
