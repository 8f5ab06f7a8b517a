"""Distributions that are really installed: a folder on sys.path with modules and hand-written metadata."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import dedent

import pytest

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution whose one module is the plugin `name`; modules are forgotten afterwards."""
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
        distribution, module = distribution or f"{name}-llms", module or f"{name}_llms"
        (tmp_path / f"{module}.py").write_text("from llms_core import hookimpl\n" + dedent(source))
        info = tmp_path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        lines = ["Metadata-Version: 2.4", f"Name: {distribution}", f"Version: {version}"]
        (info / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {line}" for line in requires), ""]))
        points = {name: module} if entry_points is None else entry_points
        (info / "entry_points.txt").write_text(
            "[llms_core]\n" + "".join(f"{key} = {value}\n" for key, value in points.items())
        )
        importlib.invalidate_caches()

    yield install
    for added in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[added], "__file__", "")):
            del sys.modules[added]  # what the core imported on the way stays: a class has to be one class
