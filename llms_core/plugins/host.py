"""Calls the hooks of all plugins, one implementation at a time, so that one that raises does not affect the others.

pluggy's own calls are not used, because they stop at the first implementation that raises.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from llms_core.dialects import Dialect
from llms_core.errors import LlmsError, PluginError
from llms_core.middleware.chain import Layer
from llms_core.operations import Operation
from llms_core.plugins.choosing import Chooser
from llms_core.plugins.contributing import Contributor, Contributors
from llms_core.plugins.core_settings import CoreSettings
from llms_core.plugins.extensions import (
    checked_headers,
    dialect_error,
    middleware_error,
    operation_error,
)
from llms_core.plugins.report import Finding, PluginReport, summary
from llms_core.plugins.resolving import Resolver
from llms_core.plugins.results import route_names, wrong_result
from llms_core.plugins.specs import reject_awaitable
from llms_core.plugins.verify import Hook
from llms_core.provider import ProviderSpec
from llms_core.status import Measurement

if TYPE_CHECKING:
    import click

    from llms_core.candidate import Candidate
    from llms_core.contracts.body import RequestBody
    from llms_core.records import AttemptRecord, AttemptStart, Caller, RequestRecord
    from llms_core.status import GatewayStatus

log = logging.getLogger("llms_core.plugins")

_AN_ASYNC_CONTEXT_MANAGER = (
    "an async context manager: put `@asynccontextmanager` (from contextlib) above `async def`"
)


class LoadedPlugin(msgspec.Struct, frozen=True):
    """A plugin that passed every check."""

    name: str
    #: The plugin and its distribution, for messages.
    origin: str
    hooks: Mapping[str, Hook]
    settings: CoreSettings = CoreSettings()


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
        findings: Sequence[Finding] = (),
        resolver: Resolver | None = None,
    ):
        #: One report for each plugin that was found, loaded or not.
        self.reports = tuple(reports)
        #: Probable mistakes in plugins.toml.
        self.warnings = tuple(warnings)
        #: What is wrong with hooks that are called at startup; see also the reports.
        self.findings: list[Finding] = list(findings)
        #: The plugins that keep secrets.
        self.resolver = resolver or Resolver()
        #: Provider specs by name and alias, in lower case.
        self.specs: dict[str, ProviderSpec] = specs or {}
        self._origins = origins or {}
        self._plugins = tuple(plugins)
        #: The plugins that reorder or remove candidates.
        self.choosers = tuple(self._choosers())
        # Hooks that are called per request are looked up once.
        self._attempt_started = self._implementations("llms_attempt_started")
        self._attempt_finished = self._implementations("llms_attempt_finished")
        self._request_finished = self._implementations("llms_request_finished")
        self._status = self._implementations("llms_status")
        #: Whether any plugin observes attempts, or requests; without observers no record has to be created.
        self.observes_attempts = bool(self._attempt_finished)
        #: Whether any plugin observes that attempts begin.
        self.observes_starts = bool(self._attempt_started)
        self.observes_requests = bool(self._request_finished)
        self._measured = self._implementations("llms_measurements")
        #: Pairs of a plugin's name and its implementation of `llms_authenticate`.
        self.authenticators: tuple[tuple[str, Callable[..., Any]], ...] = tuple(
            (plugin.name, call) for plugin, call in self._implementations("llms_authenticate")
        )
        #: The plugins that contribute providers.
        self.contributors = Contributors(self._contributors(), self.resolver.timeout)
        self._logged: set[tuple[str, str]] = set()

    def origin(self, spec: ProviderSpec) -> str:
        """Name the plugin, and its distribution, that provides a spec."""
        return self._origins.get(spec.name.lower(), f"the provider '{spec.name}'")

    def plugin_of(self, spec: ProviderSpec) -> str:
        """The name of the plugin that provides a spec; empty for one of plugins.toml."""
        origin = self.origin(spec)
        for plugin in self._plugins:
            if plugin.origin == origin:
                return plugin.name
        return ""

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
        self,
        body: RequestBody[Any],
        candidates: Sequence[Candidate],
        operation: str,
        caller: Caller | None,
    ) -> Sequence[Candidate]:
        """Let each plugin in turn reorder or remove candidates. Raises RequestError if one refuses, or fails."""
        for chooser in self.choosers:
            candidates = chooser.choose(body, candidates, operation, caller)
        return candidates

    def attempt_started(self, start: AttemptStart) -> dict[str, str]:
        """Call `llms_attempt_started` of each plugin, and return their headers for the provider."""
        headers: dict[str, str] = {}
        for plugin, call in self._attempt_started:
            try:
                added = call(start)
                reject_awaitable(added)
                headers.update(checked_headers(added))
            except (Exception, SystemExit) as error:
                self._log_failure(plugin, "llms_attempt_started", error)
        return headers

    def attempt_finished(self, record: AttemptRecord) -> None:
        """Call `llms_attempt_finished` of each plugin."""
        self._notify("llms_attempt_finished", self._attempt_finished, record)

    def request_finished(self, record: RequestRecord) -> None:
        """Call `llms_request_finished` of each plugin."""
        self._notify("llms_request_finished", self._request_finished, record)

    def measurements(self) -> Iterator[Measurement]:
        """Yield the numbers of all plugins."""
        for plugin, call in self._measured:
            try:
                result = call()
                reject_awaitable(result)
                measured = tuple(result)
                for each in measured:
                    if not isinstance(each, Measurement):
                        raise PluginError(wrong_result(each, "a Measurement"))
            except (Exception, SystemExit) as error:
                self._log_failure(plugin, "llms_measurements", error)
            else:
                yield from measured

    def statuses(self) -> Mapping[str, Mapping[str, Any]]:
        """Return what plugins tell about their state, by their names."""
        found: dict[str, Mapping[str, Any]] = {}
        for plugin, call in self._status:
            try:
                status = call()
                reject_awaitable(status)
                if not isinstance(status, Mapping):
                    raise PluginError(wrong_result(status, "a mapping"))
                found[plugin.name] = status
            except (Exception, SystemExit) as error:
                self._log_failure(plugin, "llms_status", error)
        return found

    def lifespans(
        self, gateway: GatewayStatus
    ) -> tuple[tuple[str, AbstractAsyncContextManager[Any]], ...]:
        """Return pairs of a plugin's name and its context manager, to be entered in order and left in reverse."""
        hook = "llms_lifespan"
        return tuple(
            self._results(
                hook, AbstractAsyncContextManager, _AN_ASYNC_CONTEXT_MANAGER, arguments=(gateway,)
            )
        )

    def routes(self, hook: str = "llms_routes") -> tuple[tuple[str, tuple[Any, ...]], ...]:
        """Return pairs of a plugin's name and its Litestar route handlers; `hook` may be `llms_root_routes`."""
        return tuple(self._lists(hook, "route handlers"))

    def public_routes(self) -> Mapping[str, frozenset[str]]:
        """The names of the routes that each plugin offers to anybody; none for a plugin whose hook fails."""
        names = "a set of names of routes"
        return dict(
            self._results("llms_public_routes", Iterable, names, route_names, may_be_none=True)
        )

    def operations(self, taken: Sequence[Operation[Any, Any]]) -> tuple[Operation[Any, Any], ...]:
        """Return the plugins' operations; an invalid one, or one whose name is taken, is left out."""
        names = {operation.name for operation in taken}
        accepted: list[Operation[Any, Any]] = []
        for plugin, offered in self._lists("llms_operations", "Operations"):
            for operation in offered:
                reason = operation_error(operation, names)
                if reason:
                    self.leave_out(plugin, "llms_operations", reason)
                else:
                    names.add(operation.name)
                    accepted.append(operation)
        return tuple(accepted)

    def dialects(
        self, taken: Sequence[Dialect], operations: Sequence[Operation[Any, Any]]
    ) -> tuple[Dialect, ...]:
        """Return the plugins' dialects; an invalid one, or one with a path that is taken, is left out.

        `operations` are all that are registered.
        """
        known = {operation.name for operation in operations}
        paths: set[str] = set()
        for dialect in taken:
            paths.update(dialect.paths)
        accepted: list[Dialect] = []
        for plugin, offered in self._lists("llms_dialects", "Dialects"):
            for dialect in offered:
                reason = dialect_error(dialect, paths, known)
                if reason:
                    self.leave_out(plugin, "llms_dialects", reason)
                else:
                    paths.update(dialect.paths)
                    accepted.append(dialect)
        return tuple(accepted)

    @cached_property
    def middleware(self) -> tuple[Layer, ...]:
        """The middleware of all plugins, the outermost first; what cannot be called is left out."""
        layers: list[Layer] = []
        by_name = {plugin.name: plugin for plugin in self._plugins}
        for name, offered in self._lists("llms_middleware", "async callables"):
            plugin = by_name[name]
            for middleware in offered:
                if reason := middleware_error(middleware):
                    self.leave_out(name, "llms_middleware", reason)
                else:
                    layers.append(Layer(plugin.origin, middleware, plugin.settings.fails_open))
        return tuple(layers)

    @property
    def unused(self) -> str:
        """The plugins that are missing, with their states, in words; empty if none is."""
        missing = [each for each in self.reports if each.state != "ok" and not each.is_switched_off]
        return ", ".join(f"{each.origin} is {each.state}" for each in missing)

    def demanded(self) -> Iterator[Finding]:
        """Yield what is wrong with plugins that requests must not go on without, because plugins.toml demands them."""
        for report in self.reports:
            if report.is_demanded:
                yield Finding(report.name, True, report.reason)
        self.middleware  # noqa: B018 - mistakes are found when it is collected
        strict = {plugin.name for plugin in self._plugins if plugin.settings.is_demanded}
        for finding in self.findings:
            if finding.hook == "llms_middleware" and finding.plugin in strict:
                yield finding

    def default_config(self) -> bytes | None:
        """Return the llms.json of the first plugin that has one."""
        for _, text in self._results(
            "llms_default_config", bytes, "bytes, the text of an llms.json", may_be_none=True
        ):
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
                self._note_failure(plugin, "llms_commands", error)
                continue
            for name, command in own.commands.items():
                if name in reserved or name in group.commands:
                    reason = f"the command '{name}' is already taken; give it another name"
                    self.leave_out(plugin.name, "llms_commands", reason)
                else:
                    group.add_command(command, name)

    def leave_out(self, plugin: str, hook: str, reason: str) -> None:
        """Note why something that a plugin offers at startup is not used."""
        text = f"{self.origin_of(plugin)}: {hook}: {reason}; it is left out"
        self.findings.append(Finding(plugin, True, text, hook))

    def _implementations(self, hook: str) -> tuple[Implementation, ...]:
        """The implementations of a hook in the order of plugins, `tryfirst` before and `trylast` after the others."""
        found = [(plugin, plugin.hooks[hook]) for plugin in self._plugins if hook in plugin.hooks]
        found.sort(key=lambda pair: pair[1].rank)
        return tuple((plugin, implementation.call) for plugin, implementation in found)

    def _contributors(self) -> Iterator[Contributor]:
        for plugin, call in self._implementations("llms_config"):
            yield Contributor(plugin.name, plugin.origin, call, plugin.settings.refresh)

    def _choosers(self) -> Iterator[Chooser]:
        for plugin, call in self._implementations("llms_candidates"):
            reads_request = "request" in plugin.hooks["llms_candidates"].arguments
            yield Chooser(
                plugin.name, plugin.origin, call, reads_request, plugin.settings.fails_open
            )

    def _notify(self, hook: str, implementations: Iterable[Implementation], record: object) -> None:
        for plugin, call in implementations:
            try:
                result = call(record)
                # Nearly always None, and this is called for every request.
                if result is not None:
                    reject_awaitable(result)
            except (Exception, SystemExit) as error:
                self._log_failure(plugin, hook, error)

    def _lists(self, hook: str, items: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Yield the name of each plugin and the list that its hook returns."""
        return self._results(hook, Iterable, f"a list of {items}", tuple)

    def _results(
        self,
        hook: str,
        expected: type,
        described: str,
        convert: Callable[[Any], Any] | None = None,
        *,
        arguments: tuple[object, ...] = (),
        may_be_none: bool = False,
    ) -> Iterator[tuple[str, Any]]:
        """Yield the name of each plugin and the result of its hook; one that is not valid is noted and left out.

        `convert` is applied within the same error handling, because reading an iterator may raise, too.
        """
        for plugin, call in self._implementations(hook):
            try:
                result = call(*arguments)
                reject_awaitable(result)
                if result is None and may_be_none:
                    continue
                if not isinstance(result, expected):
                    raise PluginError(wrong_result(result, described))
                if convert is not None:
                    result = convert(result)
            except (Exception, SystemExit) as error:
                self._note_failure(plugin, hook, error)
            else:
                yield plugin.name, result

    def _note_failure(self, plugin: LoadedPlugin, hook: str, error: BaseException) -> None:
        """Note the failure of a hook that is called at startup."""
        log.debug("%s: %s failed", plugin.origin, hook, exc_info=error)
        reason = str(error) if isinstance(error, LlmsError) else summary(error)
        text = f"{plugin.origin}: {hook} failed: {reason}"
        self.findings.append(Finding(plugin.name, True, text, hook))

    def _log_failure(self, plugin: LoadedPlugin, hook: str, error: BaseException) -> None:
        """Log a failure once per plugin and hook: a hook that fails for every request would flood the log."""
        if (plugin.name, hook) not in self._logged:
            self._logged.add((plugin.name, hook))
            log.error("%s: %s failed: %s", plugin.origin, hook, summary(error), exc_info=error)
