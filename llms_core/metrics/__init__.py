"""A plugin that counts what the gateway does, for Prometheus: `GET /metrics` (docs/operations/monitoring.md).

It is on, and needs a key wherever completions do, unless plugins.toml says otherwise:

    [metrics]
    enabled = true
    public = false
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Set
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from llms_core.metrics.current import running
from llms_core.plugins.hookspecs import hookimpl
from llms_core.plugins.settings import PluginSettings

if TYPE_CHECKING:
    from llms_core.records import AttemptRecord, RequestRecord
    from llms_core.status import GatewayStatus


class MetricsSettings(msgspec.Struct, kw_only=True):
    """`[metrics]`."""

    #: Whether anything is counted.
    enabled: Annotated[bool, Meta(examples=[False])] = True
    #: Whether `/metrics` needs no key.
    public: Annotated[bool, Meta(examples=[True])] = False


_settings = [MetricsSettings()]


@hookimpl
def llms_configure(settings: PluginSettings) -> None:
    """Read `[metrics]`."""
    _settings[:] = [settings.decode(MetricsSettings)]
    if not _settings[0].enabled:
        settings.switch_off("[metrics] enabled is false")


@hookimpl
@asynccontextmanager
async def llms_lifespan(gateway: GatewayStatus) -> AsyncIterator[None]:
    """Count from the start of a server process to its end."""
    # Imported here, because every command of the command line loads this module.
    from llms_core.metrics.collection import Collection

    collection = Collection(gateway)
    running.append(collection)
    try:
        yield
    finally:
        running.remove(collection)
        await collection.close()


@hookimpl
def llms_request_finished(record: RequestRecord) -> None:
    """Count a request."""
    for collection in running:
        collection.add_request(record)


@hookimpl
def llms_attempt_finished(attempt: AttemptRecord) -> None:
    """Count an attempt."""
    for collection in running:
        collection.add_attempt(attempt)


@hookimpl
def llms_root_routes() -> Iterable[Any]:
    """Serve `/metrics`."""
    from llms_core.metrics.route import metrics

    return [metrics]


@hookimpl
def llms_public_routes() -> Set[str]:
    """Let anybody read the metrics if the user says so."""
    if _settings[0].public:
        return {"metrics"}
    return set()
