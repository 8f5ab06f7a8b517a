"""Every provider that ships passes the conformance suite that third parties run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llms_core.testing.conformance import ProviderConformance, Translation
from llms_core.testing.groups.base import Group
from llms_core.testing.subject import find
from llms_providers.azure.wire import DEPLOYMENTS
from llms_providers.bedrock.wire import SIGNED
from llms_providers.presets import PRESETS

#: Tested with the command `llms conformance`, as the authors of other providers do.
TESTED_BY_COMMAND = ("groq", "bedrock")

DECLARED = """
[types.acme]
title = "Acme"
base_url = "https://api.acme.test/openai/v1"
key_env = "ACME_KEY"
rename = { max_completion_tokens = "max_tokens" }
drop = ["store"]
capabilities = { audio = false, files = false }
headers = { X-Acme = "1" }
"""


def conformance(folder: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run `llms conformance` and return its exit code, its JSON and its output."""
    result = folder / "conformance.json"
    command = [sys.executable, "-m", "llms_core", "conformance", *arguments, "--json", str(result)]
    finished = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    found = json.loads(result.read_text("utf-8")) if result.is_file() else {}
    return finished.returncode, found, finished.stdout + finished.stderr


@pytest.mark.slow
@pytest.mark.parametrize("provider", TESTED_BY_COMMAND)
def test_the_command_rates_a_shipped_provider_gold(provider: str, tmp_path: Path) -> None:
    code, result, output = conformance(tmp_path, provider)
    assert code == 0, output
    assert result["provider"] == provider
    assert result["distribution"] == "llms-providers"
    assert result["level"] == "gold", output
    assert not result["xfailed"]


@pytest.mark.slow
def test_the_command_rates_a_declared_provider_gold(tmp_path: Path) -> None:
    """A declared provider is a table in plugins.toml, without any code."""
    plugins = tmp_path / "plugins.toml"
    plugins.write_text(DECLARED, "utf-8")
    code, result, output = conformance(tmp_path, "acme", "--plugins", str(plugins))
    assert code == 0, output
    assert result["level"] == "gold"
    assert result["distribution"] == f"[types] of {plugins}"


RESPONSES_ONLY = """
[types.acme]
title = "Acme"
base_url = "https://api.acme.test/v1"
key_env = "ACME_KEY"
capabilities = { audio = false, files = false, n = false }
rules = { responses = ["*"] }
"""


@pytest.mark.slow
def test_the_command_rates_a_provider_of_the_responses_api_gold(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins.toml"
    plugins.write_text(RESPONSES_ONLY, "utf-8")
    wire = "llms_core.testing.responses_wire:RESPONSES"
    code, result, output = conformance(tmp_path, "acme", "--plugins", str(plugins), "--wire", wire)
    assert code == 0, output
    assert result["level"] == "gold", output


class TestAnthropic(ProviderConformance):
    provider = "anthropic"


class TestClaudeOnVertex(Translation):
    provider = "vertex-anthropic"


class TestGoogle(ProviderConformance):
    provider = "google"


class TestCohere(ProviderConformance):
    provider = "cohere"


class TestOllama(ProviderConformance):
    provider = "ollama"


class TestAzure(ProviderConformance):
    provider = "azure"


class TestLocal(ProviderConformance):
    """The upstream server is scripted as for any provider: the model itself is never started."""

    provider = "local"


class TestLocalEmbeddings(Translation):
    provider = "local-embeddings"


class TestVertex(Translation):
    provider = "vertex"


class TestAzureDeployments(Translation):
    provider = "azure"
    wire = DEPLOYMENTS


class TestBedrockSigned(Translation):
    provider = "bedrock"
    wire = SIGNED


class TestOllamaCloud(Translation):
    provider = "ollama-cloud"


class TestOpenAICompatible(Translation):
    provider = "openai-compatible"


# All presets use one adapter. What differs between them is the translation, so that only this group runs for each.
for _spec in PRESETS:
    if _spec.name not in TESTED_BY_COMMAND:
        _name = f"Test{_spec.name.title().replace('-', '').replace('.', '')}"
        _members = {"provider": _spec.name, "__module__": __name__, "pytestmark": pytest.mark.slow}
        globals()[_name] = type(_name, (Translation,), _members)


def test_every_provider_is_tested() -> None:
    """A new provider must get a test class or be tested by the command."""
    specs = {spec.name for spec in find("groq", None).host.specs.values()}
    classes = {
        value.provider
        for value in globals().values()
        if isinstance(value, type) and issubclass(value, Group)
    }
    assert specs - classes - {*TESTED_BY_COMMAND} == set()
