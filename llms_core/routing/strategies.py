"""The order in which the candidates for a model are tried (SR-078)."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from llms_core.candidate import Candidate
from llms_core.config.model import Routing

Order = Callable[[Sequence[Candidate]], Sequence[Candidate]]


def create(routing: Routing, draw: Callable[[], float] = random.random) -> Order:
    """Return the order that `routing.strategy` names."""
    match routing.strategy:
        case "ordered":
            return _unchanged
        case "round_robin":
            return _round_robin()
        case "weighted":
            return lambda candidates: _weighted(candidates, routing.weights, draw)
        case "least_busy":
            return lambda candidates: sorted(candidates, key=_in_flight)
        case "fastest":
            return lambda candidates: sorted(candidates, key=_latency)


def _unchanged(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    return candidates


def _in_flight(candidate: Candidate) -> int:
    return candidate.circuit.in_flight


def _latency(candidate: Candidate) -> float:
    """A candidate without a measurement comes first, so that it gets one."""
    return candidate.circuit.latency or 0.0


def _round_robin() -> Order:
    next_turn: dict[str, int] = {}

    def order(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        if len(candidates) < 2:
            return candidates
        # The configured name, not the client's: with case folding there are too many spellings to keep one turn each.
        name = candidates[0].names[0]
        turn = (next_turn.get(name, -1) + 1) % len(candidates)
        next_turn[name] = turn
        return [*candidates[turn:], *candidates[:turn]]

    return order


def _weighted(
    candidates: Sequence[Candidate], weights: Mapping[str, float], draw: Callable[[], float]
) -> Sequence[Candidate]:
    """Draw without replacement, each candidate in proportion to its weight.

    A provider without a weight has 1; one with weight 0 comes last.
    """

    # Efraimidis and Spirakis: sorting by u ** (1 / weight) is a weighted random sample without replacement.
    def key(candidate: Candidate) -> float:
        weight = weights.get(candidate.provider_id, 1.0)
        return draw() ** (1.0 / weight) if weight > 0 else -1.0

    return sorted(candidates, key=key, reverse=True)
