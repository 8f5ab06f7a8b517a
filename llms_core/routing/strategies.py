"""The order in which candidates of one name are tried (SR-078)."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from llms_core.config.model import Routing
from llms_core.errors import ConfigError
from llms_core.routing.candidates import Candidate
from llms_core.routing.circuit import Health, State

Order = Callable[[Sequence[Candidate]], Sequence[Candidate]]


def create(routing: Routing, health: Health, draw: Callable[[], float] = random.random) -> Order:
    """The order that `routing.strategy` names. Raises ConfigError for a name that is none."""
    match routing.strategy:
        case "ordered":
            return lambda candidates: candidates
        case "round_robin":
            return _round_robin()
        case "weighted":
            return lambda candidates: _weighted(candidates, routing.weights, draw)
        case "least_busy":
            return lambda candidates: sorted(candidates, key=lambda each: _state(health, each).in_flight)
        case "fastest":
            return lambda candidates: sorted(candidates, key=lambda each: _state(health, each).latency or 0.0)
        case other:
            known = "ordered, round_robin, weighted, least_busy, fastest"
            raise ConfigError(f"unknown strategy '{other}'", field="routing.strategy", hint=f"one of: {known}")


def _state(health: Health, candidate: Candidate) -> State:
    return health.state(candidate.provider.id, candidate.model.upstream)


def _round_robin() -> Order:
    turns: dict[str, int] = {}

    def order(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        if len(candidates) < 2:
            return candidates
        name = candidates[0].model.names[0]  # however the client spelt it: there is no end of spellings
        turn = turns[name] = (turns.get(name, -1) + 1) % len(candidates)
        return [*candidates[turn:], *candidates[:turn]]

    return order


def _weighted(
    candidates: Sequence[Candidate], weights: Mapping[str, float], draw: Callable[[], float]
) -> Sequence[Candidate]:
    """Drawn without replacement, each in proportion to its weight (1 where none is set; 0 comes last)."""

    def key(candidate: Candidate) -> float:
        weight = weights.get(candidate.provider.id, 1.0)
        return draw() ** (1.0 / weight) if weight > 0 else -1.0

    return sorted(candidates, key=key, reverse=True)
