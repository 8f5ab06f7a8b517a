"""Responses as chat completions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from llms_core.contracts.building import arguments_text, choice_of, completion_of
from llms_core.contracts.completion import Completion, finish_reason
from llms_core.contracts.function_names import FunctionNames
from llms_core.contracts.json import UNREADABLE
from llms_core.contracts.request import ChatCall
from llms_core.contracts.signatures import Owner
from llms_core.contracts.tool_call_ids import AnswerCallIds
from llms_core.errors import ProviderError
from llms_core.openai_compatible.function_names import RULE
from llms_core.openai_compatible.responses.failures import ErrorReader, failure_of
from llms_core.openai_compatible.responses.originals import kept
from llms_core.openai_compatible.responses.views import (
    CALLS,
    Json,
    Response,
    bad_response,
    objects_in,
    text_in,
    usage_of,
)

_decode = msgspec.json.Decoder(Response).decode

#: The status of a response that is complete, or as complete as it will be.
_ENDED = ("completed", "incomplete")
_FAILED = ("failed", "cancelled")

#: Between the summaries of one answer's reasoning, which are paragraphs.
PARAGRAPH = "\n\n"


def read_completion(
    call: ChatCall, body: bytes, owner: Owner, read_error: ErrorReader
) -> Completion:
    """Return a response as a chat completion. Raises ProviderError if it failed, or is none."""
    try:
        response = _decode(body)
    except UNREADABLE as error:
        raise bad_response(error) from None
    if response.status in _FAILED or (response.status is None and response.error):
        raise failure_of(response, read_error)
    if response.output is None:
        raise read_error(body)
    # Servers other than OpenAI's may leave the status out.
    if response.status is not None and response.status not in _ENDED:
        raise bad_response(f"its status is '{response.status}'")
    ids = AnswerCallIds(call)
    items = [with_unique_id(item, ids) for item in response.output]
    names = FunctionNames(call, RULE)
    calls = [call_of(item, names) for item in items if item.get("type") in CALLS]
    parts = _message_parts(items)
    text = "".join(text_in(part, "text") for part in parts)
    refusal = "".join(text_in(part, "refusal") for part in parts)
    message: Json = {"tool_calls": calls} if calls else {}
    if refusal:
        message["refusal"] = refusal
    message |= additional_members(items, owner)
    logprobs: list[Json] = []
    for part in parts:
        logprobs.extend(objects_in(part, "logprobs"))
    choice = choice_of(
        # As OpenAI answers; without calls or a refusal, clients expect a string.
        content=text if text or not (calls or refusal) else None,
        finish_reason=finish_reason_of(response, has_calls=bool(calls)),
        reasoning=PARAGRAPH.join(thoughts_in(items)),
        logprobs=logprobs_of(logprobs),
        message=message,
    )
    extra = {} if response.service_tier is None else {"service_tier": response.service_tier}
    return completion_of(call, [choice], usage_of(response), extra=extra, id=response.id)


def _message_parts(items: Iterable[Json]) -> list[Json]:
    """Return the parts of all messages."""
    parts: list[Json] = []
    for item in items:
        if item.get("type") == "message":
            parts.extend(objects_in(item, "content"))
    return parts


def with_unique_id(item: Json, ids: AnswerCallIds) -> Json:
    """Return an item with an id that no other call has, if it is a call. The original and the message share it.

    Raises ProviderError for a call without a name.
    """
    if item.get("type") not in CALLS:
        return item
    if not text_in(item, "name"):
        raise bad_response("it has a tool call without a name")
    return {**item, "call_id": ids.unique(text_in(item, "call_id"))}


def call_of(item: Json, names: FunctionNames) -> Json:
    """Return an item that calls a tool as a tool call, with the client's name of a function."""
    if item["type"] == "custom_tool_call":
        custom = {"name": item["name"], "input": text_in(item, "input")}
        return {"id": item["call_id"], "type": "custom", "custom": custom}
    function = {
        "name": names.to_client(item["name"]),
        "arguments": arguments_text(item.get("arguments")),
    }
    return {"id": item["call_id"], "type": "function", "function": function}


def finish_reason_of(response: Response, *, has_calls: bool) -> str:
    """Return why a response has ended. Raises ProviderError if it did not end by itself."""
    if response.status == "incomplete":
        details = response.incomplete_details
        reason = finish_reason((details and details.reason) or "length")
        if reason is None:
            raise bad_response(f"it is incomplete ({details and details.reason})")
        return reason
    return "tool_calls" if has_calls else "stop"


def thoughts_in(items: Sequence[Json]) -> Iterator[str]:
    """Yield the paragraphs of the reasoning that may be shown: summaries, or else the reasoning itself."""
    for item in items:
        if item.get("type") != "reasoning":
            continue
        parts = objects_in(item, "summary") or objects_in(item, "content")
        for part in parts:
            text = text_in(part, "text")
            if text:
                yield text


def additional_members(items: Sequence[Json], owner: Owner) -> Json:
    """Return the members of the message other than its text, reasoning and calls. `owner` is the model."""
    members: Json = {}
    annotations = list(_annotations(items))
    if annotations:
        members["annotations"] = annotations
    images = [image for item in items if (image := _image_of(item)) is not None]
    if images:
        members["images"] = images
    extra = kept(items, owner)
    if extra:
        members["provider_extra"] = extra
    return members


def _image_of(item: Json) -> Json | None:
    """Return the image in an item, as OpenRouter and others write images of an answer; None if there is none."""
    data = text_in(item, "result")
    if item.get("type") != "image_generation_call" or not data:
        return None
    kind = text_in(item, "output_format") or "png"
    return {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{data}"}}


def _annotation_of(annotation: Json, offset: int) -> Json:
    """Return an annotation as chat has it: in a member of its own. `offset` is where its text begins in the answer."""
    inner = {name: value for name, value in annotation.items() if name != "type"}
    for name in ("start_index", "end_index"):
        if isinstance(inner.get(name), int):
            inner[name] += offset
    kind = text_in(annotation, "type")
    return {"type": kind, kind: inner}


def logprobs_of(entries: Sequence[Json]) -> Json | None:
    """Return log probabilities as chat has them; None if there are none."""
    if not entries:
        return None
    return {"content": [_logprob(entry) for entry in entries], "refusal": None}


def _logprob(entry: Json) -> Json:
    top = [{"bytes": None, **each} for each in objects_in(entry, "top_logprobs")]
    return {"bytes": None, **entry, "top_logprobs": top}


def _annotations(items: Sequence[Json]) -> Iterator[Any]:
    offset = 0
    for item in items:
        if item.get("type") != "message":
            continue
        for part in objects_in(item, "content"):
            for annotation in objects_in(part, "annotations"):
                if text_in(annotation, "type"):
                    yield _annotation_of(annotation, offset)
            offset += len(text_in(part, "text"))


def unexpected(response: Response, read_error: ErrorReader) -> ProviderError | None:
    """Return the error of a response that a stream ended with although it failed."""
    if response.status in _FAILED:
        return failure_of(response, read_error)
    return None
