"""Background work of the server: reloading changed files (SR-092, K-25) and discovering models (SR-118)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from llms_core import checks
from llms_core.config import client_keys, plugins_toml
from llms_core.config.client_keys import ClientKeys
from llms_core.errors import ConfigError, LlmsError
from llms_core.plugins.host import PluginHost
from llms_core.plugins.loading import read_again
from llms_core.secret import redact
from llms_core.server import in_effect
from llms_core.server.gateway import Gateway
from llms_core.server.logs import notices
from llms_core.startup import read_config, rebuild, with_plugins_toml

log = logging.getLogger(__name__)

#: Seconds between two looks at the files.
_POLL_INTERVAL = 0.5
#: Seconds between two discoveries, and the same while a provider has not answered yet.
_DISCOVERY_INTERVAL = 300.0
_DISCOVERY_RETRY_INTERVAL = 15.0

FileStamp = tuple[int, int, int]
"""A file's modification time in nanoseconds, its size and its inode."""


class FileWatcher:
    """Reloads the files when they change. A broken edit is logged and changes nothing.

    Compares the files' stamps: file system events do not arrive from every kind of mount.
    """

    def __init__(
        self,
        gateway: Gateway,
        config: Path | None,
        plugins: Path | None,
        loaded: Sequence[FileStamp | None],
    ):
        """`loaded` are the stamps of the two files before they were read, so that no change is missed."""
        self.config = config
        #: Set after each change of the configuration.
        self.changed = asyncio.Event()
        self.gateway = gateway
        self._plugins = plugins
        stamp_of_keys = stamps(gateway.keys_file)
        self._previous = [*loaded, *stamp_of_keys]
        self._previous_keys = [loaded[1], *stamp_of_keys]
        self._looking = asyncio.Lock()

    async def watch(self) -> None:
        """Look at the files again and again."""
        await asyncio.gather(self._watch_keys(), self._watch_all())

    async def look(self) -> None:
        """Reload the files if they have changed, or if a plugin has other providers. Returns when they are in use."""
        async with self._looking:
            current = stamps(self.config, self._plugins, self.gateway.keys_file)
            have_changed = current != self._previous
            # Even if the reload fails: a broken file is reported once, not twice a second.
            self._previous = current
            if not have_changed and not await _have_new_providers(self.gateway.startup.host):
                return
            if await _reload(self.gateway, self.config, self._plugins, have_changed=have_changed):
                self.changed.set()

    async def _watch_all(self) -> None:
        while True:
            await asyncio.sleep(_POLL_INTERVAL)
            await self.look()

    async def _watch_keys(self) -> None:
        """Use changed keys at once: everything else may have to wait for plugins, or for corrections of the rest."""
        while self._plugins is not None:
            await asyncio.sleep(_POLL_INTERVAL)
            current = stamps(self._plugins, self.gateway.keys_file)
            if current == self._previous_keys:
                continue
            self._previous_keys = current
            self._use_keys(self._plugins)

    def _use_keys(self, plugins: Path) -> None:
        try:
            keys = _keys(plugins)
        except LlmsError:
            # The reload reads the keys as well, and reports what is wrong.
            keys = client_keys.still_listed(self.gateway.keys, plugins)
            if keys == self.gateway.keys:
                return
        self.gateway.use_keys(self.gateway.startup.host, keys)


def _keys(plugins: Path) -> ClientKeys:
    return client_keys.collect(plugins_toml.load_keys(plugins), str(plugins), may_be_empty=True)


async def _have_new_providers(host: PluginHost) -> bool:
    """Ask the plugins that contribute providers, if it is time; whether there is a difference."""
    if not host.contributors.is_due:
        return False
    # In a thread, because they may ask a database.
    return await asyncio.to_thread(host.contributors.read_due)


async def _reload(
    gateway: Gateway, config: Path | None, plugins: Path | None, *, have_changed: bool
) -> bool:
    """Load both files and use them; whether that succeeded. Unless they `have_changed`, plugins are not asked again."""
    host = gateway.startup.host
    try:
        _reject_deleted(config, plugins)
        if plugins is not None:
            _keys(plugins)  # they are in use already, if they are valid
        # In a thread, because plugins may ask other servers for the secrets in the files.
        document = await asyncio.to_thread(read_config, config, host, asks_plugins=have_changed)
        toml = None
        if plugins is not None and have_changed:
            toml = await asyncio.to_thread(read_again, plugins, host)
        startup = rebuild(gateway.startup, document)
        if toml is not None:
            startup = with_plugins_toml(startup, toml)
        checks.check(startup)
        changed = redact(in_effect.changes(gateway.startup, startup))
        gateway.apply(startup)
    except LlmsError as error:
        text = redact(str(error))
        gateway.reject(text)
        log.error("the configuration was not reloaded, the previous one stays in use: %s", text)
        return False
    for warning in in_effect.warnings(startup):
        log.warning("%s", warning)
    for contributor in host.contributors:
        if contributor.failure:
            log.error("%s: llms_config failed: %s", contributor.origin, contributor.failure)
    notices.info("the configuration was reloaded: %s", changed)
    if not gateway.has_providers:
        notices.warning(in_effect.NO_PROVIDER)
    return True


def _reject_deleted(*files: Path | None) -> None:
    """Raise ConfigError for a file that was there at the start: what applies without it was not what the user chose."""
    for file in files:
        if file is not None and not file.exists():
            raise ConfigError(
                "the file has been deleted since it was read",
                path=str(file),
                hint="restore it, or restart without it",
            )


async def keep_models_current(gateway: Gateway, changed: asyncio.Event) -> None:
    """Discover models at the start, after each change of the configuration, and at intervals."""
    while True:
        # Cleared before the discovery, so that a change during it triggers another one.
        changed.clear()
        found = await gateway.discover_models()
        gateway.update_models(found)
        has_failed = any(isinstance(result, str) for result in found.values())
        interval = _DISCOVERY_RETRY_INTERVAL if has_failed else _DISCOVERY_INTERVAL
        with suppress(TimeoutError):
            async with asyncio.timeout(interval):
                await changed.wait()


def stamps(*paths: Path | None) -> list[FileStamp | None]:
    """Return the stamp of each file, None for one that cannot be read."""
    return [_stamp(path) for path in paths]


def _stamp(path: Path | None) -> FileStamp | None:
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
