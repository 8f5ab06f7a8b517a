"""The contract of dialects. A dialect is a client-facing API for an operation: OpenAI's chat completions, …

A dialect decodes requests and writes answers, streams and errors in its own format; everything between (routing,
failover, time limits, cancellation, authentication) is the same for all. To add one, write a module with a `Dialect`
and add it to `llms_core.dialects.table`, or return it from a plugin's `llms_dialects` hook.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import msgspec

from llms_core.contracts.body import RequestBody
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.upload import Form
from llms_core.dialects.metadata import Metadata
from llms_core.operations import Answer, Operation
from llms_core.records import Caller

RawHeaders = Iterable[tuple[bytes, bytes]]
"""Header names in lower case, and their values, as ASGI has them."""


class IncomingRequest(NamedTuple):
    """A client's request whose body has been read."""

    body: bytes
    path: str = ""
    query: bytes = b""
    headers: RawHeaders = ()
    #: None if clients need no key.
    caller: Caller | None = None
    #: The parameters in the path, by name.
    parameters: Mapping[str, str] = MappingProxyType({})
    #: The form, for a dialect with `form_fields`; then `body` is empty.
    form: Form | None = None


class FailedAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """Why one provider did not answer. `message` is the provider's own, of limited length."""

    provider: str
    #: The model's name for clients; that of the fallback if the attempt was made for a fallback.
    model: str
    #: One of `llms_core.errors.ErrorKind`.
    kind: str
    #: The provider's HTTP status; None if it did not answer.
    status: int | None
    message: str


class ErrorResponse(msgspec.Struct, frozen=True, kw_only=True):
    """An error that a client gets, in whichever format. Secrets have been removed from all texts.

    `type`, `code` and `param` are the members of OpenAI's error object, which other dialects map to their own.
    `retry_after` is in seconds. `bare` is for errors whose body OpenAI's reference defines without `param`.
    `should_retry` is whether the same request may succeed later. `attempts` explains that all providers failed; a
    dialect whose error body has room for further members shows it.
    """

    status: int
    message: str
    type: str
    code: str | None = None
    param: str | None = None
    bare: bool = False
    retry_after: float | None = None
    should_retry: bool = False
    attempts: tuple[FailedAttempt, ...] = ()


class StreamWriter(Protocol):
    """Writes one streamed answer as the bytes of a response body; made anew for each stream."""

    @property
    def content_type(self) -> bytes:
        """The value of the Content-Type header."""

    @property
    def keep_alive(self) -> bytes:
        """What is sent during a pause, so that no proxy closes the connection."""

    def write(self, chunks: Sequence[Chunk]) -> bytes:
        """Return the bytes for chunks that arrived together; nothing if none of them is for the client.

        The ends of the answer's parts and the usage come last, in one call. The usage chunk is always among them,
        whether or not the client asked for it.
        """

    def end(self) -> bytes | Awaitable[bytes]:
        """Return the end of a complete answer. It is never sent after an error.

        A dialect that stores answers returns an awaitable, so that what the client has received can be found.
        """

    def error(self, error: ErrorResponse) -> bytes:
        """Return the error that ends a stream which broke after it was committed (SR-058)."""


@runtime_checkable
class OmitsUsage(Protocol):
    """A `StreamWriter` that leaves the usage out unless its client requested it.

    `[server] stream_usage = "always"` sets `include_usage`.
    """

    include_usage: bool


@runtime_checkable
class AddsMetadata(Protocol):
    """A `StreamWriter` that can add `metadata` to a stream's usage chunk. `[server] llms_py` sets the function."""

    metadata: Callable[[], Metadata] | None


@runtime_checkable
class WritesBytes(Protocol):
    """A `StreamWriter` whose body is neither text nor events, such as sound.

    It has no room for an error: if the stream breaks, the client's connection does, so that the client notices.
    """

    def begin_bytes(self, content_type: str) -> None:
        """Called once before the head is sent, with the provider's content type, which may be empty."""


MODEL = "MODEL"
"""Stands for the name of a model in examples: the server puts in one that it serves."""


