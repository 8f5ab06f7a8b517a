"""The exceptions that this project raises on purpose, and what follows from each kind of provider error.

LlmsError
  ConfigError            a file or an option of the user is wrong; names the place and the fix (CLI: exit status 2)
  PluginError            a plugin broke its contract; names the plugin and its distribution
  RequestError           the client's request cannot be served; carries the members of OpenAI's error object
  ProviderError          one attempt at a provider failed; its kind selects a row of `ERROR_TABLE`
    Unsupported          raised before any network access: this candidate cannot do what the request asks for
  AllProvidersFailed     every candidate was tried; holds their errors
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Literal, NamedTuple


class LlmsError(Exception):
    """Base class of every exception that this project raises on purpose."""


class ConfigError(LlmsError):
    """A file or an option of the user is wrong.

    `path` is the file, `line` counts from 1 if it is known, `field` is the dotted path of the invalid member, and
    `hint` says how to fix it.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str = "",
        line: int | None = None,
        field: str = "",
        hint: str = "",
    ):
        self.message = message
        self.path = path
        self.line = line
        self.field = field
        self.hint = hint
        location = f"{path}:{line}" if path and line else path
        parts = [part for part in (location, field, message) if part]
        text = ": ".join(parts)
        super().__init__(f"{text} ({hint})" if hint else text)


def unreadable(path: Path, error: OSError) -> ConfigError:
    """Return the error for a file of the user that exists and cannot be read."""
    hint = f"it has to be a file that the user of this process may read: ls -l {path}"
    return ConfigError(f"cannot be read: {error.strerror or error}", path=str(path), hint=hint)


class PluginError(LlmsError):
    """A plugin broke its contract; the message names the plugin and its distribution."""


class ErrorKind(StrEnum):
    """Why an attempt failed. The set is closed; `ERROR_TABLE` has exactly one row per kind."""

    #: the provider rejects the key
    AUTH = "auth"
    #: the key may not do this
    PERMISSION = "permission"
    #: the account has no credit left
    QUOTA = "quota"
    #: too many requests for now
    RATE_LIMIT = "rate_limit"
    #: the provider is overloaded, or has failed (5xx)
    OVERLOADED = "overloaded"
    #: a time limit has passed
    TIMEOUT = "timeout"
    #: no connection, or one that broke
    NETWORK = "network"
    #: the prompt is too long for the model
    CONTEXT_LENGTH = "context_length"
    #: the provider refuses the content
    CONTENT_POLICY = "content_policy"
    #: the provider rejects the request, or cannot do what it asks for
    INVALID_REQUEST = "invalid_request"
    #: the provider does not know the model
    MODEL_NOT_FOUND = "model_not_found"
    #: the answer cannot be understood, or is incomplete
    BAD_RESPONSE = "bad_response"
    #: the client has gone, or the gateway stops
    CANCELLED = "cancelled"


Action = Literal["next", "stop"]
"""What follows a failed attempt: try the next candidate, or report this error to the client."""

Party = Literal["client", "policy", "provider", "gateway"]
"""Who is at fault for an error."""


class ErrorRow(NamedTuple):
    """Everything that depends on the kind of a provider error. The defaults are those of most kinds."""

    #: The HTTP status if this error ends the request.
    status: int = 502
    #: The `code` of the client's error object if the provider gave none.
    code: str | None = None
    #: What follows; `[routing.policy]` in plugins.toml overrides it.
    action: Action = "next"
    #: Whether the same candidate may be tried again after a pause.
    retry_in_place: bool = False
    at_fault: Party = "provider"
    #: Whether the error counts against the provider's circuit breaker.
    trips_circuit: bool = True
    #: Whether it lasts until somebody changes the configuration or pays a bill, so that retries are in vain.
    permanent: bool = False


_PERMANENT = ErrorRow(permanent=True)
_CLIENTS_FAULT = ErrorRow(status=400, at_fault="client", trips_circuit=False)

