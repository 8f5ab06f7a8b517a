"""Which candidate is tried when, what the client receives, and what it never sees: through the running server."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from clock import Reached

from llms_core.candidate import Configured
from llms_core.config.model import Model, Provider, Retry, Routing, Timeouts, Upstream
from llms_core.contracts.completion import Completion
from llms_core.contracts.request import ChatCall, decode
from llms_core.errors import ErrorKind, OtherProtocol, ProviderError, Unsupported
from llms_core.openai_compatible import OpenAICompatible
from llms_core.operations.chat import CHAT
from llms_core.operations.table import OPERATIONS
from llms_core.plugins.host import PluginHost
from llms_core.provider import (
    ChunkTranslator,
    Headers,
    ProviderSettings,
    ProviderSpec,
    UpstreamRequest,
)
from llms_core.routing import strategies
from llms_core.routing.attempt import AttemptObserver
from llms_core.routing.attempts import Router
from llms_core.routing.candidates import ModelIndex
from llms_core.routing.circuit import CircuitBreaker
from llms_core.routing.retry import backoff
from llms_core.routing.trace import RequestTrace
from llms_core.secret import Redactor, Secret
from llms_core.testing import (
    Body,
    Chunk,
    Close,
    Raw,
    Reply,
    Reset,
    ScriptedUpstream,
    Seen,
    Stall,
    Status,
    Wait,
    completion,
    error,
    events,
    html,
    json_body,
    refused_base_url,
)
from llms_core.upstream.engine import create_transport

if TYPE_CHECKING:
    import socket

    from tests.core.routing.conftest import Chain, MakeChain

ONCE = "[routing.retry]\nattempts = 0\n"
QUICK = "[routing.retry]\nbase = 0.01\n"
SHORT = "[timeouts.provider.first]\nfirst_token = 0.3\ntotal = 0.3\n"
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]

BOTH = (False, True)
STREAMED = pytest.mark.parametrize("stream", BOTH, ids=["whole", "stream"])


def delta(finish_reason: str | None = None, **members: object) -> dict[str, object]:
    choice = {"index": 0, "delta": members, "finish_reason": finish_reason}
    frame = {
        "id": "chatcmpl-first",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "first-m",
    }
    return {**frame, "choices": [choice]}


def json_text(text: bytes) -> Reply:
    return Reply(Status(200, {"content-type": "application/json"}), Body(text))


ROLE = delta(role="assistant", content="")
HALF = b"data: " + json.dumps(delta(content="Hello")).encode()[:-30]


# SR-072: after a failure the next one is tried

FAULTS: dict[str, tuple[Reply, str]] = {
    "reset before the head": (Reply(Reset()), "network"),
    "closed before the head": (Reply(Close()), "network"),
    "reset in the head": (Reply(Raw(b"HTTP/1.1 200 OK\r\ncontent-ty"), Reset()), "network"),
    "closed in the body": (Reply(json_text(b'{"id": "x", "choi'), Close()), "network"),
    "no HTTP": (Reply(Raw(b"SSH-2.0-OpenSSH_9.6\r\n"), Close()), "network"),
    "401": (error(401), "auth;status=401"),
    "402": (error(402), "quota;status=402"),
    "403": (error(403), "permission;status=403"),
    "404": (error(404), "model_not_found;status=404"),
    "408": (error(408), "timeout;status=408"),
    "409": (error(409), "overloaded;status=409"),
    "429": (error(429), "rate_limit;status=429"),
    "500": (error(500), "overloaded;status=500"),
    "502": (error(502), "overloaded;status=502"),
    "502 with a page": (html(502), "overloaded;status=502"),
    "503": (error(503), "overloaded;status=503"),
    "529": (error(529), "overloaded;status=529"),
    "a redirect": (html(302, headers={"location": "/elsewhere"}), "bad_response;status=302"),
    "200, no completion": (json_body({"hello": "world"}), "bad_response;status=200"),
    "200, no choices": (json_body({"id": "x", "choices": []}), "bad_response;status=200"),
    "200, an error object": (
        json_body({"error": {"message": "no", "code": 502}}),
        "overloaded;status=502",
    ),
    "200, no JSON": (json_text(b"{oops"), "bad_response;status=200"),
    "200, a page": (html(200), "bad_response;status=200"),
    "200, nothing": (json_text(b""), "bad_response;status=200"),
}


def test_a_failure_of_the_first_provider_fails_over_to_the_second(
    chain: MakeChain, subtests: pytest.Subtests
) -> None:
    """SR-072, SR-076: 200 from the second, one call at the first."""
    both = chain(rows={name: [reply] for name, (reply, _) in FAULTS.items()})
    for fault, stream in product(FAULTS, BOTH):
        with subtests.test(fault, stream=stream):
            answer = both.ask(fault, stream=stream)
            assert (answer.status_code, both.asked(fault, stream=stream)) == (200, [1, 1])
            assert answer.headers["x-llms-attempts"] == f"first;error={FAULTS[fault][1]}, second;ok"


@STREAMED
def test_a_refused_connection_fails_over_to_the_second(chain: MakeChain, stream: bool) -> None:
    """SR-072."""
    both = chain(first={"base_url": refused_base_url()})
    answer = both.ask(stream=stream)
    assert answer.status_code == 200
    assert answer.headers["x-llms-attempts"] == "first;error=network, second;ok"


@STREAMED
def test_a_silent_provider_fails_over_to_the_second(chain: MakeChain, stream: bool) -> None:
    """SR-072: a time-out."""
    both = chain(plugins=ONCE + SHORT)
    both.upstreams[0].default = Reply(Stall())
    answer = both.ask(stream=stream)
    assert answer.headers["x-llms-attempts"] == "first;error=timeout, second;ok"


def test_a_stalled_body_fails_over_to_the_second(chain: MakeChain) -> None:
    """SR-072: a time-out in the middle of a whole answer."""
    both = chain(plugins=ONCE + "[timeouts.provider.first]\nidle = 0.2\n")
    both.upstreams[0].default = Reply(json_text(b'{"id"'), Stall())
    assert both.ask().headers["x-llms-attempts"] == "first;error=timeout, second;ok"


def test_the_next_is_tried_at_once(chain: MakeChain) -> None:
    """SR-072: without waiting, regardless of Retry-After."""
    both = chain(plugins="")
    both.upstreams[0].default = error(503, headers={"retry-after": "8"})
    began = time.monotonic()
    assert both.ask().status_code == 200
    assert time.monotonic() - began < 8


# SR-063, SR-064: all fail

BUSY, BROKEN = error(429), error(500)

ALL_FAIL: dict[str, tuple[Reply, Reply, int]] = {
    # The first, because on a connection that another case leaves behind the request would be repeated.
    "all unreachable": (Reply(Reset()), Reply(Close()), 502),
    "all rate-limited": (BUSY, BUSY, 429),
    "all timed out": (Reply(Stall()), error(504), 504),
    "all timed out, by their own word": (error(408), error(504), 504),
    "all broken": (BROKEN, error(503), 502),
    "no answer makes sense": (html(200), json_body({}), 502),
    "one rate-limited, one broken": (BUSY, BROKEN, 502),
    "one rate-limited, one timed out": (BUSY, error(504), 502),
    "no key is right": (error(401), error(403), 424),
    "nobody has the model": (error(404), error(404), 424),
    "no credit is left": (error(402), error(429, code="insufficient_quota"), 424),
    "one key is wrong, one provider broken": (error(401), BROKEN, 502),
    "one key is wrong, one provider timed out": (error(401), error(504), 502),
    "a bad request, says one": (error(400), BROKEN, 502),
    "a bad request, says the other": (BROKEN, error(400), 502),
}


def test_if_all_fail_the_status_depends_on_the_failures(
    chain: MakeChain, subtests: pytest.Subtests
) -> None:
    """SR-064, SR-057: 424, 429, 504 or 502, for a stream too."""
    both = chain(
        plugins=ONCE + SHORT, rows={name: replies for name, (*replies, _) in ALL_FAIL.items()}
    )
    for case, stream in product(ALL_FAIL, BOTH):
        with subtests.test(case, stream=stream):
            answer = both.ask(case, stream=stream)
            assert (answer.status_code, both.asked(case, stream=stream)) == (
                ALL_FAIL[case][-1],
                [1, 1],
            )


@STREAMED
def test_if_all_fail_the_body_is_that_of_the_reference(chain: MakeChain, stream: bool) -> None:
    """SR-063, SR-073: these three keys and no other in the error; what happened is beside it."""
    both = chain()
    both.upstreams[0].default, both.upstreams[1].default = error(429, "Slow down"), Reply(Reset())
    body = both.ask(stream=stream).json()
    assert body["error"] == {
        "message": "All providers failed for model 'm'",
        "type": "api_error",
        "code": "provider_error",
    }
    reset = (
        "The request failed: the provider closed the connection before the response was complete"
    )
    assert body["attempts"][0] == {
        "provider": "first",
        "model": "m",
        "kind": "rate_limit",
        "status": 429,
        "message": "Slow down",
    }
    assert body["attempts"][1].pop("message") in (reset, reset.replace("closed", "reset"))
    assert body["attempts"][1] == {
        "provider": "second",
        "model": "m",
        "kind": "network",
        "status": None,
    }
    assert body.keys() == {"error", "attempts"}


def test_every_attempt_is_explained(chain: MakeChain) -> None:
    """SR-063: retries, and the name of a fallback model."""
    both = chain(
        plugins=QUICK + '[routing.fallbacks]\nm = ["small"]\n',
        second={"models": {"small": "vendor/small"}},
    )
    for upstream in both.upstreams:
        upstream.default = BROKEN
    attempts = both.ask().json()["attempts"]
    assert [(each["provider"], each["model"]) for each in attempts] == [
        ("first", "m"),
        *[("second", "small")] * 3,
    ]


def test_what_providers_say_is_bounded_after_keys_are_removed(chain: MakeChain) -> None:
    """SR-063, SR-066: a key where the message is cut would otherwise be cut in two."""
    key = "sk-marked-and-echoed"
    for position in range(480, 502, 3):
        one = chain(1, first={"api_key": key})
        one.upstreams[0].default = error(500, "x" * position + key + "y" * 5000)
        [attempt] = one.ask().json()["attempts"]
        assert len(attempt["message"]) == 500
        assert "sk-" not in attempt["message"]


@STREAMED
def test_the_message_explains_if_the_user_wants_it(chain: MakeChain, stream: bool) -> None:
    """SR-063: `[server] explain_errors`."""
    both = chain(plugins=ONCE + "[server]\nexplain_errors = true\n")
    both.upstreams[0].default, both.upstreams[1].default = (
        error(429, "Slow down"),
        error(401, "Who are you?"),
    )
    assert both.ask(stream=stream).json()["error"] == {
        "message": "All providers failed for model 'm': first (rate_limit 429): Slow down; "
        "second (auth 401): Who are you?",
        "type": "api_error",
        "code": "provider_error",
    }


def test_other_errors_have_no_attempts(chain: MakeChain) -> None:
    """SR-068: neither a request that every provider rejects, nor an unknown model."""
    both = chain()
    both.upstreams[0].default = both.upstreams[1].default = error(400)
    assert both.ask().json().keys() == both.ask("unknown").json().keys() == {"error"}


def test_clients_are_told_whether_to_retry(chain: MakeChain, subtests: pytest.Subtests) -> None:
    """SR-064: `x-should-retry`, which OpenAI's SDKs obey, in all cases."""
    cases: dict[str, tuple[Reply, Reply, str | None]] = {
        "both permanent": (error(401), error(404), "false"),
        "one permanent": (error(401), error(503), "true"),
        "both busy": (error(429), error(503), "true"),
        "both timed out": (error(504), error(408), "true"),
        "a bad request": (error(400), error(422), "false"),
        "a bad request and a wrong key": (error(400), error(401), "false"),
        "refused content": (error(400, code="content_filter"), completion(), "false"),
        "an answer": (error(500), completion(), None),
    }
    both = chain(rows={name: replies for name, (*replies, _) in cases.items()})
    for case, stream in product(cases, BOTH):
        with subtests.test(case, stream=stream):
            assert both.ask(case, stream=stream).headers.get("x-should-retry") == cases[case][-1]
    with subtests.test("an unknown model"):
        assert both.ask("unknown").headers["x-should-retry"] == "false"


