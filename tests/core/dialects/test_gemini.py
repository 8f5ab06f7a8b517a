"""Gemini's API over HTTP: Google's own SDK is the client, and the provider speaks OpenAI's JSON."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import errors, types

from llms_core.testing import Close, Reply, ScriptedUpstream, completion, error, events
from tests.core.server.conftest import NO_RETRIES, Pair, chunk, running, whole

Json = dict[str, Any]

GENERATE = "/v1beta/models/m:generateContent"
STREAM = "/v1beta/models/m:streamGenerateContent"
COUNT = "/v1beta/models/m:countTokens"
HELLO = [{"role": "user", "parts": [{"text": "Hello!"}]}]
WEATHER = {
    "name": "weather",
    "description": "The weather of a city",
    "parameters": {
        "type": "OBJECT",
        "properties": {"city": {"type": "STRING"}},
        "required": ["city"],
    },
}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with running(tmp_path_factory.mktemp("gemini"), NO_RETRIES) as started:
        yield started


@pytest.fixture
def client(pair: Pair) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=pair.gateway.origin, timeout=20_000)
    with genai.Client(api_key="not-needed", http_options=options) as started:
        yield started


def post(
    pair: Pair, body: Any, path: str = GENERATE, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with httpx.Client(base_url=pair.gateway.origin, timeout=20, trust_env=False) as http:
        return http.post(path, content=content, headers=headers)


def ask(pair: Pair, path: str = GENERATE, **members: Any) -> httpx.Response:
    return post(pair, {"contents": HELLO, **members}, path)


def sent(pair: Pair, **members: Any) -> Json:
    """What the provider gets for a request."""
    pair.upstream.default = completion()
    response = ask(pair, **members)
    assert response.status_code == 200, response.text
    body: Json = pair.upstream.requests[-1].json
    return body


def error_of(response: httpx.Response) -> Json:
    """The error object of a response, which has to be Google's."""
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert body.keys() - {"attempts"} == {"error"}
    found: Json = body["error"]
    assert {"code", "message", "status"} <= found.keys() <= {"code", "message", "status", "details"}
    assert found["code"] == response.status_code
    return found


def pieces(content: bytes) -> list[Json]:
    """The pieces of a stream of events, each on one line, as Google's SDKs read them."""
    found = []
    for event in content.decode().split("\n\n"):
        if event.strip():
            assert event.lstrip("\n").startswith("data: {")
            found.append(json.loads(event.strip().removeprefix("data: ")))
    return found


def parts_of(found: list[Json]) -> list[Json]:
    """All parts of the first candidate in pieces."""
    return [
        part
        for piece in found
        for each in piece.get("candidates", ())[:1]
        for part in each["content"]["parts"]
    ]


def dropped(response: httpx.Response) -> list[str]:
    return str(response.headers.get("x-llms-dropped-params", "")).split(", ")


# Answers


def test_the_sdk_reads_an_answer(client: genai.Client, pair: Pair) -> None:
    pair.upstream.default = whole()
    answer = client.models.generate_content(model="m", contents="Hello!")
    assert answer.text == "Hello!"
    assert answer.model_version == "m"
    assert answer.response_id
    assert answer.candidates
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    usage = answer.usage_metadata
    assert usage is not None
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (
        9,
        12,
        21,
    )


def test_the_sdk_reads_a_stream(client: genai.Client, pair: Pair) -> None:
    pair.upstream.default = completion("Hello, too!")
    chunks = list(client.models.generate_content_stream(model="m", contents="Hello!"))
    assert "".join(each.text or "" for each in chunks) == "Hello, too!"
    ends = [each.candidates[0].finish_reason for each in chunks if each.candidates]
    assert ends[-1] == types.FinishReason.STOP
    assert set(ends[:-1]) == {None}


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
def test_the_asynchronous_sdk_works(pair: Pair) -> None:
    async def ask_twice() -> tuple[str | None, str]:
        options = types.HttpOptions(base_url=pair.gateway.origin, timeout=20_000)
        async with genai.Client(api_key="not-needed", http_options=options).aio as client:
            answer = await client.models.generate_content(model="m", contents="Hello!")
            stream = await client.models.generate_content_stream(model="m", contents="Hello!")
            return answer.text, "".join([each.text or "" async for each in stream])

    pair.upstream.default = completion("Hello, too!")
    assert asyncio.run(ask_twice()) == ("Hello, too!", "Hello, too!")


