"""`llms conformance`: its errors, its output, and the live calls."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from llms_core import cli
from llms_core.testing import Reply, ScriptedUpstream, Seen, completion, error

pytestmark = pytest.mark.slow


def llms_conformance(
    folder: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    """Run the command in a folder; return its exit code, stdout and stderr."""
    command = [sys.executable, "-m", "llms_core", "conformance", *arguments]
    finished = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return finished.returncode, finished.stdout, finished.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["grok-ai"], "unknown provider 'grok-ai'"),
        (["grok", "--wire", "nowhere"], "write package.module:NAME"),
        (["groq", "--plugins", "none.toml"], "none.toml"),
    ],
)
def test_invalid_option_is_reported_before_any_test_runs(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    code, _, errors = llms_conformance(tmp_path, *arguments)
    assert code == 2
    assert message in errors


def test_quarantined_plugin_is_reported_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "acme.py").write_text("import nowhere_to_be_found", "utf-8")
    (tmp_path / "plugins.toml").write_text('[plugins]\nload = ["acme.py"]\n', "utf-8")
    code, _, errors = llms_conformance(tmp_path, "acme", "--plugins", "plugins.toml")
    assert code == 2
    assert "plugin 'acme' of acme.py: ModuleNotFoundError" in errors


def test_missing_pytest_is_reported_with_the_command_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("llms_core.cli.conformance.find_spec", lambda name: None)
    result = CliRunner().invoke(cli.main, ["conformance", "groq"])
    assert result.exit_code == 2
    assert 'pip install "llms-core[testing]"' in result.stderr


def test_level_option_prints_only_the_level(tmp_path: Path) -> None:
    """Scripts find nothing else on stdout. A part of the suite reaches no level, so the exit code is 1."""
    code, output, errors = llms_conformance(tmp_path, "groq", "--level", "-k", "test_w_ or test_m_")
    assert (output, code) == ("none\n", 1)
    assert "W wire" in errors
    assert list(tmp_path.iterdir()) == []


def test_files_in_the_working_directory_have_no_effect(tmp_path: Path) -> None:
    """Not its pytest.ini, not its conftest.py, and no module with the name of one that the suite imports."""
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n", "utf-8")
    for name in ("conftest.py", "json.py", "pytest.py"):
        (tmp_path / name).write_text("raise SystemExit(9)", "utf-8")
    # `python -m` would put the working directory on sys.path; the installed script does not.
    script = str(Path(sys.executable).parent / "llms")
    command = [script, "conformance", "groq", "-k", "test_m_", "--level"]
    finished = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (finished.stdout, finished.returncode) == ("none\n", 1), finished.stderr


def answer_live(seen: Seen) -> Reply:
    """Answer as a provider that has one model, `real-model`."""
    request = seen.json
    if request["model"] != "real-model":
        return error(404, "The model does not exist", code="model_not_found")
    is_truncated = "Count" in request["messages"][0]["content"]
    return completion(finish_reason="length" if is_truncated else "stop")


PLUGINS_TOML = """
[types.acme]
base_url = "{base_url}"
key_env = "ACME_KEY"
models = {{ "real" = "real-model" }}
"""


def test_live_calls_are_few_and_small(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """They need LLMS_LIVE=1 and a key; then six requests with 16 tokens each reach the provider's own address."""
    (tmp_path / "plugins.toml").write_text(PLUGINS_TOML.format(base_url=upstream.base_url), "utf-8")
    upstream.default = Reply(answer_live)
    path = tmp_path / "conformance.json"
    arguments = ["acme", "--plugins", "plugins.toml", "-k", "test_l_", "--json", str(path)]
    environments: list[tuple[dict[str, str], str | None, int]] = [
        ({}, "not run: LLMS_LIVE=1 is not set", 0),
        ({"LLMS_LIVE": "1"}, "not run: no key: set ACME_KEY", 0),
        ({"LLMS_LIVE": "1", "ACME_KEY": "sk-of-the-user"}, None, 6),
    ]
    for env, lacking, requests in environments:
        llms_conformance(tmp_path, *arguments, env=env)
        group = json.loads(path.read_text("utf-8"))["groups"]["L"]
        assert group["lacking"] == lacking
        assert group["passed"] == requests
        assert len(upstream.requests) == requests
    for seen in upstream.requests:
        assert seen.headers["authorization"] == "Bearer sk-of-the-user"
        assert seen.json["max_completion_tokens"] == 16
