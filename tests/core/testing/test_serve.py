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
    """Among others, what tests cost is not in the user's ledger."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("LLMS_HOME", raising=False)
    upstream.default = completion("Hi.")
    provider = {"type": "openai-compatible", "base_url": upstream.base_url, "models": {"m": "up-m"}}
    with serve({"providers": {"first": provider}}) as gateway:
        body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
        answer = httpx.post(f"{gateway.base_url}/chat/completions", json=body)
    assert answer.status_code == 200
    assert list(tmp_path.iterdir()) == []
