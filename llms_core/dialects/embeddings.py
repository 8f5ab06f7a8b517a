"""OpenAI's embeddings: `POST /v1/embeddings`.

The vectors are numbers or base64 of little-endian float32, as the client requested, whatever the provider sent. The
SDKs request base64.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from msgspec import Raw

from llms_core.contracts.completion import Usage
from llms_core.contracts.embeddings import EmbeddingBody, EmbeddingRequest, Embeddings, decode
from llms_core.contracts.vectors import Vector, as_base64, as_json
from llms_core.dialects import MODEL, Dialect, IncomingRequest, OpenApi, openai_error
from llms_core.operations import Answer
from llms_core.operations.adapter_results import expect
from llms_core.operations.embeddings import EMBEDDINGS

_encode = msgspec.json.encode

#: Each takes a fifth of a millisecond or less.
_VECTORS_AT_ONCE = 64


class EmbeddingObject(msgspec.Struct):
    """The vector of one input: numbers, or base64 of little-endian float32."""

    index: int
    embedding: list[float] | str
    object: str = "embedding"


class EmbeddingUsage(msgspec.Struct):
    """Token counts; zero if the provider sent none."""

    prompt_tokens: int = 0
    total_tokens: int = 0


class EmbeddingList(msgspec.Struct):
    """One vector for each input, in their order."""

    data: list[EmbeddingObject]
    model: str
    usage: EmbeddingUsage
    object: str = "list"


class _RawObject(msgspec.Struct):
    object: str
    index: int
    embedding: Raw


class _RawList(msgspec.Struct):
    object: str
    data: list[_RawObject]
    model: str
    usage: EmbeddingUsage


def _decode(request: IncomingRequest) -> EmbeddingBody:
    return decode(request.body)


def _encode_answer(answer: Answer, body: EmbeddingBody) -> bytes | Awaitable[bytes]:
    embeddings = expect(Embeddings, answer, "answer")
    if len(embeddings.vectors) > _VECTORS_AT_ONCE:
        return _encode_slowly(embeddings, body)
    return _joined(embeddings, body, _objects(embeddings.vectors, 0, _writer(body)))


async def _encode_slowly(embeddings: Embeddings, body: EmbeddingBody) -> bytes:
    """Encode a large answer a few vectors at a time, so that other requests need not wait for all of it."""
    data: list[_RawObject] = []
    for start in range(0, len(embeddings.vectors), _VECTORS_AT_ONCE):
        vectors = embeddings.vectors[start : start + _VECTORS_AT_ONCE]
        data += _objects(vectors, start, _writer(body))
        await asyncio.sleep(0)
    return _joined(embeddings, body, data)


def _objects(
    vectors: Sequence[Vector], start: int, written: Callable[[Vector], bytes]
) -> list[_RawObject]:
    return [
        _RawObject("embedding", index, Raw(written(each)))
        for index, each in enumerate(vectors, start)
    ]


def _joined(embeddings: Embeddings, body: EmbeddingBody, data: list[_RawObject]) -> bytes:
    return _encode(_RawList("list", data, body.view.model, _usage(embeddings.usage)))


def _writer(body: EmbeddingBody) -> Callable[[Vector], bytes]:
    """Return the function that writes a vector as the client wants it."""
    if body.view.encoding_format == "base64":
        return lambda numbers: b'"%b"' % as_base64(numbers).encode()
    return as_json


def _usage(usage: Usage | None) -> EmbeddingUsage:
    # OpenAI's schema requires the counts.
    if usage is None:
        return EmbeddingUsage()
    return EmbeddingUsage(usage.prompt_tokens, usage.total_tokens)


OPENAI_EMBEDDINGS = Dialect(
    name="embeddings",
    operation=EMBEDDINGS,
    paths=("/v1/embeddings",),
    decode=_decode,
    encode_answer=_encode_answer,
    encode_error=openai_error.encode,
    openapi=OpenApi(
        summary="Embeddings",
        operation_id="Embeddings",
        example={"model": MODEL, "input": ["Hello!"]},
        request=EmbeddingRequest,
        answer=EmbeddingList,
        error=openai_error.ErrorBody,
        tag="Embeddings",
    ),
)
