"""Translates OpenAI's messages into Gemini's `contents` and `systemInstruction`."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from llms_core import RequestError, Unsupported
from llms_core.contracts.content import ImageUrl, Part, media, text_of
from llms_core.contracts.function_names import FunctionNames
from llms_core.contracts.request import ChatCall, Message
from llms_core.contracts.signatures import Owner, owner_in
from llms_core.contracts.tool_call_ids import SentCall, ToolCallIds
from llms_providers.google.models import accepts_system_instruction, is_gemini_3_or_later
from llms_providers.google.signatures import is_accepted

Json = dict[str, Any]

# Documented for calls that another model made, or whose signature the client did not keep:
# https://ai.google.dev/gemini-api/docs/thought-signatures
_SKIP_SIGNATURE_CHECK = "skip_thought_signature_validator"

# For media whose URL or data URI does not state a type; Gemini requires one.
_DEFAULT_MIME_TYPES = {"image": "image/jpeg", "audio": "audio/wav", "video": "video/mp4"}

# `media` returns `image/*` and the like for a URL without a known file extension.
_ANY_SUBTYPE = "/*"

# A turn must have a part, and an empty text is rejected.
_BLANK_TEXT = {"text": " "}

# Gemini takes `$ref` in a result for a reference to one of its media, and rejects other references. A character may be
# escaped in JSON.
_REFERENCE = re.compile(r"\$ref|\\u00[2-7]")

_FILE_URI = re.compile(r"gs://|https?://")


class _Image(msgspec.Struct):
    image_url: ImageUrl
    extra_content: Json | None = None


class _MessageWithImages(msgspec.Struct):
    """A message with the images of an earlier answer, as the client returns them."""

    images: list[_Image] | None = None


_messages_with_images = msgspec.json.Decoder(list[_MessageWithImages])


def conversation(
    call: ChatCall, base_url: str, owner: Owner, names: FunctionNames, *, instruction: str = ""
) -> tuple[list[Json], list[Json]]:
    """Return `contents`, and the parts of `systemInstruction` from all system messages of the request (SR-041).

    `base_url` is that of the API, for references to uploaded files. `owner` is the model that gets them. `instruction`
    follows the system messages. Raises Unsupported for content that Gemini does not take, and RequestError for an
    invalid message.
    """
    system: list[Json] = []
    contents: list[Json] = []
    ids = ToolCallIds()
    images = _images_by_message(call)

    for position, message in enumerate(call.request.messages):
        param = f"messages[{position}]"
        match message.role:
            case "system" | "developer":
                text = text_of(message.content)
                if text:
                    system.append({"text": text})
            case "assistant":
                signatures = _Signatures(message, owner)
                image_parts = [_image_part(image, signatures) for image in images[position]]
                call_parts = _call_parts(call, ids.calls(message), names, signatures)
                parts = _assistant_parts(message, param, signatures)
                _add_model_parts(contents, [*parts, *image_parts, *call_parts])
            case "user":
                _add_user_parts(contents, _content_parts(message, param, base_url))
            case "tool" | "function":
                _add_results(contents, _result_parts(call, message, param, ids, names))

    if instruction:
        system.append({"text": instruction})
    if contents and contents[0]["role"] == "model" and _has_call(contents[0]):
        # Gemini requires a turn of the user before calls of functions.
        contents.insert(0, {"role": "user", "parts": [_BLANK_TEXT]})
    if not contents or (system and not accepts_system_instruction(call)):
        # Gemini requires at least one turn to answer.
        first = {"role": "user", "parts": system or [_BLANK_TEXT]}
        return [first, *contents], []
    return contents, system


def _has_call(turn: Json) -> bool:
    return any("functionCall" in part for part in turn["parts"])


def _add_user_parts(contents: list[Json], parts: list[Json]) -> None:
    """Append a turn of the user. An empty message is left out if the user's turn before says what is to be answered."""
    if parts:
        contents.append({"role": "user", "parts": parts})
    elif not contents or contents[-1]["role"] != "user":
        contents.append({"role": "user", "parts": [_BLANK_TEXT]})


