"""OpenAI's list of models."""

from __future__ import annotations

import msgspec

from llms_core.contracts.json import UNREADABLE
from llms_core.errors import ErrorKind, ProviderError


def read_models(body: bytes) -> dict[str, str]:
    """Return the ids in a list of models, each under its own name. Raises ProviderError if it cannot be parsed."""
    try:
        listing = msgspec.json.decode(body)
        # Together returns the bare list.
        entries = listing if isinstance(listing, list) else listing["data"]
        return {str(entry["id"]): str(entry["id"]) for entry in entries}
    except (*UNREADABLE, KeyError, TypeError) as error:
        message = f"Cannot parse the provider's model list: {error}"
        raise ProviderError(ErrorKind.BAD_RESPONSE, message) from None
