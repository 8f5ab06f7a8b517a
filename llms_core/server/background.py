"""Background work of the server: reloading changed files (SR-092, K-25) and discovering models (SR-118)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from llms_core.config import client_keys, plugins_toml
from llms_core.errors import LlmsError
from llms_core.secret import redact
from llms_core.server.gateway import Gateway
from llms_core.startup import check, reload, with_plugins_toml

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

    def __init__(self, gateway: Gateway, config: Path | None, plugins: Path | None, loaded: Sequence[FileStamp | None]):
        """`loaded` are the stamps of the two files before they were read, so that no change is missed."""
        self.config = config
        #: Set after each change of the configuration.
        self.changed = asyncio.Event()
        self.gateway = gateway
        self._plugins = plugins
        self._previous = [*loaded, *stamps(gateway.keys_file)]

    async def watch(self) -> None:
        """Look at the files again and again."""
        while True:
            await asyncio.sleep(_POLL_INTERVAL)
            self.look()

    def look(self) -> None:
        """Reload the files if they have changed."""
        current = stamps(self.config, self._plugins, self.gateway.keys_file)
        if current == self._previous:
            return
        # Even if the reload fails: a broken file is reported once, not twice a second.
        self._previous = current
        if _reload(self.gateway, self.config, self._plugins):
            self.changed.set()


def _reload(gateway: Gateway, config: Path | None, plugins: Path | None) -> bool:
    """Load both files and use them; whether that succeeded."""
    try:
        if plugins is not None:
            # First, so that a key which was removed stops working even if something else is wrong.
            server = plugins_toml.load_keys(plugins)
            gateway.use_keys(gateway.startup.host, client_keys.collect(server, str(plugins), may_be_empty=True))
        startup = reload(gateway.startup, config)
        if plugins is not None:
            startup = with_plugins_toml(startup, plugins_toml.load(plugins))
        check(startup)
        gateway.apply(startup)
    except LlmsError as error:
        text = redact(str(error))
        gateway.reject(text)
        log.error("the configuration was not reloaded, the previous one stays in use: %s", text)
        return False
    for warning in startup.warnings:
        log.warning("%s", warning)
    log.info("the configuration was reloaded")
    return True


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
