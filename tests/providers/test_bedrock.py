"""Bedrock's Converse: recorded exchanges, agreement with Amazon's SDK, and cases that the recordings lack."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

import msgspec
import pytest
from aws_events import event, exception, message
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as SDKCredentials
from botocore.eventstream import EventStream, EventStreamBuffer
from botocore.parsers import EventStreamJSONParser, create_parser
from botocore.serialize import create_serializer
from chat_requests import PDF, PNG, WAV, chat_call, chat_requests, data_uri
from chat_streams import ChatStream, open_chat_stream
from client_view import (
    assert_leaves_call_unchanged,
    complete,
    summarize_completion,
    summarize_stream,
    translate_stream,
)
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from official_types import bedrock_service, check_bedrock
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion
from recordings import Recording, failures, for_each, pieces, recordings, streams, whole_answers

from llms_core import ErrorKind, ProviderError, RequestError, Unsupported
from llms_core.config.llms_json import read as read_config
from llms_core.config.model import Upstream
from llms_core.contracts.chunk import Chunk
from llms_core.contracts.request import ChatCall
from llms_core.contracts.tools import JSON_INSTRUCTION
from llms_core.operations.inlining import inline
from llms_core.provider import Available, Discovers, Inlines, ProviderSettings, UpstreamRequest
from llms_core.secret import Secret, redact
from llms_core.testing import Body, Reply, ScriptedUpstream, Status
from llms_core.upstream.body import AttemptLimits
from llms_core.upstream.engine import create_transport
from llms_providers.bedrock import BEDROCK, Bedrock, BedrockSettings, bedrock, llms_providers
from llms_providers.bedrock.sigv4 import Credentials, sign

Json = dict[str, Any]

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
HELLO: Json = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
NOW = datetime(2026, 5, 4, 22, 49, 30, tzinfo=UTC)
#: The credentials of AWS's own test suite for signatures.
KEY = Credentials(Secret("AKIDEXAMPLE"), Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"))


def adapter(
    api_key: str | None = "a-bearer-token", environ: Mapping[str, str] = {}, **own: Any
) -> Bedrock:
    own = {"region": "us-east-1", **own}
    secret = Secret(api_key) if api_key is not None else None
    return Bedrock(
        BEDROCK, BedrockSettings(id="bedrock", api_key=secret, **own), environ, lambda: NOW
    )


def sent(body: Mapping[str, Any], model: str = CLAUDE) -> UpstreamRequest:
    return adapter().request(chat_call(body, model=model))


def native(model: str = CLAUDE, /, **members: Any) -> Json:
    """Return the body sent to Bedrock for a request with these members, after validation by Amazon's SDK."""
    found: Json = json.loads(sent({**HELLO, **members}, model).content)
    check_bedrock(found, model)
    return found


def dropped(model: str = CLAUDE, /, **members: Any) -> tuple[str, ...]:
    return sent({**HELLO, **members}, model).dropped


def messages(*given: Json, model: str = CLAUDE, **members: Any) -> list[Json]:
    translated: list[Json] = native(model, messages=list(given), **members)["messages"]
    return translated


def user(*content: Json | str) -> Json:
    return {
        "role": "user",
        "content": [{"type": "text", "text": c} if isinstance(c, str) else c for c in content],
    }


def called(name: str, arguments: Json, id: str = "call_1") -> Json:
    return {
        "id": id,
        "type": "function",
        "function": {"name": name, "arguments": json.dumps(arguments)},
    }


def tool(name: str = "weather", **function: Any) -> Json:
    return {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object"}, **function},
    }


TURN: list[Json] = [
    {"role": "user", "content": "Weather?"},
    {"role": "assistant", "content": None, "tool_calls": [called("weather", {"city": "Paris"})]},
    {"role": "tool", "tool_call_id": "call_1", "content": "Sunny"},
]
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


def wanted(schema: Json = SCHEMA, **more: Any) -> Json:
    return {"type": "json_schema", "json_schema": {"name": "place", "schema": schema, **more}}


# Amazon's SDK -------------------------------------------------------------------------------------------------------


def sdk_answer(body: bytes) -> Json:
    """Return a whole answer as the SDK reads it."""
    shape = bedrock_service().operation_model("Converse").output_shape
    found: Json = create_parser("rest-json").parse(
        {"status_code": 200, "headers": {}, "body": body}, shape
    )
    return found


def sdk_events(body: bytes) -> Iterator[Json]:
    """Return the events of a stream as the SDK reads them."""

    class Stream(io.BytesIO):
        def stream(self) -> Iterator[bytes]:
            yield from pieces(self.getvalue(), 1000)

    shape = bedrock_service().operation_model("ConverseStream").output_shape.members["stream"]
    yield from EventStream(Stream(body), shape, EventStreamJSONParser(), "Converse")


# Reading answers ----------------------------------------------------------------------------------------------------


def completed(answer: Json | bytes, call: ChatCall | None = None) -> ChatCompletion:
    return complete(adapter(), call or chat_call(HELLO, model=CLAUDE), answer)


def streamed(body: bytes, size: int | None = None, call: ChatCall | None = None) -> list[Chunk]:
    return translate_stream(
        adapter(), call or chat_call({**HELLO, "stream": True}, model=CLAUDE), body, size
    )


def joined(chunks: Iterable[Chunk]) -> Json:
    return summarize_stream(chunks, "bedrock", counts_of)


def read(completion: ChatCompletion) -> Json:
    return summarize_completion(completion, "bedrock", counts_of)


def counts_of(usage: CompletionUsage) -> tuple[int | None, ...]:
    """Return the prompt, output and total tokens, and the tokens read from and written to a cache."""
    details = usage.prompt_tokens_details
    cached = details.cached_tokens if details is not None else 0
    # Only newer versions of the SDK declare the count of tokens written.
    written = details.model_dump().get("cache_write_tokens") or 0 if details is not None else 0
    return usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, cached, written


FINISH = {
    "end_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "guardrail_intervened": "content_filter",
}


def expected(content: list[Json], reason: str, usage: Json) -> Json:
    """Return the summary of content blocks, read independently of the adapter."""
    texts = []
    reasoning = []
    calls = []
    signed_blocks = []
    citations = []
    for block in content:
        match block:
            case {"text": text}:
                texts.append(text)
            case {"citationsContent": cited}:
                texts += [part["text"] for part in cited["content"]]
                citations += cited["citations"]
            case {"reasoningContent": {"reasoningText": thoughts}}:
                reasoning.append(thoughts["text"])
                if "signature" in thoughts:
                    signed_blocks.append(block)
            case {"toolUse": use} if use.get("type") != "server_tool_use":
                calls.append((use["toolUseId"], use["name"], use["input"]))
    cached = usage.get("cacheReadInputTokens", 0)
    written = usage.get("cacheWriteInputTokens", 0)
    prompt = usage["inputTokens"] + cached + written
    extra: Json = {}
    if signed_blocks:
        extra |= {"vendor": "anthropic", "reasoning": signed_blocks}
    if citations:
        extra["citations"] = citations
    return {
        "id": "chatcmpl-1",
        "text": "".join(texts),
        "reasoning": "".join(reasoning),
        "calls": calls,
        "finish": FINISH[reason],
        "usage": (prompt, usage["outputTokens"], usage["totalTokens"], cached, written),
        "extra": extra,
        "logprobs": [],
    }


def blocks_of(events: Iterable[Json]) -> tuple[list[Json], str, Json]:
    """Return the blocks, the reason and the usage of a stream, joined independently of the adapter."""
    blocks: dict[int, Json] = {}
    reason = ""
    usage: Json = {}
    for each in events:
        match each:
            case {"contentBlockStart": {"start": {"toolUse": use}, "contentBlockIndex": at}}:
                blocks[at] = {"toolUse": {**use, "input": ""}}
            case {"contentBlockDelta": {"delta": delta, "contentBlockIndex": at}}:
                block = blocks.setdefault(at, {})
                match delta:
                    case {"text": text}:
                        block["text"] = block.get("text", "") + text
                    case {"toolUse": {"input": piece}}:
                        block["toolUse"]["input"] += piece
                    case {"reasoningContent": {"text": text}}:
                        thoughts = block.setdefault(
                            "reasoningContent", {"reasoningText": {"text": ""}}
                        )["reasoningText"]
                        thoughts["text"] += text
                    case {"reasoningContent": {"signature": signature}}:
                        block["reasoningContent"]["reasoningText"]["signature"] = signature
                    case {"citation": citation}:
                        block.setdefault("citations", []).append(citation)
            case {"messageStop": {"stopReason": reason}}:
                pass
            case {"metadata": {"usage": usage}}:
                pass
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
        if "citations" in block:
            cited = {
                "content": [{"text": block.pop("text", "")}],
                "citations": block.pop("citations"),
            }
            block["citationsContent"] = cited
    return list(blocks.values()), reason, usage


def native_events(body: bytes) -> list[Json]:
    buffer = EventStreamBuffer()
    buffer.add_data(body)
    return [{each.headers[":event-type"]: json.loads(each.payload)} for each in buffer]


def model_of(recording: Recording) -> str:
    from urllib.parse import unquote

    return recording.model or unquote(recording.request["path"].split("/")[2])


