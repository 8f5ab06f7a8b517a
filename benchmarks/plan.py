"""What one run of the load generator requests, what it measures, and how it recognizes a correct answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

MARK = "a right answer"
"""Part of the content of every whole answer."""

STAMP = "sent at "
"""Part of the content of every chunk of a stream, followed by the upstream's monotonic clock."""

DIGITS = 19
"""The number of digits of that clock's value, in ns."""

KEY = "sk-of-the-benchmark"
"""The client's key. LiteLLM requires the prefix."""

PATH = "/v1/chat/completions"
MODEL = "gpt-4o-mini"

LOADS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "burst": {"chunks": 100},
    "paced": {"chunks": 100, "pause": 10.0},
    # Each gateway has its own way to select two providers: see `Gateway.failover`.
    "failover": {},
}
"""The members of `Load` that each phase under load changes."""

_QUESTION = "What is the capital of France? "
_SHOWN = 200  # bytes of a wrong answer


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """A closed loop: each connection sends its next request when it has its answer."""

    port: int
    path: str = PATH
    model: str = MODEL
    connections: int = 32
    #: The load ends after this time, or after `requests`.
    seconds: float = 1.0
    requests: int | None = None
    #: The number of chunks of a stream; 0 for whole answers.
    chunks: int = 0
    #: Milliseconds between two writes of the upstream.
    pause: float = 0.0
    #: The number of chunks in one write.
    batch: int = 1
    #: The length of the user's message, in bytes.
    prompt: int = 400


class Answered(msgspec.Struct, kw_only=True):
    """The outcome of a load. Latencies and delays are in ms."""

    right: int
    wrong: int
    #: A description of the first wrong answer.
    fault: str
    #: The time from the first request to the last answer.
    seconds: float
    #: The load generator's own CPU time, in seconds.
    load_cpu: float
    p50: float
    p99: float
    #: The median time to the first chunk of a stream.
    first_p50: float
    #: The time of a chunk from the upstream to the client. Only measured if there is a pause between chunks: without
    #: one it would only show how long the queue is.
    delay_p99: float
    #: The gateway's CPU time per correct answer. The load generator cannot know it; `measure` fills it in.
    cpu_ms: float = 0.0

    @property
    def rate(self) -> float:
        """Correct answers per second."""
        return self.right / self.seconds


def body(load: Load) -> bytes:
    """Return the JSON of a request. The first words of its user message are instructions for the upstream."""
    instructions = f"chunks={load.chunks} pause={load.pause} batch={load.batch} "
    repeated = _QUESTION * (load.prompt // len(_QUESTION) + 1)
    length = max(load.prompt, len(instructions))
    request = {
        "model": load.model,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": (instructions + repeated)[:length]},
        ],
        "temperature": 0.2,
        "max_tokens": 256,
    }
    if load.chunks:
        request["stream"] = True
        request["stream_options"] = {"include_usage": True}
    return json.dumps(request).encode()


def headers(load: Load) -> dict[str, str]:
    """Return the headers of a request, except its content-length."""
    return {
        "host": f"127.0.0.1:{load.port}",
        "content-type": "application/json",
        "authorization": f"Bearer {KEY}",
    }


def fault(load: Load, status: int, answer: bytes) -> str | None:
    """Describe what is wrong with an answer: its status, text, number of chunks or end. None if it is correct."""
    if status != 200:
        return f"status {status}: {_decode(answer[:_SHOWN])}"
    if not load.chunks:
        if MARK.encode() in answer:
            return None
        return f"another text: {_decode(answer[:_SHOWN])}"
    chunks = answer.count(STAMP.encode())
    if chunks != load.chunks:
        return f"{chunks} chunks in place of {load.chunks}: {_decode(answer[-_SHOWN:])}"
    if not answer.rstrip().endswith(b"data: [DONE]"):
        return "no [DONE] at the end"
    return None


def _decode(shown: bytes) -> str:
    return shown.decode(errors="replace")
