"""Ollama's native API: recorded exchanges, agreement with Ollama's SDK, and cases that the recordings lack."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from chat_requests import PNG, WAV, chat_call, chat_requests, data_uri, user_messages
from chat_streams import ChatStream
from client_view import (
    assert_leaves_call_unchanged,
    complete,
    request_or_refusal,
    summarize_completion,
    summarize_stream,
    translate_stream,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from official_types import check_ollama
from ollama import ChatResponse
from ollama._types import ChatRequest
from openai import OpenAI
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion
from recordings import Recording, failures, for_each, recordings, streams, whole_answers

from llms_core import ErrorKind, ProviderError, RequestError, Unsupported
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.request import ChatCall
from llms_core.provider import Discovers, Inlines, ProviderSettings, ProviderSpec, UpstreamRequest
from llms_core.secret import Secret
from llms_core.testing import Body, Reply, ScriptedUpstream, Status, json_body
from llms_providers.ollama import OLLAMA, OLLAMA_CLOUD, Ollama, llms_providers

if TYPE_CHECKING:
    from tests.conftest import Serve

Json = dict[str, Any]

HELLO: Json = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
MODEL = "llama3:latest"


def ollama(base_url: str = "", api_key: str | None = None, spec: ProviderSpec = OLLAMA) -> Ollama:
    secret = Secret(api_key) if api_key else None
    return Ollama(spec, ProviderSettings(id="ollama", base_url=base_url, api_key=secret))


def sent(body: Mapping[str, Any], adapter: Ollama | None = None) -> UpstreamRequest:
    return (adapter or ollama()).request(chat_call(body, model=MODEL))


def native(**members: Any) -> Json:
    """Return the body sent to Ollama for a request with these members."""
    body: Json = json.loads(sent({**HELLO, **members}).content)
    return body


def messages(*given: Json, **members: Any) -> list[Json]:
    """Return the messages sent to Ollama for a request with these messages."""
    translated: list[Json] = native(messages=list(given), **members)["messages"]
    return translated


def line(content: str = "", *, message: Json | None = None, **members: Any) -> Json:
    """Return one line of a stream. `message` is further members of its message."""
    return {
        "model": "m",
        "created_at": "2026-05-04T22:49:30.565814Z",
        "message": {"role": "assistant", "content": content, **(message or {})},
        "done": False,
        **members,
    }


def whole(content: str = "Hi", **members: Any) -> Json:
    """Return a whole answer, or the last line of a stream."""
    end = {"done": True, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 2}
    return line(content, **{**end, **members})


def completed(answer: Json | bytes, call: ChatCall | None = None) -> ChatCompletion:
    return complete(ollama(), call or chat_call(HELLO), answer)


def streamed(body: bytes, size: int | None = None) -> list[Chunk]:
    return translate_stream(ollama(), chat_call({**HELLO, "stream": True}), body, size)


def ndjson(*lines: Json) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in lines)


def joined(chunks: Iterable[Chunk]) -> Json:
    return summarize_stream(chunks, "ollama", counts_of)


def read(completion: ChatCompletion) -> Json:
    return summarize_completion(completion, "ollama", counts_of)


def counts_of(usage: CompletionUsage) -> tuple[int, int]:
    return usage.prompt_tokens, usage.completion_tokens


def expected(lines: list[Json]) -> Json:
    """Return the summary of recorded lines, read independently of the adapter."""
    messages = [each["message"] for each in lines]
    last = lines[-1]
    calls = [call for message in messages for call in message.get("tool_calls") or ()]
    tokens = [token for each in lines for token in each.get("logprobs") or ()]
    return {
        "id": "chatcmpl-1",
        "text": "".join(message["content"] for message in messages),
        "reasoning": "".join(message.get("thinking", "") for message in messages),
        "calls": [
            (call["id"], call["function"]["name"], call["function"]["arguments"]) for call in calls
        ],
        "finish": "tool_calls" if calls else last["done_reason"],
        "usage": (last["prompt_eval_count"], last["eval_count"]),
        "extra": {},
        "logprobs": [(token["token"], token["logprob"]) for token in tokens],
    }


# Recorded answers ---------------------------------------------------------------------------------------------------


@for_each(whole_answers("ollama"))
def test_recorded_answers_are_translated_completely(recording: Recording) -> None:
    """SR-042 … SR-050."""
    found = completed(recording.body)
    assert read(found) == expected([json.loads(recording.body)])
    assert (found.id, found.created, found.model, found.object) == (
        "chatcmpl-1", 1700000000, HELLO["model"], "chat.completion",
    )  # fmt: skip


@for_each(streams("ollama"))
def test_recorded_streams_are_translated_completely(recording: Recording) -> None:
    """SR-053 … SR-056: independent of the size of the network's pieces."""
    chunks = streamed(recording.body)
    assert joined(chunks) == expected([json.loads(each) for each in recording.body.splitlines()])
    fragments = [call for chunk in chunks for call in fragments_of(chunk)]
    assert all("id" in fragment for fragment in fragments), "Ollama sends each call as a whole"
    assert (
        streamed(recording.body, 1)
        == streamed(recording.body, 7)
        == streamed(recording.body, 64)
        == chunks
    )


