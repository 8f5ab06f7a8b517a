"""Embeddings on Bedrock, through InvokeModel: each vendor's models have a protocol of their own.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html
https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html
"""

from __future__ import annotations

from typing import Any

import msgspec

from llms_core import ErrorKind, ProviderError, Unsupported
from llms_core.contracts.body import divided
from llms_core.contracts.completion import Usage
from llms_core.contracts.embeddings import EmbeddingCall, EmbeddingRules, Embeddings
from llms_core.contracts.json import UNREADABLE
from llms_core.contracts.vectors import vector

PATH = "/model/{model}/invoke"

#: One text per request.
_TITAN_1 = EmbeddingRules(max_inputs=1)
_TITAN_2 = EmbeddingRules(max_inputs=1, dimensions="dimensions")
_COHERE_3 = EmbeddingRules(
    max_inputs=96,
    input_type="input_type",
    input_types={
        "query": "search_query",
        "document": "search_document",
        "classification": "classification",
        "clustering": "clustering",
    },
    default_input_type="search_document",
)
COHERE_RULES = msgspec.structs.replace(_COHERE_3, dimensions="output_dimension")
_NOVA = EmbeddingRules(
    max_inputs=1,
    dimensions="embeddingDimension",
    input_type="embeddingPurpose",
    input_types={
        "query": "GENERIC_RETRIEVAL",
        "document": "GENERIC_INDEX",
        "classification": "CLASSIFICATION",
        "clustering": "CLUSTERING",
    },
    # Required.
    default_input_type="GENERIC_INDEX",
)
#: For models that are refused anyway.
_UNKNOWN = EmbeddingRules()

_TITAN_PARAMETERS = frozenset({"normalize"})
_COHERE_PARAMETERS = frozenset({"truncate", "max_tokens"})


class _TitanAnswer(msgspec.Struct, rename="camel"):
    embedding: list[float]
    input_text_token_count: int | None = None


class _ByType(msgspec.Struct, rename={"floats": "float"}):
    floats: list[list[float]] = []


class _CohereAnswer(msgspec.Struct):
    #: by type if the request names types, which this adapter's does
    embeddings: list[list[float]] | _ByType


class _NovaVector(msgspec.Struct):
    embedding: list[float]


class _NovaAnswer(msgspec.Struct):
    embeddings: list[_NovaVector]


_decode_nova = msgspec.json.Decoder(_NovaAnswer).decode
_decode_titan = msgspec.json.Decoder(_TitanAnswer).decode
_decode_cohere = msgspec.json.Decoder(_CohereAnswer).decode


def rules_of(model: str) -> EmbeddingRules:
    """Return what a model accepts, whose id may be that of an inference profile or an ARN."""
    if "cohere.embed" in model:
        return _COHERE_3 if "-v3" in model else COHERE_RULES
    if _is_nova(model):
        return _NOVA
    if "titan-embed" not in model:
        return _UNKNOWN
    return _TITAN_2 if "text-v2" in model else _TITAN_1


def to_body(call: EmbeddingCall) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the body of a request, and the names of the client's parameters that the model does not have.

    Raises Unsupported for a model whose protocol is not known.
    """
    model = call.upstream_model
    rules = rules_of(model)
    if rules is _UNKNOWN:
        message = "Only the embedding models of Amazon Titan, Amazon Nova and Cohere are supported on Bedrock"
        raise Unsupported(message, param="model")
    if rules is _NOVA:
        return _nova_body(call)
    is_cohere = "cohere.embed" in model
    known = _COHERE_PARAMETERS if is_cohere else _TITAN_PARAMETERS
    own, dropped = divided(call.members, known)
    body: dict[str, Any] = dict(own)
    if call.user is not None:
        dropped.append("user")
    if call.dimensions is not None:
        body[rules.dimensions] = call.dimensions
    if is_cohere:
        body |= {"texts": call.inputs, "input_type": call.input_type, "embedding_types": ["float"]}
    else:
        (body["inputText"],) = call.inputs
    return body, tuple(dropped)


def _is_nova(model: str) -> bool:
    return "nova-" in model and "embeddings" in model


def _nova_body(call: EmbeddingCall) -> tuple[dict[str, Any], tuple[str, ...]]:
    (text,) = call.inputs
    # Like the other providers' models, it does not refuse what is too long.
    parameters: dict[str, Any] = {
        _NOVA.input_type: call.input_type,
        "text": {"truncationMode": "END", "value": text},
    }
    if call.dimensions is not None:
        parameters[_NOVA.dimensions] = call.dimensions
    dropped = [*call.members, *(["user"] if call.user is not None else [])]
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": parameters}, tuple(dropped)


def to_embeddings(call: EmbeddingCall, body: bytes) -> Embeddings:
    """Read an answer. Raises ProviderError if it has no embeddings."""
    try:
        if "cohere.embed" in call.upstream_model:
            return _of_cohere(_decode_cohere(body))
        if _is_nova(call.upstream_model):
            return Embeddings([vector(each.embedding) for each in _decode_nova(body).embeddings])
        return _of_titan(_decode_titan(body))
    except UNREADABLE as error:
        message = f"Cannot parse Bedrock's embeddings: {error}"
        raise ProviderError(ErrorKind.BAD_RESPONSE, message, status=200) from None


def _of_cohere(answer: _CohereAnswer) -> Embeddings:
    found = answer.embeddings
    # The tokens are only counted in a header.
    return Embeddings(
        [vector(each) for each in (found.floats if isinstance(found, _ByType) else found)]
    )


def _of_titan(answer: _TitanAnswer) -> Embeddings:
    usage = None
    if answer.input_text_token_count is not None:
        usage = Usage(prompt_tokens=answer.input_text_token_count)
    return Embeddings([vector(answer.embedding)], usage)
