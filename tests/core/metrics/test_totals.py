"""What is counted for a request, and how many time series there can be."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from metric_samples import Samples, read

from llms_core.contracts.token_counts import Tokens
from llms_core.errors import ErrorKind
from llms_core.metrics import totals as module
from llms_core.metrics.exposition import expose
from llms_core.metrics.series import Series
from llms_core.metrics.totals import Snapshot, Totals
from llms_core.records import AttemptRecord, RequestRecord

MODELS = {"m": "m", "alias": "m", "n": "n"}
OF_ATTEMPT = {"operation": "chat", "provider": "first", "upstream_model": "up-m"}


def request(**more: Any) -> RequestRecord:
    members = {
        "request_id": "1",
        "model": "m",
        "status": 200,
        "stream": False,
        "duration": 1.5,
        "overhead": 0.002,
        "attempts": (),
        "provider": "first",
        "dialect": "chat_completions",
        "operation": "chat",
    }
    return RequestRecord(**{**members, **more})


def attempt(**more: Any) -> AttemptRecord:
    members = {
        "request_id": "1",
        "provider": "first",
        "model": "m",
        "upstream_model": "up-m",
        "kind": None,
        "status": None,
        "message": "",
        "duration": 1.5,
        "operation": "chat",
    }
    return AttemptRecord(**{**members, **more})


@pytest.fixture
def totals() -> Totals:
    return Totals(MODELS.get)


@pytest.fixture
def samples(totals: Totals) -> Callable[[], Samples]:
    """What `/metrics` shows of the totals."""

    def read_all() -> Samples:
        series = Series()
        series.add(msgspec.msgpack.decode(totals.encoded(()), type=Snapshot))
        return read(expose(series, "")[0].decode())

    return read_all


def test_a_request_is_counted_by_its_status(totals: Totals, samples: Callable[[], Samples]) -> None:
    totals.add_request(request())
    totals.add_request(request())
    totals.add_request(
        request(status=502, provider=None, kind=ErrorKind.OVERLOADED, at_fault="provider")
    )
    found = samples()
    assert found.sum("llms_requests_total", model="m", provider="first", status="200") == 2
    assert found.sum("llms_requests_total", model="m", provider="none", status="502") == 1
    assert found.sum("llms_requests_total", dialect="chat_completions", operation="chat") == 3


@pytest.mark.parametrize("party", ["client", "policy", "provider", "gateway"])
def test_a_failure_is_counted_by_its_kind_and_the_party_at_fault(
    totals: Totals, samples: Callable[[], Samples], party: str
) -> None:
    totals.add_request(request(status=502, kind=ErrorKind.TIMEOUT, at_fault=party))
    assert (
        samples().sum("llms_request_failures_total", model="m", kind="timeout", at_fault=party) == 1
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "invalid_request"), (401, "unauthenticated"), (499, "cancelled"), (418, "other")],
)
def test_a_refusal_without_an_attempt_has_a_kind_of_its_status(
    totals: Totals, samples: Callable[[], Samples], status: int, kind: str
) -> None:
    """Not the code of its error, which a plugin or a provider may choose freely."""
    totals.add_request(request(status=status, at_fault="client", error_code="anything"))
    assert samples().sum("llms_request_failures_total", kind=kind) == 1


def test_a_duration_is_in_each_bucket_that_is_not_below_it(
    totals: Totals, samples: Callable[[], Samples]
) -> None:
    for duration in (0.01, 0.011, 1.5, 700.0):
        totals.add_request(request(duration=duration))
    found = samples()
    name = "llms_request_duration_seconds"
    buckets = {
        le: found.sum(f"{name}_bucket", le=le)
        for le in ("0.01", "0.02", "1.28", "2.56", "655.36", "+Inf")
    }
    assert buckets == {"0.01": 1, "0.02": 2, "1.28": 2, "2.56": 3, "655.36": 3, "+Inf": 4}
    assert found.sum(f"{name}_count", stream="false") == 4
    assert found.sum(f"{name}_sum") == pytest.approx(701.521)


def test_a_request_that_failed_is_in_no_duration(
    totals: Totals, samples: Callable[[], Samples]
) -> None:
    """Refusals take no time, and timeouts all of it: neither says how long an answer takes."""
    totals.add_request(request(status=400, at_fault="client"))
    assert samples().sum("llms_request_duration_seconds_count") == 0


def test_the_overhead_is_that_of_every_request(
    totals: Totals, samples: Callable[[], Samples]
) -> None:
    totals.add_request(request())
    totals.add_request(request(status=400, at_fault="client", overhead=0.0002))
    found = samples()
    assert found.sum("llms_request_overhead_seconds_bucket", operation="chat", le="0.00025") == 1
    assert found.sum("llms_request_overhead_seconds_count") == 2


def test_an_attempt_is_counted_for_its_provider_and_upstream_model(
    totals: Totals, samples: Callable[[], Samples]
) -> None:
    totals.add_attempt(attempt())
    totals.add_attempt(attempt(kind=ErrorKind.RATE_LIMIT, at_fault="provider"))
    found = samples()
    assert found.sum("llms_attempts_total", **OF_ATTEMPT) == 2
    assert (
        found.sum(
            "llms_attempt_failures_total", kind="rate_limit", at_fault="provider", **OF_ATTEMPT
        )
        == 1
    )
    assert found.sum("llms_attempt_duration_seconds_count", **OF_ATTEMPT) == 1


def test_tokens_are_counted_by_type(totals: Totals, samples: Callable[[], Samples]) -> None:
    counts = Tokens(input=100, cached=60, cache_write=5, output=20, reasoning=7, audio_input=3)
    totals.add_attempt(attempt(tokens=counts))
    totals.add_attempt(attempt(tokens=counts))
    found = samples()
    by_type = {
        kind: found.sum("llms_tokens_total", type=kind)
        for kind in found.labels("llms_tokens_total", "type")
    }
    assert by_type == {
        "input": 200, "cached": 120, "cache_write": 10, "output": 40, "reasoning": 14, "audio_input": 6
    }  # fmt: skip


def test_a_failed_attempt_may_have_cost_something(
    totals: Totals, samples: Callable[[], Samples]
) -> None:
    totals.add_attempt(
        attempt(kind=ErrorKind.CANCELLED, at_fault="client", tokens=Tokens(output=5), cost=0.25)
    )
    assert samples().sum("llms_cost_usd_total", **OF_ATTEMPT) == 0.25


def test_an_unknown_price_is_counted_and_is_not_a_cost_of_zero(
    totals: Totals, samples: Callable[[], Samples]
) -> None:
    totals.add_attempt(attempt(tokens=Tokens(input=1, output=1)))
    totals.add_attempt(attempt())
    found = samples()
    assert found.sum("llms_unpriced_attempts_total", **OF_ATTEMPT) == 1
    assert found.sum("llms_cost_usd_total") == 0


def test_the_times_of_a_stream(totals: Totals, samples: Callable[[], Samples]) -> None:
    """Four intervals between five tokens."""
    totals.add_attempt(
        attempt(chunks=3, first_token=0.3, stream_duration=0.8, tokens=Tokens(output=5))
    )
    found = samples()
    assert found.sum("llms_first_token_seconds_sum", **OF_ATTEMPT) == pytest.approx(0.3)
    assert found.sum("llms_between_tokens_seconds_sum", **OF_ATTEMPT) == pytest.approx(0.2)


@pytest.mark.parametrize(
    "more",
    [
        {"first_token": 1.5, "tokens": Tokens(output=5)},
        {"chunks": 1, "first_token": 0.3, "stream_duration": 0.1, "tokens": Tokens(output=1)},
        {"chunks": 1, "first_token": 0.3, "stream_duration": 0.1},
    ],
    ids=["a whole answer", "a single token", "no tokens"],
)
def test_where_there_is_no_time_between_tokens(
    totals: Totals, samples: Callable[[], Samples], more: dict[str, Any]
) -> None:
    totals.add_attempt(attempt(**more))
    assert samples().sum("llms_between_tokens_seconds_count") == 0


def test_a_whole_answer_has_no_first_token(totals: Totals, samples: Callable[[], Samples]) -> None:
    totals.add_attempt(attempt(first_token=1.5))
    assert samples().sum("llms_first_token_seconds_count") == 0


# Time series


def test_a_model_has_its_first_name_whatever_clients_call_it(
    totals: Totals, samples: Callable[[], Samples]
) -> None:
    totals.add_request(request())
    totals.add_request(request(model="alias"))
    assert samples().labels("llms_requests_total", "model") == {"m"}


def test_ten_thousand_hostile_names_are_one_series(
    totals: Totals, samples: Callable[[], Samples]
) -> None:
    totals.add_request(request(model="gpt-0", status=404, provider=None, at_fault="client"))
    before = samples().series()
    for number in range(10_000):
        name = f'gpt-{number}"\n}} 1' * 100
        totals.add_request(request(model=name, status=404, provider=None, at_fault="client"))
    found = samples()
    assert found.series() == before
    assert found.sum("llms_requests_total", model="unknown", status="404") == 10_001


def test_hostile_names_are_not_kept_in_memory(totals: Totals) -> None:
    """Neither are spellings of a model whose names are matched without case."""
    tracemalloc.start()
    spelling = Totals(lambda name: "m")
    try:
        for number in range(30_000):
            totals.add_request(request(model=f"{number}" * 200))
            spelling.add_request(request(model=f"{number:030}"))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 2_000_000


def test_too_many_models_are_counted_as_other(
    monkeypatch: pytest.MonkeyPatch, samples: Callable[[], Samples], totals: Totals
) -> None:
    """Providers that discover models may have others every day."""
    monkeypatch.setattr(module, "MAX_ROWS", 3)
    for number in range(10):
        totals.add_attempt(attempt(upstream_model=f"model-{number}"))
    found = samples()
    assert found.labels("llms_attempts_total", "upstream_model") == {
        "model-0",
        "model-1",
        "model-2",
        "other",
    }
    assert found.sum("llms_attempts_total") == 10


def test_a_model_that_was_removed_is_unknown_from_the_next_scrape_on() -> None:
    models = {"m": "m"}
    totals = Totals(models.get)
    totals.add_request(request())
    totals.encoded(())
    del models["m"]
    totals.add_request(request())
    snapshot = msgspec.msgpack.decode(totals.encoded(()), type=Snapshot)
    assert {key[2] for key in snapshot.requests} == {"m", "unknown"}
