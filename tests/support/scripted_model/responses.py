"""OpenAI's Responses API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llms_core.testing.wire import Event
from scripted_model.answers import NamedAnswer, NamedCall
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
    conversation = Conversation(system=body.get("instructions") or "")
    conversation.tools += _tools(body.get("tools") or ())
    for item in body["input"]:
        _read_item(conversation, item)
    return conversation


def _tools(tools: Sequence[Json], namespace: str = "") -> Iterator[Tool]:
    for tool in tools:
        match tool:
            case {"type": "namespace", "name": str(name), "tools": list(inner)}:
                yield from _tools(inner, name)
            case {"type": "function" | "custom" as kind, "name": str(name)}:
                yield Tool(_full(name, namespace), kind, namespace)
            case {"type": "tool_search"}:
                yield Tool("tool_search", "tool_search")


def _full(name: str, namespace: str | None) -> str:
    return f"{namespace}__{name}" if namespace else name


def _read_item(conversation: Conversation, item: Json) -> None:
    match item.get("type", "message"):
        case "message":
            _read_message(conversation, item)
        case "reasoning":
            text = joined(part["text"] for part in item["summary"])
            thought = Thought(text, item.get("encrypted_content") or "")
            conversation.turn("assistant").thoughts.append(thought)
        case "function_call" | "custom_tool_call" | "tool_search_call":
            conversation.turn("assistant").calls.append(_call(item))
        case "function_call_output" | "custom_tool_call_output":
            text, images = _content(item["output"])
            turn = conversation.turn("user")
            turn.results.append(Result(item["call_id"], text))
            turn.images += images
        case "tool_search_output":
            found = list(_tools(item["tools"]))
            conversation.tools += found
            text = joined(tool.name for tool in found)
            conversation.turn("user").results.append(Result(item["call_id"], text))
        case other:
            raise ValueError(f"an item of the type {other}")


def _read_message(conversation: Conversation, item: Json) -> None:
    text, images = _content(item["content"])
    if item["role"] in ("system", "developer"):
        conversation.system += text
        return
    turn = conversation.turn(item["role"])
    turn.text = joined([turn.text, text])
    turn.images += images


def _content(content: Any) -> tuple[str, list[bytes]]:
    if isinstance(content, str):
        return content, []
    texts = [part["text"] for part in content if part["type"] in ("input_text", "output_text")]
    images = [bytes_of(part["image_url"]) for part in content if part["type"] == "input_image"]
    return joined(texts), images


def _call(item: Json) -> CallMade:
    name = item.get("name", "tool_search")
    match item:
        case {"type": "function_call", "arguments": str(arguments)}:
            return CallMade(
                item["call_id"], _full(name, item.get("namespace")), json.loads(arguments)
            )
        case {"type": "custom_tool_call", "input": str(text)}:
            return CallMade(item["call_id"], _full(name, item.get("namespace")), {"input": text})
    return CallMade(item["call_id"], name, item["arguments"])


def events(answer: NamedAnswer) -> Sequence[Event]:
    response = whole(answer)
    opening = {**response, "status": "in_progress", "output": [], "usage": None}
    written: list[Json] = [
        {"type": "response.created", "response": opening},
        {"type": "response.in_progress", "response": opening},
    ]
    for index, item in enumerate(response["output"]):
        written += [{**event, "output_index": index} for event in _item_events(item)]
    written.append({"type": "response.completed", "response": response})
    return [
        (event["type"], {**event, "sequence_number": number})
        for number, event in enumerate(written)
    ]


def _item_events(item: Json) -> Iterator[Json]:
    yield {
        "type": "response.output_item.added",
        "item": {**item, "status": "in_progress", **_empty(item)},
    }
    match item["type"]:
        case "reasoning":
            yield from _part_events(
                item, "reasoning_summary", item["summary"][0], {"summary_index": 0}
            )
        case "message":
            yield from _part_events(item, "content", item["content"][0], {"content_index": 0})
        case "function_call":
            yield from _piece_events(item, "function_call_arguments", "arguments")
        case "custom_tool_call":
            yield from _piece_events(item, "custom_tool_call_input", "input")
    yield {"type": "response.output_item.done", "item": item}


def _empty(item: Json) -> Json:
    """Return the members of an item that its events fill."""
    empty = {"content": [], "summary": [], "arguments": "", "input": ""}
    return {
        member: value
        for member, value in empty.items()
        if isinstance(item.get(member), type(value))
    }


def _part_events(item: Json, kind: str, part: Json, index: Json) -> Iterator[Json]:
    place = {"item_id": item["id"], **index}
    text_kind = "output_text" if kind == "content" else f"{kind}_text"
    more: Json = {"logprobs": []} if kind == "content" else {}
    yield {"type": f"response.{kind}_part.added", **place, "part": {**part, "text": ""}}
    yield {"type": f"response.{text_kind}.delta", **place, "delta": part["text"], **more}
    yield {"type": f"response.{text_kind}.done", **place, "text": part["text"], **more}
    yield {"type": f"response.{kind}_part.done", **place, "part": part}


def _piece_events(item: Json, kind: str, member: str) -> Iterator[Json]:
    text = item[member]
    for piece in (text[:9], text[9:]):
        yield {"type": f"response.{kind}.delta", "item_id": item["id"], "delta": piece}
    yield {"type": f"response.{kind}.done", "item_id": item["id"], member: text}


def whole(answer: NamedAnswer) -> dict[str, Any]:
    output: list[Json] = []
    if answer.thinking:
        summary = [{"type": "summary_text", "text": answer.thinking}]
        reasoning = {"type": "reasoning", "id": f"rs_{answer.id}", "summary": summary}
        output.append({**reasoning, "encrypted_content": answer.signature})
    if answer.text:
        content = [{"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}]
        message = {
            "type": "message",
            "id": f"msg_{answer.id}",
            "role": "assistant",
            "status": "completed",
        }
        output.append({**message, "content": content})
    output += map(_call_item, answer.calls)
    return {
        "id": f"resp_{answer.id}",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": answer.model,
        "output": output,
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": {
            "input_tokens": answer.prompt_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": answer.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": answer.prompt_tokens + answer.output_tokens,
        },
    }


def _call_item(call: NamedCall) -> Json:
    item: Json = {"call_id": call.id, "status": "completed"}
    name = call.tool.name
    if call.tool.namespace:
        item["namespace"] = call.tool.namespace
        name = name.removeprefix(f"{call.tool.namespace}__")
    match call.tool.kind:
        case "tool_search":
            search = {
                "type": "tool_search_call",
                "execution": "client",
                "arguments": call.arguments,
            }
            return {**item, **search, "id": f"tsc_{call.id}"}
        case "custom":
            custom = {"type": "custom_tool_call", "name": name, "input": call.arguments["input"]}
            return {**item, **custom, "id": f"ctc_{call.id}"}
    function = {"type": "function_call", "name": name, "arguments": json.dumps(call.arguments)}
    return {**item, **function, "id": f"fc_{call.id}"}


RESPONSES = Protocol(
    title="OpenAI Responses",
    # Models with this name are only served by the Responses API.
    provider="openai",
    model="gpt-5-codex",
    framing="sse",
    read=read,
    events=events,
    whole=whole,
    signature_head=bytes.fromhex("80000000"),
    base="/v1",
)