def test_a_chat_keeps_its_history(client: genai.Client, pair: Pair) -> None:
    pair.upstream.default = completion("Hello, too!")
    chat = client.chats.create(model="m")
    for each in chat.send_message_stream("One"):
        assert each.candidates
    assert chat.send_message("Two").text == "Hello, too!"
    assert pair.upstream.requests[-1].json["messages"] == [
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Hello, too!"},
        {"role": "user", "content": "Two"},
    ]


@pytest.mark.parametrize("streams", [False, True])
def test_the_sdk_calls_functions_by_itself(client: genai.Client, pair: Pair, streams: bool) -> None:
    def weather(city: str) -> str:
        """The weather of a city."""
        return f"Rain in {city}"

    call = {
        "id": "call_7",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city": "Bonn"}'},
    }
    if streams:
        pieces_of_call = [
            chunk(
                {
                    "tool_calls": [
                        {
                            **call,
                            "index": 0,
                            "function": {"name": "weather", "arguments": '{"city"'},
                        }
                    ]
                }
            ),
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": ': "Bonn"}'}}]}),
        ]
        pair.upstream.script(events(*pieces_of_call, chunk({}, "tool_calls"), "[DONE]"))
    else:
        pair.upstream.script(
            whole({"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls")
        )
    pair.upstream.default = completion("Take an umbrella.")
    config = types.GenerateContentConfig(tools=[weather])
    if streams:
        stream = client.models.generate_content_stream(
            model="m", contents="The weather?", config=config
        )
        text = "".join(each.text or "" for each in stream)
    else:
        text = (
            client.models.generate_content(model="m", contents="The weather?", config=config).text
            or ""
        )
    assert text == "Take an umbrella."
    _, asked, result = pair.upstream.requests[-1].json["messages"]
    assert asked["tool_calls"][0]["function"]["name"] == "weather"
    assert json.loads(asked["tool_calls"][0]["function"]["arguments"]) == {"city": "Bonn"}
    assert result["tool_call_id"] == asked["tool_calls"][0]["id"]
    assert json.loads(result["content"]) == {"result": "Rain in Bonn"}


def test_structured_output_is_read_by_the_sdk(client: genai.Client, pair: Pair) -> None:
    pair.upstream.default = completion('{"name": "Ada", "age": 36}')
    schema = {
        "type": "OBJECT",
        "properties": {"name": {"type": "STRING"}, "age": {"type": "INTEGER", "nullable": True}},
        "propertyOrdering": ["name", "age"],
    }
    config = types.GenerateContentConfig(
        response_mime_type="application/json", response_schema=schema
    )
    answer = client.models.generate_content(model="m", contents="Who?", config=config)
    assert answer.parsed == {"name": "Ada", "age": 36}
    described = pair.upstream.requests[-1].json["response_format"]
    assert described["type"] == "json_schema"
    assert described["json_schema"]["schema"]["properties"] == {
        "name": {"type": "string"},
        "age": {"type": ["integer", "null"]},
    }


def test_thoughts_are_parts_of_their_own(client: genai.Client, pair: Pair) -> None:
    pair.upstream.default = whole(
        {"role": "assistant", "content": "42", "reasoning_content": "Let me think."}
    )
    config = types.GenerateContentConfig(
        thinking_config=types.ThinkingConfig(include_thoughts=True)
    )
    answer = client.models.generate_content(model="m", contents="?", config=config)
    assert answer.parts
    assert [(part.text, part.thought) for part in answer.parts] == [
        ("Let me think.", True),
        ("42", None),
    ]
    assert answer.text == "42"


def test_thoughts_before_a_call_return_to_the_provider_even_if_the_client_leaves_them_out(
    pair: Pair,
) -> None:
    """Gemini CLI removes thoughts, and keeps the signatures of calls."""
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    message = {
        "role": "assistant",
        "content": None,
        "reasoning_content": "I call it.",
        "tool_calls": [call],
    }
    pair.upstream.script(whole(message, "tool_calls"))
    tools = [{"functionDeclarations": [WEATHER]}]
    parts = ask(pair, tools=tools).json()["candidates"][0]["content"]["parts"]
    kept = [part for part in parts if not part.get("thought")]
    del kept[0]["functionCall"]["id"]
    result = {"functionResponse": {"name": "weather", "response": {"output": "Rain"}}}
    contents = [*HELLO, {"role": "model", "parts": kept}, {"role": "user", "parts": [result]}]
    messages = sent(pair, contents=contents, tools=tools)["messages"]
    assert messages[1]["reasoning_content"] == "I call it."
    assert messages[2]["content"] == "Rain"


def test_a_stream_is_a_json_array_without_alt_sse(pair: Pair) -> None:
    pair.upstream.default = completion("Hello, too!")
    response = ask(pair, STREAM)
    assert response.headers["content-type"] == "application/json"
    found = response.json()
    assert "".join(part["text"] for part in parts_of(found)) == "Hello, too!"
    assert found[-1]["candidates"][0]["finishReason"] == "STOP"


@pytest.mark.parametrize("query", ["", "?alt=sse"])
def test_a_stream_that_breaks_ends_in_an_error_without_finish_reason(
    pair: Pair, query: str
) -> None:
    """SR-058"""
    pair.upstream.default = Reply(events(chunk({"role": "assistant", "content": "Hi"})), Close())
    response = ask(pair, STREAM + query)
    found = pieces(response.content) if query else response.json()
    assert found[-1].keys() == {"error"}
    assert found[-1]["error"]["status"] == "UNAVAILABLE"
    assert "finishReason" not in json.dumps(found)


def test_the_sdk_raises_the_error_of_a_broken_stream(client: genai.Client, pair: Pair) -> None:
    pair.upstream.default = Reply(events(chunk({"role": "assistant", "content": "Hi"})), Close())
    stream = client.models.generate_content_stream(model="m", contents="Hello!")
    with pytest.raises(errors.APIError) as raised:
        list(stream)
    assert raised.value.code == 502


def test_parallel_calls_are_whole_parts_in_their_order(pair: Pair) -> None:
    def fragment(index: int, **members: Any) -> Json:
        return chunk({"tool_calls": [{"index": index, **members}]})

    def begin(index: int, name: str) -> Json:
        return fragment(
            index, id=f"c{index}", type="function", function={"name": name, "arguments": ""}
        )

    pair.upstream.default = events(
        chunk({"role": "assistant", "content": "I look."}),
        begin(0, "one"),
        begin(1, "two"),
        fragment(1, function={"arguments": '{"b": "}"'}),
        fragment(0, function={"arguments": '{"a": 1}'}),
        fragment(1, function={"arguments": "}"}),
        chunk({}, "tool_calls"),
        "[DONE]",
    )
    parts = parts_of(pieces(ask(pair, f"{STREAM}?alt=sse").content))
    assert parts == [
        {"text": "I look."},
        {"functionCall": {"id": "c0", "name": "one", "args": {"a": 1}}},
        {"functionCall": {"id": "c1", "name": "two", "args": {"b": "}"}}},
    ]


def test_several_candidates(pair: Pair) -> None:
    pair.upstream.default = whole(
        choices=[
            {
                "index": number,
                "message": {"role": "assistant", "content": str(number)},
                "finish_reason": "stop",
            }
            for number in range(2)
        ]
    )
    response = ask(pair, generationConfig={"candidateCount": 2})
    assert [each["index"] for each in response.json()["candidates"]] == [0, 1]
    assert pair.upstream.requests[-1].json["n"] == 2


def test_counts_of_tokens_are_in_googles_terms(pair: Pair) -> None:
    usage = {
        "prompt_tokens": 50,
        "completion_tokens": 17,
        "total_tokens": 67,
        "prompt_tokens_details": {"cached_tokens": 30},
        "completion_tokens_details": {"reasoning_tokens": 10},
    }
    pair.upstream.default = whole(usage=usage)
    assert ask(pair).json()["usageMetadata"] == {
        "promptTokenCount": 50,
        "candidatesTokenCount": 7,
        "totalTokenCount": 67,
        "cachedContentTokenCount": 30,
        "thoughtsTokenCount": 10,
    }


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("stop", "STOP"), ("length", "MAX_TOKENS"), ("content_filter", "SAFETY")],
)
def test_finish_reasons(pair: Pair, reason: str, expected: str) -> None:
    pair.upstream.default = whole(finish_reason=reason)
    body = ask(pair).json()
    assert body["candidates"][0]["finishReason"] == expected
    assert "promptFeedback" not in body


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": None, "refusal": "No."},
        {"role": "assistant", "content": ""},
    ],
)
def test_a_refusal_is_feedback_for_the_prompt(pair: Pair, message: Json) -> None:
    pair.upstream.default = whole(message, "stop" if message.get("refusal") else "content_filter")
    body = ask(pair).json()
    assert body["promptFeedback"] == {"blockReason": "OTHER"}
    assert body["candidates"][0]["finishReason"] == "SAFETY"
    assert body["candidates"][0]["content"]["parts"] == [{"text": message.get("refusal") or ""}]


