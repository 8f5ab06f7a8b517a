"""Embeddings: a request, the call that one provider gets, what providers accept, and an answer.

The request is OpenAI's, and an answer is its vectors. Dialects write them down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, Raw

from llms_core.contracts.body import BodyDecoder, RequestBody
from llms_core.contracts.completion import Usage
from llms_core.contracts.upstream import ProviderCall
from llms_core.contracts.vectors import MAX_DIMENSIONS, Vector, as_json
from llms_core.errors import RequestError

Input: TypeAlias = "str | Sequence[int]"
"""What becomes one vector: a text, or the numbers of its tokens."""

Encoding = Literal["float", "base64"]
"""How a client wants its vectors: as numbers, or as base64 of little-endian float32."""


class EmbeddingRequest(msgspec.Struct, frozen=True):
    """The validated members of a request. `null` means absent.

    `input_type` is not OpenAI's: `query` and `document`, or another key of `EmbeddingRules.input_types`.
    """

    model: Annotated[str, Meta(min_length=1)]
    #: a text, several, the tokens of a text, or those of several: `decode` refuses mixtures
    input: str | list[str | int | list[int]]
    encoding_format: Encoding | None = None
    dimensions: Annotated[int, Meta(ge=1, le=MAX_DIMENSIONS)] | None = None
    input_type: str | None = None
    user: str | None = None
    #: there are no streams of embeddings
    stream: Literal[False] | None = None

    @property
    def inputs(self) -> Sequence[Input]:
        """Return the inputs in order; each becomes one vector."""
        if isinstance(self.input, str):
            return (self.input,)
        if isinstance(self.input[0], int):
            return (self.input,)  # type: ignore[return-value]  # `decode` has checked that all are numbers
        return self.input  # type: ignore[return-value]


EmbeddingBody: TypeAlias = RequestBody[EmbeddingRequest]

_decoder = BodyDecoder(EmbeddingRequest)


def decode(data: bytes) -> EmbeddingBody:
    """Decode and validate a request body. Raises RequestError (400), which names the invalid member."""
    return _checked(_decoder.decode(data))


def assemble(members: dict[str, Raw]) -> EmbeddingBody:
    """Return the body with these members, which a dialect has translated. Raises RequestError (400)."""
    return _checked(_decoder.assemble(members))


def _checked(body: EmbeddingBody) -> EmbeddingBody:
    value = body.view.input
    if not value:
        raise _invalid("input", "it is empty")
    if isinstance(value, str):
        return body
    first = type(value[0])
    if first is int:
        _check_tokens(value, "input")
        return body
    for index, item in enumerate(value):
        param = f"input[{index}]"
        if type(item) is not first:
            raise _invalid(param, "texts, tokens and arrays of tokens cannot be mixed")
        if not item:
            raise _invalid(param, "it is empty")
        if isinstance(item, list):
            _check_tokens(item, param)
    return body


def _check_tokens(tokens: Sequence[object], param: str) -> None:
    for index, token in enumerate(tokens):
        if not isinstance(token, int) or token < 0:
            raise _invalid(f"{param}[{index}]", "expected the number of a token")


def _invalid(param: str, reason: str) -> RequestError:
    return RequestError(f"Invalid value for '{param}': {reason}", param=param, code="invalid_value")


class EmbeddingRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider accepts in a request for embeddings. What it does not accept is refused, never left out.

    The defaults are for a server that is not known.
    """

    #: The most inputs of one request; more are split into several.
    max_inputs: Annotated[int, Meta(ge=1)] = 2048
    #: Whether an input may be the numbers of its tokens.
    tokens: bool = False
    #: The provider's name of `dimensions`; empty if it has no such parameter.
    dimensions: Annotated[str, Meta(examples=["output_dimension"])] = ""
    #: The provider's name of `input_type`; empty if it has no such parameter.
    input_type: Annotated[str, Meta(examples=["input_type"])] = ""
    #: `query`, `document`, `classification`, `clustering`, `similarity`, … -> the provider's value of `input_type`.
    input_types: Annotated[Mapping[str, str], Meta(examples=[{"query": "search_query"}])] = {}
    #: The `input_type` for requests without one, for a provider that requires it.
    default_input_type: Annotated[str, Meta(examples=["document"])] = ""
    #: Whether the provider takes `encoding_format: "base64"`.
    base64: bool = False


class EmbeddingCall(ProviderCall, frozen=True, kw_only=True):
    """A request for embeddings as one candidate receives it: the complete input of an adapter.

    `inputs` is at most as long as the adapter's rules permit. `dimensions` and `input_type` have passed these rules;
    `input_type` is the provider's own value. `encoding` is what the client wants, whatever the provider sends.
    `members` are the client's further members, raw: an adapter that does not know one names it in
    `UpstreamRequest.dropped`.
    """

    inputs: Sequence[Input]
    upstream_model: str
    client_model: str
    encoding: Encoding = "float"
    dimensions: int | None = None
    input_type: str | None = None
    user: str | None = None
    members: Mapping[str, Raw] = {}


class Embeddings(msgspec.Struct):
    """An answer: one vector for each input, in their order. `usage` is None if the provider sent none.

    The core checks the vectors: their number, that they have equal dimensions, those requested, and that they are
    finite numbers.
    """

    vectors: Sequence[Vector]
    usage: Usage | None = None

    @property
    def data(self) -> bytes:
        """A JSON array of the vectors, each an array of numbers."""
        return b"[%b]" % b",".join(map(as_json, self.vectors))
