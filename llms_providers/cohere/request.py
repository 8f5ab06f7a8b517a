"""Translate a chat request to the body of Cohere's `/v2/chat`: https://docs.cohere.com/reference/chat."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from llms_core import Unsupported
from llms_core.contracts.content import MEDIA_FOLLOWS, NO_CONTENT, Media, Part, media, media_label
from llms_core.contracts.function_names import FunctionNames, NameRule
from llms_core.contracts.request import ChatCall, Message
from llms_core.contracts.tool_call_ids import COMMON_ID, ToolCallIds
from llms_core.contracts.tools import Function, functions, json_schema, tool_choice

#: Members that are sent unchanged: OpenAI's that Cohere shares, and Cohere's own.
_PASSED_THROUGH = (
    "temperature",
    "seed",
    "documents",
    "citation_options",
    "safety_mode",
    "k",
    "p",
    "priority",
    "strict_tools",
)
#: Cohere rejects hyphens and digits at the beginning of a name.
NAME_RULE = NameRule(characters="A-Za-z0-9_", first="A-Za-z_")
#: Sent only if they are not 0.
_PENALTIES = ("frequency_penalty", "presence_penalty")
#: Every member that is sent in some form; any other is reported as dropped.
_SUPPORTED = frozenset(
    {
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_tokens",
        "max_completion_tokens",
        "stop",
        "n",
        "top_p",
        "top_k",
        "logprobs",
        "tools",
        "tool_choice",
        "response_format",
        "reasoning_effort",
        "enable_thinking",
        "thinking",
        *_PASSED_THROUGH,
        *_PENALTIES,
    }
)

#: The bounds of `p`. OpenAI's default of 1 would be an error.
_MIN_P = 0.01
_MAX_P = 0.99
#: Thinking tokens per effort. A higher effort is sent without a budget, as Cohere recommends.
_THINKING_BUDGETS = {"minimal": 512, "low": 2048, "medium": 8192}
#: Cohere requires a schema even for a function without parameters.
_NO_PARAMETERS: Mapping[str, Any] = {"type": "object", "properties": {}}

Json = dict[str, Any]


def to_body(call: ChatCall) -> tuple[Json, tuple[str, ...]]:
    """Return the body of the request, and the sorted names of the parameters that had to be left out.

    Raises Unsupported for content, roles and response formats that Cohere does not support.
    """
    names = FunctionNames(call, NAME_RULE)
    body: Json = {
        "model": call.upstream_model,
        "messages": _messages(call.request.messages, names),
        "stream": call.stream,
    }
    body |= _sampling(call)

    thinking = _thinking(call)
    if thinking is not None:
        body["thinking"] = thinking

    response_format = _response_format(call)
    if response_format is not None:
        body["response_format"] = response_format

    tools, dropped = _tools(call, names)
    body |= tools
    dropped |= call.non_null_members() - _SUPPORTED
    return body, tuple(sorted(dropped))


def _sampling(call: ChatCall) -> Json:
    """Return Cohere's own parameters, and OpenAI's for sampling and length under Cohere's names."""
    request = call.request
    body = call.pick(_PASSED_THROUGH)
    for name, value in call.pick(_PENALTIES).items():
        # Some models refuse a request with both penalties, even if one is 0, the default.
        if value:
            body[name] = value
    if request.top_p is not None:
        body["p"] = min(max(request.top_p, _MIN_P), _MAX_P)
    top_k = call.get("top_k")
    if top_k is not None:
        # Cohere's own name takes precedence over the one that clients of other servers use.
        body.setdefault("k", top_k)
    if request.token_limit is not None:
        body["max_tokens"] = request.token_limit
    if isinstance(request.stop, str):
        body["stop_sequences"] = [request.stop]
    elif request.stop is not None:
        body["stop_sequences"] = request.stop
    if request.logprobs:
        body["logprobs"] = True
    return body


