"""A plugin adds an operation (`llms_operations`) and a dialect (`llms_dialects`) and inherits all that chat has."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from llms_core.testing import (
    Chunk,
    Close,
    Reply,
    ScriptedUpstream,
    Stall,
    Status,
    error,
    events,
    text_body,
)
from tests.conftest import MARK, Serve, ThreadGateway
from tests.core.server.conftest import until

SOURCE = Path(__file__).parent / "echo.py"
LOAD = f"[plugins]\nload = ['{SOURCE}']\n[routing.retry]\nattempts = 0\n"
WORDS = "event: word\ndata: Hello\n\nevent: word\ndata: again\n\n"
END = "event: end\ndata: {}\n\n"
KEY = "a-key-of-a-client"

Echo = Callable[..., httpx.Response]


def sse(text: str, *more: Any) -> Reply:
    return Reply(Status(200, {"content-type": "text/event-stream"}), Chunk(text.encode()), *more)


def block(name: str, upstream: ScriptedUpstream) -> dict[str, Any]:
    key = f"{MARK}{name}"
    return {
        "type": "echoing",
        "base_url": upstream.base_url,
        "api_key": key,
        "models": {"m": "up-m"},
    }


def blocks(*upstreams: ScriptedUpstream) -> dict[str, Any]:
    names = ("first", "second")
    return {
        "providers": {name: block(name, each) for name, each in zip(names, upstreams, strict=False)}
    }


def echo(
    gateway: ThreadGateway, headers: dict[str, str] | None = None, **members: object
) -> httpx.Response:
    body = {"model": "m", "text": "Hello", **members}
    return httpx.post(
        f"{gateway.origin}/echo", json=body, headers=headers, timeout=20, trust_env=False
    )


def test_the_plugin_is_short() -> None:
    lines = [line for line in SOURCE.read_text("utf-8").splitlines() if line.strip()]
    assert len(lines) < 80


def test_a_whole_answer(served: Serve, upstream: ScriptedUpstream) -> None:
    upstream.script(text_body("Hello"))
    answer = echo(served(blocks(upstream), LOAD))
    assert (answer.status_code, answer.text) == (200, "Hello")
    assert answer.headers["x-llms-provider"] == "first"
    assert (upstream.requests[0].path, upstream.requests[0].body) == ("/v1/echo", b"Hello")
    assert upstream.requests[0].headers["authorization"] == f"Bearer {MARK}first"


def test_a_stream_has_named_events_and_no_done(served: Serve, upstream: ScriptedUpstream) -> None:
    upstream.script(sse(WORDS + END))
    answer = echo(served(blocks(upstream), LOAD), stream=True)
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.text == WORDS + "event: finished\ndata: {}\n\n"


@pytest.mark.parametrize("stream", [False, True])
def test_failover(served: Serve, upstreams: Callable[[], ScriptedUpstream], stream: bool) -> None:
    """SR-072."""
    first, second = upstreams(), upstreams()
    first.script(error(503))
    second.script(sse(WORDS + END) if stream else text_body("Hello"))
    answer = echo(served(blocks(first, second), LOAD), stream=stream)
    assert (answer.status_code, answer.headers["x-llms-provider"]) == (200, "second")
    assert answer.headers["x-llms-attempts"] == "first;error=overloaded;status=503, second;ok"


def test_a_stream_that_breaks_ends_with_the_dialects_error(
    served: Serve, upstream: ScriptedUpstream
) -> None:
    """SR-058: and not with its end."""
    upstream.script(sse(WORDS, Close()))
    answer = echo(served(blocks(upstream), LOAD), stream=True)
    words, _, failure = answer.text.partition("event: failed\ndata: ")
    assert words == WORDS
    assert json.loads(failure)["why"] == "network"
    assert "finished" not in answer.text


def test_errors_have_the_dialects_own_body(served: Serve, upstream: ScriptedUpstream) -> None:
    """SR-065: invalid requests, unknown models, and failures of every provider."""
    upstream.default = error(500)
    gateway = served(blocks(upstream), LOAD)
    missing = {"failed": "Missing required parameter: 'text'", "why": "missing_required_parameter"}
    invalid = httpx.post(f"{gateway.origin}/echo", json={"model": "m"}, trust_env=False)
    assert (invalid.status_code, invalid.json()) == (400, missing)
    unknown = echo(gateway, model="unknown")
    assert (unknown.status_code, unknown.json()["why"]) == (404, "model_not_found")
    failed = echo(gateway)
    assert (failed.status_code, failed.json()["why"]) == (502, "provider_error")
    assert [attempt["kind"] for attempt in failed.json()["attempts"]] == ["overloaded"]
    assert failed.headers["x-should-retry"] == "true"


def test_a_provider_without_the_operation_is_no_candidate(
    served: Serve, upstream: ScriptedUpstream
) -> None:
    config = blocks(upstream)
    config["providers"]["first"]["type"] = "openai-compatible"
    answer = echo(served(config, LOAD))
    assert answer.status_code == 400
    assert "first does not offer echo" in answer.json()["failed"]
    assert upstream.requests == []


def test_deadlines(served: Serve, upstream: ScriptedUpstream) -> None:
    """SR-067: a provider that sends nothing."""
    upstream.script(Reply(Stall()))
    answer = echo(served(blocks(upstream), f"{LOAD}[timeouts]\ntotal = 0.3\n"))
    assert (answer.status_code, answer.json()["why"]) == (504, "provider_error")


def test_cancellation(served: Serve, upstream: ScriptedUpstream) -> None:
    """SR-059: the provider's connection is closed once the client has gone."""
    upstream.script(sse(WORDS, Stall()))
    gateway = served(blocks(upstream), LOAD)
    body = json.dumps({"model": "m", "text": "Hello", "stream": True}).encode()
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(
            b"POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b"
            % (len(body), body)
        )
        assert connection.recv(1024)
    upstream.requests[0].wait_closed()
    until(lambda: " 499 " in gateway.log())


