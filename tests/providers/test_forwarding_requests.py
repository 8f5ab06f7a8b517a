"""What each provider gets of a request that is sent on: the address, the key, and the request."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from llms_core.contracts.forwarding import ForwardCall
from llms_core.contracts.rerank import RerankCall
from llms_core.errors import Unsupported
from llms_core.openai_compatible import OPENAI_PATHS, OpenAICompatible
from llms_core.operations.table import OPERATIONS
from llms_core.provider import Forwards, ProviderSettings, ProviderSpec
from llms_core.secret import Secret
from llms_providers.azure import AZURE, Azure
from llms_providers.azure.endpoint import AzureSettings
from llms_providers.bedrock.rerank import to_body
from llms_providers.cohere import COHERE, Cohere
from llms_providers.presets import PRESETS

FORWARDED = {operation.name for operation in OPERATIONS if operation.adapter_protocol is Forwards}
ROWS = [(spec, name) for spec in PRESETS for name in sorted(FORWARDED & spec.paths.keys())]


def call(operation: str) -> ForwardCall:
    content = json.dumps({"model": "up/m", "input": "Hello"}).encode()
    return ForwardCall(
        operation=operation, upstream_model="up/m", client_model="m", content=content
    )


def test_every_forwarded_operation_has_a_path() -> None:
    assert OPENAI_PATHS.keys() >= FORWARDED


@pytest.mark.parametrize(
    ("spec", "operation"), ROWS, ids=[f"{spec.name}-{name}" for spec, name in ROWS]
)
def test_a_preset_sends_a_request_on(spec: ProviderSpec, operation: str) -> None:
    adapter: Any = spec.adapter(spec, ProviderSettings(id=spec.name, api_key=Secret("sk-marked-1")))
    assert isinstance(adapter, OpenAICompatible)
    request = adapter.forward_request(call(operation))
    assert request.url == f"{spec.base_url}{spec.paths[operation]}"
    assert request.headers["authorization"] == "Bearer sk-marked-1"
    assert request.headers["content-type"] == "application/json"
    assert request.content == call(operation).content


def test_a_form_keeps_its_boundary() -> None:
    adapter = OpenAICompatible(PRESETS[0], ProviderSettings(id="groq"))
    form = ForwardCall(
        operation="audio_transcriptions",
        upstream_model="m",
        client_model="m",
        content_type="multipart/form-data; b=1",
    )
    assert adapter.forward_request(form).headers["content-type"] == "multipart/form-data; b=1"


@pytest.mark.parametrize(
    ("version", "url"),
    [
        ("", "https://r.openai.azure.com/openai/v1/audio/speech"),
        (
            "2025-03-01-preview",
            "https://r.openai.azure.com/openai/deployments/up%2Fm/audio/speech?api-version=2025-03-01-preview",
        ),
    ],
)
def test_azure_has_a_url_for_each_deployment(version: str, url: str) -> None:
    settings = AzureSettings(
        id="azure",
        base_url="https://r.openai.azure.com",
        api_version=version,
        api_key=Secret("sk-marked-1"),
    )
    request = Azure(AZURE, settings).forward_request(call("audio_speech"))
    assert request.url == url
    assert request.headers["api-key"] == "sk-marked-1"


def test_cohere_transcribes() -> None:
    adapter = Cohere(COHERE, ProviderSettings(id="cohere", api_key=Secret("sk-marked-1")))
    assert adapter.offers("audio_transcriptions")
    assert not adapter.offers("audio_speech")
    assert (
        adapter.forward_request(call("audio_transcriptions")).url
        == "https://api.cohere.com/v2/audio/transcriptions"
    )


def test_bedrock_ranks_with_known_models_only() -> None:
    ranking = RerankCall(
        query="q", documents=["a"], top_n=1, upstream_model="amazon.rerank-v1:0", client_model="m"
    )
    assert to_body(ranking) == ({"query": "q", "documents": ["a"], "top_n": 1}, ())
    other = RerankCall(
        query="q",
        documents=["a"],
        top_n=1,
        upstream_model="cohere.rerank-v3-5:0",
        client_model="m",
        members={"max_tokens_per_doc": Raw(b"9"), "truncation": Raw(b"true")},
    )
    assert to_body(other)[1] == ("truncation",)
    with pytest.raises(Unsupported):
        to_body(
            RerankCall(
                query="q", documents=["a"], top_n=1, upstream_model="claude", client_model="m"
            )
        )
