"""Composes the middleware of all plugins, once, into one function around the providers."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from llms_core.contracts.chunk import Chunk
from llms_core.errors import LlmsError, PluginError, RequestError
from llms_core.middleware import Answered, Call, Forward, Middleware
from llms_core.middleware.streams import ChunkStream, StreamWrapper

log = logging.getLogger("llms_core.plugins")

Chain = Callable[[Call, Forward], Awaitable[Answered]]
"""Answers a call by way of all middleware; `Forward` is what comes after the last one."""


class Layer(msgspec.Struct, frozen=True, eq=False):
    """The middleware of one plugin."""

    #: The plugin and its distribution, for messages.
    origin: str
    middleware: Middleware
    #: Whether a request continues without the middleware if it fails, instead of being refused.
    fails_open: bool = False

    async def run(self, call: Call, forward: Forward) -> Answered:
        """Run the middleware. What it raises beside the errors that are meant for clients is a failure of it."""
        given: list[Answered] = []

        async def remember(changed: Call) -> Answered:
            if not isinstance(changed, Call):
                raise PluginError(f"`forward` got a {type(changed).__name__} instead of a Call")
            answered = await forward(changed)
            given.append(answered)
            return answered

        returned: Answered | None = None
        try:
            returned = await self.middleware(call, remember)
            if not isinstance(returned, Answered) or (returned.answer is None) == (
                returned.stream is None
            ):
                raise PluginError(
                    f"returned {_described(returned)} instead of an Answered with an answer or a stream"
                )
        except PluginError as error:
            returned = await self._failed(error, call, forward, given)
        except LlmsError:
            raise
        except (Exception, SystemExit) as error:
            returned = await self._failed(error, call, forward, given)
        finally:
            if returned is None or returned.stream is None:
                await _close(given)
        if returned.stream is None:
            return returned
        return returned.with_stream(_GuardedStream(returned.stream, given, self.origin))

    async def _failed(
        self, error: BaseException, call: Call, forward: Forward, given: Sequence[Answered]
    ) -> Answered:
        log.error("%s: its middleware failed: %s", self.origin, error, exc_info=error)
        if not self.fails_open:
            raise RequestError.plugin_failed(self.origin) from None
        if given:
            return given[-1]
        return await forward(call)


def compose(layers: Sequence[Layer]) -> Chain | None:
    """Return all layers as one, the first one outermost; None if there are none."""
    if not layers:
        return None
    chain: Chain = _pass_on
    for layer in reversed(layers):
        chain = _around(layer, chain)
    return chain


async def _pass_on(call: Call, forward: Forward) -> Answered:
    return await forward(call)


def _around(layer: Layer, inner: Chain) -> Chain:
    async def run(call: Call, forward: Forward) -> Answered:
        return await layer.run(call, lambda changed: inner(changed, forward))

    return run


class _GuardedStream(StreamWrapper):
    """The stream that a middleware returned. Its failure ends the answer: what it had read may be lost."""

    def __init__(self, stream: ChunkStream, given: Sequence[Answered], origin: str):
        super().__init__(stream)
        self._given = given
        self._origin = origin

    async def read(self) -> list[Chunk]:
        try:
            return await self._stream.read()
        except LlmsError:
            raise
        except (Exception, SystemExit) as error:
            log.error(
                "%s: its middleware failed in a stream: %s", self._origin, error, exc_info=error
            )
            raise RequestError.plugin_failed(self._origin) from None

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            await _close(self._given)


async def _close(given: Sequence[Answered]) -> None:
    """Close the streams that a middleware got. Closing one again does nothing."""
    for answered in given:
        if answered.stream is not None:
            await answered.stream.aclose()


def _described(value: object) -> str:
    if isinstance(value, Answered):
        return "an Answered with neither of the two, or with both,"
    return f"a {type(value).__name__}"