def call_of(recording: Recording) -> ChatCall:
    return chat_call({**HELLO, "stream": recording.stream}, model=model_of(recording))


WHOLE = whole_answers("bedrock")
STREAMS = streams("bedrock")
FAILED = failures("bedrock")


@for_each(WHOLE)
def test_recorded_answers_are_translated_completely(recording: Recording) -> None:
    """SR-042 … SR-049."""
    answer = json.loads(recording.body)
    completion = completed(recording.body, call_of(recording))
    assert read(completion) == expected(
        answer["output"]["message"]["content"], answer["stopReason"], answer["usage"]
    )
    assert (completion.id, completion.object, completion.created) == (
        "chatcmpl-1",
        "chat.completion",
        1700000000,
    )


@for_each(WHOLE)
def test_recorded_answers_agree_with_amazons_sdk(recording: Recording) -> None:
    theirs = sdk_answer(recording.body)
    content = [
        each for each in theirs["output"]["message"]["content"] if "SDK_UNKNOWN_MEMBER" not in each
    ]
    summary = read(completed(recording.body, call_of(recording)))
    assert summary == expected(content, theirs["stopReason"], theirs["usage"])


@for_each(STREAMS)
def test_recorded_streams_are_translated_completely(recording: Recording) -> None:
    """SR-053 … SR-056, SR-049."""
    assert joined(streamed(recording.body, call=call_of(recording))) == expected(
        *blocks_of(native_events(recording.body))
    )


@for_each(STREAMS)
def test_recorded_streams_agree_with_amazons_sdk(recording: Recording) -> None:
    theirs = expected(*blocks_of(sdk_events(recording.body)))
    assert joined(streamed(recording.body, call=call_of(recording))) == theirs


@for_each(STREAMS)
def test_chunks_do_not_depend_on_the_size_of_network_pieces(recording: Recording) -> None:
    call = call_of(recording)
    whole = streamed(recording.body, call=call)
    for size in (1, 7, 64):
        assert streamed(recording.body, size, call) == whole


