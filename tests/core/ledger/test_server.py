"""The ledger of a running server: on by default, whole when the server stops, and no reason for a request to fail."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from llms_core.errors import ConfigError
from llms_core.testing import ScriptedUpstream

if TYPE_CHECKING:
    from tests.conftest import Serve, ThreadGateway

HELLO = [{"role": "user", "content": "Hello!"}]
Start = Callable[..., "ThreadGateway"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The user's folder, as `served` has it."""
    return tmp_path


@pytest.fixture
def start(upstream: ScriptedUpstream, served: Serve) -> Start:
    """Starts a server with one provider, whose model costs $1 and $2 per million tokens."""
    block: dict[str, Any] = {
        "type": "openai-compatible",
        "base_url": upstream.base_url,
        "api_key": "k",
    }
    block |= {"models": ["m"], "default_pricing": {"input": 1, "output": 2}}
    return lambda toml="": served({"providers": {"first": block}}, toml)


def ask(gateway: ThreadGateway, **members: object) -> int:
    body = {"model": "m", "messages": HELLO, **members}
    return httpx.post(
        f"{gateway.origin}/v1/chat/completions", json=body, timeout=20, trust_env=False
    ).status_code


def status_of(gateway: ThreadGateway) -> dict[str, Any]:
    ready = httpx.get(f"{gateway.origin}/ready", timeout=20, trust_env=False).json()
    found: dict[str, Any] = ready["plugins"]["ledger"]
    return found


def rows(home: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(home / "ledger.sqlite3")) as connection:
        return connection.execute(statement).fetchall()


def test_it_is_on_by_default_and_whole_when_the_server_stops(start: Start, home: Path) -> None:
    gateway = start()
    assert [ask(gateway), ask(gateway, stream=True), ask(gateway, model="unknown")] == [
        200,
        200,
        404,
    ]
    assert status_of(gateway)["status"]["lost"] == 0
    gateway.close()
    found = rows(
        home, "SELECT status, model, provider, input IS NULL FROM requests ORDER BY started"
    )
    assert found == [(200, "m", "first", 0), (200, "m", "first", 0), (404, "unknown", None, 1)]
    assert rows(home, "SELECT COUNT(*) FROM attempts") == [(2,)]


def test_no_text_of_a_request_or_an_answer_is_kept(start: Start, home: Path) -> None:
    gateway = start()
    ask(gateway, messages=[{"role": "user", "content": "a secret of mine"}])
    gateway.close()
    for path in home.rglob("*"):
        if path.is_file():
            assert b"secret of mine" not in path.read_bytes()
            assert b"Hello!" not in path.read_bytes()


def test_texts_are_kept_if_the_settings_say_so(start: Start, home: Path) -> None:
    """[ledger] content; up to a length."""
    gateway = start("[ledger]\ncontent = true\nmax_content = 400\n")
    ask(gateway, messages=[{"role": "user", "content": "a question of mine"}])
    ask(gateway, stream=True)
    ask(gateway, messages=[{"role": "user", "content": "x" * 5000}])
    gateway.close()
    found = rows(home, "SELECT request, answer FROM contents ORDER BY started")
    assert len(found) == 3
    assert "a question of mine" in found[0][0]
    assert all("Hello" in answer for _, answer in found)
    assert len(found[2][0]) == 400


def test_it_can_be_switched_off(start: Start, home: Path) -> None:
    gateway = start("[ledger]\nenabled = false\n")
    assert ask(gateway) == 200
    found = status_of(gateway)
    assert (found["state"], found["reason"]) == ("disabled", "[ledger] enabled is false")
    gateway.close()
    assert not (home / "ledger.sqlite3").exists()


@pytest.mark.parametrize(
    ("toml", "reason"),
    [
        ("[ledger]\nurl = 'postgresql://me:secret@db/llms'\n", "it contains a password"),
        ("[ledger]\nurl = 'mysql://db/llms'\n", "SQLite or PostgreSQL"),
        ("[ledger]\nretentoin = 5\n", r"did you mean 'retention'\?"),
        ("[ledger]\nretention = 0\n", "ledger.retention"),
    ],
)
def test_invalid_settings_stop_the_start_and_name_the_member(
    start: Start, toml: str, reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        start(toml)


def test_a_database_that_is_not_there_fails_no_request_and_is_reported(start: Start) -> None:
    gateway = start("[ledger]\nurl = 'postgresql://nobody@127.0.0.1:1/none'\n")
    assert [ask(gateway) for _ in range(3)] == [200] * 3
    gateway.close()
    assert "the ledger cannot be written: 127.0.0.1/none" in gateway.log()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the workers are found in /proc")
def test_totals_equal_what_the_providers_charged(tmp_path: Path) -> None:
    """Mixed requests, two workers, one of which is killed. `python -m benchmarks ledger` sends a hundred thousand."""
    from benchmarks.ledger import compare

    totals = asyncio.run(compare(tmp_path, 600, 7))
    assert totals.differences() == []
