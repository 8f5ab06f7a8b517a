"""What is wrong with the installed plugins, or soon will be."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable

import msgspec

from llms_core.plugins import hookspecs
from llms_core.plugins.hookspecs import PROJECT
from llms_core.plugins.integrity import digest
from llms_core.plugins.report import PluginReport
from llms_core.plugins.versions import range_on_core

SLOW = 0.1
"""Seconds of import from which on a plugin is called slow: every start of the server and of `llms --help` pays it."""


class Finding(msgspec.Struct, frozen=True):
    """One remark on a plugin. A `fault` keeps it, or a part of it, from working."""

    plugin: str
    fault: bool
    text: str


def examine(reports: Iterable[PluginReport]) -> list[Finding]:
    """The findings on each plugin, in the order of the reports."""
    return [finding for report in reports for finding in _of(report)]


def pin_of(report: PluginReport) -> str | None:
    """What `[plugins] pins` would say of a plugin's distribution; None for one that is no distribution."""
    try:
        return f"=={report.version} {digest(importlib.metadata.distribution(report.distribution))}"
    except (importlib.metadata.PackageNotFoundError, ValueError, OSError):
        return None


def _of(report: PluginReport) -> Iterable[Finding]:
    if report.state == "quarantined" or (report.reason and report.state == "ok"):
        yield Finding(report.name, True, report.reason)
    if report.state != "ok":
        return
    if report.import_seconds > SLOW:
        slow = f"its import takes {report.import_seconds * 1000:.0f} ms: import what is heavy where it is used"
        yield Finding(report.name, False, slow)
    for hook in report.provides:
        options = getattr(getattr(hookspecs, hook, None), f"{PROJECT}_spec", None)
        if options and options["warn_on_impl"] is not None:
            yield Finding(report.name, False, f"{hook} is deprecated: {options['warn_on_impl']}")
    if report.version and not range_on_core(report.distribution):
        text = f'{report.distribution} does not say which llms-core it was made for: depend on "llms-core>=0.1,<0.2"'
        yield Finding(report.name, False, text)
