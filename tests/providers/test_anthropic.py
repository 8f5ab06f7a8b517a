"""Anthropic's Messages API.

Recorded exchanges are checked in both directions with Anthropic's official SDK; tests with hypothesis and single cases
cover what was not recorded.
"""

from __future__ import annotations

import base64
import json
import re
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import pairwise
from typing import Any

import anthropic
import httpx2
import msgspec
import pytest
from anthropic.types import ModelParam
from anthropic.types.beta import BetaMessage
from chat_requests import (
    PDF,
    PNG,
    chat_call,
    chat_requests,
    data_uri,
    file_parts,
    image_parts,
    json_objects,
    json_values,
    text_parts,
)
from chat_streams import ChatStream
from hypothesis import event, given, settings
from hypothesis import strategies as st
from official_types import check_anthropic
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from recordings import Recording, for_each, pieces, recordings

from llms_core import ErrorKind, ProviderError, RequestError, Unsupported
from llms_core.contracts.chunk import Chunk
from llms_core.provider import Discovers, Inlines, ProviderSettings, UpstreamRequest
from llms_core.secret import Secret
from llms_providers.anthropic import ANTHROPIC, Anthropic, AnthropicSettings
from llms_providers.anthropic.blocks import ANSWER_TOOL
from llms_providers.anthropic.models import family_of
from llms_providers.anthropic.schema import UnsupportedSchema, close_schema

Json = dict[str, Any]

# One model for each way of thinking: adaptive, with a budget, not at all, and always.
NEWEST_MODEL = "claude-opus-5"
BUDGET_MODEL = "claude-sonnet-4-5"
PLAIN_MODEL = "claude-3-5-haiku-latest"
ALWAYS_THINKING_MODEL = "claude-opus-5-5"
MODELS = (NEWEST_MODEL, BUDGET_MODEL, PLAIN_MODEL, ALWAYS_THINKING_MODEL)

USER: Json = {"role": "user", "content": "Hi"}
WEATHER: Json = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
TIME: Json = {"type": "function", "function": {"name": "time"}}


def adapter(**members: Any) -> Anthropic:
    settings = AnthropicSettings(id="anthropic", api_key=Secret("sk-ant-mark"), **members)
    return Anthropic(ANTHROPIC, settings)


def translate(
    body: Mapping[str, Any], model: str = NEWEST_MODEL, **settings: Any
) -> tuple[Json, UpstreamRequest]:
    """Return the JSON that is sent for a request, and the whole upstream request."""
    call = chat_call({"model": "m", "messages": [USER], **body}, model=model)
    request = adapter(**settings).request(call)
    return json.loads(request.content), request


def payload_of(body: Mapping[str, Any], model: str = NEWEST_MODEL) -> Json:
    """Return only the JSON that is sent for a request."""
    payload, _ = translate(body, model)
    return payload


def completion_of(message: Mapping[str, Any], **request: Any) -> Json:
    """Return the completion for a message of Claude's, validated by OpenAI's types."""
    call = chat_call({"model": "local", "messages": [USER], **request}, model=NEWEST_MODEL)
    body = json.dumps({"type": "message", "id": "msg_1", **message})
    completion = adapter().completion(call, body.encode())
    ChatCompletion.model_validate_json(completion.data)
    return dict(json.loads(completion.data))


def chunks_of(body: bytes, size: int = 0, **request: Any) -> list[Json]:
    """Return the chunks that the client gets for a stream, validated by OpenAI's types.

    The stream arrives in pieces of `size` bytes, or all at once.
    """
    call = chat_call(
        {"model": "local", "messages": [USER], "stream": True, **request}, model=NEWEST_MODEL
    )
    progress = ChatStream(adapter().chunks(call))
    chunks: list[Chunk] = []
    for piece in [*pieces(body, size or max(len(body), 1)), b""]:
        chunks += progress.feed(piece)
    if progress.failure is not None:
        raise progress.failure
    assert progress.complete
    chunks += progress.held_back()
    decoded = [json.loads(chunk.data) for chunk in chunks]
    for chunk in decoded:
        ChatCompletionChunk.model_validate(chunk)
    return decoded


def events(*messages: Mapping[str, Any]) -> bytes:
    """Return a stream of server-sent events."""
    stream = b""
    for message in messages:
        stream += f"event: {message['type']}\ndata: {json.dumps(message)}\n\n".encode()
    return stream


def join_chunks(chunks: Iterable[Json]) -> Json:
    """Return the answer that a client assembles from chunks: `message`, `finish_reason`, `usage`, `id`, `model`."""
    message: Json = {"role": None, "content": None, "tool_calls": []}
    answer: Json = {"usage": None, "finish_reason": None, "message": message}
    for chunk in chunks:
        answer["usage"] = chunk.get("usage") or answer["usage"]
        answer["id"] = chunk["id"]
        answer["model"] = chunk["model"]
        for choice in chunk["choices"]:
            answer["finish_reason"] = choice["finish_reason"] or answer["finish_reason"]
            add_delta(message, choice["delta"])
    return answer


def add_delta(message: Json, delta: Json) -> None:
    for name, value in delta.items():
        if name in ("content", "reasoning_content"):
            message[name] = (message.get(name) or "") + value
        elif name == "tool_calls":
            for fragment in value:
                add_call_fragment(message["tool_calls"], fragment)
        else:
            message[name] = value


def add_call_fragment(calls: list[Json], fragment: Json) -> None:
    """SR-056: the first fragment of a call has its id, name and type, and the next free index."""
    if fragment["index"] == len(calls):
        calls.append({name: value for name, value in fragment.items() if name != "index"})
        assert fragment["id"]
        assert fragment["function"]["name"]
        assert fragment["type"] == "function"
    else:
        calls[fragment["index"]]["function"]["arguments"] += fragment["function"]["arguments"]


# Recorded answers ---------------------------------------------------------------------------------------------------


def sdk_message(recording: Recording) -> BetaMessage:
    """Return the recorded answer as Anthropic's own SDK parses it."""
    content_type = "text/event-stream" if "text" in recording.response else "application/json"
    answer = httpx2.Response(200, headers={"content-type": content_type}, content=recording.body)
    transport = httpx2.MockTransport(lambda request: answer)
    with warnings.catch_warnings(), httpx2.Client(transport=transport) as http:
        warnings.simplefilter("ignore")
        messages = anthropic.Anthropic(api_key="k", http_client=http).beta.messages
        if content_type == "application/json":
            return messages.create(
                model="m", max_tokens=1, messages=[{"role": "user", "content": "x"}]
            )
        with messages.stream(
            model="m", max_tokens=1, messages=[{"role": "user", "content": "x"}]
        ) as stream:
            return stream.get_final_message()


def client_answer(recording: Recording) -> Json:
    """Return the recorded answer as the client gets it: `message`, `finish_reason`, `usage`, `id`, `model`."""
    if "text" in recording.response:
        return join_chunks(chunks_of(recording.body))
    call = chat_call({"model": "local", "messages": [USER]}, model=recording.model)
    completion = json.loads(adapter().completion(call, recording.body).data)
    ChatCompletion.model_validate(completion)
    return {**completion, **completion["choices"][0]}


def is_success(recording: Recording) -> bool:
    return recording.status == 200


def is_stream(recording: Recording) -> bool:
    return is_success(recording) and "text" in recording.response


def is_error(recording: Recording) -> bool:
    return not is_success(recording)


FINISH_REASONS = {"end_turn": "stop", "max_tokens": "length", "tool_use": "tool_calls"}


@for_each(recordings("anthropic", is_success))
def test_recorded_answers_have_the_content_that_the_official_sdk_reads(
    recording: Recording,
) -> None:
    """SR-042 … SR-050: text, calls, reasoning and finish reason, streamed or not."""
    expected = sdk_message(recording)
    answer = client_answer(recording)
    message = answer["message"]
    text = "".join(block.text for block in expected.content if block.type == "text")
    reasoning = "".join(block.thinking for block in expected.content if block.type == "thinking")
    expected_calls = [
        (block.id, block.name, block.input)
        for block in expected.content
        if block.type == "tool_use"
    ]
    calls = []
    for call in message.get("tool_calls") or ():
        function = call["function"]
        calls.append((call["id"], function["name"], json.loads(function["arguments"])))
    assert (message["content"] or "") == text
    assert (message.get("reasoning_content") or "") == reasoning
    assert calls == expected_calls
    assert message["role"] == "assistant"
    assert answer["id"] == expected.id
    assert answer["model"] == "local"
    assert expected.stop_reason is not None
    assert answer["finish_reason"] == FINISH_REASONS[expected.stop_reason]


