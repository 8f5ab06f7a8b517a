"""What providers that speak OpenAI's JSON really answered, passed through: nothing is lost, nothing made up.

Every recording goes through `OpenAICompatible` with the spec that the provider has in `presets`, or with one that knows
nothing of it. What the bytes say is read here from the JSON itself, and by OpenAI's own client.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Literal, NamedTuple

import msgspec
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel, ValidationError
from recordings import Recording, pieces, recordings

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.request import ChatCall, decode
from llms_core.errors import ErrorKind, ProviderError, RequestError
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import ProviderSettings, ProviderSpec
from llms_core.routing.candidates import needs
from llms_core.secret import Secret
from llms_core.upstream.exchange import Progress
from llms_providers.presets import PRESETS

SPECS = {name: spec for spec in PRESETS for name in (spec.name, *spec.aliases)}
GENERIC = ProviderSpec(name="generic", adapter=OpenAICompatible, title="Generic", base_url="https://there.example/v1")

NAME, ID, CREATED = "what the client calls it", "chatcmpl-ours", 1_700_000_000
SIZES = (1, 7, 64, 10**9)
MISSING = type("Missing", (), {"__repr__": lambda self: "nothing"})()

Json = dict[str, Any]


def spec_of(recording: Recording) -> ProviderSpec:
    return SPECS.get(recording.provider, GENERIC)


def adapter_of(recording: Recording) -> OpenAICompatible:
    return OpenAICompatible(spec_of(recording), ProviderSettings(id=recording.provider, api_key=Secret("sk-ours")))


def call_for(model: str, *, stream: bool) -> ChatCall:
    """A call whose answer matters, and not its request."""
    body = decode(msgspec.json.encode({"model": NAME, "messages": [{"role": "user"}], "stream": stream}))
    return ChatCall(body=body, upstream_model=model, client_model=NAME, id=ID, created=CREATED)


def call_of(recording: Recording) -> ChatCall:
    return call_for(recording.model, stream=recording.stream)


def is_error(recording: Recording) -> bool:
    return recording.status >= 400


def is_stream(recording: Recording) -> bool:
    return not is_error(recording) and recording.stream and "text" in recording.response


def is_whole(recording: Recording) -> bool:
    return not is_error(recording) and not is_stream(recording)


# What is changed on the way, and why: nothing else is


class Difference(NamedTuple):
    """A member that came out other than it went in; `*` in its path is any place of a list."""

    path: str
    before: Any
    after: Any
    around: Any
    """What the member stood in."""


def differences(before: Any, after: Any, path: tuple[str, ...] = (), around: Any = None) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in {**before, **after}:
            yield from differences(before.get(name, MISSING), after.get(name, MISSING), (*path, name), before)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for old, new in zip(before, after, strict=True):
            yield from differences(old, new, (*path, "*"), before)
    elif type(before) is not type(after) or before != after:
        yield Difference(".".join(path), before, after, around)


def texts(content: list[Json]) -> str:
    return "".join(part["text"] for part in content if part["type"] == "text")


def thoughts(content: list[Json]) -> str:
    return "".join(piece["text"] for part in content if part["type"] == "thinking" for piece in part["thinking"])


def from_parts(difference: Difference) -> bool:
    return isinstance(difference.before, list) and difference.after == texts(difference.before)


def thoughts_of_parts(difference: Difference) -> bool:
    return difference.before is MISSING and difference.after == thoughts(difference.around["content"])


Allowed = Callable[[Difference], bool]

ALWAYS: Mapping[str, tuple[str, Allowed]] = {
    "model": ("the model has the name that the client knows (SR-045)", lambda it: it.after == NAME),
}

WHOLE: Mapping[str, tuple[str, Allowed]] = {
    **ALWAYS,
    "id": ("an id is made up where there is none (SR-042)", lambda it: it.before == "" and it.after == ID),
    "choices.*.finish_reason": (
        "the reason is one of OpenAI's (SR-048)",
        lambda it: (it.before, it.after) in {("eos", "stop"), ("", "stop"), ("", "tool_calls")},
    ),
    "choices.*.message.content": (
        "absent content is null, and Mistral's list of parts its text (SR-046)",
        lambda it: (it.before, it.after) == (MISSING, None) or from_parts(it),
    ),
    "choices.*.message.reasoning_content": ("Mistral's thoughts, out of its list of parts", thoughts_of_parts),
    "choices.*.message.tool_calls.*.id": (
        "Gemini's calls have an empty id, with which no result could be told from another",
        lambda it: it.before == "" and re.fullmatch("call_ours_0_[0-9]", it.after) is not None,
    ),
    "choices.*.message.tool_calls.*.type": (
        "Mistral leaves out what OpenAI's types require",
        lambda it: (it.before, it.after) == (MISSING, "function"),
    ),
}

# Of `id` and `created` more is asserted below: they are those of the stream's first chunk.
STREAMED: Mapping[str, tuple[str, Allowed]] = {
    **ALWAYS,
    "id": ("the same throughout (SR-053)", lambda it: bool(it.after)),
    "created": ("the same throughout (SR-053)", lambda it: type(it.after) is int and it.after > 0),
    "object": ("Perplexity's chunks are completions, Azure's first is nothing", lambda it: it.before != MISSING),
    "choices.*.delta.role": (
        "said once, in the first chunk of each choice (SR-054): OpenAI's client joins what it gets twice",
        lambda it: (it.before, it.after) in {(MISSING, "assistant"), (None, "assistant"), ("assistant", MISSING)},
    ),
    "choices.*.finish_reason": (
        "null where it was left out of a chunk that is mended anyway",
        lambda it: (it.before, it.after) == (MISSING, None),
    ),
    "choices.*.delta.content": ("Mistral's list of parts is its text", from_parts),
    "choices.*.delta.reasoning_content": ("Mistral's thoughts, out of its list of parts", thoughts_of_parts),
    "choices.*.delta.tool_calls.*.id": (
        "said once, with the first fragment (SR-056): Qwen's is empty later, Together's null, Baseten's said again",
        lambda it: it.after is MISSING and not it.around["function"].get("name"),
    ),
    "choices.*.delta.tool_calls.*.function.name": (
        "likewise",
        lambda it: (it.before, it.after) == (None, MISSING),
    ),
    "choices.*.delta.tool_calls.*.type": ("Mistral's first fragments have none", lambda it: it.after == "function"),
    "choices.*.delta.tool_calls.*.index": (
        "an older Mistral numbered no calls (SR-056)",
        lambda it: (it.before, it.after) == (MISSING, 0),
    ),
}


def assert_only(allowed: Mapping[str, tuple[str, Allowed]], before: Any, after: Any) -> set[str]:
    """What was changed, all of it as it may be."""
    changed = set()
    for difference in differences(before, after):
        _, is_allowed = allowed.get(difference.path, ("", lambda it: False))
        assert is_allowed(difference), f"{difference.path}: {difference.before!r} became {difference.after!r}"
        changed.add(difference.path)
    return changed


# Where providers depart from OpenAI's types in what is theirs to say; it passes as they wrote it

THEIR_OWN = {
    "service_tier": "Groq's `on_demand`, Vertex's `provisioned` (by OpenRouter), Snowflake's empty one",
    "choices.*.logprobs.content.*.bytes": "base64 instead of a list (one of Hugging Face's providers)",
    "choices.*.logprobs.content.*.top_logprobs.*.bytes": "likewise",
    "choices.*.message.annotations.*.url_citation": "Xiaomi's citations are flat",
    "choices.*.message.audio.expires_at": "null at Xiaomi",
    "choices.*.message.audio.transcript": "null at Xiaomi",
}


def faults(type_: type[BaseModel], value: Json) -> set[str]:
    """Where a value is not as OpenAI's type has it."""
    try:
        type_.model_validate(value)
    except ValidationError as error:
        return {".".join("*" if isinstance(step, int) else step for step in found["loc"]) for found in error.errors()}
    return set()