@for_each(whole_answers("ollama"))
def test_answers_agree_with_ollamas_sdk(recording: Recording) -> None:
    sdk = ChatResponse.model_validate_json(recording.body)
    found = read(completed(recording.body))
    assert (found["text"], found["reasoning"]) == (sdk.message.content, sdk.message.thinking or "")
    calls = [(call.function.name, call.function.arguments) for call in sdk.message.tool_calls or ()]
    assert [call[1:] for call in found["calls"]] == calls
    assert found["usage"] == (sdk.prompt_eval_count, sdk.eval_count)


@for_each(failures("ollama"))
def test_recorded_errors_are_classified(recording: Recording) -> None:
    # The recorded 500s are images of an unknown format.
    kinds = {404: ErrorKind.MODEL_NOT_FOUND, 500: ErrorKind.INVALID_REQUEST}
    error = ollama().error(recording.status, recording.headers, recording.body)
    assert error.kind is kinds[recording.status]
    assert (error.message, error.status) == (json.loads(recording.body)["error"], recording.status)


def fragments_of(chunk: Chunk) -> list[Json]:
    """Return the fragments of tool calls in a chunk."""
    choices = json.loads(chunk.data)["choices"]
    return [call for choice in choices for call in choice["delta"].get("tool_calls", ())]


# Recorded requests --------------------------------------------------------------------------------------------------


def as_openai(body: Json) -> Json:
    """Return a recorded request as an OpenAI client would send it."""
    request: Json = {
        "model": body["model"],
        "messages": [],
        "stream": body["stream"],
        **(body.get("options") or {}),
    }
    if "num_predict" in request:
        request["max_completion_tokens"] = request.pop("num_predict")
    # Older recordings have no ids; a result then answers the call before it.
    call_id = ""
    for message in body["messages"]:
        translated: Json = {"role": message["role"], "content": content_as_openai(message)}
        for call in message.get("tool_calls", ()):
            call_id = call.get("id", "call_made")
            function = {**call["function"], "arguments": json.dumps(call["function"]["arguments"])}
            translated.setdefault("tool_calls", []).append(
                {"id": call_id, "type": "function", "function": function}
            )
        if message["role"] == "tool":
            translated["tool_call_id"] = message.get("tool_call_id", call_id)
        request["messages"].append(translated)
    if body.get("format") == "json":
        request["response_format"] = {"type": "json_object"}
    elif body.get("format"):
        schema = {"name": "answer", "schema": body["format"]}
        request["response_format"] = {"type": "json_schema", "json_schema": schema}
    if "think" in body:
        request["reasoning_effort"] = "medium" if body["think"] else "none"
    for name in ("tools", "logprobs", "top_logprobs"):
        if body.get(name):
            request[name] = body[name]
    return request


def content_as_openai(message: Json) -> Any:
    content = message.get("content")
    if "images" not in message:
        return content
    parts: list[Json] = [{"type": "text", "text": content}] if content else []
    urls = [f"data:image/png;base64,{image}" for image in message["images"]]
    return parts + [{"type": "image_url", "image_url": {"url": url}} for url in urls]


