"""Ollama's native chat API, local, remote or in Ollama's cloud: https://docs.ollama.com/api/chat.

In addition to OpenAI's parameters, a client (or `force` in a provider's block of llms.json) may send Ollama's own:
`think`, `format`, `keep_alive`, and `options`. The members of `options` (num_ctx, top_k, …) are also accepted at the
top level of the request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from llms_core import ProviderError, hookimpl
from llms_core.contracts.completion import Completion
from llms_core.contracts.embeddings import EmbeddingCall, EmbeddingRules, Embeddings
from llms_core.contracts.extras import HINTS
from llms_core.contracts.request import ChatCall
from llms_core.provider import (
    Capabilities,
    Headers,
    LiteLLMNames,
    ProviderSettings,
    ProviderSpec,
    UpstreamRequest,
)
from llms_providers.ollama import embeddings
from llms_providers.ollama.answer import OllamaChunks, to_completion, to_models
from llms_providers.ollama.errors import to_error
from llms_providers.ollama.request import to_body

# Users often copy the base URL of the OpenAI-compatible endpoint (`/v1`), or that of the native one (`/api`).
_API_PATH = re.compile(r"/(?:v1|api)$")


class Ollama:
    """The adapter for Ollama. `base_url` is the server's, optionally ending in `/v1` or `/api`."""

    #: Ollama accepts media only as base64, so the core downloads URLs first.
    inlines = frozenset({"image_url", "audio_url"})

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings):
        self.spec = spec
        self.settings = settings
        base_url = settings.base_url or spec.base_url
        self.base_url = _API_PATH.sub("", base_url.rstrip("/"))

    def request(self, call: ChatCall) -> UpstreamRequest:
        """Return the request for `/api/chat`.

        Raises Unsupported for content other than text, images and audio.
        """
        body, dropped = to_body(call)
        return UpstreamRequest(
            url=f"{self.base_url}/api/chat",
            headers=self.settings.bearer_headers(),
            content=msgspec.json.encode(body),
            dropped=dropped,
        )

    def completion(self, call: ChatCall, body: bytes) -> Completion:
        """Translate a whole answer to a chat completion. Raises ProviderError if it is not one."""
        return to_completion(call, body)

    def chunks(self, call: ChatCall) -> OllamaChunks:
        """Return a translator for one stream."""
        return OllamaChunks(call)

    def embedding_rules(self, model: str) -> EmbeddingRules:
        """Return what Ollama accepts."""
        return embeddings.RULES

    def embed_request(self, call: EmbeddingCall) -> UpstreamRequest:
        """Return the request for `/api/embed`."""
        body, dropped = embeddings.to_body(call)
        return UpstreamRequest(
            url=f"{self.base_url}{embeddings.PATH}",
            headers=self.settings.bearer_headers(),
            content=msgspec.json.encode(body),
            dropped=dropped,
        )

    def embeddings(self, call: EmbeddingCall, body: bytes) -> Embeddings:
        """Return the vectors. Raises ProviderError if the body has none."""
        return embeddings.to_embeddings(body)

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """Translate an error response."""
        return to_error(status, headers, body)

    def models_request(self) -> UpstreamRequest:
        """Return the request for the list of models: those pulled to the server, or those of the cloud."""
        return UpstreamRequest(
            method="GET",
            url=f"{self.base_url}/api/tags",
            headers=self.settings.bearer_headers(),
        )

    def models(self, body: bytes) -> dict[str, str]:
        """Return the models of `/api/tags`, named without `:latest` for clients (SR-118)."""
        return to_models(body)


OLLAMA = ProviderSpec(
    name="ollama",
    title="Ollama",
    litellm=LiteLLMNames(names=("ollama_chat",)),
    docs="https://docs.ollama.com/api/chat",
    adapter=Ollama,
    base_url="http://localhost:11434",
    paths={"embeddings": embeddings.PATH},
    embeddings=embeddings.RULES,
    needs_key=False,
    capabilities=Capabilities(files=False, n=False),
    extras=frozenset({HINTS}),
    aliases=("OllamaProvider",),
    wire="llms_providers.ollama.wire:OLLAMA",
)
OLLAMA_CLOUD = ProviderSpec(
    name="ollama-cloud",
    title="Ollama Cloud",
    docs="https://docs.ollama.com/cloud",
    adapter=Ollama,
    base_url="https://ollama.com",
    paths=OLLAMA.paths,
    embeddings=OLLAMA.embeddings,
    key_env=("OLLAMA_API_KEY",),
    extras=frozenset({HINTS}),
    capabilities=OLLAMA.capabilities,
    wire=OLLAMA.wire,
)


@hookimpl
def llms_providers() -> Iterable[ProviderSpec]:
    """Register a self-hosted server and the cloud."""
    return [OLLAMA, OLLAMA_CLOUD]