@for_each(recordings("anthropic", is_success))
def test_recorded_answers_have_the_usage_that_the_official_sdk_reads(recording: Recording) -> None:
    """SR-049: cached tokens are a part of the prompt's."""
    expected = sdk_message(recording).usage
    usage = client_answer(recording)["usage"]
    cache_read = expected.cache_read_input_tokens or 0
    cache_written = expected.cache_creation_input_tokens or 0
    reasoning_tokens = (
        expected.output_tokens_details and expected.output_tokens_details.thinking_tokens
    )
    completion_details = usage.get("completion_tokens_details") or {}
    assert usage["prompt_tokens"] == expected.input_tokens + cache_read + cache_written
    assert usage["completion_tokens"] == expected.output_tokens
    assert usage["total_tokens"] == usage["prompt_tokens"] + expected.output_tokens
    assert usage["prompt_tokens_details"] == {
        "cached_tokens": cache_read,
        "cache_write_tokens": cache_written,
    }
    assert completion_details.get("reasoning_tokens") == reasoning_tokens


@for_each(recordings("anthropic", is_success))
def test_a_returned_answer_is_sent_back_unchanged(recording: Recording) -> None:
    """Signatures, server tools and citations survive if the client returns the message as it got it, in their order."""
    message = client_answer(recording)["message"]
    body = payload_of(
        {"messages": [USER, message, {"role": "user", "content": "Go on"}]}, recording.model
    )
    sent: list[Any] = []
    for turn in body["messages"]:
        if turn["role"] == "assistant":
            sent += [without_defaults(block) for block in turn["content"]]
    expected = [
        without_defaults(block) for block in json.loads(sdk_message(recording).to_json())["content"]
    ]
    # Anthropic returns empty texts, but does not accept them.
    expected = [block for block in expected if block != {"type": "text", "text": ""}]
    assert sent == expected


@for_each(recordings("anthropic", is_success))
def test_an_answer_can_be_returned_without_provider_extra(recording: Recording) -> None:
    """A client that drops members it does not know still returns the text and the calls."""
    known = {"role", "content", "tool_calls"}
    answer = client_answer(recording)["message"]
    message = {name: value for name, value in answer.items() if name in known}
    body = payload_of(
        {"messages": [USER, message, {"role": "user", "content": "Go on"}]}, recording.model
    )
    types = {block["type"] for turn in body["messages"] for block in turn["content"]}
    assert types <= {"text", "tool_use"}


def without_defaults(value: Any) -> Any:
    """Return a block without nulls, and without the members that only answers have."""
    if isinstance(value, list):
        return [without_defaults(item) for item in value]
    if not isinstance(value, dict):
        return value
    cleaned = {}
    for name, member in value.items():
        if member is not None and (name, member) != ("caller", {"type": "direct"}):
            cleaned[name] = without_defaults(member)
    return cleaned


@for_each(recordings("anthropic", is_stream))
def test_a_stream_gives_the_same_chunks_however_it_is_split(recording: Recording) -> None:
    """SR-053, SR-054: into pieces of 1, 7 and 64 bytes, or not at all."""
    expected = chunks_of(recording.body)
    assert "role" in expected[0]["choices"][0]["delta"]
    # Single bytes take too long for large recordings.
    for size in (1, 7, 64) if len(recording.body) < 8000 else (7, 64):
        assert chunks_of(recording.body, size) == expected


ERROR_KINDS = {
    400: ErrorKind.INVALID_REQUEST,
    401: ErrorKind.AUTH,
    404: ErrorKind.MODEL_NOT_FOUND,
}


@for_each(recordings("anthropic", is_error))
def test_recorded_errors_are_classified(recording: Recording) -> None:
    error = adapter().error(recording.status, recording.headers, recording.body)
    expected = json.loads(recording.body)["error"]
    assert error.kind == ERROR_KINDS[recording.status]
    assert error.message == expected["message"]
    assert error.type == expected["type"]


# Recorded requests --------------------------------------------------------------------------------------------------

OPEN_SCHEMA = '{"type": "json_schema", "schema": {"type": "object"}}'


def skip_reason(recording: Recording) -> str | None:
    """Return why a recorded request has no equivalent in OpenAI's terms, None if it has one."""
    body = json.dumps(recording.request["body"])
    if '"tool_addition"' in body:
        return "OpenAI's messages cannot add tools in the middle of a conversation"
    if OPEN_SCHEMA in body:
        return "a schema of any object is sent as a tool, not as structured output"
    return None


@for_each(recordings("anthropic"))
def test_the_openai_equivalent_of_a_recorded_request_is_sent_like_it(recording: Recording) -> None:
    """SR-026, SR-031 … SR-041."""
    reason = skip_reason(recording)
    if reason is not None:
        pytest.skip(reason)
    recorded = recording.request["body"]
    body, request = translate(as_openai(recorded), recording.model)
    assert request.dropped == ()
    assert normalized(body) == normalized(recorded)
    assert request.url.endswith("/v1/messages")
    check_anthropic(body)


# Parameters that are the same in both formats, or that only Anthropic has.
SHARED_PARAMETERS = (
    "temperature",
    "stream",
    "thinking",
    "cache_control",
    "container",
    "mcp_servers",
    "metadata",
)


def as_openai(body: Json) -> Json:
    """Return a native request in OpenAI's terms, with the parameters that only Anthropic has."""
    request = select(body, *SHARED_PARAMETERS)
    if body["max_tokens"]:
        request["max_completion_tokens"] = body["max_tokens"]
    if "stop_sequences" in body:
        request["stop"] = body["stop_sequences"]
    if "tools" in body:
        request["tools"] = [tool_as_openai(tool) for tool in body["tools"]]
    request |= output_config_as_openai(body)
    request |= tool_choice_as_openai(body)
    messages: list[Json] = []
    system = blocks_of(body.get("system"))
    if system:
        messages.append({"role": "system", "content": [part_as_openai(block) for block in system]})
    for turn in body["messages"]:
        messages += turn_as_openai(turn["role"], blocks_of(turn["content"]))
    return {**request, "messages": messages}


def select(members: Json, *names: str) -> Json:
    """Return the members with these names."""
    return {name: members[name] for name in names if name in members}


def output_config_as_openai(body: Json) -> Json:
    request: Json = {}
    config = {**body.get("output_config", {})}
    output_format = config.pop("format", body.get("output_format"))
    if output_format:
        json_schema = {"name": "x", "schema": output_format["schema"]}
        request["response_format"] = {"type": "json_schema", "json_schema": json_schema}
    if config:
        request["output_config"] = config
    return request


def tool_choice_as_openai(body: Json) -> Json:
    choice = body.get("tool_choice")
    if not choice:
        return {}
    request: Json = {"tool_choice": choice["type"]}
    if choice["type"] == "any":
        request["tool_choice"] = "required"
    if choice["type"] == "tool":
        request["tool_choice"] = {"type": "function", "function": {"name": choice["name"]}}
    if "disable_parallel_tool_use" in choice:
        request["parallel_tool_calls"] = not choice["disable_parallel_tool_use"]
    return request


