"""openai-python against the gateway: the reference's example, and other common uses of that client.

SR-001, SR-069b and SR-069e. As this client sees them: SR-005, SR-007, SR-009, SR-012, SR-024, SR-026, SR-027, SR-032,
SR-040, SR-042 … SR-049, SR-052 … SR-064, SR-068, SR-072.
"""

from __future__ import annotations

import asyncio
import base64
import struct
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolUnionParam
from pydantic import BaseModel

from llms_core.testing import (
    Close,
    Reply,
    ScriptedUpstream,
    Stall,
    Wait,
    completion,
    embeddings,
    error,
    events,
    json_body,
    vector_of,
)

if TYPE_CHECKING:
    from tests.conftest import Gateway, Launch, ProviderBlock, Serve

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello!"}]
UPSTREAM_ID = "moonshotai/kimi-k2"

WEATHER: ChatCompletionToolUnionParam = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


@pytest.fixture
def config(
    upstream: ScriptedUpstream, provider: ProviderBlock, config_of: Callable[..., dict[str, Any]]
) -> dict[str, Any]:
    """One provider, which has one model."""
    return config_of(first=provider(upstream, {"kimi-k2": UPSTREAM_ID}))


@pytest.fixture
def kimi(config: dict[str, Any], served: Serve) -> Gateway:
    return served(config)


@pytest.fixture
def launched(config: dict[str, Any], gateway: Launch) -> Gateway:
    """The same from the command line, for the reference's own example."""
    return gateway(config)


@pytest.fixture
def client(kimi: Gateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=kimi.base_url, api_key="not-needed", max_retries=0, timeout=20) as client:
        yield client


def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    frame = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": UPSTREAM_ID,
    }
    return {**frame, "choices": [choice]}


def calls(*fragments: dict[str, Any]) -> dict[str, Any]:
    return chunk({"tool_calls": list(fragments)})


# Completions


def test_sr_069b_the_example_of_the_reference(
    launched: Gateway, upstream: ScriptedUpstream
) -> None:
    """SR-069b, and SR-042 to SR-049 for the answer."""
    upstream.default = completion("Hello! How can I help you today?")
    # As in the reference, except for the address.
    with OpenAI(base_url=launched.base_url, api_key="not-needed") as client:
        response = client.chat.completions.create(
            model="kimi-k2", messages=[{"role": "user", "content": "Hello!"}]
        )

    assert response.choices[0].message.content == "Hello! How can I help you today?"
    assert response.id
    assert response.object == "chat.completion"
    assert type(response.created) is int
    assert response.model == "kimi-k2"
    assert (response.choices[0].index, response.choices[0].message.role) == (0, "assistant")
    assert response.choices[0].finish_reason == "stop"
    assert response.usage is not None
    assert (
        response.usage.total_tokens
        == response.usage.prompt_tokens + response.usage.completion_tokens
    )


def test_sr_005_sr_007_upstream_gets_its_own_key_and_model_id(
    client: OpenAI, upstream: ScriptedUpstream, kimi: Gateway
) -> None:
    client.chat.completions.create(model="kimi-k2", messages=HELLO)
    seen = upstream.wait_for_request()
    assert seen.headers["authorization"].startswith("Bearer sk-marked-")
    assert seen.json["model"] == UPSTREAM_ID
    assert seen.json["messages"] == HELLO
    assert "not-needed" not in str(seen.headers)


