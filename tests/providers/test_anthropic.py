"""Anthropic's Messages API: recorded exchanges both ways, its official SDK as the judge, and what no recording has."""

from __future__ import annotations

import base64
import json
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import pairwise
from typing import Any

import anthropic
import httpx2
import pydantic
import pytest
from anthropic.types import ModelParam
from anthropic.types.beta import BetaMessage
from anthropic.types.beta.message_create_params import MessageCreateParamsNonStreaming
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
from hypothesis import event, given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from recordings import Recording, pieces, recordings

from llms_core import ErrorKind, ProviderError, RequestError, Unsupported
from llms_core.contracts.chunk import Chunk
from llms_core.provider import Discovers, Inlines, ProviderSettings, UpstreamRequest
from llms_core.secret import Secret
from llms_core.upstream.exchange import Progress
from llms_providers.anthropic import ANTHROPIC, Anthropic, AnthropicSettings
from llms_providers.anthropic.models import Inexpressible, closed, family
from llms_providers.anthropic.request import ANSWER

Json = dict[str, Any]
NEWEST, BUDGET, PLAIN, ALWAYS = "claude-opus-5", "claude-sonnet-4-5", "claude-3-5-haiku-latest", "claude-opus-5-5"
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
    return Anthropic(ANTHROPIC, AnthropicSettings(id="anthropic", api_key=Secret("sk-ant-mark"), **members))


def sent(body: Mapping[str, Any], model: str = NEWEST, **settings: Any) -> tuple[Json, UpstreamRequest]:
    """The body that goes out for a request, and all that goes out."""
    request = adapter(**settings).request(chat_call({"model": "m", "messages": [USER], **body}, model=model))
    return json.loads(request.content), request


def dropped(body: Mapping[str, Any], model: str = NEWEST, **settings: Any) -> tuple[str, ...]:
    return sent(body, model, **settings)[1].dropped


def whole(message: Mapping[str, Any], **request: Any) -> Json:
    """A message of Claude's as the client gets it; OpenAI's own types read it."""
    call = chat_call({"model": "local", "messages": [USER], **request})
    completion = adapter().completion(call, json.dumps({"type": "message", "id": "msg_1", **message}).encode())
    ChatCompletion.model_validate_json(completion.data)
    return dict(json.loads(completion.data))


def streamed(body: bytes, size: int = 0, **request: Any) -> list[Json]:
    """The chunks of a stream as the core gives them on; OpenAI's own types read them."""
    call = chat_call({"model": "local", "messages": [USER], "stream": True, **request})
    progress = Progress(adapter().chunks(call))
    chunks: list[Chunk] = []
    for piece in [*pieces(body, size or max(len(body), 1)), b""]:
        chunks += progress.feed(piece)
    if progress.failure is not None:
        raise progress.failure
    assert progress.complete
    said = [json.loads(chunk.data) for chunk in [*chunks, *progress.rest()]]
    for chunk in said:
        ChatCompletionChunk.model_validate(chunk)
    return said


def events(*said: Mapping[str, Any]) -> bytes:
    return b"".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode() for one in said)


def put_together(chunks: Iterable[Json]) -> Json:
    """Chunks as the answer that a client makes of them; `choices` as in a whole completion."""
    message: Json = {"role": None, "content": None, "tool_calls": []}
    made: Json = {"usage": None, "finish_reason": None, "message": message}
    for chunk in chunks:
        made["usage"] = chunk.get("usage") or made["usage"]
        made |= {name: chunk[name] for name in ("id", "model")}
        for choice in chunk["choices"]:
            made["finish_reason"] = choice["finish_reason"] or made["finish_reason"]
            for name, value in choice["delta"].items():
                if name in ("content", "reasoning_content"):
                    message[name] = (message.get(name) or "") + value
                elif name == "tool_calls":
                    for fragment in value:
                        merge_call(message["tool_calls"], fragment)
                else:
                    message[name] = value
    return made


def merge_call(calls: list[Json], fragment: Json) -> None:
    """SR-056: the first fragment of a call has its id, name and type; its index is its own."""
    if fragment["index"] == len(calls):
        calls.append({name: value for name, value in fragment.items() if name != "index"})
        assert fragment["id"]
        assert fragment["function"]["name"]
        assert fragment["type"] == "function"
    else:
        calls[fragment["index"]]["function"]["arguments"] += fragment["function"]["arguments"]


# What Claude answered -----------------------------------------------------------------------------------------------


def native(recording: Recording) -> BetaMessage:
    """The recorded answer, as Anthropic's own SDK reads it."""
    kind = "text/event-stream" if "text" in recording.response else "application/json"
    answer = httpx2.Response(200, headers={"content-type": kind}, content=recording.body)
    transport = httpx2.MockTransport(lambda request: answer)
    with warnings.catch_warnings(), httpx2.Client(transport=transport) as http:
        warnings.simplefilter("ignore")
        messages = anthropic.Anthropic(api_key="k", http_client=http).beta.messages
        if kind == "application/json":
            return messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "x"}])
        with messages.stream(model="m", max_tokens=1, messages=[{"role": "user", "content": "x"}]) as stream:
            return stream.get_final_message()


def answered(recording: Recording) -> Json:
    """What the client gets: `message`, `finish_reason`, `usage`, `id`."""
    if "text" in recording.response:
        return put_together(streamed(recording.body))
    call = chat_call({"model": "local", "messages": [USER]}, model=recording.model)
    said = json.loads(adapter().completion(call, recording.body).data)
    ChatCompletion.model_validate(said)
    return {**said, **said["choices"][0]}


def answers(recording: Recording) -> bool:
    return recording.status == 200


REASONS = {"end_turn": "stop", "max_tokens": "length", "tool_use": "tool_calls"}


