"""`/health` and `/ready`: they call no provider, and neither they nor the pages show a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from llms_core.testing import ScriptedUpstream, Stall, error
from llms_core.testing.upstream import Reply
from tests.core.server.conftest import KEY, Asking

if TYPE_CHECKING:
    from tests.conftest import Gateway, ProviderBlock, Serve

Ask = Callable[["Gateway"], Asking]
ConfigOf = Callable[..., dict[str, Any]]


def test_health_is_200_as_long_as_the_process_answers(served: Serve, asking: Ask) -> None:
    response = asking(served({"providers": {}})).get("/health")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    "path", ["/health", "/ready", "/", "/v1/models", "/docs", "/docs/openapi.json"]
)
def test_no_status_calls_a_provider(ask: Asking, first: ScriptedUpstream, path: str) -> None:
    first.default = Reply(Stall())
    assert ask.get(path).status_code == 200
    assert first.requests == []


def test_ready_is_200_if_a_provider_is_enabled(ask: Asking) -> None:
    response = ask.get("/ready")
    assert response.status_code == 200
    body = response.json()
    assert body["ready"] is True
    assert body["providers"] == {"enabled": ["first"], "disabled": {}}
    assert body["configuration_error"] is None


def test_k_02_ready_says_why_a_provider_is_not_enabled(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    served: Serve,
    asking: Ask,
) -> None:
    """K-02, SR-079: a missing key is reported with its variable's name."""
    config = config_of(
        off=provider(upstream, enabled=False),
        keyless=provider(upstream, api_key="$NO_SUCH_API_KEY"),
        on=provider(upstream),
    )
    body = asking(served(config)).get("/ready").json()
    assert body["providers"]["enabled"] == ["on"]
    assert body["providers"]["disabled"].keys() == {"off", "keyless"}
    assert "NO_SUCH_API_KEY" in body["providers"]["disabled"]["keyless"]


def test_ready_is_503_if_no_provider_is_enabled(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    served: Serve,
    asking: Ask,
) -> None:
    response = asking(served(config_of(off=provider(upstream, enabled=False)))).get("/ready")
    assert response.status_code == 503
    assert response.json()["ready"] is False


def test_ready_lists_every_plugin_with_its_state(
    served: Serve, asking: Ask, plugin: Callable[[str], str]
) -> None:
    plugins = plugin("@hookimpl\ndef llms_no_such_hook(): ...\n")
    reported = asking(served({"providers": {}}, plugins)).get("/ready").json()["plugins"]
    assert reported["openai"]["state"] == "ok"
    assert reported["of_test"]["state"] == "quarantined"
    assert "llms_no_such_hook" in reported["of_test"]["reason"]


def test_ready_shows_a_circuit_that_is_open(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    served: Serve,
    asking: Ask,
) -> None:
    upstream.default = error(500)
    plugins = "[routing.retry]\nattempts = 0\n[routing.breaker]\nfailures = 1\n"
    ask = asking(served(config_of(one=provider(upstream)), plugins))
    assert ask.get("/ready").json()["circuits"] == []
    ask.chat()
    (circuit,) = ask.get("/ready").json()["circuits"]
    assert circuit["provider"] == "one"


@pytest.mark.parametrize(
    "path", ["/health", "/ready", "/", "/docs", "/docs/openapi.json", "/v1/models"]
)
def test_sr_066_no_status_shows_a_key(ask: Asking, path: str) -> None:
    response = ask.get(path)
    assert KEY not in f"{response.text}{response.headers}"
