"""The messages of a chat completion as Anthropic's system blocks and turns.

Blocks of Anthropic's own may stand among the content parts, and `cache_control` on messages and parts. What
`provider_extra` brings back of an earlier answer goes where it was.
"""

from __future__ import annotations

import base64
import binascii
import mimetypes
import re
from collections.abc import Iterable, Mapping
from typing import Any

from llms_core.contracts.content import InputFile, Media, Part, media, text_of
from llms_core.contracts.request import ChatCall, Message
from llms_core.contracts.tools import Called, called
from llms_core.errors import RequestError, Unsupported

Block = dict[str, Any]
Turn = dict[str, Any]

#: What Anthropic's own data is called in `provider_extra`.
NAME = "anthropic"
THINKING = frozenset({"thinking", "redacted_thinking"})

#: Members of messages and parts that the views leave out.
_FURTHER = re.compile(rb'"(?:cache_control|citations|context|file_id|is_error|refusal|source|title|tool_name)"\s*:')
_NATIVE_PARTS = frozenset({"container_upload", "document", "image", "search_result", "tool_reference"})
_OF_DOCUMENTS = ("cache_control", "citations", "context", "title")
_IMAGES = {f"image/{kind}": f"image/{kind}" for kind in ("jpeg", "png", "gif", "webp")} | {"image/jpg": "image/jpeg"}
_PDF = "application/pdf"
_TEXTS = frozenset({"application/json", "application/xml", "application/javascript", "application/yaml"})


def conversation(call: ChatCall) -> tuple[list[Block], list[Turn]]:
    """What instructs, from wherever it stands (SR-041), and the turns, of which no two in a row are one side's."""
    further = call.get("messages") if _FURTHER.search(call.members["messages"]) else None
    system: list[Block] = []
    turns: list[Turn] = []
    for number, message in enumerate(call.request.messages):
        own = further[number] if further else {}
        param = f"messages[{number}]"
        if message.role in ("system", "developer"):
            system += _blocks(message, own, param)
        elif message.role == "user":
            _add(turns, "user", _blocks(message, own, param))
        elif message.role == "assistant":
            _add(turns, "assistant", _assistant(message, own, param))
        elif message.role == "tool":
            _add(turns, "user", [_result(message, own, param)])
        else:
            raise Unsupported("Messages of the role 'function' are not supported for Claude", param=f"{param}.role")
    if not turns:
        raise Unsupported("Claude needs a message of the user's with something in it", param="messages")
    last = turns[-1]["content"][-1]
    if turns[-1]["role"] == "assistant" and last["type"] == "text" and isinstance(last.get("text"), str):
        turns[-1]["content"][-1] = {**last, "text": last["text"].rstrip()}  # else an error
    return system, turns


def _add(turns: list[Turn], role: str, blocks: list[Block]) -> None:
    if not blocks:
        return
    if turns and turns[-1]["role"] == role:
        blocks = turns.pop()["content"] + blocks
    if role == "user":  # results of tools have to come first
        blocks.sort(key=lambda block: block["type"] != "tool_result")
    turns.append({"role": role, "content": blocks})


def _blocks(message: Message, own: Mapping[str, Any], param: str) -> list[Block]:
    """The blocks of a message's content; blank texts, which are errors, are left out."""
    blocks: list[Block] = []
    if isinstance(message.content, list):
        parts = own.get("content") or [{}] * len(message.content)
        for number, (part, raw) in enumerate(zip(message.content, parts, strict=True)):
            if (block := _block(part, raw, f"{param}.content[{number}]")) is not None:
                blocks.append(block)
    elif message.content and not message.content.isspace():
        blocks.append({"type": "text", "text": message.content})
    if blocks and own.get("cache_control") is not None:
        blocks[-1]["cache_control"] = own["cache_control"]
    return blocks


def _block(part: Part, own: Mapping[str, Any], param: str) -> Block | None:
    if part.type in _NATIVE_PARTS:
        return {**own, "type": part.type}
    if part.type == "file" and part.file is not None and part.file.file_data is None and part.file.file_id is not None:
        block = _uploaded(part.file, part.file.file_id)
    elif (shown := media(part, param)) is None:
        text = part.text or part.refusal or ""
        if not text or text.isspace():
            return None
        block = {"type": "text", "text": text}
    else:
        block = _image(shown, param) if shown.kind == "image" else _document(shown, param)
    names = _OF_DOCUMENTS if block["type"] == "document" else ("cache_control",)
    return block | {name: own[name] for name in names if own.get(name) is not None}


