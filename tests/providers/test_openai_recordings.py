"""Recorded answers of OpenAI-compatible providers, passed through the adapter: nothing is lost or invented.

Every recording goes through `OpenAICompatible` with the provider's preset, or with a generic spec. The expected content
is read from the recorded JSON itself, and by OpenAI's own client.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Literal

import msgspec
import pytest
from chat_streams import ChatStream
from differences import MISSING, Allowed, Difference, assert_only
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel, ValidationError
from recordings import Recording, for_each, pieces, recordings

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.request import ChatCall, decode
from llms_core.errors import ErrorKind, ProviderError, RequestError
from llms_core.openai_compatible import OpenAICompatible
from llms_core.operations.chat import CHAT
from llms_core.provider import ProviderSettings, ProviderSpec
from llms_core.secret import Secret
from llms_providers.presets import PRESETS

SPECS = {name: spec for spec in PRESETS for name in (spec.name, *spec.aliases)}
GENERIC = ProviderSpec(
    name="generic", adapter=OpenAICompatible, title="Generic", base_url="https://there.example/v1"
)

NAME = "the client's name of the model"
ID = "chatcmpl-ours"
CREATED = 1_700_000_000
#: in bytes, of the pieces in which a stream arrives
SIZES = (1, 7, 64, 10**9)

Json = dict[str, Any]


def spec_of(recording: Recording) -> ProviderSpec:
    return SPECS.get(recording.provider, GENERIC)


def adapter_of(recording: Recording) -> OpenAICompatible:
    return OpenAICompatible(
        spec_of(recording), ProviderSettings(id=recording.provider, api_key=Secret("sk-ours"))
    )


def call_for(model: str, *, stream: bool) -> ChatCall:
    """Return a call for a test of the answer only."""
    body = decode(
        msgspec.json.encode({"model": NAME, "messages": [{"role": "user"}], "stream": stream})
    )
    return ChatCall(body=body, upstream_model=model, client_model=NAME, id=ID, created=CREATED)


def call_of(recording: Recording) -> ChatCall:
    return call_for(recording.model, stream=recording.stream)


def is_error(recording: Recording) -> bool:
    return recording.status >= 400


def is_stream(recording: Recording) -> bool:
    return not is_error(recording) and recording.stream and "text" in recording.response


def is_whole(recording: Recording) -> bool:
    return not is_error(recording) and not is_stream(recording)


# The changes that are allowed, and why


def texts(content: list[Json]) -> str:
    return "".join(part["text"] for part in content if part["type"] == "text")


def thoughts(content: list[Json]) -> str:
    return "".join(
        piece["text"]
        for part in content
        if part["type"] == "thinking"
        for piece in part["thinking"]
    )


def from_parts(difference: Difference) -> bool:
    return isinstance(difference.before, list) and difference.after == texts(difference.before)


def thoughts_of_parts(difference: Difference) -> bool:
    return difference.before is MISSING and difference.after == thoughts(
        difference.parent["content"]
    )


ALWAYS: Mapping[str, tuple[str, Allowed]] = {
    "model": ("the model has the client's name (SR-045)", lambda it: it.after == NAME),
}

WHOLE: Mapping[str, tuple[str, Allowed]] = {
    **ALWAYS,
    "id": ("a missing id is generated (SR-042)", lambda it: it.before == "" and it.after == ID),
    "choices.*.finish_reason": (
        "the finish reason is one of OpenAI's (SR-048)",
        lambda it: (it.before, it.after) in {("eos", "stop"), ("", "stop"), ("", "tool_calls")},
    ),
    "choices.*.message.content": (
        "missing content becomes null, and Mistral's list of parts becomes text (SR-046)",
        lambda it: (it.before, it.after) == (MISSING, None) or from_parts(it),
    ),
    "choices.*.message.reasoning_content": (
        "Mistral's thoughts, from its list of parts",
        thoughts_of_parts,
    ),
    "choices.*.message.tool_calls.*.id": (
        "Gemini's calls have an empty id, with which results could not be matched",
        lambda it: it.before == "" and re.fullmatch("call_ours_[0-9]", it.after) is not None,
    ),
    "choices.*.message.tool_calls.*.type": (
        "Mistral omits the type, which OpenAI's types require",
        lambda it: (it.before, it.after) == (MISSING, "function"),
    ),
}

# A test below asserts more of `id` and `created`: they are those of the stream's first chunk.
STREAMED: Mapping[str, tuple[str, Allowed]] = {
    **ALWAYS,
    "id": ("the same in all chunks (SR-053)", lambda it: bool(it.after)),
    "created": (
        "the same in all chunks (SR-053)",
        lambda it: type(it.after) is int and it.after > 0,
    ),
    "object": (
        "Perplexity's chunks are `chat.completion`, and Azure's first is empty",
        lambda it: it.before != MISSING,
    ),
    "choices.*.delta.role": (
        "sent once, in the first chunk of each choice (SR-054): OpenAI's client joins repeated values",
        lambda it: (
            (it.before, it.after)
            in {(MISSING, "assistant"), (None, "assistant"), ("assistant", MISSING)}
        ),
    ),
    "choices.*.finish_reason": (
        "a missing one becomes null in a chunk that is normalized for another reason",
        lambda it: (it.before, it.after) == (MISSING, None),
    ),
    "choices.*.delta.content": ("Mistral's list of parts becomes text", from_parts),
    "choices.*.delta.reasoning_content": (
        "Mistral's thoughts, from its list of parts",
        thoughts_of_parts,
    ),
    "choices.*.delta.tool_calls.*.id": (
        "sent once, with the first fragment (SR-056): Qwen's is empty later, Together's null, Baseten's repeated",
        lambda it: it.after is MISSING and not it.parent["function"].get("name"),
    ),
    "choices.*.delta.tool_calls.*.function.name": (
        "likewise sent once",
        lambda it: (it.before, it.after) == (None, MISSING),
    ),
    "choices.*.delta.tool_calls.*.type": (
        "Mistral's first fragments have no type",
        lambda it: it.after == "function",
    ),
    "choices.*.delta.tool_calls.*.index": (
        "an older Mistral did not number calls (SR-056)",
        lambda it: (it.before, it.after) == (MISSING, 0),
    ),
}


# Where providers deviate from OpenAI's types in members of their own, which are passed through

NONCONFORMING = {
    "service_tier": "Groq's `on_demand`, Vertex's `provisioned` (through OpenRouter), Snowflake's empty string",
    "choices.*.logprobs.content.*.bytes": "base64 instead of a list (one of Hugging Face's providers)",
    "choices.*.logprobs.content.*.top_logprobs.*.bytes": "likewise",
    "choices.*.message.annotations.*.url_citation": "Xiaomi's citations are flat",
    "choices.*.message.audio.expires_at": "null at Xiaomi",
    "choices.*.message.audio.transcript": "null at Xiaomi",
}


def violations(type_: type[BaseModel], value: Json) -> set[str]:
    """Return the paths at which a value violates OpenAI's type."""
    try:
        type_.model_validate(value)
    except ValidationError as error:
        return {
            ".".join("*" if isinstance(step, int) else step for step in found["loc"])
            for found in error.errors()
        }
    return set()


