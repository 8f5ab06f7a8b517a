"""Claude Code, headless, with a model of a provider that speaks OpenAI's JSON. Nothing but the gateway is reached."""

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
from tests.core.server.conftest import chunk

if TYPE_CHECKING:
    from tests.conftest import Gateway, ProviderBlock, Serve

pytestmark = pytest.mark.slow


@pytest.fixture
def gateway(
    upstream: ScriptedUpstream, provider: ProviderBlock, config_of: Callable[..., dict[str, Any]], served: Serve
) -> Gateway:
    return served(config_of(first=provider(upstream, {"some-model": "vendor/some-model"})))


def run_claude(gateway: Gateway, folder: Path, prompt: str, *options: str) -> dict[str, Any]:
    """Let Claude Code answer a prompt in an empty folder; return what it reports at the end."""
    program = installed("@anthropic-ai/claude-code", "claude")
    home = folder / "home"
    project = folder / "project"
    home.mkdir(exist_ok=True)
    project.mkdir(exist_ok=True)
    environment: Mapping[str, str] = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "ANTHROPIC_BASE_URL": gateway.origin,
        "ANTHROPIC_AUTH_TOKEN": "not-needed",
        "ANTHROPIC_MODEL": "some-model",
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": "some-model",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_ERROR_REPORTING": "1",
        # Whatever it might try to reach besides the gateway fails at once.
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1,localhost",
    }
    finished = subprocess.run(
        [str(program), "-p", prompt, "--output-format", "json", *options],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    result: dict[str, Any] = json.loads(finished.stdout)
    return result


def test_it_answers(gateway: Gateway, upstream: ScriptedUpstream, tmp_path: Path) -> None:
    upstream.default = completion("Hello from some model")
    assert run_claude(gateway, tmp_path, "Hello!")["result"] == "Hello from some model"


def test_it_runs_two_tools_and_one_fails(gateway: Gateway, upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """With reasoning before the calls, whose fragments interleave."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "note.txt").write_text("The secret word is heron.\n", "utf-8")
    paths = [str(tmp_path / "project" / name) for name in ("note.txt", "missing.txt")]
    starts = [
        {"index": number, "id": f"call_{number}", "type": "function", "function": {"name": "Read", "arguments": ""}}
        for number in range(2)
    ]
    pieces = [
        {"index": number, "function": {"arguments": text}}
        for half in (slice(0, 9), slice(9, None))
        for number, text in enumerate(json.dumps({"file_path": path})[half] for path in paths)
    ]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "reasoning_content": "I read both."}]
    deltas += [{"tool_calls": [call]} for call in (*starts, *pieces)]
    calls = events(*(chunk(delta) for delta in deltas), chunk({}, "tool_calls"), "[DONE]")

    def is_followed_up(body: dict[str, Any]) -> bool:
        return any(message["role"] == "tool" for message in body["messages"])

    upstream.script(calls)
    upstream.default = completion("The word is heron.")
    result = run_claude(gateway, tmp_path, "What is the secret word?", "--allowedTools", "Read")

    assert result["result"] == "The word is heron."
    assert not result["is_error"]
    followed = [each.json for each in upstream.requests if is_followed_up(each.json)]
    assert followed, "the results of the tools did not reach the provider"
    messages = followed[-1]["messages"]
    asked = next(message for message in messages if message.get("tool_calls"))
    assert [json.loads(call["function"]["arguments"]) for call in asked["tool_calls"]] == [
        {"file_path": path} for path in paths
    ]
    results = {message["tool_call_id"]: json.dumps(message) for message in messages if message["role"] == "tool"}
    assert "heron" in results["call_0"]
    assert "heron" not in results["call_1"]
