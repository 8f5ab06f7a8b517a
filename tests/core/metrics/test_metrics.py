"""`GET /metrics` of a running gateway: what it shows, to whom, and over several workers."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import httpx
import pytest
from metric_samples import Samples, read

from llms_core import __version__
from llms_core.testing import Reply, ScriptedUpstream, Stall, completion, error, events
from tests.core.metrics.conftest import Promtool
from tests.core.server.conftest import HELLO, NO_RETRIES, Asking, chunk, first_alone, until

if TYPE_CHECKING:
    from tests.conftest import ChildGateway, Gateway, Launch, ProviderBlock, Serve

Ask = Callable[["Gateway"], Asking]

KEYS = f'[server.keys]\nada = "sha256:{hashlib.sha256(b"secret").hexdigest()}"\n'
NAMED = {"authorization": "Bearer secret"}
OF_FIRST = {"operation": "chat", "provider": "first", "upstream_model": "vendor/up-m"}


def scraped(client: Asking) -> Samples:
    response = client.get("/metrics")
    assert response.status_code == 200, response.text
    return read(response.text)


@pytest.fixture
def client(served: Serve, upstream: ScriptedUpstream, asking: Ask) -> Asking:
    """A client of a gateway with the provider `upstream`."""
    return asking(served(first_alone(upstream), NO_RETRIES))


def test_a_request_and_its_attempt_are_counted(client: Asking, upstream: ScriptedUpstream) -> None:
    upstream.script(completion())
    assert client.chat().status_code == 200
    found = scraped(client)
    assert found.sum("llms_requests_total", model="m", provider="first", status="200") == 1
    assert found.sum("llms_attempts_total", **OF_FIRST) == 1
    assert found.sum("llms_request_duration_seconds_count", model="m", stream="false") == 1
    assert found.sum("llms_request_overhead_seconds_count", operation="chat") == 1
    assert found.sum("llms_tokens_total", type="input", **OF_FIRST) > 0
    assert found.sum("llms_tokens_total", type="output", **OF_FIRST) > 0
    assert found.sum("llms_unpriced_attempts_total", **OF_FIRST) == 1


def test_the_cost_is_that_of_the_price(
    served: Serve, upstream: ScriptedUpstream, provider: ProviderBlock, asking: Ask
) -> None:
    block = provider(upstream, pricing={"m": {"input": 1_000_000, "output": 0}})
    upstream.script(completion())
    client = asking(served({"providers": {"first": block}}))
    used = client.chat().json()["usage"]
    assert scraped(client).sum("llms_cost_usd_total", provider="first") == used["prompt_tokens"]


def test_a_stream_has_a_first_token(client: Asking, upstream: ScriptedUpstream) -> None:
    upstream.script(events(chunk({"content": "a"}), chunk({"content": "b"}, "stop"), "[DONE]"))
    client.chunks()
    found = scraped(client)
    assert found.sum("llms_first_token_seconds_count", **OF_FIRST) == 1
    assert found.sum("llms_request_duration_seconds_count", stream="true") == 1


def test_a_failing_provider_is_at_fault(client: Asking, upstream: ScriptedUpstream) -> None:
    upstream.script(error(503))
    assert client.chat().status_code == 502
    found = scraped(client)
    at_fault = {"kind": "overloaded", "at_fault": "provider"}
    assert found.sum("llms_attempt_failures_total", **at_fault, **OF_FIRST) == 1
    assert found.sum("llms_request_failures_total", model="m", **at_fault) == 1


def test_a_client_that_leaves_is_at_fault(client: Asking, upstream: ScriptedUpstream) -> None:
    upstream.script(Reply(Stall()))
    with pytest.raises(httpx.ReadTimeout):
        client.http.post(
            "/v1/chat/completions", json={"model": "m", "messages": HELLO}, timeout=0.3
        )
    until(lambda: scraped(client).sum("llms_requests_total", status="499") == 1)
    found = scraped(client)
    assert found.sum("llms_request_failures_total", kind="cancelled", at_fault="client") == 1
    assert found.sum("llms_requests_in_flight") == 0


def test_a_running_request_is_in_flight(client: Asking, upstream: ScriptedUpstream) -> None:
    upstream.script(Reply(Stall()))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(
            client.http.post,
            "/v1/chat/completions",
            json={"model": "m", "messages": HELLO},
            timeout=1,
        )
        until(lambda: scraped(client).sum("llms_requests_in_flight") == 1)
        assert isinstance(running.exception(), httpx.ReadTimeout)


def test_an_open_circuit_is_shown(served: Serve, upstream: ScriptedUpstream, asking: Ask) -> None:
    client = asking(served(first_alone(upstream), f"{NO_RETRIES}[routing.breaker]\nfailures = 1\n"))
    upstream.script(error(503))
    client.chat()
    assert scraped(client).sum("llms_circuits", state="open", **OF_FIRST) == 1


def test_the_ledger_is_measured(client: Asking, upstream: ScriptedUpstream) -> None:
    upstream.script(completion())
    client.chat()
    until(lambda: scraped(client).sum("llms_ledger_written_total") == 1)
    found = scraped(client)
    names = ("llms_ledger_queue", "llms_ledger_failing", "llms_ledger_lost_total")
    assert [found.values[name, frozenset()] for name in names] == [0, 0, 0]


def test_the_version_is_shown(client: Asking) -> None:
    assert scraped(client).labels("llms_build_info", "version") == {__version__}


def test_hostile_models_create_no_series(client: Asking) -> None:
    """Over HTTP; ten thousand of them are in test_totals.py."""
    client.chat(model="gpt-0")
    before = scraped(client).series()
    for number in range(200):
        assert client.chat(model=f'gpt-{number}"}}\n').status_code == 404
    client.post(b"no JSON")
    found = scraped(client)
    added = {dict(labels).get("status") for _, labels in found.series() - before}
    assert added <= {"400", None}
    assert found.labels("llms_requests_total", "model") == {"unknown"}


def test_spellings_of_a_model_create_no_series(
    served: Serve, upstream: ScriptedUpstream, provider: ProviderBlock, asking: Ask
) -> None:
    """Ollama's models are matched without case."""
    block = provider(upstream, {"Model": "up-m"}, type="openai-compatible", lenient_names=True)
    upstream.default = completion()
    client = asking(served({"providers": {"first": block}}))
    for name in ("Model", "MODEL", "model", "mOdEl"):
        assert client.chat(model=name).status_code == 200
    assert scraped(client).labels("llms_requests_total", "model") == {"Model"}


