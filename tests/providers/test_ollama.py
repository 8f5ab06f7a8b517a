"""Ollama's own API: recorded exchanges, what its SDK makes of both sides, and what the recordings do not have."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from chat_requests import PNG, WAV, chat_call, chat_requests, data_uri, user_messages
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ollama import ChatResponse
from ollama._types import ChatRequest, Message, Options
from openai import OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from recordings import Recording, pieces, recordings

from llms_core import ErrorKind, ProviderError, RequestError, Unsupported
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.request import ChatCall
from llms_core.provider import Discovers, Inlines, ProviderSettings, ProviderSpec, UpstreamRequest
from llms_core.secret import Secret
from llms_core.testing import Body, Reply, ScriptedUpstream, Status, json_body
from llms_core.upstream.exchange import Progress
from llms_providers.ollama import OLLAMA, OLLAMA_CLOUD, Ollama, llms_providers

if TYPE_CHECKING:
    from tests.conftest import Serve

Json = dict[str, Any]

HELLO: Json = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
#: Members of the API that the SDK has no field for.
NEWER = {"truncate", "shift"}
NEWER_OPTIONS = {"min_p", "draft_num_predict"}


def ollama(base_url: str = "", api_key: str | None = None, spec: ProviderSpec = OLLAMA) -> Ollama:
    secret = Secret(api_key) if api_key else None
    return Ollama(spec, ProviderSettings(id="ollama", base_url=base_url, api_key=secret))


def sent(body: Mapping[str, Any], adapter: Ollama | None = None) -> UpstreamRequest:
    return (adapter or ollama()).request(chat_call(body, model="llama3:latest"))


def native(**members: Any) -> Json:
    """What reaches Ollama of a request with these members."""
    found: Json = json.loads(sent({**HELLO, **members}).content)
    return found


def messages(*said: Json, **members: Any) -> list[Json]:
    found: list[Json] = native(messages=list(said), **members)["messages"]
    return found


def line(content: str = "", **members: Any) -> Json:
    message = {"role": "assistant", "content": content, **members.pop("message", {})}
    return {"model": "m", "created_at": "2026-05-04T22:49:30.565814Z", "message": message, "done": False, **members}


def whole(content: str = "Hi", **members: Any) -> Json:
    return line(content, **{"done": True, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 2, **members})


def completed(answer: Json | bytes, call: ChatCall | None = None) -> ChatCompletion:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return ChatCompletion.model_validate_json(ollama().completion(call or chat_call(HELLO), body).data)


def streamed(body: bytes, size: int | None = None) -> list[Chunk]:
    """The chunks of a stream that comes in pieces of a size, as the core reads it."""
    progress = Progress(ollama().chunks(chat_call({**HELLO, "stream": True})))
    found = [chunk for piece in pieces(body, size or len(body)) for chunk in progress.feed(piece)]
    found += progress.feed(b"")
    if progress.failure is not None:
        raise progress.failure
    assert progress.complete
    return found + progress.rest()


def ndjson(*lines: Json) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in lines)


def joined(chunks: Iterable[Chunk]) -> Json:
    """What an OpenAI client makes of a stream."""
    said: Json = {"text": "", "reasoning": "", "calls": {}, "finish": None, "usage": None, "logprobs": []}
    roles = []
    for chunk in chunks:
        parsed = ChatCompletionChunk.model_validate_json(chunk.data)
        if parsed.usage is not None:
            assert parsed.choices == []
            said["usage"] = (parsed.usage.prompt_tokens, parsed.usage.completion_tokens)
            continue
        (choice,) = parsed.choices
        roles.append(choice.delta.role)
        said["text"] += choice.delta.content or ""
        said["reasoning"] += (choice.delta.model_extra or {}).get("reasoning_content") or ""
        said["finish"] = choice.finish_reason or said["finish"]
        said["logprobs"] += [each.token for each in (choice.logprobs and choice.logprobs.content) or ()]
        for call in choice.delta.tool_calls or ():
            assert call.index not in said["calls"]
            assert call.function is not None
            said["calls"][call.index] = (call.id, call.function.name, json.loads(call.function.arguments or ""))
    assert roles[0] == "assistant"
    assert set(roles[1:]) <= {None}
    return {**said, "calls": [said["calls"][index] for index in range(len(said["calls"]))]}


def read(completion: ChatCompletion) -> Json:
    """What an OpenAI client makes of a whole answer."""
    (choice,) = completion.choices
    calls = [each for each in choice.message.tool_calls or () if each.type == "function"]
    logprobs = (choice.logprobs and choice.logprobs.content) or ()
    return {
        "text": choice.message.content or "",
        "reasoning": (choice.message.model_extra or {}).get("reasoning_content") or "",
        "calls": [(call.id, call.function.name, json.loads(call.function.arguments)) for call in calls],
        "finish": choice.finish_reason,
        "usage": completion.usage and (completion.usage.prompt_tokens, completion.usage.completion_tokens),
        "logprobs": [each.token for each in logprobs],
    }


def meant(lines: list[Json]) -> Json:
    """What the recorded lines say, read without the adapter."""
    said = [each["message"] for each in lines]
    calls = [call for each in said for call in each.get("tool_calls") or ()]
    return {
        "text": "".join(each["content"] for each in said),
        "reasoning": "".join(each.get("thinking", "") for each in said),
        "calls": [(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in calls],
        "finish": "tool_calls" if calls else lines[-1]["done_reason"],
        "usage": (lines[-1]["prompt_eval_count"], lines[-1]["eval_count"]),
        "logprobs": [token["token"] for each in lines for token in each.get("logprobs") or ()],
    }


def answered(recording: Recording) -> bool:
    return recording.status == 200


# Recorded answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recording", recordings("ollama", lambda each: answered(each) and not each.stream))
def test_a_recorded_answer_says_what_its_bytes_say(recording: Recording) -> None:
    """SR-042 … SR-050."""
    found = completed(recording.body)
    assert read(found) == meant([json.loads(recording.body)])
    assert (found.id, found.created, found.model, found.object) == (
        "chatcmpl-1", 1700000000, HELLO["model"], "chat.completion",
    )  # fmt: skip


@pytest.mark.parametrize("recording", recordings("ollama", lambda each: answered(each) and each.stream))
def test_a_recorded_stream_says_what_its_bytes_say(recording: Recording) -> None:
    """SR-053 … SR-056: in whatever pieces it comes."""
    chunks = streamed(recording.body)
    assert joined(chunks) == meant([json.loads(each) for each in recording.body.splitlines()])
    assert streamed(recording.body, 1) == streamed(recording.body, 7) == streamed(recording.body, 64) == chunks


@pytest.mark.parametrize("recording", recordings("ollama", lambda each: answered(each) and not each.stream))
def test_ollamas_sdk_reads_the_same(recording: Recording) -> None:
    sdk = ChatResponse.model_validate_json(recording.body)
    found = read(completed(recording.body))
    assert (found["text"], found["reasoning"]) == (sdk.message.content, sdk.message.thinking or "")
    calls = [(call.function.name, call.function.arguments) for call in sdk.message.tool_calls or ()]
    assert [call[1:] for call in found["calls"]] == calls
    assert found["usage"] == (sdk.prompt_eval_count, sdk.eval_count)


@pytest.mark.parametrize("recording", recordings("ollama", lambda each: not answered(each)))
def test_a_recorded_error_has_its_kind(recording: Recording) -> None:
    kinds = {404: ErrorKind.MODEL_NOT_FOUND, 500: ErrorKind.INVALID_REQUEST}  # the 500s: an image of no known format
    error = ollama().error(recording.status, recording.headers, recording.body)
    assert error.kind is kinds[recording.status]
    assert (error.message, error.status) == (json.loads(recording.body)["error"], recording.status)


# Recorded requests --------------------------------------------------------------------------------------------------


def as_openai(body: Json) -> Json:
    """A recorded request of Ollama's as an OpenAI client would say it."""
    options = dict(body.get("options") or {})
    asked: Json = {"model": body["model"], "messages": [], "stream": body["stream"], **options}
    if "num_predict" in asked:
        asked["max_completion_tokens"] = asked.pop("num_predict")
    last = ""
    for message in body["messages"]:
        said: Json = {"role": message["role"], "content": message.get("content")}
        if "images" in message:
            text = [{"type": "text", "text": said["content"]}] if said["content"] else []
            urls = [f"data:image/png;base64,{image}" for image in message["images"]]
            said["content"] = [*text, *({"type": "image_url", "image_url": {"url": url}} for url in urls)]
        if "tool_calls" in message:
            said["tool_calls"] = [
                {
                    "id": (last := call.get("id", "call_made")),
                    "type": "function",
                    "function": {**call["function"], "arguments": json.dumps(call["function"]["arguments"])},
                }
                for call in message["tool_calls"]
            ]
        if message["role"] == "tool":
            said["tool_call_id"] = message.get("tool_call_id", last)
        asked["messages"].append(said)
    if body.get("format"):
        schema = {"type": "json_schema", "json_schema": {"name": "answer", "schema": body["format"]}}
        asked["response_format"] = {"type": "json_object"} if body["format"] == "json" else schema
    if "think" in body:
        asked["reasoning_effort"] = "medium" if body["think"] else "none"
    return asked | {name: body[name] for name in ("tools", "logprobs", "top_logprobs") if body.get(name)}


