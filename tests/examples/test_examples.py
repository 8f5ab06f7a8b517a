"""The examples. Those of plugins and agents are run by tests/plugin/test_samples.py and tests/agents."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import openai
import pytest

from llms_core.testing import ScriptedUpstream, completion
from tests.conftest import ChildGateway

EXAMPLES = Path(__file__).parents[2] / "examples"
STARTED_BY = 30


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def failover(folder: Path, failure: str, commit: str = "content") -> Iterator[openai.OpenAI]:
    """The example in a folder, on ports that are free."""
    shutil.copytree(EXAMPLES / "failover", folder)
    ports = {"9001": str(free_port()), "9002": str(free_port())}
    for path in (folder / "providers.py", folder / "llms.json"):
        text = path.read_text("utf-8")
        for port, free in ports.items():
            text = text.replace(port, free)
        path.write_text(text, "utf-8")
    plugins = (folder / "plugins.toml").read_text("utf-8").replace('"content"', f'"{commit}"')
    with ExitStack() as ended:
        providers = subprocess.Popen(
            [sys.executable, folder / "providers.py", failure], stderr=subprocess.DEVNULL
        )
        ended.callback(providers.wait)
        ended.callback(providers.kill)
        gateway = ChildGateway(
            folder, json.loads((folder / "llms.json").read_text("utf-8")), plugins, (), {}
        )
        ended.callback(gateway.stop)
        gateway.wait_ready()
        for port in ports.values():
            wait_for(int(port))
        yield ended.enter_context(
            openai.OpenAI(base_url=gateway.base_url, api_key="none", max_retries=0)
        )


def wait_for(port: int) -> None:
    for _ in range(STARTED_BY * 10):
        with socket.socket() as client:
            client.settimeout(STARTED_BY)
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        # The process is still importing.
        subprocess.run([sys.executable, "-c", ""], check=True)
    pytest.fail(f"nothing listens on port {port}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("failure", "kind"), [("unavailable", "overloaded"), ("silent", "timeout")]
)
def test_the_second_provider_answers_in_place_of_the_first(
    tmp_path: Path, failure: str, kind: str
) -> None:
    with failover(tmp_path / "example", failure) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="demo", messages=[{"role": "user", "content": "Hello!"}]
        )
    assert raw.parse().choices[0].message.content == "Hello from second!"
    assert raw.headers["x-llms-provider"] == "second"
    assert raw.headers["x-llms-attempts"].startswith(f"first;error={kind}")


@pytest.mark.slow
def test_a_stream_that_is_cut_ends_with_an_error(tmp_path: Path) -> None:
    with failover(tmp_path / "example", "cut") as client:
        stream = client.chat.completions.create(
            model="demo", messages=[{"role": "user", "content": "Hello!"}], stream=True
        )
        with pytest.raises(openai.APIError):
            list(stream)


@pytest.mark.slow
def test_a_stream_that_is_held_back_comes_from_the_second_provider(tmp_path: Path) -> None:
    with failover(tmp_path / "example", "cut", commit="whole") as client:
        stream = client.chat.completions.create(
            model="demo", messages=[{"role": "user", "content": "Hello!"}], stream=True
        )
        text = "".join([choice.delta.content or "" for chunk in stream for choice in chunk.choices])
    assert text.strip() == "Hello from second!"


@pytest.mark.slow
def test_a_plugin_in_one_file(tmp_path: Path, upstream: ScriptedUpstream) -> None:
    folder = tmp_path / "example"
    shutil.copytree(EXAMPLES / "one-file-plugin", folder)
    upstream.default = completion("Hello!")
    plugins = (folder / "plugins.toml").read_text("utf-8")
    config = json.loads((folder / "llms.json").read_text("utf-8"))
    gateway = ChildGateway(folder, config, plugins, (), {"ACME_BASE_URL": upstream.base_url})
    try:
        gateway.wait_ready()
        with openai.OpenAI(base_url=gateway.base_url, api_key="none", max_retries=0) as client:
            answer = client.chat.completions.create(
                model="demo", messages=[{"role": "user", "content": "Hello!"}]
            )
    finally:
        gateway.stop()
    assert answer.choices[0].message.content == "Hello!"
    assert "demo by acme in" in gateway.log()
