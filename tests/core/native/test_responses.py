"""Answers of the Responses API, passed on as they are, whatever a provider sends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms_core.contracts.native import RESPONSES, NativeRequest
from llms_core.contracts.request import ChatCall, decode
from llms_core.errors import ErrorKind, ProviderError
from llms_core.failure import classify
from llms_core.native.responses import ResponseEvents, read_response

Json = dict[str, Any]

TYPES = (
    "response.created",
    "response.completed",
    "response.incomplete",
    "response.failed",
    "error",
)
scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner)
)


def call() -> ChatCall:
    body = decode(
        json.dumps({"model": "ours", "messages": [{"role": "user", "content": "Hi"}]}).encode()
    )
    native = NativeRequest(RESPONSES, b'{"model":"ours","input":"Hi"}', {})
    return ChatCall(
        body=body, upstream_model="theirs", client_model="ours", id="i", created=1, native=native
    )


def read_error(body: bytes) -> ProviderError:
    return classify(200, {}, body)


def ended(status: object, **members: object) -> bytes:
    return json.dumps(
        {"object": "response", "model": "theirs", "output": [], "status": status, **members}
    ).encode()


@given(kind=st.sampled_from(TYPES) | st.text(max_size=20), response=values, more=values)
def test_a_hostile_event_gives_chunks_or_a_provider_error(
    kind: str, response: object, more: object
) -> None:
    events = ResponseEvents(call(), read_error)
    data = json.dumps({"type": kind, "response": response, "more": more}).encode()
    try:
        chunks = list(events.feed(kind, data))
    except ProviderError:
        return
    assert all(chunk.native or chunk.usage for chunk in chunks)


@pytest.mark.parametrize("status", ["failed", "in_progress", "queued", "cancelled", "", None, 1])
def test_an_answer_that_has_not_ended_is_a_failure(status: object) -> None:
    with pytest.raises(ProviderError):
        read_response(call(), ended(status), read_error)


def test_a_failed_answer_is_the_error_that_it_names() -> None:
    problem = {"code": "rate_limit_exceeded", "message": "Slow down"}
    with pytest.raises(ProviderError) as caught:
        read_response(call(), ended("failed", error=problem), read_error)
    assert caught.value.kind is ErrorKind.RATE_LIMIT
    assert caught.value.message == "Slow down"


def test_the_counts_are_those_of_the_last_event() -> None:
    usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    events = ResponseEvents(call(), read_error)
    data = b'{"type":"response.completed","response":%b}' % ended("completed", usage=usage)
    chunks = list(events.feed("response.completed", data))
    counts = json.loads(chunks[-1].data)["usage"]
    assert (counts["prompt_tokens"], counts["completion_tokens"], counts["total_tokens"]) == (
        7,
        3,
        10,
    )