def test_sr_069b_async(kimi: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.default = completion("Hello, async!")

    async def ask() -> list[str | None]:
        async with AsyncOpenAI(
            base_url=kimi.base_url, api_key="not-needed", max_retries=0, timeout=20
        ) as client:
            asking = [
                client.chat.completions.create(model="kimi-k2", messages=HELLO) for _ in range(10)
            ]
            return [
                response.choices[0].message.content for response in await asyncio.gather(*asking)
            ]

    assert asyncio.run(ask()) == ["Hello, async!"] * 10


def test_sr_042_ids_differ(client: OpenAI) -> None:
    assert (
        len({client.chat.completions.create(model="kimi-k2", messages=HELLO).id for _ in range(10)})
        == 10
    )


def test_sr_024_enable_thinking_by_extra_body(client: OpenAI, upstream: ScriptedUpstream) -> None:
    client.chat.completions.create(
        model="kimi-k2", messages=HELLO, extra_body={"enable_thinking": True}
    )
    assert upstream.wait_for_request().json["enable_thinking"] is True


def test_sr_026_parameters_pass_through(client: OpenAI, upstream: ScriptedUpstream) -> None:
    client.chat.completions.create(
        model="kimi-k2",
        messages=HELLO,
        temperature=0.7,
        max_completion_tokens=150,
        stop=["\n", "END"],
        seed=7,
        logit_bias={"50256": -100},
        user="u-1",
        prompt_cache_key="k",
        extra_body={"of_the_vendor": {"deep": [1, 2.50, None]}},
    )
    sent = upstream.wait_for_request().json
    expected = {
        "temperature": 0.7,
        "max_completion_tokens": 150,
        "stop": ["\n", "END"],
        "seed": 7,
        "logit_bias": {"50256": -100},
        "user": "u-1",
        "prompt_cache_key": "k",
        "of_the_vendor": {"deep": [1, 2.5, None]},
    }
    assert {name: sent[name] for name in expected} == expected


def test_sr_027_null_is_absent(client: OpenAI) -> None:
    response = client.chat.completions.create(
        model="kimi-k2", messages=HELLO, temperature=None, stop=None
    )
    assert response.choices[0].message.content


def test_sr_045_sr_052_provider_model_and_attempts_are_in_the_headers(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="kimi-k2", messages=HELLO)
    assert raw.headers["x-llms-provider"] == "first"
    assert raw.headers["x-llms-upstream-model"] == UPSTREAM_ID
    assert raw.headers["content-type"].partition(";")[0] == "application/json"
    assert raw.parse().model == "kimi-k2"
    assert raw.parse().model_extra == {}


def test_sr_072_the_next_provider_answers(
    upstreams: Callable[[], ScriptedUpstream],
    provider: ProviderBlock,
    config_of: Callable[..., dict[str, Any]],
    served: Serve,
) -> None:
    broken, whole = upstreams(), upstreams()
    broken.default = error(500)
    models = {"kimi-k2": UPSTREAM_ID}
    both = served(config_of(broken=provider(broken, models), whole=provider(whole, models)))
    with OpenAI(base_url=both.base_url, api_key="not-needed", max_retries=0, timeout=20) as client:
        raw = client.chat.completions.with_raw_response.create(model="kimi-k2", messages=HELLO)
    assert raw.headers["x-llms-provider"] == "whole"
    assert (len(broken.requests), len(whole.requests)) == (1, 1)


# Streams


def test_sr_053_sr_054_stream(client: OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.default = completion("Hello! How can I help you today?")
    with client.chat.completions.create(model="kimi-k2", messages=HELLO, stream=True) as stream:
        assert stream.response.headers["content-type"].partition(";")[0] == "text/event-stream"
        chunks = list(stream)
    assert (
        "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        == "Hello! How can I help you today?"
    )
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [
        chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason
    ] == ["stop"]
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert {(chunk.object, chunk.model) for chunk in chunks} == {
        ("chat.completion.chunk", "kimi-k2")
    }
    assert len({(chunk.id, chunk.created) for chunk in chunks}) == 1


def test_sr_055_no_usage_unless_requested(client: OpenAI) -> None:
    with client.chat.completions.create(model="kimi-k2", messages=HELLO, stream=True) as stream:
        assert [chunk.usage for chunk in stream if chunk.usage or not chunk.choices] == []


def test_sr_055_stream_with_usage(client: OpenAI) -> None:
    options: openai.types.chat.ChatCompletionStreamOptionsParam = {"include_usage": True}
    asking = client.chat.completions.create(
        model="kimi-k2", messages=HELLO, stream=True, stream_options=options
    )
    with asking as stream:
        *chunks, last = stream
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens > 0
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


def test_sr_053_async_stream(kimi: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.default = completion("One two three")

    async def ask() -> list[str]:
        async with AsyncOpenAI(
            base_url=kimi.base_url, api_key="not-needed", max_retries=0, timeout=20
        ) as client:
            stream = await client.chat.completions.create(
                model="kimi-k2", messages=HELLO, stream=True
            )
            return [chunk.choices[0].delta.content or "" async for chunk in stream]

    assert "".join(asyncio.run(ask())) == "One two three"


def test_sr_060_chunks_arrive_as_soon_as_they_are_sent(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    go = threading.Event()
    upstream.script(
        Reply(
            events(chunk({"role": "assistant", "content": ""}), chunk({"content": "first"})),
            Wait(go),
            # The head is sent already; what follows are more events of the same stream.
            *events(chunk({"content": " second"}), chunk({}, "stop"), "[DONE]").parts[1:],
        )
    )
    with client.chat.completions.create(model="kimi-k2", messages=HELLO, stream=True) as stream:
        words = (
            chunk.choices[0].delta.content for chunk in stream if chunk.choices[0].delta.content
        )
        assert next(words) == "first"
        go.set()
        assert list(words) == [" second"]


def test_sr_058_a_stream_that_breaks_off_is_an_error(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    upstream.default = Reply(
        events(chunk({"role": "assistant", "content": ""}), chunk({"content": "Half"})), Close()
    )
    finished: list[str | None] = []
    with client.chat.completions.create(model="kimi-k2", messages=HELLO, stream=True) as stream:
        assert stream.response.status_code == 200
        with pytest.raises(openai.APIError):
            finished.extend(chunk.choices[0].finish_reason for chunk in stream)
    assert set(finished) <= {None}


def test_sr_059_a_client_that_breaks_out_of_a_stream_releases_the_upstream(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    upstream.script(
        Reply(
            events(chunk({"role": "assistant", "content": ""}), chunk({"content": "Half"})), Stall()
        )
    )
    with client.chat.completions.create(model="kimi-k2", messages=HELLO, stream=True) as stream:
        next(iter(stream))
    upstream.wait_for_request().wait_closed()


def test_sr_057_a_failure_before_the_first_chunk_has_a_status(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    upstream.default = error(500)
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="kimi-k2", messages=HELLO, stream=True)
    assert (caught.value.status_code, caught.value.code) == (502, "provider_error")


@pytest.mark.parametrize("stream", [False, True])
def test_sr_064_a_permanent_failure_is_not_retried(
    kimi: Gateway, upstream: ScriptedUpstream, stream: bool
) -> None:
    """SR-063: why it failed is in the body."""
    upstream.default = error(401, "Who are you?")
    with (
        OpenAI(base_url=kimi.base_url, api_key="not-needed", max_retries=2, timeout=20) as client,
        pytest.raises(openai.APIStatusError) as caught,
    ):
        client.chat.completions.create(model="kimi-k2", messages=HELLO, stream=stream)
    assert (caught.value.status_code, caught.value.code) == (424, "provider_error")
    [attempt] = caught.value.response.json()["attempts"]
    assert (attempt["kind"], attempt["message"]) == ("auth", "Who are you?")
    assert len(upstream.requests) == 1


def test_sr_064_a_bad_request_is_not_retried(kimi: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.default = error(400)
    with (
        OpenAI(base_url=kimi.base_url, api_key="not-needed", max_retries=2, timeout=20) as client,
        pytest.raises(openai.BadRequestError),
    ):
        client.chat.completions.create(model="kimi-k2", messages=HELLO)
    assert len(upstream.requests) == 1


# Tools and structured output


def test_sr_032_sr_040_tools_round_trip(client: OpenAI, upstream: ScriptedUpstream) -> None:
    asked = [
        {
            "id": "call_1",
            "type": "function",
            "function": {"name": "weather", "arguments": '{"city":"Turin"}'},
        },
        {
            "id": "call_2",
            "type": "function",
            "function": {"name": "weather", "arguments": '{"city":"Łódź"}'},
        },
    ]
    message = {"role": "assistant", "content": None, "tool_calls": asked}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    frame = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": UPSTREAM_ID,
    }
    upstream.script(
        json_body({**frame, "choices": [choice], "usage": usage}), completion("Sunny in both.")
    )

    messages = list(HELLO)
    first = client.chat.completions.create(
        model="kimi-k2",
        messages=messages,
        tools=[WEATHER],
        tool_choice="auto",
        parallel_tool_calls=True,
    )
    assert first.choices[0].finish_reason == "tool_calls"
    reply = first.choices[0].message
    assert reply.content is None
    assert [call.to_dict() for call in reply.tool_calls or []] == asked

    messages.append(reply)  # type: ignore[arg-type]  # as the client's own documentation does it
    messages += [{"role": "tool", "tool_call_id": call["id"], "content": "sunny"} for call in asked]  # type: ignore[typeddict-item]
    second = client.chat.completions.create(model="kimi-k2", messages=messages, tools=[WEATHER])
    assert second.choices[0].message.content == "Sunny in both."

    sent_first, sent_second = (seen.json for seen in upstream.requests)
    assert (sent_first["tools"], sent_first["tool_choice"]) == ([WEATHER], "auto")
    assert sent_first["parallel_tool_calls"] is True
    assert sent_second["messages"][1]["tool_calls"] == asked
    assert [message["tool_call_id"] for message in sent_second["messages"][2:]] == [
        "call_1",
        "call_2",
    ]


def test_sr_056_streamed_parallel_tool_calls(client: OpenAI, upstream: ScriptedUpstream) -> None:
    """The client's own accumulator puts the fragments together; it needs the indices and the first ids to be right."""
    upstream.script(
        events(
            chunk({"role": "assistant", "content": None}),
            calls(
                {
                    "index": 0,
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": ""},
                }
            ),
            calls({"index": 0, "function": {"arguments": '{"city":'}}),
            calls(
                {
                    "index": 1,
                    "id": "call_2",
                    "type": "function",
                    "function": {"name": "weather", "arguments": ""},
                }
            ),
            calls({"index": 1, "function": {"arguments": '{"city":"Łó'}}),
            calls(
                {"index": 0, "function": {"arguments": '"Turin"}'}},
                {"index": 1, "function": {"arguments": 'dź"}'}},
            ),
            chunk({}, "tool_calls"),
            "[DONE]",
        )
    )
    with client.chat.completions.stream(model="kimi-k2", messages=HELLO, tools=[WEATHER]) as stream:
        final = stream.get_final_completion()
    made = final.choices[0].message.tool_calls or []
    assert final.choices[0].finish_reason == "tool_calls"
    assert [(call.id, call.function.name, call.function.arguments) for call in made] == [
        ("call_1", "weather", '{"city":"Turin"}'),
        ("call_2", "weather", '{"city":"Łódź"}'),
    ]


class City(BaseModel):
    name: str
    people: int


def test_sr_026_parse_into_a_pydantic_model(client: OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.script(completion('{"name":"Turin","people":850000}'))
    answer = client.chat.completions.parse(model="kimi-k2", messages=HELLO, response_format=City)
    assert answer.choices[0].message.parsed == City(name="Turin", people=850_000)
    form = upstream.wait_for_request().json["response_format"]
    assert (form["type"], form["json_schema"]["strict"]) == ("json_schema", True)
    assert set(form["json_schema"]["schema"]["properties"]) == {"name", "people"}


# Errors


def test_sr_061_sr_062_an_unknown_model(client: OpenAI, upstream: ScriptedUpstream) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="unknown-model", messages=HELLO)
    assert caught.value.code == "model_not_found"
    assert caught.value.response.json() == {
        "error": {
            "message": "Model 'unknown-model' not found in any enabled provider",
            "type": "invalid_request_error",
            "code": "model_not_found",
        }
    }
    assert upstream.requests == []


def test_sr_063_sr_064_every_provider_failed(client: OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.default = error(500, "out of order")
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="kimi-k2", messages=HELLO)
    assert caught.value.status_code == 502
    assert caught.value.response.json()["error"] == {
        "message": "All providers failed for model 'kimi-k2'",
        "type": "api_error",
        "code": "provider_error",
    }
    assert "first" in caught.value.response.headers["x-llms-attempts"]


def test_sr_064_every_attempt_was_rate_limited(client: OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.default = error(429, "slow down", {"retry-after": "3600"})
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="kimi-k2", messages=HELLO)
    assert caught.value.code == "provider_error"
    assert caught.value.response.headers["retry-after"] == "3600"


def test_sr_012_a_bad_parameter(client: OpenAI, upstream: ScriptedUpstream) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="kimi-k2", messages=HELLO, temperature=2.1)
    assert (caught.value.type, caught.value.param) == ("invalid_request_error", "temperature")
    assert upstream.requests == []


def test_sr_068_the_providers_own_error_for_an_invalid_request(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    upstream.default = error(
        400, "Too many tokens", param="messages", code="context_length_exceeded"
    )
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="kimi-k2", messages=HELLO)
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "messages")
    assert caught.value.response.json()["error"]["message"] == "Too many tokens"


def test_sr_059_a_client_that_times_out_releases_the_upstream(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    upstream.default = Reply(Stall())
    with pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(model="kimi-k2", messages=HELLO, timeout=2)
    upstream.wait_for_request().wait_closed()


# Models, and the older endpoint


def test_sr_009_models_list(client: OpenAI) -> None:
    (model,) = client.models.list()
    assert (model.id, model.object) == ("kimi-k2", "model")
    assert type(model.created) is int


def test_sr_009_models_retrieve(client: OpenAI) -> None:
    assert client.models.retrieve("kimi-k2").id == "kimi-k2"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("unknown-model")
    assert caught.value.code == "model_not_found"


def test_sr_069e_legacy_completions(client: OpenAI, upstream: ScriptedUpstream) -> None:
    """`OpenAILike` of LlamaIndex and older programs use them."""
    upstream.default = completion("Hello there")
    response = client.completions.create(model="kimi-k2", prompt="Say hello")
    assert (response.object, response.model) == ("text_completion", "kimi-k2")
    assert (response.choices[0].text, response.choices[0].finish_reason) == ("Hello there", "stop")
    assert response.usage is not None
    assert upstream.requests[0].json["messages"] == [{"role": "user", "content": "Say hello"}]


def test_sr_069e_legacy_completions_stream(client: OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.default = completion("Hello there")
    with client.completions.create(model="kimi-k2", prompt="Say hello", stream=True) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].text for chunk in chunks) == "Hello there"
    assert {chunk.object for chunk in chunks} == {"text_completion"}
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_embeddings_in_each_encoding(client: OpenAI, upstream: ScriptedUpstream) -> None:
    """By default the client requests base64, and decodes it."""
    upstream.default = embeddings()
    by_default = client.embeddings.create(model="kimi-k2", input=["one", "two"])
    as_numbers = client.embeddings.create(
        model="kimi-k2", input=["one", "two"], encoding_format="float"
    )
    as_base64 = client.embeddings.create(model="kimi-k2", input="one", encoding_format="base64")
    expected = [vector_of("one"), vector_of("two")]
    assert [each.embedding for each in by_default.data] == expected
    assert [each.embedding for each in as_numbers.data] == expected
    assert (
        list(struct.unpack("<4f", base64.b64decode(str(as_base64.data[0].embedding))))
        == expected[0]
    )
    assert (by_default.model, by_default.object, by_default.usage.total_tokens) == (
        "kimi-k2",
        "list",
        2,
    )
    assert [seen.json.get("encoding_format") for seen in upstream.requests] == [
        "base64",
        None,
        "base64",
    ]


def test_embeddings_of_tokens_and_of_fewer_dimensions(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    upstream.default = embeddings()
    tokens = client.embeddings.create(model="kimi-k2", input=[[1, 2], [3]])
    assert [each.embedding for each in tokens.data] == [vector_of([1, 2]), vector_of([3])]
    small = client.embeddings.create(model="kimi-k2", input=[1, 2, 3], dimensions=2)
    assert [each.embedding for each in small.data] == [vector_of([1, 2, 3], 2)]


def test_an_empty_input_is_a_bad_request(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="kimi-k2", input=["one", ""])
    assert caught.value.param == "input[1]"


def test_the_list_of_models_has_further_members(client: OpenAI) -> None:
    (model,) = client.models.list()
    assert model.id == "kimi-k2"
    assert (model.model_extra or {})["operations"] == ["chat"]
