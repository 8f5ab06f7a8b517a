"""The operation `chat`: chat completions in OpenAI's format."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

import msgspec

from llms_core.candidate import Candidate
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion, Usage
from llms_core.contracts.error_body import describes_error
from llms_core.contracts.extras import EFFORT, EXTRAS, applied
from llms_core.contracts.joined import joined
from llms_core.contracts.lenient_json import repaired
from llms_core.contracts.native import TRANSLATED
from llms_core.contracts.request import ChatBody, ChatCall, ChatRequest, with_provider_settings
from llms_core.contracts.streamed import as_chunks
from llms_core.errors import ErrorKind, OtherProtocol, ProviderError
from llms_core.native.formats import format_of
from llms_core.openai_compatible.protocol import matches
from llms_core.operations import Answer, FetchMedia, Operation
from llms_core.operations.adapter_results import expect
from llms_core.operations.inlining import inline
from llms_core.operations.stream import ChunkReader, StreamReader
from llms_core.provider import (
    Generates,
    HttpAdapter,
    Negotiates,
    Offers,
    PassesThrough,
    UpstreamRequest,
)

#: The end of OpenAI's streams. Its absence alone is not an error: what counts is that every choice has ended.
_END_MARKER = b"[DONE]"

_PART_CAPABILITIES = {
    "image_url": "vision",
    "input_audio": "audio",
    "audio_url": "audio",
    "file": "files",
}
#: How providers refuse what another one, or another of their customers, got: reasoning, or a response to continue.
_FOREIGN = re.compile(r"signature|encrypted[ _]content|previous[ _]response", re.IGNORECASE)

_NOTHING: frozenset[str] = frozenset()
_USAGE = (Usage, type(None))


class _UsageView(msgspec.Struct):
    usage: Usage | None = None


_decode_usage = msgspec.json.Decoder(_UsageView).decode


class Chat(Operation[ChatRequest, ChatCall]):
    """Chat completions. Every adapter that implements `HttpAdapter` or `Generates` serves them."""

    name = "chat"
    adapter_protocol = HttpAdapter
    can_replay = True

    def is_offered_by(self, adapter: object) -> bool:
        """Whether an adapter serves chat."""
        if isinstance(adapter, Generates):
            return not isinstance(adapter, Offers) or adapter.offers(self.name)
        return super().is_offered_by(adapter)

    def needed_capabilities(self, view: ChatRequest) -> frozenset[str]:
        """Return the names of the `Capabilities` that the request needs."""
        needed = []
        if view.stream:
            needed.append("streaming")
        if view.tools:
            needed.append("tools")
        if view.logprobs:
            needed.append("logprobs")
        if view.n is not None and view.n > 1:
            needed.append("n")
        if view.response_format is not None and view.response_format.type in (
            "json_schema",
            "json_object",
        ):
            needed.append(view.response_format.type)
        for message in view.messages:
            if isinstance(message.content, list):
                types = [part.type for part in message.content]
                needed += [
                    _PART_CAPABILITIES[type_] for type_ in types if type_ in _PART_CAPABILITIES
                ]
        if needed:
            return frozenset(needed)
        return _NOTHING

    def call(self, body: ChatBody, candidate: Candidate, request_id: str, created: int) -> ChatCall:
        """Apply the provider's `defaults` and `force`; nothing of them reaches the next candidate (SR-075).

        So do parameters that only some providers understand. Raises Unsupported if this one must, and does not.
        """
        settings = candidate.settings
        dropped: tuple[str, ...] = ()
        native = candidate.accepted_original(body)
        if native is None and EXTRAS in body.members:
            body, dropped = applied(body, _owners(candidate))
        if settings.defaults or settings.force:
            body = with_provider_settings(body, settings.defaults, settings.force)
        return ChatCall(
            body=body,
            upstream_model=candidate.upstream_model,
            client_model=candidate.client_model,
            id=f"chatcmpl-{request_id}",
            created=created,
            dropped=dropped,
            native=native,
        )

    async def inline_media(
        self, call: ChatCall, types: frozenset[str], fetch: FetchMedia
    ) -> ChatCall:
        """Replace URLs in content parts of these types by data URIs."""
        if call.native is not None:
            return call
        body = await inline(call.body, types, fetch)
        return msgspec.structs.replace(call, body=body)

    def in_protocol(self, call: ChatCall, name: str) -> ChatCall:
        """Return the call with the name of a protocol."""
        return msgspec.structs.replace(call, protocol=name)

    def other_protocol(
        self, adapter: HttpAdapter, call: ChatCall, error: ProviderError
    ) -> OtherProtocol | None:
        """Return what the adapter makes of a refusal, if it knows several protocols.

        What another provider has encrypted or signed is in the client's own request without a name. It is left out of a
        translation.
        """
        is_translatable = call.native is not None and call.body.untranslatable is None
        if is_translatable and _FOREIGN.search(f"{error.code} {error.message}"):
            return OtherProtocol(TRANSLATED, remember=False)
        if not isinstance(adapter, Negotiates):
            return None
        other = adapter.other_protocol(call, error)
        if other is None:
            return None
        return expect(OtherProtocol, other, "other_protocol")

    def request(self, adapter: HttpAdapter, call: ChatCall) -> UpstreamRequest:
        """Return the adapter's request."""
        if call.native is not None:
            return cast("PassesThrough", adapter).native_request(call, call.native)
        request = adapter.request(call)
        if call.dropped:
            expect(UpstreamRequest, request, "request")
            request = msgspec.structs.replace(request, dropped=(*call.dropped, *request.dropped))
        return request

    def answer(self, adapter: HttpAdapter, call: ChatCall, body: bytes) -> Completion:
        """Return the adapter's completion."""
        return _checked(_completion(adapter, call, body), "completion")

    def generated(self, call: ChatCall) -> ChunkReader | None:
        """Return a reader, unless the client's request is passed on as it is."""
        if call.native is None:
            return ChunkReader(parts=call.request.n or 1)
        return None

    def checked(self, answer: object) -> Completion:
        """Return the completion that `generate` returned."""
        return _checked(answer, "generate")

    def as_whole(self, body: ChatBody) -> ChatBody:
        """Return the request without the parameters of a stream."""
        return body.with_members({"stream": None, "stream_options": None})

    def stream(self, adapter: HttpAdapter, call: ChatCall) -> StreamReader:
        """Return a reader of the adapter's chunks; the parts of the answer are its choices."""
        if call.native is None:
            translator = adapter.chunks(call)
            parts = call.request.n or 1
        else:
            translator = cast("PassesThrough", adapter).native_chunks(call)
            parts = 1
        return StreamReader(
            translator,
            parts=parts,
            end_marker=_END_MARKER,
            read_error=lambda data: _error_in_answer(adapter, data),
        )

    def as_chunks(self, answer: Answer) -> Sequence[Chunk]:
        """Return a completion as chunks."""
        if isinstance(answer, Completion) and answer.native:
            return format_of(answer.native).as_chunks(answer)
        return as_chunks(Completion(answer.data, answer.usage))

    def from_chunks(self, chunks: Sequence[Chunk]) -> Completion:
        """Return the completion that the chunks of a complete stream make up."""
        usage = None
        for chunk in chunks:
            if chunk.usage:
                usage = self.usage(chunk)
        if chunks and chunks[0].native:
            return format_of(chunks[0].native).joined(chunks, usage)
        return Completion(joined(chunks), usage)

    def usage(self, chunk: Chunk) -> Usage | None:
        """Read a usage chunk; an unreadable usage must not fail the answer."""
        try:
            return _decode_usage(chunk.data).usage
        except msgspec.ValidationError:
            return None