def normal(body: Json, like: Json) -> Json:
    """Without what says nothing; and without ids and tool names where the recorded request, `like`, has none."""
    found = {name: value for name, value in body.items() if value not in (None, "", [], {})}
    numbered = any("tool_call_id" in message for message in like["messages"])
    said = []
    for message in body["messages"]:
        left_out = () if numbered else ("tool_call_id", "tool_name")
        kept = {name: value for name, value in message.items() if name not in left_out}
        if "tool_calls" in kept:
            functions = [call["function"] for call in kept["tool_calls"]]
            kept["tool_calls"] = kept["tool_calls"] if numbered else functions
        said.append({"content": "", **kept})
    return {**found, "messages": said}


@pytest.mark.parametrize("recording", recordings("ollama"))
def test_a_recorded_request_said_by_an_openai_client_is_the_same_request(recording: Recording) -> None:
    """SR-013 … SR-023, SR-031 … SR-036, SR-040."""
    recorded = recording.request["body"]
    request = ollama().request(chat_call(as_openai(recorded), model=recorded["model"]))
    body = json.loads(request.content)
    assert normal(body, recorded) == normal(recorded, recorded)
    assert request.dropped == ()
    ChatRequest.model_validate(body)


# Any request --------------------------------------------------------------------------------------------------------

