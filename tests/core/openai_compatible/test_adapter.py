"""The base of every provider that speaks OpenAI's JSON: what is asked, and what becomes of the answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import Raw

from llms_core.contracts.chunk import Chunk
from llms_core.contracts.request import ChatCall, decode
from llms_core.errors import ErrorKind, ProviderError
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import Capabilities, ProviderSettings, ProviderSpec, UpstreamRequest
from llms_core.secret import Secret

HI = [{"role": "user", "content": "Hi"}]
NOW = 1_790_000_000
THEN = 1_700_000_000


def adapter(url: str = "https://api.example/v1", key: str | None = "sk-1", **spec: Any) -> OpenAICompatible:
    headers = spec.pop("headers", {})
    settings = ProviderSettings(id="x", base_url=url, api_key=Secret(key) if key else None, headers=headers)
    return OpenAICompatible(ProviderSpec(name="x", adapter=OpenAICompatible, title="X", **spec), settings)


def call(text: str = "", **members: object) -> ChatCall:
    """A call for the client's model `kimi-k2`, which is `moonshotai/kimi-k2` here; `text` is JSON as written."""
    asked = json.dumps({"model": "kimi-k2", "messages": HI, **members})
    body = decode((asked[:-1] + (f", {text}" if text else "") + "}").encode())
    return ChatCall(
        body=body, upstream_model="moonshotai/kimi-k2", client_model="kimi-k2", id="chatcmpl-ours", created=NOW
    )


def sent(request: UpstreamRequest) -> Any:
    return json.loads(request.content)


# The request


def test_the_address_is_the_base_urls() -> None:
    """SR-114: `/chat/completions` is appended to what the configuration made of it."""
    assert adapter("https://api.example/v1/").request(call()).url == "https://api.example/v1/chat/completions"


def test_the_specs_address_is_used_where_the_block_has_none() -> None:
    request = adapter("", base_url="https://api.spec.example/v1").request(call())
    assert request.url == "https://api.spec.example/v1/chat/completions"


def test_the_key_is_in_its_header_and_nowhere_else() -> None:
    """SR-005."""
    request = adapter().request(call())
    assert request.headers["authorization"] == "Bearer sk-1"
    assert "sk-1" not in request.url + request.content.decode()


def test_without_a_key_there_is_no_such_header() -> None:
    """SR-118: a server on this machine."""
    assert adapter(key=None).request(call()).headers == {"content-type": "application/json"}


def test_headers_of_the_configuration_are_sent() -> None:
    """K-16."""
    assert adapter(headers={"user-agent": "llms.py/1.0"}).request(call()).headers["user-agent"] == "llms.py/1.0"


def test_the_model_is_the_providers_own_id() -> None:
    """SR-074."""
    assert sent(adapter().request(call()))["model"] == "moonshotai/kimi-k2"


def test_nothing_else_is_changed() -> None:
    """SR-026, SR-028: not even a `stream` is added."""
    assert sent(adapter().request(call(temperature=0.7))) == {
        "model": "moonshotai/kimi-k2",
        "messages": HI,
        "temperature": 0.7,
    }


@pytest.mark.parametrize(
    "text",
    [
        '"x":1.0', '"x":1', '"x":123456789012345678901234567890', '"temperature":1.0', '"seed":12345678901234567890',
        '"x":"\\u00e9\\ud83e\\udd99"', '"x":"é🦙"', '"x":{"b":  [1.50,null],"a":1e5}', '"metadata":{"a": "b"}',
        '"logit_bias":{"50256":-100}', '"max_tokens":5,"max_completion_tokens":7',
    ],
)  # fmt: skip
def test_members_are_sent_byte_for_byte(text: str) -> None:
    """SR-026, SR-014: number spelling, big integers, escapes."""
    assert text in adapter().request(call(text)).content.decode()


def test_what_a_provider_refuses_is_dropped_and_said() -> None:
    """SR-024: in the header `x-llms-dropped-params`."""
    request = adapter(drop=frozenset({"enable_thinking", "user", "store"})).request(
        call(user="u", enable_thinking=True)
    )
    assert request.dropped == ("enable_thinking", "user")
    assert sent(request).keys() == {"model", "messages"}


