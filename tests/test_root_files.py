"""The llms.json and plugins.toml at the root of the repository, which `uv run llms serve` finds in a clone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from command_line import TIMEOUT

from llms_core.config import plugins_toml
from llms_core.config.model import PluginsToml
from llms_core.config.schema import schema
from llms_providers.local.weights import missing_requirement

ROOT = Path(__file__).parents[1]
EMBEDDED = {"local", "local-embeddings"}


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """The environment of a user without keys and without files in the home."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.endswith(("_API_KEY", "_TOKEN"))
    }
    return {**env, "HOME": str(tmp_path)}


def llms(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command in the root of the repository."""
    command = [sys.executable, "-m", "llms_core", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=TIMEOUT
    )


def providers(env: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The providers in llms.json by id, as `llms ls` lists them."""
    listed = json.loads(llms("ls", "--json", env=env).stdout)
    return {provider["id"]: provider for provider in listed}


def test_both_files_pass_the_strict_check(env: dict[str, str]) -> None:
    checked = llms("config", "check", "--strict", env=env)
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.startswith("plugins.toml: ok\nllms.json: ok")
    # No messages but those about keys, which nobody has to have.
    messages = checked.stderr.splitlines()
    assert [message for message in messages if "no key: " not in message] == []


def test_llms_json_is_valid_by_the_schema_that_it_names() -> None:
    text = (ROOT / "llms.json").read_text("utf-8")
    named = ROOT / json.loads(text)["$schema"]
    assert json.loads(named.read_text("utf-8")) == schema()
    jsonschema.Draft202012Validator(schema()).validate(json.loads(text))


def test_plugins_toml_has_the_defaults() -> None:
    """So that the file documents them, and a clone behaves like an installation."""
    found = plugins_toml.load(ROOT / "plugins.toml")
    assert msgspec.structs.replace(found, path="") == PluginsToml()


@pytest.mark.skipif(
    missing_requirement("") is not None, reason="the embedded model is not installed"
)
def test_the_embedded_models_are_enabled_without_a_key(env: dict[str, str]) -> None:
    found = providers(env)
    enabled = [name for name, provider in found.items() if provider["enabled"]]
    assert enabled[0] == "local"
    assert set(enabled) <= EMBEDDED
    assert [model["name"] for model in found["local"]["models"]] == ["smollm2"]


def test_a_key_in_the_environment_enables_its_provider(env: dict[str, str]) -> None:
    keys = {"GROQ_API_KEY": "k", "GEMINI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"}
    found = providers({**env, **keys})
    enabled = [
        name for name, provider in found.items() if provider["enabled"] and name not in EMBEDDED
    ]
    assert enabled == ["groq", "google", "anthropic"]
