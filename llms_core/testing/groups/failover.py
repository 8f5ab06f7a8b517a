"""F: failover, through the real gateway. The provider is tried first; when it fails, a second one is there."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence

import pytest

from llms_core.errors import ErrorKind
from llms_core.testing.framing import MEDIA, as_json, encoded
from llms_core.testing.gateway import FAILURES, FALLBACK, SECOND, Answered, Gateway
from llms_core.testing.groups.base import Group, not_applicable, streamed
from llms_core.testing.groups.errors import PAGE, body_of_failure
from llms_core.testing.groups.response import body_of
from llms_core.testing.memory import JSON, stream_decoder
from llms_core.testing.reading import read_stream, read_whole
from llms_core.testing.subject import Subject
from llms_core.testing.upstream import Body, Chunk, Close, Raw, Reply, Reset, Stall, Status, Step, Wait

_BEFORE = ("500", "429", "401", "page", "nothing", "an error with 200", "cut", "reset", "no HTTP")
_BEFORE_CONTENT = ("cut before content", "end before content", "reset before content")
_AFTER_CONTENT = ("cut", "end", "reset", "junk")
_GONE = 2.0
"""Seconds within which a provider has to be let go of once the client has gone: one, and one for a busy machine."""

_HELD = 5.0
"""Seconds after which a provider gives up that waits for its first text to be passed on."""

_gateways = pytest.StashKey[Gateway]()


def _head(subject: Subject) -> Status:
    return Status(200, {"content-type": MEDIA[subject.wire.framing]})


def _until_content(subject: Subject) -> tuple[list[bytes], list[bytes]]:
    """A stream's events up to the first that bears text, and the others."""
    _, events = streamed(subject, "text")
    progress = stream_decoder(subject, subject.call(stream=True))
    for number, event in enumerate(events, 1):
        if any(chunk.content for chunk in progress.feed(event)):
            return events[:number], events[number:]
    raise AssertionError("no event of `text` bears text")


def _whole(subject: Subject) -> Reply:
    return Reply(Status(200, {"content-type": JSON}), Body(body_of(subject.wire.text)))


def _stream(subject: Subject, events: Sequence[bytes], *steps: Step) -> Reply:
    return Reply(_head(subject), *map(Chunk, events), *steps)


