"""Embeddings of each provider, through the running server: what is sent, and what the answers mean.

The answers have the documented formats. The conformance suite tests what all protocols have in common.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from llms_core.config.model import Plugins
from llms_core.contracts.embeddings import EmbeddingRules
from llms_core.openai_compatible import OpenAICompatible
from llms_core.operations.embeddings import EMBEDDINGS
from llms_core.operations.table import OPERATIONS
from llms_core.plugins.discovery import load_enabled_plugins
from llms_core.provider import ProviderSettings, ProviderSpec
from llms_core.testing import ScriptedUpstream, embeddings, json_body
from llms_providers.bedrock.embeddings import rules_of
from llms_providers.google.embeddings import gemini_rules, vertex_rules
from tests.conftest import ThreadGateway

SPECS = list(dict.fromkeys(load_enabled_plugins(Plugins()).specs.values()))

OPENAI_ANSWER = {
    "data": [{"index": 0, "embedding": [0.5, 0.25]}, {"index": 1, "embedding": [-1, 0]}]
}
COHERE_ANSWER = {
    "embeddings": {"float": [[0.5, 0.25], [-1, 0]]},
    "meta": {"billed_units": {"input_tokens": 3}},
}
GEMINI_ANSWER = {"embeddings": [{"values": [0.5, 0.25]}, {"values": [-1, 0]}]}
PREDICTIONS = {
    "predictions": [
        {
            "embeddings": {
                "values": [0.5, 0.25],
                "statistics": {"token_count": 1, "truncated": False},
            }
        },
        {"embeddings": {"values": [-1, 0], "statistics": {"token_count": 2.0, "truncated": False}}},
    ]
}
ONE_CONTENT = {"embedding": {"values": [0.5, 0.25]}, "usageMetadata": {"promptTokenCount": 4}}


class Case(NamedTuple):
    """A request for the texts `one` and `two`, or for `one` alone, and the exchange that it becomes."""

    provider: str
    model: str
    members: dict[str, Any]
    path: str
    sent: dict[str, Any]
    answer: Any
    tokens: int = 0
    dropped: str | None = None


BOTH = {"input": ["one", "two"]}
ONE = {"input": "one"}

CASES = (
    Case(
        "cohere",
        "embed-v4.0",
        {
            **BOTH,
            "dimensions": 2,
            "input_type": "query",
            "truncate": "NONE",
            "user": "u",
            "other": 1,
        },
        "/v2/embed",
        {
            "model": "embed-v4.0",
            "texts": ["one", "two"],
            "input_type": "search_query",
            "embedding_types": ["float"],
            "output_dimension": 2,
            "truncate": "NONE",
        },
        COHERE_ANSWER,
        tokens=3,
        dropped="other, user",
    ),
    Case(
        "cohere",
        "embed-english-v3.0",
        {**BOTH, "encoding_format": "float"},
        "/v2/embed",
        {
            "model": "embed-english-v3.0",
            "texts": ["one", "two"],
            "input_type": "search_document",
            "embedding_types": ["float"],
        },
        COHERE_ANSWER,
        tokens=3,
    ),
    Case(
        "ollama",
        "all-minilm:latest",
        {**BOTH, "dimensions": 2, "keep_alive": "5m", "user": "u"},
        "/api/embed",
        {
            "model": "all-minilm:latest",
            "input": ["one", "two"],
            "dimensions": 2,
            "keep_alive": "5m",
        },
        {"embeddings": [[0.5, 0.25], [-1, 0]], "prompt_eval_count": 7},
        tokens=7,
        dropped="user",
    ),
    Case(
        "google",
        "gemini-embedding-001",
        {**BOTH, "dimensions": 2, "input_type": "similarity"},
        "/v1beta/models/gemini-embedding-001:batchEmbedContents",
        {
            "requests": [
                {
                    "model": "models/gemini-embedding-001",
                    "content": {"parts": [{"text": text}]},
                    "taskType": "SEMANTIC_SIMILARITY",
                    "outputDimensionality": 2,
                }
                for text in ("one", "two")
            ]
        },
        GEMINI_ANSWER,
    ),
    Case(
        "vertex",
        "text-embedding-005",
        {
            **BOTH,
            "dimensions": 2,
            "input_type": "search_query",
            "auto_truncate": False,
            "title": "T",
        },
        "/publishers/google/models/text-embedding-005:predict",
        {
            "instances": [
                {"content": text, "task_type": "RETRIEVAL_QUERY", "title": "T"}
                for text in ("one", "two")
            ],
            "parameters": {"outputDimensionality": 2, "autoTruncate": False},
        },
        PREDICTIONS,
        tokens=3,
    ),
    Case(
        "vertex",
        "gemini-embedding-2-preview",
        {**ONE, "dimensions": 2},
        "/publishers/google/models/gemini-embedding-2-preview:embedContent",
        {"content": {"parts": [{"text": "one"}]}, "outputDimensionality": 2},
        ONE_CONTENT,
        tokens=4,
    ),
    Case(
        "bedrock",
        "amazon.titan-embed-text-v2:0",
        {**ONE, "dimensions": 2, "normalize": False, "user": "u"},
        "/model/amazon.titan-embed-text-v2%3A0/invoke",
        {"inputText": "one", "dimensions": 2, "normalize": False},
        {"embedding": [0.5, 0.25], "inputTextTokenCount": 5},
        tokens=5,
        dropped="user",
    ),
    Case(
        "bedrock",
        "eu.cohere.embed-v4:0",
        {**BOTH, "dimensions": 2, "input_type": "clustering"},
        "/model/eu.cohere.embed-v4%3A0/invoke",
        {
            "texts": ["one", "two"],
            "input_type": "clustering",
            "embedding_types": ["float"],
            "output_dimension": 2,
        },
        COHERE_ANSWER,
    ),
    Case(
        "bedrock",
        "cohere.embed-english-v3",
        BOTH,
        "/model/cohere.embed-english-v3/invoke",
        {"texts": ["one", "two"], "input_type": "search_document", "embedding_types": ["float"]},
        {"embeddings": [[0.5, 0.25], [-1, 0]], "response_type": "embeddings_floats"},
    ),
    Case(
        "bedrock",
        "amazon.nova-2-multimodal-embeddings-v1:0",
        {**ONE, "dimensions": 2, "input_type": "query", "user": "u", "other": 1},
        "/model/amazon.nova-2-multimodal-embeddings-v1%3A0/invoke",
        {
            "taskType": "SINGLE_EMBEDDING",
            "singleEmbeddingParams": {
                "embeddingPurpose": "GENERIC_RETRIEVAL",
                "embeddingDimension": 2,
                "text": {"truncationMode": "END", "value": "one"},
            },
        },
        {"embeddings": [{"embeddingType": "TEXT", "embedding": [0.5, 0.25]}]},
        dropped="other, user",
    ),
    Case(
        "azure",
        "my-embeddings",
        {**BOTH, "dimensions": 2, "encoding_format": "base64"},
        "/openai/v1/embeddings",
        {
            "model": "my-embeddings",
            "input": ["one", "two"],
            "dimensions": 2,
            "encoding_format": "base64",
        },
        OPENAI_ANSWER,
    ),
    Case(
        "azure-dated",
        "my-embeddings",
        BOTH,
        "/openai/deployments/my-embeddings/embeddings?api-version=2024-10-21",
        {"model": "my-embeddings", "input": ["one", "two"]},
        OPENAI_ANSWER,
    ),
    Case(
        "foundry",
        "embed-v4",
        {**BOTH, "input_type": "query"},
        "/models/embeddings?api-version=2024-05-01-preview",
        {"model": "embed-v4", "input": ["one", "two"], "input_type": "query"},
        OPENAI_ANSWER,
    ),
    Case(
        "mistral",
        "codestral-embed",
        {**BOTH, "dimensions": 2, "user": "u"},
        "/v1/embeddings",
        {"model": "codestral-embed", "input": ["one", "two"], "output_dimension": 2},
        OPENAI_ANSWER,
        dropped="user",
    ),
    Case(
        "voyage",
        "voyage-4",
        {**BOTH, "dimensions": 2, "input_type": "document", "truncation": False},
        "/v1/embeddings",
        {
            "model": "voyage-4",
            "input": ["one", "two"],
            "output_dimension": 2,
            "input_type": "document",
            "truncation": False,
        },
        {**OPENAI_ANSWER, "usage": {"total_tokens": 10}},
        tokens=10,
    ),
    Case(
        "jina",
        "jina-embeddings-v3",
        {**BOTH, "input_type": "query", "late_chunking": True},
        "/v1/embeddings",
        {
            "model": "jina-embeddings-v3",
            "input": ["one", "two"],
            "task": "retrieval.query",
            "late_chunking": True,
        },
        OPENAI_ANSWER,
    ),
    Case(
        "nvidia",
        "nvidia/nv-embedqa-e5-v5",
        BOTH,
        "/v1/embeddings",
        {"model": "nvidia/nv-embedqa-e5-v5", "input": ["one", "two"], "input_type": "passage"},
        OPENAI_ANSWER,
    ),
)


class Served(NamedTuple):
    gateway: ThreadGateway
    upstream: ScriptedUpstream
    http: httpx.Client


def _blocks(upstream: ScriptedUpstream) -> dict[str, dict[str, Any]]:
    """A block for each provider, with every model of its cases."""
    base = upstream.origin
    own: dict[str, dict[str, Any]] = {
        "vertex": {"base_url": f"{base}/publishers/google"},
        "bedrock": {"base_url": base, "region": "eu-west-1"},
        "azure-dated": {"base_url": base, "type": "azure", "api_version": "2024-10-21"},
        "foundry": {"base_url": f"{base}/models", "type": "azure"},
        "mistral": {"base_url": f"{base}/v1"},
        "voyage": {"base_url": f"{base}/v1"},
        "jina": {"base_url": f"{base}/v1"},
        "nvidia": {"base_url": f"{base}/v1"},
    }
    blocks: dict[str, dict[str, Any]] = {}
    for case in CASES:
        default = {"base_url": base, "models": {}, "api_key": "k"}
        block = blocks.setdefault(case.provider, {**default, **own.get(case.provider, {})})
        block["models"][f"{case.provider}/{case.model}"] = case.model
    blocks["bedrock"]["models"]["bedrock/other"] = "vendor.other-embed"
    blocks["google"]["models"]["google/2"] = "gemini-embedding-2"
    return blocks


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("providers")
    with ScriptedUpstream() as upstream, pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMS_HOME", str(folder))
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.delenv(name, raising=False)
        gateway = ThreadGateway(
            folder, {"providers": _blocks(upstream)}, "[routing.retry]\nattempts = 0\n"
        )
        gateway.wait_ready()
        with httpx.Client(base_url=gateway.origin, timeout=20, trust_env=False) as http:
            yield Served(gateway, upstream, http)
        gateway.close()


@pytest.fixture
def served(shared: Served) -> Served:
    shared.upstream.requests.clear()
    shared.upstream.default = embeddings()
    return shared


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.provider}-{case.model}")
def test_the_exchange_is_the_documented_one(served: Served, case: Case) -> None:
    served.upstream.default = json_body(case.answer)
    members = {"model": f"{case.provider}/{case.model}", **case.members}
    response = served.http.post("/v1/embeddings", json={"encoding_format": "float", **members})
    assert response.status_code == 200, response.text
    (seen,) = served.upstream.requests
    assert (seen.path, seen.json) == (case.path, case.sent)
    vectors = (
        [[0.5, 0.25], [-1.0, 0.0]] if isinstance(case.members["input"], list) else [[0.5, 0.25]]
    )
    if case.members.get("encoding_format") != "base64":
        assert [each["embedding"] for each in response.json()["data"]] == vectors
    assert response.json()["usage"] == {"prompt_tokens": case.tokens, "total_tokens": case.tokens}
    assert response.headers.get("x-llms-dropped-params") == case.dropped


def test_one_text_per_request_where_the_model_takes_no_more(served: Served) -> None:
    served.upstream.default = json_body({"embedding": [0.5, 0.25], "inputTextTokenCount": 5})
    members = {"model": "bedrock/amazon.titan-embed-text-v2:0", "input": ["one", "two", "three"]}
    response = served.http.post("/v1/embeddings", json=members)
    assert response.json()["usage"]["total_tokens"] == 15
    assert sorted(seen.json["inputText"] for seen in served.upstream.requests) == [
        "one",
        "three",
        "two",
    ]


@pytest.mark.parametrize(
    ("model", "members", "param"),
    [
        ("bedrock/other", {}, "model"),
        ("bedrock/cohere.embed-english-v3", {"dimensions": 2}, "dimensions"),
        ("bedrock/amazon.titan-embed-text-v2:0", {"input_type": "query"}, "input_type"),
        ("google/2", {"input_type": "query"}, "input_type"),
        ("google/gemini-embedding-001", {"input": [1, 2]}, "input"),
        ("foundry/embed-v4", {"input": [[1, 2]]}, "input"),
        ("mistral/codestral-embed", {"input_type": "query"}, "input_type"),
        ("cohere/embed-v4.0", {"input_type": "similarity"}, "input_type"),
    ],
)
def test_what_a_model_lacks_is_refused_before_anything_is_sent(
    served: Served, model: str, members: dict[str, Any], param: str
) -> None:
    response = served.http.post("/v1/embeddings", json={"model": model, "input": "one", **members})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
    assert served.upstream.requests == []


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_the_table_of_operations_is_what_adapters_offer(spec: ProviderSpec) -> None:
    """`ProviderSpec.paths`, which docs/providers.md shows."""
    adapter = spec.adapter(
        spec, spec.settings(id=spec.name, base_url=spec.base_url or "https://provider.test")
    )
    offered = {operation.name for operation in OPERATIONS if operation.is_offered_by(adapter)}
    # Tokens are counted beside chat, which the first table of the page is about.
    assert offered - {"chat", "count_tokens"} == set(spec.paths)
    assert ("chat" in offered) == bool(spec.path)
    if EMBEDDINGS.name in offered and isinstance(adapter, OpenAICompatible):
        assert spec.paths[EMBEDDINGS.name].startswith("/")


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_rules_are_consistent(spec: ProviderSpec) -> None:
    rules = spec.embeddings
    assert bool(rules.input_type) == bool(rules.input_types)
    if rules.default_input_type:
        assert rules.default_input_type in rules.input_types.values()


@pytest.mark.parametrize(
    ("rules", "max_inputs"),
    [
        (vertex_rules("text-embedding-005"), 250),
        (vertex_rules("gemini-embedding-001"), 1),
        (vertex_rules("gemini-embedding-2"), 1),
        (vertex_rules("intfloat/multilingual-e5-large-instruct-maas"), 1),
        (gemini_rules("gemini-embedding-001"), 100),
        (rules_of("arn:aws:bedrock:eu-west-1:1:inference-profile/eu.cohere.embed-v4:0"), 96),
        (rules_of("amazon.titan-embed-text-v1"), 1),
    ],
)
def test_limits_depend_on_the_model(rules: EmbeddingRules, max_inputs: int) -> None:
    assert rules.max_inputs == max_inputs


def test_a_block_with_a_path_offers_chat_where_the_provider_has_none() -> None:
    voyage = next(spec for spec in SPECS if spec.name == "voyage")
    settings = ProviderSettings(
        id="voyage", base_url="https://provider.test", path="/chat/completions"
    )
    assert OpenAICompatible(voyage, settings).offers("chat")