@for_each(STREAMS)
def test_truncated_streams_are_incomplete(recording: Recording) -> None:
    """SR-058: cut in the middle of the event that ends it, and earlier."""
    stop = recording.body.index(b"messageStop")
    for cut in (stop, stop // 2):
        progress = ChatStream(adapter().chunks(call_of(recording)))
        progress.feed(recording.body[:cut])
        progress.feed(b"")
        assert not progress.complete


#: By message; the other recorded errors are invalid requests.
RECORDED_KINDS = {
    "The provided model identifier is invalid.": ErrorKind.MODEL_NOT_FOUND,
    "The security token included in the request is invalid.": ErrorKind.AUTH,
}


@for_each(FAILED)
def test_recorded_errors_are_classified(recording: Recording) -> None:
    error = adapter().error(recording.status, recording.headers, recording.body)
    message = json.loads(recording.body)["message"]
    assert (error.kind, error.message) == (
        RECORDED_KINDS.get(message, ErrorKind.INVALID_REQUEST),
        message,
    )
    exception_name = recording.headers.get("x-amzn-errortype")
    if exception_name:
        assert error.type == exception_name.partition(":")[0]


# Requests -----------------------------------------------------------------------------------------------------------

#: What OpenAI's requests cannot express.
NOT_CARRIED = {
    "s3Location": "a location in S3: the gateway accepts only http(s) and data URLs",
    "guardContent": "text that a guardrail is to assess",
    "searchResult": "a search result as content",
    "systemTool": "Bedrock's own tools, and their results in the conversation",
}
#: What is left out of a comparison, because OpenAI's requests do not have it.
NOT_COMPARED = {
    "citations": "whether a document is to be cited",
    "status": "whether a tool succeeded",
    "type": "the type of a tool call, if it is the usual one",
}
MIMES = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def not_carried(body: Json) -> set[str]:
    text = json.dumps(body)
    return {name for name in NOT_CARRIED if f'"{name}"' in text}


def as_openai(body: Json) -> Json:
    """Return a native request as an OpenAI client would send it."""
    messages: list[Json] = []
    for block in body.get("system") or ():
        if "cachePoint" in block:
            messages[-1]["content"][-1]["cache_control"] = {"type": "ephemeral"}
        else:
            messages.append(
                {"role": "system", "content": [{"type": "text", "text": block["text"]}]}
            )
    for turn in body["messages"]:
        messages += (
            user_messages(turn["content"])
            if turn["role"] == "user"
            else [assistant_message(turn["content"])]
        )
    request: Json = {"model": "m", "messages": messages, **parameters(body)}
    if tools := body.get("toolConfig"):
        request |= tool_members(tools)
    return request


def user_messages(content: list[Json]) -> Iterator[Json]:
    parts: list[Json] = []
    for block in content:
        match block:
            case {"toolResult": result}:
                results = [content_part(each) for each in result["content"]]
                yield {"role": "tool", "tool_call_id": result["toolUseId"], "content": results}
            case {"cachePoint": _}:
                parts[-1]["cache_control"] = {"type": "ephemeral"}
            case _:
                parts.append(content_part(block))
    if parts:
        yield {"role": "user", "content": parts}


def content_part(block: Json) -> Json:
    match block:
        case {"text": text}:
            return {"type": "text", "text": text}
        case {"json": value}:
            return {"type": "text", "text": json.dumps(value)}
        case {"image": {"format": format, "source": {"bytes": data}}}:
            return {"type": "image_url", "image_url": {"url": f"data:image/{format};base64,{data}"}}
        case {"video": {"format": format, "source": {"bytes": data}}}:
            mime = "video/" + format.removeprefix("video/")  # one recorded client wrote it twice
            return {"type": "video_url", "video_url": {"url": f"data:{mime};base64,{data}"}}
        case {"document": {"format": format, "name": name, "source": source}}:
            data = (
                source["bytes"]
                if "bytes" in source
                else base64.b64encode(source["text"].encode()).decode()
            )
            file = {
                "filename": f"{name}.{format}",
                "file_data": f"data:{MIMES[format]};base64,{data}",
            }
            return {"type": "file", "file": file}
    raise AssertionError(block)


def assistant_message(content: list[Json]) -> Json:
    texts = [{"type": "text", "text": block["text"]} for block in content if "text" in block]
    uses = [block["toolUse"] for block in content if "toolUse" in block]
    reasoning = [block for block in content if "reasoningContent" in block]
    message: Json = {"role": "assistant", "content": texts or None}
    if uses:
        message["tool_calls"] = [
            called(use["name"], use["input"], use["toolUseId"]) for use in uses
        ]
    if reasoning:
        message["provider_extra"] = {"bedrock": {"vendor": "anthropic", "reasoning": reasoning}}
    return message


def parameters(body: Json) -> Json:
    members: Json = {}
    names = {
        "maxTokens": "max_tokens",
        "temperature": "temperature",
        "topP": "top_p",
        "stopSequences": "stop",
    }
    for name, value in (body.get("inferenceConfig") or {}).items():
        members[names[name]] = value
    for name, value in (body.get("additionalModelRequestFields") or {}).items():
        match name:
            case "inferenceConfig":
                members["top_k"] = value["topK"]
            case "thinking" | "reasoning_effort":
                members[name] = value
            case _:
                members.setdefault("additional_model_request_fields", {})[name] = value
    if output := body.get("outputConfig"):
        schema = output["textFormat"]["structure"]["jsonSchema"]
        members["response_format"] = wanted(**{**schema, "schema": json.loads(schema["schema"])})
    return members | {
        name: body[name] for name in ("guardrailConfig", "performanceConfig") if name in body
    }


def tool_members(config: Json) -> Json:
    tools: list[Json] = []
    for each in config["tools"]:
        if "cachePoint" in each:
            tools[-1]["cache_control"] = {"type": "ephemeral"}
            continue
        spec = {name: value for name, value in each["toolSpec"].items() if name != "inputSchema"}
        tools.append(tool(**spec, parameters=each["toolSpec"]["inputSchema"]["json"]))
    members: Json = {"tools": tools}
    match config.get("toolChoice"):
        case {"auto": _}:
            members["tool_choice"] = "auto"
        case {"any": _}:
            members["tool_choice"] = "required"
        case {"tool": {"name": name}}:
            members["tool_choice"] = {"type": "function", "function": {"name": name}}
    return members


def plain(value: Any) -> Any:
    """Return a native request with one spelling for each meaning."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"json": result} if "inputSchema" not in value and not isinstance(
            result.get("type"), str
        ):
            return {"text": json.dumps(result)}
        case {"source": {"text": text}}:
            value = {**value, "source": {"bytes": base64.b64encode(text.encode()).decode()}}
        case {"schema": str(schema)}:
            value = {**value, "schema": json.loads(schema)}
        case {"format": "video/mp4"}:
            value = {**value, "format": "mp4"}
    kept = {name: plain(each) for name, each in value.items()}
    for name in NOT_COMPARED:
        if name != "type" or "toolUseId" in kept:
            kept.pop(name, None)
    return {name: each for name, each in kept.items() if each != {} or name == "input"}


def compared(body: Json) -> Any:
    normalized: Json = plain(body)
    turns: list[Json] = []
    for turn in normalized["messages"]:
        if turns and turns[-1]["role"] == turn["role"]:
            turns[-1]["content"] += turn["content"]
        else:
            turns.append(turn)
    config = normalized.get("toolConfig", {})
    if not config.get("toolChoice"):  # the default
        config.pop("toolChoice", None)
    if not normalized.get("system"):
        normalized.pop("system", None)
    return {**normalized, "messages": turns}


@for_each(recordings("bedrock", lambda each: not not_carried(each.request["body"])))
def test_recorded_requests_survive_translation_from_openais_format(recording: Recording) -> None:
    """Except for what OpenAI's requests cannot express."""
    body, model = recording.request["body"], model_of(recording)
    request = sent(as_openai(body), model)
    made = json.loads(request.content)
    check_bedrock(made, model)
    assert compared(made) == compared(body)
    assert request.dropped == ()


@for_each(recordings("bedrock"))
def test_request_is_that_of_amazons_sdk(recording: Recording) -> None:
    """The path contains the escaped model id, and the body is what the SDK writes for the same parameters."""
    model = model_of(recording)
    request = sent({**HELLO, "stream": recording.stream}, model)
    operation = bedrock_service().operation_model(
        "ConverseStream" if recording.stream else "Converse"
    )
    params = check_bedrock(json.loads(request.content), model)
    theirs = create_serializer("rest-json").serialize_to_request(params, operation)
    assert request.url == "https://bedrock-runtime.us-east-1.amazonaws.com" + theirs["url_path"]
    assert json.loads(request.content) == json.loads(theirs["body"])
    assert (request.method, request.headers["content-type"]) == (
        theirs["method"],
        theirs["headers"]["Content-Type"],
    )
    assert request.url.split("/")[4] == quote(model, safe="")


def test_recordings_contain_everything_that_is_not_carried() -> None:
    seen = {
        name
        for each in recordings("bedrock")
        if each.values[0]
        for name in not_carried(each.values[0].request["body"])
    }
    assert not seen or seen == NOT_CARRIED.keys()


MODELS = [
    CLAUDE,
    "anthropic.claude-3-7-sonnet-20250219-v1:0",
    "us.anthropic.claude-sonnet-4-6",
    "global.anthropic.claude-opus-4-7",
    "amazon.nova-pro-v1:0",
    "us.amazon.nova-2-lite-v1:0",
    "openai.gpt-oss-120b-1:0",
    "mistral.mistral-large-2407-v1:0",
    "meta.llama3-1-70b-instruct-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdefghijkl",
]
ALSO: dict[str, st.SearchStrategy[Any]] = {
    "top_k": st.integers(1, 500),
    "thinking": st.just({"type": "enabled", "budget_tokens": 2000}),
    "guardrailConfig": st.just(
        {"guardrailIdentifier": "abc", "guardrailVersion": "DRAFT", "trace": "enabled"}
    ),
    "performanceConfig": st.just({"latency": "optimized"}),
    "requestMetadata": st.just({"team": "search"}),
    "additional_model_request_fields": st.just({"reasoning_config": {"type": "disabled"}}),
}


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(chat_requests(also=ALSO, never=["n", "logprobs"]), st.sampled_from(MODELS))
def test_any_request_is_valid_for_amazons_sdk_or_rejected_with_a_reason(
    body: Json, model: str
) -> None:
    """SR-036: the core downloads URLs before, which `fetched` simulates."""

    async def fetched(url: str, param: str) -> tuple[str, bytes]:
        return ("application/pdf", PDF) if url.endswith(".pdf") else ("image/png", PNG)

    call = chat_call({**body, "messages": [*HELLO["messages"], *body["messages"]]}, model=model)
    inlined = asyncio.run(inline(call.body, adapter().inlines, fetched))
    call = msgspec.structs.replace(call, body=inlined)
    try:
        request = adapter().request(call)
    except (Unsupported, RequestError):
        return
    check_bedrock(json.loads(request.content), model)
    assert set(request.dropped) - {"messages[].name", "tools[].function.strict"} <= body.keys()
    assert request.url.endswith("/converse-stream" if body.get("stream") else "/converse")


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(chat_requests(also=ALSO, never=["n", "logprobs"]), st.sampled_from(MODELS))
def test_request_does_not_modify_the_call(body: Json, model: str) -> None:
    # A reasoning block at the end, with a text whose last blanks would be stripped.
    block = {"reasoningContent": {"reasoningText": {"text": "Hm. "}}, "text": "Hm. "}
    extra = {"bedrock": {"vendor": "anthropic", "reasoning": [block]}}
    answer = {"role": "assistant", "content": None, "provider_extra": extra}
    call = chat_call(
        {**body, "messages": [*HELLO["messages"], *body["messages"], answer]}, model=model
    )
    assert_leaves_call_unchanged(adapter(), call)


# Signatures ---------------------------------------------------------------------------------------------------------

SUITE = datetime(2015, 8, 30, 12, 36, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("method", "url", "headers", "names", "signature"),
    [
        (
            "GET", "https://example.amazonaws.com/", {},
            "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "POST", "https://example.amazonaws.com/", {},
            "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "GET", "https://example.amazonaws.com/?Param2=value2&Param1=value1", {},
            "host;x-amz-date", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "POST", "https://example.amazonaws.com/", {"My-Header1": "value1"},
            "host;my-header1;x-amz-date", "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
        ),
    ],
    ids=["get-vanilla", "post-vanilla", "get-vanilla-query-order-key-case", "post-header-key-case"],
)  # fmt: skip
def test_signatures_match_amazons_test_suite(
    method: str, url: str, headers: Json, names: str, signature: str
) -> None:
    made = sign(
        method, url, headers, b"", credentials=KEY, region="us-east-1", service="service", now=SUITE
    )
    assert made["x-amz-date"] == "20150830T123600Z"
    assert made["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )


def sdk_signature(
    method: str, url: str, headers: Mapping[str, str], body: bytes, region: str, name: str
) -> str:
    """Return the signature by Amazon's SDK of a request with the headers and the time that were sent."""
    signed_headers = re.search(r"SignedHeaders=([^,]*)", headers["authorization"])
    assert signed_headers is not None
    kept = {each: headers[each] for each in signed_headers[1].split(";") if each != "host"}
    request = AWSRequest(method=method, url=url, headers=kept, data=body)
    request.context["timestamp"] = headers["x-amz-date"]
    key = SDKCredentials(KEY.access_key_id.reveal(), KEY.secret_access_key.reveal())
    signer = SigV4Auth(key, name, region)
    canonical = signer.canonical_request(request)
    made: str = signer.signature(signer.string_to_sign(request, canonical), request)
    return made


@settings(deadline=None)
@given(
    st.sampled_from(["GET", "POST"]),
    st.text(
        st.characters(codec="ascii", categories=["L", "N"], include_characters=":/-._~ "),
        min_size=1,
        max_size=30,
    ),
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=5),
        st.text(st.characters(codec="utf-8"), max_size=5),
        max_size=3,
    ),
    st.binary(max_size=50),
    st.none() | st.just(Secret("a/session+token==")),
)
@example("POST", "..", {}, b"", None)
@example("POST", ".", {}, b"", None)
def test_signatures_match_amazons_sdk(
    method: str, model: str, query: dict[str, str], body: bytes, token: Secret | None
) -> None:
    encoded_query = "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query.items()
    )
    url = f"https://bedrock-runtime.eu-west-3.amazonaws.com:443/model/{quote(model, safe='')}/converse"
    if encoded_query:
        url += f"?{encoded_query}"
    credentials = msgspec.structs.replace(KEY, session_token=token)
    headers = sign(
        method, url, {"content-type": "application/json"}, body,
        credentials=credentials, region="eu-west-3", service="bedrock", now=NOW,
    )  # fmt: skip
    assert headers.get("x-amz-security-token") == (token.reveal() if token else None)
    theirs = sdk_signature(method, url, headers, body, "eu-west-3", "bedrock")
    assert headers["authorization"].endswith(f"Signature={theirs}")


def by_key(**own: Any) -> Bedrock:
    return adapter(
        None, access_key_id=KEY.access_key_id, secret_access_key=KEY.secret_access_key, **own
    )


def test_request_is_signed_with_the_access_key() -> None:
    request = by_key(headers={"x-team": "search"}).request(chat_call(HELLO, model=CLAUDE))
    theirs = sdk_signature(
        "POST", request.url, request.headers, request.content, "us-east-1", "bedrock"
    )
    assert request.headers["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260504/us-east-1/bedrock/aws4_request, "
        f"SignedHeaders=content-type;host;x-amz-date, Signature={theirs}"
    )
    assert request.headers["x-team"] == "search"
    assert KEY.secret_access_key.reveal() not in repr(request)


def test_api_key_is_sent_as_a_bearer_token() -> None:
    """SR-116: in a header, never in the URL."""
    request = sent(HELLO)
    assert request.headers["authorization"] == "Bearer a-bearer-token"
    assert "a-bearer-token" not in request.url + repr(adapter().settings)


