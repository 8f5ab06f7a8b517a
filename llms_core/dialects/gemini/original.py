"""Whether a request can be passed on as it is to a provider of the same protocol."""

from __future__ import annotations

from typing import Any

from llms_core.contracts.body import RequestBody
from llms_core.contracts.native import GENERATE_CONTENT, NativeRequest
from llms_core.dialects import IncomingRequest
from llms_core.dialects.envelope import may_hold_envelope


def original(incoming: IncomingRequest, body: RequestBody[Any]) -> NativeRequest | None:
    """Return the client's request; None if something in it is the gateway's, or names the model once more."""
    if may_hold_envelope(incoming.body) or "model" in body.members:
        return None
    return NativeRequest(GENERATE_CONTENT, incoming.body, {})
