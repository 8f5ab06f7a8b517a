"""A model that answers agents, whichever of four protocols its provider speaks.

Its answer depends on the request alone, so that every framework gets the same:

- a request with the tool `weather` and no result: reasoning, and a call for each of `CITIES`;
- a request with results: `ANSWER`;
- a request that asks for JSON, or that has other tools only: `REPORT`, as text or as a call of the first tool.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from llms_core.testing import Chunk, Reply, ScriptedUpstream, json_body
from llms_core.testing.framing import encode_events
from llms_core.testing.upstream.script import Status
from llms_core.testing.upstream.seen import Seen
from llms_core.testing.wire import Event

Json = dict[str, Any]

CITIES = ("Turin", "Oslo")
ANSWER = "Sunny in Turin, rain in Oslo."
REASONING = "I ask for both cities."
REPORT = {"city": "Turin", "degrees": 21}
#: Proves that reasoning is the model's own. Claude's and Gemini's have to come back with the results.
SIGNATURE = "EqQBCgIYAhIkMWVn"
TOKENS = (40, 12)

_TOOL = "weather"


class _Call(NamedTuple):
    name: str
    arguments: Mapping[str, Any]


class _Request(NamedTuple):
    """What the answer depends on."""

    tools: Sequence[str]
    has_results: bool
    wants_json: bool
    is_streamed: bool
    #: whether reasoning may be shown, and whether it may be sent back; only OpenAI asks
    shows_reasoning: bool = True
    returns_reasoning: bool = True


class _Answer(NamedTuple):
    text: str = ""
    calls: Sequence[_Call] = ()
    reasoning: str = ""
    signature: str = SIGNATURE


class Protocol(NamedTuple):
    """How a provider speaks to the gateway."""

    type: str
    #: the provider's name of the model: signatures of Claude's form return to Claude only
    model: str
    read: Callable[[Seen], _Request]
    write: Callable[[_Answer, bool], Reply]
    #: further members of the provider's block
    members: Mapping[str, str] = MappingProxyType({})

    def provider(self, upstream: ScriptedUpstream, *names: str) -> Json:
        """Return the provider's block in llms.json, with names for the model, and let the upstream be the model."""
        upstream.default = Reply(self._answer)
        base_url = upstream.base_url if self.type == "OpenAiProvider" else upstream.origin
        return {
            "enabled": True,
            "type": self.type,
            "base_url": base_url,
            "api_key": "sk-marked-weather",
            "models": dict.fromkeys(names, self.model),
            **self.members,
        }

    def _answer(self, seen: Seen) -> Reply:
        request = self.read(seen)
        answer = _answer_to(request)
        if not request.shows_reasoning:
            answer = answer._replace(reasoning="")
        if not (request.returns_reasoning and answer.calls):
            answer = answer._replace(signature="")
        return self.write(answer, request.is_streamed)


def _answer_to(request: _Request) -> _Answer:
    if request.has_results:
        return _Answer(ANSWER)
    if _TOOL in request.tools:
        return _Answer(calls=[_Call(_TOOL, {"city": city}) for city in CITIES], reasoning=REASONING)
    if request.tools:
        return _Answer(calls=[_Call(request.tools[0], REPORT)])
    return _Answer(json.dumps(REPORT) if request.wants_json else ANSWER)


# OpenAI's chat completions


def _read_openai(seen: Seen) -> _Request:
    body = seen.json
    return _Request(
        tools=[tool["function"]["name"] for tool in body.get("tools", ())],
        has_results=any(message["role"] == "tool" for message in body["messages"]),
        wants_json="response_format" in body,
        is_streamed=bool(body.get("stream")),
    )


def _write_openai(answer: _Answer, is_streamed: bool) -> Reply:
    frame = {"id": "chatcmpl-1", "created": 1_700_000_000, "model": "vendor-model"}
    prompt, completion = TOKENS
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    calls = [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
        }
        for number, call in enumerate(answer.calls)
    ]
    finish = "tool_calls" if calls else "stop"
    if not is_streamed:
        message: Json = {"role": "assistant", "content": answer.text or None}
        if calls:
            message["tool_calls"] = calls
        if answer.reasoning:
            message["reasoning_content"] = answer.reasoning
        choice = {"index": 0, "message": message, "finish_reason": finish}
        return json_body(
            {**frame, "object": "chat.completion", "choices": [choice], "usage": usage}
        )

    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": piece} for piece in _pieces(answer.reasoning)]
    deltas += [{"content": piece} for piece in _pieces(answer.text)]
    for number, call in enumerate(calls):
        started = {
            **call,
            "index": number,
            "function": {"name": answer.calls[number].name, "arguments": ""},
        }
        deltas.append({"tool_calls": [started]})
        for piece in _pieces(json.dumps(answer.calls[number].arguments)):
            deltas.append({"tool_calls": [{"index": number, "function": {"arguments": piece}}]})
    choices: list[Json] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": finish})
    chunks: list[Event] = [
        {**frame, "object": "chat.completion.chunk", "choices": [choice]} for choice in choices
    ]
    chunks.append({**frame, "object": "chat.completion.chunk", "choices": [], "usage": usage})
    return _stream([*chunks, "[DONE]"])


