"""One answer or one stream of one provider: what counts as whole, what as broken, and how long it may take."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec
import pytest
from chat_streams import open_chat_stream, whole_chat_answer
from clock import Clock, Reached, skip_time

from llms_core.contracts.chunk import Chunk as Part
from llms_core.contracts.completion import Completion
from llms_core.contracts.request import ChatCall, decode
from llms_core.errors import ErrorKind, ProviderError
from llms_core.openai_compatible import OpenAICompatible
from llms_core.operations import Answer
from llms_core.operations.chat import Chat
from llms_core.provider import ProviderSettings, ProviderSpec, UpstreamRequest
from llms_core.testing import (
    Body,
    Chunk,
    Close,
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
)
from llms_core.upstream.answer_stream import NoOutcome
from llms_core.upstream.body import AttemptLimits
from llms_core.upstream.exchange import open_stream
from llms_core.upstream.transport import HttpResponse, HttpTransport

if TYPE_CHECKING:
    from tests.core.upstream.conftest import Talk

T = TypeVar("T")

SPEC = ProviderSpec(name="scripted", adapter=OpenAICompatible, title="Scripted")
LIMITS = AttemptLimits(connect=30, first_token=30, idle=30, total=60, max_bytes=2**20)
SSE = {"content-type": "text/event-stream"}


def call(*, stream: bool = True, **members: Any) -> ChatCall:
    asked = {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": stream,
        **members,
    }
    body = decode(json.dumps(asked).encode())
    return ChatCall(
        body=body, upstream_model="up-m", client_model="m", id="chatcmpl-ours", created=1
    )


def at(base_url: str) -> OpenAICompatible:
    return OpenAICompatible(SPEC, ProviderSettings(id="scripted", base_url=base_url))


class Got:
    """What a stream gave: its chunks, in the lists that they came in, and the error that it ended in, if it did."""

    def __init__(self) -> None:
        self.lists: list[list[Part]] = []
        self.error: ProviderError | None = None
        self.seconds = 0.0

    @property
    def chunks(self) -> list[dict[str, Any]]:
        return [json.loads(part.data) for part in chain.from_iterable(self.lists)]

    @property
    def choices(self) -> list[dict[str, Any]]:
        return [choice for chunk in self.chunks for choice in chunk["choices"]]

    def text(self, index: int = 0) -> str:
        return "".join(
            each["delta"].get("content") or "" for each in self.choices if each["index"] == index
        )

    @property
    def finish_reasons(self) -> list[str]:
        return [choice["finish_reason"] for choice in self.choices if choice.get("finish_reason")]

    @property
    def kind(self) -> ErrorKind | None:
        return self.error.kind if self.error is not None else None


async def read(
    engine: HttpTransport, base_url: str, limits: AttemptLimits = LIMITS, **members: Any
) -> Got:
    """Read a stream to its end, or to its error; an error before there is a stream counts too."""
    got, asked, adapter, clock = (
        Got(),
        call(**members),
        at(base_url),
        asyncio.get_running_loop().time,
    )
    try:
        stream = await open_chat_stream(engine, adapter, asked, adapter.request(asked), limits)
        try:
            while not stream.is_complete:
                got.lists.append(await stream.read())
        finally:
            got.seconds = round(clock(), 3)
            await stream.aclose()
    except ProviderError as failure:
        got.error = failure
    got.seconds = got.seconds or round(clock(), 3)
    return got


async def take(
    engine: HttpTransport, base_url: str, limits: AttemptLimits = LIMITS, **members: Any
) -> Completion:
    asked, adapter = call(stream=False, **members), at(base_url)
    return await whole_chat_answer(engine, adapter, asked, adapter.request(asked), limits)


def delta(finish_reason: str | None = None, index: int = 0, **members: object) -> dict[str, Any]:
    choice = {"index": index, "delta": members, "finish_reason": finish_reason}
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "x",
        "choices": [choice],
    }


def usage(completion_tokens: int, **more: object) -> dict[str, Any]:
    total = {
        "prompt_tokens": 3,
        "completion_tokens": completion_tokens,
        "total_tokens": 3 + completion_tokens,
    }
    return {**delta(), "choices": [], "usage": total, **more}


def event(chunk: Mapping[str, object], end: bytes = b"\n") -> bytes:
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + end + end


ROLE, HEL, LO, STOP = (
    delta(role="assistant", content=""),
    delta(content="Hel"),
    delta(content="lo"),
    delta("stop"),
)


# Whole answers


def test_a_whole_answer_is_given(talk: Talk, upstream: ScriptedUpstream) -> None:
    upstream.default = completion("Hello!")
    answer = talk(lambda engine: take(engine, upstream.base_url))
    assert json.loads(answer.data)["choices"][0]["message"]["content"] == "Hello!"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 10


NO_COMPLETION: dict[str, tuple[Reply, ErrorKind]] = {
    "cut": (Reply(Status(200), Body(b'{"id": "x", "choices": ['), Close()), ErrorKind.NETWORK),
    "reset": (Reply(Status(200), Body(b'{"id": "x", "choices": ['), Reset()), ErrorKind.NETWORK),
    "a page": (html(200), ErrorKind.BAD_RESPONSE),
    "nothing": (Reply(Status(200)), ErrorKind.BAD_RESPONSE),
    "an error object": (json_body({"error": {"message": "no", "code": 429}}), ErrorKind.RATE_LIMIT),
    "a stream that is cut": (events(ROLE, HEL), ErrorKind.BAD_RESPONSE),
    "a redirect": (html(301, {"location": "/"}), ErrorKind.BAD_RESPONSE),
    "an error": (error(503), ErrorKind.OVERLOADED),
    "an error that is cut": (Reply(Status(429), Body(b'{"error"'), Close()), ErrorKind.RATE_LIMIT),
    "an error that is large": (
        error(400, "x" * 2_000_000, code="context_length_exceeded"),
        ErrorKind.INVALID_REQUEST,
    ),
}


@pytest.mark.parametrize("case", NO_COMPLETION)
def test_what_is_no_completion_is_an_error(
    talk: Talk, upstream: ScriptedUpstream, case: str
) -> None:
    """SR-072: a 200 whose body is not a completion is a failure like any other."""
    upstream.default, kind = NO_COMPLETION[case]
    with pytest.raises(ProviderError) as caught:
        talk(lambda engine: take(engine, upstream.base_url))
    assert caught.value.kind is kind


def test_headers_of_an_error_are_read(talk: Talk, upstream: ScriptedUpstream) -> None:
    """SR-064."""
    upstream.default = error(429, headers={"Retry-After": "7"})
    with pytest.raises(ProviderError) as caught:
        talk(lambda engine: take(engine, upstream.base_url))
    assert caught.value.retry_after == 7


@pytest.mark.parametrize("framed", ["by its length", "in chunks", "by the connection"])
def test_an_answer_over_the_limit_is_refused(
    talk: Talk, upstream: ScriptedUpstream, framed: str
) -> None:
    """The rest of it is not even read."""
    head = Status(200, {"connection": "close"} if framed == "by the connection" else {})
    piece = Chunk(b"x" * 2000) if framed == "in chunks" else Body(b"x" * 2000)
    upstream.default = Reply(head, piece, Stall())
    small = AttemptLimits(connect=5, first_token=5, idle=5, total=5, max_bytes=1000)

    async def work(engine: HttpTransport) -> None:
        with pytest.raises(ProviderError) as caught:
            await take(engine, upstream.base_url, small)
        assert (caught.value.kind, caught.value.message) == (
            ErrorKind.BAD_RESPONSE,
            "The answer exceeds 1000 bytes",
        )
        await asyncio.to_thread(upstream.requests[0].wait_closed)

    talk(work)


def test_a_large_answer_within_the_limit_is_given(talk: Talk, upstream: ScriptedUpstream) -> None:
    upstream.default = completion("x" * 8 * 2**20)
    large = AttemptLimits(connect=5, first_token=5, idle=5, total=10, max_bytes=16 * 2**20)
    assert len(talk(lambda engine: take(engine, upstream.base_url, large)).data) > 8 * 2**20


# Streams that are whole


def test_a_stream_is_given(talk: Talk, upstream: ScriptedUpstream) -> None:
    """SR-053, SR-054: role, content, finish_reason."""
    upstream.default = events(ROLE, HEL, LO, STOP, "[DONE]")
    got = talk(lambda engine: read(engine, upstream.base_url))
    assert (got.text(), got.finish_reasons, got.error) == ("Hello", ["stop"], None)
    assert got.choices[0]["delta"]["role"] == "assistant"


def test_chunks_are_given_while_the_provider_still_speaks(
    talk: Talk, upstream: ScriptedUpstream
) -> None:
    """SR-060."""
    go = threading.Event()
    upstream.default = Reply(events(ROLE, HEL), Wait(go), Chunk(event(LO)), Chunk(event(STOP)))

    async def work(engine: HttpTransport) -> str:
        asked, adapter = call(), at(upstream.base_url)
        stream = await open_chat_stream(engine, adapter, asked, adapter.request(asked), LIMITS)
        got = Got()
        while got.text() != "Hel":
            got.lists.append(await stream.read())
        go.set()
        while not stream.is_complete:
            got.lists.append(await stream.read())
        await stream.aclose()
        return got.text()

    assert talk(work) == "Hello"


def test_chunks_that_arrive_together_are_given_together(
    talk: Talk, upstream: ScriptedUpstream
) -> None:
    """One write to the client for one read from the provider."""
    go = threading.Event()
    together = Chunk(b"".join(map(event, (ROLE, HEL, LO))))
    upstream.default = Reply(Status(200, SSE), together, Wait(go), Chunk(event(STOP)))

    async def work(engine: HttpTransport) -> list[Part]:
        asked, adapter = call(), at(upstream.base_url)
        stream = await open_chat_stream(engine, adapter, asked, adapter.request(asked), LIMITS)
        first = await stream.read()
        go.set()
        while not stream.is_complete:
            await stream.read()
        await stream.aclose()
        return first

    assert [json.loads(part.data)["choices"][0]["delta"] for part in talk(work)] == [
        each["choices"][0]["delta"] for each in (ROLE, HEL, LO)
    ]


ALL = b"".join(map(event, (ROLE, HEL, LO, STOP)))

WHOLE: dict[str, Reply] = {
    "no [DONE]": events(ROLE, HEL, LO, STOP),
    "no blank line at the end": events(ROLE, HEL, LO, event(STOP).rstrip()),
    "closed after the finish_reason": Reply(events(ROLE, HEL, LO, STOP), Close()),
    "reset after the finish_reason": Reply(events(ROLE, HEL, LO, STOP), Reset()),
    "cut after the finish_reason": Reply(
        events(ROLE, HEL, LO, STOP, b'data: {"id": "c", "cho'), Close()
    ),
    "no JSON after the finish_reason": events(ROLE, HEL, LO, STOP, "{oops"),
    "an error after the finish_reason": events(ROLE, HEL, LO, STOP, {"error": {"message": "late"}}),
    "more after [DONE]": events(ROLE, HEL, LO, STOP, "[DONE]", "{oops", delta(content="more")),
    "content after the finish_reason": events(ROLE, HEL, STOP, LO, "[DONE]"),
    "content with the finish_reason": events(ROLE, HEL, delta("stop", content="lo"), "[DONE]"),
    "content with the finish_reason, and after it": events(
        ROLE, delta("stop", content="Hel"), LO, "[DONE]"
    ),
    "the finish_reason twice": events(
        ROLE, HEL, LO, STOP, delta("stop", role="assistant", content=""), "[DONE]"
    ),
    "the finish_reason twice, content between": events(
        ROLE, delta("stop", content="Hel"), LO, STOP, "[DONE]"
    ),
    "the role in every chunk": events(
        *(delta(role="assistant", content=each) for each in ("Hel", "lo")), STOP
    ),
    "no role": events(HEL, LO, STOP, "[DONE]"),
    "chunks without choices": events(
        ROLE, {**ROLE, "choices": []}, HEL, LO, {**ROLE, "choices": []}, STOP
    ),
    "comments": events(b": PROCESSING\n\n", ROLE, b":\n\n", HEL, LO, STOP, "[DONE]"),
    "lines that end in CRLF": events(
        *(event(each, b"\r\n") for each in (ROLE, HEL, LO, STOP)), b"data: [DONE]\r\n\r\n"
    ),
    "no content-type": Reply(Status(200), Chunk(ALL)),
    "one chunk for all": Reply(Status(200, SSE), Chunk(ALL + b"data: [DONE]\n\n")),
    "framed by its length": Reply(Status(200, SSE), Body(ALL)),
    "framed by the connection": Reply(Status(200, {**SSE, "connection": "close"}), Body(ALL)),
    "a chunk for each byte": Reply(Status(200, SSE), *(Chunk(bytes([byte])) for byte in ALL)),
}


@pytest.mark.parametrize("case", WHOLE)
def test_a_stream_is_whole_once_a_finish_reason_was_seen(
    talk: Talk, upstream: ScriptedUpstream, case: str
) -> None:
    """SR-058: a missing `[DONE]` alone is no fault, and what follows cannot spoil the answer."""
    upstream.default = WHOLE[case]
    got = talk(lambda engine: read(engine, upstream.base_url))
    assert (got.text(), got.finish_reasons, got.error) == ("Hello", ["stop"], None)


def test_the_finish_reason_comes_last(talk: Talk, upstream: ScriptedUpstream) -> None:
    """SR-054: content that a provider sends after it is put before it."""
    upstream.default = events(ROLE, HEL, STOP, LO, "[DONE]")
    got = talk(lambda engine: read(engine, upstream.base_url))
    assert [each["finish_reason"] for each in got.choices] == [None, None, None, "stop"]


def test_the_finish_reason_is_held_back_until_the_stream_is_over(
    talk: Talk, upstream: ScriptedUpstream
) -> None:
    """SR-058: no client sees an end before there is one."""
    go = threading.Event()
    upstream.default = Reply(Status(200, SSE), Chunk(ALL), Wait(go), Chunk(b"data: [DONE]\n\n"))

    async def work(engine: HttpTransport) -> bool:
        asked, adapter = call(), at(upstream.base_url)
        stream = await open_chat_stream(engine, adapter, asked, adapter.request(asked), LIMITS)
        first = await stream.read()
        go.set()
        while not stream.is_complete:
            await stream.read()
        await stream.aclose()
        return any(part.ended for part in first)

    assert not talk(work)


# Usage


def test_usage_is_given_as_the_last_chunk(talk: Talk, upstream: ScriptedUpstream) -> None:
    """SR-055."""
    upstream.default = events(ROLE, HEL, STOP, usage(2), "[DONE]")
    last = talk(lambda engine: read(engine, upstream.base_url)).chunks[-1]
    assert (last["choices"], last["usage"]["total_tokens"]) == ([], 5)


def test_usage_in_every_chunk_is_given_once(talk: Talk, upstream: ScriptedUpstream) -> None:
    """SR-055: Perplexity and Baseten count up; only the last count is given, in a chunk of its own."""
    chunks = [
        {**chunk, "usage": usage(count)["usage"]}
        for count, chunk in enumerate((ROLE, HEL, LO, STOP), 1)
    ]
    upstream.default = events(*chunks, "[DONE]")
    got = talk(lambda engine: read(engine, upstream.base_url))
    assert [chunk["usage"]["completion_tokens"] for chunk in got.chunks if "usage" in chunk] == [4]
    assert (got.chunks[-1]["choices"], got.text()) == ([], "Hello")


def test_usage_that_comes_before_the_finish_reason_is_given_last(
    talk: Talk, upstream: ScriptedUpstream
) -> None:
    """SR-055."""
    upstream.default = events(ROLE, usage(0), HEL, LO, usage(2), STOP, "[DONE]")
    got = talk(lambda engine: read(engine, upstream.base_url))
    assert [chunk.get("usage", {}).get("completion_tokens") for chunk in got.chunks] == [
        None,
        None,
        None,
        None,
        2,
    ]


def test_usage_that_comes_after_the_end_of_the_answer_is_waited_for(
    talk: Talk, upstream: ScriptedUpstream
) -> None:
    """SR-055."""
    go = threading.Event()
    upstream.default = Reply(Status(200, SSE), Chunk(ALL), Wait(go), Chunk(event(usage(2))))

    async def work(engine: HttpTransport) -> bool:
        asked, adapter = call(), at(upstream.base_url)
        stream = await open_chat_stream(engine, adapter, asked, adapter.request(asked), LIMITS)
        parts = await stream.read()
        go.set()
        while not stream.is_complete:
            parts += await stream.read()
        await stream.aclose()
        return parts[-1].usage

    assert talk(work)


# Several choices


def of(index: int, *contents: str, finish_reason: str | None = "stop") -> list[dict[str, Any]]:
    """A choice's chunks."""
    chunks = [delta(index=index, role="assistant", content="")]
    chunks += [delta(index=index, content=each) for each in contents]
    return chunks + ([delta(finish_reason, index)] if finish_reason else [])


