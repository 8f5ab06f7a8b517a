"""Gemini's embeddings over HTTP: Google's SDK is the client, and the provider speaks OpenAI's JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import errors, types

from llms_core.testing import Reply, json_body
from tests.core.server.conftest import NO_RETRIES, Pair, running

Json = dict[str, Any]

ONE = "/v1beta/models/m:embedContent"
BATCH = "/v1beta/models/m:batchEmbedContents"


def vectors(*values: list[float]) -> Reply:
    data = [
        {"object": "embedding", "index": index, "embedding": each}
        for index, each in enumerate(values)
    ]
    usage = {"prompt_tokens": 5, "total_tokens": 5}
    return json_body({"object": "list", "data": data, "model": "up-m", "usage": usage})


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with running(tmp_path_factory.mktemp("embeddings"), NO_RETRIES) as started:
        yield started


@pytest.fixture
def client(pair: Pair) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=pair.gateway.origin, timeout=20_000)
    with genai.Client(api_key="not-needed", http_options=options) as started:
        yield started


def post(pair: Pair, path: str, body: Json) -> httpx.Response:
    return httpx.post(f"{pair.gateway.origin}{path}", json=body, timeout=20, trust_env=False)


def content(text: str) -> Json:
    return {"parts": [{"text": text}]}


def test_the_sdk_reads_vectors(client: genai.Client, pair: Pair) -> None:
    pair.upstream.default = vectors([0.5, 1.0], [0.25, -1.0])
    contents = [types.Content(parts=[types.Part(text=text)]) for text in ("one", "two")]
    answer = client.models.embed_content(model="m", contents=contents)
    assert [each.values for each in answer.embeddings or ()] == [[0.5, 1.0], [0.25, -1.0]]
    assert pair.upstream.requests[-1].path == "/v1/embeddings"
    assert pair.upstream.requests[-1].json["input"] == ["one", "two"]


def test_one_text_has_one_vector(pair: Pair) -> None:
    pair.upstream.default = vectors([0.5, 1.0])
    response = post(pair, ONE, {"content": {"parts": [{"text": "a"}, {"text": "b"}]}})
    assert response.json() == {
        "embedding": {"values": [0.5, 1.0]},
        "usageMetadata": {"promptTokenCount": 5},
    }
    assert pair.upstream.requests[-1].json["input"] in ("ab", ["ab"])


def test_dimensions_are_passed_on(client: genai.Client, pair: Pair) -> None:
    pair.upstream.default = vectors([0.5, 1.0])
    config = types.EmbedContentConfig(output_dimensionality=2)
    client.models.embed_content(model="m", contents="one", config=config)
    assert pair.upstream.requests[-1].json["dimensions"] == 2


def test_what_the_provider_lacks_is_refused_under_googles_name(
    client: genai.Client, pair: Pair
) -> None:
    """An input type that is ignored would give other vectors."""
    config = types.EmbedContentConfig(task_type="RETRIEVAL_QUERY")
    with pytest.raises(errors.ClientError) as raised:
        client.models.embed_content(model="m", contents="one", config=config)
    assert raised.value.status == "INVALID_ARGUMENT"
    assert "taskType" in str(raised.value.details)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (ONE, {}, "content"),
        (ONE, {"content": {"parts": []}}, "content.parts"),
        (ONE, {"content": {"parts": [{"inlineData": {}}]}}, "content.parts[0]"),
        (ONE, {"content": content("a"), "outputDimensionality": 0}, "outputDimensionality"),
        (ONE, {"content": content("a"), "task_type": "UNKNOWN"}, "taskType"),
        (BATCH, {"requests": []}, "requests"),
        (
            BATCH,
            {"requests": [{"content": content("a")}, {"content": content("b"), "title": "t"}]},
            "requests[1].title",
        ),
    ],
)
def test_an_invalid_member_is_named(pair: Pair, path: str, body: Json, field: str) -> None:
    response = post(pair, path, body)
    assert response.status_code == 400
    details = response.json()["error"]["details"]
    assert [each["field"] for detail in details for each in detail.get("fieldViolations", ())] == [
        field
    ]


def test_an_unknown_model_is_not_found(pair: Pair) -> None:
    response = post(pair, "/v1beta/models/unknown:embedContent", {"content": content("a")})
    assert (response.status_code, response.json()["error"]["status"]) == (404, "NOT_FOUND")
