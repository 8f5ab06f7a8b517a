"""Gemini's `generateContent`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from llms_core.testing.wire import Event
from scripted_model.answers import NamedAnswer
from scripted_model.conversation import (
    CallMade,
    Conversation,
    Result,
    Thought,
    Tool,
    Turn,
    bytes_of,
    joined,
)
from scripted_model.protocol import Protocol

Json = dict[str, Any]


def read(body: Mapping[str, Any]) -> Conversation:
    declared = [
        each for tool in body.get("tools") or () for each in tool.get("functionDeclarations") or ()
    ]
    instruction = body.get("systemInstruction") or {"parts": []}
    conversation = Conversation(
        tools=[Tool(function["name"]) for function in declared],
        system=joined(part["text"] for part in instruction["parts"]),
    )
    for content in body["contents"]:
        turn = conversation.turn("assistant" if content["role"] == "model" else "user")
        for part in content["parts"]:
            _read_part(turn, part)
    return conversation


def _read_part(turn: Turn, part: Json) -> None:
    match part:
        case {"text": str(text), "thought": True}:
            turn.thoughts.append(Thought(text, part.get("thoughtSignature", "")))
        case {"text": str(text)}:
            turn.text = joined([turn.text, text.strip()])
            if "thoughtSignature" in part:
                turn.thoughts.append(Thought("", part["thoughtSignature"]))
        case {"inlineData": {"data": str(data)}}:
            turn.images.append(bytes_of(data))
        case {"functionCall": dict(call)}:
            signature = part.get("thoughtSignature", "")
            turn.calls.append(
                CallMade(call.get("id", ""), call["name"], call.get("args", {}), signature)
            )
        case {"functionResponse": dict(result)}:
            turn.results.append(Result(result.get("id", ""), _text_of(result["response"])))
            for inner in result.get("parts") or ():
                _read_part(turn, inner)
        case other:
            raise ValueError(f"a part with {list(other)}")


def _text_of(response: Mapping[str, Any]) -> str:
    """A result is a JSON object; text that is none is a member of one."""
    match response:
        case {"output": str(text)} | {"error": str(text)} if len(response) == 1:
            return text
    return json.dumps(response, ensure_ascii=False)


def events(answer: NamedAnswer) -> Sequence[Event]:
    written: list[Event] = [_answer(answer, 0, _candidate(part)) for part in _parts(answer)]
    last = {**_candidate({"text": ""}), "finishReason": "STOP"}
    return [*written, _answer(answer, answer.output_tokens, last)]


def whole(answer: NamedAnswer) -> Mapping[str, Any]:
    return _answer(
        answer, answer.output_tokens, {**_candidate(*_parts(answer)), "finishReason": "STOP"}
    )


def _parts(answer: NamedAnswer) -> list[Json]:
    parts: list[Json] = []
    if answer.thinking:
        parts.append({"text": answer.thinking, "thought": True})
    if answer.text:
        parts.append({"text": answer.text})
    parts += [
        {"functionCall": {"id": call.id, "name": call.tool.name, "args": call.arguments}}
        for call in answer.calls
    ]
    if answer.calls:
        # Only the first of parallel calls is signed.
        parts[-len(answer.calls)]["thoughtSignature"] = answer.signature
    return parts


def _candidate(*parts: Json) -> Json:
    return {"content": {"role": "model", "parts": parts}, "index": 0}


def _answer(answer: NamedAnswer, output_tokens: int, candidate: Json) -> Json:
    usage = {
        "promptTokenCount": answer.prompt_tokens,
        "candidatesTokenCount": output_tokens,
        "totalTokenCount": answer.prompt_tokens + output_tokens,
    }
    members = {"usageMetadata": usage, "modelVersion": answer.model, "responseId": answer.id}
    return {"candidates": [candidate], **members}


GEMINI = Protocol(
    title="Gemini",
    provider="google",
    model="gemini-3-flash-preview",
    framing="sse",
    read=read,
    events=events,
    whole=whole,
    # The summary of its thoughts is for people; what it needs back are the signatures.
    returns_thinking=False,
    signature_head=bytes.fromhex("0a2401"),
    base="/v1beta",
)