# Whole answers

NO_ANSWER = {
    "Provider returned error": (ErrorKind.INVALID_REQUEST, "OpenRouter says so with a 200"),
    "it has no choices": (ErrorKind.BAD_RESPONSE, "a server that echoes what it gets"),
}


def is_answer(recording: Recording) -> bool:
    return is_whole(recording) and "choices" in recording.response.get("json", {})


@pytest.mark.parametrize("recording", recordings("openai", is_answer))
def test_a_whole_answer_passes_with_every_member(recording: Recording) -> None:
    """SR-042 … SR-050: what OpenAI's contract fixes is as it should be, everything else as the provider wrote it."""
    made = adapter_of(recording).completion(call_of(recording), recording.body)
    ours, native = json.loads(made.data), json.loads(recording.body)
    assert_only(WHOLE, native, ours)
    assert faults(ChatCompletion, ours) <= THEIR_OWN.keys()
    assert ours["object"] == "chat.completion"
    usage = native["usage"]
    assert made.usage is not None
    assert (made.usage.prompt_tokens, made.usage.completion_tokens, made.usage.total_tokens) == (
        usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]
    )  # fmt: skip


@pytest.mark.parametrize("recording", recordings("openai", lambda it: is_whole(it) and not is_answer(it)))
def test_a_200_that_is_no_answer_is_an_error(recording: Recording) -> None:
    """SR-072."""
    with pytest.raises(ProviderError) as caught:
        adapter_of(recording).completion(call_of(recording), recording.body)
    assert caught.value.kind is next(kind for words, (kind, _) in NO_ANSWER.items() if words in caught.value.message)


