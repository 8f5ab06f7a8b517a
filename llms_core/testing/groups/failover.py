"""F: failover, through the real gateway. The provider is tried first; if it fails, a second provider answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from llms_core.errors import ErrorKind
from llms_core.testing.framing import MEDIA, encode_events, encode_json
from llms_core.testing.gateway import FAILURES, SECOND, Gateway
from llms_core.testing.groups.base import (
    body_of,
    not_applicable,
    split_at_first_text,
    streamed_example,
)
from llms_core.testing.groups.errors import HTML_PAGE, body_of_failure
from llms_core.testing.groups.through_gateway import (
    GatewayGroup,
    assert_answered_by,
    assert_fell_back,
    read_events,
)
from llms_core.testing.playback import JSON
from llms_core.testing.reading import Read, difference, read_whole
from llms_core.testing.subject import Subject
from llms_core.testing.upstream import (
    Body,
    Chunk,
    Close,
    Raw,
    Reply,
    Reset,
    Stall,
    Status,
    Step,
    Wait,
)
from llms_core.testing.wire import Example

_FAULTS = ("500", "429", "401", "page", "nothing", "an error with 200", "cut", "reset", "no HTTP")
_FAULTS_BEFORE_TEXT = ("cut before content", "end before content", "reset before content")
_FAULTS_AFTER_TEXT = ("cut", "end", "reset", "junk")

_DISCONNECT_TIMEOUT = 2.0
"""Seconds within which a provider must be disconnected after the client has left: one, and one for a slow machine."""

_HELD_TIMEOUT = 5.0
"""Seconds that a provider waits for its first text to be passed on, before it breaks the connection."""

_JSON_HEADERS = {"content-type": JSON}

#: Bytes that are not an event of a framing.
_JUNK = {
    "sse": b"data: {oops\n\n",
    "ndjson": b"{oops\n",
    "aws": b"oops" * 8,
}

#: How a stream ends, by the first word of a fault's name.
_ENDINGS: Mapping[str, tuple[Step, ...]] = {
    "cut": (Close(),),
    "end": (),
    "reset": (Reset(),),
}


def _whole_reply(subject: Subject) -> Reply:
    return Reply(Status(200, _JSON_HEADERS), Body(body_of(subject.wire.text)))


def _stream_reply(subject: Subject, events: Sequence[bytes], *steps: Step) -> Reply:
    status = Status(200, {"content-type": MEDIA[subject.wire.framing]})
    return Reply(status, *map(Chunk, events), *steps)


def _faulty_reply(subject: Subject, fault: str) -> Reply:
    """Return a reply that fails before there is any answer, whether or not a stream was requested."""
    body = body_of(subject.wire.text)
    match fault:
        case "500" | "429" | "401":
            status = int(fault)
            return Reply(Status(status, _JSON_HEADERS), Body(_error_body(subject, status, b"{}")))
        case "page":
            return Reply(Status(200, {"content-type": "text/html"}), Body(HTML_PAGE))
        case "nothing":
            return Reply(Status(200, _JSON_HEADERS), Body(b""))
        case "an error with 200":
            error = _error_body(subject, 500, b'{"error": {"message": "Down"}}')
            return Reply(Status(200, _JSON_HEADERS), Body(error))
        case "cut":
            half = body[: len(body) // 2]
            return Reply(Status(200, _JSON_HEADERS), Body(half), Close())
        case "reset":
            return Reply(Reset())
        case "no HTTP":
            return Reply(Raw(b"SSH-2.0-OpenSSH_9.6\r\n"), Close())
    raise ValueError(f"there is no fault '{fault}'")


def _error_body(subject: Subject, status: int, default: bytes) -> bytes:
    """Return the provider's own body of an error, the last in its Wire, as long as it needs no kind of its own."""
    body = default
    for failure in subject.wire.failures:
        if failure.status == status and failure.kind is None:
            body = body_of_failure(failure)
    return body


def _assert_means_example(read: Read, found: Example) -> None:
    wrong = difference(read, found)
    assert wrong is None, wrong


