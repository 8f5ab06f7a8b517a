"""The real gateway over HTTP, in a thread: the provider under test first, and an OpenAI-compatible one to fall back on.

Both are scripted: what they answer is their `default`, which each test sets. Every test takes a model of its own, so
that the circuit breaker of one is not the next one's.
"""

from __future__ import annotations

import io
import itertools
import json
import logging
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self
from unittest import mock

import msgspec
import uvicorn

from llms_core.provider import Available, Prepares
from llms_core.server.app import create_app
from llms_core.testing.asked import QUESTION, user
from llms_core.testing.subject import Subject, plain_environment
from llms_core.testing.upstream import Reply, ScriptedUpstream, completion

SECOND = "conformance-second"
FALLBACK = "An answer of the second provider's"
FAILURES = 3
"""Failures in a row that open a circuit."""

_PATIENCE = 20.0
_HASTY = {"first_token": 0.5, "idle": 0.25, "total": 0.5}
_MODELS = 100


class _Connection(HTTPConnection):
    """One that is left behind with a `with`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Answered:
    """An answer of the gateway's: its head; the body is read as it comes."""

    def __init__(self, connection: _Connection, response: HTTPResponse):
        self._connection, self._response = connection, response
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}

    @property
    def provider(self) -> str | None:
        """Who answered."""
        return self.headers.get("x-llms-provider")

    def body(self) -> bytes:
        """The whole body."""
        with self._connection:
            return self._response.read()

    def events(self) -> Iterator[str]:
        """The data of each event as it comes."""
        for line in iter(self._response.readline, b""):
            if line.startswith(b"data: "):
                yield line[6:].decode().rstrip("\n")

    def leave(self) -> None:
        """Go away in the middle."""
        self._response.close()
        self._connection.close()


class Gateway:
    """A running gateway, `first` and `second`; to be entered."""

    def __init__(self, subject: Subject):
        self.subject = subject
        self.first, self.second = ScriptedUpstream(), ScriptedUpstream()
        self._numbers = itertools.count()
        self._log = io.StringIO()
        self._ended = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="llms-conformance-")))
            stack.enter_context(self.first)
            stack.enter_context(self.second)
            stack.enter_context(_made_ready(self.subject))
            stack.enter_context(self._logged())
            (folder / "llms.json").write_text(json.dumps(self._llms_json()), "utf-8")
            (folder / "plugins.toml").write_text(self._plugins_toml(), "utf-8")
            with plain_environment():
                self._start(folder, stack)
            self._ended = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.close()

    @property
    def log(self) -> str:
        """What the gateway and the adapter have logged so far."""
        return self._log.getvalue()

    def model(self, kind: str = "both") -> str:
        """A model that no test has used. `hasty`: the provider's time is short; `alone`: the second has it not."""
        self.second.default = completion(FALLBACK)
        return f"{kind}-{next(self._numbers)}"

    def ask(self, model: str, first: Reply, *, stream: bool = False, **members: Any) -> Answered:
        """Ask for a completion; the provider under test answers with `first`. Returns when the head is there."""
        self.first.default = first
        body = {"model": model, "messages": [user(QUESTION)], "stream": stream, **members}
        return self._send("POST", "/v1/chat/completions", json.dumps(body).encode())

    def ask_without_waiting(self, model: str, first: Reply) -> socket.socket:
        """Send a request for a whole answer; the connection is the caller's to close."""
        self.first.default = first
        body = json.dumps({"model": model, "messages": [user(QUESTION)]}).encode()
        sent = socket.create_connection(("127.0.0.1", self._port), timeout=_PATIENCE)
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: conformance\r\nContent-Type: application/json\r\n"
        sent.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return sent

    def _start(self, folder: Path, stack: ExitStack) -> None:
        """Serve until `stack` is left. Raises AssertionError where the gateway does not come up."""
        app = create_app(folder / "llms.json", folder / "plugins.toml")
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=512))
        self._port = listening.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=_serve, args=(server, listening), name="llms-conformance", daemon=True)
        thread.start()
        stack.callback(thread.join, _PATIENCE)
        stack.callback(setattr, server, "should_exit", True)
        try:
            up = self._send("GET", "/health")
            up.body()
        except OSError as error:
            raise AssertionError(f"the gateway does not answer: {error}\n{self.log}") from error
        assert up.status == 200, self.log

    def _send(self, method: str, path: str, body: bytes | None = None) -> Answered:
        connection = _Connection("127.0.0.1", self._port, timeout=_PATIENCE)
        connection.request(method, path, body, {"content-type": "application/json", "connection": "close"})
        return Answered(connection, connection.getresponse())

    def _llms_json(self) -> dict[str, Any]:
        name = self.subject.name
        both, hasty, alone = (self._models(kind) for kind in ("both", "hasty", "alone"))
        return {
            "providers": {
                name: self.subject.block(self.first.origin, models={**both, **alone}),
                f"{name}-hasty": self.subject.block(self.first.origin, models=hasty, id=name),
                SECOND: {"type": "openai-compatible", "base_url": self.second.base_url, "models": {**both, **hasty}},
            }
        }

    def _models(self, kind: str) -> dict[str, str]:
        return {f"{kind}-{number}": f"{self.subject.wire.model}-{kind}-{number}" for number in range(_MODELS)}

    def _plugins_toml(self) -> str:
        """The user's plugins and types, with limits of our own."""
        user_own = self.subject.toml
        folder = Path(user_own.path).parent
        plugins = msgspec.to_builtins(user_own.plugins)
        plugins["load"] = [_absolute(entry, folder) for entry in user_own.plugins.load]
        ours: dict[str, Any] = {
            "plugins": {name: value for name, value in plugins.items() if value is not None},
            "types": dict(user_own.types),
            "plugin": dict(user_own.plugin),
            "upstream": {"engine": user_own.upstream.engine},
            "routing": {"retry": {"attempts": 0}, "breaker": {"failures": FAILURES, "cooldown": 60.0}},
            "timeouts": {"total": _PATIENCE, "provider": {f"{self.subject.name}-hasty": _HASTY}},
        }
        return "".join(f"{name} = {_toml(value)}\n" for name, value in ours.items())

    @contextmanager
    def _logged(self) -> Iterator[None]:
        handler = logging.StreamHandler(self._log)
        root = logging.getLogger()
        level = root.level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            root.removeHandler(handler)
            root.setLevel(level)


def _serve(server: uvicorn.Server, listening: socket.socket) -> None:
    with suppress(SystemExit):  # uvicorn's way to say that the start failed; /health tells
        server.run(sockets=[listening])


def _absolute(entry: str, folder: Path) -> str:
    """An entry of `[plugins] load`: a file, by its path from the folder of plugins.toml, or a module."""
    is_path = entry.endswith(".py") or "/" in entry or "\\" in entry
    return str((folder / Path(entry).expanduser()).absolute()) if is_path else entry


def _toml(value: Any) -> str:
    """A value as TOML writes it, in one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(name)} = {_toml(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else str(value)


async def _is_ready(self: object) -> None:
    pass


def _nothing_lacks(self: object) -> None:
    pass


@contextmanager
def _made_ready(subject: Subject) -> Iterator[None]:
    """An adapter that starts a server of its own, or needs what this machine has not: here the script is the server."""
    with ExitStack() as patched:
        kind = type(subject.adapter)
        if isinstance(subject.adapter, Prepares):
            patched.enter_context(mock.patch.object(kind, "prepare", _is_ready))
        if isinstance(subject.adapter, Available):
            patched.enter_context(mock.patch.object(kind, "available", _nothing_lacks))
        yield