def blocks_of(content: Any) -> list[Json]:
    """Return content as blocks: Anthropic accepts a text in their place."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return content or []


def tool_as_openai(tool: Json) -> Json:
    if tool.get("type", "custom") != "custom":
        return tool
    return {
        "type": "function",
        "function": {
            "name": tool["name"],
            "parameters": tool["input_schema"],
            **select(tool, "description", "strict"),
        },
        **select(tool, "cache_control", "defer_loading"),
    }


def turn_as_openai(role: str, blocks: list[Json]) -> list[Json]:
    """Return the messages for a turn: one, and one more for each result of a tool."""
    if role == "assistant":
        return [assistant_as_openai(blocks)]
    messages: list[Json] = []
    parts: list[Json] = []
    for block in blocks:
        if block["type"] == "tool_result":
            messages.append(tool_result_as_openai(block))
        else:
            parts.append(part_as_openai(block))
    if parts:
        messages.append({"role": role, "content": parts})
    return messages


def assistant_as_openai(blocks: list[Json]) -> Json:
    texts = [select(block, "type", "text") for block in blocks if block["type"] == "text"]
    calls = [tool_call_as_openai(block) for block in blocks if block["type"] == "tool_use"]
    message: Json = {"role": "assistant", "content": texts or None}
    if any(block["type"] not in ("text", "tool_use") for block in blocks):
        message["provider_extra"] = {"anthropic": {"content": blocks}}
    if calls:
        message["tool_calls"] = calls
    return message


def tool_call_as_openai(block: Json) -> Json:
    call: Json = {
        "id": block["id"],
        "type": "function",
        "function": {"name": block["name"], "arguments": json.dumps(block["input"])},
    }
    extra = extra_members(block)
    if extra:
        call["provider_extra"] = {"anthropic": extra}
    return call


def tool_result_as_openai(block: Json) -> Json:
    content = block["content"]
    if isinstance(content, list):
        content = [part_as_openai(part) for part in content]
    return {
        "role": "tool",
        "tool_call_id": block["tool_use_id"],
        "content": content,
        **select(block, "cache_control", "is_error"),
    }


def part_as_openai(block: Json) -> Json:
    """Return OpenAI's part for a block; the block itself if OpenAI has none."""
    source = block.get("source", {})
    if source.get("type") == "base64":
        source = {"type": "url", "url": f"data:{source['media_type']};base64,{source['data']}"}
    if block["type"] == "image" and source.get("type") == "url":
        return {"type": "image_url", "image_url": {"url": source["url"]}, **extra_members(block)}
    if block["type"] == "document" and source.get("type") == "url":
        return {"type": "file", "file": {"file_data": source["url"]}, **extra_members(block)}
    return block


def extra_members(block: Json) -> Json:
    return select(block, "cache_control", "citations", "title")


def normalized(body: Json) -> Json:
    """Return a native request in one of the spellings that Anthropic accepts."""
    request = {name: value for name, value in body.items() if value is not None}
    if not body["max_tokens"]:
        # 0 only fills the cache. OpenAI has no such request.
        request["max_tokens"] = family_of(body["model"]).max_tokens
    output_format = request.pop("output_format", None)
    if output_format is not None:
        # The name of the parameter while it was in beta.
        request["output_config"] = {"format": output_format}
    request["stream"] = bool(body.get("stream"))
    request["tools"] = [{"type": "custom", **tool} for tool in body.get("tools", ())]
    choice = body.get("tool_choice", {"type": "auto"})
    request["tool_choice"] = {"disable_parallel_tool_use": False, **choice}
    system, turns = normalized_conversation(body)
    request["system"] = system
    request["messages"] = turns
    return request


def normalized_conversation(body: Json) -> tuple[list[Json], list[Json]]:
    system = list(blocks_of(body.get("system")))
    turns: list[Json] = []
    for turn in body["messages"]:
        blocks = [
            normalized_block(block) for block in blocks_of(turn["content"]) if not is_blank(block)
        ]
        if turn["role"] == "system":
            # Instructions in the middle are moved to all others.
            system += blocks
        elif turns and turns[-1]["role"] == turn["role"]:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": turn["role"], "content": blocks})
    return system, turns


def normalized_block(block: Json) -> Json:
    normal = {name: value for name, value in block.items() if (name, value) != ("is_error", False)}
    if block["type"] == "tool_result":
        normal["content"] = blocks_of(block.get("content"))
    return normal


def is_blank(block: Json) -> bool:
    return "text" in block and not block["text"].strip()


# Any request, any answer ----------------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(
    chat_requests(
        parts=text_parts | image_parts | file_parts,
        never=["n", "logprobs"],
        also={
            "top_k": st.integers(1, 100),
            "thinking": st.just({"type": "adaptive"}),
            "cache_control": st.just({"type": "ephemeral"}),
        },
    ),
    st.sampled_from([*MODELS, "claude-opus-4-6", "claude-sonnet-5-5", "glm-4.6"]),
)
def test_any_valid_request_is_accepted_by_the_official_sdk(body: Json, model: str) -> None:
    """Or it is refused with a reason. The turns have the order and the shape that the API requires."""
    try:
        payload, request = translate(body, model)
    except (Unsupported, RequestError) as refusal:
        event(f"refused: {refusal.param}")
        return
    event(f"dropped: {bool(request.dropped)}")
    check_anthropic(payload)
    assert set(request.dropped) <= body.keys() | {"messages[].name"}
    turns = payload["messages"]
    for turn, next_turn in pairwise(turns):
        assert turn["role"] != next_turn["role"]
    calls: list[str] = []
    for turn in turns:
        types = [block["type"] for block in turn["content"]]
        assert types == sorted(types, key=lambda type_: type_ != "tool_result"), (
            "results come first"
        )
        assert all(block["text"].strip() for block in turn["content"] if block["type"] == "text")
        results = [
            block["tool_use_id"] for block in turn["content"] if block["type"] == "tool_result"
        ]
        assert sorted(results) == sorted(calls)
        calls = [block["id"] for block in turn["content"] if block["type"] == "tool_use"]
    if payload.get("thinking", {}).get("type") == "enabled":
        assert 1024 <= payload["thinking"]["budget_tokens"] < payload["max_tokens"]
        assert payload.get("temperature", 1) == 1


blocks = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "thinking", "tool_use", "server_tool_use", "of_the_future"])},
    optional=dict.fromkeys(
        ("text", "thinking", "citations", "id", "name", "input", "signature"), json_values
    ),
)
deltas = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["text_delta", "thinking_delta", "input_json_delta", "citations_delta"]
        )
    },
    optional=dict.fromkeys(
        ("text", "thinking", "citation", "partial_json", "stop_reason"), json_values
    ),
)
any_events = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["content_block_start", "content_block_delta", "content_block_stop", "message_delta"]
        )
    },
    optional={
        "index": st.integers(0, 2),
        "content_block": blocks,
        "delta": deltas | json_objects,
        "usage": st.fixed_dictionaries(
            {}, optional={"input_tokens": json_values, "output_tokens": st.integers()}
        ),
    },
)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.lists(any_events, max_size=6), st.lists(blocks, max_size=3))
def test_any_answer_becomes_a_completion_or_an_error(
    stream: list[Json], content: list[Json]
) -> None:
    call = chat_call({"model": "m", "messages": [USER]})
    translator = adapter().chunks(call)
    with suppress(ProviderError):
        for message in stream:
            for chunk in translator.feed("", json.dumps(message).encode()):
                ChatCompletionChunk.model_validate_json(chunk.data)
    with suppress(ProviderError):
        completion_of({"content": content, "stop_reason": "end_turn"})


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(
    st.lists(blocks | json_values, max_size=4) | json_values,
    json_objects,
    st.sampled_from([NEWEST_MODEL, BUDGET_MODEL]),
)
def test_any_provider_extra_and_schema_is_sent_or_refused(
    content: Any, schema: Json, model: str
) -> None:
    extra = {"anthropic": {"content": content}}
    message = {"role": "assistant", "content": "So", "provider_extra": extra}
    with suppress(Unsupported, RequestError):
        translate(
            {
                "messages": [USER, message],
                "response_format": as_schema(schema),
                "reasoning_effort": "low",
            },
            model,
        )
    with suppress(UnsupportedSchema):
        close_schema({"type": "object", "properties": {"a": schema}})


@settings(max_examples=100, deadline=None)
@given(chat_requests(parts=text_parts | image_parts | file_parts), st.sampled_from(MODELS))
def test_building_a_request_does_not_change_the_call(body: Json, model: str) -> None:
    """A call is shared by all attempts, so the next provider must get the same one."""
    assert_unchanged(body, model)


