"""The base of every provider that speaks OpenAI's JSON.

Subclass it and register a ProviderSpec, or register a spec with `adapter=OpenAICompatible` and no code at all.
What passes through keeps every member as the provider wrote it; only what OpenAI's contract fixes is mended.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec
from msgspec import Raw
from msgspec.structs import astuple

from llms_core.contracts.chunk import Chunk, ChunkChoice, ChunkView, TextChunk, is_set
from llms_core.contracts.completion import Completion, CompletionView, PlainCompletion, Usage, usage
from llms_core.contracts.request import ChatCall
from llms_core.errors import ErrorKind, ProviderError
from llms_core.failure import classify
from llms_core.openai_compatible.normalize import ChunkMender, is_odd, mended
from llms_core.provider import Headers, ProviderSettings, ProviderSpec, UpstreamRequest

Members = dict[str, Raw]
_members = msgspec.json.Decoder(Members)
_plain = msgspec.json.Decoder(PlainCompletion)
_completion = msgspec.json.Decoder(CompletionView)
_chunk = msgspec.json.Decoder(ChunkView)
_text = msgspec.json.Decoder(TextChunk)
_encode = msgspec.json.encode
_NULL, _EMPTY = b"null", Raw()
_COMPLETION, _CHUNK = Raw(b'"chat.completion"'), Raw(b'"chat.completion.chunk"')
_WITH_USAGE = Raw(b'{"include_usage":true}')


class OpenAICompatible:
    """Speaks OpenAI's chat completions with one provider. Every method may be overridden."""

    def __init__(self, spec: ProviderSpec, settings: ProviderSettings):
        self.spec, self.settings = spec, settings
        self.base_url = (settings.base_url or spec.base_url).rstrip("/")
        self.api_key = settings.api_key

    def headers(self) -> dict[str, str]:
        """Headers of every request; the key goes here and nowhere else."""
        headers = {"content-type": "application/json", **self.settings.headers}
        if self.api_key is not None:
            headers["authorization"] = f"Bearer {self.api_key.reveal()}"
        return headers

    def request(self, call: ChatCall) -> UpstreamRequest:
        """The client's members as they are, but for the model and the spec's renames and drops."""
        members = call.body.copy_members()
        dropped: tuple[str, ...] = ()
        if self.spec.drop:
            dropped = tuple(name for name in sorted(self.spec.drop.intersection(members)) if _says(members.pop(name)))
        for name, theirs in self.spec.rename.items():
            if name in members and (_says(value := members.pop(name)) or theirs not in members):
                members[theirs] = value
        members["model"] = Raw(_encode(call.upstream_model))
        if call.stream and self.spec.capabilities.stream_usage:
            members["stream_options"] = _with_usage(members.get("stream_options", _EMPTY))
        return UpstreamRequest(
            url=f"{self.base_url}/chat/completions", headers=self.headers(), content=_encode(members), dropped=dropped
        )

    def completion(self, call: ChatCall, body: bytes) -> Completion:
        """The provider's completion with the model's local name, mended where it departs from OpenAI's contract."""
        try:
            members = _members.decode(body)
            body.decode()  # what stays raw is not checked for UTF-8 by msgspec
            counts = self._mended(call, body, members)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._not_a_completion(body, str(error)) from None
        members["model"] = Raw(_encode(call.client_model))
        members["object"] = _COMPLETION
        return Completion(_encode(members), counts)

    def _mended(self, call: ChatCall, body: bytes, members: Members) -> Usage | None:
        """Mend the members of a completion in place; its usage."""
        try:
            plain = _plain.decode(body).usage
        except (msgspec.DecodeError, UnicodeDecodeError):
            view = _completion.decode(body)
        else:
            return None if plain is None else Usage(*astuple(plain))
        if is_set(view.error):
            raise self.error(200, {}, body)
        if not view.choices:
            raise self._not_a_completion(body, "it has no choices")
        if not _is_text(view.id):
            members["id"] = Raw(_encode(call.id))
        if not _is_timestamp(view.created):
            members["created"] = Raw(_encode(_timestamp(view.created, call.created)))
        if any(map(is_odd, view.choices)):
            members["choices"] = Raw(_encode(mended(members["choices"], _stem(call))))
        counts = usage(view.usage)
        if counts is not None:
            members["usage"] = _with_total(view.usage, counts)
        return counts

    def chunks(self, call: ChatCall) -> OpenAIChunks:
        """A translator for one stream."""
        return OpenAIChunks(self, call)

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """What the provider's error answer means."""
        return classify(status, headers, body)

    def models_request(self) -> UpstreamRequest:
        """Ask for the provider's models."""
        return UpstreamRequest(method="GET", url=f"{self.base_url}/models", headers=self.headers())

    def models(self, body: bytes) -> dict[str, str]:
        """The ids of `GET /models`, each under its own name."""
        try:
            listed = msgspec.json.decode(body)
            entries = listed if isinstance(listed, list) else listed["data"]
            return {str(entry["id"]): str(entry["id"]) for entry in entries}
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
            raise ProviderError(ErrorKind.BAD_RESPONSE, f"The list of models makes no sense: {error}") from None

    def _not_a_completion(self, body: bytes, why: str) -> ProviderError:
        found = self.error(200, {}, body)
        if found.kind is not ErrorKind.BAD_RESPONSE:
            return found
        return ProviderError(ErrorKind.BAD_RESPONSE, f"The answer is not a chat completion: {why}", status=200)


