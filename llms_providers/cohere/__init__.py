"""Cohere's chat API, version 2: https://docs.cohere.com/reference/chat.

In addition to OpenAI's parameters, a client may send Cohere's own: `documents`, `citation_options`, `safety_mode`, `k`,
`p`, `priority`, `strict_tools` and `thinking`.

The message of an answer holds its citations and its tool plan in `provider_extra.cohere`. A client that sends the
message back unchanged preserves both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from llms_core import ProviderError, hookimpl
from llms_core.contracts.completion import Completion
from llms_core.contracts.embeddings import EmbeddingCall, EmbeddingRules, Embeddings
from llms_core.contracts.extras import HINTS
from llms_core.contracts.forwarding import ForwardCall, ForwardedAnswer
from llms_core.contracts.request import ChatCall
from llms_core.contracts.rerank import Ranking, RerankCall, read_ranking
from llms_core.openai_compatible import OPENAI_PATHS
from llms_core.provider import (
    Capabilities,
    Headers,
    LiteLLMNames,
    ProviderSettings,
    ProviderSpec,
    UpstreamRequest,
)
from llms_providers.cohere import embeddings, rerank
from llms_providers.cohere.answer import CohereChunks, to_completion, to_models
from llms_providers.cohere.errors import to_error
from llms_providers.cohere.request import to_body

# Users often copy a base URL with its version, or that of the OpenAI-compatible endpoint (`/compatibility/v1`).
_API_PATH = re.compile(r"(?:/compatibility)?/v\d+$")


class Cohere:
    """The adapter for Cohere. `base_url` is the host's, optionally with a version."""

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings):
        self.spec = spec
        self.settings = settings
        base_url = settings.base_url or spec.base_url
        self.base_url = _API_PATH.sub("", base_url.rstrip("/"))

    def request(self, call: ChatCall) -> UpstreamRequest:
        """Return the request for `/v2/chat`. Raises Unsupported for content other than text and images."""
        body, dropped = to_body(call)
        return UpstreamRequest(
            url=f"{self.base_url}/v2/chat",
            headers=self.settings.bearer_headers(),
            content=msgspec.json.encode(body),
            dropped=dropped,
        )

    def completion(self, call: ChatCall, body: bytes) -> Completion:
        """Translate a whole answer to a chat completion. Raises ProviderError if it is not one."""
        return to_completion(call, body)

    def chunks(self, call: ChatCall) -> CohereChunks:
        """Return a translator for one stream."""
        return CohereChunks(call)

    def embedding_rules(self, model: str) -> EmbeddingRules:
        """Return what Cohere accepts."""
        return embeddings.RULES

    def embed_request(self, call: EmbeddingCall) -> UpstreamRequest:
        """Return the request for `/v2/embed`."""
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

    def rerank_request(self, call: RerankCall) -> UpstreamRequest:
        """Return the request for `/v2/rerank`."""
        body, dropped = rerank.to_body(call)
        return UpstreamRequest(
            url=f"{self.base_url}{rerank.PATH}",
            headers=self.settings.bearer_headers(),
            content=msgspec.json.encode(body),
            dropped=dropped,
        )

    def ranking(self, call: RerankCall, body: bytes) -> Ranking:
        """Return the ranking. Raises ValueError, or what msgspec raises, if the body has none."""
        return read_ranking(body)

    def offers(self, operation: str) -> bool:
        """Whether Cohere has an operation, of those that are sent on."""
        return operation in self.spec.paths or operation not in OPENAI_PATHS

    def forward_request(self, call: ForwardCall) -> UpstreamRequest:
        """Return a request for a transcription, whose form is OpenAI's."""
        return UpstreamRequest(
            url=f"{self.base_url}{self.spec.paths[call.operation]}",
            headers={**self.settings.bearer_headers(), "content-type": call.content_type},
            content=call.content,
            upload=call.upload,
        )

    def forwarded(self, call: ForwardCall, answer: ForwardedAnswer) -> ForwardedAnswer:
        """Return Cohere's answer as it is."""
        return answer

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """Translate an error response."""
        return to_error(status, headers, body)

    def models_request(self) -> UpstreamRequest:
        """Return the request for all models, on one page."""
        return UpstreamRequest(
            method="GET",
            # The list of models exists only in version 1 of the API. 1000 is the largest page size.
            url=f"{self.base_url}/v1/models?page_size=1000",
            headers=self.settings.bearer_headers(),
        )

    def models(self, body: bytes) -> dict[str, str]:
        """Return the names of the models that are not deprecated."""
        return to_models(body)


COHERE = ProviderSpec(
    name="cohere",
    title="Cohere",
    litellm=LiteLLMNames(names=("cohere_chat",), models=("command-*", "rerank-*", "embed-*")),
    docs="https://docs.cohere.com/reference/chat",
    adapter=Cohere,
    base_url="https://api.cohere.com",
    paths={
        "embeddings": embeddings.PATH,
        "rerank": rerank.PATH,
        "audio_transcriptions": "/v2/audio/transcriptions",
    },
    embeddings=embeddings.RULES,
    key_env=("CO_API_KEY", "COHERE_API_KEY"),
    capabilities=Capabilities(audio=False, files=False, n=False),
    extras=frozenset({HINTS}),
    aliases=("@ai-sdk/cohere",),
    wire="llms_providers.cohere.wire:COHERE",
)


@hookimpl
def llms_providers() -> Iterable[ProviderSpec]:
    """Register Cohere."""
    return [COHERE]
