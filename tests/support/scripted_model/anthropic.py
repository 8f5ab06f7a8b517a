"""Anthropic's Messages."""

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
    tools = [Tool(tool["name"]) for tool in body.get("tools") or ()]
    conversation = Conversation(
        tools=tools, system=joined(block["text"] for block in _blocks(body.get("system")))
    )
    for message in body["messages"]:
        blocks = _blocks(message["content"])
        if message["role"] == "system":
            conversation.system += joined(block["text"] for block in blocks)
            continue
        turn = conversation.turn(message["role"])
        for block in blocks:
            _read_block(turn, block)
    return conversation


def _blocks(content: Any) -> list[Json]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return content or []


def _read_block(turn: Turn, block: Json) -> None:
    match block["type"]:
        case "text":
            turn.text = joined([turn.text, block["text"]])
        case "image":
            turn.images.append(bytes_of(block["source"]["data"]))
        case "thinking":
            turn.thoughts.append(Thought(block["thinking"], block["signature"]))
        case "tool_use":
            turn.calls.append(CallMade(block["id"], block["name"], block["input"]))
        case "tool_result":
            content = _blocks(block.get("content"))
            text = joined(part["text"] for part in content if part["type"] == "text")
            turn.results.append(Result(block["tool_use_id"], text))
            turn.images += [
                bytes_of(part["source"]["data"]) for part in content if part["type"] == "image"
            ]
        case other:
            raise ValueError(f"a block of the type {other}")


def refusal_of(thinking: Mapping[str, Any] | None, conversation: Conversation) -> str:
    """Return why Claude 4.5 would not think like this about the conversation; "" if it would."""
    if not thinking or thinking["type"] == "disabled":
        return ""
    if thinking["type"] == "adaptive":
        return "adaptive thinking is not supported on this model"
    before = conversation.turns[-2:-1]
    if any(turn.calls and not turn.thoughts for turn in before):
        return (
            "when thinking is enabled, a final assistant message must start with a thinking block"
        )
    return ""


def events(answer: NamedAnswer) -> Sequence[Event]:
    start = {**whole(answer), "content": [], "stop_reason": None}
    start["usage"] = {"input_tokens": answer.prompt_tokens, "output_tokens": 1}
    written: list[Event] = [_event("message_start", message=start), _event("ping")]
    for index, (block, deltas) in enumerate(_streamed_blocks(answer)):
        written.append(_event("content_block_start", index=index, content_block=block))
        written += [_event("content_block_delta", index=index, delta=delta) for delta in deltas]
        written.append(_event("content_block_stop", index=index))
    end = {"stop_reason": _stop_reason(answer), "stop_sequence": None}
    written.append(
        _event("message_delta", delta=end, usage={"output_tokens": answer.output_tokens})
    )
    return [*written, _event("message_stop")]


def _event(type: str, **members: Any) -> Event:
    return type, {"type": type, **members}


def _streamed_blocks(answer: NamedAnswer) -> list[tuple[Json, list[Json]]]:
    blocks: list[tuple[Json, list[Json]]] = []
    if answer.thinking:
        deltas: list[Json] = [
            {"type": "thinking_delta", "thinking": answer.thinking},
            {"type": "signature_delta", "signature": answer.signature},
        ]
        blocks.append(({"type": "thinking", "thinking": "", "signature": ""}, deltas))
    if answer.text:
        blocks.append(({"type": "text", "text": ""}, [{"type": "text_delta", "text": answer.text}]))
    for call in answer.calls:
        arguments = json.dumps(call.arguments)
        pieces = ("", arguments[:9], arguments[9:])
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        blocks.append(
            ({"type": "tool_use", "id": call.id, "name": call.tool.name, "input": {}}, deltas)
        )
    return blocks


def whole(answer: NamedAnswer) -> dict[str, Any]:
    content: list[Json] = []
    if answer.thinking:
        content.append(
            {"type": "thinking", "thinking": answer.thinking, "signature": answer.signature}
        )
    if answer.text:
        content.append({"type": "text", "text": answer.text})
    content += [
        {"type": "tool_use", "id": call.id, "name": call.tool.name, "input": call.arguments}
        for call in answer.calls
    ]
    return {
        "id": answer.id,
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": content,
        "stop_reason": _stop_reason(answer),
        "stop_sequence": None,
        "usage": {"input_tokens": answer.prompt_tokens, "output_tokens": answer.output_tokens},
    }


def _stop_reason(answer: NamedAnswer) -> str:
    return "tool_use" if answer.calls else "end_turn"


#: How the signatures of Claude begin, decoded.
CLAUDE_SIGNATURE = bytes.fromhex("12a4010a0218021224")

ANTHROPIC = Protocol(
    title="Anthropic Messages",
    provider="anthropic",
    model="claude-sonnet-4-5",
    framing="sse",
    read=read,
    events=events,
    whole=whole,
    refuses=lambda body, conversation: refusal_of(body.get("thinking"), conversation),
    signature_head=CLAUDE_SIGNATURE,
    base="/v1",
)