@pytest.mark.parametrize("recording", recordings("anthropic", answers))
def test_a_recorded_answer_says_what_the_official_sdk_reads_in_it(recording: Recording) -> None:
    """SR-042 … SR-050: text, calls, reasoning, reason and usage, streamed or not."""
    expected, got = native(recording), answered(recording)
    message, blocks = got["message"], expected.content
    assert (message["content"] or "") == "".join(block.text for block in blocks if block.type == "text")
    assert (message.get("reasoning_content") or "") == "".join(
        block.thinking for block in blocks if block.type == "thinking"
    )
    calls = [(block.id, block.name, block.input) for block in blocks if block.type == "tool_use"]
    assert [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message.get("tool_calls") or ()
    ] == calls
    assert expected.stop_reason is not None
    assert (got["id"], got["model"], message["role"]) == (expected.id, "local", "assistant")
    assert got["finish_reason"] == REASONS[expected.stop_reason]
    usage = expected.usage
    cached, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    assert got["usage"]["prompt_tokens"] == usage.input_tokens + cached + written
    assert got["usage"]["completion_tokens"] == usage.output_tokens
    assert got["usage"]["total_tokens"] == got["usage"]["prompt_tokens"] + usage.output_tokens
    assert got["usage"]["prompt_tokens_details"] == {"cached_tokens": cached, "cache_write_tokens": written}
    thought = usage.output_tokens_details and usage.output_tokens_details.thinking_tokens
    assert (got["usage"].get("completion_tokens_details") or {}).get("reasoning_tokens") == thought


@pytest.mark.parametrize("recording", recordings("anthropic", answers))
def test_what_claude_said_goes_back_to_it_as_it_was(recording: Recording) -> None:
    """The client sends the message back as it got it: signatures, server tools, citations, and the order of it all."""
    message = answered(recording)["message"]
    body, _ = sent({"messages": [USER, message, {"role": "user", "content": "Go on"}]}, recording.model)
    said = [turn["content"] for turn in body["messages"] if turn["role"] == "assistant"]
    expected = [cleaned(block) for block in json.loads(native(recording).to_json())["content"]]
    expected = [block for block in expected if block != {"type": "text", "text": ""}]
    assert [cleaned(block) for blocks in said for block in blocks] == expected


@pytest.mark.parametrize("recording", recordings("anthropic", answers))
def test_what_claude_said_can_come_back_as_plain_openai(recording: Recording) -> None:
    """A client that drops what it does not know sends the text and the calls."""
    known = {"role", "content", "tool_calls"}
    message = {name: value for name, value in answered(recording)["message"].items() if name in known}
    body, _ = sent({"messages": [USER, message, {"role": "user", "content": "Go on"}]}, recording.model)
    kinds = {block["type"] for turn in body["messages"] for block in turn["content"]}
    assert kinds <= {"text", "tool_use"}


def cleaned(block: Any) -> Any:
    """A block without what says nothing, and without what only an answer has."""
    if isinstance(block, dict):
        return {
            name: cleaned(value)
            for name, value in block.items()
            if value is not None and (name, value) != ("caller", {"type": "direct"})
        }
    return [cleaned(each) for each in block] if isinstance(block, list) else block


@pytest.mark.parametrize("recording", recordings("anthropic", lambda one: answers(one) and "text" in one.response))
def test_a_stream_is_the_same_however_it_is_cut(recording: Recording) -> None:
    """SR-053, SR-054: pieces of 1, 7 and 64 bytes, and the whole."""
    expected = streamed(recording.body)
    assert "role" in expected[0]["choices"][0]["delta"]
    for size in (1, 7, 64) if len(recording.body) < 8000 else (7, 64):
        assert streamed(recording.body, size) == expected


KINDS = {400: ErrorKind.INVALID_REQUEST, 401: ErrorKind.AUTH, 404: ErrorKind.MODEL_NOT_FOUND}


@pytest.mark.parametrize("recording", recordings("anthropic", lambda one: not answers(one)))
def test_a_recorded_error_has_its_kind(recording: Recording) -> None:
    error = adapter().error(recording.status, recording.headers, recording.body)
    said = json.loads(recording.body)["error"]
    assert (error.kind, error.message, error.type) == (KINDS[recording.status], said["message"], said["type"])


# What was asked of Claude -------------------------------------------------------------------------------------------

#: What a recorded request has that a chat completion request cannot say, or that goes another way.
NOT_CARRIED = {
    "tool_addition": "tools added in the middle of a conversation are nothing that OpenAI's messages can say",
    "open schema": "a schema of any object is no structured output: it goes as a tool",
}


def not_carried(recording: Recording) -> str | None:
    said = json.dumps(recording.request["body"])
    if '"tool_addition"' in said:
        return NOT_CARRIED["tool_addition"]
    return NOT_CARRIED["open schema"] if '{"type": "json_schema", "schema": {"type": "object"}}' in said else None


@pytest.mark.parametrize("recording", recordings("anthropic"))
def test_a_recorded_request_said_in_openais_words_is_sent_as_it_was(recording: Recording) -> None:
    """SR-026, SR-031 … SR-041."""
    if (reason := not_carried(recording)) is not None:
        pytest.skip(reason)
    recorded = recording.request["body"]
    body, request = sent(as_openai(recorded), recording.model)
    assert request.dropped == ()
    assert normalised(body) == normalised(recorded)
    assert request.url.endswith("/v1/messages")
    accept(body)


def as_openai(body: Json) -> Json:
    """A native request in the words of OpenAI's, with the members that only Anthropic has."""
    same = ("temperature", "stream", "thinking", "cache_control", "container", "mcp_servers", "metadata")
    made: Json = {name: body[name] for name in same if name in body}
    if body["max_tokens"]:
        made["max_completion_tokens"] = body["max_tokens"]
    if "stop_sequences" in body:
        made["stop"] = body["stop_sequences"]
    config = {**body.get("output_config", {})}
    if shape := config.pop("format", body.get("output_format")):
        made["response_format"] = {"type": "json_schema", "json_schema": {"name": "x", "schema": shape["schema"]}}
    if config:
        made["output_config"] = config
    if "tools" in body:
        made["tools"] = [tool_as_openai(tool) for tool in body["tools"]]
    if choice := body.get("tool_choice"):
        named = {"type": "function", "function": {"name": choice.get("name")}}
        made["tool_choice"] = {"any": "required", "tool": named}.get(choice["type"], choice["type"])
        if "disable_parallel_tool_use" in choice:
            made["parallel_tool_calls"] = not choice["disable_parallel_tool_use"]
    system = blocks_of(body.get("system"))
    messages: list[Json] = (
        [{"role": "system", "content": [part_as_openai(block) for block in system]}] if system else []
    )
    for turn in body["messages"]:
        messages += turn_as_openai(turn["role"], blocks_of(turn["content"]))
    return {**made, "messages": messages}


def blocks_of(content: Any) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content or []


