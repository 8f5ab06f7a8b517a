"""Content parts of chat as those of the Responses API."""

from __future__ import annotations

from collections.abc import Sequence

from llms_core.contracts.content import ImageUrl, InputFile, Part, media
from llms_core.errors import Unsupported
from llms_core.openai_compatible.responses.views import Json


def content_of(content: str | Sequence[Part] | None, param: str) -> str | list[Json]:
    """Return the content of a message, or of a tool's result. Raises Unsupported, which names `param`."""
    if not content:
        return ""
    if isinstance(content, str):
        return content
    if len(content) == 1 and content[0].type == "text":
        return content[0].text or ""
    return [_part(part, f"{param}[{number}]") for number, part in enumerate(content)]


def _part(part: Part, param: str) -> Json:
    match part:
        case Part(type="text" | "refusal"):
            return {"type": "input_text", "text": part.text or part.refusal or ""}
        case Part(type="image_url", image_url=ImageUrl() as image):
            return {"type": "input_image", "image_url": image.url, "detail": image.detail or "auto"}
        case Part(type="image_url", image_url=str(url)):
            return {"type": "input_image", "image_url": url, "detail": "auto"}
        case Part(type="file", file=InputFile() as file):
            return _file(file, part, param)
    # Recordings as well: the API's reference has no part for them.
    raise Unsupported(
        f"The Responses API does not support content of type '{part.type}'", param=param
    )


def _file(file: InputFile, part: Part, param: str) -> Json:
    result: Json = {"type": "input_file"}
    if file.file_id is not None:
        return {**result, "file_id": file.file_id}
    found = media(part, param)
    if found is None:
        raise Unsupported("A file needs data or an id", param=param)
    if found.url is not None:
        # The name is that of the URL, and both together are refused.
        return {**result, "file_url": found.url}
    result["file_data"] = f"data:{found.mime};base64,{found.data}"
    # Required beside the data.
    result["filename"] = file.filename or f"file.{found.mime.partition('/')[2] or 'pdf'}"
    return result
