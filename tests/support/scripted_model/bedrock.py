"""Bedrock's Converse."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from llms_core.testing.wire import Event
from scripted_model.answers import NamedAnswer
from scripted_model.anthropic import CLAUDE_SIGNATURE, refusal_of
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
    offered = (body.get("toolConfig") or {}).get("tools") or ()
    conversation = Conversation(
        tools=[Tool(tool["toolSpec"]["name"]) for tool in offered if "toolSpec" in tool],
        system=joined(block.get("text", "") for block in body.get("system") or ()),
    )
    for message in body["messages"]:
        turn = conversation.turn(message["role"])
        for block in message["content"]:
            _read_block(turn, block)
    return conversation


def _read_block(turn: Turn, block: Json) -> None:
    match block:
        case {"text": str(text)}:
            turn.text = joined([turn.text, text.strip()])
        case {"image": {"source": {"bytes": str(data)}}}:
            turn.images.append(bytes_of(data))
        case {"reasoningContent": {"reasoningText": dict(reasoning)}}:
            turn.thoughts.append(Thought(reasoning["text"], reasoning.get("signature", "")))
        case {"toolUse": {"toolUseId": str(id), "name": str(name), "input": arguments}}:
            turn.calls.append(CallMade(id, name, arguments))
        case {"toolResult": {"toolUseId": str(id), "content": list(content)}}:
            turn.results.append(Result(id, joined(_text_of(part) for part in content)))
            turn.images += [
                bytes_of(part["image"]["source"]["bytes"]) for part in content if "image" in part
            ]
        case {"cachePoint": _}:
            pass
        case other:
            raise ValueError(f"a block with {list(other)}")


def _text_of(part: Mapping[str, Any]) -> str:
    if "json" in part:
        return json.dumps(part["json"], ensure_ascii=False)
    text: str = part.get("text", "")
    return text


def events(answer: NamedAnswer) -> Sequence[Event]:
    written: list[Event] = [("messageStart", {"role": "assistant"})]
    for index, (start, deltas) in enumerate(_streamed_blocks(answer)):
        if start:
            written.append(("contentBlockStart", {"contentBlockIndex": index, "start": start}))
        written += [
            ("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}) for delta in deltas
        ]
        written.append(("contentBlockStop", {"contentBlockIndex": index}))
    return [
        *written,
        ("messageStop", {"stopReason": _stop_reason(answer)}),
        ("metadata", _end(answer)),
    ]


def _streamed_blocks(answer: NamedAnswer) -> list[tuple[Json, list[Json]]]:
    blocks: list[tuple[Json, list[Json]]] = []
    if answer.thinking:
        deltas: list[Json] = [{"text": answer.thinking}, {"signature": answer.signature}]
        blocks.append(({}, [{"reasoningContent": delta} for delta in deltas]))
    if answer.text:
        blocks.append(({}, [{"text": answer.text}]))
    for call in answer.calls:
        arguments = json.dumps(call.arguments)
        pieces = ("", arguments[:9], arguments[9:])
        start = {"toolUse": {"toolUseId": call.id, "name": call.tool.name}}
        blocks.append((start, [{"toolUse": {"input": piece}} for piece in pieces]))
    return blocks


def whole(answer: NamedAnswer) -> Mapping[str, Any]:
    content: list[Json] = []
    if answer.thinking:
        reasoning = {"text": answer.thinking, "signature": answer.signature}
        content.append({"reasoningContent": {"reasoningText": reasoning}})
    if answer.text:
        content.append({"text": answer.text})
    content += [
        {"toolUse": {"toolUseId": call.id, "name": call.tool.name, "input": call.arguments}}
        for call in answer.calls
    ]
    message = {"role": "assistant", "content": content}
    return {"output": {"message": message}, "stopReason": _stop_reason(answer), **_end(answer)}


def _stop_reason(answer: NamedAnswer) -> str:
    return "tool_use" if answer.calls else "end_turn"


def _end(answer: NamedAnswer) -> Json:
    prompt, output = answer.prompt_tokens, answer.output_tokens
    usage = {"inputTokens": prompt, "outputTokens": output, "totalTokens": prompt + output}
    return {"usage": usage, "metrics": {"latencyMs": 9}}


def _thinking(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return (body.get("additionalModelRequestFields") or {}).get("thinking")


BEDROCK = Protocol(
    title="Bedrock Converse",
    provider="bedrock",
    model="us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    framing="aws",
    read=read,
    events=events,
    whole=whole,
    refuses=lambda body, conversation: refusal_of(_thinking(body), conversation),
    signature_head=CLAUDE_SIGNATURE,
    settings={"region": "us-west-2"},
)
