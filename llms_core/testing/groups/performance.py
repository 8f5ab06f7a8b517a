"""P: what the provider costs. Time and side effects of its import, speed and memory of its translation."""

from __future__ import annotations

import gc
import json
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

from llms_core.testing import probe
from llms_core.testing.groups.base import Group, not_applicable, streamed
from llms_core.testing.groups.response import body_of
from llms_core.testing.memory import stream_decoder
from llms_core.testing.subject import Subject
from llms_core.upstream.stream_decoder import StreamDecoder

IMPORT = 0.1
"""Seconds that the import of the plugin's module may take, llms_core's own left out."""

CHUNKS_PER_SECOND = 1_000
ANSWERS_PER_SECOND = 200
"""Floors that a busy machine of a CI still reaches; what passes bytes on is fifty times as fast."""

GROWTH = 32 * 1024
"""Bytes that a translator may hold more after 10,000 chunks than after 1,000, the answer's text left out."""

_WIDEST = 4  # bytes that a character may take


def _filled(subject: Subject) -> tuple[StreamDecoder, bytes]:
    """A stream that has begun, and the bytes of an event that adds text to it."""
    _, events = streamed(subject, "text")
    progress = stream_decoder(subject, subject.call(stream=True))
    for event in events:
        if any(chunk.content for chunk in progress.feed(event)):
            return progress, event
    raise AssertionError("no event of `text` bears text")


@contextmanager
def _collected() -> Iterator[None]:
    """Without the collector's pauses."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class PerformanceTests(Group):
    """Group P."""

    def test_p_import_is_quick(self, subject: Subject) -> None:
        """Every command and every start of the gateway waits for it."""
        seconds = float("inf")
        for _ in range(5):  # the best of a few, because other work on the machine counts, too
            if seconds >= IMPORT:
                seconds = min(seconds, probe.imported(subject).seconds)
        assert seconds < IMPORT, f"the import takes {seconds * 1000:.0f} ms: import what is slow where it is used"

    def test_p_import_has_no_side_effects(self, subject: Subject) -> None:
        """No connection, no thread, no process, no file written, for who only lists what is installed."""
        assert probe.imported(subject).effects == []

    def test_p_chunks_are_translated_quickly(self, subject: Subject) -> None:
        """A stream is not held up by its translation."""
        progress, event = _filled(subject)
        with _collected():
            begin = time.perf_counter()
            for _ in range(2_000):
                progress.feed(event)
            rate = 2_000 / (time.perf_counter() - begin)
        assert rate >= CHUNKS_PER_SECOND, f"{rate:.0f} chunks in a second"

    def test_p_answers_are_translated_quickly(self, subject: Subject) -> None:
        """A request and its whole answer."""
        body = body_of(subject.wire.text)
        with _collected():
            begin = time.perf_counter()
            for _ in range(200):
                call = subject.call()
                subject.adapter.request(call)
                subject.adapter.completion(call, body)
            rate = 200 / (time.perf_counter() - begin)
        assert rate >= ANSWERS_PER_SECOND, f"{rate:.0f} answers in a second"

    def test_p_memory_is_flat(self, subject: Subject) -> None:
        """A translator does not collect what it has passed on; the text alone it may, to sum the answer up."""
        if tracemalloc.is_tracing():
            not_applicable("memory is being traced already")
        progress, event = _filled(subject)
        told = b"".join(chunk.data for chunk in progress.feed(event))
        text = sum(len(choice["delta"].get("content") or "") for choice in json.loads(told)["choices"])
        tracemalloc.start()
        try:
            for _ in range(1_000):
                progress.feed(event)
            gc.collect()
            before, _ = tracemalloc.get_traced_memory()
            for _ in range(9_000):
                progress.feed(event)
            gc.collect()
            growth = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        most = GROWTH + 9_000 * text * _WIDEST
        assert growth < most, f"{growth} bytes more are held after 9,000 chunks more; {most} would do"
