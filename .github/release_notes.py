"""Print what CHANGELOG.md says of a version; fail if that is nothing, or if the packages have another version."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def notes(changelog: str, version: str) -> str:
    """Return the section of a version. Raises SystemExit if there is none, or an empty one."""
    heading = re.compile(rf"^## {re.escape(version)}\b.*$", re.MULTILINE)
    found = heading.search(changelog)
    if found is None:
        raise SystemExit(f"CHANGELOG.md has no section '## {version}'")
    section = re.split(r"^## ", changelog[found.end() :], maxsplit=1, flags=re.MULTILINE)[0].strip()
    if not section:
        raise SystemExit(f"The section '## {version}' of CHANGELOG.md is empty")
    if "unreleased" in found.group():
        raise SystemExit(f"CHANGELOG.md still calls {version} unreleased: write the date")
    return section


def package_version() -> str:
    """Return the version that both packages have."""
    source = (ROOT / "llms_core" / "__init__.py").read_text()
    found = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    if found is None:
        raise SystemExit("llms_core/__init__.py has no __version__")
    return found[1]


if __name__ == "__main__":
    tag = sys.argv[1]
    if tag != package_version():
        raise SystemExit(f"The tag is {tag}, but the packages' version is {package_version()}")
    print(notes((ROOT / "CHANGELOG.md").read_text(), tag))  # noqa: T201
