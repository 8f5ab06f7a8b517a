"""A provider whose every byte, and every fault, is written down by the test.

    with ScriptedUpstream() as upstream:
        upstream.script(error(429, headers={"retry-after": "2"}), completion("Hello!"))
        ...                                        # the code under test talks to upstream.base_url
        assert upstream.requests[1].json["model"] == "m"

The first request gets the first reply of the script, and so on; when the script is used up, `default` answers.
A reply is a row of steps. Because the steps are played onto a bare socket, a reply can do what no web framework
lets a handler do: stall, stop in the middle of a body, reset the connection, or talk no HTTP at all.

    go = threading.Event()
    Reply(Wait(go), completion("Hello!"))          # nothing, until the test says so
    Reply(Status(200), Body(b'{"id": "x'), Close())    # a body that breaks off
    Reply(events(first, second), Reset())          # a stream that breaks off
    Reply(Raw(b"SSH-2.0-OpenSSH_9.6\\r\\n"), Close())  # not HTTP

The upstream lives in a thread of its own, with its own event loop: synchronous tests wait for it directly, and
asynchronous ones through `asyncio.to_thread`. Every wait has a bound, and the thread ends with the `with` block.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import socket
import struct
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self, TypeAlias, cast

Headers: TypeAlias = Mapping[str, str]


# The steps


@dataclass(frozen=True, slots=True)
class Status:
    """The status line and the headers.

    How the body is framed follows from the steps after it, unless the headers say it themselves: chunked if there
    is a `Chunk`; up to the end of the connection if the headers have `connection: close`; otherwise by its length.
    """

    code: int = 200
    headers: Headers = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Body:
    """The body, or the next part of it, in one write."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """The next part of a chunked body: one chunk, handed to the network before the next step begins."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Drip:
    """The next part of the body in many writes of `size` bytes; in a chunked body each is a chunk."""

    data: bytes
    size: int = 1


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes as they are, outside any framing: for what is not HTTP, or is HTTP done wrong."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing until the test sets `event`. The connection is reset if that takes longer than `timeout` seconds."""

    event: threading.Event
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing more, until the client goes away or the upstream ends."""


@dataclass(frozen=True, slots=True)
class Close:
    """The connection is closed in order, but what was announced stays unfinished."""


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is torn down: the client reads what has arrived, and then gets "connection reset by peer"."""


Step: TypeAlias = Status | Body | Chunk | Drip | Raw | Wait | Stall | Close | Reset
Part: TypeAlias = "Step | Reply | Callable[[Seen], Reply]"

_BREAKS_OFF = (Stall, Close, Reset)


class Reply:
    """A row of steps; also of other replies, and of functions that make a reply when they see the request."""

    def __init__(self, *parts: Part) -> None:
        self.parts = parts

    def __repr__(self) -> str:
        return f"Reply({', '.join(map(repr, self.parts))})"

    def steps(self, seen: Seen) -> Iterator[Step]:
        """The steps that answer `seen`."""
        for part in self.parts:
            if isinstance(part, Reply):
                yield from part.steps(seen)
            elif callable(part):
                yield from part(seen).steps(seen)
            else:
                yield part


# Replies, ready-made


def text_body(text: str, status: int = 200, headers: Headers | None = None, *, media: str = "text/plain") -> Reply:
    """An answer of plain text, or of another `media` type."""
    head = {"content-type": f"{media}; charset=utf-8", **(headers or {})}
    return Reply(Status(status, head), Body(text.encode()))


def json_body(value: object, status: int = 200, headers: Headers | None = None) -> Reply:
    """An answer of JSON."""
    return Reply(Status(status, {"content-type": "application/json", **(headers or {})}), Body(_json(value)))


def html(status: int = 502, headers: Headers | None = None) -> Reply:
    """The page that a proxy in front of a provider shows when the provider is away."""
    phrase = HTTPStatus(status).phrase
    page = f"<html><head><title>{status} {phrase}</title></head><body><h1>{phrase}</h1></body></html>"
    return text_body(page, status, headers, media="text/html")


def error(status: int, message: str = "The scripted fault", headers: Headers | None = None, **fields: object) -> Reply:
    """OpenAI's error JSON; `fields` are further members of the error object, such as `type` and `code`."""
    kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    body = {"error": {"message": message, "type": kind, "param": None, "code": None, **fields}}
    return json_body(body, status, headers)


def events(*data: Mapping[str, object] | str | bytes, status: int = 200, headers: Headers | None = None) -> Reply:
    """A stream of server-sent events, one chunk each.

    A mapping becomes the JSON of a `data:` field and a string its text; bytes go out as they are, so that a test can
    write comments, other line ends and broken events. `[DONE]` is sent only if it is among them.
    """
    head = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", **(headers or {})}
    return Reply(Status(status, head), *(Chunk(_event(payload)) for payload in data))


