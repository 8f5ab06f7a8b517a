"""Attacks on the gateway and through it that have to fail (ARCHITECTURE.md, "Security")."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import llms_core
from llms_core.testing import Reply, ScriptedUpstream, Seen, Status, json_body

if TYPE_CHECKING:
    from tests.conftest import Gateway, ProviderBlock, Serve

HELLO = [{"role": "user", "content": "Hello!"}]
ELSEWHERE = "http://127.0.0.1:9/v1"

STEERING = {
    "base_url": ELSEWHERE,
    "api_base": ELSEWHERE,
    "api_key": "sk-of-the-client",
    "key": "sk-of-the-client",
    "headers": {"x-injected": "1", "authorization": "Bearer sk-of-the-client"},
    "extra_headers": {"x-injected": "1", "authorization": "Bearer sk-of-the-client"},
    "extra_query": {"key": "sk-of-the-client"},
    "extra_body": {"model": "another"},
    "user_config": {"base_url": ELSEWHERE, "api_key": "sk-of-the-client"},
    "provider": {"base_url": ELSEWHERE, "order": ["another"]},
    "proxy": ELSEWHERE,
    "timeout": 0.001,
}

CLIENTS_OWN = {
    "authorization": "Bearer sk-of-the-client",
    "api-key": "sk-of-the-client",
    "x-api-key": "sk-of-the-client",
    "cookie": "session=of-the-client",
    "proxy-authorization": "Basic b2YtdGhlLWNsaWVudA==",
    "forwarded": "for=192.0.2.1",
    "x-forwarded-for": "192.0.2.1",
    "x-forwarded-host": "of-the-client.example",
    "x-forwarded-proto": "https",
    "x-real-ip": "192.0.2.1",
    "x-request-id": "of-the-client",
    "openai-organization": "org-of-the-client",
    "openai-project": "proj-of-the-client",
    "helicone-auth": "Bearer of-the-client",
    "x-llms-provider": "another",
    "user-agent": "of-the-client/1.0",
    "referer": "https://of-the-client.example",
    "accept-encoding": "identity;q=0.123",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}


@pytest.fixture
def one(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: Callable[..., dict[str, Any]],
    served: Serve,
) -> Gateway:
    """A gateway with one provider."""
    return served(config_of(first=provider(upstream)))


def chat(
    gateway: Gateway, members: dict[str, Any] | None = None, headers: dict[str, str] | None = None
) -> httpx.Response:
    """Request a completion; `members` add to the request or change it."""
    body = {"model": "m", "messages": HELLO, **(members or {})}
    with httpx.Client(trust_env=False, verify=False, timeout=20) as client:
        return client.post(f"{gateway.base_url}/chat/completions", json=body, headers=headers)


def head(seen: Seen) -> tuple[str, str, dict[str, str]]:
    """Where a request went and its headers, except for the length of its body."""
    return (
        seen.method,
        seen.path,
        {name: value for name, value in seen.headers.items() if name != "content-length"},
    )


def test_a_request_cannot_name_an_address_a_key_or_a_header(
    one: Gateway, upstream: ScriptedUpstream
) -> None:
    """SR-026: such members are unknown parameters, passed on for the provider to interpret."""
    chat(one)
    assert chat(one, STEERING).status_code == 200
    plain, steered = upstream.requests
    assert head(steered) == head(plain)
    assert steered.json == {**plain.json, **STEERING}


def test_a_client_header_is_not_forwarded(one: Gateway, upstream: ScriptedUpstream) -> None:
    """SR-005."""
    chat(one)
    assert chat(one, headers=CLIENTS_OWN).status_code == 200
    plain, other = upstream.requests
    assert head(other) == head(plain)


def test_a_client_query_is_not_forwarded(one: Gateway, upstream: ScriptedUpstream) -> None:
    with httpx.Client(trust_env=False, verify=False) as client:
        client.post(
            f"{one.base_url}/chat/completions?key=x&api-version=y",
            json={"model": "m", "messages": HELLO},
        )
    assert upstream.requests[0].path == "/v1/chat/completions"


def test_a_providers_cookie_is_not_kept(one: Gateway, upstream: ScriptedUpstream) -> None:
    """Nor passed on: one client's session with a provider must not reach another client."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "Hello!"},
        "finish_reason": "stop",
    }
    upstream.default = json_body(
        {"id": "x", "created": 1, "choices": [choice]}, headers={"set-cookie": "a=b; Path=/"}
    )
    responses = [chat(one), chat(one)]
    assert all("set-cookie" not in response.headers for response in responses)
    assert "cookie" not in upstream.requests[1].headers


def test_a_redirect_is_not_followed(
    upstreams: Callable[[], ScriptedUpstream],
    provider: ProviderBlock,
    config_of: Callable[..., dict[str, Any]],
    served: Serve,
) -> None:
    """A provider, or an impostor in its place, must not be able to redirect its key elsewhere."""
    upstream, elsewhere = upstreams(), upstreams()
    upstream.default = Reply(Status(307, {"location": f"{elsewhere.base_url}/chat/completions"}))
    gateway = served(config_of(first=provider(upstream)), "[routing.retry]\nattempts = 0\n")
    assert chat(gateway).status_code == 502
    assert elsewhere.requests == []