def tool_as_openai(tool: Json) -> Json:
    if tool.get("type", "custom") != "custom":
        return tool
    function: Json = {"name": tool["name"], "parameters": tool["input_schema"]}
    function |= {name: tool[name] for name in ("description", "strict") if name in tool}
    further: Json = {name: tool[name] for name in ("cache_control", "defer_loading") if name in tool}
    return {"type": "function", "function": function, **further}


def turn_as_openai(role: str, blocks: list[Json]) -> list[Json]:
    if role == "assistant":
        calls = [
            {
                "id": block["id"],
                "type": "function",
                "function": {"name": block["name"], "arguments": json.dumps(block["input"])},
                **({"provider_extra": {"anthropic": cached}} if (cached := marks(block)) else {}),
            }
            for block in blocks
            if block["type"] == "tool_use"
        ]
        texts = [{"type": "text", "text": block["text"]} for block in blocks if block["type"] == "text"]
        message: Json = {"role": role, "content": texts or None}
        if any(block["type"] not in ("text", "tool_use") for block in blocks):
            message["provider_extra"] = {"anthropic": {"content": blocks}}
        return [message | ({"tool_calls": calls} if calls else {})]
    results = [block for block in blocks if block["type"] == "tool_result"]
    parts = [part_as_openai(block) for block in blocks if block["type"] != "tool_result"]
    said = [
        {
            "role": "tool",
            "tool_call_id": block["tool_use_id"],
            "content": [part_as_openai(part) for part in block["content"]]
            if isinstance(block["content"], list)
            else block["content"],
            **{name: block[name] for name in ("cache_control", "is_error") if name in block},
        }
        for block in results
    ]
    return [*said, {"role": role, "content": parts}] if parts else said


def part_as_openai(block: Json) -> Json:
    """Blocks that OpenAI has no part for stay as they are."""
    source = block.get("source", {})
    if source.get("type") == "base64":
        source = {"type": "url", "url": f"data:{source['media_type']};base64,{source['data']}"}
    if block["type"] == "image" and source.get("type") == "url":
        return {"type": "image_url", "image_url": {"url": source["url"]}, **marks(block)}
    if block["type"] == "document" and source.get("type") == "url":
        return {"type": "file", "file": {"file_data": source["url"]}, **marks(block)}
    return block


def marks(block: Json) -> Json:
    return {name: block[name] for name in ("cache_control", "citations", "title") if name in block}


def normalised(body: Json) -> Json:
    """A native request with one spelling for what has several."""
    made = {
        name: value for name, value in body.items() if value is not None and name not in ("output_format", "stream")
    }
    if not body["max_tokens"]:
        made["max_tokens"] = family(body["model"]).limit  # 0, to fill a cache: OpenAI has no such request
    if "output_format" in body:  # its name while it was in beta
        made["output_config"] = {"format": body["output_format"]}
    made["stream"] = bool(body.get("stream"))
    made["tools"] = [{"type": "custom", **tool} for tool in body.get("tools", ())]
    choice = body.get("tool_choice", {"type": "auto"})
    made["tool_choice"] = {"disable_parallel_tool_use": False, **choice}
    made["system"], made["messages"] = blocks_of(body.get("system")), []
    for turn in body["messages"]:
        blocks = [normalised_block(block) for block in blocks_of(turn["content"])]
        blocks = [block for block in blocks if block.get("text", "x").strip()]  # a blank text says nothing
        if turn["role"] == "system":  # instructions in the middle go to where all of them are
            made["system"] = made["system"] + blocks
        elif made["messages"] and made["messages"][-1]["role"] == turn["role"]:
            made["messages"][-1]["content"] += blocks
        else:
            made["messages"].append({"role": turn["role"], "content": blocks})
    return made


def normalised_block(block: Json) -> Json:
    made = {name: value for name, value in block.items() if (name, value) != ("is_error", False)}
    if block["type"] == "tool_result":
        made["content"] = blocks_of(block.get("content"))
    return made


_params = pydantic.TypeAdapter(MessageCreateParamsNonStreaming)
_SAMPLING = {"temperature", "top_p", "top_k"}  # of the API's version before the SDK's


def accept(body: Json) -> None:
    """Anthropic's own request types take the body, and have all its members."""
    said = {name: value for name, value in body.items() if name not in ("stream", *_SAMPLING)}
    assert said.keys() <= MessageCreateParamsNonStreaming.__annotations__.keys()
    read_out(_params.validate_python(said))


def read_out(value: Any) -> None:
    """pydantic looks into an `Iterable` only when it is read."""
    if isinstance(value, dict):
        value = value.values()
    elif isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return
    for each in value:
        read_out(each)


# Any request at all -------------------------------------------------------------------------------------------------


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
    st.sampled_from([NEWEST, BUDGET, PLAIN, ALWAYS, "claude-opus-4-6", "claude-sonnet-5-5", "glm-4.6"]),
)
def test_any_valid_request_is_one_that_the_official_sdk_takes(body: Json, model: str) -> None:
    """Or it is refused, with a reason; the order and the shape of the turns are as the API wants them."""
    try:
        said, request = sent(body, model)
    except (Unsupported, RequestError) as refusal:
        event(f"refused: {refusal.param}")
        return
    event(f"left out: {bool(request.dropped)}")
    accept(said)
    assert set(request.dropped) <= body.keys() | {"messages[].name"}
    turns = said["messages"]
    assert all(one["role"] != other["role"] for one, other in pairwise(turns))
    called: list[str] = []
    for turn in turns:
        kinds = [block["type"] for block in turn["content"]]
        assert kinds == sorted(kinds, key=lambda kind: kind != "tool_result")
        assert all(block["text"].strip() for block in turn["content"] if block["type"] == "text")
        results = [block["tool_use_id"] for block in turn["content"] if block["type"] == "tool_result"]
        assert sorted(results) == sorted(called)
        called = [block["id"] for block in turn["content"] if block["type"] == "tool_use"]
    if said.get("thinking", {}).get("type") == "enabled":
        assert 1024 <= said["thinking"]["budget_tokens"] < said["max_tokens"]
        assert said.get("temperature", 1) == 1


