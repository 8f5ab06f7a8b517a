"""Azure OpenAI and Microsoft Foundry: OpenAI's JSON at Azure's own addresses.

https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle

The id of a model is the name of a deployment. There are three APIs; `endpoint.py` decides which one is used:

- `/openai/v1`, which has no versions: the default, and what Azure documents today;
- `/openai/deployments/{deployment}`, if `api_version` is a date, as in `2024-10-21`;
- `/models`, Foundry's older inference API, if the address ends with it.

The key is sent in the header `api-key`, or as a bearer token if it is a JSON Web Token of Entra ID.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from llms_core import ErrorKind, ProviderError, hookimpl
from llms_core.contracts.embeddings import EmbeddingCall, EmbeddingRules
from llms_core.contracts.forwarding import ForwardCall
from llms_core.contracts.native import RESPONSES
from llms_core.contracts.request import ChatCall
from llms_core.errors import ConfigError
from llms_core.openai_compatible import (
    OPENAI_EMBEDDINGS,
    OPENAI_PATHS,
    OPENAI_RULES,
    OpenAICompatible,
)
from llms_core.provider import (
    ChunkTranslator,
    Headers,
    LiteLLMNames,
    NativeEndpoint,
    ProviderSettings,
    ProviderSpec,
    UpstreamRequest,
)
from llms_providers.azure.content_filter import filtered_categories
from llms_providers.azure.endpoint import (
    ENDPOINT_VARIABLE,
    RESOURCE_VARIABLE,
    AzureSettings,
    find_endpoint,
)
from llms_providers.azure.stream import AzureChunks

__all__ = ["AZURE", "Azure", "AzureSettings"]

#: A JSON Web Token: three parts in base64url, the first of which is a JSON object.
_ENTRA_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")

#: The last version of the API that lists deployments. The list of the v1 API is of models that could be deployed.
_DEPLOYMENTS_VERSION = "2023-03-15-preview"

#: The first version that accepts these parameters. Earlier ones answer them with an error.
_FIRST_MODERN_VERSION = "2024-09-01"
_MODERN_PARAMETERS = frozenset({"stream_options", "parallel_tool_calls"})

#: Names of deployments whose model is not OpenAI's. Theirs are chosen freely, but mostly contain the model's.
_OTHER_VENDOR = re.compile(
    r"cohere|command|deepseek|grok|jamba|kimi|llama|mistral|ministral|phi-?\d|qwen", re.IGNORECASE
)
#: Names of deployments of OpenAI's reasoning models.
_REASONING_MODEL = re.compile(r"(?:^|[^a-z0-9])(?:o[1-9]|gpt-?5)", re.IGNORECASE)

#: Azure may state the delay of a rate limit only in the message of the error.
_RETRY_DELAY = re.compile(r"retry after (?P<delay>\d+) (?P<milli>milli)?second", re.IGNORECASE)


#: Foundry's older inference API.
_FOUNDRY_EMBEDDINGS = EmbeddingRules(
    dimensions="dimensions",
    input_type="input_type",
    input_types={"query": "query", "document": "document", "text": "text"},
    base64=True,
)


_PATHS = {
    name: OPENAI_PATHS[name]
    for name in (
        "embeddings",
        "images_generations",
        "images_edits",
        "audio_speech",
        "audio_transcriptions",
        "audio_translations",
    )
}


class Azure(OpenAICompatible):
    """The adapter. `base_url` is the resource's address, with or without the path of an API."""

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings):
        endpoint = find_endpoint(settings)
        # Versions are dates, so they compare as text.
        if endpoint.api == "deployments" and endpoint.version < _FIRST_MODERN_VERSION:
            spec = _without_modern_parameters(spec)
        super().__init__(spec, settings)
        self.endpoint = endpoint
        if not settings.path:
            self.base_url = endpoint.base_url
        elif not settings.base_url:
            self.base_url = f"{endpoint.root}{self.base_url}"
        if settings.protocol == RESPONSES and not self.responses_url():
            raise ConfigError(
                "this API of Azure has no Responses API",
                field="protocol",
                hint="leave out 'api_version', or use 2025-03-01-preview or a later one",
            )

    def available(self) -> str | None:
        """Return None if an address is configured, else how to configure one."""
        if self.endpoint.root:
            return None
        return "no address: set 'resource' or 'base_url' in llms.json, or the variable AZURE_OPENAI_ENDPOINT"

    def headers(self) -> dict[str, str]:
        """Return the headers of a request, which are the only place for the key."""
        if self.api_key is None:
            return super().headers()
        key = self.api_key.reveal()
        if _ENTRA_TOKEN.fullmatch(key):
            # The base class sends bearer tokens.
            return super().headers()
        return {
            "content-type": "application/json",
            **self.settings.headers,
            "api-key": key,
        }

    def request(self, call: ChatCall) -> UpstreamRequest:
        """Return OpenAI's request for the URL of the deployment."""
        request = super().request(call)
        if self.speaks_responses(call):
            return request
        if not self.settings.path:
            request.url = self.endpoint.url("/chat/completions", call.upstream_model)
        if self.endpoint.api == "models":
            # Parameters that this API does not know are errors unless they are passed to the model.
            request.headers["extra-parameters"] = "pass-through"
        return request

    def embedding_rules(self, model: str) -> EmbeddingRules:
        """Return what Azure accepts: Foundry's API, which serves other vendors' models, takes no tokens."""
        return _FOUNDRY_EMBEDDINGS if self.endpoint.api == "models" else self.spec.embeddings

    def embed_request(self, call: EmbeddingCall) -> UpstreamRequest:
        """Return OpenAI's request for the URL of the deployment."""
        request = super().embed_request(call)
        if not self.settings.path:
            request.url = self.endpoint.url(self.spec.paths["embeddings"], call.upstream_model)
        if self.endpoint.api == "models":
            request.headers["extra-parameters"] = "pass-through"
        return request

    def forward_request(self, call: ForwardCall) -> UpstreamRequest:
        """Return OpenAI's request for the URL of the deployment."""
        request = super().forward_request(call)
        if not self.settings.path:
            request.url = self.endpoint.url(self.spec.paths[call.operation], call.upstream_model)
        return request

    def responses_url(self) -> str:
        """Return the URL of the Responses API; empty if this API or its version has none."""
        return super().responses_url() if self.settings.path else self.endpoint.responses_url()

    def chunks(self, call: ChatCall) -> ChunkTranslator:
        """Return a translator for one stream."""
        return super().chunks(call) if self.speaks_responses(call) else AzureChunks(self, call)

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """Return what an error means, with Azure's own details of content filters and rate limits."""
        error = super().error(status, headers, body)
        categories = filtered_categories(body)
        if categories is not None:
            error.kind = ErrorKind.CONTENT_POLICY
            error.code = "content_filter"
        if categories:
            error.message = f"{error.message} (filtered: {', '.join(categories)})"
        if error.retry_after is None:
            error.retry_after = _retry_delay(error.message)
        return error

    def _rejects_max_tokens(self, model: str) -> bool:
        """Whether a deployment takes `max_completion_tokens` only, as far as its name and the API tell."""
        if not self.spec.rules.max_completion_tokens:
            return False
        if self.endpoint.api == "models":
            return _REASONING_MODEL.search(model) is not None
        return _OTHER_VENDOR.search(model) is None

    def models_request(self) -> UpstreamRequest:
        """Return a request for the deployments."""
        return UpstreamRequest(
            method="GET",
            url=f"{self.endpoint.root}/openai/deployments?api-version={_DEPLOYMENTS_VERSION}",
            headers=self.headers(),
        )

    def models(self, body: bytes) -> dict[str, str]:
        """Return the names of the deployments that are ready, each under its own name."""
        try:
            deployments = _deployments_decoder.decode(body).data
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            message = f"Cannot parse Azure's list of deployments: {error}"
            raise ProviderError(ErrorKind.BAD_RESPONSE, message) from None
        return {deployment.id: deployment.id for deployment in deployments if deployment.is_ready}


