"""`llms enable` and `llms disable`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from llms_core.config.comments import as_json
from tests.core.cli.manage.conftest import Run, Terminal

SAMPLES = Path(__file__).parents[2] / "config" / "samples"

MINE = """{
  // My own servers.
  "providers": {
    "gpu": {
      "type": "openai-compatible", "base_url": "http://localhost:1/v1", // in the cellar
      "api_key": "sk-written-here",
      "models": ["qwen3"],
    },
    "off": {"enabled": false, "type": "openai-compatible", "base_url": "http://localhost:2", "models": ["x"]},
    "unknown": {"enabled": false, "type": "nobody-has-this"},
    "other": {"type": "openai-compatible", "base_url": "http://localhost:3", "api_key": "$OTHER_KEY", "future": 1}
  }
}
"""


@pytest.fixture
def mine(file: Path) -> Path:
    file.write_text(MINE)
    return file


def providers(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(as_json(file.read_text()))["providers"]
    return found


def changed_lines(before: str, after: str) -> Sequence[tuple[str, str]]:
    pairs = zip(before.splitlines(keepends=True), after.splitlines(keepends=True), strict=True)
    return [pair for pair in pairs if pair[0] != pair[1]]


@pytest.mark.parametrize("version", ["v2", "v3", "v4"])
def test_one_word_of_the_file_changes(llms: Run, file: Path, version: str) -> None:
    """Files of llms.py 2, 3 and 4; their other members stay, whether they are known or not."""
    if version == "v2":
        shutil.copy(SAMPLES / "v2.json", file)
    else:
        shutil.copytree(SAMPLES / "v3", file.parent, dirs_exist_ok=True)
    if version == "v4":
        file.write_text(file.read_text().replace('"version": 3', '"version": 4'))
    before = file.read_text()
    assert providers(file)["groq"]["enabled"] is True

    assert llms("disable", "groq").returncode == 0
    [(old, new)] = changed_lines(before, file.read_text())
    assert new == old.replace("true", "false")
    assert providers(file)["groq"]["enabled"] is False

    assert llms("enable", "groq").returncode == 0
    assert file.read_text() == before


def test_a_new_member_is_the_first_of_its_block_and_comments_stay(llms: Run, mine: Path) -> None:
    assert llms("disable", "gpu").returncode == 0
    assert mine.read_text() == MINE.replace('"gpu": {\n', '"gpu": {\n      "enabled": false,\n')


@pytest.mark.parametrize(
    "arguments",
    [
        ["enable", "off", "gpu"],
        ["--enable", "off", "gpu"],
        ["--enable", "off,", "gpu"],
        ["--enable=off"],
    ],
)
def test_several_are_enabled(llms: Run, mine: Path, arguments: list[str]) -> None:
    """As in llms.py: `--enable X Y`, with or without commas. What is enabled already stays as it is."""
    result = llms(*arguments)
    assert (result.returncode, result.stderr) == (0, "")
    assert mine.read_text() == MINE.replace('"off": {"enabled": false', '"off": {"enabled": true')
    assert "off: enabled\n" in result.stdout


@pytest.mark.parametrize("arguments", [["disable", "gpu", "other"], ["--disable", "gpu", "other"]])
def test_several_are_disabled(llms: Run, mine: Path, arguments: list[str]) -> None:
    result = llms(*arguments)
    assert result.returncode == 0
    assert result.stdout.endswith("\ngpu: disabled\nother: disabled\n")
    assert [providers(mine)[name]["enabled"] for name in ("gpu", "other")] == [False, False]


def test_the_difference_and_the_backup_are_shown(llms: Run, mine: Path) -> None:
    result = llms("disable", "gpu")
    assert result.stdout == (
        f"--- {mine}\n+++ {mine}\n@@ -3,4 +3,5 @@\n"
        '   "providers": {\n     "gpu": {\n+      "enabled": false,\n'
        '       "type": "openai-compatible", "base_url": "http://localhost:1/v1", // in the cellar\n'
        '       "api_key": "***",\n'
        f"{mine}: changed; what it contained before is in {mine}.bak\n"
        "gpu: disabled\n"
    )
    assert mine.with_name("llms.json.bak").read_text() == MINE


def test_nothing_is_written_if_nothing_changes(llms: Run, mine: Path) -> None:
    result = llms("enable", "gpu")
    assert (result.returncode, result.stdout) == (0, "gpu: enabled\n")
    assert [each.name for each in mine.parent.iterdir()] == ["llms.json"]


def test_a_missing_key_is_a_warning_with_its_variable(llms: Run, mine: Path) -> None:
    result = llms("enable", "other", "groq")
    assert result.returncode == 0
    assert result.stderr == (
        "other: enabled, but it cannot be used yet: no key: set OTHER_KEY\n"
        "groq: enabled, but it cannot be used yet: no key: set GROQ_API_KEY\n"
    )
    assert llms("enable", "other", env={"OTHER_KEY": "k"}).stderr == ""


def test_an_installed_provider_is_added_at_the_end(llms: Run, mine: Path) -> None:
    """With the block of the packaged file if it has one, for its names of models."""
    result = llms("enable", "deepseek", "groq", env={"DEEPSEEK_API_KEY": "k", "GROQ_API_KEY": "k"})
    assert (result.returncode, result.stderr) == (0, "")
    assert mine.read_text().startswith(MINE.rstrip("\n} "))
    assert list(providers(mine))[-2:] == ["deepseek", "groq"]
    assert providers(mine)["deepseek"] == {
        "enabled": True, "type": "deepseek", "api_key": "$DEEPSEEK_API_KEY", "all_models": True
    }  # fmt: skip
    assert providers(mine)["groq"]["models"]["kimi-k2"] == "moonshotai/kimi-k2-instruct-0905"


@pytest.mark.parametrize("name", ["small-cloud", "mistral"])
def test_a_provider_is_added_to_a_file_of_llms_py_3_by_its_name_alone(
    llms: Run, file: Path, name: str
) -> None:
    """Its catalogue, or the type of this name, has everything else."""
    shutil.copytree(SAMPLES / "v3", file.parent, dirs_exist_ok=True)
    document = json.loads(file.read_text())
    document["providers"] = {"groq": {"enabled": True}}
    file.write_text(json.dumps(document))
    assert llms("enable", name).returncode == 0
    assert providers(file)[name] == {"enabled": True}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["enable", "groqq"], "llms: unknown provider 'groqq' (similar: groq, "),
        (
            ["enable", "gpu", "zzzzzz"],
            "llms: unknown provider 'zzzzzz' (known: gpu, off, unknown, other, groq, ",
        ),
        (["disable", "ohter"], "llms: unknown provider 'ohter' (similar: other)\n"),
        (["disable", "groq"], "llms: unknown provider 'groq' (known: gpu, off, unknown, other)\n"),
    ],
)
def test_an_unknown_name_is_an_error_with_similar_names(
    llms: Run, mine: Path, arguments: list[str], message: str
) -> None:
    result = llms(*arguments)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(message)
    assert mine.read_text() == MINE


def test_without_a_file_one_is_created(llms: Run, home: Path) -> None:
    result = llms("disable", "openrouter")
    path = home / ".llms/llms.json"
    assert result.returncode == 0
    assert f"{path}: created, as there was no llms.json\n" in result.stdout
    assert providers(path)["openrouter"]["enabled"] is False
    assert providers(path)["groq"]["enabled"] is True


def test_a_named_file_is_edited(llms: Run, home: Path, mine: Path) -> None:
    (home / "other.json").write_text(MINE)
    assert llms("disable", "gpu", "--config", "other.json").returncode == 0
    assert providers(home / "other.json")["gpu"]["enabled"] is False
    assert mine.read_text() == MINE
    missing = llms("disable", "gpu", "--config", "gone.json")
    assert missing.returncode == 2
    assert missing.stderr.startswith(
        "llms: gone.json: the file that --config names does not exist (correct --config, "
    )


def test_a_change_that_the_gateway_could_not_load_is_refused(llms: Run, mine: Path) -> None:
    result = llms("enable", "off", "unknown")
    assert result.returncode == 2
    assert "unknown type 'nobody-has-this' of provider 'unknown'" in result.stderr
    assert mine.read_text() == MINE


def test_an_invalid_file_is_not_changed(llms: Run, file: Path) -> None:
    file.write_text('{"providers": {"gpu": {"enabled": 1}}}')
    result = llms("disable", "gpu")
    assert result.returncode == 2
    assert "providers.gpu.enabled: Expected `bool`, got `int`" in result.stderr
    assert file.read_text() == '{"providers": {"gpu": {"enabled": 1}}}'


def test_line_ends_and_a_byte_order_mark_stay(llms: Run, file: Path) -> None:
    text = MINE.replace("\n", "\r\n").encode("utf-8-sig")
    file.write_bytes(text)
    assert llms("disable", "gpu").returncode == 0
    assert file.read_bytes() == text.replace(
        b'"gpu": {\r\n', b'"gpu": {\r\n      "enabled": false,\r\n'
    )


def test_the_difference_is_coloured_on_a_terminal_unless_the_user_wants_no_colours(
    terminal: Terminal, mine: Path
) -> None:
    """NO_COLOR."""
    added = '+      "enabled": false,'
    assert f"\x1b[32m{added}\x1b[0m" in terminal("disable", "gpu")
    mine.write_text(MINE)
    shown = terminal("disable", "gpu", env={"NO_COLOR": "1"})
    assert added in shown
    assert "\x1b[" not in shown
