"""One request through the handler, with a client, a dialect or a server that misbehaves at a particular moment."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from clock import Clock

from llms_core.config.model import Server
from llms_core.contracts.body import RequestBody
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion
from llms_core.dialects import Dialect, IncomingRequest
from llms_core.dialects.chat_completions import CHAT_COMPLETIONS, ChatStreamWriter
from llms_core.errors import RequestError
from llms_core.middleware import Answered
from llms_core.operations import Answer
from llms_core.records import RequestRecord
from llms_core.server.handler import handle
from llms_core.server.recent_requests import RecentRequests

KEEP_ALIVE = 15.0
REFUSED = RequestError("no", status=401, type="authentication_error", code="unauthorized")

Send = Callable[[Any], Awaitable[None]]


class Stream:
    """A committed stream of one chunk per read; `closing` is awaited when it is closed."""

    def __init__(self, *texts: bytes, closing: Callable[[], Awaitable[None]] | None = None) -> None:
        self._texts = list(texts)
        self._closing = closing
        self.is_complete = False
        self.is_opened = False
        self.is_closed = False

    async def read(self) -> list[Chunk]:
        text = self._texts.pop(0)
        self.is_complete = not self._texts
        return [Chunk(text, content=True)]

    async def aclose(self) -> None:
        self.is_closed = True
        if self._closing is not None:
            await self._closing()


class Client:
    """The client's side: what was sent to it, and a record of how the request ended."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.records: list[RequestRecord] = []

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.sent).decode()

    def request(
        self,
        answer: Stream | Completion | Exception,
        dialect: Dialect = CHAT_COMPLETIONS,
        before_send: Send | None = None,
    ) -> None:
        """Handle one request. Waiting takes no time."""
        with asyncio.Runner(loop_factory=Clock) as runner:
            runner.run(self._request(answer, dialect, before_send))

    async def _request(
        self, answer: Stream | Completion | Exception, dialect: Dialect, before_send: Send | None
    ) -> None:
        stream = isinstance(answer, Stream)
        body = json.dumps(
            {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
        ).encode()
        bodies = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            if not bodies:
                await never()
            return bodies.pop()

        async def send(message: Any) -> None:
            if before_send is not None:
                await before_send(message)
            self.sent.append(message)

        scope: Any = {
            "type": "http",
            "path": "/v1/chat/completions",
            "query_string": b"",
            "headers": [],
        }
        await handle(self._gateway(answer), dialect, scope, receive, send)

    def _gateway(self, answer: Stream | Completion | Exception) -> Any:
        candidate: Any = SimpleNamespace(provider_id="first", upstream_model="up-m", price=None)

        async def answer_request(*_: object, **__: object) -> Answered:
            if isinstance(answer, Stream):
                answer.is_opened = True
                stream: Any = answer
                return Answered(candidate=candidate, stream=stream)
            assert isinstance(answer, Completion)
            return Answered(candidate=candidate, answer=answer)

        def admit(scope: object) -> None:
            if isinstance(answer, Exception):
                raise answer

        return SimpleNamespace(
            server=Server(keep_alive=KEEP_ALIVE),
            max_body=10_000,
            answer=answer_request,
            admit=admit,
            request_started=lambda: None,
            request_ended=lambda: None,
            observes_requests=True,
            recent=RecentRequests(),
            startup=SimpleNamespace(
                host=SimpleNamespace(request_finished=self.records.append, observes_starts=False)
            ),
        )


def with_changes(**changes: object) -> Dialect:
    """The dialect of chat completions with some functions replaced, as a plugin may get them wrong."""
    return msgspec.structs.replace(CHAT_COMPLETIONS, **changes)


def fail(*_: object) -> Any:
    raise KeyError("a bug")


async def never(message: object = None) -> None:
    await asyncio.get_running_loop().create_future()


def test_no_provider_is_asked_if_the_dialect_cannot_write_the_stream() -> None:
    """An open stream would keep its connection and its slot in the circuit for good."""
    client, stream = Client(), Stream(b"1")
    client.request(stream, with_changes(stream_writer=fail))
    assert not stream.is_opened
    assert client.status == 500
    assert json.loads(client.text)["error"]["code"] == "internal_error"


class FailingWriter(ChatStreamWriter):
    def write(self, chunks: Sequence[Chunk]) -> bytes:
        if chunks[0].data == b"2":
            fail()
        return super().write(chunks)


def test_sr_058_a_dialect_that_fails_in_mid_stream_ends_it_with_an_error() -> None:
    """SR-058: the client must be able to tell it from the end of an answer."""
    client, stream = Client(), Stream(b"1", b"2", b"3")
    client.request(stream, with_changes(stream_writer=FailingWriter))
    first, error = client.text.removesuffix("\n\n").split("\n\n")
    assert first == "data: 1"
    assert json.loads(error.removeprefix("data: "))["error"]["code"] == "internal_error"
    assert client.sent[-1]["more_body"] is False
    assert stream.is_closed


@pytest.mark.parametrize(
    "encode_error", [fail, lambda error: None], ids=["raises", "returns no bytes"]
)
def test_an_error_that_the_dialect_cannot_encode_is_sent_in_openais_format(
    encode_error: object,
) -> None:
    client = Client()
    client.request(REFUSED, with_changes(encode_error=encode_error))
    assert client.status == 401
    assert json.loads(client.text)["error"]["code"] == "unauthorized"


def test_a_request_that_is_not_decoded_as_a_body_is_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And it is recorded."""
    client = Client()
    client.request(Completion(b"{}"), with_changes(decode=lambda request: {"model": "m"}))
    assert client.status == 500
    assert "`decode` returned a dict as RequestBody" in caplog.text
    assert [record.status for record in client.records] == [500]


def test_an_answer_that_is_not_encoded_as_bytes_is_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Noticed before the head is sent."""
    client = Client()
    client.request(Completion(b"{}"), with_changes(encode_answer=lambda answer, body: "{}"))
    assert client.status == 500
    assert "`encode_answer` returned a str as bytes" in caplog.text


def test_a_server_that_stops_after_the_last_byte_adds_nothing_to_the_answer() -> None:
    """The connection to the provider is still being drained then."""

    async def stop() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    client = Client()
    client.request(Stream(b"1", closing=stop))
    assert client.text == "data: 1\n\ndata: [DONE]\n\n"
    (record,) = client.records
    assert (record.status, record.kind) == (200, None)


def test_a_server_that_stops_ends_a_stream_with_an_error() -> None:
    async def stop(message: Any) -> None:
        task = asyncio.current_task()
        if message.get("body") == b"data: 2\n\n":
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)

    client = Client()
    client.request(Stream(b"1", b"2", b"3"), before_send=stop)
    assert "shutting_down" in client.text
    assert "[DONE]" not in client.text