# Streams

FAILED = {
    "error": (ErrorKind.INVALID_REQUEST, "Groq and OpenAI say in the middle of a stream that they give up"),
    "empty": (ErrorKind.BAD_RESPONSE, "`[DONE]` and nothing before it (one of Hugging Face's providers)"),
    "endless": (ErrorKind.BAD_RESPONSE, "Snowflake's stream never says why it ended: it could be cut off anywhere"),
}


def events(recording: Recording) -> list[Json]:
    """The JSON of a recorded stream, read without any of the code under test."""
    data = [line.removeprefix("data:").strip() for line in str(recording.response["text"]).splitlines()
            if line.startswith("data:")]  # fmt: skip
    return [json.loads(text) for text in data if text != "[DONE]"]


def fault(recording: Recording) -> str | None:
    """Why a recorded stream is no whole answer."""
    if not is_stream(recording):
        return None
    said = events(recording)
    if any("error" in event for event in said):
        return "error"
    if not said:
        return "empty"
    ended = any(choice.get("finish_reason") for event in said for choice in event["choices"])
    return None if ended else "endless"


def is_whole_stream(recording: Recording) -> bool:
    return is_stream(recording) and fault(recording) is None


class Watched:
    """A translator, and what it made of each event."""

    framing: Literal["sse"] = "sse"

    def __init__(self, recording: Recording):
        self._translator = adapter_of(recording).chunks(call_of(recording))
        self.made: list[list[Chunk]] = []

    def feed(self, event: str, data: bytes) -> Iterable[Chunk]:
        self.made.append(list(self._translator.feed(event, data)))
        return self.made[-1]


def passed(progress: Progress, body: bytes, size: int) -> list[Chunk]:
    """What the core passes on of a stream that arrives in pieces."""
    out: list[Chunk] = []
    for piece in pieces(body, size):
        out += progress.feed(piece)
        if progress.over:
            break
    else:
        out += progress.feed(b"")
    return [*out, *progress.rest()]


def fragments_of(chunk: Json) -> Iterator[Json]:
    for choice in chunk.get("choices") or ():
        yield from choice["delta"].get("tool_calls") or ()


def seconds(created: int) -> int:
    """One server counts milliseconds (SR-044)."""
    return created // 1000 if created > 10**11 else created


@pytest.mark.parametrize("recording", recordings("openai", is_whole_stream))
def test_a_stream_passes_with_every_member(recording: Recording) -> None:
    """SR-050, SR-053, SR-054, SR-056: each event gives its chunk, and another for the usage that came with choices."""
    watched = Watched(recording)
    passed(Progress(watched), recording.body, 10**9)
    said = events(recording)
    assert len(watched.made) == len(said)
    chunks = [[json.loads(chunk.data) for chunk in chunks] for chunks in watched.made]
    for event, ours in zip(said, chunks, strict=True):
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
    assert {chunk["id"] for chunk in flat} == {said[0]["id"] or ID}
    assert {chunk["created"] for chunk in flat} == {seconds(said[0]["created"]) or CREATED}
    assert {chunk["object"] for chunk in flat} == {"chat.completion.chunk"}


def is_repeated(chunk: Json, before: list[Json]) -> bool:
    """Whether a chunk says only that choices have ended, and that had been said: OpenRouter does, with the usage."""
    ends = [choice for earlier in before for choice in earlier["choices"] if choice.get("finish_reason")]
    for choice in chunk["choices"]:
        news = {name: value for name, value in choice.items() if value is not None and name != "delta"}
        if any(choice["delta"].values()) or not any(news.items() <= end.items() for end in ends):
            return False
    told = {name for earlier in before for name in earlier}
    return {name for name, value in chunk.items() if value is not None} <= told