# Whole answers

NOT_AN_ANSWER = {
    "Provider returned error": (ErrorKind.INVALID_REQUEST, "OpenRouter sends errors with a 200"),
    "it has no choices": (ErrorKind.BAD_RESPONSE, "a server that echoes the request"),
}


def is_answer(recording: Recording) -> bool:
    return is_whole(recording) and "choices" in recording.response.get("json", {})


@for_each(recordings("openai", is_answer))
def test_a_whole_answer_keeps_every_member(recording: Recording) -> None:
    """SR-042 … SR-050: it conforms to OpenAI's contract, and everything else is as the provider sent it."""
    made = adapter_of(recording).completion(call_of(recording), recording.body)
    ours = json.loads(made.data)
    native = json.loads(recording.body)
    assert_only(WHOLE, native, ours)
    assert violations(ChatCompletion, ours) <= NONCONFORMING.keys()
    assert ours["object"] == "chat.completion"
    usage = native["usage"]
    assert made.usage is not None
    assert (made.usage.prompt_tokens, made.usage.completion_tokens, made.usage.total_tokens) == (
        usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]
    )  # fmt: skip


@for_each(recordings("openai", lambda it: is_whole(it) and not is_answer(it)))
def test_a_200_without_an_answer_is_an_error(recording: Recording) -> None:
    """SR-072."""
    with pytest.raises(ProviderError) as caught:
        adapter_of(recording).completion(call_of(recording), recording.body)
    assert caught.value.kind is next(
        kind for words, (kind, _) in NOT_AN_ANSWER.items() if words in caught.value.message
    )


