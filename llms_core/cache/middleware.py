"""Answers repeated requests from memory; equal requests at the same time share one answer."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Annotated

import msgspec
from msgspec import Meta

from llms_core.cache.store import Store
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.json import UNREADABLE
from llms_core.errors import ProviderError
from llms_core.middleware import Answered, Call, Forward
from llms_core.middleware.streams import ChunkStream, StreamWrapper
from llms_core.operations import Answer

#: Members of a request that do not change the answer itself.
_WITHOUT_EFFECT = frozenset({"stream", "stream_options"})

_HEADER = "x-llms-cache"


class CacheSettings(msgspec.Struct, kw_only=True):
    """`[plugin.cache]`."""

    #: how long an answer is used
    max_age: Annotated[float, Meta(gt=0, extra={"unit": "seconds"})] = 3600.0
    #: the size of all answers together
    max_bytes: Annotated[int, Meta(ge=1, extra={"unit": "bytes"})] = 64 * 2**20
    #: Whether requests with tools are answered from memory, too. What a tool does may depend on when it is called.
    tools: bool = False


class Cache:
    """The middleware."""

    def __init__(self, settings: CacheSettings):
        self._tools = settings.tools
        self._store = Store[Answer](max_age=settings.max_age, max_bytes=settings.max_bytes)
        #: Requests that are being answered.
        self._running: dict[bytes, asyncio.Future[None]] = {}

    async def __call__(self, call: Call, forward: Forward) -> Answered:
        """Answer from memory, or forward the call and keep the answer."""
        # Most of a form has not arrived yet: two of them cannot be compared.
        if call.has_form or (not self._tools and "tools" in call.body.members):
            return await forward(call)
        try:
            key = key_of(call)
        except UNREADABLE:
            # A number of any size, for example. Whether it is an error is not for a cache to say.
            return await forward(call)
        clock = asyncio.get_running_loop().time
        while (running := self._running.get(key)) is not None:
            # Whether it succeeds or fails, its end is all that matters here.
            # Not for the whole time: if that answer fails in the end, there has to be time for another one.
            _, is_late = await asyncio.wait([running], timeout=(call.deadline - clock()) / 2)
            if is_late:
                return await forward(call)
        found = self._store.find(key, clock())
        if found is not None:
            return Answered(answer=found, headers={_HEADER: "hit"})
        return await self._forward(call, forward, key)

    async def _forward(self, call: Call, forward: Forward, key: bytes) -> Answered:
        running = self._running[key] = asyncio.get_running_loop().create_future()
        answered: Answered | None = None
        try:
            answered = await forward(call)
        finally:
            if answered is None or answered.stream is None:
                self._end(key, running)
        answered = answered.with_headers({_HEADER: "miss"})
        if answered.stream is None:
            if answered.answer is not None:
                self._keep(key, answered.answer)
            return answered

        def keep(chunks: Sequence[Chunk]) -> None:
            # Sound, events of other operations than chat, and numbers of any size cannot be joined to an answer.
            with suppress(ProviderError, *UNREADABLE):
                self._keep(key, call.operation.from_chunks(chunks))

        stream = _KeptStream(
            answered.stream, keep, lambda: self._end(key, running), self._store.max_bytes
        )
        return answered.with_stream(stream)

    def _keep(self, key: bytes, answer: Answer) -> None:
        self._store.add(key, answer, asyncio.get_running_loop().time())

    def _end(self, key: bytes, running: asyncio.Future[None]) -> None:
        """Let those who wait for a request go on."""
        if not running.done():
            del self._running[key]
            running.set_result(None)


def key_of(call: Call) -> bytes:
    """Return what two equal requests of one caller have in common."""
    members = {
        name: msgspec.json.decode(raw)
        for name, raw in call.body.members.items()
        if name not in _WITHOUT_EFFECT
    }
    caller = "" if call.caller is None else call.caller.name
    canonical = msgspec.json.encode([caller, call.operation.name, members], order="sorted")
    return hashlib.sha256(canonical).digest()


class _KeptStream(StreamWrapper):
    """Keeps the answer of a stream once it is complete. Whoever waits goes on when it ends, in whichever way."""

    def __init__(
        self,
        stream: ChunkStream,
        keep: Callable[[Sequence[Chunk]], None],
        end: Callable[[], None],
        max_bytes: int,
    ):
        super().__init__(stream)
        self._keep = keep
        self._end = end
        self._bytes_left = max_bytes
        self._chunks: list[Chunk] = []

    async def read(self) -> list[Chunk]:
        try:
            chunks = await self._stream.read()
        except BaseException:
            self._end()
            raise
        self._bytes_left -= sum(len(chunk.data) for chunk in chunks)
        if self._bytes_left >= 0:
            self._chunks += chunks
        else:
            self._chunks.clear()
        if self._stream.is_complete:
            if self._chunks:
                self._keep(self._chunks)
            self._end()
        return chunks

    async def aclose(self) -> None:
        self._end()
        await self._stream.aclose()
