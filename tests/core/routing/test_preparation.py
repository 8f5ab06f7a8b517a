"""`prepare`: once for all who wait, until its time is over, and again after the provider refused it."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from adapter_router import Asking, routing_to, text_of_chunks
from clock import Clock

from llms_core.config.model import ProviderTimeouts, Timeouts, Upstream
from llms_core.contracts.building import completion as whole_completion
from llms_core.contracts.completion import Completion
from llms_core.contracts.embeddings import EmbeddingRules
from llms_core.contracts.embeddings import decode as decode_embeddings
from llms_core.contracts.request import ChatCall
from llms_core.errors import AllProvidersFailed, ErrorKind, ProviderError
from llms_core.openai_compatible import OpenAICompatible
from llms_core.operations.count_tokens import COUNT_TOKENS
from llms_core.operations.embeddings import EMBEDDINGS
from llms_core.provider import AdapterHttp, ProviderSettings, ProviderSpec, UpstreamRequest
from llms_core.routing.discovery import discover_models
from llms_core.routing.trace import RequestTrace
from llms_core.secret import redact
from llms_core.testing import (
    Reply,
    ScriptedUpstream,
    Seen,
    completion,
    embeddings,
    error,
    json_body,
)
from llms_core.upstream.engine import create_transport

HOUR = 3600.0


def run(coroutine: Any) -> Any:
    """Run with a clock that jumps."""
    with asyncio.Runner(loop_factory=Clock) as runner:
        return runner.run(coroutine)


def now() -> float:
    return asyncio.get_running_loop().time()


# Without a network: when it runs, and who waits for it


class Local:
    """Takes a second to become ready, and stays so for an hour; answers with the number of its last run."""

    lasts: Any = HOUR
    takes = 1.0

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings):
        #: When each run began, and what is to be raised by it.
        self.runs: list[float] = []
        self.failures: dict[int, BaseException] = {}
        self.refused: set[int] = set()
        self.ready = -1
        self.takes = type(self).takes
        self.lasts = type(self).lasts

    async def prepare(self, http: AdapterHttp) -> Any:
        number = len(self.runs)
        self.runs.append(now())
        await asyncio.sleep(self.takes)
        if number in self.failures:
            raise self.failures[number]
        self.ready = number
        return self.lasts

    async def generate(self, call: ChatCall, http: AdapterHttp) -> Completion:
        used = self.ready
        await asyncio.sleep(0.1)
        if used in self.refused:
            raise ProviderError(ErrorKind.AUTH, "the token has expired", status=401)
        return whole_completion(call, content=str(used), finish_reason="stop", usage=None)


class EachTime(Local):
    lasts = None


class Second:
    def __init__(self, spec: ProviderSpec, settings: ProviderSettings):
        pass

    async def generate(self, call: ChatCall, http: AdapterHttp) -> Completion:
        return whole_completion(call, content="second", finish_reason="stop", usage=None)


async def attempts(asking: Asking, **members: Any) -> str:
    """`x-llms-attempts` of a request."""
    trace = RequestTrace()
    answered = await asking.ask(trace, **members)
    if answered.stream is not None:
        await answered.stream.aclose()
    assert answered.candidate is not None
    return trace.attempts_header(answered.candidate.provider_id)


async def errors(asking: Asking) -> list[ProviderError]:
    with pytest.raises(AllProvidersFailed) as caught:
        await asking.ask()
    return list(caught.value.errors)


def test_concurrent_requests_share_one_run() -> None:
    async def ask() -> tuple[set[str], list[float]]:
        async with routing_to(Local) as asking:
            texts = await asyncio.gather(*(asking.text() for _ in range(50)))
            return set(texts), asking.adapter(0).runs

    assert run(ask()) == ({"0"}, [0.0])


def test_one_that_leaves_does_not_end_it_for_the_others() -> None:
    """Not even the one for which it began."""

    async def ask() -> tuple[str, list[float]]:
        async with routing_to(Local) as asking:
            first = asyncio.ensure_future(asking.ask())
            await asyncio.sleep(0.5)
            second = asyncio.ensure_future(asking.text())
            await asyncio.sleep(0.1)
            first.cancel()
            return await second, asking.adapter(0).runs

    assert run(ask()) == ("0", [0.0])


def test_its_result_is_used_even_if_all_have_left() -> None:
    async def ask() -> list[float]:
        async with routing_to(Local) as asking:
            first = asyncio.ensure_future(asking.ask())
            await asyncio.sleep(0.5)
            first.cancel()
            await asyncio.sleep(1)
            await asking.text()
            runs: list[float] = asking.adapter(0).runs
            return runs

    assert run(ask()) == [0.0]


def test_all_who_wait_get_its_failure_and_the_next_one_tries_again() -> None:
    """Each gets an error of its own, because routing adds to it what happened to each."""

    async def ask() -> tuple[list[ProviderError], str]:
        async with routing_to(Local) as asking:
            asking.adapter(0).failures[0] = ProviderError(
                ErrorKind.NETWORK, "no such host", status=418, code="x"
            )
            found = [each for (each,) in await asyncio.gather(*(errors(asking) for _ in range(3)))]
            return found, await asking.text()

    found, text = run(ask())
    assert [(each.kind, each.message, each.status, each.code) for each in found] == [
        (ErrorKind.NETWORK, "no such host", 418, "x")
    ] * 3
    assert len({id(each) for each in found}) == 3
    assert text == "1"


@pytest.mark.parametrize(
    "failure", [KeyError("x"), SystemExit(), asyncio.CancelledError(), GeneratorExit()], ids=repr
)
def test_whatever_it_raises_is_a_failure_of_its_provider(failure: BaseException) -> None:
    async def ask() -> str:
        async with routing_to(Local, Second) as asking:
            asking.adapter(0).failures[0] = failure
            return await attempts(asking)

    assert run(ask()) == "p0;error=bad_response, p1;ok"


def hasty(**limits: float) -> Timeouts:
    return Timeouts(provider={"p0": ProviderTimeouts(**limits)})


def test_it_has_a_deadline_of_its_own() -> None:
    """Whoever began it may have left, and nobody else would end it. The next request begins another."""

    async def ask() -> tuple[list[str], float, str]:
        async with routing_to(Local, timeouts=hasty(first_token=7.0)) as asking:
            adapter = asking.adapter(0)
            adapter.takes = 1000.0
            first = asyncio.ensure_future(asking.ask())
            await asyncio.sleep(0.5)
            first.cancel()
            messages = [str(each) for each in await errors(asking)]
            ended = now()
            adapter.takes = 1.0
            return messages, ended, await asking.text()

    messages, ended, text = run(ask())
    assert messages == ["The provider could not be made ready within 7 s"]
    assert ended == pytest.approx(7.0, abs=0.1)
    assert text == "1"


def test_a_request_waits_no_longer_than_its_attempt_may_take() -> None:
    """While another candidate remains, an attempt has less time than the run."""

    async def ask() -> tuple[str, float]:
        async with routing_to(Local, Second, timeouts=Timeouts(total=20.0)) as asking:
            asking.adapter(0).takes = 15.0
            return await attempts(asking), now()

    found, ended = run(ask())
    assert found == "p0;error=timeout, p1;ok"
    assert ended == pytest.approx(10.0, abs=0.2)


@pytest.mark.parametrize("ignores", [1, 2])
def test_a_run_that_ignores_its_cancellation_does_not_hold_up_the_next(ignores: int) -> None:
    class Stubborn(Local):
        async def prepare(self, http: AdapterHttp) -> Any:
            self.runs.append(now())
            if len(self.runs) > 1:
                return self.lasts
            while True:
                try:
                    await asyncio.sleep(1000)
                except asyncio.CancelledError:
                    continue

    async def ask() -> str:
        async with routing_to(Stubborn, timeouts=hasty(first_token=2.0)) as asking:
            await errors(asking)
            return await asking.text()

    assert run(ask()) == "-1"


@pytest.mark.parametrize(
    ("lasts", "good", "renewed"),
    [(HOUR, HOUR - 10, HOUR - 300), (100.0, 95.0, 80.0), (1e6, 1e6 - 10, 1e6 - 300)],
)
def test_it_runs_again_somewhat_before_its_time_is_over(
    lasts: float, good: float, renewed: float
) -> None:
    """Until it is due, nothing runs. Then it is renewed beside a request, and at the end before it."""

    async def texts_at(*times: float) -> list[str]:
        async with routing_to(Local) as asking:
            adapter = asking.adapter(0)
            adapter.lasts = lasts
            await asking.text()
            found = []
            for moment in times:
                await asyncio.sleep(moment - now())
                found.append(await asking.text())
            return found

    assert run(texts_at(renewed - 1, renewed + 1, renewed + 3)) == ["0", "0", "1"]
    assert run(texts_at(good - 1)) == ["0"]
    assert run(texts_at(good + 1)) == ["1"]


def test_a_request_does_not_wait_while_it_is_renewed() -> None:
    async def ask() -> float:
        async with routing_to(Local) as asking:
            await asking.text()
            await asyncio.sleep(HOUR - 100)
            started = now()
            asking.adapter(0).takes = 50.0
            await asyncio.gather(*(asking.text() for _ in range(10)))
            assert len(asking.adapter(0).runs) == 2
            return now() - started

    assert run(ask()) == pytest.approx(0.1)


def test_a_renewal_that_fails_is_tried_again_while_the_last_one_is_good(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Not by each request, and no request fails."""

    async def ask() -> tuple[int, str]:
        async with routing_to(Local) as asking:
            adapter = asking.adapter(0)
            adapter.failures = {1: ProviderError(ErrorKind.OVERLOADED, "full")}
            await asking.text()
            await asyncio.sleep(HOUR - 200)
            for _ in range(20):
                await asking.text()
            runs = len(adapter.runs)
            await asyncio.sleep(6)
            await asking.text()
            await asyncio.sleep(2)
            return runs, await asking.text()

    assert run(ask()) == (2, "2")
    assert (
        "`prepare` of p0 failed, and is tried again while the last one is still good: full"
        in caplog.text
    )


