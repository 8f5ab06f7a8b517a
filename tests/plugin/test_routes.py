"""A plugin's routes need a key, unless the plugin says otherwise.

These are the hooks `llms_routes`, `llms_root_routes` and `llms_public_routes`. The plugin has `llms_measurements` for
`/metrics`, too, and `llms_attempt_started` for what providers are told.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx
import pytest

from llms_core.testing import ScriptedUpstream, completion
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


@pytest.mark.parametrize(
    ("headers", "status"), [({}, 401), ({"authorization": f"Bearer {KEY}"}, 200)]
)
def test_a_root_route_has_a_path_of_its_own(
    served: Serve, upstream: ScriptedUpstream, headers: dict[str, str], status: int
) -> None:
    gateway = served({"providers": {"first": _block(upstream)}}, SETTINGS)
    url = f"{gateway.origin}/report.txt"
    assert httpx.get(url, headers=headers, timeout=20, trust_env=False).status_code == status


def test_its_numbers_are_among_the_metrics(served: Serve, upstream: ScriptedUpstream) -> None:
    gateway = served({"providers": {"first": _block(upstream)}}, SETTINGS)
    headers = {"authorization": f"Bearer {KEY}"}
    text = httpx.get(f"{gateway.origin}/metrics", headers=headers, timeout=20, trust_env=False).text
    assert "\nroutes_reports 1.0\n" in text


@pytest.mark.parametrize("stream", [False, True])
def test_it_adds_a_header_and_replaces_none(
    served: Serve, upstream: ScriptedUpstream, stream: bool
) -> None:
    gateway = served({"providers": {"first": _block(upstream)}}, SETTINGS)
    upstream.default = completion()
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
    headers = {"authorization": f"Bearer {KEY}"}
    httpx.post(
        f"{gateway.base_url}/chat/completions",
        json=body,
        headers=headers,
        timeout=20,
        trust_env=False,
    )
    sent = upstream.requests[0].headers
    assert (sent["x-report"], sent["authorization"]) == ("m", f"Bearer {KEY}")


def test_the_state_of_a_plugin_is_part_of_ready(served: Serve, upstream: ScriptedUpstream) -> None:
    """llms_status."""
    gateway = served({"providers": {"first": _block(upstream)}}, SETTINGS)
    ready = httpx.get(
        f"{gateway.origin}/ready",
        headers={"authorization": f"Bearer {KEY}"},
        timeout=20,
        trust_env=False,
    )
    assert ready.json()["plugins"]["routes"]["status"] == {"problem": None, "routes": 2}


def _block(upstream: ScriptedUpstream) -> dict[str, object]:
    return {
        "type": "openai-compatible",
        "base_url": upstream.base_url,
        "api_key": KEY,
        "models": {"m": "m"},
    }
