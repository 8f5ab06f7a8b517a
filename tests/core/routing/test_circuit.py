"""Circuits, load and speed: what recent traffic shows about a provider's model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llms_core.candidate import Circuit
from llms_core.config.model import Breaker
from llms_core.errors import ErrorKind, ProviderError
from llms_core.routing.circuit import CircuitBreaker
from llms_core.testing import Close, Reply, completion, error, events

if TYPE_CHECKING:
    from tests.core.routing.conftest import MakeChain

FAULTS = (
    ErrorKind.AUTH,
    ErrorKind.PERMISSION,
    ErrorKind.QUOTA,
    ErrorKind.RATE_LIMIT,
    ErrorKind.OVERLOADED,
    ErrorKind.TIMEOUT,
    ErrorKind.NETWORK,
    ErrorKind.MODEL_NOT_FOUND,
    ErrorKind.BAD_RESPONSE,
)
NOT_ITS_FAULT = (
    ErrorKind.INVALID_REQUEST,
    ErrorKind.CONTEXT_LENGTH,
    ErrorKind.CONTENT_POLICY,
    ErrorKind.CANCELLED,
)


class Watch:
    """A clock that the test controls."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def breaker(watch: Watch) -> CircuitBreaker:
    return CircuitBreaker(Breaker(failures=3, cooldown=30), watch)


@pytest.fixture
def state(breaker: CircuitBreaker) -> Circuit:
    return breaker.circuit("groq", "llama", "chat")


def fail(
    breaker: CircuitBreaker,
    state: Circuit,
    kind: ErrorKind = ErrorKind.OVERLOADED,
    wait: float | None = None,
    seconds: float = 0.0,
) -> None:
    breaker.attempt_started(state)
    breaker.attempt_failed(state, ProviderError(kind, "x", retry_after=wait), seconds)


def succeed(breaker: CircuitBreaker, state: Circuit, latency: float = 1.0) -> None:
    breaker.attempt_started(state)
    breaker.attempt_succeeded(state, latency)


def state_name(breaker: CircuitBreaker) -> object:
    return breaker.snapshot()[0]["circuit"]


# The breaker


def test_a_circuit_is_closed_at_first(breaker: CircuitBreaker, state: Circuit) -> None:
    assert breaker.allows(state)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_circuit_opens_after_so_many_failures_in_a_row(
    breaker: CircuitBreaker, state: Circuit, kind: ErrorKind
) -> None:
    """SR-072: a provider that keeps failing is skipped."""
    fail(breaker, state, kind)
    fail(breaker, state, kind)
    assert breaker.allows(state)
    fail(breaker, state, kind)
    assert not breaker.allows(state)


def test_only_consecutive_failures_count(breaker: CircuitBreaker, state: Circuit) -> None:
    for _ in range(5):
        fail(breaker, state)
        fail(breaker, state)
        succeed(breaker, state)
    assert breaker.allows(state)


@pytest.mark.parametrize("kind", NOT_ITS_FAULT)
def test_failures_that_are_not_the_providers_fault_do_not_count(
    breaker: CircuitBreaker, state: Circuit, kind: ErrorKind
) -> None:
    """SR-059, SR-068: neither an invalid request nor a client that disconnected."""
    for _ in range(10):
        fail(breaker, state, kind)
    assert breaker.allows(state)


def test_a_disconnected_client_does_not_count(breaker: CircuitBreaker, state: Circuit) -> None:
    """SR-059."""
    for _ in range(10):
        breaker.attempt_started(state)
        breaker.attempt_abandoned(state)
    assert (breaker.allows(state), state.failures, state.in_flight) == (True, 0, 0)


def test_a_protocol_is_forgotten_after_an_hour(
    breaker: CircuitBreaker, state: Circuit, watch: Watch
) -> None:
    """The server may have got the other one since, or have lacked it by mistake."""
    breaker.learn_protocol(state, "other")
    watch.now += 3599
    assert breaker.protocol(state) == "other"
    watch.now += 1
    assert breaker.protocol(state) == ""


def test_a_delay_requested_by_the_provider_opens_the_circuit_at_once(
    breaker: CircuitBreaker, state: Circuit, watch: Watch
) -> None:
    """SR-064: for as long as it requests."""
    fail(breaker, state, ErrorKind.RATE_LIMIT, wait=7)
    watch.now += 6.9
    assert not breaker.allows(state)
    watch.now += 0.1
    assert breaker.allows(state)


def test_a_delay_has_a_bound(breaker: CircuitBreaker, state: Circuit, watch: Watch) -> None:
    """A mistaken value does not exclude the provider for a month."""
    fail(breaker, state, ErrorKind.RATE_LIMIT, wait=1e7)
    watch.now += 3600
    assert breaker.allows(state)


