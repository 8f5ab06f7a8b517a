"""Requests: what is accepted, what is rejected and with which error, and that no byte is lost (SR-010 … SR-041)."""

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
    """Return a request; further members are given as JSON text."""
    texts = {"model": '"m"', "messages": HI, **members}
    return ("{" + ", ".join(f'"{name}": {text}' for name, text in texts.items()) + "}").encode()


def rejection(data: bytes) -> RequestError:
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
    "response_format": [
        '{"type": "text"}',
        '{"type": "json_schema", "json_schema": {"name": "x"}}',
    ],
}

REJECTED: dict[str, list[str]] = {
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
    return pytest.mark.parametrize(
        ("param", "text"), [(name, text) for name, texts in table.items() for text in texts]
    )


@rows(ACCEPTED)
def test_a_valid_parameter_is_accepted_and_keeps_its_bytes(param: str, text: str) -> None:
    """SR-012 … SR-024."""
    members = decode(body(**{param: text})).members
    assert bytes(members[param]) == text.encode()


@rows(REJECTED)
def test_an_invalid_parameter_is_rejected_by_name(param: str, text: str) -> None:
    """SR-012 … SR-024: 400, `invalid_request_error`, and `param`."""
    error = rejection(body(**{param: text}))
    assert (error.status, error.type, error.param) == (400, "invalid_request_error", param)


@pytest.mark.parametrize("param", ACCEPTED)
def test_null_means_absent(param: str) -> None:
    """SR-027."""
    request = decode(body(**{param: "null"})).view
    assert getattr(request, param) is None


def test_only_model_and_messages_are_required() -> None:
    """SR-025, SR-028: streaming is off by default."""
    decoded = decode(body())
    request, members = decoded.view, decoded.members
    assert set(members) == {"model", "messages"}
    assert not request.stream


@pytest.mark.parametrize("text", ["1", '""', "null", "[]", "{}"])
def test_an_invalid_model_is_rejected(text: str) -> None:
    """SR-010."""
    error = rejection(body(model=text))
    assert (error.status, error.param) == (400, "model")


@pytest.mark.parametrize("text", ['"Hi"', "[]", "null", "{}", "1"])
def test_invalid_messages_are_rejected(text: str) -> None:
    """SR-011."""
    error = rejection(body(messages=text))
    assert (error.status, error.param) == (400, "messages")


@pytest.mark.parametrize("missing", ["model", "messages"])
def test_a_missing_parameter_is_named(missing: str) -> None:
    """SR-010, SR-011: with OpenAI's message."""
    whole = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    del whole[missing]
    error = rejection(json.dumps(whole).encode())
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
def test_the_location_of_an_invalid_value_in_a_message_is_named(messages: str, param: str) -> None:
    """SR-032."""
    error = rejection(body(messages=messages))
    assert (error.status, error.type, error.param) == (400, "invalid_request_error", param)


def test_the_location_of_an_invalid_value_in_an_option_is_named() -> None:
    assert (
        rejection(body(stream_options='{"include_usage": "yes"}')).param
        == "stream_options.include_usage"
    )


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
def test_the_token_limit_has_two_names(texts: dict[str, str], limit: int | None) -> None:
    """SR-014: `max_completion_tokens` takes precedence; both are passed on."""
    decoded = decode(body(**texts))
    request, members = decoded.view, decoded.members
    assert request.token_limit == limit
    assert texts.items() <= {name: bytes(raw).decode() for name, raw in members.items()}.items()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("null", False),
        ("{}", False),
        ('{"include_usage": false}', False),
        ('{"include_usage": true}', True),
    ],
)
def test_include_usage_is_read(text: str, wanted: bool) -> None:
    """SR-055."""
    assert decode(body(stream_options=text)).view.include_usage is wanted


# Messages


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant", "tool", "function"])
def test_all_roles_are_accepted(role: str) -> None:
    """SR-031, SR-032."""
    request = decode(body(messages=f'[{{"role": "{role}", "content": "Hi"}}]')).view
    assert request.messages[0].role == role


