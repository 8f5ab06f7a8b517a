"""Everything that a start of the server would find wrong, found without serving: for the command line."""

from __future__ import annotations

from pathlib import Path

import msgspec

from llms_core import checks, startup
from llms_core.config.model import LlmsJson, PluginsToml
from llms_core.errors import ConfigError
from llms_core.plugins.doctor import examine
from llms_core.plugins.loading import load_plugins
from llms_core.plugins.report import Finding
from llms_core.server.app import application
from llms_core.server.background import FileWatcher
from llms_core.server.gateway import Gateway
from llms_core.startup import Startup


class Examination(msgspec.Struct, frozen=True, eq=False):
    """What was found."""

    startup: Startup
    #: The errors that keep the server from starting, in the order in which they would be raised.
    errors: tuple[ConfigError, ...]

    @property
    def findings(self) -> list[Finding]:
        """What is wrong with plugins, or may be soon."""
        return examine(self.startup.host, self.startup.configured)


def examine_start(
    config: Path | None, plugins: Path | None, *, strict: bool = False
) -> Examination:
    """Do what a start of the server does, except for serving, and go on after an error.

    Raises ConfigError if plugins.toml is invalid: then it is not known which plugins there are.
    """
    toml, host = load_plugins(plugins)
    errors: list[ConfigError] = []
    # What plugins add does not depend on llms.json, so that it is examined in any case.
    started = Startup(toml, host, LlmsJson(path="", providers=()), ())
    try:
        started = startup.with_plugins(toml, host, config, strict=strict)
    except ConfigError as error:
        errors.append(error)
    # Without providers, the tables of plugins.toml that name some would seem wrong.
    wrong = [] if errors else list(checks.setting_errors(started))
    errors += checks.plugin_errors(started)
    errors += wrong
    usable = started
    if wrong:
        # Wrong settings would fail again where they are used.
        usable = msgspec.structs.replace(
            started, plugins_toml=PluginsToml(path=toml.path, server=toml.server)
        )
    try:
        gateway = Gateway(usable)
        # The application is not run, so nothing is watched.
        application(FileWatcher(gateway, None, None, (None, None)))
        host.lifespans(gateway)
    except ConfigError as error:
        errors.append(error)
    return Examination(started, tuple(errors))
