"""Ranking: Cohere's Python SDK and plain requests in Jina's format, against providers of each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import cohere
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms_core.contracts.rerank import Ranked, Ranking, RerankCall
from llms_core.errors import ErrorKind, ProviderError
from llms_core.openai_compatible import OPENAI_COMPATIBLE, OpenAICompatible
from llms_core.operations.rerank import RERANK
from llms_core.provider import ProviderSettings
from llms_core.testing import ScriptedUpstream, error, json_body
from tests.core.server.conftest import NO_RETRIES

if TYPE_CHECKING:
    from tests.conftest import Gateway, ProviderBlock, Serve

DOCUMENTS = ["Berlin", "Paris", "Rome"]
REQUEST = {"model": "m", "query": "The capital of France", "documents": DOCUMENTS}
RESULTS = [{"index": 0, "relevance_score": 0.1}, {"index": 1, "relevance_score": 0.9}]
ALL = [*RESULTS, {"index": 2, "relevance_score": 0.2}]

#: Each provider's answer, and what the gateway reads of it.
ANSWERS: dict[str, dict[str, Any]] = {
    "cohere": {"id": "1", "results": ALL, "meta": {"billed_units": {"search_units": 1}}},
    "jina": {"model": "x", "results": ALL, "usage": {"total_tokens": 7}},
    "voyage": {"object": "list", "data": ALL, "model": "x", "usage": {"total_tokens": 7}},
    "llamacpp": {
        "results": [{**each, "document": {"text": "x"}} for each in ALL],
        "usage": {"total_tokens": 7},
    },
    "bedrock": {"results": ALL},
}
PATHS = {
    "cohere": "/v2/rerank",
    "jina": "/v1/rerank",
    "voyage": "/v1/rerank",
    "llamacpp": "/v1/rerank",
    "bedrock": "/model/cohere.rerank-v3-5%3A0/invoke",
}


@pytest.fixture
def of_type(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: Callable[..., dict[str, Any]],
    served: Serve,
) -> Callable[[str], Gateway]:
    """Serves one provider of a type, with the model `m`."""

    def serve(type_: str) -> Gateway:
        upstream.default = json_body(ANSWERS[type_])
        models = {"m": "cohere.rerank-v3-5:0" if type_ == "bedrock" else "up-m"}
        own = {"base_url": upstream.origin} if type_ in ("cohere", "bedrock") else {}
        return served(config_of(first=provider(upstream, models, type=type_, **own)), NO_RETRIES)

    return serve


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """What Cohere's clients send with, which they do not close."""
    with httpx.Client() as client:
        yield client


@pytest.mark.parametrize("type_", ANSWERS)
def test_every_provider_ranks(
    of_type: Callable[[str], Gateway], upstream: ScriptedUpstream, type_: str
) -> None:
    response = httpx.post(f"{of_type(type_).base_url}/rerank", json={**REQUEST, "top_n": 2})
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["results"] == [
        {"index": 1, "relevance_score": 0.9, "document": {"text": "Paris"}},
        {"index": 2, "relevance_score": 0.2, "document": {"text": "Rome"}},
    ]
    assert answer["model"] == "m"
    assert ("usage" in answer) == ("usage" in ANSWERS[type_])
    (seen,) = upstream.requests
    assert seen.path == PATHS[type_]
    assert seen.json["query"] == REQUEST["query"]
    assert seen.json["documents"] == DOCUMENTS
    assert seen.json["top_k" if type_ == "voyage" else "top_n"] == 2


def test_bedrock_gets_the_version_of_coheres_protocol(
    of_type: Callable[[str], Gateway], upstream: ScriptedUpstream
) -> None:
    httpx.post(f"{of_type('bedrock').base_url}/rerank", json=REQUEST)
    assert upstream.requests[0].json["api_version"] == 2


@pytest.mark.parametrize("type_", ["cohere", "jina"])
def test_coheres_client_ranks(
    of_type: Callable[[str], Gateway], http: httpx.Client, type_: str
) -> None:
    client = cohere.ClientV2(
        api_key="not-needed", base_url=of_type(type_).origin, httpx_client=http
    )
    answer = client.rerank(model="m", query="The capital of France", documents=DOCUMENTS, top_n=1)
    assert [(each.index, each.relevance_score) for each in answer.results] == [(1, 0.9)]
    if type_ == "cohere":
        assert answer.meta is not None
        assert answer.meta.billed_units is not None
        assert answer.meta.billed_units.search_units == 1


