"""A running gateway for the tests of plugins.

    with ScriptedUpstream() as upstream, serve({"providers": {…}}, "[plugins]\\nload = […]") as gateway:
        httpx.post(f"{gateway.base_url}/chat/completions", json=…)

It is the real server, in a thread of this process, so that a debugger and the plugin's own objects are at hand.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from unittest import mock

import uvicorn
import uvicorn.server

from llms_core.config import places
from llms_core.server.app import create_app
from llms_core.testing.subject import plain_environment

_TIMEOUT = 20.0  # seconds, for the start and for the end


class LocalServer:
    """A server of this machine."""

    def __init__(self, port: int):
        self.port = port

    @property
    def origin(self) -> str:
        """The address of the server, such as `http://127.0.0.1:4321`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """What OpenAI's clients call the base URL."""
        return f"{self.origin}/v1"


class Served(LocalServer):
    """A running gateway."""

    def __init__(self, port: int, log: io.StringIO):
        super().__init__(port)
        self._log = log

    @property
    def log(self) -> str:
        """Everything that the gateway and its plugins have logged so far."""
        return self._log.getvalue()


@contextmanager
def serve(
    llms_json: Mapping[str, Any], plugins_toml: str = "", *, env: Mapping[str, str] | None = None
) -> Iterator[Served]:
    """Serve until the block ends, with these contents of the two files.

    Installed plugins are loaded, as always. The environment is hidden from the gateway, except for the variables in
    `env`, so that a key of this machine is never sent, and the result is the same everywhere. What it keeps, such as
    its ledger, ends with it.
    Raises ConfigError for files that the gateway refuses, and AssertionError if it does not answer `/health`.
    """
    with ExitStack() as stack:
        stack.enter_context(quick_uvicorn())
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="llms-test-")))
        log = stack.enter_context(_captured_log())
        (folder / "llms.json").write_text(json.dumps(llms_json), "utf-8")
        (folder / "plugins.toml").write_text(plugins_toml, "utf-8")
        # What the gateway keeps must not be among what the user's own gateway keeps. This applies until the end,
        # because the gateway looks for its folder whenever it needs it.
        own = {"LLMS_HOME": str(folder), "LLMS_CACHE": str(places.cache(os.environ))}
        stack.enter_context(mock.patch.dict(os.environ, own))
        with plain_environment(), mock.patch.dict(os.environ, {**own, **(env or {})}):
            served = Served(_start(folder, stack, log), log)
        yield served


@contextmanager
def quick_uvicorn() -> Iterator[None]:
    """Let uvicorn notice at once that it has to stop.

    It looks ten times a second, and sleeps as long again before it closes; the conformance suite stops many servers.
    """

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.005))

    with mock.patch.object(
        uvicorn.server, "asyncio", SimpleNamespace(**{**vars(asyncio), "sleep": sleep})
    ):
        yield


def _start(folder: Path, stack: ExitStack, log: io.StringIO) -> int:
    """Start the server, which ends with `stack`, and return its port."""
    app = create_app(folder / "llms.json", folder / "plugins.toml")
    listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=512))
    port: int = listening.getsockname()[1]
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=_run, args=(server, listening), name="llms-test", daemon=True)
    thread.start()
    # Callbacks run in reverse order: first tell the server to stop, then wait for its thread.
    stack.callback(thread.join, _TIMEOUT)
    stack.callback(setattr, server, "should_exit", True)
    try:
        status = _health(port)
    except (OSError, HTTPException) as error:
        raise AssertionError(
            f"the gateway does not answer GET /health: {error}\n{log.getvalue()}"
        ) from error
    assert status == 200, f"GET /health returned status {status}:\n{log.getvalue()}"
    return port


def _health(port: int) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)
    try:
        connection.request("GET", "/health", headers={"connection": "close"})
        return connection.getresponse().status
    finally:
        connection.close()


def _run(server: uvicorn.Server, listening: socket.socket) -> None:
    # uvicorn raises SystemExit if the app does not start; the request to /health notices that.
    with suppress(SystemExit):
        server.run(sockets=[listening])


@contextmanager
def _captured_log() -> Iterator[io.StringIO]:
    """Capture what is logged, at every level."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield text
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
