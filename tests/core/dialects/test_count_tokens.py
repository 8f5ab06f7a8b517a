"""The tokens of a prompt: counted by the provider if its protocol can, otherwise an estimate that says so."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic
import pytest
from openai import OpenAI

from llms_core.testing import ScriptedUpstream, error, json_body, text_body
from tests.core.server.conftest import NO_RETRIES, Asking, Pair, error_of, running

Json = dict[str, Any]

MESSAGES, RESPONSES = "/v1/messages/count_tokens", "/v1/responses/input_tokens"
PROMPT = {"model": "m", "messages": [{"role": "user", "content": "Hello!"}]}
CLAUDE, GEMINI = "/v1/messages/count_tokens", "/v1beta/models/up:countTokens"


def providers(upstream: ScriptedUpstream) -> Json:
    """Three providers of `m`, of which the last cannot count, and `x` of one that cannot."""
    root = upstream.base_url.removesuffix("/v1")
    blocks = {
        "claude": {
            "type": "anthropic",
            "base_url": upstream.base_url,
            "api_key": "k",
            "models": {"m": "up"},
        },
        "gemini": {
            "type": "google",
            "base_url": f"{root}/v1beta",
            "api_key": "k",
            "models": {"m": "up"},
        },
        "other": {
            "type": "OpenAiProvider",
            "base_url": upstream.base_url,
            "api_key": "k",
            "models": {"m": "up", "x": "up"},
        },
    }
    return {"providers": blocks}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    # A circuit that opened in one test would change the next one's requests.
    settings = f"{NO_RETRIES}[routing.breaker]\nfailures = 1000\n"
    with running(tmp_path_factory.mktemp("count"), settings, providers) as started:
        yield started


def paths(first: ScriptedUpstream) -> list[str]:
    return [request.path for request in first.requests]


def test_the_provider_counts(ask: Asking, first: ScriptedUpstream) -> None:
    first.default = json_body({"input_tokens": 2095})
    response = ask.post({**PROMPT, "max_tokens": 100, "metadata": {"user_id": "u"}}, MESSAGES)
    assert response.json() == {"input_tokens": 2095}
    assert response.headers["x-llms-token-count"] == "provider"
    assert response.headers["x-llms-provider"] == "claude"
    assert paths(first) == [CLAUDE]
    # It rejects the members that have no effect on the number.
    assert first.requests[0].json.keys() == {"model", "messages"}


def test_the_next_provider_counts_if_one_fails(ask: Asking, first: ScriptedUpstream) -> None:
    first.script(error(529), json_body({"totalTokens": 31}))
    response = ask.post(PROMPT, MESSAGES)
    assert response.json() == {"input_tokens": 31}
    assert response.headers["x-llms-provider"] == "gemini"
    assert response.headers["x-llms-attempts"] == "claude;error=overloaded;status=529, gemini;ok"
    assert paths(first) == [CLAUDE, GEMINI]


@pytest.mark.parametrize(
    "answer",
    [
        error(500),
        error(404),
        error(400),
        json_body({"tokens": 1}),
        json_body({"input_tokens": -1}),
        text_body("?"),
    ],
    ids=["overloaded", "unknown", "refused", "another answer", "a wrong number", "no JSON"],
)
def test_an_estimate_answers_if_every_provider_fails(
    ask: Asking, first: ScriptedUpstream, answer: Any
) -> None:
    first.default = answer
    response = ask.post(PROMPT, MESSAGES)
    assert response.status_code == 200
    assert 0 < response.json()["input_tokens"] < 100
    assert response.headers["x-llms-token-count"] == "estimate"
    assert "x-llms-provider" not in response.headers
    assert response.headers["x-llms-attempts"].startswith("claude;error=")
    assert paths(first) == [CLAUDE, GEMINI]


def test_an_estimate_answers_at_once_if_no_provider_can_count(
    ask: Asking, first: ScriptedUpstream
) -> None:
    response = ask.post({**PROMPT, "model": "x"}, MESSAGES)
    assert response.headers["x-llms-token-count"] == "estimate"
    assert "x-llms-attempts" not in response.headers
    assert first.requests == []


def test_many_counts_at_once_are_answered(ask: Asking, first: ScriptedUpstream) -> None:
    """Claude Code's /context sends 18."""
    first.default = json_body({"input_tokens": 7})
    with ThreadPoolExecutor(18) as pool:
        answers = list(pool.map(lambda _: ask.post(PROMPT, MESSAGES), range(18)))
    assert [each.json() for each in answers] == [{"input_tokens": 7}] * 18
    assert {each.headers["x-llms-token-count"] for each in answers} == {"provider"}


def test_a_provider_that_keeps_failing_is_not_asked_again(
    tmp_path_factory: pytest.TempPathFactory, asking: Any
) -> None:
    settings = f"{NO_RETRIES}[routing.breaker]\nfailures = 1\n"
    with running(tmp_path_factory.mktemp("failing"), settings, providers) as pair:
        pair.upstream.default = error(500)
        client = asking(pair.gateway)
        for _ in range(3):
            assert client.post(PROMPT, MESSAGES).headers["x-llms-token-count"] == "estimate"
        assert paths(pair.upstream) == [CLAUDE, GEMINI]
        # What fails to count may well answer.
        assert client.get("/ready").json()["ready"]


def test_the_official_sdks_read_the_count(pair: Pair, first: ScriptedUpstream) -> None:
    first.default = json_body({"input_tokens": 12})
    with anthropic.Anthropic(
        base_url=pair.gateway.origin, api_key="not-needed", max_retries=0
    ) as claude:
        assert (
            claude.messages.count_tokens(
                model="m", messages=[{"role": "user", "content": "Hi"}]
            ).input_tokens
            == 12
        )
    with OpenAI(
        base_url=f"{pair.gateway.origin}/v1", api_key="not-needed", max_retries=0
    ) as client:
        counted = client.responses.input_tokens.count(
            model="m", input="Hi", instructions="Be brief"
        )
    assert (counted.object, counted.input_tokens) == ("response.input_tokens", 12)
    assert first.requests[-1].json["system"]


def test_the_input_of_a_response_is_estimated_without_a_count(ask: Asking) -> None:
    response = ask.post({"model": "x", "input": "Hello!", "stream": True}, RESPONSES)
    assert response.json()["object"] == "response.input_tokens"
    assert 0 < response.json()["input_tokens"] < 100
    assert response.headers["x-llms-token-count"] == "estimate"


def test_the_input_of_a_response_is_validated(ask: Asking) -> None:
    response = ask.post({"model": "m", "input": "Hello!", "background": True}, RESPONSES)
    assert (response.status_code, error_of(response)["param"]) == (400, "background")
    assert ask.post({"model": "none", "input": "Hello!"}, RESPONSES).status_code == 404


def test_compaction_is_refused_with_what_to_do_instead(ask: Asking) -> None:
    response = ask.post({"model": "m", "input": "Hello!"}, "/v1/responses/compact")
    assert response.status_code == 404
    assert "POST /v1/responses" in error_of(response)["message"]
