"""A third party's provider, installed from its own project, behind a real gateway, used with OpenAI's client."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import openai
import pytest
from fresh_environment import Environment, Running
from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionMessageParam

from llms_core.testing import ScriptedUpstream
from tests.conftest import MARK, ChildGateway
from tests.core.server.conftest import until
from tests.plugin.acme_server import KEY, AcmeServer

PROJECT = Path(__file__).parent / "acme"
WEATHER: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
NO_RETRIES = "[routing.retry]\nattempts = 0\n[routing.breaker]\nfailures = 100\n"


@pytest.fixture(scope="module")
def project(environment: Environment) -> Path:
    """A copy of the project, installed. The project's own tests write files into it."""
    copy = environment.home / "acme"
    shutil.copytree(PROJECT, copy)
    environment.install(copy)
    return copy


@pytest.fixture(scope="module")
def conformance(environment: Environment, project: Path) -> Iterator[Running]:
    """The project's own tests, running concurrently with these."""
    running = environment.start("pytest", "-q", "--llms-json=conformance.json", cwd=project)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def acme() -> Iterator[AcmeServer]:
    with AcmeServer() as server:
        yield server


@pytest.fixture(scope="module")
def second() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        yield server


def config(acme: AcmeServer, second: ScriptedUpstream, **more: object) -> dict[str, Any]:
    """An llms.json with Acme first; a second provider has one of its models, too."""
    own = {
        "base_url": acme.base_url,
        "api_key": KEY,
        "team": "tests",
        "models": {"m": "acme-1", "alone": "acme-2"},
        **more,
    }
    other = {"base_url": second.base_url, "api_key": f"{MARK}second", "models": ["m"]}
    jobs = {"base_url": acme.base_url, "api_key": KEY, "pause": 0.01, "models": ["job"]}
    return {
        "providers": {
            "acme": own,
            "acme-jobs": jobs,
            "second": {"type": "openai-compatible", **other},
        }
    }


@contextmanager
def serving(
    environment: Environment, folder: Path, config: dict[str, Any]
) -> Iterator[ChildGateway]:
    """A gateway of the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", environment.program("python"))
        patch.setattr(os, "environ", environment.environ())
        gateway = ChildGateway(folder, config, NO_RETRIES, (), {})
    try:
        gateway.wait_ready()
        yield gateway
    finally:
        gateway.stop()


@pytest.fixture(scope="module")
def gateway(
    environment: Environment,
    project: Path,
    acme: AcmeServer,
    second: ScriptedUpstream,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ChildGateway]:
    with serving(environment, tmp_path_factory.mktemp("acme"), config(acme, second)) as gateway:
        yield gateway


@pytest.fixture
def client(gateway: ChildGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.base_url, api_key="none", max_retries=0) as client:
        yield client


def listed(environment: Environment) -> dict[str, dict[str, Any]]:
    done = environment.run("llms", "plugins", "--json")
    return {plugin["name"]: plugin for plugin in json.loads(done.stdout)}


def user_says(text: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


@pytest.mark.usefixtures("conformance")
def test_it_is_listed_with_its_distribution(environment: Environment) -> None:
    found = listed(environment)
    assert found["acme"]["distribution"] == "llms-provider-acme"
    assert found["acme"]["version"] == "1.2.3"
    assert found["acme"]["state"] == "ok"
    assert found["acme"]["provides"] == ["acme"]
    assert found["acme-jobs"]["provides"] == ["acme-jobs"]
    assert found["ollama"]["state"] == "ok"


def test_text(client: openai.OpenAI, acme: AcmeServer) -> None:
    """Parameters are sent under Acme's names; those that Acme does not have are reported as dropped."""
    answer = client.chat.completions.with_raw_response.create(
        model="m",
        messages=user_says("Grüße, Welt! 🌍"),
        temperature=0.5,
        max_tokens=99,
        logit_bias={"1": 1},
    )
    completion = answer.parse()
    assert completion.choices[0].message.content == "Grüße, Welt! 🌍"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.model == "m"
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.total_tokens) == (9, 16)
    assert answer.headers["x-llms-provider"] == "acme"
    assert answer.headers["x-llms-dropped-params"] == "logit_bias"
    sent = acme.requests[-1]
    assert (sent["model"], sent["heat"], sent["limit"], sent["live"]) == ("acme-1", 0.5, 99, False)
    assert acme.teams[-1] == "tests"