@pytest.mark.parametrize("recording", recordings("openai", is_whole_stream))
def test_the_core_passes_on_what_a_stream_says_and_its_last_usage(recording: Recording) -> None:
    """SR-055: nothing is held back for good but usage that was counted on later, and ends that are repeated."""
    watched = Watched(recording)
    progress = Progress(watched)
    out = passed(progress, recording.body, 10**9)
    assert progress.complete
    assert progress.failure is None
    made = [chunk for chunks in watched.made for chunk in chunks]
    kept = {id(chunk) for chunk in out}
    said = [json.loads(chunk.data) for chunk in out]
    for chunk in made:
        if id(chunk) not in kept and not chunk.usage:
            assert is_repeated(json.loads(chunk.data), said)
    usages = [event["usage"] for event in events(recording) if event.get("usage")]
    assert [chunk["usage"] for chunk in said if chunk.get("usage")] == usages[-1:]
    assert [chunk.usage for chunk in out].count(True) == len(usages[-1:])


@pytest.mark.parametrize("recording", recordings("openai", is_stream))
def test_a_stream_in_any_pieces_is_the_same(recording: Recording) -> None:
    """SR-060: whole or broken, however the network cuts it."""
    seen = []
    for size in SIZES:
        progress = Progress(adapter_of(recording).chunks(call_of(recording)))
        out = [chunk.data for chunk in passed(progress, recording.body, size)]
        seen.append((out, progress.complete, progress.over, str(progress.failure)))
    assert all(each == seen[0] for each in seen)


@pytest.mark.parametrize("recording", recordings("openai", lambda it: fault(it) is not None))
def test_a_stream_that_is_no_whole_answer_fails(recording: Recording) -> None:
    """SR-058: the core says so, and no finish_reason is given."""
    progress = Progress(adapter_of(recording).chunks(call_of(recording)))
    out = passed(progress, recording.body, 64)
    kind, _ = FAILED[str(fault(recording))]
    assert progress.over
    assert not progress.complete
    assert progress.failure is None or progress.failure.kind is kind
    assert (progress.failure is None) is (kind is ErrorKind.BAD_RESPONSE)
    assert not any(chunk.ended for chunk in out)


class Said:
    """What one choice of a recorded stream says, put together from its events."""

    def __init__(self) -> None:
        self.text = self.reasoning = ""
        self.calls: dict[Any, Json] = {}
        self.finish_reason: str | None = None

    def add(self, choice: Json) -> None:
        delta = choice.get("delta") or {}
        content = delta.get("content") or ""
        self.text += texts(content) if isinstance(content, list) else content
        self.reasoning += thoughts(content) if isinstance(content, list) else delta.get("reasoning_content") or ""
        for call in delta.get("tool_calls") or ():
            known = self.calls.setdefault(call.get("index", 0), {"id": "", "name": "", "arguments": ""})
            known["id"] = call.get("id") or known["id"]
            known["name"] = call["function"].get("name") or known["name"]
            known["arguments"] += call["function"].get("arguments") or ""
        self.finish_reason = self.finish_reason or choice.get("finish_reason")


def joined(state: ChatCompletionStreamState[None], chunk: Json) -> bool:
    """Whether OpenAI's client can join a chunk: lists only where their entries are numbered, and citations are not."""
    try:
        state.handle_chunk(ChatCompletionChunk.construct(**chunk))
    except RuntimeError as error:
        if "Expected list delta entry to have an `index` key" in str(error):
            return False
        raise
    return True