def test_log_probabilities(pair: Pair) -> None:
    entry = {
        "token": "Hi",
        "logprob": -0.5,
        "bytes": None,
        "top_logprobs": [{"token": "Ho", "logprob": -1.0}],
    }
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "Hi"},
        "logprobs": {"content": [entry]},
        "finish_reason": "stop",
    }
    pair.upstream.default = whole(choices=[choice])
    response = ask(pair, generationConfig={"responseLogprobs": True, "logprobs": 1})
    assert response.json()["candidates"][0]["logprobsResult"] == {
        "chosenCandidates": [{"token": "Hi", "logProbability": -0.5}],
        "topCandidates": [{"candidates": [{"token": "Ho", "logProbability": -1.0}]}],
    }
    assert pair.upstream.requests[-1].json["top_logprobs"] == 1


def test_arguments_that_are_no_object_are_kept(pair: Pair) -> None:
    call = {
        "id": "c",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city": "Bo'},
    }
    pair.upstream.default = whole(
        {"role": "assistant", "content": None, "tool_calls": [call]}, "length"
    )
    part = ask(pair).json()["candidates"][0]["content"]["parts"][0]
    assert part["functionCall"]["args"] == {"invalid_arguments": '{"city": "Bo'}


def test_images_of_the_model_are_inline_data(client: genai.Client, pair: Pair) -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    pair.upstream.default = whole({"role": "assistant", "content": "Here.", "images": [image]})
    config = types.GenerateContentConfig(response_modalities=["TEXT", "IMAGE"])
    answer = client.models.generate_content(model="m", contents="Draw", config=config)
    assert answer.parts
    blob = answer.parts[1].inline_data
    assert blob is not None
    assert blob.data == base64.b64decode(PNG)
    assert pair.upstream.requests[-1].json["modalities"] == ["text", "image"]