# Anthropic's Messages


def _read_anthropic(seen: Seen) -> _Request:
    body = seen.json
    blocks: list[Json] = []
    for message in body["messages"]:
        if isinstance(message["content"], list):
            blocks += message["content"]
    return _Request(
        tools=[tool["name"] for tool in body.get("tools", ())],
        has_results=any(block["type"] == "tool_result" for block in blocks),
        wants_json="format" in body.get("output_config", ()),
        is_streamed=bool(body.get("stream")),
    )


def _write_anthropic(answer: _Answer, is_streamed: bool) -> Reply:
    blocks: list[Json] = []
    if answer.reasoning:
        blocks.append(
            {"type": "thinking", "thinking": answer.reasoning, "signature": answer.signature}
        )
    if answer.text:
        blocks.append({"type": "text", "text": answer.text})
    for number, call in enumerate(answer.calls):
        blocks.append(
            {
                "type": "tool_use",
                "id": f"toolu_{number}",
                "name": call.name,
                "input": call.arguments,
            }
        )
    stop = "tool_use" if answer.calls else "end_turn"
    frame: Json = {"id": "msg_1", "type": "message", "role": "assistant", "model": "vendor-model"}
    usage = {"input_tokens": TOKENS[0], "output_tokens": TOKENS[1]}
    end = {"stop_reason": stop, "stop_sequence": None}
    if not is_streamed:
        return json_body({**frame, "content": blocks, **end, "usage": usage})

    start = {
        **frame,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**usage, "output_tokens": 1},
    }
    events: list[Json] = [{"type": "message_start", "message": start}]
    for index, block in enumerate(blocks):
        empty, deltas = _anthropic_deltas(block)
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        events += [
            {"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas
        ]
        events.append({"type": "content_block_stop", "index": index})
    events.append({"type": "message_delta", "delta": end, "usage": {"output_tokens": TOKENS[1]}})
    events.append({"type": "message_stop"})
    return _stream([(event["type"], event) for event in events])


def _anthropic_deltas(block: Json) -> tuple[Json, list[Json]]:
    match block["type"]:
        case "thinking":
            deltas = [
                {"type": "thinking_delta", "thinking": piece}
                for piece in _pieces(block["thinking"])
            ]
            signed = {"type": "signature_delta", "signature": block["signature"]}
            return {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signed]
        case "text":
            return {"type": "text", "text": ""}, [
                {"type": "text_delta", "text": piece} for piece in _pieces(block["text"])
            ]
    pieces = _pieces(json.dumps(block["input"]))
    return {**block, "input": {}}, [
        {"type": "input_json_delta", "partial_json": piece} for piece in pieces
    ]


# Gemini


def _read_gemini(seen: Seen) -> _Request:
    body = seen.json
    parts: list[Json] = []
    for content in body["contents"]:
        parts += content["parts"]
    tools: list[Json] = []
    for tool in body.get("tools", ()):
        tools += tool.get("functionDeclarations", ())
    return _Request(
        tools=[tool["name"] for tool in tools],
        has_results=any("functionResponse" in part for part in parts),
        wants_json=body.get("generationConfig", {}).get("responseMimeType") == "application/json",
        is_streamed=":streamGenerateContent" in seen.path,
    )


def _write_gemini(answer: _Answer, is_streamed: bool) -> Reply:
    parts: list[Json] = []
    if answer.reasoning:
        parts.append({"text": answer.reasoning, "thought": True})
    if answer.text:
        parts += [{"text": piece} for piece in _pieces(answer.text)]
    for number, call in enumerate(answer.calls):
        part: Json = {"functionCall": {"name": call.name, "args": call.arguments}}
        # Gemini signs only the first of several parallel calls.
        parts.append(part if number else {**part, "thoughtSignature": answer.signature})
    usage = {
        "promptTokenCount": TOKENS[0],
        "candidatesTokenCount": TOKENS[1],
        "totalTokenCount": sum(TOKENS),
    }
    if not is_streamed:
        return json_body(_gemini_answer(parts, usage, "STOP"))
    last = parts.pop()
    events: list[Event] = [_gemini_answer([part], usage) for part in parts]
    return _stream([*events, _gemini_answer([last], usage, "STOP")])


def _gemini_answer(
    parts: Sequence[Json], usage: Mapping[str, int], finish: str | None = None
) -> Json:
    candidate: Json = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": "vendor-model",
        "responseId": "r-1",
    }


# OpenAI's Responses API


def _read_responses(seen: Seen) -> _Request:
    body = seen.json
    items = body["input"] if isinstance(body["input"], list) else []
    return _Request(
        tools=[tool["name"] for tool in body.get("tools") or () if tool["type"] == "function"],
        has_results=any(item.get("type") == "function_call_output" for item in items),
        wants_json=body.get("text", {}).get("format", {}).get("type", "text") != "text",
        is_streamed=bool(body.get("stream")),
        shows_reasoning=bool(body.get("reasoning", {}).get("summary")),
        returns_reasoning="reasoning.encrypted_content" in body.get("include", ()),
    )


