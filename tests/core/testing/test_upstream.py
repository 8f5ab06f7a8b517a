"""The scripted upstream sends exactly what its script states, because many other tests rely on it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import httpx
import pytest

from llms_core.testing import (
    Body,
    Chunk,
    Close,
    Drip,
    Raw,
    Reply,
    Reset,
    ScriptedUpstream,
    Seen,
    Stall,
    Status,
    Wait,
    completion,
    error,
    events,
    html,
    json_body,
    refused_base_url,
    text_body,
)

ASK = {"model": "up-m", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
def client(upstream: ScriptedUpstream) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=upstream.base_url, timeout=5, trust_env=False) as client:
        yield client


def ask(client: httpx.Client, **more: object) -> httpx.Response:
    return client.post("/chat/completions", json=ASK | more)


def data_of(text: str) -> list[Any]:
    """Return the decoded payloads of a stream, which has to end with `[DONE]`."""
    *data, done = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert done == "[DONE]"
    return [json.loads(item) for item in data]


def open_socket(upstream: ScriptedUpstream) -> closing[socket.socket]:
    """Connect without an HTTP client, which would close, retry or reject by itself."""
    host, port = upstream.origin.removeprefix("http://").split(":")
    return closing(socket.create_connection((host, int(port)), timeout=5))


def read_all(connection: socket.socket) -> bytes:
    """Read until the server closes the connection."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


# Order and record


def test_replies_are_sent_in_order_and_then_the_default(
    client: httpx.Client, upstream: ScriptedUpstream
) -> None:
    upstream.script(error(429), error(503))
    upstream.script(text_body("third"))
    upstream.default = completion("the default")
    assert [ask(client).status_code for _ in range(3)] == [429, 503, 200]
    assert [ask(client).json()["choices"][0]["message"]["content"] for _ in range(2)] == [
        "the default"
    ] * 2


def test_request_is_recorded(client: httpx.Client, upstream: ScriptedUpstream) -> None:
    client.post(
        "/chat/completions?a=b", json=ASK, headers={"Authorization": "Bearer k", "X-Two": "1"}
    )
    seen = upstream.wait_for_request()
    assert (seen.method, seen.path, seen.json) == ("POST", "/v1/chat/completions?a=b", ASK)
    assert (seen.headers["authorization"], seen.headers["x-two"]) == ("Bearer k", "1")
    assert json.loads(seen.body) == ASK
    assert str(seen) == "POST /v1/chat/completions?a=b"
    assert not seen.closed_early


def test_waiting_for_a_request_that_never_arrives_times_out(upstream: ScriptedUpstream) -> None:
    with pytest.raises(AssertionError, match="request 1 did not arrive"):
        upstream.wait_for_request(timeout=0.01)


def test_routes_take_precedence_and_do_not_consume_the_script(
    client: httpx.Client, upstream: ScriptedUpstream
) -> None:
    upstream.script(text_body("first"))
    upstream.routes["/tags"] = json_body({"models": []})
    assert [model["id"] for model in client.get("/models").json()["data"]] == ["m"]
    assert client.get("/api/tags?x").json() == {"models": []}
    assert ask(client).text == "first"
    assert [seen.path for seen in upstream.requests] == [
        "/v1/models",
        "/v1/api/tags?x",
        "/v1/chat/completions",
    ]


# Completions


def test_completion_as_json(client: httpx.Client, upstream: ScriptedUpstream) -> None:
    upstream.script(
        completion("Two words", finish_reason="length", system_fingerprint="fp", model="another")
    )
    answer = ask(client)
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert (body["object"], body["model"], body["system_fingerprint"]) == (
        "chat.completion",
        "another",
        "fp",
    )
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Two words"},
            "finish_reason": "length",
        }
    ]
    assert body["usage"] == {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}


