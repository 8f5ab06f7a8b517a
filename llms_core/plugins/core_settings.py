"""The members of `[plugin.NAME]` that are the core's, and not the plugin's own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from llms_core.errors import ConfigError

FAIL = "fail"
REFRESH = "refresh"

FALLIBLE_HOOKS = frozenset({"llms_middleware", "llms_candidates"})
"""The hooks without which requests do not go on, unless `fail` is "open"."""

#: Member -> the hooks that it is about. A plugin with none of them may have a member of that name for itself.
_HOOKS = {FAIL: FALLIBLE_HOOKS, REFRESH: frozenset({"llms_config"})}


class CoreSettings(msgspec.Struct, frozen=True):
    """How the core treats one plugin."""

    #: `fail = "open"`: requests continue without its middleware, or its choice, if that fails.
    fails_open: bool = False
    #: Whether plugins.toml has a table for the plugin.
    is_configured: bool = False
    #: Seconds after which `llms_config` is called again; None if only the plugin asks for it.
    refresh: float | None = None

    @property
    def is_demanded(self) -> bool:
        """Whether requests must not go on without the plugin."""
        return self.is_configured and not self.fails_open


def split(
    name: str, table: Mapping[str, Any] | None, hooks: Collection[str], path: str
) -> tuple[CoreSettings, Mapping[str, Any] | None]:
    """Return the core's settings for a plugin with these hooks, and what is left of its table for the plugin.

    Raises ConfigError for a value that is not valid.
    """
    if table is None:
        return CoreSettings(), None
    own = dict(table)
    members = {
        member: own.pop(member, None)
        for member, about in _HOOKS.items()
        if about.intersection(hooks)
    }
    fail = members.get(FAIL) or "closed"
    if fail not in ("open", "closed"):
        hint = "closed refuses requests if the plugin fails, open lets them go on"
        raise ConfigError(
            f"{fail!r} is neither 'open' nor 'closed'",
            path=path,
            field=f"plugin.{name}.{FAIL}",
            hint=hint,
        )
    refresh = members.get(REFRESH)
    if refresh is not None and (
        not isinstance(refresh, int | float) or isinstance(refresh, bool) or refresh <= 0
    ):
        message = f"{refresh!r} is not a number of seconds"
        raise ConfigError(message, path=path, field=f"plugin.{name}.{REFRESH}", hint="such as 60")
    return CoreSettings(fails_open=fail == "open", is_configured=True, refresh=refresh), own


def fails_open(table: Mapping[str, Any]) -> bool:
    """Whether the user lets requests go on without a plugin, as far as that can be told without its hooks."""
    return bool(table.get(FAIL) == "open")
