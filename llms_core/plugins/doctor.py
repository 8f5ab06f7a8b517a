"""Finds problems of installed plugins: errors, deprecated hooks, slow imports, missing version ranges."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Iterator

import msgspec

from llms_core.plugins import hookspecs
from llms_core.plugins.hookspecs import PROJECT
from llms_core.plugins.integrity import digest
from llms_core.plugins.report import PluginReport
from llms_core.plugins.versions import CORE, range_on_core

#: Seconds. Every start of the server and every `llms --help` pays for the import of each plugin.
SLOW_IMPORT = 0.1


class Finding(msgspec.Struct, frozen=True):
    """One problem of a plugin."""

    plugin: str
    #: True if the problem keeps the plugin, or a part of it, from working.
    fault: bool
    text: str


def examine(reports: Iterable[PluginReport]) -> list[Finding]:
    """Return the findings on each plugin, in the order of the reports."""
    findings: list[Finding] = []
    for report in reports:
        findings += _findings(report)
    return findings


def pin_of(report: PluginReport) -> str | None:
    """Return the value for `[plugins] pins` that pins a plugin to what is installed.

    None for a plugin that is not an installed distribution.
    """
    try:
        return f"=={report.version} {digest(importlib.metadata.distribution(report.distribution))}"
    except (importlib.metadata.PackageNotFoundError, ValueError, OSError):
        return None


def _findings(report: PluginReport) -> Iterator[Finding]:
    if report.state == "quarantined":
        yield Finding(report.name, True, report.reason)
    if report.state != "ok":
        return
    if report.reason:
        yield Finding(report.name, True, report.reason)
    if report.import_seconds > SLOW_IMPORT:
        milliseconds = report.import_seconds * 1000
        text = f"importing it takes {milliseconds:.0f} ms; move slow imports into the functions that need them"
        yield Finding(report.name, False, text)
    for hook in report.provides:
        if warning := _deprecation(hook):
            yield Finding(report.name, False, f"{hook} is deprecated: {warning}")
    # A one-file plugin has no version, and no metadata to declare a range in. The core's own plugins need none.
    if report.version and report.distribution != CORE and not range_on_core(report.distribution):
        text = (
            f"{report.distribution} does not declare which versions of llms-core it supports; "
            'add "llms-core>=0.1,<0.2" to its dependencies'
        )
        yield Finding(report.name, False, text)


def _deprecation(hook: str) -> Warning | None:
    """The warning that pluggy stores on a deprecated hook's specification."""
    specification = getattr(hookspecs, hook, None)
    options = getattr(specification, f"{PROJECT}_spec", None)
    if options is None:
        return None
    warning: Warning | None = options["warn_on_impl"]
    return warning
