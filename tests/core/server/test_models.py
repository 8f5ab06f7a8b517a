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
    assert model == {"id": "m", "object": "model", "owned_by": "first"}


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


@pytest.mark.parametrize("name", ["unknown-model", "only-off", "z-1", "M", "x/y", "shared/more", "<b>", "a\x00b"])
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
    assert asking(served({"providers": {}})).get("/v1/models").json() == {"object": "list", "data": []}


def test_sr_067_the_list_needs_a_key_where_one_is_needed(
    upstream: ScriptedUpstream, provider: ProviderBlock, config_of: Callable[..., Any], served: Serve, asking: Ask
) -> None:
    digest = hashlib.sha256(b"secret").hexdigest()
    ask = asking(served(config_of(one=provider(upstream)), f'[server.keys]\nada = "sha256:{digest}"\n'))
    for path in ("/v1/models", "/v1/models/m", "/v1/models/unknown"):
        response = ask.get(path)
        assert response.status_code == 401
        assert error_of(response)["code"] == "unauthorized"
    assert ask.get("/v1/models", {"authorization": "Bearer secret"}).status_code == 200