def test_without_a_time_it_runs_before_each_request() -> None:
    """Requests that come together share a run."""

    async def ask() -> list[str]:
        async with routing_to(EachTime) as asking:
            both = await asyncio.gather(asking.text(), asking.text())
            return [*both, await asking.text(), await asking.text()]

    assert run(ask()) == ["0", "0", "1", "2"]


@pytest.mark.parametrize("lasts", [0, -1.0, 0.0])
def test_no_time_at_all_is_a_run_for_each_request(lasts: float) -> None:
    async def ask() -> list[str]:
        async with routing_to(Local) as asking:
            asking.adapter(0).lasts = lasts
            return [await asking.text(), await asking.text()]

    assert run(ask()) == ["0", "1"]


@pytest.mark.parametrize("lasts", [10**400, float("inf")], ids=["a huge number", "infinity"])
def test_a_number_of_any_size_is_a_time(lasts: float) -> None:
    async def ask() -> list[str]:
        async with routing_to(Local) as asking:
            asking.adapter(0).lasts = lasts
            first = await asking.text()
            await asyncio.sleep(1e6)
            return [first, await asking.text()]

    assert run(ask()) == ["0", "0"]


@pytest.mark.parametrize("lasts", ["3600", True, float("nan"), [], b"1"], ids=repr)
def test_what_is_no_time_is_a_mistake_that_is_named(lasts: object) -> None:
    async def ask() -> list[str]:
        async with routing_to(Local) as asking:
            asking.adapter(0).lasts = lasts
            return [str(each) for each in await errors(asking)]

    expected = f"The adapter 'p0' failed: `prepare` returned {lasts!r} in place of a number of seconds, or None"
    assert run(ask()) == [expected]