OWN = {
    "think": st.sampled_from([True, False, "low", "high"]),
    "keep_alive": st.sampled_from(["5m", -1, 0, "1h30m"]),
    "options": st.fixed_dictionaries({}, optional={"num_ctx": st.integers(1, 10**6), "temperature": st.floats(0, 1)}),
    "top_k": st.integers(1, 100),
    "num_ctx": st.integers(1, 10**6),
    "format": st.sampled_from(["json", {"type": "object", "properties": {}}]),
}


def answer_to(body: Json) -> UpstreamRequest | Unsupported | RequestError:
    """What is sent, or why nothing is."""
    try:
        return sent(body)
    except (Unsupported, RequestError) as error:
        return error


@pytest.mark.slow
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(chat_requests(also=OWN, never=("n",)))
def test_any_request_is_one_that_the_sdk_knows_or_is_refused_with_a_reason(body: Json) -> None:
    """SR-001, SR-026: what is left out is named."""
    request = answer_to(body)
    if not isinstance(request, UpstreamRequest):
        assert request.message
        assert request.param
        return
    asked = json.loads(request.content)
    known = ChatRequest.model_validate(asked)
    assert asked.keys() <= ChatRequest.model_fields.keys() | NEWER
    assert known.messages is not None
    assert len(known.messages) == len(body["messages"])
    for message in asked["messages"]:
        images = [{"value": image} for image in message.get("images", ())]
        assert all(base64.b64decode(image["value"], validate=True) for image in images)
        Message.model_validate({**message, "images": images})
        assert message.keys() <= Message.model_fields.keys() | {"tool_call_id"}
    options = asked.get("options", {})
    Options.model_validate(options)
    assert options.keys() <= Options.model_fields.keys() | NEWER_OPTIONS
    assert set(request.dropped) <= body.keys()
    assert asked["model"] == "llama3:latest"
    assert asked["stream"] is bool(body.get("stream"))