def test_coheres_first_client_ranks_objects(
    of_type: Callable[[str], Gateway], upstream: ScriptedUpstream, http: httpx.Client
) -> None:
    client = cohere.Client(api_key="not-needed", base_url=of_type("jina").origin, httpx_client=http)
    documents: Any = [{"text": each, "page": number} for number, each in enumerate(DOCUMENTS)]
    answer = client.rerank(
        model="m", query="The capital of France", documents=documents, return_documents=True
    )
    assert answer.results[0].document is not None
    assert answer.results[0].document.text == "Paris"
    assert upstream.requests[0].json["documents"] == DOCUMENTS


def test_coheres_client_reads_the_errors(
    of_type: Callable[[str], Gateway], upstream: ScriptedUpstream, http: httpx.Client
) -> None:
    client = cohere.ClientV2(
        api_key="not-needed", base_url=of_type("jina").origin, httpx_client=http
    )
    upstream.default = error(400, "The query is too long")
    with pytest.raises(cohere.errors.BadRequestError) as caught:
        client.rerank(model="m", query="The capital of France", documents=DOCUMENTS)
    assert caught.value.body == {"message": "The query is too long"}


def test_documents_can_be_left_out(of_type: Callable[[str], Gateway]) -> None:
    response = httpx.post(
        f"{of_type('jina').base_url}/rerank", json={**REQUEST, "return_documents": False}
    )
    assert [each.keys() for each in response.json()["results"]] == [
        {"index", "relevance_score"}
    ] * 3


def test_a_parameter_that_the_provider_does_not_have_is_reported(
    of_type: Callable[[str], Gateway],
) -> None:
    response = httpx.post(
        f"{of_type('cohere').base_url}/rerank", json={**REQUEST, "truncation": True}
    )
    assert response.headers["x-llms-dropped-params"] == "truncation"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"query": ""}, "query"),
        ({"documents": []}, "documents"),
        ({"documents": ["a", ""]}, "documents[1]"),
        ({"documents": [{"image": "x"}]}, "documents[0].text"),
        ({"documents": [1]}, "documents[0]"),
        ({"top_n": 0}, "top_n"),
        ({"model": None}, "model"),
    ],
)
def test_an_invalid_request_names_the_member(
    of_type: Callable[[str], Gateway],
    upstream: ScriptedUpstream,
    change: dict[str, Any],
    param: str,
) -> None:
    response = httpx.post(f"{of_type('jina').base_url}/rerank", json={**REQUEST, **change})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
    assert upstream.requests == []


class Provider(OpenAICompatible):
    """A provider that answers with the results it is given."""

    def __init__(self, results: list[Ranked]) -> None:
        super().__init__(OPENAI_COMPATIBLE, ProviderSettings(id="first"))
        self._results = results

    def ranking(self, call: RerankCall, body: bytes) -> Ranking:
        return Ranking(self._results)


CALL = RerankCall(query="q", documents=DOCUMENTS, top_n=2, upstream_model="up-m", client_model="m")
SCORES = st.floats() | st.sampled_from([0.0, 1.0])


@given(st.lists(st.builds(Ranked, st.integers(-1, 4), SCORES), max_size=5))
def test_a_ranking_is_sorted_and_complete_or_an_error(results: list[Ranked]) -> None:
    try:
        ranking = RERANK.answer(Provider(results), CALL, b"{}").ranking
    except ProviderError as fault:
        assert fault.kind is ErrorKind.BAD_RESPONSE  # noqa: PT017 - either outcome is right
        return
    indices = [each.index for each in ranking.results]
    scores = [each.relevance_score for each in ranking.results]
    assert len(indices) == CALL.top_n
    assert len(set(indices)) == len(indices)
    assert set(indices) <= set(range(len(DOCUMENTS)))
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    "body", [{}, {"results": None}, {"results": [{"index": 0}]}, {"results": "x"}, [1]]
)
def test_what_is_no_ranking_is_an_error(
    of_type: Callable[[str], Gateway], upstream: ScriptedUpstream, body: object
) -> None:
    gateway = of_type("jina")
    upstream.default = json_body(body)
    assert httpx.post(f"{gateway.base_url}/rerank", json=REQUEST).status_code == 502
