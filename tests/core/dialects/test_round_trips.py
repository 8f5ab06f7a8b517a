"""Recorded conversations keep their meaning if a client writes them in another API, which becomes a chat again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from as_messages import MAX_TOKENS, NotExpressible, as_messages
from as_responses import as_responses
from differences import MISSING, Allowed, Difference, assert_only
from recordings import Recording, for_each, recordings

from llms_core.config.model import Responses
from llms_core.contracts.body import RequestBody
from llms_core.contracts.extras import EXTRAS, HINTS, applied
from llms_core.contracts.request import ChatBody, decode
from llms_core.dialects import Dialect, IncomingRequest, responses
from llms_core.dialects.messages import MESSAGES
from llms_core.errors import RequestError

Json = dict[str, Any]


class Trip(NamedTuple):
    """An API, how a client writes a chat in it, and what is allowed to differ afterwards."""

    dialect: Dialect
    write: Callable[[Json], tuple[Json, set[str]]]
    #: parameters that the API does not have, and providers' own
    unknown: frozenset[str]
    #: why a conversation cannot be written down
    not_expressible: frozenset[str]
    allowed: Mapping[str, tuple[str, Allowed]]


def is_left_out(difference: Difference) -> bool:
    return difference.after is MISSING


def is_joined(difference: Difference) -> bool:
    """Whether messages of the assistant that follow each other have become one."""
    joined: list[Json] = []
    for message in difference.before:
        if joined and message["role"] == joined[-1]["role"] == "assistant":
            joined[-1] = {**joined[-1], "content": [*joined[-1]["content"], *message["content"]]}
        else:
            joined.append(message)
    return bool(joined == difference.after)


#: Neither of OpenAI's API nor of the others: their clients send them only to the provider that knows them.
OF_PROVIDERS = frozenset({
    "cache_prompt", "chat_template_args", "chat_template_kwargs", "clear_thinking", "disable_search",
    "enable_search", "enable_thinking", "models", "moderation", "n_predict", "preset", "provider", "reasoning",
    "reasoning_format", "return_images", "return_related_questions", "safe_prompt", "thinking", "transforms", "usage",
})  # fmt: skip
#: Of chat completions only.
OF_CHAT = frozenset({"audio", "modalities", "n", "store", "stream_options"})
#: Anthropic has no log probabilities, no seed, no penalties, no JSON without a schema, and other tiers.
OF_OPENAI = frozenset({
    "frequency_penalty", "logprobs", "presence_penalty", "prompt_cache_key", "response_format", "seed",
    "service_tier", "top_logprobs",
})  # fmt: skip

IN_NEITHER = frozenset(
    {
        "a format without a schema",
        "parts of the type document_url",
        "parts of the type thinking",
        "parts of the type video_url",
        "tools that are not functions",
    }
)
IN_MESSAGES = frozenset({"parts of the type input_audio"})

BOTH: Mapping[str, tuple[str, Allowed]] = {
    "messages.*.name": (
        "messages have no names, and the result of a tool has the id of its call",
        is_left_out,
    ),
    "messages.*.reasoning": (
        "reasoning without its signature is of no use to another API",
        is_left_out,
    ),
    "messages.*.reasoning_content": ("likewise", is_left_out),
    "messages.*.reasoning_details": ("likewise", is_left_out),
    "messages.*.prefix": ("Mistral's mark of an answer to be continued", is_left_out),
    "messages.*.cache_control": (
        "OpenRouter's marks for caches; Anthropic's are on blocks",
        is_left_out,
    ),
    "response_format": ("text needs no format", lambda it: it.before == {"type": "text"}),
    "tool_choice": ("Mistral's name", lambda it: (it.before, it.after) == ("any", "required")),
    "tools.*.function.arguments": ("not OpenAI's name for the parameters", is_left_out),
}

TO_MESSAGES: Mapping[str, tuple[str, Allowed]] = {
    **BOTH,
    "tool_choice": (
        "Mistral's name, and what disables parallel calls is a member of it",
        lambda it: (it.before, it.after) in {("any", "required"), (MISSING, "auto")},
    ),
    "limit": ("max_tokens is required", lambda it: (it.before, it.after) == (None, MAX_TOKENS)),
    "messages.*.role": (
        "there are no developers",
        lambda it: (it.before, it.after) == ("developer", "system"),
    ),
    "parallel_tool_calls": (
        "they are the default, and can only be disabled",
        lambda it: it.before is True,
    ),
    "response_format.json_schema.name": ("schemas have no name", lambda it: it.after == "response"),
    "messages.*.content.*.image_url.detail": ("images have no detail", is_left_out),
    "response_format.json_schema.description": (
        "schemas have no description of their own",
        is_left_out,
    ),
    "tools.*.function.parameters": (
        "a schema is required",
        lambda it: it.after == {"type": "object"},
    ),
    "response_format.json_schema.strict": (
        "schemas are always followed, as far as OpenAI can",
        lambda it: True,
    ),
}

TO_RESPONSES: Mapping[str, tuple[str, Allowed]] = {
    **BOTH,
    "messages": ("the items of one turn are one message", is_joined),
    "messages.*.content.*.cache_control": ("there are no marks for caches", is_left_out),
    "tools.*.cache_control": ("likewise", is_left_out),
    "response_format.json_schema.name": (
        "a name is required",
        lambda it: not it.before or it.before is MISSING,
    ),
}

TRIPS = {
    "messages": Trip(
        MESSAGES,
        as_messages,
        OF_PROVIDERS | OF_CHAT | OF_OPENAI,
        IN_NEITHER | IN_MESSAGES,
        TO_MESSAGES,
    ),
    "responses": Trip(
        responses.create(Responses(store=False), Path("unused"))[0],
        as_responses,
        OF_PROVIDERS | OF_CHAT,
        IN_NEITHER,
        TO_RESPONSES,
    ),
}


def is_accepted(recording: Recording) -> bool:
    """Whether the provider and the gateway accepted the chat itself."""
    if recording.status >= 400:
        return False
    try:
        decode(json.dumps(recorded(recording)).encode())
    except RequestError:
        return False
    return True


def recorded(recording: Recording) -> Json:
    return {**recording.request["body"], "model": "m"}


def chat_of(dialect: Dialect, request: Json) -> Json:
    """What a provider without extras of its own gets."""
    body = dialect.decode(IncomingRequest(json.dumps(request).encode()))
    assert isinstance(body, RequestBody)
    chat: ChatBody = body
    if EXTRAS in chat.members:
        chat, _ = applied(chat, frozenset({HINTS}))
    return {name: json.loads(bytes(raw)) for name, raw in chat.members.items()}


def normal(chat: Json) -> Json:
    """A chat in one of the forms that OpenAI's API has for the same."""
    found = {name: value for name, value in chat.items() if value is not None}
    if isinstance(found.get("stop"), str):
        found["stop"] = [found["stop"]]
    limit = found.pop("max_completion_tokens", None) or found.pop("max_tokens", None)
    found.pop("max_tokens", None)
    found["limit"] = limit
    found["messages"] = [normal_message(message) for message in chat["messages"]]
    if not found.get("tools"):
        # Without tools, what is said of them has no effect.
        for name in ("tools", "tool_choice", "parallel_tool_calls"):
            found.pop(name, None)
    return found