def test_completion_as_a_stream(client: httpx.Client, upstream: ScriptedUpstream) -> None:
    upstream.script(completion("Two words"))
    answer = ask(client, stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    chunks = data_of(answer.text)
    assert [chunk["choices"][0]["delta"].get("content") for chunk in chunks] == [
        "",
        "Two",
        " words",
        None,
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, None, "stop"]
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert {(chunk["object"], chunk["model"]) for chunk in chunks} == {
        ("chat.completion.chunk", "up-m")
    }
    assert len({chunk["id"] for chunk in chunks}) == 1


@pytest.mark.parametrize(
    "usage", [None, {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}]
)
def test_stream_has_usage_only_if_requested(
    client: httpx.Client, upstream: ScriptedUpstream, usage: dict[str, int] | None
) -> None:
    upstream.default = completion("Hi", usage=usage) if usage else completion("Hi")
    assert all("usage" not in chunk for chunk in data_of(ask(client, stream=True).text))
    *rest, last = data_of(ask(client, stream=True, stream_options={"include_usage": True}).text)
    assert last["choices"] == []
    assert last["usage"] == usage or {
        "prompt_tokens": 9,
        "completion_tokens": 1,
        "total_tokens": 10,
    }
    assert all("usage" not in chunk for chunk in rest)


@pytest.mark.parametrize("text", ["", " ", "a", " lead", "trail ", "a\n\nb  c", "Grüße, 世界 👋🏽"])
def test_stream_contains_the_whole_text(
    client: httpx.Client, upstream: ScriptedUpstream, text: str
) -> None:
    upstream.script(completion(text))
    chunks = data_of(ask(client, stream=True).text)
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == text


def test_completions_have_different_ids(client: httpx.Client) -> None:
    assert len({ask(client).json()["id"] for _ in range(20)}) == 20


# Other ready-made replies


def test_error_in_the_format_of_openai(client: httpx.Client, upstream: ScriptedUpstream) -> None:
    upstream.script(
        error(429, "slow down", {"Retry-After": "2"}, type="requests", code="rate_limit_exceeded")
    )
    answer = ask(client)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
    assert answer.json() == {
        "error": {
            "message": "slow down",
            "type": "requests",
            "param": None,
            "code": "rate_limit_exceeded",
        }
    }


def test_status_that_http_does_not_define(client: httpx.Client, upstream: ScriptedUpstream) -> None:
    upstream.script(error(529))
    assert ask(client).status_code == 529


def test_html_page(client: httpx.Client, upstream: ScriptedUpstream) -> None:
    upstream.script(html(502))
    answer = ask(client)
    assert answer.status_code == 502
    assert "<h1>Bad Gateway</h1>" in answer.text
    assert answer.headers["content-type"].startswith("text/html")


def test_events_are_sent_as_given(client: httpx.Client, upstream: ScriptedUpstream) -> None:
    upstream.script(events({"a": "ü"}, b": comment\r\n\r\n", "[DONE]", headers={"x-a": "b"}))
    answer = ask(client)
    assert answer.text == 'data: {"a":"ü"}\n\n: comment\r\n\r\ndata: [DONE]\n\n'
    assert answer.headers["x-a"] == "b"


def test_reply_can_be_built_from_the_request(
    client: httpx.Client, upstream: ScriptedUpstream
) -> None:
    def echo(seen: Seen) -> Reply:
        return json_body(seen.json["messages"])

    upstream.default = Reply(echo)
    assert ask(client).json() == ASK["messages"]


# Framing and kept connections


def test_connection_is_kept_alive_after_every_complete_reply(
    client: httpx.Client, upstream: ScriptedUpstream
) -> None:
    upstream.script(
        completion("json"),
        events("[DONE]"),
        Reply(Status(204)),
        Reply(Status(200), Drip(b"drop by drop", 5)),
        Reply(Status(200), Chunk(b"a"), Drip(b"bcd", 2), Body(b"e")),
        Reply(Status(200, {"content-length": "3"}), Body(b"a"), Body(b"bc")),
    )
    answers = [ask(client) for _ in range(6)]
    assert [answer.text for answer in answers[2:]] == ["", "drop by drop", "abcde", "abc"]
    assert {seen.connection for seen in upstream.requests} == {1}


def test_connections_are_numbered(upstream: ScriptedUpstream) -> None:
    for _ in range(3):
        httpx.get(f"{upstream.base_url}/models", trust_env=False)
    assert [seen.connection for seen in upstream.requests] == [1, 2, 3]


def test_pipelined_requests_are_answered(upstream: ScriptedUpstream) -> None:
    upstream.default = text_body("ok")
    one = b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n"
    with open_socket(upstream) as connection:
        connection.sendall(one + one.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        assert read_all(connection).count(b"HTTP/1.1 200 OK\r\n") == 2


def test_body_that_ends_when_the_connection_closes(
    client: httpx.Client, upstream: ScriptedUpstream
) -> None:
    upstream.script(Reply(Status(200, {"Connection": "close"}), Body(b"to the "), Body(b"end")))
    assert ask(client).text == "to the end"
    ask(client)
    assert [seen.connection for seen in upstream.requests] == [1, 2]


def test_chunked_request_body_is_read(client: httpx.Client, upstream: ScriptedUpstream) -> None:
    client.post("/chat/completions", content=iter([b'{"model":', b' "m"}']))
    assert upstream.requests[0].headers["transfer-encoding"] == "chunked"
    assert upstream.requests[0].json == {"model": "m"}
    ask(client)
    assert upstream.requests[1].connection == 1


def test_expect_100_continue_is_answered(upstream: ScriptedUpstream) -> None:
    with open_socket(upstream) as connection:
        connection.sendall(
            b"POST /v1/x HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n"
        )
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
    assert upstream.requests[0].body == b"{}"


def test_large_bodies_in_both_directions(client: httpx.Client, upstream: ScriptedUpstream) -> None:
    large = b"x" * 25 * 2**20
    upstream.script(Reply(Status(200), Body(large)))
    answer = client.post("/chat/completions", content=large)
    assert answer.content == large
    assert upstream.requests[0].body == large


# Faults


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(Body(b'{"id": "x'), id="length"),
        pytest.param(Chunk(b'{"id": "x'), id="chunked"),
        pytest.param(Raw(b"a\r\n12345"), id="inside a chunk"),
    ],
)
def test_close_truncates_the_body(
    client: httpx.Client, upstream: ScriptedUpstream, body: Body | Chunk | Raw
) -> None:
    headers = {"transfer-encoding": "chunked"} if isinstance(body, Raw) else {}
    upstream.script(Reply(Status(200, headers), body, Close()))
    with pytest.raises(httpx.RemoteProtocolError):
        ask(client)