def test_a_keep_alive_does_not_reopen_a_response_that_has_ended() -> None:
    """It is still being written when the next chunk arrives, and the server completes it after the last one."""
    keep_alives = 0

    async def slow_keep_alives(message: Any) -> None:
        nonlocal keep_alives
        if message.get("body") == ChatStreamWriter.keep_alive:
            keep_alives += 1
            await asyncio.sleep(0.5)

    class Slow(Stream):
        async def read(self) -> list[Chunk]:
            await asyncio.sleep(KEEP_ALIVE + 0.2 if self._texts[0] == b"2" else 0)
            return await super().read()

    client = Client()
    client.request(
        Slow(b"1", b"2", closing=lambda: asyncio.sleep(2 * KEEP_ALIVE)),
        before_send=slow_keep_alives,
    )
    assert keep_alives == 1


def test_a_dialect_may_look_something_up_and_store_the_answer() -> None:
    """`decode`, `encode_answer` and `end` may return awaitables; the answer is written with the request's body."""

    async def decode(request: IncomingRequest) -> RequestBody[Any]:
        await asyncio.sleep(0)
        body = CHAT_COMPLETIONS.decode(request)
        assert isinstance(body, RequestBody)
        return body.with_context("remembered", ("lost",))

    async def encode(answer: Answer, body: RequestBody[Any]) -> bytes:
        await asyncio.sleep(0)
        return str(body.context).encode()

    client = Client()
    client.request(Completion(b"{}"), with_changes(decode=decode, encode_answer=encode))
    assert (client.status, client.text) == (200, "remembered")
    headers = dict(client.sent[0]["headers"])
    assert headers[b"x-llms-dropped-params"] == b"lost"
