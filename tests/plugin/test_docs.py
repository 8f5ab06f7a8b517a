"""The documentation for plugin authors matches the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from llms_core import public
from llms_core.cli.reference import hooks as reference
from llms_core.plugins import hookspecs
from llms_core.plugins.hookspecs import hook_names

DOCS = Path(__file__).parents[2] / "docs"
CORE = Path(__file__).parents[2] / "llms_core"
ACME = Path(__file__).parent / "acme"

# A code block that belongs to a file: an HTML comment with the file's name, then the block.
BLOCK = re.compile(r"^<!-- (\S+) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)

FILES = sorted(
    str(path.relative_to(ACME)) for path in ACME.rglob("*") if path.suffix in (".py", ".toml")
)


def nonblank_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def blocks() -> dict[str, list[str]]:
    """The lines of the tutorial's code blocks, by file."""
    found: dict[str, list[str]] = {}
    for name, text in BLOCK.findall((DOCS / "write-a-provider.md").read_text("utf-8")):
        found.setdefault(name, []).extend(nonblank_lines(text))
    return found


def hook_type_imports() -> Iterator[str]:
    """The names that hookspecs.py imports from the core: the types of the hooks' arguments and results."""
    for node in ast.walk(ast.parse(Path(hookspecs.__file__).read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("llms_core"):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("name", FILES)
def test_the_code_of_the_tutorial_is_the_tested_plugin(name: str) -> None:
    assert blocks().get(name) == nonblank_lines((ACME / name).read_text("utf-8"))


def test_the_tutorial_has_no_other_files() -> None:
    assert sorted(blocks()) == FILES


def test_the_plugin_is_short() -> None:
    """Without blank lines, comments and docstrings."""
    source = re.sub(
        r'^ *""".*?"""$', "", (ACME / "llms_provider_acme.py").read_text("utf-8"), flags=re.M | re.S
    )
    code = [
        line for line in source.splitlines() if line.strip() and not line.strip().startswith("#")
    ]
    assert len(code) <= 170


def test_the_reference_of_hooks_is_up_to_date() -> None:
    assert (DOCS / "hooks.md").read_text("utf-8") == reference.page(), (
        "python -m llms_core.cli.reference.hooks > docs/hooks.md"
    )


@pytest.mark.parametrize("name", hook_names())
def test_a_hook_is_documented_and_exercised(name: str) -> None:
    """Hooks that are newer than v1 are exercised by a plugin of their own beside it."""
    assert getattr(hookspecs, name).__doc__
    assert f"\n## {name}\n" in reference.page()
    folder = Path(__file__).parent
    newer = [folder / name for name in ("echo.py", "routes.py", "around.py", "contributing.py")]
    plugins = "".join(path.read_text("utf-8") for path in [*folder.glob("v*/*.py"), *newer])
    assert re.search(rf"^@hookimpl.*\ndef {name}\(", plugins, re.MULTILINE)
    names = (
        "test_v1.py",
        "test_echo.py",
        "test_routes.py",
        "test_around.py",
        "test_contributing.py",
    )
    tests = "".join((folder / name).read_text("utf-8") for name in names)
    assert re.search(rf"\b{name}\b", tests)


@pytest.mark.parametrize("name", list(hook_type_imports()))
def test_the_types_of_hooks_are_public(name: str) -> None:
    assert reference.public_type(name) is not None


def test_the_public_modules_are_documented() -> None:
    text = (DOCS / "versioning.md").read_text("utf-8")
    modules = (*public.PUBLIC_MODULES, *public.PUBLIC_PACKAGES, public.TESTING_PACKAGE)
    assert [name for name in modules if f"`{name}`" not in text] == []


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", path.read_text("utf-8")):
        assert (path.parent / link).exists(), link