def test_what_was_null_is_dropped_and_not_said() -> None:
    """SR-027: nothing was lost."""
    request = adapter(drop=frozenset({"enable_thinking"})).request(call(enable_thinking=None))
    assert (request.dropped, sent(request).keys()) == ((), {"model", "messages"})


def test_enable_thinking_is_sent_to_who_knows_it() -> None:
    """SR-024: at the top level of the body."""
    assert sent(adapter().request(call(enable_thinking=False)))["enable_thinking"] is False


def test_what_a_provider_names_otherwise_is_renamed() -> None:
    """SR-014: as the client wrote it."""
    renaming = adapter(rename={"max_completion_tokens": "max_tokens", "seed": "random_seed"})
    request = renaming.request(call(max_completion_tokens=150, seed=7))
    assert sent(request) == {"model": "moonshotai/kimi-k2", "messages": HI, "max_tokens": 150, "random_seed": 7}
    assert request.dropped == ()


def test_of_two_names_for_the_limit_the_newer_one_counts() -> None:
    """SR-014: `max_completion_tokens` wins where only one name can be sent."""
    request = adapter(rename={"max_completion_tokens": "max_tokens"}).request(
        call(max_completion_tokens=7, max_tokens=5)
    )
    assert sent(request)["max_tokens"] == 7


def test_null_overrides_no_other_name() -> None:
    """SR-027, SR-014."""
    renaming = adapter(rename={"max_completion_tokens": "max_tokens"})
    assert sent(renaming.request(call(max_completion_tokens=None, max_tokens=5)))["max_tokens"] == 5


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}, {"include_usage": True}])
def test_a_stream_is_asked_for_its_usage(options: dict[str, bool] | None) -> None:
    """SR-055: whether the client wants it or not."""
    asked = {"stream": True} if options is None else {"stream": True, "stream_options": options}
    assert sent(adapter().request(call(**asked)))["stream_options"] == {"include_usage": True}


def test_other_options_of_a_stream_are_kept() -> None:
    """SR-026."""
    options = {"include_obfuscation": False, "include_usage": False}
    request = adapter().request(call(stream=True, stream_options=options))
    assert sent(request)["stream_options"] == {"include_obfuscation": False, "include_usage": True}


def test_a_provider_that_does_not_know_the_option_is_not_asked() -> None:
    """SR-055: Mistral refuses it, and sends usage all the same."""
    mute = adapter(capabilities=Capabilities(stream_usage=False))
    assert "stream_options" not in sent(mute.request(call(stream=True)))


def test_a_whole_answer_is_not_asked_for_a_streams_options() -> None:
    """SR-028."""
    assert "stream_options" not in sent(adapter().request(call()))


# A whole answer


def answer(**changes: object) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
    counts = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    frame = {"id": "c-1", "object": "chat.completion", "created": THEN, "model": "moonshotai/kimi-k2"}
    whole = {**frame, "choices": [choice], "usage": counts, **changes}
    return {name: value for name, value in whole.items() if value != "left out"}


def completed(**changes: object) -> dict[str, Any]:
    data = adapter().completion(call(), json.dumps(answer(**changes)).encode()).data
    whole: dict[str, Any] = json.loads(data)
    return whole


def test_an_answer_is_passed_on_but_for_the_models_name() -> None:
    """SR-045, SR-050."""
    assert completed() == {**answer(), "model": "kimi-k2"}


KEPT = {
    "system_fingerprint": "fp_1",
    "service_tier": "default",
    "usage": {
        "prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 9, "queue_time": 0.25,
        "prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": 1},
    },
    "choices": [{
        "index": 0, "finish_reason": "tool_calls", "logprobs": {"content": [{"token": "H", "logprob": -0.1}]},
        "message": {
            "role": "assistant", "content": None, "refusal": None, "reasoning_content": "Hm", "annotations": [],
            "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
    }],
    "x_groq": {"id": "req_1"},
}  # fmt: skip


@pytest.mark.parametrize("member", KEPT)
def test_further_members_are_kept(member: str) -> None:
    """SR-050, SR-021: whatever the provider sends along."""
    assert completed(**{member: KEPT[member]})[member] == KEPT[member]


