"""The server runs on machines without httptools, where the configuration selects httpx."""

from __future__ import annotations

import subprocess
import sys

WITHOUT_HTTPTOOLS = """
import sys

# None makes an import raise ImportError.
sys.modules["httptools"] = None
"""


def run_without_httptools(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_HTTPTOOLS + code],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_server_can_be_imported_without_httptools() -> None:
    completed = run_without_httptools("import llms_core.server.app")
    assert completed.returncode == 0, completed.stderr


def test_the_httpx_transport_can_be_created_without_httptools() -> None:
    completed = run_without_httptools("""
from llms_core.config.model import Upstream
from llms_core.upstream.engine import create_transport
create_transport(Upstream(engine="httpx"))
""")
    assert completed.returncode == 0, completed.stderr
