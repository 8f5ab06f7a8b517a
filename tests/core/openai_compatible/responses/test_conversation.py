"""The messages of a chat request as items."""

from __future__ import annotations

import json
from typing import Any

from chat_requests import PDF, PNG, data_uri
from responses_adapter import (
    call_of,
    dropped,
    message_of,
    responses_adapter,
    sent,
    streamed_message_of,
)

from llms_core.testing.upstream.responses import (
    custom_call_item,
    function_call_item,
    message_item,
    reasoning_item,
    response_body,
    response_events,
)

Json = dict[str, Any]

QUESTION = {"role": "user", "content": "Why?"}
THOUGHT = reasoning_item("Hm.", encrypted="gAAAAAB-1")
SECOND_THOUGHT = reasoning_item("Well.", id="rs_2", encrypted="gAAAAAB-2")
CALL = function_call_item("f", {"a": 1})
SEARCH = {
    "type": "web_search_call",
    "id": "ws_1",
    "status": "completed",
    "action": {"type": "search", "query": "q"},
}


def items_of(*messages: Any) -> list[Json]:
    found: list[Json] = sent(messages=list(messages))["input"]
    return found


def returned(*output: Json, streams: bool = False) -> Json:
    """The message that these items become."""
    body = response_body(*output)
    return streamed_message_of(response_events(body)) if streams else message_of(body)


def results_of(message: Json) -> list[Json]:
    return [
        {"role": "tool", "tool_call_id": call["id"], "content": "1"}
        for call in message.get("tool_calls", ())
    ]


def sent_back(message: Json) -> list[Json]:
    """The items of an answer when the client returns it; it is the second of the conversation."""
    items = items_of(QUESTION, message, *results_of(message), QUESTION)
    return items[1 : -1 - len(results_of(message))]


# Roles and parts


def test_instructions_keep_their_role_and_place() -> None:
    messages = [{"role": "developer", "content": "A"}, QUESTION, {"role": "system", "content": "B"}]
    assert items_of(*messages) == messages


def test_a_provider_without_developers_gets_system_messages() -> None:
    request = responses_adapter(developer=False).request(
        call_of(messages=[{"role": "developer", "content": "A"}])
    )
    assert json.loads(request.content)["input"] == [{"role": "system", "content": "A"}]


def test_images_and_files_are_parts() -> None:
    image = data_uri("image/png", PNG)
    file = data_uri("application/pdf", PDF)
    (item,) = items_of(
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "A"},
                {"type": "image_url", "image_url": {"url": image, "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
                {"type": "file", "file": {"file_data": file, "filename": "a.pdf"}},
                {"type": "file", "file": {"file_data": "https://x.example/a.pdf"}},
                {"type": "file", "file": {"file_id": "file-1"}},
            ],
        }
    )
    assert item["content"] == [
        {"type": "input_text", "text": "A"},
        {"type": "input_image", "image_url": image, "detail": "low"},
        {"type": "input_image", "image_url": "https://x.example/a.png", "detail": "auto"},
        {"type": "input_file", "file_data": file, "filename": "a.pdf"},
        {"type": "input_file", "file_url": "https://x.example/a.pdf"},
        {"type": "input_file", "file_id": "file-1"},
    ]


def test_a_file_without_a_name_gets_one() -> None:
    part = {"type": "file", "file": {"file_data": data_uri("application/pdf", PDF)}}
    (item,) = items_of({"role": "user", "content": [part]})
    assert item["content"][0]["filename"] == "file.pdf"


def test_a_content_without_parts_is_an_empty_text() -> None:
    assert items_of({"role": "user", "content": []}) == [{"role": "user", "content": ""}]


def test_names_of_authors_are_reported() -> None:
    assert dropped(messages=[{**QUESTION, "name": "ann"}]) == ("messages.name",)


def test_a_refusal_is_what_the_assistant_said() -> None:
    refusal = {"role": "assistant", "content": None, "refusal": "No."}
    assert items_of(QUESTION, refusal, QUESTION)[1] == {"role": "assistant", "content": "No."}


# Tools


