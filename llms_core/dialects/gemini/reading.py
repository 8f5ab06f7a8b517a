"""Decodes requests in all forms that Google takes."""

from __future__ import annotations

from typing import TypeVar

from llms_core.contracts.body import BodyDecoder, RequestBody
from llms_core.dialects.gemini.spelling import camel_case, with_lists
from llms_core.errors import RequestError

View = TypeVar("View")


def decode_body(decoder: BodyDecoder[View], data: bytes) -> RequestBody[View]:
    """Return a request's body. Raises RequestError, which names the invalid member.

    If it is not valid as it is, single members become lists where Google's are lists.
    """
    data = camel_case(data)
    try:
        return decoder.decode(data)
    except RequestError:
        listed = with_lists(data)
        if listed is None:
            raise
        return decoder.decode(listed)