# Streams

FAILED = {
    "error": (ErrorKind.INVALID_REQUEST, "Groq and OpenAI report errors in the middle of a stream"),
    "empty": (
        ErrorKind.BAD_RESPONSE,
        "`[DONE]` without anything before it (one of Hugging Face's providers)",
    ),
    "endless": (
        ErrorKind.BAD_RESPONSE,
        "Snowflake's stream has no finish reason: it may have been cut off anywhere",
    ),
}


def events(recording: Recording) -> list[Json]:
    """Return the events of a recorded stream, read without the code under test."""
    data = [line.removeprefix("data:").strip() for line in str(recording.response["text"]).splitlines()
            if line.startswith("data:")]  # fmt: skip
    return [json.loads(text) for text in data if text != "[DONE]"]


def stream_failure(recording: Recording) -> str | None:
    """Return why a recorded stream is not a complete answer, or None if it is."""
    if not is_stream(recording):
        return None
    recorded = events(recording)
    if any("error" in event for event in recorded):
        return "error"
    if not recorded:
        return "empty"
    ended = any(choice.get("finish_reason") for event in recorded for choice in event["choices"])
    return None if ended else "endless"


def is_whole_stream(recording: Recording) -> bool:
    return is_stream(recording) and stream_failure(recording) is None


class RecordingTranslator:
    """A translator that records the chunks of each event."""

    framing: Literal["sse"] = "sse"

    def __init__(self, recording: Recording):
        self._translator = adapter_of(recording).chunks(call_of(recording))
        self.made: list[list[Chunk]] = []

    def feed(self, event: str, data: bytes) -> Iterable[Chunk]:
        self.made.append(list(self._translator.feed(event, data)))
        return self.made[-1]


def passed(progress: ChatStream, body: bytes, size: int) -> list[Chunk]:
    """Return the chunks that the core passes on for a stream that arrives in pieces."""
    out: list[Chunk] = []
    for piece in pieces(body, size):
        out += progress.feed(piece)
        if progress.finished:
            break
    else:
        out += progress.feed(b"")
    return [*out, *progress.held_back()]


def fragments_of(chunk: Json) -> Iterator[Json]:
    for choice in chunk.get("choices") or ():
        yield from choice["delta"].get("tool_calls") or ()


def seconds(created: int) -> int:
    """Return a timestamp in seconds: one server sends milliseconds (SR-044)."""
    return created // 1000 if created > 10**11 else created


@for_each(recordings("openai", is_whole_stream))
def test_a_stream_keeps_every_member(recording: Recording) -> None:
    """SR-050, SR-053, SR-054, SR-056: each event becomes one chunk, and another for usage sent along with choices."""
    translator = RecordingTranslator(recording)
    passed(ChatStream(translator), recording.body, 10**9)
    recorded = events(recording)
    assert len(translator.made) == len(recorded)
    chunks = [[json.loads(chunk.data) for chunk in chunks] for chunks in translator.made]
    for event, ours in zip(recorded, chunks, strict=True):
        whole = dict(ours[0])
        if len(ours) == 2:
            assert (ours[1].pop("choices"), "usage" in whole) == ([], False)
            whole["usage"] = ours[1]["usage"]
            assert {**ours[1], "choices": whole["choices"]} == whole
        else:
            assert len(ours) == 1
        assert_only(STREAMED, event, whole)
    flat = [chunk for chunks_ in chunks for chunk in chunks_]
    assert all(call.get("id", "absent") for chunk in flat for call in fragments_of(chunk))
    assert {chunk["id"] for chunk in flat} == {recorded[0]["id"] or ID}
    assert {chunk["created"] for chunk in flat} == {seconds(recorded[0]["created"]) or CREATED}
    assert {chunk["object"] for chunk in flat} == {"chat.completion.chunk"}


