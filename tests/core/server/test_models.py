"""`GET /v1/models` and `GET /v1/models/{id}` (SR-009)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from llms_core.testing import ScriptedUpstream
from tests.core.server.conftest import KEY, Asking, Pair, error_of, running

if TYPE_CHECKING:
    from tests.conftest import Gateway, ProviderBlock, Serve

Ask = Callable[["Gateway"], Asking]

ODD = ("meta/llama-3.1:free", "a b", "ünïcode", "100%", "a?b#c", "x/y/z")


def three(upstream: ScriptedUpstream) -> dict[str, Any]:
    """Two providers that are enabled, with a model in common, and one that is not."""
    block = {"type": "OpenAiProvider", "base_url": upstream.base_url, "api_key": KEY}
    return {
        "providers": {
            "zeta": {**block, "models": {"shared": "z-1", "only-zeta": "z-2"}},
            "off": {**block, "models": {"only-off": "o-1"}, "enabled": False},
            "alpha": {**block, "models": dict.fromkeys(("only-alpha", "shared", *ODD), "up")},
        }
    }


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A gateway with three providers, for all tests of this module."""
    with running(tmp_path_factory.mktemp("three"), "", three) as pair:
        yield pair


@pytest.fixture
def many(trio: Pair, asking: Ask) -> Asking:
    """A client of `trio`."""
    return asking(trio.gateway)


def test_sr_009_the_list_has_openais_shape(ask: Asking) -> None:
    response = ask.get("/v1/models")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert body.keys() == {"object", "data"}
    assert body["object"] == "list"
    (model,) = body["data"]
    assert type(model.pop("created")) is int
    assert model == {"id": "m", "object": "model", "owned_by": "first", "operations": ["chat"]}


def test_sr_009_every_model_of_every_enabled_provider_once_and_in_order(many: Asking) -> None:
    """SR-009: in the order of llms.json, which is the routing order."""
    listed = [(model["id"], model["owned_by"]) for model in many.get("/v1/models").json()["data"]]
    assert listed == [
        ("shared", "zeta"),
        ("only-zeta", "zeta"),
        ("only-alpha", "alpha"),
        *((name, "alpha") for name in ODD),
    ]


def test_sr_009_a_model_of_the_list_by_its_id(many: Asking) -> None:
    """SR-009: OpenAI's clients quote the id, including its slashes."""
    for model in many.get("/v1/models").json()["data"]:
        assert many.get(f"/v1/models/{quote(model['id'], safe='')}").json() == model


@pytest.mark.parametrize("name", ["meta/llama-3.1:free", "x/y/z"])
def test_sr_009_an_id_whose_slashes_are_not_quoted(many: Asking, name: str) -> None:
    assert many.get(f"/v1/models/{name}").json()["id"] == name


@pytest.mark.parametrize(
    "name", ["unknown-model", "only-off", "z-1", "M", "x/y", "shared/more", "<b>", "a\x00b"]
)
def test_sr_061_an_unknown_model(many: Asking, name: str) -> None:
    """SR-061, SR-062: the body of the reference."""
    response = many.get(f"/v1/models/{quote(name)}")
    assert response.status_code == 404
    assert response.json() == {
        "error": {
            "message": f"Model '{name}' not found in any enabled provider",
            "type": "invalid_request_error",
            "code": "model_not_found",
        }
    }


def test_sr_009_no_provider_no_models(served: Serve, asking: Ask) -> None:
    assert asking(served({"providers": {}})).get("/v1/models").json() == {
        "object": "list",
        "data": [],
    }


def test_sr_067_the_list_needs_a_key_where_one_is_needed(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: Callable[..., Any],
    served: Serve,
    asking: Ask,
) -> None:
    digest = hashlib.sha256(b"secret").hexdigest()
    ask = asking(
        served(config_of(one=provider(upstream)), f'[server.keys]\nada = "sha256:{digest}"\n')
    )
    for path in ("/v1/models", "/v1/models/m", "/v1/models/unknown"):
        response = ask.get(path)
        assert response.status_code == 401
        assert error_of(response)["code"] == "unauthorized"
    assert ask.get("/v1/models", {"authorization": "Bearer secret"}).status_code == 200


def embedding(upstream: ScriptedUpstream) -> dict[str, Any]:
    """A provider of models for chat and for embeddings, one for chat alone, and one for embeddings alone."""
    block = {"base_url": upstream.base_url, "api_key": KEY}
    models = {
        "gpt-5": {
            "cost": {"input": 1.25, "output": 10, "cache_read": 0.125},
            "limit": {"context": 400000},
        },
        "small": {
            "id": "text-embedding-3-small",
            "cost": {"input": 0.02, "output": 0},
            "limit": {"context": 8191},
        },
        "bge-reranker-v2-m3": {},
    }
    return {
        "providers": {
            "both": {**block, "type": "openai-compatible", "models": models},
            "chatty": {**block, "type": "groq", "models": ["llama", "text-embedding-none"]},
            "searching": {**block, "type": "voyage", "models": ["voyage-4", "shared-embed"]},
            "another": {**block, "type": "groq", "models": ["shared-embed"]},
        }
    }


@pytest.fixture(scope="module")
def embedding_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with running(tmp_path_factory.mktemp("embedding"), "", embedding) as pair:
        yield pair


def test_models_have_their_operations_context_length_and_price(
    embedding_pair: Pair, asking: Ask
) -> None:
    ask = asking(embedding_pair.gateway)
    model = ask.get("/v1/models/gpt-5").json()
    assert model["operations"] == ["chat"]
    assert model["context_length"] == 400000
    assert model["price"] == {"input": 1.25, "output": 10.0, "cache_read": 0.125}
    model = ask.get("/v1/models/small").json()
    assert model["operations"] == ["embeddings"]
    assert model["price"] == {"input": 0.02, "output": 0.0}
    assert ask.get("/v1/models/llama").json().keys() == {
        "id",
        "owned_by",
        "operations",
        "object",
        "created",
    }
    assert ask.get("/v1/models/text-embedding-none").json()["operations"] == []
    assert ask.get("/v1/models/shared-embed").json()["operations"] == ["embeddings"]


def test_the_list_leaves_out_models_for_embeddings_alone(embedding_pair: Pair, asking: Ask) -> None:
    ask = asking(embedding_pair.gateway)
    names = [model["id"] for model in ask.get("/v1/models").json()["data"]]
    assert "gpt-5" in names
    assert "llama" in names
    assert not {"small", "voyage-4", "shared-embed", "text-embedding-none"}.intersection(names)


def test_the_list_is_filtered_by_operation(embedding_pair: Pair, asking: Ask) -> None:
    ask = asking(embedding_pair.gateway)
    found = ask.get("/v1/models?operation=embeddings").json()["data"]
    assert [model["id"] for model in found] == ["small", "voyage-4", "shared-embed"]
    found = ask.get("/v1/models?operation=chat").json()["data"]
    assert {"gpt-5", "llama"} <= {model["id"] for model in found}


def test_an_unknown_operation_is_refused(embedding_pair: Pair, asking: Ask) -> None:
    response = asking(embedding_pair.gateway).get("/v1/models?operation=dance")
    assert response.status_code == 400
    found = error_of(response)
    assert found["param"] == "operation"
    assert found["message"].startswith("There is no operation 'dance', only chat, ")