def test_a_shorter_delay_does_not_cut_a_longer_one(
    breaker: CircuitBreaker, state: Circuit, watch: Watch
) -> None:
    """Two answers may be on their way at once."""
    fail(breaker, state, ErrorKind.RATE_LIMIT, wait=60)
    fail(breaker, state, ErrorKind.RATE_LIMIT, wait=1)
    watch.now += 59
    assert not breaker.allows(state)


def opened(breaker: CircuitBreaker, state: Circuit) -> None:
    for _ in range(3):
        fail(breaker, state)


def test_an_open_circuit_allows_one_probe_after_its_cooldown(
    breaker: CircuitBreaker, state: Circuit, watch: Watch
) -> None:
    opened(breaker, state)
    watch.now += 29.9
    assert not breaker.allows(state)
    watch.now += 0.1
    assert breaker.allows(state)
    breaker.attempt_started(state)
    assert not breaker.allows(state)


def test_a_probe_that_succeeds_closes_the_circuit(
    breaker: CircuitBreaker, state: Circuit, watch: Watch
) -> None:
    opened(breaker, state)
    watch.now += 30
    succeed(breaker, state)
    fail(breaker, state)
    assert breaker.allows(state)


def test_a_probe_that_fails_opens_it_again_at_once(
    breaker: CircuitBreaker, state: Circuit, watch: Watch
) -> None:
    opened(breaker, state)
    watch.now += 30
    fail(breaker, state)
    watch.now += 37.4
    assert not breaker.allows(state)
    watch.now += 0.1
    assert breaker.allows(state)


def cooldowns(
    count: int, kind: ErrorKind = ErrorKind.OVERLOADED, seconds: float = 0.0
) -> list[float]:
    """Return how long a circuit stays open by default, after so many failed probes one after the other."""
    watch = Watch()
    breaker = CircuitBreaker(clock=watch)
    state = breaker.circuit("groq", "llama", "chat")
    for _ in range(breaker.settings.failures - 1):
        fail(breaker, state, kind, seconds=seconds)
    assert breaker.allows(state)
    lasted = []
    for _ in range(count):
        fail(breaker, state, kind, seconds=seconds)
        lasted.append(state.open_until - watch.now)
        watch.now = state.open_until
    return lasted


def test_a_cooldown_depends_on_what_a_probe_costs() -> None:
    """SR-072: short after failures that came at once, long after time-outs."""
    assert cooldowns(1) == [5]
    assert cooldowns(1, seconds=2.0) == [20]
    assert cooldowns(1, ErrorKind.TIMEOUT) == [30]
    assert cooldowns(1, ErrorKind.TIMEOUT, seconds=60.0) == [60]


@pytest.mark.parametrize("seconds", [0.0, 0.7, 60.0])
@pytest.mark.parametrize("kind", [ErrorKind.OVERLOADED, ErrorKind.TIMEOUT])
def test_a_cooldown_grows_with_each_failed_probe(kind: ErrorKind, seconds: float) -> None:
    """SR-072: between 5 s and 60 s."""
    lasted = cooldowns(1000, kind, seconds)
    assert lasted == sorted(lasted)
    assert min(lasted) >= 5
    assert lasted[-1] == 60


def test_a_success_makes_cooldowns_short_again(watch: Watch) -> None:
    """SR-072."""
    breaker = CircuitBreaker(clock=watch)
    state = breaker.circuit("groq", "llama", "chat")
    for _ in range(20):
        fail(breaker, state)
        watch.now = max(watch.now, state.open_until)
    succeed(breaker, state)
    for _ in range(5):
        fail(breaker, state)
    assert state.open_until - watch.now == 5


def test_attempts_that_began_before_the_circuit_opened_do_not_extend_it(
    breaker: CircuitBreaker, state: Circuit, watch: Watch
) -> None:
    """SR-072: a hundred requests that fail together are one outage."""
    for _ in range(100):
        fail(breaker, state)
    assert state.open_until - watch.now == 30


def test_a_longer_cooldown_than_the_longest_is_kept(watch: Watch) -> None:
    """SR-072: what the user sets."""
    breaker = CircuitBreaker(Breaker(failures=1, cooldown=100, longest=60), watch)
    state = breaker.circuit("groq", "llama", "chat")
    fail(breaker, state)
    assert state.open_until - watch.now == 100


def test_a_probe_whose_client_disconnects_makes_room_for_another(
    breaker: CircuitBreaker, state: Circuit, watch: Watch
) -> None:
    """SR-059."""
    opened(breaker, state)
    watch.now += 30
    breaker.attempt_started(state)
    breaker.attempt_abandoned(state)
    assert breaker.allows(state)


def test_each_model_of_each_provider_has_its_own_circuit(breaker: CircuitBreaker) -> None:
    opened(breaker, breaker.circuit("groq", "llama", "chat"))
    assert breaker.allows(breaker.circuit("groq", "kimi", "chat"))
    assert breaker.allows(breaker.circuit("cerebras", "llama", "chat"))
    assert not breaker.allows(breaker.circuit("groq", "llama", "chat"))