@pytest.mark.parametrize("engine", ["native", "httpx"])
@pytest.mark.parametrize("model", [CLAUDE, MODELS[-1]])
def test_signed_request_arrives_unchanged_and_its_stream_is_read(
    engine: Literal["native", "httpx"], model: str
) -> None:
    """The path is escaped once, the host is the one that was signed, and the core reads AWS's framing."""
    call = chat_call({**HELLO, "stream": True}, model=model)
    body = event("contentBlockDelta", {"delta": {"text": "Hi"}, "contentBlockIndex": 0}) + event(
        "messageStop", {"stopReason": "end_turn"}
    )
    limits = AttemptLimits(connect=5, first_token=5, idle=5, total=10, max_bytes=2**20)

    async def talk(sender: Bedrock) -> list[Chunk]:
        http = create_transport(Upstream(engine=engine))
        try:
            stream = await open_chat_stream(http, sender, call, sender.request(call), limits)
            chunks = []
            while not stream.is_complete:
                chunks += await stream.read()
            await stream.aclose()
        finally:
            await http.aclose()
        return chunks

    with ScriptedUpstream() as upstream:
        upstream.script(
            Reply(Status(200, {"content-type": "application/vnd.amazon.eventstream"}), Body(body))
        )
        summary = joined(asyncio.run(talk(by_key(base_url=upstream.origin))))
        seen = upstream.requests[0]
    assert (summary["text"], summary["finish"]) == ("Hi", "stop")
    assert seen.path == f"/model/{quote(model, safe='')}/converse-stream"
    url = f"http://{seen.headers['host']}{seen.path}"
    theirs = sdk_signature("POST", url, seen.headers, seen.body, "us-east-1", "bedrock")
    assert seen.headers["authorization"].endswith(f"Signature={theirs}")


# Settings -----------------------------------------------------------------------------------------------------------

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIDENVIRONMENT",
    "AWS_SECRET_ACCESS_KEY": "the-environments-own",
}


def authorization(sender: Bedrock) -> str:
    return sender.request(chat_call(HELLO, model=CLAUDE)).headers.get("authorization", "")


def test_access_key_of_the_settings_precedes_the_api_key_and_the_environment() -> None:
    keys = {"access_key_id": KEY.access_key_id, "secret_access_key": KEY.secret_access_key}
    assert "AKIDEXAMPLE" in authorization(adapter("token", ENVIRONMENT, **keys))
    assert authorization(adapter("token", ENVIRONMENT)) == "Bearer token"
    assert "AKIDENVIRONMENT" in authorization(adapter(None, ENVIRONMENT))
    assert redact("AKIDENVIRONMENT the-environments-own") == "*** ***"


def test_access_key_is_never_combined_from_settings_and_environment() -> None:
    half = adapter(None, ENVIRONMENT, access_key_id=KEY.access_key_id)
    assert "AKIDENVIRONMENT" in authorization(half)
    assert adapter(None, {"AWS_ACCESS_KEY_ID": "AKIDENVIRONMENT"}).available() is not None
    assert "x-amz-security-token" not in by_key().request(chat_call(HELLO, model=CLAUDE)).headers


def test_session_token_is_sent_and_signed() -> None:
    sender = adapter(None, {**ENVIRONMENT, "AWS_SESSION_TOKEN": "a-session-token"})
    headers = sender.request(chat_call(HELLO, model=CLAUDE)).headers
    assert headers["x-amz-security-token"] == "a-session-token"
    assert ";x-amz-security-token," in headers["authorization"]


@pytest.mark.parametrize(
    ("own", "environ", "region"),
    [
        ({"region": "eu-west-3"}, {"AWS_REGION": "us-west-2"}, "eu-west-3"),
        (
            {"region": ""},
            {"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "us-east-2"},
            "us-west-2",
        ),
        ({"region": ""}, {"AWS_DEFAULT_REGION": "us-east-2"}, "us-east-2"),
        (
            {"region": "", "base_url": "https://bedrock-runtime.eu-west-1.amazonaws.com/"},
            {},
            "eu-west-1",
        ),
        (
            {"region": "", "base_url": "https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com"},
            {},
            "us-gov-west-1",
        ),
        (
            {
                "region": "",
                "base_url": "https://vpce-1-2.bedrock-runtime.us-east-1.vpce.amazonaws.com",
            },
            {},
            "us-east-1",
        ),
    ],
)
def test_region_is_found_in_settings_url_or_environment(
    own: Json, environ: Json, region: str
) -> None:
    sender = adapter("token", environ, **own)
    assert (sender.region, sender.available()) == (region, None)
    assert f".{region}." in sender.request(chat_call(HELLO, model=CLAUDE)).url


def test_missing_settings_are_reported() -> None:
    assert isinstance(adapter(), Available)
    assert "no credentials" in (adapter(None).available() or "")
    assert "no region" in (adapter("token", region="").available() or "")
    assert "no region" in (
        adapter(None, ENVIRONMENT, region="", base_url="http://localhost:1").available() or ""
    )
    assert adapter("token", region="", base_url="http://localhost:1").available() is None
    assert (
        adapter(
            None, headers={"authorization": "Basic abc"}, base_url="http://localhost:1"
        ).available()
        is None
    )


def test_plugin_registers_bedrock(monkeypatch: pytest.MonkeyPatch) -> None:
    (spec,) = llms_providers()
    assert (spec.name, spec.key_env, spec.needs_key) == (
        "bedrock",
        ("AWS_BEARER_TOKEN_BEDROCK",),
        False,
    )
    assert {spec.capabilities.n, spec.capabilities.logprobs} == {False}
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "ap-southeast-2")
    made = bedrock(spec, ProviderSettings(id="bedrock", api_key=Secret("token")))
    assert made.available() is None
    assert "ap-southeast-2" in made.base_url


def test_adapter_is_created_from_llms_json() -> None:
    """K-05: every secret may refer to an environment variable."""
    block = {
        "type": "bedrock", "region": "eu-west-3", "access_key_id": "$KEY_ID", "secret_access_key": "${KEY}",
        "models": {"claude": CLAUDE},
    }  # fmt: skip
    env = {"KEY_ID": "AKIDEXAMPLE", "KEY": "secret-of-the-block"}
    config = json.dumps({"providers": {"aws": block}}).encode()
    (provider,) = read_config(config, "llms.json", {"bedrock": BEDROCK}, env=env).providers
    assert provider.disabled is None
    made = provider.spec.adapter(provider.spec, provider.settings)
    assert isinstance(made, Bedrock)
    url = made.request(chat_call(HELLO, model=CLAUDE)).url
    assert url.startswith("https://bedrock-runtime.eu-west-3.amazonaws.com/model/us.anthropic")
    assert f"AKIDEXAMPLE/{datetime.now(UTC):%Y}" in authorization(made)
    assert "secret-of-the-block" not in repr(provider)
    (keyless,) = read_config(
        config, "llms.json", {"bedrock": BEDROCK}, env={"KEY_ID": "AKIDEXAMPLE"}
    ).providers
    assert keyless.disabled == "no key: set KEY"


def test_models_are_the_inference_profiles() -> None:
    sender = adapter()
    assert isinstance(sender, Discovers)
    request = sender.models_request()
    assert request.method == "GET"
    assert (
        request.url == "https://bedrock.us-east-1.amazonaws.com/inference-profiles?maxResults=1000"
    )
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdefghijkl"
    listed = {
        "inferenceProfileSummaries": [
            {"inferenceProfileId": CLAUDE, "inferenceProfileName": "US Claude", "type": "SYSTEM_DEFINED"},
            {
                "inferenceProfileId": "abcdefghijkl", "inferenceProfileName": "mine", "inferenceProfileArn": arn,
                "type": "APPLICATION",
            },
        ],
    }  # fmt: skip
    assert sender.models(json.dumps(listed).encode()) == {CLAUDE: CLAUDE, "mine": arn}
    signed_request = by_key().models_request()
    theirs = sdk_signature(
        "GET", signed_request.url, signed_request.headers, b"", "us-east-1", "bedrock"
    )
    assert signed_request.headers["authorization"].endswith(theirs)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"inferenceProfileSummaries": [{}]}', b"\xff"]
)
def test_unreadable_model_list_is_an_error(body: bytes) -> None:
    with pytest.raises(ProviderError, match="Cannot parse Bedrock's list of models"):
        adapter().models(body)


# Messages -----------------------------------------------------------------------------------------------------------


def test_all_system_messages_are_kept() -> None:
    """SR-041: at any position."""
    conversation = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "developer", "content": [{"type": "text", "text": "In French."}]},
    ]
    body = native(messages=conversation)
    assert body["system"] == [{"text": "Be brief."}, {"text": "In French."}]
    assert body["messages"] == [{"role": "user", "content": [{"text": "Hi"}]}]


def test_consecutive_messages_of_one_role_are_joined() -> None:
    """SR-032, SR-040: roles alternate; results of parallel calls and the user's next message are one message."""
    calls = [called("weather", {"city": city}, city) for city in ("Paris", "Rome")]
    translated = messages(
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "Let me see.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "Paris", "content": "Sunny"},
        {"role": "tool", "tool_call_id": "Rome", "content": ""},
        {"role": "user", "content": "And?"},
        tools=[tool()],
    )
    assert translated[1:] == [
        {
            "role": "assistant",
            "content": [
                {"text": "Let me see."},
                {"toolUse": {"toolUseId": "Paris", "name": "weather", "input": {"city": "Paris"}}},
                {"toolUse": {"toolUseId": "Rome", "name": "weather", "input": {"city": "Rome"}}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "Paris", "content": [{"text": "Sunny"}]}},
                {"toolResult": {"toolUseId": "Rome", "content": [{"text": "(nothing)"}]}},
                {"text": "And?"},
            ],
        },
    ]


