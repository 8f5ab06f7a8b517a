"""The documentation site: the pages of this folder, by Sphinx with MyST's Markdown and the theme Furo."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent

project = "llms"
author = "The llms authors"
project_copyright = author
found = re.search(
    r'^__version__ = "(.+)"$', (ROOT / "llms_core" / "__init__.py").read_text("utf-8"), re.MULTILINE
)
release = found[1] if found else ""

extensions = ["myst_parser"]
myst_heading_anchors = 4
# What GitHub highlights although it is no strict JSON or Python: comments, "…".
suppress_warnings = ["misc.highlighting_failure"]
exclude_patterns = ["_site"]

html_theme = "furo"
html_title = "llms"
html_copy_source = False
html_show_sphinx = False


def _mark_targets(app: object, page: str, source: list[str]) -> None:
    """Turn anchors in HTML, which GitHub needs, into MyST's targets, so that links to them are checked."""
    source[0] = re.sub(r'^<a id="([\w-]+)"></a>$', r"(\1)=", source[0], flags=re.MULTILINE)


def setup(app: Any) -> None:
    """Connect to Sphinx."""
    app.connect("source-read", _mark_targets)
