"""A gateway with scripted providers of one model, one after the other, and a client that asks it."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, Protocol

import httpx
import pytest

from llms_core.testing import Reply, ScriptedUpstream, Seen, completion

if TYPE_CHECKING:
    from tests.conftest import ProviderBlock, Serve, ThreadGateway

NAMES = ("first", "second", "third")

ONCE = "[routing.retry]\nattempts = 0\n"
"""For plugins.toml: the last candidate is not retried, as the others are not."""


class ReceivedStream:
    """A stream as the client received it: its chunks, whether `[DONE]` came last, and the error if there was one."""

    def __init__(self, text: str) -> None:
        data = [
            event.removeprefix("data: ")
            for event in text.split("\n\n")
            if event.startswith("data: ")
        ]
        self.done = data.count("[DONE]")
        self.whole = data[-1:] == ["[DONE]"]
        events = [json.loads(item) for item in data if item != "[DONE]"]
        self.chunks = [event for event in events if "error" not in event]
        self.error = events[-1].get("error") if events else None

    @property
    def choices(self) -> list[dict[str, Any]]:
        return [choice for chunk in self.chunks for choice in chunk["choices"]]

    @property
    def text(self) -> str:
        return "".join(choice["delta"].get("content") or "" for choice in self.choices)

    @property
    def finish_reasons(self) -> list[str]:
        return [choice["finish_reason"] for choice in self.choices if choice.get("finish_reason")]


Rows = Mapping[str, Sequence[Reply]]
"""A table of cases, each with the answers of the first provider, the second, and so on."""


class Chain:
    """A gateway and the providers `first`, `second`, … behind it.

    All have the model `m`, each under its own id. With rows they have a model for each row instead, under its
    name, so that one gateway serves a whole table, and no row sees what another did to a circuit.
    """

    def __init__(
        self, gateway: ThreadGateway, upstreams: list[ScriptedUpstream], client: httpx.Client
    ) -> None:
        self.gateway, self.upstreams, self._client = gateway, upstreams, client

    def ask(self, model: str = "m", **more: object) -> httpx.Response:
        return self._client.post(
            f"{self.gateway.base_url}/chat/completions", content=body(model, **more)
        )

    def stream(self, model: str = "m", **more: object) -> ReceivedStream:
        return ReceivedStream(self.ask(model, stream=True, **more).text)

    def ready(self) -> Any:
        return self._client.get(f"{self.gateway.origin}/ready").json()

    @property
    def calls(self) -> list[int]:
        """How many requests each provider got."""
        return [len(upstream.requests) for upstream in self.upstreams]

    def asked(self, row: str, *, stream: bool) -> list[int]:
        """How many requests each provider got for a row."""
        asked = (row, stream)
        return [
            sum(
                (seen.json["model"], bool(seen.json.get("stream"))) == asked
                for seen in upstream.requests
            )
            for upstream in self.upstreams
        ]

    def dial(self, model: str = "m", **more: object) -> closing[socket.socket]:
        """Send a request on a connection that the test controls."""
        content = body(model, **more)
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(content)}\r\n\r\n"
        connection = socket.create_connection(("127.0.0.1", self.gateway.port), timeout=5)
        connection.sendall(head.encode() + content)
        return closing(connection)


def body(model: str, **more: object) -> bytes:
    return json.dumps(
        {"model": model, "messages": [{"role": "user", "content": "Hi"}], **more}
    ).encode()


class MakeChain(Protocol):
    """The fixture `chain`. `top` are members of llms.json, `blocks` of a provider's block, by the provider's name."""

    def __call__(
        self,
        count: int = 2,
        plugins: str = ONCE,
        *,
        rows: Rows = ...,
        top: Mapping[str, Any] = ...,
        **blocks: Mapping[str, Any],
    ) -> Chain: ...


def _row(rows: Rows, place: int) -> Callable[[Seen], Reply]:
    def answer(seen: Seen) -> Reply:
        replies = rows[seen.json["model"]]
        return replies[place] if place < len(replies) else completion()

    return answer


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=10, trust_env=False, verify=False) as client:
        yield client


@pytest.fixture
def chain(
    upstreams: Callable[[], ScriptedUpstream],
    provider: ProviderBlock,
    served: Serve,
    client: httpx.Client,
) -> MakeChain:
    def make(
        count: int = 2,
        plugins: str = ONCE,
        *,
        rows: Rows | None = None,
        top: Mapping[str, Any] | None = None,
        **blocks: Mapping[str, Any],
    ) -> Chain:
        made = [upstreams() for _ in range(count)]
        providers = {}
        for place, (name, upstream) in enumerate(zip(NAMES, made, strict=False)):
            if rows is not None:
                upstream.default = Reply(_row(rows, place))
            models = {"m": f"{name}-m"} if rows is None else {row: row for row in rows}
            providers[name] = {**provider(upstream, models), **blocks.get(name, {})}
        return Chain(served({"providers": providers, **(top or {})}, plugins), made, client)

    return make


@pytest.fixture
def left() -> Iterator[threading.Event]:
    """Set once the gateway has finished a request whose client disconnected."""
    event = threading.Event()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if " 499 " in record.getMessage():
                event.set()

    logger, listener = logging.getLogger("llms_core.server.accounting"), Listener()
    logger.addHandler(listener)
    yield event
    logger.removeHandler(listener)
