"""The system prompt and the messages of a Messages request as chat's messages.

The results of tools become messages of their own, before whatever else the user's message holds. Reasoning returns to
the provider that it came from: what this gateway sealed is opened, and every other signature is left to the adapter of
Claude, which recognizes its own.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile

import msgspec
from msgspec import Raw

from llms_core.contracts import reasoning_details
from llms_core.contracts.json import text_of_json
from llms_core.contracts.reasoning_details import consolidated
from llms_core.dialects.envelope import Envelope, is_sealed, opened
from llms_core.dialects.messages.request import Block, InputMessage, MessagesRequest, invalid, read
from llms_core.dialects.messages.tools import ANTHROPIC, Json, is_set
from llms_core.native.message_request import BILLING_BLOCK

#: Signatures without an envelope can only be Claude's: its adapter verifies that, and nobody else gets them.
_CLAUDES = {"provider": "", "family": "claude"}

_THINKING = ("thinking", "redacted_thinking")
#: Blocks of users that chat has no part for; adapters that know them take them as they are.
_NATIVE_PARTS = ("search_result", "tool_reference", "container_upload")
#: Of a document, beside its title, which is the name of the file.
_DOCUMENT_MEMBERS = ("citations", "context")
#: Blocks that chat's message expresses.
_EXPRESSIBLE = ("text", "tool_use")


class Source(msgspec.Struct, frozen=True):
    """The `source` of an image or a document."""

    type: str
    media_type: str = ""
    data: str = ""
    url: str = ""
    content: Raw = Raw()


class _RawMessage(msgspec.Struct):
    content: Raw


Unknown = dict[str, str]
"""What only a provider of the same protocol can understand: why it cannot be translated, by the name of the member."""


def chat_messages(view: MessagesRequest, raw_messages: Raw, unknown: Unknown) -> list[Json]:
    """Return chat's messages, and add what they lack to `unknown`.

    Raises RequestError, which names the invalid member.
    """
    messages: list[Json] = []
    if view.system:
        messages += _system(view.system, "system", unknown)
    raw: list[_RawMessage] | None = None
    for number, message in enumerate(view.messages):
        param = f"messages[{number}]"
        match message.role:
            case "user":
                messages += _user(message, param, unknown)
            case "system":
                messages += _system(message.content, f"{param}.content", unknown)
            case "assistant":
                opaque = isinstance(message.content, list) and _has_opaque(message.content)
                if opaque and raw is None:
                    raw = msgspec.json.decode(raw_messages, type=list[_RawMessage])
                messages.append(
                    _assistant(message, raw[number].content if opaque and raw else None, param)
                )
    return messages


def _system(content: str | list[Block], param: str, unknown: Unknown) -> Iterator[Json]:
    if isinstance(content, str):
        yield {"role": "system", "content": content}
        return
    parts = []
    for number, block in enumerate(content):
        place = f"{param}[{number}]"
        if block.type != "text":
            _note(unknown, f"{place}.type", "only blocks of type 'text' are allowed here")
        elif block.text is None:
            raise invalid(f"{place}.text", "expected a text")
        elif not block.text.startswith(BILLING_BLOCK):
            parts.append(_text(block))
    if parts:
        yield {"role": "system", "content": _simplified(parts)}


def _note(unknown: Unknown, param: str, problem: str) -> None:
    unknown[param] = invalid(param, problem).message


def _user(message: InputMessage, param: str, unknown: Unknown) -> Iterator[Json]:
    if isinstance(message.content, str):
        yield {"role": "user", "content": message.content}
        return
    if not message.content:
        raise invalid(f"{param}.content", "a user's message must not be empty")
    parts: list[Json] = []
    for number, block in enumerate(message.content):
        place = f"{param}.content[{number}]"
        if block.type == "tool_result":
            yield _result(block, place, unknown)
        else:
            parts.append(_part(block, place, unknown))
    if parts:
        yield {"role": "user", "content": _simplified(parts)}


def _result(block: Block, param: str, unknown: Unknown) -> Json:
    if block.tool_use_id is None:
        raise invalid(f"{param}.tool_use_id", "a result needs the id of its call")
    result: Json = {"role": "tool", "tool_call_id": block.tool_use_id, "content": ""}
    if is_set(block.content):
        content = read(block.content, str | list[Block], f"{param}.content")  # type: ignore[arg-type]
        if isinstance(content, list):
            parts = [
                _part(each, f"{param}.content[{number}]", unknown)
                for number, each in enumerate(content)
            ]
            content = _simplified(parts) if parts else ""
        result["content"] = content
    if block.is_error:
        result["is_error"] = True
    if is_set(block.cache_control):
        result["cache_control"] = block.cache_control
    return result


def _simplified(parts: list[Json]) -> str | list[Json]:
    """Return a single text as a string, which every provider accepts, unless it has a mark of its own."""
    if len(parts) == 1 and parts[0].keys() == {"type", "text"}:
        return str(parts[0]["text"])
    return parts


def _text(block: Block) -> Json:
    part: Json = {"type": "text", "text": block.text}
    if is_set(block.cache_control):
        part["cache_control"] = block.cache_control
    return part


def _part(block: Block, param: str, unknown: Unknown) -> Json:
    """Return a block of a user's message, or of a tool's result, as a part."""
    match block.type:
        case "text":
            if block.text is None:
                raise invalid(f"{param}.text", "expected a text")
            return _text(block)
        case "image":
            part = _image(block, param, unknown)
        case "document":
            part = _document(block, param, unknown)
        case _ if block.type in _NATIVE_PARTS:
            return _members_of(block)
        case _:
            _note(unknown, f"{param}.type", f"blocks of type '{block.type}' are not supported here")
            return {"type": "text", "text": ""}
    if is_set(block.cache_control):
        part["cache_control"] = block.cache_control
    return part


def _members_of(block: Block) -> Json:
    """Return a block that is passed on, without the members that it does not have."""
    members: Json = {}
    for name in block.__struct_fields__:
        value = getattr(block, name)
        if value is not None and not (isinstance(value, Raw) and not value):
            members[name] = value
    return members


def _image(block: Block, param: str, unknown: Unknown) -> Json:
    source = read(block.source, Source, f"{param}.source")
    match source.type:
        case "base64":
            return {"type": "image_url", "image_url": {"url": _data_uri(source, f"{param}.source")}}
        case "url":
            return {"type": "image_url", "image_url": {"url": _remote(source, f"{param}.source")}}
        case "file":
            return {"type": "image", "source": block.source}
    _note(unknown, f"{param}.source.type", f"'{source.type}' is not a source of images")
    return {"type": "text", "text": ""}


def _document(block: Block, param: str, unknown: Unknown) -> Json:
    source = read(block.source, Source, f"{param}.source")
    file: Json = {}
    match source.type:
        case "base64":
            file["file_data"] = _data_uri(source, f"{param}.source")
        case "url":
            file["file_data"] = _remote(source, f"{param}.source")
        case "text":
            file["file_data"] = (
                f"data:text/plain;base64,{base64.b64encode(source.data.encode()).decode()}"
            )
        case "file" | "content":
            # Uploaded at Anthropic, or made of blocks, which no other provider has.
            return _members_of(block)
        case _:
            _note(unknown, f"{param}.source.type", f"'{source.type}' is not a source of documents")
            return {"type": "text", "text": ""}
    if block.title is not None:
        file["filename"] = block.title
    elif source.type == "text":
        file["filename"] = "document.txt"
    elif source.type == "base64":
        file["filename"] = "document.pdf"
    part: Json = {"type": "file", "file": file}
    for name in _DOCUMENT_MEMBERS:
        value = getattr(block, name)
        if value is not None and (isinstance(value, str) or is_set(value)):
            part[name] = value
    return part


def _data_uri(source: Source, param: str) -> str:
    for name in ("media_type", "data"):
        if not getattr(source, name):
            raise invalid(f"{param}.{name}", "a source of the type 'base64' needs it")
    return f"data:{source.media_type};base64,{source.data}"


def _remote(source: Source, param: str) -> str:
    if not source.url.lower().startswith(("http://", "https://")):
        raise invalid(f"{param}.url", "expected an http(s) URL; local files are not read over HTTP")
    return source.url


def _has_opaque(blocks: Sequence[Block]) -> bool:
    """Whether blocks have to be kept as they are: chat's message lacks their type, or their order."""
    previous = ""
    for block in blocks:
        if block.type not in _EXPRESSIBLE or (block.type == "text" and previous == "tool_use"):
            return True
        previous = block.type
    return False