def _write_responses(answer: _Answer, is_streamed: bool) -> Reply:
    # The ids of stored responses have to be unique.
    unique = uuid.uuid4().hex
    items: list[Json] = []
    if answer.calls:
        summary = [{"type": "summary_text", "text": answer.reasoning}] if answer.reasoning else []
        item = {"type": "reasoning", "id": f"rs_{unique}", "summary": summary}
        items.append({**item, "encrypted_content": answer.signature} if answer.signature else item)
    if answer.text:
        content = [{"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}]
        items.append(
            {
                "type": "message",
                "id": f"msg_{unique}",
                "role": "assistant",
                "status": "completed",
                "content": content,
            }
        )
    for number, call in enumerate(answer.calls):
        made = {
            "call_id": f"call_{number}",
            "name": call.name,
            "arguments": json.dumps(call.arguments),
        }
        items.append(
            {"type": "function_call", "id": f"fc_{unique}_{number}", "status": "completed", **made}
        )
    prompt, completion = TOKENS
    usage = {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": prompt + completion,
    }
    begun: Json = {
        "id": f"resp_{unique}",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "in_progress",
        "model": "vendor-model",
        "output": [],
        "usage": None,
        "error": None,
        "incomplete_details": None,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    ended = {**begun, "status": "completed", "output": items, "usage": usage}
    if not is_streamed:
        return json_body(ended)

    events: list[Json] = [{"type": "response.created", "response": begun}]
    events.append({"type": "response.in_progress", "response": begun})
    for index, item in enumerate(items):
        events += _responses_events(item, index)
    events.append({"type": "response.completed", "response": ended})
    return _stream(
        [
            (event["type"], {**event, "sequence_number": number})
            for number, event in enumerate(events)
        ]
    )


def _responses_events(item: Json, index: int) -> list[Json]:
    """Return the events of an item, from its beginning to its end."""
    place = {"item_id": item["id"], "output_index": index}
    deltas: list[Json] = []
    match item["type"]:
        case "reasoning":
            begun = {**item, "summary": []}
            kind = "response.reasoning_summary_text"
            place |= {"summary_index": 0}
            for part in item["summary"]:
                deltas.append(
                    {
                        "type": "response.reasoning_summary_part.added",
                        **place,
                        "part": {**part, "text": ""},
                    }
                )
                deltas += [
                    {"type": f"{kind}.delta", **place, "delta": piece}
                    for piece in _pieces(part["text"])
                ]
                deltas.append({"type": f"{kind}.done", **place, "text": part["text"]})
                deltas.append(
                    {"type": "response.reasoning_summary_part.done", **place, "part": part}
                )
        case "message":
            begun = {**item, "status": "in_progress", "content": []}
            (part,) = item["content"]
            kind = "response.output_text"
            place |= {"content_index": 0}
            deltas.append(
                {"type": "response.content_part.added", **place, "part": {**part, "text": ""}}
            )
            for piece in _pieces(part["text"]):
                deltas.append({"type": f"{kind}.delta", **place, "delta": piece, "logprobs": []})
            deltas.append({"type": f"{kind}.done", **place, "text": part["text"], "logprobs": []})
            deltas.append({"type": "response.content_part.done", **place, "part": part})
        case _:
            begun = {**item, "status": "in_progress", "arguments": ""}
            kind = "response.function_call_arguments"
            deltas += [
                {"type": f"{kind}.delta", **place, "delta": piece}
                for piece in _pieces(item["arguments"])
            ]
            deltas.append(
                {
                    "type": f"{kind}.done",
                    **place,
                    "name": item["name"],
                    "arguments": item["arguments"],
                }
            )
    added = {"type": "response.output_item.added", "output_index": index, "item": begun}
    return [
        added,
        *deltas,
        {"type": "response.output_item.done", "output_index": index, "item": item},
    ]


def _pieces(text: str) -> list[str]:
    """Return a text in two pieces."""
    middle = len(text) // 2
    return [piece for piece in (text[:middle], text[middle:]) if piece]


def _stream(events: Sequence[Event]) -> Reply:
    return Reply(
        Status(200, {"content-type": "text/event-stream"}),
        *map(Chunk, encode_events(events, "sse")),
    )


PROTOCOLS = {
    "chat": Protocol("OpenAiProvider", "vendor-model", _read_openai, _write_openai),
    "anthropic": Protocol("anthropic", "claude-sonnet-4-5", _read_anthropic, _write_anthropic),
    "gemini": Protocol("GoogleProvider", "gemini-3-pro", _read_gemini, _write_gemini),
    "responses": Protocol(
        "OpenAiProvider",
        "vendor-model",
        _read_responses,
        _write_responses,
        {"protocol": "responses"},
    ),
}
