"""Limits on what a client may send and how slowly; each refusal has OpenAI's shape (SR-029, SR-065)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from llms_core.server import connections
from llms_core.testing import Reply, ScriptedUpstream, Wait, completion
from tests.core.server.conftest import CHAT, HELLO, TEXT, Asking, Pair, Wire, error_of, request_of

if TYPE_CHECKING:
    from tests.conftest import Gateway, Launch, ProviderBlock, Serve

Ask = Callable[["Gateway"], Asking]
Connect = Callable[["Gateway"], Wire]
ConfigOf = Callable[..., dict[str, Any]]

LARGEST = 20_971_520
HEAD = 64 * 1024

ASKED = {"model": "m", "messages": HELLO}


def of_size(size: int) -> bytes:
    """A request of exactly so many bytes."""
    start = b'{"model":"m","messages":[{"role":"user","content":"'
    end = b'"}]}'
    return start + b"x" * (size - len(start) - len(end)) + end


# The body


def test_sr_029_a_body_of_exactly_the_limit_is_accepted(
    ask: Asking, first: ScriptedUpstream
) -> None:
    """SR-029: 20 971 520 bytes by default."""
    assert ask.post(of_size(LARGEST)).status_code == 200
    assert len(first.requests[0].json["messages"][0]["content"]) > LARGEST - 100


def test_sr_029_one_byte_more_is_refused(ask: Asking, first: ScriptedUpstream) -> None:
    response = ask.post(of_size(LARGEST + 1))
    assert response.status_code == 413
    error = error_of(response)
    assert (error["type"], error["code"]) == ("invalid_request_error", "request_too_large")
    assert str(LARGEST) in error["message"]
    assert first.requests == []


def test_sr_029_a_large_content_length_is_refused_without_reading_the_body(
    pair: Pair, wire: Connect
) -> None:
    """SR-029: before any of it has been sent."""
    connection = wire(pair.gateway)
    connection.send(request_of(b"", headers={"content-length": str(LARGEST + 1)}))
    assert connection.answer().status_code == 413


def test_sr_029_a_body_without_a_content_length(pair: Pair, wire: Connect) -> None:
    """SR-029: chunked; it is refused while it arrives, because it may never end."""
    connection = wire(pair.gateway)
    connection.send(
        f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    )
    piece = of_size(LARGEST + 1)
    for start in range(0, len(piece), 2**20):
        part = piece[start : start + 2**20]
        connection.send(b"%x\r\n%b\r\n" % (len(part), part))
    assert connection.answer().status_code == 413


MANY = 1_000_000


@pytest.mark.parametrize(
    "members",
    [
        lambda: (
            b'"messages":[{"role":"user","content":[' + b",".join([b'{"type":""}'] * MANY) + b"]}]"
        ),
        lambda: b'"messages":[' + b",".join([b'{"role":""}'] * MANY) + b"]",
        lambda: b",".join(b'"%d":1' % number for number in range(MANY)),
        lambda: b'"tools":[' + b",".join([b'{"a":":\\\\"}'] * MANY) + b"]",
        lambda: b'"unknown":{' + b",".join([b'"a":1'] * MANY) + b"}",
    ],
    ids=["parts", "messages", "members", "tools", "an object"],
)
@pytest.mark.parametrize("path", [CHAT, TEXT])
def test_a_body_of_very_many_small_parts_is_refused(
    pair: Pair, ask: Asking, first: ScriptedUpstream, members: Callable[[], bytes], path: str
) -> None:
    """Reading and translating it would keep everybody else waiting for seconds."""
    response = ask.post(b'{"model":"m",' + members() + b"}", path)
    assert response.status_code == 413
    assert error_of(response)["code"] == "request_too_large"
    assert first.requests == []


def test_a_text_may_have_any_number_of_colons_and_quotes(ask: Asking) -> None:
    """It may well be JSON, which is escaped in a string."""
    text = json.dumps({str(number): {"a": ":"} for number in range(200_000)})
    assert ask.chat(messages=[{"role": "user", "content": text}]).status_code == 200


def test_a_chunked_body_within_the_limit_is_accepted(pair: Pair, wire: Connect) -> None:
    connection = wire(pair.gateway)
    connection.send(
        f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    )
    for part in (b'{"model":"m",', b'"messages":', json.dumps(HELLO).encode(), b"}"):
        connection.send(b"%x\r\n%b\r\n" % (len(part), part))
    connection.send(b"0\r\n\r\n")
    assert connection.answer().status_code == 200


@pytest.mark.parametrize("where", [("limits",), ("defaults", "limits")])
def test_k_19_the_limit_is_llms_jsons(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    served: Serve,
    asking: Ask,
    where: tuple[str, ...],
) -> None:
    """K-19: `limits.client_max_size`, in either place."""
    config = config_of(one=provider(upstream))
    holder = config
    for name in where:
        holder = holder.setdefault(name, {})
    holder["client_max_size"] = 1000
    ask = asking(served(config))
    assert ask.post(of_size(1000)).status_code == 200
    assert ask.post(of_size(1001)).status_code == 413
    assert ask.post({"model": "m", "prompt": "x" * 1000}, TEXT).status_code == 413


def test_sr_029_after_a_refusal_the_connection_serves_on(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    served: Serve,
    wire: Connect,
) -> None:
    config = {**config_of(one=provider(upstream)), "limits": {"client_max_size": 1000}}
    connection = wire(served(config))
    connection.send(request_of(of_size(5000)))
    assert connection.answer().status_code == 413
    connection.send(request_of(ASKED))
    assert connection.answer().status_code == 200


def test_a_slow_body_is_408(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    served: Serve,
    wire: Connect,
) -> None:
    """`[server] body_timeout`: a client that sends nothing does not occupy a slot."""
    connection = wire(served(config_of(one=provider(upstream)), "[server]\nbody_timeout = 0.1\n"))
    connection.send(request_of(b'{"mod', headers={"content-length": "100"}))
    response = connection.answer()
    assert response.status_code == 408
    assert error_of(response)["code"] == "request_timeout"
    assert upstream.requests == []


def test_a_client_that_disconnects_while_sending_makes_no_request(
    pair: Pair, ask: Asking, first: ScriptedUpstream, wire: Connect
) -> None:
    connection = wire(pair.gateway)
    connection.send(request_of(b'{"model":"m"', headers={"content-length": "100"}))
    connection.close()
    assert ask.chat().status_code == 200
    assert len(first.requests) == 1


# Concurrent requests


def test_too_many_requests_at_once_are_503(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    served: Serve,
    asking: Ask,
    wire: Connect,
) -> None:
    """`[server] max_requests`: refused at once with a Retry-After, and accepted again when there is room."""
    go = threading.Event()
    upstream.script(Reply(Wait(go), completion()))
    gateway = served(config_of(one=provider(upstream)), "[server]\nmax_requests = 1\n")
    ask, running = asking(gateway), wire(gateway)
    running.send(request_of(ASKED))
    upstream.wait_for_request()

    response = ask.chat()
    assert response.status_code == 503
    assert error_of(response)["code"] == "overloaded"
    assert response.headers["retry-after"] == "1"
    assert ask.get("/health").status_code == 200

    go.set()
    assert running.answer().status_code == 200
    assert ask.chat().status_code == 200


# The head


@pytest.mark.parametrize(
    "head",
    [
        f"GET /health HTTP/1.1\r\nhost: localhost\r\nx-long: {'x' * HEAD}\r\n\r\n",
        "GET /health HTTP/1.1\r\nhost: localhost\r\n"
        + "".join(f"x-{n}: {n}\r\n" for n in range(10_000))
        + "\r\n",
        f"GET /{'x' * HEAD} HTTP/1.1\r\nhost: localhost\r\n\r\n",
        f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\napi-key: {'x' * HEAD}\r\ncontent-length: 2\r\n\r\n{{}}",
    ],
    ids=["a long header", "many headers", "a long path", "a long key"],
)
def test_a_head_that_is_too_large_is_431(pair: Pair, wire: Connect, head: str) -> None:
    connection = wire(pair.gateway)
    connection.send(head.encode())
    response = connection.answer()
    assert response.status_code == 431
    assert str(HEAD) in error_of(response)["message"]
    assert connection.is_closed()


@pytest.mark.parametrize(
    "start",
    ["GET /health HTTP/1.1\r\nhost: localhost\r\nx-endless: ", "GET /", "GET /health HTTP/1.1\r\n"],
)
def test_a_head_without_an_end_is_431(pair: Pair, wire: Connect, start: str) -> None:
    """One header line, one path, or header after header: each is refused before it ends."""
    connection = wire(pair.gateway)
    connection.send(start.encode())
    more = b"x-more: 1\r\n" * 100 if start.endswith("\r\n") else b"x" * 1000
    for _ in range(HEAD // len(more) + 1):
        connection.send(more)
    response = connection.answer()
    assert response.status_code == 431
    assert error_of(response)["type"] == "invalid_request_error"


def test_the_limit_holds_for_later_requests_on_a_connection(pair: Pair, wire: Connect) -> None:
    connection = wire(pair.gateway)
    connection.send(request_of(ASKED))
    assert connection.answer().status_code == 200
    connection.send(request_of(ASKED, headers={"x-long": "x" * HEAD}))
    assert connection.answer().status_code == 431


def test_each_head_is_measured_on_its_own(pair: Pair, wire: Connect) -> None:
    """A connection may carry any number of heads within the limit, and bodies beyond it."""
    connection = wire(pair.gateway)
    for _ in range(4):
        connection.send(request_of(of_size(2 * HEAD), headers={"x-long": "x" * (HEAD - 1000)}))
        assert connection.answer().status_code == 200


def test_a_head_may_come_in_pieces(pair: Pair, wire: Connect) -> None:
    connection = wire(pair.gateway)
    request = request_of(ASKED)
    for position in range(len(request)):
        connection.send(request[position : position + 1])
    assert connection.answer().status_code == 200


def test_a_missing_head_closes_the_connection(
    served: Serve, wire: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.1)
    monkeypatch.setattr(connections, "CHECK_INTERVAL", 0.02)
    gateway = served({"providers": {}})
    silent, slow = wire(gateway), wire(gateway)
    slow.send(b"GET /health HTTP/1.1\r\nx-sl")
    assert silent.is_closed()
    assert slow.is_closed()


def test_waiting_for_an_answer_does_not_count_as_a_slow_head(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    served: Serve,
    wire: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The limit of time applies to the head only."""
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.1)
    monkeypatch.setattr(connections, "CHECK_INTERVAL", 0.02)
    go = threading.Event()
    upstream.default = Reply(Wait(go), completion())
    connection = wire(served(config_of(one=provider(upstream))))
    connection.send(request_of(ASKED))
    assert connection.is_silent(0.3)
    go.set()
    assert connection.answer().status_code == 200


