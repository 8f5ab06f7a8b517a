"""`llms serve` and `llms --serve PORT` start a gateway."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # real processes


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def healthy(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/v1/models")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve", "--port", "{port}", "--config", "{config}"],
        ["--serve", "{port}", "--config", "{config}"],
        ["--config", "{config}", "--serve", "{port}", "--verbose"],
    ],
)
def test_the_gateway_is_started(tmp_path: Path, arguments: list[str]) -> None:
    """SR-080, SR-081, SR-082: both forms of the command."""
    port = free_port()
    config = tmp_path / "other.json"
    config.write_text(
        json.dumps(
            {"providers": {"a": {"type": "OpenAiProvider", "base_url": "http://localhost:1"}}}
        )
    )
    command = [part.format(port=port, config=config) for part in arguments]
    environment = {**os.environ, "HOME": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-m", "llms_core", *command], cwd=tmp_path, env=environment
    ) as process:
        try:
            for _ in range(600):
                if healthy(port):
                    break
                with suppress(subprocess.TimeoutExpired):
                    pytest.fail(f"the process exited with {process.wait(0.05)}")
            else:
                pytest.fail("the gateway did not answer")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