# With and without the parameter


def without(self: Local) -> Any:
    """As adapters of the first release have it."""
    return Local.prepare(self, None)  # type: ignore[arg-type]


async def without_but_default(self: Local, force: bool = False) -> Any:
    assert not force
    return await Local.prepare(self, None)  # type: ignore[arg-type]


async def with_default(self: Local, http: AdapterHttp | None = None) -> Any:
    assert http is not None
    return await Local.prepare(self, http)


async def with_another_name(self: Local, client: AdapterHttp) -> Any:
    return await Local.prepare(self, client)


async def with_any(self: Local, *arguments: Any) -> Any:
    assert len(arguments) == 1
    return await Local.prepare(self, *arguments)


@pytest.mark.parametrize(
    "function", [without, without_but_default, with_default, with_another_name, with_any]
)
def test_it_may_leave_out_the_client(function: Callable[..., Any]) -> None:
    adapter = type("Adapter", (Local,), {"prepare": function})

    async def ask() -> list[str]:
        async with routing_to(adapter) as asking:
            return [await asking.text(), await asking.text()]

    assert run(ask()) == ["0", "0"]


def test_it_may_be_a_partial_function() -> None:
    class Partial(Local):
        def __init__(self, spec: ProviderSpec, settings: ProviderSettings):
            super().__init__(spec, settings)
            self.prepare = functools.partial(Local.prepare, self)  # type: ignore[method-assign]

    async def ask() -> str:
        async with routing_to(Partial) as asking:
            return await asking.text()

    assert run(ask()) == "0"


