"""Providers that plugins contribute at run time (`llms_config`), such as those that somebody keeps in a database."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import msgspec

from llms_core.errors import LlmsError, PluginError
from llms_core.plugins.report import summary
from llms_core.plugins.specs import reject_awaitable
from llms_core.plugins.time_limit import OutOfTimeError, within
from llms_core.secret import Secret, redact

log = logging.getLogger("llms_core.plugins")

RETRY = 15.0
"""Seconds after which a plugin is asked again that failed."""

Block = bytes | PluginError
"""A provider block in JSON, or why it cannot be written as JSON."""


class Contributor:
    """One plugin that implements `llms_config`, and the providers that it returned last."""

    def __init__(self, name: str, origin: str, hook: Callable[..., Any], refresh: float | None):
        self.name = name
        #: The plugin and its distribution, for messages.
        self.origin = origin
        #: By the provider's id, in order. They stay if the plugin fails later.
        self.blocks: Mapping[str, Block] = {}
        #: Why the plugin could not be asked the last time; empty if it could.
        self.failure = ""
        self._hook = hook
        self._refresh = refresh
        self._is_wanted = False
        self._read_at = 0.0

    def want(self) -> None:
        """Ask the plugin again soon. May be called in any thread; plugins get this function."""
        self._is_wanted = True

    def is_due(self, now: float) -> bool:
        """Whether the plugin has to be asked again."""
        if self._is_wanted:
            return True
        interval = RETRY if self.failure and self._refresh is None else self._refresh
        return interval is not None and now >= self._read_at + interval

    def read(self, now: float, timeout: float) -> bool:
        """Ask the plugin for its providers, within `timeout` seconds; return whether they have changed."""
        before = self.blocks
        self._is_wanted = False
        self._read_at = now
        try:
            result = within(timeout, partial(self._hook, self.want))
            reject_awaitable(result)
            self.blocks = _encoded(result)
            self.failure = ""
        except OutOfTimeError:
            self.failure = f"it took more than {timeout:g} s ([plugins] timeout)"
        except (Exception, SystemExit) as error:
            log.debug("%s: llms_config failed", self.origin, exc_info=error)
            self.failure = redact(str(error) if isinstance(error, LlmsError) else summary(error))
        return before != self.blocks


class Contributors:
    """All plugins that contribute providers, in the order of plugins."""

    def __init__(
        self,
        contributors: Iterator[Contributor] | tuple[Contributor, ...] = (),
        timeout: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._all = tuple(contributors)
        self._timeout = timeout
        self._clock = clock

    def __iter__(self) -> Iterator[Contributor]:
        return iter(self._all)

    def __bool__(self) -> bool:
        return bool(self._all)

    @property
    def is_due(self) -> bool:
        """Whether any plugin has to be asked again."""
        now = self._clock()
        return any(contributor.is_due(now) for contributor in self._all)

    def read(self) -> None:
        """Ask all plugins. This may wait for other servers."""
        for contributor in self._all:
            contributor.read(self._clock(), self._timeout)

    def read_due(self) -> bool:
        """Ask the plugins that have to be asked again; return whether their providers have changed.

        A new failure is logged.
        """
        now = self._clock()
        any_change = False
        for contributor in self._all:
            if not contributor.is_due(now):
                continue
            failure = contributor.failure
            any_change = contributor.read(now, self._timeout) or any_change
            if contributor.failure not in ("", failure):
                log.error("%s: llms_config failed: %s", contributor.origin, contributor.failure)
        return any_change


def _encoded(result: Any) -> Mapping[str, Block]:
    """Return the blocks of a result, in JSON. Raises PluginError if it is not a mapping."""
    if not isinstance(result, Mapping):
        described = "None" if result is None else f"a {type(result).__name__}"
        raise PluginError(
            f"it returned {described} instead of a mapping of providers: return "
            '{"mine": {"type": "openai-compatible", "base_url": "http://…", "models": ["m"]}}'
        )
    blocks: dict[str, Block] = {}
    for name, block in result.items():
        if not isinstance(name, str):
            raise PluginError(
                f"the name {name!r} of a provider is a {type(name).__name__} instead of a str"
            )
        try:
            blocks[name] = msgspec.json.encode(block, enc_hook=_revealed)
        except (TypeError, ValueError, RecursionError, OverflowError) as error:
            blocks[name] = PluginError(f"the block cannot be written as JSON: {error}")
    return blocks


def _revealed(value: Any) -> Any:
    """Let plugins use `Secret` in blocks."""
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError(f"it has a {type(value).__name__}")
