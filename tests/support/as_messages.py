"""Chat requests as a client of Anthropic's Messages API would write them, from the two APIs' references alone."""

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]

#: The same under another or the same name.
_RENAMED = {
    "model": "model",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "stream": "stream",
}
_TRANSLATED = {
    *_RENAMED,
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "parallel_tool_calls",
    "reasoning_effort",
    "response_format",
    "stop",
    "tool_choice",
    "tools",
    "user",
}
MAX_TOKENS = 4096


class NotExpressible(Exception):
    """The other API has nothing for a part of a conversation."""


def as_messages(chat: Json) -> tuple[Json, set[str]]:
    """Return the request, and the names of the parameters that this API does not have.

    Raises NotExpressible for a conversation that cannot be written down.
    """
    request: Json = {
        "messages": [],
        "max_tokens": chat.get("max_completion_tokens") or chat.get("max_tokens"),
    }
    request["max_tokens"] = request["max_tokens"] or MAX_TOKENS
    for name, theirs in _RENAMED.items():
        if chat.get(name) is not None:
            request[theirs] = chat[name]
    for number, message in enumerate(chat["messages"]):
        _add_message(request, message, is_first=number == 0)
    if chat.get("stop") is not None:
        request["stop_sequences"] = (
            [chat["stop"]] if isinstance(chat["stop"], str) else chat["stop"]
        )
    if chat.get("user"):
        request["metadata"] = {"user_id": chat["user"]}
    config: Json = {}
    if chat.get("reasoning_effort"):
        config["effort"] = chat["reasoning_effort"]
    unknown = {name for name, value in chat.items() if value is not None} - _TRANSLATED
    match chat.get("response_format"):
        case {"type": "json_schema", "json_schema": {"schema": schema}}:
            config["format"] = {"type": "json_schema", "schema": schema}
        case {"type": "json_schema"}:
            raise NotExpressible("a format without a schema")
        case {"type": "json_object"}:
            unknown.add("response_format")
    if config:
        request["output_config"] = config
    _add_tools(request, chat)
    return request, unknown


def _add_tools(request: Json, chat: Json) -> None:
    if chat.get("tools"):
        request["tools"] = [_tool(tool) for tool in chat["tools"]]
    choice = chat.get("tool_choice")
    if not chat.get("tools"):
        return
    match choice:
        case None:
            found: Json = {}
        case "auto" | "none":
            found = {"type": choice}
        case "required" | "any":
            found = {"type": "any"}
        case _:
            found = {"type": "tool", "name": choice["function"]["name"]}
    if chat.get("parallel_tool_calls") is False:
        found = {"type": "auto", **found, "disable_parallel_tool_use": True}
    if found:
        request["tool_choice"] = found


def _tool(tool: Json) -> Json:
    if tool.get("type") != "function":
        raise NotExpressible("tools that are not functions")
    function = tool["function"]
    found = {
        "name": function["name"],
        "input_schema": function.get("parameters") or {"type": "object"},
    }
    for name in ("description", "strict"):
        if function.get(name) is not None:
            found[name] = function[name]
    return found | {name: tool[name] for name in ("cache_control",) if name in tool}


def _add_message(request: Json, message: Json, *, is_first: bool) -> None:
    messages: list[Json] = request["messages"]
    match message["role"]:
        case "system" | "developer":
            content = _content(message["content"])
            if is_first:
                request["system"] = content
            else:
                messages.append({"role": "system", "content": content})
        case "user":
            messages.append({"role": "user", "content": _content(message["content"])})
        case "assistant":
            messages.append({"role": "assistant", "content": _blocks_of_assistant(message)})
        case "tool":
            block: Json = {"type": "tool_result", "tool_use_id": message["tool_call_id"]}
            block["content"] = _content(message["content"])
            before = messages[-1]["content"] if messages else ""
            # The results of parallel calls come in one message.
            if isinstance(before, list) and before[0]["type"] == "tool_result":
                before.append(block)
            else:
                messages.append({"role": "user", "content": [block]})


def _blocks_of_assistant(message: Json) -> list[Json]:
    blocks: list[Json] = []
    content = message.get("content")
    if isinstance(content, list):
        blocks += [_block(part) for part in content]
    elif content:
        blocks.append({"type": "text", "text": content})
    for call in message.get("tool_calls") or ():
        arguments = json.loads(call["function"]["arguments"] or "{}")
        blocks.append(
            {
                "type": "tool_use",
                "id": call["id"],
                "name": call["function"]["name"],
                "input": arguments,
            }
        )
    return blocks


def _content(content: str | list[Json]) -> str | list[Json]:
    return content if isinstance(content, str) else [_block(part) for part in content]


def _block(part: Json) -> Json:
    match part["type"]:
        case "text":
            block = {"type": "text", "text": part["text"]}
            return block | {name: part[name] for name in ("cache_control",) if name in part}
        case "image_url":
            url = (
                part["image_url"]["url"]
                if isinstance(part["image_url"], dict)
                else part["image_url"]
            )
            return {"type": "image", "source": _source(url)}
        case "file" if part["file"].get("file_data", "").startswith("data:application/pdf"):
            document: Json = {"type": "document", "source": _source(part["file"]["file_data"])}
            if part["file"].get("filename"):
                document["title"] = part["file"]["filename"]
            return document
    raise NotExpressible(f"parts of the type {part['type']}")


def _source(url: str) -> Json:
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    media_type, _, data = url.removeprefix("data:").partition(";base64,")
    return {"type": "base64", "media_type": media_type, "data": data}