ERROR_TABLE: Mapping[ErrorKind, ErrorRow] = {
    ErrorKind.AUTH: _PERMANENT,
    ErrorKind.PERMISSION: _PERMANENT,
    ErrorKind.QUOTA: _PERMANENT._replace(status=429),
    ErrorKind.RATE_LIMIT: ErrorRow(status=429, retry_in_place=True),
    ErrorKind.OVERLOADED: ErrorRow(retry_in_place=True),
    # Not retried in place: a timeout has already cost its full waiting time.
    ErrorKind.TIMEOUT: ErrorRow(status=504),
    ErrorKind.NETWORK: ErrorRow(retry_in_place=True),
    # The next candidate may have a larger context window.
    ErrorKind.CONTEXT_LENGTH: _CLIENTS_FAULT._replace(code="context_length_exceeded"),
    # Not tried elsewhere, unless the user says so: the content is refused, and not the request.
    ErrorKind.CONTENT_POLICY: ErrorRow(
        status=400,
        code="content_policy_violation",
        action="stop",
        at_fault="policy",
        trips_circuit=False,
    ),
    ErrorKind.INVALID_REQUEST: _CLIENTS_FAULT,
    ErrorKind.MODEL_NOT_FOUND: _PERMANENT,
    ErrorKind.BAD_RESPONSE: ErrorRow(retry_in_place=True),
    ErrorKind.CANCELLED: ErrorRow(action="stop", at_fault="client", trips_circuit=False),
}

if _without_row := set(ErrorKind) - ERROR_TABLE.keys():
    raise RuntimeError(f"ERROR_TABLE has no row for {', '.join(sorted(_without_row))}")


class RequestError(LlmsError):
    """The client's request is invalid, or the gateway cannot accept it now.

    The attributes are the members of OpenAI's error object; `retry_after` is in seconds. `bare` omits `param`
    from the body, for errors whose body the API reference defines exactly.
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
        self.message = message
        self.status = status
        self.type = type
        self.param = param
        self.code = code
        self.retry_after = retry_after
        self.bare = bare

    @classmethod
    def model_not_found(cls, model: str, help: str = "") -> RequestError:
        """The error for a model that no enabled provider has, with the reference's body (SR-061, SR-062)."""
        message = f"Model '{model}' not found in any enabled provider"
        if help:
            message = f"{message}. {help}"
        return cls(message, status=404, code="model_not_found", bare=True)

    @classmethod
    def plugin_failed(cls, origin: str) -> RequestError:
        """The error for a request that a plugin had to look at, which failed. What it raised is only in the log."""
        message = f"The {origin} failed; the gateway's log has the details"
        return cls(message, status=500, type="api_error", code="plugin_failed")


class OtherProtocol(NamedTuple):
    """How the same request has to be made instead, as a provider's refusal of it tells."""

    #: whatever the adapter calls it: it comes back as `ChatCall.protocol`
    name: str
    #: Whether further requests for this model of this provider are to be made in the same way.
    remember: bool = True


class ProviderError(LlmsError):
    """One attempt failed.

    `status` is the provider's HTTP status if there was one; `type`, `param` and `code` are the provider's own;
    `retry_after` is in seconds. `again` tells how the request is repeated at once, at the same candidate; it is for
    routing to set.
    """

    again: OtherProtocol | None = None

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
        self.kind = kind
        self.message = message
        self.status = status
        self.type = type
        self.param = param
        self.code = code
        self.retry_after = retry_after


class Unsupported(ProviderError):
    """The candidate cannot do what the request asks for; raised by an adapter before any network access."""

    def __init__(self, reason: str, *, param: str | None = None):
        super().__init__(ErrorKind.INVALID_REQUEST, reason, param=param, code="unsupported")


class AllProvidersFailed(LlmsError):
    """No candidate answered; `errors` are those of the attempts, in order."""

    def __init__(self, model: str, errors: Sequence[ProviderError]):
        super().__init__(f"All providers failed for model '{model}'")
        self.model = model
        self.errors = tuple(errors)
