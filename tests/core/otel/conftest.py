"""The gateway and the client of the server's tests, and a collector that spans and metrics are sent to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.core.server.conftest import asking

__all__ = ["asking"]


class Collector:
    """An OpenTelemetry collector, which keeps what it receives (OTLP over HTTP)."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.metrics: list[Metric] = []
        #: Of whatever sends.
        self.resource: dict[str, str] = {}
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.receive(self.path, self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    def receive(self, path: str, data: bytes) -> None:
        if path == "/v1/traces":
            for group in ExportTraceServiceRequest.FromString(data).resource_spans:
                self.resource = {
                    each.key: each.value.string_value for each in group.resource.attributes
                }
                for scope in group.scope_spans:
                    self.spans += scope.spans
        elif path == "/v1/metrics":
            for measured in ExportMetricsServiceRequest.FromString(data).resource_metrics:
                for scope_metrics in measured.scope_metrics:
                    self.metrics += scope_metrics.metrics

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector that the environment names. Spans arrive within a tenth of a second, metrics at a gateway's end."""
    with ExitStack() as closing:
        running = Collector()
        closing.callback(running.close)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        yield running
