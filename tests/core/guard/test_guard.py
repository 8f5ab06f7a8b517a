"""The guard: what it finds, and that no client and no provider sees it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llms_core.config.model import PluginsToml
from llms_core.dialects import Dialect
from llms_core.dialects.table import dialects
from llms_core.errors import ConfigError, RequestError
from llms_core.guard.middleware import Guard
from llms_core.guard.rules import GuardSettings, is_card_number, rules_of
from llms_core.guard.scan import cleaned_value
from llms_core.plugins.settings import PluginSettings
from llms_core.testing import Reply, ScriptedUpstream, completion, events, json_body, text_body
from tests.conftest import Gateway, Serve
from tests.core.server.conftest import NO_RETRIES, Asking, chunk, data_of, error_of, first_alone

Json = dict[str, Any]

SECRET = "sk-" + "a1B2" * 8
EMAIL = "jo.doe+x@mail.example.com"
CARD = "4111 1111 1111 1111"
MASK = '[plugin.guard]\nmask = ["secret", "email", "card", "word"]\nwords = ["Bluebird"]\n'
DENY = '[plugin.guard]\ndeny = ["secret"]\n'

Ask = Callable[[str], Asking]


@pytest.fixture
def first() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture
def ask(served: Serve, asking: Callable[[Gateway], Asking], first: ScriptedUpstream) -> Ask:
    return lambda plugins: asking(served(first_alone(first), f"{NO_RETRIES}\n{plugins}"))


def test_without_a_table_nothing_is_looked_at(ask: Ask, first: ScriptedUpstream) -> None:
    ask("").chat(messages=[{"role": "user", "content": SECRET}])
    assert first.requests[0].json["messages"][0]["content"] == SECRET


def test_a_request_is_masked_in_all_of_its_texts(ask: Ask, first: ScriptedUpstream) -> None:
    parts = [{"type": "text", "text": f"Mail {EMAIL}, card {CARD}, key {SECRET}, bluebird."}]
    call = {
        "id": "c",
        "type": "function",
        "function": {"name": "f", "arguments": json.dumps({"to": EMAIL})},
    }
    messages = [
        {"role": "user", "content": parts},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": EMAIL},
    ]
    assert ask(MASK).chat(messages=messages).status_code == 200
    sent = first.requests[0].body.decode()
    assert "Mail [email], card [card], key [secret], [word]." in sent
    assert not any(text in sent for text in (EMAIL, CARD, SECRET))


def test_a_request_with_something_denied_is_refused(ask: Ask, first: ScriptedUpstream) -> None:
    refused = ask(DENY).chat(messages=[{"role": "user", "content": f"My key: {SECRET}"}])
    assert refused.status_code == 400
    assert error_of(refused)["code"] == "content_policy_violation"
    assert SECRET not in refused.text
    assert not first.requests


def test_a_whole_answer_is_masked(ask: Ask, first: ScriptedUpstream) -> None:
    first.default = completion(f"It is {SECRET}")
    assert ask(MASK).chat().json()["choices"][0]["message"]["content"] == "It is [secret]"


def test_a_stream_that_begins_with_something_denied_is_an_error_response(
    ask: Ask, first: ScriptedUpstream
) -> None:
    first.default = events(
        *[chunk({"content": part}) for part in SECRET], chunk({}, "stop"), "[DONE]"
    )
    refused = ask(DENY).chat(stream=True)
    assert refused.status_code == 400
    assert error_of(refused)["code"] == "content_policy_violation"


def test_a_stream_ends_with_an_error_before_something_denied(
    ask: Ask, first: ScriptedUpstream
) -> None:
    words = [f"word{number} " for number in range(60)]
    first.default = events(
        *[chunk({"content": part}) for part in [*words, SECRET]], chunk({}, "stop"), "[DONE]"
    )
    received = ask(DENY).chat(stream=True)
    assert received.status_code == 200
    *sent, last = [json.loads(data) for data in data_of(received.text)]
    assert "".join(each["choices"][0]["delta"].get("content") or "" for each in sent).startswith(
        "word0 word1 word2"
    )
    assert last["error"]["code"] == "content_policy_violation"
    assert "sk-" not in received.text
    assert "[DONE]" not in received.text


#: A request in each dialect of the core, with `TEXT` for its text; None for a form.
SAMPLES: Mapping[str, Json | None] = {
    "chat_completions": {"messages": [{"role": "user", "content": "TEXT"}]},
    "completions": {"prompt": "TEXT"},
    "messages": {"max_tokens": 100, "messages": [{"role": "user", "content": "TEXT"}]},
    "count_tokens": {"messages": [{"role": "user", "content": "TEXT"}]},
    "responses": {"input": "TEXT"},
    "input_tokens": {"input": "TEXT"},
    "embeddings": {"input": ["TEXT"]},
    "rerank": {"query": "TEXT", "documents": ["TEXT"]},
    "cohere_rerank": {"query": "TEXT", "documents": ["TEXT"]},
    "moderations": {"input": "TEXT"},
    "images_generations": {"prompt": "TEXT"},
    "images_edits": None,
    "images_variations": None,
    "audio_speech": {"input": "TEXT", "voice": "alloy"},
    "generate_content": {"contents": [{"parts": [{"text": "TEXT"}]}]},
    "stream_generate_content": {"contents": [{"parts": [{"text": "TEXT"}]}]},
    "gemini_count_tokens": {"contents": [{"parts": [{"text": "TEXT"}]}]},
    "embed_content": {"content": {"parts": [{"text": "TEXT"}]}},
    "batch_embed_contents": {
        "requests": [{"model": "models/m", "content": {"parts": [{"text": "TEXT"}]}}]
    },
    "audio_transcriptions": None,
    "audio_translations": None,
}
DIALECTS = {dialect.name: dialect for dialect in dialects(PluginsToml())}
MODES = [
    pytest.param(dialect, stream, id=f"{name}-{'stream' if stream else 'whole'}")
    for name, dialect in DIALECTS.items()
    if dialect.form_fields is None
    for stream in ((False, True) if dialect.stream_writer is not None else (False,))
]
FORMS = [
    pytest.param(dialect, id=name)
    for name, dialect in DIALECTS.items()
    if dialect.form_fields is not None
]


@pytest.mark.parametrize(("dialect", "stream"), MODES)
def test_the_guard_covers_every_dialect_streamed_or_not(
    ask: Ask, first: ScriptedUpstream, dialect: Dialect, stream: bool
) -> None:
    text = f"Mine is {EMAIL}"
    if stream:
        pieces = [chunk({"content": text[start : start + 3]}) for start in range(0, len(text), 3)]
        first.default = events(*pieces, chunk({}, "stop"), "[DONE]")
    else:
        first.default = completion(text)
    sample = json.loads(json.dumps(SAMPLES[dialect.name]).replace("TEXT", text))
    path = dialect.paths[0].replace("{model}", "m")
    if path == dialect.paths[0]:
        sample |= {"model": "m", "stream": stream}
    received = ask(MASK).post(sample, path)
    assert EMAIL not in received.text
    for request in first.requests:
        assert EMAIL not in request.body.decode()
        assert "[email]" in request.body.decode()
    if dialect.operation.name == "chat":
        assert received.status_code == 200, received.text
        assert "[email]" in received.text


@pytest.mark.parametrize("dialect", FORMS)
def test_forms_are_refused_unless_they_are_let_through(
    ask: Ask, first: ScriptedUpstream, dialect: Dialect
) -> None:
    form: dict[str, tuple[str | None, bytes]] = {
        "model": (None, b"m"),
        "prompt": (None, EMAIL.encode()),
    }
    form |= {"file": ("a.png", b"x"), "image": ("a.png", b"x")}
    first.default = json_body({})
    client = ask(MASK)
    assert client.http.post(dialect.paths[0], files=form).status_code == 400
    assert not first.requests
    assert EMAIL not in client.gateway.log()
    ask(f"{MASK}forms = true\n").http.post(dialect.paths[0], files=form)
    assert first.requests


@pytest.mark.parametrize(
    "reply", [text_body(f"Mine is {EMAIL}"), json_body({"text": f"Mine is {EMAIL}"})]
)
def test_a_transcription_is_masked_as_text_and_as_json(
    ask: Ask, first: ScriptedUpstream, reply: Reply
) -> None:
    first.default = reply
    form = {"model": (None, b"m"), "file": ("a.wav", b"x")}
    received = ask(f"{MASK}forms = true\n").http.post("/v1/audio/transcriptions", files=form)
    assert received.status_code == 200
    assert "Mine is [email]" in received.text


def test_other_texts_of_a_stream_keep_their_order(ask: Ask, first: ScriptedUpstream) -> None:
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}
    arguments = [
        {"index": 0, "function": {"arguments": part}} for part in ('{"to":"jo@', 'example.com"}')
    ]
    first.default = events(
        chunk({"role": "assistant", "reasoning_content": "Hm"}),
        chunk({"content": "I mail "}),
        chunk({"content": "jo@example.com"}),
        chunk({"tool_calls": [call]}),
        *[chunk({"tool_calls": [argument]}) for argument in arguments],
        chunk({}, "tool_calls"),
        "[DONE]",
    )
    deltas = [each["choices"][0]["delta"] for each in ask(MASK).chunks() if each["choices"]]
    texts = [
        (name, delta[name])
        for delta in deltas
        for name in ("reasoning_content", "content")
        if delta.get(name)
    ]
    assert texts == [("reasoning_content", "Hm"), ("content", "I mail [email]")]
    calls = [call for delta in deltas for call in delta.get("tool_calls") or ()]
    assert "".join(call["function"]["arguments"] for call in calls) == '{"to":"[email]"}'


WORDS = (
    EMAIL,
    SECRET,
    "Bluebird",
    "hello",
    "a@",
    "4111",
    "\n",
    "x" * 90,
    "é",
    f"\\n{SECRET}",
    r"jo\u0040example.com",
    "\\\\",
    "\u200b",
)


def guard() -> Guard:
    source = PluginSettings("guard", {})
    rules = rules_of(
        GuardSettings(mask=["secret", "email", "card", "word"], words=["Bluebird"]), source
    )
    return Guard(rules, requests=True, answers=True)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    words=st.lists(st.sampled_from(WORDS), max_size=40),
    size=st.integers(1, 50),
)
def test_a_masked_stream_is_the_masked_text_in_whichever_pieces(
    words: list[str], size: int
) -> None:
    text = " ".join(words)
    window = guard()
    sent, held = "", ""
    for start in range(0, len(text), size):
        ready, held = window.hold_back(held + text[start : start + size], False)
        sent += ready
    last, held = window.hold_back(held, True)
    assert held == ""
    assert sent + last == window.hold_back(text, True)[0]


def masked(text: object, member: str = "") -> Any:
    source = PluginSettings("guard", {})
    settings = GuardSettings(
        mask=["secret", "email", "word"], words=["Project Bluebird", "蓝鸟", "Zürich"]
    )
    return cleaned_value(text, rules_of(settings, source), "request", member)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"密钥是{SECRET}。", "密钥是[secret]。"),
        ("邮箱jo@example.com吗", "邮箱[email]吗"),
        ("关于蓝鸟的事", "关于[word]的事"),
        ("这是Project Bluebird项目", "这是[word]项目"),
        ("Project\nBluebird, Project  Bluebird", "[word], [word]"),
        ("Zu\u0308rich", "[word]"),
        ("Pro\u200bject Bluebird", "[word]"),
        ("ｊｏ＠ｅｘａｍｐｌｅ．ｃｏｍ", "[email]"),
        ("Unzürich", "Unzürich"),
    ],
)
def test_a_text_is_looked_through_as_it_will_be_read(text: str, expected: str) -> None:
    assert masked(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f"KEY=\n{SECRET}\n", "KEY=\n[secret]\n"),
        ("To:\njo@example.com", "To:\n[email]"),
        ("Zürich", "[word]"),
        ("C:\\dir\\Project Bluebird", "C:\\dir\\[word]"),
        (json.dumps({"to": "x\njo@example.com"}), json.dumps({"to": "x\n[email]"})),
    ],
)
def test_arguments_are_looked_through_as_the_tool_gets_them(value: str, expected: str) -> None:
    assert json.loads(masked(json.dumps({"a": value}))) == {"a": expected}


def test_names_of_members_are_looked_through() -> None:
    assert masked({"properties": {EMAIL: 1}}) == {"properties": {"[email]": 1}}
    with pytest.raises(RequestError):
        masked({EMAIL: 1, f"x{EMAIL}": 2})


@pytest.mark.parametrize("text", [f"data:;base64, {SECRET}", f"data:text/plain;base64,{SECRET}"])
def test_a_text_that_begins_like_a_file_is_a_text(text: str) -> None:
    assert SECRET not in masked({"content": text})["content"]
    assert SECRET not in masked({"url": text})["url"]


def test_a_file_is_only_looked_into_if_it_is_a_text() -> None:
    data = base64.b64encode(f"Mail {EMAIL}".encode()).decode()
    picture = f"data:image/png;base64,{data}"
    assert masked({"url": picture}) == {"url": picture}
    head, _, text = masked({"file_data": f"data:text/plain;base64,{data}"})["file_data"].partition(
        ","
    )
    assert head == "data:text/plain;base64"
    assert base64.b64decode(text) == b"Mail [email]"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("number", ["9" * 30, "9" * 5000, "1e999"])
def test_a_number_of_any_size_hides_nothing(
    ask: Ask, first: ScriptedUpstream, number: str, stream: bool
) -> None:
    head = f'{{"id": "c", "created": 1, "model": "m", "odd": {number}, "choices": [{{"index": 0, '
    text = f'{{"role": "assistant", "content": "It is {SECRET}"}}'
    if stream:
        pieces = (
            f'{head}"delta": {text}}}]}}',
            f'{head}"delta": {{}}, "finish_reason": "stop"}}]}}',
            "[DONE]",
        )
        first.default = events(*pieces)
    else:
        first.default = text_body(
            f'{head}"message": {text}, "finish_reason": "stop"}}]}}', media="application/json"
        )
    received = ask(MASK).chat(stream=stream)
    assert received.status_code == 200
    assert SECRET not in received.text


@pytest.mark.parametrize("value", [b"1e999", b"9" * 5000, b"[" * 900 + b"]" * 900])
def test_a_request_that_cannot_be_looked_through_is_refused(
    ask: Ask, first: ScriptedUpstream, value: bytes
) -> None:
    body = (
        b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}], "metadata": %b}' % value
    )
    refused = ask(MASK).post(body)
    assert refused.status_code == 400
    assert error_of(refused)["param"] == "metadata"
    assert not first.requests


@pytest.mark.parametrize(
    "number", ["4111 1111 1111 1111", "5500-0000-0000-0004", "340000000000009"]
)
def test_card_numbers_have_a_check_digit(number: str) -> None:
    assert is_card_number(number)
    assert not is_card_number(number[:-1] + str((int(number[-1]) + 1) % 10))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('deny = ["emial"]', "did you mean 'email'"),
        ('mask = ["word"]', "needs `words`"),
        ('deny = ["x"]\npatterns = { x = "(" }', "not a regular expression"),
        ('refuse = ["email"]', "unknown key"),
        ('deny = ["secret"]\nwords = ["Bluebird"]', "plugin.guard.words: has no effect"),
        (
            'deny = ["secret"]\npatterns = { ticket = "T-1" }',
            "plugin.guard.patterns.ticket: has no effect",
        ),
        ("forms = true", "looks for nothing"),
    ],
)
def test_a_table_that_cannot_be_used_stops_the_start(ask: Ask, table: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        ask(f"[plugin.guard]\n{table}\n")


@pytest.mark.parametrize(
    "members",
    [
        {"metadata": {"key": SECRET}},
        {
            "input": [
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": SECRET}]},
                {"role": "user", "content": "Hi"},
            ]
        },
        {"input": [{"role": "user", "content": "Hi", "note": SECRET}]},
        {"prompt_cache_key": SECRET},
    ],
)
def test_nothing_that_is_denied_reaches_a_provider_of_another_protocol(
    ask: Ask, first: ScriptedUpstream, members: Json
) -> None:
    """What a translation leaves out is not looked at, and not sent."""
    ask(DENY).post({"model": "m", "input": "Hi", "store": False, **members}, "/v1/responses")
    for request in first.requests:
        assert SECRET not in request.body.decode()