def test_two_choices_are_given(talk: Talk, upstream: ScriptedUpstream) -> None:
    zero, one = of(0, "He", "llo"), of(1, "By", "e")
    upstream.default = events(*chain.from_iterable(zip(zero, one, strict=True)), "[DONE]")
    got = talk(lambda engine: read(engine, upstream.base_url, n=2))
    assert (got.text(0), got.text(1), got.finish_reasons) == ("Hello", "Bye", ["stop", "stop"])


def test_a_choice_that_begins_after_another_has_ended_keeps_its_role(
    talk: Talk, upstream: ScriptedUpstream
) -> None:
    """SR-054."""
    upstream.default = events(*of(0, "Hello"), *of(1, "Bye"), "[DONE]")
    got = talk(lambda engine: read(engine, upstream.base_url, n=2))
    assert [each["delta"].get("role") for each in got.choices if each["index"] == 1] == [
        "assistant",
        None,
        None,
    ]


CUT_CHOICES = {
    "one has no end": events(*of(0, "Hello"), *of(1, "By", finish_reason=None)),
    "one has no end, says [DONE]": events(
        *of(0, "Hello"), *of(1, "By", finish_reason=None), "[DONE]"
    ),
    "one has not begun": Reply(events(*of(0, "Hello")), Close()),
    "one has not begun, at a proper end": events(*of(0, "Hello")),
}


