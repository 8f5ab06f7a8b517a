"""Secrets that plugins keep, such as `$vault:openai/key`: looked up when the files are read, and not for requests."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from llms_core.config.references import Resolve, UnresolvedError
from llms_core.errors import LlmsError, PluginError
from llms_core.plugins.report import summary
from llms_core.plugins.specs import reject_awaitable
from llms_core.plugins.time_limit import OutOfTimeError, within
from llms_core.secret import redact

log = logging.getLogger("llms_core.plugins")


class _Keeper(NamedTuple):
    """A plugin that implements `llms_secrets`."""

    #: The plugin and its distribution, for messages.
    origin: str
    hook: Callable[[str], Any]


class Resolver:
    """The plugins that keep secrets, and what they have told so far."""

    def __init__(self, timeout: float = 10.0):
        #: Seconds that a plugin has for each secret.
        self.timeout = timeout
        self._keepers: list[_Keeper] = []
        #: The last value of each reference: it is used on when its plugin cannot be asked at a reload.
        self._last: dict[str, str] = {}

    def add(self, origin: str, hook: Callable[[str], Any]) -> None:
        """Ask this plugin, too, after those that were added before it."""
        self._keepers.append(_Keeper(origin, hook))

    def lookup(self, *, asks_again: bool = True) -> Resolve:
        """Return the function that resolves references while files are read. It asks once for each.

        Unless it `asks_again`, what is known from before is used.
        """
        return _Lookup(
            self._keepers, self._last, self.timeout, {} if asks_again else dict(self._last)
        ).resolve


class _Lookup:
    """One reading of files."""

    def __init__(
        self, keepers: list[_Keeper], last: dict[str, str], timeout: float, found: dict[str, str]
    ):
        self._keepers = keepers
        self._last = last
        self._timeout = timeout
        self._found = found
        self._unresolved: dict[str, UnresolvedError] = {}
        #: Plugins that took too long, which are not waited for again: a file may have many references.
        self._late: set[str] = set()

    def resolve(self, reference: str) -> str:
        """Return a secret. Raises UnresolvedError, which has the reason."""
        if reference in self._unresolved:
            raise self._unresolved[reference]
        found = self._found.get(reference)
        if found is None:
            try:
                found = self._found[reference] = self._ask(reference)
            except UnresolvedError as error:
                self._unresolved[reference] = error
                raise
            self._last[reference] = found
        return found

    def _ask(self, reference: str) -> str:
        if not self._keepers:
            raise UnresolvedError("no plugin resolves it: install one that implements llms_secrets")
        failures: list[str] = []
        for keeper in self._keepers:
            try:
                secret = self._secret(keeper, reference)
            except (Exception, SystemExit) as error:
                reason = str(error) if isinstance(error, LlmsError) else summary(error)
                failures.append(f"{keeper.origin}: llms_secrets failed: {redact(reason)}")
            else:
                if secret is not None:
                    return secret
        if not failures:
            origins = ", ".join(keeper.origin for keeper in self._keepers)
            raise UnresolvedError(f"it is not known to {origins}")
        problem = "; ".join(failures)
        if reference in self._last:
            log.warning("%s; the secret of before is used on", problem)
            return self._last[reference]
        raise UnresolvedError(problem)

    def _secret(self, keeper: _Keeper, reference: str) -> str | None:
        """Return a secret if the plugin knows it. Raises PluginError, and whatever the plugin raises."""
        late = f"it took more than {self._timeout:g} s ([plugins] timeout)"
        if keeper.origin in self._late:
            raise PluginError(late)
        try:
            secret = within(self._timeout, partial(keeper.hook, reference))
        except OutOfTimeError:
            self._late.add(keeper.origin)
            raise PluginError(late) from None
        reject_awaitable(secret)
        if secret is not None and not isinstance(secret, str):
            raise PluginError(
                f"it returned {type(secret).__name__} instead of a str, or None for a secret of others"
            )
        if secret is not None and not secret.strip():
            raise PluginError(
                "it returned an empty secret; return None for one that does not exist"
            )
        if secret is None:
            return None
        return secret.strip()