def test_numbers_keep_their_spelling() -> None:
    """SR-050."""
    text = json.dumps(answer()).replace('"choices"', '"x":[1.50,1e5,12345678901234567890123],"choices"').encode()
    assert b'"x":[1.50,1e5,12345678901234567890123]' in adapter().completion(call(), text).data


@pytest.mark.parametrize("id", ["left out", None, "", 7])
def test_an_answer_without_an_id_is_given_one(id: object) -> None:
    """SR-042."""
    assert completed(id=id)["id"] == "chatcmpl-ours"


@pytest.mark.parametrize("name", ["left out", None, "text_completion", ""])
def test_an_answer_is_a_chat_completion(name: object) -> None:
    """SR-043."""
    assert completed(object=name)["object"] == "chat.completion"


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        (THEN, THEN),
        (THEN + 0.7, THEN),
        (str(THEN), THEN),
        (THEN * 1000 + 5, THEN),
        (THEN * 1000.0, THEN),
        ("left out", NOW),
        (None, NOW),
        (0, NOW),
        ("", NOW),
        ("2026-11-23T12:00:00Z", NOW),
        (-1, NOW),
    ],
)
def test_created_is_in_whole_seconds(created: object, expected: int) -> None:
    """SR-044: however the provider wrote it, in streams too."""
    assert completed(created=created)["created"] == expected
    assert streamed(chunk({"content": "Hi"}, created=created))[0]["created"] == expected


@pytest.mark.parametrize("model", ["left out", None, "kimi-k2-instruct-0905"])
def test_the_model_is_the_clients_name_of_it(model: object) -> None:
    """SR-045."""
    assert completed(model=model)["model"] == "kimi-k2"


def test_the_tokens_are_counted() -> None:
    """SR-049."""
    counted = adapter().completion(call(), json.dumps(answer()).encode()).usage
    assert counted is not None
    assert (counted.prompt_tokens, counted.completion_tokens, counted.total_tokens) == (3, 4, 7)


def test_a_total_that_is_missing_is_added() -> None:
    """SR-049: beside whatever else is counted; in streams too."""
    counts = {"prompt_tokens": 3, "completion_tokens": 4, "queue_time": 0.1}
    assert completed(usage=counts)["usage"] == {**counts, "total_tokens": 7}
    assert streamed(chunk(None, usage=counts))[-1]["usage"] == {**counts, "total_tokens": 7}


@pytest.mark.parametrize("counts", ["left out", None, {}, {"prompt_tokens": None}, {"prompt_tokens": 1.5}, 7])
def test_no_answer_is_lost_over_its_usage(counts: object) -> None:
    """SR-049: where the provider's makes no sense, it is none."""
    assert completed(usage=counts)["choices"] == answer()["choices"]


@pytest.mark.parametrize("error", [None, "", {}, False])
def test_an_error_that_says_nothing_is_none(error: object) -> None:
    """SR-072: some providers send the member with every answer."""
    assert completed(error=error)["choices"] == answer()["choices"]


NO_COMPLETION: dict[str, tuple[bytes, ErrorKind]] = {
    "nothing": (b"", ErrorKind.BAD_RESPONSE),
    "a page": (b"<html></html>", ErrorKind.BAD_RESPONSE),
    "cut": (json.dumps(answer()).encode()[:-9], ErrorKind.BAD_RESPONSE),
    "a list": (b"[]", ErrorKind.BAD_RESPONSE),
    "null": (b"null", ErrorKind.BAD_RESPONSE),
    "no choices": (json.dumps(answer(choices="left out")).encode(), ErrorKind.BAD_RESPONSE),
    "choices that are none": (json.dumps(answer(choices=None)).encode(), ErrorKind.BAD_RESPONSE),
    "an empty list of choices": (json.dumps(answer(choices=[])).encode(), ErrorKind.BAD_RESPONSE),
    "choices of another shape": (json.dumps(answer(choices=["Hello"])).encode(), ErrorKind.BAD_RESPONSE),
    "a choice without a message": (json.dumps(answer(choices=[{"index": 0}])).encode(), ErrorKind.BAD_RESPONSE),
    "not UTF-8": (json.dumps(answer(id="?")).encode().replace(b"?", b"\xff"), ErrorKind.BAD_RESPONSE),
    "nested too deeply": (b"[" * 100_000, ErrorKind.BAD_RESPONSE),
    "an error": (b'{"error": {"message": "Slow", "code": 429}}', ErrorKind.RATE_LIMIT),
    "an error beside choices": (json.dumps(answer(error={"message": "x", "code": 503})).encode(), ErrorKind.OVERLOADED),
    "an error as a text": (b'{"error": "model overloaded", "type": "overloaded"}', ErrorKind.OVERLOADED),
    "broken off": (
        json.dumps(answer(choices=[{"message": {"content": "Hel"}, "finish_reason": "error"}])).encode(),
        ErrorKind.BAD_RESPONSE,
    ),
}


