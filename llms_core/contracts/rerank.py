"""Ranking documents by a query: a request, the call that one provider gets, and an answer.

The request is what Cohere's and Jina's APIs have in common.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Raw

from llms_core.contracts.body import BodyDecoder, Members, RequestBody
from llms_core.contracts.completion import Usage
from llms_core.contracts.upstream import ProviderCall
from llms_core.errors import RequestError

_OWN_MEMBERS = frozenset({"model", "query", "documents", "top_n", "return_documents", "stream"})


class Document(msgspec.Struct, frozen=True):
    """A document that is an object; its further members are not ranked."""

    text: str


class RerankRequest(msgspec.Struct, frozen=True):
    """The validated members of a request."""

    model: Annotated[str, Meta(min_length=1)]
    query: Annotated[str, Meta(min_length=1)]
    documents: Annotated[list[str | Document], Meta(min_length=1)]
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool | None = None

    #: There are no streams of ranks.
    stream = False

    @property
    def texts(self) -> Sequence[str]:
        """Return what is ranked."""
        return [each if isinstance(each, str) else each.text for each in self.documents]

    @property
    def wanted(self) -> int:
        """How many documents the answer has to have."""
        return min(self.top_n or len(self.documents), len(self.documents))


RerankBody: TypeAlias = RequestBody[RerankRequest]

_decoder = BodyDecoder(RerankRequest)


def decode(data: bytes) -> RerankBody:
    """Decode and validate a request body. Raises RequestError (400), which names the invalid member."""
    body = _decoder.decode(data)
    for index, text in enumerate(body.view.texts):
        if not text:
            param = f"documents[{index}]"
            raise RequestError(
                f"Invalid value for '{param}': it is empty", param=param, code="invalid_value"
            )
    return body


class RerankCall(ProviderCall, frozen=True, kw_only=True):
    """A request as one candidate receives it: the complete input of an adapter.

    `members` are the client's further members, raw: an adapter that does not know one names it in
    `UpstreamRequest.dropped`.
    """

    query: str
    documents: Sequence[str]
    top_n: int
    upstream_model: str
    client_model: str
    members: Mapping[str, Raw] = {}


def further_members(body: RerankBody) -> Members:
    """Return the members that are not in `RerankRequest`."""
    return {name: value for name, value in body.members.items() if name not in _OWN_MEMBERS}


class Ranked(msgspec.Struct, frozen=True):
    """A document by its position in the request, from 0, and how relevant it is."""

    index: int
    relevance_score: float


class Ranking(msgspec.Struct):
    """An answer. The core checks the results, sorts them, the most relevant first, and cuts what was not wanted.

    `usage` and `search_units`, by which Cohere bills, are None if the provider sent none.
    """

    results: Sequence[Ranked]
    usage: Usage | None = None
    search_units: float | None = None


class _Result(msgspec.Struct):
    index: int
    relevance_score: float | None = None
    score: float | None = None


class _RankingBody(msgspec.Struct):
    results: list[_Result] | None = None
    data: list[_Result] | None = None
    usage: Mapping[str, object] | None = None
    meta: Mapping[str, object] | None = None


_decode_ranking = msgspec.json.Decoder(_RankingBody).decode


def read_ranking(body: bytes) -> Ranking:
    """Return the ranking in an answer of Cohere, Jina, Voyage or vLLM, which differ in few names.

    Raises one of UNREADABLE, or ValueError if there are no results.
    """
    answer = _decode_ranking(body)
    results = answer.data if answer.results is None else answer.results
    if results is None:
        raise ValueError("it has no results")
    ranked = []
    for each in results:
        score = each.score if each.relevance_score is None else each.relevance_score
        if score is None:
            raise ValueError(f"the document {each.index} has no score")
        ranked.append(Ranked(each.index, score))
    return Ranking(ranked, _usage(answer), _number(answer.meta, "billed_units", "search_units"))


def _usage(answer: _RankingBody) -> Usage | None:
    total = _number({"usage": answer.usage}, "usage", "total_tokens")
    if not total:
        return None
    return Usage(int(total), 0, int(total))


def _number(value: object, *path: str) -> float | None:
    """Return a positive number within objects; None if it is not there."""
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if value > 0 else None
