"""OpenAI's requests as Bedrock's: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any

import msgspec

from llms_core import Unsupported
from llms_core.contracts.content import Media, Part, media, text_of
from llms_core.contracts.request import ChatCall, Message
from llms_core.contracts.tools import Called, Function, ToolChoice, called, functions, json_schema, tool_choice
from llms_providers.bedrock.models import Family, Tuning, can_hold, family

STRUCTURED = "structured_response"
"""The tool that stands for the answer, where a model can be held to a schema only so."""

Block = dict[str, Any]

#: Members of Bedrock's own that pass as they are.
_NATIVE = (
    "guardrailConfig", "performanceConfig", "requestMetadata", "promptVariables", "additionalModelResponseFieldPaths",
)  # fmt: skip
_TRANSLATED = frozenset({
    "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "top_p",
    "stop", "n", "logprobs", "tools", "tool_choice", "response_format", "reasoning_effort", "thinking", "top_k",
    "service_tier", "modalities", "additional_model_request_fields", "additionalModelRequestFields", *_NATIVE,
})  # fmt: skip
#: Without these the answer would be another.
_REFUSED = ("audio", "functions", "function_call", "web_search_options")
_TIERS = frozenset({"default", "flex", "priority", "reserved"})

#: Formats by kind; those of documents by MIME type.
_FORMATS = {
    "image": {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "gif": "gif", "webp": "webp"},
    "audio": {
        "mpeg": "mp3", "mp3": "mp3", "wav": "wav", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav", "aac": "aac",
        "flac": "flac", "x-flac": "flac", "mp4": "mp4", "m4a": "m4a", "x-m4a": "m4a", "ogg": "ogg", "opus": "opus",
        "webm": "webm", "x-matroska": "mka", "pcm": "pcm",
    },
    "video": {
        "mp4": "mp4", "quicktime": "mov", "x-matroska": "mkv", "webm": "webm", "x-flv": "flv", "mpeg": "mpeg",
        "x-ms-wmv": "wmv", "3gpp": "three_gp",
    },
}  # fmt: skip
_DOCUMENTS = {
    "application/pdf": "pdf", "text/csv": "csv", "text/html": "html", "text/markdown": "md", "text/plain": "txt",
    "application/msword": "doc", "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}  # fmt: skip
#: How the base64 of an image begins, for those whose type is not said.
_BEGINNINGS = {"iVBORw0KGg": "png", "/9j/": "jpeg", "R0lGOD": "gif", "UklGR": "webp"}

_NAME = re.compile(r"[^A-Za-z0-9()\[\]-]+")
_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_MISTRAL_ID = re.compile(r"[a-zA-Z0-9]{9}")


class Converse(msgspec.Struct, frozen=True):
    """A request's body, and the parameters that are not in it."""

    body: dict[str, Any]
    dropped: tuple[str, ...]


def converse(call: ChatCall) -> Converse:
    """Raises Unsupported for what Bedrock cannot do."""
    request, of = call.request, family(call)
    if (modalities := call.get("modalities")) not in (None, [], ["text"]):
        raise Unsupported(f"Bedrock answers with text, not with {modalities}", param="modalities")
    for name in _REFUSED:
        if call.get(name) is not None:
            raise Unsupported(f"'{name}' is not supported on Bedrock", param=name)
    dropped = {name for name, raw in call.members.items() if name not in _TRANSLATED and bytes(raw) != b"null"}
    if call.get("parallel_tool_calls") is True:
        dropped.discard("parallel_tool_calls")  # as it is anyway
    output, answer_tool = _output(call, of)
    tools = _Tools(call, of, answer_tool)
    conversation = _Conversation(call, of, with_tools=bool(tools.specs))
    tuning = Tuning(call, of, forced=tools.forced, midway=conversation.midway)
    body: dict[str, Any] = {"messages": conversation.messages}
    if conversation.system:
        body["system"] = conversation.system
    stops = [request.stop] if isinstance(request.stop, str) else request.stop or []
    # Claude wants more of one than blanks.
    if taken := [each for each in stops if each and (of.vendor != "anthropic" or each.strip())]:
        tuning.inference["stopSequences"] = taken
    if len(taken) < len(stops):
        dropped.add("stop")
    if any(message.name for message in request.messages if message.role != "tool"):
        dropped.add("messages[].name")
    if tuning.inference:
        body["inferenceConfig"] = tuning.inference
    if tools.specs:
        body["toolConfig"] = tools.config
    if tuning.fields:
        body["additionalModelRequestFields"] = tuning.fields
    if output:
        body["outputConfig"] = output
    if (tier := call.get("service_tier")) in _TIERS:
        body["serviceTier"] = {"type": tier}
    elif tier not in (None, "auto"):
        dropped.add("service_tier")
    body |= {name: value for name in _NATIVE if (value := call.get(name)) is not None}
    return Converse(body, tuple(sorted(dropped | tools.dropped | tuning.dropped)))


def is_structured(call: ChatCall) -> bool:
    """Whether the answer to this call comes as a call of the tool STRUCTURED."""
    return _output(call, family(call))[1] is not None


