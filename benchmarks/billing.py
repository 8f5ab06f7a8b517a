"""Two scripted providers that know what they have charged for, to the token."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

MODELS = ("whole", "stream", "cut", "hang", "failing", "limited", "embed")
"""What the models do; `failing` fails at the first provider, and `limited` at both."""

FIRST = "first"
SECOND = "second"

_HEAD = b"HTTP/1.1 %d OK\r\ncontent-type: %s\r\n"
_JSON = b"application/json"
_EVENTS = b"text/event-stream"


class Bill(NamedTuple):
    """What one provider has charged for one model."""

    input: int
    output: int


class Providers:
    """A server with the providers `/first/v1` and `/second/v1`."""

    def __init__(self, seed: int):
        self._random = random.Random(seed)  # noqa: S311 - the same numbers again
        self._input: Counter[tuple[str, str]] = Counter()
        self._output: Counter[tuple[str, str]] = Counter()
        self.port = 0

    @property
    def bills(self) -> dict[tuple[str, str], Bill]:
        """What was charged, by provider and model."""
        return {key: Bill(self._input[key], self._output[key]) for key in self._input}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve until the block ends."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._answer(reader, writer):
                await writer.drain()
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection stays open."""
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ", 2)[1].decode()
        length = next(
            int(line[15:])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        )
        request = json.loads(await reader.readexactly(length))
        provider, model = path.split("/")[1], request["model"]
        if model == "limited" or (model == "failing" and provider == FIRST):
            status = 429 if model == "limited" else 500
            self._whole(writer, status, {"error": {"message": "no", "type": "server_error"}})
            return True
        usage = self._charge(provider, model)
        if model == "embed":
            vector = {"object": "embedding", "index": 0, "embedding": [0.5]}
            usage = {name: usage[name] for name in ("prompt_tokens", "total_tokens")}
            self._whole(
                writer, 200, {"object": "list", "data": [vector], "model": model, "usage": usage}
            )
            return True
        if request.get("stream"):
            return await self._stream(reader, writer, model, usage)
        message = {"role": "assistant", "content": "Hello!"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        self._whole(writer, 200, {**_frame("chat.completion"), "choices": [choice], "usage": usage})
        return True

    def _charge(self, provider: str, model: str) -> dict[str, Any]:
        prompt = self._random.randint(1, 3000)
        completion = 0 if model == "embed" else self._random.randint(1, 800)
        self._input[provider, model] += prompt
        self._output[provider, model] += completion
        cached = self._random.randint(0, prompt)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": cached},
        }

    def _whole(self, writer: asyncio.StreamWriter, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        writer.write(_HEAD % (status, _JSON) + b"content-length: %d\r\n\r\n" % len(data) + data)

    async def _stream(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        model: str,
        usage: dict[str, Any],
    ) -> bool:
        begun = {
            **_frame("chat.completion.chunk"),
            "choices": [_choice({"role": "assistant", "content": "Hel"})],
        }
        if model in ("cut", "hang"):
            # Such providers count in every chunk.
            begun["usage"] = usage
        writer.write(_HEAD % (200, _EVENTS) + b"transfer-encoding: chunked\r\n\r\n" + _event(begun))
        if model == "cut":
            await writer.drain()
            return False
        if model == "hang":
            await reader.read()
            return False
        more = {**_frame("chat.completion.chunk"), "choices": [_choice({"content": "lo!"})]}
        ended = {**_frame("chat.completion.chunk"), "choices": [_choice({}, "stop")]}
        counted = {**_frame("chat.completion.chunk"), "choices": [], "usage": usage}
        events = b"".join(map(_event, (more, ended, counted)))
        writer.write(events + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
        return True


def _frame(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1_700_000_000, "model": "up"}


def _choice(delta: dict[str, str], finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason}


def _event(chunk: dict[str, Any]) -> bytes:
    data = b"data: %s\n\n" % json.dumps(chunk).encode()
    return b"%x\r\n%s\r\n" % (len(data), data)
