"""What one run of the load generator asks, what came of it, and how a right answer is known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

MARK = "a right answer"
"""Is in the content of every whole answer."""

STAMP = "sent at "
"""Is in the content of every chunk of a stream, before the upstream's monotonic clock in `DIGITS` digits of ns."""

DIGITS = 19

KEY = "sk-of-the-benchmark"
"""What clients show; LiteLLM insists on one that begins like this."""

PATH = "/v1/chat/completions"
MODEL = "gpt-4o-mini"

LOADS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "burst": {"chunks": 100},
    "paced": {"chunks": 100, "pause": 10.0},
    "failover": {},
}
"""What each phase under load asks, 32 at once. To fail over, a gateway is asked in a way of its own."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """A closed loop: each connection asks again once it has its answer.

    It goes on for `seconds`, or until `requests` have been asked. `chunks` is the length of the streams that are asked
    for, 0 for whole answers; `pause` the milliseconds between two writes of the upstream, `batch` the chunks in one.
    `prompt` is the length of what the user says in bytes.
    """

    port: int
    path: str = PATH
    model: str = MODEL
    connections: int = 32
    seconds: float = 1.0
    requests: int | None = None
    chunks: int = 0
    pause: float = 0.0
    batch: int = 1
    prompt: int = 400


class Answered(msgspec.Struct, kw_only=True):
    """What came of a load. Latencies and delays are in ms; `fault` is the first wrong answer's.

    `seconds` is the time from the first request to the last answer, `load_cpu` the load generator's own CPU seconds.
    `first` is the time to a stream's first chunk. `delay` is a chunk's way from the upstream to the client, where there
    is a pause between chunks: without one it would only tell of the queue. `cpu_ms` is the gateway's CPU time per right
    answer, for the one who measures to fill in.
    """

    right: int
    wrong: int
    fault: str
    seconds: float
    load_cpu: float
    p50: float
    p99: float
    first_p50: float
    delay_p99: float
    cpu_ms: float = 0.0

    @property
    def rate(self) -> float:
        """Right answers per second."""
        return self.right / self.seconds


def body(load: Load) -> bytes:
    """The JSON of a request. The upstream reads its orders in the user's first words."""
    orders = f"chunks={load.chunks} pause={load.pause} batch={load.batch} "
    text = (orders + "What is the capital of France? " * (load.prompt // 31 + 1))[: max(load.prompt, len(orders))]
    messages = [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": text}]
    asked = {"model": load.model, "messages": messages, "temperature": 0.2, "max_tokens": 256}
    if load.chunks:
        asked |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(asked).encode()


def headers(load: Load) -> dict[str, str]:
    """The headers of a request, but those of its length."""
    return {"host": f"127.0.0.1:{load.port}", "content-type": "application/json", "authorization": f"Bearer {KEY}"}


def fault(load: Load, status: int, answer: bytes) -> str | None:
    """What is wrong with an answer, None for a right one: its status, its text, its number of chunks, its end."""
    if status != 200:
        return f"status {status}: {answer[:200].decode(errors='replace')}"
    if not load.chunks:
        return None if MARK.encode() in answer else f"another text: {answer[:200].decode(errors='replace')}"
    if (chunks := answer.count(STAMP.encode())) != load.chunks:
        return f"{chunks} chunks in place of {load.chunks}: {answer[-200:].decode(errors='replace')}"
    return None if answer.rstrip().endswith(b"data: [DONE]") else "no [DONE] at the end"
