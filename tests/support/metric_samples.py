"""Reads Prometheus' text format, as a Prometheus server does."""

from __future__ import annotations

from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families


class Samples(NamedTuple):
    """Values by the name of the sample and its labels."""

    values: dict[tuple[str, frozenset[tuple[str, str]]], float]

    def sum(self, name: str, **labels: str) -> float:
        """The sum of all samples of a name that have these labels; 0.0 if there is none."""
        wanted = labels.items()
        return sum(
            value
            for (each, having), value in self.values.items()
            if each == name and wanted <= having
        )

    def series(self, prefix: str = "") -> set[tuple[str, frozenset[tuple[str, str]]]]:
        """The samples whose names begin so, without their values."""
        return {key for key in self.values if key[0].startswith(prefix)}

    def labels(self, name: str, label: str) -> set[str]:
        """The values of one label of a metric."""
        return {dict(having)[label] for each, having in self.values if each == name}


def read(text: str) -> Samples:
    """Read the metrics of one scrape; two samples with the same labels are an error."""
    values = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in values, f"{sample.name} {sample.labels} is there twice"
            values[key] = sample.value
    return Samples(values)
