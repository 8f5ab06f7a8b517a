"""The state of one plugin, and how messages name it."""

from __future__ import annotations

from typing import Literal

import msgspec

#: "quarantined": the plugin is installed and enabled, but cannot be used.
PluginState = Literal["ok", "disabled", "not allowed", "quarantined"]


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

    @property
    def origin(self) -> str:
        """The plugin and its distribution, for messages."""
        return origin(self.name, self.distribution, self.version)


def origin(name: str, distribution: str, version: str) -> str:
    """Name a plugin in messages: `plugin 'acme' of acme-llms 1.2`."""
    return f"plugin '{name}' of {distribution} {version}".rstrip()


def summary(error: BaseException) -> str:
    """Describe an exception in one line: its type and its message."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
