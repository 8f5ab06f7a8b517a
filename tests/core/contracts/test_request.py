"""Requests: what is accepted, what is refused and under which name, and that nothing is lost (SR-010 … SR-041)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from llms_core.contracts.body import Members
from llms_core.contracts.request import ChatRequest, decode, with_provider_settings
from llms_core.errors import RequestError

HI = '[{"role": "user", "content": "Hi"}]'


def body(**members: str) -> bytes:
    """A request whose further members are JSON as written."""
    texts = {"model": '"m"', "messages": HI, **members}
    return ("{" + ", ".join(f'"{name}": {text}' for name, text in texts.items()) + "}").encode()


def refusal(data: bytes) -> RequestError:
    with pytest.raises(RequestError) as caught:
        decode(data)
    return caught.value


def content(*parts: dict[str, Any], role: str = "user") -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": role, "content": list(parts)}]}).encode()


# Parameters

ACCEPTED: dict[str, list[str]] = {
    "temperature": ["0", "0.0", "0.7", "2", "2.0", "1e-3"],  # SR-012
    "max_tokens": ["1", "150", "99999999999999999999"],  # SR-013
    "max_completion_tokens": ["1", "150"],  # SR-014
    "top_p": ["0", "0.5", "1", "1.0"],  # SR-015
    "frequency_penalty": ["-2", "-2.0", "0", "2"],  # SR-016
    "presence_penalty": ["-2", "0", "2.0"],  # SR-017
    "stop": ['"END"', '["a", "b"]', "[]"],  # SR-018
    "seed": ["0", "-1", "42", "9223372036854775808"],  # SR-019
    "stream": ["true", "false"],  # SR-020
    "logprobs": ["true", "false"],  # SR-021
    "top_logprobs": ["0", "20"],  # SR-022
    "reasoning_effort": ['"low"', '"medium"', '"high"', '"none"', '"minimal"', '"xhigh"'],  # SR-023
    "enable_thinking": ["true", "false"],  # SR-024
    "n": ["1", "2", "128"],
    "tools": ["[]", '[{"type": "function", "function": {"name": "f"}}]', '[{"type": "custom"}]'],
    "stream_options": ["{}", '{"include_usage": true}', '{"include_usage": null, "other": 1}'],
    "response_format": ['{"type": "text"}', '{"type": "json_schema", "json_schema": {"name": "x"}}'],
}

REFUSED: dict[str, list[str]] = {
    "temperature": ["-0.1", "2.1", '"hot"', "true", "[]", "1e400"],
    "max_tokens": ["0", "-1", "1.5", '"x"', "true"],
    "max_completion_tokens": ["0", "1.5", '"150"'],
    "top_p": ["-0.1", "1.1", '"x"'],
    "frequency_penalty": ["-2.1", "2.1", '"x"'],
    "presence_penalty": ["-2.1", "2.1", "{}"],
    "stop": ["1", "{}", "true"],
    "seed": ["1.5", '"x"', "true"],
    "stream": ['"yes"', "1"],
    "logprobs": ['"yes"', "2.5"],
    "top_logprobs": ["-1", "21", "1.5"],
    "reasoning_effort": ["1", "[]"],
    "enable_thinking": ['"yes"', "1"],
    "n": ["0", "1.5"],
    "tools": ["{}", '"x"'],
    "stream_options": ["1", '"include_usage"'],
    "response_format": ['"json"', "1"],
}


def rows(table: dict[str, list[str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("param", "text"), [(name, text) for name, texts in table.items() for text in texts])


@rows(ACCEPTED)
def test_a_parameter_within_its_bounds_is_accepted_as_written(param: str, text: str) -> None:
    """SR-012 … SR-024: and goes on in the client's own spelling."""
    members = decode(body(**{param: text})).members
    assert bytes(members[param]) == text.encode()


@rows(REFUSED)
def test_a_parameter_out_of_its_bounds_is_refused_by_name(param: str, text: str) -> None:
    """SR-012 … SR-024: 400, `invalid_request_error`, and `param`."""
    error = refusal(body(**{param: text}))
    assert (error.status, error.type, error.param) == (400, "invalid_request_error", param)


@pytest.mark.parametrize("param", ACCEPTED)
def test_null_is_absent(param: str) -> None:
    """SR-027."""
    request = decode(body(**{param: "null"})).view
    assert getattr(request, param) is None


