"""The hooks, called one implementation at a time: one that raises loses nobody else's result."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import msgspec

from llms_core.dialects import Dialect
from llms_core.errors import PluginError
from llms_core.operations import Operation
from llms_core.plugins.report import PluginReport, summary
from llms_core.plugins.specs import unwanted
from llms_core.plugins.verify import Hook
from llms_core.provider import ProviderSpec

if TYPE_CHECKING:
    import click

    from llms_core.candidate import Candidate
    from llms_core.contracts.request import ChatRequest
    from llms_core.records import AttemptRecord, Caller, RequestRecord

log = logging.getLogger("llms_core.plugins")


class LoadedPlugin(msgspec.Struct, frozen=True):
    """A plugin that passed every check."""

    name: str
    origin: str
    hooks: Mapping[str, Hook]


class PluginHost:
    """What the plugins provide, and their hooks.

    `specs` has every name and alias, in lower case. `authenticators` are (plugin, callable taking the headers).
    `observes_attempts` and `observes_requests` say whether anybody listens: where nobody does, make no record.
    """

    def __init__(
        self,
        plugins: Sequence[LoadedPlugin] = (),
        reports: Sequence[PluginReport] = (),
        specs: dict[str, ProviderSpec] | None = None,
        origins: dict[str, str] | None = None,
        warnings: Sequence[str] = (),
    ):
        self.reports, self.warnings = tuple(reports), tuple(warnings)
        self.specs, self._origins = specs or {}, origins or {}
        self._plugins = tuple(plugins)
        self._candidates = self._callers("llms_candidates")
        self._attempt_finished = self._callers("llms_attempt_finished")
        self._request_finished = self._callers("llms_request_finished")
        self.observes_attempts, self.observes_requests = bool(self._attempt_finished), bool(self._request_finished)
        self.authenticators: tuple[tuple[str, Callable[[Mapping[str, str]], Caller | None]], ...] = tuple(
            (plugin.name, call) for plugin, call in self._callers("llms_authenticate")
        )
        self._told: set[tuple[str, str]] = set()

    def origin(self, spec: ProviderSpec) -> str:
        """Who provides a spec, for messages: the plugin and its distribution."""
        return self._origins.get(spec.name.lower(), f"the provider '{spec.name}'")

    def origin_of(self, plugin: str) -> str:
        """A plugin that is in use, by its name, for messages."""
        return next((each.origin for each in self._plugins if each.name == plugin), f"plugin '{plugin}'")

    @property
    def modules(self) -> Mapping[str, str]:
        """The modules that hooks are in, and whose they are."""
        return {hook.module: plugin.origin for plugin in self._plugins for hook in plugin.hooks.values()}

    def declare(self, types: Mapping[str, ProviderSpec], origin: str) -> None:
        """Add the providers that the user's own file declares; they come before a plugin's of the same name."""
        for name, spec in types.items():
            self.specs[name.lower()] = spec
            self._origins[name.lower()] = origin

    def candidates(self, request: ChatRequest, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        """The candidates as the plugins reorder or thin them; what a plugin adds is ignored."""
        for plugin, call in self._candidates:
            try:
                answer = call(request, tuple(candidates))
                unwanted(answer)
                if answer is not None:
                    candidates = self._offered(plugin, candidates, answer)
            except (Exception, SystemExit) as error:
                self._fault(plugin, "llms_candidates", error)
        return candidates

    def attempt_finished(self, record: AttemptRecord) -> None:
        """Tell who listens that one attempt is over."""
        for plugin, call in self._attempt_finished:
            try:
                unwanted(call(record))
            except (Exception, SystemExit) as error:
                self._fault(plugin, "llms_attempt_finished", error)

    def request_finished(self, record: RequestRecord) -> None:
        """Tell who listens that one request is over."""
        for plugin, call in self._request_finished:
            try:
                unwanted(call(record))
            except (Exception, SystemExit) as error:
                self._fault(plugin, "llms_request_finished", error)

    def lifespans(self) -> tuple[tuple[str, AbstractAsyncContextManager[Any]], ...]:
        """(plugin, context manager): to be entered at start, and left in reverse order."""
        return tuple(self._each("llms_lifespan", AbstractAsyncContextManager))

    def routes(self) -> tuple[tuple[str, tuple[Any, ...]], ...]:
        """(plugin, its Litestar route handlers): to be served under `/x/<plugin>/`."""
        return tuple((name, tuple(handlers)) for name, handlers in self._each("llms_routes", Iterable, tuple))

    def operations(self, taken: Sequence[Operation[Any, Any]]) -> tuple[Operation[Any, Any], ...]:
        """The plugins' operations; one that is not an Operation, or whose name is taken, is left out and logged."""
        names = {operation.name for operation in taken}
        accepted: list[Operation[Any, Any]] = []
        for plugin, offered in self._each("llms_operations", Iterable, tuple):
            for operation in offered:
                reason = _refused_operation(operation, names)
                if reason:
                    self._fault(self._named(plugin), "llms_operations", PluginError(reason))
                else:
                    names.add(operation.name)
                    accepted.append(operation)
        return tuple(accepted)

    def dialects(self, taken: Sequence[Dialect]) -> tuple[Dialect, ...]:
        """The plugins' dialects; one that is not a Dialect, or has a path that is taken, is left out and logged."""
        paths = {path for dialect in taken for path in dialect.paths}
        accepted: list[Dialect] = []
        for plugin, offered in self._each("llms_dialects", Iterable, tuple):
            for dialect in offered:
                reason = _refused_dialect(dialect, paths)
                if reason:
                    self._fault(self._named(plugin), "llms_dialects", PluginError(reason))
                else:
                    paths.update(dialect.paths)
                    accepted.append(dialect)
        return tuple(accepted)

    def _named(self, name: str) -> LoadedPlugin:
        return next(plugin for plugin in self._plugins if plugin.name == name)

    def default_config(self) -> bytes | None:
        """An llms.json for users who have none: that of the first plugin that has one."""
        return next((text for _, text in self._each("llms_default_config", bytes)), None)

    def commands(self, group: click.Group, reserved: Collection[str] = ()) -> None:
        """Add the plugins' commands to the command line. A name that is taken or `reserved` keeps its meaning."""
        import click  # here, because the server has no need of it

        for plugin, call in self._callers("llms_commands"):
            own = click.Group(group.name)
            try:
                unwanted(call(own))
            except (Exception, SystemExit) as error:
                sys.stderr.write(f"llms: {plugin.origin}: llms_commands raised {summary(error)}; left out\n")
                continue
            for name, command in own.commands.items():
                if name in reserved or name in group.commands:
                    sys.stderr.write(f"llms: {plugin.origin}: its command '{name}' is left out: the name is taken\n")
                else:
                    group.add_command(command, name)

    def _callers(self, hook: str) -> tuple[tuple[LoadedPlugin, Callable[..., Any]], ...]:
        """The implementations in the order of plugins' names, `tryfirst` before and `trylast` after the others."""
        found = [(plugin, plugin.hooks[hook]) for plugin in self._plugins if hook in plugin.hooks]
        return tuple((plugin, each.call) for plugin, each in sorted(found, key=lambda pair: pair[1].rank))

    def _each(self, hook: str, wanted: type, convert: Callable[[Any], Any] | None = None) -> Iterable[tuple[str, Any]]:
        """(plugin, result) of each implementation that gives a `wanted`; None is for "nothing"."""
        for plugin, call in self._callers(hook):
            try:
                given = call()
                unwanted(given)
                if given is None:
                    continue
                if not isinstance(given, wanted):
                    raise PluginError(f"it gave a {type(given).__name__} where a {wanted.__name__} is wanted")
                result = convert(given) if convert else given
            except (Exception, SystemExit) as error:
                self._fault(plugin, hook, error)
            else:
                yield plugin.name, result

    def _offered(self, plugin: LoadedPlugin, candidates: Sequence[Candidate], answer: Any) -> Sequence[Candidate]:
        left = {id(candidate): candidate for candidate in candidates}
        chosen, added = [], False
        for candidate in answer:
            if left.pop(id(candidate), None) is None:
                added = True
            else:
                chosen.append(candidate)
        if added:
            self._fault(plugin, "llms_candidates", PluginError("it added or repeated a candidate, which is ignored"))
        return chosen

    def _fault(self, plugin: LoadedPlugin, hook: str, error: BaseException) -> None:
        """Say it once for each plugin and hook: a hook that fails at every request would drown the log."""
        if (plugin.name, hook) not in self._told:
            self._told.add((plugin.name, hook))
            log.error("%s: %s failed: %s", plugin.origin, hook, summary(error), exc_info=error)


def _refused_operation(operation: object, names: Collection[str]) -> str | None:
    """Why an operation of a plugin cannot be used."""
    if not isinstance(operation, Operation):
        return f"it returned a {type(operation).__name__} instead of an Operation"
    if operation.name in names:
        return f"there already is an operation '{operation.name}'"
    return None


def _refused_dialect(dialect: object, paths: Collection[str]) -> str | None:
    """Why a dialect of a plugin cannot be used."""
    if not isinstance(dialect, Dialect):
        return f"it returned a {type(dialect).__name__} instead of a Dialect"
    for path in dialect.paths:
        if not path.startswith("/"):
            return f"the path '{path}' of the dialect '{dialect.name}' does not begin with a slash"
        if path in paths:
            return f"the path {path} of the dialect '{dialect.name}' is already taken"
    return None
