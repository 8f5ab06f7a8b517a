"""llms.py 2.0.35 and our commands, side by side: what they do to the same file."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from fresh_environment import Environment

from tests.core.cli.manage.conftest import Run
from tests.core.cli.manage.test_switching import SAMPLES

pytestmark = pytest.mark.slow  # a fresh environment


@pytest.mark.parametrize(
    "arguments",
    [
        ["--disable", "groq"],
        ["--disable", "groq", "z.ai"],
        ["--disable", "groq,", "z.ai"],
        ["--enable", "ollama"],
        ["--enable", "ollama", "groq"],
        ["--default", "gpt-oss:20b"],
        ["--enable", "nobody"],
        ["--disable", "nobody"],
        ["--default", "no-such-model"],
    ],
)
def test_the_file_means_the_same_after_each_command(
    llms_py: Environment, llms: Run, file: Path, arguments: list[str]
) -> None:
    """And the exit code is the same."""
    theirs = llms_py.home / ".llms/llms.json"
    theirs.parent.mkdir(exist_ok=True)
    for path in (theirs, file):
        shutil.copy(SAMPLES / "v2.json", path)
    variables = {"GROQ_API_KEY": "k"}
    expected = llms_py.run("llms", *arguments, env=variables)
    result = llms(*arguments, env=variables)
    assert result.returncode == expected.returncode, result.stderr
    assert json.loads(file.read_text()) == json.loads(theirs.read_text())


def test_llms_py_reads_what_we_write(llms_py: Environment, llms: Run, file: Path) -> None:
    """A file that `llms init` created and commands changed, as long as it has no comments."""
    variables = {"GROQ_API_KEY": "k", "DEEPSEEK_API_KEY": "k"}
    assert llms("init", env=variables).returncode == 0
    assert llms("disable", "openrouter_free", env=variables).returncode == 0
    assert llms("default", "kimi-k2", env=variables).returncode == 0
    listed = llms_py.run("llms", "--config", file, "--list", env=variables)
    assert listed.returncode == 0, listed.stderr
    assert re.search(r"^groq:$", listed.stdout, re.MULTILINE)
    [disabled] = re.findall(r"^Disabled: (.*)$", listed.stdout, re.MULTILINE)
    assert "openrouter_free" in disabled.split(", ")
