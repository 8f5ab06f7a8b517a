"""W, R, E and S for adapters that pass requests and answers of the Messages API on; see `provider.PassesThrough`."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.native import MESSAGES, NativeRequest
from llms_core.contracts.request import ChatCall
from llms_core.errors import ProviderError
from llms_core.operations.chat import CHAT
from llms_core.provider import PassesThrough
from llms_core.testing.framing import encode_events, encode_json
from llms_core.testing.groups.base import Group, not_applicable
from llms_core.testing.messages_wire import ERROR, EVENTS, MESSAGE, REQUEST
from llms_core.testing.sample_requests import CLIENT_MODEL
from llms_core.testing.subject import Subject
from llms_core.testing.wire import Framing
from llms_core.upstream.stream_decoder import StreamDecoder

Json = dict[str, Any]

#: Members that a provider may have elsewhere, such as in the URL.
_ELSEWHERE = ("model", "stream")


def _native_call(subject: Subject, *, stream: bool) -> ChatCall:
    """Return a call that the adapter takes as the client wrote it; skips the test if it takes none."""
    body = {"model": CLIENT_MODEL, "stream": stream, **REQUEST}
    native = NativeRequest(MESSAGES, encode_json(body), {"anthropic-version": "2023-06-01"})
    adapter = subject.adapter
    if not isinstance(adapter, PassesThrough) or not adapter.passes_through(
        native, subject.wire.model
    ):
        not_applicable("the adapter passes no Messages requests on")
    return msgspec.structs.replace(subject.call(stream=stream), native=native)


def _events(subject: Subject, call: ChatCall) -> list[bytes]:
    framing: Framing = "aws" if CHAT.stream(subject.adapter, call).framing == "aws" else "sse"
    return encode_events(subject.wire.native_events or EVENTS, framing)


def _read(subject: Subject, call: ChatCall, pieces: list[bytes]) -> tuple[list[Chunk], bool]:
    """Return the chunks of a stream that ends after these pieces, and whether it is complete."""
    decoder = StreamDecoder(CHAT.stream(subject.adapter, call))
    chunks: list[Chunk] = []
    for piece in (*pieces, b""):
        if not decoder.reader.finished:
            chunks += decoder.feed(piece)
    if not decoder.reader.complete:
        return chunks, False
    return [*chunks, *decoder.reader.held_back()], True


def _client_events(chunks: list[Chunk]) -> list[Json]:
    data = b"".join(chunk.data for chunk in chunks if chunk.native)
    return [json.loads(frame.partition(b"data: ")[2]) for frame in data.split(b"\n\n") if frame]


class NativeTests(Group):
    """Tests of the groups W, R, E and S."""

    def test_w_native_request_keeps_its_members(self, subject: Subject) -> None:
        """Every member but the model reaches the provider as the client wrote it, and the key is only in a header."""
        call = _native_call(subject, stream=False)
        request = CHAT.request(subject.adapter, call)
        sent = json.loads(request.content)
        missing = {name for name, value in REQUEST.items() if sent.get(name) != value}
        assert not missing, (
            f"`native_request` must send the client's members unchanged, but changes {sorted(missing)}"
        )
        assert sent.get("model", subject.wire.model) == subject.wire.model
        assert subject.key not in request.url
        assert subject.key.encode() not in request.content

    def test_r_native_answer_is_passed_on(self, subject: Subject) -> None:
        """A whole answer reaches the client as it was, except for the model, and its tokens are counted."""
        call = _native_call(subject, stream=False)
        answer = CHAT.answer(subject.adapter, call, encode_json(MESSAGE))
        assert answer.native == MESSAGES, "mark the Completion as `native`"
        assert json.loads(answer.data) == {**MESSAGE, "model": CLIENT_MODEL}
        assert answer.usage is not None, "set `usage` of the Completion"
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (31, 12)

    @pytest.mark.parametrize("stream", [False, True])
    def test_e_native_error_is_raised(self, subject: Subject, stream: bool) -> None:
        """An error that comes with the status 200 is not passed on as an answer."""
        call = _native_call(subject, stream=stream)
        with pytest.raises(ProviderError):
            CHAT.answer(subject.adapter, call, encode_json(ERROR))

    @pytest.mark.parametrize("size", [0, 1, 7])
    def test_s_native_stream_is_passed_on(self, subject: Subject, size: int) -> None:
        """Every event reaches the client as it was, however the stream is split, and the tokens are counted."""
        call = _native_call(subject, stream=True)
        data = b"".join(_events(subject, call))
        step = size or len(data)
        chunks, complete = _read(
            subject, call, [data[at : at + step] for at in range(0, len(data), step)]
        )
        assert complete, "the stream is whole, but the chunks do not end its only part"
        expected = [dict(event) for _, event in EVENTS]
        expected[0] = {**expected[0], "message": {**expected[0]["message"], "model": CLIENT_MODEL}}
        assert _client_events(chunks) == expected
        usage = next((CHAT.usage(chunk) for chunk in chunks if chunk.usage), None)
        assert usage is not None, "send a chunk with the usage"
        assert (usage.prompt_tokens, usage.completion_tokens) == (31, 12)

    def test_s_native_cut_is_noticed(self, subject: Subject) -> None:
        """A stream that is cut after any event but the last is not complete, and the client gets no end of it."""
        call = _native_call(subject, stream=True)
        events = _events(subject, call)
        for count in range(len(events)):
            chunks, complete = _read(subject, call, events[:count])
            assert not complete, (
                f"after {count} of {len(events)} events the answer counts as complete"
            )
            types = {event["type"] for event in _client_events(chunks)}
            assert not types & {"message_delta", "message_stop"}, (
                "the end must be held back until the stream's own"
            )
