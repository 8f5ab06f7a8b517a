"""Answers of Gemini's API, passed on as they are, whatever a provider sends."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recordings import Recording, for_each, streams, whole_answers

from llms_core.contracts.native import GENERATE_CONTENT, NativeRequest
from llms_core.contracts.request import ChatCall, decode
from llms_core.errors import ProviderError
from llms_core.failure import classify
from llms_core.native.generate_content import GenerateContentEvents, read_answer
from llms_core.operations.stream import StreamReader

scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner)
)


def call(*, stream: bool = False) -> ChatCall:
    body = decode(
        json.dumps(
            {"model": "ours", "stream": stream, "messages": [{"role": "user", "content": "Hi"}]}
        ).encode()
    )
    native = NativeRequest(GENERATE_CONTENT, b'{"contents":[]}', {})
    return ChatCall(
        body=body, upstream_model="theirs", client_model="ours", id="i", created=1, native=native
    )


def read_error(body: bytes) -> ProviderError:
    return classify(200, {}, body)


def events_in(recording: Recording) -> list[bytes]:
    """The events of a recorded stream, some of which were JSON arrays."""
    if "json" in recording.response:
        return [json.dumps(each).encode() for each in recording.response["json"]]
    lines = str(recording.response["text"]).splitlines()
    return [line.removeprefix("data: ").encode() for line in lines if line.startswith("data: ")]


@pytest.mark.slow
@given(candidates=values, feedback=values, error=values, usage=values)
def test_a_hostile_event_gives_chunks_or_a_provider_error(
    candidates: object, feedback: object, error: object, usage: object
) -> None:
    answer = {
        "candidates": candidates,
        "promptFeedback": feedback,
        "error": error,
        "usageMetadata": usage,
    }
    try:
        chunks = list(
            GenerateContentEvents(call(), read_error).feed("", json.dumps(answer).encode())
        )
    except ProviderError:
        return
    assert all(chunk.native or chunk.usage for chunk in chunks)


@given(st.binary(max_size=30))
def test_bytes_that_are_no_answer_are_a_provider_error(data: bytes) -> None:
    with pytest.raises(ProviderError):
        read_answer(call(), data, read_error)


@for_each(whole_answers("gemini"))
def test_a_recorded_answer_is_passed_on_to_the_byte(recording: Recording) -> None:
    answer = read_answer(call(), recording.body, read_error)
    assert answer.data == recording.body
    assert answer.native
    assert answer.usage is not None


@for_each(streams("gemini"))
def test_a_recorded_stream_is_passed_on_to_the_byte(recording: Recording) -> None:
    events = events_in(recording)
    reader = StreamReader(
        GenerateContentEvents(call(stream=True), read_error), read_error=read_error
    )
    chunks = [chunk for event in events for chunk in reader.feed([("", event)])]
    assert reader.failure is None
    assert reader.complete
    passed_on = [chunk.data for chunk in [*chunks, *reader.held_back()] if chunk.native]
    assert passed_on == events
