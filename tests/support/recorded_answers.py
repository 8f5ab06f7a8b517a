"""Recorded answers of providers as the core reads them, ready to be written in any dialect."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from random import Random
from typing import Any, NamedTuple

from recordings import Recording, recordings

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.joined import joined
from llms_core.contracts.request import ChatBody, ChatCall
from llms_core.errors import ConfigError, ProviderError
from llms_core.openai_compatible import OpenAICompatible
from llms_core.operations import Answer
from llms_core.operations.chat import CHAT
from llms_core.provider import HttpAdapter
from llms_core.testing.subject import find
from llms_core.upstream.answer_format import read_answer
from llms_core.upstream.stream_decoder import StreamDecoder

Json = dict[str, Any]

PROTOCOLS = ("openai", "anthropic", "gemini", "bedrock", "cohere", "ollama")

#: The most places at which a stream is cut.
_MAX_CUTS = 30


class Meaning(NamedTuple):
    """What an answer says, whichever dialect says it."""

    text: str
    #: name and arguments
    calls: list[tuple[str, Json]]
    finish_reason: str


def whole_answers() -> list[Any]:
    """The recordings of whole answers of all protocols, as parameters."""
    return [
        each
        for name in PROTOCOLS
        for each in recordings(name, lambda it: it.status == 200 and not it.stream)
    ]


def streams() -> list[Any]:
    """The recordings of streams of all protocols, as parameters."""
    return [
        each
        for name in PROTOCOLS
        for each in recordings(name, lambda it: it.status == 200 and it.stream)
    ]


@cache
def _adapter(protocol: str, provider: str) -> HttpAdapter:
    if protocol != "openai":
        name = {"gemini": "google"}.get(protocol, protocol)
        return find("vertex" if provider == "vertex" else name, None).adapter
    try:
        adapter = find(provider, None).adapter
    except ConfigError:
        adapter = None
    # A provider without a preset, or with one for its own protocol.
    return (
        adapter
        if isinstance(adapter, OpenAICompatible)
        else find("openai-compatible", None).adapter
    )


def _call(recording: Recording, body: ChatBody) -> ChatCall:
    return ChatCall(
        body=body,
        upstream_model=recording.model,
        client_model=body.view.model,
        id="chatcmpl-1",
        created=1_700_000_000,
    )


def whole(recording: Recording, body: ChatBody) -> Answer | None:
    """Return a whole answer to a request; None if it is an error, in spite of its status."""
    adapter = _adapter(recording.protocol, recording.provider)
    try:
        return read_answer(CHAT, adapter, _call(recording, body), recording.body)
    except ProviderError:
        return None


def streamed(recording: Recording, body: ChatBody, *, is_split: bool) -> list[list[Chunk]] | None:
    """Return the chunks of a stream as they arrive together, and last what was held back; None if it is no answer."""
    if recording.body.startswith(b"["):
        # Gemini's stream as one JSON array, which is read whole.
        answer = whole(recording, body)
        return None if answer is None else [list(CHAT.as_chunks(answer))]
    adapter = _adapter(recording.protocol, recording.provider)
    decoder = StreamDecoder(CHAT.stream(adapter, _call(recording, body)))
    reader = decoder.reader
    pieces = split(recording) if is_split else [recording.body]
    batches = [decoder.feed(piece) for piece in pieces if not reader.finished]
    if not reader.finished:
        batches.append(decoder.feed(b""))
    if reader.failure is not None or not reader.complete:
        return None
    return [*filter(None, batches), reader.held_back()]


def split(recording: Recording) -> Iterator[bytes]:
    """Cut a stream at places that look arbitrary and are the same in each run."""
    body = recording.body
    random = Random(recording.id)
    inner = range(1, len(body))
    places = [0, *sorted(random.sample(inner, min(len(inner), _MAX_CUTS))), len(body)]
    for start, end in pairwise(places):
        yield body[start:end]


def meaning_of_chunks(batches: Sequence[Sequence[Chunk]]) -> Meaning:
    """Return what the chunks of a stream say."""
    return meaning_of(joined([chunk for batch in batches for chunk in batch]))


def meaning_of(completion: bytes) -> Meaning:
    """Return what a chat.completion says."""
    choice = json.loads(completion)["choices"][0]
    message = choice["message"]
    content = message.get("content") or ""
    if isinstance(content, list):
        content = "".join(part.get("text") or "" for part in content if part["type"] != "thinking")
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    return Meaning(
        content + (message.get("refusal") or ""),
        [(call["name"], json.loads(call["arguments"])) for call in calls],
        choice["finish_reason"],
    )
