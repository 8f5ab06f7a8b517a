"""A chat completion request as the body of a request to Anthropic's Messages API."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from llms_core.contracts.request import ChatCall
from llms_core.contracts.tools import Function, JsonSchema, json_schema, tool_choice
from llms_core.errors import RequestError, Unsupported
from llms_providers.anthropic.messages import THINKING, Block, Turn, conversation
from llms_providers.anthropic.models import Family, Inexpressible, closed, family

#: The tool that stands for a JSON schema where the model has no structured outputs: its input is the answer.
ANSWER = "answer_in_json"

_READ = frozenset({
    "model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "stop", "stream",
    "stream_options", "n", "logprobs", "tools", "tool_choice", "parallel_tool_calls", "response_format",
    "reasoning_effort", "thinking", "output_config", "user", "safety_identifier", "metadata", "service_tier",
    "modalities",
})  # fmt: skip
_NATIVE = (
    "cache_control", "container", "context_management", "diagnostics", "fallbacks", "inference_geo", "mcp_servers",
    "speed", "user_profile_id",
)  # fmt: skip
_OBJECTS = ("metadata", "output_config", "thinking")
_CHANGE_THE_ANSWER = ("audio", "functions", "function_call", "web_search_options")
_KINDS = {"auto": "auto", "none": "none", "required": "any"}
_TIERS = {"auto": "auto", "priority": "auto", "default": "standard_only", "standard_only": "standard_only"}
_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_000, "max": 32_000}
_EFFORTS = {"minimal": "low", **{effort: effort for effort in ("low", "medium", "high", "xhigh", "max")}}
_LEAST_BUDGET = 1024
_JSON = "Answer with one JSON object and nothing else: no code fence, no text before or after it."
_SERVER_TOOL = re.compile(r"_20\d{6}$|^mcp_toolset$")
_STRICT_AT_MOST = 20


def body_of(call: ChatCall, *, sampling: bool) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body, and the parameters that are not in it. `sampling`: the API's version has temperature and its like.

    Raises Unsupported where Anthropic, or this model of it, cannot do what is asked.
    """
    _refuse(call)
    kind = family(call.upstream_model)
    said = {name: call.get(name) for name in call.members if name not in ("messages", "tools")}
    for name in _OBJECTS:
        if not isinstance(said.get(name), dict | None):
            raise RequestError(f"Invalid value for '{name}': expected an object", param=name, code="invalid_value")
    dropped = {name for name, value in said.items() if value is not None and name not in _READ and name not in _NATIVE}
    system, turns = conversation(call)
    body: dict[str, Any] = {"model": call.upstream_model, "max_tokens": call.request.token_limit or kind.limit}
    body |= {name: said[name] for name in _NATIVE if said.get(name) is not None}
    config = _answer(call, kind, body, system)
    _choose(call, kind, body, turns)
    _think(call, kind, said, body, turns, config, dropped)
    if config := {**config, **(said.get("output_config") or {})}:
        body["output_config"] = config
    _sample(call, kind if sampling else kind._replace(sampling=0), body, said, dropped)
    _account(said, body, dropped)
    if call.stream:
        body["stream"] = True
    if system:
        body["system"] = system
    if any(message.name for message in call.request.messages if message.role not in ("tool", "function")):
        dropped.add("messages[].name")
    return {**body, "messages": turns}, tuple(sorted(dropped))


def _refuse(call: ChatCall) -> None:
    request = call.request
    if request.n is not None and request.n > 1:
        raise Unsupported("Claude gives one answer a request", param="n")
    if request.logprobs:
        raise Unsupported("Claude gives no logprobs", param="logprobs")
    if call.get("modalities") not in (None, ["text"], []):
        raise Unsupported("Claude answers in text only", param="modalities")
    for name in _CHANGE_THE_ANSWER:
        if call.get(name) is not None:
            raise Unsupported(f"'{name}' is not supported for Claude", param=name)


class _Tool(msgspec.Struct):
    type: str = "function"
    function: Function | None = None
    cache_control: dict[str, Any] | None = None
    defer_loading: bool | None = None
    allowed_callers: list[str] | None = None
    input_examples: list[dict[str, Any]] | None = None
    eager_input_streaming: bool | None = None


