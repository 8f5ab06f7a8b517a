"""The Gemini API and Vertex AI, tested with recorded exchanges, with Google's SDK, and case by case."""

from __future__ import annotations

import asyncio
import base64
import json
import mimetypes
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

import msgspec
import pytest
from chat_requests import PDF, PNG, WAV, chat_call, chat_requests, data_uri
from chat_streams import ChatStream, open_chat_stream, whole_chat_answer
from google.genai.types import FunctionCall, GenerateContentResponse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from official_types import check_gemini
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from recordings import Recording, for_each, pieces, recordings

from llms_core import ErrorKind, ProviderError, RequestError, Unsupported
from llms_core.config.model import Upstream
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.request import ChatCall
from llms_core.operations.inlining import inline
from llms_core.provider import Discovers, Inlines, ProviderSettings, UpstreamRequest
from llms_core.secret import Secret
from llms_core.testing import Body, Reply, ScriptedUpstream, Status, json_body
from llms_core.upstream.body import AttemptLimits
from llms_core.upstream.engine import create_transport
from llms_core.upstream.transport import HttpTransport
from llms_providers.google import GOOGLE, VERTEX, Google, Vertex, llms_providers
from llms_providers.google.settings import GoogleSettings, VertexSettings

Json = dict[str, Any]

HELLO: Json = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
KEY = "AIza-marked-key"
GEMINI_2 = "gemini-2.0-flash"
GEMINI_25 = "gemini-2.5-flash"
GEMINI_3 = "gemini-3-flash-preview"
UNSIGNED = "skip_thought_signature_validator"
#: A signature in the form of Gemini's.
SIGNED = "CgMBU0k="
OWNER = {"provider": "google", "family": "gemini-3"}


def google(**own: Any) -> Google:
    return Google(GOOGLE, GoogleSettings(**{"id": "google", "api_key": Secret(KEY), **own}))


def vertex(**own: Any) -> Vertex:
    return Vertex(VERTEX, VertexSettings(**{"id": "vertex", "api_key": Secret(KEY), **own}))


def adapter_of(recording: Recording) -> Google:
    return vertex(project="p") if recording.provider == "vertex" else google()


def sent(
    body: Mapping[str, Any], model: str = GEMINI_3, adapter: Google | None = None
) -> UpstreamRequest:
    return (adapter or google()).request(chat_call(body, model=model))


def native(model: str = GEMINI_3, adapter: Google | None = None, **members: Any) -> Json:
    """Return the body that is sent for a request with these members."""
    found: Json = json.loads(sent({**HELLO, **members}, model, adapter).content)
    return found


def config(model: str = GEMINI_3, adapter: Google | None = None, **members: Any) -> Json:
    found: Json = native(model, adapter, **members).get("generationConfig", {})
    return found


def contents(*messages: Json, model: str = GEMINI_3) -> list[Json]:
    found: list[Json] = native(model, messages=list(messages))["contents"]
    return found


def user(*parts: Json) -> Json:
    return {"role": "user", "content": list(parts)}


def candidate(*parts: Json, reason: str | None = "STOP", **members: Any) -> Json:
    return {
        "content": {"role": "model", "parts": list(parts)},
        "finishReason": reason,
        "index": 0,
        **members,
    }


def answer(*candidates: Json, **members: Any) -> Json:
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}
    return {"candidates": list(candidates), "usageMetadata": usage, "responseId": "r-1", **members}


def sse(*events: Json) -> bytes:
    return b"".join(b"data: " + json.dumps(each).encode() + b"\r\n\r\n" for each in events)


def completed(
    body: Any, call: ChatCall | None = None, adapter: Google | None = None
) -> ChatCompletion:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    call = call or chat_call(HELLO, model=GEMINI_3)
    return ChatCompletion.model_validate_json((adapter or google()).completion(call, data).data)


def streamed(
    body: bytes,
    size: int | None = None,
    adapter: Google | None = None,
    n: int = 1,
    model: str = GEMINI_3,
) -> list[Chunk]:
    """Return the chunks of a stream that arrives in pieces of a size, as the core reads it."""
    progress = ChatStream(
        (adapter or google()).chunks(chat_call({**HELLO, "stream": True, "n": n}, model=model)), n
    )
    found = [chunk for piece in pieces(body, size or len(body)) for chunk in progress.feed(piece)]
    found += progress.feed(b"")
    if progress.failure is not None:
        raise progress.failure
    assert progress.complete
    return found + progress.held_back()


def add(message: Json, delta: Mapping[str, Any]) -> None:
    """Add a delta as OpenAI's client does: texts are joined, and entries of a list are matched by `index`."""
    for name, value in delta.items():
        if name in ("index", "type") or name not in message:
            message[name] = value
        elif isinstance(value, str):
            message[name] += value
        elif isinstance(value, dict):
            add(message[name], value)
        elif isinstance(value, list):
            for entry in value:
                known = next(
                    (each for each in message[name] if each["index"] == entry["index"]), None
                )
                message[name].append(entry) if known is None else add(known, entry)


def joined(chunks: Iterable[Chunk], index: int = 0) -> Json:
    """Return what an OpenAI client assembles from a stream: the message, the finish reason and the usage."""
    message: Json = {}
    roles, finish, usage = [], None, None
    for chunk in chunks:
        parsed = ChatCompletionChunk.model_validate_json(chunk.data)
        if parsed.usage is not None:
            assert parsed.choices == []
            usage = parsed.usage.to_dict()
        for choice in parsed.choices:
            if choice.index == index:
                delta = choice.delta.to_dict()
                roles.append(delta.pop("role", None))
                assert finish is None, "nothing may follow a finish reason"
                finish = choice.finish_reason
                add(message, delta)
                assert chunk.content or not delta.keys() & {
                    "content",
                    "reasoning_content",
                    "tool_calls",
                    "images",
                }
    assert roles[0] == "assistant"
    assert set(roles[1:]) <= {None}
    return {"message": message, "finish": finish, "usage": usage}


def read(completion: ChatCompletion) -> Json:
    """Return the same for a whole answer, with its lists numbered as in a stream."""
    choice = completion.choices[0]
    message = {
        name: value for name, value in choice.message.to_dict().items() if value not in (None, "")
    }
    assert message.pop("role") == "assistant"
    extra: Any = message.get("provider_extra") or {}
    holders: list[Json] = [message, extra.get("google", {})]
    for holder in holders:
        for name in ("tool_calls", "images", "parts"):
            for place, each in enumerate(holder.get(name, ())):
                each["index"] = place
    usage = completion.usage.to_dict() if completion.usage else None
    return {"message": message, "finish": choice.finish_reason, "usage": usage}


# Recorded answers ---------------------------------------------------------------------------------------------------


def events(recording: Recording) -> list[Json]:
    """Return the answers in a recording: one, or those of a stream, framed as events or as a list."""
    if recording.body.startswith(b"data:"):
        return [
            json.loads(line[5:])
            for line in recording.body.splitlines()
            if line.startswith(b"data:")
        ]
    body = json.loads(recording.body)
    return body if isinstance(body, list) else [body]


def answered(recording: Recording) -> bool:
    return recording.status == 200 and "UNEXPECTED_TOOL_CALL" not in json.dumps(recording.response)


def whole(recording: Recording) -> bool:
    return answered(recording) and not recording.stream


def in_events(recording: Recording) -> bool:
    return answered(recording) and recording.stream


BEYOND = {"executableCode", "codeExecutionResult", "toolCall", "toolResponse"}


def recorded_content(answers: list[Json]) -> Json:
    """Return the content of recorded answers, read without the adapter."""
    candidates = [each["candidates"][0] for each in answers if each.get("candidates")]
    parts = [part for each in candidates for part in each["content"].get("parts", ())]
    calls = [part for part in parts if "functionCall" in part]
    ends = [each["finishReason"] for each in candidates if "finishReason" in each]
    usage = answers[-1]["usageMetadata"]
    thoughts = usage.get("thoughtsTokenCount", 0)
    completion = usage.get("candidatesTokenCount", 0) + thoughts
    assert ends == ["STOP"]
    return {
        "text": "".join(
            part["text"] for part in parts if "text" in part and not part.get("thought")
        ),
        "reasoning": "".join(part["text"] for part in parts if part.get("thought")),
        "calls": [
            (
                part["functionCall"].get("id"),
                part["functionCall"]["name"],
                part["functionCall"].get("args", {}),
            )
            for part in calls
        ],
        "call_signatures": [part.get("thoughtSignature") for part in calls],
        "signatures": [
            part["thoughtSignature"]
            for part in parts
            if "text" in part and "thoughtSignature" in part
        ],
        "beyond": [part for part in parts if part.keys() & BEYOND],
        "finish": "tool_calls" if calls else "stop",
        # Some answers lack the prompt's count, but none lacks the total.
        "usage": (usage["totalTokenCount"] - completion, completion, usage["totalTokenCount"]),
        "reasoning_tokens": thoughts,
        "cached_tokens": usage.get("cachedContentTokenCount", 0),
    }


def content_of(found: Json) -> Json:
    """Return the content of the adapter's result, in the same form as `recorded_content`."""
    message, usage = found["message"], found["usage"]
    calls = message.get("tool_calls") or ()
    extra = (message.get("provider_extra") or {}).get("google", {})
    parts = [
        {name: value for name, value in part.items() if name != "index"}
        for part in extra.get("parts", ())
    ]
    signed = [
        ((each.get("extra_content") or {}).get("google") or {}).get("thought_signature")
        for each in calls
    ]
    return {
        "text": message.get("content") or "",
        "reasoning": message.get("reasoning_content") or "",
        "calls": [
            (
                None if re.fullmatch(r"call_1_\d", each["id"]) else each["id"],
                each["function"]["name"],
                json.loads(each["function"]["arguments"]),
            )
            for each in calls
        ],
        "call_signatures": signed,
        "signatures": [extra["thought_signature"]] if "thought_signature" in extra else [],
        "beyond": parts,
        "finish": found["finish"],
        "usage": (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]),
        "reasoning_tokens": (usage.get("completion_tokens_details") or {}).get(
            "reasoning_tokens", 0
        ),
        "cached_tokens": (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0),
    }


