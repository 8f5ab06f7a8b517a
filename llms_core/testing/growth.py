"""How the time of a function grows with its input: whoever sends or returns a lot must not hold the whole gateway."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable

MAX_EXPONENT = 1.3
"""Twice the input may take 2^1.3 times as long. Linear time is 1, and caches and the allocator add a little."""

#: The sizes that are measured, as multiples of the one that is given.
_SMALL, _MIDDLE, _LARGE = 0.5, 2, 8
_COMPARISONS = ((_SMALL, _MIDDLE), (_MIDDLE, _LARGE), (_SMALL, _LARGE))
#: Other work on the machine can disturb a measurement, but only ever makes it longer.
_REPETITIONS = 3
_ATTEMPTS = 6
#: Seconds that a measurement takes at least; shorter calls are repeated.
_MIN_SECONDS = 0.003


def assert_linear(what: str, prepare: Callable[[int], Callable[[], object]], size: int) -> None:
    """Assert that a function takes time in proportion to its input.

    `prepare` returns the function for an input of a size, which is not measured. `size` is large enough for the part of
    the time that grows to exceed what is fixed. `what` names the input in the error.
    """
    functions: dict[float, Callable[[], object]] = {}
    lowest = math.inf
    for _ in range(_ATTEMPTS):
        times: dict[float, float] = {}
        # An input that no longer fits into a cache of the processor, or into memory that is kept, takes twice as long
        # for that reason alone. It spoils one of the comparisons, and time that grows too fast all of them. Nearly
        # always the first comparison suffices, and the largest input, which costs the most, is not even made.
        for smaller, larger in _COMPARISONS:
            for multiple in (smaller, larger):
                if multiple not in functions:
                    functions[multiple] = prepare(int(size * multiple))
                if multiple not in times:
                    times[multiple] = _seconds(functions[multiple])
            lowest = min(lowest, math.log(times[larger] / times[smaller], larger / smaller))
            if lowest < MAX_EXPONENT:
                return
    factor = _LARGE / _SMALL
    raise AssertionError(
        f"{what}: {factor:.0f} times the input takes {factor**lowest:.0f} times as long (n^{lowest:.1f}); "
        f"the time has to grow in proportion to the input, below n^{MAX_EXPONENT}"
    )


def _seconds(function: Callable[[], object]) -> float:
    """Return the CPU time of one call: the best of several measurements."""
    best = math.inf
    # Not collected first: in a large process, as in a long run of tests, that takes longer than all measurements.
    gc.disable()
    try:
        for _ in range(_REPETITIONS):
            calls = 0
            elapsed = 0.0
            # The time of this process, which excludes what others use of the machine.
            begin = time.process_time()
            while elapsed < _MIN_SECONDS:
                function()
                calls += 1
                elapsed = time.process_time() - begin
            best = min(best, elapsed / calls)
    finally:
        gc.enable()
    return best
