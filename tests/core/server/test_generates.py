"""Adapters that answer by themselves, in a running server: clients that leave, and a server that stops."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from llms_core.testing import Reply, ScriptedUpstream, Seen, Wait, error, json_body
from tests.core.server.conftest import NO_RETRIES, Wire, request_of, until

if TYPE_CHECKING:
    from tests.conftest import Gateway, Serve, ThreadGateway

PLUGIN = """
import asyncio

from llms_core import hookimpl
from llms_core.contracts.building import Chunks
from llms_core.provider import ProviderSpec, UpstreamRequest


class Jobs:
    def __init__(self, spec, settings):
        self.settings = settings

    async def send(self, http, action):
        key = self.settings.api_key.reveal()
        headers = {"x-jobs-key": key}
        request = UpstreamRequest(url=f"{self.settings.base_url}/{action}", headers=headers)
        return (await http.send(request)).json()

    async def generate(self, call, http):
        chunks = Chunks(call)
        await self.send(http, "create")
        try:
            if call.stream:
                yield chunks.text("begun")
            while True:
                state = (await self.send(http, "poll"))["state"]
                if state == "done":
                    break
                yield chunks.delta({}, content=False)
            yield chunks.text("Hello")
            yield chunks.finish("stop")
        except BaseException:
            await self.send(http, "cancel")
            raise


@hookimpl
def llms_providers():
    yield ProviderSpec(name="jobs", title="Jobs", adapter=Jobs)
"""

Plugin = Callable[[str], str]


@pytest.fixture
def gateway(served: Serve, upstream: ScriptedUpstream, plugin: Plugin) -> ThreadGateway:
    block = {
        "type": "jobs",
        "base_url": upstream.base_url,
        "api_key": "sk-marked-of-jobs",
        "models": ["m"],
    }
    return served({"providers": {"jobs": block}}, plugin(PLUGIN) + NO_RETRIES)


def running_job(upstream: ScriptedUpstream) -> threading.Event:
    """A job that runs until somebody cancels it, or the event is set; returned is the event."""
    done = threading.Event()

    def answer(seen: Seen) -> Reply:
        if seen.path.endswith("/cancel"):
            return json_body({})
        if seen.path.endswith("/poll"):
            return Reply(Wait(done), json_body({"state": "done"}))
        return json_body({})

    upstream.default = Reply(answer)
    return done


def paths(upstream: ScriptedUpstream) -> list[str]:
    return [seen.path.rpartition("/")[2] for seen in upstream.requests]


def ask(stream: bool) -> bytes:
    return request_of(
        {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
    )


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_the_job_of_a_client_that_leaves_is_cancelled(
    gateway: ThreadGateway,
    upstream: ScriptedUpstream,
    wire: Callable[[Gateway], Wire],
    stream: bool,
) -> None:
    """At once, also after its stream has begun: what is running costs money."""
    running_job(upstream)
    client = wire(gateway)
    client.send(ask(stream))
    upstream.wait_for_request(2)
    if stream:
        client.answer_begins()
    client.close()
    until(lambda: "cancel" in paths(upstream))
    upstream.requests[1].wait_closed()
    assert paths(upstream) == ["create", "poll", "cancel"]


def test_jobs_are_cancelled_before_the_server_stops(
    gateway: ThreadGateway, upstream: ScriptedUpstream, wire: Callable[[Gateway], Wire]
) -> None:
    running_job(upstream)
    client = wire(gateway)
    client.send(ask(stream=True))
    upstream.wait_for_request(2)
    client.answer_begins()
    gateway.stop()
    assert paths(upstream) == ["create", "poll", "cancel"]


def test_its_headers_are_those_of_any_answer(
    gateway: ThreadGateway, upstream: ScriptedUpstream, asking: Callable[[Gateway], Any]
) -> None:
    running_job(upstream).set()
    headers = asking(gateway).chat().headers
    assert headers["x-llms-provider"] == "jobs"
    assert headers["x-llms-attempts"] == "jobs;ok"


def test_an_error_that_repeats_its_key_is_masked(
    gateway: ThreadGateway, upstream: ScriptedUpstream, asking: Callable[[Gateway], Any]
) -> None:
    upstream.default = error(401, message="the key sk-marked-of-jobs is wrong")
    response = asking(gateway).chat()
    assert response.headers["x-llms-attempts"] == "jobs;error=auth;status=401"
    assert "the key *** is wrong" in response.text
