"""`llms default`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llms_core.testing import ScriptedUpstream
from tests.core.cli.manage.conftest import Run
from tests.core.cli.manage.test_switching import SAMPLES, changed_lines

Block = Callable[..., dict[str, Any]]


@pytest.fixture
def configured(file: Path, upstream: ScriptedUpstream, provider: Block) -> Path:
    """A file with the models `a` and `b`."""
    file.write_text(
        json.dumps({"providers": {"mine": provider(upstream, {"a": "a", "b": "b"})}}, indent=4)
    )
    return file


@pytest.mark.parametrize("arguments", [["default"], ["--default"]])
@pytest.mark.parametrize("version", ["v2", "v3", "v4"])
def test_one_line_of_the_file_changes(
    llms: Run, file: Path, version: str, arguments: list[str]
) -> None:
    """Files of llms.py 2, 3 and 4."""
    if version == "v2":
        shutil.copy(SAMPLES / "v2.json", file)
        model = "gpt-oss:20b"
    else:
        shutil.copytree(SAMPLES / "v3", file.parent, dirs_exist_ok=True)
        model = "Kimi K2"
    if version == "v4":
        file.write_text(file.read_text().replace('"version": 3', '"version": 4'))
    before = file.read_text()
    result = llms(*arguments, model, env={"GROQ_API_KEY": "k"})
    assert result.returncode == 0, result.stderr
    [(_, new)] = changed_lines(before, file.read_text())
    assert json.dumps(model) in new
    assert json.loads(file.read_text())["defaults"]["text"]["model"] == model
    assert file.with_name("llms.json.bak").read_text() == before


def test_a_prompt_is_answered_by_the_default_model(
    llms: Run, configured: Path, upstream: ScriptedUpstream
) -> None:
    assert llms("default", "b").returncode == 0
    answered = llms("Hello")
    assert answered.returncode == 0, answered.stderr
    assert upstream.requests[-1].json["model"] == "b"


def test_a_file_without_templates_gets_one(llms: Run, configured: Path) -> None:
    before = json.loads(configured.read_text())
    result = llms("default", "a")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.endswith("default model: a\n")
    content = [{"type": "text", "text": ""}]
    template = {"model": "a", "messages": [{"role": "user", "content": content}]}
    assert json.loads(configured.read_text()) == {**before, "defaults": {"text": template}}
    again = llms("default", "a")
    assert (again.returncode, again.stdout) == (0, "a is the default model already\n")


def test_an_unknown_model_is_an_error_with_similar_names(
    llms: Run, file: Path, configured: Path
) -> None:
    file.write_text(file.read_text().replace('"a": "a"', '"kimi-k2": "a"'))
    before = file.read_text()
    result = llms("default", "kimi-k3")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "llms: unknown model 'kimi-k3' (similar: kimi-k2)\n"
    assert file.read_text() == before


def test_providers_are_asked_for_models_that_the_file_does_not_have(
    llms: Run, file: Path, upstream: ScriptedUpstream, provider: Block
) -> None:
    file.write_text(json.dumps({"providers": {"mine": {**provider(upstream), "models": {}}}}))
    assert llms("default", "m").returncode == 0
    assert upstream.requests[-1].path.endswith("/models")
    unknown = llms("default", "zzz")
    assert (unknown.returncode, unknown.stderr) == (1, "llms: unknown model 'zzz' (known: m)\n")


def test_a_model_that_nobody_could_be_asked_for_is_a_warning(
    llms: Run, file: Path, provider: Block
) -> None:
    block = {**provider("http://127.0.0.1:9/v1"), "models": {}}
    file.write_text(json.dumps({"providers": {"mine": block}}))
    result = llms("default", "m")
    assert result.returncode == 0
    assert result.stderr.startswith(
        "warning: no enabled provider is known to have 'm'\nwarning: mine could not be asked"
    )
    assert json.loads(file.read_text())["defaults"]["text"]["model"] == "m"
