"""Recorded exchanges with real providers, as test parameters.

The folder is `$LLMS_RECORDINGS`, or `shared/recordings` beside the repository; its README describes the format. Without
it the tests over recordings are skipped, and the summary of the run shows that.

    @for_each(recordings("openai"))
    def test_it(recording: Recording) -> None: ...

There are thousands, and with a test for each, most of the time would be pytest's own. One test therefore takes many: it
goes on after a failure, and its error names each recording that failed. To test some alone, give a part of their ids as
`$LLMS_RECORDING`.
"""

from __future__ import annotations

import base64
import inspect
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, wraps
from pathlib import Path
from typing import Any, NamedTuple

import pytest

FOLDER = Path(
    os.environ.get("LLMS_RECORDINGS")
    or Path(__file__).resolve().parents[3] / "shared" / "recordings"
)


#: How many recordings of each kind `-m "not slow"` includes.
SAMPLE = 10

#: How many recordings one test takes.
BATCH = 100

#: A part of the ids of the recordings to test.
ONLY = os.environ.get("LLMS_RECORDING", "")


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
        return {
            str(name).lower(): str(value)
            for name, value in (self.response.get("headers") or {}).items()
        }


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


def recordings(
    protocol: str, wanted: Callable[[Recording], bool] = lambda recording: True
) -> list[Any]:
    """The recordings of a protocol as parameters for `pytest.mark.parametrize`; all but a sample are slow tests."""
    selected = [each for each in _load(protocol) if ONLY in each.id and wanted(each)]
    found = [_parameter(each, is_sample=place < SAMPLE) for place, each in enumerate(selected)]
    missing = pytest.mark.skip(
        reason=f"the recordings are not there: {protocol}.jsonl; set LLMS_RECORDINGS"
    )
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


def for_each(parameters: Sequence[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Call a test function with each of these parameters as its argument `recording`, many of them in one test."""

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @wraps(test)
        def run(recordings: Sequence[Recording], **others: Any) -> None:
            _run(test, recordings, others)

        # pytest takes the names of fixtures from it.
        signature = inspect.signature(test)
        arguments = signature.parameters.values()
        renamed = [
            each.replace(name="recordings") if each.name == "recording" else each
            for each in arguments
        ]
        vars(run)["__signature__"] = signature.replace(parameters=renamed)
        parametrized: Callable[..., None] = pytest.mark.parametrize(
            "recordings", list(_batches(parameters))
        )(run)
        return parametrized

    return decorate


def _batches(parameters: Sequence[Any]) -> Iterator[Any]:
    """Yield parameters with many recordings each, all with the same marks."""
    kinds: list[Any] = []
    for each in parameters:
        if each.marks not in kinds:
            kinds.append(each.marks)
    for marks in kinds:
        alike = [each for each in parameters if each.marks == marks]
        for start in range(0, len(alike), BATCH):
            batch = alike[start : start + BATCH]
            name = f"{batch[0].id} and {len(batch) - 1} more"
            yield pytest.param([each.values[0] for each in batch], id=name, marks=marks)


def _run(
    test: Callable[..., None], recordings: Sequence[Recording], others: Mapping[str, Any]
) -> None:
    failures = []
    skipped = []
    for recording in recordings:
        try:
            test(recording=recording, **others)
        except pytest.skip.Exception as reason:
            skipped.append(str(reason))
        except Exception as error:
            error.add_note(f"with the recording {recording.id}")
            failures.append(error)
    if failures:
        raise ExceptionGroup(f"{len(failures)} of {len(recordings)} recordings", failures)
    if len(skipped) == len(recordings):
        pytest.skip(f"none of {len(recordings)} recordings applies: {skipped[0]}")
