"""Content parts that some providers with OpenAI's JSON write in another form."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from llms_core.contracts.content import Part, media
from llms_core.contracts.json import encode_raw
from llms_core.errors import Unsupported

RawPart = dict[str, Raw]


def document_url(part: RawPart) -> RawPart:
    """Return a `file` part as Mistral's `document_url`: https://docs.mistral.ai/capabilities/document_ai/document_qna.

    Raises Unsupported for a file that was uploaded elsewhere.
    """
    found = media(msgspec.json.decode(msgspec.json.encode(part), type=Part))
    if found is None:
        return part
    url = encode_raw(found.url or f"data:{found.mime};base64,{found.data}")
    match found.kind:
        case "image":
            return {"type": encode_raw("image_url"), "image_url": url}
        case "document":
            document = {"type": encode_raw("document_url"), "document_url": url}
            if found.filename:
                document["document_name"] = encode_raw(found.filename)
            return document
    raise Unsupported(f"Files of type '{found.mime}' are not supported here", param="messages")