def _assistant(message: InputMessage, raw_content: Raw | None, param: str) -> Json:
    """Return an answer of the conversation. `raw_content` is given if its blocks have to be kept."""
    translated: Json = {"role": "assistant", "content": None}
    if isinstance(message.content, str):
        translated["content"] = message.content
        return translated
    parts: list[Json] = []
    calls: list[Json] = []
    reasoning: list[str] = []
    envelope = Envelope()
    for number, block in enumerate(message.content):
        place = f"{param}.content[{number}]"
        match block.type:
            case "text":
                parts.append(_part(block, place, {}))
            case "tool_use":
                calls.append(_call(block, place))
            case "thinking" | "redacted_thinking":
                own = opened(block.signature or block.data)
                if own is not None:
                    reasoning.append(block.thinking or "")
                    _merge(envelope, own)
    if reasoning_details.NAME in envelope.message:
        envelope.message[reasoning_details.NAME] = consolidated(
            envelope.message[reasoning_details.NAME]
        )
    if raw_content is not None:
        _keep_originals(raw_content, message.content, envelope)
    if parts:
        translated["content"] = _joined(parts)
    elif not calls:
        translated["content"] = ""
    if calls:
        translated["tool_calls"] = calls
        for call in calls:
            call |= envelope.calls.get(call["id"], {})
    if any(reasoning):
        translated["reasoning_content"] = "".join(reasoning)
    if envelope.provider_extra:
        translated["provider_extra"] = envelope.provider_extra
    return {**envelope.message, **translated}


