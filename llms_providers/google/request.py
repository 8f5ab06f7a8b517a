"""OpenAI's requests as Gemini's: messages, tools, formats and parameters of `generateContent`."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from llms_core import RequestError, Unsupported
from llms_core.contracts.content import ImageUrl, Part, media, text_of
from llms_core.contracts.request import ChatCall, Message
from llms_core.contracts.tools import called, functions_of, json_schema, tool_choice

Json = dict[str, Any]

_TOP = ("safetySettings", "cachedContent", "labels", "toolConfig")
_CONFIG = ("topK", "mediaResolution", "speechConfig", "imageConfig", "audioTimestamp", "thinkingConfig")
#: Gemini's own parameters that a client may give, in either spelling.
_OWN = {spelt: name for name in (*_TOP, *_CONFIG) for spelt in (name, re.sub("[A-Z]", r"_\g<0>", name).lower())}
_TRANSLATED = frozenset({
    "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "top_p",
    "presence_penalty", "frequency_penalty", "seed", "stop", "n", "logprobs", "top_logprobs", "modalities", "tools",
    "tool_choice", "response_format", "reasoning_effort", "service_tier", "web_search_options", "extra_body", *_OWN,
})  # fmt: skip

# What Google's OpenAI-compatible endpoint makes of an effort: a level from Gemini 3 on, a budget before.
_EFFORTS = {
    "none": ("minimal", 0), "minimal": ("minimal", 1024), "low": ("low", 1024), "medium": ("medium", 8192),
    "high": ("high", 24576), "xhigh": ("high", 24576),
}  # fmt: skip
_THOUGHTLESS = re.compile(r"gemini-(1|2\.0)|gemma|learnlm")
_BUDGETED = re.compile(r"gemini-(2\.5|robotics-er-1)")
# "Developer instruction is not enabled for models/gemma-3-27b-it"
_NO_SYSTEM = re.compile(r"gemma-[123]")
_MINIMAL = re.compile(r"gemini-3(\.[0-6])?-flash")
# Google's own stand-in for the signature of a call that another model made, or whose client did not keep it.
_UNSIGNED = "skip_thought_signature_validator"

_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
_MIMES = {"image": "image/jpeg", "audio": "audio/wav", "video": "video/mp4"}


class _Image(msgspec.Struct):
    image_url: ImageUrl
    extra_content: dict[str, Any] | None = None


class _WithImages(msgspec.Struct):
    """A message of the client's, with the images of an earlier answer."""

    images: list[_Image] | None = None


_with_images = msgspec.json.Decoder(list[_WithImages])


def native(call: ChatCall, base_url: str, *, safety: Sequence[Json], thinking: Json) -> Json:
    """The body of a request. `safety` and `thinking` are for requests that have none of their own (SR-117).

    Raises Unsupported for what Gemini has not, RequestError for what makes no sense.
    """
    for name in ("functions", "function_call"):
        if call.get(name) is not None:
            raise Unsupported(f"'{name}' is not supported here: use tools and tool_choice", param=name)
    own = _own(call)
    contents, system = _conversation(call, base_url)
    tier = call.get("service_tier")
    whole = {
        "contents": contents,
        "systemInstruction": {"parts": system} if system else None,
        **_tools(call, own),
        "generationConfig": _config(call, own, _camel(thinking)),
        "safetySettings": own.get("safetySettings", safety),
        "cachedContent": own.get("cachedContent"),
        "labels": own.get("labels"),
        "serviceTier": tier if tier in ("flex", "priority") else None,
    }
    return {name: value for name, value in whole.items() if value}


def _own(call: ChatCall) -> Json:
    """Gemini's own parameters by their names in its JSON."""
    extra = call.get("extra_body")
    google = extra.get("google") if isinstance(extra, dict) else None
    given = dict(google) if isinstance(google, dict) else {}
    given |= {name: call.get(name) for name in call.members if name in _OWN}
    own = {_OWN[name]: value for name, value in given.items() if name in _OWN and value is not None}
    for name in ("toolConfig", "thinkingConfig"):
        if not isinstance(own.setdefault(name, {}), dict):
            raise RequestError(f"Invalid value for '{name}': expected an object", param=name, code="invalid_value")
        own[name] = _camel(own[name])
    return own


