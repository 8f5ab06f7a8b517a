"""The recent requests on the status page, each with its attempts."""

from __future__ import annotations

from llms_core.records import AttemptRecord, Caller, RequestRecord
from llms_core.server.gateway import Gateway
from llms_core.server.pages.markup import Markup, element, join
from llms_core.server.pages.times import seconds, time_element

_CLIENT_DISCONNECTED = 499


def section(gateway: Gateway, caller: Caller | None) -> Markup:
    """Return the requests that a caller may see, the newest first."""
    recent = gateway.recent.seen_by(caller)
    parts = [element("h2", "Recent requests ", element("span", str(len(recent)), class_="count"))]
    whose = "Those of everybody"
    if caller is not None and not caller.is_admin:
        whose = "Those of your key"
    parts.append(
        element("p", f"{whose}, in memory only, without prompts and answers.", class_="soft")
    )
    if recent:
        parts.append(element("ol", *map(_request, recent), class_="requests"))
    else:
        parts.append(element("p", "None yet."))
    return element("section", *parts, class_="card", data_live="requests")


def _request(record: RequestRecord) -> Markup:
    facts = [seconds(record.duration)]
    if record.stream:
        facts.append("streamed")
    if record.usage is not None:
        facts.append(f"{record.usage.prompt_tokens:,} + {record.usage.completion_tokens:,} tokens")
    if record.cost is not None:
        facts.append(f"${record.cost:.4g}")
    if record.caller is not None:
        facts.append(record.caller)
    return element(
        "li",
        _status(record),
        element("code", record.model or "(unreadable request)", class_="name"),
        element("span", " · ".join(facts), class_="soft facts"),
        element("span", time_element(record.started), class_="soft when"),
        _attempts(record),
    )


def _status(record: RequestRecord) -> Markup:
    if record.status == _CLIENT_DISCONNECTED:
        return element("span", "client left", class_="state bad")
    if record.status >= 400:
        return element("span", str(record.status), class_="state bad")
    if record.kind is not None:
        return element("span", "broken off", class_="state bad")
    return element("span", str(record.status), class_="state ok")


def _attempts(record: RequestRecord) -> Markup:
    if not record.attempts:
        return element("p", "No provider was asked.", class_="soft attempts")
    items = [element("li", _attempt(attempt)) for attempt in record.attempts]
    return element("ol", *items, class_="attempts", aria_label="Attempts")


def _attempt(attempt: AttemptRecord) -> Markup:
    return join(
        element("span", attempt.provider, class_="provider"),
        element("code", attempt.upstream_model),
        _result(attempt),
        element("span", seconds(attempt.duration), class_="soft"),
    )


def _result(attempt: AttemptRecord) -> Markup:
    if attempt.kind is None:
        return element("span", "ok", class_="good")
    kind = attempt.kind.value.replace("_", " ")
    if attempt.status is not None:
        kind = f"{attempt.status} {kind}"
    return element("span", kind, class_="failed")