def test_blank_text_is_left_out() -> None:
    translated = messages(user("", "Hi", " "), {"role": "assistant", "content": ""}, user("there"))
    assert translated == [{"role": "user", "content": [{"text": "Hi"}, {"text": "there"}]}]


@pytest.mark.parametrize(
    "model", [CLAUDE, "amazon.nova-pro-v1:0", "meta.llama3-1-70b-instruct-v1:0"]
)
def test_instructions_alone_become_the_users_turn(model: str) -> None:
    body = native(model, messages=[{"role": "system", "content": "Say hi."}])
    assert body["messages"] == [{"role": "user", "content": [{"text": "Say hi."}]}]
    assert "system" not in body


@pytest.mark.parametrize(
    "model", [CLAUDE, "amazon.nova-pro-v1:0", "meta.llama3-1-70b-instruct-v1:0"]
)
def test_conversation_begins_with_the_user(model: str) -> None:
    nothing = {"role": "user", "content": [{"text": "(no content)"}]}
    assert messages(user(" "), model=model) == [nothing]
    greeting = {"role": "assistant", "content": "How can I help?"}
    assert messages(greeting, user("Hi"), model=model) == [
        nothing,
        {"role": "assistant", "content": [{"text": "How can I help?"}]},
        {"role": "user", "content": [{"text": "Hi"}]},
    ]


def test_empty_message_after_an_answer_is_still_the_users() -> None:
    """Without it, the model would be asked to continue its answer."""
    last = messages(user("A"), {"role": "assistant", "content": "B"}, user(""))[-1]
    assert last == {"role": "user", "content": [{"text": "(no content)"}]}


def test_prefilled_answer_is_continued() -> None:
    """Bedrock rejects blanks at its end, and a model would have to think before it."""
    begun = [*HELLO["messages"], {"role": "assistant", "content": "Once upon a "}]
    assert messages(*begun)[1] == {"role": "assistant", "content": [{"text": "Once upon a"}]}
    assert dropped(messages=begun, reasoning_effort="low") == ("reasoning_effort",)


def test_messages_of_role_function_are_unsupported() -> None:
    with pytest.raises(Unsupported, match="use 'tool'"):
        sent(
            {
                "model": "m",
                "messages": [*HELLO["messages"], {"role": "function", "name": "f", "content": "1"}],
            }
        )


@pytest.mark.parametrize("more", [{}, {"tools": [tool()], "tool_choice": "none"}])
def test_without_tools_calls_and_results_become_text(more: Json) -> None:
    """Bedrock rejects calls in a request without tools, and has no choice `none`."""
    body = native(messages=TURN, **more)
    assert "toolConfig" not in body
    assert [block["text"] for turn in body["messages"] for block in turn["content"]] == [
        "Weather?",
        '[Called weather with {"city":"Paris"}]',
        "[weather answered:]",
        "Sunny",
    ]


def test_invalid_ids_are_replaced_consistently() -> None:
    """A conversation may have begun with another provider; Mistral's models require nine characters."""
    long = "call " + "x" * 100
    turn = [
        TURN[0],
        {**TURN[1], "tool_calls": [called("weather", {}, long)]},
        {**TURN[2], "tool_call_id": long},
    ]
    for model, length in ((CLAUDE, 32), ("mistral.mistral-large-2407-v1:0", 9)):
        translated = messages(*turn, model=model, tools=[tool()])
        use, result = (
            translated[1]["content"][0]["toolUse"],
            translated[2]["content"][0]["toolResult"],
        )
        assert use["toolUseId"] == result["toolUseId"]
        assert re.fullmatch(rf"[a-z0-9]{{{length}}}", use["toolUseId"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [("null", {}), (None, {}), ('{"a": "pa', {"invalid_arguments": '{"a": "pa'})],
)
def test_past_arguments_that_are_not_an_object_are_repaired(
    arguments: str | None, expected: Json
) -> None:
    broken = {
        "id": "1",
        "type": "function",
        "function": {"name": "weather", "arguments": arguments},
    }
    turns = messages(TURN[0], {**TURN[1], "tool_calls": [broken]}, tools=[tool()])
    assert turns[1]["content"][0]["toolUse"]["input"] == expected


def image(url: str) -> Json:
    return {"type": "image_url", "image_url": {"url": url}}


def file(name: str | None = None, data: str = "", **more: Any) -> Json:
    return {
        "type": "file",
        "file": {**({"filename": name} if name else {}), "file_data": data, **more},
    }


def audio(data: bytes, format: str) -> Json:
    return {
        "type": "input_audio",
        "input_audio": {"data": base64.b64encode(data).decode(), "format": format},
    }


@pytest.mark.parametrize(
    ("part", "kind", "form", "data"),
    [
        (image(data_uri("image/png", PNG)), "image", "png", PNG),
        (image(data_uri("image/jpg", b"\xff\xd8\xff\xe0")), "image", "jpeg", b"\xff\xd8\xff\xe0"),
        (image(data_uri("application/octet-stream", PNG)), "image", "png", PNG),
        (audio(WAV, "wav"), "audio", "wav", WAV),
        (audio(b"ID3", "mp3"), "audio", "mp3", b"ID3"),
        (
            {"type": "video_url", "video_url": {"url": data_uri("video/quicktime", b"moov")}},
            "video",
            "mov",
            b"moov",
        ),
        (file("cat.png", data_uri("image/png", PNG)), "image", "png", PNG),
        (file("a.pdf", data_uri("application/pdf", PDF)), "document", "pdf", PDF),
        (file("a.pdf", base64.b64encode(PDF).decode()), "document", "pdf", PDF),
        (file("a.docx", data_uri("application/zip", b"PK")), "document", "docx", b"PK"),
        (file("a.py", data_uri("text/x-python", b"1")), "document", "txt", b"1"),
        (file(None, data_uri("text/csv", b"1,2")), "document", "csv", b"1,2"),
    ],
)
def test_media_are_sent_as_bytes_with_their_format(
    part: Json, kind: str, form: str, data: bytes
) -> None:
    """SR-035 … SR-038."""
    (block,) = messages(user("Look", part))[0]["content"][1:]
    assert (list(block), block[kind]["format"]) == ([kind], form)
    assert base64.b64decode(block[kind]["source"]["bytes"]) == data


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (image("https://example.com/cat.png"), "Bedrock does not download media"),
        (image(data_uri("image/bmp", b"BM")), "does not support images of type 'image/bmp'"),
        (
            file("a.zip", data_uri("application/zip", b"PK")),
            "does not support documents of type 'application/zip'",
        ),
        ({"type": "file", "file": {"file_id": "file-1"}}, "type 'file' is not supported"),
        ({"type": "hologram"}, "type 'hologram' is not supported"),
    ],
)
def test_unsupported_media_are_rejected(part: Json, reason: str) -> None:
    with pytest.raises(Unsupported, match=reason) as caught:
        sent({"model": "m", "messages": [user("Look", part)]})
    assert caught.value.param == "messages[0].content[1]"


def test_urls_are_downloaded_by_the_core() -> None:
    """SR-036."""
    sender = adapter()
    assert isinstance(sender, Inlines)
    assert sender.inlines == {"image_url", "video_url", "audio_url", "file"}


def test_documents_have_unique_names_and_a_text() -> None:
    """SR-038: Bedrock restricts the characters of names, and rejects repeated names and documents without text."""
    pdf = data_uri("application/pdf", PDF)
    names = ["John's  report_v2.pdf", "報告.pdf", "a.pdf", "a.pdf", None, "x" * 300 + ".pdf"]
    (message,) = messages(user(*(file(name, pdf) for name in names)))
    sent_names = [block["document"]["name"] for block in message["content"][:-1]]
    assert sent_names == ["John s report v2", "document", "a", "a 2", "document 2", "x" * 180]
    assert message["content"][-1] == {"text": ", ".join(sent_names)}


def test_tool_results_may_contain_images() -> None:
    shown = {
        "role": "tool",
        "tool_call_id": "call_1",
        "content": [image(data_uri("image/png", PNG))],
    }
    translated = messages(TURN[0], TURN[1], shown, tools=[tool()])
    assert [*translated[2]["content"][0]["toolResult"]["content"][0]] == ["image"]


def test_cache_control_becomes_a_cache_point() -> None:
    control = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    point = {"cachePoint": {"type": "default", "ttl": "1h"}}
    body = native(
        messages=[
            {"role": "system", "content": [{"type": "text", "text": "Long", **control}]},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Long", **control},
                    {"type": "text", "text": "Hi"},
                ],
            },
        ],
        tools=[{**tool(), **control}, tool("other")],
    )
    assert body["system"] == [{"text": "Long"}, point]
    assert body["messages"][0]["content"] == [{"text": "Long"}, point, {"text": "Hi"}]
    assert [*body["toolConfig"]["tools"][1]] == ["cachePoint"]