def test_only_model_and_messages_are_required() -> None:
    """SR-025, SR-028: all else is absent, and nothing is a stream."""
    decoded = decode(body())
    request, members = decoded.view, decoded.members
    assert set(members) == {"model", "messages"}
    assert not request.stream


@pytest.mark.parametrize("text", ["1", '""', "null", "[]", "{}"])
def test_a_model_that_is_none_is_refused(text: str) -> None:
    """SR-010."""
    error = refusal(body(model=text))
    assert (error.status, error.param) == (400, "model")


@pytest.mark.parametrize("text", ['"Hi"', "[]", "null", "{}", "1"])
def test_messages_that_are_none_are_refused(text: str) -> None:
    """SR-011."""
    error = refusal(body(messages=text))
    assert (error.status, error.param) == (400, "messages")


@pytest.mark.parametrize("missing", ["model", "messages"])
def test_what_is_missing_is_named(missing: str) -> None:
    """SR-010, SR-011: as OpenAI says it."""
    whole = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    del whole[missing]
    error = refusal(json.dumps(whole).encode())
    assert (error.param, error.code) == (missing, "missing_required_parameter")
    assert error.message == f"Missing required parameter: '{missing}'"


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ("[1]", "messages[0]"),
        ('[{"content": "Hi"}]', "messages[0].role"),
        ('[{"role": "user", "content": "Hi"}, {"role": "robot", "content": "Hi"}]', "messages[1].role"),
        ('[{"role": "user", "content": 1}]', "messages[0].content"),
        ('[{"role": "user", "content": {"type": "text"}}]', "messages[0].content"),
        ('[{"role": "user", "content": ["Hi"]}]', "messages[0].content[0]"),
        ('[{"role": "user", "content": [{"text": "Hi"}]}]', "messages[0].content[0].type"),
        ('[{"role": "user", "content": [{"type": "file", "file": 1}]}]', "messages[0].content[0].file"),
        ('[{"role": "assistant", "tool_calls": {}}]', "messages[0].tool_calls"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_message_is_named(messages: str, param: str) -> None:
    """SR-032: an unknown role, and the like."""
    error = refusal(body(messages=messages))
    assert (error.status, error.type, error.param) == (400, "invalid_request_error", param)


def test_what_is_wrong_deep_in_an_option_is_named() -> None:
    assert refusal(body(stream_options='{"include_usage": "yes"}')).param == "stream_options.include_usage"


@pytest.mark.parametrize(
    ("texts", "limit"),
    [
        ({"max_tokens": "5"}, 5),
        ({"max_completion_tokens": "7"}, 7),
        ({"max_tokens": "5", "max_completion_tokens": "7"}, 7),
        ({"max_tokens": "5", "max_completion_tokens": "null"}, 5),
        ({}, None),
    ],
)
def test_the_limit_of_an_answer_has_two_names(texts: dict[str, str], limit: int | None) -> None:
    """SR-014: `max_completion_tokens` wins; both go to who knows both."""
    decoded = decode(body(**texts))
    request, members = decoded.view, decoded.members
    assert request.token_limit == limit
    assert texts.items() <= {name: bytes(raw).decode() for name, raw in members.items()}.items()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("null", False), ("{}", False), ('{"include_usage": false}', False), ('{"include_usage": true}', True)],
)
def test_usage_in_a_stream_is_asked_for(text: str, wanted: bool) -> None:
    """SR-055."""
    assert decode(body(stream_options=text)).view.include_usage is wanted


# Messages


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant", "tool", "function"])
def test_a_role_is_known(role: str) -> None:
    """SR-031, SR-032."""
    request = decode(body(messages=f'[{{"role": "{role}", "content": "Hi"}}]')).view
    assert request.messages[0].role == role


def test_a_conversation_goes_on_as_written() -> None:
    """SR-031, SR-033, SR-041: in order, white space and all."""
    messages = '[ {"role":"system","content":"A"},{"content":"B","role":"system"}, {"role":"user","content":"C"} ]'
    decoded = decode(body(messages=messages))
    request, members = decoded.view, decoded.members
    assert [message.content for message in request.messages] == ["A", "B", "C"]
    assert bytes(members["messages"]) == messages.encode()