@for_each(recordings("gemini", whole))
def test_a_recorded_answer_keeps_its_content(recording: Recording) -> None:
    """SR-042 … SR-050."""
    found = completed(recording.body, adapter=adapter_of(recording))
    recorded = events(recording)
    assert content_of(read(found)) == recorded_content(recorded)
    assert (found.id, found.created, found.model) == (
        recorded[0]["responseId"],
        1700000000,
        HELLO["model"],
    )
    extra = (found.choices[0].message.model_extra or {}).get("provider_extra", {}).get("google", {})
    for name in ("groundingMetadata", "citationMetadata", "urlContextMetadata"):
        assert extra.get(name) == (recorded[0]["candidates"][0].get(name) or None)


def framed(recording: Recording) -> bytes:
    """Return a recorded stream as server-sent events, even if it was recorded as a list."""
    return recording.body if recording.body.startswith(b"data:") else sse(*events(recording))


@for_each(recordings("gemini", in_events))
def test_a_recorded_stream_keeps_its_content(recording: Recording) -> None:
    """SR-053 … SR-056: however the stream is cut into pieces."""
    adapter, body = adapter_of(recording), framed(recording)
    chunks = streamed(body, adapter=adapter)
    recorded = events(recording)
    assert content_of(joined(chunks)) == recorded_content(recorded)
    assert {json.loads(chunk.data)["id"] for chunk in chunks} == {recorded[0]["responseId"]}
    # The time grows with the square of an event's length.
    sizes = (1, 7, 64) if len(body) < 20_000 else (64,)
    for size in sizes:
        assert streamed(body, size, adapter) == chunks
    assert json.loads(chunks[-1].data)["choices"] == []


@for_each(recordings("gemini", in_events))
def test_a_stream_that_arrives_as_a_list_is_the_same_answer(recording: Recording) -> None:
    """A proxy that drops `alt=sse` makes Google send a list of answers instead of events."""
    found = read(completed(json.dumps(events(recording)).encode()))
    assert found == joined(streamed(framed(recording)))


@for_each(recordings("gemini", answered))
def test_the_result_agrees_with_googles_sdk(recording: Recording) -> None:
    recorded = events(recording)
    for each in recorded:
        # Newer than the SDK.
        each["usageMetadata"].pop("serviceTier", None)
    answers = [GenerateContentResponse.model_validate_json(json.dumps(each)) for each in recorded]
    found = content_of(read(completed(json.dumps(events(recording)).encode())))
    parts = [part for each in answers for part in each.parts or ()]
    assert found["text"] == "".join(part.text for part in parts if part.text and not part.thought)
    assert found["reasoning"] == "".join(part.text for part in parts if part.text and part.thought)
    calls: list[FunctionCall] = [each for one in answers for each in one.function_calls or ()]
    assert found["calls"] == [(call.id, call.name, call.args or {}) for call in calls]
    usage = answers[-1].usage_metadata
    assert usage is not None
    assert found["usage"][2] == usage.total_token_count


@for_each(recordings("gemini", lambda each: each.status != 200))
def test_a_recorded_error_has_its_kind(recording: Recording) -> None:
    kinds = {
        400: ErrorKind.INVALID_REQUEST,
        404: ErrorKind.MODEL_NOT_FOUND,
        429: ErrorKind.RATE_LIMIT,
    }
    (recorded,) = events(recording)
    error = google().error(recording.status, recording.headers, recording.body)
    assert error.kind is kinds[recording.status]
    assert (error.message, error.type) == (
        recorded["error"]["message"],
        recorded["error"]["status"],
    )
    assert error.retry_after == (48.0 if recording.status == 429 else None)


@for_each(
    recordings(
        "gemini", lambda each: each.status == 200 and "UNEXPECTED_TOOL_CALL" in str(each.response)
    )
)
def test_a_call_of_an_undeclared_tool_is_a_bad_response(recording: Recording) -> None:
    """Another provider, or a second try, may give a better answer."""
    with pytest.raises(ProviderError, match="undeclared function") as caught:
        completed(recording.body)
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


# Recorded requests --------------------------------------------------------------------------------------------------

#: The names of objects that belong to the client: their members keep their spelling.
OPAQUE = {"args", "response", "schema", "parameters", "labels"}
_SCHEMAS = {
    "parametersJsonSchema": "parameters", "parameters_json_schema": "parameters", "responseJsonSchema": "schema",
    "responseSchema": "schema", "response_schema": "schema",
}  # fmt: skip


