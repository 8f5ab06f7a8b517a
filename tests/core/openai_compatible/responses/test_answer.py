"""Responses as chat completions, whole and streamed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chat_streams import ChatStream
from hypothesis import given, settings
from hypothesis import strategies as st
from responses_adapter import (
    call_of,
    chunks_of,
    completion_of,
    message_of,
    responses_adapter,
    streamed_message_of,
)

from llms_core.contracts.joined import joined
from llms_core.errors import ErrorKind, ProviderError
from llms_core.operations.chat import CHAT
from llms_core.testing.framing import encode_events
from llms_core.testing.upstream.responses import (
    custom_call_item,
    function_call_item,
    message_item,
    reasoning_item,
    response_body,
    response_events,
)

Json = dict[str, Any]

CITATION = {
    "type": "url_citation",
    "url": "https://a.example",
    "title": "A",
    "start_index": 0,
    "end_index": 2,
}
REFUSAL = {"type": "refusal", "refusal": "I cannot do that."}
IMAGE = {
    "type": "image_generation_call",
    "id": "ig_1",
    "status": "completed",
    "result": "iVBORw0KGgo=",
}
LOGPROB = {
    "token": "Ja",
    "logprob": -0.5,
    "bytes": [74, 97],
    "top_logprobs": [{"token": "Ja", "logprob": -0.5}],
}

ANSWERS: dict[str, Json] = {
    "text": response_body(message_item("Grüße, Welt! 🌍")),
    "two texts": response_body(message_item("One. ", "Two. "), message_item("Three.", id="msg_2")),
    "reasoning": response_body(
        reasoning_item("First.", "Second.", encrypted="gAAAAAB"), message_item("42")
    ),
    "calls": response_body(
        function_call_item("f", {"a": "é"}, call_id="call_1"),
        function_call_item("g", {}, call_id="call_2", id="fc_2"),
        custom_call_item("c", "x = 1\n", call_id="call_3"),
    ),
    "text and call": response_body(
        reasoning_item(encrypted="gAAAAAB"), message_item("Wait"), function_call_item("f", {"a": 1})
    ),
    "refusal": response_body(message_item(content=[REFUSAL])),
    "annotations": response_body(
        message_item("Hi. "),
        message_item(
            id="msg_2",
            content=[
                {"type": "output_text", "text": "See", "annotations": [CITATION], "logprobs": []}
            ],
        ),
    ),
    "image": response_body(IMAGE, message_item("Here")),
    "logprobs": response_body(
        message_item(
            content=[
                {"type": "output_text", "text": "Ja", "annotations": [], "logprobs": [LOGPROB]}
            ]
        )
    ),
    "length": response_body(
        message_item("Grü", status="incomplete"),
        status="incomplete",
        incomplete_details={"reason": "max_output_tokens"},
    ),
    "nothing": response_body(),
}


def without_id(completion: Json) -> Json:
    return {
        name: value for name, value in completion.items() if name not in ("id", "object", "created")
    }


def streamed(body: Json, size: int = 0) -> Json:
    found: Json = json.loads(joined(chunks_of(response_events(body), size=size)))
    return found


def normalized(completion: Json) -> Json:
    """Without what is null or empty in one form, and absent in the other."""
    (choice,) = completion["choices"]
    message = {name: value for name, value in choice["message"].items() if value not in (None, "")}
    logprobs = choice.get("logprobs")
    return {
        **without_id(completion),
        "choices": [{**choice, "message": message, "logprobs": logprobs}],
    }


@pytest.mark.parametrize("name", ANSWERS)
def test_a_stream_becomes_what_the_whole_response_becomes(name: str) -> None:
    body = ANSWERS[name]
    assert normalized(streamed(body)) == normalized(completion_of(body))


@pytest.mark.parametrize("name", ANSWERS)
def test_a_stream_may_be_split_at_every_byte(name: str) -> None:
    body = ANSWERS[name]
    assert [chunk.data for chunk in chunks_of(response_events(body), size=1)] == [
        chunk.data for chunk in chunks_of(response_events(body))
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["text", "text and call", "length"])
def test_a_stream_that_is_cut_is_never_complete(name: str) -> None:
    events = response_events(ANSWERS[name], size=40)
    data = b"".join(encode_events([(event["type"], event) for event in events], "sse"))
    end = data.rindex(b"\n\n")
    for cut in range(end):
        stream = ChatStream(responses_adapter().chunks(call_of(stream=True)))
        stream.feed(data[:cut])
        assert not stream.complete
        stream.feed(b"")
        # The last line may lack nothing but its end.
        is_whole = cut >= len(data.rstrip())
        assert is_whole or not stream.complete


def test_the_members_of_a_completion() -> None:
    body = response_body(
        message_item("Hi"),
        tokens=(10, 5),
        usage={
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 4},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 3},
            "total_tokens": 15,
        },
        service_tier="flex",
    )
    for completion in (completion_of(body), streamed(body)):
        assert completion["id"] == "resp_1"
        assert completion["model"] == "m"
        assert completion["service_tier"] == "flex"
        assert completion["usage"] == {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 3},
        }


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({}, "stop"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            "content_filter",
        ),
        ({"status": "incomplete"}, "length"),
    ],
)
def test_how_a_response_ends(members: Json, reason: str) -> None:
    body = response_body(message_item("Hi"), **members)
    assert completion_of(body)["choices"][0]["finish_reason"] == reason
    assert streamed(body)["choices"][0]["finish_reason"] == reason


def test_calls_end_an_answer_as_such() -> None:
    assert completion_of(ANSWERS["calls"])["choices"][0]["finish_reason"] == "tool_calls"
    assert message_of(ANSWERS["calls"])["content"] is None


def test_annotations_refer_to_the_whole_text() -> None:
    citation = {"start_index": 4, "end_index": 6, "url": "https://a.example", "title": "A"}
    expected = [{"type": "url_citation", "url_citation": citation}]
    assert message_of(ANSWERS["annotations"])["annotations"] == expected
    assert streamed_message_of(response_events(ANSWERS["annotations"]))["annotations"] == expected


def test_images_are_parts_of_the_message() -> None:
    (image,) = message_of(ANSWERS["image"])["images"]
    assert image["image_url"]["url"] == "data:image/png;base64,iVBORw0KGgo="


def test_refusals_have_their_own_member() -> None:
    message = message_of(ANSWERS["refusal"])
    assert (message["refusal"], message["content"]) == ("I cannot do that.", None)


# Streams of other servers


def test_deltas_of_parallel_calls_may_interleave() -> None:
    body = ANSWERS["calls"]
    by_item: list[list[Json]] = [[], [], []]
    events = response_events(body)
    for event in events[2:-1]:
        by_item[event["output_index"]].append(event)
    mixed = events[:2]
    while any(by_item):
        for queue in by_item:
            mixed += queue[:1]
            del queue[:1]
    mixed.append(events[-1])
    assert normalized(json.loads(joined(chunks_of(mixed)))) == normalized(completion_of(body))


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("kept", [("output_item.done",), ()], ids=["items", "nothing"])
def test_a_server_may_send_no_deltas(name: str, kept: tuple[str, ...]) -> None:
    body = ANSWERS[name]
    events = [
        event
        for event in response_events(body)
        if "response" in event or event["type"].removeprefix("response.") in kept
    ]
    expected = normalized(completion_of(body))
    # Log probabilities come with the deltas only.
    expected["choices"][0]["logprobs"] = None
    assert normalized(json.loads(joined(chunks_of(events)))) == expected


@pytest.mark.parametrize("name", ANSWERS)
def test_a_server_may_leave_the_output_out_of_its_last_event(name: str) -> None:
    body = ANSWERS[name]
    events = response_events(body)
    events[-1] = {**events[-1], "response": {**body, "output": []}}
    assert normalized(json.loads(joined(chunks_of(events)))) == normalized(completion_of(body))


def test_a_server_may_leave_the_status_out() -> None:
    body = {
        name: value
        for name, value in ANSWERS["length"].items()
        if name not in ("status", "incomplete_details")
    }
    assert completion_of(body)["choices"][0]["finish_reason"] == "stop"
    events = response_events(ANSWERS["length"])
    events[-1] = {**events[-1], "response": body}
    (choice,) = json.loads(joined(chunks_of(events)))["choices"]
    assert choice["finish_reason"] == "length"


def test_unknown_events_are_passed_over() -> None:
    events = response_events(ANSWERS["text"])
    odd: list[Json] = [
        {"type": "response.web_search_call.searching", "item_id": "ws_1", "output_index": 0},
        {
            "type": "response.image_generation_call.partial_image",
            "partial_image_b64": "AA",
            "item": 3,
        },
        {"type": "keepalive"},
    ]
    mixed = [*events[:3], *odd, *events[3:]]
    assert [chunk.data for chunk in chunks_of(mixed)] == [chunk.data for chunk in chunks_of(events)]


# Failures


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("server_error", ErrorKind.OVERLOADED),
        ("rate_limit_exceeded", ErrorKind.RATE_LIMIT),
        ("invalid_prompt", ErrorKind.CONTENT_POLICY),
        ("context_length_exceeded", ErrorKind.CONTEXT_LENGTH),
        ("insufficient_quota", ErrorKind.QUOTA),
        ("invalid_image_url", ErrorKind.INVALID_REQUEST),
        ("image_content_policy_violation", ErrorKind.CONTENT_POLICY),
        ("vector_store_timeout", ErrorKind.TIMEOUT),
        ("unheard_of", ErrorKind.BAD_RESPONSE),
    ],
)
def test_a_failed_response_is_an_error_of_its_kind(code: str, kind: ErrorKind) -> None:
    body = response_body(status="failed", error={"code": code, "message": "It did not work"})
    with pytest.raises(ProviderError) as failed:
        completion_of(body)
    assert (failed.value.kind, failed.value.message) == (kind, "It did not work")
    for last in (
        {"type": "response.failed", "response": body},
        {"type": "response.completed", "response": body},
        {"type": "error", "code": code, "message": "It did not work", "param": None},
        {
            "type": "error",
            "error": {"type": "t", "code": code, "message": "It did not work", "param": None},
        },
    ):
        with pytest.raises(ProviderError) as failed:
            chunks_of([*response_events(ANSWERS["text"])[:-1], last])
        assert (failed.value.kind, failed.value.message) == (kind, "It did not work")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"object": "chat.completion", "choices": []},
        {**response_body(), "status": "in_progress"},
        {**response_body(), "status": "queued"},
        {**response_body(), "output": None},
        {**response_body(), "output": [1]},
        response_body({"type": "function_call", "call_id": "c"}),
    ],
)
def test_what_is_no_response_is_an_error(body: Json) -> None:
    with pytest.raises(ProviderError) as failed:
        completion_of(body)
    assert failed.value.kind is ErrorKind.BAD_RESPONSE


@pytest.mark.parametrize("members", [{}, {"output": []}])
def test_an_error_in_place_of_a_response_is_that_error(members: Json) -> None:
    with pytest.raises(ProviderError) as failed:
        completion_of(
            {
                "error": {"message": "Slow down", "type": "tokens", "code": "rate_limit_exceeded"},
                **members,
            }
        )
    assert failed.value.kind is ErrorKind.RATE_LIMIT


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.text(max_size=3)
    | st.sampled_from(["message", "reasoning"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "content",
                    "text",
                    "name",
                    "arguments",
                    "summary",
                    "call_id",
                    "annotations",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
TYPES = [
    "response.created",
    "response.output_item.added",
    "response.output_item.done",
    "response.output_text.delta",
    "response.output_text.annotation.added",
    "response.refusal.delta",
    "response.function_call_arguments.delta",
    "response.custom_tool_call_input.delta",
    "response.reasoning_summary_text.delta",
    "response.reasoning_text.delta",
    "response.completed",
    "response.failed",
    "error",
    "",
]
ITEM = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["message", "reasoning", "function_call", "custom_tool_call", "image_generation_call"]
        )
    },
    optional={
        "content": JSON,
        "summary": JSON,
        "call_id": JSON,
        "name": st.just("f") | JSON,
        "arguments": JSON,
        "input": JSON,
        "result": JSON,
        "encrypted_content": JSON,
        "phase": JSON,
    },
)
EVENT = st.fixed_dictionaries(
    {"type": st.sampled_from(TYPES)},
    optional={
        "output_index": st.integers(-1, 3) | JSON,
        "content_index": st.integers(0, 1) | JSON,
        "summary_index": st.integers(0, 1) | JSON,
        "delta": st.text(max_size=3) | JSON,
        "item": ITEM | JSON,
        "annotation": JSON,
        "logprobs": JSON,
        "response": JSON
        | st.fixed_dictionaries(
            {},
            optional={
                "id": JSON,
                "status": st.sampled_from(["completed", "incomplete", "failed"]) | JSON,
                "output": st.lists(ITEM, max_size=3) | JSON,
                "usage": JSON,
                "error": JSON,
                "incomplete_details": JSON,
            },
        ),
    },
)


@pytest.mark.slow
@settings(max_examples=400)
@given(st.lists(EVENT, max_size=8))
def test_hostile_events_raise_nothing_but_a_providers_error(events: list[Json]) -> None:
    translator = responses_adapter().chunks(call_of(stream=True))
    for event in events:
        try:
            for chunk in translator.feed("", json.dumps(event).encode()):
                assert json.loads(chunk.data)["object"] == "chat.completion.chunk"
        except ProviderError:
            return


@pytest.mark.slow
@settings(max_examples=400)
@given(
    JSON
    | st.fixed_dictionaries(
        {"status": st.just("completed"), "output": st.lists(ITEM | JSON, max_size=4)}
    )
)
def test_hostile_responses_raise_nothing_but_a_providers_error(body: Any) -> None:
    try:
        completion = CHAT.answer(responses_adapter(), call_of(), json.dumps(body).encode())
    except ProviderError:
        return
    assert json.loads(completion.data)["choices"]