def test_a_round_of_tool_calls_goes_on() -> None:
    """SR-040: no content beside tool calls, and the answer by its call's id."""
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    asked = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "42"},
    ]
    decoded = decode(body(messages=json.dumps(asked)))
    request, members = decoded.view, decoded.members
    assert [message.content for message in request.messages] == [None, None, "42"]
    assert request.messages[2].tool_call_id == "call_1"
    assert json.loads(bytes(members["messages"])) == asked


def test_parts_are_read() -> None:
    """SR-034, SR-035, SR-037, SR-038."""
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9j/4AAQ", "detail": "low"}},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "something_new", "something_new": {"x": 1}},
    ]
    decoded = decode(content(*parts))
    request, members = decoded.view, decoded.members
    read = request.messages[0].content
    assert isinstance(read, list)
    assert [part.type for part in read] == [part["type"] for part in parts]
    assert json.loads(bytes(members["messages"]))[0]["content"] == parts


# Nothing is lost

AS_WRITTEN = [
    "1.0",
    "1",
    "1.50",
    "1e5",
    "-0.0",
    "123456789012345678901234567890",
    "0.1000000000000000055511151231257827",
    '"\\u00e9\\ud83e\\udd99\\u0041"',
    '"é🦙"',
    '"\\/"',
    '{"z": 1,   "a": [1.50, null, {}]}',
    "null",
    "[[[[]]]]",
]


@pytest.mark.parametrize("text", AS_WRITTEN)
def test_an_unknown_member_goes_on_byte_for_byte(text: str) -> None:
    """SR-026: number spelling, big integers, escapes, white space."""
    assert bytes(decode(body(of_the_vendor=text)).members["of_the_vendor"]) == text.encode()


@pytest.mark.parametrize(
    "name",
    [
        "tool_choice", "user", "parallel_tool_calls", "store", "service_tier", "verbosity", "prompt_cache_key",
        "safety_identifier", "logit_bias", "metadata", "prediction", "modalities", "audio", "web_search_options",
    ],
)  # fmt: skip
@pytest.mark.parametrize("text", ['"x"', '{"a": 1.0}', "null"])
def test_a_parameter_of_openais_that_is_not_checked_goes_on(name: str, text: str) -> None:
    """SR-026."""
    assert bytes(decode(body(**{name: text})).members[name]) == text.encode()


