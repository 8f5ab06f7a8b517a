"""curl against the gateway, as the reference writes it: SR-001, SR-069a, SR-069f.

As curl sees them: SR-003, SR-004, SR-030, SR-042 … SR-049, SR-051, SR-053, SR-060, SR-061.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from llms_core.testing import Chunk, Reply, ScriptedUpstream, Wait, completion, events

if TYPE_CHECKING:
    from tests.conftest import Gateway, Launch, ProviderBlock, Serve

pytestmark = pytest.mark.skipif(
    shutil.which("curl") is None, reason="there is no curl on this machine"
)

EXAMPLE = """{
    "model": "kimi-k2",
    "messages": [
      {"role": "user", "content": "Hello!"}
    ]
  }"""

FIRST_REQUEST = """{
  "model": "kimi-k2",
  "messages": [
    {
      "role": "system",
      "content": "You are a helpful assistant."
    },
    {
      "role": "user",
      "content": "Hello!"
    }
  ],
  "temperature": 0.7,
  "max_tokens": 150
}"""


@pytest.fixture
def config(
    upstream: ScriptedUpstream, provider: ProviderBlock, config_of: Callable[..., dict[str, Any]]
) -> dict[str, Any]:
    """One provider, which has one model."""
    return config_of(first=provider(upstream, {"kimi-k2": "moonshotai/kimi-k2"}))


@pytest.fixture
def kimi(config: dict[str, Any], served: Serve) -> Gateway:
    return served(config)


@pytest.fixture
def launched(config: dict[str, Any], gateway: Launch) -> Gateway:
    """The same from the command line, for the reference's own example."""
    return gateway(config)


def command(url: str, body: str, *options: str) -> list[str]:
    """The reference's command line, bounded by `--max-time`."""
    sent = ["-X", "POST", url, "-H", "Content-Type: application/json", "-d", body]
    return ["curl", "--silent", "--show-error", "--max-time", "20", *options, *sent]


def curl(kimi: Gateway, body: str, *options: str) -> tuple[int, str, Any]:
    """Status, content type and decoded body."""
    arguments = command(
        f"{kimi.base_url}/chat/completions", body, "-w", "\n%{http_code} %{content_type}", *options
    )
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=30)
    answer, _, facts = done.stdout.rpartition("\n")
    status, _, media = facts.partition(" ")
    return int(status), media.partition(";")[0], json.loads(answer)


def test_sr_069a_the_example_of_the_reference(
    launched: Gateway, upstream: ScriptedUpstream
) -> None:
    """SR-069a with SR-003 (no key), SR-042 to SR-049 and SR-051 (what comes back)."""
    upstream.default = completion("Hello! How can I help you today?")
    status, media, answer = curl(launched, EXAMPLE)
    assert (status, media) == (200, "application/json")
    assert isinstance(answer["id"], str)
    assert answer["id"]
    assert (answer["object"], answer["model"]) == ("chat.completion", "kimi-k2")
    assert type(answer["created"]) is int
    (choice,) = answer["choices"]
    assert choice["index"] == 0
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"] == "Hello! How can I help you today?"
    assert choice["finish_reason"] == "stop"
    assert (
        answer["usage"]["total_tokens"]
        == answer["usage"]["prompt_tokens"] + answer["usage"]["completion_tokens"]
    )
    assert set(answer) <= {"id", "object", "created", "model", "choices", "usage"}


def test_sr_069f_the_first_request_of_the_reference(
    kimi: Gateway, upstream: ScriptedUpstream
) -> None:
    status, _, _ = curl(kimi, FIRST_REQUEST)
    assert status == 200
    asked, sent = json.loads(FIRST_REQUEST), upstream.wait_for_request().json
    assert (sent["temperature"], sent["max_tokens"], sent["messages"]) == (
        0.7,
        150,
        asked["messages"],
    )


@pytest.mark.parametrize("value", ["Bearer not-needed", "Bearer x", "Basic zzz", "Bearer ", ""])
def test_sr_004_any_key_is_accepted(kimi: Gateway, upstream: ScriptedUpstream, value: str) -> None:
    # This is how curl sends an empty one.
    header = f"Authorization: {value}" if value else "Authorization;"
    status, _, _ = curl(kimi, EXAMPLE, "-H", header)
    assert status == 200
    assert upstream.wait_for_request().headers["authorization"].startswith("Bearer sk-marked-")


def test_sr_061_an_unknown_model(kimi: Gateway) -> None:
    status, media, answer = curl(kimi, EXAMPLE.replace("kimi-k2", "unknown-model"))
    assert (status, media) == (404, "application/json")
    assert answer == {
        "error": {
            "message": "Model 'unknown-model' not found in any enabled provider",
            "type": "invalid_request_error",
            "code": "model_not_found",
        }
    }


def test_sr_030_what_is_not_json(kimi: Gateway) -> None:
    status, media, answer = curl(kimi, "{bad")
    assert (status, media) == (400, "application/json")
    assert answer["error"]["type"] == "invalid_request_error"


def test_sr_053_sr_060_a_stream(kimi: Gateway, upstream: ScriptedUpstream) -> None:
    """`curl -N` prints a chunk while the upstream still holds the next one back."""

    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "up",
            "choices": [choice],
        }

    go = threading.Event()
    finish = json.dumps(chunk({}, "stop")).encode()
    upstream.script(
        Reply(
            events(chunk({"role": "assistant", "content": ""}), chunk({"content": "Hello!"})),
            Wait(go),
            Chunk(b"data: " + finish + b"\n\ndata: [DONE]\n\n"),
        )
    )
    body = json.dumps(json.loads(EXAMPLE) | {"stream": True})
    asking = command(f"{kimi.base_url}/chat/completions", body, "-N")
    with subprocess.Popen(asking, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines: list[str] = []
        while "Hello!" not in "".join(lines):  # bounded by curl's own limit
            lines.append(process.stdout.readline())
            assert lines[-1], f"the stream ended after {lines}"
        go.set()
        text = "".join(lines) + process.stdout.read()
    assert process.returncode == 0
    *data, done = [
        event.removeprefix("data: ") for event in text.split("\n\n") if event.startswith("data: ")
    ]
    assert done == "[DONE]"
    assert text.count("[DONE]") == 1
    assert {json.loads(item)["model"] for item in data} == {"kimi-k2"}
    assert json.loads(data[-1])["choices"][0]["finish_reason"] == "stop"
