"""Limits that share one timer: each ends what it is for, in its time, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
from clock import Clock

from llms_core.deadline import TICK, Deadline

T = TypeVar("T")


def timed(work: Callable[[Deadline], Coroutine[Any, Any, T]]) -> tuple[T, float]:
    """What the work gives, and when on a clock that began at 0."""

    async def session() -> tuple[T, float]:
        deadline = Deadline()
        try:
            return await work(deadline), asyncio.get_running_loop().time()
        finally:
            deadline.close()

    with asyncio.Runner(loop_factory=Clock) as runner:
        return runner.run(session())


async def passes(deadline: Deadline, limit: float, pause: float) -> bool:
    """Whether the limit ends a pause."""
    try:
        with deadline.at(limit):
            await asyncio.sleep(pause)
    except TimeoutError:
        return True
    return False


def test_what_takes_longer_is_ended_at_its_limit() -> None:
    """SR-072."""
    assert timed(lambda deadline: passes(deadline, 120, 1e6)) == (True, 120)


def test_what_is_done_in_time_is_left_alone() -> None:
    assert timed(lambda deadline: passes(deadline, 120, 100)) == (False, 100)


def test_a_limit_that_has_passed_already_ends_what_begins() -> None:
    async def work(deadline: Deadline) -> bool:
        await asyncio.sleep(10)
        return await passes(deadline, 5, 1e6)

    ended, when = timed(work)
    assert ended
    assert when <= 10 + TICK


def test_a_limit_holds_inside_of_its_block_only() -> None:
    async def work(deadline: Deadline) -> bool:
        ended = await passes(deadline, 120, 1)
        await asyncio.sleep(1000)
        return ended

    assert timed(work) == (False, 1001)


@pytest.mark.parametrize("limits", [(100, 200), (200, 100), (100, 100)])
def test_each_use_has_its_own_limit(limits: tuple[float, float]) -> None:
    """One that comes sooner than the one before is not late for it."""
    first, second = limits

    async def work(deadline: Deadline) -> tuple[bool, bool]:
        return await passes(deadline, first, 50), await passes(deadline, second, 1e6)

    assert timed(work) == ((False, True), second)


def test_limits_of_several_tasks_do_not_touch_one_another() -> None:
    async def one(limit: float) -> tuple[bool, float]:
        deadline = Deadline()
        try:
            return await passes(deadline, limit, 100), asyncio.get_running_loop().time()
        finally:
            deadline.close()

    async def work(_: Deadline) -> list[tuple[bool, float]]:
        return await asyncio.gather(*(one(limit) for limit in (70, 30, 300)))

    assert timed(work)[0] == [(True, 70), (True, 30), (False, 100)]


def test_a_limit_is_late_by_a_tick_at_most() -> None:
    async def work(deadline: Deadline) -> list[float]:
        late, clock = [], asyncio.get_running_loop().time
        for number in range(1, 50):
            limit = clock() + 0.003 * number
            await passes(deadline, limit, 1e6)
            late.append(clock() - limit)
        return late

    assert max(timed(work)[0]) <= TICK


def test_a_task_that_is_cancelled_by_another_is_cancelled() -> None:
    """SR-059: a client that leaves is no time-out."""

    async def work(deadline: Deadline) -> bool:
        task = asyncio.ensure_future(passes(deadline, 120, 1e6))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert timed(work) == (True, 1)


def test_a_task_that_is_cancelled_at_its_limit_by_another_is_cancelled() -> None:
    async def work(deadline: Deadline) -> bool:
        task = asyncio.ensure_future(passes(deadline, 120, 1e6))
        asyncio.get_running_loop().call_at(120, task.cancel)
        await asyncio.wait([task])
        return task.cancelled()

    assert timed(work)[0] is True


def test_nothing_ticks_when_all_is_closed() -> None:
    async def work(deadline: Deadline) -> int:
        await passes(deadline, 120, 1)
        deadline.close()
        await asyncio.sleep(1000)
        loop: Any = asyncio.get_running_loop()
        return len(loop._scheduled)

    assert timed(work)[0] == 0
