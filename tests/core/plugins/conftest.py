"""A fixture that installs distributions: a folder on sys.path with modules and hand-written metadata."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import dedent

import pytest

from tests.core.server.conftest import asking, plugin

__all__ = ["asking", "install", "plugin"]

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that installs a distribution with one module, the plugin `name`."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)

    def install(
        name: str,
        source: str,
        *,
        distribution: str = "",
        version: str = "1.0",
        requires: Sequence[str] = (),
        module: str = "",
        entry_points: Mapping[str, str] | None = None,
    ) -> None:
        distribution = distribution or f"{name}-llms"
        module = module or f"{name}_llms"
        (tmp_path / f"{module}.py").write_text("from llms_core import hookimpl\n" + dedent(source))
        info = tmp_path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        metadata = ["Metadata-Version: 2.4", f"Name: {distribution}", f"Version: {version}"]
        metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
        (info / "METADATA").write_text("\n".join([*metadata, ""]))
        points = {name: module} if entry_points is None else entry_points
        section = ["[llms_core]", *(f"{key} = {value}" for key, value in points.items())]
        (info / "entry_points.txt").write_text("\n".join([*section, ""]))
        importlib.invalidate_caches()

    yield install
    for added in set(sys.modules) - before:
        # Only the plugins' own modules: importing a module of the core again would create its classes a second time.
        if str(tmp_path) in str(getattr(sys.modules[added], "__file__", "")):
            del sys.modules[added]
