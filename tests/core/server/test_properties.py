"""Properties that hold for anything a client, a provider or the network may send."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llms_core import checks, startup
from llms_core.secret import redact
from llms_core.testing import (
    Body,
    Chunk,
    Close,
    Reply,
    ScriptedUpstream,
    Seen,
    Status,
    error,
    events,
    html,
    json_body,
)
from llms_core.testing import text_body as text_reply
from tests.core.server.conftest import (
    CHAT,
    HELLO,
    NO_RETRIES,
    TEXT,
    UPSTREAM_ID,
    Asking,
    Pair,
    Wire,
    chunk,
    data_of,
    error_of,
    request_of,
    running,
)

if TYPE_CHECKING:
    import httpx

    from tests.conftest import Gateway

Ask = Callable[["Gateway"], Asking]

# Properties with many examples, each of them a request to a running gateway.
pytestmark = pytest.mark.slow

some = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
"""The same examples in every run. The fixtures hold a server that all examples of a test share."""

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
PARTS = ("text", "image_url", "input_audio", "file", "refusal", "video_url", "of_a_vendor")
parts = st.fixed_dictionaries({"type": st.just("text"), "text": st.text()}) | (
    st.dictionaries(
        st.sampled_from([*PARTS, "type"]), st.sampled_from(PARTS) | json_values, max_size=3
    )
)
messages = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system", "tool"])},
    optional={
        "content": st.text() | st.lists(parts, max_size=3) | json_values,
        "name": st.text() | json_values,
    },
)
MEMBERS: dict[str, st.SearchStrategy[object]] = {
    "messages": st.lists(messages, max_size=3),
    "prompt": st.text() | st.lists(st.text(), max_size=2),
    "temperature": st.floats(0, 2),
    "max_tokens": st.integers(-1, 2**70),
    "stop": st.text() | st.lists(st.text(), max_size=2),
    "seed": st.integers(),
    "stream_options": st.fixed_dictionaries(
        {}, optional={"include_usage": st.booleans(), "x": json_values}
    ),
    "n": st.integers(0, 3),
    "logprobs": st.booleans(),
    "top_logprobs": st.integers(-1, 21),
    "reasoning_effort": st.text(),
    "response_format": st.fixed_dictionaries(
        {"type": st.sampled_from(["text", "json_object", "x"])}
    ),
    "tools": st.lists(json_values, max_size=2),
    "suffix": st.none() | st.text(max_size=1),
    "echo": st.booleans(),
    "of_a_vendor": json_values,
}
requests = st.fixed_dictionaries(
    {
        "model": st.just("m"),
        "messages": st.just(HELLO),
        "prompt": st.just("Hello!"),
        "stream": st.booleans(),
    }
)
changes = st.fixed_dictionaries({}, optional=MEMBERS) | (
    st.dictionaries(
        st.sampled_from(["model", "stream", *MEMBERS]) | st.text(max_size=8),
        json_values,
        max_size=2,
    )
)


def assert_served_or_refused(response: httpx.Response) -> None:
    """A whole answer, a whole stream, or an error as OpenAI's clients read it; never an internal error."""
    if response.status_code == 200 and response.headers["content-type"].startswith(
        "text/event-stream"
    ):
        assert data_of(response.text)[-1] == "[DONE]"
    elif response.status_code == 200:
        assert response.json()["object"] in ("chat.completion", "text_completion")
    else:
        assert 400 <= response.status_code < 500
        error_of(response)


# Clients


@some
@given(body=st.binary() | st.text().map(str.encode), path=st.sampled_from([CHAT, TEXT]))
def test_sr_065_any_bytes_are_answered_as_openai_would(ask: Asking, body: bytes, path: str) -> None:
    assert_served_or_refused(ask.post(body, path))


@some
@given(request=requests, changed=changes)
def test_sr_065_any_json_is_answered_as_openai_would(
    ask: Asking, request: dict[str, object], changed: dict[str, object]
) -> None:
    """SR-065: variations of a valid request."""
    for path in (CHAT, TEXT):
        assert_served_or_refused(ask.post({**request, **changed}, path))


@some
@given(data=st.data())
def test_sr_065_a_request_with_a_few_bytes_changed(ask: Asking, data: st.DataObject) -> None:
    """SR-065: truncated, or with a stray byte."""
    body = json.dumps({"model": "m", "messages": HELLO, "stop": ["a"], "temperature": 0.5}).encode()
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, len(body)))
    assert_served_or_refused(ask.post(body[:start] + data.draw(st.binary(max_size=3)) + body[end:]))