def test_building_a_request_does_not_change_what_is_sent_back() -> None:
    """The blocks in `provider_extra` are sent as they are, and the last text is stripped of its whitespace."""
    kept = [
        {"type": "thinking", "thinking": "Hm", "signature": "c2ln"},
        {"type": "text", "text": "So ", "citations": []},
    ]
    message = {
        "role": "assistant",
        "content": "So ",
        "provider_extra": {"anthropic": {"content": kept}},
    }
    mark = {"cache_control": {"type": "ephemeral"}}
    body = {
        "model": "m",
        "messages": [{**USER, **mark}, message],
        "tools": [{**WEATHER, **mark}],
        "response_format": as_schema(PERSON),
        "output_config": {"effort": "low"},
        "reasoning_effort": "high",
    }
    assert_unchanged(body, NEWEST_MODEL)


def assert_unchanged(body: Json, model: str) -> None:
    call = chat_call(body, model=model)
    before = msgspec.json.encode([dict(call.members), call.request])
    with suppress(Unsupported, RequestError):
        adapter().request(call)
    assert msgspec.json.encode([dict(call.members), call.request]) == before


# Single requests ------------------------------------------------------------------------------------------------------


def test_instructions_become_the_system_prompt_in_order() -> None:
    """SR-041: of system and developer messages, wherever they are in the conversation."""
    payload = payload_of({"messages": [
        {"role": "system", "content": "One"},
        {"role": "developer", "content": [{"type": "text", "text": "Two"}]},
        USER,
        {"role": "system", "content": "Three"},
    ]})  # fmt: skip
    assert [block["text"] for block in payload["system"]] == ["One", "Two", "Three"]
    assert payload["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]


def test_results_of_parallel_calls_are_the_start_of_one_turn() -> None:
    """SR-032, SR-040."""
    calls = [
        {
            "id": each,
            "type": "function",
            "function": {"name": "weather", "arguments": '{"city": "Rome"}'},
        }
        for each in ("call_1", "functions.weather:1")
    ]
    payload = payload_of({"tools": [WEATHER], "messages": [
        USER,
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_1", "content": "Sun"},
        {"role": "user", "content": "And?"},
        {"role": "tool", "tool_call_id": "functions.weather:1", "content": [{"type": "text", "text": "Rain"}]},
    ]})  # fmt: skip
    assert payload["messages"][1:] == [
        {"role": "assistant", "content": [
            {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Rome"}},
            {"type": "tool_use", "id": "functions_weather_1", "name": "weather", "input": {"city": "Rome"}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "call_1", "content": "Sun"},
            {
                "type": "tool_result",
                "tool_use_id": "functions_weather_1",
                "content": [{"type": "text", "text": "Rain"}],
            },
            {"type": "text", "text": "And?"},
        ]},
    ]  # fmt: skip


def test_tools_called_in_the_conversation_are_declared() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": ""}}
    payload = payload_of({"messages": [
        USER, {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c", "content": ""},
    ]})  # fmt: skip
    assert payload["tools"] == [{"name": "weather", "input_schema": {"type": "object"}}]
    assert payload["tool_choice"] == {"type": "none"}
    assert payload["messages"][-1]["content"] == [{"type": "tool_result", "tool_use_id": "c"}]


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        ("claude-3-haiku-20240307", 4096),
        ("claude-2.1", 4096),
        ("claude-3-5-sonnet-20240620", 8192),
        ("claude-3-7-sonnet-20250219", 64_000),
        ("claude-opus-4-20250514", 32_000),
        ("claude-4-opus-20250514", 32_000),
        ("claude-opus-4-1-20250805", 32_000),
        ("claude-sonnet-4-0", 64_000),
        ("claude-sonnet-4-20250514", 64_000),
        ("claude-sonnet-4.5", 64_000),
        ("claude-haiku-4-5@20251001", 64_000),
        ("claude-opus-4-5-20251101", 64_000),
        ("claude-opus-4-6", 128_000),
        ("claude-opus-4-8", 128_000),
        ("claude-haiku-5-5", 128_000),
        ("claude-mythos-preview", 128_000),
        ("claude-of-the-future", 128_000),
        ("glm-4.6", 8192),
    ],
)
def test_max_tokens_defaults_to_the_limit_of_the_model(model: str, limit: int) -> None:
    assert payload_of({}, model)["max_tokens"] == limit


def test_max_tokens_has_two_names() -> None:
    """SR-013, SR-014."""
    assert payload_of({"max_tokens": 5})["max_tokens"] == 5
    assert payload_of({"max_completion_tokens": 6})["max_tokens"] == 6
    assert payload_of({"max_tokens": 5, "max_completion_tokens": 6})["max_tokens"] == 6


def test_every_model_that_the_official_sdk_lists_has_a_current_family() -> None:
    # ModelParam is a union of a literal type and str.
    members = ModelParam.__args__  # type: ignore[attr-defined]
    literal = next(member for member in members if hasattr(member, "__args__"))
    for model in literal.__args__:
        assert family_of(model).structured_outputs, model
        assert family_of(model).max_tokens in (64_000, 128_000), model


@pytest.mark.parametrize("stop", ["END", ["END", "###"]])
def test_stop_becomes_a_list(stop: str | list[str]) -> None:
    """SR-018."""
    assert payload_of({"stop": stop})["stop_sequences"] == (
        [stop] if isinstance(stop, str) else stop
    )


def test_blank_stop_sequences_are_reported_as_dropped() -> None:
    payload, request = translate({"stop": ["\n\n", "END"]})
    assert (payload["stop_sequences"], request.dropped) == (["END"], ("stop",))


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (
            {"type": "image_url", "image_url": {"url": data_uri("image/jpg", b"\xff\xd8")}},
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/jpeg", "data": "/9g="},
            },
        ),
        (
            {"type": "image_url", "image_url": "https://example.com/cat"},
            {"type": "image", "source": {"type": "url", "url": "https://example.com/cat"}},
        ),
        (
            {
                "type": "file",
                "file": {"filename": "a.pdf", "file_data": data_uri("application/pdf", PDF)},
            },
            {
                "type": "document",
                "title": "a.pdf",
                "source": {
                    "type": "base64",
                    "media_type": "application/pdf",
                    "data": base64.b64encode(PDF).decode(),
                },
            },
        ),
        (
            {"type": "file", "file": {"file_data": "https://example.com/a.pdf"}},
            {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
        ),
        (
            {
                "type": "file",
                "file": {"filename": "a.csv", "file_data": data_uri("text/csv", "ä,b".encode())},
            },
            {
                "type": "document",
                "title": "a.csv",
                "source": {"type": "text", "media_type": "text/plain", "data": "ä,b"},
            },
        ),
        (
            {
                "type": "file",
                "file": {"filename": "a.png", "file_data": data_uri("image/png", PNG)},
            },
            {
                "type": "image",
                "source": {
                    "type": "base64",
                    "media_type": "image/png",
                    "data": base64.b64encode(PNG).decode(),
                },
            },
        ),
        (
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "x"},
                "context": "c",
            },
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "x"},
                "context": "c",
            },
        ),
    ],
)
def test_images_and_documents_are_sent_by_url_or_as_bytes(part: Json, block: Json) -> None:
    """SR-035, SR-036, SR-038: Anthropic fetches URLs itself."""
    payload = payload_of(
        {"messages": [{"role": "user", "content": [part, {"type": "text", "text": "?"}]}]}
    )
    assert payload["messages"][0]["content"] == [block, {"type": "text", "text": "?"}]
    check_anthropic(payload)
    assert not isinstance(adapter(), Inlines)


def test_an_uploaded_file_enables_the_files_beta() -> None:
    part = {"type": "file", "file": {"file_id": "file_1"}}
    payload, request = translate(
        {"messages": [{"role": "user", "content": [part]}]}, beta=["other-2026-01-01"]
    )
    assert payload["messages"][0]["content"] == [
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}}
    ]
    assert request.headers["anthropic-beta"] == "other-2026-01-01,files-api-2025-04-14"


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}},
        {"type": "image_url", "image_url": {"url": data_uri("image/svg+xml", b"<svg/>")}},
        {"type": "file", "file": {"filename": "a.docx", "file_data": "https://example.com/a.docx"}},
        {"type": "hologram"},
    ],
)
def test_unsupported_media_are_refused(part: Json) -> None:
    """SR-037: before a request is sent."""
    with pytest.raises(Unsupported) as refusal:
        translate({"messages": [{"role": "user", "content": [part]}]})
    assert refusal.value.param == "messages[0].content[0]"
    assert not ANTHROPIC.capabilities.audio