def is_repeated(chunk: Json, before: list[Json]) -> bool:
    """Return whether a chunk only repeats the end of choices, as OpenRouter's does with the usage."""
    ends = [
        choice for earlier in before for choice in earlier["choices"] if choice.get("finish_reason")
    ]
    for choice in chunk["choices"]:
        news = {
            name: value for name, value in choice.items() if value is not None and name != "delta"
        }
        if any(choice["delta"].values()) or not any(news.items() <= end.items() for end in ends):
            return False
    known = {name for earlier in before for name in earlier}
    return {name for name, value in chunk.items() if value is not None} <= known


@for_each(recordings("openai", is_whole_stream))
def test_the_core_passes_on_all_content_and_the_last_usage(recording: Recording) -> None:
    """SR-055: only superseded usage and repeated ends are withheld."""
    translator = RecordingTranslator(recording)
    progress = ChatStream(translator)
    out = passed(progress, recording.body, 10**9)
    assert progress.complete
    assert progress.failure is None
    made = [chunk for chunks in translator.made for chunk in chunks]
    kept = {id(chunk) for chunk in out}
    passed_on = [json.loads(chunk.data) for chunk in out]
    for chunk in made:
        if id(chunk) not in kept and not chunk.usage:
            assert is_repeated(json.loads(chunk.data), passed_on)
    usages = [event["usage"] for event in events(recording) if event.get("usage")]
    assert [chunk["usage"] for chunk in passed_on if chunk.get("usage")] == usages[-1:]
    assert [chunk.usage for chunk in out].count(True) == len(usages[-1:])


@for_each(recordings("openai", is_stream))
def test_the_pieces_of_a_stream_make_no_difference(recording: Recording) -> None:
    """SR-060: for complete and broken streams, however the network splits them."""
    seen = []
    for size in SIZES:
        progress = ChatStream(adapter_of(recording).chunks(call_of(recording)))
        out = [chunk.data for chunk in passed(progress, recording.body, size)]
        seen.append((out, progress.complete, progress.finished, str(progress.failure)))
    assert all(each == seen[0] for each in seen)


@for_each(recordings("openai", lambda it: stream_failure(it) is not None))
def test_an_incomplete_stream_fails(recording: Recording) -> None:
    """SR-058: the core detects it, and no finish_reason is sent."""
    progress = ChatStream(adapter_of(recording).chunks(call_of(recording)))
    out = passed(progress, recording.body, 64)
    kind, _ = FAILED[str(stream_failure(recording))]
    assert progress.finished
    assert not progress.complete
    assert progress.failure is None or progress.failure.kind is kind
    assert (progress.failure is None) is (kind is ErrorKind.BAD_RESPONSE)
    assert not any(chunk.ended for chunk in out)


class ChoiceContent:
    """The content of one choice of a recorded stream, assembled from its events."""

    def __init__(self) -> None:
        self.text = ""
        self.reasoning = ""
        self.calls: dict[Any, Json] = {}
        self.finish_reason: str | None = None

    def add(self, choice: Json) -> None:
        delta = choice.get("delta") or {}
        content = delta.get("content") or ""
        if isinstance(content, list):
            self.text += texts(content)
            self.reasoning += thoughts(content)
        else:
            self.text += content
            self.reasoning += delta.get("reasoning_content") or ""
        for call in delta.get("tool_calls") or ():
            known = self.calls.setdefault(
                call.get("index", 0), {"id": "", "name": "", "arguments": ""}
            )
            known["id"] = call.get("id") or known["id"]
            known["name"] = call["function"].get("name") or known["name"]
            known["arguments"] += call["function"].get("arguments") or ""
        self.finish_reason = self.finish_reason or choice.get("finish_reason")


