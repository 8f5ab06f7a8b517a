"""A plugin with `llms_secrets` and `llms_config`, used by OpenAI's client."""

from __future__ import annotations

import json
from pathlib import Path

import openai

from llms_core.testing import ScriptedUpstream
from tests.conftest import MARK, Serve

SOURCE = Path(__file__).parent / "contributing.py"


def test_a_provider_and_its_key_come_from_a_plugin(
    served: Serve, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    key = f"{MARK}from-the-file"
    block = {
        "type": "openai-compatible",
        "base_url": upstream.base_url,
        "api_key": "$file:key",
        "models": ["m"],
    }
    file = tmp_path / "database.json"
    file.write_text(
        json.dumps({"secrets": {"key": key}, "providers": {"contributed": block}}), "utf-8"
    )
    settings = f"[plugins]\nload = ['{SOURCE}']\n[plugin.contributing]\nfile = '{file}'\n"
    gateway = served({"providers": {}}, settings)
    with openai.OpenAI(base_url=gateway.base_url, api_key="none") as client:
        raw = client.chat.completions.with_raw_response.create(
            model="m", messages=[{"role": "user", "content": "Hi"}]
        )
        assert [model.id for model in client.models.list()] == ["m"]
    assert raw.headers["x-llms-provider"] == "contributed"
    assert upstream.requests[0].headers["authorization"] == f"Bearer {key}"
    assert key not in gateway.log()
