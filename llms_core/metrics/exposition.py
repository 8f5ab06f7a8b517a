"""Time series in Prometheus' formats, written by its own client. Importing that takes long, so it is not at the top."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from llms_core import __version__
from llms_core.metrics.families import Family
from llms_core.metrics.series import Series, Values

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric


def expose(series: Series, accept: str) -> tuple[bytes, str]:
    """Return the text of all series and its media type, in the format that a request's `Accept` prefers."""
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.registry import CollectorRegistry

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(series))
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type


class _Collector:
    def __init__(self, series: Series):
        self._series = series

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.metrics_core import GaugeMetricFamily

        labels = {"version": __version__, "python": platform.python_version()}
        build = GaugeMetricFamily(
            "llms_build_info", "The version of llms-core and of Python.", labels=list(labels)
        )
        build.add_metric(list(labels.values()), 1)
        yield build
        for family, values in self._series.families():
            yield _metric(family, values)


def _metric(family: Family, values: Values) -> Metric:
    from prometheus_client.metrics_core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    if family.kind == "histogram":
        histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        for labels, numbers in values.items():
            histogram.add_metric(labels, _buckets(family.bounds, numbers), numbers[-1])
        return histogram
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = kind(family.name, family.help, labels=family.labels)
    for labels, numbers in values.items():
        metric.add_metric(labels, numbers[0])
    return metric


def _buckets(bounds: Sequence[float], numbers: Sequence[float]) -> list[tuple[str, float]]:
    """Each bucket's upper bound and the number of values up to it."""
    upper = [*map(str, bounds), "+Inf"]
    return list(zip(upper, accumulate(numbers[:-1]), strict=True))
