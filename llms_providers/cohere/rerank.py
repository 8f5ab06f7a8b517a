"""Cohere's ranking, version 2: https://docs.cohere.com/reference/rerank."""

from __future__ import annotations

from typing import Any

from llms_core.contracts.body import divided
from llms_core.contracts.rerank import RerankCall

PATH = "/v2/rerank"

#: Cohere's own parameters, which a client may send.
_OWN_PARAMETERS = frozenset({"max_tokens_per_doc", "priority"})


def to_body(call: RerankCall) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the body of a request, and the names of the client's parameters that Cohere does not have."""
    own, dropped = divided(call.members, _OWN_PARAMETERS)
    body: dict[str, Any] = {
        **own,
        "model": call.upstream_model,
        "query": call.query,
        "documents": call.documents,
        "top_n": call.top_n,
    }
    return body, tuple(dropped)