blocks = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "thinking", "tool_use", "server_tool_use", "of_next_year"])},
    optional=dict.fromkeys(("text", "thinking", "citations", "id", "name", "input", "signature"), json_values),
)
deltas = st.fixed_dictionaries(
    {"type": st.sampled_from(["text_delta", "thinking_delta", "input_json_delta", "citations_delta"])},
    optional=dict.fromkeys(("text", "thinking", "citation", "partial_json", "stop_reason"), json_values),
)
any_events = st.fixed_dictionaries(
    {"type": st.sampled_from(["content_block_start", "content_block_delta", "content_block_stop", "message_delta"])},
    optional={
        "index": st.integers(0, 2),
        "content_block": blocks,
        "delta": deltas | json_objects,
        "usage": st.fixed_dictionaries({}, optional={"input_tokens": json_values, "output_tokens": st.integers()}),
    },
)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.lists(any_events, max_size=6), st.lists(blocks, max_size=3))
def test_whatever_a_server_makes_of_it_is_an_answer_or_an_error(said: list[Json], content: list[Json]) -> None:
    call = chat_call({"model": "m", "messages": [USER]})
    translator = adapter().chunks(call)
    with suppress(ProviderError):
        for one in said:
            for chunk in translator.feed("", json.dumps(one).encode()):
                ChatCompletionChunk.model_validate_json(chunk.data)
    with suppress(ProviderError):
        whole({"content": content, "stop_reason": "end_turn"})


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.lists(blocks | json_values, max_size=4) | json_values, json_objects, st.sampled_from([NEWEST, BUDGET]))
def test_whatever_a_client_sends_back_is_sent_or_refused(kept: Any, schema: Json, model: str) -> None:
    extra = {"anthropic": {"content": kept}}
    message = {"role": "assistant", "content": "So", "provider_extra": extra}
    with suppress(Unsupported, RequestError):
        sent({"messages": [USER, message], "response_format": as_schema(schema), "reasoning_effort": "low"}, model)
    with suppress(Inexpressible):
        closed({"type": "object", "properties": {"a": schema}})


# Requests, one by one -----------------------------------------------------------------------------------------------


def test_all_instructions_go_on_top_in_order() -> None:
    """SR-041: system and developer messages, from wherever they stand."""
    said, _ = sent({"messages": [
        {"role": "system", "content": "One"},
        {"role": "developer", "content": [{"type": "text", "text": "Two"}]},
        USER,
        {"role": "system", "content": "Three"},
    ]})  # fmt: skip
    assert [block["text"] for block in said["system"]] == ["One", "Two", "Three"]
    assert said["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]


def test_results_of_parallel_calls_are_one_turn_and_come_first() -> None:
    """SR-032, SR-040."""
    calls = [
        {"id": each, "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
        for each in ("call_1", "functions.weather:1")
    ]
    said, _ = sent({"tools": [WEATHER], "messages": [
        USER,
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_1", "content": "Sun"},
        {"role": "user", "content": "And?"},
        {"role": "tool", "tool_call_id": "functions.weather:1", "content": [{"type": "text", "text": "Rain"}]},
    ]})  # fmt: skip
    assert said["messages"][1:] == [
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


def test_calls_in_the_conversation_bring_their_tools() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": ""}}
    said, _ = sent({"messages": [
        USER, {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c", "content": ""},
    ]})  # fmt: skip
    assert said["tools"] == [{"name": "weather", "input_schema": {"type": "object"}}]
    assert said["tool_choice"] == {"type": "none"}
    assert said["messages"][-1]["content"] == [{"type": "tool_result", "tool_use_id": "c"}]


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
        ("claude-of-next-year", 128_000),
        ("glm-4.6", 8192),
    ],
)
def test_the_limit_of_the_answer_is_the_models_where_none_is_given(model: str, limit: int) -> None:
    assert sent({}, model)[0]["max_tokens"] == limit


def test_the_limit_of_the_answer_in_either_spelling() -> None:
    """SR-013, SR-014."""
    assert sent({"max_tokens": 5})[0]["max_tokens"] == 5
    assert sent({"max_completion_tokens": 6})[0]["max_tokens"] == 6
    assert sent({"max_tokens": 5, "max_completion_tokens": 6})[0]["max_tokens"] == 6


def test_every_model_that_the_official_sdk_names_is_of_a_known_family() -> None:
    literal = next(one for one in ModelParam.__args__ if hasattr(one, "__args__"))  # type: ignore[attr-defined]
    for model in literal.__args__:
        assert family(model).schemas, model
        assert family(model).limit in (64_000, 128_000), model


@pytest.mark.parametrize("stop", ["END", ["END", "###"]])
def test_stop_is_a_flat_list(stop: str | list[str]) -> None:
    """SR-018."""
    assert sent({"stop": stop})[0]["stop_sequences"] == ([stop] if isinstance(stop, str) else stop)


def test_a_blank_stop_is_left_out_and_said() -> None:
    said, request = sent({"stop": ["\n\n", "END"]})
    assert (said["stop_sequences"], request.dropped) == (["END"], ("stop",))


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (
            {"type": "image_url", "image_url": {"url": data_uri("image/jpg", b"\xff\xd8")}},
            {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "/9g="}},
        ),
        (
            {"type": "image_url", "image_url": "https://example.com/cat"},
            {"type": "image", "source": {"type": "url", "url": "https://example.com/cat"}},
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": data_uri("application/pdf", PDF)}},
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
            {"type": "file", "file": {"filename": "a.csv", "file_data": data_uri("text/csv", "ä,b".encode())}},
            {
                "type": "document",
                "title": "a.csv",
                "source": {"type": "text", "media_type": "text/plain", "data": "ä,b"},
            },
        ),
        (
            {"type": "file", "file": {"filename": "a.png", "file_data": data_uri("image/png", PNG)}},
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()},
            },
        ),
        (
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}, "context": "c"},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}, "context": "c"},
        ),
    ],
)
def test_images_and_documents_by_url_or_bytes(part: Json, block: Json) -> None:
    """SR-035, SR-036, SR-038: the API fetches URLs itself."""
    said, _ = sent({"messages": [{"role": "user", "content": [part, {"type": "text", "text": "?"}]}]})
    assert said["messages"][0]["content"] == [block, {"type": "text", "text": "?"}]
    accept(said)
    assert not isinstance(adapter(), Inlines)