def test_one_that_is_not_async_is_a_mistake_that_is_named() -> None:
    adapter = type("Adapter", (Local,), {"prepare": lambda self, http: HOUR})

    async def ask() -> list[str]:
        async with routing_to(adapter) as asking:
            return [str(each) for each in await errors(asking)]

    assert run(ask()) == [
        "The adapter 'p0' failed: `prepare` returned a float; it has to be an `async def`"
    ]


# After a refusal


def test_a_refused_preparation_is_renewed_and_the_request_repeated_once() -> None:
    """The refusal is an attempt of its own, which does not count against the provider's circuit."""

    async def ask() -> tuple[str, int]:
        async with routing_to(Local, Second) as asking:
            asking.adapter(0).refused = {0}
            found = await attempts(asking)
            return found, asking.router.models.find("m")[0].circuit.failures

    assert run(ask()) == ("p0;error=auth;status=401, p0;ok", 0)


def test_after_a_second_refusal_the_next_provider_is_tried() -> None:
    async def ask() -> tuple[str, int, int]:
        async with routing_to(Local, Second) as asking:
            asking.adapter(0).refused = {0, 1, 2, 3}
            found = await attempts(asking)
            return (
                found,
                len(asking.adapter(0).runs),
                asking.router.models.find("m")[0].circuit.failures,
            )

    assert run(ask()) == ("p0;error=auth;status=401, p0;error=auth;status=401, p1;ok", 2, 1)


def test_a_failed_renewal_after_a_refusal_leads_to_the_next_provider() -> None:
    async def ask() -> str:
        async with routing_to(Local, Second) as asking:
            asking.adapter(0).refused = {0}
            asking.adapter(0).failures = {
                1: ProviderError(ErrorKind.AUTH, "the key is wrong", status=401)
            }
            return await attempts(asking)

    assert run(ask()) == "p0;error=auth;status=401, p0;error=auth;status=401, p1;ok"


def test_many_refusals_at_once_are_one_renewal() -> None:
    async def ask() -> tuple[set[str], int]:
        async with routing_to(Local) as asking:
            asking.adapter(0).refused = {0}
            texts = await asyncio.gather(*(asking.text() for _ in range(20)))
            return set(texts), len(asking.adapter(0).runs)

    assert run(ask()) == ({"1"}, 2)


def test_a_late_refusal_does_not_renew_what_another_request_has_renewed() -> None:
    class Slow(Local):
        """Refuses the second request long after the first."""

        async def generate(self, call: ChatCall, http: AdapterHttp) -> Completion:
            used = self.ready
            await asyncio.sleep(50 if call.request.seed else 0)
            if used in self.refused:
                raise ProviderError(ErrorKind.AUTH, "the token has expired", status=401)
            return whole_completion(call, content=str(used), finish_reason="stop", usage=None)

    async def ask() -> tuple[list[str], int]:
        async with routing_to(Slow) as asking:
            asking.adapter(0).refused = {0}
            texts = list(await asyncio.gather(asking.text(), asking.text(seed=1)))
            return texts, len(asking.adapter(0).runs)

    assert run(ask()) == (["1", "1"], 2)


def test_what_runs_before_each_request_is_not_repeated() -> None:
    """The refused one was as new as it can be."""

    async def ask() -> str:
        async with routing_to(EachTime, Second) as asking:
            asking.adapter(0).refused = {0}
            return await attempts(asking)

    assert run(ask()) == "p0;error=auth;status=401, p1;ok"


def test_any_other_refusal_is_no_reason_to_renew_it() -> None:
    class Forbidden(Local):
        async def generate(self, call: ChatCall, http: AdapterHttp) -> Completion:
            raise ProviderError(ErrorKind.PERMISSION, "no", status=403)

    async def ask() -> tuple[str, int]:
        async with routing_to(Forbidden, Second) as asking:
            return await attempts(asking), len(asking.adapter(0).runs)

    assert run(ask()) == ("p0;error=permission;status=403, p1;ok", 1)


# With a network: what it is for


class Token(msgspec.Struct):
    access_token: str
    expires_in: float


class Exchanging(OpenAICompatible):
    """Exchanges its key for a token."""

    async def prepare(self, http: AdapterHttp) -> float:
        request = UpstreamRequest(
            url=f"{self.base_url}/token", headers={"x-key": "key-of-the-account"}
        )
        token = (await http.send(request)).json(Token)
        self.api_key = http.secret(token.access_token)
        return token.expires_in

    def count_request(self, call: ChatCall) -> UpstreamRequest:
        return UpstreamRequest(url=f"{self.base_url}/count", headers=self.headers())

    def token_count(self, call: ChatCall, body: bytes) -> int:
        return int(json.loads(body)["count"])


