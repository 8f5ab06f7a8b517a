"""What records of requests and attempts hold: times, tokens, costs, labels, and who is at fault."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from llms_core.records import RequestRecord
from llms_core.testing import Close, Reply, ScriptedUpstream, Stall, error, events
from tests.core.server.conftest import NO_RETRIES, Asking, chunk, running, until, whole

if TYPE_CHECKING:
    from pathlib import Path

    from tests.core.server.conftest import Pair

PLUGIN = """
from llms_core import RequestError, hookimpl
from llms_core.records import AttemptRecord, RequestRecord

heard = []
attempts = []

@hookimpl
def llms_request_finished(record: RequestRecord) -> None:
    heard.append(record)

@hookimpl
def llms_attempt_finished(attempt: AttemptRecord) -> None:
    attempts.append(attempt)

@hookimpl
def llms_candidates(request, candidates, caller):
    if "forbidden" in request.model:
        raise RequestError("not for you", status=403, code="forbidden")
    return None
"""
HALF = chunk({"role": "assistant", "content": "Half"})
USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder: Path = tmp_path_factory.mktemp("records")
    path = folder / "of_records.py"
    path.write_text(PLUGIN, "utf-8")

    def config(upstream: ScriptedUpstream) -> dict[str, Any]:
        models = {"m": "up-m", "forbidden-m": "up-m"}
        block = {
            "type": "OpenAiProvider",
            "base_url": upstream.base_url,
            "api_key": "k",
            "models": models,
        }
        return {"providers": {"first": block}}

    with running(folder, f"[plugins]\nload = ['{path}']\n{NO_RETRIES}", config) as pair:
        yield pair


@pytest.fixture
def record(ask: Asking) -> Callable[..., Any]:
    """Sends a request, and returns its record."""
    module = sys.modules["llms_plugin_of_records"]
    module.heard.clear()

    def send(headers: dict[str, str] | None = None, **members: object) -> Any:
        ask.chat(headers, **members)
        until(lambda: bool(module.heard))
        return module.heard.pop()

    return send


def test_a_record_has_the_time_the_operation_and_who_served(record: Callable[..., Any]) -> None:
    before = time.time()
    found = record()
    (attempt,) = found.attempts
    assert before <= found.started <= attempt.started <= time.time()
    assert (found.dialect, found.operation, found.served_model) == ("chat_completions", "chat", "m")
    assert (attempt.operation, attempt.provider_type) == ("chat", "openai-compatible")
    assert attempt.base_url.startswith("http://127.0.0.1:")
    assert (found.at_fault, found.error_code, found.truncated, found.cancelled) == (
        None,
        None,
        False,
        False,
    )
    assert found.first_token <= found.duration


def test_the_counts_of_a_usage_are_read(
    record: Callable[..., Any], first: ScriptedUpstream
) -> None:
    details = {
        "cached_tokens": 40,
        "cache_write_tokens": 30,
        "audio_tokens": 5,
        "image_tokens": "many",
    }
    usage = {
        **USAGE,
        "prompt_tokens_details": details,
        "completion_tokens_details": {"reasoning_tokens": 7},
    }
    first.default = whole(usage=usage)
    tokens = record().tokens
    assert (tokens.input, tokens.cached, tokens.cache_write, tokens.audio_input) == (100, 40, 30, 5)
    assert (tokens.output, tokens.reasoning, tokens.image_input) == (20, 7, 0)


@pytest.mark.parametrize(
    ("members", "cost"),
    [
        ({"cost": 0.25}, 0.25),
        ({"cost": 0.01, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.25}}, 0.26),
        ({"cost": {"total_cost": 0.006, "input_tokens_cost": 0.001}}, 0.006),
        ({"cost_in_usd_ticks": 37_756_000}, 0.0037756),
        ({"estimated_cost": 0.002}, 0.002),
    ],
    ids=["OpenRouter", "OpenRouter, own key", "Perplexity", "xAI", "DeepInfra"],
)
def test_a_cost_that_the_provider_reports_is_recorded(
    record: Callable[..., Any], first: ScriptedUpstream, members: dict[str, Any], cost: float
) -> None:
    first.default = whole(usage=USAGE | members)
    found = record()
    assert (found.cost, found.cost_source) == (pytest.approx(cost, abs=1e-12), "provider")


@pytest.mark.parametrize("cost", [-1, "free", None, True, {"total_cost": "?"}])
def test_what_cannot_be_a_cost_is_none(
    record: Callable[..., Any], first: ScriptedUpstream, cost: object
) -> None:
    first.default = whole(usage={**USAGE, "cost": cost})
    found = record()
    assert (found.cost, found.cost_source, found.tokens.input) == (None, None, 100)


def test_labels_are_recorded_within_limits(record: Callable[..., Any]) -> None:
    metadata = {"team": "alpha", "long": "x" * 900, "number": 7}
    found = record({"x-llms-tag": "nightly, nightly, " + "t" * 200}, user="ada", metadata=metadata)
    assert found.tags == ("nightly", "t" * 64)
    assert found.metadata == {"team": "alpha", "long": "x" * 512}
    assert found.user == "ada"


def test_a_stream_has_its_number_of_chunks_and_the_time_that_they_took(
    record: Callable[..., Any], first: ScriptedUpstream
) -> None:
    more = [chunk({"content": text}) for text in "abc"]
    first.default = Reply(
        events(HALF, *more, chunk({}, "stop"), {"choices": [], "usage": USAGE}, "[DONE]")
    )
    (attempt,) = record(stream=True).attempts
    assert attempt.chunks == 4
    assert attempt.stream_duration == pytest.approx(attempt.duration - attempt.first_token)
    assert attempt.usage.completion_tokens == 20


def test_a_stream_that_breaks_off_is_truncated_and_keeps_what_the_provider_had_counted(
    record: Callable[..., Any], first: ScriptedUpstream
) -> None:
    first.default = Reply(events({**HALF, "usage": USAGE}), Close())
    found = record(stream=True)
    assert (found.truncated, found.cancelled, found.at_fault) == (True, False, "provider")
    assert (found.kind, found.error_code) == ("network", "network")
    assert (found.tokens.input, found.tokens.output) == (100, 20)


def test_a_client_that_disconnects_in_mid_stream_has_cancelled(
    ask: Asking, first: ScriptedUpstream
) -> None:
    heard = sys.modules["llms_plugin_of_records"].heard
    heard.clear()
    first.default = Reply(events({**HALF, "usage": USAGE}), Stall())
    with ask.stream() as response:
        next(response.iter_bytes())
    until(lambda: bool(heard))
    found = heard.pop()
    assert (found.status, found.truncated, found.cancelled, found.at_fault) == (
        499,
        True,
        True,
        "client",
    )
    assert found.tokens.output == 20


@pytest.mark.parametrize(
    ("members", "reply", "expected"),
    [
        ({"model": "unknown"}, None, (404, "client", "model_not_found")),
        ({"temperature": 3}, None, (400, "client", "invalid_value")),
        ({"model": "forbidden-m"}, None, (403, "policy", "forbidden")),
        ({}, error(500), (502, "provider", "all_providers_failed")),
        (
            {},
            error(400, code="content_policy_violation"),
            (400, "policy", "content_policy_violation"),
        ),
    ],
)
def test_who_is_at_fault_for_a_failure(
    record: Callable[..., Any],
    first: ScriptedUpstream,
    members: dict[str, Any],
    reply: Reply | None,
    expected: tuple[int, str, str],
) -> None:
    first.default = reply or first.default
    found = record(**members)
    assert (found.status, found.at_fault, found.error_code) == expected


def test_an_attempt_that_failed_names_who_is_at_fault(
    record: Callable[..., Any], first: ScriptedUpstream
) -> None:
    first.default = error(401)
    (attempt,) = record().attempts
    assert (attempt.kind, attempt.at_fault, attempt.chunks, attempt.stream_duration) == (
        "auth",
        "provider",
        0,
        None,
    )


def test_a_record_can_be_encoded(record: Callable[..., Any]) -> None:
    """As observers do that write it to a file."""
    found = record()
    assert msgspec.json.decode(msgspec.json.encode(found), type=RequestRecord) == found
