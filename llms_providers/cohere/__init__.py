"""Cohere's chat API, version 2: https://docs.cohere.com/reference/chat.

Beside OpenAI's parameters a client may give Cohere's own: `documents`, `citation_options`, `safety_mode`, `k`, `p`,
`priority`, `strict_tools` and `thinking`. The citations of an answer are in its `provider_extra.cohere`, and so is the
plan of its tool calls, apart from reasoning of another kind: both may be sent back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec

from llms_core import ErrorKind, ProviderError, hookimpl
from llms_core.contracts.building import Chunks, ToolCall, completion
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion, Usage, finish_reason
from llms_core.contracts.request import ChatCall
from llms_core.failure import classify
from llms_core.provider import Capabilities, Headers, ProviderSettings, ProviderSpec, UpstreamRequest
from llms_providers.cohere.request import body_of

_BY_STATUS = {498: ErrorKind.CONTENT_POLICY}  # "a request or response contains a deny-listed token"
_MONTHLY = re.compile(r"(calls|limit) (/|per) month|billing reached")


class _Block(msgspec.Struct):
    text: str | None = None
    thinking: str | None = None


class _CalledFunction(msgspec.Struct):
    name: str
    arguments: str = ""


class _Called(msgspec.Struct):
    id: str
    function: _CalledFunction


class _Said(msgspec.Struct):
    content: list[_Block] | None = None
    tool_plan: str | None = None
    tool_calls: list[_Called] | None = None
    citations: list[Any] | None = None


class _Answer(msgspec.Struct):
    message: _Said
    id: str | None = None
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None
    logprobs: list[Any] | None = None


class _Model(msgspec.Struct):
    name: str
    is_deprecated: bool | None = None


class _Models(msgspec.Struct):
    models: list[_Model]


_answer = msgspec.json.Decoder(_Answer)
_event = msgspec.json.Decoder(dict[str, Any])
_models = msgspec.json.Decoder(_Models)
_encode = msgspec.json.encode


class Cohere:
    """`base_url` is the host's, with a version or without."""

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings):
        self.spec, self.settings = spec, settings
        self.base_url = re.sub(r"(?:/compatibility)?/v\d+$", "", (settings.base_url or spec.base_url).rstrip("/"))

    def request(self, call: ChatCall) -> UpstreamRequest:
        """The request for `/v2/chat`. Raises Unsupported for content other than text and images."""
        body, dropped = body_of(call)
        url, content = f"{self.base_url}/v2/chat", _encode(body)
        return UpstreamRequest(url=url, headers=self._headers(), content=content, dropped=dropped)

    def completion(self, call: ChatCall, body: bytes) -> Completion:
        """Cohere's answer as a chat.completion."""
        try:
            answer = _answer.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            message = f"The answer is not a chat message: {error}"
            raise ProviderError(ErrorKind.BAD_RESPONSE, message, status=200) from None
        said, usage = answer.message, _usage(answer.usage)
        text = "".join(block.text or "" for block in said.content or ())
        thoughts = "".join(block.thinking or "" for block in said.content or ())
        calls = [
            ToolCall(id=each.id, name=each.function.name, arguments=each.function.arguments or "{}")
            for each in said.tool_calls or ()
        ]
        return completion(
            call,
            id=answer.id or None,
            content=text or (None if calls else ""),
            reasoning=thoughts + (said.tool_plan or ""),
            tool_calls=calls,
            finish_reason=self.end(answer.finish_reason, calls=bool(calls)),
            logprobs=_logprobs(answer.logprobs or ()),
            usage=usage,
            message=_extra(said.citations or [], said.tool_plan or "", calls=bool(calls)),
            extra=_billed(answer.usage),
        )

    def chunks(self, call: ChatCall) -> CohereChunks:
        """A translator for one stream."""
        return CohereChunks(self, call)

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """What an error means: Cohere gives a `message`."""
        found = classify(status, headers, body)
        found.kind = ErrorKind.QUOTA if _MONTHLY.search(found.message.lower()) else _BY_STATUS.get(status, found.kind)
        return found

    def models_request(self) -> UpstreamRequest:
        """Ask for the models that can chat, in one page."""
        url = f"{self.base_url}/v1/models?endpoint=chat&page_size=1000"
        return UpstreamRequest(method="GET", url=url, headers=self._headers())

    def models(self, body: bytes) -> dict[str, str]:
        """The names of the models, without those that are on their way out."""
        try:
            return {model.name: model.name for model in _models.decode(body).models if not model.is_deprecated}
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ProviderError(ErrorKind.BAD_RESPONSE, f"The list of models makes no sense: {error}") from None

    def end(self, reason: str | None, error: str | None = None, *, calls: bool) -> str:
        """The finish_reason for Cohere's. Raises ProviderError where it means that the answer was broken off."""
        if reason == "TIMEOUT":
            raise ProviderError(ErrorKind.TIMEOUT, error or "Cohere took too long to generate the answer", status=200)
        if error or reason == "ERROR":
            raise self.error(500, {}, _encode({"message": error or "Cohere failed to generate the answer"}))
        known = finish_reason(reason or "COMPLETE")
        return "tool_calls" if calls and known == "stop" else known or "stop"

    def _headers(self) -> dict[str, str]:
        headers = {"content-type": "application/json", **self.settings.headers}
        if self.settings.api_key is not None:
            headers["authorization"] = f"Bearer {self.settings.api_key.reveal()}"
        return headers


