"""A call that a provider takes in several requests only: order, limits and failures of its parts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from llms_core.routing.parts import CONCURRENT_REQUESTS
from llms_core.testing import (
    Reply,
    ScriptedUpstream,
    Seen,
    Stall,
    Wait,
    embeddings,
    error,
    vector_of,
)
from tests.conftest import ThreadGateway

PLUGIN = """
from llms_core import hookimpl
from llms_core.contracts.embeddings import EmbeddingRules
from llms_core.openai_compatible import OpenAICompatible
from llms_core.provider import ProviderSpec


class Odd(OpenAICompatible):
    def embed_request(self, call):
        request = super().embed_request(call)
        if "exit" in call.inputs:
            raise SystemExit("because")
        if "two" in call.inputs:
            request.dropped = ("second",)
        return request

    def embeddings(self, call, body):
        if "break" in call.inputs:
            raise SystemExit("because")
        return super().embeddings(call, body)


@hookimpl
def llms_providers():
    rules = EmbeddingRules(max_inputs=1)
    yield ProviderSpec(name="odd", title="Odd", adapter=Odd, paths={"embeddings": "/embeddings"}, embeddings=rules)
"""

Embed = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def pair(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[ThreadGateway, ScriptedUpstream]]:
    folder: Path = tmp_path_factory.mktemp("parts")
    (folder / "odd.py").write_text(PLUGIN, "utf-8")
    plugins = f"""
[plugins]
load = ['{folder / "odd.py"}']
[routing.retry]
attempts = 0
[routing.breaker]
failures = 1000
[timeouts.provider.hasty]
total = 0.4
"""
    with ScriptedUpstream() as upstream, pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMS_HOME", str(folder))
        block = {"type": "odd", "base_url": upstream.base_url, "api_key": "k"}
        providers = {"odd": {**block, "models": ["m"]}, "hasty": {**block, "models": ["quick"]}}
        gateway = ThreadGateway(folder, {"providers": providers}, plugins)
        gateway.wait_ready()
        yield gateway, upstream
        gateway.close()


@pytest.fixture
def upstream(pair: tuple[ThreadGateway, ScriptedUpstream]) -> ScriptedUpstream:
    pair[1].requests.clear()
    pair[1].default = embeddings()
    return pair[1]


@pytest.fixture
def embed(pair: tuple[ThreadGateway, ScriptedUpstream], upstream: ScriptedUpstream) -> Embed:
    def post(texts: list[str], model: str = "m") -> httpx.Response:
        body = {"model": model, "input": texts}
        return httpx.post(f"{pair[0].base_url}/embeddings", json=body, timeout=20, trust_env=False)

    return post


def vectors(response: httpx.Response) -> list[Any]:
    assert response.status_code == 200, response.text
    return [each["embedding"] for each in response.json()["data"]]


def test_parts_that_end_in_another_order_are_put_in_theirs(
    embed: Embed, upstream: ScriptedUpstream
) -> None:
    last_is_answered = threading.Event()

    def answer(seen: Seen) -> Reply:
        if seen.json["input"] == ["first"]:
            return Reply(Wait(last_is_answered), embeddings())
        if seen.json["input"] == ["last"]:
            last_is_answered.set()
        return embeddings()

    upstream.default = Reply(answer)
    texts = ["first", *(f"text {number}" for number in range(CONCURRENT_REQUESTS * 2)), "last"]
    assert vectors(embed(texts)) == [vector_of(text) for text in texts]


def test_the_time_limit_is_for_all_parts_together(embed: Embed, upstream: ScriptedUpstream) -> None:
    """Each part alone would be in time, or never."""
    upstream.default = Reply(
        lambda seen: Reply(Stall()) if seen.json["input"] == ["stall"] else embeddings()
    )
    response = embed(["one", "two", "stall", "four"], "quick")
    assert response.status_code == 504
    assert response.headers["x-llms-attempts"] == "hasty;error=timeout"
    for seen in upstream.requests:
        if seen.json["input"] == ["stall"]:
            seen.wait_closed()


def test_the_first_failure_ends_the_others(embed: Embed, upstream: ScriptedUpstream) -> None:
    upstream.default = Reply(
        lambda seen: error(401) if seen.json["input"] == ["bad"] else Reply(Stall())
    )
    response = embed(["one", "bad", "three"])
    assert response.headers["x-llms-attempts"] == "odd;error=auth;status=401"
    for seen in list(upstream.requests):
        if seen.json["input"] != ["bad"]:
            seen.wait_closed()


def test_what_any_part_drops_is_reported_once(embed: Embed) -> None:
    assert embed(["one", "two", "three", "two"]).headers["x-llms-dropped-params"] == "second"


@pytest.mark.parametrize("word", ["exit", "break"])
def test_an_adapter_that_exits_fails_the_attempt_and_not_the_server(
    embed: Embed, word: str
) -> None:
    response = embed(["one", word, "three"])
    assert response.status_code == 502
    assert response.headers["x-llms-attempts"] == "odd;error=bad_response"
    assert embed(["one", "three"]).status_code == 200


def test_many_vectors_are_all_written(embed: Embed) -> None:
    texts = [f"text {number}" for number in range(150)]
    assert vectors(embed(texts)) == [vector_of(text) for text in texts]
