"""Ranking: Jina's and Cohere's first API at `POST /v1/rerank`, and Cohere's second at `/v2/rerank`.

At `/v1/rerank`, an answer has the members of both APIs, since their requests cannot be told apart. As in Jina's, it has
the documents unless `return_documents` is false.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from llms_core.contracts.rerank import RerankBody, RerankRequest, decode
from llms_core.dialects import (
    MODEL,
    Dialect,
    ErrorResponse,
    FailedAttempt,
    IncomingRequest,
    OpenApi,
    openai_error,
)
from llms_core.operations.rerank import RERANK as OPERATION
from llms_core.operations.rerank import RankedAnswer


class RankedDocument(msgspec.Struct):
    """A document of an answer."""

    index: int
    relevance_score: float


class RerankAnswer(msgspec.Struct):
    """The guaranteed members of an answer: the most relevant document comes first."""

    results: list[RankedDocument]


class CohereError(msgspec.Struct, omit_defaults=True):
    """Cohere's error body. `attempts` is there if all providers failed."""

    message: str
    attempts: tuple[FailedAttempt, ...] = ()


def _decode(request: IncomingRequest) -> RerankBody:
    return decode(request.body)


def _encode(answer: Any, body: RerankBody) -> bytes:
    members = _members(answer, body, with_documents=body.view.return_documents is not False)
    return msgspec.json.encode({"object": "list", "model": body.view.model, **members})


def _encode_for_cohere(answer: Any, body: RerankBody) -> bytes:
    return msgspec.json.encode(
        _members(answer, body, with_documents=bool(body.view.return_documents))
    )


def _members(answer: RankedAnswer, body: RerankBody, *, with_documents: bool) -> Mapping[str, Any]:
    ranking = answer.ranking
    results: list[dict[str, Any]] = [msgspec.structs.asdict(each) for each in ranking.results]
    if with_documents:
        texts = body.view.texts
        for result in results:
            result["document"] = {"text": texts[result["index"]]}
    members: dict[str, Any] = {"results": results}
    if answer.usage is not None:
        members["usage"] = answer.usage
    if ranking.search_units is not None:
        members["meta"] = {"billed_units": {"search_units": ranking.search_units}}
    return members


def _encode_error(error: ErrorResponse) -> bytes:
    return msgspec.json.encode(CohereError(error.message, error.attempts))


_EXAMPLE = {
    "model": MODEL,
    "query": "What is the capital of France?",
    "documents": ["Berlin is in Germany.", "Paris is the capital of France."],
}

RERANK = Dialect(
    name="rerank",
    operation=OPERATION,
    paths=("/v1/rerank", "/rerank"),
    decode=_decode,
    encode_answer=_encode,
    encode_error=openai_error.encode,
    openapi=OpenApi(
        summary="Documents, ranked by their relevance to a query",
        operation_id="Rerank",
        example=_EXAMPLE,
        request=RerankRequest,
        answer=RerankAnswer,
        error=openai_error.ErrorBody,
        tag="Rerank",
    ),
)
COHERE_RERANK = Dialect(
    name="cohere_rerank",
    operation=OPERATION,
    paths=("/v2/rerank",),
    decode=_decode,
    encode_answer=_encode_for_cohere,
    encode_error=_encode_error,
    base_path="",
    openapi=OpenApi(
        summary="The same in Cohere's format",
        operation_id="CohereRerank",
        example=_EXAMPLE,
        request=RerankRequest,
        answer=RerankAnswer,
        error=CohereError,
        tag="Rerank",
    ),
)

DIALECTS = (RERANK, COHERE_RERANK)
