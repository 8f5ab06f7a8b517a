"""The conformance suite's pytest plugin: its options, the table at the end of a run, and `conformance.json`.

It is not registered automatically. `llms conformance` loads it; a package's own tests load it with
`pytest_plugins = ["llms_core.testing.plugin"]` or `-p llms_core.testing.plugin`.
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
from llms_core.testing.result import Case, Result, State, group_of
from llms_core.testing.subject import find

#: The attribute of a test report that carries a _TestInfo.
_REPORT_ATTRIBUTE = "llms_conformance"

#: The most characters of a failure that `conformance.json` repeats.
_MAX_REASON = 300


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's options."""
    group = parser.getgroup("llms", "conformance of providers for llms-core")
    group.addoption(
        "--llms-provider",
        metavar="NAME",
        help="The provider to test; used by test classes that do not set `provider`.",
    )
    group.addoption(
        "--llms-plugins",
        metavar="FILE",
        help="The plugins.toml that loads or declares the provider.",
    )
    group.addoption(
        "--llms-wire",
        metavar="MODULE:NAME",
        help="The provider's Wire, instead of the one that its spec names.",
    )
    group.addoption(
        "--llms-json",
        metavar="FILE",
        help="Write the result to this file; a list if several providers were tested.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Start to collect results. Raises UsageError if the options name no usable provider."""
    provider = config.getoption("llms_provider")
    if provider is not None:
        plugins = config.getoption("llms_plugins")
        try:
            find(provider, Path(plugins) if plugins else None, config.getoption("llms_wire"))
        except LlmsError as error:
            raise pytest.UsageError(str(error)) from None
    # A worker of pytest-xdist sends its reports to the controller, which collects the results of all workers.
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Collector(config), "llms-conformance-results")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Record in a report which test of the suite it belongs to, and which provider."""
    report = yield
    info = _test_info(item)
    if info is not None:
        # pytest-xdist serializes plain attributes of a report, so this reaches the main process.
        vars(report)[_REPORT_ATTRIBUTE] = tuple(info)
    return report


class _TestInfo(NamedTuple):
    provider: str
    distribution: str
    version: str
    #: The name of the test function.
    test: str
    #: The name with its parameter.
    name: str


def _test_info(item: pytest.Item) -> _TestInfo | None:
    """Identify a test of the suite; None for any other test, or if the provider cannot be found."""
    group = getattr(item, "cls", None)
    if not isinstance(item, pytest.Function):
        return None
    if not isinstance(group, type) or not issubclass(group, Group):
        return None
    try:
        subject = subject_of(group, item.config)
    except LlmsError:
        # The fixture `subject` reports the same error in each test.
        return None
    distribution, version = subject.distribution
    return _TestInfo(subject.name, distribution, version, item.originalname, item.name)


class _Collector:
    """Collects the results of one session."""

    def __init__(self, config: pytest.Config):
        self._config = config
        self._results: dict[str, Result] = {}
        #: The providers and groups with a failure that is reported in full.
        self._failed: set[tuple[str, str]] = set()

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Count deselected tests as not run, so that their group is incomplete."""
        for item in items:
            info = _test_info(item)
            if info is not None:
                self._add(info, "not run", "left out")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the outcome of a test. Its set-up and tear-down only count if they did not pass."""
        recorded = getattr(report, _REPORT_ATTRIBUTE, None)
        if recorded is None:
            return
        if report.passed and report.when != "call":
            return
        state, reason = _outcome(report)
        info = _TestInfo(*recorded)
        self._add(info, state, reason)
        if report.failed:
            self._shorten(report, info, reason)

    def _shorten(self, report: pytest.TestReport, info: _TestInfo, reason: str) -> None:
        """Leave only a line of a failure, unless it is the first of its group: most have the same cause."""
        group = (info.provider, group_of(info.test))
        if group in self._failed:
            report.longrepr = f"{reason} (the first failure of group {group[1]} is shown in full)"
            report.sections = []
        self._failed.add(group)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table of each provider."""
        for result in self._results.values():
            terminalreporter.section("llms conformance", sep="=")
            for line in result.lines():
                terminalreporter.write_line(line)

    def pytest_sessionfinish(self) -> None:
        """Write `conformance.json`."""
        path = self._config.getoption("llms_json")
        if not path or not self._results:
            return
        results = [result.as_json() for result in self._results.values()]
        document = results[0] if len(results) == 1 else results
        text = json.dumps(document, indent=2, ensure_ascii=False)
        Path(path).write_text(text + "\n", "utf-8")

    def _add(self, info: _TestInfo, state: State, reason: str) -> None:
        result = self._results.get(info.provider)
        if result is None:
            expected = tests_of(ProviderConformance)
            result = Result(info.provider, info.distribution, info.version, expected)
            self._results[info.provider] = result
        result.add(Case(info.test, info.name, state, reason))


def _outcome(report: pytest.TestReport) -> tuple[State, str]:
    """Return the state of a test and the reason for it."""
    if hasattr(report, "wasxfail"):
        reason = report.wasxfail.removeprefix("reason: ")
        # A test that was expected to fail and passed is reported as failed, because every xfail has to be strict.
        return ("xfailed" if report.skipped else "failed"), reason
    if report.failed:
        return "failed", _first_line(report)
    if report.skipped:
        reason = _skip_reason(report)
        if reason.startswith(NOT_APPLICABLE):
            return "not applicable", reason.removeprefix(NOT_APPLICABLE)
        return "not run", reason
    return "passed", ""


def _skip_reason(report: pytest.TestReport) -> str:
    # pytest represents a skip as a tuple of file, line and reason.
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return reason.removeprefix("Skipped: ")


def _first_line(report: pytest.TestReport) -> str:
    """Summarize why a test failed in one line."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(report.longrepr) if crash is None else crash.message
    for line in text.splitlines():
        if line.strip():
            return str(line[:_MAX_REASON])
    return ""
