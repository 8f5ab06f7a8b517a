"""Requests and answers of the Responses API that are passed on to a provider with the same API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from response_events import response_in

from llms_core.testing import Chunk, Reply, ScriptedUpstream, Status, error, json_body
from tests.conftest import MARK, Gateway, Serve
from tests.core.server.conftest import NO_RETRIES, Asking, whole

Json = dict[str, Any]

RESPONSES = "/v1/responses"
ID = "resp_0aef43be6f1f4d1e00689c1f5c6a7c8193bd7b5dbb4d6f0a11"
USAGE = {
    "input_tokens": 11,
    "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 16,
}
MESSAGE = {
    "type": "message",
    "id": "msg_1",
    "status": "completed",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}],
}


def response(status: str = "completed", **members: object) -> Json:
    """A response as OpenAI writes it, with members that the gateway does not know."""
    return {
        "id": ID,
        "object": "response",
        "created_at": 1_760_000_000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "vendor/up-m",
        "output": [],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": None,
        "new_member": {"a": 1},
        **members,
    }


def event(kind: str, number: int, **members: object) -> bytes:
    data = json.dumps({"type": kind, "sequence_number": number, **members}, ensure_ascii=False)
    return f"event: {kind}\ndata: {data}\n\n".encode()


def answer(model: str = "vendor/up-m") -> list[bytes]:
    """The events of a stream."""
    begun = response("in_progress", model=model)
    place = {"output_index": 0, "item_id": "msg_1", "content_index": 0}
    added = {**MESSAGE, "status": "in_progress", "content": []}
    text = {"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}
    return [
        event("response.created", 0, response=begun),
        event("response.in_progress", 1, response=begun),
        event("response.output_item.added", 2, output_index=0, item=added),
        event("response.content_part.added", 3, **place, part={**text, "text": ""}),
        event("response.output_text.delta", 4, **place, delta="H", logprobs=[], obfuscation="xyz"),
        event("response.output_text.delta", 5, **place, delta="i", logprobs=[], obfuscation="abc"),
        event("response.output_text.done", 6, **place, text="Hi", logprobs=[]),
        event("response.content_part.done", 7, **place, part=text),
        event("response.output_item.done", 8, output_index=0, item=MESSAGE),
        event(
            "response.completed", 9, response=response(model=model, output=[MESSAGE], usage=USAGE)
        ),
    ]


def stream(pieces: list[bytes]) -> Reply:
    return Reply(Status(200, {"content-type": "text/event-stream"}), *map(Chunk, pieces))


def provider(upstream: ScriptedUpstream, **members: object) -> Json:
    """A block of a provider with the Responses API."""
    block = {
        "enabled": True,
        "base_url": upstream.base_url,
        "api_key": f"{MARK}of-first",
        "models": {"m": "vendor/up-m"},
    }
    return {**block, **members}


@pytest.fixture
def second() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture
def first() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as upstream:
        upstream.default = json_body(response(output=[MESSAGE], usage=USAGE))
        yield upstream


Ask = Callable[[Mapping[str, Json]], Asking]


@pytest.fixture
def asking_with(served: Serve, asking: Callable[[Gateway], Asking]) -> Ask:
    """Asks a gateway with these providers."""
    return lambda providers: asking(served({"providers": providers}, NO_RETRIES))


@pytest.fixture
def ask(asking_with: Ask, first: ScriptedUpstream) -> Asking:
    """Asks a gateway with one provider, which has the Responses API."""
    return asking_with({"openai": provider(first)})


def test_a_request_reaches_the_provider_as_it_was_written(
    ask: Asking, first: ScriptedUpstream
) -> None:
    body = (
        b'{ "input" : [{"type":"message","role":"user","content":"Gr\\u00fc\xc3\x9fe"}],\n "model":"m", '
        b'"tools":[{"type":"web_search","filters":{"allowed_domains":["e.com"]}},{"type":"brand_new","x":1e2}],'
        b'"store":false, "brand_new_member":{"a":[ 1 ]} }'
    )
    assert ask.post(body, RESPONSES).status_code == 200
    seen = first.requests[0]
    assert seen.path == RESPONSES
    assert seen.body == body.replace(b'"model":"m"', b'"model":"vendor/up-m"')
    assert seen.headers["authorization"] == f"Bearer {MARK}of-first"


def test_only_headers_that_concern_the_provider_are_forwarded(
    ask: Asking, first: ScriptedUpstream
) -> None:
    given = {
        "authorization": "Bearer mine",
        "openai-beta": "responses=v1",
        "cookie": "a=b",
        "x-api-key": "mine",
    }
    assert (
        ask.post({"model": "m", "input": "Hi", "store": False}, RESPONSES, given).status_code == 200
    )
    headers = first.requests[0].headers
    assert headers["openai-beta"] == "responses=v1"
    assert headers["authorization"] == f"Bearer {MARK}of-first"
    assert not {"cookie", "x-api-key"} & headers.keys()


def test_a_whole_answer_is_passed_on_with_the_clients_name_of_the_model(
    ask: Asking, first: ScriptedUpstream
) -> None:
    received = ask.post({"model": "m", "input": "Hi", "store": False}, RESPONSES)
    assert received.status_code == 200
    assert received.json() == response(model="m", output=[MESSAGE], usage=USAGE)


def test_a_stream_is_passed_on_to_the_byte(ask: Asking, first: ScriptedUpstream) -> None:
    first.default = stream(answer())
    received = ask.post({"model": "m", "input": "Hi", "stream": True, "store": False}, RESPONSES)
    assert received.content == b"".join(answer(model="m"))
    assert response_in(received.text)["output"] == [MESSAGE]


@pytest.mark.parametrize("size", [1, 7, 64])
def test_a_stream_may_arrive_in_any_pieces(ask: Asking, first: ScriptedUpstream, size: int) -> None:
    data = b"".join(answer())
    first.default = stream([data[start : start + size] for start in range(0, len(data), size)])
    received = ask.post({"model": "m", "input": "Hi", "stream": True, "store": False}, RESPONSES)
    assert received.content == b"".join(answer(model="m"))


def test_a_cut_stream_never_ends_like_a_complete_one(ask: Asking, first: ScriptedUpstream) -> None:
    pieces = answer()
    for count in range(1, len(pieces)):
        first.default = stream(pieces[:count])
        received = ask.post(
            {"model": "m", "input": "Hi", "stream": True, "store": False}, RESPONSES
        )
        assert "response.completed" not in received.text
        if received.status_code == 200:
            # The client has begun to read: the response that it knows has failed.
            assert received.text.count("event: response.created") == 1
            last = json.loads(received.text.strip().split("data: ")[-1])
            assert (last["type"], last["response"]["id"], last["response"]["status"]) == (
                "response.failed",
                ID,
                "failed",
            )
            assert last["sequence_number"] == count + 1


def test_a_failed_response_leads_to_the_next_provider(
    asking_with: Ask, first: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    problem = {"code": "server_error", "message": "The model is overloaded"}
    first.default = stream(
        [*answer()[:2], event("response.failed", 2, response=response("failed", error=problem))]
    )
    second.default = whole({"role": "assistant", "content": "Hi from chat"})
    other = {"type": "openai-compatible", **provider(second)}
    ask = asking_with({"openai": provider(first), "other": other})
    received = ask.post({"model": "m", "input": "Hi", "stream": True, "store": False}, RESPONSES)
    assert response_in(received.text)["output"][0]["content"][0]["text"] == "Hi from chat"
    assert second.requests[0].path == "/v1/chat/completions"


def test_a_request_that_chat_cannot_express_skips_providers_without_the_api(
    asking_with: Ask, first: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    other = {"type": "openai-compatible", **provider(second)}
    ask = asking_with({"other": other, "openai": provider(first)})
    forced = {"tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search"}}
    assert (
        ask.post({"model": "m", "input": "Hi", "store": False, **forced}, RESPONSES).status_code
        == 200
    )
    assert not second.requests
    assert first.requests[0].json["tool_choice"] == {"type": "web_search"}


def test_a_request_that_chat_cannot_express_is_refused_where_nobody_has_the_api(
    asking_with: Ask, second: ScriptedUpstream
) -> None:
    ask = asking_with({"other": {"type": "openai-compatible", **provider(second)}})
    received = ask.post({"model": "m", "input": [{"type": "brand_new_item"}]}, RESPONSES)
    assert received.status_code == 400
    assert received.json()["error"]["param"] == "input[0].type"
    assert not second.requests


def test_a_providers_defaults_apply_so_the_request_is_translated(
    asking_with: Ask, second: ScriptedUpstream
) -> None:
    second.default = whole({"role": "assistant", "content": "Hi"})
    block = provider(second, temperature=0.5)
    ask = asking_with({"openai": block})
    assert ask.post({"model": "m", "input": "Hi", "store": False}, RESPONSES).status_code == 200
    assert second.requests[0].json["temperature"] == 0.5


@pytest.mark.parametrize("streamed", [False, True])
def test_the_response_is_stored_under_the_providers_id(
    ask: Asking, first: ScriptedUpstream, streamed: bool
) -> None:
    if streamed:
        first.default = stream(answer())
    assert ask.post({"model": "m", "input": "Hi", "stream": streamed}, RESPONSES).status_code == 200
    found = ask.get(f"{RESPONSES}/{ID}")
    assert found.status_code == 200
    assert found.json() == response(model="m", output=[MESSAGE], usage=USAGE)
    assert ask.get(f"{RESPONSES}/{ID}/input_items").json()["data"][0]["content"][0]["text"] == "Hi"


def test_a_providers_response_is_continued_by_the_provider(
    ask: Asking, first: ScriptedUpstream
) -> None:
    """It still has the reasoning, which the gateway cannot store."""
    ask.post({"model": "m", "input": "Hi"}, RESPONSES)
    assert (
        ask.post({"model": "m", "input": "More", "previous_response_id": ID}, RESPONSES).status_code
        == 200
    )
    assert first.requests[-1].json == {
        "model": "vendor/up-m",
        "input": "More",
        "previous_response_id": ID,
    }


def test_another_provider_gets_the_whole_conversation(ask: Asking, first: ScriptedUpstream) -> None:
    ask.post({"model": "m", "input": "Hi"}, RESPONSES)
    unknown = error(
        400, f"Previous response with id '{ID}' not found.", code="previous_response_not_found"
    )
    first.script(unknown, whole({"role": "assistant", "content": "Again"}))
    received = ask.post({"model": "m", "input": "More", "previous_response_id": ID}, RESPONSES)
    assert received.status_code == 200
    sent = json.dumps(first.requests[-1].json)
    assert '"Hi"' in sent
    assert '"More"' in sent
    assert "previous_response_id" not in sent


@pytest.mark.parametrize("member", [{"conversation": "conv_1"}, {"prompt": {"id": "pmpt_1"}}])
def test_what_a_provider_stores_beside_responses_reaches_it(
    ask: Asking, first: ScriptedUpstream, member: dict[str, object]
) -> None:
    body = {"model": "m", "input": "Hi", "store": False, **member}
    assert ask.post(body, RESPONSES).status_code == 200
    assert first.requests[0].json == {**body, "model": "vendor/up-m"}


def test_what_only_the_provider_has_stored_is_asked_of_the_provider(
    ask: Asking, first: ScriptedUpstream
) -> None:
    body = {"model": "m", "input": "More", "previous_response_id": "resp_of_another_day"}
    assert ask.post(body, RESPONSES).status_code == 200
    assert first.requests[0].json["previous_response_id"] == "resp_of_another_day"


def test_a_refusal_of_the_provider_is_an_error_of_the_dialect(
    ask: Asking, first: ScriptedUpstream
) -> None:
    first.default = error(400, "Unknown parameter: 'x'", param="x", code="unknown_parameter")
    received = ask.post({"model": "m", "input": "Hi", "x": 1, "store": False}, RESPONSES)
    assert received.status_code == 400
    assert received.json()["error"]["param"] == "x"


def test_a_client_that_leaves_at_the_end_is_not_a_cancellation(
    ask: Asking, first: ScriptedUpstream
) -> None:
    first.default = stream(answer())
    with ask.http.stream(
        "POST", RESPONSES, json={"model": "m", "input": "Hi", "stream": True}
    ) as received:
        for line in received.iter_lines():
            if line == "event: response.completed":
                break
    assert "cancelled" not in ask.gateway.log()


def test_a_provider_that_answers_whole_still_streams_to_the_client(
    ask: Asking, first: ScriptedUpstream
) -> None:
    received = ask.post({"model": "m", "input": "Hi", "stream": True, "store": False}, RESPONSES)
    assert response_in(received.text) == response(model="m", output=[MESSAGE], usage=USAGE)


def test_a_provider_that_streams_unasked_still_answers_whole(
    ask: Asking, first: ScriptedUpstream
) -> None:
    first.default = stream(answer())
    received = ask.post({"model": "m", "input": "Hi", "store": False}, RESPONSES)
    assert received.json() == response(model="m", output=[MESSAGE], usage=USAGE)


def test_a_request_is_only_translated_for_providers_without_the_api(
    asking_with: Ask, first: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    """What chat cannot express is no fault where the provider has the API: it may know more than the gateway."""
    body = {
        "model": "m",
        "input": [{"type": "message", "role": "user", "content": [{"type": "brand_new"}]}],
    }
    assert (
        asking_with({"openai": provider(first)})
        .post({**body, "store": False}, RESPONSES)
        .status_code
        == 200
    )
    other = {"type": "openai-compatible", **provider(second)}
    refused = asking_with({"other": other}).post(body, RESPONSES)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "input[0].content[0].type"
