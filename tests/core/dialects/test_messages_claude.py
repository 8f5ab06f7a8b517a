"""Claude's own blocks, translated to chat's chunks and back, are the blocks that Claude sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.types import Message
from message_events import Json, check_order, check_types, events_of, final_message
from message_requests import upstream_request

from llms_core.dialects.messages.answer import encode_answer
from llms_core.dialects.messages.stream import MessageStreamWriter
from llms_core.errors import Unsupported
from llms_core.testing.framing import encode_events, encode_json
from llms_core.testing.playback import Response, feed_streams, play_completion
from llms_core.testing.subject import Subject, find

#: Begins as Claude's signatures do.
SIGNATURE = "EqQBCgIYAhIkMWVn"
THINKING = {"type": "thinking", "thinking": "I search.", "signature": SIGNATURE}
REDACTED = {"type": "redacted_thinking", "data": "EqQBCgIYAhIkMWVn"}
SEARCH = {
    "type": "server_tool_use",
    "id": "srvtoolu_1",
    "name": "web_search",
    "input": {"query": "herons"},
}
FOUND = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_1",
    "content": [
        {
            "type": "web_search_result",
            "url": "https://example.com",
            "title": "Herons",
            "encrypted_content": "abc",
            "page_age": "1 day",
        }
    ],
}
CITATION = {
    "type": "web_search_result_location",
    "url": "https://example.com",
    "title": "Herons",
    "encrypted_index": "def",
    "cited_text": "Herons fish.",
}
CITED = {"type": "text", "text": "They fish.", "citations": [CITATION]}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}}
WEATHER = {"name": "weather", "input_schema": {"type": "object"}}
WEB_SEARCH = {"type": "web_search_20250305", "name": "web_search"}

ANSWERS: dict[str, list[Json]] = {
    "thinking": [THINKING, {"type": "text", "text": "42"}],
    "thinking without a text": [{**THINKING, "thinking": ""}, {"type": "text", "text": "42"}],
    "redacted": [THINKING, REDACTED, {"type": "text", "text": "42"}],
    "interleaved": [THINKING, {"type": "text", "text": "First."}, THINKING, CALL],
    "searched": [
        THINKING,
        SEARCH,
        FOUND,
        {"type": "text", "text": "So: "},
        CITED,
        {"type": "text", "text": " Yes."},
    ],
    "searched and called": [SEARCH, FOUND, CITED, CALL],
}


@pytest.fixture(scope="module")
def claude() -> Subject:
    return find("anthropic", None)


def message(blocks: list[Json]) -> Json:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": blocks,
        "stop_reason": "tool_use" if CALL in blocks else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 5},
    }


def streamed_deltas(block: Json) -> tuple[Json, list[Json]]:
    """The start of a block and its deltas, as Claude streams it."""
    match block["type"]:
        case "text":
            deltas: list[Json] = [{"type": "text_delta", "text": block["text"]}]
            deltas += [
                {"type": "citations_delta", "citation": each} for each in block.get("citations", ())
            ]
            return {"type": "text", "text": ""}, deltas
        case "thinking":
            deltas = (
                [{"type": "thinking_delta", "thinking": block["thinking"]}]
                if block["thinking"]
                else []
            )
            signature = {"type": "signature_delta", "signature": block["signature"]}
            return {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signature]
        case "tool_use" | "server_tool_use":
            piece = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
            return {**block, "input": {}}, [piece]
    return block, []


def stream(blocks: list[Json]) -> list[tuple[str, Json]]:
    whole = message(blocks)
    found: list[Json] = [
        {"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}}
    ]
    for index, block in enumerate(blocks):
        start, deltas = streamed_deltas(block)
        found.append({"type": "content_block_start", "index": index, "content_block": start})
        found += [
            {"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas
        ]
        found.append({"type": "content_block_stop", "index": index})
    end = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    found += [
        {"type": "message_delta", "delta": end, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]
    return [(event["type"], event) for event in found]


def answered(claude: Subject, blocks: list[Json], *, is_streamed: bool) -> list[Json]:
    """The content that a client gets."""
    if not is_streamed:
        outcome = play_completion(claude, Response([encode_json(message(blocks))]))
        assert outcome.completion is not None
        data = encode_answer(outcome.completion, claude.call().body)
        Message.model_validate_json(data, strict=True)
        content: list[Json] = json.loads(data)["content"]
        return content
    (outcome,) = feed_streams(claude, [[b"".join(encode_events(stream(blocks), "sse"))]])
    assert outcome.error is None
    writer = MessageStreamWriter(claude.call(stream=True).body)
    data = b"".join(writer.write([chunk]) for chunk in outcome.chunks) + writer.end()
    found = events_of(data)
    check_order(found)
    check_types(found)
    return [block.model_dump(exclude_none=True) for block in final_message(data).content]


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("name", ANSWERS)
def test_blocks_reach_the_client_and_come_back(
    claude: Subject, name: str, is_streamed: bool
) -> None:
    blocks = ANSWERS[name]
    content = answered(claude, blocks, is_streamed=is_streamed)
    assert content == blocks

    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": content}]
    last: Any = "Go on."
    if CALL in blocks:
        last = [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "Sun"}]
    request = {
        "model": "m",
        "max_tokens": 5000,
        "tools": [WEATHER, WEB_SEARCH],
        "messages": [*turns, {"role": "user", "content": last}],
    }
    sent = json.loads(upstream_request(claude, request).content)
    assert sent["messages"][1]["content"] == blocks
    assert [tool["name"] for tool in sent["tools"]] == ["weather", "web_search"]


def test_another_vendor_of_the_protocol_does_not_get_claudes_thinking() -> None:
    """Only its adapter knows; here the owner keeps it from every other adapter."""
    turns = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": [THINKING, {"type": "text", "text": "42"}]},
        {"role": "user", "content": "Go on."},
    ]
    for provider in ("openai", "deepseek", "google", "bedrock", "cohere", "ollama"):
        body = {"model": "m", "max_tokens": 10, "messages": turns}
        assert SIGNATURE not in upstream_request(find(provider, None), body).content.decode()


def test_what_only_claude_has_reaches_it_unchanged(claude: Subject) -> None:
    own = {
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
        "metadata": {"user_id": "u" * 100},
        "top_k": 5,
    }
    request = {
        "model": "m",
        "max_tokens": 5000,
        "messages": [{"role": "user", "content": "?"}],
        **own,
    }
    sent = upstream_request(
        claude, request, [(b"anthropic-beta", b"context-management-2025-06-27, x\r\ny")]
    )
    body = json.loads(sent.content)
    assert {name: body.get(name) for name in ("thinking", "context_management", "metadata")} == {
        name: own[name] for name in ("thinking", "context_management", "metadata")
    }
    assert sent.headers["anthropic-beta"] == "context-management-2025-06-27"
    # Claude rejects it together with thinking.
    assert sent.dropped == ("top_k",)


def test_marks_of_tools_and_of_texts_reach_claude(claude: Subject) -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    request = {
        "model": "m",
        "max_tokens": 10,
        "system": [{"type": "text", "text": "Be brief.", **mark}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "?", **mark}]}],
        "tools": [WEB_SEARCH, {**WEATHER, **mark, "defer_loading": True}],
    }
    sent = json.loads(upstream_request(claude, request).content)
    assert sent["tools"] == [WEB_SEARCH, {**WEATHER, **mark, "defer_loading": True}]
    assert sent["system"] == request["system"]
    assert sent["messages"] == request["messages"]


def test_a_forced_server_tool_reaches_claude(claude: Subject) -> None:
    request = {
        "model": "m",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "?"}],
        "tools": [WEB_SEARCH],
        "tool_choice": {"type": "tool", "name": "web_search"},
    }
    sent = json.loads(upstream_request(claude, request).content)
    assert (sent["tools"], sent["tool_choice"]) == (
        [WEB_SEARCH],
        {"type": "tool", "name": "web_search"},
    )
    with pytest.raises(Unsupported, match="web_search"):
        upstream_request(find("google", None), request)


def test_marks_for_the_cache_of_calls_and_results_are_kept(claude: Subject) -> None:
    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "12 °C", **mark}
    request = {
        "model": "m",
        "max_tokens": 100,
        "tools": [WEATHER],
        "messages": [
            {"role": "user", "content": "?"},
            {"role": "assistant", "content": [{**CALL, **mark}]},
            {"role": "user", "content": [result]},
        ],
    }
    _, called, answered = json.loads(upstream_request(claude, request).content)["messages"]
    assert called["content"] == [{**CALL, **mark}]
    assert answered["content"][0]["cache_control"] == mark["cache_control"]
    assert b"cache_control" not in upstream_request(find("mistral", None), request).content
    _, called, answered = json.loads(upstream_request(find("bedrock", None), request).content)[
        "messages"
    ]
    point = {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert [called["content"][-1], answered["content"][-1]] == [point, point]
