"""The base class of all groups, and what their tests share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar, NoReturn

import pytest

from llms_core.errors import ConfigError, LlmsError
from llms_core.testing.framing import encode_events, encode_json
from llms_core.testing.playback import begin_stream
from llms_core.testing.sample_requests import EXAMPLES_OF_CAPABILITY
from llms_core.testing.subject import Subject, find
from llms_core.testing.wire import Example, Wire

NOT_APPLICABLE = "not applicable: "
"""The prefix of the skip reason of a test that does not apply to a provider."""

#: The tests that use none of the methods of an HttpAdapter.
_APPLIES_TO_GENERATE = re.compile("test_([aglm]_|p_import_)")

#: The providers found so far, or the error that finding one raised.
_subjects: dict[tuple[object, ...], Subject | LlmsError] = {}


class Group:
    """The settings of a test class, and the fixture `subject`."""

    #: The provider's name: that of its spec, or an alias.
    provider: ClassVar[str] = ""
    #: Its Wire, or `package.module:NAME`. By default what its spec names.
    wire: ClassVar[Wire | str | None] = None
    #: The path of a plugins.toml. By default what the gateway would find.
    plugins: ClassVar[str | Path | None] = None

    @pytest.fixture
    def subject(self, request: pytest.FixtureRequest) -> Subject:
        """The provider under test."""
        subject = subject_of(type(self), request.config)
        if subject.generates and not _APPLIES_TO_GENERATE.match(request.node.originalname):
            not_applicable("the adapter answers by itself: group G tests it")
        if not subject.generates and request.node.originalname.startswith("test_g_"):
            not_applicable("the adapter has no `generate`")
        return subject


def subject_of(group: type[Group], config: pytest.Config) -> Subject:
    """Return the provider that a test class tests; settings that the class lacks come from the command line.

    All tests with the same settings share one object. Raises ConfigError if there is no such provider.
    """
    name = group.provider or config.getoption("llms_provider", None)
    if not name:
        raise ConfigError(
            "no provider is named", hint="set `provider` in the class, or pass --llms-provider"
        )
    wire = group.wire or config.getoption("llms_wire", None)
    plugins = group.plugins or config.getoption("llms_plugins", None)
    # A Wire contains dictionaries, so it is not hashable.
    wire_key = id(wire) if isinstance(wire, Wire) else wire
    key = (name, wire_key, str(plugins))
    if key not in _subjects:
        try:
            _subjects[key] = find(name, Path(plugins) if plugins else None, wire)
        except LlmsError as error:
            _subjects[key] = error
    found = _subjects[key]
    if isinstance(found, LlmsError):
        raise found
    return found


def not_applicable(reason: str) -> NoReturn:
    """Skip a test that does not apply to the provider; the result lists it with its reason."""
    pytest.skip(NOT_APPLICABLE + reason)


def require_capability(subject: Subject, capability: str) -> None:
    """Skip the test unless the provider claims a capability."""
    if not getattr(subject.spec.capabilities, capability):
        not_applicable(f"the provider does not claim {capability}")


def example(subject: Subject, name: str) -> Example:
    """Return an example of the Wire. Skips the test without it, or if it needs a capability that is not claimed."""
    for capability, examples in EXAMPLES_OF_CAPABILITY.items():
        if name in examples:
            require_capability(subject, capability)
    found = subject.wire.example(name)
    if found is None:
        not_applicable(f"the Wire has no `{name}`")
    return found


def streamed_example(subject: Subject, name: str) -> tuple[Example, list[bytes]]:
    """Return an example, and the bytes of each event of its stream. Skips the test without them."""
    require_capability(subject, "streaming")
    found = example(subject, name)
    if not found.events:
        not_applicable(f"`{name}` has no events")
    return found, encode_events(found.events, subject.wire.framing)


def body_of(found: Example) -> bytes:
    """Return an example's whole response as the provider sends it."""
    if isinstance(found.whole, bytes):
        return found.whole
    return encode_json(found.whole)


def split_at_first_text(subject: Subject) -> tuple[list[bytes], list[bytes]]:
    """Split the stream of `text`: the events up to the first one that yields text, and the remaining ones."""
    _, events = streamed_example(subject, "text")
    decoder = begin_stream(subject)
    for number, event in enumerate(events, 1):
        if any(chunk.content for chunk in decoder.feed(event)):
            return events[:number], events[number:]
    raise AssertionError(
        f"`chunks` yields no text for any of the {len(events)} events of Wire.text; "
        "yield a chunk with content for each event that contains text"
    )