def normalize(body: Json, like: Json) -> Json:
    """Return a request without empty members, and without ids and tool names if the request `like` has none."""
    normalized = {name: value for name, value in body.items() if value not in (None, "", [], {})}
    has_ids = any("tool_call_id" in message for message in like["messages"])
    normalized["messages"] = []
    for message in body["messages"]:
        kept = {"content": "", **message}
        if not has_ids:
            kept.pop("tool_call_id", None)
            kept.pop("tool_name", None)
            if "tool_calls" in kept:
                kept["tool_calls"] = [call["function"] for call in kept["tool_calls"]]
        normalized["messages"].append(kept)
    return normalized


@for_each(recordings("ollama"))
def test_recorded_requests_survive_translation_from_openais_format(recording: Recording) -> None:
    """SR-013 … SR-023, SR-031 … SR-036, SR-040."""
    recorded = recording.request["body"]
    request = ollama().request(chat_call(as_openai(recorded), model=recorded["model"]))
    body = json.loads(request.content)
    assert normalize(body, recorded) == normalize(recorded, recorded)
    assert request.dropped == ()
    ChatRequest.model_validate(body)


# Any request --------------------------------------------------------------------------------------------------------

OWN = {
    "think": st.sampled_from([True, False, "low", "high"]),
    "keep_alive": st.sampled_from(["5m", -1, 0, "1h30m"]),
    "options": st.fixed_dictionaries(
        {}, optional={"num_ctx": st.integers(1, 10**6), "temperature": st.floats(0, 1)}
    ),
    "top_k": st.integers(1, 100),
    "num_ctx": st.integers(1, 10**6),
    "format": st.sampled_from(["json", {"type": "object", "properties": {}}]),
}


@pytest.mark.slow
@settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(chat_requests(also=OWN, never=("n",)))
def test_any_request_is_valid_for_the_sdk_or_rejected_with_a_reason(body: Json) -> None:
    """SR-001, SR-026: parameters that are left out are reported."""
    request = request_or_refusal(ollama(), chat_call(body, model=MODEL))
    if not isinstance(request, UpstreamRequest):
        assert request.message
        assert request.param
        return
    sent_body = json.loads(request.content)
    check_ollama(sent_body)
    assert len(sent_body["messages"]) == len(body["messages"])
    assert set(request.dropped) <= body.keys()
    assert sent_body["model"] == MODEL
    assert sent_body["stream"] is bool(body.get("stream"))


@settings(max_examples=50, deadline=None)
@given(user_messages())
def test_only_unsupported_content_is_rejected(message: Json) -> None:
    """SR-034 … SR-038: files, videos, and URLs that the core has not downloaded."""
    parts = message["content"] if isinstance(message["content"], list) else []
    fit = all(
        part["type"] in ("text", "input_audio")
        or (part["type"] == "image_url" and "data:" in json.dumps(part))
        for part in parts
    )
    images = any(
        part["type"] == "file" and part["file"].get("filename") == "cat.png" for part in parts
    )
    call = chat_call({**HELLO, "messages": [message]})
    if isinstance(request_or_refusal(ollama(), call), UpstreamRequest):
        assert fit or images
    else:
        assert not fit


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(chat_requests(also=OWN, never=("n",)))
def test_request_does_not_modify_the_call(body: Json) -> None:
    assert_leaves_call_unchanged(ollama(), chat_call(body))


# Addresses, keys and models -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/", "/api", "/api/"])
def test_base_url_may_end_in_v1_or_api(path: str) -> None:
    """SR-104, SR-114."""
    adapter = ollama(f"http://gpu:11434{path}")
    assert sent(HELLO, adapter).url == "http://gpu:11434/api/chat"
    listing = adapter.models_request()
    assert (listing.method, listing.url) == ("GET", "http://gpu:11434/api/tags")


def test_default_base_url_is_localhost() -> None:
    """SR-104."""
    assert sent(HELLO).url == "http://localhost:11434/api/chat"


def test_key_is_optional() -> None:
    """SR-118: none is needed, but a proxy in front of Ollama may require one."""
    assert not OLLAMA.needs_key
    assert "authorization" not in sent(HELLO).headers
    assert (
        sent(HELLO, ollama(api_key="behind-a-proxy")).headers["authorization"]
        == "Bearer behind-a-proxy"
    )