class CohereChunks:
    """The events of one stream as chunks. Citations come with the end: clients that join deltas join no objects."""

    framing: Literal["sse"] = "sse"

    def __init__(self, adapter: Cohere, call: ChatCall):
        self._adapter, self._chunks = adapter, Chunks(call)
        self._numbers: dict[Any, int] = {}  # tool calls by Cohere's index
        self._empty: set[Any] = set()  # those that have no arguments yet
        self._plan, self._citations = "", list[Any]()

    def feed(self, event: str, data: bytes) -> Iterator[Chunk]:
        """One event's chunks."""
        try:
            said = _event.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ProviderError(ErrorKind.BAD_RESPONSE, f"An event of the stream makes no sense: {error}") from None
        match said:
            case {"type": "message-start", "id": str(id)} if id:
                self._chunks.identify(id)
            case {"type": "content-start" | "content-delta", "delta": {"message": {"content": dict(block)}}}:
                yield from self._content(block, said.get("logprobs"))
            case {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": str(plan)}}} if plan:
                self._plan += plan
                yield self._chunks.reasoning(plan)
            case {
                "type": "tool-call-start",
                "delta": {"message": {"tool_calls": {"id": str(id), "function": {"name": str(name)} as function}}},
            }:
                number = self._numbers[said.get("index")] = len(self._numbers)
                arguments = function.get("arguments") or ""
                if not arguments:
                    self._empty.add(said.get("index"))
                yield self._chunks.call_begins(number, id, name, arguments)
            case {
                "type": "tool-call-delta",
                "delta": {"message": {"tool_calls": {"function": {"arguments": str(arguments)}}}},
            } if arguments and said.get("index") in self._numbers:
                self._empty.discard(said.get("index"))
                yield self._chunks.call_arguments(self._numbers[said.get("index")], arguments)
            case {"type": "tool-call-end"} if said.get("index") in self._empty:
                self._empty.discard(said.get("index"))
                yield self._chunks.call_arguments(self._numbers[said.get("index")], "{}")
            case {"type": "citation-start", "delta": {"message": {"citations": citation}}}:
                self._citations.append(citation)
            case {"type": "message-end", "delta": dict(delta)}:
                yield from self._end(delta)
            case {"message": str()} if "type" not in said:
                raise self._adapter.error(500, {}, data)

    def _content(self, block: dict[str, Any], logprobs: Any) -> Iterator[Chunk]:
        if thoughts := block.get("thinking"):
            yield self._chunks.reasoning(thoughts)
        if text := block.get("text"):
            yield self._chunks.text(text, logprobs=_logprobs([logprobs]))

    def _end(self, delta: dict[str, Any]) -> Iterator[Chunk]:
        calls = bool(self._numbers)
        reason = self._adapter.end(delta.get("finish_reason"), delta.get("error"), calls=calls)
        yield self._chunks.finish(reason, delta=_extra(self._citations, self._plan, calls=calls))
        if (usage := _usage(delta.get("usage"))) is not None:
            yield self._chunks.usage(usage, extra=_billed(delta.get("usage")))


def _extra(citations: list[Any], plan: str, *, calls: bool) -> dict[str, Any]:
    """What the message bears beyond OpenAI's. An empty plan says that what was reasoned before the calls is none."""
    extra = {**({"citations": citations} if citations else {}), **({"tool_plan": plan} if calls else {})}
    return {"provider_extra": {"cohere": extra}} if extra else {}


def _logprobs(pieces: Iterable[Any]) -> dict[str, Any] | None:
    """A piece of text may be of several tokens: its probability is that of all of them."""
    tokens = []
    for piece in pieces:
        match piece:
            case {"text": str(text), "logprobs": [_, *_] as each}:
                said = {"token": text, "logprob": sum(each), "bytes": list(text.encode()), "top_logprobs": []}
                tokens.append(said)
    return {"content": tokens, "refusal": None} if tokens else None


def _usage(said: Any) -> Usage | None:
    """Tokens of images are counted beside the input's, those of reasoning within the output's."""
    tokens = said.get("tokens") if isinstance(said, dict) else None
    if not isinstance(tokens, dict):
        return None
    count = {name: int(value) for name, value in {**tokens, **said}.items() if isinstance(value, int | float)}
    prompt = {"cached_tokens": count.get("cached_tokens"), "image_tokens": count.get("image_tokens")}
    output = {"reasoning_tokens": count.get("reasoning_tokens")}
    return Usage(
        prompt_tokens=count.get("input_tokens", 0) + count.get("image_tokens", 0),
        completion_tokens=count.get("output_tokens", 0),
        prompt_tokens_details={name: value for name, value in prompt.items() if value is not None} or None,
        completion_tokens_details={name: value for name, value in output.items() if value is not None} or None,
    )


def _billed(usage: Any) -> dict[str, Any]:
    billed = usage.get("billed_units") if isinstance(usage, dict) else None
    return {"provider_extra": {"cohere": {"billed_units": billed}}} if billed else {}


COHERE = ProviderSpec(
    name="cohere", title="Cohere", docs="https://docs.cohere.com/reference/chat", adapter=Cohere,
    base_url="https://api.cohere.com", key_env=("CO_API_KEY", "COHERE_API_KEY"),
    aliases=("@ai-sdk/cohere",),
    capabilities=Capabilities(audio=False, files=False, n=False), wire="llms_providers.cohere.wire:COHERE",
)  # fmt: skip


@hookimpl
def llms_providers() -> Iterable[ProviderSpec]:
    """Cohere's type."""
    return [COHERE]
