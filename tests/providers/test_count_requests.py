"""The requests for the number of tokens of a prompt, as the providers' own SDKs define them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.types.beta.message_count_tokens_params import MessageCountTokensParams
from captures import Capture, captures
from chat_requests import PNG, chat_call, data_uri
from google.genai.types import Content, GenerationConfig, Tool
from official_types import check_bedrock_count
from openai.types.responses.input_token_count_params import InputTokenCountParams
from responses_adapter import assert_known_to_the_sdk

from llms_core import ErrorKind, ProviderError, Unsupported
from llms_core.candidate import Candidate, Circuit
from llms_core.contracts.request import ChatCall
from llms_core.dialects import IncomingRequest
from llms_core.dialects.messages.decode import decode_prompt
from llms_core.operations.count_tokens import COUNT_TOKENS
from llms_core.provider import CountsTokens, ProviderSettings
from llms_core.testing.subject import find

Json = dict[str, Any]

TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}
PROMPT: Json = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": data_uri("image/png", PNG)}},
            ],
        },
    ],
    "tools": [TOOL],
    "max_tokens": 100,
    "temperature": 0.5,
    "stop": ["end"],
}
COUNTS = {
    "anthropic": b'{"input_tokens": 14, "context_management": {"original_input_tokens": 20}}',
    "google": b'{"totalTokens": 14, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 14}]}',
    "vertex": b'{"totalTokens": 14, "totalBillableCharacters": 40}',
    "bedrock": b'{"inputTokens": 14}',
    "openai": b'{"object": "response.input_tokens", "input_tokens": 14}',
}
CLAUDE_ON_BEDROCK = "us.anthropic.claude-sonnet-4-20250514-v1:0"


def adapter_of(provider: str) -> CountsTokens:
    adapter = find(provider, None).adapter
    assert isinstance(adapter, CountsTokens)
    return adapter


def sent(provider: str, model: str, prompt: Json = PROMPT) -> tuple[str, Json]:
    request = adapter_of(provider).count_request(chat_call(prompt, model=model))
    return request.url, json.loads(request.content)


@pytest.mark.parametrize("provider", COUNTS)
def test_the_count_is_read(provider: str) -> None:
    call = chat_call(PROMPT, model=CLAUDE_ON_BEDROCK)
    assert adapter_of(provider).token_count(call, COUNTS[provider]) == 14


@pytest.mark.parametrize("provider", COUNTS)
@pytest.mark.parametrize(
    "body", [b"", b"?", b"[]", b"{}", b'{"error": {"message": "no"}}', b'{"input_tokens": "1"}']
)
def test_an_answer_without_a_count_is_an_error(provider: str, body: bytes) -> None:
    call = chat_call(PROMPT, model=CLAUDE_ON_BEDROCK)
    with pytest.raises(ProviderError) as raised:
        adapter_of(provider).token_count(call, body)
    assert raised.value.kind is ErrorKind.BAD_RESPONSE


def test_anthropic_counts_what_it_would_answer() -> None:
    url, body = sent("anthropic", "claude-sonnet-4-5")
    assert url.endswith("/v1/messages/count_tokens")
    assert body.keys() == {"model", "system", "messages", "tools"}


def test_gemini_counts_the_whole_request() -> None:
    url, body = sent("google", "gemini-3-flash-preview")
    assert url.endswith("/v1beta/models/gemini-3-flash-preview:countTokens")
    counted = body["generateContentRequest"]
    assert counted["model"] == "models/gemini-3-flash-preview"
    assert {"contents", "systemInstruction", "tools", "generationConfig"} <= counted.keys()
    check_gemini(counted)


def test_vertex_counts_the_parts_of_a_request() -> None:
    url, body = sent("vertex", "gemini-3-flash-preview")
    assert url.endswith("/publishers/google/models/gemini-3-flash-preview:countTokens")
    assert body.keys() == {"contents", "systemInstruction", "tools", "generationConfig"}
    check_gemini(body)


def test_openai_counts_by_its_responses_api() -> None:
    url, body = sent("openai", "gpt-5")
    assert url.endswith("/v1/responses/input_tokens")
    assert body.keys() == {"model", "input", "tools"}
    check_openai(body)


def check_openai(body: Json) -> None:
    assert body.keys() <= InputTokenCountParams.__annotations__.keys()
    assert_known_to_the_sdk(body)


def check_gemini(body: Json) -> None:
    for content in [*body["contents"], body["systemInstruction"]]:
        Content.model_validate(content)
    for tool in body["tools"]:
        Tool.model_validate(tool)
    GenerationConfig.model_validate(body["generationConfig"])


@pytest.mark.parametrize(
    "model",
    [
        CLAUDE_ON_BEDROCK,
        "anthropic.claude-sonnet-4-20250514-v1:0",
        f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{CLAUDE_ON_BEDROCK}",
    ],
)
def test_bedrock_counts_for_the_foundation_model(model: str) -> None:
    url, body = sent("bedrock", model)
    assert url.endswith("/model/anthropic.claude-sonnet-4-20250514-v1%3A0/count-tokens")
    check_bedrock_count(body, CLAUDE_ON_BEDROCK)


@pytest.mark.parametrize(
    "model",
    [
        "us.amazon.nova-lite-v1:0",
        "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2c3",
    ],
)
def test_bedrock_is_not_asked_for_models_that_it_does_not_count(model: str) -> None:
    with pytest.raises(Unsupported):
        sent("bedrock", model)


def test_a_model_of_bedrock_without_a_count_opens_its_circuit() -> None:
    body = b'{"message": "The provided model doesn\'t support counting tokens."}'
    error = find("bedrock", None).adapter.error(
        400, {"x-amzn-errortype": "ValidationException"}, body
    )
    assert error.kind is ErrorKind.MODEL_NOT_FOUND


@captures("/v1/messages/count_tokens")
@pytest.mark.parametrize("provider", COUNTS)
def test_every_captured_prompt_is_counted(capture: Capture, provider: str) -> None:
    request = COUNT_TOKENS.request(adapter_of(provider), captured_call(provider, capture))
    body = json.loads(request.content)
    if provider == "anthropic":
        assert body.keys() <= MessageCountTokensParams.__annotations__.keys()
        betas = dict(capture.headers).get(b"anthropic-beta", b"").decode().split(",")
        assert set(filter(None, betas)) <= set(request.headers.get("anthropic-beta", "").split(","))
    if provider == "openai":
        check_openai(body)
    if provider == "bedrock":
        check_bedrock_count(body, CLAUDE_ON_BEDROCK)


def captured_call(provider: str, capture: Capture) -> ChatCall:
    body = decode_prompt(
        IncomingRequest(json.dumps(capture.body).encode(), headers=capture.headers)
    )
    subject = find(provider, None)
    candidate = Candidate(
        provider_id=subject.name,
        spec=subject.spec,
        settings=ProviderSettings(id=subject.name),
        adapter=subject.adapter,
        client_model=body.view.model,
        upstream_model=CLAUDE_ON_BEDROCK if provider == "bedrock" else subject.wire.model,
        price=None,
        circuit=Circuit(),
        position=0,
        names=(body.view.model,),
        operations=frozenset({"count_tokens"}),
        capabilities=frozenset(),
    )
    return COUNT_TOKENS.call(body, candidate, "0123456789abcdef01234567", 1_700_000_000)
