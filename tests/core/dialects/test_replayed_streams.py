"""A provider that cannot stream, and adapters that answer by themselves: the client's stream, in every dialect."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from message_events import check_order, check_types, events_of, final_message
from response_events import response_in

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.joined import joined
from llms_core.testing import Reply, ScriptedUpstream, Seen, error, events, json_body
from tests.core.server.conftest import HELLO, KEY, Asking, Pair, chunk, data_of, running

Json = dict[str, Any]

PLUGIN = """
from llms_core import hookimpl
from llms_core.contracts.building import Chunks, ToolCall, completion
from llms_core.contracts.completion import Usage
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import ProviderSpec, UpstreamRequest

USAGE = Usage(prompt_tokens=7, completion_tokens=5)


class Returning:
    def __init__(self, spec, settings):
        pass

    async def generate(self, call, http):
        calls = [ToolCall(id="call_a", name="f", arguments='{"x":1}'), ToolCall(id="call_b", name="f", arguments="{}")]
        return completion(
            call, content="Yes", reasoning="Hm", tool_calls=calls, finish_reason="tool_calls", usage=USAGE
        )


class Yielding:
    def __init__(self, spec, settings):
        pass

    async def generate(self, call, http):
        chunks = Chunks(call)
        yield chunks.reasoning("Hm")
        yield chunks.text("Yes")
        yield chunks.call_begins(0, "call_a", "f", '{"x":')
        yield chunks.call_arguments(0, "1}")
        yield chunks.call_begins(1, "call_b", "f", "{}")
        yield chunks.finish("tool_calls")
        yield chunks.usage(USAGE)


@hookimpl
def llms_providers():
    yield ProviderSpec(name="of-the-spec", title="S", adapter=OpenAICompatible, needs_key=False, replay_streams=True)
    yield ProviderSpec(name="returning", title="R", adapter=Returning, needs_key=False)
    yield ProviderSpec(name="yielding", title="Y", adapter=Yielding, needs_key=False)
