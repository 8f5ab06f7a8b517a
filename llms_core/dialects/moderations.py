"""OpenAI's moderations: `POST /v1/moderations`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Raw

from llms_core.contracts.body import BodyDecoder, RequestBody
from llms_core.dialects import MODEL, Dialect, IncomingRequest, OpenApi, openai_error
from llms_core.dialects.forwarding import encode_answer
from llms_core.operations.moderations import MODERATIONS as OPERATION


class ModerationRequest(msgspec.Struct, frozen=True):
    """The validated members of a request; all others are sent on, too."""

    #: a text, several, or parts of a message
    input: str | Annotated[list[Raw], Meta(min_length=1)]
    named_model: str | None = msgspec.field(default=None, name="model")

    stream = False
    events = False
    answers = 1

    @property
    def model(self) -> str:
        """The model, by default OpenAI's."""
        return self.named_model or "omni-moderation-latest"


_decoder = BodyDecoder(ModerationRequest)


def _decode(request: IncomingRequest) -> RequestBody[ModerationRequest]:
    return _decoder.decode(request.body)


MODERATIONS = Dialect(
    name="moderations",
    operation=OPERATION,
    paths=("/v1/moderations",),
    decode=_decode,
    encode_answer=encode_answer,
    encode_error=openai_error.encode,
    openapi=OpenApi(
        summary="Whether texts and images violate a policy",
        operation_id="Moderate",
        example={"model": MODEL, "input": "Hello!"},
        request=ModerationRequest,
        error=openai_error.ErrorBody,
        tag="Moderations",
    ),
)
