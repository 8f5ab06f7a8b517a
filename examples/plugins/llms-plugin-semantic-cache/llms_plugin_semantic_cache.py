"""Answers a question from memory if a similar one has been answered. The embedding is a toy: the words, counted."""

from __future__ import annotations

import math
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec

from llms_core import hookimpl
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.content import text_of
from llms_core.middleware import Answered, Call, Forward, Middleware
from llms_core.operations import Answer
from llms_core.plugins.settings import PluginSettings


class Settings(msgspec.Struct, frozen=True):
    """The table `[plugin.semantic-cache]` of plugins.toml."""

    #: How similar two questions have to be, from 0 to 1.
    similarity: float = 0.9
    max_answers: int = 1000


class Known(NamedTuple):
    caller: str
    model: str
    words: Counter[str]
    answer: Answer


class SemanticCache:
    """The middleware."""

    def __init__(self, settings: Settings) -> None:
        self._similarity = settings.similarity
        self._known: deque[Known] = deque(maxlen=settings.max_answers)

    async def __call__(self, call: Call, forward: Forward) -> Answered:
        # A conversation depends on more than its last question, and an answer with tools on when it is asked.
        if call.operation.name != "chat" or len(call.request.messages) != 1 or call.request.tools:
            return await forward(call)
        words = _embed(text_of(call.request.messages[0].content))
        # Nobody is to see an answer to somebody else.
        caller = "" if call.caller is None else call.caller.name
        for known in self._known:
            if (known.caller, known.model) == (caller, call.request.model) and self._is_similar(
                words, known.words
            ):
                return Answered(answer=known.answer, headers={"x-semantic-cache": "hit"})

        def keep(answer: Answer) -> None:
            self._known.append(Known(caller, call.request.model, words, answer))

        answered = await forward(call)
        if answered.answer is not None:
            keep(answered.answer)
        return answered.filtered(_Kept(call, keep)).with_headers({"x-semantic-cache": "miss"})

    def _is_similar(self, words: Counter[str], others: Counter[str]) -> bool:
        length = math.hypot(*words.values()) * math.hypot(*others.values())
        return (
            length > 0
            and sum(words[word] * others[word] for word in words) / length >= self._similarity
        )


class _Kept:
    """Keeps the chunks of a stream, and its answer once it is complete. One that breaks off has no end."""

    def __init__(self, call: Call, keep: Callable[[Answer], None]) -> None:
        self._operation = call.operation
        self._keep = keep
        self._chunks: list[Chunk] = []

    def feed(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        self._chunks += chunks
        return list(chunks)

    def end(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        passed = self.feed(chunks)
        self._keep(self._operation.from_chunks(self._chunks))
        return passed


def _embed(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.lower()))


_middleware: list[Middleware] = []


@hookimpl
def llms_configure(settings: PluginSettings) -> None:
    _middleware[:] = [SemanticCache(settings.decode(Settings))]


@hookimpl
def llms_middleware() -> Iterable[Middleware]:
    return _middleware