def test_the_limit_of_a_head_is_set_in_plugins_toml(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    gateway: Launch,
    wire: Connect,
) -> None:
    """`[server] max_headers`: in the process that `llms serve` starts."""
    launched = gateway(config_of(one=provider(upstream)), plugins="[server]\nmax_headers = 2048\n")
    connection = wire(launched)
    connection.send(request_of(ASKED, headers={"x-long": "x" * 1500}))
    assert connection.answer().status_code == 200
    connection.send(request_of(ASKED, headers={"x-long": "x" * 2048}))
    assert connection.answer().status_code == 431


# Upgrades

OFFER = {
    "connection": "Upgrade, HTTP2-Settings",
    "upgrade": "h2c",
    "http2-settings": "AAMAAABkAAQAoAAAAAIAAAAA",
}


def test_sr_001_an_upgrade_to_http_2_is_ignored(pair: Pair, wire: Connect) -> None:
    """SR-001: Java's standard client offers it with every request; this request is served, and the next one."""
    connection = wire(pair.gateway)
    for _ in range(2):
        connection.send(request_of(ASKED, headers=OFFER))
        assert connection.answer().status_code == 200


def test_sr_001_an_upgrade_before_a_delayed_body(pair: Pair, wire: Connect) -> None:
    connection = wire(pair.gateway)
    request = request_of(ASKED, headers=OFFER)
    for position in range(len(request)):
        connection.send(request[position : position + 1])
    assert connection.answer().status_code == 200


