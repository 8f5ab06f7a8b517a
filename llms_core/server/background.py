"""What happens beside the requests: changed files are read again (SR-092, K-25), models are discovered (SR-118)."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from llms_core.config import plugins_toml
from llms_core.errors import LlmsError
from llms_core.routing.discovery import discover
from llms_core.secret import redact
from llms_core.server.gateway import Gateway, check, reread
from llms_core.startup import reload

log = logging.getLogger(__name__)

_LOOK = 0.5  # seconds between two looks at the files
_AGAIN = 300.0  # seconds between two discoveries
_SOONER = 15.0  # the same, while a provider has not answered yet

Stamp = tuple[int, int, int] | None


async def watch_files(gateway: Gateway, config: Path | None, plugins: Path | None, changed: asyncio.Event) -> None:
    """Read the files again when they change; a broken edit keeps the old configuration, and is said.

    Looks at the time stamps rather than asking the system for events: those do not arrive from every mount.
    """
    paths = [path for path in (config, plugins) if path is not None]
    before = [_stamp(path) for path in paths]
    while True:
        await asyncio.sleep(_LOOK)
        now = [_stamp(path) for path in paths]
        if now != before:
            before = now
            if _read_again(gateway, config, plugins):
                changed.set()


def _read_again(gateway: Gateway, config: Path | None, plugins: Path | None) -> bool:
    try:
        startup = reload(gateway.startup, config)
        if plugins is not None:
            startup = reread(startup, plugins_toml.load(plugins))
        check(startup)
        gateway.apply(startup)
    except LlmsError as error:
        gateway.problem = redact(str(error))
        log.error("the old configuration stays: %s", gateway.problem)
        return False
    gateway.problem = None
    for warning in startup.warnings:
        log.warning("%s", warning)
    log.info("the configuration was read again")
    return True


async def discover_models(gateway: Gateway, changed: asyncio.Event) -> None:
    """Ask for models at the start, after each change of the configuration, and every few minutes.

    A provider that does not answer keeps the list that it gave last.
    """
    while True:
        changed.clear()
        found = await discover(gateway.router.engine, gateway.startup.configured)
        before = gateway.discovered
        gateway.discovered = {
            provider: before.get(provider, ()) if isinstance(models, str) else models
            for provider, models in found.items()
        }
        gateway.discovery = {
            provider: redact(models) if isinstance(models, str) else f"{len(models)} models"
            for provider, models in found.items()
        }
        if found:
            gateway.rebuild()
        failed = any(isinstance(models, str) for models in found.values())
        try:
            async with asyncio.timeout(_SOONER if failed else _AGAIN):
                await changed.wait()
        except TimeoutError:
            pass


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
