"""What is built and what it was tested with."""

from __future__ import annotations

import re
import tomllib
import zipfile
from pathlib import Path

import fresh_environment
import pytest

ROOT = Path(__file__).parents[1]
DISTRIBUTIONS = ("llms_core", "llms_providers")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, zipfile.ZipFile]:
    """Both wheels."""
    folder = fresh_environment.wheels(tmp_path_factory)
    return {name: zipfile.ZipFile(next(folder.glob(f"{name}-*.whl"))) for name in DISTRIBUTIONS}


@pytest.mark.slow
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_a_wheel_has_every_module_and_nothing_else(
    wheels: dict[str, zipfile.ZipFile], name: str
) -> None:
    inside = {entry for entry in wheels[name].namelist() if ".dist-info/" not in entry}
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / name).rglob("*.py")}
    data = {f"{name}/py.typed"}
    if name == "llms_providers":
        data |= {
            "llms_providers/llms.json",
            "llms_providers/llms.schema.json",
            "llms_providers/plugins.schema.json",
        }
    else:
        static = ROOT / "llms_core/server/pages/static"
        data |= {path.relative_to(ROOT).as_posix() for path in static.iterdir()}
        assert any(entry.endswith(".css") for entry in data)
    assert inside == sources | data


@pytest.mark.slow
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_a_wheel_has_its_licence(wheels: dict[str, zipfile.ZipFile], name: str) -> None:
    entries = wheels[name].namelist()
    metadata = (
        wheels[name].read(next(entry for entry in entries if entry.endswith("/METADATA"))).decode()
    )
    assert "License-Expression: Apache-2.0" in metadata
    assert any(entry.endswith("/licenses/LICENSE") for entry in entries)


def test_the_constraints_pin_every_dependency_and_name_no_registry() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+", line) for line in lines)
    pinned = {line.partition("==")[0].lower() for line in lines}
    wanted: set[str] = set()
    for name in DISTRIBUTIONS:
        project = tomllib.loads((ROOT / name / "pyproject.toml").read_text("utf-8"))["project"]
        wanted |= {
            re.split(r"[^A-Za-z0-9._-]", entry)[0].lower() for entry in project["dependencies"]
        }
    assert wanted - {"llms-core"} <= pinned
