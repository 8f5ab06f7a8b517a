"""How many examples the largest property tests try."""

from __future__ import annotations

import os


def examples(count: int) -> int:
    """Return a fifth of `count`, or all of it with LLMS_TEST_RANDOM=1.

    Without it the examples are the same ones in each run, so that trying them all each time would find nothing more.
    """
    return count if os.environ.get("LLMS_TEST_RANDOM") else count // 5
