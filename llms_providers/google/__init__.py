"""Gemini in Google's own protocol, from the Gemini API and from Vertex AI: `generateContent`, and
`streamGenerateContent` as server-sent events. https://ai.google.dev/api/generate-content,
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference

Beside OpenAI's parameters a client, or `force` of a block of llms.json, may give Gemini's own in either spelling
(`top_k`, `cachedContent`, …), or in `extra_body.google` as at Google's OpenAI-compatible endpoint, and its built-in
tools among `tools`, as in `{"google_search": {}}`. Signatures of thoughts go to the client with tool calls and images
as `extra_content.google.thought_signature`, and with everything else in the message's `provider_extra.google`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from llms_core import ErrorKind, ProviderError, Unsupported, hookimpl
from llms_core.contracts.building import Chunks, completion_of
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion, Usage
from llms_core.contracts.request import ChatCall
from llms_core.failure import classify
from llms_core.provider import Headers, ProviderSettings, ProviderSpec, UpstreamRequest
from llms_providers.google.answer import Answer, Candidate, Choice, answers, decode, logprobs
from llms_providers.google.request import dropped, native

# Google's status alone does not tell these apart: a wrong key is a 400, and so is a country that is not served.
_ERRORS = (
    (ErrorKind.AUTH, re.compile(rb"API_KEY_INVALID|ACCESS_TOKEN_|CREDENTIALS_MISSING|unregistered callers")),
    (ErrorKind.QUOTA, re.compile(rb'"quotaId":\s*"[^"]*PerDay|BILLING_DISABLED|credits are depleted')),
    (ErrorKind.PERMISSION, re.compile(rb"User location is not supported|SERVICE_DISABLED|_SERVICE_BLOCKED")),
)


class GoogleSettings(ProviderSettings, kw_only=True):
    """`safety_settings` and `thinking_config` are for requests that have none of their own (K-11, K-12)."""

    safety_settings: list[dict[str, Any]] = msgspec.field(default_factory=list)
    thinking_config: dict[str, Any] = msgspec.field(default_factory=dict)


class VertexSettings(GoogleSettings, kw_only=True):
    """With a `project`, `api_key` is an OAuth access token; without one it is a key for express mode."""

    project: str = ""
    location: str = "global"


class _Model(msgspec.Struct, rename="camel"):
    name: str
    supported_generation_methods: list[str] = []


class _Models(msgspec.Struct, rename="camel"):
    models: list[_Model] = []
    publisher_models: list[_Model] = []


_models = msgspec.json.Decoder(_Models)


class Google:
    """The Gemini API. `base_url` is taken with or without its version, and without the `/openai` of the other one."""

    #: Links to videos are left to Google, which alone can fetch from YouTube.
    inlines = frozenset({"image_url", "audio_url", "input_audio", "file"})
    #: "LogProbs is not supported in streaming mode"
    streams_logprobs = False

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings):
        self.spec, self.settings = spec, settings
        self.own = settings if isinstance(settings, GoogleSettings) else GoogleSettings(id=settings.id)
        self.base_url = self._address()

    def request(self, call: ChatCall) -> UpstreamRequest:
        """The request for `generateContent`. Raises Unsupported for what Gemini has not."""
        if call.request.logprobs and call.stream and not self.streams_logprobs:
            raise Unsupported("Gemini gives no logprobs in streams", param="logprobs")
        said = native(call, self.base_url, safety=self.own.safety_settings, thinking=self.own.thinking_config)
        path = quote(call.upstream_model if "/" in call.upstream_model else f"models/{call.upstream_model}", safe="/@:")
        url = f"{self.base_url}/{path}:{'streamGenerateContent?alt=sse' if call.stream else 'generateContent'}"
        content = msgspec.json.encode(said)
        return UpstreamRequest(url=url, headers=self.headers(), content=content, dropped=dropped(call))

    def completion(self, call: ChatCall, body: bytes) -> Completion:
        """Gemini's answer as a chat.completion."""
        choices: dict[int, Choice] = {}
        usage: Usage | None = None
        name: str | None = None
        for answer in self.read(body):
            for candidate in answer.choices(call):
                choice = choices.setdefault(candidate.index, Choice(call, candidate.index))
                choice.join(choice.take(candidate, answer))
            usage, name = answer.usage() or usage, name or answer.response_id
        if not choices:
            raise ProviderError(ErrorKind.BAD_RESPONSE, "The answer has no candidates", status=200)
        said = [choices[index].as_openai() for index in sorted(choices)]
        return completion_of(call, said, usage, id=name)

    def chunks(self, call: ChatCall) -> GoogleChunks:
        """A translator for one stream."""
        return GoogleChunks(self, call)

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """What an error means, by its details and texts where the status does not say."""
        found = classify(status, headers, body)
        found.kind = next((kind for kind, pattern in _ERRORS if pattern.search(body)), found.kind)
        return found

    def models_request(self) -> UpstreamRequest:
        """Ask for the models, all on one page."""
        return UpstreamRequest(method="GET", url=f"{self.base_url}/models?pageSize=1000", headers=self.headers())

    def models(self, body: bytes) -> dict[str, str]:
        """Those that generate content."""
        listed = decode(_models, body).models
        names = [each.name for each in listed if "generateContent" in each.supported_generation_methods]
        return {name.removeprefix("models/"): name.removeprefix("models/") for name in names}

    def read(self, data: bytes) -> list[Answer]:
        """The answers in a body or an event. Raises ProviderError where one of them is an error."""
        found = answers(data)
        for answer in found:
            if len(answer.error) and bytes(answer.error) != b"null":
                raise self.error(200, {}, b'{"error":' + bytes(answer.error) + b"}")
        return found

    def headers(self) -> dict[str, str]:
        """Headers of every request; the key goes here and nowhere else (SR-116)."""
        headers = {"content-type": "application/json", **self.settings.headers}
        if self.settings.api_key is not None:
            headers["x-goog-api-key"] = self.settings.api_key.reveal()
        return headers

    def _address(self) -> str:
        url = (self.settings.base_url or self.spec.base_url).rstrip("/").removesuffix("/openai")
        return url if re.search(r"/v\d\w*$", url) else f"{url}/v1beta"


