"""Ranking on Bedrock, through InvokeModel: https://docs.aws.amazon.com/bedrock/latest/userguide/rerank.html."""

from __future__ import annotations

from typing import Any

from llms_core import Unsupported
from llms_core.contracts.body import divided
from llms_core.contracts.rerank import RerankCall

PATH = "/model/{model}/invoke"

#: Cohere's protocol has versions; models on Bedrock reject the first.
_COHERE_VERSION = 2


def to_body(call: RerankCall) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the body of a request, and the names of the client's parameters that the model does not have.

    Raises Unsupported for a model whose protocol is not known.
    """
    model = call.upstream_model
    body: dict[str, Any] = {"query": call.query, "documents": call.documents, "top_n": call.top_n}
    known: frozenset[str] = frozenset()
    if "cohere.rerank" in model:
        body["api_version"] = _COHERE_VERSION
        known = frozenset({"max_tokens_per_doc"})
    elif "amazon.rerank" not in model:
        message = "Only the ranking models of Amazon and Cohere are supported on Bedrock"
        raise Unsupported(message, param="model")
    own, dropped = divided(call.members, known)
    return {**body, **own}, tuple(dropped)