def test_if_all_fail_the_header_lists_the_attempts(chain: MakeChain) -> None:
    """SR-063: `x-llms-attempts` has each attempt."""
    three = chain(3)
    for upstream, fault in zip(three.upstreams, (BUSY, Reply(Reset()), html(502)), strict=True):
        upstream.default = fault
    expected = (
        "first;error=rate_limit;status=429, second;error=network, third;error=overloaded;status=502"
    )
    assert three.ask().headers["x-llms-attempts"] == expected


def test_the_smallest_delay_is_passed_on(chain: MakeChain, subtests: pytest.Subtests) -> None:
    """SR-064: `Retry-After` in whole seconds."""
    delays: dict[str, tuple[dict[str, str], dict[str, str], str | None]] = {
        "both ask": ({"retry-after": "30"}, {"retry-after": "20"}, "20"),
        "the first asks": ({"retry-after": "20"}, {}, "20"),
        "the second asks": ({}, {"retry-after": "20"}, "20"),
        "part of a second": ({}, {"retry-after": "20.2"}, "21"),
        "in milliseconds": ({"retry-after-ms": "1500"}, {"retry-after": "20"}, "2"),
        "neither asks": ({}, {}, None),
    }
    rows = {
        name: [error(429, headers=each[0]), error(503, headers=each[1])]
        for name, each in delays.items()
    }
    both = chain(rows=rows)
    for name, (*_, retry_after) in delays.items():
        with subtests.test(name):
            assert both.ask(name).headers.get("retry-after") == retry_after


