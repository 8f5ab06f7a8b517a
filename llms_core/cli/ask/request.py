"""From the command line to a chat request: a template, in which the prompt and the media replace the user's message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from llms_core.cli.models import TEXT
from llms_core.contracts import request as chat
from llms_core.contracts.json import UNREADABLE
from llms_core.contracts.request import ChatBody
from llms_core.errors import ConfigError, RequestError

Json = dict[str, Any]

SYSTEM_ROLES = ("system", "developer")

#: The names of options for media, by the types of the content parts that they become.
_KINDS = {"image_url": "image", "input_audio": "audio", "file": "file"}


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks."""

    #: empty if there is none: then the template has one
    prompt: str = ""
    model: str | None = None
    system: str | None = None
    #: content parts by the names of their options, in the order in which they are sent
    media: Mapping[str, Sequence[Json]] = {}
    parameters: Mapping[str, Any] = {}

    @property
    def template(self) -> str:
        """The name of the template that fits."""
        for kind, parts in self.media.items():
            if parts:
                return kind
        return TEXT


def from_file(path: str) -> Json:
    """Return the chat request in a file. Raises ConfigError."""
    try:
        data = Path(path).expanduser().read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", path=path) from None
    try:
        request = msgspec.json.decode(data, type=Json)
    except UNREADABLE as error:
        raise ConfigError(f"not a chat request in JSON: {error}", path=path) from None
    return _checked(request, path)


def from_template(templates: Mapping[str, Mapping[str, Any]], name: str) -> Json:
    """Return a copy of a template of llms.json; an empty request if there is none. Raises ConfigError."""
    copy: Json = msgspec.json.decode(msgspec.json.encode(templates.get(name) or {}))
    return _checked(copy, f"defaults.{name}")


def completed(request: Json, question: Question, history: Sequence[Json] = ()) -> Json:
    """Return the request with the prompt, the media and the parameters of a question, after the messages before it.

    Raises ConfigError if there is nothing to ask.
    """
    messages = [*request.get("messages", ())]
    if not messages or messages[-1].get("role") != "user":
        messages.append({"role": "user", "content": ""})
    if history:
        # It began with the other messages of its own template.
        messages = [*history, messages[-1]]
    messages[-1] = {**messages[-1], "content": _content(messages[-1].get("content"), question)}
    if question.system is not None:
        messages = with_system(messages, {"role": "system", "content": question.system})
    request["messages"] = messages
    if question.model is not None:
        request["model"] = question.model
    request.update(question.parameters)
    return request


def body(request: Json, *, stream: bool, max_bytes: int) -> ChatBody:
    """Return the request as it is sent, streamed or not. Raises ConfigError, also for members of a wrong type."""
    request = {
        name: value for name, value in request.items() if name not in ("stream", "stream_options")
    }
    if stream:
        request["stream"] = True
        request["stream_options"] = {"include_usage": True}
    data = msgspec.json.encode(request)
    if len(data) > max_bytes:
        message = f"the request has {len(data)} bytes, and at most {max_bytes} are sent"
        raise ConfigError(message, hint="limits.client_max_size in llms.json is the limit")
    try:
        return chat.decode(data)
    except RequestError as error:
        # An option, a template or the file of --chat has it: nothing is sent.
        raise ConfigError(error.message) from None


def kinds(request: Json) -> list[str]:
    """Return which media a request has, by the names of their options, in the order in which they come."""
    types: list[Any] = []
    for message in request["messages"]:
        content = message.get("content")
        if isinstance(content, list):
            types.extend(part.get("type") for part in content)
    return list(dict.fromkeys(_KINDS[kind] for kind in types if kind in _KINDS))


def _checked(request: Json, place: str) -> Json:
    """Check as much of a request as is needed to change it; the rest is checked with the whole."""
    messages = request.get("messages") or []
    if not isinstance(messages, list) or not all(map(_is_message, messages)):
        raise ConfigError("`messages` has to be a list of messages", path=place)
    return request


def _is_message(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    content = value.get("content")
    return not isinstance(content, list) or all(isinstance(part, dict) for part in content)


def _content(content: Any, question: Question) -> Any:
    """Return the content of the user's message with the prompt as its last text, and media in place of its media.

    Raises ConfigError if there is no text.
    """
    parts = content if isinstance(content, list) else [_text_part(content or "")]
    for given in question.media.values():
        if given:
            parts = _replaced(parts, given)
    if question.prompt:
        parts = _replaced(parts, [_text_part(question.prompt)], at_end=True)
    parts = [part for part in parts if part != _text_part("")]
    texts = [part["text"] for part in parts if part.get("type") == "text"]
    if not texts:
        raise ConfigError("there is no prompt", hint='llms "…", or pipe it in')
    # Every provider takes a text; not all of them take parts.
    if len(parts) == 1:
        return texts[0]
    return parts


def _replaced(parts: Sequence[Json], given: Sequence[Json], *, at_end: bool = False) -> list[Json]:
    """Return the parts with others in place of the last one of their type; if there is none, they are added."""
    places = [place for place, part in enumerate(parts) if part.get("type") == given[0]["type"]]
    if places:
        return [*parts[: places[-1]], *given, *parts[places[-1] + 1 :]]
    return [*parts, *given] if at_end else [*given, *parts]


def _text_part(text: str) -> Json:
    return {"type": "text", "text": text}


def with_system(messages: Sequence[Json], system: Json) -> list[Json]:
    """Return the messages with this system message at the beginning, in place of the one that is there."""
    if messages and messages[0].get("role") in SYSTEM_ROLES:
        messages = messages[1:]
    return [system, *messages]