def _uploaded(file: InputFile, id: str) -> Block:
    kind = "image" if (mimetypes.guess_type(file.filename or "")[0] or "").startswith("image/") else "document"
    return {"type": kind, "source": {"type": "file", "file_id": id}}


def _image(shown: Media, param: str) -> Block:
    if shown.url is not None:
        return {"type": "image", "source": {"type": "url", "url": shown.url}}
    if shown.mime not in _IMAGES:
        raise Unsupported(f"Claude does not take images of type '{shown.mime}'", param=param)
    return {"type": "image", "source": {"type": "base64", "media_type": _IMAGES[shown.mime], "data": shown.data}}


def _document(shown: Media, param: str) -> Block:
    source: Block
    if shown.kind == "document" and shown.mime == _PDF:
        source = {"type": "base64", "media_type": _PDF, "data": shown.data}
        if shown.url is not None:
            source = {"type": "url", "url": shown.url}
    elif shown.kind == "document" and shown.data is not None and (shown.mime in _TEXTS or shown.mime[:5] == "text/"):
        try:
            text = base64.b64decode(shown.data).decode("utf-8", "replace")
        except binascii.Error as error:
            raise RequestError(f"Invalid value for '{param}': {error}", param=param, code="invalid_value") from None
        source = {"type": "text", "media_type": "text/plain", "data": text}
    else:
        raise Unsupported(f"Claude does not take {shown.kind} of type '{shown.mime}' here", param=param)
    block = {"type": "document", "source": source}
    return block if shown.filename is None else {**block, "title": shown.filename}


def _assistant(message: Message, own: Mapping[str, Any], param: str) -> list[Block]:
    """What Claude said before: as it was, where the client has sent it back and has changed nothing since."""
    calls = called(message)
    said = _blocks(message, own, param)
    if not said and isinstance(refusal := own.get("refusal"), str) and refusal:
        said = [{"type": "text", "text": refusal}]
    said += [_use(call) for call in calls]
    kept = _given_back(message.provider_extra)
    if any(block["type"] in ("text", "tool_use") for block in kept):
        if _is_the_same(kept, text_of(message.content), calls):
            return kept
        kept = [block for block in kept if block["type"] in THINKING]
    return kept + said


def _given_back(extra: Mapping[str, Any] | None) -> list[Block]:
    mine = (extra or {}).get(NAME)
    kept = mine.get("content") if isinstance(mine, dict) else None
    blocks = [block for block in kept if isinstance(block, dict)] if isinstance(kept, list) else []
    return [block for block in blocks if isinstance(block.get("type"), str) and block.get("text") != ""]


def _is_the_same(kept: Iterable[Block], text: str, calls: Iterable[Called]) -> bool:
    texts = [str(block.get("text") or "") for block in kept if block["type"] == "text"]
    ids = [block.get("id") for block in kept if block["type"] == "tool_use"]
    return "".join(texts) == text and ids == [call.id for call in calls]


def _use(call: Called) -> Block:
    mine = (call.provider_extra or {}).get(NAME)
    use = {"type": "tool_use", "id": _id(call.id), "name": call.function.name, "input": call.arguments()}
    return {**mine, **use} if isinstance(mine, dict) else use


def _result(message: Message, own: Mapping[str, Any], param: str) -> Block:
    if message.tool_call_id is None:
        raise RequestError(f"Missing required parameter: '{param}.tool_call_id'", param=f"{param}.tool_call_id")
    result: Block = {"type": "tool_result", "tool_use_id": _id(message.tool_call_id)}
    if isinstance(message.content, list):
        result["content"] = _blocks(message, {"content": own.get("content")}, param)
    elif message.content:
        result["content"] = message.content
    return result | {name: own[name] for name in ("cache_control", "is_error") if own.get(name) is not None}


def _id(id: str) -> str:
    """Other providers' ids have characters that Anthropic refuses."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", id) or "call"
