"""OpenAICompatible: the request that is sent, and how the answer is passed on."""

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


def adapter(
    url: str = "https://api.example/v1", key: str | None = "sk-1", **spec: Any
) -> OpenAICompatible:
    headers = spec.pop("headers", {})
    settings = ProviderSettings(
        id="x", base_url=url, api_key=Secret(key) if key else None, headers=headers
    )
    return OpenAICompatible(
        ProviderSpec(name="x", adapter=OpenAICompatible, title="X", **spec), settings
    )


def call(text: str = "", **members: object) -> ChatCall:
    """Return a call for `kimi-k2`, which is `moonshotai/kimi-k2` upstream. `text` are further members, as JSON."""
    body = json.dumps({"model": "kimi-k2", "messages": HI, **members})
    if text:
        body = body[:-1] + f", {text}}}"
    return ChatCall(
        body=decode(body.encode()),
        upstream_model="moonshotai/kimi-k2",
        client_model="kimi-k2",
        id="chatcmpl-ours",
        created=NOW,
    )


def sent(request: UpstreamRequest) -> Any:
    return json.loads(request.content)


# Requests


def test_the_path_is_appended_to_the_base_url() -> None:
    """SR-114."""
    assert (
        adapter("https://api.example/v1/").request(call()).url
        == "https://api.example/v1/chat/completions"
    )


@pytest.mark.parametrize(
    ("path", "chat", "models"),
    [
        (
            "/openai/chat/completions?v=2",
            "https://api.example/openai/chat/completions?v=2",
            "/openai/models",
        ),
        ("/talk", "https://api.example/talk", "/models"),
    ],
)
def test_a_path_replaces_chat_completions(path: str, chat: str, models: str) -> None:
    """K-04."""
    ours = adapter("https://api.example", path=path)
    assert ours.request(call()).url == chat
    assert ours.models_request().url == f"https://api.example{models}"


def test_the_base_url_defaults_to_the_spec() -> None:
    request = adapter("", base_url="https://api.spec.example/v1").request(call())
    assert request.url == "https://api.spec.example/v1/chat/completions"


def test_the_key_is_only_in_its_header() -> None:
    """SR-005."""
    request = adapter().request(call())
    assert request.headers["authorization"] == "Bearer sk-1"
    assert "sk-1" not in request.url + request.content.decode()


def test_there_is_no_authorization_header_without_a_key() -> None:
    """SR-118: local servers need no key."""
    assert adapter(key=None).request(call()).headers == {"content-type": "application/json"}


def test_configured_headers_are_sent() -> None:
    """K-16."""
    assert (
        adapter(headers={"user-agent": "llms.py/1.0"}).request(call()).headers["user-agent"]
        == "llms.py/1.0"
    )


def test_the_upstream_model_is_sent() -> None:
    """SR-074."""
    assert sent(adapter().request(call()))["model"] == "moonshotai/kimi-k2"


def test_no_other_member_is_changed() -> None:
    """SR-026, SR-028: not even `stream` is added."""
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
    """SR-026, SR-014: spelling of numbers, large integers, escapes."""
    assert text in adapter().request(call(text)).content.decode()


def test_dropped_parameters_are_reported() -> None:
    """SR-024: for the header `x-llms-dropped-params`."""
    request = adapter(drop=frozenset({"enable_thinking", "user", "store"})).request(
        call(user="u", enable_thinking=True)
    )
    assert request.dropped == ("enable_thinking", "user")
    assert sent(request).keys() == {"model", "messages"}


def test_a_dropped_null_is_not_reported() -> None:
    """SR-027: null means absent."""
    request = adapter(drop=frozenset({"enable_thinking"})).request(call(enable_thinking=None))
    assert (request.dropped, sent(request).keys()) == ((), {"model", "messages"})


def test_enable_thinking_is_sent_unless_it_is_dropped() -> None:
    """SR-024: at the top level of the body."""
    assert sent(adapter().request(call(enable_thinking=False)))["enable_thinking"] is False


def test_renamed_parameters_keep_their_value() -> None:
    """SR-014."""
    renaming = adapter(rename={"max_completion_tokens": "max_tokens", "seed": "random_seed"})
    request = renaming.request(call(max_completion_tokens=150, seed=7))
    assert sent(request) == {
        "model": "moonshotai/kimi-k2",
        "messages": HI,
        "max_tokens": 150,
        "random_seed": 7,
    }
    assert request.dropped == ()


