"""A request of the Messages API as a chat request.

Members that chat has in another form are translated. What only some providers understand travels as extras (see
`llms_core.contracts.extras`): a provider without it gets the request without it, and the client learns its name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

from msgspec import Raw

from llms_core.contracts import extras
from llms_core.contracts.body import DeferredBody
from llms_core.contracts.extras import ANYONE, EFFORT, HINTS, Extra
from llms_core.contracts.json import NULL, decode_members, encode_raw, is_null
from llms_core.contracts.native import MESSAGES, NativeRequest
from llms_core.contracts.request import ChatBody, assemble
from llms_core.dialects import IncomingRequest, RawHeaders
from llms_core.dialects.messages import errors
from llms_core.dialects.messages.conversation import Unknown, chat_messages
from llms_core.dialects.messages.original import forwarded_headers, is_own
from llms_core.dialects.messages.request import MessagesRequest, message_decoder, prompt_decoder
from llms_core.dialects.messages.tools import ANTHROPIC, Json, add_output_format, add_tools
from llms_core.errors import RequestError

#: Members that chat has under the same or another name.
_SAME = {
    "model": "model",
    "max_tokens": "max_tokens",
    "stop_sequences": "stop",
    "stream": "stream",
    "temperature": "temperature",
    "top_p": "top_p",
}
_TRANSLATED = frozenset({
    "messages",
    "metadata",
    "output_config",
    "output_format",
    "system",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
})  # fmt: skip

#: OpenAI rejects longer ids of users.
_MAX_USER_ID = 64

#: The largest budgets of tokens for each of OpenAI's efforts; beyond them, it is high.
_EFFORT_OF_BUDGET = ((2048, "low"), (8192, "medium"))

#: Claude's efforts as those that all models of OpenAI's have. Only some of these can be told not to reason.
_COMMON_EFFORTS = {"low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}

_BETA = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")


def decode_message(incoming: IncomingRequest) -> ChatBody:
    """Decode a request for a message. Raises RequestError, which names the invalid member."""
    body = message_decoder.decode(incoming.body)
    view: MessagesRequest = body.view
    if not is_own(view):
        return _translated(body, incoming.headers)
    if not is_null(body.members.get("thread", NULL)):
        raise _threads_unsupported()
    native = NativeRequest(MESSAGES, incoming.body, forwarded_headers(incoming.headers))
    return DeferredBody(
        native,
        lambda: _translated(body, incoming.headers),
        model=view.model,
        stream=bool(view.stream),
        written=body.members,
    )


def _translated(body: Any, headers: RawHeaders) -> ChatBody:
    """Return the translation. Raises RequestError for what only a provider of the same protocol could understand."""
    unknown: Unknown = {}
    translated = _chat_body(body, headers, unknown)
    for param, message in unknown.items():
        raise RequestError(message, param=param, code="invalid_value")
    return translated


def decode_prompt(incoming: IncomingRequest) -> ChatBody:
    """Decode a prompt whose tokens are to be counted."""
    body = prompt_decoder.decode(incoming.body)
    return _chat_body(body.with_members({"stream": None}), incoming.headers, {})


def _chat_body(body: Any, headers: RawHeaders, unknown: Unknown) -> ChatBody:
    """Return the translation, and add what it lacks to `unknown`."""
    view: MessagesRequest = body.view
    if not is_null(body.members.get("thread", NULL)):
        raise _threads_unsupported()
    members: Json = {}
    others: dict[str, Extra] = {}
    for name, value in body.members.items():
        if is_null(value):
            continue
        if name in _SAME:
            members[_SAME[name]] = value
        elif name not in _TRANSLATED:
            others[name] = Extra({ANTHROPIC: {name: value}})
    members["messages"] = chat_messages(view, body.members["messages"], unknown)
    if view.tools:
        add_tools(view, body.members["tools"], members, others)
    elif view.tool_choice is not None:
        add_tools(view, NULL, members, others)
    add_output_format(view, members)
    _add_thinking(view, body.members, others)
    if view.top_k is not None:
        others["top_k"] = Extra({ANTHROPIC: {"top_k": view.top_k}, HINTS: {"top_k": view.top_k}})
    if view.metadata is not None and view.metadata.user_id:
        _add_user(view.metadata.user_id, body.members["metadata"], others)
    betas = list(_betas(headers))
    if betas:
        others["anthropic-beta"] = Extra({ANTHROPIC: {"anthropic_beta": betas}, ANYONE: {}})
    if others:
        members[extras.EXTRAS] = extras.encoded(others)
    return assemble({name: encode_raw(value) for name, value in members.items()})


def _threads_unsupported() -> RequestError:
    """Return the error by which the SDKs' runners of tools notice that they have to send the whole conversation.

    Only Anthropic holds threads, for some minutes. Other servers of its protocol ignore the member, and would answer
    the next turn without what was said before; so would the next candidate after a failure.
    """
    message = "Message threads are not supported here: leave out 'thread', and send the whole conversation each time"
    return RequestError(message, param="thread", code=errors.THREADS_UNSUPPORTED)


def _add_thinking(view: MessagesRequest, members: Any, others: dict[str, Extra]) -> None:
    """Leave `thinking` and the effort to Claude, and for others make one effort of them."""
    effort = view.output_config.effort if view.output_config is not None else None
    thinking = view.thinking
    if thinking is not None and thinking.type == "disabled":
        effort = "none"
    elif thinking is not None and thinking.budget_tokens is not None and effort is None:
        budget = thinking.budget_tokens
        effort = next((name for limit, name in _EFFORT_OF_BUDGET if budget <= limit), "high")
    hint: dict[str, dict[str, Any]] = {}
    if effort is not None:
        hint[HINTS] = {"reasoning_effort": effort}
    if effort in _COMMON_EFFORTS:
        hint[EFFORT] = {"reasoning_effort": _COMMON_EFFORTS[effort]}
    if thinking is not None:
        others["thinking"] = Extra({ANTHROPIC: {"thinking": members["thinking"]}, **hint})
    config = decode_members(members["output_config"]) if view.output_config is not None else {}
    config.pop("format", None)
    if config:
        for name in config:
            others[f"output_config.{name}"] = Extra(
                {ANTHROPIC: {}, **(hint if name == "effort" else {})}
            )
        others[f"output_config.{name}"].members[ANTHROPIC] = {"output_config": config}


def _add_user(user_id: str, metadata: Raw, others: dict[str, Extra]) -> None:
    """Name the user: an id that is too long for OpenAI is hashed."""
    user = user_id if len(user_id) <= _MAX_USER_ID else hashlib.sha256(user_id.encode()).hexdigest()
    chats = {"user": user}
    others["metadata.user_id"] = Extra(
        {ANTHROPIC: {"metadata": metadata}, HINTS: chats, ANYONE: chats}
    )


def _betas(headers: RawHeaders) -> Iterable[str]:
    """Return the features that the client enables; a provider of this protocol needs their names."""
    for name, value in headers:
        if name == b"anthropic-beta":
            for beta in value.decode("latin-1").split(","):
                if _BETA.fullmatch(beta.strip()):
                    yield beta.strip()