FRAMING = {"content-length", "transfer-encoding", "connection", "upgrade", "expect", "host"}
header_names = st.sampled_from(
    ["authorization", "api-key", "x-api-key", "cookie", "content-type", "accept", "te"]
) | (
    st.from_regex(r"[a-z0-9!#$%&'*+.^_`|~-]{1,20}", fullmatch=True).filter(
        lambda name: name not in FRAMING
    )
)
header_values = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=50) | (
    st.sampled_from(
        [
            "Bearer ",
            "Bearer \xff",
            "Basic Og==",
            "application/json; charset=\xff",
            "gzip",
            "text/html",
        ]
    )
)


@some
@given(headers=st.dictionaries(header_names, header_values, max_size=4))
def test_sr_004_any_header_is_accepted(
    pair: Pair, wire: Callable[[Gateway], Wire], headers: dict[str, str]
) -> None:
    connection = wire(pair.gateway)
    connection.send(request_of({"model": "m", "messages": HELLO}, headers=headers))
    assert connection.answer().status_code == 200
    connection.close()


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A gateway with a key that no client has."""
    with running(
        tmp_path_factory.mktemp("closed"), f'[server.keys]\nnobody = "sha256:{"0" * 64}"\n'
    ) as pair:
        yield pair


@some
@given(headers=st.dictionaries(header_names, header_values, max_size=4))
def test_sr_067_no_header_opens_a_gateway_but_a_key(
    closed: Pair, wire: Callable[[Gateway], Wire], headers: dict[str, str]
) -> None:
    connection = wire(closed.gateway)
    connection.send(request_of({"model": "m", "messages": HELLO}, headers=headers))
    response = connection.answer()
    assert response.status_code == 401
    assert error_of(response)["code"] == "unauthorized"
    connection.close()


@some
@given(
    path=st.text(st.characters(codec="ascii", exclude_characters=" \r\n\t"), max_size=30),
    more=st.binary(max_size=20),
)
def test_sr_008_any_path_is_answered_in_json(
    pair: Pair, wire: Callable[[Gateway], Wire], path: str, more: bytes
) -> None:
    """SR-008, SR-065: or it is an existing page; never an internal error of the gateway."""
    quoted = "".join(f"%{byte:02x}" for byte in more)
    connection = wire(pair.gateway)
    connection.send(f"GET /{path}{quoted} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
    response = connection.answer()
    assert response.status_code == 200 or error_of(response)
    assert response.status_code < 500
    connection.close()


# Providers and the network

WORDS = ("Grüße", " 😀")
STREAM = b"".join(
    b"data: " + json.dumps(each, ensure_ascii=False).encode() + b"\n\n"
    for each in (
        chunk({"role": "assistant", "content": ""}),
        *(chunk({"content": word}) for word in WORDS),
    )
)
STREAM += b"data: " + json.dumps(chunk({}, "stop")).encode() + b"\n\ndata: [DONE]\n\n"
EVENTS = Status(200, {"content-type": "text/event-stream"})


def text_of(data: list[str]) -> str:
    """The text of the chunks."""
    chunks = (json.loads(one) for one in data if one != "[DONE]")
    return "".join(
        one["choices"][0]["delta"].get("content") or "" for one in chunks if "choices" in one
    )


def assert_whole_or_broken(response: httpx.Response) -> None:
    """Either all of the text and `[DONE]`, or an error: never a part that looks complete."""
    if response.status_code != 200:
        assert error_of(response)["code"] == "provider_error"
        return
    *data, last = data_of(response.text)
    if last == "[DONE]":
        assert text_of(data) == "".join(WORDS)
    else:
        assert json.loads(last).keys() == {"error"}
        assert '"finish_reason":"stop"' not in response.text.replace(" ", "")


@pytest.mark.parametrize("framed", ["chunked", "by its end"])
def test_sr_058_a_truncated_stream_is_complete_or_an_error(
    ask: Asking, first: ScriptedUpstream, framed: str
) -> None:
    """SR-058, SR-057: at every byte; with a framing that shows the cut, and with one that does not."""
    for cut in range(len(STREAM)):
        if framed == "chunked":
            first.default = Reply(EVENTS, *([Chunk(STREAM[:cut])] if cut else []), Close())
        else:
            head = Status(200, {"content-type": "text/event-stream", "connection": "close"})
            first.default = Reply(head, Body(STREAM[:cut]))
        try:
            assert_whole_or_broken(ask.chat(stream=True))
        except AssertionError as failure:
            failure.add_note(f"the stream was cut after {cut} bytes: {STREAM[:cut][-40:]!r}")
            raise


@pytest.mark.parametrize("framed", ["by its length", "by its end"])
def test_sr_072_a_truncated_answer_is_an_error(
    ask: Asking, first: ScriptedUpstream, framed: str
) -> None:
    answer = {"id": "x", "object": "chat.completion", "created": 1, "model": UPSTREAM_ID}
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "".join(WORDS)},
        "finish_reason": "stop",
    }
    body = json.dumps({**answer, "choices": [choice]}, ensure_ascii=False).encode()
    length = (
        {"content-length": str(len(body))} if framed == "by its length" else {"connection": "close"}
    )
    for cut in range(len(body)):
        first.default = Reply(
            Status(200, {"content-type": "application/json", **length}), Body(body[:cut]), Close()
        )
        response = ask.chat()
        assert response.status_code == 502, f"the answer was cut after {cut} bytes"
        assert error_of(response)["code"] == "provider_error"


@some
@given(
    cuts=st.lists(st.integers(1, len(STREAM) - 1), unique=True, max_size=40).map(sorted),
    crlf=st.booleans(),
)
def test_sr_060_a_stream_comes_through_however_the_network_cuts_it(
    ask: Asking, first: ScriptedUpstream, cuts: list[int], crlf: bool
) -> None:
    """SR-060, SR-053: also within a character or a line ending."""
    sent = STREAM.replace(b"\n", b"\r\n") if crlf else STREAM
    pieces = [sent[start:end] for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    first.default = Reply(EVENTS, *map(Chunk, pieces))
    *data, last = ask.events()
    assert last == "[DONE]"
    assert text_of(data) == "".join(WORDS)


@some
@given(
    body=st.binary() | json_values.map(json.dumps).map(str.encode),
    status=st.sampled_from([200, 201, 400, 404, 500]),
)
def test_sr_065_any_answer_of_a_provider(
    ask: Asking, first: ScriptedUpstream, body: bytes, status: int
) -> None:
    """SR-065: an invalid answer of a provider is an error in OpenAI's shape, never an internal error of the gateway."""
    first.default = Reply(Status(status, {"content-type": "application/json"}), Body(body))
    for stream in (False, True):
        response = ask.chat(stream=stream)
        assert response.status_code in (400, 424, 429, 502, 504)
        error_of(response)


