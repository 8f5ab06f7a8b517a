"""Google's embeddings, which have three protocols.

- The Gemini API's `batchEmbedContents`: https://ai.google.dev/api/embeddings
- Vertex AI's `embedContent`, with one text per request, for its newer models
- Vertex AI's `predict`, for the others:
  https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
"""

from __future__ import annotations

from typing import Any

import msgspec

from llms_core.contracts.completion import Usage
from llms_core.contracts.embeddings import EmbeddingCall, EmbeddingRules, Embeddings
from llms_core.contracts.vectors import vector
from llms_providers.google.answer import decode

_TASK_TYPES = {
    "query": "RETRIEVAL_QUERY",
    "document": "RETRIEVAL_DOCUMENT",
    "similarity": "SEMANTIC_SIMILARITY",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
    "question_answering": "QUESTION_ANSWERING",
    "fact_verification": "FACT_VERIFICATION",
    "code_retrieval_query": "CODE_RETRIEVAL_QUERY",
}

#: The client's own names of parameters that only Google has -> Google's.
_OWN_PARAMETERS = {
    "title": "title",
    "auto_truncate": "autoTruncate",
    "autoTruncate": "autoTruncate",
}

#: The Gemini API: "at most 100 requests can be in one batch".
GEMINI_RULES = EmbeddingRules(
    max_inputs=100,
    dimensions="outputDimensionality",
    input_type="taskType",
    input_types=_TASK_TYPES,
)
VERTEX_RULES = EmbeddingRules(
    max_inputs=250,
    dimensions="outputDimensionality",
    input_type="task_type",
    input_types=_TASK_TYPES,
)
_ONE_INPUT = msgspec.structs.replace(VERTEX_RULES, max_inputs=1)
_EMBED_CONTENT_RULES = msgspec.structs.replace(GEMINI_RULES, max_inputs=1)


class _Embedding(msgspec.Struct):
    values: list[float]


class _UsageMetadata(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None


class _GeminiAnswer(msgspec.Struct, rename="camel"):
    #: of `batchEmbedContents`
    embeddings: list[_Embedding] = []
    #: of `embedContent`
    embedding: _Embedding | None = None
    usage_metadata: _UsageMetadata | None = None


class _Statistics(msgspec.Struct):
    token_count: float | None = None


class _PredictedEmbedding(msgspec.Struct):
    values: list[float]
    statistics: _Statistics | None = None


class _Prediction(msgspec.Struct):
    embeddings: _PredictedEmbedding


class _Predictions(msgspec.Struct):
    predictions: list[_Prediction]


_gemini_answer = msgspec.json.Decoder(_GeminiAnswer)
_predictions = msgspec.json.Decoder(_Predictions)


def gemini_rules(model: str) -> EmbeddingRules:
    """Return what the Gemini API accepts for a model."""
    return _without_task_types(GEMINI_RULES, model)


def vertex_rules(model: str) -> EmbeddingRules:
    """Return what Vertex AI accepts for a model."""
    if has_embed_content(model):
        return _without_task_types(_EMBED_CONTENT_RULES, model)
    return _ONE_INPUT if "gemini" in model else VERTEX_RULES


def has_embed_content(model: str) -> bool:
    """Whether a model on Vertex AI is called by `embedContent`, and not by `predict`."""
    if "maas" in model:
        return True
    return "gemini" in model and "gemini-embedding-001" not in model


def batch_body(call: EmbeddingCall, resource: str) -> dict[str, Any]:
    """Return the body of `batchEmbedContents`; `resource` is the model's, such as `models/gemini-embedding-001`."""
    return {
        "requests": [{"model": resource, **_content_request(call, text)} for text in call.inputs]
    }


def single_body(call: EmbeddingCall) -> dict[str, Any]:
    """Return the body of Vertex AI's `embedContent`."""
    (text,) = call.inputs
    return _content_request(call, text)


def predict_body(call: EmbeddingCall) -> dict[str, Any]:
    """Return the body of Vertex AI's `predict`."""
    own = _own_parameters(call)
    truncate = own.pop("autoTruncate", None)
    instances = []
    for text in call.inputs:
        instance: dict[str, Any] = {"content": text, **own}
        if call.input_type is not None:
            instance["task_type"] = call.input_type
        instances.append(instance)
    parameters: dict[str, Any] = {}
    if call.dimensions is not None:
        parameters["outputDimensionality"] = call.dimensions
    if truncate is not None:
        parameters["autoTruncate"] = truncate
    if parameters:
        return {"instances": instances, "parameters": parameters}
    return {"instances": instances}


def dropped_parameters(call: EmbeddingCall) -> tuple[str, ...]:
    """Return the names of the client's parameters that Google does not have."""
    names = [name for name in call.members if name not in _OWN_PARAMETERS]
    if call.user is not None:
        names.append("user")
    return tuple(names)


def content_embeddings(body: bytes) -> Embeddings:
    """Read an answer of `batchEmbedContents` or `embedContent`. Raises ProviderError if it cannot be parsed."""
    answer = decode(_gemini_answer, body)
    found = answer.embeddings if answer.embedding is None else [answer.embedding]
    usage = None
    if answer.usage_metadata is not None and answer.usage_metadata.prompt_token_count is not None:
        usage = Usage(prompt_tokens=answer.usage_metadata.prompt_token_count)
    return Embeddings([vector(each.values) for each in found], usage)


def predicted_embeddings(body: bytes) -> Embeddings:
    """Read an answer of `predict`. Raises ProviderError if it cannot be parsed."""
    found = [prediction.embeddings for prediction in decode(_predictions, body).predictions]
    counts = [each.statistics.token_count for each in found if each.statistics is not None]
    stated = [int(count) for count in counts if count is not None]
    usage = Usage(prompt_tokens=sum(stated)) if stated else None
    return Embeddings([vector(each.values) for each in found], usage)


def _content_request(call: EmbeddingCall, text: Any) -> dict[str, Any]:
    request: dict[str, Any] = {"content": {"parts": [{"text": text}]}, **_own_parameters(call)}
    if call.input_type is not None:
        request["taskType"] = call.input_type
    if call.dimensions is not None:
        request["outputDimensionality"] = call.dimensions
    return request


def _own_parameters(call: EmbeddingCall) -> dict[str, Any]:
    return {
        _OWN_PARAMETERS[name]: raw for name, raw in call.members.items() if name in _OWN_PARAMETERS
    }


def _without_task_types(rules: EmbeddingRules, model: str) -> EmbeddingRules:
    """Return the rules of a model: from the second Gemini embedding model on, the task is a part of the text."""
    if "gemini-embedding-" not in model or "gemini-embedding-001" in model or "-exp" in model:
        return rules
    return msgspec.structs.replace(rules, input_type="", input_types={})