@pytest.mark.parametrize("control", [True, {"ttl": 1}])
def test_malformed_cache_control_is_rejected(control: Any) -> None:
    with pytest.raises(Unsupported, match="cache_control"):
        sent(
            {
                "model": "m",
                "messages": [user({"type": "text", "text": "Hi", "cache_control": control})],
            }
        )


# Tools and schemas --------------------------------------------------------------------------------------------------


def test_tools_have_an_object_schema() -> None:
    body = native(
        tools=[tool(parameters={}), tool("b", parameters=SCHEMA, description=" ", strict=True)]
    )
    assert [each["toolSpec"] for each in body["toolConfig"]["tools"]] == [
        {"name": "weather", "inputSchema": {"json": {"type": "object", "properties": {}}}},
        {"name": "b", "inputSchema": {"json": SCHEMA}, "strict": True},
    ]


def test_strict_requires_structured_output() -> None:
    strict = [tool(parameters=SCHEMA, strict=True)]
    assert dropped(tools=strict) == ()
    assert dropped("amazon.nova-pro-v1:0", tools=strict) == ("tools[].function.strict",)
    assert dropped(tools=[tool(parameters={"type": "object"}, strict=True)]) == (
        "tools[].function.strict",
    )


@pytest.mark.parametrize(
    ("choice", "tools", "native_choice"),
    [
        ("auto", ["a", "b"], None),
        ("required", ["a", "b"], {"any": {}}),
        ({"type": "function", "function": {"name": "a"}}, ["a", "b"], {"tool": {"name": "a"}}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"function": {"name": "b"}}]},
            },
            ["b"],
            None,
        ),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"function": {"name": "a"}}, {"function": {"name": "b"}}],
                },
            },
            ["a", "b"],
            {"any": {}},
        ),
    ],
)
def test_tool_choice_is_translated(
    choice: Any, tools: list[str], native_choice: Json | None
) -> None:
    config = native(tools=[tool("a"), tool("b")], tool_choice=choice)["toolConfig"]
    assert [each["toolSpec"]["name"] for each in config["tools"]] == tools
    assert config.get("toolChoice") == native_choice


def test_tool_that_is_not_a_function_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="type 'custom'"):
        sent({**HELLO, "tools": [{"type": "custom", "custom": {"name": "a"}}]})


@pytest.mark.parametrize(
    "model",
    [
        CLAUDE,
        "anthropic.claude-opus-4-6-v1",
        "openai.gpt-oss-20b-1:0",
        "qwen.qwen3-32b-v1:0",
        "mistral.ministral-3-8b-instruct",
    ],
)
def test_schema_is_sent_to_models_with_structured_output(model: str) -> None:
    body = native(model, response_format=wanted(description="A place"))
    schema = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert (schema["name"], schema["description"], json.loads(schema["schema"])) == (
        "place",
        "A place",
        SCHEMA,
    )
    assert "toolConfig" not in body


OPEN = {"type": "object", "properties": {"city": {"type": "string"}}}
DEFINED = {**SCHEMA, "properties": {"city": {"$ref": "#/$defs/City"}}}


@pytest.mark.parametrize(
    ("schema", "held"),
    [
        (SCHEMA, True),
        (OPEN, False),
        ({**SCHEMA, "properties": {"at": {"type": "array", "items": OPEN}}}, False),
        ({**SCHEMA, "properties": {"at": {"anyOf": [SCHEMA, {"type": "null"}]}}}, True),
        ({**SCHEMA, "properties": {"minimum": {"type": "integer"}}}, True),
        ({**SCHEMA, "properties": {"size": {"type": "integer", "minimum": 1}}}, False),
        ({**DEFINED, "$defs": {"City": SCHEMA}}, True),
        ({**DEFINED, "$defs": {"City": DEFINED}}, False),
        (DEFINED, False),
        ({"type": ["object", "null"], "properties": {}}, False),
        ({**SCHEMA, "properties": {"at": {"anyOf": 1}}}, False),
    ],
)
def test_unsupported_schema_becomes_an_answer_tool(schema: Json, held: bool) -> None:
    body = native(response_format=wanted(schema))
    assert ("outputConfig" in body, "toolConfig" in body) == (held, not held)


NOVA = "us.amazon.nova-pro-v1:0"
ANSWER_TOOL = "structured_response"


def test_models_without_structured_output_get_an_answer_tool() -> None:
    body = native(NOVA, response_format=wanted())
    (only,) = body["toolConfig"]["tools"]
    assert (only["toolSpec"]["name"], only["toolSpec"]["inputSchema"]["json"]) == (
        ANSWER_TOOL,
        SCHEMA,
    )
    assert body["toolConfig"]["toolChoice"] == {"any": {}}
    beside = native(NOVA, response_format=wanted(), tools=[tool()])
    assert len(beside["toolConfig"]["tools"]) == 2
    forced = native(NOVA, response_format=wanted(), tools=[tool()], tool_choice="required")
    assert [each["toolSpec"]["name"] for each in forced["toolConfig"]["tools"]] == ["weather"]
    none = native(NOVA, response_format=wanted(), tools=[tool()], tool_choice="none")
    assert [each["toolSpec"]["name"] for each in none["toolConfig"]["tools"]] == [ANSWER_TOOL]


def answer(*content: Json, reason: str = "end_turn", **more: Any) -> Json:
    usage = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}
    output = {"message": {"role": "assistant", "content": list(content)}}
    return {
        "output": output,
        "stopReason": reason,
        "usage": usage,
        "metrics": {"latencyMs": 1},
        **more,
    }


def use(name: str, input: Json, id: str = "t1", **more: Any) -> Json:
    return {"toolUse": {"toolUseId": id, "name": name, "input": input, **more}}


def stream(*content: Json, reason: str = "end_turn") -> bytes:
    """Return the same answer as a stream."""
    events = [event("messageStart", {"role": "assistant"})]
    for at, block in enumerate(content):
        match block:
            case {"toolUse": {"input": input, **start}}:
                events.append(
                    event(
                        "contentBlockStart", {"start": {"toolUse": start}, "contentBlockIndex": at}
                    )
                )
                text = json.dumps(input) if input else ""
                deltas: list[Json] = [
                    {"toolUse": {"input": piece}} for piece in (text[:5], text[5:]) if piece
                ]
            case {"reasoningContent": {"reasoningText": thoughts}}:
                deltas = [{"reasoningContent": {name: value}} for name, value in thoughts.items()]
            case {"image": {"format": format, "source": source}}:
                events.append(
                    event(
                        "contentBlockStart",
                        {"start": {"image": {"format": format}}, "contentBlockIndex": at},
                    )
                )
                deltas = [{"image": {"source": source}}]
            case _:
                deltas = [block]
        events += [
            event("contentBlockDelta", {"delta": delta, "contentBlockIndex": at})
            for delta in deltas
        ]
        events.append(event("contentBlockStop", {"contentBlockIndex": at}))
    events.append(event("messageStop", {"stopReason": reason}))
    events.append(event("metadata", {"usage": answer()["usage"], "metrics": {"latencyMs": 1}}))
    return b"".join(events)


@pytest.mark.parametrize(
    ("content", "text", "calls", "finish"),
    [
        (
            [{"text": "Let me see."}, use(ANSWER_TOOL, {"city": "Paris"})],
            '{"city": "Paris"}',
            [],
            "stop",
        ),
        ([{"text": "I cannot."}], "I cannot.", [], "stop"),
        ([{"text": "First"}, use("weather", {})], "First", [("t1", "weather", {})], "tool_calls"),
    ],
)
def test_call_of_the_answer_tool_is_the_answer(
    content: list[Json], text: str, calls: list[Any], finish: str
) -> None:
    call = chat_call({**HELLO, "response_format": wanted(), "tools": [tool()]}, model=NOVA)
    whole = read(completed(answer(*content, reason="tool_use"), call))
    streamed_answer = joined(streamed(stream(*content, reason="tool_use"), call=call))
    for summary in (whole, streamed_answer):
        assert (summary["text"], summary["calls"], summary["finish"]) == (text, calls, finish)


# Parameters ---------------------------------------------------------------------------------------------------------


def test_inference_parameters_are_translated() -> None:
    """SR-014, SR-018: max_completion_tokens takes precedence; `stop` is a text or a list."""
    body = native(NOVA, max_tokens=5, max_completion_tokens=6, temperature=0.5, top_p=0.9, stop="a")
    assert body["inferenceConfig"] == {
        "maxTokens": 6,
        "temperature": 0.5,
        "topP": 0.9,
        "stopSequences": ["a"],
    }
    assert native(NOVA, stop=["a", "b"])["inferenceConfig"] == {"stopSequences": ["a", "b"]}
    assert "inferenceConfig" not in native()


def test_unsupported_parameters_are_reported_as_dropped() -> None:
    unsupported = {
        "seed": 1,
        "user": "u",
        "logit_bias": {},
        "frequency_penalty": 0,
        "parallel_tool_calls": False,
        "foo": 1,
    }
    assert dropped(**unsupported) == tuple(sorted(unsupported))
    assert (
        dropped(parallel_tool_calls=True, seed=None, n=1, logprobs=False, modalities=["text"]) == ()
    )
    assert dropped(NOVA, temperature=1.5) == ("temperature",)
    assert native(NOVA, temperature=1.5)["inferenceConfig"] == {"temperature": 1}
    assert dropped(stop=["a", "", "\n"]) == ("stop",)
    assert native(stop=["a", "", "\n"])["inferenceConfig"] == {"stopSequences": ["a"]}
    assert dropped(messages=[{"role": "user", "content": "Hi", "name": "Ann"}]) == (
        "messages[].name",
    )


