"""Amazon Bedrock's Converse and ConverseStream: one protocol for the models of many vendors. See `native` for Claude's.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html

A model's id is the id of a model or of an inference profile (`us.anthropic.claude-…`), or an ARN. A region is required
(`region`, else AWS_REGION or AWS_DEFAULT_REGION), and one of these, in order of precedence:

- an access key: `access_key_id` and `secret_access_key`, with `session_token` if it is temporary;
- a Bedrock API key: `api_key`, else AWS_BEARER_TOKEN_BEDROCK;
- an access key in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.

The environment is read when the adapter is created. AWS profiles, SSO and instance roles are not supported: export
their credentials (`aws configure export-credentials --format env`).

A client may send Bedrock's own `guardrailConfig`, `performanceConfig`, `requestMetadata`, `promptVariables` and
`additionalModelResponseFieldPaths`; `additional_model_request_fields`; `top_k`; Claude's `thinking`; and, on content
parts and tools, `cache_control`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from msgspec import Meta

from llms_core import ProviderError, hookimpl
from llms_core.contracts.completion import Completion
from llms_core.contracts.embeddings import EmbeddingCall, EmbeddingRules, Embeddings
from llms_core.contracts.extras import HINTS
from llms_core.contracts.native import NativeRequest
from llms_core.contracts.request import ChatCall
from llms_core.contracts.rerank import Ranking, RerankCall, read_ranking
from llms_core.provider import (
    Capabilities,
    Headers,
    LiteLLMNames,
    ProviderSettings,
    ProviderSpec,
    UpstreamRequest,
)
from llms_core.secret import Secret, redact
from llms_providers.bedrock import embeddings, rerank
from llms_providers.bedrock.answer import to_completion, to_models, to_token_count
from llms_providers.bedrock.errors import to_error
from llms_providers.bedrock.models import countable_model
from llms_providers.bedrock.native import InvokeEvents, body_of, is_accepted, read_answer
from llms_providers.bedrock.request import COUNTED, to_body
from llms_providers.bedrock.sigv4 import Credentials, sign
from llms_providers.bedrock.stream import ConverseChunks

# The region in the host name of an endpoint, FIPS and VPC endpoints included.
_REGION_IN_URL = re.compile(r"\bbedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")


class BedrockSettings(ProviderSettings, kw_only=True):
    """A block of the type `bedrock` needs a region, and a Bedrock API key or an access key.

    AWS profiles, SSO and instance roles are not read: export their credentials with
    `aws configure export-credentials --format env`. The id of a model is that of a model or of an inference profile, or
    an ARN.
    """

    #: The region of AWS, by default `AWS_REGION` or `AWS_DEFAULT_REGION` of the environment.
    region: Annotated[str, Meta(examples=["eu-west-1"])] = ""
    #: An access key, by default that of the environment; used only if both parts are set.
    access_key_id: Annotated[Secret | None, Meta(examples=["$AWS_ACCESS_KEY_ID"])] = None
    #: The secret part of the access key.
    secret_access_key: Annotated[Secret | None, Meta(examples=["$AWS_SECRET_ACCESS_KEY"])] = None
    #: Required with temporary credentials. By default `AWS_SESSION_TOKEN` of the environment.
    session_token: Annotated[Secret | None, Meta(examples=["$AWS_SESSION_TOKEN"])] = None


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Bedrock:
    """The adapter for Bedrock.

    `base_url` is the address of the runtime, in which `{region}` is replaced. `now` gives the time of signatures.
    """

    #: Bedrock accepts media only as bytes, so the core downloads URLs first.
    inlines = frozenset({"image_url", "video_url", "audio_url", "file"})

    def __init__(
        self,
        spec: ProviderSpec,
        settings: BedrockSettings,
        environ: Mapping[str, str] = {},
        now: Callable[[], datetime] = _utc_now,
    ):
        self.spec = spec
        self.settings = settings
        self._now = now
        base_url = (settings.base_url or spec.base_url).rstrip("/")
        self.region = _find_region(settings, base_url, environ)
        self.base_url = base_url.replace("{region}", self.region)
        self._needs_region_in_url = "{region}" in base_url
        self._token = settings.api_key
        self._credentials = _find_credentials(settings, environ)

    def available(self) -> str | None:
        """Return which setting is missing; None if requests can be sent."""
        has_credentials = self._credentials is not None or self._token is not None
        if not has_credentials and "authorization" not in self.settings.headers:
            return (
                "no credentials: set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, in the "
                "environment; or `api_key`, or `access_key_id` and `secret_access_key`, in llms.json"
            )
        # A signature contains the region, whatever the URL is.
        needs_region = self._needs_region_in_url or self._credentials is not None
        if needs_region and not self.region:
            return "no region: set `region` in llms.json, or AWS_REGION in the environment"
        return None

    def request(self, call: ChatCall) -> UpstreamRequest:
        """Return the request for Converse or ConverseStream. Raises Unsupported for what Bedrock cannot do."""
        body, dropped = to_body(call)
        request = self._model_request(
            call, "converse-stream" if call.stream else "converse", msgspec.json.encode(body)
        )
        request.dropped = dropped
        return request

    def count_request(self, call: ChatCall) -> UpstreamRequest:
        """Return the request for the number of tokens of the prompt. Raises Unsupported unless the model is Claude.

        https://docs.aws.amazon.com/bedrock/latest/userguide/count-tokens.html
        """
        model = countable_model(call)
        body, _ = to_body(call)
        counted = {name: value for name, value in body.items() if name in COUNTED}
        url = f"{self.base_url}/model/{quote(model, safe='')}/count-tokens"
        content = msgspec.json.encode({"input": {"converse": counted}})
        return UpstreamRequest(
            url=url, headers=self._headers("POST", url, content), content=content
        )

    def token_count(self, call: ChatCall, body: bytes) -> int:
        """Return the number in an answer to `count_request`. Raises ProviderError if it has none."""
        return to_token_count(body)

    def completion(self, call: ChatCall, body: bytes) -> Completion:
        """Translate a whole answer to a chat completion. Raises ProviderError if it is not one."""
        return to_completion(call, body)

    def chunks(self, call: ChatCall) -> ConverseChunks:
        """Return a translator for one stream."""
        return ConverseChunks(call)

    def embedding_rules(self, model: str) -> EmbeddingRules:
        """Return what a model accepts."""
        return embeddings.rules_of(model)

    def embed_request(self, call: EmbeddingCall) -> UpstreamRequest:
        """Return the request for InvokeModel. Raises Unsupported for a model whose protocol is not known."""
        return self._invoke(call.upstream_model, *embeddings.to_body(call))

    def embeddings(self, call: EmbeddingCall, body: bytes) -> Embeddings:
        """Return the vectors. Raises ProviderError if the body has none."""
        return embeddings.to_embeddings(call, body)

    def rerank_request(self, call: RerankCall) -> UpstreamRequest:
        """Return the request for InvokeModel. Raises Unsupported for a model whose protocol is not known."""
        return self._invoke(call.upstream_model, *rerank.to_body(call))

    def ranking(self, call: RerankCall, body: bytes) -> Ranking:
        """Return the ranking. Raises ValueError, or what msgspec raises, if the body has none."""
        return read_ranking(body)

    def _invoke(
        self, model: str, body: Mapping[str, Any], dropped: tuple[str, ...]
    ) -> UpstreamRequest:
        """Return a request in the model's own protocol."""
        url = f"{self.base_url}{embeddings.PATH.format(model=quote(model, safe=''))}"
        content = msgspec.json.encode(body)
        headers = self._headers("POST", url, content)
        return UpstreamRequest(url=url, headers=headers, content=content, dropped=dropped)

    def passes_through(self, native: NativeRequest, model: str) -> bool:
        """Whether the model is a Claude that takes a request of the Messages API as the client wrote it."""
        return is_accepted(native, model)

    def native_request(self, call: ChatCall, native: NativeRequest) -> UpstreamRequest:
        """Return the request for InvokeModel or InvokeModelWithResponseStream."""
        action = "invoke-with-response-stream" if call.stream else "invoke"
        return self._model_request(call, action, body_of(native))

    def native_completion(self, call: ChatCall, body: bytes) -> Completion:
        """Return a message as it is. Raises ProviderError if it is not one."""
        return read_answer(call, body)

    def native_chunks(self, call: ChatCall) -> InvokeEvents:
        """Return a reader for one stream that is passed on."""
        return InvokeEvents(call)

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """Translate an error response."""
        return to_error(status, headers, body)

    def models_request(self) -> UpstreamRequest:
        """Return the request for the inference profiles, which newer models are called by.

        Models without a profile have to be listed in llms.json.
        """
        # Profiles are listed by the control plane, whose host is not the runtime's.
        control_plane = self.base_url.replace("bedrock-runtime", "bedrock", 1)
        url = f"{control_plane}/inference-profiles?maxResults=1000"
        return UpstreamRequest(method="GET", url=url, headers=self._headers("GET", url, b""))

    def models(self, body: bytes) -> dict[str, str]:
        """Return the inference profiles: the name for clients and the id or ARN of each."""
        return to_models(body)

    def _model_request(self, call: ChatCall, action: str, content: bytes) -> UpstreamRequest:
        # ARNs contain slashes and colons.
        model = quote(call.upstream_model, safe="")
        url = f"{self.base_url}/model/{model}/{action}"
        return UpstreamRequest(
            url=url, headers=self._headers("POST", url, content), content=content
        )

    def _headers(self, method: str, url: str, content: bytes) -> dict[str, str]:
        headers = {"content-type": "application/json"}
        if self._credentials is not None:
            headers = sign(
                method,
                url,
                headers,
                content,
                credentials=self._credentials,
                region=self.region,
                service="bedrock",
                now=self._now(),
            )
        elif self._token is not None:
            headers["authorization"] = f"Bearer {self._token.reveal()}"
        # Configured headers are not signed, and must not replace a signed one.
        return {**self.settings.headers, **headers}


