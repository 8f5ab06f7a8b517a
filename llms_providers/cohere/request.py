"""A request of OpenAI's as one for Cohere's `/v2/chat`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from llms_core import Unsupported
from llms_core.contracts.content import Part, media
from llms_core.contracts.request import ChatCall, Message
from llms_core.contracts.tools import Function, called, functions, json_schema, tool_choice

#: Members that pass as they are: OpenAI's that Cohere has, and Cohere's own.
_MEMBERS = ("temperature", "seed", "documents", "citation_options", "safety_mode", "k", "p", "priority", "strict_tools")
#: 0 is the default, and some models refuse the two together.
_PENALTIES = ("frequency_penalty", "presence_penalty")
_TRANSLATED = frozenset({
    "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "stop", "n", "top_p",
    "top_k", "logprobs", "tools", "tool_choice", "response_format", "reasoning_effort", "enable_thinking", "thinking",
    *_MEMBERS, *_PENALTIES,
})  # fmt: skip

#: Tokens for thinking by effort; more effort than these is without a limit, as Cohere recommends.
_BUDGETS = {"minimal": 512, "low": 2048, "medium": 8192}
_NO_PARAMETERS: Mapping[str, Any] = {"type": "object", "properties": {}}


def body_of(call: ChatCall) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The request's body, and the parameters that had to be left out. Raises Unsupported."""
    request = call.request
    dropped = {name for name, raw in call.members.items() if name not in _TRANSLATED and bytes(raw) != b"null"}
    body: dict[str, Any] = {
        "model": call.upstream_model,
        "messages": _messages(request.messages),
        "stream": call.stream,
    }
    body |= {name: value for name in _MEMBERS if (value := call.get(name)) is not None}
    body |= {name: value for name in _PENALTIES if (value := call.get(name))}
    if request.top_p is not None:
        body["p"] = min(max(request.top_p, 0.01), 0.99)  # its bounds; 1, for all tokens, would be an error
    if "k" not in body and (top_k := call.get("top_k")) is not None:
        body["k"] = top_k
    if request.token_limit is not None:
        body["max_tokens"] = request.token_limit
    if request.stop is not None:
        body["stop_sequences"] = [request.stop] if isinstance(request.stop, str) else request.stop
    if request.logprobs:
        body["logprobs"] = True
    if (thinking := _thinking(call)) is not None:
        body["thinking"] = thinking
    if (form := _response_format(call)) is not None:
        body["response_format"] = form
    dropped |= _add_tools(call, body)
    return body, tuple(sorted(dropped))


def _messages(messages: Iterable[Message]) -> list[dict[str, Any]]:
    told = []
    for number, message in enumerate(messages):
        where = f"messages[{number}]"
        content = _content(message.content, where, images=message.role == "user")
        match message.role:
            case "system" | "developer":
                told.append({"role": "system", "content": content})
            case "assistant":
                told.append(_assistant(message, content))
            case "tool":
                told.append({"role": "tool", "tool_call_id": message.tool_call_id or "", "content": content})
            case "user":
                told.append({"role": "user", "content": content})
            case role:
                raise Unsupported(f"Cohere has no messages of role '{role}'", param=f"{where}.role")
    return told


def _content(content: str | list[Part] | None, where: str, *, images: bool) -> str | list[dict[str, Any]]:
    if not isinstance(content, list):
        return content or ""
    blocks: list[dict[str, Any]] = []
    for place, part in enumerate(content):
        param = f"{where}.content[{place}]"
        shown = media(part, param)
        if shown is None:
            blocks.append({"type": "text", "text": part.text or part.refusal or ""})
        elif shown.kind == "image" and images:
            image = {"url": shown.url or f"data:{shown.mime};base64,{shown.data}"}
            detail = {"detail": shown.detail} if shown.detail else {}
            blocks.append({"type": "image_url", "image_url": image | detail})
        else:
            raise Unsupported(f"Cohere takes no content of type '{part.type}' here", param=param)
    return blocks


def _assistant(message: Message, content: str | list[dict[str, Any]]) -> dict[str, Any]:
    """A message of the model's own, with its reasoning where it was: before the text, or as the plan of its calls."""
    calls = []
    for call in called(message):
        function = {"name": call.function.name, "arguments": call.function.arguments or "{}"}
        calls.append({"id": call.id, "type": "function", "function": function})
    extra = (message.provider_extra or {}).get("cohere")
    extra = extra if isinstance(extra, dict) else {}
    thoughts = message.reasoning_content if isinstance(message.reasoning_content, str) else ""
    plan = extra.get("tool_plan", thoughts if calls else "")
    plan = plan if isinstance(plan, str) else ""
    thoughts = thoughts.removesuffix(plan)
    if thoughts:
        text = [{"type": "text", "text": content}] if isinstance(content, str) and content else content or []
        content = [{"type": "thinking", "thinking": thoughts}, *text]
    told = {"content": content, "tool_plan": plan, "tool_calls": calls, "citations": extra.get("citations")}
    needed = () if calls else ("content",)
    return {"role": "assistant"} | {name: value for name, value in told.items() if value or name in needed}


def _thinking(call: ChatCall) -> Any:
    """None leaves it to the model."""
    if (thinking := call.get("thinking")) is not None:
        return thinking
    effort, enabled = call.request.reasoning_effort, call.request.enable_thinking
    if enabled is False or effort == "none":
        return {"type": "disabled"}
    if effort in _BUDGETS:
        return {"type": "enabled", "token_budget": _BUDGETS[effort]}
    return {"type": "enabled"} if effort is not None or enabled else None


def _response_format(call: ChatCall) -> dict[str, Any] | None:
    kind = call.request.response_format.type if call.request.response_format is not None else "text"
    if kind not in ("text", "json_object", "json_schema"):
        raise Unsupported(f"Cohere knows no response_format '{kind}'", param="response_format.type")
    if kind == "text":
        return None
    schema = json_schema(call)
    return {"type": "json_object", **({"json_schema": schema.schema} if schema is not None and schema.schema else {})}


def _add_tools(call: ChatCall, body: dict[str, Any]) -> set[str]:
    """Add `tools` and what goes with them to a request; gives what had to be left out.

    A choice of certain tools is made by leaving out the others.
    """
    choice = tool_choice(call)
    names = choice.names if choice is not None else ()
    found = [function for function in functions(call) if not names or function.name in names]
    if not found:
        return {"tool_choice"} if choice is not None else set()
    body["tools"] = [_tool(function) for function in found]
    if choice is not None and choice.mode != "auto":
        body["tool_choice"] = choice.mode.upper()
    if "strict_tools" in body or not any(function.strict for function in found):
        return set()
    if all(function.strict and (function.parameters or {}).get("required") for function in found):
        body["strict_tools"] = True
        return set()
    return {"tools.strict"}  # for all tools or for none, and an error for a tool without a required parameter


def _tool(function: Function) -> dict[str, Any]:
    said: dict[str, Any] = {"name": function.name, "parameters": function.parameters or _NO_PARAMETERS}
    if function.description:
        said["description"] = function.description
    return {"type": "function", "function": said}
