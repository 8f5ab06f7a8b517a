"""Ready-made replies: JSON, HTML, OpenAI's errors, server-sent events and chat completions."""

from __future__ import annotations

import json
import re
import socket
import uuid
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import Any, cast

from llms_core.testing.upstream.script import Body, Chunk, Headers, Reply, Status
from llms_core.testing.upstream.seen import Seen

#: A fixed creation time (Unix seconds), so that two answers differ only where a test wants them to.
_CREATED = 1_700_000_000

_PROMPT_TOKENS = 9


def text_body(
    text: str, status: int = 200, headers: Headers | None = None, *, media: str = "text/plain"
) -> Reply:
    """Return a reply of plain text, or of another `media` type."""
    all_headers = {
        "content-type": f"{media}; charset=utf-8",
        **(headers or {}),
    }
    return Reply(Status(status, all_headers), Body(text.encode()))


def json_body(value: object, status: int = 200, headers: Headers | None = None) -> Reply:
    """Return a reply of JSON."""
    all_headers = {
        "content-type": "application/json",
        **(headers or {}),
    }
    return Reply(Status(status, all_headers), Body(_encode_json(value)))


def html(status: int = 502, headers: Headers | None = None) -> Reply:
    """Return the page that a proxy in front of a provider shows when the provider is unreachable."""
    phrase = HTTPStatus(status).phrase
    # Like nginx's error pages.
    page = (
        f"<html><head><title>{status} {phrase}</title></head><body><h1>{phrase}</h1></body></html>"
    )
    return text_body(page, status, headers, media="text/html")


def error(
    status: int,
    message: str = "The scripted fault",
    headers: Headers | None = None,
    **fields: object,
) -> Reply:
    """Return an error in OpenAI's format; `fields` are further members of the error object, such as `code`."""
    kind = "invalid_request_error"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        kind = "server_error"
    details = {
        "message": message,
        "type": kind,
        "param": None,
        "code": None,
        **fields,
    }
    return json_body({"error": details}, status, headers)


def events(
    *data: Mapping[str, object] | str | bytes, status: int = 200, headers: Headers | None = None
) -> Reply:
    """Return a stream of server-sent events, one chunk each.

    A mapping becomes the JSON of a `data:` field and a string becomes its text. Bytes are sent unchanged, so that a
    test can write comments, other line endings and malformed events. `[DONE]` is sent only if `data` contains it.
    """
    all_headers = {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache",
        **(headers or {}),
    }
    chunks = [Chunk(_encode_event(payload)) for payload in data]
    return Reply(Status(status, all_headers), *chunks)


def completion(text: str = "Hello!", *, finish_reason: str = "stop", **changes: object) -> Reply:
    """Return a chat completion of `text`: JSON, or a stream if the request asks for one.

    A stream consists of one chunk for the role, one for each word, one for the finish reason, one for the usage if the
    request has `stream_options.include_usage`, and `[DONE]`. `changes` add or replace members of the JSON (and of
    every chunk). `model` is the request's unless changed.
    """

    def answer(seen: Seen) -> Reply:
        answered = _Completion(text, finish_reason, seen.json, changes)
        if seen.json.get("stream"):
            return answered.as_stream()
        return answered.as_json()

    return Reply(answer)


class _Completion:
    """A chat completion that answers one request, in either of its two forms."""

    def __init__(
        self,
        text: str,
        finish_reason: str,
        request: Mapping[str, Any],
        changes: Mapping[str, object],
    ):
        self._text = text
        self._finish_reason = finish_reason
        self._request = request
        # One token a word, with the white space before it, so that joined words give the text.
        self._words = re.findall(r"\s*\S+|\s+", text)
        self._usage = changes.get("usage", self._count_tokens())
        self._envelope: dict[str, object] = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "created": _CREATED,
            "model": request.get("model", "m"),
            **changes,
        }
        # Only the last chunk of a stream has usage, so it is not a member of every chunk.
        self._envelope.pop("usage", None)

    def _count_tokens(self) -> dict[str, int]:
        return {
            "prompt_tokens": _PROMPT_TOKENS,
            "completion_tokens": len(self._words),
            "total_tokens": _PROMPT_TOKENS + len(self._words),
        }

    def as_json(self) -> Reply:
        """The completion as one JSON object."""
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": self._text},
            "finish_reason": self._finish_reason,
        }
        return json_body(
            {
                "object": "chat.completion",
                "choices": [choice],
                "usage": self._usage,
                **self._envelope,
            }
        )

    def as_stream(self) -> Reply:
        """The completion as a stream of chunks."""
        chunks = [self._chunk({"role": "assistant", "content": ""})]
        chunks += [self._chunk({"content": word}) for word in self._words]
        chunks.append(self._chunk({}, self._finish_reason))
        stream_options = self._request.get("stream_options") or {}
        if stream_options.get("include_usage"):
            chunks.append({**self._chunk({}), "choices": [], "usage": self._usage})
        return events(*chunks, "[DONE]")

    def _chunk(
        self, delta: Mapping[str, object], finish_reason: str | None = None
    ) -> dict[str, object]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return {
            "object": "chat.completion.chunk",
            "choices": [choice],
            **self._envelope,
        }


@cache
def refused_base_url() -> str:
    """Return the base URL of a port that refuses every connection.

    The port stays reserved, so no other process can start listening on it while this one runs.
    """
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = cast(int, holder.getsockname()[1])
        # The descriptor stays open until the process ends: bound, and never listening.
        holder.detach()
    return f"http://127.0.0.1:{port}/v1"


def _encode_json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _encode_event(payload: Mapping[str, object] | str | bytes) -> bytes:
    if isinstance(payload, bytes):
        return payload
    data = payload.encode() if isinstance(payload, str) else _encode_json(payload)
    return b"data: " + data + b"\n\n"
