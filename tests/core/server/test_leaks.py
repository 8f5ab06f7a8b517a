"""Clients that disconnect at any moment, and providers that break at any, leave nothing behind."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from llms_core import deadline
from llms_core.testing import Close, Reply, ScriptedUpstream, Stall, completion, error, events
from tests.core.server.conftest import HELLO, NO_RETRIES, Asking, Wire, chunk, request_of, until

if TYPE_CHECKING:
    from tests.conftest import Gateway, ProviderBlock, Serve

HALF = chunk({"role": "assistant", "content": "Half"})
REPLIES = (
    completion(),
    Reply(Stall()),
    Reply(events(HALF), Stall()),
    Reply(events(HALF), Close()),
    Reply(Close()),
    error(503),
)
REQUESTS = 120


def test_no_request_leaves_anything_behind(
    upstreams: Callable[[], ScriptedUpstream],
    provider: ProviderBlock,
    config_of: Callable[..., dict[str, Any]],
    served: Serve,
    asking: Callable[[Gateway], Asking],
) -> None:
    """No attempt in flight, no timer, and no time limit, however a request ended."""
    chance = random.Random(1)
    first, second = upstreams(), upstreams()
    for upstream in (first, second):
        upstream.script(*(chance.choice(REPLIES) for _ in range(REQUESTS)))
    toml = f"{NO_RETRIES}[routing.breaker]\nfailures = 100000\n[timeouts]\nfirst_token = 0.5\nidle = 0.5\ntotal = 1.0\n"
    gateway = served(config_of(one=provider(first), two=provider(second)), toml)

    def ask(number: int) -> None:
        body = {"model": "m", "messages": HELLO, "stream": number % 2 == 0}
        client = Wire(gateway)
        client.send(request_of(body))
        # Some before the gateway watches the client, some before the head, some in mid-stream, some not at all.
        threading.Event().wait(number % 7 / 10)
        client.close()

    with ThreadPoolExecutor(40) as pool:
        list(pool.map(ask, range(REQUESTS)))
    client = asking(gateway)
    until(
        lambda: all(
            circuit["in_flight"] == 0 for circuit in client.get("/ready").json()["circuits"]
        )
    )
    until(lambda: _timers() == 0)
    assert client.get("/ready").json()["circuits"] != []
    assert "Traceback" not in gateway.log()


def _timers() -> int:
    """The timers of the gateway's event loop: it is the last one that asked for its shared timer."""
    timer = deadline._latest
    assert timer is not None
    return len(timer._timers)
