"""Litestar's application, without what nothing here uses."""

from __future__ import annotations

import sys

from litestar import Litestar
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin

#: Libraries for models that Litestar supports if they are installed.
_MODELS = frozenset({"pydantic", "attrs"})


class Application(Litestar):
    """A Litestar that supports pydantic and attrs only if a plugin has imported them: it takes a third of the start."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        if sys.modules.keys() & _MODELS:
            return Litestar._get_default_plugins(plugins)
        plugins.append(MsgspecDIPlugin())
        return plugins
