"""What recent traffic says of each provider's model: circuit breaker, load and speed. Per process."""

from __future__ import annotations

import time
from collections.abc import Callable

from llms_core.config.model import Breaker
from llms_core.errors import ErrorKind, ProviderError

_NOT_ITS_FAULT = frozenset(
    {ErrorKind.INVALID_REQUEST, ErrorKind.CONTEXT_LENGTH, ErrorKind.CONTENT_POLICY, ErrorKind.CANCELLED}
)
_LONGEST = 3600.0
_WEIGHT = 0.2


class State:
    """One (provider, model). `latency` is a moving average of seconds to the first token; None until there was one."""

    __slots__ = ("failures", "in_flight", "latency", "open_until", "probing")

    def __init__(self) -> None:
        self.failures = self.in_flight = 0
        self.open_until = 0.0
        self.latency: float | None = None
        self.probing = False


class Health:
    """The states of all, by (provider id, upstream model); `clock` gives seconds."""

    def __init__(self, breaker: Breaker | None = None, clock: Callable[[], float] = time.monotonic):
        self.breaker, self.clock = breaker or Breaker(), clock
        self._states: dict[tuple[str, str], State] = {}

    def state(self, provider: str, model: str) -> State:
        """The state of one, made at its first use."""
        key = (provider, model)
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = State()
        return state

    def allows(self, state: State) -> bool:
        """Whether the circuit is closed, or half-open with its one probe still to be sent."""
        if not state.open_until:
            return True
        return not state.probing and self.clock() >= state.open_until

    def begin(self, state: State) -> None:
        """An attempt begins; on a circuit that was open it is the probe."""
        state.in_flight += 1
        if state.open_until:
            state.probing = True

    def succeeded(self, state: State, latency: float) -> None:
        """An attempt was answered, its first token after `latency` seconds: the circuit closes."""
        state.in_flight -= 1
        state.failures, state.open_until, state.probing = 0, 0.0, False
        state.latency = latency if state.latency is None else state.latency + _WEIGHT * (latency - state.latency)

    def failed(self, state: State, error: ProviderError) -> None:
        """An attempt failed: the circuit opens after enough in a row, or for as long as the provider asks."""
        self.gave_up(state)
        if error.kind in _NOT_ITS_FAULT:
            return
        state.failures += 1
        if error.retry_after:
            state.open_until = max(state.open_until, self.clock() + min(error.retry_after, _LONGEST))
        elif state.open_until or state.failures >= self.breaker.failures:
            state.open_until = self.clock() + self.breaker.cooldown

    def gave_up(self, state: State) -> None:
        """An attempt ended without a word on the provider."""
        state.in_flight -= 1
        state.probing = False

    def forget(self, providers: set[str]) -> None:
        """Drop the states of providers that are configured no more."""
        for key in [key for key in self._states if key[0] not in providers]:
            del self._states[key]

    def snapshot(self) -> list[dict[str, object]]:
        """Every state, for `/ready`: provider, model, circuit, failures in a row, requests in flight."""
        return [
            {
                "provider": provider,
                "model": model,
                "circuit": "closed" if not state.open_until else ("half-open" if self.allows(state) else "open"),
                "failures": state.failures,
                "in_flight": state.in_flight,
            }
            for (provider, model), state in self._states.items()
        ]