def completion(text: str = "Hello!", *, finish_reason: str = "stop", **changes: object) -> Reply:
    """A chat completion that says `text`: as JSON, or as a stream if the request asks for one.

    A stream has one chunk for the role, one for each word, one for the finish reason, one for the usage if the
    request has `stream_options.include_usage`, and `[DONE]`. `changes` add to or replace the members of the JSON (and
    of every chunk); `model` is the request's unless changed.
    """

    def answer(seen: Seen) -> Reply:
        words = re.findall(r"\s*\S+|\s+", text)
        usage = {"prompt_tokens": 9, "completion_tokens": len(words), "total_tokens": 9 + len(words)}
        usage = cast(dict[str, int], changes.get("usage", usage))
        frame: dict[str, object] = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": 1_700_000_000}
        frame["model"] = seen.json.get("model", "m")
        frame |= {name: value for name, value in changes.items() if name != "usage"}

        if not seen.json.get("stream"):
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "finish_reason": finish_reason}
            return json_body({"object": "chat.completion", "choices": [choice], "usage": usage, **frame})

        def chunk(delta: Mapping[str, object], finish: str | None = None) -> dict[str, object]:
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            return {"object": "chat.completion.chunk", "choices": [choice], **frame}

        chunks = [chunk({"role": "assistant", "content": ""})]
        chunks += [chunk({"content": word}) for word in words]
        chunks += [chunk({}, finish_reason)]
        if (seen.json.get("stream_options") or {}).get("include_usage"):
            chunks += [{**chunk({}), "choices": [], "usage": usage}]
        return events(*chunks, "[DONE]")

    return Reply(answer)


@cache
def refused_base_url() -> str:
    """The base URL of a port that refuses every connection, and that nobody else can get while this process lives."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        holder.detach()  # bound and never listening, until the process ends
    return f"http://127.0.0.1:{port}/v1"


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _event(payload: Mapping[str, object] | str | bytes) -> bytes:
    if isinstance(payload, bytes):
        return payload
    data = payload.encode() if isinstance(payload, str) else _json(payload)
    return b"data: " + data + b"\n\n"


# What the upstream saw


@dataclass(eq=False)
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    """As it was sent, with the query."""
    headers: dict[str, str]
    """By lower-case name; repeated ones are joined with a comma."""
    body: bytes
    connection: int
    """The number of the connection; requests over one kept-alive connection share it."""
    closed_early: bool = False
    """The client closed or reset the connection before the reply was whole."""
    _over: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    def wait_closed(self, timeout: float = 5.0) -> None:
        """Wait until the client gives the request up; `AssertionError` if it does not in time, or took all of it."""
        if not self._over.wait(timeout):
            raise AssertionError(f"after {timeout} s the client still holds the connection of {self}")
        if not self.closed_early:
            raise AssertionError(f"the client did not close the connection before the reply was over: {self}")

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


# The server


class ScriptedUpstream:
    """An HTTP server on a free loopback port, which answers as the test scripted."""

    default: Reply
    """The answer when the script is used up."""
    routes: dict[str, Reply]
    """Answers by the end of the path, which come before the script and use nothing of it up; `/models` is one."""
    requests: list[Seen]
    """The requests, in order of arrival."""

    def __init__(self) -> None:
        models = [{"id": "m", "object": "model", "created": 1_700_000_000, "owned_by": "scripted"}]
        self.default = completion()
        self.routes = {"/models": json_body({"object": "list", "data": models})}
        self.requests = []
        self._script: deque[Reply] = deque()
        self._arrived = threading.Condition()
        self._connections = itertools.count(1)
        self._conversations: set[asyncio.Task[None]] = set()
        self._fault: Exception | None = None

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.origin = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.base_url = f"{self.origin}/v1"
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="scripted-upstream", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=10)
        if exc is None and self._fault is not None:
            raise self._fault

    def script(self, *replies: Reply) -> None:
        """Answer the next requests with `replies`, one each, after what is scripted already."""
        self._script.extend(replies)

    def wait_for_request(self, n: int = 1, timeout: float = 5.0) -> Seen:
        """The `n`-th request, the first being 1; `AssertionError` if it does not arrive in time."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.requests) >= n, timeout):
                raise AssertionError(f"request {n} did not arrive within {timeout} s; arrived: {self.requests}")
            return self.requests[n - 1]

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await self._loop.create_server(self._accept, sock=self._socket)
        await self._stop.wait()
        self._loop.remove_reader(self._socket)
        await asyncio.sleep(0)  # a connection that is just being accepted would be left open by close()
        server.close()
        for conversation in self._conversations:
            conversation.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)

    def _accept(self) -> asyncio.StreamReaderProtocol:
        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            conversation = self._loop.create_task(self._converse(cast(_Reader, reader), writer))
            self._conversations.add(conversation)
            conversation.add_done_callback(self._conversations.discard)
            conversation.add_done_callback(lambda _: writer.transport.abort())  # one cancelled before it began, too

        return asyncio.StreamReaderProtocol(_Reader(limit=2**20), begin)

    async def _converse(self, reader: _Reader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's requests until either side ends it."""
        connection = next(self._connections)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        writer.transport.set_write_buffer_limits(high=0)  # drain() returns when all is with the network
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._answer(await _request(reader, writer, connection), reader, writer):
                    pass
        except Exception as fault:  # a mistake in the script: __exit__ raises it, in the test's thread
            self._fault = self._fault or fault
        finally:
            writer.close()
            writer.transport.abort()  # what a client that went away has not taken is dropped

    async def _answer(self, seen: Seen, reader: _Reader, writer: asyncio.StreamWriter) -> bool:
        """Play the reply, unless the client goes away first; whether the connection can be used again."""
        reply = self._reply(seen.path)
        with self._arrived:
            self.requests.append(seen)
            self._arrived.notify_all()
        leaving = self._loop.create_task(reader.gone.wait())
        playing = self._loop.create_task(_play(reply, seen, writer))
        try:
            await asyncio.wait({playing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            seen.closed_early = not playing.done() or isinstance(playing.exception(), ConnectionError)
            return not seen.closed_early and playing.result()
        finally:
            playing.cancel()
            leaving.cancel()
            seen._over.set()

    def _reply(self, path: str) -> Reply:
        for end, reply in self.routes.items():
            if path.partition("?")[0].endswith(end):
                return reply
        return self._script.popleft() if self._script else self.default


class _Reader(asyncio.StreamReader):
    """A stream reader that tells when the client has gone, also while nobody reads."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit=limit)
        self.gone = asyncio.Event()

    def feed_eof(self) -> None:
        super().feed_eof()
        self.gone.set()

    def set_exception(self, exc: Exception) -> None:
        super().set_exception(exc)
        self.gone.set()


async def _request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> Seen:
    """Read one request."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    method, path, _ = first.split(" ")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value

    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = bytearray()
        while size := int((await reader.readline()).partition(b";")[0], 16):
            body += (await reader.readexactly(size + 2))[:-2]
        while (await reader.readline()).strip():
            pass  # trailers
        return Seen(method, path, headers, bytes(body), connection)
    return Seen(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))), connection)