def test_max_completion_tokens_takes_precedence_if_only_one_name_can_be_sent() -> None:
    """SR-014."""
    request = adapter(rename={"max_completion_tokens": "max_tokens"}).request(
        call(max_completion_tokens=7, max_tokens=5)
    )
    assert sent(request)["max_tokens"] == 7


def test_a_renamed_null_does_not_replace_a_value() -> None:
    """SR-027, SR-014."""
    renaming = adapter(rename={"max_completion_tokens": "max_tokens"})
    assert sent(renaming.request(call(max_completion_tokens=None, max_tokens=5)))["max_tokens"] == 5


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}, {"include_usage": True}])
def test_usage_is_always_requested_for_a_stream(options: dict[str, bool] | None) -> None:
    """SR-055: whatever the client asks for."""
    asked = {"stream": True} if options is None else {"stream": True, "stream_options": options}
    assert sent(adapter().request(call(**asked)))["stream_options"] == {"include_usage": True}


def test_other_stream_options_are_kept() -> None:
    """SR-026."""
    options = {"include_obfuscation": False, "include_usage": False}
    request = adapter().request(call(stream=True, stream_options=options))
    assert sent(request)["stream_options"] == {"include_obfuscation": False, "include_usage": True}


def test_usage_is_not_requested_if_the_provider_rejects_the_option() -> None:
    """SR-055: Mistral rejects it, and always sends usage."""
    mistral = adapter(capabilities=Capabilities(stream_usage=False))
    assert "stream_options" not in sent(mistral.request(call(stream=True)))


def test_stream_options_are_not_added_without_streaming() -> None:
    """SR-028."""
    assert "stream_options" not in sent(adapter().request(call()))


# Whole answers


def answer(**changes: object) -> dict[str, Any]:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "Hello"},
        "finish_reason": "stop",
    }
    counts = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    frame = {
        "id": "c-1",
        "object": "chat.completion",
        "created": THEN,
        "model": "moonshotai/kimi-k2",
    }
    whole = {**frame, "choices": [choice], "usage": counts, **changes}
    return {name: value for name, value in whole.items() if value != "absent"}


def completed(**changes: object) -> dict[str, Any]:
    data = adapter().completion(call(), json.dumps(answer(**changes)).encode()).data
    whole: dict[str, Any] = json.loads(data)
    return whole


def test_an_answer_is_passed_on_except_for_the_model() -> None:
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
def test_additional_members_are_kept(member: str) -> None:
    """SR-050, SR-021."""
    assert completed(**{member: KEPT[member]})[member] == KEPT[member]


def test_numbers_keep_their_spelling() -> None:
    """SR-050."""
    text = (
        json.dumps(answer())
        .replace('"choices"', '"x":[1.50,1e5,12345678901234567890123],"choices"')
        .encode()
    )
    assert b'"x":[1.50,1e5,12345678901234567890123]' in adapter().completion(call(), text).data


@pytest.mark.parametrize("id", ["absent", None, "", 7])
def test_a_missing_id_is_added(id: object) -> None:
    """SR-042."""
    assert completed(id=id)["id"] == "chatcmpl-ours"


@pytest.mark.parametrize("name", ["absent", None, "text_completion", ""])
def test_the_object_is_chat_completion(name: object) -> None:
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
        ("absent", NOW),
        (None, NOW),
        (0, NOW),
        ("", NOW),
        ("2026-11-23T12:00:00Z", NOW),
        ("Infinity", NOW),
        ("NaN", NOW),
        (-1, NOW),
    ],
)
def test_created_is_converted_to_whole_seconds(created: object, expected: int) -> None:
    """SR-044: in streams as well."""
    assert completed(created=created)["created"] == expected
    assert streamed(chunk({"content": "Hi"}, created=created))[0]["created"] == expected


@pytest.mark.parametrize("model", ["absent", None, "kimi-k2-instruct-0905"])
def test_the_model_is_the_name_that_the_client_used(model: object) -> None:
    """SR-045."""
    assert completed(model=model)["model"] == "kimi-k2"


def test_the_usage_is_decoded() -> None:
    """SR-049."""
    counted = adapter().completion(call(), json.dumps(answer()).encode()).usage
    assert counted is not None
    assert (counted.prompt_tokens, counted.completion_tokens, counted.total_tokens) == (3, 4, 7)


