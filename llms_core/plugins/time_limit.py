"""Calls a plugin's function that may wait for something else, such as a vault or a database, within a time limit."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


class OutOfTimeError(Exception):
    """The function has not returned in time."""


def within(seconds: float, function: Callable[[], Result]) -> Result:
    """Return the function's result, or raise what it raises. Raises OutOfTimeError if it takes too long.

    It runs in a thread of its own, which is left to itself then: Python cannot interrupt it.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:  # raised again in the thread that waits
            errors.append(error)

    # A daemon, because one that hangs must not keep the process from ending.
    thread = threading.Thread(target=run, name="llms-plugin", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise OutOfTimeError
    return results[0]
