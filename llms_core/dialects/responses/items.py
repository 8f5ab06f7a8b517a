"""Input items: from the Responses API's list of items to the messages of the operation `chat`.

The items of one turn of the assistant (reasoning, text, calls) become one message, whatever their order; what the
order tells beyond that is in the envelopes of reasoning items.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Raw

from llms_core.contracts.content import is_remote_or_inline
from llms_core.contracts.json import text_of_json
from llms_core.dialects.envelope import opened
from llms_core.dialects.responses.tools import Kind, Origin, Toolset, names_of
from llms_core.errors import RequestError

Json = dict[str, Any]

#: A factory, because the OpenAPI document would show a plain default, and cannot.
_ABSENT: Any = msgspec.field(default_factory=Raw)


class Audio(msgspec.Struct, frozen=True, omit_defaults=True):
    """`input_audio`."""

    #: base64
    data: str
    format: str | None = None


class Part(msgspec.Struct, frozen=True):
    """A content part, of a message or of a tool's output."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None
    input_audio: Audio | None = None


class Item(msgspec.Struct, frozen=True):
    """An item of any type: `type` tells which members it has. A message may come without one."""

    type: str | None = None
    id: str | None = None
    role: Literal["user", "assistant", "system", "developer"] | None = None
    content: str | list[Part] | None = None
    #: of reasoning
    encrypted_content: str | None = None
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    #: of a function; of a search it is an object
    arguments: Raw = _ABSENT
    #: of a custom tool
    input: str | None = None
    #: of a shell
    action: Raw = _ABSENT
    #: of `apply_patch`
    operation: Raw = _ABSENT
    #: of a tool; of a shell the parts have other members
    output: Raw = _ABSENT
    status: str | None = None
    #: what a search has found
    tools: list[Raw] | None = None

    @property
    def is_reference(self) -> bool:
        """Whether it stands for an item of an earlier response."""
        return self.type == "item_reference" or (
            self.type is None and self.role is None and self.id is not None
        )


_decode_output = msgspec.json.Decoder(str | list[Part]).decode

#: Types of calls that the client answers, with the kind of tool.
_CALLS: Mapping[str, Kind] = {
    "function_call": "function",
    "custom_tool_call": "custom",
    "tool_search_call": "tool_search",
    "local_shell_call": "local_shell",
    "shell_call": "shell",
    "apply_patch_call": "apply_patch",
}
_OUTPUTS = frozenset(
    {
        "function_call_output",
        "custom_tool_call_output",
        "tool_search_output",
        "local_shell_call_output",
        "shell_call_output",
        "apply_patch_call_output",
    }
)
#: How pydantic-ai writes down reasoning without a text, if it does not know that the model takes `encrypted_content`.
_NO_THOUGHT = re.compile(r"\s*<think>\s*</think>\s*")
#: What OpenAI's own servers did in an earlier turn, of which other models need not know.
_HOSTED = frozenset(
    {
        "code_interpreter_call",
        "file_search_call",
        "image_generation_call",
        "mcp_approval_request",
        "mcp_call",
        "mcp_list_tools",
        "program",
        "program_output",
        "web_search_call",
    }
)


def further_tools(items: Iterable[Item]) -> list[Raw]:
    """Return the tools that came up within the conversation, such as those that a search has found."""
    found: list[Raw] = []
    for item in items:
        if item.type in ("tool_search_output", "additional_tools"):
            found += item.tools or ()
    return found


