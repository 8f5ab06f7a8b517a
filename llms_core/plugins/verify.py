"""A plugin's hooks, checked one by one, so that a slip is said at start and not found out at three in the morning."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pluggy

from llms_core.config.locate import nearest
from llms_core.errors import PluginError
from llms_core.plugins import hookspecs
from llms_core.plugins.hookspecs import PROJECT


class Hook(msgspec.Struct, frozen=True):
    """One implementation. `call` takes the hook's arguments in the hookspec's order.

    `rank` is -1 for `tryfirst`, 1 for `trylast`. `module` is where it stands.
    """

    call: Callable[..., Any]
    rank: int = 0
    module: str = ""


def hooks_of(plugin: object, name: str) -> Mapping[str, Hook]:
    """The hooks that a plugin implements, by name.

    Raises PluginError where one is unknown, unmarked, async, a wrapper, or takes arguments that its hook does not have.
    """
    # A manager of the plugin's own: pluggy keeps half of what it refuses, and here that goes with the manager.
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(plugin, name)
    except pluggy.PluginValidationError as error:
        raise PluginError(_without_definition(error)) from error
    known = [attribute for attribute in vars(hookspecs) if attribute.startswith("llms_")]
    _refuse_unmarked(plugin, known)
    hooks = {}
    for caller in manager.get_hookcallers(plugin) or ():
        for implementation in caller.get_hookimpls():
            if caller.spec is not None:
                hooks[caller.name] = _hook(implementation, caller.spec.argnames)
            elif not implementation.optionalhook:
                near = nearest(caller.name, known)
                raise PluginError(f"there is no hook {caller.name}" + (f"; did you mean {near}?" if near else ""))
    return hooks


def _hook(implementation: pluggy.HookImpl, offered: tuple[str, ...]) -> Hook:
    function, name = implementation.function, implementation.function.__name__
    if inspect.isasyncgenfunction(function):
        raise PluginError(f"{name} is an async generator; decorate it with contextlib.asynccontextmanager")
    if inspect.iscoroutinefunction(function):
        raise PluginError(f"{name} is async, and nobody would await it: hooks are plain functions")
    if implementation.hookwrapper or implementation.wrapper:
        raise PluginError(f"{name} is a hook wrapper; implementations are called one by one, there is nothing to wrap")
    rank = -1 if implementation.tryfirst else 1 if implementation.trylast else 0
    if implementation.argnames == offered:
        return Hook(function, rank, function.__module__)
    taken = [offered.index(argument) for argument in implementation.argnames]
    return Hook(lambda *given: function(*[given[index] for index in taken]), rank, function.__module__)


def _refuse_unmarked(plugin: object, known: list[str]) -> None:
    """A function that has a hook's name and not its mark: pluggy passes over it in silence."""
    for name in known:
        function = inspect.getattr_static(plugin, name, None)
        if inspect.isfunction(function) and not hasattr(function, f"{PROJECT}_impl"):
            raise PluginError(f"{name} is not marked: put @hookimpl above it (from llms_core import hookimpl)")


def _without_definition(error: pluggy.PluginValidationError) -> str:
    """pluggy's message less its first line and the signature, which name the plugin by its module's path."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    kept = [line for line in lines if not line.startswith(("Plugin ", "hookimpl definition:", "hook: "))]
    hook = next((line.removeprefix("hook: ") for line in lines if line.startswith("hook: ")), "")
    return " ".join(([f"{hook}:"] if hook else []) + (kept or lines))
