"""The conformance suite as a test class, for a provider's own package:

    from llms_core.testing.conformance import ProviderConformance

    class TestAcme(ProviderConformance):
        provider = "acme"

`llms conformance acme` runs the same without a file. Nothing here can be weakened unseen: a test that is overridden or
removed fails the suite, unless the override is marked `@pytest.mark.xfail(strict=True, reason="…")`; then the result
lists it with its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llms_core.testing.groups.base import Group
from llms_core.testing.groups.errors import ErrorTests
from llms_core.testing.groups.failover import FailoverTests
from llms_core.testing.groups.faults import FaultTests
from llms_core.testing.groups.honesty import HonestyTests
from llms_core.testing.groups.live import LiveTests
from llms_core.testing.groups.performance import PerformanceTests
from llms_core.testing.groups.response import ResponseTests
from llms_core.testing.groups.stream import StreamTests
from llms_core.testing.groups.tools import ToolTests
from llms_core.testing.groups.wire import WireTests

_SETTINGS = frozenset({"provider", "wire", "plugins"})
_FORBIDDEN = frozenset({"skip", "skipif", "xfail"})


class MetaTests(Group):
    """Group M: that the tests are those of the suite."""

    def test_m_nothing_is_weakened(self) -> None:
        """No test of the suite is overridden or removed, but for strict xfails that say why."""
        assert not list(weakened(type(self)))


class Translation(WireTests, ResponseTests, ErrorTests, StreamTests, FaultTests, ToolTests, HonestyTests, MetaTests):
    """The groups that need neither a server nor a clock: W, R, E, S, T and C, and with them silver."""


class ProviderConformance(Translation, FailoverTests, PerformanceTests, LiveTests):
    """Every group. Set `provider`, and `wire` where the spec does not name it."""


def _defined(group: type[Group]) -> Iterator[tuple[str, Any]]:
    for name, value in vars(group).items():
        if not name.startswith("__") and name not in _SETTINGS:
            yield name, value


_SUITE: list[type[Group]] = [group for group in ProviderConformance.__mro__ if issubclass(group, Group)]
_SHIPPED: dict[tuple[type[Group], str], Any] = {
    (group, name): value for group in _SUITE for name, value in _defined(group)
}


def tests_of(group: type) -> dict[str, Callable[..., Any]]:
    """The suite's own tests that a test class has to have, by name."""
    return {
        name: value
        for (owner, name), value in _SHIPPED.items()
        if issubclass(group, owner) and name.startswith("test_")
    }


def weakened(group: type) -> Iterator[str]:
    """What a test class has changed of the suite without saying so."""
    for (owner, name), value in _SHIPPED.items():
        if not issubclass(group, owner):
            continue
        if vars(owner).get(name) is not value:
            yield f"{name} was replaced in {owner.__name__} itself"
            continue
        heirs = [heir for heir in group.__mro__ if name in vars(heir)]
        found = vars(heirs[0])[name]
        if found is value:
            continue
        if not name.startswith("test_"):
            yield f"{heirs[0].__name__} overrides {name}"
        elif found is None or not callable(found):
            yield f"{heirs[0].__name__} removes {name}"
        elif not _is_exempt(found):
            yield f'{heirs[0].__name__} overrides {name}: mark it xfail(strict=True, reason="…") if it cannot pass'
    for mark in _marks(group):
        if mark.name in _FORBIDDEN:
            yield f"the whole class is marked {mark.name}"


def _is_exempt(test: Callable[..., Any]) -> bool:
    """Whether a test is marked as one that fails, is run all the same, and has to be un-marked once it passes."""
    marks = _marks(test)
    if not marks or any(mark.name in ("skip", "skipif") for mark in marks):
        return False
    said = [(mark.args, mark.kwargs) for mark in marks if mark.name == "xfail"]
    return bool(said) and all(
        not args and kwargs.get("strict") is True and kwargs.get("reason") and kwargs.get("run", True)
        and "condition" not in kwargs
        for args, kwargs in said
    )  # fmt: skip


def _marks(marked: object) -> list[pytest.Mark]:
    marks = getattr(marked, "pytestmark", [])
    found = marks if isinstance(marks, list) else [marks]
    return [mark.mark if isinstance(mark, pytest.MarkDecorator) else mark for mark in found]