def test_cache_control_is_passed_on() -> None:
    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    payload, request = translate({
        "tools": [{**WEATHER, **mark}],
        "messages": [
            {"role": "system", "content": "Long", **mark},
            {"role": "user", "content": [{"type": "text", "text": "Hi", **mark}, {"type": "text", "text": "!"}]},
        ],
        **mark,
    })  # fmt: skip
    assert payload["cache_control"] == mark["cache_control"]
    assert payload["tools"][0]["cache_control"] == mark["cache_control"]
    assert payload["system"] == [{"type": "text", "text": "Long", **mark}]
    assert payload["messages"][0]["content"] == [
        {"type": "text", "text": "Hi", **mark},
        {"type": "text", "text": "!"},
    ]
    assert request.dropped == ()


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        (None, None, None),
        ("auto", None, {"type": "auto"}),
        ("none", None, {"type": "none"}),
        ("none", False, {"type": "none"}),
        ("required", True, {"type": "any"}),
        (
            {"type": "function", "function": {"name": "time"}},
            None,
            {"type": "tool", "name": "time"},
        ),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
    ],
)
def test_tool_choice_is_translated(choice: object, parallel: bool | None, expected: object) -> None:
    payload, request = translate(
        {"tools": [WEATHER, TIME], "tool_choice": choice, "parallel_tool_calls": parallel}
    )
    assert payload.get("tool_choice") == expected
    assert request.dropped == ()
    assert payload["tools"] == [
        {
            "name": "weather",
            "description": "The weather",
            "input_schema": WEATHER["function"]["parameters"],
        },
        {"name": "time", "input_schema": {"type": "object"}},
    ]


def test_only_allowed_tools_are_sent() -> None:
    allowed = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "time"}}]}
    payload = payload_of({
        "tools": [WEATHER, TIME], "tool_choice": {"type": "allowed_tools", "allowed_tools": allowed},
    })  # fmt: skip
    assert [tool["name"] for tool in payload["tools"]] == ["time"]
    assert payload["tool_choice"] == {"type": "auto"}


def test_a_required_tool_call_is_refused_if_it_is_impossible() -> None:
    with pytest.raises(Unsupported, match="cannot be forced to"):
        translate({"tools": [WEATHER], "tool_choice": "required"}, ALWAYS_THINKING_MODEL)
    with pytest.raises(RequestError, match="no 'tools'"):
        translate({"tool_choice": "required"})


def test_strict_tools_are_strict_if_model_and_schema_allow_it() -> None:
    """Constraints that structured outputs do not support are moved into descriptions."""
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 1, "description": "How many"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    tool: Json = {
        "type": "function",
        "function": {"name": "f", "strict": True, "parameters": schema},
    }
    strict_tool = payload_of({"tools": [tool]})["tools"][0]
    assert strict_tool["strict"] is True
    assert strict_tool["input_schema"]["properties"] == {
        "n": {"type": "integer", "description": "How many\n\n{minimum: 1}"}
    }
    assert payload_of({"tools": [tool]}, PLAIN_MODEL)["tools"] == [
        {"name": "f", "input_schema": schema}
    ]
    free = {**tool, "function": {"name": "f", "strict": True, "parameters": {"type": "object"}}}
    assert payload_of({"tools": [free]})["tools"] == [
        {"name": "f", "input_schema": {"type": "object"}}
    ]
    many = [{**tool, "function": {**tool["function"], "name": f"f{n}"}} for n in range(21)]
    assert not any("strict" in each for each in payload_of({"tools": many})["tools"])


def test_server_tools_are_passed_on_and_unknown_ones_refused() -> None:
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    assert payload_of({"tools": [search, WEATHER]})["tools"][0] == search
    with pytest.raises(Unsupported, match="custom"):
        translate({"tools": [{"type": "custom", "custom": {"name": "grammar"}}]})


RECURSIVE = {
    "$ref": "#/$defs/T",
    "$defs": {"T": {"type": "object", "properties": {"t": {"$ref": "#/$defs/T"}}}},
}
PERSON = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def as_schema(schema: Json) -> Json:
    return {
        "type": "json_schema",
        "json_schema": {"name": "person", "schema": schema, "strict": True},
    }


def test_a_json_schema_uses_structured_outputs_if_available() -> None:
    payload, request = translate({"response_format": as_schema(PERSON)})
    assert payload["output_config"] == {
        "format": {"type": "json_schema", "schema": {**PERSON, "additionalProperties": False}}
    }
    assert "tools" not in payload
    assert "anthropic-beta" not in request.headers


@pytest.mark.parametrize(
    ("schema", "model"),
    [
        (PERSON, PLAIN_MODEL),
        ({"type": "object", "additionalProperties": {"type": "string"}}, NEWEST_MODEL),
        (RECURSIVE, NEWEST_MODEL),
    ],
)
def test_a_json_schema_falls_back_to_a_tool_whose_input_is_the_answer(
    schema: Json, model: str
) -> None:
    payload = payload_of({"response_format": as_schema(schema)}, model)
    assert payload["tool_choice"] == {"type": "tool", "name": ANSWER_TOOL}
    assert payload["tools"][-1]["input_schema"] == {**schema, "type": "object"}
    use = {"type": "tool_use", "id": "toolu_1", "name": ANSWER_TOOL, "input": {"name": "Ada"}}
    choice = completion_of({"content": [use], "stop_reason": "tool_use"})["choices"][0]
    assert json.loads(choice["message"]["content"]) == {"name": "Ada"}
    assert "tool_calls" not in choice["message"]
    assert choice["finish_reason"] == "stop"


def test_the_answer_tool_is_forced_along_with_the_clients_tools() -> None:
    body = {"response_format": as_schema(PERSON), "tools": [WEATHER]}
    assert payload_of(body, PLAIN_MODEL)["tool_choice"] == {"type": "any"}
    assert payload_of({**body, "tool_choice": "none"}, PLAIN_MODEL)["tool_choice"] == {
        "type": "tool",
        "name": ANSWER_TOOL,
    }
    forced = payload_of({**body, "tool_choice": "required"}, PLAIN_MODEL)
    assert (len(forced["tools"]), forced["tool_choice"]) == (1, {"type": "any"})


def test_a_json_schema_is_refused_if_it_cannot_be_guaranteed() -> None:
    with pytest.raises(Unsupported, match="any name"):
        translate({"response_format": as_schema({"type": "object"})}, ALWAYS_THINKING_MODEL)


def test_json_object_mode_is_an_instruction() -> None:
    payload = payload_of(
        {
            "response_format": {"type": "json_object"},
            "messages": [{"role": "system", "content": "S"}, USER],
        }
    )
    assert payload["system"][0]["text"] == "S"
    assert "JSON object" in payload["system"][1]["text"]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (
            {"type": "string", "format": "email", "maxLength": 5},
            {"type": "string", "format": "email", "description": "{maxLength: 5}"},
        ),
        ({"type": "string", "pattern": "^a"}, {"type": "string", "description": "{pattern: ^a}"}),
        ({"type": "array", "items": {"type": "null"}, "minItems": 1},) * 2,
        ({"oneOf": [{"type": "null"}, {"const": 1}]}, {"anyOf": [{"type": "null"}, {"const": 1}]}),
    ],
)
def test_unsupported_keywords_are_replaced_in_schemas(schema: Json, expected: Json) -> None:
    assert close_schema(schema) == expected


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": ["object", "null"], "additionalProperties": True},
        {"type": "array", "items": True},
        {"type": "object", "properties": {"self": {"$ref": "#"}}},
    ],
)
def test_open_and_recursive_schemas_are_unsupported(schema: Json) -> None:
    with pytest.raises(UnsupportedSchema):
        close_schema(schema)


# Reasoning and sampling ---------------------------------------------------------------------------------------------

