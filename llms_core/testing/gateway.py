"""The real gateway over HTTP, in a thread, with two providers.

The first is the provider under test, the second an OpenAI-compatible one that the gateway can fall back on. Both are
scripted: they answer with their `default`, which each test sets. Every test uses a model of its own, so that a circuit
breaker that one test opens does not affect the next.
"""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, Self
from unittest import mock

import msgspec

from llms_core.provider import Available, Prepares
from llms_core.testing.sample_requests import QUESTION, user_message
from llms_core.testing.serve import serve
from llms_core.testing.subject import Subject
from llms_core.testing.upstream import Body, Reply, ScriptedUpstream, Status, completion

SECOND = "conformance-second"
"""The id of the second provider."""

FALLBACK = "An answer of the second provider's"
"""The text that the second provider answers."""

FAILURES = 3
"""The number of consecutive failures that opens a circuit."""

_TIMEOUT = 20.0  # seconds, for whatever the tests do not expect to take long
# Seconds, for models of the kind "hasty".
_SHORT_TIMEOUTS = {
    "first_token": 0.5,
    "idle": 0.25,
    "total": 0.5,
}
_MODELS_OF_EACH_KIND = 100


class _Connection(HTTPConnection):
    """A connection that a `with` block closes."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class GatewayResponse:
    """A response of the gateway. Its head has arrived; its body is read on demand."""

    def __init__(self, connection: _Connection, response: HTTPResponse):
        self._connection = connection
        self._response = response
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}

    @property
    def provider(self) -> str | None:
        """The id of the provider that answered."""
        return self.headers.get("x-llms-provider")

    def body(self) -> bytes:
        """Read the whole body, and close the connection."""
        with self._connection:
            return self._response.read()

    def events(self) -> Iterator[str]:
        """Yield the data of each server-sent event as it arrives."""
        for line in iter(self._response.readline, b""):
            if line.startswith(b"data: "):
                yield line.removeprefix(b"data: ").decode().rstrip("\n")

    def close(self) -> None:
        """Close the connection, even if the body is incomplete."""
        self._response.close()
        self._connection.close()


class Gateway:
    """A running gateway, and the servers of its providers, `first` and `second`. Use it as a context manager."""

    def __init__(self, subject: Subject):
        self.subject = subject
        self.first = ScriptedUpstream()
        self.second = ScriptedUpstream()
        self._model_numbers = itertools.count()
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.first)
            stack.enter_context(self.second)
            stack.enter_context(_without_preparation(self.subject))
            if self.subject.wire.token is not None:
                self.first.routes[self.subject.wire.token.path] = token_reply(self.subject)
            self._served = stack.enter_context(serve(self._llms_json(), self._plugins_toml()))
            # Everything has started: keep it until __exit__.
            self._resources = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    @property
    def log(self) -> str:
        """Everything that the gateway and the adapter have logged so far."""
        return self._served.log

    def model(self, kind: str = "both") -> str:
        """Return a model that no test has used yet.

        With the kind "hasty", the provider under test has short timeouts. With "alone", the second provider does not
        have the model.
        """
        self.second.default = completion(FALLBACK)
        return f"{kind}-{next(self._model_numbers)}"

    def ask(
        self, model: str, first: Reply, *, stream: bool = False, **members: Any
    ) -> GatewayResponse:
        """Request a completion, to which the provider under test replies `first`. Returns once the head has arrived."""
        self.first.default = first
        body = {
            "model": model,
            "messages": [user_message(QUESTION)],
            "stream": stream,
            **members,
        }
        return self._send("POST", "/v1/chat/completions", json.dumps(body).encode())

    def ask_without_waiting(self, model: str, first: Reply) -> socket.socket:
        """Send a request without streaming, and return its connection, which the caller has to close."""
        self.first.default = first
        body = json.dumps({"model": model, "messages": [user_message(QUESTION)]}).encode()
        head = [
            "POST /v1/chat/completions HTTP/1.1",
            "Host: localhost",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "",
            "",
        ]
        connection = socket.create_connection(("127.0.0.1", self._served.port), timeout=_TIMEOUT)
        connection.sendall("\r\n".join(head).encode() + body)
        return connection

    def _send(self, method: str, path: str, body: bytes | None = None) -> GatewayResponse:
        connection = _Connection("127.0.0.1", self._served.port, timeout=_TIMEOUT)
        connection.request(
            method, path, body, {"content-type": "application/json", "connection": "close"}
        )
        return GatewayResponse(connection, connection.getresponse())

    def _llms_json(self) -> dict[str, Any]:
        subject = self.subject
        both = self._models("both")
        hasty = self._models("hasty")
        alone = self._models("alone")
        second = {
            "type": "openai-compatible",
            "base_url": self.second.base_url,
            "models": {**both, **hasty},
        }
        return {
            "providers": {
                subject.name: subject.block(self.first.origin, models={**both, **alone}),
                # `timeouts` of plugins.toml are per block, so the hasty models need one of their own.
                f"{subject.name}-hasty": subject.block(
                    self.first.origin, models=hasty, id=subject.name
                ),
                SECOND: second,
            }
        }

    def _models(self, kind: str) -> dict[str, str]:
        names = [f"{kind}-{number}" for number in range(_MODELS_OF_EACH_KIND)]
        return {name: f"{self.subject.wire.model}-{name}" for name in names}

    def _plugins_toml(self) -> str:
        """The user's plugins and types, with the suite's own timeouts, retries and circuit breaker."""
        users = self.subject.toml
        folder = Path(users.path).parent
        plugins = msgspec.to_builtins(users.plugins)
        plugins["load"] = [_absolute_entry(entry, folder) for entry in users.plugins.load]
        sections: dict[str, Any] = {
            # TOML has no null.
            "plugins": {name: value for name, value in plugins.items() if value is not None},
            "types": dict(users.types),
            "plugin": dict(users.plugin),
            "upstream": {"engine": users.upstream.engine},
            "routing": {
                "retry": {"attempts": 0},
                "breaker": {"failures": FAILURES, "cooldown": 60.0},
            },
            "timeouts": {
                "total": _TIMEOUT,
                "provider": {f"{self.subject.name}-hasty": _SHORT_TIMEOUTS},
            },
        }
        return "".join(f"{name} = {_encode_toml(value)}\n" for name, value in sections.items())


def token_reply(subject: Subject) -> Reply:
    """Return what the scripted provider replies to a request for a token."""
    return Reply(Status(200, {"content-type": "application/json"}), Body(subject.token_body()))


def _absolute_entry(entry: str, folder: Path) -> str:
    """Make an entry of `[plugins] load` independent of the folder of plugins.toml; it may also name a module."""
    is_path = entry.endswith(".py") or "/" in entry or "\\" in entry
    if not is_path:
        return entry
    return str((folder / Path(entry).expanduser()).absolute())


def _encode_toml(value: Any) -> str:
    """Encode a value as TOML, in one line."""
    if isinstance(value, Mapping):
        members = [f"{json.dumps(name)} = {_encode_toml(inner)}" for name, inner in value.items()]
        return "{" + ", ".join(members) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_encode_toml, value)) + "]"
    if isinstance(value, str):
        # TOML's basic strings have the same escapes as JSON's.
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


async def _prepare_nothing(self: object) -> None:
    pass


def _is_available(self: object) -> None:
    pass


@contextmanager
def _without_preparation(subject: Subject) -> Iterator[None]:
    """Replace what an adapter does to start a server of its own, and its check for software that this machine lacks.

    In these tests the scripted upstream is the provider's server.
    """
    adapter_class = type(subject.adapter)
    with ExitStack() as patches:
        # With an example of the token endpoint, `prepare` runs as it is.
        if isinstance(subject.adapter, Prepares) and subject.wire.token is None:
            patches.enter_context(mock.patch.object(adapter_class, "prepare", _prepare_nothing))
        if isinstance(subject.adapter, Available):
            patches.enter_context(mock.patch.object(adapter_class, "available", _is_available))
        yield