texts = st.text(st.characters(codec="utf-8"), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


@given(json_values, st.booleans())
def test_any_json_goes_on_in_an_unknown_member(value: Any, escaped: bool) -> None:
    """SR-026."""
    text = json.dumps(value, ensure_ascii=escaped)
    assert bytes(decode(body(x=text)).members["x"]) == text.encode()


def test_of_a_member_that_is_there_twice_the_last_counts_everywhere() -> None:
    """What is checked is what goes on."""
    data = body()[:-1] + b', "model": "other", "temperature": 2, "temperature": 1}'
    decoded = decode(data)
    request, members = decoded.view, decoded.members
    assert (request.model, bytes(members["model"])) == ("other", b'"other"')
    assert (request.temperature, bytes(members["temperature"])) == (1, b"1")


def test_of_a_member_that_is_there_twice_the_first_is_checked_too() -> None:
    """A way around the check is closed from both sides."""
    assert refusal(body()[:-1] + b', "temperature": 1, "temperature": 9}').param == "temperature"


# What is no JSON

NO_JSON: dict[str, bytes] = {
    "nothing": b"",
    "white space": b"  ",
    "cut": b"{bad",
    "cut in a text": b'{"model": "m',
    "more behind it": body() + b"{}",
    "single quotes": b"{'model': 'm'}",
    "a comma too many": body()[:-1] + b",}",
    "NaN": body(temperature="NaN"),
    "Infinity, where nobody looks": body(x="Infinity"),
    "a control character in a text": body(x='"a\nb"'),
    "no UTF-8 in the model": body(model='"m"').replace(b'"m"', b'"\xff"'),
    "no UTF-8 where nobody looks": body(x='"?"').replace(b"?", b"\xff"),
    "no UTF-8 in a message": body().replace(b"Hi", b"\xc3"),
    "half a surrogate pair": body(model='"\\ud800"'),
    "UTF-16": body().decode().encode("utf-16"),
    "a million brackets": body(x="[" * 1_000_000),
    "a million brackets, closed": body(x="[" * 1_000_000 + "]" * 1_000_000),
    "a hundred thousand objects": body(x='{"a":' * 100_000 + "1" + "}" * 100_000),
    "brackets in a message": body(messages='[{"role": "user", "content": ' + "[" * 100_000 + "]" * 100_000 + "}]"),
}


@pytest.mark.parametrize("case", NO_JSON)
def test_what_is_no_json_is_refused(case: str) -> None:
    """SR-030."""
    error = refusal(NO_JSON[case])
    assert (error.status, error.type) == (400, "invalid_request_error")


@pytest.mark.parametrize("data", [b"[]", b"1", b'"x"', b"null", b"true", b'[{"model": "m"}]'])
def test_json_that_is_no_object_is_refused(data: bytes) -> None:
    """SR-030."""
    error = refusal(data)
    assert (error.status, error.type) == (400, "invalid_request_error")
    assert "must be a JSON object" in error.message


def test_schemas_may_be_deep() -> None:
    """SR-026: a hundred levels are not too many."""
    deep = '{"a":' * 100 + "1" + "}" * 100
    assert bytes(decode(body(tools=f"[{deep}]")).members["tools"]) == f"[{deep}]".encode()


@given(st.binary() | st.text().map(str.encode) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """SR-065: and never a fault of another kind."""
    try:
        decode(data)
    except RequestError as error:
        assert error.status == 400  # noqa: PT017 - either is right


@given(
    st.dictionaries(st.sampled_from([*ChatRequest.__struct_fields__, "x"]), json_values, max_size=6)
    | st.fixed_dictionaries({"model": json_values, "messages": json_values})
)
def test_any_object_is_read_or_refused(value: dict[str, Any]) -> None:
    """SR-065."""
    try:
        decode(json.dumps(value).encode())
    except RequestError as error:
        assert error.status == 400  # noqa: PT017 - either is right


# SR-039: no local paths over HTTP

PATHS = [
    "/etc/hostname",
    "file:///etc/hostname",
    "FILE:///etc/hostname",
    "./picture.png",
    "../picture.png",
    "~/picture.png",
    "picture.png",
    "C:\\picture.png",
    "C:/picture.png",
    "\\\\server\\share",
    "ftp://server/picture.png",
    "javascript:alert(1)",
    " https://x.example/a.png",
]
INLINE = [
    "https://x.example/a.png",
    "http://x.example/a.png",
    "HTTPS://x.example/a.png",
    "data:image/png;base64,iVBORw0KGgo=",
    "data:,Hi",
    "DATA:image/png;base64,iVBORw0KGgo=",
]
BASE64 = ["UklGRg==", "iVBORw0KGgo=", "/9j/" + "4AAQSkZJ" * 20, "SGVs\nbG8=" * 20, "_-_-" * 30]


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def sound(data: str) -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


def file(data: str) -> dict[str, Any]:
    return {"type": "file", "file": {"filename": "a.pdf", "file_data": data}}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("part", "member"),
    [(image, "image_url.url"), (sound, "input_audio.data"), (file, "file.file_data")],
    ids=["image", "sound", "file"],
)
def test_a_path_is_refused(part: Any, member: str, path: str) -> None:
    """SR-039: only the command line reads files."""
    error = refusal(content({"type": "text", "text": "Hi"}, part(path)))
    assert (error.status, error.param, error.code) == (400, f"messages[0].content[1].{member}", "invalid_value")
    assert "local files are not read" in error.message


@pytest.mark.parametrize("member", ["image_url", "video_url", "audio_url"])
def test_a_path_is_refused_in_every_member_that_takes_an_address(member: str) -> None:
    """SR-039: as an object and as a mere text, as some providers have it."""
    assert refusal(content({"type": member, member: {"url": "/etc/hostname"}})).param == (
        f"messages[0].content[0].{member}.url"
    )
    assert refusal(content({"type": member, member: "/etc/hostname"})).param == f"messages[0].content[0].{member}"


def test_a_path_is_refused_whatever_the_part_calls_itself() -> None:
    """SR-039."""
    assert refusal(content({"type": "text", "file": {"file_data": "/etc/hostname"}})).param == (
        "messages[0].content[0].file.file_data"
    )


def test_a_path_is_refused_in_any_message() -> None:
    """SR-039: the fault is told by its place."""
    messages = [{"role": "user", "content": "Hi"}, {"role": "tool", "content": [image("/etc/hostname")]}]
    assert refusal(body(messages=json.dumps(messages))).param == "messages[1].content[0].image_url.url"


@pytest.mark.parametrize("part", [image, sound, file])
@pytest.mark.parametrize("value", INLINE)
def test_addresses_and_inline_data_are_accepted(part: Any, value: str) -> None:
    """SR-035 … SR-038."""
    decode(content(part(value)))


@pytest.mark.parametrize("part", [sound, file])
@pytest.mark.parametrize("value", BASE64)
def test_base64_is_accepted_where_it_may_stand(part: Any, value: str) -> None:
    """SR-037, SR-038: a picture in base64 begins like a path."""
    decode(content(part(value)))


@pytest.mark.parametrize("value", BASE64)
def test_base64_is_no_address(value: str) -> None:
    """SR-039: an image's URL has a scheme."""
    assert refusal(content(image(value))).param == "messages[0].content[0].image_url.url"


def test_a_text_may_look_like_a_path() -> None:
    """SR-039: it is only told to the model."""
    decode(content({"type": "text", "text": "/etc/hostname"}))


# K-13: what a provider's block adds


def applied(
    asked: dict[str, str], defaults: dict[str, str] | None = None, force: dict[str, str] | None = None
) -> tuple[ChatRequest, dict[str, str]]:
    decoded = decode(body(**asked))
    given: list[Members] = [
        {name: Raw(text.encode()) for name, text in (texts or {}).items()} for texts in (defaults, force)
    ]
    found = with_provider_settings(decoded, *given)
    shown = {name: bytes(raw).decode() for name, raw in found.members.items() if name not in ("model", "messages")}
    return found.view, shown


def test_a_default_stands_where_the_client_says_nothing() -> None:
    """K-13."""
    view, members = applied({}, {"temperature": "0.10"})
    assert (view.temperature, members) == (0.1, {"temperature": "0.10"})


def test_null_says_nothing() -> None:
    """K-13, SR-027."""
    assert applied({"temperature": "null"}, {"temperature": "0.1"})[1] == {"temperature": "0.1"}


@pytest.mark.parametrize("said", ["0", "0.9", "2"])
def test_the_client_wins_over_a_default(said: str) -> None:
    """K-13: in llms.py the provider's block did."""
    assert applied({"temperature": said}, {"temperature": "0.1"})[1] == {"temperature": said}


def test_a_default_that_is_false_is_one() -> None:
    """SR-120, SR-024: `enable_thinking` of Qwen."""
    assert applied({}, {"enable_thinking": "false"})[1] == {"enable_thinking": "false"}


def test_what_is_forced_wins_over_the_client() -> None:
    """K-13."""
    view, members = applied({"temperature": "0.9"}, {"temperature": "0.5"}, {"temperature": "0.1"})
    assert (view.temperature, members) == (0.1, {"temperature": "0.1"})


@pytest.mark.parametrize("client", ["max_tokens", "max_completion_tokens"])
def test_a_limit_of_the_clients_wins_over_a_default_by_its_other_name(client: str) -> None:
    """K-13, SR-014: otherwise a default of 1000 would make 5 of no effect."""
    other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}[client]
    assert applied({client: "5"}, {other: "1000"})[1] == {client: "5"}


def test_a_limit_that_is_forced_wins_by_its_other_name() -> None:
    """K-13, SR-014."""
    view, members = applied({"max_tokens": "5000"}, force={"max_completion_tokens": "100"})
    assert (view.token_limit, members) == (100, {"max_completion_tokens": "100"})


def test_without_anything_to_add_the_request_is_the_same() -> None:
    """SR-075."""
    decoded = decode(body(temperature="0.9"))
    assert with_provider_settings(decoded, {"temperature": Raw(b"0.1")}, {}) is decoded


def test_the_clients_request_is_not_changed() -> None:
    """SR-075: the next provider gets it as it came."""
    decoded = decode(body())
    with_provider_settings(decoded, {"temperature": Raw(b"0.1")}, {"top_p": Raw(b"0.5")})
    assert (decoded.view.temperature, decoded.view.top_p) == (None, None)
    assert not {"temperature", "top_p"} & decoded.members.keys()