def tidy(value: Any) -> Any:
    """Return a body with Gemini's names in one spelling, and with one name for schemas of both dialects."""
    if isinstance(value, list):
        return [tidy(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for key, each in value.items():
        name = _SCHEMAS.get(key) or re.sub("_([a-z])", lambda match: match[1].upper(), key)
        if name in ("schema", "parameters"):
            found[name] = json.loads(
                re.sub(r'("type": )("[A-Z]+")', lambda m: m[1] + m[2].lower(), json.dumps(each))
            )
        else:
            found[name] = each if name in OPAQUE else tidy(each)
    return found


def turns(body: Json) -> list[Json]:
    """Return `contents` with adjacent turns of a role merged, and with the texts of a turn joined."""
    found: list[Json] = []
    for each in body["contents"]:
        if not found or found[-1]["role"] != each["role"]:
            found.append({"role": each["role"], "parts": []})
        for part in each["parts"]:
            last = found[-1]["parts"][-1] if found[-1]["parts"] else {}
            if "text" in part and last.keys() == {"text"}:
                last["text"] += part["text"]
                last |= {name: value for name, value in part.items() if name != "text"}
            elif part != {"text": ""}:
                found[-1]["parts"].append(part)
    return found


def thoughts(body: Json) -> None:
    for turn in body["contents"]:
        turn["parts"] = [part for part in turn["parts"] if not part.get("thought")]


def schemas_of_results(body: Json) -> None:
    for tool in body.get("tools", ()):
        for function in tool.get("functionDeclarations", ()):
            function.pop("response", None)


def plain_text(body: Json) -> None:
    if body.get("generationConfig", {}).get("responseMimeType") == "text/plain":
        del body["generationConfig"]["responseMimeType"]


def reference_at_the_root(body: Json) -> None:
    schema = body.get("generationConfig", {}).get("schema", {})
    if "$ref" in schema:
        target = schema["$defs"][schema.pop("$ref").rpartition("/")[2]]
        body["generationConfig"]["schema"] = {**target, **schema}


#: What the adapter cannot take over from a recorded request, and why.
NOT_CARRIED: dict[Callable[[Json], None], str] = {
    thoughts: "Gemini only reads the signatures of thoughts, which its own answers have on other parts",
    schemas_of_results: "OpenAI's functions have no schema of their results",
    plain_text: "this is the default type of answers",
    reference_at_the_root: "the adapter replaces it by what it refers to, as nothing may be beside a `$ref`",
}


def without_what_was_made(body: Json) -> None:
    """Remove the ids and signatures that were generated because the recorded request has none."""
    for part in (part for turn in body["contents"] for part in turn["parts"]):
        if part.get("thoughtSignature") == UNSIGNED:
            del part["thoughtSignature"]
        for each in (part.get("functionCall", {}), part.get("functionResponse", {})):
            if str(each.get("id", "")).startswith("made"):
                del each["id"]


def in_one_alphabet(value: Any) -> None:
    """Write base64 in its usual alphabet: Gemini's own clients use the one for URLs."""
    if isinstance(value, list):
        for each in value:
            in_one_alphabet(each)
    elif isinstance(value, dict):
        if "inlineData" in value:
            data = value["inlineData"]["data"]
            value["inlineData"]["data"] = data.replace("-", "+").replace("_", "/")
        for each in value.values():
            in_one_alphabet(each)


def normal(body: Json, *leave_out: Callable[[Json], None]) -> Json:
    """Return a request in a normalized form, without empty members."""
    # mimetypes of Python before 3.14 gives audio/x-wav.
    found: Json = tidy(json.loads(json.dumps(body).replace("audio/x-wav", "audio/wav")))
    in_one_alphabet(found)
    for function in leave_out:
        function(found)
    found["contents"] = turns(found)
    parts = found.pop("systemInstruction", {}).get("parts", [])
    found["system"] = [
        part["text"] for part in (parts if isinstance(parts, list) else [parts]) if part["text"]
    ]
    tools = found.pop("tools", ())
    declared = [function for tool in tools for function in tool.get("functionDeclarations", ())]
    found["functions"] = [
        {name: value for name, value in each.items() if value} for each in declared
    ]
    found["builtIn"] = [tool for tool in tools if "functionDeclarations" not in tool]
    if calling := found.get("toolConfig", {}).get("functionCallingConfig"):
        calling["mode"] = calling["mode"].upper()
    return {name: value for name, value in found.items() if value not in ({}, [], None)}


def as_openai(body: Json, stream: bool) -> Json:
    """Translate a recorded request of Gemini's into the equivalent OpenAI request."""
    body = tidy(body)
    settings = dict(body.get("generationConfig", {}))
    names = {
        "maxOutputTokens": "max_completion_tokens",
        "stopSequences": "stop",
        "responseLogprobs": "logprobs",
    }
    names["logprobs"] = "top_logprobs"
    asked: Json = {"model": "m", "messages": list(messages_of(body)), "stream": stream}
    if modalities := settings.pop("responseModalities", None):
        asked["modalities"] = [each.lower() for each in modalities]
    kind, schema = settings.pop("responseMimeType", None), settings.pop("schema", None)
    if schema is not None:
        assert kind == "application/json"
        asked["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": schema},
        }
    elif kind == "application/json":
        asked["response_format"] = {"type": "json_object"}
    asked |= {names.get(name, name): value for name, value in settings.items()}
    asked |= {
        name: body[name] for name in ("safetySettings", "cachedContent", "labels") if name in body
    }
    tooling = dict(body.get("toolConfig", {}))
    mode = tooling.pop("functionCallingConfig", {}).get("mode", "").upper()
    if tooling:
        asked["tool_config"] = tooling
    if mode != "VALIDATED" and mode:
        asked["tool_choice"] = {"AUTO": "auto", "ANY": "required", "NONE": "none"}[mode]
    strict = {"strict": True} if mode == "VALIDATED" else {}
    tools: list[Json] = []
    for tool in body.get("tools", ()):
        for declared in tool.get("functionDeclarations", ()):
            function = {
                name: declared[name]
                for name in ("name", "description", "parameters")
                if name in declared
            }
            tools.append({"type": "function", "function": function | strict})
        tools += [tool] if "functionDeclarations" not in tool else []
    return asked | ({"tools": tools} if tools else {})


def messages_of(body: Json) -> Iterator[Json]:
    if system := body.get("systemInstruction"):
        parts = system["parts"] if isinstance(system["parts"], list) else [system["parts"]]
        yield from ({"role": "system", "content": part["text"]} for part in parts)
    pending: list[tuple[str, str]] = []
    for number, turn in enumerate(body["contents"]):
        if turn["role"] == "model":
            message, pending = model_turn(turn["parts"], number)
            yield message
            continue
        rest = []
        for part in turn["parts"]:
            if (result := part.get("functionResponse")) is None:
                rest.append(content_part(part))
                continue
            known = result.get("id") or next(
                each for each, name in pending if name == result["name"]
            )
            pending = [each for each in pending if each[0] != known]
            text = {"type": "text", "text": json.dumps(result["response"])}
            shown = [content_part(each) for each in result.get("parts", ())]
            yield {
                "role": "tool",
                "tool_call_id": known,
                "content": [text, *shown] if shown else text["text"],
            }
        if rest:
            yield {"role": "user", "content": rest}


def model_turn(parts: list[Json], number: int) -> tuple[Json, list[tuple[str, str]]]:
    """Return the assistant's message, and the ids and names of its calls."""
    message: Json = {"role": "assistant", "content": ""}
    extra: Json = {"parts": []}
    calls: list[Json] = []
    for part in parts:
        if part.get("thought"):
            message["reasoning_content"] = message.get("reasoning_content", "") + part.get(
                "text", ""
            )
        elif (call := part.get("functionCall")) is not None:
            function = {"name": call["name"], "arguments": json.dumps(call.get("args", {}))}
            each = {
                "id": call.get("id") or f"made{number}_{len(calls)}",
                "type": "function",
                "function": function,
            }
            if "thoughtSignature" in part:
                each["extra_content"] = {"google": {"thought_signature": part["thoughtSignature"]}}
            calls.append(each)
        elif "text" in part:
            message["content"] += part["text"]
            if "thoughtSignature" in part:
                extra["thought_signature"] = part["thoughtSignature"]
        else:
            extra["parts"].append({"index": len(extra["parts"]), **part})
    if calls:
        message |= {"tool_calls": calls, "content": message["content"] or None}
    return {**message, "provider_extra": {"google": extra}}, [
        (each["id"], each["function"]["name"]) for each in calls
    ]


def content_part(part: Json) -> Json:
    if "text" in part:
        return {"type": "text", "text": part["text"]}
    if (file := part.get("fileData")) is not None:
        extension = mimetypes.guess_extension(file["mimeType"]) or ".wav"
        return {
            "type": "file",
            "file": {"file_id": file["fileUri"], "filename": f"name{extension}"},
        }
    mime, data = part["inlineData"]["mimeType"], part["inlineData"]["data"]
    uri = f"data:{mime};base64,{data}"
    if mime in ("audio/wav", "audio/mpeg"):
        return {
            "type": "input_audio",
            "input_audio": {"data": data, "format": {"audio/mpeg": "mp3"}.get(mime, "wav")},
        }
    kind = mime.partition("/")[0]
    if kind in ("image", "video"):
        return {"type": f"{kind}_url", f"{kind}_url": {"url": uri}}
    return {"type": "file", "file": {"file_data": uri, "filename": "it"}}


@for_each(recordings("gemini"))
def test_an_equivalent_openai_request_becomes_the_recorded_request(recording: Recording) -> None:
    """SR-012 … SR-023, SR-031 … SR-041, SR-117."""
    recorded = recording.request["body"]
    call = chat_call(as_openai(recorded, recording.stream), model=recording.model)
    if recording.stream and call.request.logprobs:
        with pytest.raises(Unsupported, match="no logprobs in streams"):
            google().request(call)
        # So did Gemini itself.
        assert "LogProbs is not supported" in str(recording.response)
        return
    request = adapter_of(recording).request(call)
    body = json.loads(request.content)
    assert normal(body, without_what_was_made) == normal(recorded, *NOT_CARRIED)
    assert request.dropped == ()
    check_gemini(body)


# Any request --------------------------------------------------------------------------------------------------------

OWN_PARAMETERS = {
    "top_k": st.integers(1, 40),
    "thinking_config": st.fixed_dictionaries(
        {}, optional={"thinking_budget": st.integers(-1, 8192), "include_thoughts": st.booleans()}
    ),
    "safety_settings": st.just(
        [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
    ),
    "cachedContent": st.just("cachedContents/it"),
    "modalities": st.sampled_from([["text"], ["image", "text"], ["text", "audio"], None]),
    "web_search_options": st.just({}),
}


def request_or_error(
    body: Json, model: str, adapter: Google
) -> UpstreamRequest | Unsupported | RequestError:
    """Return the request that is sent, or the error for which none is."""
    try:
        return sent(body, model, adapter)
    except (Unsupported, RequestError) as error:
        return error


@pytest.mark.slow
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    chat_requests(also=OWN_PARAMETERS),
    st.sampled_from([GEMINI_2, GEMINI_25, GEMINI_3]),
    st.booleans(),
)
def test_any_request_is_valid_for_the_sdk_or_rejected_with_a_reason(
    body: Json, model: str, on_vertex: bool
) -> None:
    """SR-001, SR-026: dropped parameters are reported."""
    adapter = vertex(project="p") if on_vertex else google()
    request = request_or_error(body, model, adapter)
    if not isinstance(request, UpstreamRequest):
        assert request.message
        assert request.param
        return
    asked = json.loads(request.content)
    turns_sent = check_gemini(asked)
    assert turns_sent
    assert all(content.parts and content.role in ("user", "model") for content in turns_sent)
    assert [turn.role for turn in turns_sent].count("model") <= [
        one["role"] for one in body["messages"]
    ].count("assistant")
    assert set(request.dropped) <= body.keys()
    assert KEY not in request.url
    results = [
        part.function_response
        for content in turns_sent
        for part in content.parts or ()
        if part.function_response
    ]
    assert len(results) == [message["role"] for message in body["messages"]].count("tool")


# Addresses, keys and models -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "https://generativelanguage.googleapis.com",
        "https://generativelanguage.googleapis.com/v1beta/",
        "https://generativelanguage.googleapis.com/v1beta/openai",
    ],
)
def test_the_url_contains_the_model_and_never_the_key(base_url: str) -> None:
    """SR-101, SR-105, SR-116."""
    adapter = google(base_url=base_url)
    root = "https://generativelanguage.googleapis.com/v1beta/models"
    request = sent(HELLO, GEMINI_25, adapter)
    assert (request.method, request.url) == ("POST", f"{root}/{GEMINI_25}:generateContent")
    assert request.headers["x-goog-api-key"] == KEY
    streaming = sent({**HELLO, "stream": True}, f"models/{GEMINI_25}", adapter)
    assert streaming.url == f"{root}/{GEMINI_25}:streamGenerateContent?alt=sse"
    asked = adapter.models_request()
    assert (asked.method, asked.url) == ("GET", f"{root}?pageSize=1000")
    assert asked.headers["x-goog-api-key"] == KEY
    assert KEY not in repr((adapter.settings, request.url, streaming.url, asked.url))


def test_a_configured_address_or_version_is_kept() -> None:
    assert (
        google(base_url="https://proxy.example/gemini/v1alpha").base_url
        == "https://proxy.example/gemini/v1alpha"
    )
    assert (
        google(base_url="https://proxy.example/gemini").base_url
        == "https://proxy.example/gemini/v1beta"
    )
    assert sent(HELLO, "tunedModels/mine").url.endswith("/v1beta/tunedModels/mine:generateContent")
    assert sent(HELLO, "odd?key=x").url.endswith("/models/odd%3Fkey%3Dx:generateContent")


def test_configured_headers_are_sent_with_the_key() -> None:
    """K-16."""
    headers = sent(HELLO, adapter=google(headers={"x-own": "1"})).headers
    assert headers == {"content-type": "application/json", "x-own": "1", "x-goog-api-key": KEY}
    assert "x-goog-api-key" not in sent(HELLO, adapter=google(api_key=None)).headers


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("global", "aiplatform.googleapis.com"),
        ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_vertex_ai_with_a_project_uses_its_location_and_a_token(location: str, host: str) -> None:
    request = sent(HELLO, GEMINI_25, vertex(project="mine", location=location))
    place = f"https://{host}/v1/projects/mine/locations/{location}/publishers/google"
    assert request.url == f"{place}/models/{GEMINI_25}:generateContent"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert "x-goog-api-key" not in request.headers


def test_vertex_ai_without_a_project_uses_express_mode() -> None:
    request = sent(HELLO, GEMINI_25, vertex())
    assert (
        request.url
        == f"https://aiplatform.googleapis.com/v1/publishers/google/models/{GEMINI_25}:generateContent"
    )
    assert request.headers["x-goog-api-key"] == KEY
    assert "authorization" not in request.headers
    proxied = vertex(base_url="https://proxy.example/v1/projects/p/locations/l/publishers/google/")
    assert sent(HELLO, "m", proxied).url == f"{proxied.base_url}/models/m:generateContent"
    assert sent(HELLO, "m", proxied).headers["authorization"] == f"Bearer {KEY}"


def test_models_for_content_and_embeddings_are_listed() -> None:
    adapter = google()
    assert isinstance(adapter, Discovers)
    listed = [
        {
            "name": "models/gemini-2.5-flash",
            "supportedGenerationMethods": ["generateContent", "countTokens"],
        },
        {"name": "models/gemini-embedding-001", "supportedGenerationMethods": ["embedContent"]},
        {"name": "models/veo", "displayName": "Veo"},
    ]
    names = ("gemini-2.5-flash", "gemini-embedding-001")
    assert adapter.models(json.dumps({"models": listed}).encode()) == {name: name for name in names}
    assert adapter.models(b"{}") == {}


