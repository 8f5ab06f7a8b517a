"""Requests of Gemini's API as adapters get them, and the pieces of its streams."""

from __future__ import annotations

import json
from typing import Any

from llms_core.candidate import Candidate, Circuit
from llms_core.contracts.request import ChatCall
from llms_core.dialects import IncomingRequest
from llms_core.dialects.gemini.decode import decode_content, decode_stream
from llms_core.operations.chat import CHAT
from llms_core.provider import ProviderSettings, UpstreamRequest
from llms_core.testing.subject import Subject

Json = dict[str, Any]


def incoming(request: Any, *, query: bytes = b"", model: str = "m") -> IncomingRequest:
    """Return a request as its dialect gets it."""
    body = (
        request if isinstance(request, bytes) else json.dumps(request, ensure_ascii=False).encode()
    )
    return IncomingRequest(body, query=query, parameters={"model": model})


def chat_call(subject: Subject, request: Any, *, stream: bool = False, model: str = "") -> ChatCall:
    """Return the call that the subject's adapter gets. Raises RequestError and Unsupported, as for a client."""
    body = (decode_stream if stream else decode_content)(incoming(request, query=b"alt=sse"))
    candidate = Candidate(
        provider_id=subject.name,
        spec=subject.spec,
        settings=ProviderSettings(id=subject.name),
        adapter=subject.adapter,
        client_model=body.view.model,
        upstream_model=model or subject.wire.model,
        price=None,
        circuit=Circuit(),
        position=0,
        names=(body.view.model,),
        operations=frozenset({"chat"}),
        capabilities=frozenset(),
    )
    return CHAT.call(body, candidate, "0123456789abcdef01234567", 1_700_000_000)


def upstream_request(subject: Subject, request: Any, model: str = "") -> UpstreamRequest:
    """Return what the subject's adapter sends."""
    return CHAT.request(subject.adapter, chat_call(subject, request, model=model))


def pieces_of(content: bytes) -> list[Json]:
    """Return the pieces of a stream of events. Each has to be one line, as Google's SDKs read them."""
    found = []
    for event in content.decode().split("\n\n"):
        if event.strip():
            data = event.lstrip("\n")
            assert data.startswith("data: {")
            assert "\n" not in data
            found.append(json.loads(data.removeprefix("data: ")))
    return found


def parts_of(pieces: list[Json]) -> list[Json]:
    """Return all parts of the first candidate, with consecutive texts of a kind joined."""
    joined: list[Json] = []
    for piece in pieces:
        for candidate in piece.get("candidates", ()):
            if candidate["index"] == 0:
                for part in candidate["content"]["parts"]:
                    _append(joined, part)
    return joined


def _append(joined: list[Json], part: Json) -> None:
    if part == {"text": ""}:
        return
    before = joined[-1] if joined else {}
    is_text = "text" in part and "text" in before and "thoughtSignature" not in before
    if is_text and before.get("thought") == part.get("thought"):
        joined[-1] = {**before, **part, "text": before["text"] + part["text"]}
    else:
        joined.append(part)


def check_pieces(pieces: list[Json], *, complete: bool = True) -> None:
    """Check the order of a stream's pieces: only the last one ends candidates, and a broken stream ends none."""
    assert pieces
    for piece in pieces[:-1]:
        assert all("finishReason" not in candidate for candidate in piece.get("candidates", ()))
        assert "error" not in piece
        assert "usageMetadata" not in piece
    last = pieces[-1]
    if complete:
        ended = [candidate["finishReason"] for candidate in last.get("candidates", ())]
        assert ended or last["promptFeedback"]
    assert (
        len(
            {
                (piece["modelVersion"], piece["responseId"])
                for piece in pieces
                if "error" not in piece
            }
        )
        <= 1
    )
