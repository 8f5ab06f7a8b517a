"""Gemini through Google's own protocol, from the Gemini API and from Vertex AI.

The protocol is `generateContent`, and `streamGenerateContent` with server-sent events:
https://ai.google.dev/api/generate-content and
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference

Besides OpenAI's parameters, a client (or `force` in a provider's block of llms.json) may set Gemini's own:

- at the top level in either spelling (`top_k`, `cachedContent`, …), in `generationConfig`, or in `extra_body.google` as
  at Google's OpenAI-compatible endpoint;
- built-in tools as entries of `tools`, such as `{"google_search": {}}`.

Thought signatures reach the client in `extra_content.google.thought_signature` of tool calls and images. Everything
else that OpenAI's format cannot express is in the message's `provider_extra.google`, with the owner of the signatures.
Clients return both unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from llms_core import ErrorKind, ProviderError, Unsupported, hookimpl
from llms_core.contracts.building import completion_of
from llms_core.contracts.completion import Completion, Usage
from llms_core.contracts.embeddings import EmbeddingCall, EmbeddingRules, Embeddings
from llms_core.contracts.extras import HINTS
from llms_core.contracts.forwarding import ForwardCall, ForwardedAnswer
from llms_core.contracts.function_names import FunctionNames
from llms_core.contracts.native import GENERATE_CONTENT, NativeRequest
from llms_core.contracts.request import ChatCall
from llms_core.contracts.tool_call_ids import AnswerCallIds
from llms_core.failure import classify
from llms_core.native.generate_content import GenerateContentEvents, read_answer
from llms_core.openai_compatible import OPENAI_PATHS
from llms_core.provider import Headers, ProviderSettings, ProviderSpec, UpstreamRequest
from llms_providers.google import embeddings, litellm, media
from llms_providers.google.addresses import quoted, resource, vertex_host
from llms_providers.google.answer import Answer, decode, decode_answers
from llms_providers.google.choice import ChoiceBuilder
from llms_providers.google.model_list import read_gemini, read_vertex
from llms_providers.google.models import NAME_RULE, requires_signatures
from llms_providers.google.native import has_roles, has_unsigned_calls
from llms_providers.google.request import dropped_parameters, request_body
from llms_providers.google.settings import GoogleSettings, VertexSettings, as_google_settings
from llms_providers.google.signatures import owner_of
from llms_providers.google.stream import GoogleChunks

# The status alone is ambiguous: a wrong key gives a 400, and so does a country in which Gemini is not available.
_ERROR_PATTERNS = (
    (
        ErrorKind.AUTH,
        re.compile(rb"API_KEY_INVALID|ACCESS_TOKEN_|CREDENTIALS_MISSING|unregistered callers"),
    ),
    (
        ErrorKind.QUOTA,
        re.compile(rb'"quotaId":\s*"[^"]*PerDay|BILLING_DISABLED|credits are depleted'),
    ),
    (
        ErrorKind.PERMISSION,
        re.compile(rb"User location is not supported|SERVICE_DISABLED|_SERVICE_BLOCKED"),
    ),
)

#: What Vertex AI's `countTokens` takes of a request.
_COUNTED_BY_VERTEX = ("contents", "systemInstruction", "tools", "generationConfig")

_VERSION_AT_END = re.compile(r"/v\d\w*$")


class _TokenCount(msgspec.Struct, rename="camel"):
    total_tokens: int


_token_count = msgspec.json.Decoder(_TokenCount)


class Google:
    """The Gemini API. The version may be missing from `base_url`, and `/openai` at its end is ignored."""

    #: Videos are not downloaded here: only Google itself can fetch them from YouTube.
    inlines = frozenset({"image_url", "audio_url", "input_audio", "file"})
    #: "LogProbs is not supported in streaming mode"
    streams_logprobs = False

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings):
        self.spec = spec
        self.settings = settings
        self.google_settings = as_google_settings(settings)
        self.base_url = self._find_base_url()

    def request(self, call: ChatCall) -> UpstreamRequest:
        """Return the request for `generateContent`. Raises Unsupported for what Gemini does not support."""
        if call.request.logprobs and call.stream and not self.streams_logprobs:
            message = "Gemini gives no logprobs in streams: send the request without `stream`, or use Vertex AI"
            raise Unsupported(message, param="logprobs")
        return UpstreamRequest(
            url=self._generate_url(call),
            headers=self.headers(),
            content=msgspec.json.encode(self._body(call)),
            dropped=dropped_parameters(call),
        )

    def count_request(self, call: ChatCall) -> UpstreamRequest:
        """Return the request for the number of tokens of the prompt. Raises Unsupported as `request` does."""
        model = resource(call.upstream_model)
        return UpstreamRequest(
            url=f"{self.base_url}/{quoted(model)}:countTokens",
            headers=self.headers(),
            content=msgspec.json.encode(self._counted(self._body(call), model)),
        )

    def token_count(self, call: ChatCall, body: bytes) -> int:
        """Return the number in an answer to `count_request`. Raises ProviderError if it has none."""
        return decode(_token_count, body).total_tokens

    def completion(self, call: ChatCall, body: bytes) -> Completion:
        """Return Gemini's answer as a chat.completion. Raises ProviderError if it is an error or not an answer."""
        choices: dict[int, ChoiceBuilder] = {}
        ids = AnswerCallIds(call)
        names = FunctionNames(call, NAME_RULE)
        owner = owner_of(self.settings.id, call)
        usage: Usage | None = None
        response_id: str | None = None
        for answer in self.read(body):
            for candidate in answer.candidates_for(call):
                choice = choices.setdefault(
                    candidate.index, ChoiceBuilder(candidate.index, owner, ids, names)
                )
                choice.add(choice.deltas(candidate, answer))
            usage = answer.usage() or usage
            response_id = response_id or answer.response_id
        if not choices:
            raise ProviderError(
                ErrorKind.BAD_RESPONSE, "Google's response has no candidates", status=200
            )
        in_order = [choices[index].as_openai() for index in sorted(choices)]
        return completion_of(call, in_order, usage, id=response_id)

    def chunks(self, call: ChatCall) -> GoogleChunks:
        """Return a translator for one stream."""
        return GoogleChunks(call, owner_of(self.settings.id, call), self.read)

    def passes_through(self, native: NativeRequest, model: str) -> bool:
        """Whether the model takes a request of Gemini's protocol as it is, so that nothing has to be translated."""
        settings = self.google_settings
        if (
            native.protocol != GENERATE_CONTENT
            or settings.safety_settings
            or settings.thinking_config
        ):
            return False
        return not (requires_signatures(model) and has_unsigned_calls(native.body))

    def native_request(self, call: ChatCall, native: NativeRequest) -> UpstreamRequest:
        """Return the client's request."""
        return UpstreamRequest(
            url=self._generate_url(call), headers=self.headers(), content=native.body
        )

    def native_completion(self, call: ChatCall, body: bytes) -> Completion:
        """Return Google's answer. Raises ProviderError if it is an error or not an answer."""
        return read_answer(call, body, self._error_in_answer)

    def native_chunks(self, call: ChatCall) -> GenerateContentEvents:
        """Return a reader for one stream of Google's."""
        return GenerateContentEvents(call, self._error_in_answer)

    def embedding_rules(self, model: str) -> EmbeddingRules:
        """Return what the API accepts for a model."""
        return embeddings.gemini_rules(model)

    def embed_request(self, call: EmbeddingCall) -> UpstreamRequest:
        """Return the request for `batchEmbedContents`."""
        body = embeddings.batch_body(call, resource(call.upstream_model))
        return self._embed_request(call, "batchEmbedContents", body)

    def embeddings(self, call: EmbeddingCall, body: bytes) -> Embeddings:
        """Return the vectors. Raises ProviderError if the body has none."""
        return embeddings.content_embeddings(body)

    def offers(self, operation: str) -> bool:
        """Whether an operation is offered: of those that are forwarded elsewhere, what can be translated exactly."""
        return operation in self.spec.paths or operation not in OPENAI_PATHS

    def forward_request(self, call: ForwardCall) -> UpstreamRequest:
        """Return the request for an image or for speech. Raises Unsupported for what has no exact counterpart."""
        method, body, dropped = media.to_request(call)
        return UpstreamRequest(
            url=f"{self.base_url}/{quoted(resource(call.upstream_model))}:{method}",
            headers=self.headers(),
            content=msgspec.json.encode(body),
            dropped=dropped,
        )

    def forwarded(self, call: ForwardCall, answer: ForwardedAnswer) -> ForwardedAnswer:
        """Return an image or sound as OpenAI's API has it. Raises ProviderError if there is none."""
        if call.operation == "audio_speech":
            return media.to_speech(call, self.read(answer.data))
        if media.is_imagen(call.upstream_model):
            return media.predicted_images(call, answer.data)
        return media.to_images(call, self.read(answer.data))

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """Return the meaning of an error, from its details and texts if the status is ambiguous."""
        error = classify(status, headers, body)
        for kind, pattern in _ERROR_PATTERNS:
            if pattern.search(body):
                error.kind = kind
                break
        return error

    def models_request(self) -> UpstreamRequest:
        """Return the request for the list of models: all on one page, whose maximum size is 1000."""
        return UpstreamRequest(
            method="GET", url=f"{self.base_url}/models?pageSize=1000", headers=self.headers()
        )

    def models(self, body: bytes) -> dict[str, str]:
        """Return the models for content and embeddings. Raises ProviderError if the list is unreadable."""
        return read_gemini(body)

    def read(self, data: bytes) -> list[Answer]:
        """Decode the answers in a body or an event. Raises ProviderError if one is an error or cannot be parsed."""
        answers = decode_answers(data)
        for answer in answers:
            if answer.is_error:
                raise self.error(200, {}, b'{"error":' + bytes(answer.error) + b"}")
        return answers

    def headers(self) -> dict[str, str]:
        """Return the headers of every request; the key goes here and nowhere else (SR-116)."""
        headers = {"content-type": "application/json", **self.settings.headers}
        if self.settings.api_key is not None:
            headers["x-goog-api-key"] = self.settings.api_key.reveal()
        return headers

    def _error_in_answer(self, body: bytes) -> ProviderError:
        return self.error(200, {}, body)

    def _generate_url(self, call: ChatCall) -> str:
        # Without `alt=sse` a stream would arrive as one JSON array.
        method = "streamGenerateContent?alt=sse" if call.stream else "generateContent"
        return f"{self.base_url}/{quoted(resource(call.upstream_model))}:{method}"

    def _body(self, call: ChatCall) -> dict[str, Any]:
        return request_body(
            call,
            self.base_url,
            owner_of(self.settings.id, call),
            safety_settings=self.google_settings.safety_settings,
            default_thinking=self.google_settings.thinking_config,
        )

    def _counted(self, body: dict[str, Any], model: str) -> dict[str, Any]:
        return {"generateContentRequest": {"model": model, **body}}

    def _embed_request(
        self, call: EmbeddingCall, method: str, body: dict[str, Any]
    ) -> UpstreamRequest:
        return UpstreamRequest(
            url=f"{self.base_url}/{quoted(resource(call.upstream_model))}:{method}",
            headers=self.headers(),
            content=msgspec.json.encode(body),
            dropped=embeddings.dropped_parameters(call),
        )

    def _find_base_url(self) -> str:
        url = self.settings.base_url or self.spec.base_url
        # The OpenAI-compatible endpoint is below this one: its address, copied from elsewhere, is taken as well.
        url = url.rstrip("/").removesuffix("/openai")
        if _VERSION_AT_END.search(url):
            return url
        return f"{url}/v1beta"


