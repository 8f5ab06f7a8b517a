"""Every numbered requirement has a test that names it, or is listed here with the reason for having none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/requirements.md"

#: The first cell of a row of one of the page's tables.
_ROW = re.compile(r"^\| ((?:SR|K|L)-\d{2,3}[a-f]?) \|", re.MULTILINE)

REQUIREMENTS = tuple(_ROW.findall(PAGE.read_text("utf-8")))

WITHOUT = {
    "SR-087": "no container image is published yet",
    "SR-088": "a compose file needs the container image",
    "SR-089": "the health check of the container image",
    "SR-091": "llms.py's sign-in through GitHub; a file that asks for it requires keys in its place (K-21)",
}

_NUMBER = re.compile(
    r"\b(SR|K|L)-(\d{2,3})([a-f](?:[-–…][a-f])?)?"  # one, or letters of one
    r"(?:\s*(?:…|–|\.\.\.)\s*(?:SR-|K-|L-)?(\d{2,3})([a-f])?)?"  # up to another
)


def numbers(text: str) -> set[str]:
    """Return the requirements that a text names.

    Besides single numbers these are ranges (`SR-010 … SR-013`) and letters (`SR-069a-c`).
    """
    found = set()
    for kind, first, letters, last, last_letter in _NUMBER.findall(text):
        if letters or last_letter:
            low = letters[:1] or last_letter
            high = last_letter or letters[-1]
            found |= {f"{kind}-{first}{chr(code)}" for code in range(ord(low), ord(high) + 1)}
        else:
            found |= {
                f"{kind}-{number:0{len(first)}}"
                for number in range(int(first), int(last or first) + 1)
            }
    return found


def _tests() -> Iterator[Path]:
    """The test files in every language, without this one, whose examples name requirements too."""
    for path in (ROOT / "tests").rglob("*"):
        if path.suffix in (".py", ".js", ".mjs", ".sh") and path != Path(__file__):
            yield path


def _sources() -> Iterator[Path]:
    """The files whose comments and prose cite requirements."""
    for folder in ("llms_core", "llms_providers", "benchmarks"):
        yield from (ROOT / folder).rglob("*.py")
    yield from (path for path in (ROOT / "docs").glob("*.md") if path != PAGE)
    yield from ROOT.glob("*.md")


NAMED = set().union(*(numbers(path.read_text("utf-8")) for path in _tests()))


@pytest.mark.parametrize("requirement", REQUIREMENTS)
def test_a_requirement_has_a_test_that_names_it(requirement: str) -> None:
    """Docstrings of tests name the requirements that they verify."""
    if requirement in WITHOUT:
        assert requirement not in NAMED, "it has a test: remove it from WITHOUT"
    else:
        assert requirement in NAMED, "no test names it"


def test_the_page_lists_every_number_once() -> None:
    assert len(REQUIREMENTS) == len(set(REQUIREMENTS))
    # A table in another format would silently list nothing.
    assert {number.partition("-")[0] for number in REQUIREMENTS} == {"SR", "K", "L"}
    assert WITHOUT.keys() < set(REQUIREMENTS)


def test_tests_name_no_unknown_requirement() -> None:
    assert NAMED - set(REQUIREMENTS) == set()


def test_sources_and_documents_cite_no_unknown_requirement() -> None:
    cited = set().union(*(numbers(path.read_text("utf-8")) for path in _sources()))
    assert cited - set(REQUIREMENTS) == set()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("(SR-061, SR-062)", {"SR-061", "SR-062"}),
        ("SR-053 … SR-055: streams", {"SR-053", "SR-054", "SR-055"}),
        ("SR-012…014", {"SR-012", "SR-013", "SR-014"}),
        ("SR-069a, SR-069b-c", {"SR-069a", "SR-069b", "SR-069c"}),
        ("K-05 and L-10", {"K-05", "L-10"}),
        ("XSR-001, SR-1, OK-12", set()),
    ],
)
def test_numbers_are_read_as_they_are_written(text: str, found: set[str]) -> None:
    assert numbers(text) == found