@pytest.mark.parametrize("case", NO_COMPLETION)
def test_what_is_no_completion_is_a_failure(case: str) -> None:
    """SR-072."""
    body, kind = NO_COMPLETION[case]
    with pytest.raises(ProviderError) as caught:
        adapter().completion(call(), body)
    assert caught.value.kind is kind


def test_a_failure_in_an_answer_has_the_providers_words() -> None:
    """SR-068."""
    with pytest.raises(ProviderError) as caught:
        adapter().completion(call(), b'{"error": {"message": "Too long", "code": "context_length_exceeded"}}')
    assert (caught.value.kind, caught.value.message) == (ErrorKind.CONTEXT_LENGTH, "Too long")


NAMES = (
    "choices", "message", "delta", "index", "usage", "error", "id", "created", "finish_reason", "content", "tool_calls",
    "role", "function", "name",
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=10,
)


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_an_answer_or_a_failure(body: bytes) -> None:
    """SR-072: and never a fault of another kind."""
    with suppress(ProviderError):
        adapter().completion(call(), body)
    with suppress(ProviderError):
        list(adapter().chunks(call()).feed("", body))


@given(st.lists(json_values, max_size=4), st.lists(json_values, max_size=4))
def test_any_choices_are_an_answer_or_a_failure(choices: list[Any], deltas: list[Any]) -> None:
    """SR-072, SR-056."""
    with suppress(ProviderError):
        adapter().completion(call(), json.dumps(answer(choices=choices)).encode())
    translator = adapter().chunks(call())
    for each in deltas:
        with suppress(ProviderError):
            list(translator.feed("", json.dumps({"choices": [{"delta": {"tool_calls": each}}]}).encode()))


# A stream


def chunk(delta: dict[str, Any] | None, finish_reason: str | None = None, **changes: object) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    frame = {"id": "c-1", "object": "chat.completion.chunk", "created": THEN, "model": "moonshotai/kimi-k2"}
    whole = {**frame, "choices": choices, **changes}
    return {name: value for name, value in whole.items() if value != "left out"}


def fed(*chunks: dict[str, Any]) -> list[Chunk]:
    translator = adapter().chunks(call(stream=True))
    return [made for each in chunks for made in translator.feed("", json.dumps(each).encode())]


def streamed(*chunks: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(made.data) for made in fed(*chunks)]


def test_a_chunk_is_passed_on_but_for_the_models_name() -> None:
    """SR-045, SR-050, SR-053."""
    role, hello = chunk({"role": "assistant", "content": ""}), chunk({"content": "Hello"}, x_groq={"id": "r"})
    assert streamed(role, hello) == [{**role, "model": "kimi-k2"}, {**hello, "model": "kimi-k2"}]


def test_numbers_of_a_chunk_keep_their_spelling() -> None:
    """SR-050."""
    text = b'{"choices":[{"index":0,"delta":{"role":"assistant"},"logprobs":{"x":[1.50,1e5]}}]}'
    (made,) = adapter().chunks(call()).feed("", text)
    assert b'"logprobs":{"x":[1.50,1e5]}' in made.data


def test_id_and_created_are_the_same_throughout() -> None:
    """SR-053: the first chunk's."""
    made = streamed(*(chunk({"content": "x"}, id=f"c-{n}", created=THEN + n) for n in range(3)))
    assert {(each["id"], each["created"], each["model"]) for each in made} == {("c-0", THEN, "kimi-k2")}