def _fault(subject: Subject, name: str) -> Reply:
    """What goes wrong before an answer, in either mode."""
    bodies = {failure.status: body_of_failure(failure) for failure in subject.wire.failures if failure.kind is None}
    json_head = {"content-type": JSON}
    body = body_of(subject.wire.text)
    return {
        "500": Reply(Status(500, json_head), Body(bodies.get(500, b"{}"))),
        "429": Reply(Status(429, json_head), Body(bodies.get(429, b"{}"))),
        "401": Reply(Status(401, json_head), Body(bodies.get(401, b"{}"))),
        "page": Reply(Status(200, {"content-type": "text/html"}), Body(PAGE)),
        "nothing": Reply(Status(200, json_head), Body(b"")),
        "an error with 200": Reply(Status(200, json_head), Body(bodies.get(500, b'{"error": {"message": "Down"}}'))),
        "cut": Reply(Status(200, json_head), Body(body[: len(body) // 2]), Close()),
        "reset": Reply(Reset()),
        "no HTTP": Reply(Raw(b"SSH-2.0-OpenSSH_9.6\r\n"), Close()),
    }[name]


def _must_be_second(answered: Answered, subject: Subject, model: str, *, stream: bool) -> None:
    """The second provider's answer, and the header that says what happened at the first. Raises AssertionError."""
    assert (answered.status, answered.provider) == (200, SECOND), answered.headers
    attempts = answered.headers["x-llms-attempts"]
    assert attempts.startswith(subject.name.replace("/", "_")), attempts
    assert ";error=" in attempts
    if stream:
        *chunks, done = answered.events()
        assert done == "[DONE]"
        read = read_stream((chunk.encode() for chunk in chunks), model)
        answered.leave()
    else:
        read = read_whole(answered.body(), model)
    assert read.choices[0].text == FALLBACK


class FailoverTests(Group):
    """Group F."""

    @pytest.fixture
    def gateway(self, request: pytest.FixtureRequest, subject: Subject) -> Gateway:
        """One gateway for all tests of the class."""
        of_class: pytest.Class | None = request.node.getparent(pytest.Class)
        assert of_class is not None
        running = of_class.stash.get(_gateways, None)
        if running is None:
            running = of_class.stash[_gateways] = Gateway(subject)
            running.__enter__()
            of_class.addfinalizer(running.__exit__)
        return running

    def test_f_whole_answer_arrives(self, subject: Subject, gateway: Gateway) -> None:
        """The provider's answer, with who gave it, and what had to be dropped."""
        model = gateway.model()
        answered = gateway.ask(model, _whole(subject), logit_bias={"50256": -1}, store=False)
        assert (answered.status, answered.provider) == (200, subject.name)
        dropped = ", ".join(subject.request(logit_bias={"50256": -1}, store=False).dropped)
        assert answered.headers.get("x-llms-dropped-params", "") == dropped
        assert read_whole(answered.body(), model).choices == subject.wire.text.choices

    def test_f_stream_arrives(self, subject: Subject, gateway: Gateway) -> None:
        """The provider's stream, up to [DONE], with its usage where the client asks for it."""
        found, events = streamed(subject, "text")
        model = gateway.model()
        asked = {"stream_options": {"include_usage": True}}
        answered = gateway.ask(model, _stream(subject, events), stream=True, **asked)
        assert (answered.status, answered.provider) == (200, subject.name)
        *chunks, done = answered.events()
        answered.leave()
        assert done == "[DONE]"
        read = read_stream((chunk.encode() for chunk in chunks), model)
        assert read.choices == found.choices
        if found.usage is not None:
            assert read.usage == (*found.usage, sum(found.usage))

    def test_f_text_arrives_as_it_comes(self, subject: Subject, gateway: Gateway) -> None:
        """The client has the first text while the provider still thinks about the second."""
        begin, rest = _until_content(subject)
        go = threading.Event()
        reply = _stream(subject, begin, Wait(go, timeout=_HELD), *map(Chunk, rest))
        model = gateway.model()
        answered = gateway.ask(model, reply, stream=True)
        assert answered.provider == subject.name, "no text came before the stream was over"
        chunks = []
        for event in answered.events():
            chunks.append(event)
            if any(choice["delta"].get("content") for choice in json.loads(event)["choices"]):
                break
        go.set()
        *others, done = answered.events()
        answered.leave()
        assert done == "[DONE]"
        read = read_stream((chunk.encode() for chunk in (*chunks, *others)), model)
        assert read.choices == subject.wire.text.choices

    @pytest.mark.parametrize("fault", _BEFORE)
    def test_f_fault_before_a_whole_answer(self, subject: Subject, gateway: Gateway, fault: str) -> None:
        """The next provider answers; the client notices nothing but a header."""
        model = gateway.model()
        _must_be_second(gateway.ask(model, _fault(subject, fault)), subject, model, stream=False)

    @pytest.mark.parametrize("fault", [*_BEFORE, *_BEFORE_CONTENT])
    def test_f_fault_before_the_first_text(self, subject: Subject, gateway: Gateway, fault: str) -> None:
        """The same for streams, although the provider's head said success."""
        begin, _ = _until_content(subject)
        if fault in _BEFORE:
            reply = _fault(subject, fault)
        else:
            ends: dict[str, tuple[Step, ...]] = {"cut": (Close(),), "end": (), "reset": (Reset(),)}
            reply = _stream(subject, [b"", *begin[:-1]], *ends[fault.partition(" ")[0]])
        model = gateway.model()
        _must_be_second(gateway.ask(model, reply, stream=True), subject, model, stream=True)

    def test_f_failure_event_before_the_first_text(self, subject: Subject, gateway: Gateway) -> None:
        """An event that says that the provider failed, before any text."""
        begin, rest = _until_content(subject)
        if not subject.wire.stream_failures:
            not_applicable("the Wire has no `stream_failures`")
        for failure in encoded(subject.wire.stream_failures, subject.wire.framing):
            model = gateway.model()
            reply = _stream(subject, [*begin[:-1], failure, *rest])
            _must_be_second(gateway.ask(model, reply, stream=True), subject, model, stream=True)

    @pytest.mark.parametrize("fault", _AFTER_CONTENT)
    def test_f_fault_after_the_first_text(self, subject: Subject, gateway: Gateway, fault: str) -> None:
        """The client has seen text: it is told that the rest will not come, and nobody else is asked."""
        begin, _ = _until_content(subject)
        junk = {"sse": b"data: {oops\n\n", "ndjson": b"{oops\n", "aws": b"oops" * 8}[subject.wire.framing]
        ends: dict[str, tuple[Step, ...]] = {
            "cut": (Close(),), "end": (), "reset": (Reset(),), "junk": (Chunk(junk), Stall()),
        }  # fmt: skip
        self._must_break_off(subject, gateway, gateway.model("hasty"), _stream(subject, begin, *ends[fault]))

    def test_f_stall_after_the_first_text(self, subject: Subject, gateway: Gateway) -> None:
        """A stream that stops is broken off after the idle time."""
        begin, _ = _until_content(subject)
        self._must_break_off(subject, gateway, gateway.model("hasty"), _stream(subject, begin, Stall()))

    def test_f_failure_event_after_the_first_text(self, subject: Subject, gateway: Gateway) -> None:
        """An event that says that the provider failed, after text."""
        begin, rest = _until_content(subject)
        if not subject.wire.stream_failures:
            not_applicable("the Wire has no `stream_failures`")
        for failure in encoded(subject.wire.stream_failures, subject.wire.framing):
            self._must_break_off(subject, gateway, gateway.model(), _stream(subject, [*begin, failure, *rest]))

    @staticmethod
    def _must_break_off(subject: Subject, gateway: Gateway, model: str, reply: Reply) -> None:
        asked = len(gateway.second.requests)
        answered = gateway.ask(model, reply, stream=True)
        assert answered.status == 200
        *chunks, last = map(json.loads, answered.events())
        answered.leave()
        assert last["error"]["message"]
        assert chunks
        assert not [choice for chunk in chunks for choice in chunk["choices"] if choice.get("finish_reason")]
        assert len(gateway.second.requests) == asked

    @pytest.mark.parametrize("where", ["head", "body"])
    def test_f_deadline_of_a_whole_answer(self, subject: Subject, gateway: Gateway, where: str) -> None:
        """A provider that stops in the middle of its work is given up, and the next one asked."""
        half = body_of(subject.wire.text)[:20]
        stalled = Reply(Stall()) if where == "head" else Reply(Status(200, {"content-type": JSON}), Body(half), Stall())
        model = gateway.model("hasty")
        _must_be_second(gateway.ask(model, stalled), subject, model, stream=False)

    @pytest.mark.parametrize("where", ["head", "begin"])
    def test_f_deadline_of_the_first_text(self, subject: Subject, gateway: Gateway, where: str) -> None:
        """The same for a stream without text, however much else has come."""
        begin, _ = _until_content(subject)
        stalled = Reply(Stall()) if where == "head" else _stream(subject, [b"", *begin[:-1]], Stall())
        model = gateway.model("hasty")
        _must_be_second(gateway.ask(model, stalled, stream=True), subject, model, stream=True)

    def test_f_client_leaves_a_whole_answer(self, gateway: Gateway) -> None:
        """Nobody pays for an answer that nobody waits for."""
        asked = len(gateway.first.requests)
        with gateway.ask_without_waiting(gateway.model(), Reply(Stall())):
            seen = gateway.first.wait_for_request(asked + 1)
        seen.wait_closed(_GONE)

    def test_f_client_leaves_a_stream(self, subject: Subject, gateway: Gateway) -> None:
        """The same in the middle of a stream; and the second provider is left alone."""
        begin, _ = _until_content(subject)
        asked, others = len(gateway.first.requests), len(gateway.second.requests)
        answered = gateway.ask(gateway.model(), _stream(subject, begin, Stall()), stream=True)
        assert next(answered.events())
        answered.leave()
        gateway.first.wait_for_request(asked + 1).wait_closed(_GONE)
        assert len(gateway.second.requests) == others

    def test_f_circuit_opens_after_failures(self, subject: Subject, gateway: Gateway) -> None:
        """A provider that keeps failing is left alone for a while."""
        model = gateway.model()
        for _ in range(FAILURES):
            _must_be_second(gateway.ask(model, _fault(subject, "500")), subject, model, stream=False)
        self._must_be_skipped(subject, gateway, model)

    def test_f_circuit_opens_for_as_long_as_asked(self, subject: Subject, gateway: Gateway) -> None:
        """Retry-After is heeded from the first failure on."""
        model = gateway.model()
        bodies = [body_of_failure(failure) for failure in subject.wire.failures if failure.status == 429]
        limited = Reply(Status(429, {"content-type": JSON, "retry-after": "60"}), Body(bodies[0]))
        _must_be_second(gateway.ask(model, limited), subject, model, stream=False)
        self._must_be_skipped(subject, gateway, model)

    @staticmethod
    def _must_be_skipped(subject: Subject, gateway: Gateway, model: str) -> None:
        asked = len(gateway.first.requests)
        answered = gateway.ask(model, _whole(subject))
        assert answered.provider == SECOND
        answered.body()
        assert len(gateway.first.requests) == asked

    def test_f_last_provider_is_quoted_without_the_key(self, subject: Subject, gateway: Gateway) -> None:
        """Where nobody else is left the client gets an error; the key that the provider repeats is not in it."""
        for status in (401, 400, 500):
            said = f"The key {subject.key} is not one of ours"
            body = as_json({"error": {"message": said, "type": "x", "code": said}, "message": said})
            model = gateway.model("alone")
            answered = gateway.ask(model, Reply(Status(status, {"content-type": JSON}), Body(body)))
            assert answered.status in (400, 502)
            assert subject.key.encode() not in answered.body()
            assert not [value for value in answered.headers.values() if subject.key in value]
        assert subject.key not in gateway.log

    def test_f_blocked_answer_goes_nowhere_else(self, subject: Subject, gateway: Gateway) -> None:
        """What a content filter refused is not taken to the next provider."""
        blocked = subject.wire.blocked
        if blocked is None or blocked.means is not ErrorKind.CONTENT_POLICY:
            not_applicable("the Wire has no `blocked` answer that is a failure")
        asked = len(gateway.second.requests)
        reply = Reply(Status(200, {"content-type": JSON}), Body(body_of(blocked)))
        answered = gateway.ask(gateway.model(), reply)
        assert answered.status == 400
        assert json.loads(answered.body())["error"]["message"]
        assert len(gateway.second.requests) == asked
