"""What a provider with OpenAI's JSON has beside chat completions: its address, its key, and its other operations."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Raw

from llms_core.contracts.embeddings import EmbeddingCall, EmbeddingRules, Embeddings
from llms_core.contracts.forwarding import ForwardCall, ForwardedAnswer
from llms_core.contracts.json import NULL, UNREADABLE, is_null
from llms_core.contracts.rerank import Ranking, RerankCall, read_ranking
from llms_core.errors import ErrorKind, ProviderError
from llms_core.failure import classify
from llms_core.openai_compatible import embeddings
from llms_core.openai_compatible.protocol import matches
from llms_core.openai_compatible.sound import sound_in_json
from llms_core.provider import Headers, ProviderSettings, ProviderSpec, UpstreamRequest

_encode = msgspec.json.encode

_CHAT_COMPLETIONS = "/chat/completions"

OPENAI_PATHS: Mapping[str, str] = MappingProxyType(
    {
        "embeddings": "/embeddings",
        "rerank": "/rerank",
        "moderations": "/moderations",
        "images_generations": "/images/generations",
        "images_edits": "/images/edits",
        "images_variations": "/images/variations",
        "audio_speech": "/audio/speech",
        "audio_transcriptions": "/audio/transcriptions",
        "audio_translations": "/audio/translations",
    }
)
"""OpenAI's paths of the operations that `OpenAICompatible` has methods for, beside chat."""


class OtherOperations:
    """The base of `OpenAICompatible`: everything that is not about chat."""

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings):
        self.spec = spec
        self.settings = settings
        base_url = (settings.base_url or spec.base_url).rstrip("/")
        stem, found, query = (settings.path or spec.path).partition(_CHAT_COMPLETIONS)
        #: What `/models` is appended to, and `path` for chat completions.
        self.base_url = f"{base_url}{stem}" if found else base_url
        self.path = f"{found}{query}" if found else stem
        self.api_key = settings.api_key

    def headers(self) -> dict[str, str]:
        """Return the headers of every request. This is the only place where the key is used."""
        headers = {"content-type": "application/json", **self.settings.headers}
        if self.api_key is not None:
            headers["authorization"] = f"Bearer {self.api_key.reveal()}"
        return headers

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """Classify an error of the provider."""
        return classify(status, headers, body)

    def forward_request(self, call: ForwardCall) -> UpstreamRequest:
        """Return the client's request with the provider's name of the model."""
        return UpstreamRequest(
            url=f"{self.base_url}{self.spec.paths[call.operation]}",
            headers={**self.headers(), "content-type": call.content_type},
            content=call.content,
            upload=call.upload,
        )

    def forwarded(self, call: ForwardCall, answer: ForwardedAnswer) -> ForwardedAnswer:
        """Return the provider's answer as it is, but for sound within JSON."""
        if call.operation == "audio_speech":
            return sound_in_json(call, answer)
        return answer

    def embedding_rules(self, model: str) -> EmbeddingRules:
        """Return what the provider accepts, which the spec tells for all of its models."""
        return self.spec.embeddings

    def embed_request(self, call: EmbeddingCall) -> UpstreamRequest:
        """Return a request for embeddings, with the client's further members unchanged."""
        members = embeddings.request_members(call, self.embedding_rules(call.upstream_model))
        dropped = self._drop(members)
        return UpstreamRequest(
            url=f"{self.base_url}{self.spec.paths['embeddings']}",
            headers=self.headers(),
            content=_encode(members),
            dropped=dropped,
        )

    def embeddings(self, call: EmbeddingCall, body: bytes) -> Embeddings:
        """Return the vectors in the order of the inputs. Raises ProviderError if the body has none."""
        return embeddings.read_embeddings(body)

    def rerank_request(self, call: RerankCall) -> UpstreamRequest:
        """Return a request in Jina's format, which other servers have, too."""
        members: dict[str, Raw] = {
            **call.members,
            "model": Raw(_encode(call.upstream_model)),
            "query": Raw(_encode(call.query)),
            "documents": Raw(_encode(call.documents)),
            "top_n": Raw(_encode(call.top_n)),
            # The gateway has them.
            "return_documents": Raw(b"false"),
        }
        dropped = self._drop(members)
        self._rename(members, call.upstream_model)
        return UpstreamRequest(
            url=f"{self.base_url}{self.spec.paths['rerank']}",
            headers=self.headers(),
            content=_encode(members),
            dropped=dropped,
        )

    def ranking(self, call: RerankCall, body: bytes) -> Ranking:
        """Return the ranking. Raises ValueError, or what msgspec raises, if the body has none."""
        return read_ranking(body)

    def offers(self, operation: str) -> bool:
        """Whether the provider has an operation: of those in `OPENAI_PATHS`, the ones that `spec.paths` names.

        A provider without chat completions has no `path`.
        """
        if operation == "chat":
            return bool(self.path)
        return operation in self.spec.paths or operation not in OPENAI_PATHS

    def models_request(self) -> UpstreamRequest:
        """Return the request for the provider's model list."""
        return UpstreamRequest(method="GET", url=f"{self.base_url}/models", headers=self.headers())

    def models(self, body: bytes) -> dict[str, str]:
        """Return the ids of `GET /models`, each under its own name. Raises ProviderError if it cannot be parsed."""
        try:
            listing = msgspec.json.decode(body)
            # Together returns the bare list.
            entries = listing if isinstance(listing, list) else listing["data"]
            return {str(entry["id"]): str(entry["id"]) for entry in entries}
        except (*UNREADABLE, KeyError, TypeError) as error:
            message = f"Cannot parse the provider's model list: {error}"
            raise ProviderError(ErrorKind.BAD_RESPONSE, message) from None

    def _drop(self, members: dict[str, Any]) -> tuple[str, ...]:
        """Remove the members that the provider rejects; return the names of those that had a value (SR-024)."""
        if not self.spec.drop:
            return ()
        dropped = []
        for name in sorted(self.spec.drop.intersection(members)):
            value = members.pop(name)
            if not isinstance(value, Raw) or not is_null(value):
                dropped.append(name)
        return tuple(dropped)

    def _rename(self, members: dict[str, Raw], model: str) -> None:
        """Rename the members for which the provider uses other names (SR-014)."""
        for name, provider_name in self.spec.rename.items():
            value = members.pop(name, None)
            if value is None:
                continue
            # null means absent (SR-027), so it must not replace what the client set under the other name.
            if is_null(value) and provider_name in members:
                continue
            members[provider_name] = value
        if "max_tokens" in members and self._rejects_max_tokens(model):
            limit = members.pop("max_tokens")
            # The newer name wins if the client set both.
            if is_null(members.get("max_completion_tokens", NULL)):
                members["max_completion_tokens"] = limit

    def _rejects_max_tokens(self, model: str) -> bool:
        """Whether a model takes `max_completion_tokens` only."""
        if "max_completion_tokens" in self.spec.rename:
            return False
        return matches(model, self.spec.rules.max_completion_tokens)
