"""Acme, which has a protocol of its own: POST /talk, answered as one JSON object or as lines of JSON."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Literal

import msgspec
from llms_core import ErrorKind, ProviderError, hookimpl
from llms_core.contracts.building import Chunks, ToolCall, completion
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion, Usage
from llms_core.contracts.content import text_of
from llms_core.contracts.embeddings import EmbeddingCall, EmbeddingRules, Embeddings
from llms_core.contracts.json import UNREADABLE
from llms_core.contracts.request import ChatCall, Message
from llms_core.contracts.tools import called, functions, tool_choice
from llms_core.contracts.vectors import vector
from llms_core.failure import classify
from llms_core.provider import Capabilities, Headers, ProviderSettings, ProviderSpec, UpstreamRequest

# OpenAI's names -> Acme's. A role that is not listed is called the same.
SPEAKERS = {"developer": "system", "assistant": "acme", "function": "tool"}
OPTIONS = {"temperature": "heat", "top_p": "top_p", "seed": "seed"}

# All parameters that `request` translates.
TRANSLATED = {"model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "stop", "n"}
TRANSLATED |= {"tools", "tool_choice", *OPTIONS}

# Acme's reasons for the end of an answer -> OpenAI's finish_reason.
FINISH_REASONS = {"done": "stop", "full": "length", "calls": "tool_calls", "refused": "content_filter"}

# Error codes that the HTTP status does not explain: "broke" comes with 429, like "slow".
ERROR_KINDS = {"broke": ErrorKind.QUOTA}


class AcmeSettings(ProviderSettings, kw_only=True):
    """A provider block in llms.json: the usual members, and Acme's own."""

    #: The team that pays for the requests.
    team: str = ""


class AcmeCall(msgspec.Struct, rename={"arguments": "with"}):
    ref: str
    tool: str
    arguments: dict[str, Any]

    def as_tool_call(self) -> ToolCall:
        arguments = msgspec.json.encode(self.arguments).decode()
        return ToolCall(id=self.ref, name=self.tool, arguments=arguments)


class Answer(msgspec.Struct):
    """A whole answer. A line of a stream has some of its members."""

    say: str = ""
    calls: list[AcmeCall] = []
    end: str | None = None
    #: Tokens of the prompt, and of the answer.
    spent: tuple[int, int] | None = None
    #: One vector for each text.
    places: list[list[float]] = []
    #: An error: its code, and its message.
    oops: tuple[str, str] | None = None

    def finish_reason(self) -> str:
        if self.end not in FINISH_REASONS:
            raise ProviderError(ErrorKind.BAD_RESPONSE, f"Acme aborted its answer: {self.end}")
        return FINISH_REASONS[self.end]

    def usage(self) -> Usage | None:
        if self.spent is None:
            return None
        return Usage(prompt_tokens=self.spent[0], completion_tokens=self.spent[1])