# Errors, keys, models


def test_the_sdk_gets_the_error_of_an_unknown_model(client: genai.Client) -> None:
    with pytest.raises(errors.ClientError) as raised:
        client.models.generate_content(model="unknown", contents="Hello!")
    assert (raised.value.code, raised.value.status) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("status", "expected", "name"),
    [
        (429, 429, "RESOURCE_EXHAUSTED"),
        (500, 502, "UNAVAILABLE"),
        (401, 424, "FAILED_PRECONDITION"),
    ],
)
def test_errors_of_providers(pair: Pair, status: int, expected: int, name: str) -> None:
    pair.upstream.default = error(status, "No.")
    response = ask(pair)
    assert response.status_code == expected
    found = error_of(response)
    assert found["status"] == name
    assert response.json()["attempts"][0]["provider"] == "first"


def test_the_time_to_wait_is_a_detail(pair: Pair) -> None:
    pair.upstream.default = error(429, "Slow down.", headers={"retry-after": "7"})
    details = error_of(ask(pair))["details"]
    assert {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7.000s"} in details


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"contents": []}, "contents"),
        ({"contents": [{"parts": []}]}, "contents"),
        ({"contents": [{"role": "assistant", "parts": [{"text": "a"}]}]}, "contents[0].role"),
        ({"contents": [{"parts": [{}]}]}, "contents[0].parts[0]"),
        ({"contents": [{"parts": [{"text": 1}]}]}, "contents[0].parts[0].text"),
        (
            {"contents": [{"parts": [{"functionResponse": {"name": "f", "response": {}}}]}]},
            "contents[0].parts[0].functionResponse.name",
        ),
        (
            {
                "contents": [
                    {
                        "parts": [
                            {"fileData": {"fileUri": "file:///etc/passwd", "mimeType": "image/png"}}
                        ]
                    }
                ]
            },
            "contents[0].parts[0].fileData.fileUri",
        ),
        (
            {"contents": [{"parts": [{"inlineData": {"mimeType": "", "data": "aa"}}]}]},
            "contents[0].parts[0].inlineData.mimeType",
        ),
        ({"systemInstruction": {"parts": [{"inlineData": {}}]}}, "systemInstruction.parts[0]"),
        ({"generationConfig": {"temperature": 3}}, "generationConfig.temperature"),
        ({"generation_config": {"max_output_tokens": 0}}, "generationConfig.maxOutputTokens"),
        (
            {"generationConfig": {"responseMimeType": "image/png"}},
            "generationConfig.responseMimeType",
        ),
        (
            {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}},
            "toolConfig.functionCallingConfig.mode",
        ),
        (
            {"toolConfig": {"functionCallingConfig": {"mode": "SOME"}}},
            "toolConfig.functionCallingConfig.mode",
        ),
        ({"tools": [{"functionDeclarations": [{"name": ""}]}]}, "tools[0].functionDeclarations"),
    ],
)
def test_an_invalid_member_is_named(pair: Pair, members: Json, field: str) -> None:
    response = ask(pair, **members)
    found = error_of(response)
    assert (response.status_code, found["status"]) == (400, "INVALID_ARGUMENT")
    assert [
        each["field"] for detail in found["details"] for each in detail.get("fieldViolations", ())
    ] == [field]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"contents": ' + b"[" * 5000])
