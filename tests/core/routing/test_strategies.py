"""The order in which candidates of one name are tried (SR-078)."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import pytest

from llms_core.candidate import Candidate, Configured
from llms_core.config.model import Model, Provider, Routing
from llms_core.openai_compatible import OpenAICompatible
from llms_core.operations.table import OPERATIONS
from llms_core.provider import ProviderSettings, ProviderSpec
from llms_core.routing.candidates import ModelIndex
from llms_core.routing.circuit import CircuitBreaker
from llms_core.routing.strategies import create
from llms_core.testing import Reply, Wait, completion

if TYPE_CHECKING:
    from tests.core.routing.conftest import MakeChain

SPEC = ProviderSpec(name="x", adapter=OpenAICompatible, title="X")


def candidates(*ids: str, models: Sequence[str] = ("m",), fold_case: bool = False) -> ModelIndex:
    """A catalogue of providers that all have these models."""
    offered = tuple(Model(names=(name,), upstream=name) for name in models)
    configured = []
    for each in ids:
        settings = ProviderSettings(id=each)
        provider = Provider(
            id=each, spec=SPEC, settings=settings, models=offered, fold_case=fold_case
        )
        configured.append(Configured(each, provider, OpenAICompatible(SPEC, settings), None))
    return ModelIndex(configured, OPERATIONS, CircuitBreaker())


def ids(ordered: Sequence[Candidate]) -> list[str]:
    return [candidate.provider_id for candidate in ordered]


def drawing(*numbers: float) -> Callable[[], float]:
    drawn: Iterator[float] = iter(numbers)
    return lambda: next(drawn)


ABC = candidates("a", "b", "c").find("m")


def test_ordered_is_the_order_of_the_file() -> None:
    """SR-071, SR-078: the default."""
    order = create(Routing())
    assert [ids(order(ABC)) for _ in range(3)] == [["a", "b", "c"]] * 3


def test_round_robin_begins_with_each_in_turn() -> None:
    """SR-078: and continues in the order of the file."""
    order = create(Routing(strategy="round_robin"))
    assert ["".join(ids(order(ABC))) for _ in range(4)] == ["abc", "bca", "cab", "abc"]


def test_round_robin_counts_each_model_separately() -> None:
    """SR-078."""
    catalogue = candidates("a", "b", models=("m", "n"))
    order = create(Routing(strategy="round_robin"))
    assert [ids(order(catalogue.find(name)))[0] for name in "mnmn"] == ["a", "a", "b", "b"]


def test_round_robin_treats_all_spellings_of_a_name_as_one() -> None:
    """SR-078, L-20: spellings are unlimited, so they must not be counted separately."""
    catalogue = candidates("a", "b", models=("kimi",), fold_case=True)
    order = create(Routing(strategy="round_robin"))
    assert [ids(order(catalogue.find(name)))[0] for name in ("kimi", "KIMI", "Kimi")] == [
        "a",
        "b",
        "a",
    ]


def test_weighted_draws_in_proportion() -> None:
    """SR-078: call counts; 1 where no weight is set."""
    draw = random.Random(78).random
    order = create(Routing(strategy="weighted", weights={"a": 3, "b": 2}), draw)
    first = Counter(ids(order(ABC))[0] for _ in range(6000))
    assert {each: round(first[each] / 1000, 1) for each in "abc"} == pytest.approx(
        {"a": 3, "b": 2, "c": 1}, abs=0.15
    )


def test_weighted_leaves_no_provider_out() -> None:
    """SR-078: those not drawn remain as fallbacks."""
    order = create(Routing(strategy="weighted"), drawing(0.1, 0.9, 0.5))
    assert ids(order(ABC)) == ["b", "c", "a"]


def test_a_weight_of_zero_comes_last() -> None:
    """SR-078: it is the last resort, in any draw of the others."""
    order = create(Routing(strategy="weighted", weights={"a": 0}), drawing(0.0, 0.0))
    assert ids(order(ABC)) == ["b", "c", "a"]


def test_least_busy_begins_with_the_fewest_requests_in_flight() -> None:
    """SR-078: equals in the order of the file."""
    breaker = CircuitBreaker()
    found = candidates("a", "b", "c").find("m")
    order = create(Routing(strategy="least_busy"))
    assert ids(order(found)) == ["a", "b", "c"]
    for place in (0, 0, 2):
        breaker.attempt_started(found[place].circuit)
    assert ids(order(found)) == ["b", "c", "a"]


def test_fastest_begins_with_the_quickest_first_token() -> None:
    """SR-078: one without measurements is tried first."""
    breaker = CircuitBreaker()
    found = candidates("a", "b", "c").find("m")
    order = create(Routing(strategy="fastest"))
    for place, latency in ((0, 2.0), (2, 1.0)):
        breaker.attempt_succeeded(found[place].circuit, latency)
    assert ids(order(found)) == ["b", "c", "a"]


# Through the server


def test_round_robin_spreads_calls_evenly(chain: MakeChain) -> None:
    """SR-078: call counts."""
    three = chain(3, '[routing]\nstrategy = "round_robin"\n')
    for _ in range(6):
        three.ask()
    assert three.calls == [2, 2, 2]


def test_weighted_gives_a_provider_without_weight_nothing(chain: MakeChain) -> None:
    """SR-078."""
    both = chain(plugins='[routing]\nstrategy = "weighted"\n[routing.weights]\nfirst = 0\n')
    for _ in range(5):
        both.ask()
    assert both.calls == [0, 5]


def test_least_busy_skips_a_busy_provider(chain: MakeChain) -> None:
    """SR-078."""
    go = threading.Event()
    both = chain(plugins='[routing]\nstrategy = "least_busy"\n')
    both.upstreams[0].default = Reply(Wait(go), completion())
    with both.dial():
        both.upstreams[0].wait_for_request()
        assert both.ask().headers["x-llms-provider"] == "second"
        go.set()


def test_fastest_continues_with_the_quickest(chain: MakeChain) -> None:
    """SR-078: after each has been called once."""
    both = chain(plugins='[routing]\nstrategy = "fastest"\n')
    for _ in range(2):
        both.ask()
    assert both.calls == [1, 1]