def test_an_uploaded_file_asks_for_its_feature() -> None:
    part = {"type": "file", "file": {"file_id": "file_1"}}
    said, request = sent({"messages": [{"role": "user", "content": [part]}]}, beta=["other-2026-01-01"])
    assert said["messages"][0]["content"] == [{"type": "document", "source": {"type": "file", "file_id": "file_1"}}]
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
def test_what_claude_cannot_look_at_is_unsupported(part: Json) -> None:
    """SR-037: said before the network is touched."""
    with pytest.raises(Unsupported) as refusal:
        sent({"messages": [{"role": "user", "content": [part]}]})
    assert refusal.value.param == "messages[0].content[0]"
    assert not ANTHROPIC.capabilities.audio


def test_marks_for_the_cache_go_through() -> None:
    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    said, request = sent({
        "tools": [{**WEATHER, **mark}],
        "messages": [
            {"role": "system", "content": "Long", **mark},
            {"role": "user", "content": [{"type": "text", "text": "Hi", **mark}, {"type": "text", "text": "!"}]},
        ],
        **mark,
    })  # fmt: skip
    assert said["cache_control"] == mark["cache_control"]
    assert said["tools"][0]["cache_control"] == mark["cache_control"]
    assert said["system"] == [{"type": "text", "text": "Long", **mark}]
    assert said["messages"][0]["content"] == [{"type": "text", "text": "Hi", **mark}, {"type": "text", "text": "!"}]
    assert request.dropped == ()


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        (None, None, None),
        ("auto", None, {"type": "auto"}),
        ("none", None, {"type": "none"}),
        ("none", False, {"type": "none"}),
        ("required", True, {"type": "any"}),
        ({"type": "function", "function": {"name": "time"}}, None, {"type": "tool", "name": "time"}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
    ],
)
def test_which_tools_may_be_called(choice: object, parallel: bool | None, expected: object) -> None:
    said, request = sent({"tools": [WEATHER, TIME], "tool_choice": choice, "parallel_tool_calls": parallel})
    assert said.get("tool_choice") == expected
    assert request.dropped == ()
    assert said["tools"] == [
        {"name": "weather", "description": "The weather", "input_schema": WEATHER["function"]["parameters"]},
        {"name": "time", "input_schema": {"type": "object"}},
    ]


def test_allowed_tools_are_the_only_ones_sent() -> None:
    allowed = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "time"}}]}
    said, _ = sent({
        "tools": [WEATHER, TIME], "tool_choice": {"type": "allowed_tools", "allowed_tools": allowed},
    })  # fmt: skip
    assert [tool["name"] for tool in said["tools"]] == ["time"]
    assert said["tool_choice"] == {"type": "auto"}


def test_a_model_that_cannot_be_made_to_call_a_tool() -> None:
    with pytest.raises(Unsupported, match="cannot be made to"):
        sent({"tools": [WEATHER], "tool_choice": "required"}, ALWAYS)
    with pytest.raises(RequestError, match="no 'tools'"):
        sent({"tool_choice": "required"})


def test_a_strict_tool_is_one_where_the_model_has_it() -> None:
    """What structured outputs cannot hold the model to is told to it instead."""
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 1, "description": "How many"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    tool: Json = {"type": "function", "function": {"name": "f", "strict": True, "parameters": schema}}
    made = sent({"tools": [tool]})[0]["tools"][0]
    assert made["strict"] is True
    assert made["input_schema"]["properties"] == {"n": {"type": "integer", "description": "How many\n\n{minimum: 1}"}}
    assert sent({"tools": [tool]}, PLAIN)[0]["tools"] == [{"name": "f", "input_schema": schema}]
    free = {**tool, "function": {"name": "f", "strict": True, "parameters": {"type": "object"}}}
    assert sent({"tools": [free]})[0]["tools"] == [{"name": "f", "input_schema": {"type": "object"}}]
    many = [{**tool, "function": {**tool["function"], "name": f"f{n}"}} for n in range(21)]
    assert not any("strict" in each for each in sent({"tools": many})[0]["tools"])


def test_server_tools_go_by_their_dated_types_and_others_are_unsupported() -> None:
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    assert sent({"tools": [search, WEATHER]})[0]["tools"][0] == search
    with pytest.raises(Unsupported, match="custom"):
        sent({"tools": [{"type": "custom", "custom": {"name": "grammar"}}]})


PERSON = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def as_schema(schema: Json) -> Json:
    return {"type": "json_schema", "json_schema": {"name": "person", "schema": schema, "strict": True}}


def test_a_json_schema_is_native_where_the_model_has_it() -> None:
    said, request = sent({"response_format": as_schema(PERSON)})
    assert said["output_config"] == {
        "format": {"type": "json_schema", "schema": {**PERSON, "additionalProperties": False}}
    }
    assert "tools" not in said
    assert "anthropic-beta" not in request.headers


@pytest.mark.parametrize(
    ("schema", "model"),
    [
        (PERSON, PLAIN),
        ({"type": "object", "additionalProperties": {"type": "string"}}, NEWEST),
        ({"$ref": "#/$defs/T", "$defs": {"T": {"type": "object", "properties": {"t": {"$ref": "#/$defs/T"}}}}}, NEWEST),
    ],
)
def test_a_json_schema_is_a_tool_elsewhere_whose_input_is_the_answer(schema: Json, model: str) -> None:
    said, _ = sent({"response_format": as_schema(schema)}, model)
    assert said["tool_choice"] == {"type": "tool", "name": ANSWER}
    assert said["tools"][-1]["input_schema"] == {**schema, "type": "object"}
    use = {"type": "tool_use", "id": "toolu_1", "name": ANSWER, "input": {"name": "Ada"}}
    choice = whole({"content": [use], "stop_reason": "tool_use"})["choices"][0]
    assert json.loads(choice["message"]["content"]) == {"name": "Ada"}
    assert "tool_calls" not in choice["message"]
    assert choice["finish_reason"] == "stop"


def test_a_json_schema_beside_tools_of_the_clients() -> None:
    body = {"response_format": as_schema(PERSON), "tools": [WEATHER]}
    assert sent(body, PLAIN)[0]["tool_choice"] == {"type": "any"}
    assert sent({**body, "tool_choice": "none"}, PLAIN)[0]["tool_choice"] == {"type": "tool", "name": ANSWER}
    forced = sent({**body, "tool_choice": "required"}, PLAIN)[0]
    assert (len(forced["tools"]), forced["tool_choice"]) == (1, {"type": "any"})