class Vertex(Google):
    """Vertex AI. `base_url`, where it is given, ends in `/publishers/google`."""

    streams_logprobs = True

    def models_request(self) -> UpstreamRequest:
        """Ask for Google's models: there is no list of what a project may use."""
        root = re.split(r"/v\d", self.base_url, maxsplit=1)[0]
        url = f"{root}/v1beta1/publishers/google/models?pageSize=200"
        return UpstreamRequest(method="GET", url=url, headers=self.headers())

    def models(self, body: bytes) -> dict[str, str]:
        """The Gemini models that are not for embeddings."""
        names = [each.name.rpartition("/")[2] for each in decode(_models, body).publisher_models]
        return {name: name for name in names if name.startswith("gemini-") and "embedding" not in name}

    def headers(self) -> dict[str, str]:
        """As the Gemini API's, with a bearer token where the address names a project."""
        headers = super().headers()
        if "/projects/" in self.base_url and (token := headers.pop("x-goog-api-key", None)) is not None:
            headers["authorization"] = f"Bearer {token}"
        return headers

    def _address(self) -> str:
        if self.settings.base_url:
            return self.settings.base_url.rstrip("/")
        own = self.own if isinstance(self.own, VertexSettings) else VertexSettings(id=self.own.id)
        project, location = own.project, own.location
        if not project or location == "global":
            host = "aiplatform.googleapis.com"
        elif location in ("us", "eu"):
            host = f"aiplatform.{location}.rep.googleapis.com"
        else:
            host = f"{location}-aiplatform.googleapis.com"
        place = f"/projects/{project}/locations/{location}" if project else ""
        return f"https://{host}/v1{place}/publishers/google"


class GoogleChunks:
    """The events of one stream as chunks. Parts come whole, and with each event the usage so far."""

    framing: Literal["sse"] = "sse"

    def __init__(self, adapter: Google, call: ChatCall):
        self._adapter, self._call, self._chunks = adapter, call, Chunks(call)
        self._choices: dict[int, Choice] = {}
        self._usage: Usage | None = None
        self._named = False

    def feed(self, event: str, data: bytes) -> Iterator[Chunk]:
        """One event's chunks."""
        for answer in self._adapter.read(data):
            if answer.response_id and not self._named:
                self._named = True
                self._chunks.identify(answer.response_id)
            for candidate in answer.choices(self._call):
                yield from self._translated(candidate, answer)
            self._usage = answer.usage() or self._usage
            if self._usage is not None and any(choice.finish for choice in self._choices.values()):
                yield self._chunks.usage(self._usage)

    def _translated(self, candidate: Candidate, answer: Answer) -> Iterator[Chunk]:
        index = candidate.index
        choice = self._choices.setdefault(index, Choice(self._call, index))
        deltas, probabilities = choice.take(candidate, answer), logprobs(candidate)
        for delta in deltas:
            yield self._chunks.delta(delta, index=index, logprobs=probabilities, content="provider_extra" not in delta)
            probabilities = None
        if candidate.finish_reason:
            yield self._chunks.finish(choice.finish, index=index, delta=choice.rest())


GOOGLE = ProviderSpec(
    name="google", title="Google Gemini", docs="https://ai.google.dev/api/generate-content", adapter=Google,
    base_url="https://generativelanguage.googleapis.com/v1beta", settings=GoogleSettings,
    aliases=("gemini", "GoogleProvider", "@ai-sdk/google"),
    key_env=("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"),
    wire="llms_providers.google.wire:GOOGLE",
)  # fmt: skip
VERTEX = ProviderSpec(
    name="vertex", title="Google Vertex AI", adapter=Vertex, settings=VertexSettings,
    aliases=("google-vertex", "@ai-sdk/google-vertex"),
    docs="https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference",
    key_env=("GOOGLE_VERTEX_ACCESS_TOKEN", "GOOGLE_VERTEX_API_KEY"), wire="llms_providers.google.wire:VERTEX",
)  # fmt: skip


@hookimpl
def llms_providers() -> Iterable[ProviderSpec]:
    """The Gemini API, and Vertex AI."""
    return [GOOGLE, VERTEX]
