"""Translate a chat request to the body of Ollama's `/api/chat`: https://docs.ollama.com/api/chat."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import Any

from msgspec import Raw

from llms_core import RequestError, Unsupported
from llms_core.contracts.content import Part, media, text_of
from llms_core.contracts.request import ChatCall, Message
from llms_core.contracts.tool_call_ids import ToolCallIds
from llms_core.contracts.tools import ToolChoice, functions, json_schema, tool_choice

#: OpenAI's parameters that are members of `options` under the same name.
_OPENAI_OPTIONS = (
    "temperature",
    "top_p",
    "seed",
    "frequency_penalty",
    "presence_penalty",
)
#: Options that exist only in Ollama, accepted in `options` and at the top level.
_OLLAMA_OPTIONS = (
    "num_ctx",
    "num_batch",
    "num_gpu",
    "main_gpu",
    "use_mmap",
    "num_thread",
    "num_keep",
    "num_predict",
    "draft_num_predict",
    "top_k",
    "min_p",
    "typical_p",
    "repeat_last_n",
    "repeat_penalty",
)
#: Ollama's own top-level members, sent unchanged.
_PASSED_THROUGH = ("keep_alive", "truncate", "shift")
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
        "logprobs",
        "top_logprobs",
        "tools",
        "tool_choice",
        "response_format",
        "format",
        "reasoning_effort",
        "enable_thinking",
        "think",
        "options",
        *_OPENAI_OPTIONS,
        *_OLLAMA_OPTIONS,
        *_PASSED_THROUGH,
    }
)

#: OpenAI's roles that have another name in Ollama.
_ROLES = {"developer": "system", "function": "tool"}
#: Reasoning efforts that `think` does not accept, mapped as Ollama's OpenAI-compatible endpoint maps them.
_THINK_BY_EFFORT: Mapping[str, bool | str] = {
    "none": False,
    "minimal": "low",
    "xhigh": "max",
    "ultra": "max",
}


def to_body(call: ChatCall) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the body of the request, and the sorted names of the parameters that had to be left out.

    Raises Unsupported for content or a response format that Ollama does not support, and RequestError if `options` is
    not an object.
    """
    request = call.request
    dropped = call.non_null_members() - _SUPPORTED
    body: dict[str, Any] = {
        "model": call.upstream_model,
        "messages": _messages(request.messages),
        # Ollama streams by default, so False has to be sent too.
        "stream": call.stream,
    }
    body |= call.pick(_PASSED_THROUGH)

    options = _options(call)
    if options:
        body["options"] = options

    think = _think(call)
    if think is not None:
        body["think"] = think

    answer_format = _format(call)
    if answer_format is not None:
        body["format"] = answer_format

    if request.logprobs:
        body["logprobs"] = True
        if request.top_logprobs is not None:
            body["top_logprobs"] = request.top_logprobs

    choice = tool_choice(call)
    tools = _tools(call, choice)
    if tools:
        body["tools"] = tools
    if choice is not None and choice.mode == "required":
        # The API has no `tool_choice`: tools can be left out, but a call cannot be forced.
        dropped.add("tool_choice")
    return body, tuple(sorted(dropped))


def _messages(messages: Iterable[Message]) -> list[dict[str, Any]]:
    translated: list[dict[str, Any]] = []
    ids = ToolCallIds()
    # The latest results, each with the number of its call.
    results: list[tuple[int, dict[str, Any]]] = []
    for number, message in enumerate(messages):
        role = _ROLES.get(message.role, message.role)
        target: dict[str, Any] = {"role": role, "content": text_of(message.content)}
        media_data = _media_data(message, f"messages[{number}]")
        if media_data:
            target["images"] = media_data
        if role == "tool":
            results.append((_add_tool_members(target, message, ids), target))
            continue
        translated += _in_call_order(results)
        results.clear()
        if role == "assistant":
            _add_assistant_members(target, message, ids)
        translated.append(target)
    return translated + _in_call_order(results)