def test_cloud_has_the_same_api_and_requires_a_key() -> None:
    assert [spec.name for spec in llms_providers()] == ["ollama", "ollama-cloud"]
    assert OLLAMA_CLOUD.needs_key
    assert OLLAMA_CLOUD.key_env == ("OLLAMA_API_KEY",)
    for base_url in ("", "https://ollama.com/v1"):
        adapter = ollama(base_url, "cloud-key", OLLAMA_CLOUD)
        request, listing = sent(HELLO, adapter), adapter.models_request()
        assert request.url == "https://ollama.com/api/chat"
        assert listing.url == "https://ollama.com/api/tags"
        assert (
            request.headers["authorization"]
            == listing.headers["authorization"]
            == "Bearer cloud-key"
        )
        assert "cloud-key" not in repr(adapter.settings)


def test_pulled_models_are_listed() -> None:
    """SR-118, K-10: `:latest` is stripped for clients, and sent to Ollama."""
    body = b'{"models": [{"name": "llama3:latest", "size": 1}, {"name": "qwen3:8b", "model": "qwen3:8b"}]}'
    adapter = ollama()
    assert isinstance(adapter, Discovers)
    assert adapter.models(body) == {"llama3": "llama3:latest", "qwen3:8b": "qwen3:8b"}
    assert adapter.models(b'{"models": []}') == {}


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"models": [{}]}', b'{"models": null}', b"\xff", b"<html>"]
)
def test_unreadable_model_list_is_an_error(body: bytes) -> None:
    with pytest.raises(ProviderError, match="Cannot parse Ollama's list of models"):
        ollama().models(body)


# Parameters ---------------------------------------------------------------------------------------------------------


def test_parameters_become_options_with_ollamas_names() -> None:
    """SR-012 … SR-019: the newer name of the limit takes precedence, and `stop` becomes a list."""
    sent_body = native(
        temperature=0.5, top_p=0.9, seed=7, frequency_penalty=0.1, presence_penalty=-0.2, stop="END", max_tokens=9,
        max_completion_tokens=5,
    )  # fmt: skip
    assert sent_body["options"] == {
        "temperature": 0.5, "top_p": 0.9, "seed": 7, "frequency_penalty": 0.1, "presence_penalty": -0.2,
        "stop": ["END"], "num_predict": 5,
    }  # fmt: skip
    assert native(stop=["a", "b"], max_tokens=9)["options"] == {
        "stop": ["a", "b"],
        "num_predict": 9,
    }


def test_plain_request_has_no_additional_members() -> None:
    """SR-025, SR-027, SR-028: `stream` is always sent, because Ollama streams by default."""
    hello = {"model": "llama3:latest", "messages": HELLO["messages"], "stream": False}
    assert native() == hello
    assert native(temperature=None, tools=None, think=None, options=None, user=None) == hello


def test_ollamas_own_parameters_are_passed_through() -> None:
    """If a parameter is given twice, the one at the top level takes precedence: the gateway has validated it."""
    sent_body = native(
        options={"num_ctx": 8192, "temperature": 0},
        temperature=1,
        top_k=40,
        keep_alive="10m",
        shift=False,
    )
    assert sent_body["options"] == {"num_ctx": 8192, "temperature": 1, "top_k": 40}
    assert (sent_body["keep_alive"], sent_body["shift"]) == ("10m", False)
    with pytest.raises(RequestError, match="'options': expected an object"):
        native(options=[1])


def test_unsupported_parameters_are_reported_as_dropped() -> None:
    request = sent(
        {
            **HELLO,
            "logit_bias": {"1": 2},
            "parallel_tool_calls": True,
            "user": "me",
            "metadata": None,
        }
    )
    assert json.loads(request.content).keys() == {"model", "messages", "stream"}
    assert request.dropped == ("logit_bias", "parallel_tool_calls", "user")


@pytest.mark.parametrize(
    ("members", "think"),
    [
        ({"reasoning_effort": "none"}, False),
        ({"reasoning_effort": "minimal"}, "low"),
        ({"reasoning_effort": "high"}, "high"),
        ({"reasoning_effort": "xhigh"}, "max"),
        ({"enable_thinking": True}, True),
        ({"enable_thinking": False, "reasoning_effort": "high"}, False),
        ({"enable_thinking": True, "reasoning_effort": "low"}, "low"),
        ({"think": "medium", "reasoning_effort": "low"}, "medium"),
        ({"think": False}, False),
    ],
)
def test_reasoning_effort_becomes_think(members: Json, think: bool | str) -> None:
    """SR-023, SR-024."""
    assert native(**members)["think"] == think


