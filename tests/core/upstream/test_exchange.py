"""One answer or one stream of one provider: what counts as whole, what as broken, and how long it may take."""

from __future__ import annotations

import asyncio
import json
import selectors
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from llms_core.contracts.chunk import Chunk as Part
from llms_core.contracts.completion import Completion
from llms_core.contracts.request import ChatCall, decode
from llms_core.errors import ErrorKind, ProviderError
from llms_core.openai_compatible import OpenAICompatible
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
from llms_core.upstream import exchange
from llms_core.upstream.engine import Engine
from llms_core.upstream.exchange import Limits

if TYPE_CHECKING:
    from tests.core.upstream.conftest import Talk

T = TypeVar("T")

SPEC = ProviderSpec(name="scripted", adapter=OpenAICompatible, title="Scripted")
LIMITS = Limits(connect=5, first_token=5, idle=5, total=10, largest=2**20)
SSE = {"content-type": "text/event-stream"}


def call(*, stream: bool = True, **members: object) -> ChatCall:
    asked = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": stream, **members}
    request, raw = decode(json.dumps(asked).encode())
    return ChatCall(request=request, members=raw, model="up-m", name="m", id="chatcmpl-ours", created=1)


def at(base_url: str) -> OpenAICompatible:
    return OpenAICompatible(SPEC, ProviderSettings(id="scripted", base_url=base_url))


class Got:
    """What a stream gave: its chunks, in the lists that they came in, and the error that it ended in, if it did."""

    def __init__(self) -> None:
        self.lists: list[list[Part]] = []
        self.error: ProviderError | None = None

    @property
    def chunks(self) -> list[dict[str, Any]]:
        return [json.loads(part.data) for part in chain.from_iterable(self.lists)]

    @property
    def choices(self) -> list[dict[str, Any]]:
        return [choice for chunk in self.chunks for choice in chunk["choices"]]

    def text(self, index: int = 0) -> str:
        return "".join(each["delta"].get("content") or "" for each in self.choices if each["index"] == index)

    @property
    def finish_reasons(self) -> list[str]:
        return [choice["finish_reason"] for choice in self.choices if choice.get("finish_reason")]

    @property
    def kind(self) -> ErrorKind | None:
        return self.error.kind if self.error is not None else None


async def read(engine: Engine, base_url: str, limits: Limits = LIMITS, **members: object) -> Got:
    """Read a stream to its end, or to its error; an error before there is a stream counts too."""
    got, asked, adapter = Got(), call(**members), at(base_url)
    try:
        stream = await exchange.stream(engine, adapter, asked, adapter.request(asked), limits)
        try:
            while not stream.over:
                got.lists.append(await stream.read())
        finally:
            await stream.aclose()
    except ProviderError as failure:
        got.error = failure
    return got


async def take(engine: Engine, base_url: str, limits: Limits = LIMITS, **members: object) -> Completion:
    asked, adapter = call(stream=False, **members), at(base_url)
    return await exchange.whole(engine, adapter, asked, adapter.request(asked), limits)


def delta(finish_reason: str | None = None, index: int = 0, **members: object) -> dict[str, Any]:
    choice = {"index": index, "delta": members, "finish_reason": finish_reason}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "x", "choices": [choice]}


def usage(completion_tokens: int, **more: object) -> dict[str, Any]:
    total = {"prompt_tokens": 3, "completion_tokens": completion_tokens, "total_tokens": 3 + completion_tokens}
    return {**delta(), "choices": [], "usage": total, **more}


ROLE, HEL, LO, STOP = delta(role="assistant", content=""), delta(content="Hel"), delta(content="lo"), delta("stop")


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
    "a stream": (events(ROLE, HEL, STOP, "[DONE]"), ErrorKind.BAD_RESPONSE),
    "a redirect": (html(301, {"location": "/"}), ErrorKind.BAD_RESPONSE),
    "an error": (error(503), ErrorKind.OVERLOADED),
    "an error that is cut": (Reply(Status(429), Body(b'{"error"'), Close()), ErrorKind.RATE_LIMIT),
    "an error that is large": (error(400, "x" * 300_000, code="context_length_exceeded"), ErrorKind.INVALID_REQUEST),
}


@pytest.mark.parametrize("case", NO_COMPLETION)
def test_what_is_no_completion_is_an_error(talk: Talk, upstream: ScriptedUpstream, case: str) -> None:
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
def test_an_answer_over_the_limit_is_refused(talk: Talk, upstream: ScriptedUpstream, framed: str) -> None:
    """The rest of it is not even read."""
    head = Status(200, {"connection": "close"} if framed == "by the connection" else {})
    piece = Chunk(b"x" * 2000) if framed == "in chunks" else Body(b"x" * 2000)
    upstream.default = Reply(head, piece, Stall())
    small = Limits(connect=5, first_token=5, idle=5, total=5, largest=1000)

    async def work(engine: Engine) -> None:
        with pytest.raises(ProviderError) as caught:
            await take(engine, upstream.base_url, small)
        assert (caught.value.kind, caught.value.message) == (
            ErrorKind.BAD_RESPONSE,
            "The answer has over 1000 bytes",
        )
        await asyncio.to_thread(upstream.requests[0].wait_closed, 1)

    talk(work)


