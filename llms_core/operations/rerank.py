"""The operation `rerank`: documents are ranked by their relevance to a query."""

from __future__ import annotations

import math

import msgspec

from llms_core.candidate import Candidate
from llms_core.contracts.completion import Usage
from llms_core.contracts.error_body import describes_error
from llms_core.contracts.json import UNREADABLE
from llms_core.contracts.rerank import (
    Ranking,
    RerankBody,
    RerankCall,
    RerankRequest,
    further_members,
)
from llms_core.errors import ErrorKind, ProviderError
from llms_core.operations import Operation
from llms_core.operations.adapter_results import expect
from llms_core.provider import Reranks, UpstreamRequest


class RankedAnswer(msgspec.Struct):
    """An answer. `data` is the ranking as JSON, which dialects write down in their own way."""

    data: bytes
    usage: Usage | None
    ranking: Ranking


class Rerank(Operation[RerankRequest, RerankCall]):
    """Ranking. Adapters that implement `Reranks` serve it."""

    name = "rerank"
    adapter_protocol = Reranks
    model_patterns = ("*rerank*",)

    def call(
        self, body: RerankBody, candidate: Candidate, request_id: str, created: int
    ) -> RerankCall:
        """Return the request with the texts of its documents."""
        view = body.view
        return RerankCall(
            query=view.query,
            documents=view.texts,
            top_n=view.wanted,
            upstream_model=candidate.upstream_model,
            client_model=candidate.client_model,
            members=further_members(body),
        )

    def request(self, adapter: Reranks, call: RerankCall) -> UpstreamRequest:
        """Return the adapter's request."""
        return adapter.rerank_request(call)

    def answer(self, adapter: Reranks, call: RerankCall, body: bytes) -> RankedAnswer:
        """Return the ranking, sorted. Raises ProviderError if it is not one of these documents."""
        try:
            ranking = expect(Ranking, adapter.ranking(call, body), "ranking")
            ranking = _checked(ranking, call)
        except (*UNREADABLE, ValueError) as error:
            raise _not_a_ranking(adapter, body, str(error)) from None
        return RankedAnswer(msgspec.json.encode(ranking.results), ranking.usage, ranking)


def _checked(ranking: Ranking, call: RerankCall) -> Ranking:
    """Return a ranking whose results are what was asked for. Raises ValueError if they are not."""
    seen: set[int] = set()
    for result in ranking.results:
        if not 0 <= result.index < len(call.documents):
            raise ValueError(f"there is no document {result.index}")
        if result.index in seen:
            raise ValueError(f"the document {result.index} is ranked twice")
        if not math.isfinite(result.relevance_score):
            raise ValueError(f"the score of document {result.index} is not a number")
        seen.add(result.index)
    if len(seen) < call.top_n:
        raise ValueError(f"it ranks {len(seen)} documents instead of {call.top_n}")
    # A stable sort: the provider's order decides between equal scores.
    best_first = sorted(ranking.results, key=lambda result: -result.relevance_score)
    return msgspec.structs.replace(ranking, results=best_first[: call.top_n])


def _not_a_ranking(adapter: Reranks, body: bytes, reason: str) -> ProviderError:
    if describes_error(body):
        return expect(ProviderError, adapter.error(200, {}, body), "error")
    return ProviderError(
        ErrorKind.BAD_RESPONSE, f"The answer is not a ranking: {reason}", status=200
    )


RERANK = Rerank()
