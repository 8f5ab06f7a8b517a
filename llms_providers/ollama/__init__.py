"""Ollama's own chat API, on this machine or another, and in Ollama's cloud: https://docs.ollama.com/api/chat.

Beside OpenAI's parameters a client, or `force` of a block of llms.json, may give Ollama's own: `think`, `format`,
`keep_alive`, and `options`, whose members (num_ctx, top_k, …) may also stand by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Raw

from llms_core import ErrorKind, ProviderError, RequestError, Unsupported, hookimpl
from llms_core.contracts.building import Chunks, ToolCall, completion
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion, Usage, finish_reason
from llms_core.contracts.content import media, text_of
from llms_core.contracts.request import ChatCall, Message
from llms_core.contracts.tools import ToolChoice, called, functions, json_schema, tool_choice
from llms_core.failure import classify
from llms_core.provider import Capabilities, Headers, ProviderSettings, ProviderSpec, UpstreamRequest

#: OpenAI's parameters that are members of `options`, under the same name.
_OPENAI_OPTIONS = ("temperature", "top_p", "seed", "frequency_penalty", "presence_penalty")
#: Ollama's options that OpenAI has not.
_OPTIONS = (
    "num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread", "num_keep", "num_predict",
    "draft_num_predict", "top_k", "min_p", "typical_p", "repeat_last_n", "repeat_penalty",
)  # fmt: skip
#: Ollama's members of a request that pass as they are.
_MEMBERS = ("keep_alive", "truncate", "shift")
_TRANSLATED = frozenset({
    "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "stop", "n", "logprobs",
    "top_logprobs", "tools", "tool_choice", "response_format", "format", "reasoning_effort", "enable_thinking", "think",
    "options", *_OPENAI_OPTIONS, *_OPTIONS, *_MEMBERS,
})  # fmt: skip

_ROLES = {"developer": "system", "function": "tool"}
#: Efforts that Ollama has not, as its own OpenAI-compatible endpoint takes them.
_EFFORTS: Mapping[str, bool | str] = {"none": False, "minimal": "low", "xhigh": "max", "ultra": "max"}

# The cloud says 429 to a plan that is used up; a model that cannot read an image makes the server answer 500.
_MEANINGS = (
    (ErrorKind.QUOTA, re.compile(r"usage limit")),
    (ErrorKind.INVALID_REQUEST, re.compile(r"failed to process inputs|image: unknown format|invalid image")),
)


class _CalledFunction(msgspec.Struct):
    name: str
    arguments: Raw = Raw(b"{}")


class _Called(msgspec.Struct):
    function: _CalledFunction
    id: str = ""


class _Said(msgspec.Struct):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[_Called] | None = None


class _Answer(msgspec.Struct):
    """A whole answer, or a line of a stream."""

    message: _Said | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    logprobs: list[dict[str, Any]] | None = None
    error: Any = None


class _Tag(msgspec.Struct):
    name: str


class _Tags(msgspec.Struct):
    models: list[_Tag]


_answer = msgspec.json.Decoder(_Answer)
_tags = msgspec.json.Decoder(_Tags)


class Ollama:
    """`base_url` is the server's, with `/v1` or `/api` or without."""

    #: Ollama fetches nothing itself.
    inlines = frozenset({"image_url", "audio_url"})

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings):
        self.spec, self.settings = spec, settings
        self.base_url = re.sub(r"/(?:v1|api)$", "", (settings.base_url or spec.base_url).rstrip("/"))

    def request(self, call: ChatCall) -> UpstreamRequest:
        """The request for `/api/chat`. Raises Unsupported for content other than text, images and audio."""
        request = call.request
        dropped = {name for name, raw in call.members.items() if name not in _TRANSLATED and bytes(raw) != b"null"}
        body: dict[str, Any] = {
            "model": call.upstream_model,
            "messages": _messages(request.messages),
            "stream": call.stream,
        }
        body |= {name: value for name in _MEMBERS if (value := call.get(name)) is not None}
        if options := _options(call):
            body["options"] = options
        if (think := _think(call)) is not None:
            body["think"] = think
        if (form := _format(call)) is not None:
            body["format"] = form
        if request.logprobs:
            body["logprobs"] = True
            if request.top_logprobs is not None:
                body["top_logprobs"] = request.top_logprobs
        choice = tool_choice(call)
        if tools := _tools(call, choice):
            body["tools"] = tools
        if choice is not None and choice.mode == "required":
            dropped.add("tool_choice")  # a call cannot be forced
        url, content = f"{self.base_url}/api/chat", msgspec.json.encode(body)
        return UpstreamRequest(url=url, headers=self._headers(), content=content, dropped=tuple(sorted(dropped)))

    def completion(self, call: ChatCall, body: bytes) -> Completion:
        """Ollama's answer as a chat.completion."""
        answer = self.read(body)
        if answer.message is None or not answer.done:
            raise ProviderError(ErrorKind.BAD_RESPONSE, "The answer is not a whole chat message", status=200)
        said = answer.message
        calls = _calls(call, said)
        return completion(
            call,
            content=said.content or (None if calls else ""),
            reasoning=said.thinking,
            tool_calls=calls,
            finish_reason=_finish(answer, content=bool(said.content or said.thinking), calls=bool(calls)),
            logprobs=_logprobs(answer),
            usage=_usage(answer),
        )

    def chunks(self, call: ChatCall) -> OllamaChunks:
        """A translator for one stream."""
        return OllamaChunks(self, call)

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """What an error means: Ollama gives a text, and a status that mostly fits."""
        found = classify(status, headers, body)
        found.kind = next((kind for kind, pattern in _MEANINGS if pattern.search(found.message.lower())), found.kind)
        return found

    def models_request(self) -> UpstreamRequest:
        """Ask for the models that have been pulled, or that the cloud has."""
        return UpstreamRequest(method="GET", url=f"{self.base_url}/api/tags", headers=self._headers())

    def models(self, body: bytes) -> dict[str, str]:
        """The names of `/api/tags`, for clients without `:latest` (SR-118)."""
        try:
            return {tag.name.removesuffix(":latest"): tag.name for tag in _tags.decode(body).models}
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ProviderError(ErrorKind.BAD_RESPONSE, f"The list of models makes no sense: {error}") from None

    def read(self, data: bytes) -> _Answer:
        """An answer or a line. Raises ProviderError where it is an error, which Ollama then counts as a 500."""
        try:
            answer = _answer.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ProviderError(ErrorKind.BAD_RESPONSE, f"The answer makes no sense: {error}", status=200) from None
        if answer.error:
            raise self.error(500, {}, data)
        return answer

    def _headers(self) -> dict[str, str]:
        headers = {"content-type": "application/json", **self.settings.headers}
        if self.settings.api_key is not None:
            headers["authorization"] = f"Bearer {self.settings.api_key.reveal()}"
        return headers


