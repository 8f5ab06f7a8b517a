"""Amazon Bedrock: Converse and ConverseStream, one protocol for the models of many vendors.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html

A model's id is that of a model, of an inference profile (`us.anthropic.claude-…`), or an ARN. Needed are a region
(`region`, else AWS_REGION or AWS_DEFAULT_REGION) and one of these, in this order:

- an access key: `access_key_id` and `secret_access_key`, with `session_token` where it is temporary;
- a Bedrock API key: `api_key`, else AWS_BEARER_TOKEN_BEDROCK;
- an access key from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.

The environment is read when the adapter is made. Profiles, SSO and roles of machines are not looked at: export their
credentials (`aws configure export-credentials --format env`).

A client may give Bedrock's own `guardrailConfig`, `performanceConfig`, `requestMetadata`, `promptVariables` and
`additionalModelResponseFieldPaths`; `additional_model_request_fields`; `top_k`; Claude's `thinking`; and, on content
parts and tools, `cache_control`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from urllib.parse import quote

import msgspec

from llms_core import ErrorKind, ProviderError, hookimpl
from llms_core.contracts.completion import Completion
from llms_core.contracts.request import ChatCall
from llms_core.failure import classify
from llms_core.provider import Capabilities, Headers, ProviderSettings, ProviderSpec, UpstreamRequest
from llms_core.secret import Secret, redact
from llms_providers.bedrock.answer import ConverseChunks, as_completion
from llms_providers.bedrock.models import family
from llms_providers.bedrock.request import STRUCTURED, converse, is_structured
from llms_providers.bedrock.sigv4 import Credentials, signed

_KINDS = {
    "accessdeniedexception": ErrorKind.PERMISSION,
    "expiredtokenexception": ErrorKind.AUTH,
    "incompletesignatureexception": ErrorKind.AUTH,
    "invalidsignatureexception": ErrorKind.AUTH,
    "missingauthenticationtokenexception": ErrorKind.AUTH,
    "unrecognizedclientexception": ErrorKind.AUTH,
    "servicequotaexceededexception": ErrorKind.QUOTA,
    "throttlingexception": ErrorKind.RATE_LIMIT,
    "modeltimeoutexception": ErrorKind.TIMEOUT,
    "resourcenotfoundexception": ErrorKind.MODEL_NOT_FOUND,
    "internalserverexception": ErrorKind.OVERLOADED,
    "modelerrorexception": ErrorKind.OVERLOADED,
    "modelnotreadyexception": ErrorKind.OVERLOADED,
    "modelstreamerrorexception": ErrorKind.OVERLOADED,
    "serviceunavailableexception": ErrorKind.OVERLOADED,
}
#: What a message says more exactly than its type.
_MEANINGS = (
    (
        ErrorKind.CONTEXT_LENGTH,
        re.compile(r"(input|prompt) is too long|too many input tokens|exceeds? the (maximum|model'?s).{0,40}tokens?"),
    ),
    (ErrorKind.CONTENT_POLICY, re.compile(r"content filtering policy|content filters?\b")),
    (
        ErrorKind.MODEL_NOT_FOUND,
        re.compile(
            r"model identifier is invalid|on-demand throughput isn.t supported|could not resolve the foundation model"
            r"|end of its life"
        ),
    ),
    (
        ErrorKind.AUTH,
        re.compile(r"security token included in the request|request signature|signature expired|api key is valid"),
    ),
    (ErrorKind.QUOTA, re.compile(r"tokens per day")),
)
_REGION = re.compile(r"\bbedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")


class BedrockSettings(ProviderSettings, kw_only=True):
    """Bedrock's own members of a block of llms.json."""

    region: str = ""
    access_key_id: Secret | None = None
    secret_access_key: Secret | None = None
    session_token: Secret | None = None


class _Profile(msgspec.Struct, rename="camel"):
    inference_profile_id: str
    inference_profile_name: str = ""
    inference_profile_arn: str = ""
    type: str = "SYSTEM_DEFINED"


class _Profiles(msgspec.Struct, rename="camel"):
    inference_profile_summaries: list[_Profile]


class _Failure(msgspec.Struct):
    type: str = msgspec.field(default="", name="__type")


_profiles = msgspec.json.Decoder(_Profiles)
_failure = msgspec.json.Decoder(_Failure)


def _now() -> datetime:
    return datetime.now(UTC)