def test_a_json_schema_that_nothing_can_hold_a_model_to() -> None:
    with pytest.raises(Unsupported, match="any name"):
        sent({"response_format": as_schema({"type": "object"})}, ALWAYS)


def test_any_json_object_is_an_instruction() -> None:
    said, _ = sent({"response_format": {"type": "json_object"}, "messages": [{"role": "system", "content": "S"}, USER]})
    assert said["system"][0]["text"] == "S"
    assert "JSON object" in said["system"][1]["text"]


@pytest.mark.parametrize(
    ("schema", "made"),
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
def test_what_structured_outputs_take_of_a_schema(schema: Json, made: Json) -> None:
    assert closed(schema) == made


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": ["object", "null"], "additionalProperties": True},
        {"type": "array", "items": True},
        {"type": "object", "properties": {"self": {"$ref": "#"}}},
    ],
)
def test_what_structured_outputs_cannot_say(schema: Json) -> None:
    with pytest.raises(Inexpressible):
        closed(schema)


# Reasoning and sampling ---------------------------------------------------------------------------------------------

SUMMARIZED = {"type": "adaptive", "display": "summarized"}


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "config", "left_out"),
    [
        (NEWEST, "high", SUMMARIZED, {"effort": "high"}, ()),
        (NEWEST, "minimal", SUMMARIZED, {"effort": "low"}, ()),
        (NEWEST, "xhigh", SUMMARIZED, {"effort": "xhigh"}, ()),
        (NEWEST, "none", {"type": "disabled"}, None, ()),
        (NEWEST, "immense", None, None, ("reasoning_effort",)),
        ("claude-opus-4-6", "xhigh", SUMMARIZED, {"effort": "max"}, ()),
        ("claude-opus-4-8", "none", None, None, ()),
        ("claude-sonnet-5-5", "none", {"type": "between_tools"}, None, ()),
        (ALWAYS, "none", None, {"effort": "low"}, ("reasoning_effort",)),
        (BUDGET, "low", {"type": "enabled", "budget_tokens": 2048}, None, ()),
        (BUDGET, "xhigh", {"type": "enabled", "budget_tokens": 32_000}, None, ()),
        ("claude-opus-4-1", "xhigh", {"type": "enabled", "budget_tokens": 25_600}, None, ()),
        (BUDGET, "none", None, None, ()),
        (PLAIN, "high", None, None, ("reasoning_effort",)),
    ],
)
def test_effort_is_what_the_model_calls_it(
    model: str, effort: str, thinking: Json | None, config: Json | None, left_out: tuple[str, ...]
) -> None:
    """SR-023."""
    said, request = sent({"reasoning_effort": effort}, model)
    assert (said.get("thinking"), said.get("output_config"), request.dropped) == (thinking, config, left_out)
    accept(said)


def test_what_the_client_says_of_thinking_itself_passes() -> None:
    thinking, config = {"type": "enabled", "budget_tokens": 3000}, {"task_budget": {"type": "tokens", "total": 20000}}
    said, request = sent({"thinking": thinking, "output_config": config, "reasoning_effort": "low"})
    assert (said["thinking"], said["output_config"]) == (thinking, {"effort": "low", **config})
    assert request.dropped == ()
    with pytest.raises(RequestError, match="expected an object"):
        sent({"thinking": "hard"})


@pytest.mark.parametrize(
    "body",
    [
        {"max_tokens": 1024},
        {"tools": [WEATHER], "tool_choice": "required"},
        {"messages": [USER, {"role": "assistant", "content": "The answer is"}]},
    ],
)
def test_a_budget_for_thinking_that_would_be_an_error_is_left_out(body: Json) -> None:
    said, request = sent({"reasoning_effort": "high", **body}, BUDGET)
    assert ("thinking" in said, request.dropped) == (False, ("reasoning_effort",))


def test_thinking_and_tools_in_the_second_turn() -> None:
    """With its thinking sent back it goes on; without, the answer comes without thinking, and not as an error."""
    thought = {"type": "thinking", "thinking": "Hm", "signature": "c2ln"}
    use = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}}
    message = whole({"content": [thought, use], "stop_reason": "tool_use"})["choices"][0]["message"]
    assert message["reasoning_content"] == "Hm"
    assert message["provider_extra"] == {"anthropic": {"content": [thought]}}
    result = {"role": "tool", "tool_call_id": "toolu_1", "content": "Sun"}
    body = {"tools": [WEATHER], "reasoning_effort": "low", "messages": [USER, message, result]}
    said, request = sent(body, BUDGET)
    assert said["messages"][1]["content"] == [thought, use]
    assert (said["thinking"]["type"], request.dropped) == ("enabled", ())
    del message["provider_extra"]
    said, request = sent(body, BUDGET)
    assert said["messages"][1]["content"] == [use]
    assert ("thinking" in said, request.dropped) == (False, ("reasoning_effort",))
    assert sent(body, NEWEST)[0]["thinking"] == SUMMARIZED


