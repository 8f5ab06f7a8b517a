"""C: capabilities. What a provider claims works; what it does not claim is refused before anything is sent."""

from __future__ import annotations

import pytest

from llms_core.contracts.request import decode
from llms_core.operations.chat import CHAT
from llms_core.operations.table import OPERATIONS
from llms_core.provider import Capabilities
from llms_core.routing.candidates import ModelIndex
from llms_core.routing.circuit import CircuitBreaker
from llms_core.testing.framing import encode_json
from llms_core.testing.groups.base import Group, not_applicable, require_capability
from llms_core.testing.sample_requests import (
    CAPABILITY_REQUESTS,
    CLIENT_MODEL,
    EXAMPLES_OF_CAPABILITY,
    QUESTION,
    has_text,
    user_message,
)
from llms_core.testing.subject import ORIGIN, Subject

# The router does not check `prefill`: a provider without it merely continues the conversation in another way.
_ENFORCED = tuple(name for name in CAPABILITY_REQUESTS if name != "prefill")
"""The capabilities that the router enforces: it passes over a provider that does not claim what a request needs."""

#: Fewer events would leave little for the tests that interrupt a stream in the middle.
_MIN_TEXT_EVENTS = 3


class HonestyTests(Group):
    """Group C."""

    @pytest.mark.parametrize("name", CAPABILITY_REQUESTS)
    def test_c_claimed_capability_is_requested(self, subject: Subject, name: str) -> None:
        """A request that needs a claimed capability is translated, and the translation contains what it needs."""
        require_capability(subject, name)
        members, marks = CAPABILITY_REQUESTS[name]
        plain = subject.request()
        translated = subject.request(**members)
        assert (plain.url, plain.content) != (translated.url, translated.content), (
            f"the spec claims {name}, but `request` sends the same with and without {sorted(members)}; "
            f"translate it, or set `{name}=False` in the spec's Capabilities"
        )
        for mark in marks:
            assert has_text(translated.content, mark), (
                f"the spec claims {name}, but {mark[:40]!r} of the client's request is not in what `request` sends"
            )
        # A provider may return log probabilities, but no alternatives to each token.
        dropped = set(translated.dropped) & (members.keys() - {"top_logprobs"})
        assert not dropped, f"the spec claims {name}, but `request` drops {sorted(dropped)}"

    @pytest.mark.parametrize("name", EXAMPLES_OF_CAPABILITY)
    def test_c_claimed_capability_has_its_example(self, subject: Subject, name: str) -> None:
        """The Wire has examples of each claimed capability whose answers have a format of their own."""
        require_capability(subject, name)
        for needed in EXAMPLES_OF_CAPABILITY[name]:
            found = subject.wire.example(needed)
            assert found is not None, (
                f"the spec claims {name}: add the example `{needed}` to the Wire"
            )
            if name == "tools" and subject.spec.capabilities.streaming:
                assert found.events, (
                    f"the spec claims tools and streaming: add `events` to the example `{needed}`"
                )

    def test_c_streams_have_examples(self, subject: Subject) -> None:
        """The Wire of a provider that streams has events, and the usage if the provider streams that."""
        require_capability(subject, "streaming")
        text = subject.wire.text
        assert len(text.events) >= _MIN_TEXT_EVENTS, (
            f"the spec claims streaming: Wire.text needs at least {_MIN_TEXT_EVENTS} events, but has {len(text.events)}"
        )
        assert subject.wire.length.events, "the spec claims streaming: add `events` to Wire.length"
        if subject.spec.capabilities.stream_usage:
            assert text.usage is not None, "the spec claims stream_usage: add `usage` to Wire.text"

    @pytest.mark.parametrize("name", _ENFORCED)
    def test_c_unclaimed_capability_is_refused(self, subject: Subject, name: str) -> None:
        """The router passes over a provider that does not claim what a request needs, and gives the reason."""
        if getattr(subject.spec.capabilities, name):
            not_applicable(f"the provider claims {name}")
        if name == "tools" and subject.spec.demo:
            not_applicable("a demo model answers requests with tools, but without them")
        members, _ = CAPABILITY_REQUESTS[name]
        body = {
            "model": CLIENT_MODEL,
            "messages": [user_message(QUESTION)],
            **members,
        }
        request = decode(encode_json(body)).view
        index = ModelIndex([subject.built(subject.block(ORIGIN))], OPERATIONS, CircuitBreaker())
        able, refusals = index.explain(CLIENT_MODEL, CHAT.needed_capabilities(request))
        assert not able, (
            f"the spec does not claim {name}, but the router would send the provider a request for it"
        )
        reason = refusals[0].reason
        assert name in reason, (
            f"the router's reason must name the capability {name}, but is {reason!r}"
        )

    def test_c_every_capability_is_tested(self) -> None:
        """This group has a request for every capability that the core knows."""
        tested = {*CAPABILITY_REQUESTS, "stream_usage"}
        known = set(Capabilities.__struct_fields__)
        assert tested == known, f"add a request to CAPABILITY_REQUESTS for {sorted(known - tested)}"
