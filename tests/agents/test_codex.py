"""Codex, headless, with a model of a provider that speaks OpenAI's JSON. Nothing but the gateway is reached."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from npm import installed

from llms_core.testing import ScriptedUpstream, completion, events
from tests.core.server.conftest import chunk, until

if TYPE_CHECKING:
    from tests.conftest import Gateway, ProviderBlock, Serve

pytestmark = pytest.mark.slow

CONFIG = """
model = "some-model"
model_provider = "llms"
approval_policy = "never"
sandbox_mode = "danger-full-access"
[model_providers.llms]
name = "llms"
base_url = "{base_url}"
wire_api = "responses"
"""


@pytest.fixture
def gateway(
    upstream: ScriptedUpstream, provider: ProviderBlock, config_of: Callable[..., dict[str, Any]], served: Serve
) -> Gateway:
    return served(config_of(first=provider(upstream, {"some-model": "vendor/some-model"})))


def run_codex(gateway: Gateway, folder: Path, prompt: str) -> str:
    """Let Codex answer a prompt in an empty folder; return its last message."""
    program = installed("@openai/codex", "codex")
    home = folder / "codex"
    project = folder / "project"
    home.mkdir()
    project.mkdir()
    (home / "config.toml").write_text(CONFIG.format(base_url=gateway.base_url), "utf-8")
    environment: Mapping[str, str] = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "CODEX_HOME": str(home),
        # Whatever it might try to reach besides the gateway fails at once.
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1,localhost",
    }
    last = folder / "last.txt"
    finished = subprocess.run(
        [str(program), "exec", "--skip-git-repo-check", "--output-last-message", str(last), prompt],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return last.read_text("utf-8")


def test_it_runs_a_command_and_answers(gateway: Gateway, upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """With reasoning before the call, which comes back to the provider with the command's output."""
    call = {
        "index": 0,
        "id": "call_1",
        "type": "function",
        "function": {"name": "exec_command", "arguments": json.dumps({"cmd": "echo he''ron"})},
    }
    upstream.script(
        events(
            chunk({"reasoning_content": "I run it."}), chunk({"tool_calls": [call]}), chunk({}, "tool_calls"), "[DONE]"
        )
    )
    upstream.default = completion("The word is heron.")
    assert run_codex(gateway, tmp_path, "Run the command") == "The word is heron."

    messages = upstream.requests[-1].json["messages"]
    asked, result = messages[-2:]
    assert asked["tool_calls"][0]["id"] == result["tool_call_id"] == "call_1"
    assert asked["reasoning_content"] == "I run it."
    assert "heron" in result["content"]
    # Codex closes its connections when it has read the end, which is no cancellation.
    until(lambda: gateway.log().count(" 200 model='some-model'") >= 2)
    assert " 499 " not in gateway.log()
