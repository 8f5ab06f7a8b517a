"""Plugins of third parties, one of each kind, installed into a fresh environment and used with OpenAI's client."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jwt
import openai
import pytest
from fresh_environment import Environment

from llms_core.testing import Reply, ScriptedUpstream, Seen, completion, error, json_body
from tests.conftest import ChildGateway

SAMPLES = sorted(
    path for path in (Path(__file__).parents[2] / "examples" / "plugins").iterdir() if path.is_dir()
)
JWT_SECRET = "0123456789-a-secret-of-the-tests-0123456789"

Start = Callable[..., ChildGateway]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment of its own, because an authenticator would change the others' tests."""
    environment = Environment.with_tools(tmp_path_factory)
    environment.install(*SAMPLES)
    return environment


@pytest.fixture
def start(samples: Environment, tmp_path: Path) -> Iterator[Start]:
    """Starts a gateway with some of the plugins: `start(config, "jwt", settings="…")`."""
    with ExitStack() as ended:

        def begin(
            config: Mapping[str, Any], *plugins: str, settings: str = "", **env: str
        ) -> ChildGateway:
            allowed = ["llms-core", "llms-providers", *plugins]
            toml = f"[plugins]\nallow = {allowed}\n[routing.retry]\nattempts = 0\n{settings}"
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(sys, "executable", samples.program("python"))
                patch.setattr(os, "environ", samples.environ())
                gateway = ChildGateway(tmp_path, config, toml, (), env)
            ended.callback(gateway.stop)
            gateway.wait_ready()
            return gateway

        yield begin


def client_of(gateway: ChildGateway, key: str = "none") -> openai.OpenAI:
    return openai.OpenAI(base_url=gateway.base_url, api_key=key, max_retries=0)


def ask(client: openai.OpenAI, text: str, model: str = "m", **members: Any) -> str:
    answer = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": text}], **members
    )
    return answer.choices[0].message.content or ""


def ask_streamed(client: openai.OpenAI, text: str, model: str = "m", **members: Any) -> list[str]:
    """The pieces of an answer."""
    question: Any = [{"role": "user", "content": text}]
    with client.chat.completions.create(
        model=model, messages=question, stream=True, **members
    ) as stream:
        return [choice.delta.content or "" for chunk in stream for choice in chunk.choices]


def block(upstream: ScriptedUpstream, **more: Any) -> dict[str, Any]:
    return {"type": "openai-compatible", "base_url": upstream.base_url, "models": ["m"], **more}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_each_is_short(sample: Path) -> None:
    for module in sample.glob("*.py"):
        assert len(module.read_text().splitlines()) < 120


@pytest.mark.slow
def test_they_are_typed_as_the_contract_demands(samples: Environment) -> None:
    modules = [path for sample in SAMPLES for path in sample.glob("*.py")]
    done = samples.run("mypy", "--strict", *modules)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("provider", ["whale", "replica", "bigram"])
def test_the_conformance_suite_gives_them_gold(
    samples: Environment, tmp_path: Path, provider: str
) -> None:
    """Adapters with `prepare` and with `generate`, whose endpoints the suite plays."""
    toml = tmp_path / "plugins.toml"
    toml.write_text(f"[plugins]\nallow = ['llms-core', 'llms-provider-{provider}']\n")
    done = samples.run("llms", "--plugins", toml, "conformance", provider)
    assert done.returncode == 0, done.stdout
    assert "level: gold" in done.stdout


@pytest.mark.slow
def test_a_jwt_authenticator(start: Start, upstream: ScriptedUpstream) -> None:
    """Lets in whoever has a token that is valid now; nobody else, and says why if it is only too old."""
    settings = "[plugin.jwt]\nsecret = '$JWT_SECRET'\naudience = 'llms'\nissuer = 'tests'\n"
    gateway = start(
        {"providers": {"first": block(upstream)}},
        "llms-plugin-jwt",
        settings=settings,
        JWT_SECRET=JWT_SECRET,
    )
    claims = {"sub": "alice", "aud": "llms", "iss": "tests", "exp": time.time() + 60}

    def refusal(secret: str = JWT_SECRET, **changes: Any) -> str | None:
        with client_of(gateway, jwt.encode({**claims, **changes}, secret, "HS256")) as client:
            try:
                ask(client, "Hello")
            except openai.AuthenticationError as error:
                return error.code
        return "none"

    assert refusal() == "none"
    assert refusal(exp=time.time() - 60) == "token_expired"
    assert (
        refusal(aud="others")
        == refusal(iss="others")
        == refusal(JWT_SECRET[::-1])
        == "unauthorized"
    )
    unsigned = jwt.encode(claims, "", "none")
    with client_of(gateway, unsigned) as client, pytest.raises(openai.AuthenticationError):
        ask(client, "Hello")
    assert len(upstream.requests) == 1
    assert JWT_SECRET not in gateway.log()