def test_response_format_is_translated() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}
    assert native(response_format=wanted)["format"] == schema
    assert native(response_format={"type": "json_object"})["format"] == "json"
    assert "format" not in native(response_format={"type": "text"})
    assert native(format=schema)["format"] == schema
    with pytest.raises(Unsupported, match="'grammar'"):
        native(response_format={"type": "grammar"})


def test_logprobs_are_translated() -> None:
    """SR-021, SR-022."""
    sent_body = native(logprobs=True, top_logprobs=3)
    assert (sent_body["logprobs"], sent_body["top_logprobs"]) == (True, 3)
    tokens = [
        {"token": "Hi", "logprob": -0.5},
        {"token": "!", "logprob": -1.0, "bytes": [33], "top_logprobs": []},
    ]
    choice = completed(whole("Hi!", logprobs=tokens)).choices[0]
    assert choice.logprobs is not None
    assert [each.token for each in choice.logprobs.content or ()] == ["Hi", "!"]
    # A line may have tokens whose text is held back until a later line.
    summary = joined(streamed(ndjson(line(logprobs=tokens), whole("Hi!"))))
    assert summary["logprobs"] == [("Hi", -0.5), ("!", -1.0)]


# Tools --------------------------------------------------------------------------------------------------------------

WEATHER: Json = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
TIME: Json = {"type": "function", "function": {"name": "time"}}


@pytest.mark.parametrize(
    ("choice", "names", "dropped"),
    [
        ("auto", ["weather", "time"], ()),
        ("required", ["weather", "time"], ("tool_choice",)),
        ("none", [], ()),
        ({"type": "function", "function": {"name": "time"}}, ["time"], ("tool_choice",)),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [WEATHER]}},
            ["weather"],
            (),
        ),
    ],
)
def test_tools_excluded_by_tool_choice_are_not_sent_and_a_forced_call_is_dropped(
    choice: Any, names: list[str], dropped: tuple[str, ...]
) -> None:
    request = sent({**HELLO, "tools": [WEATHER, TIME], "tool_choice": choice})
    assert [
        tool["function"]["name"] for tool in json.loads(request.content).get("tools", ())
    ] == names
    assert request.dropped == dropped


def test_tool_that_is_not_a_function_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="Tools of type 'custom'"):
        native(tools=[{"type": "custom", "custom": {"name": "x"}}])