def joined(state: ChatCompletionStreamState[None], chunk: Json) -> bool:
    """Return whether OpenAI's client can join a chunk: it requires numbered lists, and citations have no numbers."""
    try:
        state.handle_chunk(ChatCompletionChunk.construct(**chunk))
    except RuntimeError as error:
        if "Expected list delta entry to have an `index` key" in str(error):
            return False
        raise
    return True


@for_each(recordings("openai", is_whole_stream))
def test_openais_client_assembles_a_stream(recording: Recording) -> None:
    """SR-048, SR-049, SR-054, SR-056: each chunk is valid, and the result is the provider's answer."""
    out = passed(ChatStream(adapter_of(recording).chunks(call_of(recording))), recording.body, 64)
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    for chunk in out:
        value = json.loads(chunk.data)
        assert violations(ChatCompletionChunk, value) <= NONCONFORMING.keys()
        if not joined(state, value):
            assert "annotations" in chunk.data.decode()
            return
    final = state.current_completion_snapshot
    wanted: dict[int, ChoiceContent] = defaultdict(ChoiceContent)
    for event in events(recording):
        for choice in event["choices"]:
            wanted[choice["index"]].add(choice)
    assert [choice.index for choice in final.choices] == sorted(wanted)
    for choice in final.choices:
        expected = wanted[choice.index]
        assert choice.message.role == "assistant"
        assert (choice.message.content or "") == expected.text
        assert (
            (choice.message.model_extra or {}).get("reasoning_content") or ""
        ) == expected.reasoning
        assert choice.finish_reason == expected.finish_reason
        calls = [
            {"id": call.id, "name": call.function.name, "arguments": call.function.arguments}
            for call in choice.message.tool_calls or ()
        ]
        assert calls == list(expected.calls.values())
        assert all(call.type == "function" for call in choice.message.tool_calls or ())


# Tool calls as servers are known to stream them, although no recording has them

Fragment = dict[str, Any]


def fragment(name: str | None = None, arguments: str = "", **members: Any) -> Fragment:
    return {
        **members,
        "function": {**({"name": name} if name is not None else {}), "arguments": arguments},
    }


PARALLEL: Mapping[str, list[Fragment]] = {
    "OpenAI": [
        fragment("f", index=0, id="a", type="function"), fragment(arguments="{}", index=0),
        fragment("g", index=1, id="b", type="function"), fragment(arguments="[]", index=1),
    ],
    "whole calls, all with index 0 (Gemini)": [
        fragment("f", "{}", index=0, id="a", type="function"), fragment("g", "[]", index=0, id="b", type="function"),
    ],
    "all with index 0, and an empty id in later fragments (older vLLM)": [
        fragment("f", index=0, id="a", type="function"), fragment(arguments="{}", index=0, id=""),
        fragment("g", index=0, id="b", type="function"), fragment(arguments="[]", index=0, id=""),
    ],
    "all with index 0, and the id in every fragment (SGLang)": [
        fragment("f", index=0, id="a", type="function"), fragment(None, "{}", index=0, id="a", type="function"),
        fragment("g", index=0, id="b", type="function"), fragment(None, "[]", index=0, id="b", type="function"),
    ],
    "name and id in every fragment": [
        fragment("f", "{", index=0, id="a", type="function"), fragment("f", "}", index=0, id="a", type="function"),
        fragment("g", "[", index=1, id="b", type="function"), fragment("g", "]", index=1, id="b", type="function"),
    ],
    "another id in every fragment (older vLLM)": [
        fragment("f", index=0, id="a", type="function"), fragment(arguments="{}", index=0, id="x", type="function"),
        fragment("g", index=1, id="b", type="function"), fragment(arguments="[]", index=1, id="y", type="function"),
    ],
    "no index": [
        fragment("f", "{", id="a"), fragment(arguments="}"), fragment("g", "[", id="b"), fragment(arguments="]"),
    ],
    "index from 1": [
        fragment("f", "{}", index=1, id="a", type="function"),
        fragment("g", index=2, id="b", type="function"), fragment(arguments="[]", index=2),
    ],
    "the id first, then the name": [
        fragment(index=0, id="a", type="function"), fragment("f", "{}", index=0),
        fragment(index=1, id="b", type="function"), fragment("g", "[]", index=1),
    ],
}  # fmt: skip


