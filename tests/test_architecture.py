"""The shape of the code: imports point one way, and every module has one job and a name of its own."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

import llms_core
from llms_core.public import PUBLIC_MODULES, TESTING_PACKAGE, is_public

ROOT = Path(__file__).parent.parent
CORE = sorted((ROOT / "llms_core").rglob("*.py"))
PROVIDERS = sorted((ROOT / "llms_providers").rglob("*.py"))
ALL = [*CORE, *PROVIDERS]

#: A module imports from its own layer and from those above it, never from those below.
LAYERS = (
    ("errors", "secret", "deadline", "write_batch", "adapter_tasks", "public"),
    ("contracts",),
    ("prices",),
    ("records", "failure", "status"),
    ("native",),
    ("adapter_http",),
    ("provider",),
    ("openai_compatible",),
    ("config",),
    ("preparation",),
    ("candidate",),
    ("operations",),
    ("dialects",),
    ("upstream",),
    ("middleware",),
    ("plugins",),
    ("routing",),
    ("guard", "cache", "ledger", "metrics", "otel"),
    ("images",),
    ("default_config",),
    ("startup",),
    ("checks",),
    ("server",),
    ("cli",),
    ("__main__",),
)
#: The public face, and what plugin authors test with: they import what they show.
OUTSIDE = ("__init__", "testing")
LAYER = {name: place for place, names in enumerate(LAYERS) for name in names}

#: Who alone may import a library.
IMPORTERS = {
    "httpx": ("upstream",),
    "httptools": ("upstream", "server"),
    "litestar": ("server", "metrics"),
    "multipart": ("server",),
    "uvicorn": ("server", "testing"),
    "pluggy": ("plugins",),
    "opentelemetry": ("otel",),
    "prometheus_client": ("metrics",),
    "click": ("cli", "plugins"),
}


@cache
def imported(path: Path) -> frozenset[str]:
    """The full names of all modules that a file imports, also inside functions and for type checkers only."""
    return frozenset(_imported(path))


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module is not None
            yield from (_member(node.module, alias.name) for alias in node.names)


def _member(module: str, name: str) -> str:
    """`llms_core.startup` for `from llms_core import startup`, `llms_core` for `from llms_core import hookimpl`."""
    path = ROOT.joinpath(*module.split("."), name)
    return f"{module}.{name}" if path.is_dir() or path.with_suffix(".py").is_file() else module


def _part(path: Path) -> str:
    """The part of the core that a file belongs to: a folder's name or its own."""
    return path.relative_to(ROOT / "llms_core").parts[0].removesuffix(".py")


def _id(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [path for path in CORE if _part(path) not in OUTSIDE], ids=_id)
def test_imports_point_one_way(path: Path) -> None:
    part = _part(path)
    for name in imported(path):
        names = name.split(".")
        if names[0] == "llms_core":
            # The public face imports hookspecs: that is the layer of plugins.
            other = names[1] if len(names) > 1 else "plugins"
            assert LAYER[other] <= LAYER[part], f"{_id(path)} imports {name}"
        assert names[0] != "llms_providers", "providers are plugins: the core knows none of them"


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_there_are_no_import_cycles() -> None:
    """Not even for type checkers: modules that need each other are one module."""
    modules = {_module(path): path for path in ALL}
    imports = {name: (imported(path) & modules.keys()) - {name} for name, path in modules.items()}
    # Modules that import nothing are taken away, again and again: what is left imports itself in the end.
    while free := {name for name, names in imports.items() if not names}:
        imports = {name: names - free for name, names in imports.items() if name not in free}
    assert imports == {}


@pytest.mark.parametrize("path", CORE, ids=_id)
def test_libraries_are_imported_in_one_place(path: Path) -> None:
    """httpx and httptools only where requests are made and served: one library can be replaced by another."""
    for name in imported(path):
        library = name.partition(".")[0]
        assert _part(path) in IMPORTERS.get(library, (_part(path),)), (
            f"{_id(path)} imports {library}"
        )


def _provider(path: Path) -> str:
    """The provider that a file belongs to: a folder's name or its own."""
    return path.relative_to(ROOT / "llms_providers").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", PROVIDERS, ids=_id)
def test_providers_import_what_any_plugin_may_and_never_each_other(path: Path) -> None:
    """A provider's folder is its own; only its conformance examples (`wire.py`) use the testing package."""
    for name in imported(path):
        library = name.partition(".")[0]
        if library == "llms_core" and not (
            path.name == "wire.py" and name.startswith(TESTING_PACKAGE)
        ):
            assert is_public(name), f"{_id(path)} imports {name}"
        if library == "llms_providers":
            assert name.split(".")[1] == _provider(path), f"{_id(path)} imports {name}"
        assert library not in ("httpx", "httptools", "litestar", "uvicorn"), (
            "the core makes the requests"
        )


@pytest.mark.parametrize("path", ALL, ids=_id)
def test_modules_are_short(path: Path) -> None:
    lines = len(path.read_text("utf-8").splitlines())
    assert lines <= 400, "split it by what it does"


@pytest.mark.parametrize("path", ALL, ids=_id)
def test_modules_have_a_name_and_a_purpose(path: Path) -> None:
    """No module is the drawer for what has no place."""
    assert not re.search(r"util|helper|common|misc", path.stem)
    assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), "a module says what it is for"


@pytest.mark.parametrize("package", ["llms_core", "llms_providers"])
def test_no_name_of_the_standard_librarys(package: str) -> None:
    """Python run inside a package's folder, by pip or an editor, would import it in the standard library's place."""
    names = {
        path.stem for path in (ROOT / package).iterdir() if path.is_dir() or path.suffix == ".py"
    }
    assert names & sys.stdlib_module_names == set()


def test_every_part_of_the_core_has_its_layer() -> None:
    parts = {_part(path) for path in CORE} - set(OUTSIDE)
    assert parts == LAYER.keys()


def test_the_public_modules_exist() -> None:
    assert [name for name in PUBLIC_MODULES if find_spec(name) is None] == []


def test_every_provider_has_its_entry_point() -> None:
    pyproject = tomllib.loads((ROOT / "llms_providers/pyproject.toml").read_text("utf-8"))
    modules = {_provider(path) for path in PROVIDERS} - {"__init__"}
    assert pyproject["project"]["entry-points"]["llms_core"] == {
        name: f"llms_providers.{name}" for name in modules
    }


def test_the_version_is_one() -> None:
    """It is in the core's package, and both distributions take it from there."""
    for name in ("llms_core", "llms_providers"):
        folder = ROOT / name
        project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
        assert project["project"]["dynamic"] == ["version"]
        source = (folder / project["tool"]["hatch"]["version"]["path"]).resolve()
        assert source == ROOT / "llms_core" / "__init__.py"
        assert importlib.metadata.version(name) == llms_core.__version__
