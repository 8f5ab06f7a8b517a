"""OpenAI's images: `POST /v1/images/generations`, `/v1/images/edits` and `/v1/images/variations`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from llms_core.contracts.body import BodyDecoder, RequestBody
from llms_core.dialects import MODEL, Dialect, IncomingRequest, OpenApi, openai_error
from llms_core.dialects.forwarding import EventWriter, encode_answer, form_decoder
from llms_core.operations import images
from llms_core.operations.images import Images

#: OpenAI's, for requests that name none.
_DEFAULT_MODEL = "dall-e-2"


class ImageRequest(msgspec.Struct, frozen=True):
    """The validated members of a request for new images; all others are sent on, too."""

    prompt: Annotated[str, Meta(min_length=1)]
    named_model: str | None = msgspec.field(default=None, name="model")
    streamed: bool | None = msgspec.field(default=None, name="stream")
    n: Annotated[int, Meta(ge=1, le=100)] | None = None

    @property
    def model(self) -> str:
        """The model, by default OpenAI's."""
        return self.named_model or _DEFAULT_MODEL

    @property
    def stream(self) -> bool:
        """Whether parts of images are sent before they are complete."""
        return bool(self.streamed)

    @property
    def events(self) -> bool:
        """A stream of images consists of events."""
        return self.stream

    @property
    def answers(self) -> int:
        """How many images were requested."""
        return self.n or 1


class ImageForm(msgspec.Struct, frozen=True):
    """The fields that are read of a form; all others, and the images, are sent on."""

    image: bytes
    model: str = _DEFAULT_MODEL
    prompt: str = ""
    stream: bool = False
    n: int = 1


_decoder = BodyDecoder(ImageRequest)


def _decode(request: IncomingRequest) -> RequestBody[ImageRequest]:
    return _decoder.decode(request.body)


def _form_dialect(operation: Images, path: str, summary: str, operation_id: str) -> Dialect:
    return Dialect(
        name=operation.name,
        operation=operation,
        paths=(path,),
        decode=form_decoder(_DEFAULT_MODEL),
        encode_answer=encode_answer,
        encode_error=openai_error.encode,
        stream_writer=EventWriter,
        form_fields=frozenset({"stream", "n"}),
        openapi=OpenApi(
            summary=summary,
            operation_id=operation_id,
            example={"model": MODEL, "prompt": "The same with a hat"}
            if operation is images.EDITS
            else {"model": MODEL},
            request=ImageForm,
            request_type="multipart/form-data",
            error=openai_error.ErrorBody,
            tag="Images",
        ),
    )


GENERATIONS = Dialect(
    name="images_generations",
    operation=images.GENERATIONS,
    paths=("/v1/images/generations",),
    decode=_decode,
    encode_answer=encode_answer,
    encode_error=openai_error.encode,
    stream_writer=EventWriter,
    openapi=OpenApi(
        summary="Images of what a text describes",
        operation_id="GenerateImages",
        example={"model": MODEL, "prompt": "A llama in the snow"},
        request=ImageRequest,
        error=openai_error.ErrorBody,
        tag="Images",
    ),
)
EDITS = _form_dialect(images.EDITS, "/v1/images/edits", "Edited images", "EditImages")
VARIATIONS = _form_dialect(
    images.VARIATIONS, "/v1/images/variations", "Variations of an image", "VaryImage"
)

DIALECTS = (GENERATIONS, EDITS, VARIATIONS)