# SR-068: invalid requests

TOO_LONG = error(
    400, "This is too long", type="bad", param="messages", code="context_length_exceeded"
)
ODD = error(422, "What is this?", type="odd", param="temperature", code="o")
UNSAFE = error(400, "Not that", type="moderation", param="prompt", code="content_filter")


def test_a_request_that_every_provider_rejects_gets_the_first_error(
    chain: MakeChain, subtests: pytest.Subtests
) -> None:
    """SR-068: 400 with the first provider's own message, type, param and code."""
    both = chain(
        rows={"400": [TOO_LONG, error(400)], "413": [TOO_LONG, error(413)], "422": [TOO_LONG, ODD]}
    )
    expected = {
        "message": "This is too long",
        "type": "bad",
        "param": "messages",
        "code": "context_length_exceeded",
    }
    for second, stream in product(("400", "413", "422"), BOTH):
        with subtests.test(second, stream=stream):
            answer = both.ask(second, stream=stream)
            assert (answer.status_code, both.asked(second, stream=stream)) == (400, [1, 1])
            assert answer.json()["error"] == expected


def test_a_prompt_that_is_too_long_has_one_code_for_all_providers(chain: MakeChain) -> None:
    """SR-068: `context_length_exceeded`, which clients look for."""
    both = chain(1)
    both.upstreams[0].default = error(400, "This model's maximum context length is 8192 tokens")
    assert both.ask().json()["error"]["code"] == "context_length_exceeded"


def test_a_request_that_one_provider_rejects_is_answered_by_the_next(chain: MakeChain) -> None:
    """SR-068: a larger context, another schema."""
    both = chain()
    both.upstreams[0].default = TOO_LONG
    answer = both.ask()
    assert (answer.status_code, answer.headers["x-llms-provider"]) == (200, "second")


def test_an_invalid_request_is_not_retried(chain: MakeChain) -> None:
    """SR-068."""
    one = chain(1, QUICK)
    one.upstreams[0].default = ODD
    assert (one.ask().status_code, one.calls) == (400, [1])


@STREAMED
def test_a_content_policy_refusal_stops_the_chain(chain: MakeChain, stream: bool) -> None:
    """SR-068: it is passed on, and no other provider is tried."""
    both = chain()
    both.upstreams[0].default = UNSAFE
    answer = both.ask(stream=stream)
    assert (answer.status_code, both.calls) == (400, [1, 0])
    expected = {
        "message": "Not that",
        "type": "moderation",
        "param": "prompt",
        "code": "content_filter",
    }
    assert answer.json()["error"] == expected


def test_a_content_policy_refusal_after_a_failure_stops_the_chain(chain: MakeChain) -> None:
    """SR-068: at any attempt."""
    three = chain(3)
    three.upstreams[0].default, three.upstreams[1].default = BROKEN, UNSAFE
    assert (three.ask().json()["error"]["code"], three.calls) == ("content_filter", [1, 1, 0])


def test_the_policy_can_continue_after_a_refusal(chain: MakeChain) -> None:
    """SR-068: `[routing]` allows it."""
    both = chain(plugins=ONCE + '[routing.policy]\ncontent_policy = "next"\n')
    both.upstreams[0].default = UNSAFE
    assert (
        both.ask().headers["x-llms-attempts"] == "first;error=content_policy;status=400, second;ok"
    )


def test_the_policy_can_stop_at_a_failure(chain: MakeChain) -> None:
    """SR-072: which failures stop the chain is configurable."""
    both = chain(plugins=ONCE + '[routing.policy]\nauth = "stop"\n')
    both.upstreams[0].default = error(401)
    assert (both.ask().status_code, both.calls) == (502, [1, 0])


# SR-057, SR-058: the commit point

BEFORE: dict[str, Reply] = {
    "closed after the head": Reply(events(b""), Close()),
    "reset after the head": Reply(
        Status(200, {"content-type": "text/event-stream"}), Chunk(b":\n\n"), Reset()
    ),
    "only comments": events(b": PROCESSING\n\n", b": PROCESSING\n\n"),
    "closed after the role": Reply(events(ROLE), Close()),
    "reset after the role": Reply(events(ROLE), Reset()),
    "ended after the role": events(ROLE),
    "done after the role": events(ROLE, "[DONE]"),
    "nothing but done": events("[DONE]"),
    "cut in the first content": Reply(events(ROLE, HALF), Close()),
    "ended in the first content": events(ROLE, HALF),
    "an error after the role": events(ROLE, {"error": {"message": "overloaded"}}, "[DONE]"),
    "an error event": events(b'event: error\ndata: {"message": "overloaded"}\n\n'),
    "no JSON after the role": events(ROLE, "{oops"),
    "silent after the head": Reply(events(b": hold the line\n\n"), Stall()),
    "silent after the role": Reply(events(ROLE), Stall()),
}


def test_a_stream_that_breaks_before_its_first_content_fails_over_to_the_second(
    chain: MakeChain, subtests: pytest.Subtests
) -> None:
    """SR-057: one clean stream without anything from the first provider."""
    good = completion("Hello from the second", id="chatcmpl-second")
    both = chain(plugins=ONCE + SHORT, rows={name: [reply, good] for name, reply in BEFORE.items()})
    for fault in BEFORE:
        with subtests.test(fault):
            stream = both.stream(fault)
            assert (stream.text, stream.finish_reasons, stream.done) == (
                "Hello from the second",
                ["stop"],
                1,
            )
            assert {chunk["id"] for chunk in stream.chunks} == {"chatcmpl-second"}
            assert [choice["delta"].get("role") for choice in stream.choices].count(
                "assistant"
            ) == 1
            assert both.asked(fault, stream=True) == [1, 1]