class Acme:
    def __init__(self, spec: ProviderSpec, settings: AcmeSettings) -> None:
        self.settings = settings
        self.base_url = (settings.base_url or spec.base_url).rstrip("/")

    def request(self, call: ChatCall) -> UpstreamRequest:
        return UpstreamRequest(
            url=f"{self.base_url}/talk",
            headers=self.headers(),
            content=msgspec.json.encode(request_body(call)),
            dropped=tuple(sorted(call.non_null_members() - TRANSLATED)),
        )

    def headers(self) -> dict[str, str]:
        headers = {"content-type": "application/json", **self.settings.headers}
        if self.settings.team:
            headers["x-acme-team"] = self.settings.team
        if self.settings.api_key is not None:
            headers["x-acme-key"] = self.settings.api_key.reveal()
        return headers

    def completion(self, call: ChatCall, body: bytes) -> Completion:
        answer = self.decode(body)
        tool_calls = [acme_call.as_tool_call() for acme_call in answer.calls]
        return completion(
            call,
            # OpenAI's content is null, and not empty, if the answer consists of tool calls only.
            content=None if tool_calls and not answer.say else answer.say,
            tool_calls=tool_calls,
            finish_reason=answer.finish_reason(),
            usage=answer.usage(),
        )

    def chunks(self, call: ChatCall) -> AcmeChunks:
        return AcmeChunks(self, call)

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        error = classify(status, headers, body)
        with suppress(*UNREADABLE):
            answer = msgspec.json.decode(body, type=Answer)
            if answer.oops is not None:
                error.code, error.message = answer.oops
                error.kind = ERROR_KINDS.get(error.code, error.kind)
        return error

    def decode(self, body: bytes) -> Answer:
        try:
            answer = msgspec.json.decode(body, type=Answer)
        except UNREADABLE as error:
            raise ProviderError(ErrorKind.BAD_RESPONSE, f"Cannot decode Acme's answer: {error}") from None
        if answer.oops is not None:
            raise self.error(200, {}, body)
        return answer

    def embedding_rules(self, model: str) -> EmbeddingRules:
        return EmbeddingRules(max_inputs=50, dimensions="size")

    def embed_request(self, call: EmbeddingCall) -> UpstreamRequest:
        body = {"model": call.upstream_model, "texts": call.inputs, "size": call.dimensions}
        dropped = {*call.members, *(["user"] if call.user else [])}
        return UpstreamRequest(
            url=f"{self.base_url}/place",
            headers=self.headers(),
            content=msgspec.json.encode(body),
            dropped=tuple(sorted(dropped)),
        )

    def embeddings(self, call: EmbeddingCall, body: bytes) -> Embeddings:
        answer = self.decode(body)
        return Embeddings([vector(place) for place in answer.places], answer.usage())


class AcmeChunks:
    framing: Literal["ndjson"] = "ndjson"

    def __init__(self, adapter: Acme, call: ChatCall) -> None:
        self.adapter = adapter
        self.chunks = Chunks(call)
        self.call_count = 0

    def feed(self, event: str, data: bytes) -> Iterator[Chunk]:
        line = self.adapter.decode(data)
        if line.say:
            yield self.chunks.text(line.say)
        for acme_call in line.calls:
            tool_call = acme_call.as_tool_call()
            yield self.chunks.call_begins(self.call_count, tool_call.id, tool_call.name, tool_call.arguments)
            self.call_count += 1
        if line.end is not None:
            yield self.chunks.finish(line.finish_reason())
        usage = line.usage()
        if usage is not None:
            yield self.chunks.usage(usage)


def request_body(call: ChatCall) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": call.upstream_model,
        "lines": [as_line(message) for message in call.request.messages],
        "live": call.stream,
    }
    for name, value in call.pick(OPTIONS).items():
        body[OPTIONS[name]] = value
    if call.request.token_limit is not None:
        body["limit"] = call.request.token_limit
    stop = call.request.stop
    if stop is not None:
        body["until"] = [stop] if isinstance(stop, str) else stop
    choice = tool_choice(call)
    if choice is None or choice.mode != "none":
        body["tools"] = [{"name": f.name, "about": f.description, "takes": f.parameters} for f in functions(call)]
    if choice is not None and choice.mode == "required":
        body["must_call"] = choice.names or True
    return body


def as_line(message: Message) -> dict[str, Any]:
    line: dict[str, Any] = {"by": SPEAKERS.get(message.role, message.role), "say": text_of(message.content)}
    tool_calls = called(message)
    if tool_calls:
        line["calls"] = [{"ref": c.id, "tool": c.function.name, "with": c.arguments()} for c in tool_calls]
    if message.tool_call_id:
        line["ref"] = message.tool_call_id
    return line


@hookimpl
def llms_providers() -> Iterator[ProviderSpec]:
    yield ProviderSpec(
        name="acme",
        title="Acme",
        adapter=Acme,
        settings=AcmeSettings,
        base_url="https://api.acme.example/v1",
        key_env=("ACME_API_KEY",),
        paths={"embeddings": "/place"},
        capabilities=Capabilities(
            json_schema=False, json_object=False, vision=False, audio=False, files=False, logprobs=False, n=False
        ),
        wire="llms_provider_acme_wire:WIRE",
    )