@pytest.mark.parametrize("id", ["left out", None, "", 7])
def test_a_stream_without_an_id_is_given_one(id: object) -> None:
    """SR-042, SR-053."""
    made = streamed(chunk({"content": "x"}, id=id), chunk({"content": "y"}, id="later"))
    assert [each["id"] for each in made] == ["chatcmpl-ours"] * 2


@pytest.mark.parametrize("name", ["left out", None, "chat.completion"])
def test_a_chunk_is_a_chunk(name: object) -> None:
    """SR-053."""
    assert streamed(chunk({"content": "x"}, object=name))[0]["object"] == "chat.completion.chunk"


def test_what_a_chunk_bears_is_known() -> None:
    """SR-057, SR-058: content, the choices begun, the choices ended."""
    role, hello, stop = fed(chunk({"role": "assistant"}), chunk({"content": "Hello"}), chunk({}, "stop"))
    assert [(each.content, each.begun, each.ended) for each in (role, hello, stop)] == [
        (False, (0,), ()),
        (True, (0,), ()),
        (False, (0,), (0,)),
    ]


COUNTS = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def test_the_chunk_of_usage_is_one() -> None:
    """SR-055."""
    (made,) = fed(chunk(None, usage=COUNTS))
    assert (made.usage, json.loads(made.data)["choices"], json.loads(made.data)["usage"]) == (True, [], COUNTS)


def test_usage_along_with_choices_becomes_a_chunk_of_its_own() -> None:
    """SR-055: so that it can be left out."""
    stop, counted = fed(chunk({}, "stop", usage=COUNTS))
    assert (stop.usage, "usage" in json.loads(stop.data)) == (False, False)
    assert (counted.usage, json.loads(counted.data)["choices"], json.loads(counted.data)["usage"]) == (True, [], COUNTS)


@pytest.mark.parametrize("counts", [None, {}])
def test_usage_that_says_nothing_makes_no_chunk(counts: object) -> None:
    """SR-055: OpenAI sends null with every chunk but the last."""
    assert [made.usage for made in fed(chunk({"content": "x"}, usage=counts))] == [False]


@pytest.mark.parametrize("choices", ["left out", None])
def test_usage_may_come_without_choices(choices: object) -> None:
    """SR-055."""
    (made,) = fed(chunk(None, usage=COUNTS, choices=choices))
    assert (made.usage, json.loads(made.data)["choices"]) == (True, [])


def test_a_chunk_without_choices_is_passed_on() -> None:
    """SR-050: Azure's first has its content filter's results."""
    (made,) = streamed(chunk(None, prompt_filter_results=[{"prompt_index": 0}]))
    assert made["prompt_filter_results"] == [{"prompt_index": 0}]


NO_CHUNK: dict[str, tuple[str, bytes, ErrorKind]] = {
    "no JSON": ("", b"{oops", ErrorKind.BAD_RESPONSE),
    "a text": ("", b'"Hello"', ErrorKind.BAD_RESPONSE),
    "no choices": ("", b'{"id": "c"}', ErrorKind.BAD_RESPONSE),
    "choices of another shape": ("", b'{"choices": {}}', ErrorKind.BAD_RESPONSE),
    "not UTF-8": ("", b'{"choices": [{"delta": {"content": "\xff"}}]}', ErrorKind.BAD_RESPONSE),
    "an error": ("", b'{"error": {"message": "Slow", "code": 429}}', ErrorKind.RATE_LIMIT),
    "an error as a text": ("", b'{"error": "boom", "choices": []}', ErrorKind.BAD_RESPONSE),
    "an error event": ("error", b'{"message": "Slow", "code": "503"}', ErrorKind.OVERLOADED),
    "an error event without JSON": ("error", b"Slow", ErrorKind.BAD_RESPONSE),
    "broken off": ("", json.dumps(chunk({}, "error")).encode(), ErrorKind.BAD_RESPONSE),
}


@pytest.mark.parametrize("case", NO_CHUNK)
def test_what_is_no_chunk_is_a_failure(case: str) -> None:
    """SR-058."""
    event, data, kind = NO_CHUNK[case]
    with pytest.raises(ProviderError) as caught:
        list(adapter().chunks(call()).feed(event, data))
    assert caught.value.kind is kind