def test_content_that_is_held_back_does_not_commit_a_stream(chain: MakeChain) -> None:
    """SR-057: the end of the first choice comes with its content, and the second choice never comes."""
    both = chain()
    together = _event(ROLE) + _event(delta("stop", content="Hello"))
    both.upstreams[0].default = Reply(
        Status(200, {"content-type": "text/event-stream"}), Chunk(together), Close()
    )
    both.upstreams[1].default = completion("Hello from the second")
    stream = both.stream(n=2)
    assert stream.error is None
    assert both.calls == [1, 1]


AFTER: dict[str, Reply] = {
    "closed": Reply(events(ROLE, delta(content="Hello")), Close()),
    "reset": Reply(events(ROLE, delta(content="Hello")), Reset()),
    "ended": events(ROLE, delta(content="Hello")),
    "done, and no finish_reason": events(ROLE, delta(content="Hello"), "[DONE]"),
    "cut in an event": Reply(events(ROLE, delta(content="Hello"), HALF), Close()),
    "an error object": events(
        ROLE, delta(content="Hello"), {"error": {"message": "overloaded"}}, "[DONE]"
    ),
    "an error event": events(
        ROLE, delta(content="Hello"), b'event: error\ndata: {"message": "overloaded"}\n\n'
    ),
    "no JSON": events(ROLE, delta(content="Hello"), "<html>", "[DONE]"),
    "broken off, says the provider": events(ROLE, delta(content="Hello"), delta("error"), "[DONE]"),
    "silence": Reply(events(ROLE, delta(content="Hello")), Stall()),
}


def test_a_stream_that_breaks_after_its_first_content_ends_in_an_error(
    chain: MakeChain, subtests: pytest.Subtests
) -> None:
    """SR-058: no finish_reason and no `[DONE]` make it look complete; no other provider is tried."""
    patience = "[timeouts.provider.first]\nidle = 0.3\n"
    both = chain(plugins=ONCE + patience, rows={name: [reply] for name, reply in AFTER.items()})
    for fault in AFTER:
        with subtests.test(fault):
            stream = both.stream(fault)
            assert (stream.text, stream.error is not None) == ("Hello", True)
            assert (stream.finish_reasons, stream.done, both.asked(fault, stream=True)) == (
                [],
                0,
                [1, 0],
            )


WHOLE = '[routing]\ncommit = "whole"\n[timeouts.provider.first]\nidle = 0.3\n'


def test_a_stream_that_is_held_back_can_still_fail_over(
    chain: MakeChain, subtests: pytest.Subtests
) -> None:
    """SR-058: `[routing] commit = "whole"`, for users who prefer waiting to a truncated answer."""
    good = completion("Hello from the second", id="chatcmpl-second")
    rows = {
        name: [reply, good]
        for name, reply in (BEFORE | AFTER).items()
        if not name.startswith("silent")
    }
    both = chain(plugins=ONCE + WHOLE, rows=rows)
    for fault in rows:
        with subtests.test(fault):
            stream = both.stream(fault)
            assert (stream.text, stream.finish_reasons, stream.done) == (
                "Hello from the second",
                ["stop"],
                1,
            )
            assert {chunk["id"] for chunk in stream.chunks} == {"chatcmpl-second"}
            assert both.asked(fault, stream=True) == [1, 1]


def test_nothing_of_a_stream_that_is_held_back_is_sent_before_its_end(chain: MakeChain) -> None:
    """SR-058: not even the head, so that a failure of all providers still has its status."""
    one = chain(1, ONCE + '[routing]\ncommit = "whole"\n')
    one.upstreams[0].default = AFTER["ended"]
    assert one.ask(stream=True).status_code == 502
    one.upstreams[0].default = completion("Hello")
    assert one.stream().whole


def test_a_stream_that_is_held_back_has_the_size_limit_of_an_answer(chain: MakeChain) -> None:
    """SR-072."""
    plugins = ONCE + '[routing]\ncommit = "whole"\n[upstream]\nmax_answer = 2000\n'
    both = chain(plugins=plugins)
    both.upstreams[0].default = events(
        ROLE, *[delta(content="x" * 1000)] * 3, delta("stop"), "[DONE]"
    )
    both.upstreams[1].default = completion("Hello")
    answer = both.ask(stream=True)
    assert answer.headers["x-llms-attempts"] == "first;error=bad_response, second;ok"


def test_a_stream_with_tools_that_breaks_is_not_continued_by_another(
    chain: MakeChain, subtests: pytest.Subtests
) -> None:
    """SR-058: half a tool call cannot be completed by prose."""
    part = {
        "index": 0,
        "id": "call_1",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"ci'},
    }
    calling = events(ROLE, delta(tool_calls=[part]))
    breaks = {"closed": Reply(calling, Close()), "reset": Reply(calling, Reset()), "ended": calling}
    both = chain(rows={name: [reply] for name, reply in breaks.items()})
    for fault in breaks:
        with subtests.test(fault):
            stream = both.stream(fault, tools=TOOLS)
            assert stream.error is not None
            assert (stream.finish_reasons, stream.done, both.asked(fault, stream=True)) == (
                [],
                0,
                [1, 0],
            )


ENGINES = pytest.mark.parametrize("engine", ["native", "httpx"])


@ENGINES
@pytest.mark.parametrize("fault", ["closed", "reset", "cut in an event"])
def test_a_broken_stream_is_described_in_our_words(
    chain: MakeChain, engine: str, fault: str
) -> None:
    """SR-058: the text of the HTTP client's exception means nothing to a client."""
    one = chain(1, ONCE + f'[upstream]\nengine = "{engine}"\n')
    one.upstreams[0].default = AFTER[fault]
    error = one.stream().error
    assert error is not None
    assert error["code"] == "network"
    assert error["message"] in (
        "The connection broke: the provider closed the connection before the response was complete",
        "The connection broke: the provider reset the connection before the response was complete",
        "The connection broke: the provider ended the response before it was complete, or it is not valid HTTP/1.1",
    )


@ENGINES
@pytest.mark.parametrize("stream", BOTH)
def test_a_failed_request_is_described_in_our_words(
    chain: MakeChain, engine: str, stream: bool
) -> None:
    """SR-063: without numbers of the system, addresses, or names of exceptions."""
    one = chain(1, ONCE + f'[upstream]\nengine = "{engine}"\n')
    one.upstreams[0].default = Reply(Reset())
    [attempt] = one.ask(stream=stream).json()["attempts"]
    assert attempt["kind"] == "network"
    assert attempt["message"].startswith("The request failed: the provider ")
    for technical in ("Errno", "127.0.0.1", "Error", "peer"):
        assert technical not in attempt["message"]