@settings(max_examples=50, deadline=None)
@given(user_messages())
def test_only_what_it_cannot_take_is_refused(message: Json) -> None:
    """SR-034 … SR-038: a file, a video, or a URL that has not been fetched."""
    parts = message["content"] if isinstance(message["content"], list) else []
    fit = all(
        part["type"] in ("text", "input_audio") or (part["type"] == "image_url" and "data:" in json.dumps(part))
        for part in parts
    )
    images = any(part["type"] == "file" and part["file"].get("filename") == "cat.png" for part in parts)
    if isinstance(answer_to({**HELLO, "messages": [message]}), UpstreamRequest):
        assert fit or images
    else:
        assert not fit


# Addresses, keys and models -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/", "/api", "/api/"])
def test_the_address_is_the_servers_with_v1_or_api_or_without(path: str) -> None:
    """SR-104, SR-114."""
    adapter = ollama(f"http://gpu:11434{path}")
    assert sent(HELLO, adapter).url == "http://gpu:11434/api/chat"
    asked = adapter.models_request()
    assert (asked.method, asked.url) == ("GET", "http://gpu:11434/api/tags")


def test_without_an_address_it_is_this_machine() -> None:
    """SR-104."""
    assert sent(HELLO).url == "http://localhost:11434/api/chat"


def test_no_key_is_needed_and_one_is_sent_where_it_is_set() -> None:
    """SR-118: no key; a proxy in front of it may want one."""
    assert not OLLAMA.needs_key
    assert "authorization" not in sent(HELLO).headers
    assert sent(HELLO, ollama(api_key="behind-a-proxy")).headers["authorization"] == "Bearer behind-a-proxy"


def test_the_cloud_is_the_same_api_with_a_key() -> None:
    assert [spec.name for spec in llms_providers()] == ["ollama", "ollama-cloud"]
    assert OLLAMA_CLOUD.needs_key
    assert OLLAMA_CLOUD.key_env == ("OLLAMA_API_KEY",)
    for base_url in ("", "https://ollama.com/v1"):
        adapter = ollama(base_url, "cloud-key", OLLAMA_CLOUD)
        request, listing = sent(HELLO, adapter), adapter.models_request()
        assert request.url == "https://ollama.com/api/chat"
        assert listing.url == "https://ollama.com/api/tags"
        assert request.headers["authorization"] == listing.headers["authorization"] == "Bearer cloud-key"
        assert "cloud-key" not in repr(adapter.settings)


def test_models_are_those_that_were_pulled() -> None:
    """SR-118, K-10: `:latest` is stripped for clients; Ollama is told the whole name."""
    body = b'{"models": [{"name": "llama3:latest", "size": 1}, {"name": "qwen3:8b", "model": "qwen3:8b"}]}'
    adapter = ollama()
    assert isinstance(adapter, Discovers)
    assert adapter.models(body) == {"llama3": "llama3:latest", "qwen3:8b": "qwen3:8b"}
    assert adapter.models(b'{"models": []}') == {}


@pytest.mark.parametrize("body", [b"", b"[]", b'{"models": [{}]}', b'{"models": null}', b"\xff", b"<html>"])
def test_a_list_of_models_that_makes_no_sense(body: bytes) -> None:
    with pytest.raises(ProviderError, match="The list of models makes no sense"):
        ollama().models(body)


# Parameters ---------------------------------------------------------------------------------------------------------


def test_parameters_are_options_by_ollamas_names() -> None:
    """SR-012 … SR-019: the newer name of the limit wins, and a stop text becomes a list."""
    asked = native(
        temperature=0.5, top_p=0.9, seed=7, frequency_penalty=0.1, presence_penalty=-0.2, stop="END", max_tokens=9,
        max_completion_tokens=5,
    )  # fmt: skip
    assert asked["options"] == {
        "temperature": 0.5, "top_p": 0.9, "seed": 7, "frequency_penalty": 0.1, "presence_penalty": -0.2,
        "stop": ["END"], "num_predict": 5,
    }  # fmt: skip
    assert native(stop=["a", "b"], max_tokens=9)["options"] == {"stop": ["a", "b"], "num_predict": 9}


