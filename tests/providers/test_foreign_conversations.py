"""Conversations that another model started: every native adapter translates them to what its provider accepts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import pytest
from chat_requests import chat_call
from hypothesis import given
from hypothesis import strategies as st

from llms_core.openai_compatible import OPENAI_COMPATIBLE, OpenAICompatible
from llms_core.provider import HttpAdapter, ProviderSettings
from llms_core.secret import Secret
from llms_providers.anthropic import ANTHROPIC, Anthropic, AnthropicSettings
from llms_providers.bedrock import BEDROCK, Bedrock, BedrockSettings
from llms_providers.cohere import COHERE, Cohere
from llms_providers.google import GOOGLE, VERTEX, Google, Vertex
from llms_providers.google.settings import GoogleSettings, VertexSettings
from llms_providers.ollama import OLLAMA, Ollama

Json = dict[str, Any]

KEY = Secret("a-key")
USER: Json = {"role": "user", "content": "Go on"}
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
    for name in ("f", "g")
]


class Sent(NamedTuple):
    """The tool calls and results of a request to a provider, in its order."""

    #: ids and arguments
    calls: list[tuple[str, Json]]
    #: the ids and texts of the results
    results: list[tuple[str, str]]


class Provider(NamedTuple):
    adapter: HttpAdapter
    model: str
    #: the ids that the provider accepts
    valid: str
    read: Callable[[Json], Sent]


def anthropic_sent(body: Json) -> Sent:
    blocks = [block for turn in body["messages"] for block in turn["content"]]
    return Sent(
        [(block["id"], block["input"]) for block in blocks if block["type"] == "tool_use"],
        [
            (block["tool_use_id"], block["content"])
            for block in blocks
            if block["type"] == "tool_result"
        ],
    )


def google_sent(body: Json) -> Sent:
    parts = [part for turn in body["contents"] for part in turn["parts"]]
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    results = [part["functionResponse"] for part in parts if "functionResponse" in part]
    return Sent(
        [(call["id"], call["args"]) for call in calls],
        [(result["id"], result["response"]["output"]) for result in results],
    )


def bedrock_sent(body: Json) -> Sent:
    blocks = [block for turn in body["messages"] for block in turn["content"]]
    calls = [block["toolUse"] for block in blocks if "toolUse" in block]
    results = [block["toolResult"] for block in blocks if "toolResult" in block]
    return Sent(
        [(call["toolUseId"], call["input"]) for call in calls],
        [(result["toolUseId"], result["content"][0]["text"]) for result in results],
    )


def messages_sent(body: Json) -> Sent:
    """Cohere and Ollama have OpenAI's roles; the arguments are JSON text or an object."""
    calls = [call for message in body["messages"] for call in message.get("tool_calls") or ()]
    arguments = [call["function"]["arguments"] for call in calls]
    decoded = [json.loads(each) if isinstance(each, str) else each for each in arguments]
    results = [message for message in body["messages"] if message["role"] == "tool"]
    return Sent(
        list(zip((call["id"] for call in calls), decoded, strict=True)),
        [(message["tool_call_id"], message["content"]) for message in results],
    )


def anthropic(id: str = "anthropic") -> Anthropic:
    return Anthropic(ANTHROPIC, AnthropicSettings(id=id, api_key=KEY))


def google(id: str = "google") -> Google:
    return Google(GOOGLE, GoogleSettings(id=id, api_key=KEY))


def vertex() -> Vertex:
    return Vertex(VERTEX, VertexSettings(id="vertex", api_key=KEY, project="p"))


def bedrock() -> Bedrock:
    return Bedrock(BEDROCK, BedrockSettings(id="bedrock", api_key=KEY, region="us-east-1"), {})


def cohere() -> Cohere:
    return Cohere(COHERE, ProviderSettings(id="cohere", api_key=KEY))


def ollama() -> Ollama:
    return Ollama(OLLAMA, ProviderSettings(id="ollama"))