def test_the_error_in_a_stream_has_openais_shape(chain: MakeChain) -> None:
    """SR-058, SR-065: with the provider's own message."""
    one = chain(1)
    broken = {
        "error": {"message": "Overloaded", "type": "server_error", "code": "engine_overloaded"}
    }
    one.upstreams[0].default = events(ROLE, delta(content="Hello"), broken)
    expected = {
        "message": "Overloaded",
        "type": "server_error",
        "param": None,
        "code": "engine_overloaded",
    }
    assert one.stream().error == expected


def test_a_key_echoed_by_a_provider_reaches_nobody(
    chain: MakeChain, subtests: pytest.Subtests
) -> None:
    """SR-066: in any field of its error, as JSON and in a stream."""
    faults = {
        member: {
            "message": "x",
            "type": "invalid_request_error",
            member: "bad: sk-marked-and-echoed",
        }
        for member in ("message", "type", "param", "code")
    }

    def answer(seen: Seen) -> Reply:
        fault = {"error": faults[seen.json["model"]]}
        return (
            events(ROLE, delta(content="Hello"), fault)
            if seen.json.get("stream")
            else json_body(fault, 400)
        )

    one = chain(
        1,
        rows={member: [Reply(answer)] for member in faults},
        first={"api_key": "sk-marked-and-echoed"},
    )
    for member, stream in product(faults, BOTH):
        with subtests.test(member, stream=stream):
            text = one.ask(member, stream=stream).text
            assert "error" in text
            assert "sk-marked" not in text


def test_chunks_reach_the_client_while_the_provider_is_still_sending(chain: MakeChain) -> None:
    """SR-060."""
    one, go = chain(1), threading.Event()
    one.upstreams[0].default = Reply(
        events(ROLE, delta(content="Hello")),
        Wait(go),
        Chunk(_event(delta("stop"))),
        Chunk(b"data: [DONE]\n\n"),
    )
    with one.dial(stream=True) as connection:
        assert b"Hello" in until(connection, b"Hello")
        go.set()
        assert b"[DONE]" in until(connection, b"[DONE]")


def test_an_answer_without_content_is_an_answer(chain: MakeChain) -> None:
    """SR-057: a stream that ends properly needs no content to be committed."""
    both = chain()
    both.upstreams[0].default = events(ROLE, delta("stop"), "[DONE]")
    stream = both.stream()
    assert (stream.text, stream.finish_reasons, stream.whole, both.calls) == (
        "",
        ["stop"],
        True,
        [1, 0],
    )


# SR-072: the last candidate left is retried in place


def test_the_last_candidate_is_retried(chain: MakeChain, subtests: pytest.Subtests) -> None:
    """SR-072."""
    one = chain(1, QUICK)
    # Not a reset before the head: on a reused connection, the HTTP client repeats the request itself.
    for fault, stream in product(("429", "503", "reset in the head", "200, no completion"), BOTH):
        with subtests.test(fault, stream=stream):
            one.upstreams[0].script(FAULTS[fault][0])
            answer = one.ask(stream=stream)
            assert answer.status_code == 200
            assert answer.headers["x-llms-attempts"] == f"first;error={FAULTS[fault][1]}, first;ok"


def test_a_permanent_failure_is_not_retried(chain: MakeChain, subtests: pytest.Subtests) -> None:
    """SR-072."""
    lasting = ("401", "402", "403", "404", "408")
    one = chain(1, QUICK, rows={fault: [FAULTS[fault][0]] for fault in lasting})
    for fault in lasting:
        with subtests.test(fault):
            one.ask(fault)
            assert one.asked(fault, stream=False) == [1]


@STREAMED
def test_a_time_out_is_not_retried(chain: MakeChain, stream: bool) -> None:
    """SR-072: it has already used its time."""
    one = chain(1, QUICK + SHORT)
    one.upstreams[0].default = Reply(Stall())
    assert (one.ask(stream=stream).status_code, one.calls) == (504, [1])


def test_retries_have_a_bound(chain: MakeChain) -> None:
    """SR-072: two, unless configured otherwise."""
    one = chain(1, QUICK)
    one.upstreams[0].default = BROKEN
    assert (one.ask().status_code, one.calls) == (502, [3])


def test_the_limit_is_configurable(chain: MakeChain) -> None:
    """SR-072."""
    one = chain(1, QUICK + "attempts = 4\n")
    one.upstreams[0].default = BROKEN
    one.ask()
    assert one.calls == [5]


def test_a_short_retry_after_is_honoured(chain: MakeChain) -> None:
    """SR-072: the retry honours Retry-After."""
    one = chain(1, QUICK)
    one.upstreams[0].script(error(429, headers={"retry-after": "0.4"}))
    began = time.monotonic()
    assert one.ask().status_code == 200
    assert time.monotonic() - began >= 0.4


def test_a_long_retry_after_is_left_to_the_client(chain: MakeChain) -> None:
    """SR-072, SR-064: the client gets the error at once."""
    one = chain(1, QUICK)
    one.upstreams[0].script(error(429, headers={"retry-after": "30"}))
    answer = one.ask()
    assert (answer.status_code, answer.headers["retry-after"], one.calls) == (429, "30", [1])


def test_a_wait_longer_than_the_remaining_total_is_not_begun(chain: MakeChain) -> None:
    """SR-072: waits count as part of the total."""
    one = chain(1, QUICK + "[timeouts]\ntotal = 7\n")
    one.upstreams[0].script(error(503, headers={"retry-after": "8"}))
    began = time.monotonic()
    assert (one.ask().status_code, one.calls) == (502, [1])
    assert time.monotonic() - began < 7


def test_only_the_last_candidate_is_retried(chain: MakeChain) -> None:
    """SR-072."""
    three = chain(3, QUICK)
    for upstream in three.upstreams:
        upstream.default = BROKEN
    three.ask()
    assert three.calls == [1, 1, 3]


def test_retries_of_a_provider_come_before_the_next(chain: MakeChain) -> None:
    """SR-072: `retries` of a provider enables them."""
    both = chain(plugins=QUICK, first={"retries": 2})
    both.upstreams[0].default = BROKEN
    assert (both.ask().headers["x-llms-provider"], both.calls) == ("second", [3, 1])


def test_a_stream_that_broke_after_its_first_content_is_not_retried(chain: MakeChain) -> None:
    """SR-058."""
    one = chain(1, QUICK)
    one.upstreams[0].default = AFTER["closed"]
    one.ask(stream=True)
    assert one.calls == [1]


@pytest.mark.parametrize("retries", [1, 3])
def test_retries_of_llms_json_are_attempts(chain: MakeChain, retries: int) -> None:
    """L-04: `limits.retries`."""
    one = chain(1, QUICK, top={"limits": {"retries": retries}})
    one.upstreams[0].default = BROKEN
    one.ask()
    assert one.calls == [retries]