@pytest.mark.parametrize(
    "more",
    [
        {"modalities": ["text", "audio"]},
        {"functions": [{"name": "f"}]},
        {"web_search_options": {}},
        {
            "messages": [
                {"role": "system", "content": [image(data_uri("image/png", PNG))]},
                *HELLO["messages"],
            ]
        },
    ],
)
def test_parameters_that_change_the_kind_of_answer_are_unsupported(more: Json) -> None:
    with pytest.raises(Unsupported):
        sent({**HELLO, **more})


def test_claude_is_instructed_to_answer_with_a_json_object() -> None:
    wanted = {"response_format": {"type": "json_object"}}
    body = native(messages=[{"role": "system", "content": "Be brief."}, user("Hi")], **wanted)
    assert [block["text"] for block in body["system"]] == ["Be brief.", JSON_INSTRUCTION]
    with pytest.raises(Unsupported, match="json_object"):
        native("amazon.nova-pro-v1:0", **wanted)


@pytest.mark.parametrize(
    ("model", "name", "expected"),
    [
        (CLAUDE, "get-weather", "get-weather"),
        (CLAUDE, "files.read", "files_read"),
        ("amazon.nova-pro-v1:0", "get-weather", "get_weather"),
        ("cohere.command-r-plus-v1:0", "3d_render", "f_3d_render"),
    ],
)
def test_function_names_follow_the_models_rules(model: str, name: str, expected: str) -> None:
    body = native(
        model, tools=[tool(name)], tool_choice={"type": "function", "function": {"name": name}}
    )
    assert body["toolConfig"]["tools"][0]["toolSpec"]["name"] == expected
    assert body["toolConfig"]["toolChoice"] == {"tool": {"name": expected}}


def test_service_tiers_are_translated() -> None:
    assert native(service_tier="priority")["serviceTier"] == {"type": "priority"}
    assert "serviceTier" not in native(service_tier="auto")
    assert (dropped(service_tier="auto"), dropped(service_tier="scale")) == ((), ("service_tier",))


def test_bedrocks_own_parameters_are_passed_through() -> None:
    own = {
        "guardrailConfig": {
            "guardrailIdentifier": "abc",
            "guardrailVersion": "1",
            "trace": "enabled",
        },
        "performanceConfig": {"latency": "optimized"},
        "requestMetadata": {"team": "search"},
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
    }
    body = native(
        **own, additional_model_request_fields={"anthropic_beta": ["context-1m-2025-08-07"]}
    )
    assert own.items() <= body.items()
    assert body["additionalModelRequestFields"] == {"anthropic_beta": ["context-1m-2025-08-07"]}


def fields(model: str, /, **members: Any) -> Json | None:
    found: Json | None = native(model, **members).get("additionalModelRequestFields")
    return found


def test_top_k_depends_on_the_vendor() -> None:
    assert fields(CLAUDE, top_k=5) == {"top_k": 5}
    assert fields(NOVA, top_k=5) == {"inferenceConfig": {"topK": 5}}
    assert dropped("meta.llama3-1-70b-instruct-v1:0", top_k=5, thinking={}) == ("thinking", "top_k")


OPUS = "us.anthropic.claude-opus-4-7"


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        (CLAUDE, "low", {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        (CLAUDE, "none", None),
        ("anthropic.claude-3-haiku-20240307-v1:0", "low", None),
        (
            "us.anthropic.claude-sonnet-4-6",
            "xhigh",
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
        ),
        (
            OPUS,
            "minimal",
            {
                "thinking": {"type": "adaptive", "display": "summarized"},
                "output_config": {"effort": "low"},
            },
        ),
        ("openai.gpt-oss-120b-1:0", "minimal", {"reasoning_effort": "low"}),
        (
            "us.amazon.nova-2-lite-v1:0",
            "medium",
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}},
        ),
        (NOVA, "medium", None),
        ("meta.llama3-1-70b-instruct-v1:0", "high", None),
    ],
)
def test_reasoning_effort_depends_on_the_model(
    model: str, effort: str, expected: Json | None
) -> None:
    assert fields(model, reasoning_effort=effort) == expected
    expected_dropped = () if expected or effort == "none" else ("reasoning_effort",)
    assert dropped(model, reasoning_effort=effort) == expected_dropped


def test_thinking_budget_is_within_the_token_limit() -> None:
    assert fields(CLAUDE, reasoning_effort="high", max_tokens=2000) == {
        "thinking": {"type": "enabled", "budget_tokens": 1600}
    }
    assert dropped(CLAUDE, reasoning_effort="high", max_tokens=1000) == ("reasoning_effort",)


def test_claude_does_not_think_if_it_must_not() -> None:
    """It must not if a call is forced, or after results of calls whose reasoning was not sent back."""
    forced = {"tools": [tool()], "tool_choice": "required", "reasoning_effort": "low"}
    assert dropped(**forced) == ("reasoning_effort",)
    assert dropped(messages=TURN, tools=[tool()], reasoning_effort="low") == ("reasoning_effort",)
    newer = "us.anthropic.claude-sonnet-4-6"
    assert fields(newer, messages=TURN, tools=[tool()], reasoning_effort="low") is not None


def test_sampling_parameters_that_claude_rejects_are_dropped() -> None:
    sampling = {"temperature": 0.5, "top_p": 0.5, "top_k": 5}
    assert dropped(reasoning_effort="low", **sampling) == ("temperature", "top_k", "top_p")
    assert "inferenceConfig" not in native(reasoning_effort="low", **sampling)
    assert dropped(temperature=0.5, top_p=0.5) == ("top_p",)
    assert dropped("anthropic.claude-3-5-sonnet-20241022-v2:0", **sampling) == ()
    assert dropped(OPUS, **sampling) == ("temperature", "top_k", "top_p")
    thinking = {"type": "enabled", "budget_tokens": 1024}
    assert native(thinking=thinking, temperature=1, top_p=0.99)["inferenceConfig"] == {
        "temperature": 1
    }
    assert dropped(thinking={"type": "disabled"}, temperature=0.5) == ()


def test_novas_highest_effort_excludes_other_parameters() -> None:
    nova = "us.amazon.nova-2-lite-v1:0"
    assert dropped(nova, reasoning_effort="high", temperature=0.5) == ("temperature",)
    assert dropped(nova, reasoning_effort="high", max_tokens=500) == ("reasoning_effort",)
    limited = native(nova, reasoning_effort="high", max_tokens=500)
    assert limited["inferenceConfig"] == {"maxTokens": 500}
    assert (
        limited["additionalModelRequestFields"]["reasoningConfig"]["maxReasoningEffort"] == "medium"
    )


def test_family_of_an_opaque_profile_follows_from_the_clients_name() -> None:
    call = chat_call(
        {**HELLO, "model": "claude-sonnet-4-6", "reasoning_effort": "low"}, model=MODELS[-1]
    )
    assert json.loads(adapter().request(call).content)["additionalModelRequestFields"][
        "thinking"
    ] == {"type": "adaptive"}


# Answers ------------------------------------------------------------------------------------------------------------

SIGNED = {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}}
REDACTED = {"reasoningContent": {"redactedContent": "c2VjcmV0"}}


@pytest.mark.parametrize("model", [CLAUDE, "amazon.nova-pro-v1:0"])
def test_signed_reasoning_is_sent_back_to_its_vendor_only(model: str) -> None:
    """Another vendor's model would reject it."""
    content: list[Json] = [
        SIGNED,
        REDACTED,
        {"text": "Let me see."},
        use("weather", {"city": "Paris"}),
    ]
    call = chat_call({**HELLO, "tools": [tool()]}, model=CLAUDE)
    message = (
        completed(answer(*content, reason="tool_use"), call)
        .choices[0]
        .message.model_dump(exclude_none=True)
    )
    assert message["reasoning_content"] == "Hm."
    result = {"role": "tool", "tool_call_id": "t1", "content": "Sunny"}
    translated = messages(*HELLO["messages"], message, result, model=model, tools=[tool()])
    assert translated[1]["content"] == (content if model == CLAUDE else content[2:])
    assert fields(
        CLAUDE,
        messages=[*HELLO["messages"], message, result],
        tools=[tool()],
        reasoning_effort="low",
    )


def test_streams_and_whole_answers_have_the_same_signed_reasoning() -> None:
    chunks = streamed(stream(SIGNED, REDACTED, {"text": "Hi"}))
    assert joined(chunks)["extra"] == {"vendor": "anthropic", "reasoning": [SIGNED, REDACTED]}
    assert (
        joined(chunks)["extra"]
        == read(completed(answer(SIGNED, REDACTED, {"text": "Hi"})))["extra"]
    )