@some
@given(
    delta=json_values,
    members=st.dictionaries(st.sampled_from(["id", "created", "usage", "error", "x"]), json_values),
)
def test_sr_065_any_chunk(
    ask: Asking, first: ScriptedUpstream, delta: Any, members: dict[str, Any]
) -> None:
    """SR-065, SR-058: a stream with an unusual chunk is complete, or it is an error."""
    odd = {**chunk(delta), **members}
    first.default = events(
        chunk({"role": "assistant", "content": "Hello"}), odd, chunk({}, "stop"), "[DONE]"
    )
    response = ask.chat(stream=True)
    assert response.status_code == 200
    last = data_of(response.text)[-1]
    assert last == "[DONE]" or json.loads(last).keys() == {"error"}


# Secrets


def echo(seen: Seen) -> str:
    """The answer of a careless provider: every header that it received."""
    return f"no good: {json.dumps(seen.headers)}"


def refusing(status: int) -> Callable[[Seen], Reply]:
    return lambda seen: error(status, echo(seen))


FAULTS: dict[str, Callable[[Seen], Reply]] = {
    **{f"an error {status}": refusing(status) for status in (400, 401, 403, 404, 422, 429, 500)},
    "an error's code": lambda seen: error(400, "no", code=echo(seen)),
    "an error's type": lambda seen: error(400, "no", type=echo(seen)),
    "an error's param": lambda seen: error(400, "no", param=echo(seen)),
    "an error that is a text": lambda seen: json_body({"error": echo(seen)}, 400),
    "an error that is nested": lambda seen: json_body(
        {"error": {"message": {"inner": echo(seen)}}}, 400
    ),
    "an error that is a detail": lambda seen: json_body({"detail": echo(seen)}, 422),
    "plain text": lambda seen: text_reply(echo(seen), 400),
    "a page": lambda seen: html(502, {"x-echo": re.sub(r"[^ -~]", "", echo(seen))}),
    "an error in a 200": lambda seen: json_body({"error": {"message": echo(seen), "code": 400}}),
    "an answer that is none": lambda seen: json_body({"choices": echo(seen)}),
    "an error event": lambda seen: events({"error": {"message": echo(seen)}}),
    "an error event amid a stream": lambda seen: events(
        chunk({"role": "assistant", "content": "Half"}),
        {"error": {"message": echo(seen), "code": echo(seen)}},
    ),
    "an invalid chunk": lambda seen: events(
        chunk({"role": "assistant", "content": "Half"}), echo(seen)
    ),
    "a finish_reason": lambda seen: events(
        chunk({"role": "assistant", "content": "Half"}), chunk({}, echo(seen))
    ),
    "a redirect": lambda seen: Reply(
        Status(302, {"location": f"http://127.0.0.1:1/{seen.headers['authorization']}"})
    ),
    "a status line": lambda seen: text_reply("", 599),
}

SECRET_MARK = "sk-marked-"