def test_messages_keep_their_order_and_bytes() -> None:
    """SR-031, SR-033, SR-041."""
    messages = '[ {"role":"system","content":"A"},{"content":"B","role":"system"}, {"role":"user","content":"C"} ]'
    decoded = decode(body(messages=messages))
    request, members = decoded.view, decoded.members
    assert [message.content for message in request.messages] == ["A", "B", "C"]
    assert bytes(members["messages"]) == messages.encode()


def test_tool_calls_and_their_results_are_accepted() -> None:
    """SR-040: content may be null or absent beside tool calls."""
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages: list[dict[str, Any]] = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "42"},
    ]
    decoded = decode(body(messages=json.dumps(messages)))
    request, members = decoded.view, decoded.members
    assert [message.content for message in request.messages] == [None, None, "42"]
    assert request.messages[2].tool_call_id == "call_1"
    assert json.loads(bytes(members["messages"])) == messages


def test_content_parts_are_decoded() -> None:
    """SR-034, SR-035, SR-037, SR-038."""
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": "What is this?"},
        {
            "type": "image_url",
            "image_url": {"url": "data:image/jpeg;base64,/9j/4AAQ", "detail": "low"},
        },
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
        },
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
def test_an_unknown_member_keeps_its_bytes(text: str) -> None:
    """SR-026: spelling of numbers, large integers, escapes, white space."""
    assert bytes(decode(body(vendor_option=text)).members["vendor_option"]) == text.encode()


@pytest.mark.parametrize(
    "name",
    [
        "tool_choice", "user", "parallel_tool_calls", "store", "service_tier", "verbosity", "prompt_cache_key",
        "safety_identifier", "logit_bias", "metadata", "prediction", "modalities", "audio", "web_search_options",
    ],
)  # fmt: skip
@pytest.mark.parametrize("text", ['"x"', '{"a": 1.0}', "null"])
def test_an_unchecked_parameter_keeps_its_bytes(name: str, text: str) -> None:
    """SR-026."""
    assert bytes(decode(body(**{name: text})).members[name]) == text.encode()


texts = st.text(st.characters(codec="utf-8"), max_size=20)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


@given(json_values, st.booleans())
def test_arbitrary_json_in_an_unknown_member_keeps_its_bytes(value: Any, escaped: bool) -> None:
    """SR-026."""
    text = json.dumps(value, ensure_ascii=escaped)
    assert bytes(decode(body(x=text)).members["x"]) == text.encode()


def test_the_last_of_duplicate_members_counts() -> None:
    """Otherwise what is validated would not be what is sent."""
    data = body()[:-1] + b', "model": "other", "temperature": 2, "temperature": 1}'
    decoded = decode(data)
    request, members = decoded.view, decoded.members
    assert (request.model, bytes(members["model"])) == ("other", b'"other"')
    assert (request.temperature, bytes(members["temperature"])) == (1, b"1")


def test_the_first_of_duplicate_members_is_validated_too() -> None:
    """Otherwise a provider that uses the first one would get an invalid value."""
    assert rejection(body()[:-1] + b', "temperature": 1, "temperature": 9}').param == "temperature"


# Invalid JSON

INVALID_JSON: dict[str, bytes] = {
    "empty": b"",
    "white space": b"  ",
    "cut": b"{bad",
    "cut in a string": b'{"model": "m',
    "trailing data": body() + b"{}",
    "single quotes": b"{'model': 'm'}",
    "a trailing comma": body()[:-1] + b",}",
    "NaN": body(temperature="NaN"),
    "Infinity in an unchecked member": body(x="Infinity"),
    "a control character in a string": body(x='"a\nb"'),
    "invalid UTF-8 in the model": body(model='"m"').replace(b'"m"', b'"\xff"'),
    "invalid UTF-8 in an unchecked member": body(x='"?"').replace(b"?", b"\xff"),
    "invalid UTF-8 in a message": body().replace(b"Hi", b"\xc3"),
    "half a surrogate pair": body(model='"\\ud800"'),
    "UTF-16": body().decode().encode("utf-16"),
    "a million brackets": body(x="[" * 1_000_000),
    "a million brackets, closed": body(x="[" * 1_000_000 + "]" * 1_000_000),
    "a hundred thousand objects": body(x='{"a":' * 100_000 + "1" + "}" * 100_000),
    "brackets in a message": body(
        messages='[{"role": "user", "content": ' + "[" * 100_000 + "]" * 100_000 + "}]"
    ),
}


