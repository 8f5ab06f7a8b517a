"""A gateway in front of a scripted model, for clients that run tools; and the clients that npm installs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from once import once
from weather_model import CITIES, PROTOCOLS, SIGNATURE

from llms_core.testing import Reply, Reset, ScriptedUpstream, events
from tests.core.server.conftest import chunk

if TYPE_CHECKING:
    from tests.conftest import Gateway, Serve

WeatherGateway = Callable[..., "Gateway"]

SIGNED = ("anthropic", "gemini")
"""Protocols whose answers have a signature, even if a client of the Responses API does not ask for it."""


@pytest.fixture
def weather_gateway(upstream: ScriptedUpstream, served: Serve) -> WeatherGateway:
    """Serve a model that asks for the weather, by default as `some-model`, from a provider with one of `PROTOCOLS`."""

    def serve(
        protocol: str = "chat", plugins: str = "", names: Iterable[str] = ("some-model",)
    ) -> Gateway:
        return served(
            {"providers": {"first": PROTOCOLS[protocol].provider(upstream, *names)}}, plugins
        )

    return serve


def cut_stream() -> Reply:
    """A provider's stream that breaks after some of the text."""
    begun = events(chunk({"role": "assistant", "content": "Sun"}), chunk({"content": "ny"}))
    return Reply(begun, Reset())


def assert_results_arrived(body: Any, *, is_signed: bool) -> None:
    """Assert that a request has the results of both calls, and what has to come back with them."""
    text = json.dumps(body)
    assert "sunny" in text
    assert "rainy" in text
    assert all(city in text for city in CITIES)
    assert (SIGNATURE in text) is is_signed


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the clients installed; required in CI, optional on machines without node or network."""
    npm = shutil.which("npm")
    if shutil.which("node") is None or npm is None:
        pytest.skip("there is no node with npm on this machine")
    options = [
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--loglevel=error",
        "--fetch-retries=1",
    ]
    command = [npm, "install", *options, "openai@>=6", "@anthropic-ai/sdk@>=1"]

    def install(folder: Path) -> None:
        (folder / "package.json").write_text('{"private": true, "type": "module"}')
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)
        if done.returncode:
            (folder / "failure.txt").write_text(done.stderr)

    folder = once(tmp_path_factory, "node", install)
    failure = folder / "failure.txt"
    if failure.exists():
        assert not os.environ.get("CI"), failure.read_text()
        pytest.skip(f"npm could not install the clients: {failure.read_text()}")
    return folder


def node(project: Path, program: str, gateway: Gateway) -> str:
    """Return what the program prints. It gets the base URL for OpenAI's clients, and that for Anthropic's."""
    command = ["node", "--input-type=module", "-", gateway.base_url, gateway.origin]
    done = subprocess.run(
        command, cwd=project, input=program, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
