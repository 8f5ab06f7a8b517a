"""What a client of the Responses API makes of a stream: every event is parsed strictly, and in its place."""

from __future__ import annotations

import json
from typing import Any

from openai import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from tagged_union import tagged_union

Json = dict[str, Any]

_event_type = tagged_union(ResponseStreamEvent)
TERMINAL = ("response.completed", "response.incomplete", "response.failed")


def events_of(text: str) -> list[Json]:
    """The events of a stream that ended between two events; each is named after its type."""
    assert text.endswith("\n\n") or not text
    found = []
    for frame in text.removesuffix("\n\n").split("\n\n"):
        if frame.startswith(":") or not frame:
            continue
        name, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    return found


def response_in(text: str) -> Json:
    """The response that a stream ends with, after every event has been checked."""
    events = events_of(text)
    for event in events:
        _event_type.validate_json(json.dumps(event), strict=True)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    terminal = [event for event in events if event["type"] in TERMINAL]
    assert terminal == events[-1:]
    response: Json = terminal[0]["response"]
    Response.model_validate_json(json.dumps(response), strict=True)
    if response["status"] != "failed":
        _check_items(events[2:-1], response)
    return response


def final_response(text: str) -> Response:
    """The response that OpenAI's SDK makes of a stream."""
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    for event in events_of(text):
        if event["type"] == "response.incomplete":
            # The SDK looks for its result in `completed` only.
            return Response.model_validate(event["response"])
        parsed = _event_type.validate_python(event)
        for seen in state.handle_event(parsed):
            if seen.type == "response.completed":
                return seen.response
    raise AssertionError("the stream has no end")


def _check_items(events: list[Json], response: Json) -> None:
    """Every item is added, filled and done, once each and in this order, and is what the response has in the end."""
    is_open: dict[int, Json] = {}
    done: dict[int, Json] = {}
    pieces: dict[tuple[int, str, int], str] = {}
    for event in events:
        kind = event["type"].removeprefix("response.")
        index = event["output_index"]
        if kind == "output_item.added":
            assert index not in is_open
            assert index not in done
            is_open[index] = event["item"]
        elif kind == "output_item.done":
            assert is_open.pop(index)["id"] == event["item"]["id"]
            done[index] = event["item"]
        else:
            assert event["item_id"] == is_open[index]["id"]
            _check_piece(kind, event, (index, kind.rpartition(".")[0], _part(event)), pieces)
    assert not is_open
    assert [done[index] for index in sorted(done)] == response["output"]


def _check_piece(
    kind: str, event: Json, place: tuple[int, str, int], pieces: dict[tuple[int, str, int], str]
) -> None:
    if kind.endswith(".delta"):
        pieces[place] = pieces.get(place, "") + event["delta"]
    elif kind.endswith(".done") and "part" not in event:
        whole = next(
            event[name] for name in ("text", "refusal", "arguments", "input") if name in event
        )
        assert whole == pieces.get(place, "")


def _part(event: Json) -> int:
    index: int = (
        event["summary_index"] if "summary_index" in event else event.get("content_index", 0)
    )
    return index