def responses_sent(body: Json) -> Sent:
    items = [item for item in body["input"] if "call_id" in item]
    return Sent(
        [
            (item["call_id"], json.loads(item["arguments"]))
            for item in items
            if item["type"] == "function_call"
        ],
        [
            (item["call_id"], item["output"])
            for item in items
            if item["type"] == "function_call_output"
        ],
    )


def responses() -> OpenAICompatible:
    return OpenAICompatible(
        OPENAI_COMPATIBLE,
        ProviderSettings(id="openai", base_url="http://x/v1", protocol="responses"),
    )


CLAUDES = r"[a-zA-Z0-9_-]{1,64}"
PROVIDERS = {
    "anthropic": Provider(anthropic(), "claude-sonnet-4-5", CLAUDES, anthropic_sent),
    "google": Provider(google(), "gemini-3-pro", r".+", google_sent),
    "vertex": Provider(vertex(), "gemini-2.5-flash", r".+", google_sent),
    "bedrock claude": Provider(bedrock(), "anthropic.claude-sonnet-4-5", CLAUDES, bedrock_sent),
    "bedrock nova": Provider(
        bedrock(), "amazon.nova-pro-v1:0", r"[a-zA-Z0-9_.:-]{1,64}", bedrock_sent
    ),
    "bedrock mistral": Provider(
        bedrock(), "mistral.mistral-large-3", r"[a-zA-Z0-9]{9}", bedrock_sent
    ),
    "cohere": Provider(cohere(), "command-a", CLAUDES, messages_sent),
    "ollama": Provider(ollama(), "llama", r".+", messages_sent),
    "responses": Provider(responses(), "gpt-5.1-codex", r"(?s:.{1,64})", responses_sent),
}
provider = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)


def asked(*ids: str | None, arguments: Any = "{}", name: str = "f") -> Json:
    calls = [
        {"id": each, "type": "function", "function": {"name": name, "arguments": arguments}}
        for each in ids
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(id: str | None, text: str = "ok") -> Json:
    return {"role": "tool", "tool_call_id": id, "content": text}


def sent(provider: Provider, *messages: Json) -> Sent:
    call = chat_call(
        {"model": "m", "tools": TOOLS, "messages": [USER, *messages]}, model=provider.model
    )
    return provider.read(json.loads(provider.adapter.request(call).content))


# Arguments


@provider
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("null", {}),
        (None, {}),
        ("", {}),
        ({"a": 1}, {"a": 1}),
        ('"{\\"a\\": 1}"', {"a": 1}),
        ("[1]", {"invalid_arguments": "[1]"}),
        ('{"a": "par', {"invalid_arguments": '{"a": "par'}),
    ],
)
def test_past_arguments_are_always_an_object(
    provider: Provider, arguments: Any, expected: Json
) -> None:
    assert (
        sent(provider, asked("call_1", arguments=arguments), result("call_1")).calls[0][1]
        == expected
    )


# Ids


def assert_paired(provider: Provider, found: Sent) -> None:
    """The ids are valid and unique, and each result has the id of its call: the one at its place, by its text."""
    ids = [each for each, _ in found.calls]
    assert all(re.fullmatch(provider.valid, each) for each in ids)
    assert len(set(ids)) == len(ids)
    assert found.results == [(each, str(number)) for number, each in enumerate(ids)]


def conversation(turns: Iterable[Sequence[str | None]]) -> list[Json]:
    """Return turns of parallel calls with these ids. The text of each result is the number of its call."""
    messages: list[Json] = []
    count = 0
    for ids in turns:
        messages.append(asked(*ids))
        messages += [result(each, str(count + number)) for number, each in enumerate(ids)]
        count += len(ids)
    return messages


CONVERSATIONS: dict[str, list[list[str | None]]] = {
    "numbered anew in each turn": [["f:0", "f:1"], ["f:0", "f:1"], ["f:0"]],
    "the same within a turn": [["call_1", "call_1"]],
    "empty": [["", ""], [""]],
    "null": [[None, None], [None]],
    "different only in unusual characters": [["f.0", "f:0"], ["f_0", "f 0"]],
    "too long": [["a" * 100 + "1", "a" * 100 + "2"]],
    "of other scripts": [["调用", "呼び出し"]],
}


