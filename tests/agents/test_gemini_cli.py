"""Gemini CLI, headless, with models of providers that speak OpenAI's JSON and Google's. Only the gateway is reached."""

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
from tests.conftest import MARK
from tests.core.server.conftest import chunk

if TYPE_CHECKING:
    from tests.conftest import Gateway, ProviderBlock, Serve

pytestmark = pytest.mark.slow

#: In the form of Gemini's.
SIGNATURE = "CiQB0e2Kb4c5Yg=="

SETTINGS = {
    "security": {"auth": {"selectedType": "gemini-api-key"}},
    "general": {"disableAutoUpdate": True, "disableUpdateNag": True},
    "privacy": {"usageStatisticsEnabled": False},
    "telemetry": {"enabled": False},
}


@pytest.fixture
def gateway(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: Callable[..., dict[str, Any]],
    served: Serve,
) -> Gateway:
    return served(config_of(first=provider(upstream, {"some-model": "vendor/some-model"})))


def run_gemini(gateway: Gateway, program: Path, folder: Path, prompt: str) -> str:
    """Let Gemini CLI answer a prompt in a folder with one file; return what it prints."""
    project = folder / "project"
    project.mkdir()
    (project / "word.txt").write_text("heron\n", "utf-8")
    (folder / ".gemini").mkdir()
    (folder / ".gemini" / "settings.json").write_text(json.dumps(SETTINGS), "utf-8")
    environment: Mapping[str, str] = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GEMINI_API_KEY": "not-needed",
        "GOOGLE_GEMINI_BASE_URL": gateway.origin,
        "GEMINI_CLI_NO_RELAUNCH": "true",
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
        # Whatever it might try to reach besides the gateway fails at once.
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1,localhost",
    }
    finished = subprocess.run(
        [str(program), "--model", "some-model", "--approval-mode", "yolo", "--prompt", prompt],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout.strip()


def test_it_reads_a_file_and_answers(
    gateway: Gateway,
    upstream: ScriptedUpstream,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """With reasoning before the call, which comes back to the provider with the file."""
    program = installed(tmp_path_factory, "@google/gemini-cli@latest", "gemini")
    call = {
        "index": 0,
        "id": "call_1",
        "type": "function",
        "function": {"name": "read_file", "arguments": json.dumps({"file_path": "word.txt"})},
    }
    upstream.script(
        events(
            chunk({"reasoning_content": "I read it."}),
            chunk({"tool_calls": [call]}),
            chunk({}, "tool_calls"),
            "[DONE]",
        )
    )
    upstream.default = completion("The word is heron.")
    assert "The word is heron." in run_gemini(
        gateway, program, tmp_path, "Which word is in word.txt?"
    )

    messages = upstream.requests[-1].json["messages"]
    asked, result = messages[-2:]
    assert asked["tool_calls"][0]["id"] == result["tool_call_id"] == "call_1"
    assert asked["reasoning_content"] == "I read it."
    assert "heron" in json.dumps(result["content"])
    assert " 499 " not in gateway.log()


def test_google_gets_its_requests_as_they_were_written(
    upstream: ScriptedUpstream,
    served: Serve,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    program = installed(tmp_path_factory, "@google/gemini-cli@latest", "gemini")
    block = {
        "type": "google",
        "base_url": f"{upstream.origin}/v1beta",
        "api_key": f"{MARK}of-google",
        "models": {"some-model": "gemini-3-pro-preview"},
    }
    call = {
        "functionCall": {"name": "read_file", "args": {"file_path": "word.txt"}},
        "thoughtSignature": SIGNATURE,
    }
    upstream.script(events(piece(call), piece({"text": ""}, "STOP")))
    upstream.default = events(piece({"text": "The word is heron."}, "STOP"))
    gateway = served({"providers": {"google": block}})
    assert "The word is heron." in run_gemini(
        gateway, program, tmp_path, "Which word is in word.txt?"
    )

    request = upstream.requests[-1]
    assert request.path == "/v1beta/models/gemini-3-pro-preview:streamGenerateContent?alt=sse"
    *_, asked, result = request.json["contents"]
    assert asked["parts"][0]["thoughtSignature"] == SIGNATURE
    assert "heron" in json.dumps(result["parts"][0]["functionResponse"])


def piece(part: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    end = {"finishReason": reason} if reason else {}
    return {"candidates": [{"content": {"parts": [part], "role": "model"}, "index": 0, **end}]}