def _add_model_parts(contents: list[Json], parts: list[Json]) -> None:
    """Append to the model's turn if one is open: Gemini requires tool calls to follow a user's turn directly."""
    if contents and contents[-1]["role"] == "model":
        contents[-1]["parts"] += parts
    elif parts:
        contents.append({"role": "model", "parts": parts})


def _add_results(contents: list[Json], parts: list[Json]) -> None:
    """Append to the results before, if any: Gemini requires the results of parallel calls in one turn."""
    if contents and "functionResponse" in contents[-1]["parts"][0]:
        contents[-1]["parts"] += parts
    else:
        contents.append({"role": "user", "parts": parts})


class _Signatures:
    """The signatures of one message of the assistant's, without those that the model that gets it would reject."""

    def __init__(self, message: Message, own: Owner):
        extra = (message.provider_extra or {}).get("google")
        #: what an earlier answer put into `provider_extra`
        self.extra: Json = extra if isinstance(extra, dict) else {}
        self._owner = owner_in(self.extra)
        self._own = own

    def member(self, signature: object) -> Json:
        """Return a signature as a member of a part, or {}."""
        if not is_accepted(signature, self._owner, self._own):
            return {}
        return {"thoughtSignature": signature}

    def in_extra_content(self, extra_content: Mapping[str, Any] | None) -> Json:
        """Return the signature in `extra_content` as a member of a part, or {}."""
        # Vertex AI's OpenAI-compatible endpoint writes `vertex` where the Gemini API writes `google`.
        for name in ("google", "vertex"):
            extra = (extra_content or {}).get(name)
            if isinstance(extra, dict) and extra.get("thought_signature"):
                return self.member(extra["thought_signature"])
        return {}


def _assistant_parts(message: Message, param: str, signatures: _Signatures) -> list[Json]:
    """Return the first parts of an assistant's message, in the order in which Gemini sends them.

    These are the parts that OpenAI's format cannot express, which the client returns in `provider_extra`, then the
    text with its signature. Images and tool calls follow.
    """
    text = _content_parts(message, param)
    signature = signatures.member(signatures.extra.get("thought_signature"))
    if signature:
        text = text or [{"text": ""}]
        text[-1] |= signature
    return [*_returned_parts(signatures), *text]


def _returned_parts(signatures: _Signatures) -> list[Json]:
    """Return the parts that an earlier answer gave the client to keep, without the position added to each."""
    parts = signatures.extra.get("parts")
    if not isinstance(parts, list):
        return []
    returned = []
    for part in parts:
        if isinstance(part, dict):
            members = {
                name: value
                for name, value in part.items()
                if name not in ("index", "thoughtSignature")
            }
            returned.append(members | signatures.member(part.get("thoughtSignature")))
    return returned


def _call_parts(
    call: ChatCall, tool_calls: Sequence[SentCall], names: FunctionNames, signatures: _Signatures
) -> list[Json]:
    parts: list[Json] = []
    for tool_call in tool_calls:
        name = names.to_provider(tool_call.name)
        function: Json = {"name": name, "args": tool_call.called.arguments(), "id": tool_call.id}
        parts.append(
            {
                "functionCall": function,
                **signatures.in_extra_content(tool_call.called.extra_content),
            }
        )

    is_signed = any("thoughtSignature" in part for part in parts)
    if parts and not is_signed and is_gemini_3_or_later(call):
        # Gemini 3 refuses a turn whose first call has no signature.
        parts[0]["thoughtSignature"] = _SKIP_SIGNATURE_CHECK
    return parts