@provider
@pytest.mark.parametrize("case", CONVERSATIONS)
def test_ids_are_unique_and_valid_and_results_stay_with_their_calls(
    provider: Provider, case: str
) -> None:
    assert_paired(provider, sent(provider, *conversation(CONVERSATIONS[case])))


@provider
@given(
    turns=st.lists(
        st.lists(st.sampled_from(["", "a", "a.b", "a:b", "a" * 70]), min_size=1, max_size=3),
        max_size=4,
    )
)
def test_any_repetition_of_ids_is_resolved(
    provider: Provider, turns: list[list[str | None]]
) -> None:
    assert_paired(provider, sent(provider, *conversation(turns)))


def test_ollama_receives_parallel_results_in_the_order_of_the_calls() -> None:
    """Its templates do not have the ids."""
    results = [result("c", "2"), result("a", "0"), result("b", "1")]
    found = sent(
        PROVIDERS["ollama"], asked("a", "b", "c"), *results, USER, asked("d"), result("d", "3")
    )
    assert_paired(PROVIDERS["ollama"], found)


# Ids in answers

DUPLICATE = "grep:3"


def claude_answer(id: str | None) -> Json:
    uses: list[Json] = [
        {"type": "tool_use", "id": id, "name": name, "input": {}} for name in ("f", "g")
    ]
    return {
        "type": "message",
        "id": "m",
        "role": "assistant",
        "content": uses,
        "stop_reason": "tool_use",
    }


