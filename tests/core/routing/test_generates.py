"""Adapters that answer by themselves (`Generates`): limits, cancellation, failures, and what the client gets.

Most of them do no I/O, so that the clock jumps instead of running.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest
from adapter_router import Asking, routing_to, text_of_chunks
from clock import Clock

from llms_core.adapter_tasks import CLEANUP_SECONDS
from llms_core.config.model import Breaker, ProviderTimeouts, Retry, Routing, Timeouts
from llms_core.contracts.building import Chunks, completion
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion, Usage
from llms_core.contracts.request import ChatCall
from llms_core.errors import AllProvidersFailed, ErrorKind, ProviderError, Unsupported
from llms_core.provider import AdapterHttp, ProviderSettings, ProviderSpec
from llms_core.routing.trace import RequestTrace
from llms_core.upstream.generation import MAX_AHEAD

USAGE = Usage(prompt_tokens=3, completion_tokens=2)
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])

T = TypeVar("T")


def run(coroutine: Any) -> Any:
    """Run with a clock that jumps."""
    with asyncio.Runner(loop_factory=Clock) as runner:
        return runner.run(coroutine)


def now() -> float:
    return asyncio.get_running_loop().time()


class Base:
    """What the adapters of these tests share: a log of what happened in them."""

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings):
        self.happened: list[str] = []

    def answer(self, call: ChatCall, text: str = "Hello") -> Completion:
        return completion(call, content=text, finish_reason="stop", usage=USAGE)


class Second(Base):
    """Answers whatever is asked."""

    async def generate(self, call: ChatCall, http: AdapterHttp) -> Completion:
        return self.answer(call, "second")


class Returning(Base):
    async def generate(self, call: ChatCall, http: AdapterHttp) -> Completion:
        await asyncio.sleep(100)
        return self.answer(call)


class Yielding(Base):
    async def generate(self, call: ChatCall, http: AdapterHttp) -> AsyncIterator[Chunk]:
        chunks = Chunks(call)
        yield chunks.text("Hel")
        await asyncio.sleep(1)
        yield chunks.text("lo")
        yield chunks.finish("stop")
        yield chunks.usage(USAGE)


class Choosing(Base):
    """Does what the client wants."""

    def generate(
        self, call: ChatCall, http: AdapterHttp
    ) -> Awaitable[Completion] | AsyncIterator[Chunk]:
        self.happened.append("stream" if call.stream else "whole")
        if call.stream:
            return Yielding.generate(self, call, http)  # type: ignore[arg-type]
        return Second.generate(self, call, http)  # type: ignore[arg-type]


# Scripts of one streamed answer: a text, a number of seconds to wait, or an exception to raise.
Step = str | float | BaseException


def scripted(*steps: Step, ends: bool = True) -> Callable[[ProviderSpec, ProviderSettings], Any]:
    """An adapter that yields texts, waits and fails, in this order."""

    class Scripted(Base):
        async def generate(self, call: ChatCall, http: AdapterHttp) -> AsyncIterator[Chunk]:
            chunks = Chunks(call)
            try:
                for step in steps:
                    if isinstance(step, BaseException):
                        raise step
                    if isinstance(step, str):
                        yield chunks.text(step)
                    else:
                        await asyncio.sleep(step)
                if ends:
                    yield chunks.finish("stop")
            finally:
                self.happened.append("cleaned up")

    return Scripted


def raising(error: BaseException) -> Callable[[ProviderSpec, ProviderSettings], Any]:
    """An adapter that fails at once."""

    class Raising(Base):
        async def generate(self, call: ChatCall, http: AdapterHttp) -> Completion:
            raise error

    return Raising


def returning(value: object) -> Callable[[ProviderSpec, ProviderSettings], Any]:
    """An adapter that returns what it may not."""

    class Wrong(Base):
        async def generate(self, call: ChatCall, http: AdapterHttp) -> Any:
            return value

    return Wrong


async def attempts(asking: Asking, **members: Any) -> str:
    """`x-llms-attempts` of a request."""
    trace = RequestTrace()
    answered = await asking.ask(trace, **members)
    if answered.stream is not None:
        while not answered.stream.is_complete:
            await answered.stream.read()
        await answered.stream.aclose()
    assert answered.candidate is not None
    return trace.attempts_header(answered.candidate.provider_id)


async def failed(asking: Asking, **members: Any) -> list[ProviderError]:
    """The errors of a request that nobody could serve."""
    with pytest.raises(AllProvidersFailed) as caught:
        await asking.ask(**members)
    return list(caught.value.errors)


# What the client gets


@BOTH
@pytest.mark.parametrize("adapter", [Returning, Yielding], ids=["a completion", "chunks"])
def test_either_form_becomes_what_the_client_wants(adapter: type[Base], stream: bool) -> None:
    async def ask() -> str:
        async with routing_to(adapter) as asking:
            return text_of_chunks(await asking.streamed()) if stream else await asking.text()

    assert run(ask()) == "Hello"


@BOTH
def test_a_function_may_choose_by_what_the_client_wants(stream: bool) -> None:
    async def ask() -> list[str]:
        async with routing_to(Choosing) as asking:
            await asking.ask(stream=stream)
            happened: list[str] = asking.adapter(0).happened
            return happened

    assert run(ask()) == ["stream" if stream else "whole"]


def test_a_coroutine_is_always_asked_for_a_whole_answer() -> None:
    asked: list[bool] = []

    class Whole(Base):
        async def generate(self, call: ChatCall, http: AdapterHttp) -> Completion:
            asked.append(call.stream or "stream_options" in call.members)
            return self.answer(call)

    async def ask() -> None:
        async with routing_to(Whole) as asking:
            await asking.streamed(stream_options={"include_usage": True})

    run(ask())
    assert asked == [False]


@BOTH
@pytest.mark.parametrize("adapter", [Returning, Yielding], ids=["a completion", "chunks"])
def test_the_usage_reaches_the_record_of_the_attempt(adapter: type[Base], stream: bool) -> None:
    async def ask() -> Usage | None:
        async with routing_to(adapter) as asking:
            trace = RequestTrace()
            answered = await asking.ask(trace, stream=stream)
            if answered.stream is not None:
                while not answered.stream.is_complete:
                    await answered.stream.read()
                await answered.stream.aclose()
            return trace.attempts[0].usage

    assert run(ask()) == USAGE


def test_each_choice_has_to_end() -> None:
    """`n` is 2, and one choice has no finish reason."""

    class Half(Base):
        async def generate(self, call: ChatCall, http: AdapterHttp) -> AsyncIterator[Chunk]:
            chunks = Chunks(call)
            yield chunks.text("a", index=0)
            yield chunks.text("b", index=1)
            yield chunks.finish("stop", index=0)

    async def ask() -> str:
        async with routing_to(Half, Second) as asking:
            return await attempts(asking, n=2)

    assert run(ask()) == "p0;error=bad_response, p1;ok"


def test_parameters_without_effect_are_reported() -> None:
    """Those that the operation leaves out, and those that the adapter names."""

    class Dropping(Base):
        async def generate(self, call: ChatCall, http: AdapterHttp) -> AsyncIterator[Chunk]:
            http.drop("logit_bias", "seed")
            http.drop("seed")
            async for chunk in Yielding.generate(self, call, http):  # type: ignore[arg-type]
                yield chunk

    async def ask() -> list[tuple[str, ...]]:
        async with routing_to(Dropping) as asking:
            return [(await asking.ask(stream=stream)).dropped for stream in (False, True)]

    assert run(ask()) == [("logit_bias", "seed")] * 2


# Time limits

HASTY = {"first_token": 5.0, "idle": 2.0, "content": 4.0, "total": 20.0}


def hasty(**limits: float) -> Timeouts:
    return Timeouts(provider={"p0": ProviderTimeouts(**{**HASTY, **limits})})


@pytest.mark.parametrize(
    ("steps", "seconds", "message"),
    [
        ((6.0, "late"), 5.0, "No first token within 5 s"),
        (("a", 3.0, "b"), 2.0, "The stream stalled for 2 s"),
        (("a", 1.9, "b", 1.9, "c", 1.9, "d", 2.5), 7.7, "The stream stalled for 2 s"),
    ],
    ids=["first token", "idle", "idle after a while"],
)
def test_time_limits_of_a_stream(steps: tuple[Step, ...], seconds: float, message: str) -> None:
    async def ask() -> tuple[str, float]:
        async with routing_to(scripted(*steps), timeouts=hasty()) as asking:
            started = now()
            with pytest.raises((ProviderError, AllProvidersFailed)) as caught:
                await asking.streamed()
            error = caught.value
            if isinstance(error, AllProvidersFailed):
                (error,) = error.errors
            return str(error), now() - started

    text, took = run(ask())
    assert text == message
    assert took == pytest.approx(seconds, abs=0.2)


def test_chunks_without_content_do_not_count_as_content() -> None:
    """A queue that only reports its position must not hold the client for ever."""

    class Waiting(Base):
        async def generate(self, call: ChatCall, http: AdapterHttp) -> AsyncIterator[Chunk]:
            chunks = Chunks(call)
            yield chunks.text("a")
            while True:
                await asyncio.sleep(1)
                yield chunks.delta({}, content=False)

    async def ask() -> str:
        async with routing_to(Waiting, timeouts=hasty()) as asking:
            with pytest.raises(ProviderError) as caught:
                await asking.streamed()
            return str(caught.value)

    assert run(ask()) == "The stream had no content for 4 s"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_whole_answer_has_the_total_time(stream: bool) -> None:
    """A completion, also if it is replayed as a stream, and chunks that are joined."""

    async def ask() -> list[str]:
        async with routing_to(Returning, timeouts=hasty(total=99.0)) as asking:
            return [str(error) for error in await failed(asking, stream=stream)]

    assert run(ask()) == ["The provider did not answer completely within 99 s"]


def test_chunks_that_are_joined_may_begin_late() -> None:
    async def ask() -> str:
        async with routing_to(scripted(15.0, "late"), timeouts=hasty()) as asking:
            return await asking.text()

    assert run(ask()) == "late"


def test_a_late_answer_goes_to_the_next_provider_at_once() -> None:
    """The cleaning up of the first one is not waited for."""

    class Slow(Base):
        async def generate(self, call: ChatCall, http: AdapterHttp) -> AsyncIterator[Chunk]:
            try:
                await asyncio.sleep(50)
                yield Chunks(call).text("late")
            finally:
                self.happened.append("cancelled")
                await asyncio.sleep(CLEANUP_SECONDS - 1)
                self.happened.append("cleaned up")

    async def ask() -> tuple[str, float, list[str]]:
        async with routing_to(Slow, Second, timeouts=hasty()) as asking:
            started = now()
            found = await attempts(asking, stream=True)
            took = now() - started
            await asyncio.sleep(CLEANUP_SECONDS)
            return found, took, asking.adapter(0).happened

    found, took, happened = run(ask())
    assert found == "p0;error=timeout, p1;ok"
    assert took == pytest.approx(5.0, abs=0.2)
    assert happened == ["cancelled", "cleaned up"]


# Cancellation


@BOTH
def test_a_client_that_leaves_cancels_it_at_once(stream: bool) -> None:
    async def ask() -> list[str]:
        async with routing_to(scripted(50.0)) as asking:
            task = asyncio.ensure_future(asking.ask(stream=stream))
            await asyncio.sleep(1)
            task.cancel()
            await asyncio.wait([task])
            await asyncio.sleep(0)
            happened: list[str] = asking.adapter(0).happened
            return happened

    assert run(ask()) == ["cleaned up"]


def test_a_stream_that_is_closed_early_cancels_it(caplog: pytest.LogCaptureFixture) -> None:
    """Between two chunks, and it counts as abandoned."""

    async def ask() -> tuple[list[str], Any]:
        async with routing_to(scripted("a", *["b"] * 1000)) as asking:
            trace = RequestTrace()
            answered = await asking.ask(trace, stream=True)
            assert answered.stream is not None
            await answered.stream.aclose()
            await asyncio.sleep(0.1)
            return asking.adapter(0).happened, trace.attempts[0].kind

    assert run(ask()) == (["cleaned up"], ErrorKind.CANCELLED)


@pytest.mark.filterwarnings("error")
def test_it_may_be_cancelled_before_it_begins() -> None:
    async def ask() -> None:
        async with routing_to(Returning) as asking:
            task = asyncio.ensure_future(asking.ask())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])

    run(ask())


class Stubborn(Base):
    """Does not end when it is cancelled."""

    async def generate(self, call: ChatCall, http: AdapterHttp) -> Completion:
        while True:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                self.happened.append("ignored")


def test_it_is_ended_by_force_if_it_ignores_its_cancellation(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def ask() -> tuple[list[str], int]:
        async with routing_to(Stubborn, Second, timeouts=hasty(total=10.0)) as asking:
            assert await attempts(asking) == "p0;error=timeout, p1;ok"
            await asyncio.sleep(CLEANUP_SECONDS + 1)
            return asking.adapter(0).happened, len(asyncio.all_tasks())

    happened, tasks = run(ask())
    assert happened == ["ignored"]
    assert tasks == 1
    assert "`generate` of p0 has not ended within 5 s after it was cancelled" in caplog.text


def test_the_gateway_stops_although_it_ignores_its_cancellation() -> None:
    async def ask() -> float:
        async with routing_to(Stubborn) as asking:
            task = asyncio.ensure_future(asking.ask())
            await asyncio.sleep(1)
            task.cancel()
            await asyncio.wait([task])
            started = now()
        return now() - started

    assert run(ask()) <= CLEANUP_SECONDS + 1


# The commit point


def test_with_commit_whole_a_stream_can_fail_over_until_its_end() -> None:
    routing = Routing(retry=Retry(attempts=0), commit="whole")

    async def ask() -> str:
        async with routing_to(scripted("a", "b", KeyError("x")), Second, routing=routing) as asking:
            return await attempts(asking, stream=True)

    assert run(ask()) == "p0;error=bad_response, p1;ok"


@pytest.mark.parametrize(
    "steps",
    [("a", KeyError("x")), ("a", ProviderError(ErrorKind.OVERLOADED, "full")), ("a",)],
    ids=["a bug", "an error", "no finish reason"],
)
def test_a_stream_that_breaks_after_its_first_content_is_an_error(steps: tuple[Step, ...]) -> None:
    async def ask() -> list[str]:
        async with routing_to(scripted(*steps, ends=False), Second) as asking:
            answered = await asking.ask(stream=True)
            assert answered.stream is not None
            first = text_of_chunks(await answered.stream.read())
            with pytest.raises(ProviderError) as caught:
                await answered.stream.read()
            await answered.stream.aclose()
            return [first, caught.value.kind]

    kind = ErrorKind.OVERLOADED if isinstance(steps[-1], ProviderError) else ErrorKind.BAD_RESPONSE
    assert run(ask()) == ["a", kind]


@BOTH
@pytest.mark.parametrize(
    "error", [KeyError("x"), SystemExit(), ProviderError(ErrorKind.NETWORK, "broke")], ids=repr
)
def test_nothing_can_spoil_an_answer_that_is_complete(error: BaseException, stream: bool) -> None:
    class Clumsy(Base):
        async def generate(self, call: ChatCall, http: AdapterHttp) -> AsyncIterator[Chunk]:
            async for chunk in Yielding.generate(self, call, http):  # type: ignore[arg-type]
                yield chunk
            raise error

    async def ask() -> str:
        async with routing_to(Clumsy) as asking:
            return text_of_chunks(await asking.streamed()) if stream else await asking.text()

    assert run(ask()) == "Hello"


# Failures


class OfItsOwn(BaseException):
    pass


FAILURES: dict[str, tuple[Any, str]] = {
    "an exception": (raising(KeyError("x")), "bad_response"),
    "SystemExit": (raising(SystemExit("because")), "bad_response"),
    "GeneratorExit": (raising(GeneratorExit()), "bad_response"),
    "any BaseException": (raising(OfItsOwn()), "bad_response"),
    "its own cancellation": (raising(asyncio.CancelledError()), "bad_response"),
    "its own time limit": (raising(TimeoutError()), "timeout"),
    "RecursionError": (raising(RecursionError()), "bad_response"),
    "MemoryError": (raising(MemoryError()), "bad_response"),
    "an error of the provider": (raising(ProviderError(ErrorKind.QUOTA, "no money")), "quota"),
    "what it cannot do": (raising(Unsupported("no")), "invalid_request"),
    "an error in a task group": (
        raising(
            BaseExceptionGroup(
                "", [KeyError(), ExceptionGroup("", [ProviderError(ErrorKind.QUOTA, "no money")])]
            )
        ),
        "quota",
    ),
    "a bug in a task group": (raising(ExceptionGroup("", [KeyError()])), "bad_response"),
    "an exit in a task group": (raising(BaseExceptionGroup("", [SystemExit()])), "bad_response"),
    "nothing": (returning(None), "bad_response"),
    "a text": (returning("Hello"), "bad_response"),
    "text in a completion": (returning(Completion("{}")), "bad_response"),  # type: ignore[arg-type]
    "no usage in a completion": (returning(Completion(b"{}", {})), "bad_response"),  # type: ignore[arg-type]
    "a stream without end": (scripted("a", ends=False), "bad_response"),
    "no chunk": (scripted(ends=False), "bad_response"),
}


@BOTH
@pytest.mark.parametrize("failure", FAILURES)
def test_whatever_it_raises_or_returns_is_a_failure_of_its_provider(
    failure: str, stream: bool
) -> None:
    adapter, kind = FAILURES[failure]
    members = {"stream": stream}
    if failure == "a stream without end":
        members["stream"] = False  # as a stream, it has begun

    async def ask() -> str:
        async with routing_to(adapter, Second) as asking:
            return await attempts(asking, **members)

    assert run(ask()) == f"p0;error={kind}, p1;ok"


def no_coroutine(self: Base, call: ChatCall, http: AdapterHttp) -> Any:
    return self.answer(call)


def no_async_generator(self: Base, call: ChatCall, http: AdapterHttp) -> Iterator[Chunk]:
    yield Chunks(call).text("Hello")


async def coroutine_of_a_generator(self: Base, call: ChatCall, http: AdapterHttp) -> Any:
    return Yielding.generate(self, call, http)  # type: ignore[arg-type]


async def yields_texts(self: Base, call: ChatCall, http: AdapterHttp) -> AsyncIterator[Any]:
    yield "Hello"


def no_argument(self: Base, call: ChatCall) -> Any:
    return None


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (
            no_coroutine,
            "`generate` returned a Completion; it has to be an `async def` that returns a Completion or",
        ),
        (
            no_async_generator,
            "`generate` returned a generator; it has to be an `async def` that returns a Completion",
        ),
        (
            coroutine_of_a_generator,
            "`generate` returned a async_generator to be awaited; yield its chunks, or leave out",
        ),
        (yields_texts, "`generate` returned a str as Chunk"),
        (no_argument, "TypeError"),
    ],
)
def test_a_typical_mistake_is_named(function: Callable[..., Any], reason: str) -> None:
    adapter = type("Mistaken", (Base,), {"generate": function})

    async def ask() -> list[str]:
        async with routing_to(adapter) as asking:
            return [str(error) for error in await failed(asking)]

    (message,) = run(ask())
    assert message.startswith(f"The adapter 'p0' failed: {reason}")


def test_failures_open_the_circuit() -> None:
    routing = Routing(retry=Retry(attempts=0), breaker=Breaker(failures=2))

    async def ask() -> list[str]:
        async with routing_to(raising(KeyError("x")), Second, routing=routing) as asking:
            return [await attempts(asking) for _ in range(3)]

    assert run(ask())[2] == "p0;skipped=circuit_open, p1;ok"


def test_an_answer_has_the_limit_of_any_answer() -> None:
    async def ask() -> list[str]:
        async with routing_to(scripted(*["a" * 1000] * 2000)) as asking:
            return [str(error) for error in await failed(asking)]

    assert run(ask()) == ["The answer exceeds 1048576 bytes"]


def test_it_does_not_run_far_ahead_of_the_client() -> None:
    """A client that reads slowly must not fill the memory."""
    made: list[int] = []

    class Fast(Base):
        async def generate(self, call: ChatCall, http: AdapterHttp) -> AsyncIterator[Chunk]:
            chunks = Chunks(call)
            for number in range(10 * MAX_AHEAD):
                made.append(number)
                yield chunks.text("a")
            yield chunks.finish("stop")

    async def ask() -> int:
        async with routing_to(Fast) as asking:
            answered = await asking.ask(stream=True)
            assert answered.stream is not None
            await asyncio.sleep(10)
            ahead = len(made)
            while not answered.stream.is_complete:
                await answered.stream.read()
            await answered.stream.aclose()
            return ahead

    assert run(ask()) <= 2 * MAX_AHEAD + 1
    assert len(made) == 10 * MAX_AHEAD


def test_what_arrives_together_is_read_together() -> None:
    async def ask() -> list[int]:
        async with routing_to(scripted("a", "b", "c", 1.0, "d")) as asking:
            answered = await asking.ask(stream=True)
            assert answered.stream is not None
            sizes = []
            while not answered.stream.is_complete:
                sizes.append(len(await answered.stream.read()))
            await answered.stream.aclose()
            return sizes

    assert run(ask()) == [3, 1, 1]


# Replayed streams


def test_a_replayed_stream_says_the_same() -> None:
    """Its usage and its text, and no second choice."""

    async def ask() -> list[Any]:
        async with routing_to(Second) as asking:
            return [json.loads(chunk.data) for chunk in await asking.streamed()]

    message, end, usage = run(ask())
    assert message["choices"][0]["delta"] == {"role": "assistant", "content": "second"}
    assert end["choices"][0]["finish_reason"] == "stop"
    assert usage["usage"]["total_tokens"] == 5


def test_an_answer_that_cannot_be_replayed_is_a_failure() -> None:
    async def ask() -> str:
        async with routing_to(returning(Completion(b"not JSON")), Second) as asking:
            return await attempts(asking, stream=True)

    assert run(ask()) == "p0;error=bad_response, p1;ok"
