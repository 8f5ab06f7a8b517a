"""A plugin's routes (`llms_routes`) need a key, unless the plugin says otherwise (`llms_public_routes`)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx
import pytest

from llms_core.testing import ScriptedUpstream
from tests.conftest import Serve

SOURCE = Path(__file__).parent / "routes.py"
KEY = "a-key-of-a-client"
SETTINGS = f"[plugins]\nload = ['{SOURCE}']\n[server.keys]\nada = 'sha256:{hashlib.sha256(KEY.encode()).hexdigest()}'\n"


@pytest.mark.parametrize(
    ("route", "headers", "status"),
    [
        ("about", {}, 200),
        ("report", {}, 401),
        ("report", {"authorization": f"Bearer {KEY}"}, 200),
    ],
)
def test_only_named_routes_are_public(
    served: Serve, upstream: ScriptedUpstream, route: str, headers: dict[str, str], status: int
) -> None:
    gateway = served({"providers": {"first": _block(upstream)}}, SETTINGS)
    url = f"{gateway.origin}/x/routes/{route}"
    assert httpx.get(url, headers=headers, timeout=20, trust_env=False).status_code == status


def test_the_state_of_a_plugin_is_part_of_ready(served: Serve, upstream: ScriptedUpstream) -> None:
    """llms_status."""
    gateway = served({"providers": {"first": _block(upstream)}}, SETTINGS)
    ready = httpx.get(
        f"{gateway.origin}/ready", headers={"authorization": f"Bearer {KEY}"}, timeout=20, trust_env=False
    )
    assert ready.json()["plugins"]["routes"]["status"] == {"problem": None, "routes": 2}


def _block(upstream: ScriptedUpstream) -> dict[str, object]:
    return {"type": "openai-compatible", "base_url": upstream.base_url, "api_key": KEY, "models": {"m": "m"}}
