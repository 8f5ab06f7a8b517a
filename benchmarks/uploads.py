"""Uploads: the memory of the gateway while many clients send large files at once, which it sends on as they arrive.

The clients and the provider share one process; the gateway has its own, whose resident memory is seen from outside.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.processes import tree_rss
from benchmarks.report import figure, machine, show, table

_BOUNDARY = "a-boundary"
_PIECE = bytes(64 * 1024)
_SAMPLE_INTERVAL = 0.05  # seconds between two samples of the memory
_START_SECONDS = 30.0
_UPLOAD_SECONDS = 600.0
_MB = 1024 * 1024

_ANSWER = b'{"text":"Hello"}'
_RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(_ANSWER),
    _ANSWER,
)


class Uploads(msgspec.Struct):
    """What the uploads came to. Sizes are in MB."""

    before: float
    peak: float
    seconds: float
    #: uploads that were not answered as they should be, or did not arrive completely
    wrong: int


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--uploads", type=int, default=100, help="number of simultaneous uploads")
    parser.add_argument("--megabytes", type=int, default=25, help="size of each")
    parser.add_argument(
        "--file-first", action="store_true", help="send the file before the name of the model"
    )


def run(options: argparse.Namespace) -> int:
    """Measure and print; return the number of wrong answers."""
    found = asyncio.run(
        measure_uploads(options.uploads, options.megabytes, file_first=options.file_first)
    )
    order = "the file first" if options.file_first else "the model first"
    rows = [
        ["before", figure(found.before)],
        [
            f"while {options.uploads} uploads of {options.megabytes} MB arrive, {order}",
            figure(found.peak),
        ],
    ]
    show(f"{machine()}\n")
    show(table(("", "RSS, MB"), rows))
    show(f"\n{found.seconds:.1f} s, {found.wrong} wrong")
    return found.wrong


async def measure_uploads(uploads: int, megabytes: int, *, file_first: bool = False) -> Uploads:
    """Send files of `megabytes` each through a gateway at the same time, and watch its memory."""
    received: list[int] = []
    provider = await asyncio.start_server(
        lambda reader, writer: _answer(reader, writer, received), "127.0.0.1", 0
    )
    async with provider:
        port = provider.sockets[0].getsockname()[1]
        with _gateway(port) as (process, gateway):
            await _wait_until_ready(gateway)
            await asyncio.gather(*[_upload(gateway, 1, file_first) for _ in range(3)])
            received.clear()
            before = tree_rss(process.pid)
            watching = asyncio.create_task(_watch(process.pid))
            started = time.monotonic()
            async with asyncio.timeout(_UPLOAD_SECONDS):
                answers = await asyncio.gather(
                    *[_upload(gateway, megabytes, file_first) for _ in range(uploads)]
                )
            seconds = time.monotonic() - started
            watching.cancel()
            peak = await watching
    wrong = sum(answer != _ANSWER for answer in answers)
    wrong += uploads - sum(size >= megabytes * _MB for size in received)
    return Uploads(before, peak, seconds, wrong)


async def _watch(pid: int) -> float:
    """Return the largest memory until this is cancelled."""
    peak = 0.0
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            peak = max(peak, tree_rss(pid))
            await asyncio.sleep(_SAMPLE_INTERVAL)
    return peak


@contextlib.contextmanager
def _gateway(provider_port: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run a gateway with one provider; give its process and port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    block = {
        "type": "openai-compatible",
        "enabled": True,
        "base_url": f"http://127.0.0.1:{provider_port}/v1",
        "models": {"m": "up-m"},
    }
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "llms.json")
        config.write_text(json.dumps({"providers": {"provider": block}}), "utf-8")
        command = [
            sys.executable,
            "-m",
            "llms_core",
            "serve",
            "--port",
            str(port),
            "--config",
            str(config),
        ]
        env = {**os.environ, "LLMS_HOME": folder}
        process = subprocess.Popen(
            command, cwd=folder, env=env, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        try:
            yield process, port
        finally:
            process.terminate()
            process.wait()


async def _wait_until_ready(port: int) -> None:
    async with asyncio.timeout(_START_SECONDS):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                await _close(writer)
                return
            await asyncio.sleep(_SAMPLE_INTERVAL)


async def _upload(port: int, megabytes: int, file_first: bool) -> bytes:
    """Send one form; return the body of the answer."""
    model = _part('name="model"') + b"m\r\n"
    file = _part('name="file"; filename="a.wav"')
    end = f"--{_BOUNDARY}--\r\n".encode()
    before, after = (file, b"\r\n" + model + end) if file_first else (model + file, b"\r\n" + end)
    pieces = megabytes * _MB // len(_PIECE)
    length = len(before) + pieces * len(_PIECE) + len(after)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {length}\r\n"
    )
    writer.write(
        f"{head}content-type: multipart/form-data; boundary={_BOUNDARY}\r\n\r\n".encode() + before
    )
    for _ in range(pieces):
        writer.write(_PIECE)
        await writer.drain()
    writer.write(after)
    await reader.readuntil(b"\r\n\r\n")
    answer = await reader.readexactly(len(_ANSWER))
    await _close(writer)
    return answer


def _part(disposition: str) -> bytes:
    return f"--{_BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode()


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, received: list[int]
) -> None:
    """Count the bytes of each request, and answer when it is complete."""
    end = f"--{_BOUNDARY}--".encode()
    with contextlib.suppress(ConnectionError):
        size = 0
        tail = b""
        while piece := await reader.read(256 * 1024):
            size += len(piece)
            tail = (tail + piece)[-200:]
            if end in tail:
                received.append(size)
                writer.write(_RESPONSE)
                size = 0
                tail = b""
    await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        writer.close()
        await writer.wait_closed()