def test_reasoning_and_tool_results_are_sent_back() -> None:
    """SR-032, SR-040: results need the name of their tool, which OpenAI's messages do not have."""
    calls = [
        {
            "id": "a",
            "type": "function",
            "function": {"name": "weather", "arguments": '{"city": "Paris"}'},
        },
        {"id": "b", "type": "function", "function": {"name": "time", "arguments": ""}},
    ]
    translated = messages(
        HELLO["messages"][0],
        {"role": "assistant", "content": None, "reasoning_content": "Both.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "b", "content": "12:00"},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "sun"}]},
        {"role": "function", "name": "older", "content": "4"},
    )
    assert translated[1] == {
        "role": "assistant",
        "content": "",
        "thinking": "Both.",
        "tool_calls": [
            {"id": "a", "function": {"name": "weather", "arguments": {"city": "Paris"}}},
            {"id": "b", "function": {"name": "time", "arguments": {}}},
        ],
    }
    assert translated[2:] == [
        {"role": "tool", "content": "sun", "tool_name": "weather", "tool_call_id": "a"},
        {"role": "tool", "content": "12:00", "tool_name": "time", "tool_call_id": "b"},
        {"role": "tool", "content": "4", "tool_name": "older"},
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [("null", {}), (None, {}), ('{"a": "pa', {"invalid_arguments": '{"a": "pa'})],
)
def test_past_arguments_that_are_not_an_object_are_repaired(
    arguments: str | None, expected: Json
) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": arguments}}
    [message] = messages({"role": "assistant", "tool_calls": [call]})
    assert message["tool_calls"][0]["function"]["arguments"] == expected


CALLS = [
    {"function": {"name": "a", "arguments": {"x": 1.50, "y": "ü"}}},
    {"function": {"name": "b", "arguments": {}}},
    {"function": {"name": "c"}},
    {"function": {"name": "d", "arguments": '{"as": "text"}'}},
]


def test_tool_calls_without_ids_get_unique_ids() -> None:
    """SR-056: the same ids whole and streamed, in one line or in several."""
    first = completed(whole("", message={"tool_calls": CALLS}))
    calls = read(first)["calls"]
    assert [call[1:] for call in calls] == [
        ("a", {"x": 1.5, "y": "ü"}),
        ("b", {}),
        ("c", {}),
        ("d", {"as": "text"}),
    ]
    assert len({call[0] for call in calls}) == 4
    lines = (
        line(message={"tool_calls": CALLS[:1]}),
        line(message={"tool_calls": CALLS[1:]}),
        whole(""),
    )
    assert joined(streamed(ndjson(*lines)))["calls"] == calls
    other = msgspec.structs.replace(chat_call(HELLO), id="chatcmpl-2")
    again = read(completed(whole("", message={"tool_calls": CALLS}), other))["calls"]
    assert {call[0] for call in calls}.isdisjoint(call[0] for call in again)
    assert first.choices[0].message.content is None


# Messages -----------------------------------------------------------------------------------------------------------


def test_system_messages_keep_their_position() -> None:
    """SR-041."""
    translated = messages(
        {"role": "system", "content": "One"},
        {"role": "developer", "content": "Two"},
        HELLO["messages"][0],
    )
    assert translated == [
        {"role": "system", "content": "One"}, {"role": "system", "content": "Two"}, HELLO["messages"][0],
    ]  # fmt: skip


def test_images_and_audio_are_sent_as_base64() -> None:
    """SR-035, SR-037."""
    parts = [
        {"type": "text", "text": "What "},
        {"type": "image_url", "image_url": {"url": data_uri("image/png", PNG)}},
        {"type": "text", "text": "is it?"},
        {
            "type": "input_audio",
            "input_audio": {"data": data_uri("audio/wav", WAV).partition(",")[2], "format": "wav"},
        },
    ]
    (translated,) = messages({"role": "user", "content": parts})
    images = [data_uri("", data).partition(",")[2] for data in (PNG, WAV)]
    assert translated == {"role": "user", "content": "What is it?", "images": images}


@pytest.mark.parametrize("wrap", [True, False])
def test_image_url_is_downloaded_by_the_core(wrap: bool) -> None:
    """SR-036: Ollama downloads nothing itself."""
    adapter = ollama()
    assert isinstance(adapter, Inlines)
    assert adapter.inlines == {"image_url", "audio_url"}
    url = "https://example.com/cat.png"
    with pytest.raises(Unsupported, match="data URIs") as caught:
        messages(
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": {"url": url} if wrap else url}],
            }
        )
    assert caught.value.param == "messages[0].content[0]"


@pytest.mark.parametrize(
    "part",
    [
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
        },
        {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}},
        {"type": "hologram"},
    ],
)
def test_content_other_than_text_images_and_audio_is_unsupported(part: Json) -> None:
    """SR-038."""
    assert not OLLAMA.capabilities.files
    with pytest.raises(Unsupported):
        messages({"role": "user", "content": [part]})


# Finish reasons, usage and errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "calls", "finish"),
    [
        ("stop", [], "stop"),
        ("length", [], "length"),
        (None, [], "stop"),
        ("stop", CALLS, "tool_calls"),
        ("length", CALLS, "length"),
    ],
)
def test_finish_reason_is_translated(reason: str | None, calls: list[Json], finish: str) -> None:
    """SR-048: a tool call is a reason of its own, unless the limit cut it off."""
    answer = whole("Hi", done_reason=reason, message={"tool_calls": calls})
    assert completed(answer).choices[0].finish_reason == finish
    assert joined(streamed(ndjson(answer)))["finish"] == finish


@pytest.mark.parametrize("reason", ["load", "unload"])
def test_answer_of_a_model_that_was_only_loaded_is_an_error(reason: str) -> None:
    """Ollama only loads the model if no message is a user's; a retry would not help."""
    answer = whole("", done_reason=reason)
    with pytest.raises(ProviderError, match=f"done_reason '{reason}'") as caught:
        completed(answer)
    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    with pytest.raises(ProviderError, match=f"done_reason '{reason}'"):
        streamed(ndjson(answer))