class OpenApi(msgspec.Struct, frozen=True, kw_only=True):
    """A dialect's part of the OpenAPI document; types are described by their msgspec schema."""

    summary: str
    operation_id: str
    request: type
    answer: type | None = None
    #: The body of every response that is not 2xx.
    error: type
    tag: str = "Completions"
    #: What a successful answer is, if a member of the request does not choose between whole answers and streams.
    success: str = ""
    #: Content types of the request and of the answer.
    request_type: str = "application/json"
    answer_type: str = "application/json"
    #: A request that can be tried, with MODEL in place of the model.
    example: Mapping[str, Any] | None = None


class TypedBody(NamedTuple):
    """The body of a response that is not JSON."""

    data: bytes
    content_type: str


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A further route of a dialect, for what it has stored. It is authenticated like all others, and reads no body."""

    method: Literal["GET", "POST", "DELETE"]
    #: Parameters are in braces: `/v1/responses/{response_id}`.
    path: str
    #: Return the body of the response, in JSON. Raises RequestError.
    serve: Callable[[IncomingRequest], Awaitable[bytes]]
    summary: str
    operation_id: str
    tag: str = "Completions"


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """One client-facing API.

    `decode`, `encode_answer` and the `end` of a stream return an awaitable if they have to look something up, or to
    store it.
    """

    name: str
    operation: Operation[Any, Any]
    #: The paths that accept POST requests of this dialect. Parameters are in braces, and may have slashes and colons:
    #: `/v1beta/models/{model}:generateContent`.
    paths: tuple[str, ...]
    #: Decode and validate a request. Raises RequestError, which names the invalid member.
    decode: Callable[[IncomingRequest], RequestBody[Any] | Awaitable[RequestBody[Any]]]
    #: Return a complete answer as the client gets it, in JSON or with its type. The body is the one that `decode`
    #: returned.
    encode_answer: Callable[[Answer, RequestBody[Any]], bytes | TypedBody | Awaitable[bytes]]
    #: Return an error body, in JSON.
    encode_error: Callable[[ErrorResponse], bytes]
    openapi: OpenApi
    #: The text fields that `decode` reads besides `model`, if requests are forms with files. None if they are JSON.
    #: Forms are sent on while they arrive.
    form_fields: frozenset[str] | None = None
    #: Return the writer for one stream; None if answers are never streamed.
    stream_writer: Callable[[RequestBody[Any]], StreamWriter] | None = None
    #: Return the HTTP status of an error; None if it is the error's own.
    error_status: Callable[[ErrorResponse], int] | None = None
    #: What the base URL of this dialect's clients ends in.
    base_path: str = "/v1"
    #: A header that only clients of this dialect send, in lower case. It tells them apart at paths of all dialects: the
    #: list of models, and those that do not exist.
    header: str = ""
    #: Return a list of models, given their names and the members of the query; None if the client gets OpenAI's.
    encode_models: Callable[[Sequence[str], Mapping[str, str]], bytes] | None = None
    #: Return one model.
    encode_model: Callable[[str], bytes] | None = None
    #: Where clients of this dialect get the list of models, and below it each model; empty for `/v1/models` alone.
    models_path: str = ""
    #: A parameter of the query that may hold the client's key, at the paths of this dialect. It is taken out of the URL
    #: before anything else sees the request.
    key_parameter: str = ""
    #: Return further headers of a complete answer.
    answer_headers: Callable[[Answer], Iterable[tuple[bytes, bytes]]] | None = None
    #: Whether a whole answer is a JSON object that gets `metadata` with `[server] llms_py`.
    has_metadata: bool = False
    #: The headers that name a request, answered or refused, in lower case.
    request_id_headers: tuple[bytes, ...] = (b"x-request-id",)
    #: What clients call the operation's parameters, where the names differ: for errors and x-llms-dropped-params.
    names: Mapping[str, str] = MappingProxyType({})
    #: Further routes, for what the dialect has stored.
    routes: tuple[Route, ...] = ()
    #: Release what the dialect holds; awaited once, when the server stops.
    aclose: Callable[[], Awaitable[None]] | None = None

    def client_name(self, parameter: str) -> str:
        """Return what clients call a parameter, which may be followed by the path to a part of it."""
        end = len(parameter)
        for sign in ".[":
            end = min(end, parameter.find(sign) if sign in parameter else end)
        name = self.names.get(parameter[:end])
        # Where the names differ, so does the structure: the path would point to something else.
        return parameter if name is None else name