@pytest.mark.parametrize("recording", recordings("openai", is_whole_stream))
def test_openais_client_puts_a_stream_together(recording: Recording) -> None:
    """SR-048, SR-049, SR-054, SR-056: each chunk is valid, and the whole is what the provider said."""
    out = passed(Progress(adapter_of(recording).chunks(call_of(recording))), recording.body, 64)
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    for chunk in out:
        value = json.loads(chunk.data)
        assert faults(ChatCompletionChunk, value) <= THEIR_OWN.keys()
        if not joined(state, value):
            assert "annotations" in chunk.data.decode()
            return
    final = state.current_completion_snapshot
    wanted: dict[int, Said] = defaultdict(Said)
    for event in events(recording):
        for choice in event["choices"]:
            wanted[choice["index"]].add(choice)
    assert [choice.index for choice in final.choices] == sorted(wanted)
    for choice in final.choices:
        said = wanted[choice.index]
        assert choice.message.role == "assistant"
        assert (choice.message.content or "") == said.text
        assert ((choice.message.model_extra or {}).get("reasoning_content") or "") == said.reasoning
        assert choice.finish_reason == said.finish_reason
        calls = [
            {"id": call.id, "name": call.function.name, "arguments": call.function.arguments}
            for call in choice.message.tool_calls or ()
        ]
        assert calls == list(said.calls.values())
        assert all(call.type == "function" for call in choice.message.tool_calls or ())


# Tool calls as servers are known to stream them, though none did while it was recorded

Fragment = dict[str, Any]


def fragment(name: str | None = None, arguments: str = "", **members: Any) -> Fragment:
    return {**members, "function": {**({"name": name} if name is not None else {}), "arguments": arguments}}


PARALLEL: Mapping[str, list[Fragment]] = {
    "OpenAI": [
        fragment("f", index=0, id="a", type="function"), fragment(arguments="{}", index=0),
        fragment("g", index=1, id="b", type="function"), fragment(arguments="[]", index=1),
    ],
    "whole calls, all numbered 0 (Gemini)": [
        fragment("f", "{}", index=0, id="a", type="function"), fragment("g", "[]", index=0, id="b", type="function"),
    ],
    "all numbered 0, and the id empty as they go on (older vLLM)": [
        fragment("f", index=0, id="a", type="function"), fragment(arguments="{}", index=0, id=""),
        fragment("g", index=0, id="b", type="function"), fragment(arguments="[]", index=0, id=""),
    ],
    "all numbered 0, and the id said with every fragment (SGLang)": [
        fragment("f", index=0, id="a", type="function"), fragment(None, "{}", index=0, id="a", type="function"),
        fragment("g", index=0, id="b", type="function"), fragment(None, "[]", index=0, id="b", type="function"),
    ],
    "name and id said with every fragment": [
        fragment("f", "{", index=0, id="a", type="function"), fragment("f", "}", index=0, id="a", type="function"),
        fragment("g", "[", index=1, id="b", type="function"), fragment("g", "]", index=1, id="b", type="function"),
    ],
    "another id with every fragment (older vLLM)": [
        fragment("f", index=0, id="a", type="function"), fragment(arguments="{}", index=0, id="x", type="function"),
        fragment("g", index=1, id="b", type="function"), fragment(arguments="[]", index=1, id="y", type="function"),
    ],
    "no numbers": [
        fragment("f", "{", id="a"), fragment(arguments="}"), fragment("g", "[", id="b"), fragment(arguments="]"),
    ],
    "numbered from 1": [
        fragment("f", "{}", index=1, id="a", type="function"),
        fragment("g", index=2, id="b", type="function"), fragment(arguments="[]", index=2),
    ],
    "the id first, then the name": [
        fragment(index=0, id="a", type="function"), fragment("f", "{}", index=0),
        fragment(index=1, id="b", type="function"), fragment("g", "[]", index=1),
    ],
}  # fmt: skip


def put_together(fragments: list[Fragment], *, at_once: bool) -> list[Fragment]:
    """The calls of a client that joins what it gets by index; the fragments in one chunk, or each in its own."""
    translator = OpenAICompatible(GENERIC, ProviderSettings(id="x")).chunks(call_for("m", stream=True))
    calls: dict[int, Fragment] = {}
    for each in [fragments] if at_once else [[one] for one in fragments]:
        choice = {"index": 0, "delta": {"role": "assistant", "tool_calls": each}, "finish_reason": None}
        event = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        for chunk in translator.feed("", json.dumps(event).encode()):
            for got in ChatCompletionChunk.model_validate_json(chunk.data).choices[0].delta.tool_calls or ():
                call = calls.setdefault(got.index, called("", "", "") | {"type": ""})
                call["id"] += got.id or ""
                call["type"] = got.type or call["type"]
                call["function"]["name"] += (got.function and got.function.name) or ""
                call["function"]["arguments"] += (got.function and got.function.arguments) or ""
    return [calls[index] for index in sorted(calls)]