# Errors and models


def test_an_error_is_what_its_status_and_body_say() -> None:
    """SR-064: see test_failure.py."""
    error = adapter().error(429, {"retry-after": "7"}, b'{"error": {"message": "Slow", "code": "rate_limit_exceeded"}}')
    assert (error.kind, error.message, error.retry_after) == (ErrorKind.RATE_LIMIT, "Slow", 7)


def test_the_models_are_asked_for() -> None:
    """SR-118: with the key, where there is one."""
    request = adapter().models_request()
    assert (request.method, request.url, request.content) == ("GET", "https://api.example/v1/models", b"")
    assert request.headers["authorization"] == "Bearer sk-1"


@pytest.mark.parametrize(
    "body", ['{"object": "list", "data": [{"id": "a"}, {"id": "b"}]}', '[{"id": "a"}, {"id": "b"}]']
)
def test_the_models_are_read(body: str) -> None:
    """SR-118: Together gives the bare list."""
    assert adapter().models(body.encode()) == {"a": "a", "b": "b"}


@pytest.mark.parametrize("body", ["", "<html>", "{}", '{"data": 1}', '{"data": [{"name": "a"}]}', "null", '["a"]'])
def test_a_list_of_models_that_makes_no_sense_is_a_failure(body: str) -> None:
    """SR-118."""
    with pytest.raises(ProviderError) as caught:
        adapter().models(body.encode())
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


def test_defaults_are_the_cores_to_apply() -> None:
    """K-13: an adapter gets them as if the client had said so."""
    settings = ProviderSettings(id="x", base_url="https://api.example/v1", defaults={"temperature": Raw(b"0.1")})
    spec = ProviderSpec(name="x", adapter=OpenAICompatible, title="X")
    assert "temperature" not in sent(OpenAICompatible(spec, settings).request(call()))


# How an answer is spelt makes no difference: what is usual is read in a shorter way

BEFORE: list[dict[str, Any]] = [
    {"id": "a", "object": "chat.completion.chunk", "created": THEN, "model": "theirs"},
    {"id": "", "created": 1.5},
    {"x": {"choices": []}, "usage": None},
    {"usage": {"prompt_tokens": 1, "completion_tokens": 2}},
    {},
]
DELTA: list[dict[str, Any]] = [
    {"content": "a"},
    {"content": 'é\n"choices":'},
    {"content": ""},
    {"content": None, "reasoning_content": "b"},
    {"reasoning": "b", "x": {"choices": 1}},
    {"refusal": "no"},
    {"role": "assistant", "content": ""},
    {"role": None, "content": "c", "tool_calls": None},
    {"content": [{"type": "text", "text": "d"}]},
    {"tool_calls": [{"index": 0, "id": "x", "type": "function", "function": {"name": "f", "arguments": ""}}]},
    {"tool_calls": [{"function": {"arguments": "{}"}}]},
    {},
]
END = [None, "stop", "tool_calls", "eos", ""]
AFTER: list[dict[str, Any]] = [
    {},
    {"usage": None},
    {"usage": {"prompt_tokens": 1, "completion_tokens": 2}},
    {"obfuscation": "x"},
    {"model": "other"},
    {"id": "b", "object": "x"},
    {"error": None},
    {"error": {}},
    {"error": {"message": "no"}},
]
TEXT_PIECES = st.builds(lambda index, text: {"index": index, "delta": {"content": text}}, st.integers(0, 1), st.text())
PIECES = st.builds(
    lambda index, delta, end: {"index": index, "delta": delta, "finish_reason": end},
    st.integers(0, 1),
    st.sampled_from(DELTA),
    st.sampled_from(END),
)
CHOICES = (
    st.tuples(TEXT_PIECES)
    | st.tuples(PIECES)
    | st.sampled_from([(), (None, None)]).flatmap(lambda places: st.tuples(*(PIECES for _ in places)))
)


def told(documents: list[bytes]) -> list[Any]:
    """The chunks of a stream, as far as it goes."""
    found: list[Any] = []
    translator = adapter().chunks(call())
    with suppress(ProviderError):
        for document in documents:
            found.extend(
                (json.loads(chunk.data), chunk.content, chunk.begun, chunk.ended, chunk.usage)
                for chunk in translator.feed("", document)
            )
    return found