async def _play(reply: Reply, seen: Seen, writer: asyncio.StreamWriter) -> bool:
    """Play the steps; whether the connection can be used again."""
    steps = tuple(reply.steps(seen))
    head: dict[str, str] | None = None

    async def send(data: bytes) -> None:
        if head is None:
            raise ValueError(f"a body needs a Status before it, or is Raw: {steps}")
        writer.write(b"%x\r\n%b\r\n" % (len(data), data) if _chunked(head) and data else data)
        await writer.drain()

    for position, step in enumerate(steps):
        match step:
            case Status():
                head = _head(step, steps[position + 1 :])
                writer.write(_head_bytes(step.code, head))
                await writer.drain()
            case Body(data) | Chunk(data):
                await send(data)
            case Drip(data, size):
                for start in range(0, len(data), size):
                    await send(data[start : start + size])
                    await asyncio.sleep(0)
            case Raw(data):
                writer.write(data)
                await writer.drain()
            case Wait() if not await _happened(step):
                return _reset(writer)
            case Stall():
                await asyncio.Event().wait()
            case Close():
                return False
            case Reset():
                return _reset(writer)
    if head is None:
        return False
    if _chunked(head):
        writer.write(b"0\r\n\r\n")
        await writer.drain()
    return "close" not in (head.get("connection"), seen.headers.get("connection"))


def _head(status: Status, rest: Sequence[Step]) -> dict[str, str]:
    """The headers, with the one that frames the body."""
    head = {name.lower(): value for name, value in status.headers.items()}
    if {"content-length", "transfer-encoding"} & head.keys() or status.code in (204, 304):
        return head
    if any(isinstance(step, Chunk) for step in rest):
        return head | {"transfer-encoding": "chunked"}
    if head.get("connection") == "close":
        return head
    length = sum(len(step.data) for step in rest if isinstance(step, Body | Drip))
    missing = any(isinstance(step, _BREAKS_OFF) for step in rest)  # one byte more than ever comes: it is not whole
    return head | {"content-length": str(length + missing)}


def _head_bytes(code: int, head: Headers) -> bytes:
    phrase = HTTPStatus(code).phrase if code in HTTPStatus.__members__.values() else "Scripted"
    lines = [f"HTTP/1.1 {code} {phrase}", *(f"{name}: {value}" for name, value in head.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _chunked(head: Headers) -> bool:
    return head.get("transfer-encoding") == "chunked"


async def _happened(wait: Wait) -> bool:
    """Whether the test sets the event in time. The slices bound how long a thread outlives a client that left."""
    with suppress(TimeoutError):
        async with asyncio.timeout(wait.timeout):
            while not await asyncio.to_thread(wait.event.wait, 0.05):
                pass
    return wait.event.is_set()


def _reset(writer: asyncio.StreamWriter) -> bool:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False