def configuration(upstream: ScriptedUpstream) -> dict[str, Any]:
    """Providers whose keys are configured in every possible way."""

    def block(name: str, **more: object) -> dict[str, object]:
        return {
            "type": "OpenAiProvider",
            "base_url": upstream.base_url,
            "models": {name: "up"},
            **more,
        }

    blocks = {
        "literal": block("literal", api_key=f"{SECRET_MARK}literal"),
        "variable": block("variable", api_key="$MARKED_KEY"),
        "braces": block("braces", api_key="${MARKED_KEY_TOO}"),
        "header": block("header", headers={"Authorization": f"Bearer {SECRET_MARK}header"}),
        "both": block(
            "both", api_key=f"{SECRET_MARK}both", headers={"x-api-key": f"{SECRET_MARK}as-header"}
        ),
        "referring": block("referring", api_key="none", headers={"api-key": "Key $MARKED_HEADER"}),
        "odd": block("odd", api_key=f"{SECRET_MARK}a+b/c==.*("),
        "off": block("off", api_key=f"{SECRET_MARK}off", enabled=False),
    }
    return {
        "providers": blocks,
        "defaults": {"headers": {"cookie": f"session={SECRET_MARK}cookie"}},
    }


VARIABLES = {
    "MARKED_KEY": f"{SECRET_MARK}variable",
    "MARKED_KEY_TOO": f"{SECRET_MARK}braces",
    "MARKED_HEADER": f"{SECRET_MARK}referred-to",
}


@pytest.fixture(scope="module")
def many_keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A gateway with many keys, for all tests of this module."""
    with running(tmp_path_factory.mktemp("keys"), NO_RETRIES, configuration, VARIABLES) as pair:
        yield pair


@pytest.fixture
def keyed(many_keys: Pair, asking: Ask) -> Asking:
    """A client of `many_keys`, with no requests recorded at the provider."""
    many_keys.upstream.requests.clear()
    return asking(many_keys.gateway)


@pytest.mark.parametrize("fault", FAULTS)
def test_sr_066_no_key_comes_back(keyed: Asking, many_keys: Pair, fault: str) -> None:
    """SR-066: not in a body, a header or the log, in any form in which the provider repeats it."""
    upstream = many_keys.upstream
    upstream.default = Reply(FAULTS[fault])
    seen = ""
    for model in configuration(upstream)["providers"]:
        for stream in (False, True):
            response = keyed.chat(model=model, stream=stream)
            seen += f"{response.headers}\n{response.text}\n"
    assert SECRET_MARK in str([request.headers for request in upstream.requests])
    assert SECRET_MARK not in seen
    assert SECRET_MARK not in keyed.gateway.log()


@pytest.mark.parametrize("path", ["/ready", "/", "/v1/models", "/docs/openapi.json", "/v1/nope"])
def test_sr_066_no_page_has_a_key(keyed: Asking, path: str) -> None:
    response = keyed.get(path)
    assert SECRET_MARK not in f"{response.headers}{response.text}"


def test_sr_066_no_repr_has_a_key(keyed: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    """SR-066, K-05: a debugger, a traceback or a careless log line would show it."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    found = startup.load(keyed.gateway.config_path, keyed.gateway.plugins_path)
    shown = [
        repr(found),
        str(found.llms_json),
        repr(found.plugins_toml),
        repr(checks.warnings(found)),
    ]
    for item in found.configured:
        shown += [repr(item), repr(item.provider), repr(item.provider.settings), repr(item.adapter)]
        shown += [repr(vars(item.adapter))] if item.adapter is not None else []
    assert [text for text in shown if SECRET_MARK in text] == []


@pytest.mark.parametrize(
    ("block", "plugins"),
    [
        ({"headers": {"Helicone-Auth": "Bearer $MARKED_VENDOR"}}, ""),
        ({"type": "odd"}, "[types.odd]\nheaders = { authorization = 'Bearer sk-marked-vendor' }\n"),
        ({}, "[upstream]\nproxy = 'http://user:sk-marked-vendor@127.0.0.1:9'\n"),
    ],
    ids=["a header of a vendor's", "a header of a declared type", "a proxy's password"],
)
def test_sr_066_secrets_other_than_api_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: dict[str, object], plugins: str
) -> None:
    """SR-066: in no repr, and redacted in the log and in errors."""
    monkeypatch.setenv("MARKED_VENDOR", "sk-marked-vendor")
    provider = {
        "type": "OpenAiProvider",
        "base_url": "http://127.0.0.1:9",
        "models": ["m"],
        **block,
    }
    (tmp_path / "llms.json").write_text(json.dumps({"providers": {"one": provider}}), "utf-8")
    (tmp_path / "plugins.toml").write_text(plugins, "utf-8")
    found = startup.load(tmp_path / "llms.json", tmp_path / "plugins.toml")
    assert "sk-marked-vendor" not in repr(found)
    assert "sk-marked-vendor" not in redact("no good with sk-marked-vendor")