def _in_call_order(results: Iterable[tuple[int, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the results of parallel calls in the order of the calls: most of Ollama's templates ignore their ids."""
    return [target for _, target in sorted(results, key=itemgetter(0))]


def _add_assistant_members(target: dict[str, Any], message: Message, ids: ToolCallIds) -> None:
    """Add the reasoning and the tool calls of `message` to `target`."""
    reasoning = message.reasoning_content
    if isinstance(reasoning, str) and reasoning:
        target["thinking"] = reasoning
    tool_calls = []
    for call in ids.calls(message):
        function = {"name": call.name, "arguments": call.called.arguments()}
        tool_calls.append({"id": call.id, "function": function})
    if tool_calls:
        target["tool_calls"] = tool_calls


def _add_tool_members(target: dict[str, Any], message: Message, ids: ToolCallIds) -> int:
    """Add the name of the tool and the id of the call that `message` answers to `target`; return the call's number."""
    # OpenAI's tool messages refer to a call by its id; Ollama's also name the tool.
    call = ids.result(message)
    # A message of OpenAI's deprecated role `function` has no id and names the tool itself.
    name = message.name if call is None else call.name
    call_id = message.tool_call_id if call is None else call.id
    if name:
        target["tool_name"] = name
    if call_id:
        target["tool_call_id"] = call_id
    # The result of no call stays behind the others.
    return sys.maxsize if call is None else call.number


def _media_data(message: Message, location: str) -> list[str]:
    """Return the images and recordings of a message as base64.

    Both are sent in `images`: Ollama detects the type from the bytes.
    """
    if not isinstance(message.content, list):
        return []
    found = []
    for place, part in enumerate(message.content):
        data = _part_data(part, f"{location}.content[{place}]")
        if data is not None:
            found.append(data)
    return found


def _part_data(part: Part, param: str) -> str | None:
    """Return the base64 data of an image or a recording; None for text."""
    medium = media(part, param)
    if medium is None:
        return None
    if medium.kind not in ("image", "audio"):
        raise Unsupported(
            f"Ollama does not support content of type '{part.type}', only text, images and audio",
            param=param,
        )
    if medium.data is None:
        raise Unsupported(
            "Ollama does not download media: send images and audio as data URIs, not as URLs",
            param=param,
        )
    return medium.data


def _options(call: ChatCall) -> dict[str, Any]:
    """Return the client's `options` together with the options at the top level of the request.

    The top level takes precedence: the gateway has validated it, and `force` has been applied to it.
    """
    given = call.get("options")
    if given is not None and not isinstance(given, dict):
        raise RequestError(
            "Invalid value for 'options': expected an object", param="options", code="invalid_value"
        )
    options = dict(given or {})
    options |= call.pick(_OPENAI_OPTIONS)
    options |= call.pick(_OLLAMA_OPTIONS)

    limit = call.request.token_limit
    if limit is not None:
        options["num_predict"] = limit

    stop = call.request.stop
    if isinstance(stop, str):
        options["stop"] = [stop]
    elif stop is not None:
        options["stop"] = stop
    return options


def _think(call: ChatCall) -> Any:
    """Return the value of `think`: a boolean or an effort. None leaves the choice to the model."""
    think = call.get("think")
    if think is not None:
        return think
    effort = call.request.reasoning_effort
    enabled = call.request.enable_thinking
    # An explicit `enable_thinking: false` overrides any effort.
    if effort is None or enabled is False:
        return enabled
    return _THINK_BY_EFFORT.get(effort, effort)


def _format(call: ChatCall) -> Any:
    """Return the value of `format`: a JSON schema or "json"; None for plain text."""
    response_format = call.request.response_format
    if response_format is None or response_format.type == "text":
        return call.get("format")
    if response_format.type not in ("json_object", "json_schema"):
        raise Unsupported(
            f"Ollama does not support the response_format '{response_format.type}'",
            param="response_format.type",
        )
    wanted = json_schema(call)
    if wanted is None or not wanted.schema:
        return "json"
    return wanted.schema


def _tools(call: ChatCall, choice: ToolChoice | None) -> list[Raw]:
    """Return the tools that `choice` allows, unchanged: Ollama's format is OpenAI's."""
    if choice is not None and choice.mode == "none":
        return []
    allowed = frozenset(choice.names if choice is not None else ())
    tools = []
    for function, raw in zip(functions(call), call.request.tools or (), strict=True):
        if not allowed or function.name in allowed:
            tools.append(raw)
    return tools