def test_a_large_answer_within_the_limit_is_given(talk: Talk, upstream: ScriptedUpstream) -> None:
    upstream.default = completion("x" * 8 * 2**20)
    large = Limits(connect=5, first_token=5, idle=5, total=10, largest=16 * 2**20)
    assert len(talk(lambda engine: take(engine, upstream.base_url, large)).data) > 8 * 2**20


# Streams that are whole


def test_a_stream_is_given(talk: Talk, upstream: ScriptedUpstream) -> None:
    """SR-053, SR-054: role, content, finish_reason."""
    upstream.default = events(ROLE, HEL, LO, STOP, "[DONE]")
    got = talk(lambda engine: read(engine, upstream.base_url))
    assert (got.text(), got.finish_reasons, got.error) == ("Hello", ["stop"], None)
    assert got.choices[0]["delta"]["role"] == "assistant"


def test_chunks_are_given_while_the_provider_still_speaks(talk: Talk, upstream: ScriptedUpstream) -> None:
    """SR-060."""
    go = threading.Event()
    upstream.default = Reply(events(ROLE, HEL), Wait(go), Chunk(_event(LO)), Chunk(_event(STOP)))

    async def work(engine: Engine) -> str:
        asked, adapter = call(), at(upstream.base_url)
        stream = await exchange.stream(engine, adapter, asked, adapter.request(asked), LIMITS)
        got = Got()
        while got.text() != "Hel":
            got.lists.append(await stream.read())
        go.set()
        while not stream.over:
            got.lists.append(await stream.read())
        await stream.aclose()
        return got.text()

    assert talk(work) == "Hello"


def test_chunks_that_arrive_together_are_given_together(talk: Talk, upstream: ScriptedUpstream) -> None:
    """One write to the client for one read from the provider."""
    go = threading.Event()
    together = Chunk(b"".join(map(_event, (ROLE, HEL, LO))))
    upstream.default = Reply(Status(200, SSE), together, Wait(go), Chunk(_event(STOP)))

    async def work(engine: Engine) -> list[Part]:
        asked, adapter = call(), at(upstream.base_url)
        stream = await exchange.stream(engine, adapter, asked, adapter.request(asked), LIMITS)
        first = await stream.read()
        go.set()
        while not stream.over:
            await stream.read()
        await stream.aclose()
        return first

    assert [json.loads(part.data)["choices"][0]["delta"] for part in talk(work)] == [
        each["choices"][0]["delta"] for each in (ROLE, HEL, LO)
    ]


WHOLE: dict[str, Reply] = {
    "no [DONE]": events(ROLE, HEL, LO, STOP),
    "no blank line at the end": events(ROLE, HEL, LO, b"data: " + json.dumps(STOP).encode()),
    "closed after the finish_reason": Reply(events(ROLE, HEL, LO, STOP), Close()),
    "reset after the finish_reason": Reply(events(ROLE, HEL, LO, STOP), Reset()),
    "cut after the finish_reason": Reply(events(ROLE, HEL, LO, STOP, b'data: {"id": "c", "cho'), Close()),
    "no JSON after the finish_reason": events(ROLE, HEL, LO, STOP, "{oops"),
    "an error after the finish_reason": events(ROLE, HEL, LO, STOP, {"error": {"message": "late"}}),
    "more after [DONE]": events(ROLE, HEL, LO, STOP, "[DONE]", "{oops", delta(content="more")),
    "content after the finish_reason": events(ROLE, HEL, STOP, LO, "[DONE]"),
    "content with the finish_reason": events(ROLE, HEL, delta("stop", content="lo"), "[DONE]"),
    "content with the finish_reason, and after it": events(ROLE, delta("stop", content="Hel"), LO, "[DONE]"),
    "the finish_reason twice": events(ROLE, HEL, LO, STOP, delta("stop", role="assistant", content=""), "[DONE]"),
    "the finish_reason twice, with content": events(ROLE, delta("stop", content="Hel"), LO, STOP, "[DONE]"),
    "the role in every chunk": events(*(delta(role="assistant", content=each) for each in ("Hel", "lo")), STOP),
    "no role": events(HEL, LO, STOP, "[DONE]"),
    "comments": events(b": PROCESSING\n\n", ROLE, b":\n\n", HEL, LO, STOP, "[DONE]"),
    "other line ends": events(*(_event.replace(b"\n", b"\r\n") for _event in map(_lines, (ROLE, HEL, LO, STOP))))
    if (_lines := lambda chunk: b"data: " + json.dumps(chunk).encode() + b"\n\n")
    else Reply(),
    "no type": Reply(Status(200), *(Chunk(b"data:" + json.dumps(each).encode() + b"\n\n") for each in (HEL, LO, STOP))),
    "by its length": Reply(Status(200, SSE), Body(b"".join(map(_lines, (ROLE, HEL, LO, STOP))))),
    "up to the end of the connection": Reply(
        Status(200, {**SSE, "connection": "close"}), Body(b"".join(map(_lines, (ROLE, HEL, LO, STOP))))
    ),
}