def test_ready_made_reply_can_be_truncated(
    client: httpx.Client, upstream: ScriptedUpstream
) -> None:
    upstream.script(Reply(events("one", "two"), Close()))
    with client.stream("POST", "/chat/completions", json=ASK) as answer:
        got: list[str] = []
        with pytest.raises(httpx.RemoteProtocolError):
            got.extend(answer.iter_text())
    assert "".join(got) == "data: one\n\ndata: two\n\n"


@pytest.mark.parametrize(
    "before", [(), (Status(),), (Status(), Body(b"a")), (Status(), Chunk(b"a"))]
)
def test_reset_at_every_stage_of_a_reply(
    client: httpx.Client, upstream: ScriptedUpstream, before: tuple[Status | Body | Chunk, ...]
) -> None:
    upstream.script(Reply(*before, Reset()))
    with pytest.raises(httpx.ReadError, match="reset by peer"):
        ask(client)
    with pytest.raises(AssertionError, match="did not close the connection"):
        upstream.requests[0].wait_closed()
    assert ask(client).status_code == 200


def test_data_before_a_reset_can_be_read(upstream: ScriptedUpstream) -> None:
    upstream.script(Reply(Status(200), Chunk(b"first"), Reset()))
    got: list[bytes] = []
    with open_socket(upstream) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            got.extend(iter(lambda: connection.recv(65536), b""))
    assert b"".join(got).endswith(b"5\r\nfirst\r\n")


def test_raw_bytes_that_are_not_http(client: httpx.Client, upstream: ScriptedUpstream) -> None:
    upstream.script(Reply(Raw(b"SSH-2.0-OpenSSH_9.6\r\n"), Close()))
    with pytest.raises(httpx.RemoteProtocolError):
        ask(client)


@pytest.mark.parametrize(
    "before", [(), (Status(),), (Status(), Body(b"a")), (Status(), Chunk(b"a"))]
)
def test_stall_lasts_until_the_client_disconnects(
    client: httpx.Client, upstream: ScriptedUpstream, before: tuple[Status | Body | Chunk, ...]
) -> None:
    upstream.script(Reply(*before, Stall()))
    with pytest.raises(httpx.ReadTimeout):
        client.post("/chat/completions", json=ASK, timeout=0.1)
    upstream.requests[0].wait_closed()
    assert upstream.requests[0].closed_early


def test_events_of_the_test_control_a_reply(
    client: httpx.Client, upstream: ScriptedUpstream
) -> None:
    first, second = threading.Event(), threading.Event()
    upstream.script(
        Reply(Status(200), Chunk(b"a"), Wait(first), Chunk(b"b"), Wait(second), Chunk(b"c"))
    )
    with client.stream("POST", "/chat/completions", json=ASK) as answer:
        parts = answer.iter_raw()
        assert next(parts) == b"a"
        first.set()
        assert next(parts) == b"b"
        second.set()
        assert list(parts) == [b"c"]