_OF_TOOLS = ("cache_control", "defer_loading", "allowed_callers", "input_examples", "eager_input_streaming")


def _answer(call: ChatCall, kind: Family, body: dict[str, Any], system: list[Block]) -> dict[str, Any]:
    """Put the tools in, and see to `response_format`; what goes to output_config."""
    tools = [_tool(raw, kind, number) for number, raw in enumerate(call.request.tools or ())]
    if sum("strict" in tool for tool in tools) > _STRICT_AT_MOST:
        tools = [{name: value for name, value in tool.items() if name != "strict"} for tool in tools]
    if tools:
        body["tools"] = tools
    if (wanted := json_schema(call)) is not None:
        return _structured(call, wanted, kind, body)
    if call.request.response_format is not None and call.request.response_format.type == "json_object":
        system.append({"type": "text", "text": _JSON})
    return {}


def _structured(call: ChatCall, wanted: JsonSchema, kind: Family, body: dict[str, Any]) -> dict[str, Any]:
    why = "the model has no structured outputs"
    if kind.schemas:
        try:
            return {"format": {"type": "json_schema", "schema": closed(wanted.schema)}}
        except Inexpressible as error:
            why = str(error)
    if not kind.forced:
        raise Unsupported(f"Claude cannot be held to this JSON schema: {why}", param="response_format")
    choice = tool_choice(call)
    if choice is None or choice.mode != "required":  # then the answer is a call of the client's tools
        described = wanted.description or "Give the final answer to the user, as this tool's input"
        tool = {"name": ANSWER, "description": described, "input_schema": _input_schema(wanted.schema)}
        body["tools"] = [*body.get("tools", ()), tool]
    return {}


def _tool(raw: msgspec.Raw, kind: Family, number: int) -> Block:
    try:
        tool = msgspec.json.decode(raw, type=_Tool)
    except msgspec.ValidationError as error:
        param = f"tools[{number}]"
        raise RequestError(f"Invalid value for '{param}': {error}", param=param, code="invalid_value") from None
    function = tool.function
    if tool.type != "function" or function is None:
        if _SERVER_TOOL.search(tool.type):
            native: Block = msgspec.json.decode(raw)
            return native
        raise Unsupported(f"Tools of type '{tool.type}' are not supported for Claude", param=f"tools[{number}].type")
    made: Block = {"name": function.name}
    if function.description is not None:
        made["description"] = function.description
    made["input_schema"] = _input_schema(function.parameters or {})
    if function.strict and kind.schemas:
        with suppress(Inexpressible):  # then the arguments are not guaranteed
            made |= {"input_schema": closed(made["input_schema"]), "strict": True}
    return made | {name: value for name in _OF_TOOLS if (value := getattr(tool, name)) is not None}