LOCAL = (
    *(
        {"type": "image_url", "image_url": {"url": url}}
        for url in (
            *(
                "file:///etc/passwd",
                "FILE:/etc/passwd",
                "/etc/passwd",
                " /etc/passwd",
                "etc/passwd",
                "~/.netrc",
            ),
            *(
                "\\\\host\\share\\cat.png",
                "C:\\boot.ini",
                "ftp://127.0.0.1/cat.png",
                "httpx://host/cat.png",
                "",
            ),
        )
    ),
    {"type": "image_url", "image_url": "/etc/passwd"},
    {"type": "video_url", "video_url": {"url": "/etc/passwd"}},
    {"type": "audio_url", "audio_url": {"url": "/etc/passwd"}},
    {"type": "input_audio", "input_audio": {"data": "/etc/passwd", "format": "wav"}},
    {"type": "input_audio", "input_audio": {"data": "../../etc/passwd", "format": "wav"}},
    {"type": "file", "file": {"file_data": "/etc/passwd"}},
    {"type": "file", "file": {"file_data": "file:///etc/passwd"}},
)


def test_a_local_path_is_refused(one: Gateway, upstream: ScriptedUpstream) -> None:
    """SR-039: and nothing is sent upstream."""
    for part in LOCAL:
        response = chat(one, {"messages": [{"role": "user", "content": [part]}]})
        assert response.status_code == 400, part
        assert response.json()["error"]["param"].startswith("messages[0].content[0]."), part
    assert upstream.requests == []


def test_a_local_file_of_the_gateway_never_goes_upstream(
    one: Gateway, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    """SR-039: in any spelling; most are refused, and the others are passed on unchanged."""
    secret = tmp_path / "secret"
    secret.write_text("the content of a local file", "utf-8")
    for name in (
        str(secret),
        f"file://{secret}",
        secret.as_uri().upper(),
        f"data:,{secret}",
        f"http://localhost{secret}",
    ):
        for part in (
            {"type": "image_url", "image_url": {"url": name}},
            {"type": "file", "file": {"file_data": name}},
            {"type": "text", "text": name},
        ):
            chat(one, {"messages": [{"role": "user", "content": [part]}]})
    assert not [seen for seen in upstream.requests if b"the content of a local file" in seen.body]


# Imports


AUDIT = """
import os, sys, threading

seen = []
def hook(event, args):
    if event.startswith(("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork")):
        seen.append((event, args))
    if event == "open" and not isinstance(args[0], int) and not is_module(os.fsdecode(args[0])):
        seen.append((event, args))

def is_module(path):
    return path.endswith((".py", ".pyc", ".so")) or ".pyc." in path or ".dist-info/" in path or path in sys.path

sys.addaudithook(hook)
{code}
assert not seen, seen
assert threading.active_count() == 1, threading.enumerate()
"""

MODULES = sorted(
    ".".join(
        ("llms_core", *path.relative_to(Path(llms_core.__file__).parent).with_suffix("").parts)
    )
    for path in Path(llms_core.__file__).parent.rglob("*.py")
    if path.stem not in ("__init__", "__main__")
)


def python(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run code in a new Python process."""
    command = [sys.executable, "-W", "error", "-c", code, *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.slow
def test_importing_does_nothing_but_import() -> None:
    """No network, no threads, no processes, and no files except modules: for every module of the core."""
    ran = python(AUDIT.replace("{code}", "\n".join(f"import {module}" for module in MODULES)))
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    "code",
    [
        "from pathlib import Path; Path('/dev/null').read_text()",
        "import socket; socket.socket().close()",
        "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()",
        "import subprocess; subprocess.run(['true'])",
    ],
    ids=["a file", "the network", "a thread", "a process"],
)
def test_the_audit_would_see_it(code: str) -> None:
    ran = python(AUDIT.replace("{code}", code))
    assert ran.returncode == 1
    assert "AssertionError" in ran.stderr


def test_the_public_face_imports_no_server_and_no_http_client() -> None:
    """A plugin author's tests and `pip`'s checks do not wait for what they do not need."""
    assert imported("import llms_core, llms_core.provider, llms_core.openai_compatible") == set()


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_imports_neither_server_nor_http_client(argument: str) -> None:
    code = f"""
from click.testing import CliRunner
from llms_core.cli import main
result = CliRunner().invoke(main, ["{argument}"])
assert result.exit_code == 0, result.output
"""
    assert imported(code) == set()


def imported(code: str) -> set[str]:
    """The slow libraries that some code imports."""
    slow = ("litestar", "uvicorn", "httpx", "httptools", "uvloop", "ssl")
    ran = python(f"{code}\nimport sys\nprint(*(set({slow!r}) & sys.modules.keys()))")
    assert ran.returncode == 0, ran.stderr
    return set(ran.stdout.split())