@pytest.mark.parametrize("case", INVALID_JSON)
def test_invalid_json_is_rejected(case: str) -> None:
    """SR-030."""
    error = rejection(INVALID_JSON[case])
    assert (error.status, error.type) == (400, "invalid_request_error")


@pytest.mark.parametrize("data", [b"[]", b"1", b'"x"', b"null", b"true", b'[{"model": "m"}]'])
def test_json_that_is_not_an_object_is_rejected(data: bytes) -> None:
    """SR-030."""
    error = rejection(data)
    assert (error.status, error.type) == (400, "invalid_request_error")
    assert "must be a JSON object" in error.message


def test_a_hundred_levels_of_nesting_are_accepted() -> None:
    """SR-026: JSON schemas can be deep."""
    deep = '{"a":' * 100 + "1" + "}" * 100
    assert bytes(decode(body(tools=f"[{deep}]")).members["tools"]) == f"[{deep}]".encode()


@given(
    st.binary()
    | st.text().map(str.encode)
    | json_values.map(lambda value: json.dumps(value).encode())
)
def test_arbitrary_bytes_raise_only_request_errors(data: bytes) -> None:
    """SR-065."""
    try:
        decode(data)
    except RequestError as error:
        assert error.status == 400  # noqa: PT017 - both outcomes are correct


@given(
    st.dictionaries(st.sampled_from([*ChatRequest.__struct_fields__, "x"]), json_values, max_size=6)
    | st.fixed_dictionaries({"model": json_values, "messages": json_values})
)
def test_arbitrary_objects_raise_only_request_errors(value: dict[str, Any]) -> None:
    """SR-065."""
    try:
        decode(json.dumps(value).encode())
    except RequestError as error:
        assert error.status == 400  # noqa: PT017 - both outcomes are correct


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


def audio(data: str) -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


def file(data: str) -> dict[str, Any]:
    return {"type": "file", "file": {"filename": "a.pdf", "file_data": data}}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("part", "member"),
    [(image, "image_url.url"), (audio, "input_audio.data"), (file, "file.file_data")],
    ids=["image", "audio", "file"],
)
def test_a_local_path_is_rejected(part: Any, member: str, path: str) -> None:
    """SR-039: the server does not read files for a client."""
    error = rejection(content({"type": "text", "text": "Hi"}, part(path)))
    assert (error.status, error.param, error.code) == (
        400,
        f"messages[0].content[1].{member}",
        "invalid_value",
    )
    assert "local files are not read" in error.message


@pytest.mark.parametrize("member", ["image_url", "video_url", "audio_url"])
def test_a_local_path_is_rejected_in_every_url_member(member: str) -> None:
    """SR-039: as an object, and as a string, which some providers accept."""
    assert rejection(content({"type": member, member: {"url": "/etc/hostname"}})).param == (
        f"messages[0].content[0].{member}.url"
    )
    assert (
        rejection(content({"type": member, member: "/etc/hostname"})).param
        == f"messages[0].content[0].{member}"
    )


def test_a_local_path_is_rejected_whatever_the_type_of_the_part() -> None:
    """SR-039."""
    assert rejection(content({"type": "text", "file": {"file_data": "/etc/hostname"}})).param == (
        "messages[0].content[0].file.file_data"
    )


def test_a_local_path_is_rejected_in_any_message() -> None:
    """SR-039: the error names its location."""
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "tool", "content": [image("/etc/hostname")]},
    ]
    assert (
        rejection(body(messages=json.dumps(messages))).param
        == "messages[1].content[0].image_url.url"
    )


