"""A chat request as the body of a request to the Responses API."""

from __future__ import annotations

from typing import Any

import msgspec

from llms_core.contracts.function_names import FunctionNames
from llms_core.contracts.json import NULL, is_null
from llms_core.contracts.request import ChatCall
from llms_core.contracts.signatures import Owner
from llms_core.errors import Unsupported
from llms_core.openai_compatible.function_names import RULE
from llms_core.openai_compatible.responses.conversation import Conversation
from llms_core.openai_compatible.responses.tools import (
    format_of,
    tool_choice_of,
    tools_of,
    web_search_of,
)
from llms_core.openai_compatible.responses.views import Json

#: Parameters that this API has as well, under the same name.
_SAME = (
    "metadata",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "temperature",
    "top_p",
    "user",
    # Of this API alone; clients that know it may use them.
    "context_management",
    "max_tool_calls",
    "truncation",
)
_TRANSLATED = frozenset((
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "modalities",
    "model",
    "n",
    "reasoning",
    "reasoning_effort",
    "response_format",
    "stream",
    # Its usage always comes with the end of a response.
    "stream_options",
    "tool_choice",
    "tools",
    "top_logprobs",
    "verbosity",
    "web_search_options",
))  # fmt: skip
#: Parameters that cannot be left out, because the answer would not be what the client asked for.
_UNSUPPORTED = ("audio", "functions", "function_call")

#: OpenAI refuses a lower limit.
_MIN_OUTPUT_TOKENS = 16


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider and a model accept."""

    #: parameters that the provider refuses
    drop: frozenset[str] = frozenset()
    #: whether unknown parameters are passed on, because the provider ignores what it does not know
    open: bool = False
    #: whether there is a role `developer`
    developer: bool = True
    #: whether summaries of reasoning can be had
    summary: bool = True
    #: whether encrypted reasoning can be had
    encrypted: bool = True
    #: whether reasoning of earlier answers is sent back
    earlier_reasoning: bool = True


def build_body(call: ChatCall, owner: Owner, options: Options) -> tuple[Json, tuple[str, ...]]:
    """Return the body to send, and the names of the client's parameters that it leaves out.

    `owner` is the model. Raises Unsupported for what this API cannot do, and RequestError for invalid values.
    """
    _reject_unsupported(call)
    names = FunctionNames(call, RULE)
    conversation = Conversation(
        call, owner, names, developer=options.developer, with_reasoning=options.earlier_reasoning
    )
    dropped: set[str] = set()
    body: Json = {
        "model": call.upstream_model,
        "input": conversation.items(),
        "store": False,
    }
    include = ["reasoning.encrypted_content"] if options.encrypted else []
    _add_parameters(call, options, body, dropped)
    _add_token_limit(call, body, dropped)
    _add_tools(call, names, body)
    _add_text(call, body)
    _add_reasoning(call, options, body)
    if call.request.logprobs:
        include.append("message.output_text.logprobs")
        body["top_logprobs"] = call.request.top_logprobs or 0
    if include:
        body["include"] = include
    if call.stream:
        body["stream"] = True
    if any(
        message.name and message.role not in ("tool", "function")
        for message in call.request.messages
    ):
        dropped.add("messages.name")
    return body, tuple(sorted(dropped))


def _reject_unsupported(call: ChatCall) -> None:
    if call.request.n is not None and call.request.n > 1:
        raise Unsupported("The Responses API gives one answer per request: set 'n' to 1", param="n")
    if call.get("modalities") not in (None, ["text"], []):
        raise Unsupported(
            "The Responses API answers in text: set 'modalities' to [\"text\"]", param="modalities"
        )
    for name in _UNSUPPORTED:
        if not is_null(call.members.get(name, NULL)):
            raise Unsupported(f"The Responses API does not support '{name}'", param=name)


def _add_parameters(call: ChatCall, options: Options, body: Json, dropped: set[str]) -> None:
    """Add the parameters of the same name, and note those that are left out."""
    for name, value in call.members.items():
        if is_null(value) or name in _TRANSLATED:
            continue
        is_known = name in _SAME or (options.open and name not in _CHAT_ONLY)
        if is_known and name not in options.drop:
            body[name] = value
        elif name != "store" or bytes(value) != b"false":
            dropped.add(name)


#: Parameters of chat completions that this API has not.
_CHAT_ONLY = frozenset((
    "frequency_penalty",
    "logit_bias",
    "prediction",
    "presence_penalty",
    "provider_extra",
    "seed",
    "stop",
    "store",
))  # fmt: skip


def _add_token_limit(call: ChatCall, body: Json, dropped: set[str]) -> None:
    limit = call.request.token_limit
    if limit is None:
        return
    body["max_output_tokens"] = max(limit, _MIN_OUTPUT_TOKENS)
    if limit < _MIN_OUTPUT_TOKENS:
        is_new = call.request.max_completion_tokens is not None
        dropped.add("max_completion_tokens" if is_new else "max_tokens")


def _add_tools(call: ChatCall, names: FunctionNames, body: Json) -> None:
    tools = tools_of(call, names)
    search = web_search_of(call)
    if search is not None:
        tools.append(search)
    if tools:
        body["tools"] = tools
    choice = tool_choice_of(call, names)
    if choice is not None:
        body["tool_choice"] = choice


def _add_text(call: ChatCall, body: Json) -> None:
    text: Json = {}
    text_format = format_of(call)
    if text_format is not None:
        text["format"] = text_format
    verbosity = call.get("verbosity")
    if verbosity is not None:
        text["verbosity"] = verbosity
    if text:
        body["text"] = text


def _add_reasoning(call: ChatCall, options: Options, body: Json) -> None:
    """Add `reasoning`, the client's own if it has one; a summary is what clients get to see of it."""
    own: Any = call.get("reasoning")
    reasoning: Json = dict(own) if isinstance(own, dict) else {}
    effort = call.request.reasoning_effort
    if effort is not None:
        reasoning["effort"] = effort
        if effort != "none":
            reasoning.setdefault("summary", "auto")
    if not options.summary:
        reasoning.pop("summary", None)
    if reasoning:
        body["reasoning"] = reasoning
