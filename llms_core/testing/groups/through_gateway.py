"""What the groups that use the real gateway share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from llms_core.testing.framing import encode_json
from llms_core.testing.gateway import FALLBACK, SECOND, Gateway, GatewayResponse
from llms_core.testing.groups.base import Group, body_of
from llms_core.testing.playback import JSON
from llms_core.testing.reading import Read, read_stream, read_whole
from llms_core.testing.subject import Subject
from llms_core.testing.upstream import Body, Reply, Seen, Status

#: The gateway of a test class.
_gateways = pytest.StashKey[Gateway]()


class GatewayGroup(Group):
    """A group whose tests share one gateway."""

    @pytest.fixture
    def gateway(self, request: pytest.FixtureRequest, subject: Subject) -> Gateway:
        """One gateway for all tests of the class."""
        test_class: pytest.Class | None = request.node.getparent(pytest.Class)
        assert test_class is not None
        running = test_class.stash.get(_gateways, None)
        if running is None:
            running = Gateway(subject)
            running.__enter__()
            test_class.addfinalizer(running.__exit__)
            test_class.stash[_gateways] = running
        return running


def assert_answered_by(response: GatewayResponse, provider: str) -> None:
    assert (response.status, response.provider) == (200, provider), (
        f"the gateway must answer with status 200 and the provider '{provider}', but answered with {response.status} "
        f"and '{response.provider}'; headers: {response.headers}"
    )


def read_events(response: GatewayResponse, model: str, already_read: Sequence[str] = ()) -> Read:
    """Read a stream to its end. Raises AssertionError unless it ends with [DONE]."""
    *rest, last = response.events()
    response.close()
    assert last == "[DONE]", f"the stream must end with [DONE], but ends with {last!r}"
    return read_stream((event.encode() for event in (*already_read, *rest)), model)


def assert_fell_back(
    response: GatewayResponse, subject: Subject, model: str, *, stream: bool
) -> None:
    """Assert that the second provider answered, and that the header reports the failure of the first."""
    assert_answered_by(response, SECOND)
    attempts = response.headers["x-llms-attempts"]
    # A slash is not allowed in a name within this header.
    name = subject.name.replace("/", "_")
    is_reported = attempts.startswith(name) and ";error=" in attempts
    assert is_reported, (
        f"x-llms-attempts must begin with '{name}' and contain its error, but is '{attempts}'"
    )
    read = read_events(response, model) if stream else read_whole(response.body(), model)
    text = read.choices[0].text
    assert text == FALLBACK, (
        f"the answer must be the second provider's, {FALLBACK!r}, but is {text!r}"
    )


def answer_replies(gateway: Gateway) -> list[Reply]:
    """Return what the provider under test replies to the requests for one whole answer, in order."""
    wire = gateway.subject.wire
    if not gateway.subject.generates:
        return [_json_reply(body_of(wire.text))]
    return [json_reply(gateway, exchange.whole) for exchange in wire.exchanges]


def json_reply(
    gateway: Gateway, body: Mapping[str, Any] | Sequence[Any] | bytes, status: int = 200
) -> Reply:
    """Return a reply with the address of the scripted provider in place of "$BASE"."""
    base = gateway.subject.base_at(gateway.first.origin)
    encoded = body if isinstance(body, bytes) else encode_json(body)
    return _json_reply(encoded.replace(b"$BASE", base.encode()), status)


def without_tokens(subject: Subject, requests: Sequence[Seen]) -> list[Seen]:
    """Return the requests that are not for a token."""
    token = subject.wire.token
    if token is None:
        return list(requests)
    return [request for request in requests if not request.path.endswith(token.path)]


def _json_reply(body: bytes, status: int = 200) -> Reply:
    return Reply(Status(status, {"content-type": JSON}), Body(body))
