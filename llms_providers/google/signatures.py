"""Thought signatures: which of them a model accepts.

Gemini rejects a request with a signature that it cannot verify ("Corrupted thought signature"), and verifies them per
account: not even one of the Gemini API is valid at Vertex AI. A missing one only costs some quality.
https://ai.google.dev/gemini-api/docs/thought-signatures
"""

from __future__ import annotations

import re

from llms_core.contracts.request import ChatCall
from llms_core.contracts.signatures import Owner, first_word, head_of
from llms_providers.google.models import model_name

_GENERATION = re.compile(r"gemini-\d+")

#: How Gemini's signatures begin, decoded: most are wrapped in messages of Protocol Buffers, some with a version.
_GEMINIS = re.compile(rb"(?:[\x0a\x12][\x80-\xff]*[\x00-\x7f]|\x08[\x00-\x7f])*\x01")


def owner_of(provider: str, call: ChatCall) -> Owner:
    """Return the owner of a model's signatures. `provider` is the provider's name in llms.json."""
    name = model_name(call)
    generation = _GENERATION.match(name)
    return Owner(provider, generation[0] if generation else first_word(name))


def is_accepted(signature: object, owner: Owner | None, own: Owner) -> bool:
    """Return whether `own` accepts a signature of `owner`: of nobody, if the client did not keep who made it."""
    if not signature:
        return False
    if owner is None:
        return _GEMINIS.match(head_of(signature)) is not None
    return owner == own
