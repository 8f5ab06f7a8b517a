"""Azure OpenAI and Microsoft Foundry: OpenAI's JSON at addresses of Azure's own.

https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle

A model's id is the name of a deployment. The address is `resource` or `base_url` of the block in llms.json, else
`AZURE_OPENAI_ENDPOINT` or `AZURE_RESOURCE_NAME`, which are read when the adapter is made. There are three surfaces:

- `/openai/v1`, without versions: the default, and what Azure documents now;
- `/openai/deployments/{deployment}`, where `api_version` is a date, as in `2024-10-21`;
- `/models` of Foundry's older inference API, where the address ends so.

The key goes into the header `api-key`. One that is a JSON Web Token is a token of Entra ID's, and sent as such.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import msgspec

from llms_core import ErrorKind, ProviderError, hookimpl
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.request import ChatCall
from llms_core.errors import ConfigError
from llms_core.openai_compatible import OpenAIChunks, OpenAICompatible
from llms_core.provider import Headers, ProviderSettings, ProviderSpec, UpstreamRequest

_DATED = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?")
_NAMED = re.compile(r"[a-z]*")  # `preview` of the v1 surface
_RESOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")

# How the path of an address may end; what stands before is the resource's, or a gateway's, own.
_SURFACE = re.compile(
    r"(.*?)(?:/openai/v1(?:/.*)?|/openai/deployments(?:/.*)?|/openai|/v1|(/models)(?:/chat/completions)?)"
)
_MODELS_VERSION = "2024-05-01-preview"
_DEPLOYMENTS_VERSION = "2023-03-15-preview"  # the last one that lists them; the v1 surface lists what could be deployed

# Older versions answer an error to what came with this one.
_MODERN = "2024-09-01"
_LATER = {"stream_options", "parallel_tool_calls"}


class AzureSettings(ProviderSettings, kw_only=True):
    """`resource` is the name in `https://{resource}.openai.azure.com`; `api_version` a date, or none."""

    resource: str = ""
    api_version: str = ""


class Azure(OpenAICompatible):
    """`base_url` is the resource's address, with the path of a surface or without."""

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings):
        super().__init__(spec, settings)
        version = settings.api_version if isinstance(settings, AzureSettings) else ""
        address, told = _address(settings)
        self.version = version or told
        if not (_DATED.fullmatch(self.version) or _NAMED.fullmatch(self.version)):
            raise ConfigError(f"'{self.version}' is no API version", hint="a date, as in 2024-10-21, or none")
        parts = urlsplit(address)
        found = _SURFACE.fullmatch(parts.path)
        self.root = address.removesuffix(parts.path) + (found[1] if found is not None else parts.path)
        if found is not None and found[2]:
            self.base_url, self.by_deployment = f"{self.root}/models", False
            self.version = self.version or _MODELS_VERSION
        else:
            self.base_url, self.by_deployment = f"{self.root}/openai/v1", bool(_DATED.fullmatch(self.version))
        if self.by_deployment and self.version < _MODERN:
            able = msgspec.structs.replace(spec.capabilities, stream_usage=False)
            rename = {**spec.rename, "max_completion_tokens": "max_tokens"}
            self.spec = msgspec.structs.replace(spec, drop=spec.drop | _LATER, rename=rename, capabilities=able)

    def available(self) -> str | None:
        """Whether there is an address."""
        if self.root:
            return None
        return "no address: give `resource` or `base_url` in llms.json, or set AZURE_OPENAI_ENDPOINT"

    def headers(self) -> dict[str, str]:
        """The key as `api-key`, a token of Entra ID's as `Authorization`."""
        headers = {"content-type": "application/json", **self.settings.headers}
        if self.api_key is not None:
            key = self.api_key.reveal()
            name, value = ("authorization", f"Bearer {key}") if _TOKEN.fullmatch(key) else ("api-key", key)
            headers[name] = value
        return headers

    def request(self, call: ChatCall) -> UpstreamRequest:
        """As OpenAI's, at the surface's URL."""
        made = super().request(call)
        if self.by_deployment:
            made.url = f"{self.root}/openai/deployments/{quote(call.upstream_model, safe='')}/chat/completions"
        elif self.base_url.endswith("/models"):
            made.headers["extra-parameters"] = "pass-through"  # what this API does not know, the model may
        if self.version:
            made.url += f"?api-version={self.version}"
        return made

    def chunks(self, call: ChatCall) -> AzureChunks:
        """A translator for one stream."""
        return AzureChunks(self, call)

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """As OpenAI's; a refusal says what was found, and a rate limit how long it holds, in Azure's own members."""
        error = super().error(status, headers, body)
        if (found := _refusal(body)) is not None:
            error.kind, error.code = ErrorKind.CONTENT_POLICY, "content_filter"
            error.message = f"{error.message} (filtered: {', '.join(found)})" if found else error.message
        if error.retry_after is None and (wait := _WAIT.search(error.message)):
            error.retry_after = float(wait[1]) / (1000 if wait[2] else 1)
        return error

    def models_request(self) -> UpstreamRequest:
        """Ask for the deployments."""
        url = f"{self.root}/openai/deployments?api-version={_DEPLOYMENTS_VERSION}"
        return UpstreamRequest(method="GET", url=url, headers=self.headers())

    def models(self, body: bytes) -> dict[str, str]:
        """The names of the deployments that are ready."""
        try:
            deployments = _deployments.decode(body).data
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ProviderError(ErrorKind.BAD_RESPONSE, f"The list of deployments makes no sense: {error}") from None
        return {each.id: each.id for each in deployments if each.status in (None, "succeeded")}


