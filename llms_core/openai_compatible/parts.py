"""Content parts that some providers with OpenAI's JSON write in another form."""

from __future__ import annotations

from typing import Any

import msgspec

from llms_core.contracts.content import Part, media
from llms_core.errors import Unsupported


def document_url(part: dict[str, Any]) -> dict[str, Any]:
    """Return a `file` part as Mistral's `document_url`: https://docs.mistral.ai/capabilities/document_ai/document_qna.

    Raises Unsupported for a file that was uploaded elsewhere.
    """
    decoded = msgspec.convert(msgspec.json.decode(msgspec.json.encode(part)), Part)
    found = media(decoded)
    if found is None:
        return part
    url = found.url or f"data:{found.mime};base64,{found.data}"
    match found.kind:
        case "image":
            return {"type": "image_url", "image_url": url}
        case "document":
            document = {"type": "document_url", "document_url": url}
            if found.filename:
                document["document_name"] = found.filename
            return document
    raise Unsupported(f"Files of type '{found.mime}' are not supported here", param="messages")


def audio_text(part: dict[str, Any]) -> dict[str, Any]:
    """Return an `input_audio` part with the base64 text alone, from which the provider tells the format."""
    audio = msgspec.json.decode(part["input_audio"])
    if not isinstance(audio, dict):
        return part
    return {**part, "input_audio": audio["data"]}
