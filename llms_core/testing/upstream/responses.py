"""A scripted provider's answers in OpenAI's Responses API: output items, and the reply that consists of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from llms_core.testing.upstream.replies import events, json_body
from llms_core.testing.upstream.script import Headers, Reply
from llms_core.testing.upstream.seen import Seen

Json = dict[str, Any]

#: A fixed creation time (Unix seconds), so that two answers differ only where a test wants them to.
_CREATED = 1_700_000_000

#: Characters of a text, or of arguments, in one event.
_PIECE = 4

#: The counts of an answer unless a test has others.
_TOKENS = (9, 7)


def message_item(*texts: str, id: str = "msg_1", **members: Any) -> Json:
    """Return a message with these texts, one part each."""
    content = [
        {"type": "output_text", "text": text, "annotations": [], "logprobs": []} for text in texts
    ]
    return {
        "type": "message",
        "id": id,
        "status": "completed",
        "role": "assistant",
        "content": content,
        **members,
    }


def reasoning_item(*summary: str, id: str = "rs_1", encrypted: str | None = None) -> Json:
    """Return reasoning with a summary of these paragraphs, and with encrypted content."""
    item: Json = {
        "type": "reasoning",
        "id": id,
        "summary": [{"type": "summary_text", "text": text} for text in summary],
    }
    if encrypted is None:
        return item
    return {**item, "encrypted_content": encrypted}


def function_call_item(
    name: str, arguments: Mapping[str, Any], *, call_id: str = "call_1", id: str = "fc_1"
) -> Json:
    """Return a call of a function."""
    return {
        "type": "function_call",
        "id": id,
        "call_id": call_id,
        "name": name,
        "arguments": json.dumps(arguments),
        "status": "completed",
    }


def custom_call_item(name: str, input: str, *, call_id: str = "call_1", id: str = "ctc_1") -> Json:
    """Return a call of a custom tool."""
    return {"type": "custom_tool_call", "id": id, "call_id": call_id, "name": name, "input": input}


def response_body(
    *items: Json,
    status: str = "completed",
    tokens: tuple[int, int] | None = _TOKENS,
    **members: Any,
) -> Json:
    """Return a whole response. `tokens` are those of the prompt and of the answer; `members` add or replace any."""
    usage = None if tokens is None else _usage(*tokens)
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": _CREATED,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "m",
        "output": list(items),
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": usage,
        **members,
    }


def response_events(body: Json, *, size: int = _PIECE) -> list[Json]:
    """Return the events of a stream that ends in this response; its texts come in pieces of `size` characters."""
    numbers = count()
    opening = {
        **body,
        "status": "in_progress",
        "output": [],
        "usage": None,
        "incomplete_details": None,
        "error": None,
    }
    found: list[Json] = [
        {"type": "response.created", "response": opening},
        {"type": "response.in_progress", "response": opening},
    ]
    for index, item in enumerate(body["output"]):
        found += [{"output_index": index, **event} for event in _item_events(item, size)]
    found.append({"type": f"response.{body['status']}", "response": body})
    return [{"sequence_number": next(numbers), **event} for event in found]


def response(*items: Json, headers: Headers | None = None, **members: Any) -> Reply:
    """Return a reply in the Responses API: JSON, or a stream if the request asks for one.

    `members` are those of `response_body`.
    """
    body = response_body(*items, **members)

    def answer(seen: Seen) -> Reply:
        own = {**body, "model": seen.json.get("model", body["model"])}
        if not seen.json.get("stream"):
            return json_body(own, headers=headers)
        # Each event has its name twice, as OpenAI sends it.
        return events(*[_named(event) for event in response_events(own)], headers=headers)

    return Reply(answer)


def _named(event: Json) -> bytes:
    data = json.dumps(event, ensure_ascii=False)
    return f"event: {event['type']}\ndata: {data}\n\n".encode()


def _usage(prompt: int, answer: int) -> Json:
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": answer,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": prompt + answer,
    }


def _item_events(item: Json, size: int) -> Iterator[Json]:
    match item["type"]:
        case "message":
            begun = {**item, "status": "in_progress", "content": []}
            within = list(_message_events(item, size))
        case "reasoning":
            begun = {**item, "summary": []}
            within = list(_reasoning_events(item, size))
        case "function_call":
            begun = {**item, "status": "in_progress", "arguments": ""}
            within = list(_pieces(item, "function_call_arguments", "arguments", size))
        case "custom_tool_call":
            begun = {**item, "input": ""}
            within = list(_pieces(item, "custom_tool_call_input", "input", size))
        case _:
            begun = item
            within = []
    yield {"type": "response.output_item.added", "item": begun}
    yield from within
    yield {"type": "response.output_item.done", "item": item}


def _message_events(item: Json, size: int) -> Iterator[Json]:
    for index, part in enumerate(item["content"]):
        place = {"item_id": item["id"], "content_index": index}
        is_refusal = part["type"] == "refusal"
        member = "refusal" if is_refusal else "text"
        kind = "refusal" if is_refusal else "output_text"
        logprobs = part.get("logprobs", [])
        yield {"type": "response.content_part.added", **place, "part": {**part, member: ""}}
        for number, text in enumerate(_split(part[member], size)):
            more = {} if is_refusal else {"logprobs": logprobs if number == 0 else []}
            yield {"type": f"response.{kind}.delta", **place, "delta": text, **more}
        for number, annotation in enumerate(part.get("annotations", [])):
            place_of_annotation = {**place, "annotation_index": number}
            yield {
                "type": "response.output_text.annotation.added",
                **place_of_annotation,
                "annotation": annotation,
            }
        more = {} if is_refusal else {"logprobs": logprobs}
        yield {"type": f"response.{kind}.done", **place, member: part[member], **more}
        yield {"type": "response.content_part.done", **place, "part": part}


def _reasoning_events(item: Json, size: int) -> Iterator[Json]:
    for index, part in enumerate(item["summary"]):
        place = {"item_id": item["id"], "summary_index": index}
        yield {
            "type": "response.reasoning_summary_part.added",
            **place,
            "part": {**part, "text": ""},
        }
        for text in _split(part["text"], size):
            yield {"type": "response.reasoning_summary_text.delta", **place, "delta": text}
        yield {"type": "response.reasoning_summary_text.done", **place, "text": part["text"]}
        yield {"type": "response.reasoning_summary_part.done", **place, "part": part}


def _pieces(item: Json, kind: str, member: str, size: int) -> Iterator[Json]:
    for text in _split(item[member], size):
        yield {"type": f"response.{kind}.delta", "item_id": item["id"], "delta": text}
    yield {"type": f"response.{kind}.done", "item_id": item["id"], member: item[member]}


def _split(text: str, size: int) -> Sequence[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]