def test_wait_before_a_ready_made_reply(client: httpx.Client, upstream: ScriptedUpstream) -> None:
    go = threading.Event()
    upstream.script(Reply(Wait(go), completion("late")))
    with pytest.raises(httpx.ReadTimeout):
        client.post("/chat/completions", json=ASK, timeout=0.05)
    upstream.requests[0].wait_closed()
    go.set()
    upstream.script(Reply(Wait(go), completion("in time")))
    assert ask(client).json()["choices"][0]["message"]["content"] == "in time"


def test_wait_times_out_with_a_reset(client: httpx.Client, upstream: ScriptedUpstream) -> None:
    upstream.script(Reply(Wait(threading.Event(), timeout=0.05), completion()))
    with pytest.raises(httpx.ReadError):
        ask(client)


def test_client_that_disconnects_within_a_large_body_is_noticed(upstream: ScriptedUpstream) -> None:
    upstream.script(Reply(Status(200), Body(b"x" * 2**25)))
    with open_socket(upstream) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        connection.recv(100)
    upstream.wait_for_request().wait_closed()


def test_client_that_reads_the_whole_reply_did_not_close_early(
    client: httpx.Client, upstream: ScriptedUpstream
) -> None:
    ask(client, stream=True)
    client.close()
    with pytest.raises(AssertionError, match="before the reply was over"):
        upstream.requests[0].wait_closed()


def test_client_that_stays_connected_did_not_close_early(
    client: httpx.Client, upstream: ScriptedUpstream
) -> None:
    upstream.script(Reply(Status(200), Chunk(b"a"), Stall()))
    with client.stream("POST", "/chat/completions", json=ASK) as answer:
        parts = answer.iter_raw()
        assert next(parts) == b"a"
        with pytest.raises(AssertionError, match="still holds the connection"):
            upstream.requests[0].wait_closed(timeout=0.05)
        assert not upstream.requests[0].closed_early
    upstream.requests[0].wait_closed()


def test_refused_base_url_refuses_connections() -> None:
    assert refused_base_url() == refused_base_url()
    with pytest.raises(httpx.ConnectError):
        httpx.get(refused_base_url(), trust_env=False)


# Start and stop


def test_upstream_stops_while_clients_are_connected() -> None:
    with ExitStack() as clients:
        with ScriptedUpstream() as upstream:
            upstream.script(Reply(Stall()), Reply(Status(), Chunk(b"a"), Wait(threading.Event())))
            # The third one sends no request.
            connections = [clients.enter_context(open_socket(upstream)) for _ in range(3)]
            for number, connection in enumerate(connections[:2], 1):
                connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
                upstream.wait_for_request(number)
        assert "scripted-upstream" not in [thread.name for thread in threading.enumerate()]
        for connection in connections:
            # It hangs here unless the upstream has closed the connection.
            read_all(connection)


def test_upstreams_are_independent() -> None:
    with ScriptedUpstream() as one, ScriptedUpstream() as two:
        assert one.base_url != two.base_url
        httpx.get(f"{two.base_url}/models", trust_env=False)
        assert (len(one.requests), len(two.requests)) == (0, 1)


def test_many_simultaneous_clients(upstream: ScriptedUpstream) -> None:
    go = threading.Event()
    upstream.default = Reply(Wait(go), completion())

    async def ask_all() -> set[int]:
        async with httpx.AsyncClient(
            base_url=upstream.base_url, timeout=10, trust_env=False
        ) as client:
            asking = [
                asyncio.create_task(client.post("/chat/completions", json=ASK)) for _ in range(50)
            ]
            await asyncio.to_thread(upstream.wait_for_request, 50)
            go.set()
            return {answer.status_code for answer in await asyncio.gather(*asking)}

    assert asyncio.run(ask_all()) == {200}
    assert len({seen.connection for seen in upstream.requests}) == 50


@pytest.mark.parametrize(
    "mistake", [Reply(Body(b"no status")), Reply(lambda seen: json_body(seen.json["absent"]))]
)
def test_mistake_in_the_script_is_raised_in_the_test(mistake: Reply) -> None:
    def use() -> None:
        with ScriptedUpstream() as upstream:
            upstream.script(mistake)
            with pytest.raises(httpx.RemoteProtocolError):
                httpx.post(f"{upstream.base_url}/x", json={}, trust_env=False)

    with pytest.raises((ValueError, KeyError), match=r"needs a Status|absent"):
        use()


def test_mistake_in_the_script_does_not_hide_the_failure_of_the_test() -> None:
    def use() -> None:
        with ScriptedUpstream() as upstream:
            upstream.script(Reply(Body(b"no status")))
            httpx.post(f"{upstream.base_url}/x", json={}, trust_env=False)

    with pytest.raises(httpx.RemoteProtocolError):
        use()
