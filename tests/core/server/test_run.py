"""`llms serve` as a process: what it refuses to start with, and how it stops."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from command_line import TIMEOUT

from llms_core.server.app import create_app
from llms_core.server.run import ServeOptions
from llms_core.testing import (
    Reply,
    ScriptedUpstream,
    Stall,
    Wait,
    completion,
    error,
    events,
    refused_base_url,
)
from tests.conftest import ChildGateway
from tests.core.server.conftest import (
    HELLO,
    NO_RETRIES,
    Asking,
    Wire,
    chunk,
    error_of,
    first_alone,
    request_of,
    until,
)
from tests.core.server.conftest import KEY as FIRSTS

if TYPE_CHECKING:
    from tests.conftest import Gateway, Launch, ProviderBlock

Ask = Callable[["Gateway"], Asking]
Connect = Callable[["Gateway"], Wire]
ConfigOf = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.slow  # real processes

KEYS = f'[server.keys]\nada = "sha256:{hashlib.sha256(b"secret").hexdigest()}"\n'
ASKED = {"model": "m", "messages": HELLO}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


class Started:
    """The command, with files that the test changes as it needs."""

    def __init__(self, folder: Path) -> None:
        self.config, self.plugins = folder / "llms.json", folder / "plugins.toml"
        self.config.write_text('{"providers": {}}', "utf-8")
        self.plugins.write_text("", "utf-8")
        self.environment = {**os.environ, "HOME": str(folder), "LLMS_HOME": str(folder)}

    def command(self, *args: str) -> list[str]:
        files = ["--config", str(self.config), "--plugins", str(self.plugins)]
        return [sys.executable, "-m", "llms_core", "serve", *files, *args]

    def run(self, *args: str, port: int | None = None) -> tuple[int, str]:
        """The exit code, and what was written to stderr."""
        command = self.command("--port", str(port or free_port()), *args)
        ended = subprocess.run(
            command,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert ended.stdout == ""
        return ended.returncode, ended.stderr


@pytest.fixture
def start(tmp_path: Path) -> Started:
    return Started(tmp_path)


# Starting


def test_sr_002_sr_080_the_port_is_8000_and_the_address_loopback() -> None:
    """SR-002, SR-080: by default."""
    options = ServeOptions()
    assert (options.host, options.port) == ("127.0.0.1", 8000)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_public_address_requires_keys(start: Started, host: str) -> None:
    """Or `--allow-anonymous`, so that a gateway and the accounts behind it are not exposed by mistake."""
    code, stderr = start.run("--host", host)
    assert code == 2
    assert "--allow-anonymous" in stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize(
    ("plugins", "args"), [(KEYS, ()), ("", ("--allow-anonymous",))], ids=["keys", "by request"]
)
def test_with_keys_or_an_explicit_option_it_listens_on_all_addresses(
    gateway: Launch, plugins: str, args: tuple[str, ...]
) -> None:
    launched = gateway({"providers": {}}, plugins=plugins, args=("--host", "0.0.0.0", *args))
    assert launched.healthy(timeout=5)


GUARD = "@hookimpl\ndef llms_authenticate(headers): return None\n"


def test_a_plugin_that_authenticates_counts_as_keys(
    gateway: Launch, plugin: Callable[[str], str], asking: Ask
) -> None:
    launched = gateway({"providers": {}}, plugins=plugin(GUARD), args=("--host", "0.0.0.0"))
    assert asking(launched).chat().status_code == 401


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("args", [(), ("--allow-anonymous",)], ids=["", "--allow-anonymous"])
def test_a_plugin_that_authenticates_and_cannot_be_loaded_stops_the_start(
    start: Started, plugin: Callable[[str], str], host: str, args: tuple[str, ...]
) -> None:
    start.plugins.write_text(plugin(f"import gone\n{GUARD}"), "utf-8")
    code, stderr = start.run("--host", host, *args)
    assert code == 2
    assert "plugin 'of_test'" in stderr
    assert "No module named 'gone'" in stderr
    assert "Traceback" not in stderr


def test_a_signal_while_plugins_load_stops_the_server(
    start: Started, plugin: Callable[[str], str]
) -> None:
    """The plugin is not blamed for it, and the server does not run on without it."""
    start.plugins.write_text(
        plugin("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n"), "utf-8"
    )
    assert start.run() == (0, "")


def test_a_plugin_of_the_current_folder_that_authenticates_stops_the_start(tmp_path: Path) -> None:
    """It is not run, because the folder may be anybody's; to start without it would let everybody in."""
    (tmp_path / "guard.py").write_text(
        f"from llms_core import hookimpl\nopen('marker', 'w')\n{GUARD}", "utf-8"
    )
    (tmp_path / "plugins.toml").write_text('[plugins]\nload = ["guard.py"]\n', "utf-8")
    environment = {**os.environ, "HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "llms_core", "serve", "--port", "0"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=TIMEOUT
    )
    assert done.returncode == 2
    assert "--plugins ./plugins.toml" in done.stderr
    assert not (tmp_path / "marker").exists()


