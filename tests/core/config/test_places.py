"""Where the two files are looked for, and which of them is trusted."""

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
def test_places_in_order_of_precedence(
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
    named = tmp_path / "named"
    given = tmp_path / "given"
    named.touch()
    given.touch()
    env[variable] = str(named)
    assert find(None, env, here) == named
    assert find(given, env, here) == given
    assert find(str(given), env, here) == given


@pytest.mark.parametrize(("find", "name", "variable", "switch"), FILES)
def test_llms_home_replaces_the_folder_in_the_home(
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
def test_a_named_file_has_to_exist(
    find: Find, name: str, variable: str, switch: str, here: Path, home: Path
) -> None:
    """J, location: another file is never used instead."""
    (here / name).touch()
    env = {"HOME": str(home)}
    with pytest.raises(ConfigError, match=rf"gone: the file that {switch} names does not exist"):
        find("gone", env, here)
    with pytest.raises(
        ConfigError, match=rf"gone: the file that \${variable} names does not exist"
    ):
        find(None, {**env, variable: "gone"}, here)
    with pytest.raises(ConfigError, match="is a folder"):
        find(here, env, here)


def test_paths_are_relative_to_the_working_directory(here: Path, home: Path) -> None:
    """J, location; `~` is the user's home."""
    (here / "mine.json").touch()
    (home / "mine.json").touch()
    env = {"HOME": str(home), "LLMS_HOME": "/elsewhere"}
    assert places.llms_json("mine.json", env, here) == here / "mine.json"
    assert places.llms_json("~/mine.json", env, here) == home / "mine.json"


def test_an_empty_variable_is_ignored(here: Path, home: Path) -> None:
    """J, location."""
    assert places.llms_json(None, {"HOME": str(home), "LLMS_CONFIG_PATH": ""}, here) is None


def test_a_plugins_toml_in_the_working_directory_is_not_trusted(here: Path, home: Path) -> None:
    """It may belong to a project that was just downloaded. The path stays untrusted where it is handed on."""
    (here / "plugins.toml").touch()
    env = {"HOME": str(home)}
    found = places.plugins_toml(None, env, here)
    assert isinstance(found, places.UntrustedPath)
    assert found == here / "plugins.toml"
    assert isinstance(places.plugins_toml(found, env, here), places.UntrustedPath)


@pytest.mark.parametrize("option", ["plugins.toml", "./plugins.toml"])
def test_a_plugins_toml_that_is_named_is_trusted(option: str, here: Path, home: Path) -> None:
    """By the option, or by the variable."""
    (here / "plugins.toml").touch()
    env = {"HOME": str(home)}
    assert not isinstance(places.plugins_toml(option, env, here), places.UntrustedPath)
    env["LLMS_PLUGINS_PATH"] = option
    assert not isinstance(places.plugins_toml(None, env, here), places.UntrustedPath)


def test_the_users_own_folder_is_trusted(here: Path, home: Path) -> None:
    """Even if it is the working directory, by whatever path."""
    own = home / ".llms"
    (own / "plugins.toml").touch()
    for folder in (here, own, home / ".llms" / ".." / ".llms"):
        found = places.plugins_toml(None, {"HOME": str(home)}, folder)
        assert found is not None
        assert not isinstance(found, places.UntrustedPath)
    (here / "plugins.toml").touch()
    env = {"HOME": str(home), "LLMS_HOME": str(here)}
    assert not isinstance(places.plugins_toml(None, env, here), places.UntrustedPath)


def test_a_user_without_a_home_has_no_folder_of_their_own(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their `.llms` is looked for in the working directory, which may be anybody's."""

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.chdir(here)
    (here / ".llms").mkdir()
    (here / ".llms" / "plugins.toml").touch()
    assert isinstance(places.plugins_toml(None, {}), places.UntrustedPath)
