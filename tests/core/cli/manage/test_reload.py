"""A running server uses what the commands change."""

from __future__ import annotations

from typing import Any

import httpx

from llms_core.testing import ScriptedUpstream
from tests.conftest import Launch, ProviderBlock
from tests.core.cli.manage.conftest import Run
from tests.core.server.conftest import until


def test_enable_and_disable_need_no_restart(
    llms: Run, gateway: Launch, upstream: ScriptedUpstream, provider: ProviderBlock
) -> None:
    """Nor does `add`."""
    server = gateway(
        {
            "providers": {
                "first": provider(upstream, {"a": "a"}),
                "second": provider(upstream, {"b": "b"}),
            }
        }
    )
    config = str(server.config_path)

    def models() -> list[str]:
        listed: list[dict[str, Any]] = httpx.get(f"{server.base_url}/models").json()["data"]
        return [model["id"] for model in listed]

    assert models() == ["a", "b"]
    assert llms("disable", "first", "--config", config).returncode == 0
    until(lambda: models() == ["b"])
    assert llms("enable", "first", "--config", config).returncode == 0
    until(lambda: models() == ["a", "b"])
    added = llms(
        "add",
        "--base-url",
        upstream.base_url,
        "--name",
        "third",
        "--model",
        "c",
        "--yes",
        "--config",
        config,
    )
    assert added.returncode == 0, added.stderr
    until(lambda: models() == ["a", "b", "c"])