def answers(seen: Seen) -> Reply:
    """What the provider answers to whom it knows."""
    if seen.path.endswith("/embeddings"):
        return embeddings()
    if seen.path.endswith("/count"):
        return json_body({"count": 7})
    if seen.path.endswith("/models"):
        return json_body({"data": [{"id": "found"}]})
    return completion("Hello")


def token_endpoint(upstream: ScriptedUpstream, *, expired: int = 0) -> list[str]:
    """Hand out numbered tokens, of which the first ones are refused; return those that were handed out."""
    handed_out: list[str] = []

    def answer(seen: Seen) -> Reply:
        if seen.path.endswith("/token"):
            handed_out.append(f"token-number-{len(handed_out)}")
            return json_body({"access_token": handed_out[-1], "expires_in": HOUR})
        if seen.headers.get("authorization") not in [
            f"Bearer {token}" for token in handed_out[expired:]
        ]:
            return error(401)
        return answers(seen)

    upstream.routes.clear()
    upstream.default = Reply(answer)
    return handed_out


EMBEDDING = {"paths": {"embeddings": "/embeddings"}, "embeddings": EmbeddingRules(max_inputs=1)}


async def a_completion(asking: Asking) -> str:
    return await asking.text()


async def a_stream(asking: Asking) -> str:
    return text_of_chunks(await asking.streamed())


async def split_embeddings(asking: Asking) -> int:
    body = decode_embeddings(b'{"model": "m", "input": ["a", "b", "c", "d", "e", "f"]}')
    answered = await asking.router.answer(RequestTrace(), EMBEDDINGS, body)
    answer: Any = answered.answer
    return len(answer.vectors)


async def a_count(asking: Asking) -> int:
    answered = await asking.router.answer(RequestTrace(), COUNT_TOKENS, asking.body())
    answer: Any = answered.answer
    return 0 if answer.is_estimate else int(answer.tokens)


async def the_models(asking: Asking) -> list[str]:
    transport = create_transport(Upstream())
    try:
        found = await discover_models(transport, [asking.discovering(0)], asking.preparations)
    finally:
        await transport.aclose()
    models = found["p0"]
    assert not isinstance(models, str), models
    return [model.upstream for model in models]


OPERATIONS: dict[str, tuple[Callable[[Asking], Any], Any]] = {
    "a completion": (a_completion, "Hello"),
    "a stream": (a_stream, "Hello"),
    "embeddings in parts": (split_embeddings, 6),
    "a count of tokens": (a_count, 7),
    "the list of models": (the_models, ["found"]),
}


@pytest.mark.parametrize("expired", [0, 1], ids=["accepted", "refused"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_token_is_exchanged_for_every_operation(
    upstream: ScriptedUpstream, operation: str, expired: int
) -> None:
    handed_out = token_endpoint(upstream, expired=expired)
    ask, expected = OPERATIONS[operation]

    async def both() -> list[Any]:
        async with routing_to(Exchanging, base_url=upstream.base_url, spec=EMBEDDING) as asking:
            return [await ask(asking), await a_completion(asking)]

    assert asyncio.run(both()) == [expected, "Hello"]
    assert len(handed_out) == 1 + expired


def test_neither_the_key_nor_a_token_is_shown(
    upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in an error either that repeats them."""
    repeated = "you sent key-of-the-account and the token token-number-9 is void"
    upstream.default = Reply(
        lambda seen: (
            json_body({"access_token": "token-number-9", "expires_in": HOUR})
            if seen.path.endswith("/token")
            else error(400, message=repeated)
        )
    )

    async def ask() -> list[str]:
        async with routing_to(Exchanging, base_url=upstream.base_url) as asking:
            trace = RequestTrace()
            with pytest.raises(AllProvidersFailed) as caught:
                await asking.ask(trace)
            return [caught.value.errors[0].message, trace.attempts[0].message]

    shown = ["you sent *** and the token *** is void"] * 2
    assert asyncio.run(ask()) == shown
    assert "token-number-9" not in redact(caplog.text)


def test_an_error_of_the_token_endpoint_is_one_of_the_provider(upstream: ScriptedUpstream) -> None:
    """It is not taken for a token that was refused."""
    upstream.default = error(401)

    async def ask() -> list[Any]:
        async with routing_to(Exchanging, base_url=upstream.base_url) as asking:
            with pytest.raises(AllProvidersFailed) as caught:
                await asking.ask()
            return [each.kind for each in caught.value.errors]

    assert asyncio.run(ask()) == [ErrorKind.AUTH]
    assert len(upstream.requests) == 1
