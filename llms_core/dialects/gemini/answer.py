"""A chat completion as a GenerateContentResponse: https://ai.google.dev/api/generate-content#generatecontentresponse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from llms_core.contracts.completion import Completion, Usage
from llms_core.contracts.request import ChatBody
from llms_core.dialects.gemini.candidate import CandidateWriter
from llms_core.dialects.gemini.usage import usage_metadata
from llms_core.dialects.gemini.views import Message, decode_answer
from llms_core.operations import Answer

Json = dict[str, Any]

_encode = msgspec.json.encode


class GeminiContent(msgspec.Struct):
    """The parts of an answer: texts, thoughts, calls of functions, images."""

    parts: list[dict[str, Any]]
    role: str = "model"


class GeminiCandidate(msgspec.Struct, rename="camel", kw_only=True):
    """One of the answers that were asked for. Only the last piece of a stream has a `finishReason`."""

    content: GeminiContent
    finish_reason: str | None = None
    index: int = 0


class GenerateContentResponse(msgspec.Struct, rename="camel", kw_only=True):
    """An answer, or a piece of a stream. `promptFeedback` tells why there is none."""

    candidates: list[GeminiCandidate] | None = None
    prompt_feedback: dict[str, Any] | None = None
    usage_metadata: dict[str, Any] | None = None
    model_version: str
    response_id: str


def encode_answer(answer: Answer, body: ChatBody) -> bytes:
    """Return a whole answer; Google's own as it is."""
    if isinstance(answer, Completion) and answer.native:
        return answer.data
    completion = decode_answer(answer.data)
    ended = []
    for choice in completion.choices:
        writer = CandidateWriter(choice.index)
        parts = writer.add(choice.message or Message(), choice.logprobs)
        writer.finish(choice.finish_reason)
        ended.append((writer, _joined(parts, writer.end())))
    return _encode(last_response(ended, answer.usage, completion.model, completion.id))


def last_response(
    ended: Sequence[tuple[CandidateWriter, list[Json]]],
    usage: Usage | None,
    model: str,
    response_id: str,
) -> Json:
    """Return the response with the ends of candidates, each with the parts that are written with it."""
    candidates = []
    for writer, parts in ended:
        if not writer.is_blocked_by_google:
            content = {"parts": parts or [{"text": ""}], "role": "model"}
            candidates.append({"content": content, "index": writer.index, **writer.members()})
    response: Json = {}
    if candidates:
        response["candidates"] = candidates
    feedback = _prompt_feedback(ended)
    if feedback is not None:
        response["promptFeedback"] = feedback
    if usage is not None:
        response["usageMetadata"] = usage_metadata(usage)
    return {**response, "modelVersion": model, "responseId": response_id}


def _prompt_feedback(ended: Sequence[tuple[CandidateWriter, list[Json]]]) -> Json | None:
    for writer, _ in ended:
        feedback = writer.prompt_feedback()
        if feedback is not None:
            return feedback
    return None


def _joined(parts: list[Json], held_back: list[Json]) -> list[Json]:
    """Return all parts of a whole answer. A signature after them belongs to its text, if there is one."""
    joined = [*parts, *held_back]
    if not joined or joined[-1].get("text") != "":
        return joined
    for part in reversed(joined):
        if part.get("text") and not part.get("thought") and "thoughtSignature" not in part:
            part["thoughtSignature"] = joined.pop()["thoughtSignature"]
            break
    return joined
