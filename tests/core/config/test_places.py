"""Where the two files are looked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from llms_core.config import places
from llms_core.errors import ConfigError

Find = Callable[[str | Path | None, Mapping[str, str], Path], Path | None]
FILES: list[tuple[Find, str, str, str]] = [
    (places.llms_json, "llms.json", "LLMS_CONFIG_PATH", "--config"),
    (places.plugins_toml, "plugins.toml", "LLMS_PLUGINS_PATH", "--plugins"),
]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A working directory."""
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user's home with llms.py's folder in it."""
    (tmp_path / "user" / ".llms").mkdir(parents=True)
    return tmp_path / "user"


@pytest.mark.parametrize(("find", "name", "variable", "switch"), FILES)
def test_the_first_of_four_places(
    find: Find, name: str, variable: str, switch: str, here: Path, home: Path, tmp_path: Path
) -> None:
    """J, location; architecture 7: option, variable, working directory, home."""
    env = {"HOME": str(home)}
    assert find(None, env, here) is None
    in_home = home / ".llms" / name
    in_home.touch()
    assert find(None, env, here) == in_home
    (here / name).touch()
    assert find(None, env, here) == here / name
    named, given = tmp_path / "named", tmp_path / "given"
    named.touch()
    given.touch()
    env[variable] = str(named)
    assert find(None, env, here) == named
    assert find(given, env, here) == given
    assert find(str(given), env, here) == given


@pytest.mark.parametrize(("find", "name", "variable", "switch"), FILES)
def test_llms_home_stands_for_the_homes_folder(
    find: Find, name: str, variable: str, switch: str, here: Path, home: Path, tmp_path: Path
) -> None:
    """L-21."""
    (home / ".llms" / name).touch()
    other = tmp_path / "other"
    other.mkdir()
    env = {"HOME": str(home), "LLMS_HOME": str(other)}
    assert find(None, env, here) is None
    (other / name).touch()
    assert find(None, env, here) == other / name
    assert places.home({"HOME": str(home), "LLMS_HOME": "~/.llms"}) == home / ".llms"


@pytest.mark.parametrize(("find", "name", "variable", "switch"), FILES)
def test_a_file_that_is_asked_for_has_to_be_there(
    find: Find, name: str, variable: str, switch: str, here: Path, home: Path
) -> None:
    """J, location: another one is never taken instead."""
    (here / name).touch()
    env = {"HOME": str(home)}
    with pytest.raises(ConfigError, match=rf"gone: the file that {switch} names does not exist"):
        find("gone", env, here)
    with pytest.raises(ConfigError, match=rf"gone: the file that \${variable} names does not exist"):
        find(None, {**env, variable: "gone"}, here)
    with pytest.raises(ConfigError, match="is a folder"):
        find(here, env, here)


def test_names_are_relative_to_the_working_directory(here: Path, home: Path) -> None:
    """J, location; `~` is the user's home."""
    (here / "mine.json").touch()
    (home / "mine.json").touch()
    env = {"HOME": str(home), "LLMS_HOME": "/elsewhere"}
    assert places.llms_json("mine.json", env, here) == here / "mine.json"
    assert places.llms_json("~/mine.json", env, here) == home / "mine.json"


def test_an_empty_variable_says_nothing(here: Path, home: Path) -> None:
    """J, location."""
    assert places.llms_json(None, {"HOME": str(home), "LLMS_CONFIG_PATH": ""}, here) is None
