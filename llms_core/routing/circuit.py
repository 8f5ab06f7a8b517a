"""The circuit breaker: a provider's model that keeps failing is skipped for a while. State is per process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from llms_core.candidate import Circuit
from llms_core.config.model import Breaker
from llms_core.errors import ERROR_TABLE, ErrorKind, ProviderError
from llms_core.status import Measurement

#: The longest time, in seconds, for which a provider's Retry-After can open a circuit.
_MAX_OPEN_SECONDS = 3600.0
#: A cooldown is at least this many times as long as the attempt that failed: probes take little of clients' time.
_SECONDS_PER_SECOND_LOST = 10.0
#: What each failed probe multiplies the cooldown by: a recovery is noticed after about a quarter of the outage's time.
_GROWTH = 1.25
#: Seconds for which a model's protocol is remembered: a server may get the other one, or have lacked it by mistake.
_PROTOCOL_SECONDS = 3600.0
#: The weight of the latest attempt in the moving average of the latency.
_LATENCY_WEIGHT = 0.2


class CircuitKey(NamedTuple):
    """What a circuit belongs to."""

    provider_id: str
    upstream_model: str
    operation: str


class CircuitBreaker:
    """All circuits, and the rules by which they open and close.

    A circuit opens after `settings.failures` failures in a row, for a cooldown or for as long as the provider asks.
    After that it is half-open: one attempt is let through as a probe, and its result closes the circuit or opens it
    again.

    The cooldown depends on what a probe costs a client: `settings.cooldown` seconds after failures that came at once,
    ten times the time that the last attempt took, at least half of `settings.longest` after a time-out. It grows with
    each failed probe, up to `settings.longest`. `clock` returns seconds.
    """

    def __init__(
        self, settings: Breaker | None = None, clock: Callable[[], float] = time.monotonic
    ):
        self.settings = settings or Breaker()
        self.clock = clock
        self._circuits: dict[CircuitKey, Circuit] = {}

    def circuit(self, provider_id: str, upstream_model: str, operation: str) -> Circuit:
        """Return the circuit of one operation of one model of one provider. It outlives a reload.

        Operations have circuits of their own: a provider that cannot embed with a model may well chat with it.
        """
        key = CircuitKey(provider_id, upstream_model, operation)
        circuit = self._circuits.get(key)
        if circuit is None:
            circuit = Circuit()
            self._circuits[key] = circuit
        return circuit

    def allows(self, circuit: Circuit) -> bool:
        """Whether an attempt may be made: the circuit is closed, or half-open and without a running probe."""
        if not circuit.open_until:
            return True
        return not circuit.probing and self.clock() >= circuit.open_until

    def attempt_started(self, circuit: Circuit) -> None:
        """Count a running attempt; on an open circuit it is the probe."""
        circuit.used = True
        circuit.in_flight += 1
        if circuit.open_until:
            circuit.probing = True

    def protocol(self, circuit: Circuit) -> str:
        """Return the name of the protocol that was learned; empty if none was, or long ago."""
        if circuit.protocol and self.clock() >= circuit.protocol_until:
            circuit.protocol = ""
        return circuit.protocol

    def learn_protocol(self, circuit: Circuit, name: str) -> None:
        """Remember the protocol in which a provider answers for this model."""
        circuit.protocol = name
        circuit.protocol_until = self.clock() + _PROTOCOL_SECONDS

    def attempt_succeeded(self, circuit: Circuit, latency: float) -> None:
        """Close the circuit; `latency` is the time to the first token in seconds."""
        circuit.in_flight -= 1
        circuit.failures = 0
        circuit.failed_probes = 0
        circuit.open_until = 0.0
        circuit.probing = False
        if circuit.latency is None:
            circuit.latency = latency
        else:
            circuit.latency += _LATENCY_WEIGHT * (latency - circuit.latency)

    def attempt_failed(self, circuit: Circuit, error: ProviderError, seconds: float = 0.0) -> None:
        """Open the circuit after enough failures in a row, or for as long as the provider asks.

        `seconds` is the time that the attempt took.
        """
        self.attempt_abandoned(circuit)
        if not ERROR_TABLE[error.kind].trips_circuit:
            return
        circuit.failures += 1
        now = self.clock()
        # The provider itself announced when it will answer again: one failure is enough.
        if error.retry_after:
            open_until = now + min(error.retry_after, _MAX_OPEN_SECONDS)
            circuit.open_until = max(circuit.open_until, open_until)
        elif circuit.open_until:
            # Attempts that began before the circuit opened say nothing about how long it should stay open.
            if now >= circuit.open_until:
                circuit.failed_probes += 1
                circuit.open_until = now + self._cooldown(circuit, error, seconds)
        elif circuit.failures >= self.settings.failures:
            circuit.open_until = now + self._cooldown(circuit, error, seconds)

    def _cooldown(self, circuit: Circuit, error: ProviderError, seconds: float) -> float:
        shortest = self.settings.cooldown
        longest = max(shortest, self.settings.longest)
        if error.kind is ErrorKind.TIMEOUT:
            shortest = max(shortest, longest / 2)
        cooldown = max(shortest, _SECONDS_PER_SECOND_LOST * seconds)
        for _ in range(circuit.failed_probes):
            if cooldown >= longest:
                break
            cooldown *= _GROWTH
        return min(cooldown, longest)

    def attempt_abandoned(self, circuit: Circuit) -> None:
        """Note that an attempt ended without showing anything about the provider."""
        circuit.in_flight -= 1
        circuit.probing = False

    def keep_only(self, provider_ids: set[str]) -> None:
        """Forget the circuits of providers that are no longer configured."""
        # Running attempts keep a reference to their circuit, which is discarded with them.
        for key in list(self._circuits):
            if key.provider_id not in provider_ids:
                del self._circuits[key]

    def snapshot(self) -> list[dict[str, object]]:
        """Every circuit that has seen an attempt, as `/ready` shows it.

        `latency` is None before the first success, and `retry_in` unless the circuit is open; both are in seconds.
        """
        shown: list[dict[str, object]] = []
        for key, circuit in self._circuits.items():
            if not circuit.used:
                continue
            retry_in = None
            if circuit.open_until:
                retry_in = max(0.0, circuit.open_until - self.clock())
            members = {
                "provider": key.provider_id,
                "model": key.upstream_model,
                "operation": key.operation,
                "circuit": self._state_name(circuit),
                "failures": circuit.failures,
                "in_flight": circuit.in_flight,
                "latency": circuit.latency,
                "retry_in": retry_in,
            }
            shown.append(members)
        return shown

    def measurements(self) -> Iterator[Measurement]:
        """Yield the state of every circuit that has seen an attempt, as metrics show it."""
        for key, circuit in self._circuits.items():
            if circuit.used:
                labels = {
                    "provider": key.provider_id,
                    "upstream_model": key.upstream_model,
                    "operation": key.operation,
                    "state": self._state_name(circuit),
                }
                text = "Workers whose circuit for a model is in this state."
                yield Measurement(name="llms_circuits", help=text, value=1, labels=labels)

    def _state_name(self, circuit: Circuit) -> str:
        if not circuit.open_until:
            return "closed"
        if self.allows(circuit):
            return "half-open"
        return "open"