class Vertex(Google):
    """Vertex AI. A configured `base_url` has to end in `/publishers/google`."""

    streams_logprobs = True

    def passes_through(self, native: NativeRequest, model: str) -> bool:
        """The same as for the Gemini API, except that Vertex AI requires the roles of turns."""
        return super().passes_through(native, model) and has_roles(native.body)

    def _counted(self, body: dict[str, Any], model: str) -> dict[str, Any]:
        return {name: body[name] for name in _COUNTED_BY_VERTEX if name in body}

    def embedding_rules(self, model: str) -> EmbeddingRules:
        """Return what Vertex AI accepts for a model."""
        return embeddings.vertex_rules(model)

    def embed_request(self, call: EmbeddingCall) -> UpstreamRequest:
        """Return the request for `embedContent` or `predict`, whichever the model has."""
        if embeddings.has_embed_content(call.upstream_model):
            return self._embed_request(call, "embedContent", embeddings.single_body(call))
        return self._embed_request(call, "predict", embeddings.predict_body(call))

    def embeddings(self, call: EmbeddingCall, body: bytes) -> Embeddings:
        """Return the vectors. Raises ProviderError if the body has none."""
        if embeddings.has_embed_content(call.upstream_model):
            return embeddings.content_embeddings(body)
        return embeddings.predicted_embeddings(body)

    def models_request(self) -> UpstreamRequest:
        """Return the request for all of Google's models: Vertex AI does not list what a project may use."""
        root = re.split(r"/v\d", self.base_url, maxsplit=1)[0]
        url = f"{root}/v1beta1/publishers/google/models?pageSize=200"
        return UpstreamRequest(method="GET", url=url, headers=self.headers())

    def models(self, body: bytes) -> dict[str, str]:
        """Return the models for content and embeddings. Raises ProviderError if the list is unreadable."""
        return read_vertex(body)

    def headers(self) -> dict[str, str]:
        """Return the Gemini API's headers, with a bearer token instead of the key if the address names a project."""
        headers = super().headers()
        if "/projects/" in self.base_url:
            token = headers.pop("x-goog-api-key", None)
            if token is not None:
                headers["authorization"] = f"Bearer {token}"
        return headers

    def _find_base_url(self) -> str:
        if self.settings.base_url:
            return self.settings.base_url.rstrip("/")
        settings = self.google_settings
        if not isinstance(settings, VertexSettings):
            settings = VertexSettings(id=settings.id)
        if not settings.project:
            # Express mode has no project and only the global endpoint.
            return "https://aiplatform.googleapis.com/v1/publishers/google"
        host = vertex_host(settings.location)
        return f"https://{host}/v1/projects/{settings.project}/locations/{settings.location}/publishers/google"


