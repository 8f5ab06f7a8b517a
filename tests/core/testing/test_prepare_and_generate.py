"""The conformance suite finds faults of adapters with `prepare` and `generate`: samples, each with one mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SAMPLES = Path(__file__).parents[3] / "examples" / "plugins"

#: The provider, what is replaced in its module by what, and a test that has to fail.
MISTAKES = {
    "a token without an end": (
        "whale",
        "return token.expires_in",
        "return None",
        "test_a_it_lasts",
    ),
    "a token that is obtained for each request": (
        "whale",
        "return token.expires_in",
        "return 0.0",
        "test_a_one_request",
    ),
    "the key in place of the token": (
        "whale",
        "self._token.reveal()",
        "self._own.api_key.reveal()",
        "test_a_the_token_is_sent",
    ),
    "a failed request for a token is ignored": (
        "whale",
        "token = (await http.send(request)).json(_Token)",
        "reply = await http.send(request)\n"
        "        token = reply.json(_Token) if reply.is_success else _Token('none', 60)",
        "test_a_without_a_token",
    ),
    "a failed job is an answer": (
        "replica",
        'if job.status != "succeeded":',
        "if False:",
        "test_g_a_failure",
    ),
    "a failed exchange is an answer": (
        "replica",
        "job = created.json(_Job)",
        "job = _Job('succeeded', _Urls('', ''), ['Sorry']) if created.status == 500 else created.json(_Job)",
        "test_g_a_fault_leads",
    ),
    "the key in the URL": (
        "replica",
        "return UpstreamRequest(url=url,",
        "return UpstreamRequest(url=f'{url}?key={self._settings.api_key.reveal()}',",
        "test_g_key_is_in_its_header_alone",
    ),
    "no usage": ("replica", "usage=_usage(job.metrics)", "usage=None", "test_g_answer_arrives"),
    "an end that is missing": (
        "bigram",
        'yield chunks.finish("stop"',
        'chunks.finish("stop"',
        "test_g_answer_arrives",
    ),
}


def failures(folder: Path, provider: str, old: str, new: str) -> list[str]:
    """The tests that fail for a provider with a mistake."""
    name = f"llms_provider_{provider}"
    sample = SAMPLES / f"llms-provider-{provider}"
    code = (sample / f"{name}.py").read_text("utf-8")
    assert old in code
    (folder / f"{name}.py").write_text(code.replace(old, new), "utf-8")
    wire = sample / f"{name}_wire.py"
    if wire.is_file():
        (folder / wire.name).write_text(wire.read_text("utf-8"), "utf-8")
    (folder / "plugins.toml").write_text(f'[plugins]\nload = ["{name}.py"]\n', "utf-8")
    command = [sys.executable, "-m", "llms_core", "conformance", provider, "--json", "result.json"]
    command += ["--plugins", "plugins.toml", "-k", "test_a_ or test_g_"]
    env = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    result: dict[str, Any] = json.loads((folder / "result.json").read_text("utf-8"))
    assert done.returncode == 1, done.stdout
    return [failure["test"] for failure in result["failed"]]


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found(tmp_path: Path, mistake: str) -> None:
    provider, old, new, test = MISTAKES[mistake]
    failed = failures(tmp_path, provider, old, new)
    assert any(name.startswith(test) for name in failed), failed
