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

#: By the command, as a third party would.
COMMANDED = ("groq", "bedrock")

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
    """What `llms conformance` ends with: its exit code, its JSON and its output."""
    result = folder / "conformance.json"
    command = [sys.executable, "-m", "llms_core", "conformance", *arguments, "--json", str(result)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    found = json.loads(result.read_text("utf-8")) if result.is_file() else {}
    return done.returncode, found, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("provider", COMMANDED)
def test_a_third_party_would_find_it_gold(provider: str, tmp_path: Path) -> None:
    code, result, output = conformance(tmp_path, provider)
    assert code == 0, output
    assert (result["provider"], result["distribution"], result["level"]) == (provider, "llms-providers", "gold"), output
    assert not result["xfailed"]


@pytest.mark.slow
def test_a_declared_provider_is_gold_too(tmp_path: Path) -> None:
    """No code, no package: a table in plugins.toml."""
    plugins = tmp_path / "plugins.toml"
    plugins.write_text(DECLARED, "utf-8")
    code, result, output = conformance(tmp_path, "acme", "--plugins", str(plugins))
    assert code == 0, output
    assert (result["level"], result["distribution"]) == ("gold", f"[types] of {plugins}")


class TestAnthropic(ProviderConformance):
    provider = "anthropic"


class TestGoogle(ProviderConformance):
    provider = "google"


class TestCohere(ProviderConformance):
    provider = "cohere"


class TestOllama(ProviderConformance):
    provider = "ollama"


class TestAzure(ProviderConformance):
    provider = "azure"


class TestLocal(ProviderConformance):
    """Its server is scripted like any other's: the model itself is never started."""

    provider = "local"


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


#: The rows of a table, all with one adapter: what a row says is tested, and what that makes of the adapter.
for _spec in PRESETS:
    if _spec.name not in COMMANDED:
        _name = f"Test{_spec.name.title().replace('-', '').replace('.', '')}"
        _members = {"provider": _spec.name, "__module__": __name__, "pytestmark": pytest.mark.slow}
        globals()[_name] = type(_name, (Translation,), _members)


def test_every_provider_is_looked_at() -> None:
    """A provider that is added is tested from the start: in one way or the other."""
    specs = {spec.name for spec in find("groq", None).host.specs.values()}
    classes = {value.provider for value in globals().values() if isinstance(value, type) and issubclass(value, Group)}
    assert specs - classes - {*COMMANDED} == set()