def test_vertex_ai_lists_googles_gemini_models() -> None:
    adapter = vertex(project="p", location="us-central1")
    url = "https://us-central1-aiplatform.googleapis.com/v1beta1/publishers/google/models?pageSize=200"
    assert adapter.models_request().url == url
    names = ["gemini-2.5-pro", "imagen-4", "gemini-embedding-001", "text-embedding-005"]
    body = {"publisherModels": [{"name": f"publishers/google/models/{name}"} for name in names]}
    listed = ("gemini-2.5-pro", "gemini-embedding-001", "text-embedding-005")
    assert adapter.models(json.dumps(body).encode()) == {name: name for name in listed}


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"models": [{}]}', b'{"models": 1}', b"\xff", b"<html>"]
)
def test_an_invalid_list_of_models_is_a_bad_response(body: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        google().models(body)
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


def test_the_specs() -> None:
    assert [(spec.name, spec.aliases) for spec in llms_providers()] == [
        ("google", ("gemini", "GoogleProvider", "@ai-sdk/google")),
        ("vertex", ("google-vertex", "@ai-sdk/google-vertex")),
    ]
    assert GOOGLE.key_env[:2] == ("GOOGLE_API_KEY", "GEMINI_API_KEY")
    plain = Vertex(VERTEX, ProviderSettings(id="other", api_key=Secret(KEY)))
    assert plain.base_url == "https://aiplatform.googleapis.com/v1/publishers/google"


# Parameters ---------------------------------------------------------------------------------------------------------


def test_parameters_get_geminis_names() -> None:
    """SR-012 … SR-019: the newer name of the token limit wins, and a stop string becomes a flat list."""
    asked = config(
        GEMINI_2,
        temperature=0.5, top_p=0.9, seed=7, frequency_penalty=0.1, presence_penalty=-0.2, stop="END", max_tokens=9,
        max_completion_tokens=5, n=2, logprobs=True, top_logprobs=3,
    )  # fmt: skip
    assert asked == {
        "temperature": 0.5, "topP": 0.9, "seed": 7, "frequencyPenalty": 0.1, "presencePenalty": -0.2,
        "stopSequences": ["END"], "maxOutputTokens": 5, "candidateCount": 2, "responseLogprobs": True, "logprobs": 3,
    }  # fmt: skip
    assert config(stop=["a", "b"], max_tokens=9) == {
        "stopSequences": ["a", "b"],
        "maxOutputTokens": 9,
    }


@pytest.mark.parametrize(
    "model",
    [
        GEMINI_25,
        GEMINI_3,
        "gemini-2.5-pro",
        "gemini-2.0-flash-thinking-exp",
        "gemini-flash-latest",
        "gemma-3-27b-it",
    ],
)
def test_penalties_are_dropped_for_models_without_them(model: str) -> None:
    """They reject the whole request: "Penalty is not enabled for models/…"."""
    for adapter in (google(), vertex()):
        request = sent({**HELLO, "frequency_penalty": 0.3, "presence_penalty": 0}, model, adapter)
        assert b"Penalty" not in request.content
        assert request.dropped == ("frequency_penalty",)


def test_a_seed_is_reduced_to_32_bits() -> None:
    """SR-019: OpenAI's seeds are longer, and Gemini rejects a longer one."""
    seeds = [config(seed=seed)["seed"] for seed in (2**40 + 5, -1, 0)]
    assert seeds == [5, 2**31 - 1, 0]


def test_a_plain_request_contains_nothing_that_was_not_requested() -> None:
    """SR-025, SR-027."""
    hello = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
    assert native() == hello
    assert (
        native(temperature=None, tools=None, thinking_config=None, user=None, n=1, logprobs=False)
        == hello
    )


def test_geminis_own_parameters_are_accepted_in_both_spellings() -> None:
    """SR-026: also in `extra_body.google`, as at Google's OpenAI-compatible endpoint. The top level wins."""
    safety = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
    one = native(
        top_k=40,
        safetySettings=safety,
        cached_content="cachedContents/a",
        mediaResolution="X",
        labels={},
    )
    assert one["generationConfig"] == {"topK": 40, "mediaResolution": "X"}
    assert (one["safetySettings"], one["cachedContent"]) == (safety, "cachedContents/a")
    theirs = {
        "google": {
            "thinking_config": {"include_thoughts": True},
            "cached_content": "cachedContents/b",
        }
    }
    two = native(
        extra_body=theirs,
        cachedContent="cachedContents/c",
        labels={"team": "a"},
        service_tier="flex",
    )
    assert two["generationConfig"] == {"thinkingConfig": {"includeThoughts": True}}
    assert (two["cachedContent"], two["labels"], two["serviceTier"]) == (
        "cachedContents/c",
        {"team": "a"},
        "flex",
    )
    with pytest.raises(RequestError, match="'thinkingConfig': expected an object"):
        native(thinking_config=5)


def test_unsupported_parameters_are_reported_as_dropped() -> None:
    body = {
        **HELLO,
        "logit_bias": {"1": 2},
        "parallel_tool_calls": False,
        "user": "me",
        "metadata": None,
        "store": 0,
    }
    request = sent(body)
    assert json.loads(request.content).keys() == {"contents"}
    assert request.dropped == ("logit_bias", "parallel_tool_calls", "store", "user")
    assert sent({**HELLO, "parallel_tool_calls": True, "service_tier": "auto"}).dropped == ()


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"function_call": "auto"}, "function_call"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"modalities": "text"}, "modalities"),
        ({"stream": True, "logprobs": True}, "logprobs"),
        ({"reasoning_effort": "frantic"}, "reasoning_effort"),
        ({"response_format": {"type": "grammar"}}, "response_format.type"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
    ],
)
def test_unsupported_features_are_rejected_before_a_request(members: Json, param: str) -> None:
    with pytest.raises(Unsupported) as caught:
        sent({**HELLO, **members})
    assert caught.value.param == param


def test_configured_settings_are_defaults() -> None:
    """K-11, K-12, SR-117: the request's own values win."""
    safety = [{"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "threshold": "BLOCK_ONLY_HIGH"}]
    adapter = google(
        safety_settings=safety, thinking_config={"thinkingBudget": 1024, "includeThoughts": True}
    )
    body = native(GEMINI_25, adapter)
    assert body["safetySettings"] == safety
    assert body["generationConfig"]["thinkingConfig"] == {
        "thinkingBudget": 1024,
        "includeThoughts": True,
    }
    own = native(
        GEMINI_25,
        adapter,
        thinkingConfig={"thinkingBudget": 0},
        safety_settings=[{"category": "X"}],
    )
    assert own["generationConfig"]["thinkingConfig"] == {
        "thinkingBudget": 0,
        "includeThoughts": True,
    }
    assert own["safetySettings"] == [{"category": "X"}]
    level = config(GEMINI_3, adapter, reasoning_effort="low")
    assert level["thinkingConfig"] == {"thinkingLevel": "low", "includeThoughts": True}
    assert config(GEMINI_2, adapter) == {}, (
        "a model without thinking would reject the configuration"
    )


@pytest.mark.parametrize(
    ("model", "effort", "thinking"),
    [
        (GEMINI_25, "none", {"thinkingBudget": 0, "includeThoughts": False}),
        (GEMINI_25, "minimal", {"thinkingBudget": 1024, "includeThoughts": True}),
        (GEMINI_25, "medium", {"thinkingBudget": 8192, "includeThoughts": True}),
        (GEMINI_25, "xhigh", {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-2.5-pro", "none", {"thinkingBudget": 128, "includeThoughts": False}),
        (GEMINI_3, "none", {"thinkingLevel": "minimal", "includeThoughts": False}),
        (GEMINI_3, "low", {"thinkingLevel": "low", "includeThoughts": True}),
        (GEMINI_3, "xhigh", {"thinkingLevel": "high", "includeThoughts": True}),
        ("gemini-3-pro-preview", "medium", {"thinkingLevel": "high", "includeThoughts": True}),
        ("gemini-3.1-pro-preview", "medium", {"thinkingLevel": "medium", "includeThoughts": True}),
        ("gemini-3.1-pro-preview", "minimal", {"thinkingLevel": "low", "includeThoughts": True}),
        ("gemini-3.8-flash", "minimal", {"thinkingLevel": "low", "includeThoughts": True}),
        ("gemini-flash-latest", "high", {"thinkingLevel": "high", "includeThoughts": True}),
    ],
)
def test_reasoning_effort_becomes_a_budget_or_a_level(
    model: str, effort: str, thinking: Json
) -> None:
    """SR-023: as at Google's OpenAI-compatible endpoint, and with a summary of the thoughts."""
    assert config(model, reasoning_effort=effort)["thinkingConfig"] == thinking


def test_a_model_without_thinking_gets_no_thinking_config() -> None:
    request = sent({**HELLO, "reasoning_effort": "high"}, GEMINI_2)
    assert "generationConfig" not in json.loads(request.content)
    assert request.dropped == ("reasoning_effort",)


def test_response_format() -> None:
    """`const` becomes an `enum` of one value, because Gemini ignores it."""
    schema = {
        "type": "object",
        "properties": {"a": {"const": "x"}, "const": {"type": "string"}},
        "required": ["a"],
    }
    wanted = {
        "type": "json_schema",
        "json_schema": {"name": "it", "schema": schema, "strict": True},
    }
    asked = {
        "type": "object",
        "properties": {"a": {"enum": ["x"]}, "const": {"type": "string"}},
        "required": ["a"],
    }
    assert config(response_format=wanted) == {
        "responseMimeType": "application/json",
        "responseJsonSchema": asked,
    }
    assert config(response_format={"type": "json_object"}) == {
        "responseMimeType": "application/json"
    }
    assert "generationConfig" not in native(response_format={"type": "text"})


# Tools --------------------------------------------------------------------------------------------------------------

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: Json = {
    "type": "function",
    "function": {"name": "weather", "parameters": CITY, "description": "Sky"},
}
TIME: Json = {"type": "function", "function": {"name": "time", "parameters": {}}}


def strict(tool: Json) -> Json:
    return {**tool, "function": {**tool["function"], "strict": True}}


SCHEMA_FORMAT = {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY}}


@pytest.mark.parametrize("model", [GEMINI_2, GEMINI_25, "gemma-3-27b-it"])
def test_json_beside_functions_before_gemini_3_is_the_call_of_one_more_function(model: str) -> None:
    """These models reject "Function calling with a response mime type: 'application/json'"."""
    body = native(model, tools=[TIME], response_format=SCHEMA_FORMAT)
    assert "generationConfig" not in body
    declared = body["tools"][0]["functionDeclarations"]
    assert [function["name"] for function in declared] == ["time", "answer_in_json"]
    assert declared[1]["parametersJsonSchema"] == CITY
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}


def test_the_call_of_the_answer_function_is_the_answer() -> None:
    request = {**HELLO, "tools": [TIME], "response_format": SCHEMA_FORMAT}
    part = {
        "functionCall": {"name": "answer_in_json", "args": {"city": "Rome"}},
        "thoughtSignature": "S",
    }
    whole = read(completed(answer(candidate(part)), chat_call(request, model=GEMINI_25)))
    assert (whole["message"]["content"], whole["finish"]) == ('{"city":"Rome"}', "stop")
    assert joined(streamed(sse(answer(candidate(part))), model=GEMINI_25)) == whole


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        # No function may be called, so that the model's own JSON mode is available.
        ({"tools": [TIME], "tool_choice": "none"}, "json mode"),
        # The answer will be a call, to which the format does not apply.
        ({"tools": [TIME], "tool_choice": "required"}, "nothing"),
        # Built-in tools and functions cannot be combined either.
        ({"tools": [{"google_search": {}}]}, "instruction"),
        ({"web_search_options": {}}, "instruction"),
        ({"tools": [TIME], "response_format": {"type": "json_object"}}, "instruction"),
        ({}, "json mode"),
    ],
)
def test_json_beside_other_tools_before_gemini_3(members: Json, expected: str) -> None:
    body = native(GEMINI_25, **{"response_format": SCHEMA_FORMAT, **members})
    is_json_mode = "responseMimeType" in body.get("generationConfig", {})
    is_instructed = "JSON object" in json.dumps(body.get("systemInstruction"))
    assert not (is_json_mode and "tools" in body)
    assert (is_json_mode, is_instructed) == (expected == "json mode", expected == "instruction")


