"""The modules of a new plugin with a protocol of its own, for `string.Template`: an adapter and its examples."""

from __future__ import annotations

_ADAPTER = '''"""$title, whose API is not OpenAI's.

The protocol is made up, so that there is something to translate: put the real one in its place. An adapter is four
pure functions. Connections, deadlines, retries, cancellation, the framing of streams and the key's secrecy are the
gateway's.

    POST {base_url}/generate
    {"model": "m", "turns": [{"from": "user", "text": "Hello!"}], "stream": false, "settings": {"temperature": 0.5}}
    -> {"reply": "Hi!", "ended": "done", "tokens": {"read": 9, "written": 2}}
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from llms_core import ErrorKind, ProviderError, Unsupported, hookimpl
from llms_core.contracts.building import Chunks, completion
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion, Usage
from llms_core.contracts.content import text_of
from llms_core.contracts.request import ChatCall
from llms_core.failure import classify
from llms_core.provider import Capabilities, Headers, ProviderSettings, ProviderSpec, UpstreamRequest

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "model"}
_SETTINGS = {"temperature": "temperature", "top_p": "top_p", "seed": "seed"}  # OpenAI's name -> theirs
_TRANSLATED = {
    *("model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "stop", "n"),
    *_SETTINGS,
}
_ENDS = {"done": "stop", "limit": "length", "filtered": "content_filter"}  # theirs -> OpenAI's finish_reason
_KINDS = {"credit_used_up": ErrorKind.QUOTA}  # what the status of an error does not tell


class _Tokens(msgspec.Struct):
    read: int
    written: int


class _Answer(msgspec.Struct):
    """A whole answer."""

    reply: str
    ended: str
    tokens: _Tokens | None = None


class _Event(msgspec.Struct):
    """An event of a stream: a piece of the reply, or its end, or a failure."""

    piece: str | None = None
    ended: str | None = None
    tokens: _Tokens | None = None
    error: Any = None


_answer = msgspec.json.Decoder(_Answer)
_event = msgspec.json.Decoder(_Event)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class $class_name:
    """Made once for each provider block of llms.json, from its settings."""

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings):
        self.settings = settings
        self.base_url = (settings.base_url or spec.base_url).rstrip("/")

    def request(self, call: ChatCall) -> UpstreamRequest:
        """What to send. Raises Unsupported before the network is touched; then the next provider is asked."""
        settings = {theirs: value for ours, theirs in _SETTINGS.items() if (value := call.get(ours)) is not None}
        if (limit := call.request.token_limit) is not None:
            settings["limit"] = limit
        if (stop := call.request.stop) is not None:
            settings["stop"] = [stop] if isinstance(stop, str) else stop
        body = {"model": call.upstream_model, "turns": _turns(call), "stream": call.stream, "settings": settings}
        headers = {"content-type": "application/json", **self.settings.headers}
        if self.settings.api_key is not None:
            headers["authorization"] = f"Bearer {self.settings.api_key.reveal()}"
        # What cannot be translated is named: the client reads it in x-llms-dropped-params.
        dropped = sorted(name for name in call.members.keys() - _TRANSLATED if call.get(name) is not None)
        return UpstreamRequest(
            url=f"{self.base_url}/generate",
            headers=headers,
            content=msgspec.json.encode(body),
            dropped=tuple(dropped),
        )

    def completion(self, call: ChatCall, body: bytes) -> Completion:
        """A whole answer as a chat.completion."""
        try:
            answer = _answer.decode(body)
        except _UNREADABLE:
            raise self.error(200, {}, body) from None
        return completion(call, content=answer.reply, finish_reason=_end(answer.ended), usage=_usage(answer.tokens))

    def chunks(self, call: ChatCall) -> _Stream:
        """A translator for one stream."""
        return _Stream(self, call)

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """What an error means. `classify` knows most shapes, and what statuses and Retry-After say."""
        found = classify(status, headers, body)
        found.kind = _KINDS.get(found.code or "", found.kind)
        return found


class _Stream:
    """One stream's events as chunks. The gateway cuts the stream into events, and sees to it that it is complete."""

    framing: Literal["sse"] = "sse"

    def __init__(self, adapter: $class_name, call: ChatCall):
        self._adapter, self._chunks = adapter, Chunks(call)

    def feed(self, event: str, data: bytes) -> Iterator[Chunk]:
        """The chunks that one event gives."""
        try:
            said = _event.decode(data)
        except _UNREADABLE as error:
            raise ProviderError(ErrorKind.BAD_RESPONSE, f"An event of the stream makes no sense: {error}") from None
        if said.error is not None:
            raise self._adapter.error(200, {}, data)
        if said.piece:
            yield self._chunks.text(said.piece)
        if said.ended is not None:
            yield self._chunks.finish(_end(said.ended))
            if (usage := _usage(said.tokens)) is not None:
                yield self._chunks.usage(usage)


def _turns(call: ChatCall) -> list[dict[str, str]]:
    turns = []
    for message in call.request.messages:
        if message.role not in _ROLES:
            raise Unsupported(f"Messages of the role '{message.role}' are not supported here", param="messages")
        turns.append({"from": _ROLES[message.role], "text": text_of(message.content)})
    return turns


def _end(ended: str) -> str:
    if ended not in _ENDS:
        raise ProviderError(ErrorKind.BAD_RESPONSE, f"The answer was broken off: '{ended}'")
    return _ENDS[ended]


def _usage(tokens: _Tokens | None) -> Usage | None:
    return None if tokens is None else Usage(prompt_tokens=tokens.read, completion_tokens=tokens.written)


@hookimpl
def llms_providers() -> Iterator[ProviderSpec]:
    """What is claimed here is tested, and what is not is never asked of the adapter."""
    yield ProviderSpec(
        name="$name",
        title="$title",
        adapter=$class_name,
        base_url="https://api.$name.example/v1",
        key_env=("$key_env",),
        capabilities=Capabilities(
            tools=False,
            json_schema=False,
            json_object=False,
            vision=False,
            audio=False,
            files=False,
            logprobs=False,
            n=False,
        ),
        wire="${module}_wire:WIRE",
    )
'''

