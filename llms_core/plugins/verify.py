"""Validates the hooks of one plugin when it is loaded, so that mistakes are reported at start, not per request."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pluggy

from llms_core.config.locate import nearest
from llms_core.errors import PluginError
from llms_core.plugins import hookspecs
from llms_core.plugins.hookspecs import PROJECT, hook_names

#: Hooks that may be coroutine functions; whoever calls them awaits the result, within a time limit.
_MAY_BE_ASYNC = frozenset({"llms_authenticate"})

_HOOK_OF_ERROR = re.compile(r"for hook '(\w+)'")


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


def hooks_of(plugin: object, name: str) -> Mapping[str, Hook]:
    """Return the hooks that a plugin implements, by name.

    Raises PluginError for an implementation that is unknown, unmarked, async or a wrapper, or that takes arguments
    which its hook does not have.
    """
    # A manager shared by all plugins would let one affect another: pluggy compares plugins with their own `==`, rejects
    # a module that is registered under a second name, and in 1.6 keeps half of a plugin whose registration failed.
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(plugin, name)
    except pluggy.PluginValidationError as error:
        raise PluginError(_message(error)) from error
    _reject_unmarked(plugin)
    hooks = {}
    for caller in manager.get_hookcallers(plugin) or ():
        for implementation in caller.get_hookimpls():
            if caller.spec is not None:
                hooks[caller.name] = _hook(caller.name, implementation, caller.spec.argnames)
            elif not implementation.optionalhook:
                raise PluginError(f"unknown hook {caller.name}{_suggestion(caller.name)}")
    return hooks


def _hook(name: str, implementation: pluggy.HookImpl, offered: tuple[str, ...]) -> Hook:
    function = implementation.function
    _reject_unsupported(name, implementation)
    return Hook(
        call=_accepting(offered, function, implementation.argnames),
        arguments=tuple(implementation.argnames),
        rank=_rank(implementation),
        module=function.__module__,
    )


def _reject_unsupported(hook: str, implementation: pluggy.HookImpl) -> None:
    function = implementation.function
    name = function.__name__
    if inspect.isasyncgenfunction(function):
        raise PluginError(f"{name} is an async generator; decorate it with contextlib.asynccontextmanager")
    if inspect.iscoroutinefunction(function) and hook not in _MAY_BE_ASYNC:
        raise PluginError(f"{name} is async; hooks must be synchronous functions")
    if implementation.hookwrapper or implementation.wrapper:
        raise PluginError(f"{name} is a hook wrapper; wrappers are not supported, as each plugin is called on its own")


def _rank(implementation: pluggy.HookImpl) -> int:
    if implementation.tryfirst:
        return -1
    return 1 if implementation.trylast else 0


def _accepting(offered: tuple[str, ...], function: Callable[..., Any], taken: tuple[str, ...]) -> Callable[..., Any]:
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
                f"{name} is not marked as a hook: add @hookimpl above it (from llms_core import hookimpl)"
            )


def _suggestion(name: str) -> str:
    near = nearest(name, hook_names())
    return f"; did you mean {near}?" if near is not None else ""


def _message(error: pluggy.PluginValidationError) -> str:
    """Return pluggy's explanation, without the lines that repeat the plugin's name and the function's signature."""
    first, *explanation = str(error).splitlines()
    explanation = [line.strip() for line in explanation if not line.startswith("hookimpl definition:")]
    hook = _HOOK_OF_ERROR.search(first)
    if hook is None:
        return str(error)
    return f"{hook[1]}: {' '.join(explanation)}"
