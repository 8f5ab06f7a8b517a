"""Finds problems of installed plugins: errors, deprecated hooks, slow imports, missing version ranges."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Iterator

from llms_core.candidate import Configured
from llms_core.plugins import hookspecs
from llms_core.plugins.hookspecs import PROJECT
from llms_core.plugins.host import PluginHost
from llms_core.plugins.integrity import digest
from llms_core.plugins.report import Finding, PluginReport
from llms_core.plugins.versions import CORE, range_on_core

#: Seconds. Every start of the server and every `llms --help` pays for the import of each plugin.
SLOW_IMPORT = 0.1


def examine(host: PluginHost, configured: Iterable[Configured] = ()) -> list[Finding]:
    """Return what is wrong with plugins, in the order of their names, and with their adapters for `configured`.

    Hooks that are called at startup are only part of it once they have been called.
    """
    findings: list[Finding] = []
    more = [*host.findings, *_of_contributors(host), *_of_providers(host, configured)]
    named: set[str] = set()
    for report in host.reports:
        findings += _findings(report)
        if report.name not in named:  # of two plugins with one name, only the first has more
            findings += [found for found in more if found.plugin == report.name]
        named.add(report.name)
    return findings + [found for found in more if not found.plugin]


def _of_contributors(host: PluginHost) -> Iterator[Finding]:
    for contributor in host.contributors:
        if contributor.failure:
            text = f"{contributor.origin}: llms_config failed: {contributor.failure}"
            yield Finding(contributor.name, True, text, "llms_config")


def _of_providers(host: PluginHost, configured: Iterable[Configured]) -> Iterator[Finding]:
    """Providers that cannot be used because of their adapter, or of settings that only their adapter has."""
    for item in configured:
        if item.fault:
            text = f"provider '{item.id}' is not enabled: {item.disabled}"
            plugin = item.provider.contributor or host.plugin_of(item.provider.spec)
            yield Finding(plugin, True, text, is_warned=item.provider.misconfigured)


def pin_of(report: PluginReport) -> str | None:
    """Return the value for `[plugins] pins` that pins a plugin to what is installed.

    None for a plugin that is not an installed distribution.
    """
    try:
        return f"=={report.version} {digest(importlib.metadata.distribution(report.distribution))}"
    except (importlib.metadata.PackageNotFoundError, ValueError, OSError):
        return None


def _findings(report: PluginReport) -> Iterator[Finding]:
    for fault, text in _problems(report):
        located = text if report.origin in text else f"{report.origin}: {text}"
        yield Finding(report.name, fault, located)


def _problems(report: PluginReport) -> Iterator[tuple[bool, str]]:
    """Yield whether a problem is a fault, and what it is."""
    if report.state == "quarantined":
        yield True, report.reason
    if report.state != "ok":
        return
    if report.reason:
        yield True, report.reason
    if report.import_seconds > SLOW_IMPORT:
        milliseconds = report.import_seconds * 1000
        yield (
            False,
            f"importing it takes {milliseconds:.0f} ms; move slow imports into the functions that need them",
        )
    for hook in report.provides:
        if warning := _deprecation(hook):
            yield False, f"{hook} is deprecated: {warning}"
    # A one-file plugin has no version, and no metadata to declare a range in. The core's own plugins need none.
    if report.version and report.distribution != CORE and not range_on_core(report.distribution):
        yield (
            False,
            (
                f"{report.distribution} does not declare which versions of llms-core it supports; "
                'add "llms-core>=0.1,<0.2" to its dependencies'
            ),
        )


def _deprecation(hook: str) -> Warning | None:
    """The warning that pluggy stores on a deprecated hook's specification."""
    specification = getattr(hookspecs, hook, None)
    options = getattr(specification, f"{PROJECT}_spec", None)
    if options is None:
        return None
    warning: Warning | None = options["warn_on_impl"]
    return warning