class Bedrock:
    """`base_url` is the runtime's; `{region}` in it is replaced. `now` is for signatures."""

    #: Bedrock fetches nothing itself.
    inlines = frozenset({"image_url", "video_url", "audio_url", "file"})

    def __init__(
        self,
        spec: ProviderSpec,
        settings: BedrockSettings,
        environ: Mapping[str, str] = {},
        now: Callable[[], datetime] = _now,
    ):
        self.spec, self.settings, self._now = spec, settings, now
        base_url = (settings.base_url or spec.base_url).rstrip("/")
        named = _REGION.search(base_url)
        regions = (
            settings.region,
            named[1] if named else "",
            environ.get("AWS_REGION"),
            environ.get("AWS_DEFAULT_REGION"),
        )
        self.region = next((region for region in regions if region), "")
        self.base_url = base_url.replace("{region}", self.region)
        self._in_region = "{region}" in base_url
        self._token = settings.api_key
        self._credentials = _credentials(settings, {} if settings.api_key is not None else environ)

    def available(self) -> str | None:
        """What is missing for requests to be sent."""
        if self._credentials is None and self._token is None and "authorization" not in self.settings.headers:
            return (
                "no credentials: set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; or give "
                "`api_key`, or `access_key_id` and `secret_access_key`"
            )
        if not self.region and (self._in_region or self._credentials is not None):
            return "no region: give `region`, or set AWS_REGION"
        return None

    def request(self, call: ChatCall) -> UpstreamRequest:
        """The request for Converse, or ConverseStream. Raises Unsupported for what Bedrock cannot do."""
        asked = converse(call)
        action = "converse-stream" if call.stream else "converse"
        url = f"{self.base_url}/model/{quote(call.upstream_model, safe='')}/{action}"
        content = msgspec.json.encode(asked.body)
        headers = self._headers("POST", url, content)
        return UpstreamRequest(url=url, headers=headers, content=content, dropped=asked.dropped)

    def completion(self, call: ChatCall, body: bytes) -> Completion:
        """Converse's answer as a chat.completion."""
        try:
            return as_completion(call, body, vendor=family(call).vendor, structured=_structured(call))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            found = self.error(200, {}, body)
            if found.kind is ErrorKind.BAD_RESPONSE:
                found = ProviderError(found.kind, f"The answer is not one of Converse: {error}", status=200)
            raise found from None

    def chunks(self, call: ChatCall) -> ConverseChunks:
        """A translator for one stream."""

        def failed(name: str, data: bytes) -> ProviderError:
            status = 400 if name.lower() == "validationexception" else 500
            return self.error(status, {"x-amzn-errortype": name}, data)

        return ConverseChunks(call, vendor=family(call).vendor, structured=_structured(call), failed=failed)

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """What an error means: Bedrock names its type in a header or in the body, and says the rest in the message."""
        found = classify(status, headers, body)
        said = headers.get("x-amzn-errortype") or _type_of(body)
        name = said.partition(":")[0].rpartition("#")[2]  # "ValidationException:http://…" or "com.amazon…#Validation…"
        found.type = name or found.type
        found.kind = _KINDS.get(name.lower(), found.kind)
        message = found.message.lower()
        found.kind = next((kind for kind, pattern in _MEANINGS if pattern.search(message)), found.kind)
        return found

    def models_request(self) -> UpstreamRequest:
        """Ask for the inference profiles, which newer models are called by; models without one have to be named."""
        url = f"{self.base_url.replace('bedrock-runtime', 'bedrock', 1)}/inference-profiles?maxResults=1000"
        return UpstreamRequest(method="GET", url=url, headers=self._headers("GET", url, b""))

    def models(self, body: bytes) -> dict[str, str]:
        """The profiles' ids; an account's own are named by it, and called by their ARN."""
        try:
            listed = _profiles.decode(body).inference_profile_summaries
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ProviderError(ErrorKind.BAD_RESPONSE, f"The list of models makes no sense: {error}") from None
        own = {each.inference_profile_name: each.inference_profile_arn for each in listed if each.type == "APPLICATION"}
        return {
            each.inference_profile_id: each.inference_profile_id for each in listed if each.type != "APPLICATION"
        } | own

    def _headers(self, method: str, url: str, content: bytes) -> dict[str, str]:
        headers = {"content-type": "application/json"}
        if self._credentials is not None:
            headers = signed(
                method, url, headers, content,
                credentials=self._credentials, region=self.region, service="bedrock", now=self._now(),
            )  # fmt: skip
        elif self._token is not None:
            headers["authorization"] = f"Bearer {self._token.reveal()}"
        return {**self.settings.headers, **headers}


def _structured(call: ChatCall) -> str | None:
    return STRUCTURED if is_structured(call) else None


def _type_of(body: bytes) -> str:
    try:
        return _failure.decode(body).type
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def _credentials(settings: BedrockSettings, environ: Mapping[str, str]) -> Credentials | None:
    """The block's own, or the environment's; never half of each."""
    if settings.access_key_id is not None and settings.secret_access_key is not None:
        return Credentials(settings.access_key_id, settings.secret_access_key, settings.session_token)
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    name, key, token = (Secret(value) if (value := environ.get(variable)) else None for variable in names)
    if name is None or key is None:
        return None
    redact.add(secret for secret in (name, key, token) if secret is not None)
    return Credentials(name, key, token)


def bedrock(spec: ProviderSpec, settings: ProviderSettings) -> Bedrock:
    """The adapter for a block, with what the environment has."""
    own = settings if isinstance(settings, BedrockSettings) else BedrockSettings(**msgspec.structs.asdict(settings))
    return Bedrock(spec, own, os.environ)


BEDROCK = ProviderSpec(
    name="bedrock",
    title="Amazon Bedrock",
    docs="https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html",
    adapter=bedrock,
    base_url="https://bedrock-runtime.{region}.amazonaws.com",
    key_env=("AWS_BEARER_TOKEN_BEDROCK",),
    needs_key=False,  # access keys do as well: `available` says what is missing
    capabilities=Capabilities(json_object=False, logprobs=False, n=False),
    aliases=("amazon-bedrock", "aws-bedrock", "@ai-sdk/amazon-bedrock"),
    settings=BedrockSettings,
    wire="llms_providers.bedrock.wire:BEDROCK",
)


@hookimpl
def llms_providers() -> Iterable[ProviderSpec]:
    """Bedrock's type."""
    return [BEDROCK]