def assembled(fragments: list[Fragment], *, at_once: bool) -> list[Fragment]:
    """Return the calls that a client joins by index, with the fragments in one chunk or each in its own."""
    translator = OpenAICompatible(GENERIC, ProviderSettings(id="x")).chunks(
        call_for("m", stream=True)
    )
    calls: dict[int, Fragment] = {}
    for each in [fragments] if at_once else [[one] for one in fragments]:
        choice = {
            "index": 0,
            "delta": {"role": "assistant", "tool_calls": each},
            "finish_reason": None,
        }
        event = {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [choice],
        }
        for chunk in translator.feed("", json.dumps(event).encode()):
            for got in (
                ChatCompletionChunk.model_validate_json(chunk.data).choices[0].delta.tool_calls
                or ()
            ):
                call = calls.setdefault(got.index, tool_call("", "", "") | {"type": ""})
                call["id"] += got.id or ""
                call["type"] = got.type or call["type"]
                call["function"]["name"] += (got.function and got.function.name) or ""
                call["function"]["arguments"] += (got.function and got.function.arguments) or ""
    return [calls[index] for index in sorted(calls)]


def tool_call(id: str, name: str, arguments: str) -> Json:
    function = {"name": name, "arguments": arguments}
    return {"id": id, "type": "function", "function": function}


@pytest.mark.parametrize("at_once", [False, True], ids=["one by one", "at once"])
@pytest.mark.parametrize("way", PARALLEL)
def test_parallel_calls_are_kept_apart(way: str, at_once: bool) -> None:
    """SR-056: whichever way a server numbers them."""
    assert assembled(PARALLEL[way], at_once=at_once) == [
        tool_call("a", "f", "{}"),
        tool_call("b", "g", "[]"),
    ]


def test_streamed_calls_without_an_id_get_generated_ones() -> None:
    """SR-056."""
    calls = assembled(
        [fragment("f", "{}", index=0, id=""), fragment("g", "[]", index=0, id="")], at_once=False
    )
    assert calls == [tool_call("call_ours_0", "f", "{}"), tool_call("call_ours_1", "g", "[]")]


def test_calls_of_a_whole_answer_without_an_id_get_generated_ones() -> None:
    """SR-050: without an id, results could not be matched to calls."""
    function = {"name": "f", "arguments": "{}"}
    calls = [
        {"id": given, "type": "function", "function": function} for given in ("", "theirs", None)
    ]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    body = {
        "id": "c",
        "object": "chat.completion",
        "created": CREATED,
        "model": "m",
        "choices": [choice],
    }
    call = call_for("m", stream=False)
    made = OpenAICompatible(GENERIC, ProviderSettings(id="x")).completion(
        call, json.dumps(body).encode()
    )
    ids = [each["id"] for each in json.loads(made.data)["choices"][0]["message"]["tool_calls"]]
    assert ids == ["call_ours_0", "theirs", "call_ours_1"]


# Errors

BY_STATUS = {
    400: ErrorKind.INVALID_REQUEST,
    401: ErrorKind.AUTH,
    402: ErrorKind.QUOTA,
    403: ErrorKind.PERMISSION,
    404: ErrorKind.MODEL_NOT_FOUND,
    422: ErrorKind.INVALID_REQUEST,
    500: ErrorKind.OVERLOADED,
    502: ErrorKind.OVERLOADED,
}

