"""OpenAI's chat completions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
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


def read(body: Mapping[str, Any]) -> Conversation:
    tools = [Tool(tool["function"]["name"]) for tool in body.get("tools") or ()]
    conversation = Conversation(tools=tools)
    for message in body["messages"]:
        text, images = _content(message.get("content"))
        match message["role"]:
            case "system" | "developer":
                conversation.system += text
            case "user":
                _add(conversation.turn("user"), text, images)
            case "tool":
                turn = conversation.turn("user")
                turn.results.append(Result(message["tool_call_id"], text))
                turn.images += images
            case "assistant":
                turn = conversation.turn("assistant")
                if message.get("reasoning_content"):
                    turn.thoughts.append(Thought(message["reasoning_content"]))
                turn.calls += map(_call, message.get("tool_calls") or ())
                _add(turn, text, images)
    return conversation


def _add(turn: Turn, text: str, images: Iterable[bytes]) -> None:
    turn.text = joined([turn.text, text])
    turn.images += images


def _content(content: Any) -> tuple[str, list[bytes]]:
    if not isinstance(content, list):
        return content or "", []
    texts = [part["text"] for part in content if part["type"] == "text"]
    images = [bytes_of(part["image_url"]["url"]) for part in content if part["type"] == "image_url"]
    return joined(texts), images


def _call(call: Mapping[str, Any]) -> CallMade:
    function = call["function"]
    return CallMade(call["id"], function["name"], json.loads(function["arguments"]))


def events(answer: NamedAnswer) -> Sequence[Event]:
    """The fragments of parallel calls interleave, which OpenAI's protocol allows."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if answer.thinking:
        deltas.append({"reasoning_content": answer.thinking})
    if answer.text:
        deltas.append({"content": answer.text})
    starts = []
    halves: list[list[dict[str, Any]]] = [[], []]
    for index, call in enumerate(answer.calls):
        function = {"name": call.tool.name, "arguments": ""}
        starts.append({"index": index, "id": call.id, "type": "function", "function": function})
        arguments = json.dumps(call.arguments)
        for pieces, piece in zip(halves, (arguments[:9], arguments[9:]), strict=True):
            pieces.append({"index": index, "function": {"arguments": piece}})
    deltas += [{"tool_calls": [fragment]} for fragment in (*starts, *halves[0], *halves[1])]
    chunks: list[Event] = [
        _chunk(answer, {"index": 0, "delta": delta, "finish_reason": None}) for delta in deltas
    ]
    chunks.append(
        _chunk(answer, {"index": 0, "delta": {}, "finish_reason": _finish_reason(answer)})
    )
    return [*chunks, {**_chunk(answer), "usage": _usage(answer)}, "[DONE]"]


def _chunk(answer: NamedAnswer, *choices: Mapping[str, Any]) -> dict[str, Any]:
    envelope = {
        "id": answer.id,
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": answer.model,
    }
    return {**envelope, "choices": choices}


def whole(answer: NamedAnswer) -> Mapping[str, Any]:
    calls = []
    for call in answer.calls:
        function = {"name": call.tool.name, "arguments": json.dumps(call.arguments)}
        calls.append({"id": call.id, "type": "function", "function": function})
    message: dict[str, Any] = {"role": "assistant", "content": answer.text}
    if answer.thinking:
        message["reasoning_content"] = answer.thinking
    if calls:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "finish_reason": _finish_reason(answer)}
    return {**_chunk(answer, choice), "object": "chat.completion", "usage": _usage(answer)}


def _finish_reason(answer: NamedAnswer) -> str:
    return "tool_calls" if answer.calls else "stop"


def _usage(answer: NamedAnswer) -> dict[str, int]:
    prompt, output = answer.prompt_tokens, answer.output_tokens
    return {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}


OPENAI_CHAT = Protocol(
    title="OpenAI chat completions",
    provider="openai-compatible",
    model="vendor/some-model",
    framing="sse",
    read=read,
    events=events,
    whole=whole,
    base="/v1",
)