class Conversation:
    """The messages of a request, built from its items."""

    def __init__(self, toolset: Toolset, call_members: Mapping[str, Json]):
        self.messages: list[Json] = []
        #: types of items that have been left out
        self.dropped: set[str] = set()
        self._toolset = toolset
        #: What envelopes have kept of calls, by the call's id.
        self._call_members = call_members
        #: The assistant's message that further items belong to.
        self._turn: Json | None = None

    def add(self, items: Sequence[Item], param: str) -> None:
        """Add items. Raises RequestError, which names the item."""
        for number, item in enumerate(items):
            self._add(item, f"{param}[{number}]")

    def finished(self) -> list[Json]:
        """Return the messages, without turns of which nothing has remained."""
        for message in self.messages:
            if "reasoning_content" in message:
                message["reasoning_content"] = "".join(message["reasoning_content"])
        return [message for message in self.messages if not _is_empty_turn(message)]

    def _add(self, item: Item, place: str) -> None:
        match item.type:
            case "message" | None:
                self._add_message(item, place)
            case "reasoning":
                self._add_reasoning(item)
            case type_ if type_ in _CALLS:
                self._assistant().setdefault("tool_calls", []).append(
                    self._call(item, _CALLS[type_], place)
                )
            case type_ if type_ in _OUTPUTS:
                self._turn = None
                self.messages.append(_result(item, place))
            case "additional_tools":
                pass
            case type_ if type_ in _HOSTED:
                self.dropped.add(f"input.{type_}")
            case _:
                raise RequestError(
                    f"Items of type '{item.type}' are not supported here",
                    param=f"{place}.type",
                    code="unsupported",
                )

    def _add_message(self, item: Item, place: str) -> None:
        role = _required(item.role, f"{place}.role")
        content = item.content
        if content is None:
            raise _missing(f"{place}.content")
        parts = content if isinstance(content, str) else _parts(content, f"{place}.content")
        if role != "assistant":
            self._turn = None
            self.messages.append({"role": role, "content": parts})
            return
        if isinstance(parts, str) and _NO_THOUGHT.fullmatch(parts):
            self.dropped.add("input.reasoning")
            return
        turn = self._assistant()
        before = turn["content"]
        if not before:
            turn["content"] = parts
        elif isinstance(before, list):
            before += _as_list(parts)
        else:
            turn["content"] = _as_list(before) + _as_list(parts)

    def _add_reasoning(self, item: Item) -> None:
        turn = self._assistant()
        envelope = opened(item.encrypted_content)
        if envelope is not None:
            reasoning = envelope.message.pop("reasoning_content", "")
            turn |= envelope.message
            if envelope.provider_extra:
                turn.setdefault("provider_extra", {}).update(envelope.provider_extra)
        elif isinstance(item.content, list) and not item.encrypted_content:
            # A model's own words. A summary, or what another server encrypted, is of no use to a model.
            reasoning = "".join(part.text or "" for part in item.content)
        else:
            self.dropped.add("input.reasoning")
            return
        if reasoning:
            # Pieces until all of them are there, because appending to a long text copies it.
            turn.setdefault("reasoning_content", []).append(reasoning)

    def _call(self, item: Item, kind: Kind, place: str) -> Json:
        name: str = kind
        if kind in ("function", "custom"):
            # Another model's may be empty.
            name = _required(item.name, f"{place}.name", may_be_empty=True)
        match kind:
            case "function":
                arguments = text_of_json(item.arguments) if item.arguments else ""
            case "custom":
                arguments = msgspec.json.encode({"input": item.input or ""}).decode()
            case "tool_search":
                arguments = text_of_json(item.arguments) if item.arguments else "{}"
            case "apply_patch":
                arguments = bytes(item.operation).decode() or "{}"
            case _:
                arguments = bytes(item.action).decode() or "{}"
        call_id = _call_id(item, place)
        function = self._toolset.function(Origin(kind, name, item.namespace))
        call: Json = {
            "id": call_id,
            "type": "function",
            "function": {"name": function, "arguments": arguments},
        }
        return call | self._call_members.get(call_id, {})

    def _assistant(self) -> Json:
        if self._turn is None:
            self._turn = {"role": "assistant", "content": None}
            self.messages.append(self._turn)
        return self._turn


def _result(item: Item, place: str) -> Json:
    return {"role": "tool", "tool_call_id": _call_id(item, place), "content": _output(item, place)}