def test_what_comes_back_changed_is_taken_as_it_is_now() -> None:
    """A client that shortens its conversation must not find the old text in it."""
    blocks = [
        {"type": "thinking", "thinking": "", "signature": "c2ln"},
        {"type": "text", "text": "One. "},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        {"type": "text", "text": "Two."},
    ]
    message = whole({"content": blocks, "stop_reason": "end_turn"})["choices"][0]["message"]
    assert sent({"messages": [USER, message, USER]})[0]["messages"][1]["content"] == blocks
    message["content"] = "Short."
    assert sent({"messages": [USER, message, USER]})[0]["messages"][1]["content"] == [
        blocks[0], {"type": "text", "text": "Short."},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "body", "expected", "left_out"),
    [
        (PLAIN, {"temperature": 0.5, "top_p": 0.9, "top_k": 5}, {"temperature": 0.5, "top_p": 0.9, "top_k": 5}, ()),
        (PLAIN, {"temperature": 1.7}, {"temperature": 1}, ("temperature",)),
        (BUDGET, {"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5}, ("top_p",)),
        (BUDGET, {"top_p": 0.9}, {"top_p": 0.9}, ()),
        (BUDGET, {"temperature": 0.5, "top_k": 5, "reasoning_effort": "low"}, {}, ("temperature", "top_k")),
        (BUDGET, {"top_p": 0.97, "reasoning_effort": "low"}, {"top_p": 0.97}, ()),
        (BUDGET, {"top_p": 0.5, "reasoning_effort": "low"}, {}, ("top_p",)),
        (NEWEST, {"temperature": 0.5, "top_p": 0.9, "top_k": 5}, {}, ("temperature", "top_k", "top_p")),
    ],
)
def test_sampling_as_far_as_the_model_leaves_it(
    model: str, body: Json, expected: Json, left_out: tuple[str, ...]
) -> None:
    """SR-012, SR-015: what a model refuses is left out and said."""
    said, request = sent(body, model)
    assert {name: said[name] for name in ("temperature", "top_p", "top_k") if name in said} == expected
    assert request.dropped == left_out


def test_the_newer_version_of_the_api_has_no_sampling() -> None:
    said, request = sent({"temperature": 0.5}, PLAIN, version="2026-10-21")
    assert request.headers["anthropic-version"] == "2026-10-21"
    assert ("temperature" in said, request.dropped) == (False, ("temperature",))


def test_what_claude_has_no_use_for_is_left_out_and_said() -> None:
    """SR-016, SR-017, SR-019, SR-022, SR-024, SR-027: only what the client really sent."""
    said, request = sent({
        "frequency_penalty": 0.5, "presence_penalty": 0.5, "seed": 1, "top_logprobs": 2, "enable_thinking": False,
        "logit_bias": {"1": 1}, "store": True, "verbosity": "low", "prompt_cache_key": None, "logprobs": False, "n": 1,
        "metadata": {"run": "7"}, "service_tier": "flex", "messages": [{**USER, "name": "ada"}],
    })  # fmt: skip
    assert request.dropped == (
        "enable_thinking", "frequency_penalty", "logit_bias", "messages[].name", "metadata", "presence_penalty", "seed",
        "service_tier", "store", "top_logprobs", "verbosity",
    )  # fmt: skip
    assert said.keys() == {"model", "max_tokens", "messages"}


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
        ({"messages": [{"role": "system", "content": "Only this"}]}, "messages"),
    ],
)
def test_what_changes_the_answer_and_cannot_be_done_is_unsupported(body: Json, param: str) -> None:
    with pytest.raises(Unsupported) as refusal:
        sent(body)
    assert refusal.value.param == param
    assert not ANTHROPIC.capabilities.n
    assert not ANTHROPIC.capabilities.logprobs


def test_who_asks_and_in_which_tier() -> None:
    assert sent({"user": "u", "safety_identifier": "s"})[0]["metadata"] == {"user_id": "u"}
    assert sent({"safety_identifier": "s"})[0]["metadata"] == {"user_id": "s"}
    assert dropped({"user": "u", "safety_identifier": "s", "metadata": {"user_id": "x"}}) == ()
    assert sent({"service_tier": "default"})[0]["service_tier"] == "standard_only"
    assert sent({"service_tier": "priority"})[0]["service_tier"] == "auto"


def test_a_begun_answer_goes_last_without_blanks_at_its_end() -> None:
    said, _ = sent({"messages": [USER, {"role": "assistant", "content": "The answer is "}]}, BUDGET)
    assert said["messages"][-1] == {"role": "assistant", "content": [{"type": "text", "text": "The answer is"}]}


def test_a_refusal_of_before_stays_in_the_conversation() -> None:
    refused = {"role": "assistant", "content": None, "refusal": "I will not."}
    assert sent({"messages": [USER, refused, USER]})[0]["messages"][1]["content"] == [
        {"type": "text", "text": "I will not."}
    ]


@pytest.mark.parametrize(
    "base_url",
    ["", "https://api.anthropic.com", "https://api.anthropic.com/", "https://api.anthropic.com/v1"],
)
def test_the_address_with_its_version_or_without(base_url: str) -> None:
    """SR-114."""
    assert sent({}, base_url=base_url)[1].url == "https://api.anthropic.com/v1/messages"


def test_the_key_is_in_one_header_and_nowhere_else() -> None:
    """SR-005, SR-066."""
    made = adapter(headers={"x-team": "a"})
    request = made.request(chat_call({"model": "m", "messages": [USER]}))
    assert request.headers == {
        "content-type": "application/json",
        "anthropic-version": "2023-06-01",
        "x-team": "a",
        "x-api-key": "sk-ant-mark",
    }
    assert "sk-ant-mark" not in request.url + request.content.decode() + repr(made.settings)
    plain = Anthropic(ANTHROPIC, ProviderSettings(id="proxy", base_url="http://localhost:1"))
    assert "x-api-key" not in plain.headers()


def test_models_are_asked_for_in_one_page() -> None:
    made = adapter()
    assert isinstance(made, Discovers)
    asked = made.models_request()
    assert (asked.method, asked.url) == ("GET", "https://api.anthropic.com/v1/models?limit=1000")
    assert asked.headers["x-api-key"] == "sk-ant-mark"
    listed = {"data": [{"type": "model", "id": "claude-opus-5", "display_name": "Opus"}], "has_more": False}
    assert made.models(json.dumps(listed).encode()) == {"claude-opus-5": "claude-opus-5"}
    for senseless in (b"", b"[]", b'{"data": [{}]}', b"\xff"):
        with pytest.raises(ProviderError, match="makes no sense"):
            made.models(senseless)


# Answers, one by one ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("pause_turn", "stop"),
        ("of_next_year", "stop"),
        (None, "stop"),
    ],
)
def test_reasons(said: str | None, reason: str) -> None:
    """SR-048."""
    text = [{"type": "text", "text": "x"}]
    assert whole({"content": text, "stop_reason": said})["choices"][0]["finish_reason"] == reason
    if said is not None:
        chunks = streamed(events({"type": "message_start", "message": {"usage": {}}}, end(said)))
        assert put_together(chunks)["finish_reason"] == reason


def end(reason: str, **delta: Any) -> Json:
    return {"type": "message_delta", "delta": {"stop_reason": reason, **delta}, "usage": {"output_tokens": 1}}


def test_a_refusal_is_a_normal_answer_that_says_so() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "Not this."}
    message = whole({"content": [], "stop_reason": "refusal", "stop_details": details})["choices"][0]["message"]
    assert (message["content"], message["refusal"]) == ("", "Not this.")
    assert message["provider_extra"]["anthropic"] == {"stop_reason": "refusal", "stop_details": details}
    chunks = streamed(events(end("refusal", stop_details=details)))
    assert put_together(chunks)["message"]["refusal"] == "Not this."