def test_json_beside_functions_is_native_from_gemini_3_on() -> None:
    body = native(GEMINI_3, tools=[TIME], response_format=SCHEMA_FORMAT)
    assert body["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseJsonSchema": CITY,
    }
    assert body["tools"] == [{"functionDeclarations": [{"name": "time"}]}]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (
            {
                "properties": {"p": {"$ref": "#/$defs/P", "description": "which"}},
                "$defs": {"P": CITY},
            },
            {
                "properties": {"p": {"anyOf": [{"$ref": "#/$defs/P"}], "description": "which"}},
                "$defs": {"P": CITY},
            },
        ),
        (
            {
                "properties": {"p": {"$ref": "#/$defs/P", "anyOf": [], "title": "T"}},
                "$defs": {"P": CITY},
            },
            {"properties": {"p": {"$ref": "#/$defs/P"}}, "$defs": {"P": CITY}},
        ),
        # The keyword of older drafts.
        (
            {"items": {"$ref": "#/definitions/P"}, "definitions": {"P": CITY}},
            {"items": {"$ref": "#/$defs/P"}, "$defs": {"P": CITY}},
        ),
        # A schema that only refers to one of its definitions.
        ({"$ref": "#/definitions/P", "definitions": {"P": CITY}}, {**CITY, "$defs": {"P": CITY}}),
        (
            {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}},
            {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}},
        ),
        # Members of an object that are named like keywords.
        (
            {"properties": {"$ref": CITY, "const": CITY, "x": {}}},
            {"properties": {"$ref": CITY, "const": CITY, "x": {}}},
        ),
    ],
)
def test_nothing_is_beside_a_reference_in_a_schema(schema: Json, expected: Json) -> None:
    body = native(
        tools=[{"type": "function", "function": {"name": "f", "parameters": schema}}],
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": schema}},
    )
    assert body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"] == expected
    assert body["generationConfig"]["responseJsonSchema"] == expected


@pytest.mark.parametrize(
    "text", ['{"a": [{"$ref": "#/x"}]}', '{"a": {"\\u0024ref": "b"}}', '{"a": "see $ref"}']
)
def test_a_result_with_a_reference_is_sent_as_text(text: str) -> None:
    """Gemini takes `$ref` for a reference to the result's media, and rejects others."""
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    turns_sent = contents(
        {"role": "user", "content": "?"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": text},
    )
    assert turns_sent[-1]["parts"][0]["functionResponse"]["response"] == {"output": text}


def test_a_conversation_that_begins_with_a_call_gets_a_turn_of_the_user_before_it() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    result = {"role": "tool", "tool_call_id": "c", "content": "Sunny"}
    turns_sent = contents({"role": "assistant", "tool_calls": [call]}, result)
    assert [turn["role"] for turn in turns_sent] == ["user", "model", "user"]


def test_functions_are_declared_with_their_json_schema() -> None:
    assert native(tools=[WEATHER, TIME])["tools"] == [
        {
            "functionDeclarations": [
                {"name": "weather", "description": "Sky", "parametersJsonSchema": CITY},
                {"name": "time"},
            ]
        }
    ]


@pytest.mark.parametrize(
    ("choice", "calling", "names"),
    [
        (None, None, ["weather", "time"]),
        ("auto", {"mode": "AUTO"}, ["weather", "time"]),
        ("none", {"mode": "NONE"}, ["weather", "time"]),
        ("required", {"mode": "ANY"}, ["weather", "time"]),
        (TIME, {"mode": "ANY", "allowedFunctionNames": ["time"]}, ["weather", "time"]),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [TIME]}},
            {"mode": "AUTO"},
            ["time"],
        ),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [TIME]}},
            {"mode": "ANY", "allowedFunctionNames": ["time"]},
            ["weather", "time"],
        ),
    ],
)
def test_tool_choice(choice: Any, calling: Json | None, names: list[str]) -> None:
    body = native(tools=[WEATHER, TIME], tool_choice=choice)
    assert body.get("toolConfig", {}).get("functionCallingConfig") == calling
    assert [each["name"] for each in body["tools"][0]["functionDeclarations"]] == names


def test_an_invalid_tool_choice_is_a_request_error() -> None:
    without_names = {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "auto", "tools": [{"function": {}}]},
    }
    with pytest.raises(RequestError, match="tool_choice"):
        native(tools=[WEATHER], tool_choice=without_names)


def test_strict_functions_use_validated_mode() -> None:
    """The mode applies to all functions or none. Models before Gemini 2.5 do not have it."""
    validated = {"functionCallingConfig": {"mode": "VALIDATED"}}
    assert native(tools=[strict(WEATHER)])["toolConfig"] == validated
    assert native(tools=[strict(WEATHER)], tool_choice="auto")["toolConfig"] == validated
    assert "toolConfig" not in native(tools=[strict(WEATHER), TIME])
    assert "toolConfig" not in native(GEMINI_2, tools=[strict(WEATHER)])
    assert native(tools=[strict(WEATHER)], tool_choice="required")["toolConfig"] == {
        "functionCallingConfig": {"mode": "ANY"}
    }


def test_built_in_tools_are_combined_with_functions() -> None:
    own = {"includeServerSideToolInvocations": True}
    body = native(
        tools=[{"google_search": {}}, WEATHER],
        tool_choice="auto",
        web_search_options={},
        tool_config=own,
    )
    assert [list(tool) for tool in body["tools"]] == [
        ["google_search"],
        ["googleSearch"],
        ["functionDeclarations"],
    ]
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "AUTO"}, **own}


def call(
    id: str, name: str = "weather", arguments: str = '{"city": "Paris"}', signature: str = ""
) -> Json:
    made: Json = {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
    return made | (
        {"extra_content": {"google": {"thought_signature": signature}}} if signature else {}
    )


def result(id: str, content: Any, **members: Any) -> Json:
    return {"role": "tool", "tool_call_id": id, "content": content, **members}


def test_results_are_grouped_and_get_their_functions_names() -> None:
    """SR-032, SR-040: names are found by the ids of earlier calls, and each result becomes an object."""
    turns_sent = contents(
        HELLO["messages"][0],
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [call("a", signature=SIGNED), call("b", "time", "")],
        },
        result("b", "12:00"),
        result("a", [{"type": "text", "text": '{"sky": "blue"}'}]),
        {"role": "user", "content": "And?"},
        {"role": "assistant", "content": "So."},
        {"role": "function", "name": "older", "content": "[4]"},
    )
    assert turns_sent[1:] == [
        {
            "role": "model",
            "parts": [
                {
                    "functionCall": {"name": "weather", "args": {"city": "Paris"}, "id": "a"},
                    "thoughtSignature": SIGNED,
                },
                {"functionCall": {"name": "time", "args": {}, "id": "b"}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "time", "response": {"output": "12:00"}, "id": "b"}},
                {"functionResponse": {"name": "weather", "response": {"sky": "blue"}, "id": "a"}},
            ],
        },
        {"role": "user", "parts": [{"text": "And?"}]},
        {"role": "model", "parts": [{"text": "So."}]},
        {
            "role": "user",
            "parts": [{"functionResponse": {"name": "older", "response": {"output": "[4]"}}}],
        },
    ]


@pytest.mark.parametrize(
    ("model", "signature"),
    [(GEMINI_3, UNSIGNED), ("gemini-pro-latest", UNSIGNED), (GEMINI_25, None), (GEMINI_2, None)],
)
def test_calls_without_a_signature(model: str, signature: str | None) -> None:
    """From Gemini 3 on, the first call of a turn needs a signature; Google defines a placeholder for a missing one."""
    asked = {"role": "assistant", "tool_calls": [call("a"), call("b")]}
    turns_sent = contents(
        HELLO["messages"][0], asked, result("a", "1"), result("b", "2"), model=model
    )
    assert [part.get("thoughtSignature") for part in turns_sent[1]["parts"]] == [signature, None]


def test_a_signature_from_vertex_ais_openai_endpoint_is_accepted() -> None:
    asked = {
        "role": "assistant",
        "tool_calls": [{**call("a"), "extra_content": {"vertex": {"thought_signature": SIGNED}}}],
    }
    turns_sent = contents(HELLO["messages"][0], asked, result("a", "1"))
    assert turns_sent[1]["parts"][0]["thoughtSignature"] == SIGNED


@pytest.mark.parametrize("model", [GEMINI_3, GEMINI_25])
def test_a_result_may_contain_media(model: str) -> None:
    """Gemini 3 takes media within the response, older models beside it."""
    image = {"type": "image_url", "image_url": {"url": data_uri("image/png", PNG)}}
    asked = {"role": "assistant", "tool_calls": [call("a")]}
    parts = contents(
        HELLO["messages"][0], asked, result("a", [{"type": "text", "text": "See"}, image]), model=model
    )[-1]["parts"]  # fmt: skip
    blob = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(PNG).decode()}}
    response = {"name": "weather", "response": {"output": "See"}, "id": "a"}
    if model == GEMINI_3:
        assert parts == [{"functionResponse": {**response, "parts": [blob]}}]
    else:
        assert parts == [{"functionResponse": response}, blob]


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([{"role": "assistant", "content": "x", "images": [{"url": 1}]}], "image_url"),
        ([{"role": "assistant", "content": None, "tool_calls": [{"id": "a"}]}], "function"),
    ],
)
def test_invalid_messages_are_request_errors(messages: list[Json], text: str) -> None:
    with pytest.raises(RequestError, match=text):
        contents(*messages)


