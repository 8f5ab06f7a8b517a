"""What a provider's answer contains is quoted in errors and in the log, but never at any length, and without keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from llms_core.testing import ScriptedUpstream, json_body
from tests.conftest import MARK
from tests.core.server.conftest import NO_RETRIES, Asking, Pair, running

Json = dict[str, Any]

KEY = f"{MARK}of-every-provider"
#: A key follows a text that is longer than what is shown.
LONG = "x" * 1_000_000 + KEY
MOST = 20_000
EMPTY: Json = {"role": "assistant", "content": ""}

#: An answer without content whose reason to end is not known, in each protocol.
ANSWERS: dict[str, Json] = {
    "anthropic": {
        "type": "message",
        "id": "m",
        "role": "assistant",
        "content": [],
        "stop_reason": LONG,
    },
    "google": {"candidates": [{"content": {"parts": []}, "finishReason": LONG}]},
    "bedrock": {"output": {"message": {"role": "assistant", "content": []}}, "stopReason": LONG},
    "cohere": {"id": "x", "finish_reason": LONG, "message": {"role": "assistant", "content": []}},
    "ollama": {"message": EMPTY, "done": True, "done_reason": LONG},
    "openai-compatible": {"choices": [{"index": 0, "message": EMPTY, "finish_reason": LONG}]},
}


def config(upstream: ScriptedUpstream) -> Json:
    block = {"base_url": upstream.base_url, "api_key": KEY, "region": "us-east-1"}
    return {
        "providers": {name: {**block, "type": name, "models": {name: name}} for name in ANSWERS}
    }


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    toml = f"{NO_RETRIES}[routing.breaker]\nfailures = 100000\n[server]\nexplain_errors = true\n"
    with running(tmp_path_factory.mktemp("pair"), toml, config) as pair:
        yield pair


@pytest.mark.parametrize("name", ANSWERS)
def test_a_long_text_of_an_answer_floods_neither_the_error_nor_the_log(
    ask: Asking, pair: Pair, first: ScriptedUpstream, name: str
) -> None:
    first.default = json_body(ANSWERS[name])
    before = len(pair.gateway.log())
    response = ask.chat(model=name)
    assert response.status_code == 502
    assert MARK not in response.text
    assert len(response.content) < MOST
    assert len(pair.gateway.log()) - before < MOST


def test_the_name_of_an_exception_of_amazons_is_as_short(
    ask: Asking, first: ScriptedUpstream
) -> None:
    first.default = json_body({"__type": "x" * 100_000 + KEY, "message": "no"}, 400)
    response = ask.chat(model="bedrock")
    assert response.status_code == 400
    assert MARK not in response.text
    assert len(response.content) < MOST


def test_the_name_of_a_function_is_not_logged_at_any_length(
    ask: Asking, pair: Pair, first: ScriptedUpstream
) -> None:
    """When the arguments of an earlier call are repaired."""
    call = {"id": "c", "type": "function", "function": {"name": "f" * 1_000_000, "arguments": "{"}}
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "tool_calls": [call]}]
    messages.append({"role": "tool", "tool_call_id": "c", "content": "x"})
    before = len(pair.gateway.log())
    ask.chat(model="anthropic", messages=messages)
    assert "are not a JSON object" in pair.gateway.log()[before:]
    assert len(pair.gateway.log()) - before < MOST