def test_a_number_of_a_plugin_is_shown(
    served: Serve, upstream: ScriptedUpstream, asking: Ask, plugin: Callable[[str], str]
) -> None:
    source = (
        "from llms_core.status import Measurement\n"
        "@hookimpl\ndef llms_measurements():\n"
        "    return [Measurement(name='acme_rows_total', help='', value=7, kind='counter', labels={'table': 't'})]\n"
    )
    found = scraped(asking(served(first_alone(upstream), plugin(source))))
    assert found.sum("acme_rows_total", table="t") == 7


@pytest.mark.parametrize("fault", ["raise KeyError('no rows')", "return [1]", "return 1"])
def test_a_plugin_that_cannot_measure_does_not_take_the_other_metrics(
    served: Serve, upstream: ScriptedUpstream, asking: Ask, plugin: Callable[[str], str], fault: str
) -> None:
    gateway = served(
        first_alone(upstream), plugin(f"@hookimpl\ndef llms_measurements(): {fault}\n")
    )
    client = asking(gateway)
    assert {scraped(client).sum("llms_workers") for _ in range(2)} == {1}
    assert gateway.log().count("llms_measurements failed") == 1


# Who may read them


@pytest.mark.parametrize(
    ("settings", "headers", "status"),
    [
        ("", {}, 401),
        ("", {"authorization": "Bearer wrong"}, 401),
        ("", NAMED, 200),
        ("[metrics]\npublic = true\n", {}, 200),
        ("[plugin.metrics]\npublic = true\n", {}, 200),
        ("[metrics]\nenabled = false\n", NAMED, 404),
        ('[plugins]\ndisabled = ["metrics"]\n', NAMED, 404),
    ],
    ids=[
        "no key",
        "another key",
        "a key",
        "public",
        "public, as a plugin",
        "not enabled",
        "not loaded",
    ],
)
def test_they_need_a_key_if_the_server_has_keys(
    served: Serve,
    upstream: ScriptedUpstream,
    asking: Ask,
    settings: str,
    headers: dict[str, str],
    status: int,
) -> None:
    client = asking(served(first_alone(upstream), KEYS + settings))
    assert client.get("/metrics", headers).status_code == status


