"""A plugin that sends traces and metrics to OpenTelemetry, by its conventions for generative AI.

It does nothing until plugins.toml has its table, and needs the extra `llms-core[otel]`:

    [otel]
    propagate = true

Where they are sent is set by OpenTelemetry's own variables, such as OTEL_EXPORTER_OTLP_ENDPOINT
(docs/operations/monitoring.md).
"""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from llms_core.plugins.hookspecs import hookimpl
from llms_core.plugins.settings import PluginSettings

if TYPE_CHECKING:
    from llms_core.middleware import Middleware
    from llms_core.otel.content import ContentMiddleware
    from llms_core.otel.telemetry import Telemetry
    from llms_core.records import AttemptRecord, AttemptStart, RequestRecord
    from llms_core.status import GatewayStatus


class OtelSettings(msgspec.Struct, kw_only=True):
    """`[otel]`."""

    #: Whether anything is sent.
    enabled: Annotated[bool, Meta(examples=[True])] = True
    #: Whether providers get `traceparent` and `tracestate`, so that their spans belong to the same trace.
    propagate: Annotated[bool, Meta(examples=[False])] = True
    #: Whether the texts of chats and their answers are sent.
    content: Annotated[bool, Meta(examples=[True])] = False


_settings = [OtelSettings()]
#: One while a server runs; the latest is the last.
_running: list[Telemetry] = []
#: What remembers texts; empty unless the settings ask for it.
_contents: list[ContentMiddleware] = []


@hookimpl
def llms_configure(settings: PluginSettings) -> None:
    """Read `[otel]`. Raises ConfigError if the extra is not installed."""
    _settings[:] = [settings.decode(OtelSettings)]
    _contents.clear()
    if not settings.is_given or not _settings[0].enabled:
        settings.switch_off(
            "plugins.toml has no [otel]" if not settings.is_given else "[otel] enabled is false"
        )
        return
    if importlib.util.find_spec("opentelemetry.sdk") is None:
        raise settings.error((), "OpenTelemetry is not installed", "pip install 'llms-core[otel]'")
    if _settings[0].content:
        from llms_core.otel.content import ContentMiddleware

        _contents.append(ContentMiddleware())


@hookimpl(trylast=True)
def llms_middleware() -> Iterable[Middleware]:
    """Return what remembers texts, if the settings ask for it. It comes last: behind a guard, which may mask some."""
    return tuple(_contents)


@hookimpl
@asynccontextmanager
async def llms_lifespan(gateway: GatewayStatus) -> AsyncIterator[None]:
    """Send from the start of a server process to its end."""
    # Imported here, because every command of the command line loads this module, and the SDK takes long.
    from llms_core.otel.telemetry import Telemetry

    telemetry = Telemetry(gateway, propagates=_settings[0].propagate)
    _running.append(telemetry)
    try:
        yield
    finally:
        _running.remove(telemetry)
        await telemetry.close()


@hookimpl
def llms_attempt_started(attempt: AttemptStart) -> Mapping[str, str] | None:
    """Begin a span, and that of the request if it is its first attempt."""
    if _running:
        return _running[-1].attempt_started(attempt)
    return None


@hookimpl
def llms_attempt_finished(attempt: AttemptRecord) -> None:
    """End a span."""
    if _running:
        _running[-1].attempt_finished(attempt)


@hookimpl
def llms_request_finished(record: RequestRecord) -> None:
    """End the span of a request."""
    content = _contents[0].take(record.request_id) if _contents else None
    if _running:
        _running[-1].request_finished(record, content)
