"""The providers on the status page: those that are used, with their models, and why the others are not."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from llms_core.candidate import Configured
from llms_core.config.model import DISABLED_BY_USER
from llms_core.secret import redact
from llms_core.server.gateway import Gateway
from llms_core.server.pages.markup import Markup, element, join

#: Names of models that are listed for a provider; some have hundreds.
_MAX_MODELS = 100

Circuits = Sequence[Mapping[str, Any]]
"""The circuits that have seen an attempt, as `/ready` shows them."""


def enabled(gateway: Gateway, circuits: Circuits) -> Markup:
    """Return the providers that are used, in the order in which they are tried."""
    items = [item for item in gateway.startup.configured if item.disabled is None]
    parts = [element("h2", "Providers ", element("span", str(len(items)), class_="count"))]
    if items:
        parts.append(element("p", "In the order in which they are tried.", class_="soft"))
        rows = [element("li", _provider(gateway, item, circuits)) for item in items]
        parts.append(element("ol", *rows, class_="providers"))
    else:
        text = join("None is enabled. ", element("code", "llms add"), " sets one up, and tests it.")
        parts.append(element("p", text))
    return element("section", *parts, class_="card", data_live="providers")


def disabled(gateway: Gateway) -> Markup:
    """Return the providers that are not used, each with the reason and the fix."""
    items = [item for item in gateway.startup.configured if item.disabled is not None]
    if not items:
        return element("div", data_live="disabled", hidden=True)
    rows = [_disabled(item, item.disabled) for item in items if item.disabled is not None]
    heading = element("h2", "Not enabled ", element("span", str(len(items)), class_="count"))
    content = join(element("summary", heading), element("ul", *rows, class_="disabled"))
    return element(
        "section",
        element("details", content, data_key="disabled"),
        class_="card collapsed",
        data_live="disabled",
    )


def _provider(gateway: Gateway, item: Configured, circuits: Circuits) -> Markup:
    models = gateway.models_of(item)
    names = [model.names[0] for model in models]
    plural = "" if len(names) == 1 else "s"
    state = _state([each for each in circuits if each["provider"] == item.id])
    summary = element(
        "summary",
        element("span", item.id, class_="name"),
        element("span", item.provider.spec.title, class_="soft title"),
        element("span", f"{len(names)} model{plural}", class_="soft number"),
        state,
    )
    parts: list[Markup] = []
    if names:
        shown = [element("li", element("code", name)) for name in names[:_MAX_MODELS]]
        parts.append(element("ul", *shown, class_="models"))
    if len(names) > _MAX_MODELS:
        more = join(
            f"and {len(names) - _MAX_MODELS} more, which ",
            element("code", "GET /v1/models"),
            " lists",
        )
        parts.append(element("p", more, class_="soft"))
    if item.id in gateway.discovery:
        parts.append(
            element(
                "p",
                f"The provider's own list: {redact(gateway.discovery[item.id])}.",
                class_="soft",
            )
        )
    if item.provider.spec.demo:
        parts.append(
            element("p", "A demo model: for trying things out, not for work.", class_="soft")
        )
    return element("details", summary, *parts, data_key=f"provider {item.id}")


def _state(circuits: Circuits) -> Markup:
    """How a provider does, by its circuits."""
    paused = sum(each["circuit"] != "closed" for each in circuits)
    if not circuits:
        return element("span", "ready", class_="state idle")
    if not paused:
        return element("span", "working", class_="state ok")
    if paused < len(circuits):
        return element("span", f"{paused} of {len(circuits)} paused", class_="state warn")
    return element("span", "paused", class_="state bad")


def _disabled(item: Configured, reason: str) -> Markup:
    # A reason may repeat what a plugin raised, and that may contain a key.
    parts = [
        element("span", item.id, class_="name"),
        element("span", redact(reason), class_="reason"),
    ]
    fix = _fix(item, reason)
    if fix:
        parts.append(element("code", fix, class_="fix"))
    return element("li", *parts)


def _fix(item: Configured, reason: str) -> str:
    """The command that enables a provider; empty if the reason says what to do, or nobody knows."""
    if reason == DISABLED_BY_USER:
        return f"llms enable {shlex.quote(item.id)}"
    for variable in item.provider.spec.key_env:
        if variable in reason:
            return f"export {variable}=…"
    return ""