@pytest.mark.parametrize("case", CUT_CHOICES)
def test_two_choices_are_whole_only_if_both_are(
    talk: Talk, upstream: ScriptedUpstream, case: str
) -> None:
    """SR-058: the end of one is not the end of the other."""
    upstream.default = CUT_CHOICES[case]
    got = talk(lambda engine: read(engine, upstream.base_url, n=2))
    assert got.error is not None
    assert got.finish_reasons == []


def test_fewer_choices_than_asked_for_are_whole_if_the_provider_says_so(
    talk: Talk, upstream: ScriptedUpstream
) -> None:
    """Some ignore `n`."""
    upstream.default = events(*of(0, "Hello"), "[DONE]")
    got = talk(lambda engine: read(engine, upstream.base_url, n=2))
    assert (got.text(), got.error) == ("Hello", None)


# Streams that are broken

BROKEN: dict[str, tuple[Reply, ErrorKind]] = {
    "closed": (Reply(events(ROLE, HEL), Close()), ErrorKind.NETWORK),
    "reset": (Reply(events(ROLE, HEL), Reset()), ErrorKind.NETWORK),
    "ended": (events(ROLE, HEL), ErrorKind.BAD_RESPONSE),
    "ended, says [DONE]": (events(ROLE, HEL, "[DONE]"), ErrorKind.BAD_RESPONSE),
    "ended in an event": (events(ROLE, HEL, event(LO)[:-20]), ErrorKind.BAD_RESPONSE),
    "no JSON": (events(ROLE, HEL, "{oops", LO, STOP, "[DONE]"), ErrorKind.BAD_RESPONSE),
    "JSON of another shape": (events(ROLE, HEL, "[1]", LO, STOP, "[DONE]"), ErrorKind.BAD_RESPONSE),
    "no choices": (events(ROLE, HEL, {"id": "c"}, LO, STOP, "[DONE]"), ErrorKind.BAD_RESPONSE),
    "an error object": (
        events(ROLE, HEL, {"error": {"message": "Overloaded", "code": 503}}, "[DONE]"),
        ErrorKind.OVERLOADED,
    ),
    "an error object beside choices": (
        events(ROLE, HEL, {**delta("error"), "error": {"message": "Slow", "code": 429}}, "[DONE]"),
        ErrorKind.RATE_LIMIT,
    ),
    "an error event": (
        events(ROLE, HEL, b'event: error\ndata: {"message": "Overloaded", "code": 503}\n\n'),
        ErrorKind.OVERLOADED,
    ),
    "a text as an error event": (
        events(ROLE, HEL, b"event: error\ndata: Overloaded\n\n"),
        ErrorKind.OVERLOADED,
    ),
    "a finish_reason that means a failure": (
        events(ROLE, HEL, delta("error"), "[DONE]"),
        ErrorKind.BAD_RESPONSE,
    ),
    "not UTF-8": (
        events(ROLE, HEL, b'data: {"choices": [{"delta": {"content": "\xff"}}]}\n\n'),
        ErrorKind.BAD_RESPONSE,
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_stream_that_breaks_gives_what_came_and_then_the_error(
    talk: Talk, upstream: ScriptedUpstream, case: str
) -> None:
    """SR-058: no finish_reason, whatever the provider said."""
    upstream.default, kind = BROKEN[case]
    got = talk(lambda engine: read(engine, upstream.base_url))
    assert (got.text(), got.finish_reasons, got.kind) == ("Hel", [], kind)


NO_STREAM: dict[str, tuple[Reply, ErrorKind]] = {
    "nothing": (Reply(Status(200, SSE)), ErrorKind.BAD_RESPONSE),
    "nothing, in no chunks": (
        Reply(Status(200, {**SSE, "transfer-encoding": "chunked"})),
        ErrorKind.BAD_RESPONSE,
    ),
    "only comments": (events(b": PROCESSING\n\n"), ErrorKind.BAD_RESPONSE),
    "only [DONE]": (events("[DONE]"), ErrorKind.BAD_RESPONSE),
    "a page": (html(200), ErrorKind.BAD_RESPONSE),
    "a page that says it is a stream": (
        Reply(Status(200, SSE), Body(b"<html>no</html>")),
        ErrorKind.BAD_RESPONSE,
    ),
    "an error": (error(503), ErrorKind.OVERLOADED),
    "a JSON error with 200": (
        json_body({"error": {"message": "no", "code": 429}}),
        ErrorKind.RATE_LIMIT,
    ),
    "JSON that is no completion": (json_body({"hello": "world"}), ErrorKind.BAD_RESPONSE),
    "JSON that is cut": (
        Reply(Status(200, {"content-type": "application/json"}), Body(b'{"id'), Close()),
        ErrorKind.NETWORK,
    ),
    "no JSON at first": (events("{oops", ROLE, HEL, STOP, "[DONE]"), ErrorKind.BAD_RESPONSE),
    "an error at first": (
        events({"error": {"message": "x", "code": 503}}, "[DONE]"),
        ErrorKind.OVERLOADED,
    ),
}


@pytest.mark.parametrize("case", NO_STREAM)
def test_what_is_no_stream_is_an_error(talk: Talk, upstream: ScriptedUpstream, case: str) -> None:
    """SR-072, SR-057: known before anything has been given."""
    upstream.default, kind = NO_STREAM[case]
    got = talk(lambda engine: read(engine, upstream.base_url))
    assert (got.chunks, got.kind) == ([], kind)


LETTERS = [ROLE, delta(content="Grü"), delta(content="ße 🦙"), STOP, usage(2)]
CUT = b"".join(map(event, LETTERS)) + b"data: [DONE]\n\n"
ENOUGH = len(b"".join(map(event, LETTERS[:4])))


def cut(framing: str, size: int) -> Reply:
    """The stream, cut after `size` bytes."""
    match framing:
        case "chunks":
            return Reply(Status(200, SSE), Chunk(CUT[:size]), Close())
        case "length":
            return Reply(
                Status(200, {**SSE, "content-length": str(len(CUT))}), Body(CUT[:size]), Close()
            )
    return Reply(Status(200, {**SSE, "connection": "close"}), Body(CUT[:size]))


@pytest.mark.slow
@pytest.mark.parametrize("framing", ["chunks", "length", "connection"])
def test_a_stream_cut_at_any_byte_is_whole_or_an_error(
    talk: Talk, upstream: ScriptedUpstream, framing: str
) -> None:
    """SR-058: it is never taken for whole when it is not, nor for broken when it is."""

    def answer(seen: Seen) -> Reply:
        return cut(framing, int(seen.json["user"]))

    upstream.default = Reply(answer)

    async def work(engine: HttpTransport) -> list[Got]:
        at_once = asyncio.Semaphore(16)

        async def one(size: int) -> Got:
            async with at_once:
                return await read(engine, upstream.base_url, user=str(size))

        return await asyncio.gather(*map(one, range(len(CUT) + 1)))

    for size, got in enumerate(talk(work)):
        if got.error is None:
            assert (got.text(), got.finish_reasons) == ("Grüße 🦙", ["stop"]), size
        else:
            assert ("Grüße 🦙".startswith(got.text()), got.finish_reasons) == (True, []), size
            assert size < ENOUGH


# A whole answer where a stream was asked for


def test_a_whole_answer_becomes_a_stream(talk: Talk, upstream: ScriptedUpstream) -> None:
    """SR-020: some servers do not stream; the client asked for a stream, and gets one."""
    message = {"role": "assistant", "content": "Hello"}
    choice = {"index": 0, "message": message, "finish_reason": "length"}
    upstream.default = json_body(
        {"id": "c", "created": 1_700_000_000, "choices": [choice], **_usage(2)}
    )
    got = talk(lambda engine: read(engine, upstream.base_url))
    assert (got.text(), got.finish_reasons, got.error) == ("Hello", ["length"], None)
    assert (got.chunks[-1]["choices"], got.chunks[-1]["usage"]["total_tokens"]) == ([], 5)
    assert {chunk["object"] for chunk in got.chunks} == {"chat.completion.chunk"}


class Silent(Chat):
    """Has nothing to stream of a whole answer."""

    def as_chunks(self, answer: Answer) -> list[Part]:
        return []


def test_a_whole_answer_without_chunks_is_a_complete_stream(
    talk: Talk, upstream: ScriptedUpstream
) -> None:
    """An operation of a plugin may have no chunks for an answer: nothing is read after it."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "Hello"},
        "finish_reason": "stop",
    }
    upstream.default = json_body({"id": "c", "created": 1_700_000_000, "choices": [choice]})

    async def work(engine: HttpTransport) -> tuple[list[Part], bool]:
        adapter, asked = at(upstream.base_url), call()
        stream = await open_stream(
            engine, Silent(), adapter, asked, adapter.request(asked), LIMITS, NoOutcome()
        )
        try:
            await stream.commit()
            return await stream.read(), stream.is_complete
        finally:
            await stream.aclose()

    assert talk(work) == ([], True)


def _usage(completion_tokens: int) -> dict[str, Any]:
    return {"usage": usage(completion_tokens)["usage"]}


# Newline-delimited JSON


class Lines(OpenAICompatible):
    """OpenAI's chunks, one a line."""

    def chunks(self, call: ChatCall) -> Any:
        translator: Any = super().chunks(call)
        translator.framing = "ndjson"
        return translator


def test_an_adapter_says_how_its_stream_is_framed(talk: Talk, upstream: ScriptedUpstream) -> None:
    lines = b"".join(json.dumps(each).encode() + b"\n" for each in (ROLE, HEL, LO, STOP))
    upstream.default = Reply(Status(200, {"content-type": "application/x-ndjson"}), Chunk(lines))

    async def work(engine: HttpTransport) -> str:
        adapter, asked, got = (
            Lines(SPEC, ProviderSettings(id="x", base_url=upstream.base_url)),
            call(),
            Got(),
        )
        stream = await open_chat_stream(engine, adapter, asked, adapter.request(asked), LIMITS)
        while not stream.is_complete:
            got.lists.append(await stream.read())
        await stream.aclose()
        return got.text()

    assert talk(work) == "Hello"


# Connections

USED_AGAIN = {
    "a whole answer": (False, completion()),
    "a stream": (True, completion()),
    "a stream without [DONE]": (True, events(ROLE, HEL, STOP)),
    "a whole answer for a stream": (True, json_body({"choices": [{"message": {"content": "x"}}]})),
    "an error": (False, error(500)),
    "an error for a stream": (True, error(500)),
}


@pytest.mark.parametrize("case", USED_AGAIN)
def test_a_connection_is_used_again(talk: Talk, upstream: ScriptedUpstream, case: str) -> None:
    stream, upstream.default = USED_AGAIN[case]

    async def once(engine: HttpTransport) -> None:
        if stream:
            await read(engine, upstream.base_url)
        else:
            with suppress(ProviderError):
                await take(engine, upstream.base_url)

    async def work(engine: HttpTransport) -> None:
        await once(engine)
        await once(engine)

    talk(work)
    assert [seen.connection for seen in upstream.requests] == [1, 1]


def test_a_stream_that_does_not_end_after_its_end_is_not_waited_for(
    talk: Talk, upstream: ScriptedUpstream
) -> None:
    """What was said to be the last is; the connection is given up."""
    upstream.default = Reply(events(ROLE, HEL, LO, STOP, "[DONE]"), Stall())

    async def work(engine: HttpTransport) -> str:
        got = await read(engine, upstream.base_url)
        await asyncio.to_thread(upstream.requests[0].wait_closed)
        return got.text()

    assert talk(work) == "Hello"


@pytest.mark.parametrize("begun", [events(ROLE), events(ROLE, HEL), events(ROLE, HEL, LO, STOP)])
def test_a_stream_that_is_let_go_closes_its_connection(
    talk: Talk, upstream: ScriptedUpstream, begun: Reply
) -> None:
    """SR-059."""
    upstream.default = Reply(begun, Stall())

    async def work(engine: HttpTransport) -> None:
        asked, adapter = call(), at(upstream.base_url)
        stream = await open_chat_stream(engine, adapter, asked, adapter.request(asked), LIMITS)
        await stream.read()
        await stream.aclose()
        await asyncio.to_thread(upstream.requests[0].wait_closed)

    talk(work)


class NoTranslator(OpenAICompatible):
    def chunks(self, call: ChatCall) -> Any:
        raise KeyError


def test_an_adapter_that_fails_leaves_no_connection_open(
    talk: Talk, upstream: ScriptedUpstream
) -> None:
    upstream.default = Reply(events(ROLE), Stall())

    async def work(engine: HttpTransport) -> None:
        adapter, asked = (
            NoTranslator(SPEC, ProviderSettings(id="x", base_url=upstream.base_url)),
            call(),
        )
        with pytest.raises(KeyError):
            await open_chat_stream(engine, adapter, asked, adapter.request(asked), LIMITS)
        await asyncio.to_thread(upstream.requests[0].wait_closed)

    talk(work)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_exchange_that_is_cancelled_closes_its_connection(
    talk: Talk, upstream: ScriptedUpstream, stream: bool
) -> None:
    """SR-059: while it waits for the head."""
    upstream.default = Reply(Stall())

    async def work(engine: HttpTransport) -> None:
        asking: Awaitable[object] = (read if stream else take)(engine, upstream.base_url)
        task = asyncio.ensure_future(asking)
        seen = await asyncio.to_thread(upstream.wait_for_request)
        task.cancel()
        await asyncio.wait([task])
        await asyncio.to_thread(seen.wait_closed)

    talk(work)


# Limits, on the wire

STALLING: dict[str, tuple[bool, Reply]] = {
    "no head": (False, Reply()),
    "no body": (False, Reply(Status(200))),
    "half a body": (False, Reply(Status(200), Body(b'{"id'))),
    "no head of a stream": (True, Reply()),
    "no first token": (True, events(ROLE)),
    "nothing after content": (True, events(ROLE, HEL)),
}
"""What a provider sends before it stalls, and whether that is a stream."""


@pytest.mark.parametrize("case", STALLING)
def test_a_limit_ends_the_exchange_and_its_connection(
    talk: Talk, upstream: ScriptedUpstream, case: str
) -> None:
    """SR-072: it is a time-out, and the provider's connection is closed."""
    stream, begun = STALLING[case]
    reached = Reached()
    upstream.default = Reply(begun, Wait(reached), Stall())

    async def work(engine: HttpTransport) -> ErrorKind | None:
        exchange = asyncio.ensure_future(exchange_with(engine))
        await asyncio.to_thread(reached.wait_until_reached)
        await skip_time(LIMITS.total + 1)
        kind = await exchange
        await asyncio.to_thread(upstream.requests[0].wait_closed)
        return kind

    async def exchange_with(engine: HttpTransport) -> ErrorKind | None:
        if stream:
            return (await read(engine, upstream.base_url)).kind
        with pytest.raises(ProviderError) as caught:
            await take(engine, upstream.base_url)
        return caught.value.kind

    assert talk(work) is ErrorKind.TIMEOUT


# Limits, to the second: on a clock that waiting moves on at once


Pieces = Iterable[tuple[float, bytes]]
SILENCE = (1e6, b"")


class Timed:
    """An engine and its one answer: the head after so many seconds, then each piece after its own."""

    def __init__(self, head: float, pieces: Pieces = (), status: int = 200) -> None:
        self.status, self.headers = status, cast(Mapping[str, str], SSE)
        self._head, self._pieces = head, iter(pieces)

    async def send(self, request: UpstreamRequest, connect: float) -> HttpResponse:
        await asyncio.sleep(self._head)
        return self

    async def read(self) -> bytes:
        pause, piece = next(self._pieces, (0.0, b""))
        await asyncio.sleep(pause)
        return piece

    exhausted = False

    async def aclose(self) -> None: ...


def timed(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    with asyncio.Runner(loop_factory=Clock) as runner:
        return runner.run(work())


USUAL = AttemptLimits(connect=10, first_token=120, idle=60, total=600, max_bytes=2**20)
COMMENT, FIRST, MORE, END = b":\n\n", event(HEL), event(LO), event(STOP)

STREAMS: dict[str, tuple[Timed, str | None, float]] = {
    "no head": (Timed(1e6), "The provider did not answer within 120 s", 120),
    "no event": (Timed(100, [SILENCE]), "No first token within 120 s", 120),
    "only roles": (Timed(0, repeat((50, event(ROLE)))), "No first token within 120 s", 120),
    "only comments": (Timed(0, repeat((10, COMMENT))), "No first token within 120 s", 120),
    "a late first token": (Timed(60, [(59, FIRST), (59, MORE), (59, END)]), None, 237),
    "a pause": (Timed(1, [(1, FIRST), SILENCE]), "The stream stalled for 60 s", 62),
    "comments in a pause": (
        Timed(0, [(1, FIRST), *repeat((50, COMMENT), 4), (50, END)]),
        None,
        251,
    ),
    "an answer that goes on": (
        Timed(0, repeat((50, FIRST))),
        "The answer was not complete within 600 s",
        600,
    ),
    "comments that go on": (
        Timed(0, [(0, FIRST)] + [(50, COMMENT)] * 20),
        "The answer was not complete within 600 s",
        600,
    ),
    "no end after the end": (Timed(0, [(1, FIRST), (1, END), SILENCE]), None, 7),
    "comments after the end": (
        Timed(0, chain([(1, FIRST), (1, END)], repeat((1, COMMENT)))),
        None,
        7,
    ),
    "usage after the end": (
        Timed(0, [(1, FIRST), (1, END), (3, event(usage(1))), (0, b"data: [DONE]\n\n")]),
        None,
        5,
    ),
}


@pytest.mark.parametrize("case", STREAMS)
def test_a_stream_has_its_limits(case: str) -> None:
    """SR-072: first token, idle (comments count), total, and a grace for what follows the end."""
    answer, message, seconds = STREAMS[case]
    got = timed(lambda: read(answer, "http://provider.example", USUAL))
    assert (got.error and got.error.message, got.seconds) == (message, seconds)


IMPATIENT = msgspec.structs.replace(USUAL, content=90)
EMPTY = event(delta(content=""))

WITHOUT_CONTENT: dict[str, tuple[Timed, str | None, float]] = {
    "comments": (
        Timed(0, chain([(1, FIRST)], repeat((10, COMMENT)))),
        "The stream had no content for 90 s",
        91,
    ),
    "empty deltas": (
        Timed(0, chain([(1, FIRST)], repeat((7, EMPTY)))),
        "The stream had no content for 90 s",
        91,
    ),
    "role chunks": (
        Timed(0, chain([(1, FIRST)], repeat((40, event(ROLE))))),
        "The stream had no content for 90 s",
        91,
    ),
    "silence": (Timed(0, [(1, FIRST), SILENCE]), "The stream stalled for 60 s", 61),
    "content now and then": (
        Timed(0, [(1, FIRST), *[(40, COMMENT), (45, MORE)] * 3, (40, COMMENT), (9, END)]),
        None,
        305,
    ),
}


@pytest.mark.parametrize("case", WITHOUT_CONTENT)
def test_a_stream_must_have_content_now_and_then(case: str) -> None:
    """SR-072: comments, roles and empty deltas show that the connection lives, and not that an answer is coming."""
    answer, message, seconds = WITHOUT_CONTENT[case]
    got = timed(lambda: read(answer, "http://provider.example", IMPATIENT))
    assert (got.error and got.error.message, got.seconds) == (message, seconds)


BODY = b'{"choices": [{"message": {"content": "x"}}]}'

ANSWERS: dict[str, tuple[Timed, str | None, float]] = {
    "no head": (Timed(1e6), "The provider did not answer completely within 600 s", 600),
    "a late head": (Timed(500, [(1, BODY)]), None, 501),
    "a slow body": (Timed(0, [(59, BODY[:9]), (59, BODY[9:])]), None, 118),
    "half a body": (Timed(10, [(1, BODY[:9]), SILENCE]), "The answer stalled for 60 s", 71),
    "a body that goes on": (
        Timed(0, repeat((50, b" "))),
        "The provider did not answer completely within 600 s",
        600,
    ),
    "an error that stalls": (Timed(1, [SILENCE], status=429), "The provider answered HTTP 429", 6),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_a_whole_answer_has_its_limits(case: str) -> None:
    """SR-072: total, and idle once it has begun; a model may think before it says a word."""
    answer, message, seconds = ANSWERS[case]

    async def work() -> tuple[str | None, float]:
        said = None
        try:
            await take(answer, "http://provider.example", USUAL)
        except ProviderError as failure:
            said = failure.message
        return said, round(asyncio.get_running_loop().time(), 3)

    assert timed(work) == (message, seconds)