def _images_by_message(call: ChatCall) -> list[list[_Image]]:
    """Return the images of earlier answers, one list for each message of the request.

    Raises RequestError for an invalid image.
    """
    raw = call.members["messages"]
    # Few requests have any: do not decode all messages a second time for nothing.
    if b'"images"' not in bytes(raw):
        return [[] for _ in call.request.messages]
    try:
        messages = _messages_with_images.decode(raw)
    except msgspec.ValidationError as error:
        message = f"Invalid value for 'messages': {error}"
        raise RequestError(message, param="messages", code="invalid_value") from None
    return [message.images or [] for message in messages]


def _image_part(image: _Image, signatures: _Signatures) -> Json:
    part = Part(type="image_url", image_url=image.image_url)
    return _content_part(part) | signatures.in_extra_content(image.extra_content)


def _result_parts(
    call: ChatCall, message: Message, param: str, ids: ToolCallIds, names: FunctionNames
) -> list[Json]:
    """Return the parts of a tool's result. Raises Unsupported if it does not belong to an earlier call."""
    answered = ids.result(message)
    # Gemini matches results by function name, which OpenAI's `tool` messages do not have.
    name = message.name if answered is None else answered.name
    call_id = message.tool_call_id if answered is None else answered.id
    if name is None:
        raise Unsupported(
            f"No earlier message has a tool call '{call_id or ''}'", param=f"{param}.tool_call_id"
        )
    response: Json = {
        "name": names.to_provider(name),
        "response": _result_object(text_of(message.content)),
    }
    if call_id:
        response["id"] = call_id

    media_parts = [part for part in _content_parts(message, param) if "text" not in part]
    # Gemini 3 and later take media within the response, older models only beside it.
    if media_parts and is_gemini_3_or_later(call):
        response["parts"] = media_parts
        media_parts = []
    return [{"functionResponse": response}, *media_parts]


def _result_object(text: str) -> Json:
    """Return a result as the object that Gemini requires; any other value becomes the member `output`, as text."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        value = None
    if isinstance(value, dict) and not _REFERENCE.search(text):
        return value
    return {"output": text}


def _content_parts(message: Message, param: str, base_url: str = "") -> list[Json]:
    """Return the parts of a message's content, without empty texts, which Vertex AI refuses."""
    if isinstance(message.content, str):
        return [{"text": message.content}] if message.content else []
    parts = []
    for position, part in enumerate(message.content or ()):
        translated = _content_part(part, f"{param}.content[{position}]", base_url)
        if translated != {"text": ""}:
            parts.append(translated)
    return parts


def _content_part(part: Part, param: str = "messages", base_url: str = "") -> Json:
    """Translate one content part. Raises Unsupported if Gemini has no counterpart."""
    if part.type == "file" and part.file is not None and part.file.file_data is None:
        return _uploaded_file(part.file.file_id or "", part.file.filename, param, base_url)
    found = media(part, param)
    if found is None:
        return {"text": part.text or part.refusal or ""}
    mime_type = found.mime
    if mime_type.endswith(_ANY_SUBTYPE):
        mime_type = _DEFAULT_MIME_TYPES[found.kind]
    if found.data is None:
        # Still a URL, although the core downloads most of them: a video, which Google fetches itself.
        return {"fileData": {"fileUri": found.url, "mimeType": mime_type}}
    return {"inlineData": {"mimeType": mime_type, "data": found.data}}


def _uploaded_file(file_id: str, filename: str | None, param: str, base_url: str) -> Json:
    """Return a reference to a file of the Gemini Files API, or of Google Cloud Storage, or to a public URL."""
    uri = file_id
    if file_id.startswith("files/"):
        # `fileUri` has to be the file's full address.
        uri = f"{base_url}/{file_id}"
    if not _FILE_URI.match(uri):
        message = "Gemini only accepts a file_id of the form `files/…`, `gs://…` or `https://…`"
        raise Unsupported(message, param=param)
    data = {"fileUri": uri}
    mime_type = mimetypes.guess_type(filename or uri)[0]
    if mime_type:
        data["mimeType"] = mime_type
    return {"fileData": data}
