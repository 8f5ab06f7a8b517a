"""A whole answer: from a chat.completion to a response."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from llms_core.contracts.completion import Usage
from llms_core.contracts.json import ABSENT, objects, text_of_json
from llms_core.dialects.envelope import Envelope
from llms_core.dialects.responses import output
from llms_core.dialects.responses.context import Context

Json = dict[str, Any]


class Function(msgspec.Struct):
    """The function of a tool call, or of a fragment of one."""

    name: str | None = None
    #: JSON text; some servers send the arguments themselves
    arguments: Raw = ABSENT

    @property
    def text(self) -> str:
        """The arguments as JSON text, or a piece of it."""
        if not self.arguments or bytes(self.arguments) == b"null":
            return ""
        return text_of_json(self.arguments)


class ToolCall(msgspec.Struct):
    """A tool call, or a fragment of one."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None
    extra_content: Json | None = None
    provider_extra: Json | None = None

    def extra(self) -> Json:
        """Return the members that have to come back with the call."""
        members = {"extra_content": self.extra_content, "provider_extra": self.provider_extra}
        return {name: value for name, value in members.items() if value}


class Message(msgspec.Struct):
    """A message, or a delta of one."""

    #: a list of parts with Mistral's reasoning models
    content: str | list[Json] | None = None
    #: the model's reasoning, under either of the names that providers use
    reasoning_content: Any = None
    reasoning: Any = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    #: not of the contract, so each provider's may have any shape
    annotations: Any = None
    images: Any = None
    provider_extra: Json | None = None
    #: OpenRouter's, which has to come back
    reasoning_details: Any = None

    def texts(self) -> tuple[str, str]:
        """Return the reasoning and the text."""
        reasoning = self.reasoning_content or self.reasoning
        thought = reasoning if isinstance(reasoning, str) else ""
        if not isinstance(self.content, list):
            return thought, self.content or ""
        text = ""
        for part in self.content:
            if part.get("type") == "thinking":
                thought += "".join(_texts(part.get("thinking")))
            else:
                text += str(part.get("text") or "")
        return thought, text

    def text_annotations(self) -> list[Json]:
        """Return the annotations as this API has them."""
        return [output.annotation(each) for each in objects(self.annotations)]

    def image_urls(self) -> list[str]:
        """Return the images that the model has made."""
        found = []
        for image in objects(self.images):
            url = image.get("image_url")
            if isinstance(url, dict):
                url = url.get("url")
            if isinstance(url, str):
                found.append(url)
        return found


class _Choice(msgspec.Struct):
    message: Message
    finish_reason: str | None = None
    logprobs: Any = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    model: str = ""
    created: int | None = None
    service_tier: Any = None


_decode = msgspec.json.Decoder(_Completion).decode


def token_logprobs(logprobs: Any) -> list[Json]:
    """Return the log probabilities of an answer, or of a piece of it, as this API has them."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    return [output.logprob(each) for each in objects(content)]


def response_of(data: bytes, usage: Usage | None, context: Context) -> Json:
    """Return the response for a chat.completion. Raises ProviderError for a call that this API cannot express."""
    completion = _decode(data)
    choice = completion.choices[0]
    end = output.ended(choice.finish_reason, usage, completion.service_tier)
    items = _items(choice, end["status"], context)
    return output.response(
        context, completion.model, completion.created or int(time.time()), items, **end
    )


def _items(choice: _Choice, status: output.Status, context: Context) -> Sequence[Json]:
    message = choice.message
    thought, text = message.texts()
    calls = message.tool_calls or ()
    items: list[Json] = []

    extras = {call.id or "": extra for call in calls if (extra := call.extra())}
    envelope = Envelope(
        message.provider_extra or {}, extras, {"reasoning_content": thought} if thought else {}
    )
    if details := objects(message.reasoning_details):
        envelope.message["reasoning_details"] = details
    if envelope:
        items.append(output.reasoning(context.item_id("rs", 0), thought, envelope, context))
    content = []
    if text or not (message.refusal or calls or message.images):
        logprobs = token_logprobs(choice.logprobs) if context.shows_logprobs else ()
        content.append(output.text_part(text, message.text_annotations(), logprobs))
    if message.refusal:
        content.append(output.refusal_part(message.refusal))
    if content:
        items.append(output.message(context.item_id("msg", len(items)), content, status))
    for url in message.image_urls():
        items.append(output.image(context.item_id("ig", len(items)), url))
    for call in calls:
        function = call.function or Function()
        origin = context.toolset.origin(function.name or "")
        item_id = context.item_id(output.CALL_PREFIXES[origin.kind], len(items))
        item = output.call(origin, item_id, call.id or "", function.text, status)
        if item is not None:
            items.append(item)
    return items


def _texts(thinking: Any) -> list[str]:
    if isinstance(thinking, str):
        return [thinking]
    return [str(part.get("text") or "") for part in thinking or () if isinstance(part, dict)]
