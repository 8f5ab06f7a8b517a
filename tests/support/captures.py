"""Recorded requests of real agents.

The folder is `$LLMS_CAPTURES`, or `shared/captures` beside the repository. Long texts are replaced by their lengths.
Without the folder the tests over captures are skipped, and the summary of the run shows that.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

FOLDER = Path(
    os.environ.get("LLMS_CAPTURES") or Path(__file__).resolve().parents[3] / "shared" / "captures"
)


class Capture(NamedTuple):
    """One request."""

    id: str
    path: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: dict[str, Any]


@cache
def _load() -> tuple[Capture, ...]:
    found = []
    for file in sorted(FOLDER.glob("*.json")):
        for number, request in enumerate(json.loads(file.read_text("utf-8"))["requests"]):
            if isinstance(request.get("body"), dict):
                headers = tuple(
                    (name.lower().encode(), value.encode()) for name, value in request["headers"]
                )
                found.append(
                    Capture(f"{file.stem}-{number}", request["path"], headers, request["body"])
                )
    return tuple(found)


def captures(path: str) -> pytest.MarkDecorator:
    """Parametrize a test with the captured requests of one path, whatever their query."""
    found = [each for each in _load() if each.path.partition("?")[0] == path]
    if not found:
        return pytest.mark.skip(reason=f"no captures in {FOLDER}")
    return pytest.mark.parametrize("capture", found, ids=[each.id for each in found])