def test_operations_have_circuits_of_their_own(breaker: CircuitBreaker) -> None:
    """A provider that cannot embed with a model may well chat with it."""
    opened(breaker, breaker.circuit("groq", "llama", "embeddings"))
    assert breaker.allows(breaker.circuit("groq", "llama", "chat"))


def test_the_breaker_can_change_while_the_gateway_runs(
    breaker: CircuitBreaker, state: Circuit
) -> None:
    """SR-092."""
    fail(breaker, state)
    breaker.settings = Breaker(failures=2, cooldown=30)
    fail(breaker, state)
    assert not breaker.allows(state)


# What is known


def test_states_are_reported(breaker: CircuitBreaker, state: Circuit, watch: Watch) -> None:
    fail(breaker, state)
    breaker.attempt_started(state)
    expected = {
        "provider": "groq",
        "model": "llama",
        "operation": "chat",
        "circuit": "closed",
        "failures": 1,
        "in_flight": 1,
        "latency": None,
        "retry_in": None,
    }
    assert breaker.snapshot() == [expected]


def test_the_state_of_a_circuit_is_reported(
    breaker: CircuitBreaker, state: Circuit, watch: Watch
) -> None:
    opened(breaker, state)
    assert state_name(breaker) == "open"
    watch.now += 30
    assert state_name(breaker) == "half-open"
    succeed(breaker, state)
    assert state_name(breaker) == "closed"


def test_removed_providers_are_forgotten(breaker: CircuitBreaker) -> None:
    """SR-092: states do not accumulate."""
    opened(breaker, breaker.circuit("groq", "llama", "chat"))
    opened(breaker, breaker.circuit("cerebras", "llama", "chat"))
    breaker.keep_only({"cerebras", "new"})
    assert [circuit["provider"] for circuit in breaker.snapshot()] == ["cerebras"]
    assert breaker.allows(breaker.circuit("groq", "llama", "chat"))


def test_speed_is_a_moving_average(breaker: CircuitBreaker, state: Circuit) -> None:
    """SR-078: one slow answer does not make a slow provider."""
    assert state.latency is None
    succeed(breaker, state, 1.0)
    assert state.latency == 1.0
    succeed(breaker, state, 2.0)
    assert state.latency == pytest.approx(1.2)


# Through the server


def test_a_provider_with_an_open_circuit_is_skipped_and_named(chain: MakeChain) -> None:
    """SR-072: it costs no more time; the header has the reason."""
    both = chain(plugins="[routing.breaker]\nfailures = 2\n")
    both.upstreams[0].default = error(500)
    both.ask()
    both.ask()
    answer = both.ask()
    assert both.calls == [2, 3]
    assert answer.headers["x-llms-attempts"] == "first;skipped=circuit_open, second;ok"


def test_a_provider_that_requests_a_delay_is_skipped_at_once(chain: MakeChain) -> None:
    """SR-064: it gets no further requests meanwhile."""
    both = chain()
    both.upstreams[0].script(error(429, headers={"retry-after": "30"}))
    both.ask()
    assert both.ask().headers["x-llms-attempts"] == "first;skipped=circuit_open, second;ok"


def test_if_every_circuit_is_open_the_first_is_tried_anyway(chain: MakeChain) -> None:
    """SR-072: rather than refuse what might succeed."""
    both = chain()
    both.upstreams[0].script(error(429, headers={"retry-after": "30"}))
    both.upstreams[1].script(error(429, headers={"retry-after": "20"}))
    assert both.ask().status_code == 429
    assert both.ask().headers["x-llms-attempts"] == "second;skipped=circuit_open, first;ok"


def test_a_success_closes_the_circuit(chain: MakeChain) -> None:
    """SR-072."""
    one = chain(1, "[routing.retry]\nattempts = 0\n[routing.breaker]\nfailures = 1\n")
    one.upstreams[0].script(error(500), completion())
    one.ask()
    assert one.ready()["circuits"][0]["circuit"] == "open"
    one.ask()
    assert one.ready()["circuits"][0]["circuit"] == "closed"


def test_bad_requests_open_no_circuit(chain: MakeChain) -> None:
    """SR-068: one client's mistakes do not affect the others."""
    one = chain(1, "[routing.breaker]\nfailures = 1\n")
    one.upstreams[0].script(error(400), error(400))
    one.ask()
    one.ask()
    assert one.ask().status_code == 200


def test_a_stream_that_breaks_counts_against_its_provider(chain: MakeChain) -> None:
    """SR-058: after the first content too."""
    chunk = {"choices": [{"index": 0, "delta": {"content": "Hel"}}]}
    one = chain(1, "[routing.breaker]\nfailures = 1\n")
    one.upstreams[0].script(Reply(events(chunk), Close()))
    one.stream()
    assert one.ready()["circuits"][0]["circuit"] == "open"
