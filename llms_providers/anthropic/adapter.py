"""The adapter of Anthropic's Messages API."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from llms_core.contracts.completion import Completion
from llms_core.contracts.native import NativeRequest
from llms_core.contracts.request import ChatCall
from llms_core.contracts.signatures import Owner
from llms_core.errors import ErrorKind, ProviderError
from llms_core.failure import classify
from llms_core.native.message_request import protocol_headers, without_billing
from llms_core.native.messages import MessageEvents, read_message
from llms_core.provider import Headers, ProviderSettings, ProviderSpec, UpstreamRequest
from llms_providers.anthropic.answer import read_completion
from llms_providers.anthropic.native import is_accepted
from llms_providers.anthropic.originals import CLAUDE, owner_of
from llms_providers.anthropic.request import BETA_MEMBER, COUNTED, build_body
from llms_providers.anthropic.stream import MessageChunks

#: The last version with `temperature`, `top_p` and `top_k`, and the one that other vendors' servers implement.
VERSION = "2023-06-01"

#: The feature that a request has to name in `anthropic-beta` if it refers to uploaded files.
FILES_BETA = "files-api-2025-04-14"


class AnthropicSettings(ProviderSettings, kw_only=True):
    """A block of the type `anthropic` needs a key."""

    #: The value of the header `anthropic-version`.
    version: str = VERSION
    #: Features to enable in the header `anthropic-beta`.
    beta: Annotated[tuple[str, ...], Meta(examples=[["files-api-2025-04-14"]])] = ()


class Anthropic:
    """The adapter. `base_url` may omit the `/v1` at its end."""

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings):
        self.spec = spec
        self.settings = settings
        self.base_url = _with_version((settings.base_url or spec.base_url).rstrip("/"))
        # Another plugin may register this adapter with plain settings.
        if isinstance(settings, AnthropicSettings):
            self.version = settings.version
            self.beta = settings.beta
        else:
            self.version = VERSION
            self.beta = ()

    def headers(self, *beta: str) -> dict[str, str]:
        """Return the headers of a request, which are the only place for the key. `beta` names further features."""
        headers = {"content-type": "application/json", "anthropic-version": self.version}
        # A dictionary, because it removes duplicates and keeps the order.
        features = dict.fromkeys((*self.beta, *beta))
        if features:
            headers["anthropic-beta"] = ",".join(features)
        return headers | self._own_headers()

    def _own_headers(self) -> dict[str, str]:
        key = self.settings.api_key
        return {
            **self.settings.headers,
            **(self.key_headers(key.reveal()) if key is not None else {}),
        }

    def key_headers(self, key: str) -> dict[str, str]:
        """Return the header for the key."""
        return {"x-api-key": key}

    def request(self, call: ChatCall) -> UpstreamRequest:
        """Return the request to send. Raises Unsupported if Claude, or this model, cannot do what is asked."""
        # Versions are dates, so they compare as text.
        body, dropped = build_body(call, self._owner(call), sampling=self.version <= VERSION)
        return self._post("/messages", body, dropped)

    def count_request(self, call: ChatCall) -> UpstreamRequest:
        """Return the request for the number of tokens of the prompt. Raises Unsupported as `request` does."""
        body, _ = build_body(call, self._owner(call), sampling=self.version <= VERSION)
        counted = {
            name: value for name, value in body.items() if name in COUNTED or name == BETA_MEMBER
        }
        return self._post("/messages/count_tokens", counted)

    def token_count(self, call: ChatCall, body: bytes) -> int:
        """Return the number in an answer to `count_request`. Raises ProviderError if it has none."""
        try:
            return _count_decoder.decode(body).input_tokens
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            message = f"Cannot parse Anthropic's token count: {error}"
            raise ProviderError(ErrorKind.BAD_RESPONSE, message) from None

    def completion(self, call: ChatCall, body: bytes) -> Completion:
        """Return a message as a chat completion. Raises ProviderError if the body is an error or invalid."""
        return read_completion(call, body, self._owner(call), self._error_in_answer)

    def chunks(self, call: ChatCall) -> MessageChunks:
        """Return a translator for one stream."""
        return MessageChunks(call, self._owner(call), self._error_in_answer)

    def passes_through(self, native: NativeRequest, model: str) -> bool:
        """Whether the model takes a request of the Messages API as the client wrote it."""
        return is_accepted(native, model)

    def native_request(self, call: ChatCall, native: NativeRequest) -> UpstreamRequest:
        """Return the client's request with this provider's model and key, and the client's version and features."""
        body = native.with_model(call.upstream_model)
        if CLAUDE not in call.upstream_model.lower():
            body = without_billing(body)
        headers = {
            "content-type": "application/json",
            **protocol_headers(native, self.version, self.beta),
            **self._own_headers(),
        }
        return UpstreamRequest(url=f"{self.base_url}/messages", headers=headers, content=body)

    def native_completion(self, call: ChatCall, body: bytes) -> Completion:
        """Return a message as it is. Raises ProviderError if the body is an error or invalid."""
        return read_message(call, body, self._error_in_answer)

    def native_chunks(self, call: ChatCall) -> MessageEvents:
        """Return a reader for one stream that is passed on."""
        return MessageEvents(call, self._error_in_answer)

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """Return what an error means: `{"type": "error", "error": {"type": …, "message": …}}`.

        https://platform.claude.com/docs/en/api/errors. In a stream, errors arrive with the status 200.
        """
        error = classify(status, headers, body)
        error.kind = _error_kind(error)
        if error.kind is ErrorKind.CONTEXT_LENGTH and not error.code:
            error.code = "context_length_exceeded"
        return error

    def models_request(self) -> UpstreamRequest:
        """Return a request for all models: 1000 is the longest page."""
        return UpstreamRequest(
            method="GET",
            url=f"{self.base_url}/models?limit=1000",
            headers=self.headers(),
        )

    def models(self, body: bytes) -> dict[str, str]:
        """Return the ids in an answer to `models_request`, each under its own name."""
        try:
            listed = _models_decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            message = f"Cannot parse Anthropic's model list: {error}"
            raise ProviderError(ErrorKind.BAD_RESPONSE, message) from None
        return {model.id: model.id for model in listed.data}

    def _post(
        self, path: str, body: dict[str, Any], dropped: tuple[str, ...] = ()
    ) -> UpstreamRequest:
        # The client's own features, if it speaks this protocol.
        beta: list[str] = body.pop(BETA_MEMBER, [])
        content = msgspec.json.encode(body)
        if b'"file_id":"' in content:
            beta.append(FILES_BETA)
        return UpstreamRequest(
            url=f"{self.base_url}{path}",
            headers=self.headers(*beta),
            content=content,
            dropped=dropped,
        )

    def _owner(self, call: ChatCall) -> Owner:
        return owner_of(self.settings.id, call.upstream_model)

    def _error_in_answer(self, body: bytes) -> ProviderError:
        return self.error(200, {}, body)


def _with_version(base_url: str) -> str:
    if re.search(r"/v\d+$", base_url):
        return base_url
    return f"{base_url}/v1"


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


_models_decoder = msgspec.json.Decoder(_Models)


class _TokenCount(msgspec.Struct):
    input_tokens: int


_count_decoder = msgspec.json.Decoder(_TokenCount)

# `invalid_request_error` is not in this table: its message tells what it is.
_KIND_BY_TYPE = {
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
_KIND_BY_MESSAGE = (
    ("prompt is too long", ErrorKind.CONTEXT_LENGTH),
    ("exceed context limit", ErrorKind.CONTEXT_LENGTH),
    ("credit balance is too low", ErrorKind.QUOTA),
    ("specified api usage limits", ErrorKind.QUOTA),
    ("blocked by content filtering", ErrorKind.CONTENT_POLICY),
)


def _error_kind(error: ProviderError) -> ErrorKind:
    message = error.message.lower()
    for text, kind in _KIND_BY_MESSAGE:
        if text in message:
            return kind
    return _KIND_BY_TYPE.get(error.type or "", error.kind)