# Where the status alone would be misleading: (provider, status, text) -> the kind, and why.
MISLEADING_STATUS: Mapping[tuple[str, int, str], tuple[ErrorKind, str]] = {
    ("baseten", 403, "api-key"): (
        ErrorKind.AUTH,
        "the key is wrong (the same error is sent for an unknown model)",
    ),
    ("deepseek", 400, "API model names are"): (
        ErrorKind.MODEL_NOT_FOUND,
        "only the model is invalid",
    ),
    ("llamacpp", 500, "Context size has been exceeded"): (
        ErrorKind.CONTEXT_LENGTH,
        "the request is at fault, not the server",
    ),
    ("llamacpp", 500, "input is not supported"): (
        ErrorKind.INVALID_REQUEST,
        "the request is at fault, not the server",
    ),
    ("openai", 400, "invalid model ID"): (ErrorKind.MODEL_NOT_FOUND, "only the model is invalid"),
    ("openai", 401, "insufficient permissions"): (ErrorKind.PERMISSION, "the key is valid"),
    ("openrouter", 400, "not a valid model ID"): (
        ErrorKind.MODEL_NOT_FOUND,
        "only the model is invalid",
    ),
    ("perplexity", 400, "total length of all messages"): (
        ErrorKind.CONTEXT_LENGTH,
        "type too_many_prompt_tokens",
    ),
    ("xiaomi", 400, "Not supported model"): (ErrorKind.MODEL_NOT_FOUND, "the text is in `param`"),
    ("xiaomi", 404, "No endpoints found that support"): (
        ErrorKind.INVALID_REQUEST,
        "the model exists but has no vision",
    ),
}


def misleading_status(recording: Recording) -> tuple[str, int, str] | None:
    body = recording.body.decode()
    return next(
        (
            key
            for key in MISLEADING_STATUS
            if key[:2] == (recording.provider, recording.status) and key[2] in body
        ),
        None,
    )


@for_each(recordings("openai", is_error))
def test_an_error_has_its_kind_and_the_providers_message(recording: Recording) -> None:
    """SR-064, SR-068, SR-072: the kind determines what follows, the message is for the client."""
    error = adapter_of(recording).error(recording.status, recording.headers, recording.body)
    key = misleading_status(recording)
    assert error.kind is (MISLEADING_STATUS[key][0] if key else BY_STATUS[recording.status])
    assert error.status == recording.status
    assert error.retry_after == (2.0 if recording.headers.get("retry-after") else None)
    recorded = recording.response.get("json", {})
    inner = recorded.get("error", recorded)
    if isinstance(inner, dict) and isinstance(inner.get("message"), str):
        assert error.message.startswith(inner["message"])
        assert (error.code or "") == str(inner.get("code") or "")
        assert (error.type or "") == (inner.get("type") or "")
        assert (error.param or "") == (inner.get("param") or "")
    elif isinstance(inner, str):
        assert error.message == inner


def test_each_misleading_status_was_recorded() -> None:
    """No row of the table is without a recording."""
    errors = [each.values[0] for each in recordings("openai", is_error)]
    if errors == [None]:
        pytest.skip("the recordings are not available")
    assert {misleading_status(recording) for recording in errors} - {
        None
    } == MISLEADING_STATUS.keys()


# Requests

# What the gateway rejects, although the provider accepts it.
REJECTED = {
    (
        "mistral",
        "messages[0].content[1].input_audio",
    ): "a base64 string instead of OpenAI's object (SR-037)",
    ("together", "logprobs"): "a number instead of OpenAI's boolean (SR-021)",
}

# llama.cpp serves one model, and older APIs of Azure have it in the path. The gateway's clients always name one.
WITHOUT_MODEL = {"azure", "llamacpp"}


def body_of(recording: Recording) -> bytes:
    body = recording.request["body"]
    if "model" not in body:
        assert recording.provider in WITHOUT_MODEL
        body = {**body, "model": recording.model or "the-only-one"}
    return json.dumps(body, ensure_ascii=False).encode()


def rejected_member(body: bytes) -> str | None:
    """Return the member for which a request is rejected, or None if it is accepted."""
    try:
        decode(body)
    except RequestError as error:
        return error.param
    return None


members = partial(msgspec.json.decode, type=dict[str, msgspec.Raw])


def has_tool_media(message: Json) -> bool:
    content = message.get("content")
    return (
        message["role"] == "tool"
        and isinstance(content, list)
        and any(p["type"] != "text" for p in content)
    )