def test_authentication(served: Serve, upstream: ScriptedUpstream) -> None:
    """SR-003."""
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    gateway = served(blocks(upstream), f'{LOAD}[server.keys]\nme = "sha256:{digest}"\n')
    upstream.script(text_body("Hello"))
    refused = echo(gateway)
    assert (refused.status_code, refused.json()["why"]) == (401, "unauthorized")
    assert echo(gateway, {"authorization": f"Bearer {KEY}"}).text == "Hello"


def test_a_page_of_another_site(served: Serve, upstream: ScriptedUpstream) -> None:
    refused = echo(served(blocks(upstream), LOAD), {"origin": "https://evil.example"})
    assert (refused.status_code, refused.json()["why"]) == (403, "origin_not_allowed")
    assert upstream.requests == []


def test_limits(served: Serve, upstream: ScriptedUpstream) -> None:
    """K-19: the size of a request."""
    config = {**blocks(upstream), "limits": {"client_max_size": 1000}}
    refused = echo(served(config, LOAD), text="x" * 1000)
    assert (refused.status_code, refused.json()["why"]) == (413, "request_too_large")


SAME_NAME = """
import msgspec
from llms_core import hookimpl
from llms_core.dialects import Dialect, OpenApi
from llms_core.dialects.chat_completions import CHAT_COMPLETIONS
from llms_core.operations.chat import CHAT


class ErrorBody(msgspec.Struct):
    reason: str


@hookimpl
def llms_dialects():
    yield Dialect(
        name="whole", operation=CHAT, paths=("/whole",), decode=CHAT_COMPLETIONS.decode,
        encode_answer=lambda answer, body: answer.data,
        encode_error=lambda error: b'{"reason": "%b"}' % error.code.encode(),
        openapi=OpenApi(summary="Whole", operation_id="Whole", request=dict, error=ErrorBody),
    )
"""


def test_schemas_of_the_same_name_do_not_replace_each_other(
    served: Serve, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    """A dialect without a stream writer refuses streams, and its error body is its own in the document too."""
    (tmp_path / "whole.py").write_text(SAME_NAME, "utf-8")
    gateway = served(
        blocks(upstream), f"[plugins]\nload = ['{SOURCE}', '{tmp_path / 'whole.py'}']\n"
    )
    document = httpx.get(f"{gateway.origin}/docs/openapi.json", trust_env=False).json()

    def error_schema(path: str) -> dict[str, Any]:
        responses = document["paths"][path]["post"]["responses"]
        name = responses["400"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        schema: dict[str, Any] = document["components"]["schemas"][name]
        return schema

    assert error_schema("/whole")["required"] == ["reason"]
    assert error_schema("/v1/chat/completions")["required"] == ["error"]
    assert list(document["paths"]["/whole"]["post"]["responses"]["200"]["content"]) == [
        "application/json"
    ]
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    refused = httpx.post(f"{gateway.origin}/whole", json=body, trust_env=False)
    assert (refused.status_code, refused.json()) == (400, {"reason": "unsupported"})


def test_the_document_describes_it_and_chat_is_still_there(
    served: Serve, upstream: ScriptedUpstream
) -> None:
    gateway = served(blocks(upstream), LOAD)
    document = httpx.get(f"{gateway.origin}/docs/openapi.json", trust_env=False).json()
    assert document["paths"]["/echo"]["post"]["summary"] == "Echo"
    assert "/v1/chat/completions" in document["paths"]
    upstream.script(events("[DONE]"))
    assert httpx.get(f"{gateway.origin}/echo", trust_env=False).status_code == 405