def test_a_missing_total_is_added() -> None:
    """SR-049: other counts are kept; in streams as well."""
    counts = {"prompt_tokens": 3, "completion_tokens": 4, "queue_time": 0.1}
    assert completed(usage=counts)["usage"] == {**counts, "total_tokens": 7}
    assert streamed(chunk(None, usage=counts))[-1]["usage"] == {**counts, "total_tokens": 7}


@pytest.mark.parametrize(
    "counts", ["absent", None, {}, {"prompt_tokens": None}, {"prompt_tokens": 1.5}, 7]
)
def test_unreadable_usage_does_not_fail_the_answer(counts: object) -> None:
    """SR-049."""
    assert completed(usage=counts)["choices"] == answer()["choices"]


@pytest.mark.parametrize("error", [None, "", {}, False])
def test_an_empty_error_is_ignored(error: object) -> None:
    """SR-072: some providers send the member with every answer."""
    assert completed(error=error)["choices"] == answer()["choices"]


NO_COMPLETION: dict[str, tuple[bytes, ErrorKind]] = {
    "nothing": (b"", ErrorKind.BAD_RESPONSE),
    "a page": (b"<html></html>", ErrorKind.BAD_RESPONSE),
    "cut": (json.dumps(answer()).encode()[:-9], ErrorKind.BAD_RESPONSE),
    "a list": (b"[]", ErrorKind.BAD_RESPONSE),
    "null": (b"null", ErrorKind.BAD_RESPONSE),
    "no choices": (json.dumps(answer(choices="absent")).encode(), ErrorKind.BAD_RESPONSE),
    "choices that are none": (json.dumps(answer(choices=None)).encode(), ErrorKind.BAD_RESPONSE),
    "an empty list of choices": (json.dumps(answer(choices=[])).encode(), ErrorKind.BAD_RESPONSE),
    "choices of another shape": (
        json.dumps(answer(choices=["Hello"])).encode(),
        ErrorKind.BAD_RESPONSE,
    ),
    "a choice without a message": (
        json.dumps(answer(choices=[{"index": 0}])).encode(),
        ErrorKind.BAD_RESPONSE,
    ),
    "not UTF-8": (
        json.dumps(answer(id="?")).encode().replace(b"?", b"\xff"),
        ErrorKind.BAD_RESPONSE,
    ),
    "nested too deeply": (b"[" * 100_000, ErrorKind.BAD_RESPONSE),
    "an error": (b'{"error": {"message": "Slow", "code": 429}}', ErrorKind.RATE_LIMIT),
    "an error beside choices": (
        json.dumps(answer(error={"message": "x", "code": 503})).encode(),
        ErrorKind.OVERLOADED,
    ),
    "an error as a text": (
        b'{"error": "model overloaded", "type": "overloaded"}',
        ErrorKind.OVERLOADED,
    ),
    "finish_reason error": (
        json.dumps(
            answer(choices=[{"message": {"content": "Hel"}, "finish_reason": "error"}])
        ).encode(),
        ErrorKind.BAD_RESPONSE,
    ),
}


@pytest.mark.parametrize("case", NO_COMPLETION)
def test_a_body_that_is_not_a_completion_raises(case: str) -> None:
    """SR-072."""
    body, kind = NO_COMPLETION[case]
    with pytest.raises(ProviderError) as caught:
        adapter().completion(call(), body)
    assert caught.value.kind is kind


def test_an_error_with_status_200_keeps_the_providers_message() -> None:
    """SR-068."""
    with pytest.raises(ProviderError) as caught:
        adapter().completion(
            call(), b'{"error": {"message": "Too long", "code": "context_length_exceeded"}}'
        )
    assert (caught.value.kind, caught.value.message) == (ErrorKind.CONTEXT_LENGTH, "Too long")