def dropped(call: ChatCall) -> tuple[str, ...]:
    """The parameters that the client gave and Gemini has not."""
    said = {name for name, raw in call.members.items() if bytes(raw) != b"null"}
    left = said - _TRANSLATED
    if call.get("parallel_tool_calls"):
        left.discard("parallel_tool_calls")  # they are
    if "reasoning_effort" in said and _family(call) == "thoughtless":
        left.add("reasoning_effort")
    return tuple(sorted(left))


def _family(call: ChatCall) -> Literal["thoughtless", "budget", "level"]:
    """How the model's thinking is set; `gemini-flash-latest` and the like are of the newest family."""
    if _THOUGHTLESS.match(_name(call)):
        return "thoughtless"
    return "budget" if _BUDGETED.match(_name(call)) else "level"


def _name(call: ChatCall) -> str:
    return call.upstream_model.rpartition("/")[2]


def _config(call: ChatCall, own: Mapping[str, Any], thinking: Json) -> Json:
    request, modalities = call.request, call.get("modalities") or []
    if not isinstance(modalities, list) or any(each not in ("text", "image") for each in modalities):
        raise Unsupported("Answers are text and images here, and of no other modality", param="modalities")
    config = {
        "maxOutputTokens": request.token_limit,
        "temperature": request.temperature,
        "topP": request.top_p,
        "presencePenalty": request.presence_penalty,
        "frequencyPenalty": request.frequency_penalty,
        "seed": None if request.seed is None else request.seed % 2**31,  # 32 bits are all it takes
        "stopSequences": [request.stop] if isinstance(request.stop, str) else request.stop,
        "candidateCount": request.n if request.n != 1 else None,
        "responseLogprobs": request.logprobs or None,
        "logprobs": request.top_logprobs or None if request.logprobs else None,
        "responseModalities": [each.upper() for each in modalities] or None,
        **_format(call),
        **{name: own[name] for name in _CONFIG if name in own},
        "thinkingConfig": _thinking(call, thinking, own["thinkingConfig"]) or None,
    }
    return {name: value for name, value in config.items() if value is not None}


def _thinking(call: ChatCall, default: Json, asked: Json) -> Json:
    """The settings' configuration, the effort that was asked for, Gemini's own parameter: the later wins (SR-117).

    A budget and a level exclude each other.
    """
    config: Json = {}
    for layer in (default if _family(call) != "thoughtless" else {}, _effort(call), asked):
        if layer.keys() & {"thinkingBudget", "thinkingLevel"}:
            config = {name: value for name, value in config.items() if name == "includeThoughts"}
        config |= layer
    return config


def _effort(call: ChatCall) -> Json:
    """Thinking cannot be switched off everywhere: `none` is then the least there is."""
    effort, family, name = call.request.reasoning_effort, _family(call), _name(call)
    if effort is None or family == "thoughtless":
        return {}
    if effort not in _EFFORTS:
        raise Unsupported(f"Gemini knows no reasoning_effort '{effort}'", param="reasoning_effort")
    level, budget = _EFFORTS[effort]
    shown = {"includeThoughts": effort != "none"}
    if family == "budget":
        return {"thinkingBudget": max(budget, 128) if "-pro" in name else budget, **shown}
    if level == "minimal" and not _MINIMAL.match(name):
        level = "low"
    if level == "medium" and name.startswith("gemini-3-pro"):
        level = "high"
    return {"thinkingLevel": level, **shown}


def _format(call: ChatCall) -> Json:
    kind = call.request.response_format.type if call.request.response_format is not None else "text"
    if kind not in ("text", "json_object", "json_schema"):
        raise Unsupported(f"Gemini knows no response_format '{kind}'", param="response_format.type")
    if kind == "text":
        return {}
    schema = json_schema(call)
    found: Json = {"responseMimeType": "application/json"}
    if schema is not None and schema.schema:
        found["responseJsonSchema"] = _schema(schema.schema)
    return found


