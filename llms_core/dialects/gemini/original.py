"""Requests that are passed on to a provider of the same protocol, as the client wrote them."""

from __future__ import annotations

from collections.abc import Sequence

from llms_core.contracts.body import RequestBody
from llms_core.contracts.json import encode_raw
from llms_core.contracts.native import GENERATE_CONTENT, NativeRequest
from llms_core.contracts.request import ChatBody, assemble
from llms_core.dialects import IncomingRequest
from llms_core.dialects.envelope import may_hold_envelope
from llms_core.dialects.gemini.request import Content, GenerateContentRequest, is_set
from llms_core.errors import RequestError


def original(
    incoming: IncomingRequest, body: RequestBody[GenerateContentRequest]
) -> NativeRequest | None:
    """Return the client's request; None if something in it is the gateway's, or names the model once more.

    Nor is it passed on if a call can only be another model's, because Google refuses such ids and arguments.
    """
    if (
        may_hold_envelope(incoming.body)
        or "model" in body.members
        or not _all_calls_are_own(body.view.contents)
    ):
        return None
    return NativeRequest(GENERATE_CONTENT, incoming.body, {})


def _all_calls_are_own(contents: Sequence[Content]) -> bool:
    """Whether the ids of calls are unique, and their arguments objects."""
    ids = set()
    for content in contents:
        for part in content.parts or ():
            call = part.function_call
            if call is None:
                continue
            if call.id and call.id in ids:
                return False
            ids.add(call.id)
            if is_set(call.args) and not bytes(call.args).startswith(b"{"):
                return False
    return True


def untranslated(
    model: str, native: NativeRequest, reason: RequestError, *, stream: bool
) -> ChatBody:
    """Return a request that only Google can serve, for the `reason`."""
    # What routing looks at. Nobody else gets it.
    members = {"model": model, "messages": [{"role": "user", "content": ""}], "stream": stream}
    body = assemble({name: encode_raw(value) for name, value in members.items()})
    return body.with_original(native, reason)