def _find_region(settings: BedrockSettings, base_url: str, environ: Mapping[str, str]) -> str:
    """Return the region from the settings, the base URL or the environment; "" if there is none."""
    if settings.region:
        return settings.region
    in_url = _REGION_IN_URL.search(base_url)
    if in_url is not None:
        return in_url[1]
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or ""


def _find_credentials(settings: BedrockSettings, environ: Mapping[str, str]) -> Credentials | None:
    """Return the access key of the settings or of the environment, never a mixture; None if there is none."""
    if settings.access_key_id is not None and settings.secret_access_key is not None:
        return Credentials(
            settings.access_key_id, settings.secret_access_key, settings.session_token
        )
    if settings.api_key is not None:
        # An API key takes precedence over the environment's access key.
        return None
    access_key_id = environ.get("AWS_ACCESS_KEY_ID")
    secret_access_key = environ.get("AWS_SECRET_ACCESS_KEY")
    if not access_key_id or not secret_access_key:
        return None
    session_token = environ.get("AWS_SESSION_TOKEN")
    credentials = Credentials(
        Secret(access_key_id),
        Secret(secret_access_key),
        Secret(session_token) if session_token else None,
    )
    # The core knows the secrets of llms.json, but not these.
    redact.add([credentials.access_key_id, credentials.secret_access_key])
    if credentials.session_token is not None:
        redact.add([credentials.session_token])
    return credentials


