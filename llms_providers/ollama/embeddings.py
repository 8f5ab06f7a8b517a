"""Ollama's embeddings: https://docs.ollama.com/api/embed."""

from __future__ import annotations

from typing import Any

import msgspec

from llms_core import ErrorKind, ProviderError
from llms_core.contracts.body import divided
from llms_core.contracts.completion import Usage
from llms_core.contracts.embeddings import EmbeddingCall, EmbeddingRules, Embeddings
from llms_core.contracts.json import UNREADABLE
from llms_core.contracts.vectors import vector

PATH = "/api/embed"

RULES = EmbeddingRules(dimensions="dimensions")

_OWN_PARAMETERS = frozenset({"truncate", "keep_alive", "options"})


class _Answer(msgspec.Struct):
    embeddings: list[list[float]]
    prompt_eval_count: int | None = None


_decode = msgspec.json.Decoder(_Answer).decode


def to_body(call: EmbeddingCall) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the body of a request, and the names of the client's parameters that Ollama does not have."""
    own, dropped = divided(call.members, _OWN_PARAMETERS)
    body: dict[str, Any] = {**own, "model": call.upstream_model, "input": call.inputs}
    if call.dimensions is not None:
        body[RULES.dimensions] = call.dimensions
    if call.user is not None:
        dropped.append("user")
    return body, tuple(dropped)


def to_embeddings(body: bytes) -> Embeddings:
    """Read an answer. Raises ProviderError if it has no embeddings."""
    try:
        answer = _decode(body)
    except UNREADABLE as error:
        message = f"Cannot parse Ollama's embeddings: {error}"
        raise ProviderError(ErrorKind.BAD_RESPONSE, message, status=200) from None
    usage = None
    if answer.prompt_eval_count is not None:
        usage = Usage(prompt_tokens=answer.prompt_eval_count)
    return Embeddings([vector(each) for each in answer.embeddings], usage)
