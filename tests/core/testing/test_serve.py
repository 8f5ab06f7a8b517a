"""`serve`: a gateway for the tests of plugins."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from llms_core.testing import ScriptedUpstream, completion
from llms_core.testing.serve import serve


def test_the_users_own_files_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upstream: ScriptedUpstream
) -> None:
    """Neither the ledger has what tests cost, nor is the key made that the Responses API needs."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("LLMS_HOME", raising=False)
    monkeypatch.delenv("LLMS_SIGNATURE_KEY")
    upstream.default = completion("Hi.")
    provider = {"type": "openai-compatible", "base_url": upstream.base_url, "models": {"m": "up-m"}}
    with serve({"providers": {"first": provider}}) as gateway:
        body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
        assert httpx.post(f"{gateway.base_url}/chat/completions", json=body).status_code == 200
        body = {"model": "m", "input": "Hi"}
        assert httpx.post(f"{gateway.base_url}/responses", json=body).status_code == 200
    assert list(tmp_path.iterdir()) == []