WAITS = Retry(base=0.5, longest=8)


@pytest.mark.parametrize(("turn", "longest"), [(0, 0.5), (1, 1.0), (2, 2.0), (4, 8.0), (9, 8.0)])
def test_waits_grow_up_to_a_bound(turn: int, longest: float) -> None:
    """SR-072: bounded and jittered; each is drawn between zero and the maximum."""
    fault = ProviderError(ErrorKind.OVERLOADED, "x")
    assert backoff(WAITS, fault, turn, lambda: 0.0) == 0
    assert backoff(WAITS, fault, turn, lambda: 1.0) == longest


@pytest.mark.parametrize(("asked", "waited"), [(0.0, 0.25), (3.0, 3.25), (8.0, 8.25), (8.1, None)])
def test_a_requested_delay_is_waited_for_in_full_or_not_at_all(
    asked: float, waited: float | None
) -> None:
    """SR-072: with jitter, so that clients do not retry at the same moment."""
    fault = ProviderError(ErrorKind.RATE_LIMIT, "x", retry_after=asked)
    assert backoff(WAITS, fault, 0, lambda: 0.5) == waited


# Limits over all attempts


def test_the_total_is_over_all_attempts(chain: MakeChain) -> None:
    """SR-072: the time that the first has used is not available to the others."""
    three = chain(3, ONCE + "[timeouts]\ntotal = 1\n")
    for upstream in three.upstreams:
        upstream.default = Reply(Stall())
    began = time.monotonic()
    answer = three.ask()
    assert (answer.status_code, three.calls) == (504, [1, 1, 1])
    assert time.monotonic() - began >= 1


@pytest.mark.slow
@STREAMED
def test_a_silent_provider_leaves_time_for_the_next(chain: MakeChain, stream: bool) -> None:
    """SR-072: however short the total is, and whatever the limits of the provider are."""
    three = chain(
        3, ONCE + "[timeouts]\ntotal = 3\n[timeouts.provider.first]\ntotal = 60\nfirst_token = 60\n"
    )
    for upstream in three.upstreams[:2]:
        upstream.default = Reply(Stall())
    answer = three.ask(stream=stream)
    assert (
        answer.headers["x-llms-attempts"] == "first;error=timeout, second;error=timeout, third;ok"
    )


def test_a_providers_total_does_not_extend_the_overall_total(chain: MakeChain) -> None:
    """SR-072: it limits one attempt and extends nothing."""
    one = chain(1, ONCE + "[timeouts]\ntotal = 0.4\n[timeouts.provider.first]\ntotal = 60\n")
    one.upstreams[0].default = Reply(Stall())
    assert one.ask().status_code == 504


def test_a_provider_has_limits_of_its_own(chain: MakeChain) -> None:
    """SR-072: `[timeouts.provider.NAME]` applies to that provider only; here the other time-out is the clock."""
    go = threading.Event()
    own = "[timeouts]\nfirst_token = 0.3\n[timeouts.provider.first]\nfirst_token = 30\n"
    both = chain(plugins=ONCE + own, second={"models": {"other": "other"}})
    both.upstreams[0].default = Reply(Wait(go), completion("late"))
    both.upstreams[1].default = Reply(Stall())
    with both.dial(stream=True) as connection:
        both.upstreams[0].wait_for_request()
        assert both.ask("other", stream=True).status_code == 504
        go.set()
        assert b"late" in until(connection, b"[DONE]")


def test_client_timeout_of_llms_json_is_the_total(chain: MakeChain) -> None:
    """L-04: `limits.client_timeout`."""
    both = chain(top={"limits": {"client_timeout": 1}})
    both.upstreams[0].default = both.upstreams[1].default = Reply(Stall())
    began = time.monotonic()
    answer = both.ask()
    assert (answer.status_code, both.calls) == (504, [1, 1])
    assert time.monotonic() - began >= 1


def test_a_total_in_plugins_toml_comes_before_client_timeout(chain: MakeChain) -> None:
    """L-04."""
    one = chain(1, ONCE + "[timeouts]\ntotal = 0.3\n", top={"limits": {"client_timeout": 100}})
    one.upstreams[0].default = Reply(Stall())
    assert one.ask().status_code == 504


# SR-070 … SR-086: which providers are called, and what each receives


def test_only_enabled_providers_with_the_model_are_asked(chain: MakeChain) -> None:
    """SR-070: one is disabled and one does not have the model, so only the third is called."""
    three = chain(3, first={"enabled": False}, second={"models": {"other": "other"}})
    assert (three.ask().status_code, three.calls) == (200, [0, 0, 1])


@pytest.mark.parametrize("order", [("first", "second", "third"), ("third", "first", "second")])
def test_the_order_is_that_of_the_file(chain: MakeChain, order: tuple[str, ...]) -> None:
    """SR-071: the order of the keys of `providers`."""
    three = chain(3)
    for upstream in three.upstreams:
        upstream.default = BROKEN
    config = json.loads(three.gateway.config_path.read_text("utf-8"))
    config["providers"] = {name: config["providers"][name] for name in order}
    reordered = chain(0, top=config)
    attempts = reordered.ask().headers["x-llms-attempts"]
    assert tuple(each.partition(";")[0] for each in attempts.split(", ")) == order


def test_each_provider_gets_its_own_id_of_the_model(chain: MakeChain) -> None:
    """SR-074."""
    three = chain(3)
    three.upstreams[0].default = three.upstreams[1].default = BROKEN
    three.ask()
    assert [upstream.requests[0].json["model"] for upstream in three.upstreams] == [
        "first-m",
        "second-m",
        "third-m",
    ]


FIRST_CHANGES = """
[types.changing]
drop = ["user"]
rename = { max_completion_tokens = "max_tokens" }
"""


@STREAMED
def test_changes_for_the_first_do_not_reach_the_second(chain: MakeChain, stream: bool) -> None:
    """SR-075: the second provider receives the body that it would receive alone."""
    asked: dict[str, Any] = {
        "user": "u",
        "max_completion_tokens": 5,
        "temperature": 1.0,
        "stream": stream,
    }
    changes = {
        "type": "changing",
        "seed": 7,
        "force": {"temperature": 0.1},
        "headers": {"x-own": "1"},
    }
    both = chain(plugins=ONCE + FIRST_CHANGES, first=changes)
    both.upstreams[0].default = BROKEN
    both.ask(**asked)
    first, second = (upstream.requests[0] for upstream in both.upstreams)
    alone = chain(plugins=ONCE + FIRST_CHANGES, first={"enabled": False})
    alone.ask(**asked)
    assert first.json["max_tokens"] == 5
    assert first.json["temperature"] == 0.1
    assert second.body == alone.upstreams[1].requests[0].body
    assert "x-own" not in second.headers