GOOGLE = ProviderSpec(
    name="google",
    title="Google Gemini",
    docs="https://ai.google.dev/api/generate-content",
    adapter=Google,
    base_url="https://generativelanguage.googleapis.com/v1beta",
    paths={"embeddings": "/models/{model}:batchEmbedContents", **media.PATHS},
    embeddings=embeddings.GEMINI_RULES,
    extras=frozenset({HINTS, "google"}),
    aliases=("gemini", "GoogleProvider", "@ai-sdk/google"),
    settings=GoogleSettings,
    # In the order of Google's SDK; the last is that of Vercel's AI SDK.
    key_env=("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"),
    wire="llms_providers.google.wire:GOOGLE",
)
VERTEX = ProviderSpec(
    name="vertex",
    title="Google Vertex AI",
    litellm=litellm.VERTEX,
    docs="https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference",
    adapter=Vertex,
    paths={"embeddings": "/models/{model}:predict", **media.PATHS},
    embeddings=embeddings.VERTEX_RULES,
    extras=frozenset({HINTS, "google"}),
    aliases=("google-vertex", "@ai-sdk/google-vertex"),
    settings=VertexSettings,
    key_env=("GOOGLE_VERTEX_ACCESS_TOKEN", "GOOGLE_VERTEX_API_KEY"),
    wire="llms_providers.google.wire:VERTEX",
)


@hookimpl
def llms_providers() -> Iterable[ProviderSpec]:
    """Register the Gemini API and Vertex AI."""
    return [GOOGLE, VERTEX]
