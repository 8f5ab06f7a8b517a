"""Refuses rude prompts, and replaces rude words in answers, in streams too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from llms_core import RequestError, hookimpl
from llms_core.contracts.content import text_of
from llms_core.contracts.request import ChatRequest
from llms_core.middleware import Answered, Call, Forward, Middleware
from llms_core.middleware.text_window import TextWindow
from llms_core.plugins.settings import PluginSettings


class Settings(msgspec.Struct, frozen=True):
    """The table `[plugin.polite]` of plugins.toml."""

    words: tuple[str, ...]


class Politeness:
    """The middleware."""

    def __init__(self, words: Sequence[str]) -> None:
        self._rude = re.compile(
            "|".join(rf"\b{re.escape(word)}\b" for word in words), re.IGNORECASE
        )
        self._longest = max(map(len, words))

    async def __call__(self, call: Call, forward: Forward) -> Answered:
        if call.operation.name != "chat":
            return await forward(call)
        self._check(call.request)
        answered = await forward(call)
        if answered.answer is not None:
            members = msgspec.json.decode(answered.answer.data)
            return answered.with_data(msgspec.json.encode(self._polite(members)))
        return answered.filtered(TextWindow(self._hold_back, self._polite))

    def _check(self, request: ChatRequest) -> None:
        for message in request.messages:
            if self._rude.search(text_of(message.content)):
                raise RequestError("Please be polite", status=400, code="rude", param="messages")

    def _hold_back(self, text: str, is_last: bool) -> tuple[str, str]:
        """Return what may be sent, and what waits, because a rude word may begin in it."""
        if is_last:
            return self._without(text), ""
        end = max(len(text) - self._longest, 0)
        # Back to the space before, so that no word is cut.
        end = text.rfind(" ", 0, end) + 1
        return self._without(text[:end]), text[end:]

    def _without(self, text: str) -> str:
        return self._rude.sub("***", text)

    def _polite(self, value: Any) -> Any:
        """Replace rude words in every text of a JSON value."""
        if isinstance(value, str):
            return self._without(value)
        if isinstance(value, list):
            return [self._polite(item) for item in value]
        if isinstance(value, dict):
            return {name: self._polite(item) for name, item in value.items()}
        return value


_middleware: list[Middleware] = []


@hookimpl
def llms_configure(settings: PluginSettings) -> None:
    _middleware[:] = [Politeness(settings.decode(Settings).words)]


@hookimpl(tryfirst=True)
def llms_middleware() -> Iterable[Middleware]:
    return _middleware
