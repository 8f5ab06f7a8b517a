"""Chat requests as a client of OpenAI's Responses API would write them, from the two APIs' references alone."""

from __future__ import annotations

from typing import Any

from as_messages import NotExpressible

Json = dict[str, Any]

#: The same under another or the same name.
_RENAMED = {
    "frequency_penalty": "frequency_penalty",
    "logit_bias": "logit_bias",
    "max_completion_tokens": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "model": "model",
    "parallel_tool_calls": "parallel_tool_calls",
    "presence_penalty": "presence_penalty",
    "prompt_cache_key": "prompt_cache_key",
    "safety_identifier": "safety_identifier",
    "seed": "seed",
    "service_tier": "service_tier",
    "stop": "stop",
    "stream": "stream",
    "temperature": "temperature",
    "top_k": "top_k",
    "top_logprobs": "top_logprobs",
    "top_p": "top_p",
    "user": "user",
}
_TRANSLATED = {
    *_RENAMED,
    "logprobs",
    "messages",
    "reasoning_effort",
    "response_format",
    "tool_choice",
    "tools",
}


def as_responses(chat: Json) -> tuple[Json, set[str]]:
    """Return the request, and the names of the parameters that this API does not have.

    Raises NotExpressible for a conversation that cannot be written down.
    """
    request: Json = {
        "input": [item for message in chat["messages"] for item in _items(message)],
        "store": False,
    }
    for name, theirs in _RENAMED.items():
        if chat.get(name) is not None:
            request[theirs] = chat[name]
    if chat.get("logprobs"):
        request["include"] = ["message.output_text.logprobs"]
    if chat.get("reasoning_effort"):
        request["reasoning"] = {"effort": chat["reasoning_effort"]}
    response_format = chat.get("response_format")
    if response_format is not None:
        request["text"] = {"format": _format(response_format)}
    if chat.get("tools"):
        request["tools"] = [_tool(tool) for tool in chat["tools"]]
    match chat.get("tool_choice"):
        case {"type": "function", "function": {"name": name}}:
            request["tool_choice"] = {"type": "function", "name": name}
        case str(choice) if chat.get("tools"):
            request["tool_choice"] = {"any": "required"}.get(choice, choice)
    unknown = {name for name, value in chat.items() if value is not None} - _TRANSLATED
    return request, unknown


def _format(response_format: Json) -> Json:
    if response_format["type"] != "json_schema":
        return {"type": response_format["type"]}
    schema = response_format.get("json_schema", {})
    if "schema" not in schema:
        raise NotExpressible("a format without a schema")
    known = {
        name: schema[name]
        for name in ("description", "schema", "strict")
        if schema.get(name) is not None
    }
    return {"type": "json_schema", "name": schema.get("name") or "response", **known}


def _tool(tool: Json) -> Json:
    if tool.get("type") != "function":
        raise NotExpressible("tools that are not functions")
    known = ("name", "description", "parameters", "strict")
    return {
        "type": "function",
        **{name: tool["function"][name] for name in known if name in tool["function"]},
    }


def _items(message: Json) -> list[Json]:
    content = message.get("content")
    match message["role"]:
        case "tool":
            output = content if isinstance(content, str) else _parts(content or [], "input")
            return [
                {
                    "type": "function_call_output",
                    "call_id": message["tool_call_id"],
                    "output": output,
                }
            ]
        case "assistant":
            items: list[Json] = []
            parts = _parts(content or [], "output")
            if message.get("refusal"):
                parts.append({"type": "refusal", "refusal": message["refusal"]})
            if parts:
                items.append({"type": "message", "role": "assistant", "content": parts})
            return items + [_call(call) for call in message.get("tool_calls") or ()]
    return [
        {
            "role": message["role"],
            "content": content if isinstance(content, str) else _parts(content, "input"),
        }
    ]


def _call(call: Json) -> Json:
    function = call["function"]
    return {
        "type": "function_call",
        "call_id": call["id"],
        "name": function["name"],
        "arguments": function["arguments"],
    }


def _parts(content: Any, direction: str) -> list[Json]:
    if isinstance(content, str):
        return [{"type": f"{direction}_text", "text": content}]
    return [_part(part, direction) for part in content]


def _part(part: Json, direction: str) -> Json:
    match part["type"]:
        case "text":
            return {"type": f"{direction}_text", "text": part["text"]}
        case "image_url":
            image = (
                part["image_url"]
                if isinstance(part["image_url"], dict)
                else {"url": part["image_url"]}
            )
            found = {"type": "input_image", "image_url": image["url"]}
            return found | {name: image[name] for name in ("detail",) if name in image}
        case "file":
            members = ("file_data", "filename", "file_id")
            return {
                "type": "input_file",
                **{name: part["file"][name] for name in members if part["file"].get(name)},
            }
        case "input_audio" if isinstance(part["input_audio"], dict):
            return {"type": "input_audio", "input_audio": part["input_audio"]}
    raise NotExpressible(f"parts of the type {part['type']}")