def _owners(candidate: Candidate) -> frozenset[str]:
    """Return whose parameters the candidate understands."""
    owners = candidate.spec.extras
    if matches(candidate.upstream_model, candidate.spec.rules.reasoning_effort):
        return owners | {EFFORT}
    return owners


def _checked(completion: object, method: str) -> Completion:
    """Return what a method of an adapter returned, if all of its members have the right types."""
    if (
        type(completion) is Completion
        and type(completion.data) is bytes
        and type(completion.usage) in _USAGE
    ):
        return completion
    wrong = expect(Completion, completion, method)
    expect(bytes, wrong.data, method, "data of a Completion")
    expect(_USAGE, wrong.usage, method, "usage of a Completion")
    return wrong


def _completion(adapter: HttpAdapter, call: ChatCall, body: bytes) -> Completion:
    """Return the adapter's completion, of the repaired body if the body is not valid JSON but can be repaired.

    Raises the error that the body describes if the adapter does not recognize it.
    """
    read = adapter.completion
    if call.native is not None:
        read = cast("PassesThrough", adapter).native_completion
    try:
        return read(call, body)
    except ProviderError as error:
        if error.kind is not ErrorKind.BAD_RESPONSE:
            raise
        valid = repaired(body)
        if valid is None:
            if describes_error(body):
                raise _error_in_answer(adapter, body) from None
            raise
    return read(call, valid)


def _error_in_answer(adapter: HttpAdapter, body: bytes) -> ProviderError:
    return expect(ProviderError, adapter.error(200, {}, body), "error")


CHAT = Chat()