def test_dropped_parameters_are_those_of_the_provider_that_answered(chain: MakeChain) -> None:
    """SR-075: not those of one that failed."""
    both = chain(plugins=ONCE + FIRST_CHANGES, first={"type": "changing"})
    both.upstreams[0].script(completion(), BROKEN)
    assert both.ask(user="u").headers["x-llms-dropped-params"] == "user"
    assert "x-llms-dropped-params" not in both.ask(user="u").headers


def test_the_example_of_the_reference(chain: MakeChain) -> None:
    """SR-085, SR-077: `kimi-k2` at groq, which is free, then at openrouter, which is paid."""
    both = chain()
    first, second = json.loads(both.gateway.config_path.read_text("utf-8"))["providers"].values()
    providers = {
        "groq": {**first, "models": {"kimi-k2": "moonshotai/kimi-k2-instruct-0905"}},
        "openrouter": {**second, "models": {"kimi-k2": "moonshotai/kimi-k2"}},
    }
    kimi = chain(0, top={"providers": providers})
    both.upstreams[0].script(completion(), BUSY)
    seen = [kimi.ask("kimi-k2") for _ in range(2)]
    assert [answer.headers["x-llms-attempts"] for answer in seen] == [
        "groq;ok",
        "groq;error=rate_limit;status=429, openrouter;ok",
    ]
    assert [answer.json()["model"] for answer in seen] == ["kimi-k2", "kimi-k2"]
    assert both.upstreams[1].requests[0].json["model"] == "moonshotai/kimi-k2"


def test_only_the_first_usable_provider_is_called(chain: MakeChain) -> None:
    """SR-086."""
    both = chain()
    answer = both.ask()
    assert (answer.headers["x-llms-attempts"], both.calls) == ("first;ok", [1, 0])


def test_an_unknown_model_is_requested_from_no_provider(chain: MakeChain) -> None:
    """SR-061, SR-062, SR-086."""
    both = chain()
    answer = both.ask("unknown-model")
    assert (answer.status_code, both.calls) == (404, [0, 0])
    assert answer.json() == {
        "error": {
            "message": "Model 'unknown-model' not found in any enabled provider",
            "type": "invalid_request_error",
            "code": "model_not_found",
        }
    }


FALLBACK = ONCE + '[routing.fallbacks]\nm = ["small"]\n'


@STREAMED
def test_a_fallback_model_is_used_if_every_provider_of_the_first_fails(
    chain: MakeChain, stream: bool
) -> None:
    """SR-045: then `model` is the name of the model that served."""
    both = chain(plugins=FALLBACK, second={"models": {"small": "vendor/small"}})
    both.upstreams[0].default = BROKEN
    answer = both.ask(stream=stream)
    assert answer.status_code == 200
    names = (
        {chunk["model"] for chunk in _chunks(answer.text)} if stream else {answer.json()["model"]}
    )
    assert names == {"small"}
    assert answer.headers["x-llms-upstream-model"] == "vendor/small"


@STREAMED
def test_providers_with_different_ids_serve_one_name(chain: MakeChain, stream: bool) -> None:
    """SR-045: `model` stays the name; the header has the id of the provider that answered."""
    both = chain(first={"models": {"m": "vendor/m-0905"}}, second={"models": {"m": "vendor/m"}})
    both.upstreams[0].default = BROKEN
    answer = both.ask(stream=stream)
    names = (
        {chunk["model"] for chunk in _chunks(answer.text)} if stream else {answer.json()["model"]}
    )
    assert names == {"m"}
    assert answer.headers["x-llms-upstream-model"] == "vendor/m"


def test_a_fallback_model_is_not_used_without_need(chain: MakeChain) -> None:
    """SR-045: the requested name, while one of its providers answers."""
    both = chain(plugins=FALLBACK, second={"models": {"small": "vendor/small"}})
    assert (both.ask().json()["model"], both.calls) == ("m", [1, 0])


def test_if_the_fallback_model_fails_too_the_requested_one_is_named(chain: MakeChain) -> None:
    """SR-063."""
    both = chain(plugins=FALLBACK, second={"models": {"small": "vendor/small"}})
    both.upstreams[0].default = both.upstreams[1].default = BROKEN
    assert both.ask().json()["error"]["message"] == "All providers failed for model 'm'"


# SR-059: the client disconnects

OF_ONE_FAILURE = "[routing.breaker]\nfailures = 1\n"


def until(connection: socket.socket, wanted: bytes) -> bytes:
    """Return what arrives, up to and including the wanted bytes."""
    received = b""
    while wanted not in received:
        piece = connection.recv(65536)
        assert piece, f"the connection ended after {received!r}"
        received += piece
    return received


def counts_against_nobody(both: Chain) -> bool:
    return all(
        (circuit["failures"], circuit["in_flight"]) == (0, 0)
        for circuit in both.ready()["circuits"]
    )


@STREAMED
def test_a_disconnect_while_the_provider_is_silent_ends_the_call(
    chain: MakeChain, left: threading.Event, stream: bool
) -> None:
    """SR-059: at once; no circuit counts it as a failure, and no other provider is tried."""
    both = chain(plugins=OF_ONE_FAILURE)
    both.upstreams[0].default = Reply(Stall())
    with both.dial(stream=stream):
        seen = both.upstreams[0].wait_for_request()
    seen.wait_closed()
    assert left.wait(5)
    assert both.calls == [1, 0]
    assert counts_against_nobody(both)


@STREAMED
def test_a_disconnect_before_the_commit_ends_the_call(
    chain: MakeChain, left: threading.Event, stream: bool
) -> None:
    """SR-059: the answer has begun but is not yet forwarded."""
    begun = events(ROLE) if stream else json_text(b'{"id":')
    reached = Reached()
    both = chain(plugins=OF_ONE_FAILURE)
    both.upstreams[0].default = Reply(begun, Wait(reached), Stall())
    with both.dial(stream=stream):
        seen = both.upstreams[0].wait_for_request()
        reached.wait_until_reached()
    seen.wait_closed()
    assert left.wait(5)
    assert both.calls == [1, 0]
    assert counts_against_nobody(both)


