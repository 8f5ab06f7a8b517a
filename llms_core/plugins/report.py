"""What became of one plugin."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["ok", "disabled", "not allowed", "quarantined"]


class PluginReport(msgspec.Struct, frozen=True):
    """One plugin as `llms plugins` lists it.

    `distribution` is what was installed, or the entry of `[plugins] load` for a one-file plugin. `provides` are the
    names of its provider specs and of its other hooks. A plugin that is `ok` may have a `reason` all the same: a spec
    of it that was refused.
    """

    name: str
    distribution: str
    version: str
    state: State
    reason: str = ""
    import_seconds: float = 0.0
    provides: tuple[str, ...] = ()

    @property
    def origin(self) -> str:
        """The plugin and where it comes from, for messages."""
        return origin(self.name, self.distribution, self.version)


def origin(name: str, distribution: str, version: str) -> str:
    """`plugin 'acme' of acme-llms 1.2`."""
    return f"plugin '{name}' of {distribution} {version}".rstrip()


def summary(error: BaseException) -> str:
    """An exception in one line: its type and its message."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