SUMMARIZED = {"type": "adaptive", "display": "summarized"}


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "config", "dropped"),
    [
        (NEWEST_MODEL, "high", SUMMARIZED, {"effort": "high"}, ()),
        (NEWEST_MODEL, "minimal", SUMMARIZED, {"effort": "low"}, ()),
        (NEWEST_MODEL, "xhigh", SUMMARIZED, {"effort": "xhigh"}, ()),
        (NEWEST_MODEL, "none", {"type": "disabled"}, None, ()),
        (NEWEST_MODEL, "immense", None, None, ("reasoning_effort",)),
        ("claude-opus-4-6", "xhigh", SUMMARIZED, {"effort": "max"}, ()),
        ("claude-opus-4-8", "none", None, None, ()),
        ("claude-sonnet-5-5", "none", {"type": "between_tools"}, None, ()),
        (ALWAYS_THINKING_MODEL, "none", None, {"effort": "low"}, ("reasoning_effort",)),
        (BUDGET_MODEL, "low", {"type": "enabled", "budget_tokens": 2048}, None, ()),
        (BUDGET_MODEL, "xhigh", {"type": "enabled", "budget_tokens": 32_000}, None, ()),
        ("claude-opus-4-1", "xhigh", {"type": "enabled", "budget_tokens": 25_600}, None, ()),
        (BUDGET_MODEL, "none", None, None, ()),
        (PLAIN_MODEL, "high", None, None, ("reasoning_effort",)),
    ],
)
def test_reasoning_effort_is_translated_for_the_model(
    model: str, effort: str, thinking: Json | None, config: Json | None, dropped: tuple[str, ...]
) -> None:
    """SR-023."""
    payload, request = translate({"reasoning_effort": effort}, model)
    assert (payload.get("thinking"), payload.get("output_config"), request.dropped) == (
        thinking,
        config,
        dropped,
    )
    check_anthropic(payload)


def test_the_clients_own_thinking_and_output_config_are_passed_on() -> None:
    thinking = {"type": "enabled", "budget_tokens": 3000}
    config = {"task_budget": {"type": "tokens", "total": 20000}}
    payload, request = translate(
        {"thinking": thinking, "output_config": config, "reasoning_effort": "low"}
    )
    assert (payload["thinking"], payload["output_config"]) == (
        thinking,
        {"effort": "low", **config},
    )
    assert request.dropped == ()
    with pytest.raises(RequestError, match="expected an object"):
        translate({"thinking": "hard"})


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "dropped"),
    [
        (BUDGET_MODEL, {"effort": "low"}, {"type": "enabled", "budget_tokens": 2048}, ()),
        (BUDGET_MODEL, {}, {"type": "enabled", "budget_tokens": 16_384}, ()),
        (PLAIN_MODEL, {"effort": "low"}, None, ("thinking",)),
    ],
)
def test_a_claude_without_adaptive_thinking_gets_a_budget(
    model: str, effort: Json, thinking: Json | None, dropped: tuple[str, ...]
) -> None:
    """Clients that know it by another name ask for it."""
    own = {"thinking": {"type": "adaptive"}, "output_config": effort}
    payload, request = translate(own, model)
    assert (payload.get("thinking"), payload.get("output_config"), request.dropped) == (
        thinking,
        None,
        dropped,
    )
    assert payload_of(own, NEWEST_MODEL)["thinking"] == {"type": "adaptive"}
    # Other vendors' servers know best what they take.
    assert payload_of(own, "glm-4.6")["thinking"] == {"type": "adaptive"}


@pytest.mark.parametrize(
    "body",
    [
        {"max_tokens": 1024},
        {"tools": [WEATHER], "tool_choice": "required"},
        {"messages": [USER, {"role": "assistant", "content": "The answer is"}]},
    ],
)
def test_no_thinking_budget_is_sent_that_anthropic_would_reject(body: Json) -> None:
    payload, request = translate({"reasoning_effort": "high", **body}, BUDGET_MODEL)
    assert ("thinking" in payload, request.dropped) == (False, ("reasoning_effort",))


def test_thinking_continues_after_a_tool_call_if_it_was_sent_back() -> None:
    """Otherwise the model answers without thinking, instead of with an error."""
    thought = {"type": "thinking", "thinking": "Hm", "signature": "c2ln"}
    use = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}}
    message = completion_of({"content": [thought, use], "stop_reason": "tool_use"})["choices"][0][
        "message"
    ]
    assert message["reasoning_content"] == "Hm"
    owner = {"provider": "anthropic", "family": "claude"}
    assert message["provider_extra"] == {"anthropic": {"content": [thought], "owner": owner}}
    result = {"role": "tool", "tool_call_id": "toolu_1", "content": "Sun"}
    body = {"tools": [WEATHER], "reasoning_effort": "low", "messages": [USER, message, result]}
    payload, request = translate(body, BUDGET_MODEL)
    assert payload["messages"][1]["content"] == [thought, use]
    assert (payload["thinking"]["type"], request.dropped) == ("enabled", ())
    del message["provider_extra"]
    payload, request = translate(body, BUDGET_MODEL)
    assert payload["messages"][1]["content"] == [use]
    assert ("thinking" in payload, request.dropped) == (False, ("reasoning_effort",))
    assert payload_of(body, NEWEST_MODEL)["thinking"] == SUMMARIZED


def test_an_edited_answer_replaces_the_original_blocks() -> None:
    """The old text must not return if a client shortens its conversation."""
    blocks = [
        {"type": "thinking", "thinking": "", "signature": "c2ln"},
        {"type": "text", "text": "One. "},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        {"type": "text", "text": "Two."},
    ]
    message = completion_of({"content": blocks, "stop_reason": "end_turn"})["choices"][0]["message"]
    assert payload_of({"messages": [USER, message, USER]})["messages"][1]["content"] == blocks
    message["content"] = "Short."
    payload = payload_of({"messages": [USER, message, USER]})
    assert payload["messages"][1]["content"] == [blocks[0], {"type": "text", "text": "Short."}]


@pytest.mark.parametrize(
    ("model", "body", "expected", "dropped"),
    [
        (
            PLAIN_MODEL,
            {"temperature": 0.5, "top_p": 0.9, "top_k": 5},
            {"temperature": 0.5, "top_p": 0.9, "top_k": 5},
            (),
        ),
        (PLAIN_MODEL, {"temperature": 1.7}, {"temperature": 1}, ("temperature",)),
        (BUDGET_MODEL, {"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5}, ("top_p",)),
        (BUDGET_MODEL, {"top_p": 0.9}, {"top_p": 0.9}, ()),
        (
            BUDGET_MODEL,
            {"temperature": 0.5, "top_k": 5, "reasoning_effort": "low"},
            {},
            ("temperature", "top_k"),
        ),
        (BUDGET_MODEL, {"top_p": 0.97, "reasoning_effort": "low"}, {"top_p": 0.97}, ()),
        (BUDGET_MODEL, {"top_p": 0.5, "reasoning_effort": "low"}, {}, ("top_p",)),
        (
            NEWEST_MODEL,
            {"temperature": 0.5, "top_p": 0.9, "top_k": 5},
            {},
            ("temperature", "top_k", "top_p"),
        ),
    ],
)
def test_sampling_parameters_are_limited_to_what_the_model_accepts(
    model: str, body: Json, expected: Json, dropped: tuple[str, ...]
) -> None:
    """SR-012, SR-015: the others are reported as dropped."""
    payload, request = translate(body, model)
    assert {
        name: payload[name] for name in ("temperature", "top_p", "top_k") if name in payload
    } == expected
    assert request.dropped == dropped


def test_newer_versions_of_the_api_have_no_sampling_parameters() -> None:
    payload, request = translate({"temperature": 0.5}, PLAIN_MODEL, version="2026-10-21")
    assert request.headers["anthropic-version"] == "2026-10-21"
    assert ("temperature" in payload, request.dropped) == (False, ("temperature",))


def test_unused_parameters_are_reported_as_dropped() -> None:
    """SR-016, SR-017, SR-019, SR-022, SR-024, SR-027: but not if they are null, or OpenAI's defaults."""
    payload, request = translate({
        "frequency_penalty": 0.5, "presence_penalty": 0.5, "seed": 1, "top_logprobs": 2, "enable_thinking": False,
        "logit_bias": {"1": 1}, "store": True, "verbosity": "low", "prompt_cache_key": None, "logprobs": False, "n": 1,
        "metadata": {"run": "7"}, "service_tier": "flex", "messages": [{**USER, "name": "ada"}],
    })  # fmt: skip
    assert request.dropped == (
        "enable_thinking", "frequency_penalty", "logit_bias", "messages[].name", "metadata", "presence_penalty", "seed",
        "service_tier", "store", "top_logprobs", "verbosity",
    )  # fmt: skip
    assert payload.keys() == {"model", "max_tokens", "messages"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "alloy", "format": "mp3"}}, "audio"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"messages": [{"role": "function", "name": "f", "content": "1"}]}, "messages[0].role"),
    ],
)
def test_parameters_that_cannot_be_dropped_are_refused(body: Json, param: str) -> None:
    with pytest.raises(Unsupported) as refusal:
        translate(body)
    assert refusal.value.param == param
    assert not ANTHROPIC.capabilities.n
    assert not ANTHROPIC.capabilities.logprobs


