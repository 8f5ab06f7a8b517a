"""Gemini's API: `POST /v1beta/models/{model}:generateContent` and the other actions.

Requests, answers and streams are translated to those of chat, or of embeddings, so that each of its clients works with
every provider. https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

import msgspec

from llms_core.contracts.request import ChatBody
from llms_core.dialects import MODEL, Dialect, OpenApi
from llms_core.dialects.gemini import embeddings, errors
from llms_core.dialects.gemini.answer import GenerateContentResponse, encode_answer
from llms_core.dialects.gemini.decode import (
    CLIENT_NAMES,
    decode_content,
    decode_prompt,
    decode_stream,
)
from llms_core.dialects.gemini.models import encode_model, encode_models
from llms_core.dialects.gemini.request import CountTokensRequest, GenerateContentRequest
from llms_core.dialects.gemini.stream import GeminiStreamWriter
from llms_core.dialects.token_count import count_headers
from llms_core.operations import Answer
from llms_core.operations.chat import CHAT
from llms_core.operations.count_tokens import COUNT_TOKENS as OPERATION_COUNT_TOKENS
from llms_core.operations.embeddings import EMBEDDINGS

_TAG = "Gemini"
_MODELS = "/v1beta/models"
_KEY = "key"

_CONTENT = {"role": "user", "parts": [{"text": "Hello!"}]}
_EXAMPLE = {"contents": [_CONTENT]}


def _paths(action: str) -> tuple[str, ...]:
    """Return the paths of an action: Google's SDKs use either version of the API."""
    return (f"{_MODELS}/{{model}}:{action}", f"/v1/models/{{model}}:{action}")


class TotalTokens(msgspec.Struct, rename="camel"):
    """How many tokens a prompt has."""

    total_tokens: int


class _Counted(msgspec.Struct):
    """The answer of the operation."""

    input_tokens: int


def _encode_count(answer: Answer, body: ChatBody) -> bytes:
    counted = msgspec.json.decode(answer.data, type=_Counted)
    return msgspec.json.encode(TotalTokens(counted.input_tokens))


GENERATE_CONTENT = Dialect(
    name="generate_content",
    operation=CHAT,
    paths=_paths("generateContent"),
    base_path="",
    decode=decode_content,
    encode_answer=encode_answer,
    encode_error=errors.encode,
    names=CLIENT_NAMES,
    header="x-goog-api-key",
    key_parameter=_KEY,
    models_path=_MODELS,
    encode_models=encode_models,
    encode_model=encode_model,
    openapi=OpenApi(
        summary="An answer of a model",
        operation_id="GenerateContent",
        example=_EXAMPLE,
        request=GenerateContentRequest,
        answer=GenerateContentResponse,
        error=errors.GeminiError,
        tag=_TAG,
    ),
)

STREAM_GENERATE_CONTENT = Dialect(
    name="stream_generate_content",
    operation=CHAT,
    paths=_paths("streamGenerateContent"),
    base_path="",
    decode=decode_stream,
    encode_answer=encode_answer,
    encode_error=errors.encode,
    stream_writer=GeminiStreamWriter,
    names=CLIENT_NAMES,
    key_parameter=_KEY,
    openapi=OpenApi(
        summary="An answer of a model, streamed",
        operation_id="StreamGenerateContent",
        example=_EXAMPLE,
        request=GenerateContentRequest,
        answer=list[GenerateContentResponse],
        error=errors.GeminiError,
        tag=_TAG,
        success="The pieces of the answer: with `alt=sse` as server-sent events, otherwise as one JSON array",
    ),
)

COUNT_TOKENS = Dialect(
    name="gemini_count_tokens",
    operation=OPERATION_COUNT_TOKENS,
    paths=_paths("countTokens"),
    base_path="",
    decode=decode_prompt,
    encode_answer=_encode_count,
    encode_error=errors.encode,
    answer_headers=count_headers,
    names=CLIENT_NAMES,
    key_parameter=_KEY,
    openapi=OpenApi(
        summary="The number of tokens of a prompt",
        operation_id="GeminiCountTokens",
        example=_EXAMPLE,
        request=CountTokensRequest,
        answer=TotalTokens,
        error=errors.GeminiError,
        tag=_TAG,
    ),
)

EMBED_CONTENT = Dialect(
    name="embed_content",
    operation=EMBEDDINGS,
    paths=_paths("embedContent"),
    base_path="",
    decode=embeddings.decode_one,
    encode_answer=embeddings.encode_one,
    encode_error=errors.encode,
    names=embeddings.CLIENT_NAMES,
    key_parameter=_KEY,
    openapi=OpenApi(
        summary="The vector of a text",
        operation_id="EmbedContent",
        example={"content": _CONTENT},
        request=embeddings.EmbedContentRequest,
        answer=embeddings.EmbedContentResponse,
        error=errors.GeminiError,
        tag=_TAG,
    ),
)

BATCH_EMBED_CONTENTS = Dialect(
    name="batch_embed_contents",
    operation=EMBEDDINGS,
    paths=_paths("batchEmbedContents"),
    base_path="",
    decode=embeddings.decode_batch,
    encode_answer=embeddings.encode_batch,
    encode_error=errors.encode,
    names=embeddings.CLIENT_NAMES,
    key_parameter=_KEY,
    openapi=OpenApi(
        summary="The vectors of texts",
        operation_id="BatchEmbedContents",
        example={"requests": [{"model": f"models/{MODEL}", "content": _CONTENT}]},
        request=embeddings.BatchEmbedContentsRequest,
        answer=embeddings.BatchEmbedContentsResponse,
        error=errors.GeminiError,
        tag=_TAG,
    ),
)

DIALECTS = (
    GENERATE_CONTENT,
    STREAM_GENERATE_CONTENT,
    COUNT_TOKENS,
    EMBED_CONTENT,
    BATCH_EMBED_CONTENTS,
)