"""

DECLARED = """
[types.declared]
needs_key = false
replay_streams = true
[types.declared.capabilities]
streaming = false
"""

MODELS = ("streams", "of-the-spec", "declared", "of-the-block", "returning", "yielding")
REPLAYED = ("of-the-spec", "declared", "of-the-block")

CALLS = [
    {"id": "call_a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
    {"id": "call_b", "type": "function", "function": {"name": "f", "arguments": "{}"}},
]
USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
STREAM = events(
    chunk({"role": "assistant", "reasoning_content": "Hm"}),
    chunk({"content": "Yes"}),
    chunk({"tool_calls": [{"index": index, **call} for index, call in enumerate(CALLS)]}),
    chunk({}, "tool_calls"),
    {**chunk({}), "choices": [], "usage": USAGE},
    "[DONE]",
)


def answers(seen: Seen) -> Reply:
    """Stream only for who asks for it."""
    if seen.json.get("stream"):
        return STREAM
    message = {
        "role": "assistant",
        "content": "Yes",
        "reasoning_content": "Hm",
        "tool_calls": CALLS,
    }
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    envelope = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "up"}
    return json_body({**envelope, "choices": [choice], "usage": USAGE})


def config(upstream: ScriptedUpstream) -> Json:
    block = {"base_url": upstream.base_url, "api_key": KEY}
    types = {name: name for name in MODELS} | {
        "streams": "openai-compatible",
        "of-the-block": "openai-compatible",
    }
    providers: Json = {name: {**block, "type": types[name], "models": [name]} for name in MODELS}
    providers["of-the-block"]["replay_streams"] = True
    providers["claude"] = {
        **block,
        "type": "anthropic",
        "models": ["claude"],
        "replay_streams": True,
    }
    return {"providers": providers}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("replayed")
    (folder / "own.py").write_text(PLUGIN, "utf-8")
    plugins = (
        f"[plugins]\nload = ['{folder / 'own.py'}']\n[routing.retry]\nattempts = 0\n{DECLARED}"
    )
    with running(folder, plugins, config) as pair:
        yield pair


@pytest.fixture(autouse=True)
def provider(first: ScriptedUpstream) -> None:
    first.default = Reply(answers)


# What a stream says, in each dialect


def in_chat(response: httpx.Response) -> Any:
    *data, done = data_of(response.text)
    assert done == "[DONE]"
    views = [json.loads(each) for each in data]
    counts = [view["usage"] for view in views if view.get("usage")]
    whole = json.loads(
        joined([Chunk(json.dumps(view).encode()) for view in views if view["choices"]])
    )
    (choice,) = whole["choices"]
    return choice["message"], choice["finish_reason"], counts


def in_completions(response: httpx.Response) -> Any:
    *data, done = data_of(response.text)
    assert done == "[DONE]"
    choices = [json.loads(each)["choices"][0] for each in data]
    return "".join(choice["text"] for choice in choices), choices[-1]["finish_reason"]


def in_messages(response: httpx.Response) -> Any:
    found = events_of(response.content)
    check_types(found)
    check_order(found, complete=True)
    message: Any = final_message(response.content).to_dict()
    blocks = [
        {name: value for name, value in block.items() if name != "signature"}
        for block in message["content"]
    ]
    return blocks, message["stop_reason"], message["usage"]["output_tokens"]


def in_responses(response: httpx.Response) -> Any:
    found: Any = response_in(response.text)
    assert found["status"] == "completed"
    items = [
        {name: value for name, value in item.items() if name not in ("id", "encrypted_content")}
        for item in found["output"]
    ]
    return items, found["usage"]["output_tokens"]


def in_gemini(response: httpx.Response) -> Any:
    frames = [
        json.loads(line.removeprefix("data: "))
        for line in response.text.splitlines()
        if line.startswith("data")
    ]
    parts = [
        part for frame in frames for part in frame["candidates"][0]["content"].get("parts", ())
    ]
    text = "".join(part.get("text", "") for part in parts if not part.get("thought"))
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    last = frames[-1]
    return (
        text,
        calls,
        last["candidates"][0]["finishReason"],
        last["usageMetadata"]["candidatesTokenCount"],
    )


TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
USER = [{"role": "user", "parts": [{"text": "Hello!"}]}]
GEMINI = "/v1beta/models/{model}:streamGenerateContent?alt=sse"

DIALECTS: dict[str, tuple[str, Json, Callable[[httpx.Response], Any]]] = {
    "chat completions": (
        "/v1/chat/completions",
        {"messages": HELLO, "tools": TOOLS, "stream_options": {"include_usage": True}},
        in_chat,
    ),
    "completions": ("/v1/completions", {"prompt": "Hello!"}, in_completions),
    "messages": ("/v1/messages", {"messages": HELLO, "max_tokens": 100}, in_messages),
    "responses": ("/v1/responses", {"input": "Hello!", "store": False}, in_responses),
    "gemini": (GEMINI, {"contents": USER}, in_gemini),
}


def ask_for_stream(ask: Asking, dialect: str, model: str) -> httpx.Response:
    path, members, _ = DIALECTS[dialect]
    return ask.post({"model": model, "stream": True, **members}, path.format(model=model))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_client_gets_a_stream_that_says_the_same(
    ask: Asking, first: ScriptedUpstream, dialect: str, subtests: pytest.Subtests
) -> None:
    """As from a provider that streams, to the last token of the usage."""
    meaning = DIALECTS[dialect][2]
    expected = meaning(ask_for_stream(ask, dialect, "streams"))
    assert expected
    for model in MODELS[1:]:
        with subtests.test(model):
            response = ask_for_stream(ask, dialect, model)
            assert response.status_code == 200, response.text
            assert response.headers["content-type"].startswith("text/event-stream")
            assert response.headers["x-llms-provider"] == model
            assert meaning(response) == expected


@pytest.mark.parametrize("model", REPLAYED)
def test_the_provider_is_asked_for_a_whole_answer(
    ask: Asking, first: ScriptedUpstream, model: str
) -> None:
    assert (
        ask.chat(model=model, stream=True, stream_options={"include_usage": True}).status_code
        == 200
    )
    assert first.requests[0].json.keys().isdisjoint({"stream", "stream_options"})


@pytest.mark.parametrize("model", REPLAYED)
def test_a_client_that_wants_it_whole_gets_it_as_it_is(
    ask: Asking, first: ScriptedUpstream, model: str
) -> None:
    answer = ask.chat(model=model).json()
    assert answer["choices"][0]["message"]["tool_calls"] == CALLS
    assert answer["usage"] == USAGE


def test_a_request_in_the_protocol_of_the_provider_is_translated_if_it_wants_a_stream(
    ask: Asking, first: ScriptedUpstream
) -> None:
    """Passed on as it is, it would ask for a stream."""
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "stop_sequence": None,
    }
    text = {"type": "text", "text": "Hello!"}
    usage = {"input_tokens": 9, "output_tokens": 7}
    first.default = json_body(
        {**message, "content": [text], "stop_reason": "end_turn", "usage": usage}
    )
    for stream in (False, True):
        body = {"model": "claude", "stream": stream, "messages": HELLO, "max_tokens": 100}
        response = ask.post(body, "/v1/messages")
        assert response.status_code == 200, response.text
        assert not first.requests[-1].json.get("stream")
    assert in_messages(response) == ([text], "end_turn", 7)


@pytest.mark.parametrize("model", REPLAYED)
def test_its_failure_is_an_error_and_not_a_stream(
    ask: Asking, first: ScriptedUpstream, model: str
) -> None:
    """Nothing has been sent until the whole answer is there."""
    first.default = error(500)
    response = ask.chat(model=model, stream=True)
    assert response.status_code == 502
    assert response.headers["content-type"] == "application/json"
