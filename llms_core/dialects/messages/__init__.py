"""Anthropic's Messages API: `POST /v1/messages` and `POST /v1/messages/count_tokens`.

A dialect of chat: requests, answers and events are translated, so that each of its clients works with every provider.
"""

from __future__ import annotations

from typing import Any

import msgspec

from llms_core.contracts.body import RequestBody
from llms_core.dialects import Dialect, OpenApi, Reply
from llms_core.dialects.messages import errors
from llms_core.dialects.messages.answer import MessageAnswer, encode_answer
from llms_core.dialects.messages.decode import decode_message, decode_prompt
from llms_core.dialects.messages.models import encode_model, encode_models
from llms_core.dialects.messages.request import CountTokensRequest, MessagesRequest
from llms_core.dialects.messages.stream import MessageStreamWriter
from llms_core.dialects.messages.tokens import estimated_prompt
from llms_core.operations.chat import CHAT

_TAG = "Messages"


class TokenCount(msgspec.Struct):
    """How many tokens a prompt has."""

    input_tokens: int


def _count(body: RequestBody[Any]) -> Reply:
    """Estimate the tokens; the header tells that they were not counted."""
    data = msgspec.json.encode(TokenCount(estimated_prompt(body)))
    return Reply(data, ((b"x-llms-token-count", b"estimate"),))


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
    encode_models=encode_models,
    encode_model=encode_model,
    openapi=OpenApi(
        summary="A message",
        operation_id="Message",
        request=MessagesRequest,
        answer=MessageAnswer,
        error=errors.MessagesError,
        tag=_TAG,
    ),
)

COUNT_TOKENS = Dialect(
    name="count_tokens",
    operation=CHAT,
    paths=("/v1/messages/count_tokens",),
    base_path="",
    decode=decode_prompt,
    encode_answer=encode_answer,
    encode_error=errors.encode,
    error_status=errors.status,
    reply=_count,
    openapi=OpenApi(
        summary="The number of tokens of a prompt",
        operation_id="CountTokens",
        request=CountTokensRequest,
        answer=TokenCount,
        error=errors.MessagesError,
        tag=_TAG,
    ),
)

DIALECTS = (MESSAGES, COUNT_TOKENS)
