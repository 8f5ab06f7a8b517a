"""Recorded exchanges with real providers, as test parameters.

The folder is `$LLMS_RECORDINGS`, or `shared/recordings` beside the repository; its README describes the format. Without
it the tests over recordings are skipped, and the summary of the run shows that.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

FOLDER = Path(os.environ.get("LLMS_RECORDINGS") or Path(__file__).resolve().parents[3] / "shared" / "recordings")


#: How many recordings of each kind `-m "not slow"` includes.
SAMPLE = 10


class Recording(NamedTuple):
    """One exchange."""

    id: str
    group: str
    provider: str
    protocol: str
    model: str
    stream: bool
    request: dict[str, Any]
    response: dict[str, Any]
    tags: frozenset[str]

    @property
    def status(self) -> int:
        return int(self.response["status"])

    @property
    def body(self) -> bytes:
        """The answer's bytes."""
        if "base64" in self.response:
            return base64.b64decode(self.response["base64"])
        if "text" in self.response:
            return str(self.response["text"]).encode()
        return json.dumps(self.response["json"], ensure_ascii=False).encode()

    @property
    def headers(self) -> dict[str, str]:
        """The answer's headers, with lower-case names."""
        return {str(name).lower(): str(value) for name, value in (self.response.get("headers") or {}).items()}


@cache
def _load(protocol: str) -> tuple[Recording, ...]:
    path = FOLDER / f"{protocol}.jsonl"
    if not path.exists():
        return ()
    return tuple(map(_recording, path.read_text("utf-8").splitlines()))


def _recording(line: str) -> Recording:
    data = json.loads(line)
    return Recording(
        id=data["id"],
        group=data["group"],
        provider=data["provider"],
        protocol=data["protocol"],
        model=data.get("model") or "",
        stream=bool(data.get("stream")),
        request=data["request"],
        response=data["response"],
        tags=frozenset(data["tags"]),
    )


def recordings(protocol: str, wanted: Callable[[Recording], bool] = lambda recording: True) -> list[Any]:
    """The recordings of a protocol as parameters for `pytest.mark.parametrize`; all but a sample are slow tests."""
    selected = [each for each in _load(protocol) if wanted(each)]
    found = [_parameter(each, is_sample=place < SAMPLE) for place, each in enumerate(selected)]
    missing = pytest.mark.skip(reason=f"the recordings are not there: {protocol}.jsonl; set LLMS_RECORDINGS")
    return found or [pytest.param(None, id="no-recordings", marks=missing)]


def whole_answers(protocol: str) -> list[Any]:
    """The recordings of successful answers that were not streamed."""
    return recordings(protocol, lambda recording: recording.status == 200 and not recording.stream)


def streams(protocol: str) -> list[Any]:
    """The recordings of successful streams."""
    return recordings(protocol, lambda recording: recording.status == 200 and recording.stream)


def failures(protocol: str) -> list[Any]:
    """The recordings of error responses."""
    return recordings(protocol, lambda recording: recording.status != 200)


def _parameter(recording: Recording, *, is_sample: bool) -> Any:
    marks = () if is_sample else (pytest.mark.slow,)
    return pytest.param(recording, id=recording.id, marks=marks)


def pieces(body: bytes, size: int) -> Iterator[bytes]:
    """A body as the network might cut it."""
    return (body[at : at + size] for at in range(0, len(body), size))