class OllamaChunks:
    """The lines of one stream as chunks. A tool call comes whole; the last line has the end and the usage."""

    framing: Literal["ndjson"] = "ndjson"

    def __init__(self, adapter: Ollama, call: ChatCall):
        self._adapter, self._call, self._chunks = adapter, call, Chunks(call)
        self._content, self._calls = False, 0

    def feed(self, event: str, data: bytes) -> Iterator[Chunk]:
        """One line's chunks."""
        answer = self._adapter.read(data)
        said = answer.message or _Said()
        calls = _calls(self._call, said, self._calls)
        parts = {"reasoning_content": said.thinking, "content": said.content}
        delta: dict[str, Any] = {name: text for name, text in parts.items() if text}
        if calls:
            delta["tool_calls"] = [{"index": self._calls + at, **each.as_openai()} for at, each in enumerate(calls)]
        self._content, self._calls = self._content or bool(delta), self._calls + len(calls)
        logprobs = _logprobs(answer)
        if delta or logprobs:
            yield self._chunks.delta(delta or {"content": ""}, logprobs=logprobs, content=bool(delta))
        if answer.done:
            yield self._chunks.finish(_finish(answer, content=self._content, calls=self._calls > 0))
            if (usage := _usage(answer)) is not None:
                yield self._chunks.usage(usage)


def _messages(messages: Iterable[Message]) -> list[dict[str, Any]]:
    told, names = [], dict[str, str]()
    for number, message in enumerate(messages):
        role = _ROLES.get(message.role, message.role)
        each: dict[str, Any] = {"role": role, "content": text_of(message.content)}
        if images := _images(message, f"messages[{number}]"):
            each["images"] = images
        if role == "assistant":
            if isinstance(message.reasoning_content, str) and message.reasoning_content:
                each["thinking"] = message.reasoning_content
            for call in called(message):
                names[call.id] = call.function.name
                function = {"name": call.function.name, "arguments": call.arguments()}
                each.setdefault("tool_calls", []).append({"id": call.id, "function": function})
        elif role == "tool":
            if name := names.get(message.tool_call_id or "", message.name):
                each["tool_name"] = name
            if message.tool_call_id:
                each["tool_call_id"] = message.tool_call_id
        told.append(each)
    return told


def _images(message: Message, where: str) -> list[str]:
    """Images and, for models that hear, recordings: Ollama tells them apart by their bytes."""
    found = []
    for place, part in enumerate(message.content if isinstance(message.content, list) else ()):
        param = f"{where}.content[{place}]"
        shown = media(part, param)
        if shown is None:
            continue
        if shown.kind not in ("image", "audio"):
            raise Unsupported(f"Ollama takes images and audio, no content of type '{part.type}'", param=param)
        if shown.data is None:
            raise Unsupported("Ollama takes images and audio as data URIs, and fetches none by URL", param=param)
        found.append(shown.data)
    return found


