"""Cohere's embeddings, version 2: https://docs.cohere.com/reference/embed."""

from __future__ import annotations

from typing import Any

import msgspec

from llms_core import ErrorKind, ProviderError
from llms_core.contracts.body import divided
from llms_core.contracts.completion import Usage
from llms_core.contracts.embeddings import EmbeddingCall, EmbeddingRules, Embeddings
from llms_core.contracts.json import UNREADABLE
from llms_core.contracts.vectors import vector

PATH = "/v2/embed"

RULES = EmbeddingRules(
    max_inputs=96,
    dimensions="output_dimension",
    input_type="input_type",
    input_types={
        "query": "search_query",
        "document": "search_document",
        "classification": "classification",
        "clustering": "clustering",
    },
    # Required by every model but the first ones.
    default_input_type="search_document",
)

#: Cohere's own parameters, which a client may send.
_OWN_PARAMETERS = frozenset({"truncate", "max_tokens", "priority"})


class _Vectors(msgspec.Struct, rename={"floats": "float"}):
    floats: list[list[float]] = []


class _BilledUnits(msgspec.Struct):
    input_tokens: float | None = None


class _Meta(msgspec.Struct):
    billed_units: _BilledUnits | None = None


class _Answer(msgspec.Struct):
    embeddings: _Vectors
    meta: _Meta | None = None


_decode = msgspec.json.Decoder(_Answer).decode


def to_body(call: EmbeddingCall) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the body of a request, and the names of the client's parameters that Cohere does not have."""
    own, dropped = divided(call.members, _OWN_PARAMETERS)
    body: dict[str, Any] = {
        **own,
        "model": call.upstream_model,
        "texts": call.inputs,
        "embedding_types": ["float"],
        RULES.input_type: call.input_type,
    }
    if call.dimensions is not None:
        body[RULES.dimensions] = call.dimensions
    if call.user is not None:
        dropped.append("user")
    return body, tuple(dropped)


def to_embeddings(body: bytes) -> Embeddings:
    """Read an answer. Raises ProviderError if it has no embeddings."""
    try:
        answer = _decode(body)
    except UNREADABLE as error:
        message = f"Cannot parse Cohere's embeddings: {error}"
        raise ProviderError(ErrorKind.BAD_RESPONSE, message, status=200) from None
    return Embeddings([vector(each) for each in answer.embeddings.floats], _usage(answer.meta))


def _usage(meta: _Meta | None) -> Usage | None:
    if meta is None or meta.billed_units is None or meta.billed_units.input_tokens is None:
        return None
    return Usage(prompt_tokens=int(meta.billed_units.input_tokens))