def _messages(messages: Iterable[Message], names: FunctionNames) -> list[Json]:
    ids = ToolCallIds(COMMON_ID)
    result: list[Json] = []
    images: list[Json] = []
    for number, message in enumerate(messages):
        if message.role != "tool":
            _append_images(result, images)
        translated = _message(message, f"messages[{number}]", ids, names)
        if translated["role"] == "system" and not translated["content"]:
            # Cohere rejects messages without content.
            continue
        result.append(_without_images(translated, images) if message.role == "tool" else translated)
    _append_images(result, images)
    return result


def _without_images(result: Json, images: list[Json]) -> Json:
    """Return a tool's result without its images, which Cohere accepts only from the user, and add them to `images`."""
    content = result["content"]
    found = []
    if isinstance(content, list):
        found = [block for block in content if block["type"] == "image_url"]
    if not found:
        return result
    images += [{"type": "text", "text": media_label(result["tool_call_id"])}, *found]
    texts = [block for block in content if block["type"] != "image_url"]
    return {**result, "content": texts or MEDIA_FOLLOWS}


def _append_images(result: list[Json], images: list[Json]) -> None:
    if images:
        result.append({"role": "user", "content": list(images)})
        images.clear()


def _message(message: Message, location: str, ids: ToolCallIds, names: FunctionNames) -> Json:
    # Those in the results of tools are moved to a message of the user.
    content = _content(message.content, location, allow_images=message.role in ("user", "tool"))
    match message.role:
        case "system" | "developer":
            return {"role": "system", "content": _without_empty_texts(content)}
        case "assistant":
            return _assistant_message(message, content, ids, names)
        case "tool":
            return {"role": "tool", "tool_call_id": ids.result_id(message), "content": content}
        case "user":
            return {"role": "user", "content": _without_empty_texts(content) or NO_CONTENT}
        case role:
            raise Unsupported(
                f"Cohere does not support messages of the role '{role}'", param=f"{location}.role"
            )


def _content(
    content: str | list[Part] | None, location: str, *, allow_images: bool
) -> str | list[Json]:
    if not isinstance(content, list):
        return content or ""
    blocks: list[Json] = []
    for place, part in enumerate(content):
        param = f"{location}.content[{place}]"
        medium = media(part, param)
        if medium is None:
            blocks.append({"type": "text", "text": part.text or part.refusal or ""})
        elif medium.kind == "image" and allow_images:
            blocks.append(_image_block(medium))
        else:
            raise Unsupported(
                f"Cohere does not support content of type '{part.type}' here", param=param
            )
    return blocks


def _without_empty_texts(content: str | list[Json]) -> str | list[Json]:
    """Return content without the empty texts that Cohere rejects."""
    if isinstance(content, str):
        return content
    return [block for block in content if block.get("text") != ""]


def _image_block(medium: Media) -> Json:
    """Return an image as a URL, which Cohere downloads itself, or as a data URI."""
    image = {"url": medium.url or f"data:{medium.mime};base64,{medium.data}"}
    if medium.detail:
        image["detail"] = medium.detail
    return {"type": "image_url", "image_url": image}


def _assistant_message(
    message: Message, content: str | list[Json], ids: ToolCallIds, names: FunctionNames
) -> Json:
    """Translate an earlier answer of a model.

    Its reasoning returns to where it came from: the plan of the tool calls, or a thinking block before the text.
    """
    tool_calls = _tool_calls(message, ids, names)
    extra = _provider_extra(message)
    plan, thoughts = _split_reasoning(message, extra, has_tool_calls=bool(tool_calls))
    if thoughts:
        content = [{"type": "thinking", "thinking": thoughts}, *_as_blocks(content)]

    translated: Json = {"role": "assistant"}
    # A message needs content or tool calls; empty content next to tool calls is left out.
    if content or not tool_calls:
        translated["content"] = content
    if plan:
        translated["tool_plan"] = plan
    if tool_calls:
        translated["tool_calls"] = tool_calls
    citations = extra.get("citations")
    if citations:
        translated["citations"] = citations
    return translated