@pytest.mark.slow
def test_a_guard(start: Start, upstream: ScriptedUpstream) -> None:
    """Refuses prompts, and replaces words of answers, also in streams, which stay streams."""
    upstream.default = completion("You darn fool, that is darned odd")
    settings = "[plugin.polite]\nwords = ['darn', 'fool']\n"
    gateway = start(
        {"providers": {"first": block(upstream)}}, "llms-plugin-polite", settings=settings
    )
    with client_of(gateway) as client:
        with pytest.raises(openai.BadRequestError, match="Please be polite"):
            ask(client, "You FOOL")
        with pytest.raises(openai.BadRequestError, match="Please be polite"):
            ask_streamed(client, "You FOOL")
        assert not upstream.requests
        assert ask(client, "Hello") == "You *** ***, that is darned odd"
        pieces = ask_streamed(client, "Hello")
    assert "".join(pieces) == "You *** ***, that is darned odd"
    assert len(pieces) > 3


@pytest.mark.slow
def test_a_router_that_prefers_the_cheapest(start: Start, upstream: ScriptedUpstream) -> None:
    """Providers are tried by price, and a caller's limit is kept even if that leaves nobody."""
    upstream.default = completion("Hello")
    prices = {"dear": 9, "cheap": 1, "middle": 3}
    providers = {
        name: block(upstream, models={"m": {"id": name, "cost": {"input": price, "output": price}}})
        for name, price in prices.items()
    }
    keys = {name: f"key-of-the-{name}" for name in ("owner", "pupil")}
    lines = [
        f"{name} = 'sha256:{hashlib.sha256(key.encode()).hexdigest()}'"
        for name, key in keys.items()
    ]
    settings = "\n".join(["[server.keys]", *lines, "[plugin.cheapest.limits]", "pupil = 1.5"])
    gateway = start({"providers": providers}, "llms-plugin-cheapest", settings=settings)
    with client_of(gateway, keys["owner"]) as owner:
        ask(owner, "Hello")
        upstream.script(error(500), error(500))
        ask(owner, "Hello")
    assert [seen.json["model"] for seen in upstream.requests] == [
        "cheap",
        "cheap",
        "middle",
        "dear",
    ]
    with (
        client_of(gateway, keys["pupil"]) as pupil,
        pytest.raises(openai.PermissionDeniedError, match="cheapest"),
    ):
        ask(pupil, "Hello")
    assert len(upstream.requests) == 4


@pytest.mark.slow
def test_a_semantic_cache(start: Start, upstream: ScriptedUpstream) -> None:
    """Answers a similar question from memory, whole or streamed; a different one, and a broken answer, never."""
    gateway = start({"providers": {"first": block(upstream)}}, "llms-plugin-semantic-cache")
    with client_of(gateway) as client:
        upstream.default = completion("Paris")
        assert "".join(ask_streamed(client, "What is the capital of France?")) == "Paris"
        upstream.default = completion("Rome")
        assert ask(client, "what is the capital of France") == "Paris"
        assert (
            "".join(ask_streamed(client, "Which river flows through the capital of France?"))
            == "Rome"
        )
        assert ask(client, "What is the capital of Italy?") == "Rome"
        upstream.default = error(500)
        with pytest.raises(openai.InternalServerError):
            ask(client, "How high is the Eiffel tower?")
        upstream.default = completion("330 m")
        assert ask(client, "How high is the Eiffel tower?") == "330 m"
    assert len(upstream.requests) == 5


@pytest.mark.slow
def test_a_provider_with_tokens(start: Start, upstream: ScriptedUpstream) -> None:
    """The key is exchanged once, and again after the provider refused a token; neither is ever shown."""
    handed_out: list[str] = []
    accepted = {"whale-token-1"}

    def answer(seen: Seen) -> Reply:
        if seen.path == "/v1/identity/token":
            assert seen.body.endswith(b"apikey=whale-key")
            handed_out.append(f"whale-token-{len(handed_out) + 1}")
            return json_body({"access_token": handed_out[-1], "expires_in": 3600})
        token = seen.headers["authorization"].removeprefix("Bearer ")
        assert seen.path == "/v1/text/chat"
        assert seen.json["project_id"] == "p1"
        return (
            completion("Hello")
            if token in accepted
            else error(401, f"The token {token} is not valid")
        )

    upstream.default = Reply(answer)
    whale = {
        "base_url": upstream.base_url,
        "api_key": "$WHALE_API_KEY",
        "project_id": "p1",
        "token_url": f"{upstream.base_url}/identity/token",
        "models": ["m"],
    }
    gateway = start(
        {"providers": {"whale": whale}}, "llms-provider-whale", WHALE_API_KEY="whale-key"
    )
    with client_of(gateway) as client:
        assert ask(client, "Hello") == "Hello"
        assert "".join(ask_streamed(client, "Hello")) == "Hello"
        assert handed_out == ["whale-token-1"]
        accepted.clear()
        accepted.add("whale-token-2")
        assert ask(client, "Hello") == "Hello"
        assert handed_out == ["whale-token-1", "whale-token-2"]
        accepted.clear()
        with pytest.raises(openai.APIStatusError) as refused:
            ask(client, "Hello")
    shown = refused.value.response.text + gateway.log()
    assert "is not valid" in shown
    assert not [word for word in ("whale-key", *handed_out) if word in shown]


