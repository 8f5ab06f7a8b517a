"""The circuits on the status page: which models of which providers are skipped for a while."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from llms_core.server.pages.markup import Markup, element, join
from llms_core.server.pages.providers import Circuits
from llms_core.server.pages.times import seconds, time_element

#: Rows of the table; those that are open come first.
_MAX_ROWS = 50
_CLASSES = {"closed": "ok", "half-open": "warn", "open": "bad"}
_COLUMNS = ("Provider", "Model", "Operation", "State")
_FIGURES = ("Failures in a row", "Running", "First token")


def section(circuits: Circuits) -> Markup:
    """Return the table of circuits."""
    is_open = [each for each in circuits if each["circuit"] != "closed"]
    closed = [each for each in circuits if each["circuit"] == "closed"]
    parts = [element("h2", "Circuits ", element("span", f"{len(is_open)} open", class_="count"))]
    explanation = (
        "A model that keeps failing at a provider is skipped for a while, and then tried again."
    )
    parts.append(element("p", explanation, class_="soft"))
    if circuits:
        names = [element("th", name, scope="col") for name in _COLUMNS]
        figures = [element("th", name, scope="col", class_="figure") for name in _FIGURES]
        head = element("tr", *names, *figures)
        rows = [_row(each) for each in [*is_open, *closed][:_MAX_ROWS]]
        table = element("table", element("thead", head), element("tbody", *rows))
        parts.append(
            element(
                "div", table, class_="scroll", tabindex="0", role="region", aria_label="Circuits"
            )
        )
    else:
        parts.append(element("p", "No provider has been asked yet."))
    return element("section", *parts, class_="card", data_live="circuits")


def _row(circuit: Mapping[str, Any]) -> Markup:
    name = circuit["circuit"]
    state = element("span", name, class_=f"state {_CLASSES[name]}")
    if name == "open":
        state = join(
            state,
            element(
                "span",
                " until ",
                time_element(round(time.time() + circuit["retry_in"])),
                class_="soft",
            ),
        )
    latency = "–" if circuit["latency"] is None else seconds(circuit["latency"])
    cells = [
        element("td", circuit["provider"]),
        element("td", element("code", circuit["model"])),
        element("td", circuit["operation"]),
        element("td", state),
        element("td", str(circuit["failures"]), class_="figure"),
        element("td", str(circuit["in_flight"]), class_="figure"),
        element("td", latency, class_="figure"),
    ]
    return element("tr", *cells)
