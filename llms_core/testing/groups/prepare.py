"""A: adapters that obtain a token (`Prepares`), through the real gateway. The scripted provider plays its endpoint."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from llms_core.testing.gateway import SECOND, Gateway, token_reply
from llms_core.testing.groups.base import Group, not_applicable
from llms_core.testing.groups.through_gateway import (
    answer_replies,
    assert_answered_by,
    without_tokens,
)
from llms_core.testing.playback import JSON, Response, play_preparation
from llms_core.testing.subject import Subject
from llms_core.testing.upstream import Body, Close, Reply, Reset, Stall, Status, Wait, json_body
from llms_core.testing.wire import TokenExample

_CLIENTS = 8
"""The number of requests at the same time."""

_FAULTS = ("401", "500", "page", "cut", "reset")


def _faulty_reply(fault: str) -> Reply:
    match fault:
        case "401" | "500":
            return json_body({"error": "A fault of the suite"}, int(fault))
        case "page":
            return Reply(Status(200, {"content-type": "text/html"}), Body(b"<html>down</html>"))
        case "cut":
            return Reply(
                Status(200, {"content-type": JSON, "content-length": "100"}), Body(b"{"), Close()
            )
        case "reset":
            return Reply(Reset())
    raise ValueError(f"there is no fault '{fault}'")


def _token_of(subject: Subject) -> TokenExample:
    if subject.wire.token is None:
        not_applicable("the Wire has no `token`")
    return subject.wire.token


def _requests_for_tokens(gateway: Gateway) -> int:
    return len(gateway.first.requests) - len(
        without_tokens(gateway.subject, gateway.first.requests)
    )


def _status_of(connection: socket.socket) -> int:
    """Read a response to its end, and return its status."""
    connection.settimeout(20)
    with connection:
        received = b""
        while b"\r\n\r\n" not in received:
            piece = connection.recv(65536)
            if not piece:
                break
            received += piece
    return int(received.split(b" ", 2)[1])


class PrepareTests(Group):
    """Group A."""

    @pytest.fixture
    def fresh(self, subject: Subject) -> Iterator[Gateway]:
        """A gateway that has no token yet."""
        _token_of(subject)
        with Gateway(subject) as gateway:
            yield gateway

    def test_a_it_lasts_as_long_as_the_provider_says(self, subject: Subject) -> None:
        """`prepare` returns the seconds for which the token is used."""
        token = _token_of(subject)
        lasts = play_preparation(subject, Response([subject.token_body()]))
        assert lasts == token.lasts, (
            f"`prepare` must return {token.lasts} (Wire.token.lasts), but returned {lasts!r}"
        )

    def test_a_the_token_is_sent(self, subject: Subject, fresh: Gateway) -> None:
        """Each request has the token in a header of Wire.auth, and the key is only sent for the token."""
        _ask(fresh)
        for request in without_tokens(subject, fresh.first.requests):
            sent = {name for name, value in request.headers.items() if subject.token in value}
            assert sent, f"{request} does not have the token"
            assert sent <= subject.wire.auth, (
                f"the token is in {sorted(sent)}; name them in Wire.auth"
            )
            shown = [name for name, value in request.headers.items() if subject.key in value]
            assert not shown, (
                f"{request} has the key, although it was exchanged for a token, in {shown}"
            )

    def test_a_one_request_for_all(self, fresh: Gateway) -> None:
        """Requests at the same time, and those after them, share one token."""
        token = _token_of(fresh.subject)
        go = threading.Event()
        fresh.first.routes[token.path] = Reply(Wait(go), token_reply(fresh.subject))
        model = fresh.model()
        reply = answer_replies(fresh)[-1]
        connections = [fresh.ask_without_waiting(model, reply) for _ in range(_CLIENTS)]
        fresh.first.wait_for_request()
        go.set()
        statuses = [_status_of(connection) for connection in connections]
        assert statuses == [200] * _CLIENTS, (
            f"all requests must be answered, but their statuses are {statuses}"
        )
        _ask(fresh)
        asked = _requests_for_tokens(fresh)
        assert asked == 1, (
            f"{_CLIENTS + 1} requests must share one token, but {asked} were obtained"
        )

    def test_a_a_client_that_leaves_ends_nothing(self, fresh: Gateway) -> None:
        """Others wait for the same token."""
        token = _token_of(fresh.subject)
        go = threading.Event()
        fresh.first.routes[token.path] = Reply(Wait(go), token_reply(fresh.subject))
        model = fresh.model()
        reply = answer_replies(fresh)[-1]
        leaving = fresh.ask_without_waiting(model, reply)
        fresh.first.wait_for_request()
        staying = fresh.ask_without_waiting(model, reply)
        leaving.close()
        go.set()
        assert _status_of(staying) == 200, "a client must be answered although another one has left"

    @pytest.mark.parametrize("fault", _FAULTS)
    def test_a_without_a_token_the_next_provider_answers(self, fresh: Gateway, fault: str) -> None:
        """If the token cannot be obtained, the second provider answers; a later request tries again."""
        token = _token_of(fresh.subject)
        fresh.first.routes[token.path] = _faulty_reply(fault)
        response = fresh.ask(fresh.model(), answer_replies(fresh)[-1])
        assert_answered_by(response, SECOND)
        assert response.body()
        assert not without_tokens(fresh.subject, fresh.first.requests), (
            "nothing must be asked without a token"
        )
        fresh.first.routes[token.path] = token_reply(fresh.subject)
        _ask(fresh)

    def test_a_a_silent_endpoint_is_given_up(self, fresh: Gateway) -> None:
        """If the endpoint does not answer in time, the second provider does."""
        fresh.first.routes[_token_of(fresh.subject).path] = Reply(Stall())
        assert_answered_by(fresh.ask(fresh.model("hasty"), answer_replies(fresh)[-1]), SECOND)

    def test_a_a_refused_token_is_renewed_once(self, subject: Subject, fresh: Gateway) -> None:
        """A token that the provider refuses is renewed, and the request repeated; then the next provider is asked."""
        refusal = json_body({"error": {"message": "The token has expired"}}, 401)
        fresh.first.script(refusal)
        _ask(fresh)
        assert _requests_for_tokens(fresh) == 2, "a refused token must be renewed once"
        response = fresh.ask(fresh.model(), refusal)
        assert_answered_by(response, SECOND)
        assert response.body()
        asked = _requests_for_tokens(fresh)
        assert asked == 3, (
            f"a token that is refused again must not be renewed again, but {asked - 2} were obtained"
        )

    def test_a_neither_key_nor_token_is_shown(self, subject: Subject, fresh: Gateway) -> None:
        """Not even if the provider repeats them in its errors: not to the client, and not in the log."""
        said = f"Neither the key {subject.key} nor the token {subject.token} is welcome"
        _ask(fresh)
        shown = []
        for path in ("", _token_of(subject).path):
            if path:
                fresh.first.routes[path] = json_body({"error": {"message": said}}, 401)
            response = fresh.ask(fresh.model("alone"), json_body({"error": {"message": said}}, 401))
            assert response.status >= 400
            shown += [str(response.headers), response.body().decode()]
        shown.append(fresh.log)
        for secret in (subject.key, subject.token):
            assert not any(secret in text for text in shown), (
                "the key or the token is shown: read the token with `http.secret`, and log nothing of it"
            )


def _ask(gateway: Gateway) -> None:
    """Ask for an answer, which the provider under test has to give."""
    *before, last = answer_replies(gateway)
    gateway.first.script(*before)
    response = gateway.ask(gateway.model(), last)
    assert_answered_by(response, gateway.subject.name)
    response.body()
