"""Deadlines that share one timer: each cancels its own block, in time, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
from clock import Clock

from llms_core.deadline import TICK, Deadline

T = TypeVar("T")


def run(work: Callable[[Deadline], Coroutine[Any, Any, T]]) -> tuple[T, float]:
    """Run `work` on a clock that starts at 0; return its result and the time at the end."""

    async def session() -> tuple[T, float]:
        deadline = Deadline()
        try:
            return await work(deadline), asyncio.get_running_loop().time()
        finally:
            deadline.close()

    with asyncio.Runner(loop_factory=Clock) as runner:
        return runner.run(session())


async def times_out(deadline: Deadline, limit: float, pause: float) -> bool:
    """Whether a pause is ended by the time limit."""
    try:
        with deadline.at(limit):
            await asyncio.sleep(pause)
    except TimeoutError:
        return True
    return False


def test_a_block_is_cancelled_at_its_time_limit() -> None:
    """SR-072."""
    assert run(lambda deadline: times_out(deadline, 120, 1e6)) == (True, 120)


def test_a_block_that_ends_in_time_is_not_cancelled() -> None:
    assert run(lambda deadline: times_out(deadline, 120, 100)) == (False, 100)


def test_a_time_limit_in_the_past_cancels_the_block_at_once() -> None:
    async def work(deadline: Deadline) -> bool:
        await asyncio.sleep(10)
        return await times_out(deadline, 5, 1e6)

    ended, when = run(work)
    assert ended
    assert when <= 10 + TICK


def test_a_time_limit_does_not_apply_after_its_block() -> None:
    async def work(deadline: Deadline) -> bool:
        ended = await times_out(deadline, 120, 1)
        await asyncio.sleep(1000)
        return ended

    assert run(work) == (False, 1001)


@pytest.mark.parametrize("limits", [(100, 200), (200, 100), (100, 100)])
def test_a_deadline_can_be_reused_with_another_time_limit(limits: tuple[float, float]) -> None:
    """An earlier limit than the one before is not late."""
    first, second = limits

    async def work(deadline: Deadline) -> tuple[bool, bool]:
        return await times_out(deadline, first, 50), await times_out(deadline, second, 1e6)

    assert run(work) == ((False, True), second)


def test_deadlines_of_several_tasks_are_independent() -> None:
    async def run_one(limit: float) -> tuple[bool, float]:
        deadline = Deadline()
        try:
            return await times_out(deadline, limit, 100), asyncio.get_running_loop().time()
        finally:
            deadline.close()

    async def work(_: Deadline) -> list[tuple[bool, float]]:
        return await asyncio.gather(*(run_one(limit) for limit in (70, 30, 300)))

    assert run(work)[0] == [(True, 70), (True, 30), (False, 100)]


def test_a_time_limit_is_late_by_at_most_one_tick() -> None:
    async def work(deadline: Deadline) -> list[float]:
        clock = asyncio.get_running_loop().time
        late = []
        for number in range(1, 50):
            limit = clock() + 0.003 * number
            await times_out(deadline, limit, 1e6)
            late.append(clock() - limit)
        return late

    assert max(run(work)[0]) <= TICK


def test_a_cancellation_by_another_task_is_not_a_timeout() -> None:
    """SR-059: a client that disconnects cancels its request."""

    async def work(deadline: Deadline) -> bool:
        task = asyncio.ensure_future(times_out(deadline, 120, 1e6))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert run(work) == (True, 1)


def test_a_cancellation_by_another_task_at_the_time_limit_is_not_lost() -> None:
    async def work(deadline: Deadline) -> bool:
        task = asyncio.ensure_future(times_out(deadline, 120, 1e6))
        asyncio.get_running_loop().call_at(120, task.cancel)
        await asyncio.wait([task])
        return task.cancelled()

    assert run(work)[0] is True


def test_no_timer_is_left_after_all_deadlines_are_closed() -> None:
    async def work(deadline: Deadline) -> int:
        await times_out(deadline, 120, 1)
        deadline.close()
        await asyncio.sleep(1000)
        loop: Any = asyncio.get_running_loop()
        return len(loop._scheduled)

    assert run(work)[0] == 0
