"""C: capabilities. What is claimed works, and what is not claimed is refused before anything is sent."""

from __future__ import annotations

import pytest

from llms_core.contracts.request import decode
from llms_core.operations.chat import CHAT
from llms_core.operations.table import OPERATIONS
from llms_core.provider import Capabilities
from llms_core.routing.candidates import ModelIndex
from llms_core.routing.circuit import CircuitBreaker
from llms_core.testing.asked import CLAIMED, LOCAL, NEEDED_BY, QUESTION, has_text, user
from llms_core.testing.framing import as_json
from llms_core.testing.groups.base import Group, not_applicable
from llms_core.testing.subject import ORIGIN, Subject

_REFUSED = tuple(name for name in CLAIMED if name != "prefill")
"""What the router refuses for a provider that does not claim it; `prefill` is no question of yes or no."""


class HonestyTests(Group):
    """Group C."""

    @pytest.mark.parametrize("name", CLAIMED)
    def test_c_what_is_claimed_is_asked_for(self, subject: Subject, name: str) -> None:
        """A request that needs a claimed capability is translated, and what it asks for is in what is sent."""
        if not getattr(subject.spec.capabilities, name):
            not_applicable(f"the provider does not claim {name}")
        members, marks = CLAIMED[name]
        plain, asking = subject.request(), subject.request(**members)
        assert (plain.url, plain.content) != (asking.url, asking.content), f"asking for {name} changes nothing"
        for mark in marks:
            assert has_text(asking.content, mark), f"{mark[:40]!r} of the request is not in what is sent"
        assert not set(asking.dropped) & (members.keys() - {"top_logprobs"}), "what is claimed is dropped"

    @pytest.mark.parametrize("name", NEEDED_BY)
    def test_c_what_is_claimed_has_its_example(self, subject: Subject, name: str) -> None:
        """A capability whose answers have a shape of their own has its example in the Wire."""
        if not getattr(subject.spec.capabilities, name):
            not_applicable(f"the provider does not claim {name}")
        for needed in NEEDED_BY[name]:
            found = subject.wire.example(needed)
            assert found is not None, f"the provider claims {name}, and the Wire has no `{needed}`"
            if name == "tools" and subject.spec.capabilities.streaming:
                assert found.events, f"`{needed}` has no events"

    def test_c_streams_have_examples(self, subject: Subject) -> None:
        """A provider that streams shows how; one that says usage in streams shows that, too."""
        if not subject.spec.capabilities.streaming:
            not_applicable("the provider does not claim to stream")
        assert len(subject.wire.text.events) >= 3
        assert subject.wire.length.events
        assert subject.wire.text.usage is not None or not subject.spec.capabilities.stream_usage

    @pytest.mark.parametrize("name", _REFUSED)
    def test_c_what_is_not_claimed_is_refused(self, subject: Subject, name: str) -> None:
        """The router passes the provider over before anything is sent, and says why."""
        if getattr(subject.spec.capabilities, name):
            not_applicable(f"the provider claims {name}")
        request = decode(as_json({"model": LOCAL, "messages": [user(QUESTION)], **CLAIMED[name][0]})).view
        index = ModelIndex([subject.built(subject.block(ORIGIN))], OPERATIONS, CircuitBreaker())
        able, refusals = index.explain(LOCAL, CHAT.needed_capabilities(request))
        assert not able
        assert name in refusals[0].reason

    def test_c_every_capability_is_looked_at(self) -> None:
        """A capability that the core learns of is one that this group has to test."""
        assert {*CLAIMED, "stream_usage"} == set(Capabilities.__struct_fields__)
