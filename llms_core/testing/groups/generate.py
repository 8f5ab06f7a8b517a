"""G: adapters that answer by themselves (`Generates`), through the real gateway.

The scripted provider plays the exchanges of the Wire. A model in the gateway's own process has none: then only its
answers are tested.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from llms_core.testing.gateway import SECOND, Gateway, GatewayResponse
from llms_core.testing.groups.base import not_applicable
from llms_core.testing.groups.through_gateway import (
    GatewayGroup,
    answer_replies,
    assert_answered_by,
    assert_fell_back,
    json_reply,
    read_events,
    without_tokens,
)
from llms_core.testing.playback import JSON
from llms_core.testing.reading import Read, read_whole
from llms_core.testing.sample_requests import QUESTION, has_text
from llms_core.testing.subject import Subject
from llms_core.testing.upstream import Body, Reply, Reset, Stall, Status, json_body
from llms_core.testing.wire import Exchange

_FAULTS = ("401", "429", "500", "no JSON", "nothing", "reset")

_CLIENTS = 8
"""The number of requests at the same time."""

_DISCONNECT_TIMEOUT = 5.0
"""Seconds within which a provider must be disconnected after the client has left."""


def _faulty_reply(fault: str) -> Reply:
    match fault:
        case "401" | "429" | "500":
            return json_body({"error": {"message": "A fault of the suite"}}, int(fault))
        case "no JSON":
            return Reply(Status(200, {"content-type": "text/html"}), Body(b"<html>down</html>"))
        case "nothing":
            return Reply(Status(200, {"content-type": JSON}), Body(b""))
        case "reset":
            return Reply(Reset())
    raise ValueError(f"there is no fault '{fault}'")


def _require_exchanges(subject: Subject) -> Sequence[Exchange]:
    if not subject.wire.exchanges:
        not_applicable("the Wire has no `exchanges`: the model runs in the gateway's process")
    return subject.wire.exchanges


def _ask(
    gateway: Gateway, model: str, replies: Sequence[Reply], *, stream: bool = False
) -> GatewayResponse:
    # If more is requested than the Wire has exchanges, the last reply is repeated, as for a job that is polled again.
    last = replies[-1] if replies else Reply(Reset())
    gateway.first.script(*replies)
    options = {"stream_options": {"include_usage": True}} if stream else {}
    try:
        return gateway.ask(model, last, stream=stream, **options)
    finally:
        gateway.first.forget_script()


def _read(response: GatewayResponse, model: str, *, stream: bool) -> Read:
    if stream:
        return read_events(response, model)
    return read_whole(response.body(), model)


class GenerateTests(GatewayGroup):
    """Group G."""

    @pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
    def test_g_answer_arrives(self, subject: Subject, gateway: Gateway, stream: bool) -> None:
        """The answer's text, end and usage reach the client, in whichever form it wants them."""
        model = gateway.model()
        response = _ask(gateway, model, answer_replies(gateway), stream=stream)
        assert_answered_by(response, subject.name)
        read = _read(response, model, stream=stream)
        (choice,) = read.choices
        example = subject.wire.text
        meaning = example.choices[0]
        assert choice.text, "the answer must have a text"
        if meaning.text:
            assert choice.text == meaning.text, (
                f"the text must be {meaning.text!r}, but is {choice.text!r}"
            )
            assert choice.finish_reason == meaning.finish_reason
        assert choice.finish_reason, "the answer must have a finish_reason"
        assert read.usage is not None, (
            "the answer must report its tokens: pass `usage` to the builder"
        )
        if example.usage is not None:
            assert read.usage[:2] == example.usage, (
                f"the usage must be {example.usage}, but is {read.usage[:2]}"
            )

    def test_g_exchanges_are_those_of_the_wire(self, subject: Subject, gateway: Gateway) -> None:
        """The provider is asked what the Wire says, in that order, and the question is in one of the requests."""
        exchanges = _require_exchanges(subject)
        before = len(gateway.first.requests)
        _ask(gateway, gateway.model(), answer_replies(gateway)).body()
        seen = without_tokens(subject, gateway.first.requests[before:])
        expected = [(exchange.method, exchange.path) for exchange in exchanges]
        made = [(request.method, request.path.partition("?")[0]) for request in seen]
        assert len(made) == len(expected), f"the requests must be {expected}, but were {made}"
        for (method, path), (wanted_method, wanted_path) in zip(made, expected, strict=True):
            is_expected = method == wanted_method and path.endswith(wanted_path)
            assert is_expected, f"the requests must be {expected}, but were {made}"
        assert any(request.body and has_text(request.body, QUESTION) for request in seen), (
            f"the user's message {QUESTION!r} is in none of the requests"
        )

    def test_g_key_is_in_its_header_alone(self, subject: Subject, gateway: Gateway) -> None:
        """Each request has the key, or the token, in a header of Wire.auth, and nowhere else."""
        _require_exchanges(subject)
        before = len(gateway.first.requests)
        _ask(gateway, gateway.model(), answer_replies(gateway)).body()
        for request in without_tokens(subject, gateway.first.requests[before:]):
            if subject.spec.needs_key:
                sent = subject.wire.auth.intersection(request.headers)
                assert sent, f"{request} has none of the headers {sorted(subject.wire.auth)}"
            containing = {name for name, value in request.headers.items() if subject.key in value}
            unexpected = containing - subject.wire.auth
            assert not unexpected, (
                f"{request} has the key in {sorted(unexpected)}; name them in Wire.auth"
            )
            assert subject.key not in request.path, f"the key must not be in the URL of {request}"
            assert subject.key.encode() not in request.body, (
                f"the key must not be in the body of {request}"
            )

    @pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
    @pytest.mark.parametrize("fault", _FAULTS)
    def test_g_a_fault_leads_to_the_next_provider(
        self, subject: Subject, gateway: Gateway, fault: str, stream: bool
    ) -> None:
        """A fault of any of the exchanges leads to the second provider."""
        exchanges = _require_exchanges(subject)
        for position in range(len(exchanges)):
            model = gateway.model()
            # A fault with status 401 may be tried again with a new token, which does not help.
            faulty = [*answer_replies(gateway)[:position], _faulty_reply(fault)]
            assert_fell_back(
                _ask(gateway, model, faulty, stream=stream), subject, model, stream=stream
            )

    @pytest.mark.parametrize("fault", _FAULTS)
    def test_g_a_fault_is_no_answer(self, subject: Subject, gateway: Gateway, fault: str) -> None:
        """If there is no other provider, the client gets an error, without the key, even if the provider repeats it."""
        _require_exchanges(subject)
        reply = _faulty_reply(fault)
        if fault.isdigit():
            reply = json_body(
                {"error": {"message": f"The key {subject.key} is not welcome"}}, int(fault)
            )
        response = _ask(gateway, gateway.model("alone"), [reply])
        assert response.status >= 400, (
            f"a fault must be an error, but became status {response.status}"
        )
        assert json.loads(response.body())["error"]["message"]
        assert subject.key not in gateway.log, "the key must not be in the log"

    def test_g_a_failure_of_the_wire_is_no_answer(self, subject: Subject, gateway: Gateway) -> None:
        """What the Wire calls a failure is one, in place of the last reply, and so is the kind that the Wire states."""
        _require_exchanges(subject)
        if not subject.wire.failures:
            not_applicable("the Wire has no `failures`")
        for failure in subject.wire.failures:
            model = gateway.model("alone")
            *before, _ = answer_replies(gateway)
            response = _ask(
                gateway, model, [*before, json_reply(gateway, failure.body, failure.status)]
            )
            assert response.status >= 400, (
                f"{failure} must be an error, but became status {response.status}"
            )
            response.body()
            attempts = response.headers["x-llms-attempts"]
            if failure.kind is not None:
                assert f";error={failure.kind}" in attempts, (
                    f"{failure} must have the kind {failure.kind}: {attempts}"
                )

    def test_g_a_silent_provider_is_given_up(self, subject: Subject, gateway: Gateway) -> None:
        """If the provider does not answer in time, the second one does."""
        _require_exchanges(subject)
        model = gateway.model("hasty")
        assert_answered_by(_ask(gateway, model, [Reply(Stall())]), SECOND)

    def test_g_a_client_that_leaves_ends_it(self, subject: Subject, gateway: Gateway) -> None:
        """The provider is disconnected when the client leaves."""
        _require_exchanges(subject)
        before = len(gateway.first.requests)
        connection = gateway.ask_without_waiting(gateway.model(), Reply(Stall()))
        seen = gateway.first.wait_for_request(before + 1)
        connection.close()
        seen.wait_closed(_DISCONNECT_TIMEOUT)

    def test_g_answers_do_not_mix(self, subject: Subject, gateway: Gateway) -> None:
        """Several requests at the same time each get a whole answer."""
        if len(subject.wire.exchanges) > 1:
            not_applicable("the suite plays several exchanges for one request at a time")
        model = gateway.model()
        replies = answer_replies(gateway)

        def ask(number: int) -> Read:
            gateway_reply = replies[0] if replies else Reply(Reset())
            return read_whole(gateway.ask(model, gateway_reply, seed=number).body(), model)

        with ThreadPoolExecutor(_CLIENTS) as pool:
            answers = list(pool.map(ask, range(_CLIENTS)))
        assert all(answer.choices[0].text for answer in answers)
