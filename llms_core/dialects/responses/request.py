"""A request of the Responses API: decoded, checked, and translated to a request of the operation `chat`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from llms_core.contracts import request as chat
from llms_core.contracts.body import BodyDecoder, RequestBody
from llms_core.contracts.json import NULL, encode_raw, is_null
from llms_core.contracts.request import ChatBody
from llms_core.dialects.envelope import opened
from llms_core.dialects.responses.context import Context, new_response_id
from llms_core.dialects.responses.items import Conversation, Item, further_tools
from llms_core.dialects.responses.schema import Format, Reasoning, ResponsesRequest
from llms_core.dialects.responses.tools import Toolset, forced
from llms_core.errors import RequestError

_decoder = BodyDecoder(ResponsesRequest)

#: Members that the operation has, too, under the same name.
_SAME = (
    "model",
    "stream",
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "service_tier",
    # Not of this API: parameters of chat completions and of providers, which their clients send all the same.
    "seed",
    "stop",
    "logit_bias",
    "top_k",
    "enable_thinking",
    "thinking",
)
#: Members that are translated, or that concern nobody but the gateway.
_KNOWN = frozenset(
    (
        *_SAME,
        "background",
        "include",
        "input",
        "instructions",
        "max_output_tokens",
        "metadata",
        "parallel_tool_calls",
        "previous_response_id",
        "reasoning",
        "store",
        # Its only member asks for no padding, and there is none.
        "stream_options",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "truncation",
    )
)
_REFUSED: Mapping[str, str] = {
    "conversation": "Conversations are not stored: use 'previous_response_id', or send the whole input",
    "prompt": "Prompt templates are stored by OpenAI only: send the instructions and the input",
}
_LOGPROBS = "message.output_text.logprobs"

CLIENT_NAMES: Mapping[str, str] = {
    "max_completion_tokens": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "messages": "input",
    "reasoning_effort": "reasoning.effort",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
    "logprobs": "top_logprobs",
}
"""This API's names of the operation's parameters, where they differ."""


class History:
    """What a request refers to: the items of the responses before it, and single items."""

    def __init__(self, items: Sequence[Item] = (), references: Mapping[str, Item] | None = None):
        self.items = items
        self.references = references or {}


def decode(data: bytes) -> RequestBody[ResponsesRequest]:
    """Return the request. Raises RequestError, which names the invalid member, for what cannot be answered."""
    body = _decoder.decode(data)
    if body.view.background:
        message = "Background responses are not supported: a response is answered on the connection that asks for it"
        raise RequestError(message, param="background", code="unsupported")
    return body


def decode_items(data: bytes) -> list[Item]:
    """Return stored input or output."""
    found = msgspec.json.decode(data, type=str | list[Item])
    return [_question(found)] if isinstance(found, str) else found


def references(request: ResponsesRequest) -> list[tuple[int, str]]:
    """Return the position and the id of each item that stands for one of an earlier response."""
    if isinstance(request.input, str):
        return []
    return [
        (number, item.id or "") for number, item in enumerate(request.input) if item.is_reference
    ]


def translate(
    body: RequestBody[ResponsesRequest], history: History, *, caller: str, stored: bool
) -> ChatBody:
    """Return the request of the operation, which remembers the client's. Raises RequestError."""
    for name, message in _REFUSED.items():
        if not is_null(body.members.get(name, NULL)):
            raise RequestError(message, param=name, code="unsupported")
    request = body.view
    own = [_question(request.input)] if isinstance(request.input, str) else request.input
    if history.references:
        own = [history.references[item.id or ""] if item.is_reference else item for item in own]
    items = [*history.items, *own]
    toolset = Toolset()
    toolset.add(request.tools or (), "tools")
    toolset.add(further_tools(items), "input")
    conversation = Conversation(toolset, _call_members(items))
    conversation.add(history.items, "previous_response_id")
    conversation.add(own, "input")
    messages = conversation.finished()
    if request.instructions:
        messages.insert(0, {"role": "system", "content": request.instructions})

    members = {
        name: raw
        for name in _SAME
        if (raw := body.members.get(name)) is not None and not is_null(raw)
    }
    members["messages"] = encode_raw(messages)
    members |= {name: encode_raw(value) for name, value in _parameters(request).items()}
    members |= {name: encode_raw(value) for name, value in _tools(body, toolset).items()}
    context = Context(
        id=new_response_id(),
        request=body,
        toolset=toolset,
        caller=caller,
        stored=stored,
        shows_summary=_shows_summary(request.reasoning),
        shows_logprobs=_LOGPROBS in (request.include or ()),
    )
    dropped = (
        *_dropped(body, stored),
        *(f"tools.{kind}" for kind in dict.fromkeys(toolset.dropped)),
    )
    return chat.assemble(members).with_context(context, (*dropped, *sorted(conversation.dropped)))


