"""The documentation for authors says what is: its code is the tested plugin, its reference is made from the hooks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llms_core.cli.reference import hooks as reference

DOCS = Path(__file__).parents[2] / "docs"
ACME = Path(__file__).parent / "acme"
BLOCK = re.compile(r"^<!-- (\S+) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)

FILES = sorted(str(path.relative_to(ACME)) for path in ACME.rglob("*") if path.suffix in (".py", ".toml"))


def code(text: str) -> list[str]:
    """The lines that say something."""
    return [line for line in text.splitlines() if line.strip()]


def blocks() -> dict[str, list[str]]:
    """The lines of the tutorial's blocks, by the file that they are of."""
    found: dict[str, list[str]] = {}
    for name, text in BLOCK.findall((DOCS / "write-a-provider.md").read_text("utf-8")):
        found.setdefault(name, []).extend(code(text))
    return found


@pytest.mark.parametrize("name", FILES)
def test_the_tutorials_code_is_the_tested_plugin(name: str) -> None:
    assert blocks().get(name) == code((ACME / name).read_text("utf-8"))


def test_the_tutorial_has_no_other_files() -> None:
    assert sorted(blocks()) == FILES


def test_the_plugin_is_short() -> None:
    assert len((ACME / "llms_provider_acme.py").read_text("utf-8").splitlines()) < 150


def test_the_reference_is_made_from_the_hooks() -> None:
    """`python -m llms_core.cli.reference.hooks > docs/hooks.md`."""
    assert (DOCS / "hooks.md").read_text("utf-8") == reference.page()


@pytest.mark.parametrize("name", reference.hooks())
def test_a_hook_is_documented_and_exercised(name: str) -> None:
    """A hook that comes later is in a folder of its own beside v1/."""
    assert reference.hooks()[name].__doc__
    assert f"\n## {name}\n" in reference.page()
    frozen = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("v*/*.py"))
    assert re.search(rf"^@hookimpl.*\ndef {name}\(", frozen, re.MULTILINE)
    assert re.search(rf"\b{name}\b", (Path(__file__).parent / "test_v1.py").read_text("utf-8"))


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", path.read_text("utf-8")):
        assert (path.parent / link).exists(), link