def _schema(schema: Json) -> Json:
    """A JSON schema, in place, with `enum` for `const`, which Gemini passes over."""
    pending: list[Any] = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            if type(node.get("const")) in (str, int, float):
                node["enum"] = [node.pop("const")]
            pending += node.values()
        elif isinstance(node, list):
            pending += node
    return schema


def _tools(call: ChatCall, own: Mapping[str, Any]) -> Json:
    """`tools` and `toolConfig`. `VALIDATED` is what OpenAI calls `strict`."""
    given = [(raw, msgspec.json.decode(raw)) for raw in call.request.tools or ()]
    built_in = [tool for _, tool in given if tool and isinstance(tool, dict) and not tool.keys() & {"type", "function"}]
    rest = [raw for raw, tool in given if tool not in built_in]
    declared = functions_of(rest)
    if call.get("web_search_options") is not None:
        built_in.append({"googleSearch": {}})
    choice = tool_choice(call)
    config: Json = {}
    if declared and choice is not None:
        config = {"mode": _MODES[choice.mode]}
        if choice.names and choice.mode == "required":
            config["allowedFunctionNames"] = list(choice.names)
        elif choice.names:
            declared = [each for each in declared if each.name in choice.names]
    if declared and config.get("mode", "AUTO") == "AUTO" and all(each.strict for each in declared):
        config = {"mode": "VALIDATED"} if _family(call) != "thoughtless" else config
    declarations = [
        {"name": each.name}
        | ({"description": each.description} if each.description is not None else {})
        | ({"parametersJsonSchema": _schema(each.parameters)} if each.parameters else {})
        for each in declared
    ]
    tools = [*built_in, {"functionDeclarations": declarations}] if declarations else built_in
    calling = {"functionCallingConfig": config} if config else {}
    return {"tools": tools, "toolConfig": {**calling, **own["toolConfig"]}}


def _conversation(call: ChatCall, base_url: str) -> tuple[list[Json], list[Json]]:
    """`contents`, and the parts of `systemInstruction`: those of all system messages, wherever they stand (SR-041).

    Results of calls that were made together have to stand together, and so do the parts of the model's turn.
    """
    system: list[Json] = []
    contents: list[Json] = []
    names: dict[str, str] = {}
    images = _images(call)
    for number, message in enumerate(call.request.messages):
        where, together = f"messages[{number}]", False
        if message.role in ("system", "developer"):
            system += [{"text": text}] if (text := text_of(message.content)) else []
            continue
        if message.role == "assistant":
            parts = _answered(call, message, where, images[number] if images else [])
            names |= {each.id: each.function.name for each in called(message)}
            together = bool(contents) and contents[-1]["role"] == "model"
        elif message.role == "user":
            parts = _parts(message, where, base_url) or [{"text": ""}]
        else:
            parts = _result(call, message, where, names)
            together = bool(contents) and "functionResponse" in contents[-1]["parts"][0]
        if together:
            contents[-1]["parts"] += parts
        elif parts:
            contents.append({"role": "model" if message.role == "assistant" else "user", "parts": parts})
    if not contents or (system and _NO_SYSTEM.match(_name(call))):  # there has to be something to answer
        return [{"role": "user", "parts": system or [{"text": ""}]}, *contents], []
    return contents, system


