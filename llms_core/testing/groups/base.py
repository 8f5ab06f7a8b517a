"""What the groups of tests share: the provider under test, and how a test says that it has nothing to test."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, NoReturn

import pytest

from llms_core.errors import ConfigError, LlmsError
from llms_core.testing.asked import NEEDED_BY
from llms_core.testing.framing import encoded
from llms_core.testing.subject import Subject, find
from llms_core.testing.wire import Example, Wire

NOT_APPLICABLE = "not applicable: "
"""How the reason of a test begins that found nothing to test."""

_subjects: dict[tuple[object, ...], Subject | LlmsError] = {}


class Group:
    """The settings of a test class, and the fixture `subject`."""

    #: the provider's name: that of its spec, or an alias
    provider: ClassVar[str] = ""
    #: its Wire, or `package.module:NAME`; by default what its spec names
    wire: ClassVar[Wire | str | None] = None
    #: a plugins.toml; by default what the gateway would find
    plugins: ClassVar[str | Path | None] = None

    @pytest.fixture
    def subject(self, request: pytest.FixtureRequest) -> Subject:
        """The provider under test."""
        return subject_of(type(self), request.config)


def subject_of(group: type[Group], config: pytest.Config) -> Subject:
    """The provider that a test class tests: the command line's where the class names none. One object each.

    Raises ConfigError where there is none.
    """
    name = group.provider or config.getoption("llms_provider", None)
    if not name:
        raise ConfigError("no provider is named", hint="set `provider` in the class, or give --llms-provider")
    wire = group.wire or config.getoption("llms_wire", None)
    plugins = group.plugins or config.getoption("llms_plugins", None)
    key = (name, id(wire) if isinstance(wire, Wire) else wire, str(plugins))
    found = _subjects.get(key)
    if found is None:
        try:
            found = find(name, Path(plugins) if plugins else None, wire)
        except LlmsError as error:
            found = error
        _subjects[key] = found
    if isinstance(found, LlmsError):
        raise found
    return found


def not_applicable(reason: str) -> NoReturn:
    """End a test that has nothing to test; the result lists it with its reason."""
    pytest.skip(NOT_APPLICABLE + reason)


def example(subject: Subject, name: str) -> Example:
    """An example of the Wire's; without it, or where it shows what is not claimed, the test has nothing to test."""
    for capability, examples in NEEDED_BY.items():
        if name in examples and not getattr(subject.spec.capabilities, capability):
            not_applicable(f"the provider does not claim {capability}")
    return subject.wire.example(name) or not_applicable(f"the Wire has no `{name}`")


def streamed(subject: Subject, name: str) -> tuple[Example, list[bytes]]:
    """An example, and the bytes of each event of its stream."""
    if not subject.spec.capabilities.streaming:
        not_applicable("the provider does not claim to stream")
    found = example(subject, name)
    if not found.events:
        not_applicable(f"`{name}` has no events")
    return found, encoded(found.events, subject.wire.framing)