def test_a_paused_turn_can_be_sent_back_to_go_on() -> None:
    blocks = [{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}}]
    message = whole({"content": blocks, "stop_reason": "pause_turn"})["choices"][0]["message"]
    assert message["provider_extra"]["anthropic"]["stop_reason"] == "pause_turn"
    assert sent({"messages": [USER, message]})[0]["messages"][-1] == {"role": "assistant", "content": blocks}


def test_pages_that_are_cited_are_annotations() -> None:
    cited = {"type": "web_search_result_location", "url": "https://e.com", "title": "E", "encrypted_index": "x"}
    blocks = [{"type": "text", "text": "So: "}, {"type": "text", "text": "it is.", "citations": [cited]}]
    message = whole({"content": blocks, "stop_reason": "end_turn"})["choices"][0]["message"]
    assert message["annotations"] == [
        {
            "type": "url_citation",
            "url_citation": {"start_index": 4, "end_index": 10, "url": "https://e.com", "title": "E"},
        }
    ]
    assert message["provider_extra"]["anthropic"]["content"] == blocks


def test_a_caller_that_is_not_claude_goes_with_its_call() -> None:
    caller = {"type": "code_execution_20260120", "tool_id": "srvtoolu_1"}
    use = {"type": "tool_use", "id": "t", "name": "f", "input": {}, "caller": caller}
    message = whole({"content": [use], "stop_reason": "tool_use"})["choices"][0]["message"]
    assert message["tool_calls"][0]["provider_extra"] == {"anthropic": {"caller": caller}}
    assert sent({"messages": [USER, message, {"role": "tool", "tool_call_id": "t", "content": "1"}]})[0]["messages"][1][
        "content"
    ] == [use]


def test_calls_of_a_stream_have_arguments_that_are_json() -> None:
    """SR-056: a tool without input, and one whose input came whole with its start."""
    use: Json = {"type": "tool_use", "id": "a", "name": "time", "input": {}}
    body = events(
        {"type": "message_start", "message": {"id": "msg_9", "usage": {"input_tokens": 3}}},
        {"type": "content_block_start", "index": 0, "content_block": use},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": ""}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {**use, "id": "b", "input": {"zone": "UTC"}}},
        {"type": "content_block_stop", "index": 1},
        end("tool_use"),
        {"type": "message_stop"},
    )
    made = put_together(streamed(body))
    assert [call["function"]["arguments"] for call in made["message"]["tool_calls"]] == ["{}", '{"zone":"UTC"}']
    assert (made["id"], made["finish_reason"]) == ("msg_9", "tool_calls")
    assert made["usage"]["prompt_tokens"] == 3


def test_the_answer_by_a_tool_is_streamed_as_text() -> None:
    body = events(
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "tool_use", "id": "a", "name": ANSWER, "input": {}},
        },
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"a":'}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "1}"}},
        {"type": "content_block_stop", "index": 0},
        end("tool_use"),
    )
    made = put_together(streamed(body))
    assert (made["message"]["content"], made["message"]["tool_calls"]) == ('{"a":1}', [])
    assert made["finish_reason"] == "stop"


def test_events_and_blocks_that_nobody_knows_do_no_harm() -> None:
    block = {"type": "of_next_year", "data": "a"}
    body = events(
        {"type": "ping"},
        {"type": "of_next_year", "index": 7},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "of_next_year_delta", "data": "b", "n": 1}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Hi"}},
        end("end_turn"),
    )
    message = put_together(streamed(body))["message"]
    assert message["content"] == "Hi"
    assert message["provider_extra"]["anthropic"]["content"] == [{"type": "of_next_year", "data": "ab", "n": 1}]


def test_a_stream_that_breaks_off_is_not_complete() -> None:
    """SR-058."""
    call = chat_call({"model": "m", "messages": [USER], "stream": True})
    progress = Progress(adapter().chunks(call))
    start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "So"}}
    assert len(progress.feed(events(start))) == 1
    progress.feed(b"")
    assert progress.over
    assert not progress.complete


@pytest.mark.parametrize(
    ("status", "type", "message", "kind"),
    [
        (529, "overloaded_error", "Overloaded", ErrorKind.OVERLOADED),
        (500, "api_error", "Internal server error", ErrorKind.OVERLOADED),
        (504, "timeout_error", "Timed out", ErrorKind.TIMEOUT),
        (429, "rate_limit_error", "Number of request tokens has exceeded your rate limit", ErrorKind.RATE_LIMIT),
        (413, "request_too_large", "Request exceeds the maximum size", ErrorKind.INVALID_REQUEST),
        (403, "permission_error", "Not allowed", ErrorKind.PERMISSION),
        (402, "billing_error", "Pay", ErrorKind.QUOTA),
        (400, "invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum", ErrorKind.CONTEXT_LENGTH),
        (
            400,
            "invalid_request_error",
            "input length and `max_tokens` exceed context limit: 1 + 2 > 2",
            ErrorKind.CONTEXT_LENGTH,
        ),
        (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API", ErrorKind.QUOTA),
        (400, "invalid_request_error", "Output blocked by content filtering policy", ErrorKind.CONTENT_POLICY),
        (400, "invalid_request_error", "max_tokens: Field required", ErrorKind.INVALID_REQUEST),
    ],
)
def test_errors_have_their_kind_with_a_status_and_in_a_stream(
    status: int, type: str, message: str, kind: ErrorKind
) -> None:
    """SR-064, SR-068."""
    body = {"type": "error", "error": {"type": type, "message": message}, "request_id": "req_1"}
    error = adapter().error(status, {"retry-after": "7"}, json.dumps(body).encode())
    assert (error.kind, error.message, error.retry_after) == (kind, message, 7)
    assert error.code == ("context_length_exceeded" if kind is ErrorKind.CONTEXT_LENGTH else None)
    with pytest.raises(ProviderError) as raised:
        streamed(events(body))
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
def test_a_good_status_with_no_message_is_a_bad_response(body: bytes) -> None:
    with pytest.raises(ProviderError) as raised:
        adapter().completion(chat_call({"model": "m", "messages": [USER]}), body)
    assert raised.value.kind is ErrorKind.BAD_RESPONSE