def _answered(call: ChatCall, message: Message, where: str, images: list[Json]) -> list[Json]:
    """An assistant's message: first what only Gemini has a place for, then the text with its signature, then calls."""
    extra = (message.provider_extra or {}).get("google")
    extra = extra if isinstance(extra, dict) else {}
    kept = extra.get("parts")
    parts = [
        {name: value for name, value in each.items() if name != "index"}
        for each in (kept if isinstance(kept, list) else ())
        if isinstance(each, dict)
    ]
    said = _parts(message, where)
    if signature := extra.get("thought_signature"):
        said = said or [{"text": ""}]
        said[-1]["thoughtSignature"] = signature
    calls = []
    for each in called(message):
        function = {"name": each.function.name, "args": each.arguments()} | ({"id": each.id} if each.id else {})
        calls.append({"functionCall": function, **_signed(each.extra_content)})
    if calls and _family(call) == "level" and not any("thoughtSignature" in each for each in calls):
        calls[0]["thoughtSignature"] = _UNSIGNED
    return [*parts, *said, *images, *calls]


def _signed(extra: Mapping[str, Any] | None) -> Json:
    """The signature in `extra_content`: Vertex AI's OpenAI-compatible endpoint says `vertex` for `google`."""
    for name in ("google", "vertex"):
        found = (extra or {}).get(name)
        if isinstance(found, dict) and found.get("thought_signature"):
            return {"thoughtSignature": found["thought_signature"]}
    return {}


def _images(call: ChatCall) -> list[list[Json]]:
    """The images of earlier answers, by message; [] where there is none, as there hardly ever is."""
    raw = call.members["messages"]
    if b'"images"' not in bytes(raw):
        return []
    try:
        messages = _with_images.decode(raw)
    except msgspec.ValidationError as error:
        text = f"Invalid value for 'messages': {error}"
        raise RequestError(text, param="messages", code="invalid_value") from None
    return [
        [
            _shown(Part(type="image_url", image_url=each.image_url)) | _signed(each.extra_content)
            for each in one.images or ()
        ]
        for one in messages
    ]


def _result(call: ChatCall, message: Message, where: str, names: Mapping[str, str]) -> list[Json]:
    """A tool's message. What is no text goes into the response from Gemini 3 on, beside it before."""
    known = message.tool_call_id or ""
    name = names.get(known) or message.name
    if not name:
        raise RequestError(f"No message before has a tool call '{known}'", param=f"{where}.tool_call_id")
    shown = [each for each in _parts(message, where) if "text" not in each]
    response: Json = {"name": name, "response": _object(text_of(message.content))} | ({"id": known} if known else {})
    if shown and _family(call) == "level":
        response["parts"], shown = shown, []
    return [{"functionResponse": response}, *shown]


def _object(text: str) -> Json:
    """A result has to be an object: any other is its `output`."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"output": text}


def _parts(message: Message, where: str, base_url: str = "") -> list[Json]:
    """A message's content, without empty texts, which Vertex AI refuses."""
    if not isinstance(message.content, list):
        return [{"text": message.content}] if message.content else []
    shown = [_shown(part, f"{where}.content[{place}]", base_url) for place, part in enumerate(message.content)]
    return [each for each in shown if each != {"text": ""}]


def _shown(part: Part, param: str = "messages", base_url: str = "") -> Json:
    """A content part. Bytes stand in the request; an address is that of a file at Google's, or of a video."""
    if part.type == "file" and part.file is not None and part.file.file_data is None:
        uri, name = part.file.file_id or "", part.file.filename
        uri = f"{base_url}/{uri}" if uri.startswith("files/") else uri
        if not re.match(r"gs://|https?://", uri):
            raise Unsupported("Gemini takes the id of a file as `files/…`, `gs://…` or `https://…`", param=param)
        mime = mimetypes.guess_type(name or uri)[0]
        return {"fileData": {"fileUri": uri} | ({"mimeType": mime} if mime else {})}
    shown = media(part, param)
    if shown is None:
        return {"text": part.text or part.refusal or ""}
    mime = _MIMES[shown.kind] if shown.mime.endswith("/*") else shown.mime
    if shown.data is None:
        return {"fileData": {"fileUri": shown.url, "mimeType": mime}}
    return {"inlineData": {"mimeType": mime, "data": shown.data}}


def _camel(members: Mapping[str, Any]) -> Json:
    return {re.sub(r"_([a-z])", lambda found: found[1].upper(), name): value for name, value in members.items()}
