"""Validates the hooks of one plugin when it is loaded, so that mistakes are reported at start, not per request."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
import pluggy

from llms_core.config.locate import nearest
from llms_core.errors import PluginError
from llms_core.plugins import hookspecs
from llms_core.plugins.hookspecs import PROJECT, hook_names
from llms_core.plugins.report import where

#: Hooks that may be coroutine functions; whoever calls them awaits the result, within a time limit.
_MAY_BE_ASYNC = frozenset({"llms_authenticate"})

_MANAGED = "write it as `@asynccontextmanager` (from contextlib) above `async def`, and @hookimpl above that"


class Hook(msgspec.Struct, frozen=True):
    """A plugin's implementation of one hook."""

    #: Takes all arguments of the hook, in the order of its specification.
    call: Callable[..., Any]
    #: The arguments that the implementation declares.
    arguments: tuple[str, ...] = ()
    #: Sort key among the implementations of all plugins: -1 for `tryfirst`, 1 for `trylast`, else 0.
    rank: int = 0
    #: The module that defines the implementation.
    module: str = ""


class _Marked(NamedTuple):
    """A function that is marked with `@hookimpl`."""

    #: The hook that it implements, or is meant to.
    hook: str
    function: Callable[..., Any]
    options: Mapping[str, Any]

    @property
    def place(self) -> str:
        """The hook, and the file and line of the function."""
        location = where(self.function)
        if location:
            return f"{self.hook} ({location})"
        return self.hook


def hooks_of(plugin: object, name: str) -> Mapping[str, Hook]:
    """Return the hooks that a plugin implements, by name.

    Raises PluginError for an implementation that is unknown, unmarked, async or a wrapper, or that takes arguments
    which its hook does not have.
    """
    for marked in _marked(plugin):
        _reject_unsupported(marked)
    _reject_unmarked(plugin)
    # A manager shared by all plugins would let one affect another: pluggy compares plugins with their own `==`, rejects
    # a module that is registered under a second name, and in 1.6 keeps half of a plugin whose registration failed.
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(plugin, name)
    except pluggy.PluginValidationError as error:
        raise PluginError(" ".join(str(error).split())) from error
    hooks = {}
    for caller in manager.get_hookcallers(plugin) or ():
        for implementation in caller.get_hookimpls():
            if caller.spec is not None:
                hooks[caller.name] = _hook(implementation, caller.spec.argnames)
    return hooks


def _hook(implementation: pluggy.HookImpl, offered: tuple[str, ...]) -> Hook:
    function = implementation.function
    return Hook(
        call=_accepting(offered, function, implementation.argnames),
        arguments=tuple(implementation.argnames),
        rank=_rank(implementation),
        module=function.__module__,
    )


def _marked(plugin: object) -> Iterator[_Marked]:
    for name in dir(plugin):
        try:
            function = getattr(plugin, name)
            options = (
                getattr(function, f"{PROJECT}_impl", None) if inspect.isroutine(function) else None
            )
        except Exception:  # noqa: S112 - as pluggy does: an attribute that cannot be read is no hook
            continue
        if isinstance(options, dict):
            yield _Marked(options.get("specname") or name, function, options)


def _reject_unsupported(marked: _Marked) -> None:
    hook = marked.hook
    function = marked.function
    if hook not in hook_names():
        if marked.options.get("optionalhook"):
            return
        raise PluginError(f"unknown hook {marked.place}{_suggestion(hook)}")
    if inspect.isasyncgenfunction(function):
        how = _MANAGED if hook == "llms_lifespan" else "return the result instead of yielding it"
        raise PluginError(f"{marked.place} is an async generator; {how}")
    if inspect.iscoroutinefunction(function) and hook not in _MAY_BE_ASYNC:
        how = _MANAGED if hook == "llms_lifespan" else "remove `async`"
        raise PluginError(f"{marked.place} is async; hooks must be synchronous functions: {how}")
    if marked.options.get("hookwrapper") or marked.options.get("wrapper"):
        reason = "wrappers are not supported, as each plugin is called on its own"
        raise PluginError(
            f"{marked.place} is a hook wrapper; {reason}: write a plain function with `return`"
        )
    _reject_arguments(marked)


def _reject_arguments(marked: _Marked) -> None:
    """Raise PluginError for an argument that the hook does not have. One with a default is the function's own."""
    offered = tuple(inspect.signature(getattr(hookspecs, marked.hook)).parameters)
    for name, parameter in inspect.signature(marked.function).parameters.items():
        if parameter.default is not parameter.empty:
            continue
        if parameter.kind is parameter.KEYWORD_ONLY:
            raise PluginError(
                f"{marked.place} declares '{name}' as keyword-only, which hooks cannot: remove the `*`"
            )
        is_named = parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        if not is_named or name in offered:
            continue
        near = nearest(name, offered)
        hint = f"did you mean '{near}'? " if near is not None else ""
        known = f"it has {', '.join(offered)}" if offered else "it has no arguments"
        raise PluginError(
            f"{marked.place} declares the argument '{name}', which the hook does not have; {hint}{known}"
        )


def _rank(implementation: pluggy.HookImpl) -> int:
    if implementation.tryfirst:
        return -1
    return 1 if implementation.trylast else 0


def _accepting(
    offered: tuple[str, ...], function: Callable[..., Any], taken: tuple[str, ...]
) -> Callable[..., Any]:
    """Adapt an implementation that omits arguments, or reorders them, to all arguments that its hook offers."""
    if taken == offered:
        return function
    positions = [offered.index(name) for name in taken]

    def call(*arguments: Any) -> Any:
        return function(*[arguments[position] for position in positions])

    return call


def _reject_unmarked(plugin: object) -> None:
    """Raise PluginError for a function that has a hook's name but no marker, which pluggy ignores silently."""
    for name in hook_names():
        function = inspect.getattr_static(plugin, name, None)
        if inspect.isfunction(function) and not hasattr(function, f"{PROJECT}_impl"):
            raise PluginError(
                f"{name} ({where(function)}) is not marked as a hook: add @hookimpl above it "
                "(from llms_core import hookimpl)"
            )


def _suggestion(name: str) -> str:
    near = nearest(name, hook_names())
    if near is not None:
        return f"; did you mean {near}?"
    return f"; the hooks are {', '.join(hook_names())}"
