"""A message of Anthropic's API as the events of a stream, and the reverse.

Some servers answer whole although a stream was requested, and some stream although none was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.completion import Completion, Usage
from llms_core.contracts.json import UNREADABLE
from llms_core.contracts.native import MESSAGES
from llms_core.native.events import framed

Json = dict[str, Any]

#: Members of a message that a stream has in its `message_delta`, because they are known only at its end.
_END_MEMBERS = ("stop_reason", "stop_sequence", "stop_details", "container", "context_management")

_decode_object = msgspec.json.Decoder(Json).decode


def as_chunks(answer: Completion) -> list[Chunk]:
    """Return a whole message as one chunk with all events."""
    message = _decode_object(answer.data)
    data = b"".join(
        [framed(event["type"], msgspec.json.encode(event)) for event in _events(message)]
    )
    return [Chunk(data, content=True, begun=(0,), ended=(0,), native=MESSAGES)]


def joined(chunks: Iterable[Chunk], usage: Usage | None) -> Completion:
    """Return the message that the chunks of a complete stream make up."""
    message: Json = {}
    blocks: dict[int, Json] = {}
    texts: dict[tuple[int, str], list[str]] = {}
    for event in _events_in(b"".join([chunk.data for chunk in chunks if chunk.native])):
        match event:
            case {"type": "message_start", "message": dict(started)}:
                message = started
            case {"type": "content_block_start", "index": int(index), "content_block": dict(block)}:
                blocks[index] = block
                for name, value in block.items():
                    if isinstance(value, str):
                        texts[index, name] = [value]
            case {"type": "content_block_delta", "index": int(index), "delta": dict(delta)} if (
                index in blocks
            ):
                for name, piece in _extend(blocks[index], delta).items():
                    texts.setdefault((index, name), []).append(piece)
            case {"type": "message_delta"}:
                message |= {
                    name: value
                    for name, value in event.items()
                    if name not in ("type", "delta", "usage")
                }
                message |= _members(event.get("delta"))
                message["usage"] = _members(message.get("usage")) | _members(event.get("usage"))
    for (index, name), pieces in texts.items():
        # Joined once, because appending to a long text copies it.
        text = "".join(pieces)
        if name != "partial_json":
            blocks[index][name] = text
        elif text:
            blocks[index]["input"] = _decode_input(text)
    message["content"] = [blocks[index] for index in sorted(blocks)]
    return Completion(msgspec.json.encode(message), usage, native=MESSAGES)


def _events(message: Json) -> Iterator[Json]:
    end = {name: message[name] for name in _END_MEMBERS if name in message}
    usage = _members(message.get("usage"))
    started = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
    yield {"type": "message_start", "message": started}
    for index, block in enumerate(message["content"]):
        start, deltas = _streamed(block)
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "delta": end, "usage": usage}
    yield {"type": "message_stop"}


def _streamed(block: Json) -> tuple[Json, list[Json]]:
    """Return the start of a block and its deltas. Blocks of other types come whole with their start."""
    match block:
        case {"type": "text", "text": str(text)}:
            citations = [
                {"type": "citations_delta", "citation": each}
                for each in _items(block.get("citations"))
            ]
            start = {**block, "text": ""}
            if citations:
                start["citations"] = []
            return start, [{"type": "text_delta", "text": text}, *citations]
        case {"type": "thinking", "thinking": str(thinking)}:
            deltas = [{"type": "thinking_delta", "thinking": thinking}]
            if block.get("signature"):
                deltas.append({"type": "signature_delta", "signature": block["signature"]})
            return {**block, "thinking": "", "signature": ""}, deltas
        case {"type": "tool_use" | "server_tool_use" | "mcp_tool_use", "input": input}:
            written = input if isinstance(input, str) else msgspec.json.encode(input).decode()
            return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": written}]
    return block, []


def _extend(block: Json, delta: Json) -> dict[str, str]:
    """Add a delta to its block, and return the pieces of texts that it has: every member but `type` extends its own."""
    pieces: dict[str, str] = {}
    for name, value in delta.items():
        if name == "type":
            continue
        if name == "citation":
            if not isinstance(block.get("citations"), list):
                block["citations"] = []
            block["citations"].append(value)
        elif isinstance(value, str):
            pieces[name] = value
        else:
            block[name] = value
    return pieces


def _decode_input(text: str) -> Any:
    """Return a tool's input; {} if the answer ended within it, as it does at the token limit."""
    try:
        return msgspec.json.decode(text)
    except UNREADABLE:
        return {}


def _items(value: object) -> list[Any]:
    """Return the items of a list; none of anything else."""
    if isinstance(value, list):
        return value
    return []


def _members(value: object) -> Json:
    """Return the members of an object that are not null; none of anything else."""
    if not isinstance(value, dict):
        return {}
    return {name: member for name, member in value.items() if member is not None}


def _events_in(data: bytes) -> Iterator[Json]:
    """Decode events as `MessageEvents` has written them."""
    for frame in data.split(b"\n\n"):
        lines = [
            line.removeprefix(b"data: ")
            for line in frame.split(b"\n")
            if line.startswith(b"data: ")
        ]
        if lines:
            yield _decode_object(b"\n".join(lines))