def test_a_plain_request_has_nothing_that_was_not_asked_for() -> None:
    """SR-025, SR-027, SR-028: Ollama streams unless it is told not to."""
    hello = {"model": "llama3:latest", "messages": HELLO["messages"], "stream": False}
    assert native() == hello
    assert native(temperature=None, tools=None, think=None, options=None, user=None) == hello


def test_ollamas_own_parameters_pass() -> None:
    """Where the client says a thing twice, what OpenAI's reference names wins: it is what the gateway checks."""
    asked = native(options={"num_ctx": 8192, "temperature": 0}, temperature=1, top_k=40, keep_alive="10m", shift=False)
    assert asked["options"] == {"num_ctx": 8192, "temperature": 1, "top_k": 40}
    assert (asked["keep_alive"], asked["shift"]) == ("10m", False)
    with pytest.raises(RequestError, match="'options': expected an object"):
        native(options=[1])


def test_parameters_that_it_does_not_know_are_reported() -> None:
    request = sent({**HELLO, "logit_bias": {"1": 2}, "parallel_tool_calls": True, "user": "me", "metadata": None})
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
def test_how_much_it_thinks(members: Json, think: bool | str) -> None:
    """SR-023, SR-024."""
    assert native(**members)["think"] == think


def test_the_answers_form() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}
    assert native(response_format=wanted)["format"] == schema
    assert native(response_format={"type": "json_object"})["format"] == "json"
    assert "format" not in native(response_format={"type": "text"})
    assert native(format=schema)["format"] == schema
    with pytest.raises(Unsupported, match="'grammar'"):
        native(response_format={"type": "grammar"})


def test_tokens_and_their_probabilities() -> None:
    """SR-021, SR-022."""
    asked = native(logprobs=True, top_logprobs=3)
    assert (asked["logprobs"], asked["top_logprobs"]) == (True, 3)
    tokens = [{"token": "Hi", "logprob": -0.5}, {"token": "!", "logprob": -1.0, "bytes": [33], "top_logprobs": []}]
    choice = completed(whole("Hi!", logprobs=tokens)).choices[0]
    assert choice.logprobs is not None
    assert [each.token for each in choice.logprobs.content or ()] == ["Hi", "!"]
    # a line may have tokens whose text is still held back
    assert joined(streamed(ndjson(line(logprobs=tokens), whole("Hi!"))))["logprobs"] == ["Hi", "!"]


# Tools --------------------------------------------------------------------------------------------------------------

WEATHER: Json = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
TIME: Json = {"type": "function", "function": {"name": "time"}}


@pytest.mark.parametrize(
    ("choice", "names", "dropped"),
    [
        ("auto", ["weather", "time"], ()),
        ("required", ["weather", "time"], ("tool_choice",)),
        ("none", [], ()),
        ({"type": "function", "function": {"name": "time"}}, ["time"], ("tool_choice",)),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [WEATHER]}}, ["weather"], ()),
    ],
)
def test_a_choice_of_tools_leaves_out_the_others_and_says_that_it_cannot_force_one(
    choice: Any, names: list[str], dropped: tuple[str, ...]
) -> None:
    request = sent({**HELLO, "tools": [WEATHER, TIME], "tool_choice": choice})
    assert [tool["function"]["name"] for tool in json.loads(request.content).get("tools", ())] == names
    assert request.dropped == dropped


def test_a_tool_of_another_type_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="Tools of type 'custom'"):
        native(tools=[{"type": "custom", "custom": {"name": "x"}}])


def test_the_second_turn_of_a_thinking_model_with_tools() -> None:
    """SR-032, SR-040: results are told apart by their tools' names, which OpenAI's messages do not have."""
    calls = [
        {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}},
        {"id": "b", "type": "function", "function": {"name": "time", "arguments": ""}},
    ]
    told = messages(
        HELLO["messages"][0],
        {"role": "assistant", "content": None, "reasoning_content": "Both.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "b", "content": "12:00"},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "sun"}]},
        {"role": "function", "name": "older", "content": "4"},
    )
    assert told[1] == {
        "role": "assistant",
        "content": "",
        "thinking": "Both.",
        "tool_calls": [
            {"id": "a", "function": {"name": "weather", "arguments": {"city": "Paris"}}},
            {"id": "b", "function": {"name": "time", "arguments": {}}},
        ],
    }
    assert told[2:] == [
        {"role": "tool", "content": "12:00", "tool_name": "time", "tool_call_id": "b"},
        {"role": "tool", "content": "sun", "tool_name": "weather", "tool_call_id": "a"},
        {"role": "tool", "content": "4", "tool_name": "older"},
    ]


def test_arguments_that_are_no_object_are_the_clients_fault() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "[1]"}}
    with pytest.raises(RequestError, match="'f' are not a JSON object"):
        messages({"role": "assistant", "tool_calls": [call]})


