"""Every deliberate failure.

LlmsError
  ConfigError            the user's files or options are wrong: says where and how to mend it (CLI: exit code 2)
  PluginError            a plugin is at fault: names it and its distribution
  RequestError           the client's request cannot be served: status, type, param and code of OpenAI's error JSON
  ProviderError          one attempt at a provider failed: its kind decides what happens next
    Unsupported          said before the network is touched: this candidate cannot do what is asked
  AllProvidersFailed     every candidate was tried; holds the attempts' errors
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class LlmsError(Exception):
    """Base of every failure that this project raises on purpose."""


class ConfigError(LlmsError):
    """A file or an option of the user's is wrong.

    `path` is the file, `line` counts from 1 where it is known, `field` is the dotted path of the member at fault.
    """

    def __init__(self, message: str, *, path: str = "", line: int | None = None, field: str = "", hint: str = ""):
        self.message, self.path, self.line, self.field, self.hint = message, path, line, field, hint
        where = f"{path}:{line}" if path and line else path
        parts = [part for part in (where, field) if part]
        super().__init__(": ".join([*parts, message]) + (f" ({hint})" if hint else ""))


class PluginError(LlmsError):
    """A plugin broke its contract; the message names the plugin and its distribution."""


class ErrorKind(StrEnum):
    """Why an attempt failed: a closed set, so that what follows can be a table."""

    AUTH = "auth"
    PERMISSION = "permission"
    QUOTA = "quota"
    RATE_LIMIT = "rate_limit"
    OVERLOADED = "overloaded"
    TIMEOUT = "timeout"
    NETWORK = "network"
    CONTEXT_LENGTH = "context_length"
    CONTENT_POLICY = "content_policy"
    INVALID_REQUEST = "invalid_request"
    MODEL_NOT_FOUND = "model_not_found"
    BAD_RESPONSE = "bad_response"
    CANCELLED = "cancelled"


class RequestError(LlmsError):
    """The client's request is at fault, or the gateway cannot take it now.

    The fields are those of OpenAI's error object; `retry_after` is in seconds. `bare` leaves out `param`
    where the reference gives the body exactly.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        bare: bool = False,
    ):
        super().__init__(message)
        self.message, self.status, self.type, self.param, self.code = message, status, type, param, code
        self.retry_after, self.bare = retry_after, bare

    @classmethod
    def model_not_found(cls, model: str) -> RequestError:
        """The reference's body for a model that no enabled provider has (SR-061, SR-062)."""
        message = f"Model '{model}' not found in any enabled provider"
        return cls(message, status=404, code="model_not_found", bare=True)


class ProviderError(LlmsError):
    """One attempt failed.

    `status` is the upstream's HTTP status where there was one; `type`, `param` and `code` are the upstream's own;
    `retry_after` is in seconds.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        status: int | None = None,
        type: str | None = None,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ):
        super().__init__(message)
        self.kind, self.message, self.status = kind, message, status
        self.type, self.param, self.code, self.retry_after = type, param, code, retry_after


class Unsupported(ProviderError):
    """The candidate cannot do what the request asks; raised by an adapter before the network is touched."""

    def __init__(self, reason: str, *, param: str | None = None):
        super().__init__(ErrorKind.INVALID_REQUEST, reason, param=param, code="unsupported")


class AllProvidersFailed(LlmsError):
    """No candidate answered; `errors` are the attempts', in order."""

    def __init__(self, model: str, errors: Sequence[ProviderError]):
        super().__init__(f"All providers failed for model '{model}'")
        self.model, self.errors = model, tuple(errors)
