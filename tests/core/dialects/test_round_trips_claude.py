"""Recorded requests to Anthropic, translated to a chat and back, are what their clients wrote.

Requests are passed on to Anthropic without a translation where that is possible; this is what they are otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from differences import MISSING, Allowed, Difference, assert_only
from message_requests import upstream_request
from recordings import Recording, for_each, recordings

from llms_core.dialects import IncomingRequest
from llms_core.dialects.messages.decode import decode_message
from llms_core.testing.subject import Subject, find

Json = dict[str, Any]


def has_later_instructions(difference: Difference) -> bool:
    return any(message["role"] == "system" for message in difference.before)


def has_same_text(difference: Difference) -> bool:
    """Whether blocks differ only in how a text is divided, and in blank ones."""
    return _joined(difference.before) == _joined(difference.after)


def _joined(blocks: list[Json]) -> tuple[str, list[Json]]:
    text = "".join(block["text"] for block in blocks if block["type"] == "text")
    return text.strip(), [block for block in blocks if block["type"] != "text"]


def is_a_name(difference: Difference) -> bool:
    return difference.before is MISSING and difference.after in ("document.txt", "document.pdf")


ALLOWED: Mapping[str, tuple[str, Allowed]] = {
    "stream": ("false is the default", lambda it: it.before is False),
    "tool_choice.disable_parallel_tool_use": ("likewise", lambda it: it.before is False),
    "tools.*.type": ("likewise", lambda it: it.before == "custom"),
    "messages.*.content.*.title": ("OpenAI's files need a name", is_a_name),
    "messages.*.content.*.content.*.title": ("likewise", is_a_name),
    "messages.*.content": ("an answer of chat has one text, and no blank one", has_same_text),
    "messages": ("instructions between messages come first", has_later_instructions),
    "system": ("likewise", lambda it: it.after[: len(it.before)] == it.before),
    "output_format": ("the older name of `output_config.format`", lambda it: it.after is MISSING),
    "output_config": (
        "likewise",
        lambda it: it.before is MISSING and it.after.keys() == {"format"},
    ),
}


def normal(body: Json) -> Json:
    """A request in one of the forms that the API has for the same."""
    found = {name: value for name, value in body.items() if value is not None and name != "model"}
    if "system" in found:
        found["system"] = blocks_of(found["system"])
    messages: list[Json] = []
    for message in body["messages"]:
        content = [normal_block(block) for block in blocks_of(message["content"])]
        if messages and messages[-1]["role"] == message["role"]:
            messages[-1]["content"] += content
        else:
            messages.append({"role": message["role"], "content": content})
    found["messages"] = messages
    return found


def normal_block(block: Json) -> Json:
    found = {name: value for name, value in block.items() if (name, value) != ("is_error", False)}
    if block["type"] == "tool_result" and "content" in block:
        found["content"] = blocks_of(block["content"])
    return found


def blocks_of(content: str | list[Json]) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def changed_paths(recording: Recording) -> set[str]:
    claude = find("anthropic", None)
    # The model decides what is accepted.
    subject = SimpleNamespace(
        name=claude.name,
        spec=claude.spec,
        adapter=claude.adapter,
        wire=SimpleNamespace(model=recording.model),
    )
    headers = [
        (name.lower().encode(), value.encode())
        for name, value in recording.request["headers"].items()
    ]
    body = recording.request["body"]
    sent = json.loads(upstream_request(cast("Subject", subject), body, headers).content)
    return assert_only(ALLOWED, normal(body), normal(sent))


def is_translatable(recording: Recording) -> bool:
    """Whether chat can express a request; otherwise it is only passed on."""
    body = decode_message(IncomingRequest(json.dumps(recording.request["body"]).encode()))
    return body.untranslatable is None


RECORDINGS = recordings("anthropic", lambda each: each.status == 200 and is_translatable(each))


@for_each(RECORDINGS)
def test_a_request_is_what_its_client_wrote(recording: Recording) -> None:
    changed_paths(recording)


@pytest.mark.slow
def test_each_allowed_difference_is_needed() -> None:
    """No row of the table is without a recording."""
    recorded = [each.values[0] for each in RECORDINGS if each.values[0] is not None]
    if not recorded:
        pytest.skip("the recordings are not there")
    assert set().union(*map(changed_paths, recorded)) == ALLOWED.keys()
