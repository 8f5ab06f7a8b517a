"""A client that sends exactly what a test specifies and reads answers to the last byte, and a gateway for it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import pytest

from llms_core.testing import Reply, ScriptedUpstream, completion, json_body
from tests.conftest import MARK, Gateway, ThreadGateway

HELLO = [{"role": "user", "content": "Hello!"}]
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
KEY = f"{MARK}of-first"
UPSTREAM_ID = "vendor/up-m"

NO_RETRIES = "[routing.retry]\nattempts = 0\n"
"""For plugins.toml: a provider that fails is not retried, because that takes time."""


class Asking:
    """A client of one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.http = httpx.Client(base_url=gateway.origin, timeout=20, trust_env=False, verify=False)

    def chat(
        self, headers: Mapping[str, str] | None = None, /, **members: object
    ) -> httpx.Response:
        """Ask for a chat completion of the model `m`, unless `members` say otherwise."""
        return self.post({"model": "m", "messages": HELLO, **members}, headers=headers)

    def post(
        self, body: object, path: str = CHAT, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Send bytes as they are, and anything else as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.http.post(
            path, content=content, headers={"content-type": "application/json", **(headers or {})}
        )

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return self.http.get(path, headers=headers)

    def stream(self, **members: object) -> AbstractContextManager[httpx.Response]:
        """Ask for a stream, to be read while it comes."""
        body = {"model": "m", "messages": HELLO, "stream": True, **members}
        return self.http.stream("POST", CHAT, json=body)

    def events(self, **members: object) -> list[str]:
        """The data of every event of a stream, read to its end."""
        response = self.chat(stream=True, **members)
        assert response.status_code == 200, response.text
        return data_of(response.text)

    def chunks(self, **members: object) -> list[dict[str, Any]]:
        """The chunks of a stream, which has to be whole."""
        *chunks, last = self.events(**members)
        assert last == "[DONE]"
        return [json.loads(chunk) for chunk in chunks]


class Wire:
    """One connection to a gateway that carries exactly what the test writes."""

    def __init__(self, gateway: Gateway) -> None:
        self.socket = socket.create_connection(("127.0.0.1", gateway.port), timeout=10)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> httpx.Response:
        """The next answer, read whole."""
        read = HTTPResponse(self.socket)
        read.begin()
        with read:
            return httpx.Response(read.status, headers=read.getheaders(), content=read.read())

    def answer_begins(self) -> bool:
        """Wait for the first byte of an answer and leave it unread."""
        return bool(self.socket.recv(1, socket.MSG_PEEK))

    def is_silent(self, seconds: float) -> bool:
        """Whether nothing comes for that long."""
        self.socket.settimeout(seconds)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        else:
            return False
        finally:
            self.socket.settimeout(10)

    def is_closed(self) -> bool:
        """Whether the gateway closes the connection without sending anything more."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self.socket.close()


def request_of(
    body: bytes | object, *, path: str = CHAT, headers: Mapping[str, str] | None = None
) -> bytes:
    """The bytes of a POST request; a body of bytes is sent as it is, anything else as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"host": "localhost", "content-length": str(len(content)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + content


def until(met: Callable[[], bool], timeout: float = 20.0) -> None:
    """Poll for a condition that nothing signals; raises `AssertionError` if it is not met in time."""
    for _ in range(int(timeout / _PAUSE)):
        if met():
            return
        threading.Event().wait(_PAUSE)
    raise AssertionError(f"it did not happen within {timeout} s")


_PAUSE = 0.02


def data_of(text: str) -> list[str]:
    """The data of every event; each has to be one line and a blank one; comments are left out."""
    assert text.endswith("\n\n")
    frames = [
        frame for frame in text.removesuffix("\n\n").split("\n\n") if not frame.startswith(":")
    ]
    assert all(frame.startswith("data: ") and "\n" not in frame for frame in frames), text
    return [frame.removeprefix("data: ") for frame in frames]


def error_of(response: httpx.Response) -> dict[str, Any]:
    """The error object of an answer, which has to be one as OpenAI's clients read it (SR-065)."""
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert body.keys() - {"attempts"} == {"error"}
    error: dict[str, Any] = body["error"]
    assert {"message", "type", "code"} <= error.keys() <= {"message", "type", "code", "param"}
    assert isinstance(error["message"], str)
    assert error["message"]
    assert isinstance(error["type"], str)
    assert isinstance(error["code"], str | None)
    assert isinstance(error.get("param"), str | None)
    return error


def chunk(
    delta: Mapping[str, object], finish_reason: str | None = None, **members: object
) -> dict[str, object]:
    """A chunk of a provider's stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    frame = {
        "id": "chatcmpl-up",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": UPSTREAM_ID,
    }
    return {**frame, "choices": [choice], **members}


def whole(
    message: Mapping[str, object] | None = None,
    finish_reason: str | None = "stop",
    **members: object,
) -> Reply:
    """A provider's whole answer; members that are set to None are left out."""
    message = {"role": "assistant", "content": "Hello!"} if message is None else message
    usage = {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    body = {
        "id": "chatcmpl-up",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": UPSTREAM_ID,
    }
    body |= {"choices": [choice], "usage": usage, **members}
    return json_body({name: value for name, value in body.items() if value is not None})


@dataclass(frozen=True)
class Pair:
    """A gateway and its one provider, shared by the tests of a module."""

    gateway: Gateway
    upstream: ScriptedUpstream


def first_alone(upstream: ScriptedUpstream) -> dict[str, Any]:
    """An llms.json with one provider, `first`, which has the model `m`."""
    block = {
        "type": "OpenAiProvider",
        "base_url": upstream.base_url,
        "api_key": KEY,
        "models": {"m": UPSTREAM_ID},
    }
    return {"providers": {"first": block}}


@contextmanager
def running(
    folder: Path,
    plugins: str,
    config: Callable[[ScriptedUpstream], dict[str, Any]] = first_alone,
    env: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Pair]:
    """A gateway for many tests, because a start takes longer than most of them; `folder` holds its files."""
    with (
        pytest.MonkeyPatch.context() as patch,
        ScriptedUpstream() as upstream,
        ExitStack() as started,
    ):
        for name in (
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "http_proxy",
            "https_proxy",
            "all_proxy",
        ):
            patch.delenv(name, raising=False)
        for name, value in {"HOME": str(folder), "LLMS_HOME": str(folder), **env}.items():
            patch.setenv(name, value)
        gateway = ThreadGateway(folder, config(upstream), plugins)
        started.callback(gateway.close)
        gateway.wait_ready()
        yield Pair(gateway, upstream)
    assert MARK not in gateway.log()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A provider `first` with the model `m`, and a gateway before it, for all tests of a module."""
    with running(tmp_path_factory.mktemp("pair"), NO_RETRIES) as pair:
        yield pair


@pytest.fixture
def first(pair: Pair) -> ScriptedUpstream:
    """The provider of `pair`, with no requests recorded. Set its `default` for another answer."""
    pair.upstream.requests.clear()
    pair.upstream.default = completion()
    return pair.upstream


@pytest.fixture
def ask(pair: Pair, first: ScriptedUpstream, asking: Callable[[Gateway], Asking]) -> Asking:
    """A client of `pair`."""
    return asking(pair.gateway)


@pytest.fixture
def asking() -> Iterator[Callable[[Gateway], Asking]]:
    """Makes clients."""
    with ExitStack() as open_clients:

        def make(gateway: Gateway) -> Asking:
            made = Asking(gateway)
            open_clients.callback(made.http.close)
            return made

        yield make


@pytest.fixture
def wire() -> Iterator[Callable[[Gateway], Wire]]:
    """Makes connections."""
    with ExitStack() as connections:

        def make(gateway: Gateway) -> Wire:
            made = Wire(gateway)
            connections.callback(made.close)
            return made

        yield make


@pytest.fixture
def plugin(tmp_path: Path) -> Callable[[str], str]:
    """Writes a one-file plugin; returns the lines of plugins.toml that load it."""

    def write(source: str) -> str:
        path = tmp_path / "of_test.py"
        path.write_text(f"from llms_core import hookimpl\n{source}", "utf-8")
        return f"[plugins]\nload = ['{path}']\n"

    return write