@pytest.mark.parametrize(
    "user",
    [
        "ann@example.com",
        "id:ann@mail.example.com",
        "+49 170 1234567",
        "tel:+1-555-0100-200",
        "(555) 010-0200",
        "5550100200",
        "u" * 300,
    ],
)
def test_a_user_that_identifies_a_person_is_hashed(user: str) -> None:
    """Anthropic rejects ids that contain an e-mail address or a phone number, and long ones."""
    sent = payload_of({"user": user})["metadata"]["user_id"]
    assert re.fullmatch("[0-9a-f]{64}", sent)
    assert payload_of({"metadata": {"user_id": user}})["metadata"]["user_id"] == sent
    assert payload_of({"user": f"{user}."})["metadata"]["user_id"] != sent


@pytest.mark.parametrize(
    "user", ["u-1", "7f3e1c2a-9d4b-4f6e-8a1b-2c3d4e5f6a7b", "org/42", "2024-01"]
)
def test_an_opaque_user_is_sent_unchanged(user: str) -> None:
    assert payload_of({"user": user})["metadata"] == {"user_id": user}


def test_instructions_alone_become_the_users_turn() -> None:
    payload = payload_of(
        {
            "messages": [
                {"role": "system", "content": "Say hi."},
                {"role": "developer", "content": "Now."},
            ]
        }
    )
    assert payload["messages"] == [
        {
            "role": "user",
            "content": [{"type": "text", "text": "Say hi."}, {"type": "text", "text": "Now."}],
        }
    ]
    assert "system" not in payload


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ([("user", "")], [("user", "(no content)")]),
        (
            [("assistant", "Hi"), ("user", "Yes")],
            [("user", "(no content)"), ("assistant", "Hi"), ("user", "Yes")],
        ),
        ([("user", "Yes"), ("user", " ")], [("user", "Yes")]),
        (
            [("user", "A"), ("assistant", "B"), ("user", "")],
            [("user", "A"), ("assistant", "B"), ("user", "(no content)")],
        ),
    ],
)
def test_empty_messages_do_not_change_whose_turn_it_is(
    roles: list[Any], expected: list[Any]
) -> None:
    turns = payload_of({"messages": [{"role": role, "content": text} for role, text in roles]})[
        "messages"
    ]
    assert [(turn["role"], turn["content"][0]["text"]) for turn in turns] == expected


def test_anthropics_own_image_block_gets_the_type_of_its_bytes() -> None:
    source = {"type": "base64", "media_type": "image/jpeg", "data": base64.b64encode(PNG).decode()}
    content = [{"type": "image", "source": source, "cache_control": {"type": "ephemeral"}}]
    (turn,) = payload_of({"messages": [{"role": "user", "content": content}]})["messages"]
    assert turn["content"] == [{**content[0], "source": {**source, "media_type": "image/png"}}]


def test_user_and_service_tier_are_translated() -> None:
    assert payload_of({"user": "u", "safety_identifier": "s"})["metadata"] == {"user_id": "u"}
    assert payload_of({"safety_identifier": "s"})["metadata"] == {"user_id": "s"}
    _, request = translate({"user": "u", "safety_identifier": "s", "metadata": {"user_id": "x"}})
    assert request.dropped == ()
    assert payload_of({"service_tier": "default"})["service_tier"] == "standard_only"
    assert payload_of({"service_tier": "priority"})["service_tier"] == "auto"


def test_a_prefilled_answer_is_sent_without_trailing_whitespace() -> None:
    payload = payload_of(
        {"messages": [USER, {"role": "assistant", "content": "The answer is "}]}, BUDGET_MODEL
    )
    assert payload["messages"][-1] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "The answer is"}],
    }


def test_an_earlier_refusal_stays_in_the_conversation() -> None:
    refused = {"role": "assistant", "content": None, "refusal": "I will not."}
    payload = payload_of({"messages": [USER, refused, USER]})
    assert payload["messages"][1]["content"] == [{"type": "text", "text": "I will not."}]


@pytest.mark.parametrize(
    "base_url",
    ["", "https://api.anthropic.com", "https://api.anthropic.com/", "https://api.anthropic.com/v1"],
)
def test_the_base_url_may_omit_the_version(base_url: str) -> None:
    """SR-114."""
    _, request = translate({}, base_url=base_url)
    assert request.url == "https://api.anthropic.com/v1/messages"


def test_the_key_is_only_in_one_header() -> None:
    """SR-005, SR-066."""
    provider = adapter(headers={"x-team": "a"})
    request = provider.request(chat_call({"model": "m", "messages": [USER]}))
    assert request.headers == {
        "content-type": "application/json",
        "anthropic-version": "2023-06-01",
        "x-team": "a",
        "x-api-key": "sk-ant-mark",
    }
    assert "sk-ant-mark" not in request.url + request.content.decode() + repr(provider.settings)
    plain = Anthropic(ANTHROPIC, ProviderSettings(id="proxy", base_url="http://localhost:1"))
    assert "x-api-key" not in plain.headers()


def test_models_are_listed_in_one_page() -> None:
    provider = adapter()
    assert isinstance(provider, Discovers)
    request = provider.models_request()
    assert (request.method, request.url) == (
        "GET",
        "https://api.anthropic.com/v1/models?limit=1000",
    )
    assert request.headers["x-api-key"] == "sk-ant-mark"
    listed = {
        "data": [{"type": "model", "id": "claude-opus-5", "display_name": "Opus"}],
        "has_more": False,
    }
    assert provider.models(json.dumps(listed).encode()) == {"claude-opus-5": "claude-opus-5"}
    for invalid in (b"", b"[]", b'{"data": [{}]}', b"\xff"):
        with pytest.raises(ProviderError, match="Cannot parse"):
            provider.models(invalid)


# Single answers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stop_reason", "finish_reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("pause_turn", "stop"),
        ("of_the_future", "stop"),
        (None, "stop"),
    ],
)
def test_stop_reasons_become_finish_reasons(stop_reason: str | None, finish_reason: str) -> None:
    """SR-048."""
    text = [{"type": "text", "text": "x"}]
    completion = completion_of({"content": text, "stop_reason": stop_reason})
    assert completion["choices"][0]["finish_reason"] == finish_reason
    if stop_reason is not None:
        start = {"type": "message_start", "message": {"usage": {}}}
        delta = {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "x"},
        }
        chunks = chunks_of(events(start, delta, message_delta(stop_reason)))
        assert join_chunks(chunks)["finish_reason"] == finish_reason


def message_delta(reason: str, **delta: Any) -> Json:
    return {
        "type": "message_delta",
        "delta": {"stop_reason": reason, **delta},
        "usage": {"output_tokens": 1},
    }


def test_a_refusal_is_a_normal_answer_with_its_explanation() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "Not this."}
    message = completion_of({"content": [], "stop_reason": "refusal", "stop_details": details})[
        "choices"
    ][0]["message"]
    assert (message["content"], message["refusal"]) == ("", "Not this.")
    assert message["provider_extra"]["anthropic"] == {
        "stop_reason": "refusal",
        "stop_details": details,
    }
    chunks = chunks_of(events(message_delta("refusal", stop_details=details)))
    assert join_chunks(chunks)["message"]["refusal"] == "Not this."