def test_an_empty_key_file_does_not_open_the_gateway(start: Started, tmp_path: Path) -> None:
    """SR-067: an empty key file is a mistake, not permission for everybody."""
    (tmp_path / "keys.toml").write_text("", "utf-8")
    start.plugins.write_text('[server]\nkeys_file = "keys.toml"\n', "utf-8")
    code, stderr = start.run("--host", "0.0.0.0")
    assert code == 2
    assert "keys.toml" in stderr


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildGateway]:
    """A gateway with only its port and files configured, for the tests that do not change it."""
    folder, block = (
        tmp_path_factory.mktemp("plain"),
        {"type": "OpenAiProvider", "base_url": refused_base_url()},
    )
    (folder / "other.json").write_text(
        json.dumps({"providers": {"other": {**block, "models": ["other"]}}}), "utf-8"
    )
    config = {"providers": {"one": {**block, "api_key": "sk-marked-plain", "models": ["m"]}}}
    with contextlib.ExitStack() as ending:
        launched = ChildGateway(
            folder, config, "", (), {"LLMS_CONFIG_PATH": str(folder / "other.json")}
        )
        ending.callback(launched.stop)
        launched.wait_ready()
        yield launched


def test_sr_080_it_is_not_reachable_on_other_addresses(plain: ChildGateway) -> None:
    """SR-080: connections to another address of this machine are refused."""
    with (
        pytest.raises(ConnectionRefusedError),
        socket.create_connection(("127.0.0.2", plain.port), timeout=5),
    ):
        pass


def test_sr_080_it_prints_where_it_listens_and_no_requests(
    plain: ChildGateway, asking: Ask
) -> None:
    """SR-080, SR-081: without `--verbose`, requests are not logged."""
    assert asking(plain).get("/v1/models").status_code == 200
    assert asking(plain).chat(temperature=3).status_code == 400
    assert plain.log().endswith(f"\nllms: listening on {plain.base_url}\n")


def test_port_0_is_a_free_port_that_is_printed(start: Started) -> None:
    command = start.command("--port", "0")
    with subprocess.Popen(
        command, env=start.environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        listening = re.compile(r"llms: listening on http://127\.0\.0\.1:(\d+)/v1\n")
        found = next(found for line in process.stderr if (found := listening.fullmatch(line)))
        process.terminate()
        process.communicate(timeout=TIMEOUT)
    assert int(found[1]) > 0


def test_a_port_in_use(start: Started) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, stderr = start.run(port=port)
    assert code == 2
    assert f"cannot listen on 127.0.0.1:{port}" in stderr
    assert "Traceback" not in stderr


def test_an_invalid_address(start: Started) -> None:
    code, stderr = start.run("--host", "no.such.host.invalid", "--allow-anonymous")
    assert code == 2
    assert "no.such.host.invalid" in stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ('{\n  "providers": {,}\n}', 2),
        ('{\n  "providers": {\n    "a": {"type": "no-such-type"}}\n}', 3),
    ],
    ids=["no JSON", "an unknown type"],
)
def test_an_invalid_llms_json_is_reported_with_its_line(
    start: Started, config: str, line: int
) -> None:
    """K-24: with exit code 2."""
    start.config.write_text(config, "utf-8")
    code, stderr = start.run()
    assert code == 2
    assert f"{start.config}:{line}" in stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize(
    ("plugins", "line"),
    [("[server]\nkeep_alive = 1\ndrian = 3\n", 3), ('[server.keys]\n\nada = "secret"\n', 3)],
    ids=["an unknown member", "a key in clear"],
)
def test_an_invalid_plugins_toml_is_reported_with_its_line(
    start: Started, plugins: str, line: int
) -> None:
    start.plugins.write_text(plugins, "utf-8")
    code, stderr = start.run()
    assert code == 2
    assert f"{start.plugins}:{line}" in stderr
    assert "Traceback" not in stderr


def test_sr_082_a_missing_file(start: Started) -> None:
    start.config.unlink()
    code, stderr = start.run()
    assert code == 2
    assert str(start.config) in stderr