def test_a_result_without_its_call_is_left_to_other_providers() -> None:
    """Gemini needs the name of the function, which only the call has."""
    with pytest.raises(Unsupported, match="tool call 'lost'"):
        contents(result("lost", "4"))


@pytest.mark.parametrize("adapter", [google(), vertex(project="p")], ids=["google", "vertex"])
def test_request_does_not_modify_the_call(adapter: Google) -> None:
    """Everything that is rewritten for Gemini is part of this request: schemas, signatures and kept parts."""
    schema = {"type": "object", "properties": {"a": {"const": "x"}}}
    extra = {
        "google": {
            "thought_signature": SIGNED,
            "parts": [{"index": 0, "executableCode": {"code": "1"}}],
        }
    }
    asked = chat_call(
        {
            **HELLO,
            "messages": [
                *HELLO["messages"],
                {
                    "role": "assistant",
                    "content": "So",
                    "provider_extra": extra,
                    "tool_calls": [call("a"), call("b")],
                },
                result("a", "1"),
                result("b", '{"b": 2}'),
            ],
            "tools": [{"type": "function", "function": {"name": "weather", "parameters": schema}}],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "it", "schema": schema},
            },
            "extra_body": {"google": {"thinking_config": {"include_thoughts": True}}},
            "tool_config": {"retrieval_config": {}},
        },
        model=GEMINI_3,
    )
    before = encoded(asked)
    adapter.request(asked)
    assert encoded(asked) == before


def encoded(asked: ChatCall) -> tuple[bytes, bytes]:
    """The call's members and its typed view as JSON."""
    return msgspec.json.encode(asked.body.copy_members()), msgspec.json.encode(asked.request)


# Messages -----------------------------------------------------------------------------------------------------------


def test_every_system_message_is_sent() -> None:
    """SR-041: at any position."""
    body = native(
        messages=[
            {"role": "system", "content": "One"},
            HELLO["messages"][0],
            {"role": "developer", "content": [{"type": "text", "text": "Two"}]},
            {"role": "system", "content": ""},
        ]
    )
    assert body["systemInstruction"] == {"parts": [{"text": "One"}, {"text": "Two"}]}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Hello"}]}]


def test_system_messages_alone_become_a_user_turn() -> None:
    body = native(messages=[{"role": "system", "content": "Be."}])
    assert body == {"contents": [{"role": "user", "parts": [{"text": "Be."}]}]}


def test_no_turn_has_an_empty_text() -> None:
    """Vertex AI rejects the request: "it has an empty text parameter"."""
    blank = {"role": "user", "parts": [{"text": " "}]}
    hello = {"role": "user", "content": "Hello"}
    empty = {"role": "user", "content": ""}
    no_parts = user({"type": "text", "text": ""})
    assert contents(empty) == [blank]
    assert contents(no_parts) == [blank]
    assert contents(hello, empty, no_parts) == [{"role": "user", "parts": [{"text": "Hello"}]}]
    # Without it, the conversation would end with the model's turn.
    assert contents(hello, {"role": "assistant", "content": "Hi"}, empty)[-1] == blank


def test_gemma_gets_system_messages_as_a_user_turn() -> None:
    """SR-041: versions before the fourth accept no system instruction."""
    both = [
        {"role": "user", "parts": [{"text": "Be."}]},
        {"role": "user", "parts": [{"text": "Hello"}]},
    ]
    messages = [{"role": "system", "content": "Be."}, *HELLO["messages"]]
    assert native("gemma-3-27b-it", messages=messages) == {"contents": both}
    assert "systemInstruction" in native("gemma-4-31b-it", messages=messages)


def test_adjacent_assistant_messages_are_merged() -> None:
    """Gemini requires a call to follow a user's turn."""
    turns_sent = contents(
        HELLO["messages"][0], {"role": "assistant", "content": "Let me see."}, {"role": "assistant", "content": None},
        {"role": "assistant", "tool_calls": [call("a", signature=SIGNED)]}, result("a", "1"),
    )  # fmt: skip
    assert [turn["role"] for turn in turns_sent] == ["user", "model", "user"]
    assert [next(iter(part)) for part in turns_sent[1]["parts"]] == ["text", "functionCall"]


PNG_BLOB = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(PNG).decode()}}
WAV_DATA = base64.b64encode(WAV).decode()


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            {
                "type": "image_url",
                "image_url": {"url": data_uri("image/png", PNG), "detail": "low"},
            },
            PNG_BLOB,
        ),
        ({"type": "image_url", "image_url": data_uri("image/png", PNG)}, PNG_BLOB),
        (
            {"type": "image_url", "image_url": {"url": "data:;base64,/9j/"}},
            {"inlineData": {"mimeType": "image/jpeg", "data": "/9j/"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": WAV_DATA, "format": "wav"}},
            {"inlineData": {"mimeType": "audio/wav", "data": WAV_DATA}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "SUQz", "format": "mp3"}},
            {"inlineData": {"mimeType": "audio/mpeg", "data": "SUQz"}},
        ),
        (
            {
                "type": "file",
                "file": {"filename": "a.pdf", "file_data": base64.b64encode(PDF).decode()},
            },
            {"inlineData": {"mimeType": "application/pdf", "data": base64.b64encode(PDF).decode()}},
        ),
        (
            {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain,a%20b"}},
            {"inlineData": {"mimeType": "text/plain", "data": "YSBi"}},
        ),
        (
            {"type": "video_url", "video_url": {"url": "https://youtu.be/9hE5-98ZeCg"}},
            {"fileData": {"fileUri": "https://youtu.be/9hE5-98ZeCg", "mimeType": "video/mp4"}},
        ),
        (
            {"type": "file", "file": {"file_id": "files/abc", "filename": "a.pdf"}},
            {
                "fileData": {
                    "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc",
                    "mimeType": "application/pdf",
                }
            },
        ),
        (
            {"type": "file", "file": {"file_id": "gs://bucket/clip.mp4"}},
            {"fileData": {"fileUri": "gs://bucket/clip.mp4", "mimeType": "video/mp4"}},
        ),
        (
            {"type": "file", "file": {"file_id": "gs://bucket/what"}},
            {"fileData": {"fileUri": "gs://bucket/what"}},
        ),
    ],
)
def test_content_parts(part: Json, expected: Json) -> None:
    """SR-034 … SR-038."""
    assert contents(
        user({"type": "text", "text": "What?"}, {"type": "text", "text": ""}, part)
    ) == [{"role": "user", "parts": [{"text": "What?"}, expected]}]


@pytest.mark.parametrize(
    "part", [{"type": "file", "file": {"file_id": "file-abc"}}, {"type": "hologram"}]
)
def test_unknown_content_is_unsupported(part: Json) -> None:
    with pytest.raises(Unsupported) as caught:
        contents(user({"type": "text", "text": "What?"}, part))
    assert caught.value.param == "messages[0].content[1]"


def test_media_at_urls_are_downloaded_by_the_core() -> None:
    """SR-036: except videos, which only Google can download from YouTube."""
    adapter = google()
    assert isinstance(adapter, Inlines)

    async def fetch(url: str, param: str) -> tuple[str, bytes]:
        return "image/png", PNG

    video = {"type": "video_url", "video_url": {"url": "https://www.youtube.com/watch?v=1"}}
    image = {"type": "image_url", "image_url": {"url": "https://example.com/cat"}}
    asked = chat_call({**HELLO, "messages": [user(image, video)]}, model=GEMINI_3)
    inlined = asyncio.run(inline(asked.body, adapter.inlines, fetch))
    asked = msgspec.structs.replace(asked, body=inlined)
    (turn,) = json.loads(adapter.request(asked).content)["contents"]
    assert turn["parts"][0] == PNG_BLOB
    assert turn["parts"][1]["fileData"]["fileUri"] == "https://www.youtube.com/watch?v=1"


# Second turns -------------------------------------------------------------------------------------------------------


def again(answer: Json, model: str = GEMINI_3, *, keep: bool = True) -> list[Json]:
    """Return the parts that Gemini gets if the client sends its answer back, with or without the extra members."""
    message = {name: value for name, value in answer["message"].items() if name != "index"}
    if not keep:
        message = {
            name: value for name, value in message.items() if name in ("content", "tool_calls")
        }
        for each in message.get("tool_calls", ()):
            each.pop("extra_content", None)
    calls = message.get("tool_calls", ())
    results = [result(each["id"], "4") for each in calls]
    turns_sent = contents(
        HELLO["messages"][0], {"role": "assistant", **message}, *results, model=model
    )
    return list(turns_sent[1]["parts"]) if len(turns_sent) > 1 else []


@for_each(recordings("gemini", answered))
def test_a_recorded_answer_is_sent_back_unchanged(recording: Recording) -> None:
    """Except that texts are joined and keep their last signature, thoughts are left out, and ids may be generated."""
    recorded = events(recording)
    parts = [
        part for each in recorded for part in each["candidates"][0]["content"].get("parts", ())
    ]
    texts = [part for part in parts if "text" in part and not part.get("thought")]
    signatures = [
        part["thoughtSignature"] for part in parts if "text" in part and "thoughtSignature" in part
    ]
    text: Json = {"text": "".join(part["text"] for part in texts)}
    text |= {"thoughtSignature": signatures[-1]} if signatures else {}
    calls = [part for part in parts if "functionCall" in part]
    expected = (
        [part for part in parts if part.keys() & BEYOND]
        + ([text] if text != {"text": ""} else [])
        + calls
    )
    if recording.stream:
        received = joined(streamed(framed(recording), model=recording.model))
    else:
        received = read(completed(recording.body, chat_call(HELLO, model=recording.model)))
    found = again(received, recording.model)
    for part, known in zip(found, expected, strict=True):
        if "functionCall" in part and "id" not in known["functionCall"]:
            del part["functionCall"]["id"]
        if "functionCall" in known:
            known["functionCall"].setdefault("args", {})
    assert found == expected