def test_sr_001_an_upgrade_before_a_chunked_body(pair: Pair, wire: Connect) -> None:
    connection = wire(pair.gateway)
    head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: h2c\r\n"
    body = json.dumps(ASKED).encode()
    connection.send(
        f"{head}transfer-encoding: chunked\r\n\r\n".encode()
        + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    )
    assert connection.answer().status_code == 200


def test_a_websocket_upgrade_is_ignored(pair: Pair, wire: Connect) -> None:
    connection = wire(pair.gateway)
    connection.send(
        b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
    )
    assert connection.answer().status_code == 200


def test_a_head_with_an_upgrade_has_the_same_limit(pair: Pair, wire: Connect) -> None:
    connection = wire(pair.gateway)
    connection.send(request_of(ASKED, headers={**OFFER, "x-long": "x" * HEAD}))
    assert connection.answer().status_code == 431


# The path


@pytest.mark.parametrize(
    "target", ["/v1/models/" + "x" * 10_000, "/health?" + "x" * 10_000, "/" + "%20" * 10_000]
)
def test_a_long_path_is_414(ask: Asking, target: str) -> None:
    """The router keeps the paths of models that it was last asked for, without asking for a key."""
    response = ask.get(target)
    assert response.status_code == 414
    assert error_of(response)["type"] == "invalid_request_error"


# Malformed HTTP


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(32)),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"BREW /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /v1/models HTTP/9.9\r\nhost: localhost\r\n\r\n",
        b"GET /v1/m\xc3\xb6dels HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost: localhost\r\nna me: x\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost: localhost\r\nname: x\x00y\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1e3\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999999999999999\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n"
        b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: gzip, x\r\n\r\n",
    ],
    ids=lambda garbage: repr(garbage[:60]),
)
def test_sr_065_malformed_http_gets_a_json_error(pair: Pair, wire: Connect, garbage: bytes) -> None:
    connection = wire(pair.gateway)
    connection.send(garbage)
    response = connection.answer()
    assert response.status_code == 400
    assert error_of(response)["type"] == "invalid_request_error"
    assert response.headers["x-should-retry"] == "false"
    assert connection.is_closed()


def test_a_malformed_chunked_body_makes_no_request(
    pair: Pair, first: ScriptedUpstream, wire: Connect
) -> None:
    connection = wire(pair.gateway)
    head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    connection.send(head + b"zz\r\n" + json.dumps(ASKED).encode() + b"\r\n0\r\n\r\n")
    assert connection.answer().status_code == 400
    assert connection.is_closed()
    assert first.requests == []
