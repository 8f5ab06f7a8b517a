"""A plugin that records every request, what it used and what it cost: the ledger.

It is on unless plugins.toml says otherwise:

    [ledger]
    enabled = false

docs/ledger.md describes what is recorded, and the other settings.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from llms_core.plugins.hookspecs import hookimpl
from llms_core.plugins.settings import PluginSettings

if TYPE_CHECKING:
    from llms_core.ledger.content import ContentMiddleware
    from llms_core.ledger.recorder import LedgerStatus, Recorder
    from llms_core.ledger.settings import LedgerSettings
    from llms_core.middleware import Middleware
    from llms_core.records import RequestRecord
    from llms_core.status import Measurement


class _State:
    settings: LedgerSettings | None = None
    #: One for each service of this process that runs; the last one gets the records.
    recorders: tuple[Recorder, ...] = ()
    #: what remembers texts; None unless the settings ask for it
    contents: ContentMiddleware | None = None


def status() -> LedgerStatus | None:
    """Return the state of the ledger of this process; None if nothing is recorded."""
    if _State.recorders:
        return _State.recorders[-1].status()
    return None


def current_settings() -> LedgerSettings:
    """Return `[ledger]` of the plugins.toml that was read last."""
    from llms_core.ledger.settings import LedgerSettings

    return _State.settings or LedgerSettings()


@hookimpl
def llms_configure(settings: PluginSettings) -> None:
    """Read `[ledger]`. Raises ConfigError."""
    from llms_core.ledger.settings import read

    _State.settings = read(settings)
    _State.contents = None
    if not _State.settings.enabled:
        settings.switch_off("[ledger] enabled is false")
    elif _State.settings.content:
        from llms_core.ledger.content import ContentMiddleware

        _State.contents = ContentMiddleware(_State.settings.max_content)


@hookimpl
def llms_middleware() -> Iterable[Middleware]:
    """Return what remembers texts, if the settings ask for it."""
    if _State.contents is None:
        return ()
    return (_State.contents,)


@hookimpl
def llms_request_finished(record: RequestRecord) -> None:
    """Record a request."""
    recorders = _State.recorders
    if recorders:
        recorders[-1].add(record)
    if _State.contents is not None:
        content = _State.contents.take(record.request_id)
        if content is not None and recorders:
            recorders[-1].add_content(record, content)


@hookimpl
@asynccontextmanager
async def llms_lifespan() -> AsyncIterator[None]:
    """Write records while the service runs, and those that are left when it ends."""
    # Imported here, because every command of the command line loads this module.
    import asyncio

    from llms_core.ledger.opening import recorder_for

    recorder = recorder_for(current_settings(), os.environ)
    recorder.start()
    _State.recorders = (*_State.recorders, recorder)
    try:
        yield
    finally:
        _State.recorders = tuple(each for each in _State.recorders if each is not recorder)
        await asyncio.to_thread(recorder.stop)


@hookimpl
def llms_measurements() -> Iterable[Measurement]:
    """Return the state of the ledger for `/metrics`."""
    from llms_core.ledger.measured import measurements

    found = status()
    if found is None:
        return ()
    return measurements(found)


@hookimpl
def llms_status() -> Mapping[str, Any]:
    """Return the state of the ledger for `/ready`."""
    import msgspec

    found = status()
    if found is None:
        return {}
    return msgspec.structs.asdict(found)