@pytest.mark.slow
@settings(max_examples=600)
@given(
    st.sampled_from(BEFORE),
    st.lists(st.tuples(CHOICES, st.just({}) | st.sampled_from(AFTER)), min_size=2, max_size=6),
)
def test_a_chunk_that_begins_as_the_one_before_is_read_as_any(
    before: dict[str, Any], rest: list[tuple[Sequence[Any], dict[str, Any]]]
) -> None:
    """SR-053: with a space after its name the choices are not found, and each chunk is read as if it were the first."""
    chunks = [{**before, "choices": choices, **after} for choices, after in rest]
    written = [json.dumps(chunk, separators=(",", ":"), ensure_ascii=False).encode() for chunk in chunks]
    assert told(written) == told([text.replace(b'"choices":', b'"choices" :') for text in written])


def test_an_opening_that_is_not_the_chunks_own_is_not_taken_for_it() -> None:
    """A member before the choices may have a member of that name, too."""
    one = b'{"x":{"choices":[]},"choices":[{"index":0,"delta":{"role":"assistant","content":"a"}}]}'
    two = b'{"x":{"choices":[{"index":0,"delta":{"content":"no"}}]},"choices":[{"index":0,"delta":{"content":"b"}}]}'
    assert [chunk[0]["choices"][0]["delta"]["content"] for chunk in told([one, two])] == ["a", "b"]


def test_of_choices_that_are_said_twice_the_last_count() -> None:
    """As everywhere in JSON; what goes on begins like the chunk before."""
    say = '[{"index":0,"delta":{"content":"%s"}}]'
    one = f'{{"id":"x","choices":{say % "a"}}}'
    two = f'{{"id":"x","choices":{say % "no"},"choices":{say % "b"}}}'
    last = told([one.encode(), two.encode()])[-1][0]
    assert last["choices"] == [{"index": 0, "delta": {"content": "b"}}]


COUNTED = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
PLAIN = {
    "id": "x",
    "created": THEN,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}],
    "usage": COUNTED,
}
LEFT_OUT = object()
ODD: dict[str, list[object]] = {
    "id": [LEFT_OUT, "", None, 5],
    "created": [LEFT_OUT, THEN * 1000, THEN + 0.5, float(THEN), "soon", None, 0],
    "choices": [LEFT_OUT, [], None, [{}]],
    "usage": [LEFT_OUT, {}, None, {**COUNTED, "total_tokens": 0}, {"prompt_tokens": 1}, "many"],
    "role": [LEFT_OUT, "model", None],
    "content": [LEFT_OUT, None, [{"type": "text", "text": "x"}]],
    "tool_calls": [None, [], [{"id": "", "type": "function"}], [{"id": "a"}], [{"type": "f"}]],
    "index": [LEFT_OUT, None, 1],
    "finish_reason": [LEFT_OUT, "eos", "error", "", None],
}
DEPARTURES = st.sampled_from([(name, value) for name, values in ODD.items() for value in values])


def departing(departures: list[tuple[str, object]]) -> dict[str, Any]:
    """The plain answer with some of its members, or of its choice's or message's, other than they should be."""
    answer = json.loads(json.dumps(PLAIN))
    choice = answer["choices"][0]
    for name, value in departures:
        place = answer if name in PLAIN else choice if name in choice else choice["message"]
        if value is LEFT_OUT:
            place.pop(name, None)
        else:
            place[name] = value
    return cast(dict[str, Any], answer)


@given(st.lists(DEPARTURES, max_size=3, unique_by=lambda each: each[0]))
@example([])
def test_an_answer_with_nothing_to_mend_is_read_as_any(departures: list[tuple[str, object]]) -> None:
    """SR-044: an empty `error` says nothing, but makes an answer unusual."""
    answer = departing(departures)

    def read(document: dict[str, Any]) -> Any:
        try:
            completion = adapter().completion(call(), json.dumps(document).encode())
        except ProviderError as error:
            return error.kind
        said = json.loads(completion.data)
        said.pop("error", None)
        return said, completion.usage

    assert read(answer) == read({**answer, "error": {}})