def test_usage_is_translated() -> None:
    """SR-049: Ollama leaves out counts of zero, for example for a cached prompt."""
    answer = whole("Hi")
    del answer["prompt_eval_count"]
    found = completed(answer).usage
    assert found is not None
    assert (found.prompt_tokens, found.completion_tokens, found.total_tokens) == (0, 2, 2)
    assert joined(streamed(ndjson(answer)))["usage"] == (0, 2)
    del answer["eval_count"]
    assert completed(answer).usage is None
    assert joined(streamed(ndjson(answer)))["usage"] is None


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, '"gemma3" does not support thinking', ErrorKind.INVALID_REQUEST),
        (
            400,
            "the prompt is longer than the context length currently available",
            ErrorKind.CONTEXT_LENGTH,
        ),
        (401, "unauthorized", ErrorKind.AUTH),
        (403, "ollama cloud is disabled: remote model is unavailable", ErrorKind.PERMISSION),
        (404, 'model "x" not found, try pulling it first', ErrorKind.MODEL_NOT_FOUND),
        (429, "rate limit exceeded", ErrorKind.RATE_LIMIT),
        (
            429,
            "you have reached your weekly usage limit, upgrade for higher limits",
            ErrorKind.QUOTA,
        ),
        (
            500,
            "model requires more system memory (8 GiB) than is available (4 GiB)",
            ErrorKind.OVERLOADED,
        ),
        (
            503,
            "server busy, please try again.  maximum pending requests exceeded",
            ErrorKind.OVERLOADED,
        ),
    ],
)
def test_errors_are_classified_by_status_and_message(
    status: int, message: str, kind: ErrorKind
) -> None:
    error = ollama().error(status, {}, json.dumps({"error": message}).encode())
    assert (error.kind, error.message, error.status) == (kind, message, status)


def test_error_within_a_stream_is_raised() -> None:
    """SR-058: the error is a line of its own, after the status 200."""
    progress = ChatStream(ollama().chunks(chat_call(HELLO)))
    broken = ndjson(line("Hi"), {"error": "an error was encountered while running the model"})
    assert len(progress.feed(broken)) == 1
    assert progress.failure is not None
    assert progress.failure.kind is ErrorKind.OVERLOADED
    assert progress.failure.message == "an error was encountered while running the model"
    assert not progress.complete


def test_stream_without_its_last_line_is_incomplete() -> None:
    """SR-058."""
    progress = ChatStream(ollama().chunks(chat_call(HELLO)))
    progress.feed(ndjson(line("Hi")))
    progress.feed(b"")
    assert not progress.complete


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"{}", b"\xff", b"<html>", b'{"message": 1, "done": true}', b'{"done": true}',
     json.dumps(line("Hi")).encode()],
)  # fmt: skip
def test_unreadable_answer_is_an_error(body: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        ollama().completion(chat_call(HELLO), body)
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


# Through the gateway ------------------------------------------------------------------------------------------------


def test_openai_client_uses_ollama_through_the_gateway(
    upstream: ScriptedUpstream, served: Serve
) -> None:
    """SR-020, SR-035, SR-055, SR-118: whole and streamed, with the model's name without `:latest`."""
    upstream.routes["/api/tags"] = json_body({"models": [{"name": "llama3:latest"}]})
    lines = ndjson(line("", message={"thinking": "So"}), line("Hel"), whole("lo"))
    stream_of_lines = Reply(Status(200, {"content-type": "application/x-ndjson"}), Body(lines))
    replies = iter([json_body(whole("Hello")), stream_of_lines])
    upstream.routes["/api/chat"] = Reply(lambda seen: next(replies))
    block = {
        "type": "OllamaProvider",
        "base_url": upstream.origin,
        "models": {"llama3": "llama3:latest"},
    }
    with OpenAI(
        base_url=served({"providers": {"ollama": block}}).base_url, api_key="any"
    ) as client:
        answer = client.chat.completions.create(model="llama3", messages=HELLO["messages"])
        assert (answer.model, answer.choices[0].message.content) == ("llama3", "Hello")
        stream = client.chat.completions.create(
            model="llama3",
            messages=HELLO["messages"],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
    assert (
        "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        == "Hello"
    )
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 5
    assert [seen.json["model"] for seen in upstream.requests if seen.path == "/api/chat"] == [
        "llama3:latest"
    ] * 2
