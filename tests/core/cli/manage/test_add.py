"""`llms add`."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from llms_core.testing import ScriptedUpstream
from llms_core.testing.upstream import error, json_body
from tests.core.cli.manage.conftest import Run, Terminal

KEY = "sk-typed-by-hand"
COMMENTED = '{\n  // mine\n  "providers": {\n    "other": {"type": "ollama", "enabled": false} // off\n  }\n}\n'


def providers(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())["providers"]
    return found


def test_a_server_is_added_and_tested_without_a_question(
    llms: Run, file: Path, upstream: ScriptedUpstream
) -> None:
    """It is asked for its models, and the first one of them for an answer."""
    file.write_text('{"providers": {}}')
    result = llms(
        "add", "openai-compatible", "--base-url", upstream.base_url, "--name", "gpu", "--yes"
    )
    assert result.returncode == 0, result.stderr
    assert "ok      gpu/m " in result.stdout
    assert providers(file)["gpu"] == {
        "enabled": True, "type": "openai-compatible", "all_models": True, "base_url": upstream.base_url
    }  # fmt: skip
    assert llms("-m", "m", "Hello").stdout == "Hello!\n"


def test_everything_else_in_the_file_stays(
    llms: Run, file: Path, upstream: ScriptedUpstream
) -> None:
    file.write_text(COMMENTED)
    assert llms("add", "--base-url", upstream.base_url, "--model", "m", "--yes").returncode == 0
    block = json.dumps(
        {"127.0.0.1": {"enabled": True, "type": "openai-compatible", "base_url": upstream.base_url}}
    )
    start, end = COMMENTED.split(" // off\n")
    written = file.read_text()
    assert written.startswith(f'{start}, // off\n    "127.0.0.1": {{')
    assert written.endswith(end)
    assert json.loads(block)["127.0.0.1"]["base_url"] in written


@pytest.mark.parametrize("key", [None, "sk-in-the-environment"])
def test_the_key_is_a_reference_to_its_variable(
    llms: Run, file: Path, upstream: ScriptedUpstream, key: str | None
) -> None:
    file.write_text('{"providers": {}}')
    arguments = [
        "--base-url",
        upstream.base_url,
        "--name",
        "gpu",
        "--key-env",
        "GPU_KEY",
        "--model",
        "m",
        "--yes",
    ]
    result = llms("add", *arguments, env={} if key is None else {"GPU_KEY": key})
    if key is None:
        assert (result.returncode, providers(file)) == (1, {})
        assert (
            result.stderr
            == "llms: nothing was written, because gpu cannot be used: no key: set GPU_KEY\n"
        )
        return
    assert result.returncode == 0, result.stderr
    assert providers(file)["gpu"]["api_key"] == "$GPU_KEY"
    assert upstream.requests[-1].headers["authorization"] == f"Bearer {key}"
    assert key not in result.stdout + result.stderr + file.read_text()


def test_a_known_provider_is_added_with_its_usual_variable(
    llms: Run, file: Path, upstream: ScriptedUpstream
) -> None:
    file.write_text('{"providers": {}}')
    result = llms(
        "add", "deepseek", "--base-url", upstream.base_url, "--model", "a", "--model", "b", "--yes",
        env={"DEEPSEEK_API_KEY": "k"},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert [request.json["model"] for request in upstream.requests] == ["a", "b"]
    assert providers(file)["deepseek"] == {
        "enabled": True,
        "type": "deepseek",
        "api_key": "$DEEPSEEK_API_KEY",
        "base_url": upstream.base_url,
        "models": ["a", "b"],
    }


def test_a_block_that_is_there_is_completed(
    llms: Run, file: Path, upstream: ScriptedUpstream
) -> None:
    block = {
        "enabled": False,
        "type": "openai-compatible",
        "base_url": upstream.base_url,
        "api_key": "$OLD",
        "x": 1,
    }
    file.write_text(json.dumps({"providers": {"gpu": {**block, "models": ["m"]}}}))
    result = llms(
        "add",
        "gpu",
        "--key-env",
        "NEW",
        "--set",
        "temperature=0.5",
        "--set",
        "path=/chat",
        "--yes",
        env={"NEW": "k"},
    )
    assert result.returncode == 0, result.stderr
    changed = {"enabled": True, "api_key": "$NEW", "temperature": 0.5, "path": "/chat"}
    assert providers(file)["gpu"] == {**block, "models": ["m"], **changed}


def test_nothing_is_written_if_the_test_fails(
    llms: Run, file: Path, upstream: ScriptedUpstream
) -> None:
    upstream.default = error(401, "no such key")
    file.write_text('{"providers": {}}')
    arguments = ["add", "--base-url", upstream.base_url, "--name", "gpu", "--model", "m", "--yes"]
    result = llms(*arguments)
    assert result.returncode == 1
    assert "401 no such key" in result.stdout
    assert result.stderr.startswith("llms: nothing was written, because gpu did not answer")
    assert providers(file) == {}
    assert llms(*arguments, "--no-check").returncode == 0
    assert providers(file)["gpu"]["models"] == ["m"]


def test_a_server_that_does_not_list_its_models_needs_one(
    llms: Run, file: Path, upstream: ScriptedUpstream
) -> None:
    upstream.routes["/models"] = json_body({"error": {"message": "nothing here"}}, 404)
    file.write_text('{"providers": {}}')
    result = llms("add", "--base-url", upstream.base_url, "--name", "gpu", "--yes")
    assert result.returncode == 2
    assert "gpu does not tell its models: nothing here\n" in result.stderr
    assert "--model is missing, and there is nobody to ask" in result.stderr
    assert providers(file) == {}


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["add", "grok2"], 1, "unknown provider 'grok2' (similar: "),
        (["add"], 2, "PROVIDER is missing, and there is nobody to ask"),
        (["add", "openai-compatible"], 2, "--base-url is missing, and there is nobody to ask"),
        (["add", "groq", "--set", "x"], 2, "--set x: not of the form NAME=VALUE"),
        (
            ["add", "groq", "--key-env", "a-b"],
            2,
            "'a-b' cannot be the name of an environment variable",
        ),
        (["add", "--base-url", "ftp://x", "--name", "x", "--yes"], 2, "not an http(s) URL"),
    ],
)
def test_a_wrong_argument_is_an_error(
    llms: Run, file: Path, arguments: list[str], status: int, message: str
) -> None:
    file.write_text('{"providers": {}}')
    result = llms(*arguments)
    assert result.returncode == status
    assert message in result.stderr
    assert file.read_text() == '{"providers": {}}'


def test_a_terminal_is_asked_and_the_key_is_not_shown(
    terminal: Terminal, llms: Run, file: Path, upstream: ScriptedUpstream
) -> None:
    file.write_text('{"providers": {}}')
    answers = {
        "Provider (": "openai-compatible",
        "Base URL, such as http://gpu-box:8080/v1: ": upstream.base_url,
        "Name in llms.json [127.0.0.1]: ": "gpu",
        "Environment variable of its key (empty: none): ": "GPU_KEY",
        "Key, which is not shown (GPU_KEY is not set): ": KEY,
        "Keep the key in ": "n",
    }
    shown = terminal("add", answers=answers)
    assert "gpu/m " in shown
    assert KEY not in shown
    assert "export GPU_KEY='…'" in shown
    assert providers(file)["gpu"]["api_key"] == "$GPU_KEY"
    assert upstream.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    assert [each.name for each in file.parent.iterdir() if KEY.encode() in each.read_bytes()] == []


def test_a_key_is_kept_in_the_users_own_file_if_that_is_wanted(
    terminal: Terminal, llms: Run, file: Path, upstream: ScriptedUpstream
) -> None:
    """Only the user can read it, and every command uses it. The environment takes precedence."""
    file.write_text('{"providers": {}}')
    kept = file.with_name(".env")
    kept.write_text("# mine\nOTHER=1\nGPU_KEY='old'\n")
    kept.chmod(0o600)
    arguments = [
        "add",
        "--base-url",
        upstream.base_url,
        "--name",
        "gpu",
        "--key-env",
        "NEW_KEY",
        "--store-key",
    ]
    shown = terminal(*arguments, answers={"(NEW_KEY is not set): ": KEY})
    assert KEY not in shown
    assert kept.read_text() == f"# mine\nOTHER=1\nGPU_KEY='old'\nNEW_KEY='{KEY}'\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert llms("-m", "m", "Hello").returncode == 0
    assert upstream.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    llms("-m", "m", "Hello", env={"NEW_KEY": "sk-of-the-shell"})
    assert upstream.requests[-1].headers["authorization"] == "Bearer sk-of-the-shell"


def test_a_terminal_may_insist_although_the_test_fails(
    terminal: Terminal, file: Path, upstream: ScriptedUpstream
) -> None:
    upstream.default = error(500, "out of order")
    file.write_text('{"providers": {}}')
    arguments = ["add", "--base-url", upstream.base_url, "--name", "gpu", "--model", "m"]
    asked = "Environment variable of its key (empty: none): "
    terminal(*arguments, answers={asked: "", "Write it all the same? [y/N]: ": "n"})
    assert providers(file) == {}
    terminal(*arguments, answers={asked: "", "Write it all the same? [y/N]: ": "y"})
    assert providers(file)["gpu"]["models"] == ["m"]
