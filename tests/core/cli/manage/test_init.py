"""`llms init`."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest

from tests.core.cli.manage.conftest import Run

KEYS = {"GROQ_API_KEY": "sk-of-groq", "DEEPSEEK_API_KEY": "sk-of-deepseek"}


@pytest.mark.parametrize("arguments", [["init"], ["--init"]])
def test_the_file_means_what_applied_without_it(
    llms: Run, home: Path, arguments: list[str]
) -> None:
    before = json.loads(llms("ls", "--json", env=KEYS).stdout)
    created = llms(*arguments, env=KEYS)
    assert (created.returncode, created.stderr) == (0, "")
    assert json.loads(llms("ls", "--json", env=KEYS).stdout) == before
    providers = json.loads((home / ".llms/llms.json").read_text())["providers"]
    assert providers["groq"]["api_key"] == "$GROQ_API_KEY"
    assert providers["deepseek"]["api_key"] == "$DEEPSEEK_API_KEY", "its key is in the environment"
    assert "cohere" not in providers


def test_the_output_tells_what_was_written_what_is_usable_and_what_comes_next(
    llms: Run, home: Path
) -> None:
    output = llms("init", env=KEYS).stdout
    assert f"{home}/.llms/llms.json: created\n" in output
    assert "Usable now: groq, " in output
    assert re.search(r"\nWithout a key: .*\bopenai, .* \(`llms ls` names the variables\)\n", output)
    assert "Next: `llms add`" in output
    assert "sk-of-" not in output + (home / ".llms/llms.json").read_text()


def test_editors_find_the_schema_that_the_file_names(llms: Run, home: Path) -> None:
    llms("init")
    schema = home / ".llms" / json.loads((home / ".llms/llms.json").read_text())["$schema"]
    assert json.loads(schema.read_text()) == json.loads(llms("config", "schema").stdout)


def test_only_the_owner_can_read_the_file(llms: Run, home: Path) -> None:
    llms("init")
    assert stat.S_IMODE((home / ".llms/llms.json").stat().st_mode) == 0o600


def test_a_file_is_not_overwritten(llms: Run, file: Path) -> None:
    file.write_text('{"providers": {}}')
    result = llms("init")
    assert (result.returncode, result.stdout) == (
        0,
        f"{file} exists already and stays as it is; --force replaces it\n",
    )
    assert file.read_text() == '{"providers": {}}'
    assert [each.name for each in file.parent.iterdir()] == ["llms.json"]


def test_with_force_a_backup_is_kept(llms: Run, file: Path) -> None:
    """Even a file that cannot be read is replaced."""
    file.write_text("{ not JSON")
    result = llms("init", "--force")
    assert result.returncode == 0
    assert "groq" in json.loads(file.read_text())["providers"]
    assert file.with_name("llms.json.bak").read_text() == "{ not JSON"
    assert f"{file}.bak: what it contained before\n" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "variable"),
    [
        (["--config", "other/mine.json", "init"], {}),
        (["init", "--config", "other/mine.json"], {}),
        (["init"], {"LLMS_CONFIG_PATH": "other/mine.json"}),
    ],
)
def test_a_named_file_is_created(
    llms: Run, home: Path, arguments: list[str], variable: dict[str, str]
) -> None:
    assert llms(*arguments, env=variable).returncode == 0
    assert "groq" in json.loads((home / "other/mine.json").read_text())["providers"]
    assert not (home / ".llms").exists()


def test_the_file_is_created_in_llms_home(llms: Run, home: Path) -> None:
    llms("init", env={"LLMS_HOME": str(home / "mine")})
    assert (home / "mine/llms.json").is_file()


def test_a_file_in_the_current_folder_that_is_used_instead_is_named(llms: Run, home: Path) -> None:
    (home / "llms.json").write_text('{"providers": {}}')
    result = llms("init")
    assert (home / ".llms/llms.json").is_file()
    assert result.stderr == "warning: in this folder, llms.json is used instead\n"


def test_a_folder_that_cannot_be_written_is_an_error(llms: Run, home: Path) -> None:
    (home / ".llms").write_text("a file")
    result = llms("init")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"llms: {home}/.llms/llms.json: cannot be written: File exists\n"
