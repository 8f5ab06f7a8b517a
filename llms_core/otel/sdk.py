"""OpenTelemetry's SDK as its environment variables configure it.

The SDK reads nearly all of them itself. What an application has to do is to choose the exporters, which are plugins of
the SDK, by OTEL_TRACES_EXPORTER and OTEL_METRICS_EXPORTER.
"""

from __future__ import annotations

import logging
import os
import uuid
from importlib.metadata import entry_points
from typing import Any

from opentelemetry.sdk.environment_variables import (
    OTEL_EXPORTER_OTLP_METRICS_PROTOCOL,
    OTEL_EXPORTER_OTLP_PROTOCOL,
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from llms_core import __version__

log = logging.getLogger("llms_core.otel")

_NONE = "none"


def resource() -> Resource:
    """What sends: this process. OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME take precedence."""
    own = {
        "service.name": "llms",
        "service.version": __version__,
        "service.instance.id": str(uuid.uuid4()),
    }
    configured = OTELResourceDetector().detect().attributes
    return Resource.create({name: value for name, value in own.items() if name not in configured})


def tracer_provider(about: Resource) -> TracerProvider:
    """Return what makes spans and sends them, in a thread of its own."""
    provider = TracerProvider(resource=about, shutdown_on_exit=False)
    for exporter in _exporters("traces", OTEL_EXPORTER_OTLP_TRACES_PROTOCOL):
        provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def meter_provider(about: Resource) -> MeterProvider:
    """Return what makes metrics and sends them, in a thread of its own."""
    exporters = _exporters("metrics", OTEL_EXPORTER_OTLP_METRICS_PROTOCOL)
    readers = [PeriodicExportingMetricReader(exporter) for exporter in exporters]
    return MeterProvider(readers, resource=about, shutdown_on_exit=False)


def _exporters(signal: str, protocol_variable: str) -> list[Any]:
    """The exporters of a signal that the environment names. One that cannot be used is logged and left out."""
    names = os.environ.get(f"OTEL_{signal.upper()}_EXPORTER", "otlp")
    protocol = (
        os.environ.get(protocol_variable)
        or os.environ.get(OTEL_EXPORTER_OTLP_PROTOCOL)
        or "http/protobuf"
    )
    exporters = []
    for name in (each.strip() for each in names.split(",")):
        if name == "otlp":
            name = "otlp_proto_grpc" if protocol == "grpc" else "otlp_proto_http"
        if name and name != _NONE:
            exporters += _exporter(signal, name)
    return exporters


def _exporter(signal: str, name: str) -> list[Any]:
    found = list(entry_points(group=f"opentelemetry_{signal}_exporter", name=name))
    if not found:
        log.error(
            "the OpenTelemetry exporter %r for %s is not installed: install its package",
            name,
            signal,
        )
        return []
    try:
        return [found[0].load()()]
    # An exporter is a plugin of somebody else's: the gateway serves without it.
    except Exception:
        log.exception("the exporter of %s %r cannot be used", signal, name)
        return []