def called(id: str, name: str, arguments: str) -> Json:
    function = {"name": name, "arguments": arguments}
    return {"id": id, "type": "function", "function": function}


@pytest.mark.parametrize("at_once", [False, True], ids=["one by one", "at once"])
@pytest.mark.parametrize("way", PARALLEL)
def test_parallel_calls_are_told_apart(way: str, at_once: bool) -> None:
    """SR-056: however a server numbers them."""
    assert put_together(PARALLEL[way], at_once=at_once) == [called("a", "f", "{}"), called("b", "g", "[]")]


def test_calls_without_an_id_get_one_each() -> None:
    """SR-056."""
    calls = put_together([fragment("f", "{}", index=0, id=""), fragment("g", "[]", index=0, id="")], at_once=False)
    assert calls == [called("call_ours_0_0", "f", "{}"), called("call_ours_0_1", "g", "[]")]


def test_calls_of_a_whole_answer_without_an_id_get_one_each() -> None:
    """SR-050: a result could not be told from another."""
    function = {"name": "f", "arguments": "{}"}
    calls = [{"id": given, "type": "function", "function": function} for given in ("", "theirs", None)]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    body = {"id": "c", "object": "chat.completion", "created": CREATED, "model": "m", "choices": [choice]}
    call = call_for("m", stream=False)
    made = OpenAICompatible(GENERIC, ProviderSettings(id="x")).completion(call, json.dumps(body).encode())
    ids = [each["id"] for each in json.loads(made.data)["choices"][0]["message"]["tool_calls"]]
    assert ids == ["call_ours_0_0", "theirs", "call_ours_0_2"]


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

# Where the status alone would mislead: (provider, status, words) -> what it means, and why.
DOUBTFUL: Mapping[tuple[str, int, str], tuple[ErrorKind, str]] = {
    ("baseten", 403, "api-key"): (ErrorKind.AUTH, "the key is wrong (it says so of an unknown model, too)"),
    ("deepseek", 400, "API model names are"): (ErrorKind.MODEL_NOT_FOUND, "the model is the only fault"),
    ("llamacpp", 500, "Context size has been exceeded"): (ErrorKind.CONTEXT_LENGTH, "not the server's fault"),
    ("llamacpp", 500, "input is not supported"): (ErrorKind.INVALID_REQUEST, "not the server's fault"),
    ("openai", 400, "invalid model ID"): (ErrorKind.MODEL_NOT_FOUND, "the model is the only fault"),
    ("openai", 401, "insufficient permissions"): (ErrorKind.PERMISSION, "the key is known"),
    ("openrouter", 400, "not a valid model ID"): (ErrorKind.MODEL_NOT_FOUND, "the model is the only fault"),
    ("perplexity", 400, "total length of all messages"): (ErrorKind.CONTEXT_LENGTH, "type too_many_prompt_tokens"),
    ("xiaomi", 400, "Not supported model"): (ErrorKind.MODEL_NOT_FOUND, "said in `param`"),
    ("xiaomi", 404, "No endpoints found that support"): (ErrorKind.INVALID_REQUEST, "the model is there, and blind"),
}


def doubt(recording: Recording) -> tuple[str, int, str] | None:
    body = recording.body.decode()
    return next((key for key in DOUBTFUL if key[:2] == (recording.provider, recording.status) and key[2] in body), None)


@pytest.mark.parametrize("recording", recordings("openai", is_error))
def test_an_error_has_its_kind_and_the_providers_words(recording: Recording) -> None:
    """SR-064, SR-068, SR-072: the kind decides what follows, the words are for the client."""
    error = adapter_of(recording).error(recording.status, recording.headers, recording.body)
    key = doubt(recording)
    assert error.kind is (DOUBTFUL[key][0] if key else BY_STATUS[recording.status])
    assert error.status == recording.status
    assert error.retry_after == (2.0 if recording.headers.get("retry-after") else None)
    said = recording.response.get("json", {})
    inner = said.get("error", said)
    if isinstance(inner, dict) and isinstance(inner.get("message"), str):
        assert error.message.startswith(inner["message"])
        assert (error.code or "") == str(inner.get("code") or "")
        assert (error.type or "") == (inner.get("type") or "")
        assert (error.param or "") == (inner.get("param") or "")
    elif isinstance(inner, str):
        assert error.message == inner