def test_calls_and_results_are_items() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    image = data_uri("image/png", PNG)
    content = [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": image}}]
    items = items_of(
        QUESTION,
        {"role": "assistant", "content": "Wait", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": content},
    )
    assert items[1:] == [
        {"role": "assistant", "content": "Wait"},
        {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": '{"a":1}'},
        {
            "type": "function_call_output",
            "call_id": "call_1",
            "output": [
                {"type": "input_text", "text": "See"},
                {"type": "input_image", "image_url": image, "detail": "auto"},
            ],
        },
    ]


def test_calls_that_share_an_id_get_their_own() -> None:
    calls = [
        {"id": "", "type": "function", "function": {"name": name, "arguments": ""}}
        for name in ("f", "g")
    ]
    results = [{"role": "tool", "tool_call_id": "", "content": text} for text in ("1", "2")]
    items = items_of(
        QUESTION, {"role": "assistant", "content": None, "tool_calls": calls}, *results
    )[1:]
    ids = [item["call_id"] for item in items]
    assert ids[:2] == ids[2:]
    assert ids[0] != ids[1]
    assert [item["arguments"] for item in items[:2]] == ["{}", "{}"]


def test_calls_of_custom_tools_return() -> None:
    message = returned(custom_call_item("c", "x = 1", call_id="call_7"), CALL)
    assert message["tool_calls"][0] == {
        "id": "call_7",
        "type": "custom",
        "custom": {"name": "c", "input": "x = 1"},
    }
    items = items_of(QUESTION, message, *results_of(message))[1:]
    assert [item["type"] for item in items] == [
        "custom_tool_call",
        "function_call",
        "custom_tool_call_output",
        "function_call_output",
    ]
    assert items[0]["input"] == "x = 1"
    assert items[2]["call_id"] == "call_7"


# What comes back to the provider


def test_reasoning_returns_before_what_it_led_to() -> None:
    for streams in (False, True):
        assert sent_back(returned(THOUGHT, CALL, streams=streams)) == [
            THOUGHT,
            {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": '{"a": 1}'},
        ]
        assert sent_back(returned(THOUGHT, message_item("Yes"), CALL, streams=streams)) == [
            THOUGHT,
            {"role": "assistant", "content": "Yes"},
            {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": '{"a": 1}'},
        ]


def test_items_in_another_order_than_a_messages_return_as_they_were() -> None:
    second_call = function_call_item("g", {}, call_id="call_2", id="fc_2")
    for streams in (False, True):
        for output in (
            [THOUGHT, CALL, SECOND_THOUGHT, second_call],
            [THOUGHT, message_item("Look"), SEARCH, message_item("Yes", id="msg_2"), CALL],
            [CALL, message_item("Yes")],
        ):
            assert sent_back(returned(*output, streams=streams)) == output


def test_the_phase_of_a_text_returns() -> None:
    message = returned(THOUGHT, message_item("Look", phase="commentary"), CALL)
    assert sent_back(message)[1] == {"role": "assistant", "content": "Look", "phase": "commentary"}


def test_reasoning_is_kept_if_the_client_has_edited_the_answer() -> None:
    message = returned(THOUGHT, CALL, SECOND_THOUGHT, message_item("Yes"))
    assert sent_back({**message, "content": "No"}) == [
        THOUGHT,
        SECOND_THOUGHT,
        {"role": "assistant", "content": "No"},
        {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": '{"a": 1}'},
    ]


def test_reasoning_never_stands_alone() -> None:
    """OpenAI answers "provided without its required following item"."""
    message = {**returned(THOUGHT, message_item("Yes")), "content": ""}
    assert items_of(QUESTION, message, QUESTION) == [QUESTION, QUESTION]


def test_a_summary_alone_is_not_kept() -> None:
    message = returned(reasoning_item("Hm."), message_item("Yes"))
    assert message["reasoning_content"] == "Hm."
    assert "provider_extra" not in message


def test_reasoning_that_is_not_encrypted_is_kept() -> None:
    """Open models show what they think, and need it back between calls."""
    thought = {**reasoning_item(), "content": [{"type": "reasoning_text", "text": "Hm."}]}
    message = returned(thought, CALL)
    assert message["reasoning_content"] == "Hm."
    assert sent_back(message)[0] == thought


def test_reasoning_returns_only_to_its_provider_and_family() -> None:
    message = returned(THOUGHT, CALL)
    conversation = call_of("o3", messages=[QUESTION, message, *results_of(message)])
    assert b"gAAAAAB" not in responses_adapter().request(conversation).content
    conversation = call_of("gpt-y", messages=[QUESTION, message, *results_of(message)])
    assert b"gAAAAAB" not in responses_adapter("second").request(conversation).content
    assert b"gAAAAAB" in responses_adapter().request(conversation).content


def test_an_id_that_was_replaced_is_the_same_in_the_kept_items() -> None:
    """The provider repeats the id of a call of the conversation."""
    first = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    earlier = [
        QUESTION,
        {"role": "assistant", "content": None, "tool_calls": [first]},
        {"role": "tool", "tool_call_id": "call_1", "content": "1"},
    ]
    message = message_of(
        response_body(THOUGHT, CALL, SECOND_THOUGHT, message_item("Yes")), messages=earlier
    )
    (call,) = message["tool_calls"]
    assert call["id"] != "call_1"
    items = items_of(*earlier, message, *results_of(message))
    assert [item.get("call_id") for item in items[3:]] == [None, call["id"], None, None, call["id"]]


def test_what_the_client_put_into_the_extra_is_not_trusted() -> None:
    owner = {"provider": "first", "family": "gpt"}
    hostile: list[Any] = [None, [], "x", {"items": 1}, {"items": [1, {}, {"type": 2}], "phase": 3}]
    for extra in hostile:
        if isinstance(extra, dict):
            extra["owner"] = owner
        answer = {"role": "assistant", "content": "Yes", "provider_extra": {"openai": extra}}
        assert items_of(QUESTION, answer, QUESTION)[1] == {"role": "assistant", "content": "Yes"}