CALLS = [
    {"function": {"name": "a", "arguments": {"x": 1.50, "y": "ü"}}},
    {"function": {"name": "b", "arguments": {}}},
    {"function": {"name": "c"}},
    {"function": {"name": "d", "arguments": '{"as": "text"}'}},
]


def test_calls_without_ids_get_ids_of_their_own() -> None:
    """SR-056: whole and streamed alike, in one line or in several."""
    first = completed(whole("", message={"tool_calls": CALLS}))
    calls = read(first)["calls"]
    assert [call[1:] for call in calls] == [("a", {"x": 1.5, "y": "ü"}), ("b", {}), ("c", {}), ("d", {"as": "text"})]
    assert len({call[0] for call in calls}) == 4
    lines = line(message={"tool_calls": CALLS[:1]}), line(message={"tool_calls": CALLS[1:]}), whole("")
    assert joined(streamed(ndjson(*lines)))["calls"] == calls
    other = msgspec.structs.replace(chat_call(HELLO), id="chatcmpl-2")
    again = read(completed(whole("", message={"tool_calls": CALLS}), other))["calls"]
    assert {call[0] for call in calls}.isdisjoint(call[0] for call in again)
    assert first.choices[0].message.content is None


# Messages -----------------------------------------------------------------------------------------------------------


def test_every_system_message_stays_where_it_is() -> None:
    """SR-041."""
    told = messages({"role": "system", "content": "One"}, {"role": "developer", "content": "Two"}, HELLO["messages"][0])
    assert told == [
        {"role": "system", "content": "One"}, {"role": "system", "content": "Two"}, HELLO["messages"][0],
    ]  # fmt: skip


def test_images_and_recordings_go_as_base64() -> None:
    """SR-035, SR-037."""
    parts = [
        {"type": "text", "text": "What "},
        {"type": "image_url", "image_url": {"url": data_uri("image/png", PNG)}},
        {"type": "text", "text": "is it?"},
        {"type": "input_audio", "input_audio": {"data": data_uri("audio/wav", WAV).partition(",")[2], "format": "wav"}},
    ]
    (told,) = messages({"role": "user", "content": parts})
    images = [data_uri("", data).partition(",")[2] for data in (PNG, WAV)]
    assert told == {"role": "user", "content": "What is it?", "images": images}


@pytest.mark.parametrize("wrap", [True, False])
def test_an_image_by_url_has_to_be_fetched(wrap: bool) -> None:
    """SR-036: the core fetches it first; Ollama itself fetches nothing."""
    adapter = ollama()
    assert isinstance(adapter, Inlines)
    assert adapter.inlines == {"image_url", "audio_url"}
    url = "https://example.com/cat.png"
    with pytest.raises(Unsupported, match="data URIs") as caught:
        messages({"role": "user", "content": [{"type": "image_url", "image_url": {"url": url} if wrap else url}]})
    assert caught.value.param == "messages[0].content[0]"


@pytest.mark.parametrize(
    "part",
    [
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
        {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}},
        {"type": "hologram"},
    ],
)
def test_other_content_is_unsupported(part: Json) -> None:
    """SR-038."""
    assert not OLLAMA.capabilities.files
    with pytest.raises(Unsupported):
        messages({"role": "user", "content": [part]})


# Ends, usage and faults ---------------------------------------------------------------------------------------------


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
def test_why_it_ended(reason: str | None, calls: list[Json], finish: str) -> None:
    """SR-048: a call is an end of its own, unless the limit cut it off."""
    answer = whole("Hi", done_reason=reason, message={"tool_calls": calls})
    assert completed(answer).choices[0].finish_reason == finish
    assert joined(streamed(ndjson(answer)))["finish"] == finish


