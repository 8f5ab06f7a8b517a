"""What is remembered of a request until its answer is written, and the ids of responses and items.

The ids of items contain that of their response, so that a reference to an item finds the response it is stored in.
"""

from __future__ import annotations

import re
import secrets

import msgspec

from llms_core.contracts.body import RequestBody
from llms_core.dialects import ErrorResponse
from llms_core.dialects.responses.schema import ResponsesRequest
from llms_core.dialects.responses.tools import Toolset

#: This API's codes of errors, by the status that the error would have had as a response.
_ERROR_CODES = {400: "invalid_prompt", 429: "rate_limit_exceeded"}

_RESPONSE_PREFIX = "resp_"
_OWN_ID = re.compile(r"resp_[0-9a-f]{32}")
_ITEM_ID = re.compile(r"[a-z]+_([0-9a-f]{32})_(i?)([0-9]{1,6})")


class Context(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """What is remembered."""

    #: of the response
    id: str
    request: RequestBody[ResponsesRequest]
    toolset: Toolset
    #: the name of the caller; empty for an anonymous one
    caller: str
    #: whether the response will be stored
    stored: bool
    #: whether reasoning is sent as a summary, as the client asked, instead of as content
    shows_summary: bool
    shows_logprobs: bool

    def item_id(self, prefix: str, index: int) -> str:
        """Return the id of an output item."""
        return f"{prefix}_{self.id.removeprefix(_RESPONSE_PREFIX)}_{index}"


def new_response_id() -> str:
    """Return an id that nobody can guess."""
    return _RESPONSE_PREFIX + secrets.token_hex(16)


def is_own(response_id: str) -> bool:
    """Whether the id of a response is one of `new_response_id`, not of a provider that speaks this API."""
    return _OWN_ID.fullmatch(response_id) is not None


def input_item_id(response_id: str, index: int) -> str:
    """Return the id of an input item to which the client gave none."""
    return f"item_{response_id.removeprefix(_RESPONSE_PREFIX)}_i{index}"


def place_of(item_id: str) -> tuple[str, bool, int] | None:
    """Return the id of the response that an item belongs to, whether it is input, and its position; None for others."""
    found = _ITEM_ID.fullmatch(item_id)
    if found is None:
        return None
    return _RESPONSE_PREFIX + found[1], bool(found[2]), int(found[3])


def error_code(error: ErrorResponse) -> str:
    """Return the code of an error in a response that has failed."""
    return _ERROR_CODES.get(error.status, "server_error")