def test_a_stream(client: openai.OpenAI) -> None:
    with client.chat.completions.create(
        model="m",
        messages=user_says("one two three"),
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        chunks = list(stream)
    pieces = [
        chunk.choices[0].delta.content
        for chunk in chunks
        if chunk.choices and chunk.choices[0].delta.content
    ]
    assert pieces == ["one", " two", " three"]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 16


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "a stream"])
def test_tools(client: openai.OpenAI, acme: AcmeServer, stream: bool) -> None:
    """A whole loop: the call, its result, and the final answer."""
    messages = user_says("What is the weather?")
    if stream:
        with client.chat.completions.stream(
            model="m", messages=messages, tools=[WEATHER]
        ) as opened:
            message = opened.get_final_completion().choices[0].message
    else:
        message = cast(
            "Any",
            client.chat.completions.create(model="m", messages=messages, tools=[WEATHER])
            .choices[0]
            .message,
        )
    assert message.tool_calls is not None
    (call,) = message.tool_calls
    assert call.id == "c-1"
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Paris"}
    assistant = cast(
        "ChatCompletionMessageParam", message.model_dump(exclude_none=True, exclude={"parsed"})
    )
    messages += [assistant, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    answer = client.chat.completions.create(model="m", messages=messages, tools=[WEATHER])
    assert answer.choices[0].message.content == "Result of c-1: sunny"
    assert acme.requests[-1]["lines"][1]["calls"] == [
        {"ref": "c-1", "tool": "get_weather", "with": {"city": "Paris"}}
    ]


def test_errors(client: openai.OpenAI) -> None:
    """Only Acme has this model, so its errors reach the client."""
    with pytest.raises(openai.BadRequestError, match="The heat must not exceed 2") as refused:
        client.chat.completions.create(model="alone", messages=user_says("hot"))
    assert refused.value.code == "too_hot"
    with pytest.raises(openai.RateLimitError) as limited:
        client.chat.completions.create(model="alone", messages=user_says("rate"))
    assert limited.value.response.headers["retry-after"] == "7"
    with pytest.raises(openai.InternalServerError) as failed:
        client.chat.completions.create(model="alone", messages=user_says("fail"))
    assert "acme;error=overloaded" in failed.value.response.headers["x-llms-attempts"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "a stream"])
def test_failover(client: openai.OpenAI, second: ScriptedUpstream, stream: bool) -> None:
    """The client gets the second provider's answer; a header lists the attempt at Acme."""
    answer = client.chat.completions.with_raw_response.create(
        model="m", messages=user_says("fail"), stream=stream
    )
    assert answer.headers["x-llms-provider"] == "second"
    assert "acme;error=overloaded" in answer.headers["x-llms-attempts"]
    parsed: Any = answer.parse()
    if stream:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in parsed if chunk.choices)
    else:
        text = parsed.choices[0].message.content
    assert text
    assert second.requests[-1].json["messages"] == [{"role": "user", "content": "fail"}]


def test_a_stream_that_fails(client: openai.OpenAI) -> None:
    """After the first words no other provider is tried, and the client gets an error event."""
    with client.chat.completions.create(
        model="m", messages=user_says("break off"), stream=True
    ) as stream:
        assert next(iter(stream)).choices[0].delta.content == "break"
        with pytest.raises(openai.APIError, match="The machine is jammed"):
            list(stream)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "a stream"])
def test_a_job(client: openai.OpenAI, acme: AcmeServer, stream: bool) -> None:
    """One ticket serves all of them. A stream is the whole answer."""
    answer: Any = client.chat.completions.create(
        model="job", messages=user_says("one two three"), stream=stream
    )
    if stream:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices)
    else:
        text = answer.choices[0].message.content
        assert answer.usage.total_tokens == 16
    assert text == "one two three"
    assert acme.requests[-1]["live"] is False
    assert len(acme.tickets) == 1


def test_a_job_whose_ticket_is_not_valid_any_more(client: openai.OpenAI, acme: AcmeServer) -> None:
    """Another one is bought, and the client notices nothing."""
    client.chat.completions.create(model="job", messages=user_says("Hello!"))
    acme.tickets.append("acme-ticket-of-somebody-else")
    answer = client.chat.completions.with_raw_response.create(
        model="job", messages=user_says("Hello!")
    )
    assert answer.headers["x-llms-attempts"] == "acme-jobs;error=auth;status=401, acme-jobs;ok"


def test_the_job_of_a_client_that_leaves_is_stopped(
    client: openai.OpenAI, acme: AcmeServer
) -> None:
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.5).chat.completions.create(
            model="job", messages=user_says("for ever")
        )
    until(lambda: all(job["body"]["lines"][-1]["say"] != "for ever" for job in acme.jobs.values()))


def test_its_own_tests_pass_at_level_gold(conformance: Running, project: Path) -> None:
    done = conformance.wait()
    assert done.returncode == 0, done.stdout
    results = json.loads((project / "conformance.json").read_text())
    assert [result["provider"] for result in results] == ["acme", "acme-jobs"]
    for result in results:
        assert (result["distribution"], result["version"]) == ("llms-provider-acme", "1.2.3")
        assert result["level"] == "gold"
        assert result["xfailed"] == []


def test_uninstalling_it_does_not_affect_other_providers(
    environment: Environment,
    project: Path,
    conformance: Running,
    acme: AcmeServer,
    second: ScriptedUpstream,
    tmp_path: Path,
) -> None:
    """Its block in llms.json becomes an error, and after the block is disabled the others answer."""
    conformance.wait()
    environment.uninstall("llms-provider-acme")
    try:
        assert {"acme", "acme-jobs"}.isdisjoint(listed(environment))
        (tmp_path / "llms.json").write_text(json.dumps(config(acme, second)))
        checked = environment.run("llms", "config", "check", "--config", tmp_path / "llms.json")
        assert checked.returncode == 2
        assert (
            "providers.acme: `type` is missing, and no known provider has the name of this block"
            in checked.stderr
        )
        without_acme = config(acme, second, enabled=False)
        del without_acme["providers"]["acme-jobs"]
        with (
            serving(environment, tmp_path, without_acme) as gateway,
            openai.OpenAI(base_url=gateway.base_url, api_key="none", max_retries=0) as client,
        ):
            answer = client.chat.completions.with_raw_response.create(
                model="m", messages=user_says("Hello!")
            )
            assert answer.headers["x-llms-provider"] == "second"
            with pytest.raises(openai.NotFoundError):
                client.chat.completions.create(model="alone", messages=user_says("Hello!"))
    finally:
        environment.install(project)
