"""Calls the hooks of all plugins, one implementation at a time, so that one that raises does not affect the others.

pluggy's own calls are not used, because they stop at the first implementation that raises.
"""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import msgspec

from llms_core.dialects import Dialect
from llms_core.errors import PluginError
from llms_core.middleware.chain import Layer
from llms_core.operations import Operation
from llms_core.plugins.choosing import Chooser
from llms_core.plugins.extensions import dialect_error, operation_error
from llms_core.plugins.report import PluginReport, summary
from llms_core.plugins.specs import reject_awaitable
from llms_core.plugins.verify import Hook
from llms_core.provider import ProviderSpec

if TYPE_CHECKING:
    import click

    from llms_core.candidate import Candidate
    from llms_core.contracts.body import RequestBody
    from llms_core.records import AttemptRecord, Caller, RequestRecord

log = logging.getLogger("llms_core.plugins")


class LoadedPlugin(msgspec.Struct, frozen=True):
    """A plugin that passed every check."""

    name: str
    #: The plugin and its distribution, for messages.
    origin: str
    hooks: Mapping[str, Hook]
    #: `[plugin.NAME] fail = "open"`: requests continue without its middleware, or its choice, if that fails.
    fails_open: bool = False


Implementation = tuple[LoadedPlugin, Callable[..., Any]]


