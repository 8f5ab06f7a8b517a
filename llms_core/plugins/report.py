"""The state of one plugin, what is wrong with it, and how messages name it and the place of a mistake."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import TracebackType
from typing import Any, Literal

import msgspec

#: "quarantined": the plugin is installed and enabled, but cannot be used.
PluginState = Literal["ok", "disabled", "not allowed", "quarantined"]

#: Frames of a traceback that are ours or Python's, and not a plugin's.
_NOT_OF_PLUGINS = ("llms_core", "importlib", "runpy", "contextlib", "threading")


class PluginReport(msgspec.Struct, frozen=True):
    """One plugin as `llms plugins` lists it."""

    name: str
    #: The installed distribution, or the entry of `[plugins] load` for a one-file plugin.
    distribution: str
    version: str
    state: PluginState
    #: Why the plugin is not used. For a plugin that is "ok": which of its provider specs were ignored, and why.
    reason: str = ""
    import_seconds: float = 0.0
    #: The names of its provider specs, then the names of its other hooks.
    provides: tuple[str, ...] = ()
    #: Whether it is quarantined and may be a plugin that authenticates callers: then the server does not start.
    may_authenticate: bool = False
    #: Whether `[plugins] load` names a file or a package that does not exist: then the server does not start, either.
    is_missing: bool = False
    #: Whether it is quarantined, and may be one that requests must not go on without: one with middleware, or one that
    #: chooses candidates, and with a table in plugins.toml that does not say `fail = "open"`. Then neither.
    is_demanded: bool = False
    #: Whether it has switched itself off, because its settings say so: nothing is missing without it.
    is_switched_off: bool = False

    @property
    def origin(self) -> str:
        """The plugin and its distribution, for messages."""
        return origin(self.name, self.distribution, self.version)


class Finding(msgspec.Struct, frozen=True):
    """One problem of a plugin, as a start of the server or `llms plugins doctor` reports it."""

    #: The plugin's name; empty for a problem that is no plugin's.
    plugin: str
    #: True if the problem keeps the plugin, or a part of it, from working.
    fault: bool
    text: str
    #: The hook that it is about, if it is about one.
    hook: str = ""
    #: Whether the warnings of llms.json have it, too, with file and line.
    is_warned: bool = False


def origin(name: str, distribution: str, version: str) -> str:
    """Name a plugin in messages: `plugin 'acme' of acme-llms 1.2`."""
    return f"plugin '{name}' of {distribution} {version}".rstrip()


def summary(error: BaseException) -> str:
    """Describe an exception in one line: its type, its message, and the plugin's line that it comes from."""
    text = " ".join(str(error).split())
    place = _line_of_plugin(error.__traceback__)
    if isinstance(error, SyntaxError) and error.filename:
        # Python's own message has only the last part of the file's path.
        text = error.msg
        place = f"{error.filename}:{error.lineno}"
    described = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return f"{described} ({place})" if place else described


def where(defined: Callable[..., Any]) -> str:
    """Return the file and the line where a function or a class is defined, for messages; empty if that is unknown."""
    try:
        _, line = inspect.getsourcelines(defined)
        return f"{inspect.getsourcefile(defined)}:{line}"
    except (OSError, TypeError):
        return ""


def _line_of_plugin(traceback: TracebackType | None) -> str:
    """The last line in a traceback that belongs to the same package as the first foreign one: a library is not it."""
    package = ""
    place = ""
    while traceback is not None:
        frame = traceback.tb_frame
        root = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        is_foreign = root not in _NOT_OF_PLUGINS and not frame.f_code.co_filename.startswith("<")
        if is_foreign and package in ("", root):
            package = root
            place = f"{frame.f_code.co_filename}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return place
