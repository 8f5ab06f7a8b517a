"""Anthropic's Messages API, `POST /v1/messages`, and every server that speaks it.

https://platform.claude.com/docs/en/api/messages. What a chat completion has no place for goes to the client as
`provider_extra.anthropic` of the message, and comes back from there: thinking with its signatures, blocks of server
tools, citations. What only Anthropic has passes as it is, where a client sends it: `thinking`, `output_config`,
`top_k`, `mcp_servers` and the like, `cache_control` on messages, parts and tools, server tools by their dated types,
blocks of Anthropic's own among the content parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from llms_core import hookimpl
from llms_core.contracts.completion import Completion
from llms_core.contracts.request import ChatCall
from llms_core.errors import ErrorKind, ProviderError
from llms_core.failure import classify
from llms_core.provider import Capabilities, Headers, ProviderSettings, ProviderSpec, UpstreamRequest
from llms_providers.anthropic.answer import MessageChunks, whole
from llms_providers.anthropic.messages import NAME
from llms_providers.anthropic.request import body_of

#: The last version with temperature, top_p and top_k, and the one that other servers of this protocol know.
VERSION = "2023-06-01"
FILES = "files-api-2025-04-14"


class AnthropicSettings(ProviderSettings, kw_only=True):
    """`version` is sent as anthropic-version; `beta` names features to ask for by anthropic-beta."""

    version: str = VERSION
    beta: tuple[str, ...] = ()


class Anthropic:
    """Speaks Messages. `base_url` may end in `/v1` or not."""

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings):
        self.spec, self.settings = spec, settings
        base = (settings.base_url or spec.base_url).rstrip("/")
        self.base_url = base if re.search(r"/v\d+$", base) else f"{base}/v1"
        own = settings if isinstance(settings, AnthropicSettings) else AnthropicSettings(id=settings.id)
        self.version, self.beta = own.version, own.beta

    def headers(self, *beta: str) -> dict[str, str]:
        """Headers of every request; the key goes here and nowhere else."""
        headers = {"content-type": "application/json", "anthropic-version": self.version}
        if features := dict.fromkeys((*self.beta, *beta)):
            headers["anthropic-beta"] = ",".join(features)
        headers |= self.settings.headers
        if self.settings.api_key is not None:
            headers["x-api-key"] = self.settings.api_key.reveal()
        return headers

    def request(self, call: ChatCall) -> UpstreamRequest:
        """Raises Unsupported for what Claude has not, or this model of it."""
        body, dropped = body_of(call, sampling=self.version <= VERSION)
        content = msgspec.json.encode(body)
        headers = self.headers(*([FILES] if b'"file_id":"' in content else []))
        return UpstreamRequest(url=f"{self.base_url}/messages", headers=headers, content=content, dropped=dropped)

    def completion(self, call: ChatCall, body: bytes) -> Completion:
        """A message as a chat completion."""
        return whole(call, body, self._failure)

    def chunks(self, call: ChatCall) -> MessageChunks:
        """A translator of one stream."""
        return MessageChunks(call, self._failure)

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """`{"type": "error", "error": {"type", "message"}}`, after an HTTP status or, in a stream, a good one."""
        error = classify(status, headers, body)
        said = error.message.lower()
        error.kind = next((kind for text, kind in _SAID if text in said), _KINDS.get(error.type or "", error.kind))
        if error.kind is ErrorKind.CONTEXT_LENGTH:
            error.code = error.code or "context_length_exceeded"
        return error

    def models_request(self) -> UpstreamRequest:
        """Ask for the models; no page is longer than 1000."""
        return UpstreamRequest(method="GET", url=f"{self.base_url}/models?limit=1000", headers=self.headers())

    def models(self, body: bytes) -> dict[str, str]:
        """The ids of `GET /v1/models`, each under its own name."""
        try:
            return {entry.id: entry.id for entry in _models.decode(body).data}
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ProviderError(ErrorKind.BAD_RESPONSE, f"The list of models makes no sense: {error}") from None

    def _failure(self, body: bytes) -> ProviderError:
        return self.error(200, {}, body)


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


_models = msgspec.json.Decoder(_Models)

# What an error's type means; `invalid_request_error` can be many things, told apart by what is said.
_KINDS = {
    "api_error": ErrorKind.OVERLOADED,
    "authentication_error": ErrorKind.AUTH,
    "billing_error": ErrorKind.QUOTA,
    "not_found_error": ErrorKind.MODEL_NOT_FOUND,
    "overloaded_error": ErrorKind.OVERLOADED,
    "permission_error": ErrorKind.PERMISSION,
    "rate_limit_error": ErrorKind.RATE_LIMIT,
    "request_too_large": ErrorKind.INVALID_REQUEST,
    "timeout_error": ErrorKind.TIMEOUT,
}
_SAID = (
    ("prompt is too long", ErrorKind.CONTEXT_LENGTH),
    ("exceed context limit", ErrorKind.CONTEXT_LENGTH),
    ("credit balance is too low", ErrorKind.QUOTA),
    ("specified api usage limits", ErrorKind.QUOTA),
    ("blocked by content filtering", ErrorKind.CONTENT_POLICY),
)

ANTHROPIC = ProviderSpec(
    name=NAME,
    title="Anthropic",
    docs="https://platform.claude.com/docs/en/api/messages",
    adapter=Anthropic,
    base_url="https://api.anthropic.com/v1",
    key_env=("ANTHROPIC_API_KEY",),
    capabilities=Capabilities(audio=False, logprobs=False, n=False),
    aliases=("claude", "@ai-sdk/anthropic", "@ai-sdk/anthropic-cli"),
    settings=AnthropicSettings,
    wire="llms_providers.anthropic.wire:ANTHROPIC",
)


@hookimpl
def llms_providers() -> Iterable[ProviderSpec]:
    """Anthropic's own protocol."""
    return [ANTHROPIC]