def _assert_not_asked(gateway: Gateway, requests_before: int) -> None:
    """Assert that the second provider has had no more requests."""
    requests = len(gateway.second.requests)
    assert requests == requests_before, (
        f"the second provider must not be asked, but had {requests - requests_before} requests"
    )


def _assert_broken_off(gateway: Gateway, model: str, reply: Reply) -> None:
    """Assert that a stream that fails after its first text ends with an error, and that no other provider is asked."""
    requests_before = len(gateway.second.requests)
    response = gateway.ask(model, reply, stream=True)
    # The status was sent with the first text, so it cannot report what came later.
    assert response.status == 200, (
        f"the stream must begin with status 200, but began with {response.status}"
    )
    *chunks, last = [json.loads(event) for event in response.events()]
    response.close()
    assert last.get("error", {}).get("message"), (
        f"the last event must be an error with a message, but is {last}; raise ProviderError in `feed` if the event "
        "is an error or cannot be read"
    )
    assert chunks, "the text before the fault must be passed on, but only the error arrived"
    finished = [chunk for chunk in chunks if _has_finish_reason(chunk)]
    assert not finished, (
        f"no chunk before the fault may have a finish_reason, but there are {finished}"
    )
    _assert_not_asked(gateway, requests_before)


def _has_finish_reason(chunk: Mapping[str, Any]) -> bool:
    return any(choice.get("finish_reason") for choice in chunk["choices"])


def _has_text(event: str) -> bool:
    return any(choice["delta"].get("content") for choice in json.loads(event)["choices"])


def _assert_skipped(subject: Subject, gateway: Gateway, model: str) -> None:
    """Assert that the provider under test is not asked, although it would answer."""
    requests_before = len(gateway.first.requests)
    response = gateway.ask(model, _whole_reply(subject))
    assert_answered_by(response, SECOND)
    response.body()
    requests = len(gateway.first.requests)
    assert requests == requests_before, (
        "a provider whose circuit is open must not be asked, but it was"
    )