def test_each_doubtful_error_is_one_that_was_recorded() -> None:
    """The table has no row that nothing stands behind."""
    errors = [each.values[0] for each in recordings("openai", is_error)]
    if errors == [None]:
        pytest.skip("the recordings are not there")
    assert {doubt(recording) for recording in errors} - {None} == DOUBTFUL.keys()


# Requests

# What a client cannot send, although the provider would take it.
REFUSED = {
    ("mistral", "messages[0].content[1].input_audio"): "base64 as it is, where OpenAI has an object (SR-037)",
    ("together", "logprobs"): "a number, where OpenAI has a boolean (SR-021)",
}

# llama.cpp serves one model, and older surfaces of Azure have it in the path: a client of ours names one.
NAMELESS = {"azure", "llamacpp"}


def body_of(recording: Recording) -> bytes:
    body = recording.request["body"]
    if "model" not in body:
        assert recording.provider in NAMELESS
        body = {**body, "model": recording.model or "the-only-one"}
    return json.dumps(body, ensure_ascii=False).encode()


def refused(body: bytes) -> str | None:
    """The member for which a request is refused."""
    try:
        decode(body)
    except RequestError as error:
        return error.param
    return None


members = partial(msgspec.json.decode, type=dict[str, msgspec.Raw])


@pytest.mark.parametrize("recording", recordings("openai"))
def test_a_request_passes_with_every_member(recording: Recording) -> None:
    """SR-026: to the byte, but for the model and what the spec renames and leaves out, which is said."""
    body = body_of(recording)
    if (param := refused(body)) is not None:
        assert (recording.provider, param) in REFUSED
        return
    call = ChatCall(body=decode(body), upstream_model="theirs", client_model=NAME, id=ID, created=CREATED)
    spec, sent = spec_of(recording), adapter_of(recording).request(call)
    ours = {name: bytes(value) for name, value in members(sent.content).items()}
    wanted = {name: bytes(value) for name, value in members(body).items()}
    assert set(sent.dropped) == spec.drop & wanted.keys()
    wanted = {spec.rename.get(name, name): value for name, value in wanted.items() if name not in spec.drop}
    wanted["model"] = b'"theirs"'
    if call.stream and spec.capabilities.stream_usage:
        options = json.loads(wanted.pop("stream_options", b"null")) or {}
        assert json.loads(ours.pop("stream_options")) == {**options, "include_usage": True}
    assert ours == wanted
    assert sent.url == f"{spec.base_url}/chat/completions"
    assert sent.headers["authorization"] == "Bearer sk-ours"


def was_taken(recording: Recording) -> bool:
    return not is_error(recording) and recording.provider in SPECS and refused(body_of(recording)) is None


@pytest.mark.parametrize("recording", recordings("openai", was_taken))
def test_a_preset_keeps_and_allows_what_its_provider_was_seen_to_take(recording: Recording) -> None:
    """SR-026: a row of the presets takes nothing away that works."""
    body = decode(body_of(recording))
    spec = spec_of(recording)
    lacking = {need for need in needs(body.view) if not getattr(spec.capabilities, need)}
    assert not lacking
    call = ChatCall(body=body, upstream_model="theirs", client_model=NAME, id=ID, created=CREATED)
    assert adapter_of(recording).request(call).dropped == ()


# The tables above


def all_changes(wanted: Callable[[Recording], bool], allowed: Mapping[str, Any]) -> set[str]:
    found: set[str] = set()
    for parameter in recordings("openai", wanted):
        recording = parameter.values[0]
        if recording is None:
            pytest.skip("the recordings are not there")
        if allowed is WHOLE:
            made = adapter_of(recording).completion(call_of(recording), recording.body)
            found |= assert_only(allowed, json.loads(recording.body), json.loads(made.data))
        else:
            watched = Watched(recording)
            passed(Progress(watched), recording.body, 10**9)
            for event, chunks in zip(events(recording), watched.made, strict=True):
                ours = json.loads(chunks[0].data)
                found |= assert_only(allowed, event, {**ours, "usage": event["usage"]} if chunks[1:] else ours)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wanted", "allowed"), [(is_answer, WHOLE), (is_whole_stream, STREAMED)], ids=["whole", "stream"]
)
def test_each_change_that_is_allowed_was_needed(
    wanted: Callable[[Recording], bool], allowed: Mapping[str, tuple[str, Allowed]]
) -> None:
    """The tables have no row that nothing stands behind."""
    assert all_changes(wanted, allowed) == allowed.keys()