class PluginHost:
    """The loaded plugins: their provider specs, and their hooks."""

    def __init__(
        self,
        plugins: Sequence[LoadedPlugin] = (),
        reports: Sequence[PluginReport] = (),
        specs: dict[str, ProviderSpec] | None = None,
        origins: dict[str, str] | None = None,
        warnings: Sequence[str] = (),
    ):
        #: One report for each plugin that was found, loaded or not.
        self.reports = tuple(reports)
        #: Probable mistakes in plugins.toml.
        self.warnings = tuple(warnings)
        #: Provider specs by name and alias, in lower case.
        self.specs: dict[str, ProviderSpec] = specs or {}
        self._origins = origins or {}
        self._plugins = tuple(plugins)
        # Hooks that are called per request are looked up once.
        #: The plugins that reorder or remove candidates.
        self.choosers = tuple(self._choosers())
        self._attempt_finished = self._implementations("llms_attempt_finished")
        self._request_finished = self._implementations("llms_request_finished")
        #: Whether any plugin observes attempts, or requests; without observers no record has to be created.
        self.observes_attempts = bool(self._attempt_finished)
        self.observes_requests = bool(self._request_finished)
        #: Pairs of a plugin's name and its implementation of `llms_authenticate`.
        self.authenticators: tuple[tuple[str, Callable[..., Any]], ...] = tuple(
            (plugin.name, call) for plugin, call in self._implementations("llms_authenticate")
        )
        self._logged: set[tuple[str, str]] = set()

    def origin(self, spec: ProviderSpec) -> str:
        """Name the plugin, and its distribution, that provides a spec."""
        return self._origins.get(spec.name.lower(), f"the provider '{spec.name}'")

    def origin_of(self, plugin: str) -> str:
        """Name a loaded plugin with its distribution."""
        for loaded in self._plugins:
            if loaded.name == plugin:
                return loaded.origin
        return f"plugin '{plugin}'"

    @property
    def modules(self) -> Mapping[str, str]:
        """The modules that define hooks -> the plugin, and its distribution, that each belongs to."""
        origins = {}
        for plugin in self._plugins:
            for hook in plugin.hooks.values():
                origins[hook.module] = plugin.origin
        return origins

    def declare(self, types: Mapping[str, ProviderSpec], origin: str) -> None:
        """Add the types that plugins.toml declares; they replace a plugin's types of the same name."""
        for name, spec in types.items():
            self.specs[name.lower()] = spec
            self._origins[name.lower()] = origin

    def candidates(
        self, body: RequestBody[Any], candidates: Sequence[Candidate], operation: str, caller: Caller | None
    ) -> Sequence[Candidate]:
        """Let each plugin in turn reorder or remove candidates. Raises RequestError if one refuses, or fails."""
        for chooser in self.choosers:
            candidates = chooser.choose(body, candidates, operation, caller)
        return candidates

    def attempt_finished(self, record: AttemptRecord) -> None:
        """Call `llms_attempt_finished` of each plugin."""
        self._notify("llms_attempt_finished", self._attempt_finished, record)

    def request_finished(self, record: RequestRecord) -> None:
        """Call `llms_request_finished` of each plugin."""
        self._notify("llms_request_finished", self._request_finished, record)

    def lifespans(self) -> tuple[tuple[str, AbstractAsyncContextManager[Any]], ...]:
        """Return pairs of a plugin's name and its context manager, to be entered in order and left in reverse."""
        return tuple(self._results("llms_lifespan", AbstractAsyncContextManager))

    def routes(self) -> tuple[tuple[str, tuple[Any, ...]], ...]:
        """Return pairs of a plugin's name and its Litestar route handlers."""
        return tuple(self._results("llms_routes", Iterable, tuple))

    def public_routes(self) -> Mapping[str, frozenset[str]]:
        """The names of the routes that each plugin offers to anybody; none for a plugin whose hook fails."""
        return dict(self._results("llms_public_routes", Iterable, _route_names))

    def operations(self, taken: Sequence[Operation[Any, Any]]) -> tuple[Operation[Any, Any], ...]:
        """Return the plugins' operations; an invalid one, or one whose name is taken, is logged and left out."""
        names = {operation.name for operation in taken}
        accepted: list[Operation[Any, Any]] = []
        for plugin, offered in self._results("llms_operations", Iterable, tuple):
            for operation in offered:
                reason = operation_error(operation, names)
                if reason:
                    self._log_refusal(plugin, "llms_operations", reason)
                else:
                    names.add(operation.name)
                    accepted.append(operation)
        return tuple(accepted)

    def dialects(self, taken: Sequence[Dialect], operations: Sequence[Operation[Any, Any]]) -> tuple[Dialect, ...]:
        """Return the plugins' dialects; an invalid one, or one with a path that is taken, is logged and left out.

        `operations` are all that are registered.
        """
        known = {operation.name for operation in operations}
        paths = {path for dialect in taken for path in dialect.paths}
        accepted: list[Dialect] = []
        for plugin, offered in self._results("llms_dialects", Iterable, tuple):
            for dialect in offered:
                reason = dialect_error(dialect, paths, known)
                if reason:
                    self._log_refusal(plugin, "llms_dialects", reason)
                else:
                    paths.update(dialect.paths)
                    accepted.append(dialect)
        return tuple(accepted)

    def middleware(self) -> tuple[Layer, ...]:
        """Return the middleware of all plugins, the outermost first; what cannot be called is logged and left out."""
        layers: list[Layer] = []
        by_name = {plugin.name: plugin for plugin in self._plugins}
        for name, offered in self._results("llms_middleware", Iterable, tuple):
            plugin = by_name[name]
            for middleware in offered:
                if not _is_async(middleware):
                    reason = f"returned {middleware!r}, which is not an async callable"
                    self._log_refusal(name, "llms_middleware", reason)
                else:
                    layers.append(Layer(plugin.origin, middleware, plugin.fails_open))
        return tuple(layers)

    @property
    def unused(self) -> str:
        """The plugins that are not in use, with their states, in words; empty if all are."""
        return ", ".join(f"{report.origin} is {report.state}" for report in self.reports if report.state != "ok")

    def default_config(self) -> bytes | None:
        """Return the llms.json of the first plugin that has one."""
        for _, text in self._results("llms_default_config", bytes):
            config: bytes = text
            return config
        return None

    def commands(self, group: click.Group, reserved: Collection[str] = ()) -> None:
        """Add the plugins' commands to the command line; a name that is taken or `reserved` is not replaced."""
        import click  # not at the top, because the server does not need it

        for plugin, call in self._implementations("llms_commands"):
            # A group of its own, so that a plugin that raises half-way adds nothing.
            own = click.Group(group.name)
            try:
                reject_awaitable(call(own))
            except (Exception, SystemExit) as error:
                reason = f"llms_commands raised {summary(error)}; its commands are not available"
                sys.stderr.write(f"llms: {plugin.origin}: {reason}\n")
                continue
            for name, command in own.commands.items():
                if name in reserved or name in group.commands:
                    sys.stderr.write(f"llms: {plugin.origin}: command '{name}' is ignored: the name is taken\n")
                else:
                    group.add_command(command, name)

    def _implementations(self, hook: str) -> tuple[Implementation, ...]:
        """The implementations of a hook in the order of plugins, `tryfirst` before and `trylast` after the others."""
        found = [(plugin, plugin.hooks[hook]) for plugin in self._plugins if hook in plugin.hooks]
        found.sort(key=lambda pair: pair[1].rank)
        return tuple((plugin, implementation.call) for plugin, implementation in found)

    def _choosers(self) -> Iterator[Chooser]:
        for plugin, call in self._implementations("llms_candidates"):
            reads_request = "request" in plugin.hooks["llms_candidates"].arguments
            yield Chooser(plugin.name, plugin.origin, call, reads_request, plugin.fails_open)

    def _notify(self, hook: str, implementations: Iterable[Implementation], record: object) -> None:
        for plugin, call in implementations:
            try:
                reject_awaitable(call(record))
            except (Exception, SystemExit) as error:
                self._log_failure(plugin, hook, error)

    def _results(
        self, hook: str, expected: type, convert: Callable[[Any], Any] | None = None
    ) -> Iterator[tuple[str, Any]]:
        """Yield the name of each plugin and its result, unless it is None.

        `convert` is applied within the same error handling, because reading an iterator may raise, too.
        """
        for plugin, call in self._implementations(hook):
            try:
                result = call()
                reject_awaitable(result)
                if result is None:
                    continue
                if not isinstance(result, expected):
                    raise PluginError(f"returned a {type(result).__name__} instead of {expected.__name__}")
                if convert is not None:
                    result = convert(result)
            except (Exception, SystemExit) as error:
                self._log_failure(plugin, hook, error)
            else:
                yield plugin.name, result

    def _log_failure(self, plugin: LoadedPlugin, hook: str, error: BaseException) -> None:
        """Log a failure once per plugin and hook: a hook that fails for every request would flood the log."""
        if (plugin.name, hook) not in self._logged:
            self._logged.add((plugin.name, hook))
            log.error("%s: %s failed: %s", plugin.origin, hook, summary(error), exc_info=error)

    def _log_refusal(self, plugin: str, hook: str, reason: str) -> None:
        """Log why something that a plugin offers is left out; each reason, because hooks like this are called once."""
        log.error("%s: %s: %s; it is left out", self.origin_of(plugin), hook, reason)


def _is_async(function: object) -> bool:
    if inspect.iscoroutinefunction(function):
        return True
    return callable(function) and inspect.iscoroutinefunction(type(function).__call__)


def _route_names(names: Iterable[object]) -> frozenset[str]:
    # None is the name of every route that has none.
    found = tuple(names)
    if isinstance(names, str) or not all(isinstance(name, str) for name in found):
        raise PluginError("returned something else than names of routes")
    return frozenset(map(str, found))