def _input_schema(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return dict(parameters) if parameters.get("type") == "object" else {**parameters, "type": "object"}


def _choose(call: ChatCall, kind: Family, body: dict[str, Any], turns: Iterable[Turn]) -> None:
    """`tool_choice` and `parallel_tool_calls`, and that the tool for the answer is not evaded."""
    choice = tool_choice(call)
    tools: list[Block] = body.get("tools", [])
    if not tools:
        if choice is not None and choice.mode == "required":
            raise RequestError("'tool_choice' asks for a call, but there are no 'tools'", param="tool_choice")
        blocks = [block for turn in turns for block in turn["content"]]
        if used := sorted({str(block.get("name")) for block in blocks if block["type"] == "tool_use"}):
            # Calls in the conversation are an error without their tools.
            body["tools"] = [{"name": name, "input_schema": {"type": "object"}} for name in used]
            body["tool_choice"] = {"type": "none"}
        return
    kinds, names = ("auto", ()) if choice is None else (_KINDS[choice.mode], choice.names)
    if names and (len(names) > 1 or kinds == "auto"):  # OpenAI's allowed_tools
        tools = body["tools"] = [tool for tool in tools if tool.get("name") in (*names, ANSWER)]
        names = ()
    if tools and tools[-1].get("name") == ANSWER:
        kinds, names = ("any", ()) if kinds == "auto" and len(tools) > 1 else ("any", (ANSWER,))
    if kinds == "any" and not kind.forced:
        raise Unsupported("This model cannot be made to call a tool", param="tool_choice")
    said: Block = {"type": "tool", "name": names[0]} if names else {"type": kinds}
    if kinds != "none" and call.get("parallel_tool_calls") is False:
        said["disable_parallel_tool_use"] = True
    if choice is not None or said != {"type": "auto"}:
        body["tool_choice"] = said


def _think(
    call: ChatCall,
    kind: Family,
    said: Mapping[str, Any],
    body: dict[str, Any],
    turns: list[Turn],
    config: dict[str, Any],
    dropped: set[str],
) -> None:
    """`thinking` as the client wrote it, or what `reasoning_effort` means for this model."""
    own, effort = said.get("thinking"), call.request.reasoning_effort
    if own is not None:
        body["thinking"] = own
    if effort is None:
        return
    if effort == "none" and own is None:
        if kind.off:
            body["thinking"] = {"type": kind.off}
        elif kind.off is None:
            config["effort"] = "low"
            dropped.add("reasoning_effort")
    elif kind.thinking == "adaptive" and effort in _EFFORTS:
        config["effort"] = "max" if effort == "xhigh" and not kind.xhigh else _EFFORTS[effort]
        if own is None:
            body["thinking"] = {"type": "adaptive", "display": "summarized"}
    elif kind.thinking == "budget" and effort in _BUDGETS and own is None and _may_think(body, turns):
        budget = min(_BUDGETS[effort], body["max_tokens"] * 4 // 5)
        body["thinking"] = {"type": "enabled", "budget_tokens": max(budget, _LEAST_BUDGET)}
    else:
        dropped.add("reasoning_effort")


def _may_think(body: Mapping[str, Any], turns: list[Turn]) -> bool:
    """With a budget, thinking has to fit in, goes with no forced tool, and may not begin between a call and its result:
    a client that has not sent it back gets its answer without."""
    if body["max_tokens"] <= _LEAST_BUDGET or body.get("tool_choice", {}).get("type") in ("any", "tool"):
        return False
    if turns[-1]["role"] == "assistant":  # thinking cannot go before what is there already
        return False
    in_between = turns[-1]["content"][0]["type"] == "tool_result" and len(turns) > 1
    return not in_between or turns[-2]["content"][0]["type"] in THINKING


def _sample(call: ChatCall, kind: Family, body: dict[str, Any], said: Mapping[str, Any], dropped: set[str]) -> None:
    """temperature, top_p and top_k, as far as the model, and thinking, leave them."""
    given = {name: said[name] for name in ("temperature", "top_p", "top_k") if said.get(name) is not None}
    wanted = set(given)
    if given.get("temperature", 0) > 1:  # 0 … 1, where OpenAI has 0 … 2
        given["temperature"] = 1
        dropped.add("temperature")
    if body.get("thinking", {}).get("type") in ("enabled", "adaptive"):
        given.pop("top_k", None)
        if given.get("temperature") != 1:
            given.pop("temperature", None)
        if given.get("top_p", 1) < 0.95:
            del given["top_p"]
    if kind.sampling == 0:
        given = {}
    elif kind.sampling == 1 and "temperature" in given:
        given.pop("top_p", None)
    body.update(given)
    dropped.update(wanted - given.keys())
    stop = call.request.stop
    wanted_stops = [stop] if isinstance(stop, str) else stop or []
    if stops := [text for text in wanted_stops if text and not text.isspace()]:  # a blank one is an error
        body["stop_sequences"] = stops
    if len(stops) < len(wanted_stops):
        dropped.add("stop")


def _account(said: Mapping[str, Any], body: dict[str, Any], dropped: set[str]) -> None:
    """Who asks, and in which tier."""
    metadata = said.get("metadata") or {}
    user = said.get("user") or metadata.get("user_id") or said.get("safety_identifier")
    if user:
        body["metadata"] = {"user_id": user}
    if metadata.keys() - {"user_id"}:
        dropped.add("metadata")
    tier = said.get("service_tier")
    if tier in _TIERS:
        body["service_tier"] = _TIERS[tier]
    elif tier is not None:
        dropped.add("service_tier")
