"""Anthropic's Messages API: `POST /v1/messages` and `POST /v1/messages/count_tokens`.

Requests, answers and events are translated to those of chat, so that each of its clients works with every provider.
"""

from __future__ import annotations

import msgspec

from llms_core.contracts.request import ChatBody
from llms_core.dialects import MODEL, Dialect, OpenApi
from llms_core.dialects.messages import errors
from llms_core.dialects.messages.answer import MessageAnswer, encode_answer
from llms_core.dialects.messages.decode import decode_message, decode_prompt
from llms_core.dialects.messages.models import encode_model, encode_models
from llms_core.dialects.messages.request import CountTokensRequest, MessagesRequest
from llms_core.dialects.messages.stream import MessageStreamWriter
from llms_core.dialects.token_count import count_headers
from llms_core.operations import Answer
from llms_core.operations.chat import CHAT
from llms_core.operations.count_tokens import COUNT_TOKENS as OPERATION_COUNT_TOKENS

_TAG = "Messages"

#: The first is the gateway's own; Anthropic's SDK reads the second.
_REQUEST_ID_HEADERS = (b"x-request-id", b"request-id")


class MessageTokensCount(msgspec.Struct):
    """How many tokens a prompt has."""

    input_tokens: int


def _encode_count(answer: Answer, body: ChatBody) -> bytes:
    return answer.data


MESSAGES = Dialect(
    name="messages",
    operation=CHAT,
    paths=("/v1/messages",),
    base_path="",
    decode=decode_message,
    encode_answer=encode_answer,
    encode_error=errors.encode,
    error_status=errors.status,
    stream_writer=MessageStreamWriter,
    header="anthropic-version",
    request_id_headers=_REQUEST_ID_HEADERS,
    encode_models=encode_models,
    encode_model=encode_model,
    openapi=OpenApi(
        summary="A message",
        operation_id="Message",
        example={
            "model": MODEL,
            "max_tokens": 256,
            "messages": [{"role": "user", "content": "Hello!"}],
        },
        request=MessagesRequest,
        answer=MessageAnswer,
        error=errors.MessagesError,
        tag=_TAG,
    ),
)

COUNT_TOKENS = Dialect(
    name="count_tokens",
    operation=OPERATION_COUNT_TOKENS,
    paths=("/v1/messages/count_tokens",),
    base_path="",
    decode=decode_prompt,
    encode_answer=_encode_count,
    encode_error=errors.encode,
    error_status=errors.status,
    answer_headers=count_headers,
    request_id_headers=_REQUEST_ID_HEADERS,
    openapi=OpenApi(
        summary="The number of tokens of a prompt",
        operation_id="CountTokens",
        example={"model": MODEL, "messages": [{"role": "user", "content": "Hello!"}]},
        request=CountTokensRequest,
        answer=MessageTokensCount,
        error=errors.MessagesError,
        tag=_TAG,
    ),
)

DIALECTS = (MESSAGES, COUNT_TOKENS)
