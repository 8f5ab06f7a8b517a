"""P: what a provider costs. The time and side effects of its import, the speed and memory of its translation."""

from __future__ import annotations

import gc
import json
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from llms_core.testing import probe
from llms_core.testing.groups.base import Group, body_of, not_applicable, split_at_first_text
from llms_core.testing.playback import begin_stream
from llms_core.testing.subject import Subject
from llms_core.upstream.stream_decoder import StreamDecoder

IMPORT = 0.5
"""What the import of the plugin's module may cost, compared with the start of Python and the import of llms_core."""

# A busy CI machine still reaches these rates. An adapter that passes bytes through is fifty times as fast.
CHUNKS_PER_SECOND = 1_000
ANSWERS_PER_SECOND = 200

GROWTH = 32 * 1024
"""Bytes by which a translator may grow between its 1,000th and its 10,000th chunk, without the text of the answer."""

_IMPORT_ATTEMPTS = 5
_BYTES_PER_CHARACTER = 4  # CPython's widest representation of a string

#: The numbers of chunks before and between the two measurements of memory.
_WARM_UP_CHUNKS = 1_000
_MEASURED_CHUNKS = 9_000


def _begin_text_stream(subject: Subject) -> tuple[StreamDecoder, bytes]:
    """Return a stream that has begun, and the bytes of an event that adds text to it."""
    begin, _ = split_at_first_text(subject)
    decoder = begin_stream(subject)
    for event in begin:
        decoder.feed(event)
    return decoder, begin[-1]


@contextmanager
def _without_gc_pauses() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _rate(function: Callable[[], object], times: int) -> float:
    """Return how often per second a function can be called."""
    with _without_gc_pauses():
        begin = time.perf_counter()
        for _ in range(times):
            function()
        return times / (time.perf_counter() - begin)


class PerformanceTests(Group):
    """Group P."""

    def test_p_import_is_quick(self, subject: Subject) -> None:
        """The import is quick, because every command and every start of the gateway waits for it."""
        shares: list[float] = []
        # The best of several attempts: the first one may have to compile the module.
        while len(shares) < _IMPORT_ATTEMPTS and min(shares, default=IMPORT) >= IMPORT:
            measured = probe.measure_import(subject)
            shares.append(measured.seconds / measured.core_seconds)
        assert min(shares) < IMPORT, (
            f"the import costs {min(shares):.0%} of the start of Python with llms_core, but may cost {IMPORT:.0%}: "
            "import slow libraries in the functions that use them"
        )

    def test_p_import_has_no_side_effects(self, subject: Subject) -> None:
        """The import opens no connection, starts no thread or process, and writes no file."""
        effects = probe.measure_import(subject).effects
        assert effects == [], (
            f"importing the plugin must have no side effects, but it {', '.join(effects)}"
        )

    def test_p_chunks_are_translated_quickly(self, subject: Subject) -> None:
        """The translation of a stream does not slow it down."""
        decoder, event = _begin_text_stream(subject)
        rate = _rate(lambda: decoder.feed(event), 2_000)
        assert rate >= CHUNKS_PER_SECOND, (
            f"`feed` must translate {CHUNKS_PER_SECOND} events per second, but translates {rate:.0f}"
        )

    def test_p_answers_are_translated_quickly(self, subject: Subject) -> None:
        """A request and its whole answer are translated quickly."""
        body = body_of(subject.wire.text)

        def translate() -> None:
            call = subject.call()
            subject.adapter.request(call)
            subject.adapter.completion(call, body)

        rate = _rate(translate, 200)
        assert rate >= ANSWERS_PER_SECOND, (
            f"`request` and `completion` must translate {ANSWERS_PER_SECOND} answers per second, but do {rate:.0f}"
        )

    def test_p_memory_is_flat(self, subject: Subject) -> None:
        """A translator does not keep what it has passed on, except the text, which it may collect for a summary."""
        if tracemalloc.is_tracing():
            not_applicable("memory is being traced already")
        decoder, event = _begin_text_stream(subject)
        characters = _characters_per_event(decoder, event)
        tracemalloc.start()
        try:
            before = _memory_after(decoder, event, _WARM_UP_CHUNKS)
            growth = _memory_after(decoder, event, _MEASURED_CHUNKS) - before
        finally:
            tracemalloc.stop()
        allowed = GROWTH + _MEASURED_CHUNKS * characters * _BYTES_PER_CHARACTER
        assert growth < allowed, (
            f"the translator may grow by {allowed} bytes in {_MEASURED_CHUNKS} chunks, but grew by {growth}: "
            "do not keep events or chunks after they have been passed on"
        )


def _characters_per_event(decoder: StreamDecoder, event: bytes) -> int:
    characters = 0
    for chunk in decoder.feed(event):
        for choice in json.loads(chunk.data)["choices"]:
            characters += len(choice["delta"].get("content") or "")
    return characters


def _memory_after(decoder: StreamDecoder, event: bytes, times: int) -> int:
    """Return the traced bytes in use after feeding an event many times."""
    for _ in range(times):
        decoder.feed(event)
    gc.collect()
    in_use, _ = tracemalloc.get_traced_memory()
    return in_use