class OpenAIChunks:
    """Chunks of one stream, passed on as they are but for id, created and model, which stay the same throughout.

    Nearly every chunk begins like the one before, up to its choices: that opening is read once, and put in its place.
    """

    framing: Literal["sse"] = "sse"

    def __init__(self, adapter: OpenAICompatible, call: ChatCall):
        self._adapter, self._name, self._call = adapter, Raw(_encode(call.client_model)), call
        self._id = self._created = _EMPTY
        self._mender = ChunkMender(_stem(call))
        self._ended = False
        self._opening: bytes | None = None  # the provider's
        self._ours = b""  # what takes its place

    def feed(self, event: str, data: bytes) -> Iterable[Chunk]:
        """One event's chunk; usage that came along with choices becomes a chunk of its own."""
        if self._opening is not None and not event and data.startswith(self._opening):
            chunk = self._text(data[len(self._opening) :])
            if chunk is not None:
                return (chunk,)
        try:
            view = _chunk.decode(data)
            members = _members.decode(data)
            data.decode()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ProviderError(ErrorKind.BAD_RESPONSE, f"A chunk of the stream makes no sense: {error}") from None
        if event == "error" or is_set(view.error):
            raise self._adapter.error(200, {}, data)
        if view.choices is None:
            if "choices" not in members and len(view.usage) == 0:
                raise ProviderError(ErrorKind.BAD_RESPONSE, "A chunk of the stream has no choices")
            view.choices = []
            members["choices"] = Raw(b"[]")
        chunks = list(self._translated(view, members, view.choices))
        if view.choices and not is_set(view.usage) and (self._opening is None or not data.startswith(self._opening)):
            self._learn(data, members)
        return chunks

    def _text(self, rest: bytes) -> Chunk | None:
        """The chunk whose choices and what follows them are `rest`; None where it is more than a piece of text."""
        try:
            choice = _text.decode(b'{"choices":' + rest).choices[0]
            rest.decode()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        index = choice.index
        if not self._mender.has_begun(index):
            return None
        return Chunk(self._ours + rest, choice.delta.bears_content(), (index,))

    def _learn(self, data: bytes, members: Members) -> None:
        """Keep how a chunk begins, where it says neither usage nor a failure before its choices."""
        opening, found, _ = data.partition(b'"choices":')
        opening += found
        try:
            before = _members.decode(opening + b"0}")
        except (msgspec.DecodeError, RecursionError):
            return
        before.pop("choices", None)
        if not (is_set(before.get("usage", _EMPTY)) or is_set(before.get("error", _EMPTY))):
            said = {name: members[name] for name in (*before, "id", "created", "model", "object")}
            self._opening, self._ours = opening, _encode(said)[:-1] + b',"choices":'

    def _translated(self, view: ChunkView, members: Members, choices: list[ChunkChoice]) -> Iterator[Chunk]:
        self._identify(members)
        counted = _with_total(view.usage, usage(view.usage)) if is_set(view.usage) else None
        if counted is not None and choices:
            del members["usage"]
        if choices:
            mended = self._mender.mended(choices, members["choices"])
            if mended is not None:
                members["choices"] = Raw(_encode(mended))
            ended = tuple(choice.index for choice in choices if choice.finish_reason)
            self._ended = self._ended or bool(ended)
            yield Chunk(
                data=_encode(members),
                content=any(choice.delta is not None and choice.delta.bears_content() for choice in choices),
                begun=tuple(choice.index for choice in choices),
                ended=ended,
            )
        if counted is not None:
            members["choices"], members["usage"] = Raw(b"[]"), counted
            yield Chunk(data=_encode(members), usage=True)
        elif not choices:
            # What comes on its own after the end, as OpenAI's `moderation` does, is a part of the answer.
            yield Chunk(data=_encode(members), content=self._ended)

    def _identify(self, members: Members) -> None:
        """Give a chunk the id and created of the stream's first, and the client's name of the model."""
        if not self._id:
            own, created = members.get("id", _EMPTY), members.get("created", _EMPTY)
            self._id = own if _is_text(own) else Raw(_encode(self._call.id))
            stamp = _is_timestamp(created)
            self._created = created if stamp else Raw(_encode(_timestamp(created, self._call.created)))
        members["id"], members["created"], members["model"] = self._id, self._created, self._name
        members["object"] = _CHUNK