_WIRE = '''"""The protocol by example: answers of $title's, and what each means.

The conformance suite plays them, and makes the faults of them.
"""

from llms_core import ErrorKind
from llms_core.testing.wire import Example, Failure, Meaning, Wire

WIRE = Wire(
    text=Example(
        whole={"reply": "Grüße, Welt! 🌍", "ended": "done", "tokens": {"read": 9, "written": 7}},
        events=[
            {"piece": "Grüße"},
            {"piece": ", Welt"},
            {"piece": "! 🌍"},
            {"ended": "done", "tokens": {"read": 9, "written": 7}},
        ],
        means=Meaning(text="Grüße, Welt! 🌍"),
        usage=(9, 7),
    ),
    length=Example(
        whole={"reply": "Grüße, We", "ended": "limit", "tokens": {"read": 9, "written": 2}},
        events=[
            {"piece": "Grüße"},
            {"piece": ", We"},
            {"ended": "limit", "tokens": {"read": 9, "written": 2}},
        ],
        means=Meaning(text="Grüße, We", finish_reason="length"),
        usage=(9, 2),
    ),
    empty=Example(
        whole={"reply": "", "ended": "done", "tokens": {"read": 9, "written": 0}},
        events=[{"ended": "done", "tokens": {"read": 9, "written": 0}}],
        means=Meaning(text=""),
        usage=(9, 0),
    ),
    blocked=Example(
        whole={"reply": "I", "ended": "filtered", "tokens": {"read": 9, "written": 1}},
        events=[{"piece": "I"}, {"ended": "filtered", "tokens": {"read": 9, "written": 1}}],
        means=Meaning(text="I", finish_reason="content_filter"),
        usage=(9, 1),
    ),
    failures=(
        Failure(400, {"error": {"code": "bad_setting", "message": "temperature is too high"}}),
        Failure(401, {"error": {"code": "who_are_you", "message": "This key is not known here"}}),
        Failure(404, {"error": {"code": "no_model", "message": "There is no such model"}}),
        Failure(429, {"error": {"code": "slow_down", "message": "Too many requests in this minute"}}),
        Failure(429, {"error": {"code": "credit_used_up", "message": "Your credit is used up"}}, ErrorKind.QUOTA),
        Failure(500, {"error": {"code": "broken", "message": "Something broke on our side"}}),
    ),
    stream_failures=({"error": {"code": "broken", "message": "Something broke on our side"}},),
    ignored=({"ping": 1},),
)
'''

FILES = {"$module.py": _ADAPTER, "${module}_wire.py": _WIRE}
