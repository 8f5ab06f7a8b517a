"""A provider's stream that ends at any byte: the client gets the whole answer, or its API's error, and never both.

Chat completions are cut in tests/core/server/test_properties.py, and the streams of each provider's protocol in
test_messages_streams.py and test_responses_adapters.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from message_events import check_order, check_types, events_of, final_message
from response_events import response_in

from llms_core.testing import Body, Chunk, Close, Reply, ScriptedUpstream, Status
from tests.core.server.conftest import HELLO, Asking, chunk, data_of

Json = dict[str, Any]

FRAMES = (
    chunk({"role": "assistant", "reasoning_content": "Hm"}),
    chunk({"content": "Yes"}),
    chunk(
        {
            "tool_calls": [
                {
                    "index": 0,
                    "id": "a",
                    "type": "function",
                    "function": {"name": "f", "arguments": ""},
                }
            ]
        }
    ),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"x":1}'}}]}),
    chunk(
        {
            "tool_calls": [
                {
                    "index": 1,
                    "id": "b",
                    "type": "function",
                    "function": {"name": "f", "arguments": "{}"},
                }
            ]
        }
    ),
    chunk({}, "tool_calls"),
)
#: Without the members that make no difference: the stream is cut at each of its bytes.
STREAM = b"".join(
    b"data: %b\n\n" % json.dumps({"choices": frame["choices"]}, separators=(",", ":")).encode()
    for frame in FRAMES
)
STREAM += b"data: [DONE]\n\n"
EVENTS = {"content-type": "text/event-stream"}


def cut(at: int) -> Reply:
    """A stream of so many bytes. At every other place, HTTP's framing does not show that it was cut."""
    if at % 2:
        return Reply(Status(200, {**EVENTS, "connection": "close"}), Body(STREAM[:at]))
    return Reply(Status(200, EVENTS), *([Chunk(STREAM[:at])] if at else []), Close())


def message_in(response: httpx.Response) -> Any:
    """What a stream of the Messages API says, checked; None if it ends in an error."""
    events = events_of(response.content)
    check_types(events)
    failed = any(event["type"] == "error" for event in events)
    check_order(events, complete=not failed)
    if failed:
        assert events[-1]["error"].keys() == {"type", "message"}
        return None
    return final_message(response.content).to_dict()["content"]


def items_in(response: httpx.Response) -> Any:
    """What a stream of the Responses API says, checked; None if it ends in an error."""
    found = response_in(response.text)
    if found["status"] == "failed":
        assert found["error"]["message"]
        return None
    return [
        {name: value for name, value in item.items() if name not in ("id", "encrypted_content")}
        for item in found["output"]
    ]


def text_in(response: httpx.Response) -> Any:
    """The text of a stream of text completions, checked; None if it ends in an error."""
    events = data_of(response.text)
    if events[-1] != "[DONE]":
        assert "[DONE]" not in events
        assert json.loads(events[-1])["error"]["message"]
        assert not any(json.loads(event)["choices"][0]["finish_reason"] for event in events[:-1])
        return None
    return "".join(json.loads(event)["choices"][0]["text"] for event in events[:-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "members", "meaning"),
    [
        ("/v1/messages", {"messages": HELLO, "max_tokens": 100}, message_in),
        ("/v1/responses", {"input": "Hello!", "store": False}, items_in),
        ("/v1/completions", {"prompt": "Hello!"}, text_in),
    ],
    ids=["messages", "responses", "completions"],
)
def test_a_cut_anywhere_is_the_whole_answer_or_an_error(
    ask: Asking,
    first: ScriptedUpstream,
    path: str,
    members: Json,
    meaning: Callable[[httpx.Response], Any],
) -> None:
    body = {"model": "m", "stream": True, **members}
    first.default = Reply(Status(200, EVENTS), Chunk(STREAM))
    whole = ask.post(body, path)
    expected = meaning(whole)
    assert expected
    is_whole = []
    for at in range(len(STREAM)):
        first.default = cut(at)
        response = ask.post(body, path)
        # Before the first content, there is an error in place of an answer.
        assert response.status_code in (200, 502)
        found = meaning(response) if response.status_code == 200 else None
        assert found in (None, expected)
        is_whole.append(found is not None)
    # It is whole once its last part has ended: `[DONE]` alone is not missed.
    assert not any(is_whole[: -len("\n\ndata: [DONE]\n\n")])
    assert any(is_whole)