def test_a_body_that_is_no_request_is_refused(pair: Pair, body: bytes) -> None:
    assert error_of(post(pair, body))["status"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("path", ["/v1beta/models/m:unknownAction", "/v1beta/other"])
def test_paths_that_are_not_served_get_googles_error(pair: Pair, method: str, path: str) -> None:
    with httpx.Client(base_url=pair.gateway.origin, timeout=20, trust_env=False) as http:
        response = http.request(method, path, headers={"x-goog-api-key": "any"})
    assert response.status_code in (404, 405)
    error_of(response)


@pytest.mark.parametrize(
    "path", ["/v1/v1beta/models/m:generateContent", "/v1beta/v1beta/models/m:generateContent"]
)
def test_a_wrong_base_url_is_recognized(pair: Pair, path: str) -> None:
    response = post(pair, {"contents": HELLO}, path, {"x-goog-api-key": "any"})
    assert "must not end in /v1beta" in error_of(response)["message"]


def test_models_are_listed_as_google_lists_them(client: genai.Client) -> None:
    assert [each.name for each in client.models.list()] == ["models/m"]
    assert client.models.get(model="m").name == "models/m"
    with pytest.raises(errors.ClientError) as raised:
        client.models.get(model="unknown")
    assert raised.value.status == "NOT_FOUND"


def test_tokens_are_estimated(client: genai.Client, pair: Pair) -> None:
    assert (client.models.count_tokens(model="m", contents="Hello!").total_tokens or 0) > 0
    response = post(
        pair, {"generateContentRequest": {"model": "models/m", "contents": HELLO}}, COUNT
    )
    assert response.json()["totalTokens"] > 0
    assert response.headers["x-llms-token-count"] == "estimate"


# Requests


def test_the_system_instruction_is_a_message(pair: Pair) -> None:
    body = sent(pair, system_instruction={"parts": [{"text": "Be brief."}]})
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}


def test_parameters_are_translated(pair: Pair) -> None:
    config = {
        "temperature": 0.5,
        "topP": 0.9,
        "maxOutputTokens": 100,
        "stopSequences": ["END"],
        "seed": 7,
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
    }
    body = sent(pair, generationConfig=config)
    assert {name: body[name] for name in body if name not in ("model", "messages")} == {
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 100,
        "stop": ["END"],
        "seed": 7,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
    }


