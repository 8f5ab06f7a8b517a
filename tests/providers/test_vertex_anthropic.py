"""Claude on Vertex AI: Anthropic's protocol in Google's wrapping, translated and passed on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chat_requests import chat_call

from llms_core.contracts.native import MESSAGES, NativeRequest
from llms_core.errors import ErrorKind, ProviderError
from llms_core.provider import Available, PassesThrough
from llms_core.secret import Secret
from llms_providers.anthropic.vertex import VERTEX_ANTHROPIC, VertexAnthropic, VertexSettings

MODEL = "claude-sonnet-4-5@20250929"
HELLO = [{"role": "user", "content": "Hello!"}]


def adapter(**members: Any) -> VertexAnthropic:
    settings = VertexSettings(id="v", api_key=Secret("token"), **{"project": "p", **members})
    return VertexAnthropic(VERTEX_ANTHROPIC, settings)


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("europe-west1", "europe-west1-aiplatform.googleapis.com"),
    ],
)
@pytest.mark.parametrize(("stream", "method"), [(False, "rawPredict"), (True, "streamRawPredict")])
def test_the_url_names_the_location_the_model_and_the_method(
    location: str, host: str, stream: bool, method: str
) -> None:
    call = chat_call({"model": "m", "messages": HELLO, "stream": stream}, model=MODEL)
    request = adapter(location=location).request(call)
    publisher = f"/v1/projects/p/locations/{location}/publishers/anthropic"
    assert request.url == f"https://{host}{publisher}/models/{MODEL}:{method}"
    assert request.headers["authorization"] == "Bearer token"
    assert "x-api-key" not in request.headers


def test_a_translated_request_has_the_version_in_its_body() -> None:
    request = adapter().request(
        chat_call({"model": "m", "messages": HELLO, "max_tokens": 9}, model=MODEL)
    )
    assert json.loads(request.content) == {
        "anthropic_version": "vertex-2023-10-16",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello!"}]}],
    }
    assert "anthropic-version" not in request.headers


def test_a_messages_request_is_passed_on_without_its_model() -> None:
    system = [
        {"type": "text", "text": "x-anthropic-billing-header: 1"},
        {"type": "text", "text": "Be brief."},
    ]
    members = {"max_tokens": 9, "messages": HELLO, "stream": True, "future": 1.50}
    body = json.dumps({"model": "claude-sonnet-4-5", "system": system, **members}).encode()
    native = NativeRequest(
        MESSAGES, body, {"anthropic-beta": "a-1,b-2", "anthropic-version": "2023-06-01"}
    )
    assert isinstance(adapter(), PassesThrough)
    assert adapter().passes_through(native, MODEL)
    request = adapter().native_request(
        chat_call({"model": "m", "messages": HELLO, "stream": True}, model=MODEL), native
    )
    assert request.url.endswith(":streamRawPredict")
    assert json.loads(request.content) == {
        "anthropic_version": "vertex-2023-10-16",
        "system": system[1:],
        **members,
    }
    assert request.headers["anthropic-beta"] == "a-1,b-2"
    assert "anthropic-version" not in request.headers


def test_tokens_are_counted_at_an_address_of_their_own() -> None:
    request = adapter().count_request(chat_call({"model": "m", "messages": HELLO}, model=MODEL))
    assert request.url.endswith("/publishers/anthropic/models/count-tokens:rawPredict")
    sent = json.loads(request.content)
    assert (sent["model"], sent["anthropic_version"]) == (MODEL, "vertex-2023-10-16")
    assert (
        adapter().token_count(chat_call({"model": "m", "messages": HELLO}), b'{"input_tokens": 9}')
        == 9
    )


def test_a_missing_project_is_named() -> None:
    assert isinstance(adapter(), Available)
    assert adapter().available() is None
    assert adapter(project="", base_url="https://x.y/publishers/anthropic/").available() is None
    assert "project" in str(adapter(project="").available())


def test_the_models_of_the_publisher_are_listed() -> None:
    request = adapter().models_request()
    assert (
        request.url
        == "https://aiplatform.googleapis.com/v1beta1/publishers/anthropic/models?pageSize=200"
    )
    listing = {"publisherModels": [{"name": "publishers/anthropic/models/claude-opus-5"}]}
    assert adapter().models(json.dumps(listing).encode()) == {"claude-opus-5": "claude-opus-5"}
    with pytest.raises(ProviderError) as raised:
        adapter().models(b"[]")
    assert raised.value.kind is ErrorKind.BAD_RESPONSE