def _parameters(request: ResponsesRequest) -> dict[str, Any]:
    """The parameters that have another name or form in the operation."""
    found: dict[str, Any] = {}
    if request.max_output_tokens is not None:
        found["max_completion_tokens"] = request.max_output_tokens
    if request.reasoning is not None and request.reasoning.effort is not None:
        found["reasoning_effort"] = request.reasoning.effort
    if request.text is not None:
        if request.text.verbosity is not None:
            found["verbosity"] = request.text.verbosity
        if request.text.format is not None and request.text.format.type != "text":
            found["response_format"] = _response_format(request.text.format)
    if request.top_logprobs or _LOGPROBS in (request.include or ()):
        found["logprobs"] = True
        if request.top_logprobs is not None:
            found["top_logprobs"] = request.top_logprobs
    return found


def _response_format(format: Format) -> dict[str, Any]:
    if format.type == "json_object":
        return {"type": "json_object"}
    has_schema = bool(format.schema) and not is_null(format.schema)
    for name, is_given in {"name": bool(format.name), "schema": has_schema}.items():
        if not is_given:
            param = f"text.format.{name}"
            message = f"Missing required parameter: '{param}'"
            raise RequestError(message, param=param, code="missing_required_parameter")
    schema = {
        "name": format.name,
        "schema": format.schema,
        "description": format.description,
        "strict": format.strict,
    }
    return {
        "type": "json_schema",
        "json_schema": {name: value for name, value in schema.items() if value is not None},
    }


def _tools(body: RequestBody[ResponsesRequest], toolset: Toolset) -> dict[str, Any]:
    """The tools, and what only makes sense beside them: providers refuse it otherwise."""
    found: dict[str, Any] = {}
    choice = body.members.get("tool_choice")
    if choice is not None and not is_null(choice):
        found["tool_choice"] = forced(choice, toolset)
    if not toolset.functions:
        return {}
    found["tools"] = toolset.functions
    if body.view.parallel_tool_calls is not None:
        found["parallel_tool_calls"] = body.view.parallel_tool_calls
    return found


def _dropped(body: RequestBody[ResponsesRequest], stored: bool) -> list[str]:
    """The names of the parameters that have no effect here."""
    dropped = [
        name for name, raw in body.members.items() if name not in _KNOWN and not is_null(raw)
    ]
    if body.view.truncation == "auto":
        dropped.append("truncation")
    if body.view.store and not stored:
        dropped.append("store")
    return dropped


def _call_members(items: Sequence[Item]) -> dict[str, dict[str, Any]]:
    """The members of calls that envelopes have kept, by the call's id. An envelope need not be in the call's turn."""
    found: dict[str, dict[str, Any]] = {}
    for item in items:
        envelope = opened(item.encrypted_content)
        if item.type != "reasoning" or envelope is None:
            continue
        for call_id, members in envelope.calls.items():
            found.setdefault(call_id, {}).update(members)
    return found


def _shows_summary(reasoning: Reasoning | None) -> bool:
    return reasoning is not None and bool(reasoning.summary or reasoning.generate_summary)


def _question(text: str) -> Item:
    return Item(type="message", role="user", content=text)