class AzureChunks(OpenAIChunks):
    """OpenAI's chunks, and two of Azure's own.

    The first has what the filter found in the prompt, and neither id nor date: it is held until the second, whose they
    are. Where the filter runs beside the answer, what it found in the answer comes later, even after the end.
    """

    def __init__(self, adapter: Azure, call: ChatCall):
        super().__init__(adapter, call)
        self._fed = False
        self._held: dict[str, msgspec.Raw] | None = None

    def feed(self, event: str, data: bytes) -> Iterable[Chunk]:
        """One event's chunks."""
        first, self._fed = not self._fed, True
        if first and b'"prompt_filter_results"' in data and _says_only(found := _read(data)):
            self._held = found
            return []
        chunks = list(super().feed(event, data)) if self._held is None else self._both(self._held, event, data)
        if b'"content_filter_offsets"' in data:
            for chunk in chunks:
                chunk.content = not chunk.usage
        return chunks

    def _both(self, held: dict[str, msgspec.Raw], event: str, data: bytes) -> list[Chunk]:
        self._held = None
        second = _read(data)
        known = {name: second[name] for name in ("id", "created") if name in second}
        return [*super().feed("", msgspec.json.encode({**held, **known})), *super().feed(event, data)]


class _Deployment(msgspec.Struct):
    id: str
    status: str | None = None


class _Deployments(msgspec.Struct):
    data: list[_Deployment]


class _Inner(msgspec.Struct):
    code: str | None = None
    content_filter_result: Any = None
    content_filter_results: Any = None


class _Fault(msgspec.Struct):
    code: Any = None
    innererror: _Inner | None = None


class _Answer(msgspec.Struct):
    error: _Fault | None = None


_deployments = msgspec.json.Decoder(_Deployments)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_answer = msgspec.json.Decoder(_Answer)
_WAIT = re.compile(r"retry after (\d+) (milli)?second", re.IGNORECASE)


def _address(settings: ProviderSettings) -> tuple[str, str]:
    """The address without a slash at its end, and the version where the environment's has one in it."""
    if settings.base_url:
        return settings.base_url.rstrip("/"), ""
    resource = settings.resource if isinstance(settings, AzureSettings) else ""
    given = "" if resource else os.environ.get("AZURE_OPENAI_ENDPOINT", "").strip()
    if given:
        parts = urlsplit(given)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise ConfigError("AZURE_OPENAI_ENDPOINT is not a plain http(s) URL")
        version = parse_qs(parts.query).get("api-version", [""])[0]
        return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}", version
    resource = resource or os.environ.get("AZURE_RESOURCE_NAME", "").strip()
    if not resource:
        return "", ""
    if not _RESOURCE.fullmatch(resource):
        raise ConfigError(f"'{resource}' is not the name of a resource")
    return f"https://{resource}" if "." in resource else f"https://{resource}.openai.azure.com", ""


def _refusal(body: bytes) -> list[str] | None:
    """What the content filter found, where an error is its refusal."""
    try:
        fault = _answer.decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if fault is None or fault.innererror is None or fault.innererror.code != "ResponsibleAIPolicyViolation":
        return None
    inner = fault.innererror
    found = inner.content_filter_result or inner.content_filter_results
    if not isinstance(found, dict):
        return []
    filtered = {name: of for name, of in found.items() if isinstance(of, dict) and of.get("filtered")}
    return [f"{name}, severity {of['severity']}" if "severity" in of else name for name, of in filtered.items()]


def _read(data: bytes) -> dict[str, msgspec.Raw]:
    """The members of a chunk; none where it is no JSON object, which is for its translation to say."""
    try:
        return _members.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _says_only(members: dict[str, msgspec.Raw]) -> bool:
    """Whether a chunk has neither an id nor a choice, nor an error."""
    return bytes(members.get("id", b"")) == b'""' and bytes(members.get("choices", b"")) == b"[]"


AZURE = ProviderSpec(
    name="azure",
    title="Azure OpenAI",
    docs="https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle",
    adapter=Azure,
    key_env=("AZURE_API_KEY", "AZURE_OPENAI_API_KEY"),
    drop=frozenset({"enable_thinking"}),
    aliases=("azure-openai", "@ai-sdk/azure"),
    settings=AzureSettings,
    wire="llms_providers.azure.wire:AZURE",
)


@hookimpl
def llms_providers() -> Iterable[ProviderSpec]:
    """Azure's type."""
    return [AZURE]
