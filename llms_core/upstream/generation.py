"""Runs an adapter's `generate`: in a task of its own, whose chunks are read like a response (see `Generates`)."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from llms_core.adapter_tasks import AdapterTasks, coroutine_failure
from llms_core.contracts.chunk import Chunk
from llms_core.deadline import Deadline
from llms_core.errors import ErrorKind, PluginError, ProviderError
from llms_core.operations import Answer, Operation
from llms_core.operations.stream import ChunkReader
from llms_core.upstream.answer_stream import AnswerStream, NoOutcome, Outcome
from llms_core.upstream.body import AttemptLimits, seconds_of
from llms_core.upstream.provider_http import ProviderHttp

MAX_AHEAD = 64
"""Chunks that an adapter may yield before the client has read them."""

METHOD = "generate"


class Generation:
    """One call of `generate`, as the source of a stream. It has to be closed, which cancels it if it still runs."""

    #: There is no response whose headers could be read.
    headers: Mapping[str, str] = MappingProxyType({})

    def __init__(self, tasks: AdapterTasks, made: Any, http: ProviderHttp, name: str):
        """Start it. `made` is what `generate` returned; `name` is for the log.

        Raises PluginError if that is neither a coroutine nor an async generator.
        """
        self._tasks = tasks
        self._made = made
        self._http = http
        self._chunks: deque[Chunk] = deque()
        self._returned: object = None
        self._has_ended = False
        self._failure: BaseException | None = None
        #: Set when there is something to read.
        self._arrived = asyncio.Event()
        #: Set when another chunk may be yielded.
        self._has_room = asyncio.Event()
        #: Whether it returns a whole answer instead of yielding chunks.
        self.is_whole = inspect.isawaitable(made)
        if not self.is_whole and not hasattr(made, "__aiter__"):
            wanted = "it has to be an `async def` that returns a Completion or yields chunks"
            raise PluginError(f"`{METHOD}` returned a {type(made).__name__}; {wanted}")
        self._task = tasks.start(self._run(), name)

    async def returned(self) -> object:
        """Wait for what it returns. Raises what it raised."""
        await self.read()
        return self._returned

    async def read(self) -> list[Chunk]:
        """Return the chunks that have been yielded, at least one; none at the end. Raises what it raised."""
        while not self._chunks and not self._has_ended:
            self._arrived.clear()
            await self._arrived.wait()
        if not self._chunks and self._failure is not None:
            raise self._failure
        chunks = list(self._chunks)
        self._chunks.clear()
        self._has_room.set()
        return chunks

    async def aclose(self) -> None:
        """Cancel it if it still runs, without waiting for its end."""
        if self._has_ended:
            return
        self._http.stop_soon()
        self._tasks.stop(self._task)
        if (
            inspect.iscoroutine(self._made)
            and inspect.getcoroutinestate(self._made) == inspect.CORO_CREATED
        ):
            # The task was cancelled before it began. Python warns of a coroutine that nobody awaits.
            self._made.close()

    async def _run(self) -> None:
        try:
            with self._http:
                if self.is_whole:
                    self._returned = await self._made
                else:
                    await self._collect(self._made)
        except BaseException as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            self._failure = coroutine_failure(error, METHOD)
        finally:
            self._has_ended = True
            self._arrived.set()

    async def _collect(self, made: AsyncIterator[Chunk]) -> None:
        try:
            async for chunk in made:
                self._chunks.append(chunk)
                self._arrived.set()
                if len(self._chunks) >= MAX_AHEAD:
                    self._has_room.clear()
                    await self._has_room.wait()
        finally:
            # If it is cancelled between two chunks, its `finally` has to run now, and not when the memory is freed.
            if inspect.isasyncgen(made):
                await made.aclose()


class _ChunkDecoder:
    """Reads the chunks of a Generation."""

    def __init__(self, reader: ChunkReader):
        self.reader = reader

    def feed(self, piece: list[Chunk]) -> list[Chunk]:
        """Return the chunks that can be sent on; no chunks are the end."""
        if not piece:
            self.reader.finished = True
        return self.reader.accept(piece, METHOD)


def open_generated(
    generation: Generation,
    operation: Operation[Any, Any],
    reader: ChunkReader,
    limits: AttemptLimits,
    outcome: Outcome,
) -> AnswerStream:
    """Return the stream of a Generation that yields chunks. Closing it closes the Generation."""
    now = asyncio.get_running_loop().time()
    total_deadline = now + limits.total
    first_token_deadline = now + min(limits.first_token, limits.total)
    return AnswerStream(
        generation,
        operation,
        _ChunkDecoder(reader),
        limits,
        Deadline(),
        first_token_deadline,
        total_deadline,
        outcome,
    )


async def whole_generated(
    generation: Generation,
    operation: Operation[Any, Any],
    reader: ChunkReader,
    limits: AttemptLimits,
) -> Answer:
    """Return the whole answer of a Generation, and close it. Only `limits.total` limits its beginning.

    Raises ProviderError, or what `generate` raised.
    """
    if generation.is_whole:
        returned = await _returned(generation, limits)
        if hasattr(returned, "__aiter__"):
            what = type(returned).__name__
            raise PluginError(
                f"`{METHOD}` returned a {what} to be awaited; yield its chunks, or leave out `async`"
            )
        return operation.checked(returned)
    limits = msgspec.structs.replace(limits, first_token=limits.total)
    stream = open_generated(generation, operation, reader, limits, NoOutcome())
    try:
        await stream.commit(whole=True)
        return operation.from_chunks(await stream.read())
    finally:
        await stream.aclose()


async def _returned(generation: Generation, limits: AttemptLimits) -> object:
    deadline = Deadline()
    try:
        with deadline.at(asyncio.get_running_loop().time() + limits.total):
            return await generation.returned()
    except TimeoutError:
        message = f"The provider did not answer completely within {seconds_of(limits.total)}"
        raise ProviderError(ErrorKind.TIMEOUT, message) from None
    finally:
        deadline.close()
        await generation.aclose()
