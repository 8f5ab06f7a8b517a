"""Whether the ledger has everything that was charged: mixed requests to two workers, one of which is killed.

Two scripted providers add up the tokens that they charge for. The requests are in several dialects, whole and streamed;
some fail over, some fail, some break off, and some clients disconnect in mid-stream. Half-way one worker is killed, a
second after its last request. In the end the totals of the ledger have to equal the bills, to the token.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.billing import FIRST, MODELS, SECOND, Bill, Providers
from benchmarks.processes import GATEWAY_CORES, LOAD_CORES, free_port, running, tree, tree_rss
from benchmarks.report import say

_CLIENTS = 16
_START_TIMEOUT = 90.0
#: What a killed process may lose: its last second.
_SECOND = 1.2

_MESSAGES = [{"role": "user", "content": "Hello!"}]
_CHAT = "/v1/chat/completions"
_PRICES = {"input": 1, "output": 2}


class Kind(msgspec.Struct, frozen=True):
    """One kind of request, and the status that its answer has."""

    path: str
    body: dict[str, Any]
    status: int = 200
    #: Whether the client disconnects after the first bytes of the answer.
    leaves: bool = False
    weight: int = 1


_KINDS = (
    Kind(_CHAT, {"model": "whole", "messages": _MESSAGES}, weight=6),
    Kind(_CHAT, {"model": "stream", "messages": _MESSAGES, "stream": True}, weight=6),
    Kind(_CHAT, {"model": "failing", "messages": _MESSAGES}, weight=2),
    Kind(_CHAT, {"model": "failing", "messages": _MESSAGES, "stream": True}, weight=2),
    Kind(_CHAT, {"model": "cut", "messages": _MESSAGES, "stream": True}),
    Kind(_CHAT, {"model": "hang", "messages": _MESSAGES, "stream": True}, leaves=True),
    Kind(_CHAT, {"model": "limited", "messages": _MESSAGES}, status=429),
    Kind(_CHAT, {"model": "misspelt", "messages": _MESSAGES}, status=404),
    Kind(_CHAT, {"model": "whole", "messages": "?"}, status=400),
    Kind("/v1/messages", {"model": "whole", "max_tokens": 50, "messages": _MESSAGES}),
    Kind(
        "/v1/messages", {"model": "stream", "max_tokens": 50, "messages": _MESSAGES, "stream": True}
    ),
    Kind("/v1/responses", {"model": "whole", "input": "Hello!", "store": False}),
    Kind("/v1/responses", {"model": "stream", "input": "Hello!", "stream": True, "store": False}),
    Kind("/v1/embeddings", {"model": "embed", "input": "Hello!"}, weight=2),
)


class Totals(msgspec.Struct):
    """What was sent and charged, and what the ledger has of it."""

    sent: int
    bills: dict[str, Bill]
    requests: int
    ledger: dict[str, Bill]
    daily: dict[str, Bill]
    #: answers with another status than was expected
    wrong: dict[str, int]
    seconds: float
    #: resident memory of all workers in MB, a fifth of the way and in the end
    memory: tuple[float, float]

    def differences(self) -> list[str]:
        """Return what does not agree."""
        found = [f"{count} answers: {text}" for text, count in self.wrong.items()]
        if self.sent != self.requests:
            found.append(f"{self.sent} requests were sent, and {self.requests} are in the ledger")
        for name in sorted(self.bills.keys() | self.ledger.keys()):
            nothing = Bill(0, 0)
            billed, recorded, daily = (
                each.get(name, nothing) for each in (self.bills, self.ledger, self.daily)
            )
            if not billed == recorded == daily:
                found.append(f"{name}: charged {billed}, recorded {recorded}, by day {daily}")
        return found


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--requests", type=int, default=100_000, help="how many requests are sent")
    parser.add_argument(
        "--seed", type=int, default=1, help="of the order of the requests and the numbers of tokens"
    )


def run(options: argparse.Namespace) -> int:
    """Send the requests, compare and print; return the number of differences."""
    with tempfile.TemporaryDirectory() as folder:
        totals = asyncio.run(compare(Path(folder), options.requests, options.seed))
    say(f"{totals.sent:,} requests in {totals.seconds:.0f} s, {totals.requests:,} in the ledger")
    for name in sorted(totals.bills):
        say(
            f"  {name}: charged {totals.bills[name].input:,} and {totals.bills[name].output:,} tokens"
        )
    say(
        f"memory of all workers: {totals.memory[0]:.0f} MB after a fifth, {totals.memory[1]:.0f} MB in the end"
    )
    differences = totals.differences()
    for difference in differences:
        say(difference)
    return len(differences)


async def compare(folder: Path, requests: int, seed: int) -> Totals:
    """Send requests through a gateway in a folder, and compare its ledger with the bills."""
    providers = Providers(seed)
    async with providers.running():
        port = free_port()
        command = _command(folder, port, providers.port)
        with running(
            command, GATEWAY_CORES | LOAD_CORES, folder, {"LLMS_HOME": str(folder)}
        ) as process:
            await _wait_until_ready(port)
            clients = Clients(port, random.Random(seed))  # noqa: S311 - the same order again
            began = time.monotonic()
            await clients.send(requests // 5)
            early = tree_rss(process.pid)
            await clients.send(requests // 2 - requests // 5)
            await asyncio.sleep(_SECOND)
            os.kill(_workers(process)[0], signal.SIGKILL)
            await clients.send(requests - requests // 2)
            seconds = time.monotonic() - began
            late = tree_rss(process.pid)
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.wait, 60)
    recorded, ledger, daily = _read(folder / "ledger.sqlite3")
    bills = {"/".join(key): bill for key, bill in providers.bills.items()}
    wrong = dict(clients.wrong)
    return Totals(clients.sent, bills, recorded, ledger, daily, wrong, seconds, (early, late))


class Clients:
    """Sends requests of all kinds, several at a time."""

    def __init__(self, port: int, order: random.Random):
        self._port = port
        self._order = order
        self.sent = 0
        self.wrong: Counter[str] = Counter()

    async def send(self, count: int) -> None:
        """Send requests, and wait for all answers."""
        weights = [kind.weight for kind in _KINDS]
        kinds = iter(self._order.choices(_KINDS, weights, k=count))
        await asyncio.gather(*[self._go(kinds) for _ in range(_CLIENTS)])

    async def _go(self, kinds: Iterator[Kind]) -> None:
        """Send requests one after the other, on one connection as long as it lasts."""
        connection = None
        for kind in kinds:
            if connection is None:
                connection = await asyncio.open_connection("127.0.0.1", self._port)
            self.sent += 1
            status, stays_open = await _ask(*connection, kind)
            if status != kind.status:
                self.wrong[
                    f"{status} instead of {kind.status} for {kind.path} {kind.body['model']}"
                ] += 1
            if not stays_open:
                connection[1].close()
                connection = None
        if connection is not None:
            connection[1].close()


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kind: Kind
) -> tuple[int, bool]:
    """Send a request; return the status of its answer, and whether the connection stays open."""
    body = json.dumps(kind.body).encode()
    head = f"POST {kind.path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nx-llms-tag: load\r\n"
    writer.write(head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body)
    answer = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(answer.split(b" ", 2)[1])
    if kind.leaves:
        await reader.readuntil(b"\n\n")
        return status, False
    try:
        await _read_body(reader, answer)
    except (asyncio.IncompleteReadError, ConnectionError):
        return status, False
    return status, b"connection: close" not in answer


async def _read_body(reader: asyncio.StreamReader, head: bytes) -> None:
    for line in head.split(b"\r\n"):
        if line.startswith(b"content-length:"):
            await reader.readexactly(int(line[15:]))
            return
    while True:
        size = int(await reader.readuntil(b"\r\n"), 16)
        await reader.readexactly(size + 2)
        if not size:
            return


def _command(folder: Path, port: int, upstream: int) -> Sequence[str]:
    blocks = {
        name: {
            "type": "openai-compatible",
            "base_url": f"http://127.0.0.1:{upstream}/{name}/v1",
            "api_key": "k",
            "models": list(MODELS),
            "default_pricing": _PRICES,
        }
        for name in (FIRST, SECOND)
    }
    config, toml = folder / "llms.json", folder / "plugins.toml"
    config.write_text(json.dumps({"providers": blocks}))
    toml.write_text("[routing.retry]\nattempts = 0\n")
    options = (
        "--port",
        str(port),
        "--workers",
        "2",
        "--config",
        str(config),
        "--plugins",
        str(toml),
    )
    return (sys.executable, "-m", "llms_core", "serve", *options)


async def _wait_until_ready(port: int) -> None:
    """Wait until both workers are likely to answer."""
    until = time.monotonic() + _START_TIMEOUT
    answered = 0
    while answered < 20:
        if time.monotonic() > until:
            raise RuntimeError("the gateway does not start")
        with suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            writer.close()
            answered += 1
        await asyncio.sleep(0.05)


def _workers(process: subprocess.Popen[bytes]) -> list[int]:
    """The processes that serve: those children that have imported the server."""
    return [
        pid
        for pid in tree(process.pid)[1:]
        if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def _read(path: Path) -> tuple[int, dict[str, Bill], dict[str, Bill]]:
    """Return the number of requests in the ledger, and the tokens of each provider and model."""
    with closing(sqlite3.connect(path)) as connection:
        one: Callable[[str], Any] = connection.execute
        (requests,) = one("SELECT COUNT(*) FROM requests").fetchone()
        by_model = "SELECT provider || '/' || model, SUM(input), SUM(output) FROM {} GROUP BY 1 HAVING SUM(input) > 0"
        ledger = {name: Bill(*counts) for name, *counts in one(by_model.format("attempts"))}
        daily = {name: Bill(*counts) for name, *counts in one(by_model.format("usage_daily"))}
    return int(requests), ledger, daily