def _output(call: ChatCall, of: Family) -> tuple[dict[str, Any] | None, Function | None]:
    """`outputConfig` for a model that can be held to the schema; for any other a tool that it has to call."""
    wanted, choice = json_schema(call), tool_choice(call)
    if wanted is None:
        kind = call.request.response_format.type if call.request.response_format is not None else "text"
        if kind != "text":
            raise Unsupported(f"Bedrock knows no response_format '{kind}'", param="response_format.type")
        return None, None
    if of.structured and can_hold(wanted.schema):
        schema = {"schema": msgspec.json.encode(wanted.schema).decode(), "name": wanted.name}
        if wanted.description:
            schema["description"] = wanted.description
        return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}, None
    if choice is not None and choice.mode == "required" and call.request.tools:
        return None, None  # the answer is a call of another tool
    return None, Function(STRUCTURED, wanted.description or "Give the answer with this.", wanted.schema)


class _Tools:
    """`toolConfig`. There is no choice `none`: then there are no tools."""

    def __init__(self, call: ChatCall, of: Family, answer: Function | None):
        choice = tool_choice(call) or ToolChoice("auto")
        self.dropped: set[str] = set()
        self.specs: list[Block] = []
        self._choice: Block | None = None
        forced = choice.names[0] if choice.mode == "required" and len(choice.names) == 1 else None
        for function, mark in zip(functions(call), _marks_of_tools(call), strict=True):
            if choice.mode != "none" and (forced or not choice.names or function.name in choice.names):
                self.specs += [self._spec(function, of), *mark]
        if answer is not None:
            self.specs.append(self._spec(answer, of))
            self._choice = {"any": {}}
        elif choice.mode == "required" and self.specs:
            self._choice = {"tool": {"name": forced}} if forced else {"any": {}}

    @property
    def forced(self) -> bool:
        return self._choice is not None

    @property
    def config(self) -> Block:
        return {"tools": self.specs, **({"toolChoice": self._choice} if self._choice else {})}

    def _spec(self, function: Function, of: Family) -> Block:
        schema = {"type": "object", **(function.parameters or {"properties": {}})}
        spec: Block = {"name": function.name, "inputSchema": {"json": schema}}
        if function.description and function.description.strip():
            spec["description"] = function.description
        if function.strict and of.structured and can_hold(schema):
            spec["strict"] = True
        elif function.strict:
            self.dropped.add("tools[].function.strict")
        return {"toolSpec": spec}