def test_both_spellings_of_names_are_accepted_but_the_clients_own_names_stay(pair: Pair) -> None:
    schema = {"type": "OBJECT", "properties": {"max_items": {"type": "ARRAY", "max_items": "3"}}}
    function = {"name": "f", "parameters": schema}
    call = {
        "function_call": {
            "name": "f",
            "args": {"max_items": [1], "inline_data": {"mime_type": "x"}},
        }
    }
    result = {"function_response": {"name": "f", "response": {"top_k": 1}}}
    body = sent(
        pair,
        contents=[*HELLO, {"role": "model", "parts": [call]}, {"role": "user", "parts": [result]}],
        generation_config={"stop_sequences": ["a"]},
        tools=[{"function_declarations": [function]}],
    )
    assert body["stop"] == ["a"]
    assert body["tools"][0]["function"]["parameters"]["properties"] == {
        "max_items": {"type": "array", "maxItems": 3}
    }
    arguments = body["messages"][1]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(arguments) == {"max_items": [1], "inline_data": {"mime_type": "x"}}
    assert json.loads(body["messages"][2]["content"]) == {"top_k": 1}


def test_a_single_member_of_a_list_may_stand_alone(pair: Pair) -> None:
    part = {"text": "Hello!"}
    body = sent(
        pair,
        contents={"parts": part},
        system_instruction={"parts": part},
        tools={"function_declarations": WEATHER},
        generationConfig={"stopSequences": "END"},
    )
    assert [message["content"] for message in body["messages"]] == ["Hello!", "Hello!"]
    assert body["tools"][0]["function"]["name"] == "weather"
    assert body["stop"] == ["END"]


def test_what_only_google_has_is_left_out_with_notice(pair: Pair) -> None:
    pair.upstream.default = completion()
    response = ask(
        pair,
        safetySettings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        labels={"team": "a"},
        tools=[{"googleSearch": {}}, {"functionDeclarations": [WEATHER]}, {"codeExecution": {}}],
        generationConfig={
            "topK": 40,
            "thinkingConfig": {"thinkingBudget": 1024},
            "mediaResolution": "LOW",
        },
    )
    assert response.status_code == 200
    assert sorted(dropped(response)) == [
        "generationConfig.mediaResolution",
        "generationConfig.thinkingConfig",
        "generationConfig.topK",
        "labels",
        "safetySettings",
        "tools.codeExecution",
        "tools.googleSearch",
    ]
    assert [each["function"]["name"] for each in pair.upstream.requests[-1].json["tools"]] == [
        "weather"
    ]


@pytest.fixture(scope="module")
def reasoner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A gateway with a model that takes an effort, as OpenAI's do."""
    declared = (
        '[types.acme]\nbase_url = "https://api.acme.example"\n'
        '[types.acme.rules]\nreasoning_effort = ["thinker"]\n'
    )

    def config(upstream: ScriptedUpstream) -> Json:
        block = {"type": "acme", "base_url": upstream.base_url, "models": {"m": "thinker"}}
        return {"providers": {"acme": block}}

    with running(tmp_path_factory.mktemp("effort"), NO_RETRIES + declared, config) as started:
        yield started


@pytest.mark.parametrize(
    ("thinking", "effort"),
    [
        ({"thinkingBudget": 1024}, "low"),
        ({"thinkingBudget": 30_000}, "high"),
        ({"thinkingLevel": "MINIMAL"}, "low"),
        ({"thinkingLevel": "HIGH"}, "high"),
        ({"thinkingBudget": 0}, None),
        ({"thinkingBudget": -1}, None),
    ],
    ids=str,
)
def test_thinking_becomes_an_effort_that_every_model_takes(
    reasoner: Pair, thinking: Json, effort: str | None
) -> None:
    assert (
        sent(reasoner, generationConfig={"thinkingConfig": thinking}).get("reasoning_effort")
        == effort
    )