def test_sr_082_the_named_file_is_read(plain: ChildGateway, asking: Ask) -> None:
    """SR-082: and no other that may exist."""
    assert [model["id"] for model in asking(plain).get("/v1/models").json()["data"]] == ["m"]


# Logging


@dataclass(frozen=True)
class Logged:
    """What a gateway logged with `--verbose`, and the numbers of two requests."""

    lines: list[str]
    served: str
    failed: str


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Logged:
    """One request succeeds, and another fails with a message that contains control characters."""
    with ScriptedUpstream() as upstream, contextlib.ExitStack() as ending:
        upstream.script(completion(), error(500, f"no good with {FIRSTS}\nFORGED line\r\x1b[31m"))
        launched = ChildGateway(
            tmp_path_factory.mktemp("verbose"),
            first_alone(upstream),
            NO_RETRIES,
            ["--verbose"],
            {"NO_PROXY": "127.0.0.1"},
        )
        ending.callback(launched.kill)
        launched.wait_ready()
        client = Asking(launched)
        ending.callback(client.http.close)
        served, failed = client.chat(), client.chat()
        launched.stop()
        assert (served.status_code, failed.status_code) == (200, 502)
        numbers = [response.headers["x-request-id"] for response in (served, failed)]
        return Logged(launched.log().split("\n"), *numbers)


def test_sr_081_a_line_for_each_request_if_verbose(logged: Logged) -> None:
    assert sum(logged.served in line for line in logged.lines) == 1


def test_a_failed_provider_is_logged(logged: Logged) -> None:
    (attempt, request) = [line for line in logged.lines if logged.failed in line]
    assert "WARNING" in attempt
    assert "first of 'm' failed: no good with" in attempt
    assert " 502 " in request


def test_sr_066_a_key_repeated_by_a_provider_is_redacted_in_the_log(logged: Logged) -> None:
    assert any("no good with ***" in line for line in logged.lines)
    assert [line for line in logged.lines if FIRSTS in line] == []


def test_a_provider_cannot_forge_a_line_of_the_log(logged: Logged) -> None:
    """Nor colour it with escape sequences."""
    (line,) = [line for line in logged.lines if "FORGED" in line]
    assert line == "    FORGED line??[31m (overloaded)"


# Ending


@pytest.fixture
def launched(
    upstream: ScriptedUpstream, provider: ProviderBlock, config_of: ConfigOf, gateway: Launch
) -> ChildGateway:
    """A gateway that waits a second for running requests when it stops."""
    return gateway(config_of(one=provider(upstream)), plugins="[server]\ndrain = 1\n")