def test_an_answer_is_sent_back_without_the_extra_members() -> None:
    thought: Json = {"text": "Hm.", "thought": True}
    asked = {"functionCall": {"name": "weather", "args": {}}, "thoughtSignature": SIGNED}
    code = {"executableCode": {"language": "PYTHON", "code": "1"}}
    found = again(
        read(completed(answer(candidate(thought, code, {"text": "So"}, asked)))), keep=False
    )
    assert found[0] == {"text": "So"}
    assert found[1]["functionCall"]["name"] == "weather"
    assert found[1]["thoughtSignature"] == UNSIGNED
    assert len(found) == 2


@pytest.mark.parametrize(
    "extra", [{"google": 1}, {"google": {"parts": 5}}, {"google": {"parts": [1]}}, {"other": {}}]
)
def test_invalid_provider_extra_is_ignored(extra: Json) -> None:
    turns_sent = contents({"role": "assistant", "content": "x", "provider_extra": extra})
    assert turns_sent == [{"role": "model", "parts": [{"text": "x"}]}]


# Answers ------------------------------------------------------------------------------------------------------------


def test_thoughts_become_reasoning_content() -> None:
    parts: list[Json] = [
        {"text": "Hm", "thought": True},
        {"text": ".", "thought": True},
        {"text": "So", "thoughtSignature": SIGNED},
    ]
    extra = {"google": {"thought_signature": SIGNED, "owner": OWNER}}
    message = {"reasoning_content": "Hm.", "content": "So", "provider_extra": extra}
    assert read(completed(answer(candidate(*parts))))["message"] == message
    each_alone = [answer(candidate(part, reason=None)) for part in parts]
    assert joined(streamed(sse(*each_alone, answer(candidate()))))["message"] == message


CALLS: list[Json] = [
    {"functionCall": {"name": "a", "args": {"x": 1.5, "y": "ü"}}, "thoughtSignature": SIGNED},
    {"functionCall": {"name": "b"}},
    {"functionCall": {"name": "c", "args": {}, "id": "theirs"}},
]


def test_calls_without_ids_get_generated_ones() -> None:
    """SR-056: the same for whole and streamed answers, in one or several events, but other ids for another answer."""
    first = read(completed(answer(candidate(*CALLS))))
    calls = first["message"]["tool_calls"]
    assert [each["function"] for each in calls] == [
        {"name": "a", "arguments": '{"x":1.5,"y":"ü"}'},
        {"name": "b", "arguments": "{}"},
        {"name": "c", "arguments": "{}"},
    ]
    assert [each["index"] for each in calls] == [0, 1, 2]
    assert calls[0]["extra_content"] == {"google": {"thought_signature": SIGNED}}
    assert calls[2]["id"] == "theirs"
    assert len({each["id"] for each in calls}) == 3
    events = [
        answer(candidate(CALLS[0], reason=None)),
        answer(candidate(*CALLS[1:])),
        answer(candidate()),
    ]
    for body in (sse(answer(candidate(*CALLS))), sse(*events[:2])):
        assert joined(streamed(body)) == first
    other = msgspec.structs.replace(chat_call(HELLO), id="chatcmpl-2")
    another = read(completed(answer(candidate(*CALLS)), other))["message"]["tool_calls"]
    assert {each["id"] for each in calls[:2]}.isdisjoint(each["id"] for each in another)
    assert completed(answer(candidate(*CALLS))).choices[0].message.content is None
    assert all(
        len(each["id"]) <= 40
        for each in read(completed(answer(candidate(*CALLS)), long_call()))["message"]["tool_calls"]
    )


def long_call() -> ChatCall:
    return msgspec.structs.replace(chat_call(HELLO), id=f"chatcmpl-{'f' * 24}")


def test_images_are_members_of_the_message_and_are_sent_back() -> None:
    """The format is OpenRouter's. Drafts, which are thoughts, are left out."""
    blob = {"inlineData": {"mimeType": "image/png", "data": "iVBO"}}
    body = answer(
        candidate(
            {"text": "Here:"}, {**blob, "thought": True}, {**blob, "thoughtSignature": SIGNED}, blob
        )
    )
    url = {"url": "data:image/png;base64,iVBO"}
    signed = {"google": {"thought_signature": SIGNED}}
    found = read(completed(body))
    assert found["message"] == {
        "content": "Here:",
        "images": [
            {"index": 0, "type": "image_url", "image_url": url, "extra_content": signed},
            {"index": 1, "type": "image_url", "image_url": url},
        ],
        "provider_extra": {"google": {"owner": OWNER}},
    }
    assert joined(streamed(sse(body))) == found
    assert config(modalities=["image", "text"]) == {"responseModalities": ["IMAGE", "TEXT"]}
    assert again(found) == [{"text": "Here:"}, {**blob, "thoughtSignature": SIGNED}, blob]


def test_several_candidates() -> None:
    """`n` answers are one candidate each, whole and in a stream."""
    two = answer(candidate({"text": "A"}), candidate({"text": "B"}, index=1))
    found = completed(two)
    assert [(choice.index, choice.message.content) for choice in found.choices] == [
        (0, "A"),
        (1, "B"),
    ]
    events = sse(
        answer(candidate({"text": "A"}, reason=None)),
        answer(candidate({"text": "B"}, index=1)),
        answer(candidate()),
    )
    chunks = streamed(events, n=2)
    assert [joined(chunks, index)["message"]["content"] for index in (0, 1)] == ["A", "B"]


def test_logprobs_have_tokens_and_alternatives() -> None:
    """SR-021, SR-022."""
    tokens = [{"token": "Hü", "tokenId": 1, "logProbability": -0.5}, {"token": "!", "tokenId": 2}]
    result = {
        "chosenCandidates": tokens,
        "topCandidates": [{"candidates": tokens}, {"candidates": []}],
    }
    body = answer(candidate({"text": "Hü!"}, logprobsResult=result))
    for found in (
        completed(body).choices[0].logprobs,
        ChatCompletionChunk.model_validate_json(streamed(sse(body))[0].data).choices[0].logprobs,
    ):
        assert found is not None
        assert found.content is not None
        assert [(each.token, each.logprob, each.bytes) for each in found.content] == [
            ("Hü", -0.5, [72, 195, 188]), ("!", 0.0, [33]),
        ]  # fmt: skip
        assert [each.token for each in found.content[0].top_logprobs] == ["Hü", "!"]
    assert sent({**HELLO, "stream": True, "logprobs": True}, adapter=vertex()).dropped == ()


def test_usage_includes_every_count() -> None:
    """SR-049: thoughts count as completion, input of tools counts as prompt, and the total is Google's."""
    usage = {
        "promptTokenCount": 30, "cachedContentTokenCount": 20, "toolUsePromptTokenCount": 5, "candidatesTokenCount": 7,
        "thoughtsTokenCount": 8, "totalTokenCount": 50,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 10}, {"modality": "AUDIO", "tokenCount": 20}],
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 7}],
    }  # fmt: skip
    counted = {
        "prompt_tokens": 35, "completion_tokens": 15, "total_tokens": 50,
        "prompt_tokens_details": {"text_tokens": 10, "audio_tokens": 20, "cached_tokens": 20, "tool_use_tokens": 5},
        "completion_tokens_details": {"image_tokens": 7, "reasoning_tokens": 8},
    }  # fmt: skip
    body = answer(candidate({"text": "Hi"}), usageMetadata=usage)
    assert read(completed(body))["usage"] == counted
    assert (
        joined(streamed(sse(answer(candidate({"text": "H"}, reason=None)), body)))["usage"]
        == counted
    )
    assert (
        completed(
            answer(candidate({"text": "Hi"}), usageMetadata={"promptTokenCount": "many"})
        ).usage
        is None
    )
    without = answer(candidate({"text": "Hi"}))
    del without["usageMetadata"]
    assert completed(without).usage is None
    assert joined(streamed(sse(without)))["usage"] is None
    assert (
        joined(streamed(sse(answer(candidate({"text": "H"}, reason=None)), without)))["usage"][
            "total_tokens"
        ]
        == 5
    )


@pytest.mark.parametrize(
    ("reason", "parts", "finish"),
    [
        ("STOP", [{"text": "Hi"}], "stop"),
        ("STOP", [], "stop"),
        ("STOP", CALLS, "tool_calls"),
        ("MAX_TOKENS", [{"text": "Hi"}], "length"),
        ("MAX_TOKENS", CALLS, "length"),
        ("SAFETY", [{"text": "Hi"}], "content_filter"),
        ("RECITATION", [], "content_filter"),
        ("PROHIBITED_CONTENT", [], "content_filter"),
        ("SPII", [], "content_filter"),
        ("IMAGE_SAFETY", [], "content_filter"),
        ("OTHER", [], "content_filter"),
        ("SOMETHING_NEW", [{"text": "Hi"}], "stop"),
    ],
)
def test_finish_reasons(reason: str, parts: list[Json], finish: str) -> None:
    """SR-048."""
    ended = candidate(
        *parts, reason=reason, finishMessage="Because.", safetyRatings=[{"blocked": True}]
    )
    body = answer(ended)
    found = read(completed(body))
    assert found["finish"] == finish
    assert joined(streamed(sse(body))) == found
    extra = found["message"]["provider_extra"]["google"]
    assert extra["safetyRatings"] == [{"blocked": True}]
    why = {name: extra[name] for name in ("finishReason", "finishMessage") if name in extra}
    is_kept = finish == "content_filter" or reason == "SOMETHING_NEW"
    assert why == ({"finishReason": reason, "finishMessage": "Because."} if is_kept else {})


@pytest.mark.parametrize("reason", ["NO_IMAGE", "SOMETHING_NEW"])
def test_an_unknown_finish_reason_without_content_is_an_error(reason: str) -> None:
    body = answer({"finishReason": reason, "finishMessage": "No image.", "index": 0})
    for outcome in (lambda: completed(body), lambda: streamed(sse(body))):
        with pytest.raises(ProviderError, match=f"No image.*{reason}"):
            outcome()


