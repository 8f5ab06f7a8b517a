"""Outages of minutes with the default settings, in controlled time: how long clients wait, and what providers receive.

The scenarios S06 and S15 of Failover Bench (https://github.com/failoverbench/failoverbench, scenarios/catalogue.yaml)
are here under their numbers.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import pytest
from clock import Clock

from llms_core.candidate import Configured
from llms_core.config.model import (
    FailoverTimeouts,
    Model,
    Provider,
    ProviderTimeouts,
    Routing,
    Timeouts,
)
from llms_core.contracts.request import decode
from llms_core.errors import AllProvidersFailed
from llms_core.openai_compatible import OpenAICompatible
from llms_core.operations.chat import CHAT
from llms_core.operations.table import OPERATIONS
from llms_core.plugins.host import PluginHost
from llms_core.provider import ProviderSettings, ProviderSpec, UpstreamRequest
from llms_core.routing import strategies
from llms_core.routing.attempt import AttemptObserver
from llms_core.routing.attempts import Router
from llms_core.routing.candidates import ModelIndex
from llms_core.routing.circuit import CircuitBreaker
from llms_core.routing.trace import RequestTrace
from llms_core.secret import Redactor

T = TypeVar("T")

SPEC = ProviderSpec(name="timed", adapter=OpenAICompatible, title="Timed")
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
NEVER = 1e6


class Response:
    """A response whose body arrives some seconds after its head."""

    def __init__(self, status: int, seconds: float, *, stream: bool) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {
            "content-type": "text/event-stream" if stream else "application/json"
        }
        self._seconds = seconds
        body = _body(stream=stream) if status == 200 else b'{"error": {"message": "overloaded"}}'
        self._pieces = [body]

    async def read(self) -> bytes:
        await asyncio.sleep(self._seconds)
        return self._pieces.pop() if self._pieces else b""

    exhausted = False

    async def aclose(self) -> None: ...


def _body(*, stream: bool) -> bytes:
    frame = {"id": "c", "created": 1, "model": "x"}
    content = {"role": "assistant", "content": "Hello"}
    if not stream:
        choice = {"index": 0, "message": content, "finish_reason": "stop"}
        return json.dumps({**frame, "object": "chat.completion", "choices": [choice]}).encode()
    choices = [
        {"index": 0, "delta": content, "finish_reason": None},
        {"index": 0, "delta": {}, "finish_reason": "stop"},
    ]
    chunks = [
        {**frame, "object": "chat.completion.chunk", "choices": [choice]} for choice in choices
    ]
    return (
        b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)
        + b"data: [DONE]\n\n"
    )


class Call(NamedTuple):
    """A request that a provider received."""

    time: float
    succeeded: bool


class Behaviour(NamedTuple):
    """What a provider does with a request: the status, and the seconds before the head and before the body."""

    status: int = 200
    head: float = 0.0
    body: float = 0.0


class Answered(NamedTuple):
    """What a client got."""

    provider: str | None
    seconds: float


class World:
    """Providers of the model `m` that behave according to the time, and a router before them."""

    def __init__(
        self,
        *providers: Callable[[float], Behaviour],
        timeouts: Timeouts | None = None,
        routing: Routing | None = None,
    ) -> None:
        self.calls: list[list[Call]] = [[] for _ in providers]
        self._providers = providers
        self._clock = asyncio.get_running_loop().time
        configured = []
        for number in range(len(providers)):
            settings = ProviderSettings(id=str(number), base_url=f"http://{number}.example/v1")
            models = (Model(names=("m",), upstream="m"),)
            provider = Provider(id=str(number), spec=SPEC, settings=settings, models=models)
            configured.append(
                Configured(provider.id, provider, OpenAICompatible(SPEC, settings), None)
            )
        self.breaker = CircuitBreaker(clock=self._clock)
        host = PluginHost()
        self.router = Router(
            models=ModelIndex(configured, OPERATIONS, self.breaker),
            order=strategies.create(routing or Routing()),
            breaker=self.breaker,
            transport=self,
            host=host,
            routing=routing or Routing(),
            timeouts=timeouts or Timeouts(),
            max_bytes=2**20,
            fetch=_unwanted,
            observer=AttemptObserver(self.breaker, host, Redactor(), records_successes=True),
        )

    async def send(self, request: UpstreamRequest, connect_timeout: float) -> Response:
        number = int(request.url.removeprefix("http://").partition(".")[0])
        behaviour = self._providers[number](self._clock())
        self.calls[number].append(Call(self._clock(), behaviour.status == 200))
        await asyncio.sleep(behaviour.head)
        return Response(
            behaviour.status, behaviour.body, stream=b'"stream":true' in request.content
        )

    async def aclose(self) -> None: ...

    async def ask(self, *, stream: bool) -> Answered:
        body: dict[str, object] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
        if stream:
            body["stream"] = True
        began = self._clock()
        try:
            data = json.dumps(body, separators=(",", ":")).encode()
            routed = await self.router.answer(RequestTrace(), CHAT, decode(data))
            if routed.stream is not None:
                while not routed.stream.is_complete:
                    await routed.stream.read()
                await routed.stream.aclose()
            assert routed.candidate is not None
            provider = routed.candidate.provider_id
        except AllProvidersFailed:
            provider = None
        return Answered(provider, round(self._clock() - began, 3))


async def _unwanted(url: str, param: str) -> tuple[str, bytes]:
    raise AssertionError(url)


def timed(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    with asyncio.Runner(loop_factory=Clock) as runner:
        return runner.run(work())


def always(behaviour: Behaviour) -> Callable[[float], Behaviour]:
    return lambda now: behaviour


SILENT = always(Behaviour(head=NEVER))
SILENT_AFTER_THE_HEAD = always(Behaviour(body=NEVER))
GOOD = always(Behaviour())


def asked_once(
    *providers: Callable[[float], Behaviour],
    stream: bool,
    timeouts: Timeouts | None = None,
    routing: Routing | None = None,
) -> tuple[Answered, list[int]]:
    """Return what one client gets, and how many requests each provider got."""

    async def work() -> tuple[Answered, list[int]]:
        world = World(*providers, timeouts=timeouts, routing=routing)
        answered = await world.ask(stream=stream)
        return answered, [len(calls) for calls in world.calls]

    return timed(work)


# How long an attempt may take


@pytest.mark.parametrize("silent", [SILENT, SILENT_AFTER_THE_HEAD], ids=["no head", "no body"])
@STREAMED
def test_s06_a_silent_provider(silent: Callable[[float], Behaviour], stream: bool) -> None:
    """SR-072, S06: the call ends within 100 s as a stream; the silent provider is not asked again."""
    answered, calls = asked_once(silent, GOOD, stream=stream)
    assert (answered.provider, calls) == ("1", [1, 1])
    assert answered.seconds <= (100 if stream else 300)


@pytest.mark.parametrize(
    ("stream", "silent", "seconds"),
    [
        (True, 1, 60),
        (True, 3, 180),
        # Half of 600 s; then a third of 600 s, and half of the rest.
        (False, 1, 300),
        (False, 2, 400),
        # Ten equal shares of 600 s; with more providers, each has at least a minute.
        (False, 9, 540),
    ],
)
def test_each_attempt_leaves_time_for_the_next(stream: bool, silent: int, seconds: float) -> None:
    """SR-072: 60 s to the first token; for a whole answer a share of the remaining time."""
    answered, calls = asked_once(*[SILENT] * silent, GOOD, stream=stream)
    assert answered == (str(silent), seconds)
    assert calls == [1] * (silent + 1)


@STREAMED
@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("total", [1.0, 60.0, 100.0, 600.0])
def test_silent_providers_leave_time_for_the_next_however_short_the_total_is(
    count: int, total: float, stream: bool
) -> None:
    """SR-072: no attempt uses up the total while another candidate remains."""
    answered, calls = asked_once(
        *[SILENT] * (count - 1), GOOD, stream=stream, timeouts=Timeouts(total=total)
    )
    assert (answered.provider, calls) == (str(count - 1), [1] * count)
    assert answered.seconds <= total


@STREAMED
def test_the_last_candidate_may_use_all_remaining_time(stream: bool) -> None:
    """SR-072: there is nothing else to try."""
    slow = always(Behaviour(head=500))
    assert asked_once(slow, stream=stream) == (("0", 500), [1])
    down = always(Behaviour(status=503))
    assert asked_once(down, slow, stream=stream) == (("1", 500), [1, 1])
    assert asked_once(SILENT, stream=stream) == ((None, 600), [1])


def test_a_slow_answer_is_not_cut_while_it_is_the_only_one(subtests: pytest.Subtests) -> None:
    """SR-072: a reasoning model may think for minutes, also beside other candidates."""
    for seconds in (59, 250):
        with subtests.test(seconds=seconds):
            thinking = always(Behaviour(head=seconds))
            assert asked_once(thinking, GOOD, stream=False) == (("0", seconds), [1, 0])


@pytest.mark.parametrize(
    ("timeouts", "whole", "streamed"),
    [
        (Timeouts(failover=FailoverTimeouts(first_token=20)), 300, 20),
        (Timeouts(failover=FailoverTimeouts(total=90)), 90, 60),
        (Timeouts(failover=FailoverTimeouts(first_token=100, total=100)), 100, 100),
        # An attempt never gets more than half of what remains.
        (Timeouts(failover=FailoverTimeouts(first_token=900, total=900)), 300, 300),
        # The general limit applies to every attempt, so that of failover can only be shorter.
        (Timeouts(first_token=30), 300, 30),
        (Timeouts(first_token=100), 300, 60),
        # A provider's own limits replace both.
        (Timeouts(provider={"0": ProviderTimeouts(first_token=200, total=250)}), 250, 200),
        (Timeouts(first_token=30, provider={"0": ProviderTimeouts(first_token=200)}), 300, 200),
        (Timeouts(provider={"1": ProviderTimeouts(first_token=1, total=1)}), 300, 60),
    ],
)
def test_the_limits_are_configurable(timeouts: Timeouts, whole: float, streamed: float) -> None:
    """SR-072: `[timeouts.failover]`."""
    assert asked_once(SILENT, GOOD, stream=False, timeouts=timeouts) == (("1", whole), [1, 1])
    assert asked_once(SILENT, GOOD, stream=True, timeouts=timeouts) == (("1", streamed), [1, 1])


def test_a_limit_of_first_token_applies_to_the_last_candidate() -> None:
    """SR-072: if the user sets one."""
    assert asked_once(SILENT, stream=True, timeouts=Timeouts(first_token=45)) == ((None, 45), [1])


def test_a_stream_that_is_held_back_has_the_limits_of_both() -> None:
    """SR-072: `[routing] commit = "whole"`: it can be replaced until it is complete."""
    routing = Routing(commit="whole")
    assert asked_once(SILENT, GOOD, stream=True, routing=routing) == (("1", 60), [1, 1])


# The circuit breaker


class Served(NamedTuple):
    """Requests at regular intervals, and what the first of two providers received."""

    answers: Sequence[Answered]
    primary: Sequence[Call]


def sequence(
    primary: Callable[[float], Behaviour],
    count: int,
    interval: float,
    *,
    stream: bool,
    start: float = 0.0,
) -> Served:
    async def work() -> Served:
        world = World(primary, GOOD)
        answers = []
        clock = asyncio.get_running_loop().time
        for number in range(count):
            await asyncio.sleep(max(0.0, start + number * interval - clock()))
            answers.append(await world.ask(stream=stream))
        return Served(answers, world.calls[0])

    return timed(work)


def down_until(seconds: float, behaviour: Behaviour) -> Callable[[float], Behaviour]:
    return lambda now: behaviour if now < seconds else Behaviour()


OUTAGE = 60.0


@pytest.mark.parametrize("start", [0.0, 0.9, 1.7, 2.6, 3.9])
@STREAMED
def test_s15_a_provider_that_is_down_for_a_minute(stream: bool, start: float) -> None:
    """SR-072, S15: 20 requests, one every 4 s. All are answered, and the provider is used again within 30 s."""
    got = sequence(down_until(OUTAGE, Behaviour(status=503)), 20, 4.0, stream=stream, start=start)
    assert all(each.provider is not None for each in got.answers)
    assert min(call.time for call in got.primary if call.succeeded) <= OUTAGE + 30
    during = [call for call in got.primary if not call.succeeded]
    # A circuit breaker makes these few: five failures open the circuit.
    assert len(during) <= 10
    assert got.answers[-1].provider == "0"


@pytest.mark.parametrize("interval", [0.1, 1.0, 3.0, 10.0])
@pytest.mark.parametrize("outage", [10.0, 30.0, 60.0, 90.0])
@pytest.mark.parametrize("status", [500, 503])
def test_a_recovery_is_noticed_within_thirty_seconds(
    outage: float, interval: float, status: int
) -> None:
    """SR-072: whatever the traffic is."""
    count = int((outage + 40) / interval) + 1
    got = sequence(down_until(outage, Behaviour(status=status)), count, interval, stream=True)
    assert min(call.time for call in got.primary if call.succeeded) <= outage + 30
    assert all(each.provider is not None for each in got.answers)


def test_probes_of_an_immediate_failure_become_rare() -> None:
    """SR-072: each is 5 s after the last at first, and a minute at last."""
    got = sequence(down_until(NEVER, Behaviour(status=503)), 3600, 1.0, stream=True)
    pauses = [after.time - before.time for before, after in pairwise(got.primary)]
    assert pauses[:4] == [1.0] * 4
    assert 5 <= pauses[4] <= 6
    assert 60 <= pauses[-1] <= 61
    assert len(got.primary) < 5 + 70


def test_probes_of_a_time_out_are_rare_at_once() -> None:
    """SR-072: each makes a client wait for a minute."""
    got = sequence(down_until(NEVER, Behaviour(head=NEVER)), 200, 5.0, stream=True)
    waiting = [answer for answer in got.answers if answer.seconds > 1]
    assert len(waiting) == len(got.primary)
    pauses = [after.time - before.time for before, after in pairwise(got.primary[4:])]
    # The attempt's own minute, and one of cooldown.
    assert min(pauses) >= 120
