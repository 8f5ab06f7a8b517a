"""A plugin with an operation and a dialect of its own: named events, no `[DONE]`, its own error body."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import msgspec

from llms_core import hookimpl
from llms_core.candidate import Candidate
from llms_core.contracts.body import BodyDecoder, RequestBody
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion
from llms_core.dialects import Dialect, ErrorResponse, OpenApi, StreamWriter
from llms_core.openai_compatible import OpenAICompatible
from llms_core.operations import Answer, Operation
from llms_core.operations.stream import StreamReader
from llms_core.provider import Framing, ProviderSpec, UpstreamRequest


class EchoRequest(msgspec.Struct, frozen=True):
    model: str
    text: str
    stream: bool | None = None


@runtime_checkable
class Echoes(Protocol):
    def echo_request(self, text: str) -> UpstreamRequest: ...


class EchoAdapter(OpenAICompatible):
    def echo_request(self, text: str) -> UpstreamRequest:
        return UpstreamRequest(
            url=f"{self.base_url}/echo", headers=self.headers(), content=text.encode()
        )


class Echo(Operation[EchoRequest, str]):
    name = "echo"
    adapter_protocol = Echoes

    def call(
        self, body: RequestBody[EchoRequest], candidate: Candidate, request_id: str, created: int
    ) -> str:
        return body.view.text

    def request(self, adapter: Echoes, call: str) -> UpstreamRequest:
        return adapter.echo_request(call)

    def answer(self, adapter: Echoes, call: str, body: bytes) -> Answer:
        return Completion(body)

    def stream(self, adapter: Echoes, call: str) -> StreamReader:
        return StreamReader(EchoTranslator())


class EchoTranslator:
    framing: Framing = "sse"

    def feed(self, event: str, data: bytes) -> Iterator[Chunk]:
        yield Chunk(data, content=event == "word", begun=(0,), ended=(0,) if event == "end" else ())


class EchoWriter(StreamWriter):
    content_type = b"text/event-stream"
    keep_alive = b": waiting\n\n"

    def write(self, chunks: Sequence[Chunk]) -> bytes:
        return b"".join(
            b"event: word\ndata: %b\n\n" % chunk.data for chunk in chunks if chunk.content
        )

    def end(self) -> bytes:
        return b"event: finished\ndata: {}\n\n"

    def error(self, error: ErrorResponse) -> bytes:
        return b"event: failed\ndata: %b\n\n" % encode_error(error)


def encode_error(error: ErrorResponse) -> bytes:
    body = {"failed": error.message, "why": error.code}
    return msgspec.json.encode({**body, "attempts": error.attempts} if error.attempts else body)


ECHO = Echo()
DIALECT = Dialect(
    name="echo",
    operation=ECHO,
    paths=("/echo",),
    decode=lambda request: BodyDecoder(EchoRequest).decode(request.body),
    encode_answer=lambda answer, body: answer.data,
    encode_error=encode_error,
    stream_writer=lambda body: EchoWriter(),
    openapi=OpenApi(summary="Echo", operation_id="Echo", request=EchoRequest, error=dict),
)


@hookimpl
def llms_operations() -> Iterable[Operation[Any, Any]]:
    return [ECHO]


@hookimpl
def llms_dialects() -> Iterable[Dialect]:
    return [DIALECT]


@hookimpl
def llms_providers() -> Iterable[ProviderSpec]:
    return [ProviderSpec(name="echoing", title="Echoing", adapter=EchoAdapter)]
