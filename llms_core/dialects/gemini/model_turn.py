"""A turn of the model as chat's message."""

from __future__ import annotations

from typing import Any

from llms_core.contracts import reasoning_details
from llms_core.contracts.json import objects, text_of_json
from llms_core.contracts.reasoning_details import consolidated
from llms_core.dialects.envelope import Envelope, from_base64, is_sealed, opened
from llms_core.dialects.gemini.calls import CallIds
from llms_core.dialects.gemini.merging import merge
from llms_core.dialects.gemini.parts import Json, data_uri
from llms_core.dialects.gemini.request import FunctionCall, Part, is_set

GOOGLE = "google"
"""The owner of what only Google has, and the adapter's name in `provider_extra` and `extra_content`."""


class ModelTurn:
    """Collects the parts of one answer of the conversation."""

    def __init__(self, ids: CallIds):
        self._ids = ids
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._calls: list[Json] = []
        self._images: list[Json] = []
        self._envelope = Envelope()
        #: `provider_extra.google`
        self._google: Json = {}

    def add(self, part: Part, param: str) -> None:
        """Add a part. Raises RequestError, which names the invalid member."""
        signature = from_base64(part.thought_signature)
        own = opened(signature)
        if own is not None:
            merge(self._envelope.provider_extra, own.provider_extra)
            merge(self._envelope.message, own.message)
        if part.function_call is not None:
            self._add_call(part.function_call, signature, own)
        elif part.inline_data is not None:
            url = data_uri(part.inline_data, f"{param}.inlineData")
            image: Json = {"type": "image_url", "image_url": {"url": url}}
            self._images.append(image | _signed(signature, own))
        elif part.text is not None:
            (self._thoughts if part.thought else self._texts).append(part.text)
            if signature and not is_sealed(signature):
                self._google["thought_signature"] = signature

    def add_native(self, part: Json) -> None:
        """Add a part that only Google knows, such as code that it ran."""
        self._google.setdefault("parts", []).append(part)

    def messages(self) -> list[Json]:
        """Return the message; none for a turn without anything."""
        text = "".join(self._texts)
        message: Json = {"role": "assistant", "content": text or None}
        if self._calls:
            message["tool_calls"] = self._calls
        if self._images:
            message["images"] = self._images
        extra: dict[str, Any] = dict(self._envelope.provider_extra)
        if self._google:
            extra[GOOGLE] = {**extra.get(GOOGLE, {}), **self._google}
        if extra:
            message["provider_extra"] = extra
        # What was sealed is complete and unchanged, whatever the client did with the parts that it shows.
        message |= self._envelope.message
        if reasoning_details.NAME in message:
            message[reasoning_details.NAME] = consolidated(objects(message[reasoning_details.NAME]))
        if not (text or self._calls):
            if not (self._thoughts or self._images or extra):
                return []
            message["content"] = ""
        return [message]

    def _add_call(self, call: FunctionCall, signature: str | None, own: Envelope | None) -> None:
        # Another model's arguments may be no object: adapters repair them.
        arguments = text_of_json(call.args) if is_set(call.args) else "{}"
        called: Json = {
            "id": self._ids.call(call),
            "type": "function",
            "function": {"name": call.name, "arguments": arguments},
        }
        self._calls.append(called | _signed(signature, own))


def _signed(signature: str | None, own: Envelope | None) -> Json:
    """Return the members that a signature stands for: those in an envelope, or Google's own signature."""
    if own is not None:
        # An envelope is on the call that it belongs to, whose id the client may have left out.
        members: Json = {}
        for each in own.calls.values():
            merge(members, each)
        return members
    if not signature or is_sealed(signature):
        return {}
    return {"extra_content": {GOOGLE: {"thought_signature": signature}}}