def _without_modern_parameters(spec: ProviderSpec) -> ProviderSpec:
    """Return the spec for versions that lack `_MODERN_PARAMETERS`, `max_completion_tokens` and the role `developer`."""
    return msgspec.structs.replace(
        spec,
        drop=spec.drop | _MODERN_PARAMETERS,
        rename={**spec.rename, "max_completion_tokens": "max_tokens"},
        rules=msgspec.structs.replace(spec.rules, developer=False, max_completion_tokens=()),
        capabilities=msgspec.structs.replace(spec.capabilities, stream_usage=False),
    )


def _retry_delay(message: str) -> float | None:
    """Return the seconds to wait that an error's message states; None if it states none."""
    match = _RETRY_DELAY.search(message)
    if match is None:
        return None
    delay = float(match["delay"])
    if match["milli"]:
        return delay / 1000
    return delay


class _Deployment(msgspec.Struct):
    id: str
    #: `succeeded`, `creating`, `failed`, …; not every version of the API has it.
    status: str | None = None

    @property
    def is_ready(self) -> bool:
        return self.status in (None, "succeeded")


class _Deployments(msgspec.Struct):
    data: list[_Deployment]


_deployments_decoder = msgspec.json.Decoder(_Deployments)

AZURE = ProviderSpec(
    name="azure",
    title="Azure OpenAI",
    litellm=LiteLLMNames(names=("azure_text",), members={"api_version": "api_version"}),
    docs="https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle",
    adapter=Azure,
    paths=_PATHS,
    embeddings=OPENAI_EMBEDDINGS,
    native={RESPONSES: NativeEndpoint("/responses", complete=True)},
    key_env=("AZURE_API_KEY", "AZURE_OPENAI_API_KEY"),
    variables=(ENDPOINT_VARIABLE, RESOURCE_VARIABLE),
    drop=frozenset({"enable_thinking"}),
    rules=OPENAI_RULES,
    aliases=("azure-openai", "@ai-sdk/azure"),
    settings=AzureSettings,
    wire="llms_providers.azure.wire:AZURE",
)


@hookimpl
def llms_providers() -> Iterable[ProviderSpec]:
    """Register Azure OpenAI."""
    return [AZURE]