def _joined(parts: list[Json]) -> str | list[Json]:
    """Return texts as one string; chat's assistants write one."""
    if any("cache_control" in part for part in parts):
        return parts
    return "".join(part["text"] for part in parts)


def _call(block: Block, param: str) -> Json:
    if block.id is None or block.name is None:
        raise invalid(param, "a call needs an id and a name")
    # Another model's input may be no object, and its id empty: adapters repair both.
    arguments = text_of_json(block.input) or "{}"
    call: Json = {
        "id": block.id,
        "type": "function",
        "function": {"name": block.name, "arguments": arguments},
    }
    if is_set(block.cache_control):
        call["provider_extra"] = {ANTHROPIC: {"cache_control": block.cache_control}}
    return call


def _merge(envelope: Envelope, other: Envelope) -> None:
    """Add what a later block had. `reasoning_details` are pieces until all of them are there."""
    envelope.calls.update(other.calls)
    details = envelope.message.get(reasoning_details.NAME, [])
    details += other.message.get(reasoning_details.NAME, ())
    envelope.message.update(other.message)
    if details:
        envelope.message[reasoning_details.NAME] = details
    for adapter, extra in other.provider_extra.items():
        known = envelope.provider_extra.setdefault(adapter, {})
        for name, value in extra.items():
            if isinstance(value, list) and isinstance(known.get(name), list):
                known[name] += value
            else:
                known[name] = value


def _keep_originals(raw_content: Raw, blocks: Sequence[Block], envelope: Envelope) -> None:
    """Keep blocks for the adapter of Claude: all of them, except for thinking of others."""
    if ANTHROPIC in envelope.provider_extra:
        # Sealed blocks of another vendor's server of this protocol.
        return
    raw_blocks: list[Mapping[str, Raw]] = msgspec.json.decode(
        raw_content, type=list[dict[str, Raw]]
    )
    kept = []
    has_reason = False
    for raw, block in zip(raw_blocks, blocks, strict=True):
        if block.type in _THINKING and is_sealed(block.signature or block.data):
            continue
        has_reason |= block.type not in _EXPRESSIBLE
        kept.append({name: msgspec.json.decode(value) for name, value in raw.items()})
    if has_reason or _has_opaque([block for block in blocks if block.type in _EXPRESSIBLE]):
        leading = list(takewhile(lambda block: block["type"] in _THINKING, kept))
        if all(block["type"] in _EXPRESSIBLE for block in kept[len(leading) :]) and not _has_opaque(
            [block for block in blocks if block.type in _EXPRESSIBLE]
        ):
            # The rest is rebuilt from the message.
            kept = leading
        envelope.provider_extra[ANTHROPIC] = {"owner": _CLAUDES, "content": kept}