NAMES = (
    "choices", "message", "delta", "index", "usage", "error", "id", "created", "finish_reason", "content", "tool_calls",
    "role", "function", "name",
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_bytes_raise_only_provider_errors(body: bytes) -> None:
    """SR-072."""
    with suppress(ProviderError):
        adapter().completion(call(), body)
    with suppress(ProviderError):
        list(adapter().chunks(call()).feed("", body))


@given(st.lists(json_values, max_size=4), st.lists(json_values, max_size=4))
def test_arbitrary_choices_raise_only_provider_errors(
    choices: list[Any], deltas: list[Any]
) -> None:
    """SR-072, SR-056."""
    with suppress(ProviderError):
        adapter().completion(call(), json.dumps(answer(choices=choices)).encode())
    translator = adapter().chunks(call())
    for each in deltas:
        with suppress(ProviderError):
            list(
                translator.feed(
                    "", json.dumps({"choices": [{"delta": {"tool_calls": each}}]}).encode()
                )
            )


# Streams


def chunk(
    delta: dict[str, Any] | None, finish_reason: str | None = None, **changes: object
) -> dict[str, Any]:
    choices = (
        [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    )
    frame = {
        "id": "c-1",
        "object": "chat.completion.chunk",
        "created": THEN,
        "model": "moonshotai/kimi-k2",
    }
    whole = {**frame, "choices": choices, **changes}
    return {name: value for name, value in whole.items() if value != "absent"}


def fed(*chunks: dict[str, Any]) -> list[Chunk]:
    translator = adapter().chunks(call(stream=True))
    return [made for each in chunks for made in translator.feed("", json.dumps(each).encode())]


def streamed(*chunks: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(made.data) for made in fed(*chunks)]


def test_a_chunk_is_passed_on_except_for_the_model() -> None:
    """SR-045, SR-050, SR-053."""
    role, hello = (
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Hello"}, x_groq={"id": "r"}),
    )
    assert streamed(role, hello) == [{**role, "model": "kimi-k2"}, {**hello, "model": "kimi-k2"}]


def test_numbers_in_chunks_keep_their_spelling() -> None:
    """SR-050."""
    text = b'{"choices":[{"index":0,"delta":{"role":"assistant"},"logprobs":{"x":[1.50,1e5]}}]}'
    (made,) = adapter().chunks(call()).feed("", text)
    assert b'"logprobs":{"x":[1.50,1e5]}' in made.data


def test_all_chunks_have_the_id_and_created_of_the_first() -> None:
    """SR-053."""
    made = streamed(*(chunk({"content": "x"}, id=f"c-{n}", created=THEN + n) for n in range(3)))
    assert {(each["id"], each["created"], each["model"]) for each in made} == {
        ("c-0", THEN, "kimi-k2")
    }


@pytest.mark.parametrize("id", ["absent", None, "", 7])
def test_a_missing_id_is_added_to_every_chunk(id: object) -> None:
    """SR-042, SR-053."""
    made = streamed(chunk({"content": "x"}, id=id), chunk({"content": "y"}, id="later"))
    assert [each["id"] for each in made] == ["chatcmpl-ours"] * 2


@pytest.mark.parametrize("name", ["absent", None, "chat.completion"])
def test_the_object_is_chat_completion_chunk(name: object) -> None:
    """SR-053."""
    assert streamed(chunk({"content": "x"}, object=name))[0]["object"] == "chat.completion.chunk"


def test_content_and_choices_of_a_chunk_are_recorded() -> None:
    """SR-057, SR-058."""
    role, hello, stop = fed(
        chunk({"role": "assistant"}), chunk({"content": "Hello"}), chunk({}, "stop")
    )
    assert [(each.content, each.begun, each.ended) for each in (role, hello, stop)] == [
        (False, (0,), ()),
        (True, (0,), ()),
        (False, (0,), (0,)),
    ]


COUNTS = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def test_a_usage_chunk_is_marked() -> None:
    """SR-055."""
    (made,) = fed(chunk(None, usage=COUNTS))
    assert (made.usage, json.loads(made.data)["choices"], json.loads(made.data)["usage"]) == (
        True,
        [],
        COUNTS,
    )


def test_usage_with_choices_becomes_a_separate_chunk() -> None:
    """SR-055: so that it can be withheld."""
    stop, counted = fed(chunk({}, "stop", usage=COUNTS))
    assert (stop.usage, "usage" in json.loads(stop.data)) == (False, False)
    assert (
        counted.usage,
        json.loads(counted.data)["choices"],
        json.loads(counted.data)["usage"],
    ) == (True, [], COUNTS)


@pytest.mark.parametrize("counts", [None, {}])
def test_empty_usage_makes_no_chunk(counts: object) -> None:
    """SR-055: OpenAI sends null with every chunk except the last."""
    assert [made.usage for made in fed(chunk({"content": "x"}, usage=counts))] == [False]


@pytest.mark.parametrize("choices", ["absent", None])
def test_usage_may_come_without_choices(choices: object) -> None:
    """SR-055."""
    (made,) = fed(chunk(None, usage=COUNTS, choices=choices))
    assert (made.usage, json.loads(made.data)["choices"]) == (True, [])


def test_a_chunk_without_choices_is_passed_on() -> None:
    """SR-050: the first chunk of Azure has the results of its content filter."""
    (made,) = streamed(chunk(None, prompt_filter_results=[{"prompt_index": 0}]))
    assert made["prompt_filter_results"] == [{"prompt_index": 0}]


NO_CHUNK: dict[str, tuple[str, bytes, ErrorKind]] = {
    "not JSON": ("", b"{oops", ErrorKind.BAD_RESPONSE),
    "a text": ("", b'"Hello"', ErrorKind.BAD_RESPONSE),
    "no choices": ("", b'{"id": "c"}', ErrorKind.BAD_RESPONSE),
    "choices of another shape": ("", b'{"choices": {}}', ErrorKind.BAD_RESPONSE),
    "not UTF-8": ("", b'{"choices": [{"delta": {"content": "\xff"}}]}', ErrorKind.BAD_RESPONSE),
    "an error": ("", b'{"error": {"message": "Slow", "code": 429}}', ErrorKind.RATE_LIMIT),
    "an error as a text": ("", b'{"error": "boom", "choices": []}', ErrorKind.BAD_RESPONSE),
    "an error event": ("error", b'{"message": "Slow", "code": "503"}', ErrorKind.OVERLOADED),
    "an error event without JSON": ("error", b"Slow", ErrorKind.BAD_RESPONSE),
    "finish_reason error": ("", json.dumps(chunk({}, "error")).encode(), ErrorKind.BAD_RESPONSE),
}


@pytest.mark.parametrize("case", NO_CHUNK)
def test_data_that_is_not_a_chunk_raises(case: str) -> None:
    """SR-058."""
    event, data, kind = NO_CHUNK[case]
    with pytest.raises(ProviderError) as caught:
        list(adapter().chunks(call()).feed(event, data))
    assert caught.value.kind is kind


# Errors and models


def test_errors_are_classified() -> None:
    """SR-064: see test_failure.py."""
    error = adapter().error(
        429, {"retry-after": "7"}, b'{"error": {"message": "Slow", "code": "rate_limit_exceeded"}}'
    )
    assert (error.kind, error.message, error.retry_after) == (ErrorKind.RATE_LIMIT, "Slow", 7)


def test_the_model_list_is_requested_with_the_key() -> None:
    """SR-118."""
    request = adapter().models_request()
    assert (request.method, request.url, request.content) == (
        "GET",
        "https://api.example/v1/models",
        b"",
    )
    assert request.headers["authorization"] == "Bearer sk-1"


@pytest.mark.parametrize(
    "body", ['{"object": "list", "data": [{"id": "a"}, {"id": "b"}]}', '[{"id": "a"}, {"id": "b"}]']
)
def test_the_model_list_is_parsed(body: str) -> None:
    """SR-118: Together returns the bare list."""
    assert adapter().models(body.encode()) == {"a": "a", "b": "b"}


@pytest.mark.parametrize(
    "body", ["", "<html>", "{}", '{"data": 1}', '{"data": [{"name": "a"}]}', "null", '["a"]']
)
def test_a_model_list_that_cannot_be_parsed_raises(body: str) -> None:
    """SR-118."""
    with pytest.raises(ProviderError) as caught:
        adapter().models(body.encode())
    assert caught.value.kind is ErrorKind.BAD_RESPONSE


def test_the_adapter_does_not_apply_defaults() -> None:
    """K-13: the core does, before the adapter is called."""
    settings = ProviderSettings(
        id="x", base_url="https://api.example/v1", defaults={"temperature": Raw(b"0.1")}
    )
    spec = ProviderSpec(name="x", adapter=OpenAICompatible, title="X")
    assert "temperature" not in sent(OpenAICompatible(spec, settings).request(call()))


# The fast path gives the same answers as the general code

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
    {
        "tool_calls": [
            {"index": 0, "id": "x", "type": "function", "function": {"name": "f", "arguments": ""}}
        ]
    },
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
TEXT_PIECES = st.builds(
    lambda index, text: {"index": index, "delta": {"content": text}}, st.integers(0, 1), st.text()
)
PIECES = st.builds(
    lambda index, delta, end: {"index": index, "delta": delta, "finish_reason": end},
    st.integers(0, 1),
    st.sampled_from(DELTA),
    st.sampled_from(END),
)
CHOICES = (
    st.tuples(TEXT_PIECES)
    | st.tuples(PIECES)
    | st.sampled_from([(), (None, None)]).flatmap(
        lambda places: st.tuples(*(PIECES for _ in places))
    )
)


def translated(documents: list[bytes]) -> list[Any]:
    """Return the chunks of a stream, until the first error."""
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
def test_the_fast_path_for_chunks_changes_nothing(
    before: dict[str, Any], rest: list[tuple[Sequence[Any], dict[str, Any]]]
) -> None:
    """SR-053: `"choices" :` with a space disables the fast path, so both streams must give the same chunks."""
    chunks = [{**before, "choices": choices, **after} for choices, after in rest]
    written = [
        json.dumps(chunk, separators=(",", ":"), ensure_ascii=False).encode() for chunk in chunks
    ]
    assert translated(written) == translated(
        [text.replace(b'"choices":', b'"choices" :') for text in written]
    )


def test_the_fast_path_ignores_choices_in_a_nested_object() -> None:
    """A member before the choices may have a member of that name as well."""
    one = b'{"x":{"choices":[]},"choices":[{"index":0,"delta":{"role":"assistant","content":"a"}}]}'
    two = b'{"x":{"choices":[{"index":0,"delta":{"content":"no"}}]},"choices":[{"index":0,"delta":{"content":"b"}}]}'
    assert [chunk[0]["choices"][0]["delta"]["content"] for chunk in translated([one, two])] == [
        "a",
        "b",
    ]


def test_the_last_of_duplicate_choices_counts() -> None:
    """As everywhere in JSON, in the fast path as well."""
    choices = '[{"index":0,"delta":{"content":"%s"}}]'
    one = f'{{"id":"x","choices":{choices % "a"}}}'
    two = f'{{"id":"x","choices":{choices % "no"},"choices":{choices % "b"}}}'
    last = translated([one.encode(), two.encode()])[-1][0]
    assert last["choices"] == [{"index": 0, "delta": {"content": "b"}}]


COUNTED = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
PLAIN = {
    "id": "x",
    "created": THEN,
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}
    ],
    "usage": COUNTED,
}
ABSENT = object()
NONCONFORMING: dict[str, list[object]] = {
    "id": [ABSENT, "", None, 5],
    "created": [ABSENT, THEN * 1000, THEN + 0.5, float(THEN), "soon", None, 0],
    "choices": [ABSENT, [], None, [{}]],
    "usage": [ABSENT, {}, None, {**COUNTED, "total_tokens": 0}, {"prompt_tokens": 1}, "many"],
    "role": [ABSENT, "model", None],
    "content": [ABSENT, None, [{"type": "text", "text": "x"}]],
    "tool_calls": [None, [], [{"id": "", "type": "function"}], [{"id": "a"}], [{"type": "f"}]],
    "index": [ABSENT, None, 1],
    "finish_reason": [ABSENT, "eos", "error", "", None],
}
DEVIATIONS = st.sampled_from(
    [(name, value) for name, values in NONCONFORMING.items() for value in values]
)


def deviating(deviations: list[tuple[str, object]]) -> dict[str, Any]:
    """The plain answer, with some members of it, of its choice or of its message replaced or removed."""
    answer = json.loads(json.dumps(PLAIN))
    choice = answer["choices"][0]
    for name, value in deviations:
        place = choice["message"]
        if name in PLAIN:
            place = answer
        elif name in choice:
            place = choice
        if value is ABSENT:
            place.pop(name, None)
        else:
            place[name] = value
    return cast(dict[str, Any], answer)


@given(st.lists(DEVIATIONS, max_size=3, unique_by=lambda each: each[0]))
@example([])
def test_the_fast_path_for_completions_changes_nothing(
    deviations: list[tuple[str, object]],
) -> None:
    """SR-044: an empty `error` disables the fast path, so both answers must be the same."""
    answer = deviating(deviations)

    def read(document: dict[str, Any]) -> Any:
        try:
            completion = adapter().completion(call(), json.dumps(document).encode())
        except ProviderError as error:
            return error.kind
        members = json.loads(completion.data)
        members.pop("error", None)
        return members, completion.usage

    assert read(answer) == read({**answer, "error": {}})