def bedrock(spec: ProviderSpec, settings: ProviderSettings) -> Bedrock:
    """Create the adapter for a provider's block of llms.json, with the credentials of the environment."""
    if not isinstance(settings, BedrockSettings):
        settings = BedrockSettings(**msgspec.structs.asdict(settings))
    return Bedrock(spec, settings, os.environ)


BEDROCK = ProviderSpec(
    name="bedrock",
    title="Amazon Bedrock",
    litellm=LiteLLMNames(
        names=("bedrock_converse",),
        # The API or the region.
        prefix=r"(?:(?:converse|invoke|[a-z]{2}(?:-gov)?-[a-z]+-\d)/)+",
        members={
            "aws_region_name": "region",
            "aws_access_key_id": "access_key_id",
            "aws_secret_access_key": "secret_access_key",
            "aws_session_token": "session_token",
            "aws_bedrock_runtime_endpoint": "base_url",
        },
    ),
    docs="https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html",
    adapter=bedrock,
    base_url="https://bedrock-runtime.{region}.amazonaws.com",
    paths={"embeddings": embeddings.PATH, "rerank": rerank.PATH},
    embeddings=embeddings.COHERE_RULES,
    key_env=("AWS_BEARER_TOKEN_BEDROCK",),
    variables=(
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
    ),
    # An access key will do, too: `available` tells what is missing.
    needs_key=False,
    capabilities=Capabilities(logprobs=False, n=False),
    extras=frozenset({HINTS}),
    aliases=("amazon-bedrock", "aws-bedrock", "@ai-sdk/amazon-bedrock"),
    settings=BedrockSettings,
    wire="llms_providers.bedrock.wire:BEDROCK",
)


@hookimpl
def llms_providers() -> Iterable[ProviderSpec]:
    """Register Bedrock."""
    return [BEDROCK]
