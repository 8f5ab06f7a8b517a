"""Circuits, load and speed: what recent traffic shows about a provider's model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llms_core.config.model import Breaker
from llms_core.errors import ErrorKind, ProviderError
from llms_core.routing.circuit import Health, State
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
def health(watch: Watch) -> Health:
    return Health(Breaker(failures=3, cooldown=30), watch)


@pytest.fixture
def state(health: Health) -> State:
    return health.state("groq", "llama")


def fail(health: Health, state: State, kind: ErrorKind = ErrorKind.OVERLOADED, wait: float | None = None) -> None:
    health.begin(state)
    health.failed(state, ProviderError(kind, "x", retry_after=wait))


def succeed(health: Health, state: State, latency: float = 1.0) -> None:
    health.begin(state)
    health.succeeded(state, latency)


def circuit(health: Health) -> object:
    return health.snapshot()[0]["circuit"]


# The breaker


def test_a_circuit_is_closed_at_first(health: Health, state: State) -> None:
    assert health.allows(state)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_circuit_opens_after_so_many_failures_in_a_row(health: Health, state: State, kind: ErrorKind) -> None:
    """SR-072: a provider that keeps failing is skipped."""
    fail(health, state, kind)
    fail(health, state, kind)
    assert health.allows(state)
    fail(health, state, kind)
    assert not health.allows(state)


def test_only_consecutive_failures_count(health: Health, state: State) -> None:
    for _ in range(5):
        fail(health, state)
        fail(health, state)
        succeed(health, state)
    assert health.allows(state)


@pytest.mark.parametrize("kind", NOT_ITS_FAULT)
def test_failures_that_are_not_the_providers_fault_do_not_count(health: Health, state: State, kind: ErrorKind) -> None:
    """SR-059, SR-068: neither an invalid request nor a client that disconnected."""
    for _ in range(10):
        fail(health, state, kind)
    assert health.allows(state)


def test_a_disconnected_client_does_not_count(health: Health, state: State) -> None:
    """SR-059."""
    for _ in range(10):
        health.begin(state)
        health.gave_up(state)
    assert (health.allows(state), state.failures, state.in_flight) == (True, 0, 0)


def test_a_delay_requested_by_the_provider_opens_the_circuit_at_once(
    health: Health, state: State, watch: Watch
) -> None:
    """SR-064: for as long as it requests."""
    fail(health, state, ErrorKind.RATE_LIMIT, wait=7)
    watch.now += 6.9
    assert not health.allows(state)
    watch.now += 0.1
    assert health.allows(state)


def test_a_delay_has_a_bound(health: Health, state: State, watch: Watch) -> None:
    """A mistaken value does not exclude the provider for a month."""
    fail(health, state, ErrorKind.RATE_LIMIT, wait=1e7)
    watch.now += 3600
    assert health.allows(state)


def test_a_shorter_delay_does_not_cut_a_longer_one(health: Health, state: State, watch: Watch) -> None:
    """Two answers may be on their way at once."""
    fail(health, state, ErrorKind.RATE_LIMIT, wait=60)
    fail(health, state, ErrorKind.RATE_LIMIT, wait=1)
    watch.now += 59
    assert not health.allows(state)


def opened(health: Health, state: State) -> None:
    for _ in range(3):
        fail(health, state)


def test_an_open_circuit_allows_one_probe_after_its_cooldown(health: Health, state: State, watch: Watch) -> None:
    opened(health, state)
    watch.now += 29.9
    assert not health.allows(state)
    watch.now += 0.1
    assert health.allows(state)
    health.begin(state)
    assert not health.allows(state)


def test_a_probe_that_succeeds_closes_the_circuit(health: Health, state: State, watch: Watch) -> None:
    opened(health, state)
    watch.now += 30
    succeed(health, state)
    fail(health, state)
    assert health.allows(state)


def test_a_probe_that_fails_opens_it_again_at_once(health: Health, state: State, watch: Watch) -> None:
    opened(health, state)
    watch.now += 30
    fail(health, state)
    watch.now += 29.9
    assert not health.allows(state)
    watch.now += 0.1
    assert health.allows(state)


def test_a_probe_whose_client_disconnects_makes_room_for_another(health: Health, state: State, watch: Watch) -> None:
    """SR-059."""
    opened(health, state)
    watch.now += 30
    health.begin(state)
    health.gave_up(state)
    assert health.allows(state)


def test_each_model_of_each_provider_has_its_own_circuit(health: Health) -> None:
    opened(health, health.state("groq", "llama"))
    assert health.allows(health.state("groq", "kimi"))
    assert health.allows(health.state("cerebras", "llama"))
    assert not health.allows(health.state("groq", "llama"))


def test_the_breaker_can_change_while_the_gateway_runs(health: Health, state: State) -> None:
    """SR-092."""
    fail(health, state)
    health.breaker = Breaker(failures=2, cooldown=30)
    fail(health, state)
    assert not health.allows(state)


# What is known


def test_states_are_reported(health: Health, state: State, watch: Watch) -> None:
    fail(health, state)
    health.begin(state)
    expected = {"provider": "groq", "model": "llama", "circuit": "closed", "failures": 1, "in_flight": 1}
    assert health.snapshot() == [expected]


def test_the_state_of_a_circuit_is_reported(health: Health, state: State, watch: Watch) -> None:
    opened(health, state)
    assert circuit(health) == "open"
    watch.now += 30
    assert circuit(health) == "half-open"
    succeed(health, state)
    assert circuit(health) == "closed"


def test_removed_providers_are_forgotten(health: Health) -> None:
    """SR-092: states do not accumulate."""
    opened(health, health.state("groq", "llama"))
    opened(health, health.state("cerebras", "llama"))
    health.forget({"cerebras", "new"})
    assert [circuit["provider"] for circuit in health.snapshot()] == ["cerebras"]
    assert health.allows(health.state("groq", "llama"))


def test_speed_is_a_moving_average(health: Health, state: State) -> None:
    """SR-078: one slow answer does not make a slow provider."""
    assert state.latency is None
    succeed(health, state, 1.0)
    assert state.latency == 1.0
    succeed(health, state, 2.0)
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