def replica_jobs(upstream: ScriptedUpstream, ends: dict[str, Any], after: int = 2) -> list[str]:
    """Run jobs that end like this after some questions. Returns the requests, as they come."""
    asked: list[str] = []
    urls = {
        "get": f"{upstream.base_url}/predictions/1",
        "cancel": f"{upstream.base_url}/predictions/1/cancel",
    }

    def answer(seen: Seen) -> Reply:
        asked.append(f"{seen.method} {seen.path}")
        state = ends if asked.count("GET /v1/predictions/1") >= after else {"status": "processing"}
        return json_body({"urls": urls, **state})

    upstream.default = Reply(answer)
    return asked


@pytest.mark.slow
def test_a_provider_with_jobs(start: Start, upstream: ScriptedUpstream) -> None:
    """A job is created and asked for until it is done, for clients that want a stream too; one that fails is not."""
    replica = {
        "base_url": upstream.base_url,
        "api_key": "$REPLICA_API_TOKEN",
        "models": ["m"],
        "poll": 0.01,
    }
    gateway = start(
        {"providers": {"replica": replica}},
        "llms-provider-replica",
        REPLICA_API_TOKEN="replica-key",
    )
    done = {
        "status": "succeeded",
        "output": ["Hel", "lo"],
        "metrics": {"input_token_count": 3, "output_token_count": 2},
    }
    with client_of(gateway) as client:
        asked = replica_jobs(upstream, done)
        answer = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Hi"}]
        )
        assert answer.choices[0].message.content == "Hello"
        assert answer.usage is not None
        assert answer.usage.total_tokens == 5
        assert asked == [
            "POST /v1/models/m/predictions",
            "GET /v1/predictions/1",
            "GET /v1/predictions/1",
        ]
        replica_jobs(upstream, done)
        assert "".join(ask_streamed(client, "Hi")) == "Hello"
        replica_jobs(upstream, {"status": "failed", "error": "out of memory"})
        with pytest.raises(openai.InternalServerError) as failed:
            ask(client, "Hi")
    assert "out of memory" in failed.value.response.json()["attempts"][0]["message"]


@pytest.mark.slow
def test_a_job_is_cancelled_when_its_client_leaves(
    start: Start, upstream: ScriptedUpstream
) -> None:
    replica = {"base_url": upstream.base_url, "models": ["m"], "poll": 0.01}
    gateway = start(
        {"providers": {"replica": {**replica, "api_key": "replica-key"}}}, "llms-provider-replica"
    )
    replica_jobs(upstream, {}, after=10**6)
    with client_of(gateway) as client, pytest.raises(openai.APITimeoutError):
        ask(client, "Hi", timeout=0.5)
    number = 1
    while upstream.wait_for_request(number).path != "/v1/predictions/1/cancel":
        number += 1


@pytest.mark.slow
def test_a_model_in_the_gateways_process(start: Start) -> None:
    """Whole and streamed answers are the same for the same seed; usage and the end are reported."""
    gateway = start({"providers": {"bigram": {}}}, "llms-provider-bigram")
    with client_of(gateway) as client:
        whole = client.chat.completions.create(
            model="bigram", messages=[{"role": "user", "content": "Tell me more"}], seed=1
        )
        text = whole.choices[0].message.content or ""
        assert text.endswith(".")
        assert whole.choices[0].finish_reason == "stop"
        assert whole.usage is not None
        assert whole.usage.prompt_tokens == 3
        pieces = ask_streamed(client, "Tell me more", "bigram", seed=1)
        assert "".join(pieces) == text
        assert len([piece for piece in pieces if piece]) == whole.usage.completion_tokens
        short = client.chat.completions.create(
            model="bigram", messages=[{"role": "user", "content": "x"}], max_tokens=1
        )
        assert short.choices[0].finish_reason == "length"
