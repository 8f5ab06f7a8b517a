"""Files named `.env`: in the user's own folder, and beside files that the user names."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from llms_core.config import env_file, places
from llms_core.errors import ConfigError


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("KEY=abc", "abc"),
        ("export KEY=abc", "abc"),
        ("KEY='a b#c'", "a b#c"),
        ('KEY = "a b"  # why', "a b"),
        ("KEY=", ""),
        ("\n# KEY=x\n\nKEY=abc\n", "abc"),
    ],
)
def test_lines_are_read_as_shells_write_them(tmp_path: Path, line: str, value: str) -> None:
    (tmp_path / ".env").write_text(line)
    assert env_file.read(tmp_path / ".env") == {"KEY": value}


@pytest.mark.parametrize("line", ["KEY", "KEY=a b", "1KEY=a", "KEY='a", "KEY=$(x) y"])
def test_an_invalid_line_is_an_error_that_does_not_show_it(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(f"A=1\n{line}\n")
    with pytest.raises(ConfigError, match=r"\.env:2: not of the form NAME='value'$"):
        env_file.read(tmp_path / ".env")


def test_the_environment_takes_precedence(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=file\nB=file\n")
    env = {"LLMS_HOME": str(tmp_path), "A": "shell"}
    known = env_file.with_files(env)
    assert (known["A"], known["B"]) == ("shell", "file")
    assert "B" not in env


def test_the_file_beside_a_named_one_precedes_the_users_own(tmp_path: Path) -> None:
    own, project = tmp_path / "own", tmp_path / "project"
    for folder in (own, project):
        folder.mkdir()
        (folder / ".env").write_text(f"A={folder.name}\n")
    (own / ".env").write_text("A=own\nB=own\n")
    known = env_file.with_files({"LLMS_HOME": str(own)}, project / "llms.json")
    assert (known["A"], known["B"]) == ("project", "own")


def test_the_file_beside_one_that_was_merely_found_is_not_read(tmp_path: Path) -> None:
    """The folder may be a project that was just downloaded."""
    (tmp_path / ".env").write_text("A=1\n")
    (tmp_path / "llms.json").touch()
    found = places.llms_json(None, {"HOME": "/nowhere"}, tmp_path)
    assert "A" not in env_file.with_files({"HOME": "/nowhere"}, found)


def test_the_folder_of_somebody_else_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a user without a home, `.llms` would be in the current folder, which may be a downloaded project."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".llms").mkdir()
    (tmp_path / ".llms/.env").write_text("A=1\n")
    (tmp_path / ".env").write_text("A=1\n")
    assert dict(env_file.with_files({"HOME": "."})) == {"HOME": "."}


def test_a_variable_is_stored_and_the_other_lines_stay(tmp_path: Path) -> None:
    path = tmp_path / "folder/.env"
    env_file.store(path, "A", "one")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("# mine\nA='one'\nB=2\n")
    env_file.store(path, "A", "two #")
    assert path.read_text() == "# mine\nB=2\nA='two #'\n"
    assert env_file.read(path) == {"A": "two #", "B": "2"}
    assert [each.name for each in path.parent.iterdir()] == [".env"], (
        "no copy of an old key is kept"
    )


@pytest.mark.parametrize("value", ["a'b", "a\nb"])
def test_a_value_that_cannot_be_written_is_an_error(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="the value of A cannot be written to it"):
        env_file.store(tmp_path / ".env", "A", value)