def normal_message(message: Json) -> Json:
    found = {name: value for name, value in message.items() if value not in (None, [])}
    content = message.get("content") or []
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    found["content"] = [normal_part(part) for part in parts]
    if message.get("tool_calls"):
        found["tool_calls"] = [normal_call(call) for call in message["tool_calls"]]
    return found


def normal_part(part: Json) -> Json:
    found = {name: value for name, value in part.items() if value is not None}
    if isinstance(found.get("image_url"), str):
        found["image_url"] = {"url": found["image_url"]}
    return found


def normal_call(call: Json) -> Json:
    function = call["function"]
    arguments = json.loads(function["arguments"] or "{}")
    return {
        "id": call["id"],
        "type": "function",
        "function": {"name": function["name"], "arguments": arguments},
    }


def changed_paths(trip: Trip, recording: Recording) -> set[str]:
    chat = recorded(recording)
    try:
        request, unknown = trip.write(chat)
    except NotExpressible as error:
        reasons = {str(error)}
    else:
        reasons = set()
    if reasons:
        assert reasons <= trip.not_expressible
        return reasons
    assert unknown <= trip.unknown
    known = {name: value for name, value in chat.items() if name not in unknown}
    return (
        assert_only(trip.allowed, normal(known), normal(chat_of(trip.dialect, request))) | unknown
    )


@for_each(recordings("openai", is_accepted))
@pytest.mark.parametrize("name", TRIPS)
def test_a_conversation_is_preserved(name: str, recording: Recording) -> None:
    changed_paths(TRIPS[name], recording)


@pytest.mark.slow
@pytest.mark.parametrize("name", TRIPS)
def test_each_allowed_difference_is_needed(name: str) -> None:
    """No row of the tables is without a recording."""
    trip = TRIPS[name]
    found: set[str] = set()
    for parameter in recordings("openai", is_accepted):
        if parameter.values[0] is None:
            pytest.skip("the recordings are not there")
        found |= changed_paths(trip, parameter.values[0])
    assert found == trip.allowed.keys() | trip.unknown | trip.not_expressible
