"""OpenAI's API for embeddings, for `OpenAICompatible`."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from llms_core.contracts.completion import Usage, usage
from llms_core.contracts.embeddings import EmbeddingCall, EmbeddingRules, Embeddings
from llms_core.contracts.json import UNREADABLE, is_set
from llms_core.contracts.vectors import in_order, vector
from llms_core.errors import ErrorKind, ProviderError


class _Item(msgspec.Struct):
    embedding: list[float] | str
    index: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Item] = []
    usage: Raw = Raw()
    error: Raw = Raw()


_decode = msgspec.json.Decoder(_Answer).decode


def request_members(call: EmbeddingCall, rules: EmbeddingRules) -> dict[str, Any]:
    """Return the members of a request, with the provider's names of parameters."""
    members: dict[str, Any] = {"model": call.upstream_model, "input": call.inputs}
    # Numbers are every provider's default, and some do not know the word for it.
    if rules.base64 and call.encoding == "base64":
        members["encoding_format"] = "base64"
    if call.dimensions is not None:
        members[rules.dimensions] = call.dimensions
    if call.input_type is not None:
        members[rules.input_type] = call.input_type
    if call.user is not None:
        members["user"] = call.user
    return {**call.members, **members}


def read_embeddings(body: bytes) -> Embeddings:
    """Read a provider's answer. Raises ProviderError if it has no embeddings."""
    try:
        answer = _decode(body)
    except UNREADABLE as error:
        raise _no_embeddings(str(error)) from None
    if is_set(answer.error) or not answer.data:
        raise _no_embeddings("it has no vectors")
    vectors = [vector(item.embedding) for item in answer.data]
    return Embeddings(in_order(vectors, [item.index for item in answer.data]), _usage(answer.usage))


def _usage(raw: Raw) -> Usage | None:
    counts = usage(raw)
    if counts is not None and not counts.prompt_tokens:
        # Some providers only send the total, which is the same: nothing is generated.
        counts.prompt_tokens = counts.total_tokens
    return counts


def _no_embeddings(reason: str) -> ProviderError:
    return ProviderError(
        ErrorKind.BAD_RESPONSE, f"The answer has no embeddings: {reason}", status=200
    )
