"""The conformance suite's side of pytest: its options, its table at the end and `conformance.json`.

Not registered by itself: `llms conformance` loads it, and so does `pytest_plugins = ["llms_core.testing.plugin"]`, or
`-p llms_core.testing.plugin`, in a package's own tests.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from llms_core.errors import LlmsError
from llms_core.testing.conformance import ProviderConformance, tests_of
from llms_core.testing.groups.base import NOT_APPLICABLE, Group, subject_of
from llms_core.testing.result import Case, Result, State
from llms_core.testing.subject import find


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options."""
    group = parser.getgroup("llms", "conformance of providers for llms-core")
    group.addoption("--llms-provider", metavar="NAME", help="The provider that classes without one are for.")
    group.addoption("--llms-plugins", metavar="FILE", help="The plugins.toml that loads or declares it.")
    group.addoption("--llms-wire", metavar="MODULE:NAME", help="Its Wire, in place of the one that its spec names.")
    group.addoption("--llms-json", metavar="FILE", help="Where to write the result; a list for several providers.")


def pytest_configure(config: pytest.Config) -> None:
    """Begin to collect results. A slip in the options is said at once."""
    if (name := config.getoption("llms_provider")) is not None:
        plugins = config.getoption("llms_plugins")
        try:
            find(name, Path(plugins) if plugins else None, config.getoption("llms_wire"))
        except LlmsError as error:
            raise pytest.UsageError(str(error)) from None
    # A worker of pytest-xdist sends its reports to the controller, which collects the results of all workers.
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Collector(config), "llms-conformance-results")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note on a report which test of the suite it is of, and of which provider."""
    report = yield
    if (about := _about(item)) is not None:
        # A plain attribute goes along where tests run in other processes.
        vars(report)["llms_conformance"] = tuple(about)
    return report


class _About(NamedTuple):
    provider: str
    distribution: str
    version: str
    test: str
    name: str


def _about(item: pytest.Item) -> _About | None:
    """What a test is of; None for one that is none of the suite's, or whose provider there is not."""
    group = getattr(item, "cls", None)
    if not isinstance(item, pytest.Function) or not (isinstance(group, type) and issubclass(group, Group)):
        return None
    try:
        subject = subject_of(group, item.config)
    except LlmsError:  # its tests say so themselves
        return None
    return _About(subject.name, *subject.distribution, item.originalname, item.name)


class _Collector:
    """The results of one session."""

    def __init__(self, config: pytest.Config):
        self._config = config
        self._results: dict[str, Result] = {}

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """What was left out is not run, and its group is not complete."""
        for about in map(_about, items):
            if about is not None:
                self._add(about, "not run", "left out")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One phase of a test is over."""
        noted = getattr(report, "llms_conformance", None)
        if noted is None or (report.passed and report.when != "call"):
            return
        about = _About(*noted)
        if hasattr(report, "wasxfail"):
            self._add(about, "xfailed" if report.skipped else "failed", report.wasxfail.removeprefix("reason: "))
        elif report.failed:
            self._add(about, "failed", _last_line(report))
        elif report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            reason = reason.removeprefix("Skipped: ")
            applies = not reason.startswith(NOT_APPLICABLE)
            self._add(about, "not run" if applies else "not applicable", reason.removeprefix(NOT_APPLICABLE))
        else:
            self._add(about, "passed", "")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The table of each provider."""
        for result in self._results.values():
            terminalreporter.section("llms conformance", sep="=")
            for line in result.lines():
                terminalreporter.write_line(line)

    def pytest_sessionfinish(self) -> None:
        """Write `conformance.json`."""
        path = self._config.getoption("llms_json")
        if path and self._results:
            found = [result.as_json() for result in self._results.values()]
            text = json.dumps(found[0] if len(found) == 1 else found, indent=2, ensure_ascii=False)
            Path(path).write_text(text + "\n", "utf-8")

    def _add(self, about: _About, state: State, reason: str) -> None:
        result = self._results.get(about.provider)
        if result is None:
            expected = tests_of(ProviderConformance)
            result = self._results[about.provider] = Result(about.provider, about.distribution, about.version, expected)
        result.add(Case(about.test, about.name, state, reason))


def _last_line(report: pytest.TestReport) -> str:
    """Why a test failed, in a line."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else str(report.longrepr)
    return next((line for line in text.splitlines() if line.strip()), "")[:300]
