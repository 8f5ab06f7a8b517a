"""Output items, and the response that contains them. Whole answers and streams build theirs here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import Raw

from llms_core.contracts.completion import Usage
from llms_core.contracts.json import NULL, UNREADABLE, decode_members, encode_raw, is_null
from llms_core.dialects.envelope import Envelope, seal
from llms_core.dialects.responses.context import Context
from llms_core.dialects.responses.tools import Origin, custom_input
from llms_core.errors import ErrorKind, ProviderError

Json = dict[str, Any]
Status = Literal["in_progress", "completed", "incomplete"]

#: How the ids of calls begin, by the kind of tool.
CALL_PREFIXES = {
    "function": "fc",
    "custom": "ctc",
    "tool_search": "tsc",
    "local_shell": "lsh",
    "shell": "sh",
    "apply_patch": "apc",
}

#: What a finish reason other than `stop` says about the response.
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}

#: Providers have others, which clients of this API do not know.
_SERVICE_TIERS = ("auto", "default", "flex", "scale", "priority")

#: Members of a function that clients expect to find in the response, even if they are null.
_FUNCTION_MEMBERS = ("name", "description", "parameters", "strict")


def text_part(text: str, annotations: Sequence[Json] = (), logprobs: Sequence[Json] = ()) -> Json:
    """Return a content part with text."""
    return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": logprobs}


def refusal_part(text: str) -> Json:
    """Return a content part with a refusal."""
    return {"type": "refusal", "refusal": text}


def message(id: str, content: Sequence[Json], status: Status) -> Json:
    """Return a message."""
    return {"type": "message", "id": id, "status": status, "role": "assistant", "content": content}


def reasoning(id: str, text: str, envelope: Envelope | None, context: Context) -> Json:
    """Return a reasoning item, whose text is a summary if the client asked for one."""
    item: Json = {"type": "reasoning", "id": id, "summary": []}
    if context.shows_summary:
        item["summary"] = [{"type": "summary_text", "text": text}] if text else []
    elif text:
        item["content"] = [{"type": "reasoning_text", "text": text}]
    if envelope is not None:
        item["encrypted_content"] = seal(envelope)
    return item


def image(id: str, url: str) -> Json:
    """Return an image that the model has made."""
    return {
        "type": "image_generation_call",
        "id": id,
        "status": "completed",
        "result": url.partition("base64,")[2] or url,
    }


def call(origin: Origin, id: str, call_id: str, arguments: str, status: Status) -> Json | None:
    """Return a call of one of the client's tools; None if so little of it has arrived that it cannot be expressed.

    Raises ProviderError if the arguments are whole, and not those of the tool.
    """
    try:
        return _call(origin, id, call_id, arguments, status)
    except ProviderError:
        if status == "incomplete":
            return None
        raise


def _call(origin: Origin, id: str, call_id: str, arguments: str, status: Status) -> Json:
    item: Json = {"id": id, "call_id": call_id, "status": status}
    match origin.kind:
        case "function":
            item |= {"type": "function_call", "name": origin.name, "arguments": arguments}
        case "custom":
            item |= {
                "type": "custom_tool_call",
                "name": origin.name,
                "input": custom_input(arguments),
            }
        case "tool_search":
            item |= {
                "type": "tool_search_call",
                "execution": "client",
                "arguments": _object(origin, arguments),
            }
        case "local_shell":
            action = {"env": {}, **_object(origin, arguments), "type": "exec"}
            item |= {"type": "local_shell_call", "action": action}
            _require(origin, action, "command", list)
        case "shell":
            action = {"timeout_ms": None, "max_output_length": None, **_object(origin, arguments)}
            item |= {"type": "shell_call", "action": action}
            _require(origin, action, "commands", list)
        case "apply_patch":
            operation = _object(origin, arguments)
            item |= {"type": "apply_patch_call", "operation": operation}
            _require(origin, operation, "path", str)
    if origin.namespace is not None:
        item["namespace"] = origin.namespace
    return item


def response(
    context: Context, model: str, created: int, output: Sequence[Any] = (), **members: Any
) -> Json:
    """Return a response: what the client asked for, and what has come of it so far."""
    request = context.request.view
    given = context.request.members
    tools = [_shown_tool(tool) for tool in request.tools or ()]
    body: Json = {
        "id": context.id,
        "object": "response",
        "created_at": created,
        "completed_at": None,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": None,
        "model": model,
        "output": output,
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": request.previous_response_id,
        "prompt_cache_key": request.prompt_cache_key,
        "reasoning": {
            "effort": request.reasoning and request.reasoning.effort,
            "summary": request.reasoning and request.reasoning.summary,
        },
        "safety_identifier": request.safety_identifier,
        "service_tier": request.service_tier or "default",
        "store": context.stored,
        "temperature": 1.0 if request.temperature is None else request.temperature,
        "text": _shown_text(context),
        "tool_choice": _given(given.get("tool_choice"), "auto"),
        "tools": tools,
        "top_logprobs": request.top_logprobs or 0,
        "top_p": 1.0 if request.top_p is None else request.top_p,
        "presence_penalty": request.presence_penalty or 0.0,
        "frequency_penalty": request.frequency_penalty or 0.0,
        "truncation": "disabled",
        "usage": None,
        "user": request.user,
        "metadata": request.metadata or {},
    }
    body |= members
    return body


def ended(finish_reason: str | None, usage: Usage | None, service_tier: object) -> Json:
    """Return the members of a response that has ended."""
    incomplete = _INCOMPLETE.get(finish_reason or "stop")
    members: Json = {"usage": None if usage is None else _usage(usage)}
    if incomplete is None:
        members |= {"status": "completed", "completed_at": int(time.time())}
    else:
        members |= {"status": "incomplete", "incomplete_details": {"reason": incomplete}}
    if service_tier in _SERVICE_TIERS:
        members["service_tier"] = service_tier
    return members


def annotation(raw: Json) -> Json:
    """Return an annotation of a chat completion as this API has it: without a member of its own."""
    kind = raw.get("type", "")
    inner = raw.get(kind)
    # Some providers leave that member out as well.
    members = {"type": kind, **inner} if isinstance(inner, dict) else raw
    if kind != "url_citation":
        return members
    # All of them have to be there; not every provider says which text it means.
    found = {"start_index": 0, "end_index": 0, "title": "", "url": ""}
    return found | {name: value for name, value in members.items() if value is not None}


def logprob(raw: Json) -> Json:
    """Return the log probabilities of a token without nulls, which this API has not."""
    top = [{**each, "bytes": each.get("bytes") or []} for each in raw.get("top_logprobs") or ()]
    return {**raw, "bytes": raw.get("bytes") or [], "top_logprobs": top}


def _usage(usage: Usage) -> Json:
    prompt = usage.prompt_tokens_details or {}
    completion = usage.completion_tokens_details or {}
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": prompt.get("cached_tokens") or 0,
            "cache_write_tokens": prompt.get("cache_write_tokens") or 0,
        },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": completion.get("reasoning_tokens") or 0},
        "total_tokens": usage.total_tokens,
    }


def _shown_tool(raw: Raw) -> Raw:
    """Return a tool as the client sent it; a function with all members that clients expect in a response."""
    members = decode_members(raw)
    is_function = bytes(members["type"]) == b'"function"'
    if not is_function or members.keys() >= set(_FUNCTION_MEMBERS):
        return raw
    return encode_raw({**dict.fromkeys(_FUNCTION_MEMBERS, NULL), **members})


def _shown_text(context: Context) -> Json:
    text = context.request.view.text
    shown: Json = {"format": {"type": "text"}, "verbosity": (text and text.verbosity) or "medium"}
    if text is not None and text.format is not None and text.format.type != "text":
        given = text.format
        shown["format"] = {"type": given.type}
        if given.type == "json_schema":
            shown["format"] |= {
                "name": given.name,
                "description": given.description,
                "schema": given.schema,
                "strict": bool(given.strict),
            }
    return shown


def _given(raw: Raw | None, default: str) -> Any:
    if raw is None or is_null(raw):
        return default
    return raw


def _object(origin: Origin, arguments: str) -> Json:
    try:
        return msgspec.json.decode(arguments or "{}", type=dict[str, Any])
    except UNREADABLE:
        raise _invalid(origin) from None


def _require(origin: Origin, value: Json, member: str, kind: type) -> None:
    if not isinstance(value.get(member), kind):
        raise _invalid(origin)


def _invalid(origin: Origin) -> ProviderError:
    message = (
        f"The model called the tool '{origin.name}' with arguments that are not those of the tool"
    )
    return ProviderError(ErrorKind.BAD_RESPONSE, message)