@pytest.mark.parametrize(
    "extra",
    [5, {"vendor": "anthropic", "reasoning": 5}, {"vendor": "anthropic", "reasoning": ["a", {}]}],
)
def test_malformed_provider_extra_is_ignored(extra: Any) -> None:
    earlier = {"role": "assistant", "content": "Hi", "provider_extra": {"bedrock": extra}}
    assert messages(*HELLO["messages"], earlier, user("And?"))[1]["content"] == [{"text": "Hi"}]


def test_parallel_calls_of_a_stream_are_kept_apart() -> None:
    """SR-056: with and without arguments; calls of Bedrock's own tools are not shown to the client."""
    content = [
        {"text": "Let me see."},
        use("nova_grounding", {"q": 1}, "s", type="server_tool_use"),
        use("weather", {"city": "Paris"}, "a"),
        use("time", {}, "b", type="tool_use"),
    ]
    summary = joined(streamed(stream(*content, reason="tool_use")))
    assert summary["calls"] == [("a", "weather", {"city": "Paris"}), ("b", "time", {})]
    assert summary == read(completed(answer(*content, reason="tool_use")))


def test_images_of_an_answer_become_data_uris() -> None:
    block = {"image": {"format": "png", "source": {"bytes": base64.b64encode(PNG).decode()}}}
    shown = [{"type": "image_url", "image_url": {"url": data_uri("image/png", PNG)}}]
    assert (completed(answer({"text": "Here"}, block)).choices[0].message.model_extra or {})[
        "images"
    ] == shown
    deltas = [json.loads(chunk.data)["choices"] for chunk in streamed(stream(block))]
    assert [
        each[0]["delta"]["images"] for each in deltas if each and "images" in each[0]["delta"]
    ] == [shown]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("something_new", "stop"),
    ],
)
def test_stop_reason_is_translated(reason: str, finish: str) -> None:
    """SR-048."""
    assert read(completed(answer({"text": "Hi"}, reason=reason)))["finish"] == finish
    assert joined(streamed(stream({"text": "Hi"}, reason=reason)))["finish"] == finish


def test_finish_reason_is_tool_calls_whatever_the_stop_reason_is() -> None:
    assert read(completed(answer(use("a", {}), reason="end_turn")))["finish"] == "tool_calls"
    assert joined(streamed(stream(use("a", {}), reason="end_turn")))["finish"] == "tool_calls"


@pytest.mark.parametrize("reason", ["malformed_model_output", "malformed_tool_use"])
def test_malformed_output_of_the_model_is_an_error(reason: str) -> None:
    for attempt in (
        lambda: completed(answer({"text": "Hi"}, reason=reason)),
        lambda: streamed(stream(reason=reason)),
    ):
        with pytest.raises(ProviderError, match=reason) as caught:
            attempt()
        assert caught.value.kind is ErrorKind.BAD_RESPONSE


def test_blocked_answer_may_be_empty() -> None:
    summary = read(completed(answer(reason="content_filtered")))
    assert (summary["text"], summary["finish"]) == ("", "content_filter")


def test_requested_metadata_is_in_provider_extra() -> None:
    metadata: Json = {
        "trace": {"guardrail": {"actionReason": "masked"}},
        "additionalModelResponseFields": {"stop": "x"},
    }
    whole = completed(answer({"text": "Hi"}, **metadata))
    assert (whole.model_extra or {})["provider_extra"] == {"bedrock": metadata}
    body = event("contentBlockDelta", {"delta": {"text": "Hi"}, "contentBlockIndex": 0})
    body += event(
        "messageStop", {"stopReason": "end_turn", "additionalModelResponseFields": {"stop": "x"}}
    )
    body += event("metadata", {"usage": answer()["usage"], "trace": metadata["trace"]})
    assert json.loads(streamed(body)[-1].data)["provider_extra"] == {"bedrock": metadata}


def test_unknown_events_and_blocks_are_ignored() -> None:
    new = event("newEvent", {"a": 1}) + event(
        "contentBlockDelta", {"delta": {"hologram": {}}, "contentBlockIndex": 0}
    )
    new += event("contentBlockStart", {"start": {"hologram": {}}, "contentBlockIndex": 0})
    assert joined(streamed(new + stream({"text": "Hi"})))["text"] == "Hi"
    assert read(completed(answer({"hologram": {}}, {"text": "Hi"})))["text"] == "Hi"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"\xff", b'{"output": {}}', b'{"Output": {"__type": "x"}}']
)
def test_unreadable_answer_is_an_error(body: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        completed(body)
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


def test_error_in_place_of_an_answer_is_raised() -> None:
    with pytest.raises(ProviderError, match="Slow down") as caught:
        completed(b'{"__type": "ThrottlingException", "message": "Slow down"}')
    assert caught.value.kind is ErrorKind.RATE_LIMIT


def test_unreadable_event_is_an_error() -> None:
    with pytest.raises(ProviderError, match="Cannot parse an event of Bedrock's stream") as caught:
        streamed(message(b"[", {":event-type": "contentBlockDelta", ":message-type": "event"}))
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


# Errors -------------------------------------------------------------------------------------------------------------

ERRORS = [
    ("ThrottlingException", 429, "Too many requests, please wait before trying again.", ErrorKind.RATE_LIMIT),
    ("ThrottlingException", 429, "Too many tokens per day, please wait before trying again.", ErrorKind.QUOTA),
    ("ServiceQuotaExceededException", 400, "Your request exceeds the service quota.", ErrorKind.QUOTA),
    ("ModelTimeoutException", 408, "Model has timed out in processing the request.", ErrorKind.TIMEOUT),
    ("ModelNotReadyException", 429, "Model is not ready for inference.", ErrorKind.OVERLOADED),
    ("ServiceUnavailableException", 503, "Bedrock is unable to process your request.", ErrorKind.OVERLOADED),
    ("InternalServerException", 500, "The system encountered an unexpected error.", ErrorKind.OVERLOADED),
    ("ModelErrorException", 424, "The system encountered an error during processing.", ErrorKind.OVERLOADED),
    ("AccessDeniedException", 403, "You don't have access to the model.", ErrorKind.PERMISSION),
    ("AccessDeniedException", 403, "Authentication failed: Please make sure your API Key is valid.", ErrorKind.AUTH),
    ("UnrecognizedClientException", 403, "The security token included in the request is invalid.", ErrorKind.AUTH),
    ("ExpiredTokenException", 403, "The security token included in the request is expired", ErrorKind.AUTH),
    ("InvalidSignatureException", 403, "The request signature we calculated does not match.", ErrorKind.AUTH),
    ("ResourceNotFoundException", 404, "Model use case details have not been submitted.", ErrorKind.MODEL_NOT_FOUND),
    ("ValidationException", 400, "Input is too long for requested model.", ErrorKind.CONTEXT_LENGTH),
    ("ValidationException", 400, "prompt is too long: 200001 tokens > 200000 maximum", ErrorKind.CONTEXT_LENGTH),
    ("ValidationException", 400, "The provided model identifier is invalid.", ErrorKind.MODEL_NOT_FOUND),
    ("ValidationException", 400, "x with on-demand throughput isn't supported.", ErrorKind.MODEL_NOT_FOUND),
    ("ValidationException", 400, "Output blocked by content filtering policy", ErrorKind.CONTENT_POLICY),
    ("ValidationException", 400, "1 validation error detected: Value at 'temperature'", ErrorKind.INVALID_REQUEST),
]  # fmt: skip


@pytest.mark.parametrize(("name", "status", "text", "kind"), ERRORS)
def test_errors_are_classified_by_exception_and_message(
    name: str, status: int, text: str, kind: ErrorKind
) -> None:
    header = {"x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/"}
    by_header = adapter().error(status, header, json.dumps({"message": text}).encode())
    by_body = adapter().error(
        status, {}, json.dumps({"__type": f"com.amazon.coral#{name}", "message": text}).encode()
    )
    for error in (by_header, by_body):
        assert (error.kind, error.type, error.message, error.status) == (kind, name, text, status)


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("throttlingException", "Too many requests", ErrorKind.RATE_LIMIT),
        ("modelStreamErrorException", "An error occurred while streaming", ErrorKind.OVERLOADED),
        ("serviceUnavailableException", "Try again", ErrorKind.OVERLOADED),
        ("validationException", "Input is too long", ErrorKind.CONTEXT_LENGTH),
        ("validationException", "Malformed", ErrorKind.INVALID_REQUEST),
    ],
)
def test_exception_within_a_stream_is_raised(name: str, text: str, kind: ErrorKind) -> None:
    """SR-058."""
    body = event("contentBlockDelta", {"delta": {"text": "H"}, "contentBlockIndex": 0})
    with pytest.raises(ProviderError, match=text) as caught:
        streamed(body + exception(name, {"message": text}))
    assert (caught.value.kind, caught.value.type) == (kind, name)


def test_error_of_the_stream_itself_is_raised() -> None:
    headers = {
        ":message-type": "error",
        ":error-code": "InternalFailure",
        ":error-message": "Something broke",
    }
    with pytest.raises(ProviderError, match="Something broke") as caught:
        streamed(message(b"", headers))
    assert caught.value.kind is ErrorKind.OVERLOADED


def test_retry_after_is_read() -> None:
    assert (
        adapter().error(429, {"retry-after": "7"}, b'{"message": "Too many requests"}').retry_after
        == 7
    )
