"""The request that an adapter makes of a request for a message."""

from __future__ import annotations

import json
from typing import Any

from llms_core.candidate import Candidate, Circuit
from llms_core.dialects import IncomingRequest, RawHeaders
from llms_core.dialects.messages.decode import decode_message
from llms_core.operations.chat import CHAT
from llms_core.provider import ProviderSettings, UpstreamRequest
from llms_core.testing.subject import Subject


def upstream_request(subject: Subject, request: Any, headers: RawHeaders = ()) -> UpstreamRequest:
    """Return what the subject's adapter sends. Raises RequestError and Unsupported, as for a client."""
    body = decode_message(
        IncomingRequest(json.dumps(request, ensure_ascii=False).encode(), headers=headers)
    )
    candidate = Candidate(
        provider_id=subject.name,
        spec=subject.spec,
        settings=ProviderSettings(id=subject.name),
        adapter=subject.adapter,
        client_model=body.view.model,
        upstream_model=subject.wire.model,
        price=None,
        circuit=Circuit(),
        position=0,
        names=(body.view.model,),
        operations=frozenset({"chat"}),
        capabilities=frozenset(),
    )
    return CHAT.request(
        subject.adapter, CHAT.call(body, candidate, "0123456789abcdef01234567", 1_700_000_000)
    )