def gemini_answer(id: str | None) -> Json:
    parts: list[Json] = [
        {"functionCall": {"name": name, "args": {}, "id": id}} for name in ("f", "g")
    ]
    return {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP", "index": 0}]}


def converse_answer(id: str | None) -> Json:
    uses: list[Json] = [
        {"toolUse": {"toolUseId": id, "name": name, "input": {}}} for name in ("f", "g")
    ]
    return {"output": {"message": {"role": "assistant", "content": uses}}, "stopReason": "tool_use"}


def openai_calls(id: str | None) -> list[Json]:
    return [
        {"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}}
        for name in ("f", "g")
    ]


def cohere_answer(id: str | None) -> Json:
    return {"id": "x", "finish_reason": "TOOL_CALL", "message": {"tool_calls": openai_calls(id)}}


def ollama_answer(id: str | None) -> Json:
    calls: list[Json] = [
        {"id": id, "function": {"name": name, "arguments": {}}} for name in ("f", "g")
    ]
    return {
        "message": {"role": "assistant", "content": "", "tool_calls": calls},
        "done": True,
        "done_reason": "stop",
    }


def openai_answer(id: str | None) -> Json:
    message = {"role": "assistant", "content": None, "tool_calls": openai_calls(id)}
    choices = [{"index": 0, "message": message, "finish_reason": "tool_calls"}]
    return {"id": "x", "created": 1_700_000_000, "object": "chat.completion", "choices": choices}


def claude_stream(id: str | None) -> list[tuple[str, Json]]:
    events: list[Json] = [{"type": "message_start", "message": {"id": "m"}}]
    for index, name in enumerate("fg"):
        block: Json = {"type": "tool_use", "id": id, "name": name, "input": {}}
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events.append({"type": "content_block_stop", "index": index})
    events.append(
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use"},
            "usage": {"output_tokens": 1},
        }
    )
    return [("", event) for event in events]


def converse_stream(id: str | None) -> list[tuple[str, Json]]:
    events: list[tuple[str, Json]] = []
    for index, name in enumerate("fg"):
        start = {"toolUse": {"toolUseId": id, "name": name}}
        events.append(("contentBlockStart", {"contentBlockIndex": index, "start": start}))
        events.append(("contentBlockStop", {"contentBlockIndex": index}))
    return [*events, ("messageStop", {"stopReason": "tool_use"})]


def cohere_stream(id: str | None) -> list[tuple[str, Json]]:
    events = []
    for index, name in enumerate("fg"):
        call = {"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}}
        events.append(
            {"type": "tool-call-start", "index": index, "delta": {"message": {"tool_calls": call}}}
        )
    return [("", event) for event in events]


def openai_stream(id: str | None) -> list[tuple[str, Json]]:
    fragments = [{**call, "index": index} for index, call in enumerate(openai_calls(id))]
    delta = {"role": "assistant", "tool_calls": fragments}
    return [("", {"id": "x", "created": 1_700_000_000, "choices": [{"index": 0, "delta": delta}]})]


def in_one_event(
    whole: Callable[[str | None], Json],
) -> Callable[[str | None], list[tuple[str, Json]]]:
    """Return a stream that consists of a whole answer."""

    def stream(id: str | None) -> list[tuple[str, Json]]:
        return [("", whole(id))]

    return stream


class Answering(NamedTuple):
    adapter: HttpAdapter
    whole: Callable[[str | None], Json]
    stream: Callable[[str | None], list[tuple[str, Json]]]


ANSWERING = {
    "anthropic": Answering(anthropic(), claude_answer, claude_stream),
    "google": Answering(google(), gemini_answer, in_one_event(gemini_answer)),
    "bedrock": Answering(bedrock(), converse_answer, converse_stream),
    "cohere": Answering(cohere(), cohere_answer, cohere_stream),
    "ollama": Answering(ollama(), ollama_answer, in_one_event(ollama_answer)),
    "openai-compatible": Answering(
        OpenAICompatible(OPENAI_COMPATIBLE, ProviderSettings(id="x", base_url="http://x/v1")),
        openai_answer,
        openai_stream,
    ),
}
answering = pytest.mark.parametrize("answering", ANSWERING.values(), ids=ANSWERING)
#: Both calls of the answer have this id; the second is also that of an earlier turn.
faulty_id = pytest.mark.parametrize("id", [DUPLICATE, "earlier", "", None])

EARLIER = [USER, asked("earlier"), result("earlier")]


@answering
@faulty_id
def test_the_ids_of_an_answer_are_unique_in_its_conversation(
    answering: Answering, id: str | None
) -> None:
    call = chat_call({"model": "m", "messages": EARLIER})
    completion = json.loads(
        answering.adapter.completion(call, json.dumps(answering.whole(id)).encode()).data
    )
    ids = [each["id"] for each in completion["choices"][0]["message"]["tool_calls"]]
    assert_new(ids, id)


@answering
@faulty_id
def test_the_ids_of_a_stream_are_unique_in_its_conversation(
    answering: Answering, id: str | None
) -> None:
    call = chat_call({"model": "m", "stream": True, "messages": EARLIER})
    translator = answering.adapter.chunks(call)
    chunks = [
        json.loads(chunk.data)
        for event, data in answering.stream(id)
        for chunk in translator.feed(event, json.dumps(data).encode())
    ]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    fragments = [fragment for delta in deltas for fragment in delta.get("tool_calls") or ()]
    assert_new([fragment["id"] for fragment in fragments if "id" in fragment], id)


def assert_new(ids: list[str], original: str | None) -> None:
    assert all(ids)
    assert len({"earlier", *ids}) == 3
    if original == DUPLICATE:
        # Only as many as necessary are replaced.
        assert ids[0] == DUPLICATE


# Thinking

#: In the form of Claude's signatures, and in that of Gemini's.
CLAUDES_SIGNATURE = "EgYKBAgBGAI="
CLAUDES_LATER_SIGNATURE = "CAISBgoECBAYAg=="
GEMINIS_SIGNATURE = "CgMBU0k="

CLAUDE = "claude-sonnet-4-5"
KIMI = "kimi-k3"


def thought_by(adapter: Anthropic, model: str, signature: str | None) -> Json:
    """Return an answer with thinking and a call, as the client gets it."""
    thinking = {"type": "thinking", "thinking": "Hm", "signature": signature}
    content = [thinking, {"type": "tool_use", "id": "t1", "name": "f", "input": {}}]
    body = json.dumps({**claude_answer("t1"), "content": content}).encode()
    call = chat_call({"model": "m", "messages": [USER]}, model=model)
    message: Json = json.loads(adapter.completion(call, body).data)["choices"][0]["message"]
    return message


def without_owner(message: Json) -> Json:
    extra = {
        name: value
        for name, value in message["provider_extra"]["anthropic"].items()
        if name != "owner"
    }
    return {**message, "provider_extra": {"anthropic": extra}}


def types_sent(adapter: Anthropic, model: str, message: Json, **members: Any) -> list[str]:
    call = chat_call(
        {"model": "m", "messages": [USER, message, result("t1")], "tools": TOOLS, **members},
        model=model,
    )
    body = json.loads(adapter.request(call).content)
    return [block["type"] for block in body["messages"][1]["content"]]


KEPT = ["thinking", "tool_use"]
DROPPED = ["tool_use"]


@pytest.mark.parametrize(
    ("owner", "owners_model", "signature", "own", "model", "expected"),
    [
        ("claude", CLAUDE, "any form", "claude", CLAUDE, KEPT),
        ("claude", CLAUDE, CLAUDES_SIGNATURE, "claude", "claude-opus-4-8", KEPT),
        ("claude", CLAUDE, CLAUDES_SIGNATURE, "other-account", CLAUDE, KEPT),
        ("claude", CLAUDE, CLAUDES_LATER_SIGNATURE, "other-account", CLAUDE, KEPT),
        # A server that takes Claude's names for its own models
        ("zai", CLAUDE, "not-claudes", "claude", CLAUDE, DROPPED),
        ("kimi", KIMI, "not-claudes", "claude", CLAUDE, DROPPED),
        ("kimi", KIMI, CLAUDES_SIGNATURE, "claude", CLAUDE, DROPPED),
        ("kimi", KIMI, None, "claude", CLAUDE, DROPPED),
        ("kimi", KIMI, "not-claudes", "kimi", "kimi-k4", KEPT),
        ("kimi", KIMI, None, "kimi", KIMI, KEPT),
        ("kimi", KIMI, "not-claudes", "minimax", "MiniMax-M3", DROPPED),
        ("claude", CLAUDE, CLAUDES_SIGNATURE, "kimi", KIMI, DROPPED),
        ("claude", CLAUDE, None, "claude", CLAUDE, DROPPED),
    ],
)
def test_thinking_is_only_sent_to_models_that_accept_it(
    owner: str, owners_model: str, signature: str | None, own: str, model: str, expected: list[str]
) -> None:
    message = thought_by(anthropic(owner), owners_model, signature)
    assert types_sent(anthropic(own), model, message) == expected


@pytest.mark.parametrize(
    ("signature", "model", "expected"),
    [
        (CLAUDES_SIGNATURE, CLAUDE, KEPT),
        (CLAUDES_LATER_SIGNATURE, CLAUDE, KEPT),
        (GEMINIS_SIGNATURE, CLAUDE, DROPPED),
        ("not-claudes", CLAUDE, DROPPED),
        ("reasoning_content", CLAUDE, DROPPED),
        (None, CLAUDE, DROPPED),
        ("not-claudes", KIMI, KEPT),
        (CLAUDES_SIGNATURE, KIMI, DROPPED),
    ],
)
def test_without_an_owner_the_form_of_the_signature_decides(
    signature: str | None, model: str, expected: list[str]
) -> None:
    """In conversations from before owners were named."""
    message = without_owner(thought_by(anthropic(), CLAUDE, signature))
    assert types_sent(anthropic(), model, message) == expected


@pytest.mark.parametrize(
    "owner", [5, "claude", {}, {"provider": 1, "family": None}, {"provider": "anthropic"}]
)
def test_an_invalid_owner_is_none(owner: Any) -> None:
    message = thought_by(anthropic(), CLAUDE, "not-claudes")
    message["provider_extra"]["anthropic"]["owner"] = owner
    assert types_sent(anthropic(), CLAUDE, message) == DROPPED


@pytest.mark.parametrize(
    ("model", "thinking"),
    [(CLAUDE, {"type": "enabled", "budget_tokens": 2000}), ("claude-opus-5", {"type": "adaptive"})],
)
def test_a_thinking_budget_is_dropped_where_claude_would_reject_it(
    model: str, thinking: Json
) -> None:
    """A turn that began without thinking, with another model's call, cannot be continued with a budget."""
    body = {"model": "m", "max_tokens": 4000, "tools": TOOLS, "thinking": thinking}
    foreign = {
        **body,
        "messages": [USER, thought_by(anthropic("kimi"), KIMI, "not-claudes"), result("t1")],
    }
    own = {
        **body,
        "messages": [USER, thought_by(anthropic(), CLAUDE, CLAUDES_SIGNATURE), result("t1")],
    }
    request = anthropic().request(chat_call(foreign, model=model))
    is_dropped = thinking["type"] == "enabled"
    assert ("thinking" not in json.loads(request.content), "thinking" in request.dropped) == (
        is_dropped,
        is_dropped,
    )
    assert (
        json.loads(anthropic().request(chat_call(own, model=model)).content)["thinking"] == thinking
    )


@pytest.mark.parametrize(("type_", "is_dropped"), [("enabled", True), ("adaptive", False)])
def test_a_thinking_budget_is_dropped_on_bedrock_too(type_: str, is_dropped: bool) -> None:
    messages = [USER, asked("t1"), result("t1")]
    body = {"model": "m", "tools": TOOLS, "thinking": {"type": type_}, "messages": messages}
    request = bedrock().request(chat_call(body, model="anthropic.claude-sonnet-4-5"))
    is_sent = "thinking" in json.loads(request.content).get("additionalModelRequestFields", {})
    assert (is_sent, "thinking" in request.dropped) == (not is_dropped, is_dropped)


def gemini_answered(adapter: Google, model: str) -> Json:
    """Return an answer with a signed text and a signed call, as the client gets it."""
    parts = [
        {"executableCode": {"code": "1"}, "thoughtSignature": GEMINIS_SIGNATURE},
        {"text": "So", "thoughtSignature": GEMINIS_SIGNATURE},
        {
            "functionCall": {"name": "f", "args": {}, "id": "t1"},
            "thoughtSignature": GEMINIS_SIGNATURE,
        },
    ]
    body = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP", "index": 0}]}
    call = chat_call({"model": "m", "messages": [USER]}, model=model)
    answer = json.loads(adapter.completion(call, json.dumps(body).encode()).data)
    message: Json = answer["choices"][0]["message"]
    return message


def signatures_sent(adapter: Google, model: str, message: Json) -> list[str | None]:
    call = chat_call({"model": "m", "messages": [USER, message, result("t1")]}, model=model)
    turns = json.loads(adapter.request(call).content)["contents"]
    return [part.get("thoughtSignature") for part in turns[1]["parts"]]


PLACEHOLDER = "skip_thought_signature_validator"


@pytest.mark.parametrize(
    ("adapter", "model", "expected"),
    [
        (google(), "gemini-3-pro", [GEMINIS_SIGNATURE] * 3),
        (google(), "gemini-3.5-flash", [GEMINIS_SIGNATURE] * 3),
        (google(), "gemini-2.5-pro", [None] * 3),
        (google("other-account"), "gemini-3-pro", [None, None, PLACEHOLDER]),
        (vertex(), "gemini-3-pro", [None, None, PLACEHOLDER]),
    ],
)
def test_signatures_are_only_sent_to_the_account_and_family_that_made_them(
    adapter: Google, model: str, expected: list[str | None]
) -> None:
    assert signatures_sent(adapter, model, gemini_answered(google(), "gemini-3-pro")) == expected


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        (GEMINIS_SIGNATURE, GEMINIS_SIGNATURE),
        (CLAUDES_SIGNATURE, PLACEHOLDER),
        (CLAUDES_LATER_SIGNATURE, PLACEHOLDER),
        ("S", PLACEHOLDER),
        (5, PLACEHOLDER),
    ],
)
def test_without_an_owner_only_signatures_in_geminis_form_are_sent(
    signature: Any, expected: str
) -> None:
    """Many clients keep `extra_content`, but not `provider_extra`."""
    message = asked("t1")
    message["tool_calls"][0]["extra_content"] = {"google": {"thought_signature": signature}}
    assert signatures_sent(google(), "gemini-3-pro", message) == [expected]
