"""A gateway in front of a scripted model, for clients that run tools."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest
from weather_model import CITIES, PROTOCOLS, SIGNATURE

from llms_core.testing import Reply, Reset, ScriptedUpstream, events
from tests.core.server.conftest import chunk

if TYPE_CHECKING:
    from tests.conftest import Gateway, Serve

WeatherGateway = Callable[..., "Gateway"]


@pytest.fixture
def weather_gateway(upstream: ScriptedUpstream, served: Serve) -> WeatherGateway:
    """Serve `some-model`, which asks for the weather, from a provider that speaks one of `PROTOCOLS`."""

    def serve(protocol: str = "chat", plugins: str = "", models: Mapping[str, str] | None = None) -> Gateway:
        block = PROTOCOLS[protocol].provider(upstream)
        block["models"] |= models or {}
        return served({"providers": {"first": block}}, plugins)

    return serve


def cut_stream() -> Reply:
    """A provider's stream that breaks after some of the text."""
    begun = events(chunk({"role": "assistant", "content": "Sun"}), chunk({"content": "ny"}))
    return Reply(begun, Reset())


def assert_results_arrived(body: Any, *, is_signed: bool) -> None:
    """Assert that a request has the results of both calls, and what has to come back with them."""
    text = json.dumps(body)
    assert "sunny" in text
    assert "rainy" in text
    assert all(city in text for city in CITIES)
    assert (SIGNATURE in text) is is_signed
