"""The conformance suite as a test class, for a provider's own package:

    from llms_core.testing.conformance import ProviderConformance

    class TestAcme(ProviderConformance):
        provider = "acme"

`llms conformance acme` runs the same tests without a file.

The suite cannot be weakened unnoticed. A test that is overridden or removed makes the suite fail, unless the override
is marked `@pytest.mark.xfail(strict=True, reason="…")`; the result then lists it with its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llms_core.testing.groups.base import Group
from llms_core.testing.groups.embeddings import EmbeddingTests
from llms_core.testing.groups.errors import ErrorTests
from llms_core.testing.groups.failover import FailoverTests
from llms_core.testing.groups.faults import FaultTests
from llms_core.testing.groups.generate import GenerateTests
from llms_core.testing.groups.growth import GrowthTests
from llms_core.testing.groups.honesty import HonestyTests
from llms_core.testing.groups.live import LiveTests
from llms_core.testing.groups.native import NativeTests
from llms_core.testing.groups.performance import PerformanceTests
from llms_core.testing.groups.prepare import PrepareTests
from llms_core.testing.groups.response import ResponseTests
from llms_core.testing.groups.stream import StreamTests
from llms_core.testing.groups.tools import ToolTests
from llms_core.testing.groups.wire import WireTests

#: The attributes that a test class is meant to set.
_SETTINGS = frozenset({"provider", "wire", "plugins"})
_EXEMPTING_MARKS = frozenset({"skip", "skipif", "xfail"})


class MetaTests(Group):
    """Group M: the tests are those of the suite."""

    def test_m_nothing_is_weakened(self) -> None:
        """No test of the suite is overridden or removed, except by a strict xfail with a reason."""
        problems = list(weakened(type(self)))
        assert not problems, "the suite was weakened: " + "; ".join(problems)


class Translation(
    WireTests,
    ResponseTests,
    ErrorTests,
    StreamTests,
    FaultTests,
    NativeTests,
    ToolTests,
    HonestyTests,
    EmbeddingTests,
    MetaTests,
):
    """The groups that need neither a server nor a clock: W, R, E, S, T, C and V. They are what silver requires."""


class ProviderConformance(
    Translation,
    PrepareTests,
    GenerateTests,
    FailoverTests,
    PerformanceTests,
    GrowthTests,
    LiveTests,
):
    """All groups. Set `provider`, and `wire` if the provider's spec does not name it."""


def _own_attributes(group: type[Group]) -> Iterator[tuple[str, Any]]:
    for name, value in vars(group).items():
        if not name.startswith("__") and name not in _SETTINGS:
            yield name, value


def _snapshot() -> dict[tuple[type[Group], str], Any]:
    attributes: dict[tuple[type[Group], str], Any] = {}
    for group in ProviderConformance.__mro__:
        if issubclass(group, Group):
            for name, value in _own_attributes(group):
                attributes[group, name] = value
    return attributes


#: The attributes of the suite's classes at import, so that a later replacement in the classes themselves is noticed.
_ORIGINAL = _snapshot()


def tests_of(group: type) -> dict[str, Callable[..., Any]]:
    """Return the suite's tests that a test class must have, by name."""
    tests = {}
    for (owner, name), value in _ORIGINAL.items():
        if issubclass(group, owner) and name.startswith("test_"):
            tests[name] = value
    return tests


def weakened(group: type) -> Iterator[str]:
    """Describe every way in which a test class weakens the suite without declaring it."""
    for (owner, name), original in _ORIGINAL.items():
        if not issubclass(group, owner):
            continue
        problem = _override_problem(group, owner, name, original)
        if problem is not None:
            yield problem
    for mark in _marks(group):
        if mark.name in _EXEMPTING_MARKS:
            yield f"the whole class is marked {mark.name}: mark single tests instead"


def _override_problem(group: type, owner: type[Group], name: str, original: Any) -> str | None:
    """Describe what is wrong with the way in which a test class changes one attribute of the suite, if it does."""
    if vars(owner).get(name) is not original:
        return f"{name} was replaced in {owner.__name__} itself"
    # The class that is first in the MRO determines the value.
    overriding = next(cls for cls in group.__mro__ if name in vars(cls))
    value = vars(overriding)[name]
    if value is original:
        return None
    if not name.startswith("test_"):
        return f"{overriding.__name__} overrides {name}"
    if value is None or not callable(value):
        return f"{overriding.__name__} removes {name}"
    if _is_declared_exemption(value):
        return None
    return f'{overriding.__name__} overrides {name}: mark it xfail(strict=True, reason="…") if it cannot pass'


def _is_declared_exemption(test: Callable[..., Any]) -> bool:
    """Return whether an override is expected to fail, is still run, and has a reason."""
    marks = _marks(test)
    if any(mark.name in ("skip", "skipif") for mark in marks):
        return False
    xfails = [mark for mark in marks if mark.name == "xfail"]
    return bool(xfails) and all(_is_strict_xfail(mark) for mark in xfails)


def _is_strict_xfail(mark: pytest.Mark) -> bool:
    # A condition can be positional, and may change from one run to the next.
    has_condition = bool(mark.args) or "condition" in mark.kwargs
    is_strict = mark.kwargs.get("strict") is True
    has_reason = bool(mark.kwargs.get("reason"))
    is_run = bool(mark.kwargs.get("run", True))
    return is_strict and has_reason and is_run and not has_condition


def _marks(marked: object) -> list[pytest.Mark]:
    """Return the pytest marks of a class or function; `pytestmark` may be one mark or a list."""
    value = getattr(marked, "pytestmark", [])
    marks = value if isinstance(value, list) else [value]
    return [mark.mark if isinstance(mark, pytest.MarkDecorator) else mark for mark in marks]