def is_rewritten(messages: list[Json], spec: ProviderSpec) -> bool:
    """Whether messages have what the spec's rules change: null for nothing, an interruption, an image from a tool."""
    for number, message in enumerate(messages):
        nothing = [
            name for name, value in message.items() if value in (None, []) and name != "content"
        ]
        interrupts = (
            message["role"] == "user" and number > 0 and messages[number - 1]["role"] == "tool"
        )
        if nothing or (interrupts and spec.rules.assistant_after_tool):
            return True
        if has_tool_media(message) and not spec.rules.tool_media:
            return True
    return False


@for_each(recordings("openai"))
def test_a_request_keeps_every_member(recording: Recording) -> None:
    """SR-026: unchanged to the byte, except for the model and what the spec's data says; drops are reported."""
    body = body_of(recording)
    if (param := rejected_member(body)) is not None:
        assert (recording.provider, param) in REJECTED
        return
    call = ChatCall(
        body=decode(body), upstream_model="theirs", client_model=NAME, id=ID, created=CREATED
    )
    spec = spec_of(recording)
    sent = adapter_of(recording).request(call)
    ours = {name: bytes(value) for name, value in members(sent.content).items()}
    wanted = {name: bytes(value) for name, value in members(body).items()}
    assert set(sent.dropped) == spec.drop & wanted.keys()
    wanted = {
        spec.rename.get(name, name): value
        for name, value in wanted.items()
        if name not in spec.drop
    }
    wanted["model"] = b'"theirs"'
    if "*" in spec.rules.max_completion_tokens and "max_tokens" in wanted:
        wanted["max_completion_tokens"] = wanted.pop("max_tokens")
    if spec.rules.logprobs_number and wanted.get("logprobs") == b"null":
        del wanted["logprobs"]
    if is_rewritten(json.loads(wanted["messages"]), spec):
        assert ours.pop("messages") != wanted.pop("messages")
    if call.stream and spec.capabilities.stream_usage:
        options = json.loads(wanted.pop("stream_options", b"null")) or {}
        assert json.loads(ours.pop("stream_options")) == {**options, "include_usage": True}
    assert ours == wanted
    assert sent.url == f"{spec.base_url}/chat/completions"
    assert sent.headers["authorization"] == "Bearer sk-ours"


def was_accepted(recording: Recording) -> bool:
    return (
        not is_error(recording)
        and recording.provider in SPECS
        and rejected_member(body_of(recording)) is None
    )


@for_each(recordings("openai", was_accepted))
def test_a_preset_keeps_what_its_provider_accepted(recording: Recording) -> None:
    """SR-026: no preset drops a parameter or denies a capability that works."""
    body = decode(body_of(recording))
    spec = spec_of(recording)
    lacking = {
        need for need in CHAT.needed_capabilities(body.view) if not getattr(spec.capabilities, need)
    }
    assert not lacking
    call = ChatCall(body=body, upstream_model="theirs", client_model=NAME, id=ID, created=CREATED)
    assert adapter_of(recording).request(call).dropped == ()


# The tables above


def all_changes(wanted: Callable[[Recording], bool], allowed: Mapping[str, Any]) -> set[str]:
    found: set[str] = set()
    for parameter in recordings("openai", wanted):
        recording = parameter.values[0]
        if recording is None:
            pytest.skip("the recordings are not available")
        if allowed is WHOLE:
            made = adapter_of(recording).completion(call_of(recording), recording.body)
            found |= assert_only(allowed, json.loads(recording.body), json.loads(made.data))
        else:
            translator = RecordingTranslator(recording)
            passed(ChatStream(translator), recording.body, 10**9)
            for event, chunks in zip(events(recording), translator.made, strict=True):
                ours = json.loads(chunks[0].data)
                found |= assert_only(
                    allowed, event, {**ours, "usage": event["usage"]} if chunks[1:] else ours
                )
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wanted", "allowed"),
    [(is_answer, WHOLE), (is_whole_stream, STREAMED)],
    ids=["whole", "stream"],
)
def test_each_allowed_change_is_needed(
    wanted: Callable[[Recording], bool], allowed: Mapping[str, tuple[str, Allowed]]
) -> None:
    """No row of the tables is without a recording."""
    assert all_changes(wanted, allowed) == allowed.keys()
