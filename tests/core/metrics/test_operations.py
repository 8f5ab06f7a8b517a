"""docs/operations: the dashboard and the alert rules fit the metrics that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from llms_core.metrics.exposition import expose
from llms_core.metrics.families import OWN_FAMILIES
from llms_core.metrics.series import Series
from tests.core.metrics.conftest import Promtool

FOLDER = Path(__file__).parents[3] / "docs/operations"
DASHBOARD = json.loads((FOLDER / "grafana-dashboard.json").read_text("utf-8"))
RULES = yaml.safe_load((FOLDER / "alerts.yml").read_text("utf-8"))["groups"][0]["rules"]
GUIDE = (FOLDER / "monitoring.md").read_text("utf-8")

#: What the gateway measures, beside what is counted for requests.
MEASURED = {
    "llms_build_info": ("version", "python"),
    "llms_workers": (),
    "llms_requests_in_flight": (),
    "llms_ledger_queue": (),
    "llms_ledger_failing": (),
    "llms_ledger_written_total": (),
    "llms_ledger_spilled_total": (),
    "llms_ledger_lost_total": (),
    "llms_circuits": ("provider", "upstream_model", "operation", "state"),
}
LABELS = {**{family.name: family.labels for family in OWN_FAMILIES}, **MEASURED}
#: Prometheus' own.
OF_PROMETHEUS = {"up": ("job", "instance")}
#: Labels that Prometheus adds.
ADDED = {"job", "instance", "le"}

_SELECTOR = re.compile(r"\b(llms_\w+|up)(?:\{([^}]*)\})?")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_BY = re.compile(r"\bby \(([^)]*)\)")


def expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]
    for rule in RULES:
        yield rule["expr"]


def labels_of(name: str) -> set[str]:
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    found = {**LABELS, **OF_PROMETHEUS}.get(base)
    assert found is not None, f"there is no metric {name}"
    return {*found, *ADDED}


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_every_metric_and_label_exists(expression: str) -> None:
    found = _SELECTOR.findall(expression)
    assert found, expression
    everywhere: set[str] = set()
    for name, selector in found:
        labels = labels_of(name)
        everywhere |= labels
        for label in _LABEL.findall(selector):
            assert label in labels, f"{name} has no label {label}"
    for group in _BY.findall(expression):
        assert {label.strip() for label in group.split(",")} <= everywhere


def test_the_guide_lists_every_metric_with_its_labels() -> None:
    listed = dict(re.findall(r"^\| `(llms_\w+)` \|([^|]*)\|", GUIDE, re.MULTILINE))
    assert {
        name: tuple(re.findall(r"`(\w+)`", labels)) for name, labels in listed.items()
    } == LABELS


def test_the_metrics_are_those_that_are_exposed() -> None:
    text = expose(Series(), "")[0].decode()
    exposed = {name for name in LABELS if f"# TYPE {name} " in text}
    assert exposed == LABELS.keys() - MEASURED.keys() | {"llms_build_info"}


def test_the_dashboard_places_each_panel_once_and_within_its_width() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place: dict[str, Any] = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not taken & cells, panel["title"]
        taken |= cells
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))


def test_promtool_accepts_the_rules(promtool: Promtool) -> None:
    promtool("check", "rules", "--lint-fatal", str(FOLDER / "alerts.yml"))


def test_promtool_runs_the_tests_of_the_rules(promtool: Promtool) -> None:
    promtool("test", "rules", str(FOLDER / "alerts_test.yml"))


def test_every_rule_is_tested_both_ways() -> None:
    """That it fires, and that it does not."""
    tests = yaml.safe_load((FOLDER / "alerts_test.yml").read_text("utf-8"))["tests"]
    checks = [check for test in tests for check in test["alert_rule_test"]]
    fires = {check["alertname"] for check in checks if check["exp_alerts"]}
    is_silent = {check["alertname"] for check in checks if not check["exp_alerts"]}
    assert fires == is_silent == {rule["alert"] for rule in RULES}