class FailoverTests(GatewayGroup):
    """Group F."""

    def test_f_whole_answer_arrives(self, subject: Subject, gateway: Gateway) -> None:
        """The client receives the provider's answer, and headers that name the provider and the dropped parameters."""
        model = gateway.model()
        members: dict[str, Any] = {"logit_bias": {"50256": -1}, "store": False}
        response = gateway.ask(model, _whole_reply(subject), **members)
        assert_answered_by(response, subject.name)
        expected = ", ".join(subject.request(**members).dropped)
        dropped = response.headers.get("x-llms-dropped-params", "")
        assert dropped == expected, (
            f"x-llms-dropped-params must be '{expected}', as in UpstreamRequest.dropped, but is '{dropped}'"
        )
        _assert_means_example(read_whole(response.body(), model), subject.wire.text)

    def test_f_stream_arrives(self, subject: Subject, gateway: Gateway) -> None:
        """The client receives the provider's stream up to [DONE], with its usage if the client asks for it."""
        found, events = streamed_example(subject, "text")
        model = gateway.model()
        reply = _stream_reply(subject, events)
        response = gateway.ask(model, reply, stream=True, stream_options={"include_usage": True})
        assert_answered_by(response, subject.name)
        read = read_events(response, model)
        _assert_means_example(read, found)
        if found.usage is not None:
            expected = (*found.usage, sum(found.usage))
            assert read.usage == expected, (
                f"the stream's usage must be {expected}, but is {read.usage}"
            )

    def test_f_text_is_passed_on_at_once(self, subject: Subject, gateway: Gateway) -> None:
        """The client has the first text while the provider is still working on the second."""
        begin, rest = split_at_first_text(subject)
        first_text_arrived = threading.Event()
        pause = Wait(first_text_arrived, timeout=_HELD_TIMEOUT)
        model = gateway.model()
        reply = _stream_reply(subject, begin, pause, *map(Chunk, rest))
        response = gateway.ask(model, reply, stream=True)
        assert response.provider == subject.name, (
            "the first text must arrive before the stream is over, but none arrived; yield text from `feed` at once"
        )
        received = []
        for event in response.events():
            received.append(event)
            if _has_text(event):
                break
        first_text_arrived.set()
        _assert_means_example(read_events(response, model, received), subject.wire.text)

    @pytest.mark.parametrize("fault", _FAULTS)
    def test_f_fault_before_a_whole_answer(
        self, subject: Subject, gateway: Gateway, fault: str
    ) -> None:
        """The next provider answers, and only a header shows it to the client."""
        model = gateway.model()
        response = gateway.ask(model, _faulty_reply(subject, fault))
        assert_fell_back(response, subject, model, stream=False)

    @pytest.mark.parametrize("fault", [*_FAULTS, *_FAULTS_BEFORE_TEXT])
    def test_f_fault_before_the_first_text(
        self, subject: Subject, gateway: Gateway, fault: str
    ) -> None:
        """The next provider answers a stream too, even if the first one had sent a success status."""
        begin, _ = split_at_first_text(subject)
        if fault in _FAULTS:
            reply = _faulty_reply(subject, fault)
        else:
            ending = fault.partition(" ")[0]
            # An empty chunk sends the head even if the first event already contains text.
            reply = _stream_reply(subject, [b"", *begin[:-1]], *_ENDINGS[ending])
        model = gateway.model()
        response = gateway.ask(model, reply, stream=True)
        assert_fell_back(response, subject, model, stream=True)

    def test_f_failure_event_before_the_first_text(
        self, subject: Subject, gateway: Gateway
    ) -> None:
        """The next provider answers if an error event comes before any text."""
        begin, rest = split_at_first_text(subject)
        for failure in _failure_events(subject):
            model = gateway.model()
            reply = _stream_reply(subject, [*begin[:-1], failure, *rest])
            response = gateway.ask(model, reply, stream=True)
            assert_fell_back(response, subject, model, stream=True)

    @pytest.mark.parametrize("fault", _FAULTS_AFTER_TEXT)
    def test_f_fault_after_the_first_text(
        self, subject: Subject, gateway: Gateway, fault: str
    ) -> None:
        """Once the client has seen text, it gets an error for the rest, and no other provider is asked."""
        begin, _ = split_at_first_text(subject)
        if fault == "junk":
            if subject.wire.plain_events:
                not_applicable("any text is an event")
            reply = _stream_reply(subject, [*begin, _JUNK[subject.wire.framing]], Stall())
        else:
            reply = _stream_reply(subject, begin, *_ENDINGS[fault])
        _assert_broken_off(gateway, gateway.model("hasty"), reply)

    def test_f_stall_after_the_first_text(self, subject: Subject, gateway: Gateway) -> None:
        """A stream that stops after its first text is broken off by the idle timeout."""
        begin, _ = split_at_first_text(subject)
        _assert_broken_off(gateway, gateway.model("hasty"), _stream_reply(subject, begin, Stall()))

    def test_f_failure_event_after_the_first_text(self, subject: Subject, gateway: Gateway) -> None:
        """An error event after text ends the stream with an error."""
        begin, rest = split_at_first_text(subject)
        for failure in _failure_events(subject):
            reply = _stream_reply(subject, [*begin, failure, *rest])
            _assert_broken_off(gateway, gateway.model(), reply)

    @pytest.mark.parametrize("where", ["head", "body"])
    def test_f_timeout_of_a_whole_answer(
        self, subject: Subject, gateway: Gateway, where: str
    ) -> None:
        """A provider that stalls before or within its answer is abandoned, and the next one is asked."""
        reply = Reply(Stall())
        if where == "body":
            half = body_of(subject.wire.text)[:20]
            reply = Reply(Status(200, _JSON_HEADERS), Body(half), Stall())
        model = gateway.model("hasty")
        assert_fell_back(gateway.ask(model, reply), subject, model, stream=False)

    @pytest.mark.parametrize("where", ["head", "begin"])
    def test_f_timeout_of_the_first_text(
        self, subject: Subject, gateway: Gateway, where: str
    ) -> None:
        """A provider that stalls before the first text of a stream is abandoned, whatever else it has sent."""
        begin, _ = split_at_first_text(subject)
        reply = Reply(Stall())
        if where == "begin":
            reply = _stream_reply(subject, [b"", *begin[:-1]], Stall())
        model = gateway.model("hasty")
        assert_fell_back(gateway.ask(model, reply, stream=True), subject, model, stream=True)

    def test_f_client_leaves_a_whole_answer(self, gateway: Gateway) -> None:
        """The request to the provider ends when the client disconnects, so that nobody pays for an unread answer."""
        requests_before = len(gateway.first.requests)
        with gateway.ask_without_waiting(gateway.model(), Reply(Stall())):
            seen = gateway.first.wait_for_request(requests_before + 1)
        seen.wait_closed(_DISCONNECT_TIMEOUT)

    def test_f_client_leaves_a_stream(self, subject: Subject, gateway: Gateway) -> None:
        """The same holds within a stream, and the second provider is not asked."""
        begin, _ = split_at_first_text(subject)
        requests_before = len(gateway.first.requests)
        second_before = len(gateway.second.requests)
        response = gateway.ask(gateway.model(), _stream_reply(subject, begin, Stall()), stream=True)
        assert next(response.events()), "the first event must arrive before the client leaves"
        response.close()
        gateway.first.wait_for_request(requests_before + 1).wait_closed(_DISCONNECT_TIMEOUT)
        _assert_not_asked(gateway, second_before)

    def test_f_circuit_opens_after_failures(self, subject: Subject, gateway: Gateway) -> None:
        """A provider that keeps failing is not asked for a while."""
        model = gateway.model()
        # Retries are off, so each request is one failure.
        for _ in range(FAILURES):
            response = gateway.ask(model, _faulty_reply(subject, "500"))
            assert_fell_back(response, subject, model, stream=False)
        _assert_skipped(subject, gateway, model)

    def test_f_circuit_opens_for_as_long_as_asked(self, subject: Subject, gateway: Gateway) -> None:
        """The first response with Retry-After opens the circuit."""
        model = gateway.model()
        bodies = [
            body_of_failure(failure) for failure in subject.wire.failures if failure.status == 429
        ]
        headers = {**_JSON_HEADERS, "retry-after": "60"}
        response = gateway.ask(model, Reply(Status(429, headers), Body(bodies[0])))
        assert_fell_back(response, subject, model, stream=False)
        _assert_skipped(subject, gateway, model)

    def test_f_last_provider_is_quoted_without_the_key(
        self, subject: Subject, gateway: Gateway
    ) -> None:
        """The error of the last provider reaches the client, but not the key that the provider repeats in it."""
        text = f"The key {subject.key} is not one of ours"
        body = encode_json({"error": {"message": text, "type": "x", "code": text}, "message": text})
        for status in (401, 400, 500):
            model = gateway.model("alone")
            response = gateway.ask(model, Reply(Status(status, _JSON_HEADERS), Body(body)))
            assert response.status in (400, 424, 502), (
                f"an error with status {status} must reach the client as 400, 424 or 502, but came as {response.status}"
            )
            assert subject.key.encode() not in response.body(), (
                "the key must not be in the body of the error"
            )
            leaking = [name for name, value in response.headers.items() if subject.key in value]
            assert not leaking, (
                f"the key must not be in a header of the response, but is in {leaking}"
            )
        assert subject.key not in gateway.log, (
            "the key must not be in the log: log no headers and no provider's texts"
        )

    def test_f_blocked_answer_goes_nowhere_else(self, subject: Subject, gateway: Gateway) -> None:
        """A request that a content filter refused is not sent to the next provider."""
        blocked = subject.wire.blocked
        if blocked is None or blocked.means is not ErrorKind.CONTENT_POLICY:
            not_applicable("the Wire has no `blocked` answer that is an error")
        requests_before = len(gateway.second.requests)
        reply = Reply(Status(200, _JSON_HEADERS), Body(body_of(blocked)))
        response = gateway.ask(gateway.model(), reply)
        assert response.status == 400, (
            f"an answer that a content filter blocked must give the client status 400, but gave {response.status}"
        )
        assert json.loads(response.body())["error"]["message"], (
            "the client's error must have a message"
        )
        _assert_not_asked(gateway, requests_before)


def _failure_events(subject: Subject) -> list[bytes]:
    if not subject.wire.stream_failures:
        not_applicable("the Wire has no `stream_failures`")
    return encode_events(subject.wire.stream_failures, subject.wire.framing)
