"""What a response that failed means."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from llms_core.errors import ErrorKind, ProviderError
from llms_core.openai_compatible.responses.views import Response

ErrorReader = Callable[[bytes], ProviderError]
"""Returns the error that a body, or an event of a stream, describes."""

#: Codes of `response.error` that say nothing to who does not know them. A status does not come with them.
_KINDS: Mapping[str, ErrorKind] = {
    "bio_policy": ErrorKind.CONTENT_POLICY,
    "cyber_policy": ErrorKind.CONTENT_POLICY,
    "empty_image_file": ErrorKind.INVALID_REQUEST,
    "failed_to_download_image": ErrorKind.INVALID_REQUEST,
    "image_content_policy_violation": ErrorKind.CONTENT_POLICY,
    "image_file_not_found": ErrorKind.INVALID_REQUEST,
    "image_file_too_large": ErrorKind.INVALID_REQUEST,
    "image_parse_error": ErrorKind.INVALID_REQUEST,
    "image_too_large": ErrorKind.INVALID_REQUEST,
    "image_too_small": ErrorKind.INVALID_REQUEST,
    "invalid_base64_image": ErrorKind.INVALID_REQUEST,
    "invalid_image": ErrorKind.INVALID_REQUEST,
    "invalid_image_format": ErrorKind.INVALID_REQUEST,
    "invalid_image_mode": ErrorKind.INVALID_REQUEST,
    "invalid_image_url": ErrorKind.INVALID_REQUEST,
    # OpenAI refuses with it what violates its policy for the use of reasoning models.
    "invalid_prompt": ErrorKind.CONTENT_POLICY,
    "rate_limit_exceeded": ErrorKind.RATE_LIMIT,
    "server_error": ErrorKind.OVERLOADED,
    "server_is_overloaded": ErrorKind.OVERLOADED,
    "slow_down": ErrorKind.OVERLOADED,
    "unsupported_image_media_type": ErrorKind.INVALID_REQUEST,
    "vector_store_timeout": ErrorKind.TIMEOUT,
}


def read_failure(data: bytes, read_error: ErrorReader) -> ProviderError:
    """Return the error in an event, or in a body."""
    return _with_kind(read_error(data))


def failure_of(response: Response, read_error: ErrorReader) -> ProviderError:
    """Return why a response has failed."""
    if response.error:
        return _with_kind(read_error(msgspec.json.encode({"error": response.error})))
    message = f"The response ended with the status '{response.status}' and no error"
    return ProviderError(ErrorKind.BAD_RESPONSE, message)


def _with_kind(error: ProviderError) -> ProviderError:
    # A message may tell more than the code.
    if error.kind is ErrorKind.BAD_RESPONSE:
        error.kind = _KINDS.get(error.code or "", error.kind)
    return error