def is_closed_to(connect: Callable[[], object]) -> bool:
    with contextlib.suppress(ConnectionRefusedError):
        connect()
        return False
    return True


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_gateway_stops_at_once(gateway: Launch, wire: Connect, by: signal.Signals) -> None:
    """A kept-alive connection does not count as running. To be stopped is no failure: the exit code is 0."""
    launched = gateway({"providers": {}}, plugins="[server]\ndrain = 60\n")
    connection = wire(launched)
    connection.send(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert connection.answer().status_code == 200
    launched.process.send_signal(by)
    assert launched.process.wait(timeout=TIMEOUT) == 0


def test_a_running_stream_is_finished(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    gateway: Launch,
    asking: Ask,
    wire: Connect,
) -> None:
    """Within `[server] drain`; new connections are refused meanwhile."""
    go = threading.Event()
    # The head is sent already.
    rest = events(chunk({"content": " whole"}), chunk({}, "stop"), "[DONE]").parts[1:]
    upstream.default = Reply(
        events(chunk({"role": "assistant", "content": "Half"})), Wait(go), *rest
    )
    launched = gateway(config_of(one=provider(upstream)), plugins="[server]\ndrain = 20\n")
    with asking(launched).stream() as response:
        lines = response.iter_lines()
        assert "Half" in next(lines)
        launched.process.send_signal(signal.SIGTERM)
        until(lambda: is_closed_to(lambda: wire(launched)))
        go.set()
        assert list(lines)[-2:] == ["data: [DONE]", ""]
    assert launched.process.wait(timeout=TIMEOUT) == 0


def test_sr_058_a_stream_longer_than_the_drain_does_not_look_complete(
    launched: ChildGateway, upstream: ScriptedUpstream, asking: Ask
) -> None:
    """SR-058: an error event, and no `[DONE]`."""
    upstream.default = Reply(events(chunk({"role": "assistant", "content": "Half"})), Stall())
    with asking(launched).stream() as response:
        lines = response.iter_lines()
        assert "Half" in next(lines)
        launched.process.send_signal(signal.SIGTERM)
        left = [line for line in lines if line]
    assert len(left) == 1
    assert json.loads(left[0].removeprefix("data: "))["error"]["code"] == "shutting_down"
    assert launched.process.wait(timeout=TIMEOUT) == 0
    assert "Traceback" not in launched.log()


def test_a_request_without_an_answer_at_the_end_of_the_drain_is_503(
    launched: ChildGateway, upstream: ScriptedUpstream, wire: Connect
) -> None:
    """And the connection to the provider is closed."""
    upstream.default = Reply(Stall())
    connection = wire(launched)
    connection.send(request_of(ASKED))
    seen = upstream.wait_for_request()
    launched.process.send_signal(signal.SIGTERM)
    response = connection.answer()
    assert response.status_code == 503
    assert error_of(response)["code"] == "shutting_down"
    seen.wait_closed()


# stderr


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(
                b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
            )
            return connection.recv(12) == b"HTTP/1.1 200"
    except OSError:
        return False


@contextlib.contextmanager
def started(
    start: Started, redirected: str, *args: str, stderr: Any = None
) -> Iterator[tuple[Any, int]]:
    """The command with redirected standard streams, as a shell writes them, and its port."""
    port = free_port()
    shell = ["sh", "-c", f'exec "$@" {redirected}', "sh"]
    command = [*shell, *start.command("--port", str(port), *args)]
    with subprocess.Popen(command, env=start.environment, stderr=stderr) as process:
        try:
            until(lambda: answers(port))
            yield process, port
        finally:
            process.terminate()
            process.wait(timeout=TIMEOUT)


@pytest.mark.parametrize("args", [(), ("--workers", "2")], ids=["one process", "workers"])
@pytest.mark.parametrize("redirected", ["2>&-", "2>/dev/full", "<&- >&- 2>&-", ">/dev/full 2>&1"])
def test_it_serves_without_a_usable_stderr(
    start: Started, redirected: str, args: tuple[str, ...]
) -> None:
    """Closed, or on a disk that is full. No connection gets the number of stderr, and the log with it."""
    with started(start, redirected, "--verbose", *args) as (process, port):
        assert answers(port)
    assert process.returncode == 0


def test_a_log_that_nobody_reads_does_not_stop_the_server(start: Started) -> None:
    """A pipe takes 64 KB. The number of the lines that were lost is written once they are read again."""
    with started(start, "", "--verbose", stderr=subprocess.PIPE) as (process, port):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            for _ in range(1000):
                connection.sendall(request_of(b"{}"))
                until(lambda: b"missing_required" in connection.recv(65536))
        assert process.stderr is not None
        log = process.stderr.read1(100_000)
        while b"could not be written" not in log:
            assert answers(port)
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(request_of(b"{}"))
                connection.recv(1)
            log += process.stderr.read1(100_000)
    assert process.returncode == 0


# File descriptors


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
def test_without_file_descriptors_clients_are_refused_and_it_is_logged(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    start: Started,
    tmp_path: Path,
) -> None:
    """Each request may need two. The provider is not blamed."""
    upstream.default = completion()
    start.config.write_text(json.dumps(config_of(one=provider(upstream))), "utf-8")
    log = tmp_path / "log"
    with started(start, f"2>{log}") as (process, port):
        limit = f"prlimit --nofile=96:96 --pid {process.pid}"
        if subprocess.run(["sh", "-c", limit], check=False, capture_output=True).returncode:
            pytest.skip("prlimit is not installed")
        with contextlib.ExitStack() as held:
            for _ in range(120):
                with contextlib.suppress(OSError):
                    held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            until(lambda: "Too many open files" in log.read_text("utf-8"))
        until(lambda: answers(port))


def test_the_number_of_connections_follows_the_limit_of_file_descriptors(
    start: Started, tmp_path: Path
) -> None:
    """Clients beyond it get a 503, instead of a connection that is never accepted."""
    log = tmp_path / "log"
    port = free_port()
    command = [
        "sh",
        "-c",
        f'ulimit -n 96; exec "$@" 2>{log}',
        "sh",
        *start.command("--port", str(port)),
    ]
    with (
        subprocess.Popen(command, env=start.environment) as process,
        contextlib.ExitStack() as held,
    ):
        held.callback(process.terminate)
        until(lambda: answers(port))
        for _ in range(32):
            held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
        refused = held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
        assert refused.recv(12) == b"HTTP/1.1 503"
        assert "new clients are refused" in log.read_text("utf-8")


# Workers


@pytest.mark.parametrize("args", [(), ("--workers", "2")], ids=["one process", "workers"])
def test_a_stopping_server_refuses_new_clients(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    gateway: Launch,
    wire: Connect,
    args: tuple[str, ...],
) -> None:
    """So that a balancer tries another one at once. A running request is answered."""
    go = threading.Event()
    upstream.default = Reply(Wait(go), completion())
    launched = gateway(
        config_of(one=provider(upstream)), plugins="[server]\ndrain = 20\n", args=args
    )
    connection = wire(launched)
    connection.send(request_of(ASKED))
    upstream.wait_for_request()
    launched.process.send_signal(signal.SIGTERM)
    until(lambda: is_closed_to(lambda: wire(launched)))
    go.set()
    assert connection.answer().status_code == 200
    assert launched.process.wait(timeout=TIMEOUT) == 0


WHO = """
import os
from litestar import get
@get("/pid", sync_to_thread=False)
def pid() -> int:
    return os.getpid()
@hookimpl
def llms_routes():
    return [pid]
"""


def test_two_workers_are_two_processes_that_both_answer(
    upstream: ScriptedUpstream,
    provider: ProviderBlock,
    config_of: ConfigOf,
    gateway: Launch,
    asking: Ask,
    wire: Connect,
    plugin: Callable[[str], str],
) -> None:
    launched = gateway(
        config_of(one=provider(upstream)), plugins=plugin(WHO), args=["--workers", "2"]
    )
    asked = b"GET /x/of_test/pid HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    pids: set[int] = set()

    # Whichever process is free first accepts a connection, so this is repeated until both have.
    def ask_at_once() -> bool:
        with ThreadPoolExecutor(4) as pool:
            connections = [wire(launched) for _ in range(4)]
            pids.update(
                pool.map(lambda each: each.send(asked) or each.answer().json(), connections)
            )
        return len(pids) == 2

    until(ask_at_once, timeout=TIMEOUT)
    assert launched.process.pid not in pids
    assert asking(launched).chat().status_code == 200

    launched.process.send_signal(signal.SIGTERM)
    assert launched.process.wait(timeout=TIMEOUT) == 0
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


COLLECTOR = """
import gc
from litestar import get
@get("/frozen", sync_to_thread=False)
def frozen() -> int:
    return gc.get_freeze_count() if gc.isenabled() else 0
@hookimpl
def llms_routes():
    return [frozen]
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_garbage_collector_does_not_look_at_the_application(
    gateway: Launch, wire: Connect, plugin: Callable[[str], str], workers: str
) -> None:
    """It would find nothing, and keep every stream waiting for 30 ms."""
    launched = gateway({"providers": {}}, plugins=plugin(COLLECTOR), args=["--workers", workers])
    connection = wire(launched)
    connection.send(
        b"GET /x/of_test/frozen HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    )
    assert connection.answer().json() > 10_000


def test_workers_run_no_module_of_the_current_folder(start: Started, tmp_path: Path) -> None:
    """Python looks for modules there first when it starts a process with `-c`, even for those of its own library."""
    folder = tmp_path / "downloaded"
    folder.mkdir()
    for name in ("multiprocessing", "llms_core", "uvicorn", "json"):
        (folder / f"{name}.py").write_text("open('marker', 'w')\n", "utf-8")
    port = free_port()
    arguments = [
        "--workers",
        "2",
        "--port",
        str(port),
        "--config",
        str(start.config),
        "--plugins",
        str(start.plugins),
    ]
    command = [str(Path(sys.executable).with_name("llms")), "serve", *arguments]
    with subprocess.Popen(
        command, cwd=folder, env=start.environment, stderr=subprocess.DEVNULL
    ) as process:
        try:
            until(lambda: _answers(port), timeout=TIMEOUT)
        finally:
            process.send_signal(signal.SIGTERM)
    assert not (folder / "marker").exists()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_a_worker_is_not_open_if_its_keys_are_gone(start: Started) -> None:
    """One that is started again reads the files again."""
    assert create_app(start.config, start.plugins).gateway.is_open
    assert not create_app(start.config, start.plugins, requires_key=True).gateway.is_open
    start.plugins.write_text('[server]\nkeys_file = "gone.toml"\n', "utf-8")
    assert not create_app(start.config, start.plugins, requires_key=True).gateway.is_open
