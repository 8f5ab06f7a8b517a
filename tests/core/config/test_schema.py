"""llms.schema.json, and the llms.json in the distribution."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from llms_core.config.llms_json import load
from llms_core.config.model import LlmsJson
from llms_core.config.schema import rendered, schema
from llms_core.errors import ConfigError
from llms_core.provider import ProviderSpec

Read = Callable[..., LlmsJson]

SHIPPED = Path(__file__).parents[3] / "llms_providers"
SERVER = {"type": "OpenAiProvider", "base_url": "http://localhost:8001"}


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    """Validates like an editor."""
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


def test_the_shipped_schema_is_up_to_date() -> None:
    """K-24: after a change, run `python -m llms_core.config.schema > llms_providers/llms.schema.json`."""
    assert (SHIPPED / "llms.schema.json").read_text("utf-8") == rendered()


def test_the_module_prints_the_schema() -> None:
    """K-24."""
    command = [sys.executable, "-m", "llms_core.config.schema"]
    found = subprocess.run(
        command, capture_output=True, check=True, cwd=SHIPPED.parent, text=True, encoding="utf-8"
    )
    assert found.stdout == rendered()


@pytest.mark.parametrize("name", ["v2.json", "v3/llms.json"])
def test_files_of_llms_py_are_valid(
    validator: jsonschema.Draft202012Validator, samples: Path, name: str
) -> None:
    """K-01 … K-21, L-01 … L-19."""
    validator.validate(json.loads((samples / name).read_text("utf-8")))


def test_the_shipped_file_is_valid(validator: jsonschema.Draft202012Validator) -> None:
    """SR-100 … SR-112."""
    validator.validate(json.loads((SHIPPED / "llms.json").read_text("utf-8")))


def test_the_shipped_file_gives_no_warnings_except_for_missing_keys(tmp_path: Path) -> None:
    """SR-100 … SR-112, K-02."""
    specs: dict[str, ProviderSpec] = {}
    project = tomllib.loads((SHIPPED / "pyproject.toml").read_text("utf-8"))["project"]
    for module in project["entry-points"]["llms_core"].values():
        for spec in getattr(importlib.import_module(module), "llms_providers", list)():
            for name in (spec.name, *spec.aliases):
                specs.setdefault(name.lower(), spec)
    config = load(SHIPPED / "llms.json", specs, env={"LLMS_HOME": str(tmp_path)}, strict=True)
    assert [warning for warning in config.warnings if "no key: " not in warning] == []
    assert [item.id for item in config.providers][:13] == [
        "groq", "google_free", "codestral", "openrouter_free", "ollama", "google", "anthropic", "openai", "grok",
        "qwen", "z.ai", "mistral", "openrouter",
    ]  # fmt: skip
    models = {item.id: len(item.models) for item in config.providers}
    counts = (14, 5, 1, 33, 0, 5, 6, 21, 7, 26, 7, 18, 68)
    assert tuple(models.values())[:13] == counts


@pytest.mark.parametrize(
    "config",
    [
        {"provider": {}},
        {"limits": {"client_max": 1}},
        {"limits": {"client_max_size": 0}},
        {"providers": {"a": {**SERVER, "apikey": "x"}}},
        {"providers": {"groq": {"apikey": "x"}}},
        {"providers": {"a": {"type": "OllamaProvider", "apikey": "x"}}},
        {"providers": {"a": {**SERVER, "temperature": 3}}},
        {"providers": {"a": {**SERVER, "force": {"temperature": 3}}}},
        {"providers": {"a": {**SERVER, "pricing": {"m": {"input": "free", "output": 0}}}}},
        {"providers": {"a": {**SERVER, "models": {"m": 1}}}},
    ],
)
def test_an_editor_marks_mistakes(
    validator: jsonschema.Draft202012Validator, reader: Read, config: dict[str, Any]
) -> None:
    """K-24: the same ones that strict reading rejects."""
    assert not validator.is_valid(config)
    with pytest.raises(ConfigError):
        reader(config, strict=True)


def test_settings_of_plugins_are_not_mistakes(validator: jsonschema.Draft202012Validator) -> None:
    """SR-113: the schema does not know which plugins are installed."""
    validator.validate({"providers": {"a": {"type": "cloud", "region": "north"}}})


def test_every_member_is_described(validator: jsonschema.Draft202012Validator) -> None:
    """K-24: so that an editor can explain each member of the file and of a block, except for parameters."""
    definitions = schema()["$defs"]
    parameters = set(definitions["LlmsPyBlock"]["properties"]["force"]["anyOf"][0]["properties"])
    for name in ("LlmsPyFile", "LlmsPyBlock", "LlmsPyLimits", "PriceRow", "LlmsPyDefaults"):
        for member, described in definitions[name]["properties"].items():
            has_own_definition = "$ref" in json.dumps(described)
            if member not in parameters and not has_own_definition:
                assert described.get("description"), f"{name}.{member}"
