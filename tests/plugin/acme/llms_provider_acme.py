"""Acme, whose API is its own: POST /talk, answered whole or in lines of JSON."""

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
from llms_core.contracts.request import ChatCall, Message
from llms_core.contracts.tools import called, functions, tool_choice
from llms_core.failure import classify
from llms_core.provider import Capabilities, Headers, ProviderSettings, ProviderSpec, UpstreamRequest

SPEAKERS = {"developer": "system", "assistant": "acme", "function": "tool"}
OPTIONS = {"temperature": "heat", "top_p": "top_p", "seed": "seed"}  # OpenAI's name -> Acme's
TRANSLATED = {"model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "stop", "n"}
TRANSLATED |= {"tools", "tool_choice", *OPTIONS}
ENDS = {"done": "stop", "full": "length", "calls": "tool_calls", "refused": "content_filter"}
KINDS = {"broke": ErrorKind.QUOTA}
CANNOT = ("json_schema", "json_object", "vision", "audio", "files", "logprobs", "n")
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Call(msgspec.Struct, rename={"arguments": "with"}):
    ref: str
    tool: str
    arguments: dict[str, Any]

    def as_tool_call(self) -> ToolCall:
        return ToolCall(id=self.ref, name=self.tool, arguments=msgspec.json.encode(self.arguments).decode())


class Said(msgspec.Struct):
    """A whole answer; a line of a stream has some of its members."""

    say: str = ""
    calls: list[Call] = []
    end: str | None = None
    spent: tuple[int, int] | None = None
    oops: tuple[str, str] | None = None

    def finish(self) -> str:
        if self.end not in ENDS:
            raise ProviderError(ErrorKind.BAD_RESPONSE, f"Acme broke its answer off: {self.end}")
        return ENDS[self.end]

    def usage(self) -> Usage | None:
        return Usage(prompt_tokens=self.spent[0], completion_tokens=self.spent[1]) if self.spent else None


class Acme:
    def __init__(self, spec: ProviderSpec, settings: ProviderSettings):
        self.settings = settings
        self.base_url = (settings.base_url or spec.base_url).rstrip("/")

    def request(self, call: ChatCall) -> UpstreamRequest:
        body: dict[str, Any] = {
            "model": call.upstream_model,
            "lines": lines(call.request.messages),
            "live": call.stream,
        }
        body |= {theirs: value for ours, theirs in OPTIONS.items() if (value := call.get(ours)) is not None}
        if (limit := call.request.token_limit) is not None:
            body["limit"] = limit
        if (stop := call.request.stop) is not None:
            body["until"] = [stop] if isinstance(stop, str) else stop
        choice = tool_choice(call)
        if choice is None or choice.mode != "none":
            body["tools"] = [{"name": f.name, "about": f.description, "takes": f.parameters} for f in functions(call)]
        if choice is not None and choice.mode == "required":
            body["must_call"] = choice.names or True
        dropped = sorted(name for name in call.members.keys() - TRANSLATED if call.get(name) is not None)
        url, content = f"{self.base_url}/talk", msgspec.json.encode(body)
        headers = {"content-type": "application/json", **self.settings.headers}
        if self.settings.api_key is not None:
            headers["x-acme-key"] = self.settings.api_key.reveal()
        return UpstreamRequest(url=url, headers=headers, content=content, dropped=tuple(dropped))

    def completion(self, call: ChatCall, body: bytes) -> Completion:
        said = self.read(body)
        calls, end = [each.as_tool_call() for each in said.calls], said.finish()
        content = said.say or (None if calls else "")
        return completion(call, content=content, tool_calls=calls, finish_reason=end, usage=said.usage())

    def chunks(self, call: ChatCall) -> AcmeChunks:
        return AcmeChunks(self, call)

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        found = classify(status, headers, body)
        with suppress(*UNREADABLE):
            if oops := msgspec.json.decode(body, type=Said).oops:
                found.code, found.message = oops
                found.kind = KINDS.get(found.code, found.kind)
        return found

    def read(self, body: bytes) -> Said:
        try:
            said = msgspec.json.decode(body, type=Said)
        except UNREADABLE as error:
            raise ProviderError(ErrorKind.BAD_RESPONSE, f"Acme's answer makes no sense: {error}") from None
        if said.oops:
            raise self.error(200, {}, body)
        return said


class AcmeChunks:
    framing: Literal["ndjson"] = "ndjson"

    def __init__(self, adapter: Acme, call: ChatCall):
        self.adapter, self.chunks, self.calls = adapter, Chunks(call), 0

    def feed(self, event: str, data: bytes) -> Iterator[Chunk]:
        said = self.adapter.read(data)
        if said.say:
            yield self.chunks.text(said.say)
        for each in (each.as_tool_call() for each in said.calls):
            yield self.chunks.call_begins(self.calls, each.id, each.name, each.arguments)
            self.calls += 1
        if said.end is not None:
            yield self.chunks.finish(said.finish())
            if (spent := said.usage()) is not None:
                yield self.chunks.usage(spent)


def lines(messages: list[Message]) -> list[dict[str, Any]]:
    told = []
    for message in messages:
        line: dict[str, Any] = {"by": SPEAKERS.get(message.role, message.role), "say": text_of(message.content)}
        if calls := called(message):
            line["calls"] = [{"ref": e.id, "tool": e.function.name, "with": e.arguments()} for e in calls]
        if message.tool_call_id:
            line["ref"] = message.tool_call_id
        told.append(line)
    return told


@hookimpl
def llms_providers() -> Iterator[ProviderSpec]:
    yield ProviderSpec(
        name="acme",
        title="Acme",
        adapter=Acme,
        base_url="https://api.acme.example/v1",
        key_env=("ACME_API_KEY",),
        capabilities=Capabilities(**dict.fromkeys(CANNOT, False)),
        wire="llms_provider_acme_wire:WIRE",
    )