@pytest.mark.parametrize("reason", ["load", "unload"])
def test_a_model_that_was_only_loaded_has_not_answered(reason: str) -> None:
    """Ollama's word where no message is a user's; asked again it says the same."""
    answer = whole("", done_reason=reason)
    with pytest.raises(ProviderError, match=f"done_reason '{reason}'") as caught:
        completed(answer)
    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    with pytest.raises(ProviderError, match=f"done_reason '{reason}'"):
        streamed(ndjson(answer))


def test_usage_has_every_count() -> None:
    """SR-049: Ollama leaves out zeros, as for a prompt that it still knows."""
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
        (400, "the prompt is longer than the context length currently available", ErrorKind.CONTEXT_LENGTH),
        (401, "unauthorized", ErrorKind.AUTH),
        (403, "ollama cloud is disabled: remote model is unavailable", ErrorKind.PERMISSION),
        (404, 'model "x" not found, try pulling it first', ErrorKind.MODEL_NOT_FOUND),
        (429, "rate limit exceeded", ErrorKind.RATE_LIMIT),
        (429, "you have reached your weekly usage limit, upgrade for higher limits", ErrorKind.QUOTA),
        (500, "model requires more system memory (8 GiB) than is available (4 GiB)", ErrorKind.OVERLOADED),
        (503, "server busy, please try again.  maximum pending requests exceeded", ErrorKind.OVERLOADED),
    ],
)
def test_errors_by_their_texts(status: int, message: str, kind: ErrorKind) -> None:
    error = ollama().error(status, {}, json.dumps({"error": message}).encode())
    assert (error.kind, error.message, error.status) == (kind, message, status)


def test_an_error_in_the_middle_of_a_stream() -> None:
    """SR-058: a line of its own, under a status of 200."""
    progress = Progress(ollama().chunks(chat_call(HELLO)))
    broken = ndjson(line("Hi"), {"error": "an error was encountered while running the model"})
    assert len(progress.feed(broken)) == 1
    assert progress.failure is not None
    assert progress.failure.kind is ErrorKind.OVERLOADED
    assert progress.failure.message == "an error was encountered while running the model"
    assert not progress.complete


def test_a_stream_without_its_last_line_is_not_complete() -> None:
    """SR-058."""
    progress = Progress(ollama().chunks(chat_call(HELLO)))
    progress.feed(ndjson(line("Hi")))
    progress.feed(b"")
    assert not progress.complete


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"{}", b"\xff", b"<html>", b'{"message": 1, "done": true}', b'{"done": true}',
     json.dumps(line("Hi")).encode()],
)  # fmt: skip
def test_what_is_no_answer_is_an_error(body: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        ollama().completion(chat_call(HELLO), body)
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


# Through the gateway ------------------------------------------------------------------------------------------------


def test_an_openai_client_speaks_with_ollama_through_the_gateway(upstream: ScriptedUpstream, served: Serve) -> None:
    """SR-020, SR-035, SR-055, SR-118: whole and streamed, its model's name without `:latest`."""
    upstream.routes["/api/tags"] = json_body({"models": [{"name": "llama3:latest"}]})
    lines = ndjson(line("", message={"thinking": "So"}), line("Hel"), whole("lo"))
    stream_of_lines = Reply(Status(200, {"content-type": "application/x-ndjson"}), Body(lines))
    replies = iter([json_body(whole("Hello")), stream_of_lines])
    upstream.routes["/api/chat"] = Reply(lambda seen: next(replies))
    block = {"type": "OllamaProvider", "base_url": upstream.origin, "models": {"llama3": "llama3:latest"}}
    with OpenAI(base_url=served({"providers": {"ollama": block}}).base_url, api_key="any") as client:
        answer = client.chat.completions.create(model="llama3", messages=HELLO["messages"])
        assert (answer.model, answer.choices[0].message.content) == ("llama3", "Hello")
        stream = client.chat.completions.create(
            model="llama3", messages=HELLO["messages"], stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hello"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 5
    assert [seen.json["model"] for seen in upstream.requests if seen.path == "/api/chat"] == ["llama3:latest"] * 2
