"""Ollama's native chat API."""

from __future__ import annotations

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
    bytes_of,
    joined,
)
from scripted_model.protocol import Protocol

Json = dict[str, Any]


def read(body: Mapping[str, Any]) -> Conversation:
    tools = [Tool(tool["function"]["name"]) for tool in body.get("tools") or ()]
    conversation = Conversation(tools=tools)
    for message in body["messages"]:
        text = message.get("content") or ""
        if message["role"] == "system":
            conversation.system += text
            continue
        turn = conversation.turn("assistant" if message["role"] == "assistant" else "user")
        turn.images += [bytes_of(image) for image in message.get("images") or ()]
        if message.get("thinking"):
            turn.thoughts.append(Thought(message["thinking"]))
        for call in message.get("tool_calls") or ():
            function = call["function"]
            turn.calls.append(CallMade(call.get("id", ""), function["name"], function["arguments"]))
        if message["role"] == "tool":
            turn.results.append(Result(message.get("tool_call_id", ""), text))
        else:
            turn.text = joined([turn.text, text])
    return conversation


def events(answer: NamedAnswer) -> Sequence[Event]:
    messages: list[Json] = []
    if answer.thinking:
        messages.append({"thinking": answer.thinking})
    if answer.text:
        messages.append({"content": answer.text})
    messages += [{"tool_calls": [call]} for call in _calls(answer)]
    lines: list[Event] = [_line(answer, message) for message in messages]
    return [*lines, _last(answer, {})]


def whole(answer: NamedAnswer) -> Mapping[str, Any]:
    message: Json = {"content": answer.text}
    if answer.thinking:
        message["thinking"] = answer.thinking
    if answer.calls:
        message["tool_calls"] = _calls(answer)
    return _last(answer, message)


def _calls(answer: NamedAnswer) -> list[Json]:
    return [
        {
            "id": call.id,
            "function": {"index": index, "name": call.tool.name, "arguments": call.arguments},
        }
        for index, call in enumerate(answer.calls)
    ]


def _line(answer: NamedAnswer, message: Mapping[str, Any]) -> Json:
    return {
        "model": answer.model,
        "created_at": "2026-01-02T03:04:05.678901Z",
        "message": {"role": "assistant", "content": "", **message},
        "done": False,
    }


def _last(answer: NamedAnswer, message: Mapping[str, Any]) -> Json:
    counts = {"prompt_eval_count": answer.prompt_tokens, "eval_count": answer.output_tokens}
    # Calls have no reason of their own.
    return {
        **_line(answer, message),
        "done": True,
        "done_reason": "stop",
        "total_duration": 5_000_000,
        **counts,
    }


OLLAMA = Protocol(
    title="Ollama",
    provider="ollama",
    model="some-model:8b",
    framing="ndjson",
    read=read,
    events=events,
    whole=whole,
)
