"""Templates of the modules of a plugin with a protocol of its own: an adapter, and its examples for the tests."""

from __future__ import annotations

from llms_core.cli.scaffold.kind import Kind
from llms_core.cli.scaffold.provider import CONFORMANCE_TEST, DESCRIPTION, USE

_ADAPTER = '''"""$title, whose API is not OpenAI's.

The protocol below is invented: replace it by the real one. An adapter consists of four pure functions. The gateway does
everything else: connections, deadlines, retries, cancellation, splitting streams into events, and protecting the key.

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

# OpenAI's role -> theirs. Messages with any other role are rejected.
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "model"}

# OpenAI's parameter -> theirs.
_SETTINGS = {"temperature": "temperature", "top_p": "top_p", "seed": "seed"}

# All parameters that `request` translates. Others are dropped, and reported to the client.
_TRANSLATED = {
    "model",
    "messages",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "n",
    *_SETTINGS,
}

# Their reason for the end of an answer -> OpenAI's finish_reason.
_FINISH_REASONS = {"done": "stop", "limit": "length", "filtered": "content_filter"}

# Error codes whose HTTP status alone does not tell what happened.
_ERROR_KINDS = {"credit_used_up": ErrorKind.QUOTA}

# What msgspec raises for bytes that are not the expected JSON: malformed, not UTF-8, or nested too deeply.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Tokens(msgspec.Struct):
    read: int
    written: int


class _Answer(msgspec.Struct):
    """A whole answer."""

    reply: str
    ended: str
    tokens: _Tokens | None = None


class _Event(msgspec.Struct):
    """One event of a stream: a piece of the reply, the end of the reply, or an error."""

    piece: str | None = None
    ended: str | None = None
    tokens: _Tokens | None = None
    error: Any = None


# A decoder is created once, because it compiles the struct's type.
_answer_decoder = msgspec.json.Decoder(_Answer)
_event_decoder = msgspec.json.Decoder(_Event)


class $class_name:
    """The adapter. The gateway creates one for each provider block in llms.json, from the block's settings."""

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings) -> None:
        self._settings = settings
        self._base_url = (settings.base_url or spec.base_url).rstrip("/")

    def request(self, call: ChatCall) -> UpstreamRequest:
        """Build the request. Raises Unsupported for what cannot be translated; the gateway tries the next provider."""
        body = {
            "model": call.upstream_model,
            "turns": _turns(call),
            "stream": call.stream,
            "settings": _generation_settings(call),
        }
        headers = {"content-type": "application/json", **self._settings.headers}
        if self._settings.api_key is not None:
            headers["authorization"] = f"Bearer {self._settings.api_key.reveal()}"
        return UpstreamRequest(
            url=f"{self._base_url}/generate",
            headers=headers,
            content=msgspec.json.encode(body),
            dropped=_dropped(call),
        )

    def completion(self, call: ChatCall, body: bytes) -> Completion:
        """Translate a whole answer."""
        try:
            answer = _answer_decoder.decode(body)
        except _UNREADABLE:
            # An error that is sent with status 200, or something that is not an answer at all.
            raise self.error(200, {}, body) from None
        return completion(
            call,
            content=answer.reply,
            finish_reason=_finish_reason(answer.ended),
            usage=_usage(answer.tokens),
        )

    def chunks(self, call: ChatCall) -> _ChunkTranslator:
        """Create a translator for one stream."""
        return _ChunkTranslator(self, call)

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """Classify an error. `classify` handles HTTP statuses, Retry-After and most shapes of error bodies."""
        error = classify(status, headers, body)
        error.kind = _ERROR_KINDS.get(error.code or "", error.kind)
        return error


class _ChunkTranslator:
    """Translates one stream. The gateway splits it into events, and checks that it is complete."""

    framing: Literal["sse"] = "sse"

    def __init__(self, adapter: $class_name, call: ChatCall) -> None:
        self._adapter = adapter
        self._chunks = Chunks(call)

    def feed(self, event: str, data: bytes) -> Iterator[Chunk]:
        """Yield the chunks of one event."""
        try:
            decoded = _event_decoder.decode(data)
        except _UNREADABLE as error:
            raise ProviderError(ErrorKind.BAD_RESPONSE, f"Cannot decode an event of the stream: {error}") from None
        if decoded.error is not None:
            raise self._adapter.error(200, {}, data)
        if decoded.piece:
            yield self._chunks.text(decoded.piece)
        if decoded.ended is not None:
            yield self._chunks.finish(_finish_reason(decoded.ended))
        usage = _usage(decoded.tokens)
        if usage is not None:
            yield self._chunks.usage(usage)


def _turns(call: ChatCall) -> list[dict[str, str]]:
    turns = []
    for message in call.request.messages:
        if message.role not in _ROLES:
            raise Unsupported(f"Messages with the role '{message.role}' are not supported", param="messages")
        turns.append({"from": _ROLES[message.role], "text": text_of(message.content)})
    return turns


def _generation_settings(call: ChatCall) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for ours, theirs in _SETTINGS.items():
        value = call.get(ours)
        if value is not None:
            settings[theirs] = value
    if call.request.token_limit is not None:
        settings["limit"] = call.request.token_limit
    stop = call.request.stop
    if stop is not None:
        # OpenAI accepts a single string as well as a list.
        settings["stop"] = [stop] if isinstance(stop, str) else stop
    return settings


def _dropped(call: ChatCall) -> tuple[str, ...]:
    """The parameters that are not translated; the client reads their names in x-llms-dropped-params."""
    unknown = call.members.keys() - _TRANSLATED
    return tuple(sorted(name for name in unknown if call.get(name) is not None))


def _finish_reason(ended: str) -> str:
    if ended not in _FINISH_REASONS:
        raise ProviderError(ErrorKind.BAD_RESPONSE, f"The answer was aborted: '{ended}'")
    return _FINISH_REASONS[ended]


def _usage(tokens: _Tokens | None) -> Usage | None:
    if tokens is None:
        return None
    return Usage(prompt_tokens=tokens.read, completion_tokens=tokens.written)


@hookimpl
def llms_providers() -> Iterator[ProviderSpec]:
    """Register the provider."""
    yield ProviderSpec(
        name="$name",
        title="$title",
        adapter=$class_name,
        base_url="https://api.$name.example/v1",
        key_env=("$key_env",),
        # The conformance suite tests what is claimed here. Requests that need anything else go to other providers.
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

_WIRE = '''"""Example answers of $title, and what each one means in OpenAI's terms.

The conformance suite sends them through the gateway: whole, as streams, damaged, cut off and delayed. Replace them by
answers that $title really sent.
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
    # Error answers. The kind is given only if the HTTP status does not imply it.
    failures=(
        Failure(400, {"error": {"code": "bad_setting", "message": "temperature is too high"}}),
        Failure(401, {"error": {"code": "invalid_key", "message": "The key is invalid"}}),
        Failure(404, {"error": {"code": "unknown_model", "message": "The model does not exist"}}),
        Failure(429, {"error": {"code": "slow_down", "message": "Too many requests per minute"}}),
        Failure(429, {"error": {"code": "credit_used_up", "message": "Your credit is used up"}}, ErrorKind.QUOTA),
        Failure(500, {"error": {"code": "internal", "message": "Internal error"}}),
    ),
    # Events that report an error after the stream has begun.
    stream_failures=({"error": {"code": "internal", "message": "Internal error"}},),
    # Events without content, such as pings.
    ignored=({"ping": 1},),
)
'''

NATIVE = Kind(
    files={
        "$module.py": _ADAPTER,
        "${module}_wire.py": _WIRE,
        "tests/test_$module.py": CONFORMANCE_TEST,
    },
    use=USE,
    next_step="""\
`$module.py` translates an invented protocol. Replace it by the protocol of $title, and the examples in
`${module}_wire.py` by answers that $title really sent; the tests use them.""",
    description=DESCRIPTION,
    imports_msgspec=True,
    is_provider=True,
)