def _output(item: Item, place: str) -> str | list[Json]:
    """Return the output of a tool as the content of a message."""
    match item.type:
        case "tool_search_output":
            return msgspec.json.encode({"found": names_of(item.tools or ())}).decode()
        case "shell_call_output":
            return bytes(item.output).decode() or "[]"
        case "apply_patch_call_output":
            text = (
                text_of_json(item.output) if item.output and bytes(item.output) != b"null" else ""
            )
            return text or _required(item.status, f"{place}.status")
    if not item.output:
        raise _missing(f"{place}.output")
    try:
        output = _decode_output(item.output)
    except msgspec.ValidationError as error:
        param = f"{place}.output"
        raise RequestError(
            f"Invalid value for '{param}': {error}", param=param, code="invalid_value"
        ) from None
    if isinstance(output, str):
        return output
    return _parts(output, f"{place}.output")


def _call_id(item: Item, place: str) -> str:
    # A local shell's output has the id of the call as its own.
    call_id = item.call_id
    if call_id is None and item.type in (
        "local_shell_call_output",
        "tool_search_call",
        "tool_search_output",
    ):
        call_id = item.id
    # Another model's may be empty: adapters make ids unique.
    return _required(call_id, f"{place}.call_id", may_be_empty=True)


def _parts(parts: Sequence[Part], param: str) -> str | list[Json]:
    """Return content parts as the operation has them; a single text as a string, as most providers expect it."""
    if len(parts) == 1 and parts[0].type in ("input_text", "output_text", "text"):
        return _required(parts[0].text, f"{param}[0].text", may_be_empty=True)
    return [_part(part, f"{param}[{number}]") for number, part in enumerate(parts)]


def _part(part: Part, place: str) -> Json:
    match part.type:
        case "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text":
            return {
                "type": "text",
                "text": _required(part.text, f"{place}.text", may_be_empty=True),
            }
        case "refusal":
            return {
                "type": "refusal",
                "refusal": _required(part.refusal, f"{place}.refusal", may_be_empty=True),
            }
        case "input_image" if part.file_id is None:
            url = _reference(_required(part.image_url, f"{place}.image_url"), f"{place}.image_url")
            image = {"url": url} if part.detail is None else {"url": url, "detail": part.detail}
            return {"type": "image_url", "image_url": image}
        case "input_file" if part.file_id is None:
            return {"type": "file", "file": _file(part, place)}
        case "input_image" | "input_file":
            raise RequestError(
                "Files that were uploaded before are not stored here: send the data or a URL",
                param=f"{place}.file_id",
                code="unsupported",
            )
        case "input_audio" if part.input_audio is not None:
            _reference(part.input_audio.data, f"{place}.input_audio.data", base64_allowed=True)
            return {"type": "input_audio", "input_audio": part.input_audio}
    raise RequestError(
        f"Content of type '{part.type}' is not supported here",
        param=f"{place}.type",
        code="unsupported",
    )


def _file(part: Part, place: str) -> Json:
    if part.file_data is not None:
        file = {"file_data": _reference(part.file_data, f"{place}.file_data", base64_allowed=True)}
        if part.filename is None:
            return file
        return {**file, "filename": part.filename}
    url = _reference(_required(part.file_url, f"{place}.file_data"), f"{place}.file_url")
    name = part.filename or urlsplit(url).path.rpartition("/")[2]
    if name:
        return {"file_data": url, "filename": name}
    return {"file_data": url}


def _reference(value: str, param: str, *, base64_allowed: bool = False) -> str:
    """A client must not make the server read its own files."""
    if is_remote_or_inline(value, base64_allowed):
        return value
    message = f"Invalid value for '{param}': expected an http(s) URL or inline data; local files are not read over HTTP"
    raise RequestError(message, param=param, code="invalid_value")


def _is_empty_turn(message: Json) -> bool:
    return message["role"] == "assistant" and not message["content"] and "tool_calls" not in message


def _as_list(content: str | list[Json]) -> list[Json]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return content


def _required(value: str | None, param: str, *, may_be_empty: bool = False) -> str:
    if value is None or (not value and not may_be_empty):
        raise _missing(param)
    return value


def _missing(param: str) -> RequestError:
    message = f"Missing required parameter: '{param}'"
    return RequestError(message, param=param, code="missing_required_parameter")
