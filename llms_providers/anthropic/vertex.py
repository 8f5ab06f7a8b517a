"""Claude on Google's Vertex AI: Anthropic's protocol in Google's wrapping.

https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai. The model is in the URL, and the version of
the protocol in the body. The key is an OAuth access token (`gcloud auth print-access-token`), which expires after an
hour.
"""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import quote

import msgspec
from msgspec import Meta, Raw

from llms_core import ErrorKind, ProviderError
from llms_core.contracts.json import UNREADABLE, decode_members, encode_raw
from llms_core.contracts.native import NativeRequest
from llms_core.contracts.request import ChatCall
from llms_core.native.message_request import without_billing
from llms_core.provider import (
    Capabilities,
    LiteLLMNames,
    ProviderSettings,
    ProviderSpec,
    UpstreamRequest,
)
from llms_providers.anthropic.adapter import Anthropic, AnthropicSettings

_VERSION = "vertex-2023-10-16"


class VertexSettings(AnthropicSettings, kw_only=True):
    """A block of the type `vertex-anthropic` needs a project and an OAuth access token.

    `gcloud auth print-access-token` prints a token, which expires after an hour.
    """

    #: required unless there is a `base_url`
    project: Annotated[str, Meta(examples=["our-project"])] = ""
    #: `global`, a multi-region (`us`, `eu`) or a region such as `europe-west1`
    location: str = "global"


class VertexAnthropic(Anthropic):
    """The adapter. A configured `base_url` has to end in `/publishers/anthropic`."""

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings):
        super().__init__(spec, settings)
        self.base_url = _find_base_url(settings)

    def available(self) -> str | None:
        """Return which setting is missing; None if requests can be sent."""
        if self.base_url:
            return None
        return "no project: set `project` (or `base_url`) in llms.json"

    def request(self, call: ChatCall) -> UpstreamRequest:
        """Return the request to send. Raises Unsupported if Claude, or this model, cannot do what is asked."""
        return self._wrapped(super().request(call), call)

    def native_request(self, call: ChatCall, native: NativeRequest) -> UpstreamRequest:
        """Return the client's request in Google's wrapping."""
        return self._wrapped(super().native_request(call, native), call)

    def count_request(self, call: ChatCall) -> UpstreamRequest:
        """Return the request for the number of tokens of the prompt, which names the model in its body."""
        request = super().count_request(call)
        request.url = f"{self.base_url}/models/count-tokens:rawPredict"
        return _versioned(request, decode_members(request.content))

    def models_request(self) -> UpstreamRequest:
        """Return the request for all of Claude's models: Vertex AI does not list what a project may use."""
        root = re.split(r"/v\d", self.base_url, maxsplit=1)[0]
        url = f"{root}/v1beta1/publishers/anthropic/models?pageSize=200"
        return UpstreamRequest(method="GET", url=url, headers=self.headers())

    def models(self, body: bytes) -> dict[str, str]:
        """Return the names of the models, each under its own name. Raises ProviderError if they are unreadable."""
        try:
            listed = _decode_models(body).publisher_models
        except UNREADABLE as error:
            message = f"Cannot parse Vertex AI's model list: {error}"
            raise ProviderError(ErrorKind.BAD_RESPONSE, message) from None
        names = [model.name.rpartition("/")[2] for model in listed]
        return {name: name for name in names}

    def key_headers(self, key: str) -> dict[str, str]:
        """Return the header for the access token."""
        return {"authorization": f"Bearer {key}"}

    def _wrapped(self, request: UpstreamRequest, call: ChatCall) -> UpstreamRequest:
        method = "streamRawPredict" if call.stream else "rawPredict"
        request.url = f"{self.base_url}/models/{quote(call.upstream_model, safe='@')}:{method}"
        # Only Anthropic's own API leaves the block out of the prompt.
        members = decode_members(without_billing(request.content))
        members.pop("model", None)
        return _versioned(request, members)


def _versioned(request: UpstreamRequest, members: dict[str, Raw]) -> UpstreamRequest:
    """Put the version into the body instead of the headers."""
    members["anthropic_version"] = encode_raw(_VERSION)
    request.content = msgspec.json.encode(members)
    request.headers.pop("anthropic-version", None)
    return request


def _find_base_url(settings: ProviderSettings) -> str:
    if settings.base_url:
        return settings.base_url.rstrip("/")
    if not isinstance(settings, VertexSettings) or not settings.project:
        return ""
    host = _host(settings.location)
    return f"https://{host}/v1/projects/{settings.project}/locations/{settings.location}/publishers/anthropic"


def _host(location: str) -> str:
    """Return the host for a location; multi-regions follow another pattern than regions."""
    match location:
        case "global":
            return "aiplatform.googleapis.com"
        case "us" | "eu":
            return f"aiplatform.{location}.rep.googleapis.com"
        case region:
            return f"{region}-aiplatform.googleapis.com"


class _Model(msgspec.Struct):
    name: str


class _Models(msgspec.Struct, rename="camel"):
    publisher_models: list[_Model] = []


_decode_models = msgspec.json.Decoder(_Models).decode

VERTEX_ANTHROPIC = ProviderSpec(
    name="vertex-anthropic",
    title="Claude on Google Vertex AI",
    litellm=LiteLLMNames(
        names=("vertex_ai/claude*", "vertex_ai_beta/claude*"),
        members={
            "vertex_project": "project",
            "vertex_ai_project": "project",
            "vertex_location": "location",
            "vertex_ai_location": "location",
        },
    ),
    docs="https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai",
    adapter=VertexAnthropic,
    key_env=("GOOGLE_VERTEX_ACCESS_TOKEN",),
    capabilities=Capabilities(audio=False, logprobs=False, n=False),
    extras=frozenset({"anthropic"}),
    aliases=("google-vertex-anthropic", "@ai-sdk/google-vertex/anthropic"),
    settings=VertexSettings,
    wire="llms_providers.anthropic.wire:VERTEX",
)