def test_a_disconnect_in_mid_stream_ends_the_call(chain: MakeChain, left: threading.Event) -> None:
    """SR-059."""
    both = chain(plugins=OF_ONE_FAILURE)
    both.upstreams[0].default = Reply(events(ROLE, delta(content="Hello")), Stall())
    with both.dial(stream=True) as connection:
        until(connection, b"Hello")
    both.upstreams[0].wait_for_request().wait_closed()
    assert left.wait(5)
    assert both.calls == [1, 0]
    assert counts_against_nobody(both)


def test_a_disconnect_between_two_retries_ends_them(
    chain: MakeChain, left: threading.Event
) -> None:
    """SR-059: while the gateway waits before a retry."""
    one = chain(1, "")
    one.upstreams[0].default = error(503, headers={"retry-after": "7"})
    with one.dial():
        one.upstreams[0].wait_for_request()
    assert left.wait(5)
    assert one.calls == [1]


def test_after_a_disconnect_the_provider_serves_the_next_client(
    chain: MakeChain, left: threading.Event
) -> None:
    """SR-059: a cancelled call opens no circuit."""
    both = chain(plugins=OF_ONE_FAILURE)
    both.upstreams[0].script(Reply(Stall()))
    with both.dial():
        both.upstreams[0].wait_for_request()
    assert left.wait(5)
    assert both.ask().headers["x-llms-attempts"] == "first;ok"


def _event(payload: dict[str, object]) -> bytes:
    return b"data: " + json.dumps(payload).encode() + b"\n\n"


def _chunks(text: str) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    return [json.loads(line) for line in lines if line != "[DONE]"]


# Failing adapters


class Refusing(OpenAICompatible):
    """Does not support the request and raises `Unsupported` before anything is sent."""

    def request(self, call: ChatCall) -> UpstreamRequest:
        raise Unsupported("no pictures here", param="messages")


class Failing(OpenAICompatible):
    """Has a bug in the method that its provider's id names."""

    def _fail(self, method: str) -> None:
        if self.settings.id == method:
            raise KeyError("sk-of-the-first")

    def request(self, call: ChatCall) -> UpstreamRequest:
        self._fail("request")
        return super().request(call)

    def completion(self, call: ChatCall, body: bytes) -> Completion:
        self._fail("completion")
        return super().completion(call, body)

    def chunks(self, call: ChatCall) -> ChunkTranslator:
        self._fail("chunks")
        return super().chunks(call)

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        self._fail("error")
        return super().error(status, headers, body)


class Unready(OpenAICompatible):
    """Fails in `prepare`."""

    async def prepare(self) -> None:
        raise ProviderError(ErrorKind.OVERLOADED, "the model did not load")


def answered(
    upstream: ScriptedUpstream, adapter: type[OpenAICompatible], id: str = "x", *, stream: bool
) -> str:
    """Return `x-llms-attempts` of a request that goes to a provider with this adapter, then to a plain one."""
    configured = []
    for kind, name in ((adapter, id), (OpenAICompatible, "plain")):
        spec = ProviderSpec(name=name, adapter=kind, title=name)
        settings = ProviderSettings(id=name, base_url=upstream.base_url)
        provider = Provider(
            id=name, spec=spec, settings=settings, models=(Model(names=("m",), upstream="m"),)
        )
        configured.append(Configured(name, provider, kind(spec, settings), None))

    async def unwanted(url: str, param: str) -> tuple[str, bytes]:
        raise AssertionError(url)

    async def ask() -> str:
        breaker = CircuitBreaker()
        transport = create_transport(Upstream())
        trace = RequestTrace()
        host = PluginHost()
        router = Router(
            models=ModelIndex(configured, OPERATIONS, breaker),
            order=strategies.create(Routing()),
            breaker=breaker,
            transport=transport,
            host=host,
            routing=Routing(),
            timeouts=Timeouts(),
            max_bytes=2**20,
            fetch=unwanted,
            observer=AttemptObserver(
                breaker, host, Redactor([Secret("sk-of-the-first")]), records_successes=True
            ),
        )
        try:
            asked = {
                "model": "m",
                "messages": [{"role": "user", "content": "Hi"}],
                "stream": stream,
            }
            routed = await router.answer(trace, CHAT, decode(json.dumps(asked).encode()))
            assert routed.candidate is not None
            attempts = trace.attempts_header(routed.candidate.provider_id)
            if routed.stream is not None:
                await routed.stream.aclose()
            return attempts
        finally:
            await transport.aclose()

    return asyncio.run(ask())


@STREAMED
def test_what_an_adapter_does_not_support_goes_to_the_next(
    upstream: ScriptedUpstream, stream: bool
) -> None:
    """SR-072: before anything is sent."""
    assert answered(upstream, Refusing, stream=stream) == "x;error=invalid_request, plain;ok"
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("method", "stream"),
    [
        ("request", False),
        ("request", True),
        ("completion", False),
        ("chunks", True),
        ("error", False),
        ("error", True),
    ],
)
def test_a_bug_in_an_adapter_is_a_failure_of_its_provider(
    upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture, method: str, stream: bool
) -> None:
    """SR-072, SR-066: the next one is tried; the log has the exception, without a key."""
    if method == "error":
        upstream.script(error(500))
    assert (
        answered(upstream, Failing, method, stream=stream)
        == f"{method};error=bad_response, plain;ok"
    )
    assert "KeyError" in caplog.text
    assert "sk-of-the-first" not in caplog.text


def test_a_provider_that_cannot_be_prepared_is_skipped(upstream: ScriptedUpstream) -> None:
    """SR-072."""
    assert answered(upstream, Unready, stream=False) == "x;error=overloaded, plain;ok"


# Adapters with several protocols


class Undecided(OpenAICompatible):
    """Wants each request in yet another protocol, whatever was the matter."""

    def other_protocol(self, call: ChatCall, error: ProviderError) -> OtherProtocol | None:
        return OtherProtocol(f"{call.protocol}+")


class Confused(OpenAICompatible):
    """Has a bug in `other_protocol`."""

    def other_protocol(self, call: ChatCall, error: ProviderError) -> OtherProtocol | None:
        raise KeyError("sk-of-the-first")


@STREAMED
def test_a_candidate_may_change_the_protocol_only_so_often(
    upstream: ScriptedUpstream, stream: bool
) -> None:
    upstream.script(*[error(400)] * 4)
    refused = ["x;error=invalid_request;status=400"] * 4
    assert answered(upstream, Undecided, stream=stream) == ", ".join([*refused, "plain;ok"])


def test_a_bug_in_the_choice_of_a_protocol_is_a_failure_of_its_provider(
    upstream: ScriptedUpstream,
) -> None:
    upstream.script(error(400))
    assert answered(upstream, Confused, stream=False) == "x;error=bad_response, plain;ok"