@pytest.mark.parametrize(
    "members",
    [
        {"cachedContent": "cachedContents/1"},
        {"tools": [{"googleSearch": {}}], "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}},
        {"generationConfig": {"responseModalities": ["AUDIO"]}},
        {
            "generationConfig": {
                "responseMimeType": "text/x.enum",
                "responseSchema": {"type": "STRING", "enum": ["a"]},
            }
        },
    ],
)
def test_what_an_answer_depends_on_is_refused_where_it_is_lacking(
    pair: Pair, members: Json
) -> None:
    before = len(pair.upstream.requests)
    response = ask(pair, **members)
    assert response.status_code == 400, response.text
    assert error_of(response)["status"] == "INVALID_ARGUMENT"
    assert len(pair.upstream.requests) == before


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"mode": "AUTO"}, None),
        ({"mode": "NONE"}, "none"),
        ({"mode": "ANY"}, "required"),
        (
            {"mode": "ANY", "allowedFunctionNames": ["weather"]},
            {"type": "function", "function": {"name": "weather"}},
        ),
    ],
)
def test_modes_of_calling(pair: Pair, config: Json, expected: object) -> None:
    other = {**WEATHER, "name": "other"}
    body = sent(
        pair,
        tools=[{"functionDeclarations": [WEATHER, other]}],
        toolConfig={"functionCallingConfig": config},
    )
    assert body.get("tool_choice") == expected
    names = [each["function"]["name"] for each in body["tools"]]
    assert names == (config.get("allowedFunctionNames") or ["weather", "other"])


def test_calls_without_ids_are_matched_by_name_and_order(pair: Pair) -> None:
    def call(name: str, number: int) -> Json:
        return {"functionCall": {"name": name, "args": {"number": number}}}

    def result(name: str, text: str, **members: Any) -> Json:
        return {"functionResponse": {"name": name, "response": {"output": text}, **members}}

    contents = [
        *HELLO,
        {"role": "model", "parts": [call("a", 1), call("b", 1)]},
        {"role": "model", "parts": [call("a", 2)]},
        {"role": "user", "parts": [result("b", "b1"), result("a", "a1", id="made-by-the-client")]},
        {"role": "function", "parts": [result("a", "a2"), {"text": "Go on."}]},
    ]
    messages = sent(pair, contents=contents)["messages"]
    calls = messages[1]["tool_calls"]
    assert [each["function"]["name"] for each in calls] == ["a", "b", "a"]
    ids = [each["id"] for each in calls]
    assert len(set(ids)) == 3
    results = [(message["tool_call_id"], message["content"]) for message in messages[2:5]]
    assert results == [(ids[1], "b1"), (ids[0], "a1"), (ids[2], "a2")]
    assert messages[5] == {"role": "user", "content": "Go on."}
    shorter = sent(pair, contents=contents[:3])["messages"]
    assert [each["id"] for each in shorter[1]["tool_calls"]] == ids


def test_media_become_parts(client: genai.Client, pair: Pair) -> None:
    """The SDK writes base64 with the alphabet for URLs."""
    data = bytes(range(248, 256)) * 3
    pair.upstream.default = completion()
    parts = [
        types.Part(text="What is this?"),
        types.Part.from_bytes(data=data, mime_type="image/png"),
        types.Part.from_bytes(data=data, mime_type="audio/mpeg"),
        types.Part.from_bytes(data=data, mime_type="application/pdf"),
        types.Part.from_uri(file_uri="https://example.com/cat.png", mime_type="image/png"),
    ]
    client.models.generate_content(model="m", contents=types.Content(role="user", parts=parts))
    encoded = base64.b64encode(data).decode()
    assert pair.upstream.requests[-1].json["messages"][0]["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{encoded}"}},
        {"type": "input_audio", "input_audio": {"data": encoded, "format": "mp3"}},
        {
            "type": "file",
            "file": {
                "file_data": f"data:application/pdf;base64,{encoded}",
                "filename": "document.pdf",
            },
        },
        {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
    ]


def test_images_in_results_of_functions_reach_the_provider(pair: Pair) -> None:
    response = {
        "name": "shot",
        "response": {"output": "Done"},
        "parts": [{"inlineData": {"mimeType": "image/png", "data": PNG}}],
    }
    contents = [
        *HELLO,
        {"role": "model", "parts": [{"functionCall": {"name": "shot", "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": response}]},
    ]
    assert PNG in json.dumps(sent(pair, contents=contents)["messages"][2:])


@pytest.mark.parametrize("config", [{"mode": "ANY", "allowedFunctionNames": ["unknown"]}])
def test_a_function_that_is_not_declared_cannot_be_allowed(pair: Pair, config: Json) -> None:
    response = ask(
        pair,
        tools=[{"functionDeclarations": [WEATHER]}],
        toolConfig={"functionCallingConfig": config},
    )
    assert "allowedFunctionNames[0]" in error_of(response)["message"]