def test_an_unknown_setting_is_reported(served: Serve, upstream: ScriptedUpstream) -> None:
    gateway = served(first_alone(upstream), "[metrics]\npublick = true\n")
    assert "did you mean 'public'?" in gateway.log()


# Formats


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3",
            "application/openmetrics-text; version=1.0.0",
        ),
    ],
)
def test_the_format_is_what_prometheus_asks_for(
    client: Asking, accept: str, media_type: str
) -> None:
    assert client.get("/metrics", {"accept": accept}).headers["content-type"].startswith(media_type)


def test_promtool_accepts_them(
    client: Asking, upstream: ScriptedUpstream, promtool: Promtool
) -> None:
    upstream.script(
        completion(),
        error(503),
        events(chunk({"content": "a"}), chunk({"content": "b"}, "stop"), "[DONE]"),
    )
    for stream in (False, False, True):
        client.chat(stream=stream)
    assert promtool("check", "metrics", text=client.get("/metrics").content) == ""


# Several workers


def pids(client: Asking) -> set[int]:
    """The processes that answered."""
    return {int(client.get("/x/of_test/pid").text) for _ in range(40)}


@pytest.mark.slow  # real processes
def test_workers_are_counted_together_and_a_killed_ones_counters_stay(
    upstream: ScriptedUpstream, gateway: Launch, plugin: Callable[[str], str]
) -> None:
    """Any worker shows the numbers of all of them. What a killed one counted stays, what it was doing vanishes."""
    source = (
        "import os\nfrom litestar import get\n"
        "@get('/pid', sync_to_thread=False)\ndef pid() -> str: return str(os.getpid())\n"
        "@hookimpl\ndef llms_routes(): return [pid]\n"
    )
    upstream.default = completion()
    args = ("--workers", "2")
    launched: ChildGateway = gateway(
        first_alone(upstream), plugins=NO_RETRIES + plugin(source), args=args
    )
    with ExitStack() as closing:
        # A connection stays with its worker, so each request has one of its own.
        client = Asking(launched)
        client.http.headers["connection"] = "close"
        closing.callback(client.http.close)
        until(lambda: len(pids(client)) == 2)
        victim, _ = sorted(pids(client))
        for _ in range(50):
            assert client.chat().status_code == 200
        totals = [requests_of(client) for _ in range(20)]
        until(lambda: requests_of(client) == 50)
        # Never less than before, whichever worker answers: that would look like a restart.
        assert totals == sorted(totals)
        # Every worker has written what it counted.
        until(lambda: {requests_of(client) for _ in range(20)} == {50.0})
        os.kill(victim, signal.SIGKILL)
        until(lambda: is_replaced(client, victim))
        assert {requests_of(client) for _ in range(20)} == {50.0}
        client.chat()
        until(lambda: requests_of(client) == 51)


def requests_of(client: Asking) -> float:
    return scraped(client).sum("llms_requests_total")


def is_replaced(client: Asking, victim: int) -> bool:
    """Whether two other workers answer. The one that was killed may have taken a connection with it."""
    try:
        return scraped(client).sum("llms_workers") == 2 and victim not in pids(client)
    except httpx.TransportError:
        return False