def _tool_calls(message: Message, ids: ToolCallIds, names: FunctionNames) -> list[Json]:
    translated = []
    for call in ids.calls(message):
        function = {"name": names.to_provider(call.name), "arguments": call.called.arguments_text()}
        translated.append({"id": call.id, "type": "function", "function": function})
    return translated


def _provider_extra(message: Message) -> Json:
    """Return what the answer translator stored in `provider_extra.cohere`; {} if the client changed it."""
    extra = (message.provider_extra or {}).get("cohere")
    return extra if isinstance(extra, dict) else {}


def _split_reasoning(message: Message, extra: Json, *, has_tool_calls: bool) -> tuple[str, str]:
    """Split `reasoning_content` into the tool plan, which is at its end, and other thoughts."""
    reasoning = message.reasoning_content
    thoughts = reasoning if isinstance(reasoning, str) else ""
    if "tool_plan" in extra:
        plan = extra["tool_plan"]
    elif has_tool_calls:
        # Without `provider_extra` the two cannot be told apart; a plan is the more common of them.
        plan = thoughts
    else:
        plan = ""
    if not isinstance(plan, str):
        plan = ""
    return plan, thoughts.removesuffix(plan)


def _as_blocks(content: str | list[Json]) -> list[Json]:
    if isinstance(content, list):
        return content
    if content:
        return [{"type": "text", "text": content}]
    return []


def _thinking(call: ChatCall) -> Any:
    """Return the value of `thinking`. None leaves the choice to the model."""
    thinking = call.get("thinking")
    if thinking is not None:
        return thinking
    effort = call.request.reasoning_effort
    enabled = call.request.enable_thinking
    if enabled is False or effort == "none":
        return {"type": "disabled"}
    if effort in _THINKING_BUDGETS:
        return {"type": "enabled", "token_budget": _THINKING_BUDGETS[effort]}
    if effort is not None or enabled:
        return {"type": "enabled"}
    return None


def _response_format(call: ChatCall) -> Json | None:
    """Return the value of `response_format`; None for plain text."""
    wanted = call.request.response_format
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type not in ("json_object", "json_schema"):
        raise Unsupported(
            f"Cohere does not support the response_format '{wanted.type}'",
            param="response_format.type",
        )
    response_format: Json = {"type": "json_object"}
    schema = json_schema(call)
    if schema is not None and schema.schema:
        response_format["json_schema"] = schema.schema
    return response_format


def _tools(call: ChatCall, names: FunctionNames) -> tuple[Json, set[str]]:
    """Return the members of the body that concern tools, and the names of the parameters left out."""
    choice = tool_choice(call)
    # Cohere cannot name tools in `tool_choice`, so the tools that the choice excludes are not sent.
    allowed = frozenset(choice.names if choice is not None else ())
    selected = [function for function in functions(call) if not allowed or function.name in allowed]
    if not selected:
        dropped = {"tool_choice"} if choice is not None else set()
        return {}, dropped

    members: Json = {"tools": [_tool(function, names) for function in selected]}
    # "auto" is the default, for which Cohere has no value.
    if choice is not None and choice.mode != "auto":
        members["tool_choice"] = choice.mode.upper()

    # Cohere's switch applies to all tools at once. The client's own setting, already in the body, takes precedence.
    is_strict_wanted = any(function.strict for function in selected)
    if call.get("strict_tools") is not None or not is_strict_wanted:
        return members, set()
    if not all(_can_be_strict(function) for function in selected):
        return members, {"tools.strict"}
    members["strict_tools"] = True
    return members, set()


def _can_be_strict(function: Function) -> bool:
    """Whether the client wants `function` strict and Cohere accepts it: at least one parameter must be required."""
    parameters = function.parameters or {}
    return bool(function.strict and parameters.get("required"))


def _tool(function: Function, names: FunctionNames) -> Json:
    translated: Json = {
        "name": names.to_provider(function.name),
        "parameters": function.parameters or _NO_PARAMETERS,
    }
    if function.description:
        translated["description"] = function.description
    return {"type": "function", "function": translated}