def _options(call: ChatCall) -> dict[str, Any]:
    """The client's `options`, and what it said by itself, which the gateway's checks and `force` hold for."""
    own = call.get("options")
    if own is not None and not isinstance(own, dict):
        raise RequestError("Invalid value for 'options': expected an object", param="options", code="invalid_value")
    options = dict(own or {})
    options |= {name: value for name in (*_OPENAI_OPTIONS, *_OPTIONS) if (value := call.get(name)) is not None}
    if (limit := call.request.token_limit) is not None:
        options["num_predict"] = limit
    if (stop := call.request.stop) is not None:
        options["stop"] = [stop] if isinstance(stop, str) else stop
    return options


def _think(call: ChatCall) -> Any:
    """None leaves it to the model."""
    if (think := call.get("think")) is not None:
        return think
    effort, enabled = call.request.reasoning_effort, call.request.enable_thinking
    if effort is None or enabled is False:
        return enabled
    return _EFFORTS.get(effort, effort)


def _format(call: ChatCall) -> Any:
    kind = call.request.response_format.type if call.request.response_format is not None else "text"
    if kind not in ("text", "json_object", "json_schema"):
        raise Unsupported(f"Ollama knows no response_format '{kind}'", param="response_format.type")
    if kind == "text":
        return call.get("format")
    schema = json_schema(call)
    return schema.schema if schema is not None and schema.schema else "json"


def _tools(call: ChatCall, choice: ToolChoice | None) -> list[Raw]:
    """The tools that the choice allows, as the client wrote them: Ollama's are OpenAI's."""
    if choice is not None and choice.mode == "none":
        return []
    names = choice.names if choice is not None else ()
    tools = zip(functions(call), call.request.tools or (), strict=True)
    return [raw for function, raw in tools if not names or function.name in names]


def _calls(call: ChatCall, said: _Said, begun: int = 0) -> list[ToolCall]:
    """Older servers give no ids: those that are made are this answer's alone."""
    return [
        ToolCall(
            id=each.id or f"call_{call.id.rpartition('-')[2]}_{number}",
            name=each.function.name,
            arguments=_json_text(each.function.arguments),
        )
        for number, each in enumerate(said.tool_calls or (), begun)
    ]


def _json_text(arguments: Raw) -> str:
    """The arguments' JSON as it was written; a few models' arguments come as JSON text already."""
    text = bytes(arguments).decode()
    if text.startswith('"'):
        text = str(msgspec.json.decode(text))
    return text if text not in ("", "null") else "{}"


def _finish(answer: _Answer, *, content: bool, calls: bool) -> str:
    reason = answer.done_reason or "stop"  # the oldest servers give none
    if reason in ("load", "unload") and not (content or calls):
        message = f"Ollama generated nothing (done_reason '{reason}'), as where no message is a user's"
        raise ProviderError(ErrorKind.INVALID_REQUEST, message, status=200)
    known = finish_reason(reason)
    if known is None:
        raise ProviderError(ErrorKind.BAD_RESPONSE, f"Ollama broke off its answer: done_reason '{reason}'", status=200)
    return "tool_calls" if calls and known == "stop" else known


def _logprobs(answer: _Answer) -> dict[str, Any] | None:
    if not answer.logprobs:
        return None
    return {"content": [{"bytes": None, "top_logprobs": [], **each} for each in answer.logprobs], "refusal": None}


def _usage(answer: _Answer) -> Usage | None:
    """None where nothing was counted; a count that is missing beside the other is 0, as Ollama leaves out zeros."""
    if answer.prompt_eval_count is None and answer.eval_count is None:
        return None
    return Usage(prompt_tokens=answer.prompt_eval_count or 0, completion_tokens=answer.eval_count or 0)


OLLAMA = ProviderSpec(
    name="ollama", title="Ollama", docs="https://docs.ollama.com/api/chat", adapter=Ollama,
    base_url="http://localhost:11434", needs_key=False, capabilities=Capabilities(files=False, n=False),
    wire="llms_providers.ollama.wire:OLLAMA", aliases=("OllamaProvider",),
)  # fmt: skip
OLLAMA_CLOUD = ProviderSpec(
    name="ollama-cloud", title="Ollama Cloud", docs="https://docs.ollama.com/cloud", adapter=Ollama,
    base_url="https://ollama.com", key_env=("OLLAMA_API_KEY",), capabilities=OLLAMA.capabilities, wire=OLLAMA.wire,
)  # fmt: skip


@hookimpl
def llms_providers() -> Iterable[ProviderSpec]:
    """A server of one's own, and the cloud."""
    return [OLLAMA, OLLAMA_CLOUD]