def test_a_paused_turn_can_be_sent_back_to_continue_it() -> None:
    blocks = [{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}}]
    message = completion_of({"content": blocks, "stop_reason": "pause_turn"})["choices"][0][
        "message"
    ]
    assert message["provider_extra"]["anthropic"]["stop_reason"] == "pause_turn"
    assert payload_of({"messages": [USER, message]})["messages"][-1] == {
        "role": "assistant",
        "content": blocks,
    }


def test_cited_pages_become_annotations() -> None:
    cited = {
        "type": "web_search_result_location",
        "url": "https://e.com",
        "title": "E",
        "encrypted_index": "x",
    }
    blocks = [
        {"type": "text", "text": "So: "},
        {"type": "text", "text": "it is.", "citations": [cited]},
    ]
    message = completion_of({"content": blocks, "stop_reason": "end_turn"})["choices"][0]["message"]
    assert message["annotations"] == [
        {
            "type": "url_citation",
            "url_citation": {
                "start_index": 4,
                "end_index": 10,
                "url": "https://e.com",
                "title": "E",
            },
        }
    ]
    assert message["provider_extra"]["anthropic"]["content"] == blocks


def test_the_caller_of_a_tool_survives_the_round_trip() -> None:
    caller = {"type": "code_execution_20260120", "tool_id": "srvtoolu_1"}
    use = {"type": "tool_use", "id": "t", "name": "f", "input": {}, "caller": caller}
    message = completion_of({"content": [use], "stop_reason": "tool_use"})["choices"][0]["message"]
    assert message["tool_calls"][0]["provider_extra"] == {"anthropic": {"caller": caller}}
    result = {"role": "tool", "tool_call_id": "t", "content": "1"}
    payload = payload_of({"messages": [USER, message, result]})
    assert payload["messages"][1]["content"] == [use]


def test_streamed_calls_always_have_json_arguments() -> None:
    """SR-056: also of a tool without input, and if the whole input came with the start of the call."""
    use: Json = {"type": "tool_use", "id": "a", "name": "time", "input": {}}
    body = events(
        {"type": "message_start", "message": {"id": "msg_9", "usage": {"input_tokens": 3}}},
        {"type": "content_block_start", "index": 0, "content_block": use},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "input_json_delta", "partial_json": ""},
        },
        {"type": "content_block_stop", "index": 0},
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {**use, "id": "b", "input": {"zone": "UTC"}},
        },
        {"type": "content_block_stop", "index": 1},
        message_delta("tool_use"),
        {"type": "message_stop"},
    )
    answer = join_chunks(chunks_of(body))
    assert [call["function"]["arguments"] for call in answer["message"]["tool_calls"]] == [
        "{}",
        '{"zone":"UTC"}',
    ]
    assert (answer["id"], answer["finish_reason"]) == ("msg_9", "tool_calls")
    assert answer["usage"]["prompt_tokens"] == 3


def test_the_input_of_the_answer_tool_is_streamed_as_text() -> None:
    body = events(
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "tool_use", "id": "a", "name": ANSWER_TOOL, "input": {}},
        },
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "input_json_delta", "partial_json": '{"a":'},
        },
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "input_json_delta", "partial_json": "1}"},
        },
        {"type": "content_block_stop", "index": 0},
        message_delta("tool_use"),
    )
    answer = join_chunks(chunks_of(body))
    assert (answer["message"]["content"], answer["message"]["tool_calls"]) == ('{"a":1}', [])
    assert answer["finish_reason"] == "stop"


def test_unknown_events_and_blocks_are_tolerated() -> None:
    block = {"type": "of_the_future", "data": "a"}
    body = events(
        {"type": "ping"},
        {"type": "of_the_future", "index": 7},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "of_the_future_delta", "data": "b", "n": 1},
        },
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Hi"}},
        message_delta("end_turn"),
    )
    message = join_chunks(chunks_of(body))["message"]
    assert message["content"] == "Hi"
    assert message["provider_extra"]["anthropic"]["content"] == [
        {"type": "of_the_future", "data": "ab", "n": 1}
    ]


def test_an_interrupted_stream_is_not_complete() -> None:
    """SR-058."""
    call = chat_call({"model": "m", "messages": [USER], "stream": True})
    progress = ChatStream(adapter().chunks(call))
    start = {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "text", "text": "So"},
    }
    assert len(progress.feed(events(start))) == 1
    progress.feed(b"")
    assert progress.finished
    assert not progress.complete


@pytest.mark.parametrize(
    ("status", "type", "message", "kind"),
    [
        (529, "overloaded_error", "Overloaded", ErrorKind.OVERLOADED),
        (500, "api_error", "Internal server error", ErrorKind.OVERLOADED),
        (504, "timeout_error", "Timed out", ErrorKind.TIMEOUT),
        (
            429,
            "rate_limit_error",
            "Number of request tokens has exceeded your rate limit",
            ErrorKind.RATE_LIMIT,
        ),
        (413, "request_too_large", "Request exceeds the maximum size", ErrorKind.INVALID_REQUEST),
        (403, "permission_error", "Not allowed", ErrorKind.PERMISSION),
        (402, "billing_error", "Pay", ErrorKind.QUOTA),
        (
            400,
            "invalid_request_error",
            "prompt is too long: 208310 tokens > 200000 maximum",
            ErrorKind.CONTEXT_LENGTH,
        ),
        (
            400,
            "invalid_request_error",
            "input length and `max_tokens` exceed context limit: 1 + 2 > 2",
            ErrorKind.CONTEXT_LENGTH,
        ),
        (
            400,
            "invalid_request_error",
            "Your credit balance is too low to access the Anthropic API",
            ErrorKind.QUOTA,
        ),
        (
            400,
            "invalid_request_error",
            "Output blocked by content filtering policy",
            ErrorKind.CONTENT_POLICY,
        ),
        (400, "invalid_request_error", "max_tokens: Field required", ErrorKind.INVALID_REQUEST),
    ],
)
def test_errors_are_classified_by_status_and_in_streams(
    status: int, type: str, message: str, kind: ErrorKind
) -> None:
    """SR-064, SR-068."""
    body = {"type": "error", "error": {"type": type, "message": message}, "request_id": "req_1"}
    error = adapter().error(status, {"retry-after": "7"}, json.dumps(body).encode())
    assert (error.kind, error.message, error.retry_after) == (kind, message, 7)
    assert error.code == ("context_length_exceeded" if kind is ErrorKind.CONTEXT_LENGTH else None)
    with pytest.raises(ProviderError) as raised:
        chunks_of(events(body))
    assert raised.value.kind is kind


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff",
        b"[]",
        b"{}",
        b'{"type": "message"}',
        b'{"type": "completion", "content": []}',
        b'{"type": "message", "content": [{"type": "tool_use", "input": {}}]}',
    ],
)
def test_success_without_a_message_is_a_bad_response(body: bytes) -> None:
    with pytest.raises(ProviderError) as raised:
        adapter().completion(chat_call({"model": "m", "messages": [USER]}), body)
    assert raised.value.kind is ErrorKind.BAD_RESPONSE


@pytest.mark.parametrize("data", ["ä", "a", "data:text/plain;base64,ä"])
def test_text_files_that_are_not_base64_are_refused(data: str) -> None:
    """SR-038: by name, as an invalid request and not as a fault of the adapter."""
    part = {"type": "file", "file": {"filename": "notes.txt", "file_data": data}}
    with pytest.raises(RequestError, match=r"Invalid value for 'messages\[0\].content\[0\]"):
        payload_of({"messages": [{"role": "user", "content": [part]}]})


@pytest.mark.parametrize("tier", [[], {}, ["auto"], 5])
def test_service_tiers_of_another_type_are_dropped(tier: object) -> None:
    """SR-027."""
    payload, request = translate({"messages": [USER], "service_tier": tier})
    assert "service_tier" not in payload
    assert "service_tier" in request.dropped
