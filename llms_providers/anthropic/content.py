"""Content parts of OpenAI's messages as Anthropic's blocks.

Blocks of Anthropic's own are accepted among the parts. Anthropic fetches http(s) URLs itself, so they are passed on.
"""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Mapping
from typing import Any

from llms_core.contracts.content import InputFile, Media, Part, image_type, media
from llms_core.contracts.request import Message
from llms_core.errors import RequestError, Unsupported
from llms_providers.anthropic.blocks import Block, text_block

# Types of Anthropic's blocks that a client may send in place of OpenAI's parts.
_NATIVE_TYPES = frozenset(
    {"container_upload", "document", "image", "search_result", "tool_reference"}
)

# Members that a client may add to any part, and those that only documents have.
_PART_MEMBERS = ("cache_control",)
_DOCUMENT_MEMBERS = ("cache_control", "citations", "context", "title")

#: The image types that Claude accepts, by the names that clients use.
_IMAGE_TYPES = {
    "image/jpeg": "image/jpeg",
    "image/jpg": "image/jpeg",  # not a registered type, but common
    "image/png": "image/png",
    "image/gif": "image/gif",
    "image/webp": "image/webp",
}
_PDF = "application/pdf"
#: Text files whose type does not start with `text/`.
_TEXT_TYPES = frozenset(
    {"application/json", "application/xml", "application/javascript", "application/yaml"}
)


def content_blocks(message: Message, raw: Mapping[str, Any], param: str) -> list[Block]:
    """Return the blocks of a message's content.

    `raw` holds the message's members that `Message` does not declare, or nothing. Blank texts are left out, because
    Anthropic rejects them.
    """
    blocks: list[Block] = []
    if isinstance(message.content, list):
        raw_parts = raw.get("content") or [{}] * len(message.content)
        for number, (part, raw_part) in enumerate(zip(message.content, raw_parts, strict=True)):
            block = _part_block(part, raw_part, f"{param}.content[{number}]")
            if block is not None:
                blocks.append(block)
    elif message.content is not None and not _is_blank(message.content):
        blocks.append(text_block(message.content))
    # Anthropic has no `cache_control` on messages: on the last block it covers the same prefix.
    if blocks and raw.get("cache_control") is not None:
        blocks[-1]["cache_control"] = raw["cache_control"]
    return blocks


def _part_block(part: Part, raw: Mapping[str, Any], param: str) -> Block | None:
    """Return the block for a part, None if it is blank text."""
    if part.type in _NATIVE_TYPES:
        return _native_block(part.type, raw)
    block = _translated(part, param)
    if block is None:
        return None
    names = _DOCUMENT_MEMBERS if block["type"] == "document" else _PART_MEMBERS
    for name in names:
        if raw.get(name) is not None:
            block[name] = raw[name]
    return block


def _native_block(type_: str, raw: Mapping[str, Any]) -> Block:
    """Return one of Anthropic's own blocks as the client sent it, with the type of an image that its bytes have."""
    block: Block = {**raw, "type": type_}
    match raw:
        case {"source": {"type": "base64", "data": str(data)} as source} if type_ == "image":
            actual_type = image_type(data)
            if actual_type is not None:
                block["source"] = {**source, "media_type": actual_type}
    return block


def _translated(part: Part, param: str) -> Block | None:
    """Return the block for one of OpenAI's parts, None if it is blank text."""
    uploaded = _uploaded_file(part)
    if uploaded is not None:
        return _file_reference(uploaded)
    attachment = media(part, param)
    if attachment is None:
        text = part.text or part.refusal or ""
        return None if _is_blank(text) else text_block(text)
    if attachment.kind == "image":
        return _image(attachment, param)
    return _document(attachment, param)


def _is_blank(text: str) -> bool:
    return not text or text.isspace()


def _uploaded_file(part: Part) -> InputFile | None:
    """Return the file that a part refers to by its id; None if it has no file or the file's data."""
    if part.type != "file" or part.file is None:
        return None
    if part.file.file_data is not None or part.file.file_id is None:
        return None
    return part.file


def _file_reference(file: InputFile) -> Block:
    """Return a reference to a file of Anthropic's Files API, whose kind only its name can tell."""
    mime, _ = mimetypes.guess_type(file.filename or "")
    is_image = mime is not None and mime.startswith("image/")
    return {
        "type": "image" if is_image else "document",
        "source": {"type": "file", "file_id": file.file_id},
    }


def _image(attachment: Media, param: str) -> Block:
    if attachment.url is not None:
        return {"type": "image", "source": {"type": "url", "url": attachment.url}}
    if attachment.mime not in _IMAGE_TYPES:
        raise Unsupported(f"Claude does not accept images of type '{attachment.mime}'", param=param)
    return {
        "type": "image",
        "source": {
            "type": "base64",
            "media_type": _IMAGE_TYPES[attachment.mime],
            "data": attachment.data,
        },
    }


def _document(attachment: Media, param: str) -> Block:
    block: Block = {"type": "document", "source": _document_source(attachment, param)}
    if attachment.filename is not None:
        block["title"] = attachment.filename
    return block


def _document_source(attachment: Media, param: str) -> Block:
    if attachment.kind == "document":
        if attachment.mime == _PDF:
            return _pdf_source(attachment)
        # A URL can only be a PDF: Anthropic fetches no other documents.
        if attachment.data is not None and _is_text(attachment.mime):
            return {
                "type": "text",
                "media_type": "text/plain",  # the only one that Anthropic knows
                "data": _decode_text(attachment.data, param),
            }
    message = f"Claude does not accept content of the kind '{attachment.kind}' and type '{attachment.mime}'"
    raise Unsupported(message, param=param)


def _pdf_source(attachment: Media) -> Block:
    if attachment.url is not None:
        return {"type": "url", "url": attachment.url}
    return {"type": "base64", "media_type": _PDF, "data": attachment.data}


def _is_text(mime: str) -> bool:
    return mime.startswith("text/") or mime in _TEXT_TYPES


def _decode_text(data: str, param: str) -> str:
    """Return the text of a base64-encoded file. Raises RequestError if `data` is not base64."""
    try:
        content = base64.b64decode(data)
    except ValueError as error:  # also for characters that base64 does not have
        message = f"Invalid value for '{param}': {error}"
        raise RequestError(message, param=param, code="invalid_value") from None
    return content.decode("utf-8", "replace")