@pytest.mark.parametrize("part", [image, audio, file])
@pytest.mark.parametrize("value", INLINE)
def test_urls_and_inline_data_are_accepted(part: Any, value: str) -> None:
    """SR-035 … SR-038."""
    decode(content(part(value)))


@pytest.mark.parametrize("part", [audio, file])
@pytest.mark.parametrize("value", BASE64)
def test_base64_is_accepted_for_audio_and_files(part: Any, value: str) -> None:
    """SR-037, SR-038: the base64 of a JPEG begins like a path."""
    decode(content(part(value)))


@pytest.mark.parametrize("value", BASE64)
def test_bare_base64_is_rejected_as_a_url(value: str) -> None:
    """SR-039: an image's URL has a scheme."""
    assert rejection(content(image(value))).param == "messages[0].content[0].image_url.url"


def test_a_text_part_may_look_like_a_path() -> None:
    """SR-039: it is only sent to the model."""
    decode(content({"type": "text", "text": "/etc/hostname"}))


# K-13: defaults and forced values of a provider's block


def applied(
    members: dict[str, str],
    defaults: dict[str, str] | None = None,
    force: dict[str, str] | None = None,
) -> tuple[ChatRequest, dict[str, str]]:
    decoded = decode(body(**members))
    given: list[Members] = [
        {name: Raw(text.encode()) for name, text in (texts or {}).items()}
        for texts in (defaults, force)
    ]
    found = with_provider_settings(decoded, *given)
    shown = {
        name: bytes(raw).decode()
        for name, raw in found.members.items()
        if name not in ("model", "messages")
    }
    return found.view, shown


def test_a_default_applies_if_the_client_sets_nothing() -> None:
    """K-13."""
    view, members = applied({}, {"temperature": "0.10"})
    assert (view.temperature, members) == (0.1, {"temperature": "0.10"})


def test_a_default_replaces_null() -> None:
    """K-13, SR-027."""
    assert applied({"temperature": "null"}, {"temperature": "0.1"})[1] == {"temperature": "0.1"}


@pytest.mark.parametrize("value", ["0", "0.9", "2"])
def test_the_client_overrides_a_default(value: str) -> None:
    """K-13: in llms.py, the provider's block overrides the client."""
    assert applied({"temperature": value}, {"temperature": "0.1"})[1] == {"temperature": value}


def test_a_default_can_be_false() -> None:
    """SR-120, SR-024: `enable_thinking` of Qwen."""
    assert applied({}, {"enable_thinking": "false"})[1] == {"enable_thinking": "false"}


def test_a_forced_value_overrides_the_client() -> None:
    """K-13."""
    view, members = applied({"temperature": "0.9"}, {"temperature": "0.5"}, {"temperature": "0.1"})
    assert (view.temperature, members) == (0.1, {"temperature": "0.1"})


@pytest.mark.parametrize("client", ["max_tokens", "max_completion_tokens"])
def test_the_clients_token_limit_overrides_a_default_under_the_other_name(client: str) -> None:
    """K-13, SR-014: otherwise a default of 1000 would override the client's 5."""
    other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}[client]
    assert applied({client: "5"}, {other: "1000"})[1] == {client: "5"}


def test_a_forced_token_limit_overrides_the_client_under_the_other_name() -> None:
    """K-13, SR-014."""
    view, members = applied({"max_tokens": "5000"}, force={"max_completion_tokens": "100"})
    assert (view.token_limit, members) == (100, {"max_completion_tokens": "100"})


def test_the_same_body_is_returned_if_nothing_changes() -> None:
    """SR-075."""
    decoded = decode(body(temperature="0.9"))
    assert with_provider_settings(decoded, {"temperature": Raw(b"0.1")}, {}) is decoded


def test_the_original_body_is_not_changed() -> None:
    """SR-075: the next provider gets it unchanged."""
    decoded = decode(body())
    with_provider_settings(decoded, {"temperature": Raw(b"0.1")}, {"top_p": Raw(b"0.5")})
    assert (decoded.view.temperature, decoded.view.top_p) == (None, None)
    assert not {"temperature", "top_p"} & decoded.members.keys()