def test_a_call_after_stop_changes_the_finish_reason() -> None:
    call = {"functionCall": {"name": "f", "args": {"a": 1}}}
    events = [
        answer(candidate({"text": "I look."}, reason="STOP")),
        answer(candidate(call, reason=None)),
    ]
    found = joined(streamed(sse(*events)))
    assert found["finish"] == "tool_calls"
    assert found["message"]["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"a":1}'}


def test_a_candidate_may_lack_content() -> None:
    body = answer({"finishReason": "SAFETY", "index": 0})
    assert (
        read(completed(body))["finish"] == joined(streamed(sse(body)))["finish"] == "content_filter"
    )
    assert read(completed(answer({"content": {}, "finishReason": "STOP"})))["message"] == {}


@pytest.mark.parametrize("n", [1, 2])
def test_a_blocked_prompt_is_a_filtered_answer(n: int) -> None:
    """SR-048: Gemini gives no candidate then."""
    body = {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 3},
    }
    found = completed(body, chat_call({**HELLO, "n": n}))
    assert [choice.finish_reason for choice in found.choices] == ["content_filter"] * n
    assert found.choices[0].message.content == ""
    extra = {"google": {"promptFeedback": body["promptFeedback"]}}
    assert (found.choices[0].message.model_extra or {})["provider_extra"] == extra
    streamed_answer = joined(streamed(sse(body), n=n))
    assert (streamed_answer["finish"], streamed_answer["message"], streamed_answer["usage"]["prompt_tokens"]) == (
        "content_filter", {"provider_extra": extra}, 3,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("MALFORMED_FUNCTION_CALL", ErrorKind.BAD_RESPONSE),
        ("UNEXPECTED_TOOL_CALL", ErrorKind.BAD_RESPONSE),
        ("MISSING_THOUGHT_SIGNATURE", ErrorKind.INVALID_REQUEST),
    ],
)
def test_finish_reasons_that_are_failures(reason: str, kind: ErrorKind) -> None:
    body = answer({"finishReason": reason, "finishMessage": "Malformed: f(", "index": 0})
    reads: list[Callable[[], object]] = [lambda: completed(body), lambda: streamed(sse(body))]
    for attempt in reads:
        with pytest.raises(ProviderError, match=r"Malformed: f\( ") as caught:
            attempt()
        assert (caught.value.kind, caught.value.type) == (kind, reason)


def test_sources_of_an_answer_reach_the_client() -> None:
    extra: Json = {
        "groundingMetadata": {"webSearchQueries": ["x"]},
        "citationMetadata": {"citations": [{"uri": "u"}]},
    }
    body = answer(candidate({"text": "Hi"}, **extra))
    assert read(completed(body))["message"]["provider_extra"] == {"google": extra}
    early = answer(candidate({"text": "H"}, reason=None, **extra))
    assert joined(streamed(sse(early, answer(candidate({"text": "i"})))))["message"][
        "provider_extra"
    ] == {"google": extra}


# Errors -------------------------------------------------------------------------------------------------------------


def error_body(code: int, status: str, message: str, *details: Json) -> Json:
    return {"error": {"code": code, "status": status, "message": message, "details": list(details)}}


def reason(name: str) -> Json:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": name}


def quota(id: str) -> Json:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": id}]}


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37.5s"}
TOO_LONG = "The input token count (2097153) exceeds the maximum number of tokens allowed (1048576)."
PER_MINUTE, PER_DAY = (
    "GenerateRequestsPerMinutePerProject",
    "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
)

ERRORS = [
    (
        400,
        error_body(400, "INVALID_ARGUMENT", "API key not valid.", reason("API_KEY_INVALID")),
        ErrorKind.AUTH,
    ),
    (
        400,
        error_body(400, "INVALID_ARGUMENT", "API key expired. Renew.", reason("API_KEY_INVALID")),
        ErrorKind.AUTH,
    ),
    (400, error_body(400, "INVALID_ARGUMENT", TOO_LONG), ErrorKind.CONTEXT_LENGTH),
    (400, error_body(400, "INVALID_ARGUMENT", "Unknown name"), ErrorKind.INVALID_REQUEST),
    (
        400,
        error_body(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
        ErrorKind.PERMISSION,
    ),
    (
        401,
        error_body(401, "UNAUTHENTICATED", "Expired", reason("ACCESS_TOKEN_EXPIRED")),
        ErrorKind.AUTH,
    ),
    (
        403,
        error_body(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers (…)."),
        ErrorKind.AUTH,
    ),
    (
        403,
        error_body(403, "PERMISSION_DENIED", "Not enabled", reason("SERVICE_DISABLED")),
        ErrorKind.PERMISSION,
    ),
    (
        403,
        error_body(403, "PERMISSION_DENIED", "No billing", reason("BILLING_DISABLED")),
        ErrorKind.QUOTA,
    ),
    (
        404,
        error_body(404, "NOT_FOUND", "models/x is not found for API version v1beta"),
        ErrorKind.MODEL_NOT_FOUND,
    ),
    (
        429,
        error_body(429, "RESOURCE_EXHAUSTED", "Exhausted", quota(PER_MINUTE), RETRY),
        ErrorKind.RATE_LIMIT,
    ),
    (429, error_body(429, "RESOURCE_EXHAUSTED", "Exhausted", quota(PER_DAY)), ErrorKind.QUOTA),
    (429, [error_body(429, "RESOURCE_EXHAUSTED", "Exhausted", RETRY)], ErrorKind.RATE_LIMIT),
    (500, error_body(500, "INTERNAL", "An internal error has occurred."), ErrorKind.OVERLOADED),
    (503, error_body(503, "UNAVAILABLE", "The model is overloaded."), ErrorKind.OVERLOADED),
    (504, error_body(504, "DEADLINE_EXCEEDED", "Deadline"), ErrorKind.TIMEOUT),
]


@pytest.mark.parametrize(("status", "body", "kind"), ERRORS)
def test_errors(status: int, body: Any, kind: ErrorKind) -> None:
    """SR-064, SR-068: also in a list, which replaces a stream that is a list."""
    error = google().error(status, {}, json.dumps(body).encode())
    recorded = (body[0] if isinstance(body, list) else body)["error"]
    assert (error.kind, error.message, error.type, error.status) == (
        kind,
        recorded["message"],
        recorded["status"],
        status,
    )
    assert error.retry_after == (37.5 if RETRY in recorded["details"] else None)


@pytest.mark.parametrize(("status", "body", "kind"), ERRORS)
def test_an_error_in_the_middle_of_a_stream(status: int, body: Any, kind: ErrorKind) -> None:
    """SR-058: it is an event of its own, after status 200."""
    progress = ChatStream(google().chunks(chat_call(HELLO)))
    begun = answer(candidate({"text": "Hi"}, reason=None))
    assert len(progress.feed(sse(begun, body))) == 1
    assert progress.failure is not None
    assert (progress.failure.kind, progress.failure.status) == (kind, status)
    assert not progress.complete
    errors = body if isinstance(body, list) else [body]
    for whole_body in (body, [begun, *errors]):
        with pytest.raises(ProviderError) as caught:
            completed(whole_body)
        assert caught.value.kind is kind


def test_a_stream_without_its_end_is_not_complete() -> None:
    """SR-058."""
    progress = ChatStream(google().chunks(chat_call(HELLO)))
    progress.feed(sse(answer(candidate({"text": "Hi"}, reason=None))))
    progress.feed(b"")
    assert not progress.complete


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"null", b"{}", b"\xff", b"<html>", b'{"candidates": []}', b'{"candidates": 1}',
        b'{"candidates": [{"content": {"parts": [{"text": 1}]}, "finishReason": "STOP"}]}',
        b'{"candidates": [{"content": {"parts": [{"functionCall": {}}]}, "finishReason": "STOP"}]}',
        b'{"promptFeedback": {}, "usageMetadata": {"promptTokenCount": 3}}',
    ],
)  # fmt: skip
def test_an_invalid_answer_is_a_bad_response(body: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        completed(body)
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


def test_unknown_members_and_parts_are_accepted() -> None:
    """Unknown parts are kept for the next turn, unknown members are ignored."""
    hologram: Json = {"hologram": {"depth": 3}, "text2": "x"}
    body = answer(candidate({"text": "Hi", "newer": 1}, hologram, newest=2), somethingElse=3)
    message = read(completed(body))["message"]
    assert message["content"] == "Hi"
    assert message["provider_extra"]["google"]["parts"] == [{"index": 0, **hologram}]
    assert joined(streamed(sse(body)))["message"] == message


# Over HTTP ----------------------------------------------------------------------------------------------------------

LIMITS = AttemptLimits(connect=5, first_token=5, idle=5, total=10, max_bytes=2**20)


@pytest.mark.parametrize("kind", ["native", "httpx"])
def test_whole_and_streamed_over_http(
    kind: Literal["native", "httpx"], upstream: ScriptedUpstream
) -> None:
    """SR-020, SR-116: the URL arrives unchanged, and a list is accepted in place of events."""
    adapter = google(base_url=upstream.origin)
    parts = [answer(candidate({"text": "Hel"}, reason=None)), answer(candidate({"text": "lo"}))]
    stream = Reply(Status(200, {"content-type": "text/event-stream"}), Body(sse(*parts)))
    upstream.script(
        json_body(parts[1]),
        stream,
        json_body(parts),
        json_body(error_body(503, "UNAVAILABLE", "Busy"), 503),
    )
    asked = chat_call({**HELLO, "stream": True}, model=GEMINI_25)

    async def streamed_text(engine: HttpTransport) -> str:
        chunks = await open_chat_stream(engine, adapter, asked, adapter.request(asked), LIMITS)
        found = []
        while not chunks.is_complete:
            found += await chunks.read()
        await chunks.aclose()
        return str(joined(found)["message"]["content"])

    async def send_all() -> list[str | bytes]:
        engine = create_transport(Upstream(engine=kind))
        try:
            plain = chat_call(HELLO, model=GEMINI_25)
            completion = await whole_chat_answer(
                engine, adapter, plain, adapter.request(plain), LIMITS
            )
            streams = [await streamed_text(engine), await streamed_text(engine)]
            with pytest.raises(ProviderError, match="Busy"):
                await streamed_text(engine)
            return [completion.data, *streams]
        finally:
            await engine.aclose()

    found = asyncio.run(send_all())
    assert json.loads(found[0])["choices"][0]["message"]["content"] == "lo"
    assert found[1:] == ["Hello", "Hello"]
    path = f"/v1beta/models/{GEMINI_25}"
    streaming = f"{path}:streamGenerateContent?alt=sse"
    assert [seen.path for seen in upstream.requests] == [
        f"{path}:generateContent",
        *[streaming] * 3,
    ]
    assert {seen.headers["x-goog-api-key"] for seen in upstream.requests} == {KEY}
