"""Files that are replaced at once and completely, or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from llms_core.config.replace_file import replace_file
from llms_core.errors import ConfigError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "llms.json"
    path.write_bytes(b"old")
    return path


def test_the_old_content_is_kept_in_a_backup(path: Path) -> None:
    backup = replace_file(path, b"old", b"new")
    assert backup == path.with_name("llms.json.bak")
    assert (path.read_bytes(), backup.read_bytes()) == (b"new", b"old")
    replace_file(path, b"new", b"newer")
    assert backup.read_bytes() == b"new"
    assert sorted(each.name for each in path.parent.iterdir()) == ["llms.json", "llms.json.bak"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_the_mode_stays_and_is_also_that_of_the_backup(path: Path, mode: int) -> None:
    """A file that only its owner may read must not be copied to one that everybody may read."""
    path.chmod(mode)
    backup = replace_file(path, b"old", b"new")
    assert backup is not None
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, backup)] == [mode, mode]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away"
)
def test_the_owner_stays(path: Path) -> None:
    os.chown(path, 1234, 1235)
    replace_file(path, b"old", b"new")
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1235)


def test_a_symbolic_link_stays_one(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dotfiles"
    folder.mkdir()
    link = tmp_path / "link.json"
    path.rename(folder / "llms.json")
    link.symlink_to(folder / "llms.json")
    assert replace_file(link, b"old", b"new") == folder / "llms.json.bak"
    assert link.is_symlink()
    assert (folder / "llms.json").read_bytes() == b"new"


def test_a_change_by_somebody_else_is_not_overwritten(path: Path) -> None:
    path.write_bytes(b"changed")
    with pytest.raises(ConfigError, match=r"llms\.json: the file has changed in the meantime"):
        replace_file(path, b"old", b"new")
    assert path.read_bytes() == b"changed"


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "llms.json"
    assert replace_file(path, None, b"new") is None
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(ConfigError, match=r"llms\.json: cannot be written: "):
        replace_file(path, None, b"newer")
    assert path.read_bytes() == b"new"
    assert [each.name for each in path.parent.iterdir()] == ["llms.json"]


def test_a_failure_leaves_the_file_and_no_other(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A single file that is mounted into a container cannot be replaced, for example."""

    def refuse(self: Path, target: Path) -> None:
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(
        ConfigError, match=r"llms\.json: cannot be written: Device or resource busy"
    ):
        replace_file(path, b"old", b"new")
    assert path.read_bytes() == b"old"
    assert [each.name for each in path.parent.iterdir()] == ["llms.json"]
