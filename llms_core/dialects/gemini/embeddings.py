"""`embedContent` and `batchEmbedContents` as the operation `embeddings`: https://ai.google.dev/api/embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from llms_core.contracts.body import BodyDecoder
from llms_core.contracts.embeddings import EmbeddingBody, Embeddings, assemble
from llms_core.contracts.json import encode_raw
from llms_core.contracts.vectors import MAX_DIMENSIONS, as_json
from llms_core.dialects import IncomingRequest
from llms_core.dialects.gemini.reading import decode_body
from llms_core.dialects.gemini.request import Content, invalid
from llms_core.operations import Answer
from llms_core.operations.adapter_results import expect

Json = dict[str, Any]

CLIENT_NAMES: Mapping[str, str] = {
    "input": "content",
    "dimensions": "outputDimensionality",
    "input_type": "taskType",
}
"""What clients call the parameters of the operation."""

_INPUT_TYPES = {
    "RETRIEVAL_QUERY": "query",
    "RETRIEVAL_DOCUMENT": "document",
    "SEMANTIC_SIMILARITY": "similarity",
    "CLASSIFICATION": "classification",
    "CLUSTERING": "clustering",
    "QUESTION_ANSWERING": "question_answering",
    "FACT_VERIFICATION": "fact_verification",
    "CODE_RETRIEVAL_QUERY": "code_retrieval_query",
}
_UNSPECIFIED = "TASK_TYPE_UNSPECIFIED"


class EmbedContentRequest(msgspec.Struct, frozen=True, rename="camel"):
    """A text to be embedded; the texts of several parts are one."""

    content: Content
    task_type: str | None = None
    #: of a document
    title: str | None = None
    output_dimensionality: Annotated[int, Meta(ge=1, le=MAX_DIMENSIONS)] | None = None


class BatchEmbedContentsRequest(msgspec.Struct, frozen=True):
    """Texts to be embedded. Their other members have to be the same."""

    requests: Annotated[list[EmbedContentRequest], Meta(min_length=1)]


class ContentEmbedding(msgspec.Struct):
    """A vector."""

    values: list[float]


class EmbedContentResponse(msgspec.Struct, rename="camel", omit_defaults=True):
    """The vector of a text."""

    embedding: ContentEmbedding
    usage_metadata: dict[str, Any] | None = None


class BatchEmbedContentsResponse(msgspec.Struct, rename="camel", omit_defaults=True):
    """The vectors of texts, in their order."""

    embeddings: list[ContentEmbedding]
    usage_metadata: dict[str, Any] | None = None


_one_decoder = BodyDecoder(EmbedContentRequest)
_batch_decoder = BodyDecoder(BatchEmbedContentsRequest)


class _RawEmbedding(msgspec.Struct):
    values: Raw


def decode_one(incoming: IncomingRequest) -> EmbeddingBody:
    """Decode a request for one vector. Raises RequestError, which names the invalid member."""
    return _body([decode_body(_one_decoder, incoming.body).view], [""], incoming)


def decode_batch(incoming: IncomingRequest) -> EmbeddingBody:
    """Decode a request for several vectors. Raises RequestError, which names the invalid member."""
    requests = decode_body(_batch_decoder, incoming.body).view.requests
    return _body(requests, [f"requests[{number}]." for number in range(len(requests))], incoming)


def encode_one(answer: Answer, body: EmbeddingBody) -> bytes:
    """Return the vector of one text."""
    return msgspec.json.encode({"embedding": _vectors(answer)[0], **_usage(answer)})


def encode_batch(answer: Answer, body: EmbeddingBody) -> bytes:
    """Return the vectors of texts."""
    return msgspec.json.encode({"embeddings": _vectors(answer), **_usage(answer)})


def _body(
    requests: Sequence[EmbedContentRequest], places: Sequence[str], incoming: IncomingRequest
) -> EmbeddingBody:
    first = requests[0]
    members: Json = {"model": incoming.parameters["model"], "input": []}
    for request, place in zip(requests, places, strict=True):
        members["input"].append(_text(request.content, f"{place}content"))
        for name, value, common in (
            ("taskType", request.task_type, first.task_type),
            ("title", request.title, first.title),
            ("outputDimensionality", request.output_dimensionality, first.output_dimensionality),
        ):
            if value != common:
                raise invalid(f"{place}{name}", "all requests of a batch have to agree on it")
    if first.output_dimensionality is not None:
        members["dimensions"] = first.output_dimensionality
    if first.title:
        members["title"] = first.title
    if first.task_type and first.task_type != _UNSPECIFIED:
        known = _INPUT_TYPES.get(first.task_type)
        if known is None:
            raise invalid(f"{places[0]}taskType", f"expected one of {', '.join(_INPUT_TYPES)}")
        members["input_type"] = known
    return assemble({name: encode_raw(value) for name, value in members.items()})


def _text(content: Content, param: str) -> str:
    texts = []
    for number, part in enumerate(content.parts or ()):
        if part.text is None:
            raise invalid(f"{param}.parts[{number}]", "only parts with text can be embedded here")
        texts.append(part.text)
    if not any(texts):
        raise invalid(f"{param}.parts", "expected a text")
    return "".join(texts)


def _vectors(answer: Answer) -> list[_RawEmbedding]:
    embeddings = expect(Embeddings, answer, "answer")
    return [_RawEmbedding(Raw(as_json(each))) for each in embeddings.vectors]


def _usage(answer: Answer) -> Json:
    usage = answer.usage
    if usage is None:
        return {}
    return {"usageMetadata": {"promptTokenCount": usage.prompt_tokens}}
