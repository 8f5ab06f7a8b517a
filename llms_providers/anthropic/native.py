"""Which requests of the Messages API a model takes as the client wrote them.

What the client itself composed is sent as it is, even if the model refuses it: nobody else knows what was meant. But
what another model left in the conversation, and parameters that were chosen for a model of another family, are
repaired by the translation.
"""

from __future__ import annotations

from llms_core.contracts.native import MESSAGES, NativeRequest
from llms_core.native.message_request import RequestView, view_of
from llms_providers.anthropic.models import family_of
from llms_providers.anthropic.originals import CLAUDE


def is_accepted(native: NativeRequest, model: str) -> bool:
    """Whether a model, given its id on any platform, takes a request as it is."""
    if native.protocol != MESSAGES:
        return False
    view = view_of(native)
    return view is not None and fits(view, model)


def fits(view: RequestView, model: str) -> bool:
    """Whether nothing in a request has to be repaired for a model."""
    family = family_of(model)
    is_claude = CLAUDE in model.lower()
    if not view.fits(is_claude=is_claude, system_messages=family.system_messages):
        return False
    was_meant_for_it = family_of(view.model) == family
    if was_meant_for_it:
        return True
    can_think = not (is_claude and view.thinks_adaptively) or family.thinking == "adaptive"
    return can_think and view.sampling_parameters <= family.sampling_parameters