def _stem(call: ChatCall) -> str:
    """How ids of tool calls begin where the provider gives none; OpenAI takes ids of up to 40 characters back."""
    return f"call_{call.id.removeprefix('chatcmpl-')}"


def _says(value: Raw) -> bool:
    """Whether a member is more than `null`, which is absent (SR-027)."""
    return bytes(value) != _NULL


def _is_text(value: Raw) -> bool:
    return len(value) > 2 and bytes(value).startswith(b'"')


def _is_timestamp(created: Raw) -> bool:
    """Whether it is in whole seconds of this century already."""
    return len(created) == 10 and bytes(created).isdigit()


def _with_total(said: Raw, counts: Usage | None) -> Raw:
    """Usage as the provider wrote it, with the total where it left that out (SR-049)."""
    if counts is None or b'"total_tokens"' in bytes(said):
        return said
    return Raw(_encode({**_members.decode(said), "total_tokens": counts.total_tokens}))


def _timestamp(created: Raw, fallback: int) -> int:
    """`created` as whole Unix seconds, where the provider wrote it as a float or in milliseconds."""
    try:
        value = float(bytes(created).strip(b'"'))
    except ValueError:
        return fallback
    return int(value / 1000 if value > 1e11 else value) if value >= 1 else fallback


def _with_usage(options: Raw) -> Raw:
    """The client's stream_options, with include_usage on."""
    if len(options) == 0 or bytes(options) == _NULL:
        return _WITH_USAGE
    return Raw(_encode({**_members.decode(options), "include_usage": Raw(b"true")}))


OPENAI_COMPATIBLE = ProviderSpec(
    name="openai-compatible",
    title="A server that speaks OpenAI's JSON",
    docs="https://platform.openai.com/docs/api-reference/chat",
    adapter=OpenAICompatible,
    needs_key=False,
    # The names in files of llms.py: those of version 2, then those of versions 3 and 4.
    aliases=(
        "OpenAiProvider",
        "OpenAiCompatible",
        "openai_compatible",
        "@ai-sdk/openai-compatible",
        "llms-sdk-provider",
    ),
)
"""The type of any OpenAI-compatible server. It is available even if no plugin is."""