class _Conversation:
    """`system` and `messages`. Messages of one role after another are one; results of tools are the user's.

    Bedrock takes calls and their results only beside tools: without any they are told as text.
    """

    def __init__(self, call: ChatCall, of: Family, *, with_tools: bool):
        self.system: list[Block] = []
        self.messages: list[Block] = []
        self._of, self._with_tools = of, with_tools
        self._names: set[str] = set()
        self._called: dict[str, str] = {}
        marks = _marks_of_messages(call)
        for number, message in enumerate(call.request.messages):
            self._add(message, f"messages[{number}]", marks.get(number, {}))
        if not self.messages or self.messages[0]["role"] != "user":
            raise Unsupported("Bedrock wants a conversation that begins with a user's message", param="messages")
        for turn in self.messages:
            _tell_of_documents(turn)
        if self.messages[-1]["role"] == "assistant":
            last = self.messages[-1]["content"][-1]
            last |= {"text": last["text"].rstrip()} if "text" in last else {}  # what is to go on may not end in a blank

    @property
    def midway(self) -> bool:
        """Whether the answer has begun: its text is there, or calls without the reasoning that they came from."""
        last = self.messages[-1]
        if last["role"] == "assistant":
            return True
        if len(self.messages) < 2 or not any("toolResult" in block for block in last["content"]):
            return False
        return not any("reasoningContent" in block for block in self.messages[-2]["content"])

    def _add(self, message: Message, where: str, marks: dict[int, Block]) -> None:
        if message.role in ("system", "developer"):
            told = self._content(message, where, marks)
            if any("text" not in block and "cachePoint" not in block for block in told):
                raise Unsupported("Bedrock takes only text from the system", param=where)
            self.system += told
            return
        if message.role == "function":
            raise Unsupported("Messages of the role 'function' are not supported here: use 'tool'", param=where)
        blocks = self._content(message, where, marks)
        if message.role == "assistant":
            calls = called(message)
            blocks = [*self._signed(message), *blocks, *map(self._call, calls)]
        elif message.role == "tool":
            blocks = self._result(message, blocks)
        role = "assistant" if message.role == "assistant" else "user"
        if self.messages and self.messages[-1]["role"] == role:
            self.messages[-1]["content"] += blocks
        elif blocks:
            self.messages.append({"role": role, "content": blocks})

    def _content(self, message: Message, where: str, marks: dict[int, Block]) -> list[Block]:
        """Text that is blank is refused, and left out."""
        if not isinstance(message.content, list):
            text = text_of(message.content)
            return [{"text": text}] if text.strip() else []
        blocks = []
        for place, part in enumerate(message.content):
            blocks += self._part(part, f"{where}.content[{place}]")
            if place in marks and blocks:
                blocks.append(marks[place])
        return blocks

    def _part(self, part: Part, where: str) -> list[Block]:
        shown = media(part, where)
        if shown is None:
            text = part.text or part.refusal or ""
            return [{"text": text}] if text.strip() else []
        if shown.data is None:
            raise Unsupported("Bedrock takes bytes, and fetches nothing by URL", param=where)
        if (form := _format(shown)) is None:
            raise Unsupported(f"Bedrock takes no {shown.kind} of type '{shown.mime}'", param=where)
        block: Block = {"format": form, "source": {"bytes": shown.data}}
        if shown.kind == "document":
            block["name"] = self._name(PurePath(shown.filename or "").stem)
        return [{shown.kind: block}]

    def _name(self, wanted: str) -> str:
        """A name as Bedrock allows it, and has not got in this request."""
        base = name = _NAME.sub(" ", wanted).strip()[:180] or "document"
        number = 1
        while name in self._names:
            number += 1
            name = f"{base} {number}"
        self._names.add(name)
        return name

    def _signed(self, message: Message) -> Sequence[Block]:
        """The reasoning that this vendor's model signed, as the client got it with the answer."""
        extra = (message.provider_extra or {}).get("bedrock")
        if not self._with_tools and message.tool_calls:
            return ()
        if isinstance(extra, dict) and extra.get("vendor") == self._of.vendor:
            reasoning = extra.get("reasoning")
            blocks = reasoning if isinstance(reasoning, list) else ()
            return [block for block in blocks if isinstance(block, dict) and "reasoningContent" in block]
        return ()

    def _call(self, call: Called) -> Block:
        name, arguments = call.function.name, call.arguments()
        self._called[call.id] = name
        if not self._with_tools:
            return {"text": f"[Called {name} with {msgspec.json.encode(arguments).decode()}]"}
        return {"toolUse": {"toolUseId": self._id(call.id), "name": name, "input": arguments}}

    def _result(self, message: Message, blocks: list[Block]) -> list[Block]:
        called_by = message.tool_call_id or ""
        if not self._with_tools:
            return [{"text": f"[{self._called.get(called_by, 'The tool')} answered:]"}, *blocks]
        marks = [block for block in blocks if "cachePoint" in block]
        content = [block for block in blocks if "cachePoint" not in block] or [{"text": "(nothing)"}]
        return [{"toolResult": {"toolUseId": self._id(called_by), "content": content}}, *marks]

    def _id(self, id: str) -> str:
        """An id as the model's vendor allows it: another provider's may be longer, or have other letters."""
        mistral = self._of.vendor == "mistral"
        if (_MISTRAL_ID if mistral else _ID).fullmatch(id):
            return id
        return hashlib.sha256(id.encode()).hexdigest()[: 9 if mistral else 32]


def _format(shown: Media) -> str | None:
    if shown.kind == "document":
        ending = PurePath(shown.filename or "").suffix[1:].lower()
        other = ending if ending in _DOCUMENTS.values() else "txt" if shown.mime.startswith("text/") else None
        return _DOCUMENTS.get(shown.mime, other)
    known = _FORMATS[shown.kind].get(shown.mime.partition("/")[2])
    if known is None and shown.kind == "image":
        known = next((name for start, name in _BEGINNINGS.items() if (shown.data or "").startswith(start)), None)
    return known


def _tell_of_documents(turn: Block) -> None:
    """Documents are refused without a text beside them: then it is their names."""
    names = [block["document"]["name"] for block in turn["content"] if "document" in block]
    if names and not any("text" in block for block in turn["content"]):
        turn["content"].append({"text": ", ".join(names)})


class _CacheControl(msgspec.Struct):
    ttl: str | None = None

    def block(self) -> Block:
        return {"cachePoint": {"type": "default", **({"ttl": self.ttl} if self.ttl else {})}}


class _Marked(msgspec.Struct):
    cache_control: _CacheControl | None = None


class _MarkedMessage(msgspec.Struct):
    content: str | list[_Marked] | None = None


def _marks_of_messages(call: ChatCall) -> dict[int, dict[int, Block]]:
    """The cache points that parts ask for with `cache_control`, as Anthropic's API has it: by message and part."""
    raw = call.members["messages"]
    if b'"cache_control"' not in bytes(raw):
        return {}
    messages = _decoded(raw, list[_MarkedMessage], "messages")
    return {
        number: {place: part.cache_control.block() for place, part in enumerate(message.content) if part.cache_control}
        for number, message in enumerate(messages)
        if isinstance(message.content, list)
    }


def _marks_of_tools(call: ChatCall) -> Iterable[list[Block]]:
    for raw in call.request.tools or ():
        control = _decoded(raw, _Marked, "tools").cache_control
        yield [control.block()] if control is not None else []


def _decoded(raw: msgspec.Raw, type: Any, param: str) -> Any:
    try:
        return msgspec.json.decode(raw, type=type)
    except msgspec.ValidationError as error:
        raise Unsupported(f"Bedrock makes nothing of a 'cache_control': {error}", param=param) from None
