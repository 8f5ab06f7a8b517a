"""Every numbered requirement has a test that names it, or stands here with the reason why it has none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REQUIREMENTS = (
    *(f"SR-{number:03}" for number in (*range(1, 69), *range(70, 121)) if number not in range(93, 100)),
    *(f"SR-069{letter}" for letter in "abcdef"),
    *(f"K-{number:02}" for number in range(1, 26)),
    *(f"L-{number:02}" for number in range(1, 22)),
)

WITHOUT = {
    "SR-087": "a container image comes with a later issue",
    "SR-088": "a compose file comes with the container image",
    "SR-089": "the health check of the container image",
    "SR-090": "routes of llms.py's own UI, which is not part of the gateway",
    "SR-091": "llms.py's sign-in through GitHub; a file that asks for it is refused (K-21)",
}

_NUMBER = re.compile(
    r"\b(SR|K|L)-(\d{2,3})([a-f](?:[-–…][a-f])?)?"  # one, or letters of one
    r"(?:\s*(?:…|–|\.\.\.)\s*(?:SR-|K-|L-)?(\d{2,3})([a-f])?)?"  # up to another
)


def numbers(text: str) -> set[str]:
    """The requirements that a text names, one by one, as ranges (`SR-010 … SR-013`) or by letters (`SR-069a-c`)."""
    found = set()
    for kind, first, letters, last, last_letter in _NUMBER.findall(text):
        if letters or last_letter:
            low, high = letters[:1] or last_letter, last_letter or letters[-1]
            found |= {f"{kind}-{first}{chr(code)}" for code in range(ord(low), ord(high) + 1)}
        else:
            found |= {f"{kind}-{number:0{len(first)}}" for number in range(int(first), int(last or first) + 1)}
    return found


def _named() -> set[str]:
    tests = Path(__file__).parent
    named = set()
    for path in tests.rglob("*"):
        if path.suffix in (".py", ".js", ".mjs", ".sh") and path != Path(__file__):
            named |= numbers(path.read_text("utf-8"))
    return named


NAMED = _named()


@pytest.mark.parametrize("requirement", REQUIREMENTS)
def test_a_requirement_has_a_test_that_names_it(requirement: str) -> None:
    """Docstrings of tests name the numbers that they are evidence for."""
    if requirement in WITHOUT:
        assert requirement not in NAMED, "it has a test: take it off the list"
    else:
        assert requirement in NAMED, "no test names it"


def test_tests_name_no_requirement_that_there_is_not() -> None:
    assert NAMED - set(REQUIREMENTS) == set()


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
