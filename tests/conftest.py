"""Servers to test from outside: scripted providers behind a gateway, in this process or in its own.

    def test_it(upstream, provider, served):
        gateway = served({"providers": {"first": provider(upstream)}})
        httpx.post(f"{gateway.base_url}/chat/completions", json=…)

`served` runs the application in a thread of this process and starts quickly; `gateway` runs the real command as
a child process, for signals, real clients and start-up errors. After every test, the logs of both are searched for the
keys that `provider` hands out.
"""

from __future__ import annotations

import gc
import io
import itertools
import json
import logging
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Protocol

import pytest
import uvicorn
import warm_llms
from command_line import TIMEOUT
from hypothesis import settings

from llms_core.config import plugins_toml
from llms_core.secret import redact
from llms_core.testing import ScriptedUpstream
from llms_core.testing.serve import LocalServer, quick_uvicorn

# A test must not fail because the machine is slow, or by chance. LLMS_TEST_RANDOM=1 looks for new and more examples.
settings.register_profile("llms", deadline=None, derandomize=not os.environ.get("LLMS_TEST_RANDOM"))
settings.load_profile("llms")

# Tests interrupt commands as Ctrl-C does. A shell starts what runs in the background with interrupts ignored, which the
# commands would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
#: Where the price list is kept, so that it is not made again for the folder of each test, which takes a second.
CACHE = os.environ.setdefault("LLMS_CACHE", str(Path(tempfile.gettempdir()) / "llms-tests-cache"))

MARK = "sk-marked-"
"""How every provider's key begins in the tests; a log that contains it has leaked a key."""

Config = Mapping[str, Any]


class Gateway(LocalServer, ABC):
    """A running gateway and its files."""

    def __init__(self, root: Path, config: Config | None, plugins: str) -> None:
        super().__init__(port=0)
        self.root = root
        self.config_path = root / "llms.json"
        self.plugins_path = root / "plugins.toml"
        if config is not None:
            self.config_path.write_text(json.dumps(config, ensure_ascii=False, indent=2), "utf-8")
        self.plugins_path.write_text(plugins, "utf-8")

    @abstractmethod
    def log(self) -> str:
        """What it has logged so far."""

    @abstractmethod
    def stop(self) -> None:
        """Ask it to stop, and wait until it has."""

    @abstractmethod
    def kill(self) -> None:
        """Stop it immediately."""

    def healthy(self, timeout: float) -> bool:
        """Whether `/health` answers in time."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


class ChildGateway(Gateway):
    """`python -m llms_core serve …` in its own process, with its own folder as home."""

    def __init__(
        self,
        root: Path,
        config: Config | None,
        plugins: str,
        args: Sequence[str],
        env: Mapping[str, str],
    ) -> None:
        super().__init__(root, config, plugins)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        # A special environment may concern Python itself.
        started = [sys.executable, "-m", "llms_core"] if env else warm_llms.command()
        command = [*started, "serve", "--port", str(self.port)]
        command += ["--config", str(self.config_path)] if config is not None else []
        command += ["--plugins", str(self.plugins_path), *args]
        self._log = root / "gateway.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=root,
                env=self._environment(env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _environment(self, env: Mapping[str, str]) -> dict[str, str]:
        home = str(self.root)
        python = {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
        return {**os.environ, "HOME": home, "LLMS_HOME": home, **python, **env}

    def wait_ready(self) -> None:
        pause = 0.02
        for _ in range(int(TIMEOUT / pause)):
            if self.healthy(timeout=TIMEOUT):
                return
            with suppress(subprocess.TimeoutExpired):
                pytest.fail(f"the gateway ended with {self.process.wait(pause)}:\n{self.log()}")
        pytest.fail(f"the gateway did not answer within {TIMEOUT} s:\n{self.log()}")

    def log(self) -> str:
        return self._log.read_text("utf-8", errors="replace")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=10)


class ThreadGateway(Gateway):
    """The same application, served by uvicorn in a thread."""

    def __init__(self, root: Path, config: Config | None, plugins: str) -> None:
        from llms_core.server import run
        from llms_core.server.app import create_app

        super().__init__(root, config, plugins)
        self._log = io.StringIO()
        with ExitStack() as undone:
            undone.enter_context(self._logged())
            app = create_app(self.config_path if config is not None else None, self.plugins_path)
            self._ended = undone.pop_all()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._socket.getsockname()[1]
        protocol = run.protocol(plugins_toml.load(self.plugins_path).server)
        settings = uvicorn.Config(
            app,
            http=protocol,
            log_config=None,
            ws="none",
            lifespan="on",
            timeout_graceful_shutdown=3,
        )
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(target=self._run, name="served", daemon=True)
        self._thread.start()

    @contextmanager
    def _logged(self) -> Iterator[None]:
        handler = logging.StreamHandler(self._log)
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
        root, core = logging.getLogger(), logging.getLogger("llms_core")
        levels = root.level, core.level
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        core.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            root.removeHandler(handler)
            root.setLevel(levels[0])
            core.setLevel(levels[1])

    def _run(self) -> None:
        # uvicorn raises it if the start fails, which /health shows.
        with self._socket, suppress(SystemExit):
            self._server.run(sockets=[self._socket])

    def wait_ready(self) -> None:
        if not self.healthy(timeout=TIMEOUT):
            pytest.fail(f"the gateway did not answer:\n{self.log()}")

    def log(self) -> str:
        return self._log.getvalue()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)

    def kill(self) -> None:
        self._server.force_exit = True
        self.stop()

    def close(self) -> None:
        self.stop()
        self._ended.close()


class Serve(Protocol):
    """The fixture `served`."""

    def __call__(self, config: Config | None, plugins: str = "") -> ThreadGateway: ...


class Launch(Protocol):
    """The fixture `gateway`."""

    def __call__(
        self,
        config: Config | None,
        *,
        plugins: str = "",
        args: Sequence[str] = (),
        env: Mapping[str, str] = ...,
    ) -> ChildGateway: ...


class ProviderBlock(Protocol):
    """The fixture `provider`."""

    def __call__(
        self, upstream: ScriptedUpstream | str, models: Mapping[str, str] = ..., **more: object
    ) -> dict[str, Any]: ...


@pytest.fixture(autouse=True, scope="session")
def empty_working_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Run all tests in an empty folder, so that none finds the llms.json and plugins.toml of this repository.

    It has the scope of a session because fixtures of any scope may look for the files.
    """
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("cwd"))
    yield
    os.chdir(before)


def pytest_configure() -> None:
    """Let the tests' processes share compiled modules.

    Hundreds of short processes import the same few hundred modules. Where PYTHONDONTWRITEBYTECODE is set, as in many
    container images, each of them would compile them again, which doubles the time that the whole suite takes.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # Whether the embedded models are installed must not matter, except where they are tested.
    os.environ["LLMS_EMBEDDED"] = "off"
    sys.dont_write_bytecode = False


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run single files and single tests in this process: to start others would take longer than they do.

    Else there are three processes for two CPUs, because a third of the time a test waits for others: for a server to
    end, for a client to give up, for a time limit.
    """
    if all(Path(argument.partition("::")[0]).is_file() for argument in config.args):
        return 0
    cpus = os.cpu_count() or 1
    return cpus + cpus // 2


#: Fixtures that start processes or make environments: tests that use one take seconds.
SLOW_FIXTURES = {"broken", "environment", "gateway", "overridden", "project"}

#: Tests of the conformance suite that measure, or that try every byte or many splits of each stream.
SLOW_CONFORMANCE = ("test_p_", "test_s_cut_at_every_byte", "test_s_split_anywhere")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow by the fixtures that it uses, also indirectly, and the slow part of the conformance suite."""
    for item in items:
        uses_slow_fixture = not SLOW_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))
        if uses_slow_fixture or item.name.startswith(SLOW_CONFORMANCE):
            item.add_marker(pytest.mark.slow)


#: A tenth as many collections of old objects as by default: most are modules of SDKs, which live until the end.
GC_THRESHOLDS = (700, 10, 100)


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    """Collect the tests without collecting garbage, because nearly everything that is made stays."""
    gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Leave what exists once the tests are collected out of every later garbage collection.

    These are millions of objects (the SDKs' classes, the tests) that live until the end.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()


@pytest.fixture(autouse=True, scope="session")
def uvicorn_looks_often() -> Iterator[None]:
    """Let uvicorn notice at once that a server has to stop: a thousand tests start one."""
    with quick_uvicorn():
        yield


@pytest.fixture(autouse=True, scope="session")
def no_trusted_certificates() -> Iterator[None]:
    """Do not read the machine's certificates, which takes 35 ms for each HTTP client, and a test may have several.

    Every server of the tests speaks plain HTTP. A client that meets TLS trusts nobody, so it fails.
    """

    def load_nothing(*_: object, **__: object) -> None: ...

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl.SSLContext, "load_default_certs", load_nothing)
        patch.setattr(ssl.SSLContext, "load_verify_locations", load_nothing)
        yield


@pytest.fixture(autouse=True, scope="session")
def no_plugins_of_pytest_in_children() -> Iterator[None]:
    """Let pytest in child processes (`llms conformance`) load only the plugins that its command line names.

    Those that are installed beside it take seconds to import.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        yield


@pytest.fixture(autouse=True)
def machine_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the machine's keys, proxies and gateway settings, so that no test depends on them.

    The key for envelopes is given, because one would be made in the user's folder otherwise.
    """
    for name in list(os.environ):
        if name.upper().endswith(("_API_KEY", "_PROXY")) or name.startswith("LLMS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LLMS_SIGNATURE_KEY", "of the tests")
    monkeypatch.setenv("LLMS_EMBEDDED", "off")
    monkeypatch.setenv("LLMS_CACHE", CACHE)


@pytest.fixture(autouse=True)
def secrets_of_one_test() -> Iterator[None]:
    """Forget the secrets of a test at its end: a key that is an ordinary word would be masked in others' messages.

    Those that `provider` hands out stay, because servers that several tests share have them.
    """
    before = set(redact._known)
    yield
    ended = {
        secret for secret in redact._known if secret not in before and not secret.startswith(MARK)
    }
    for secret in ended:
        del redact._known[secret]
    if ended:
        redact._update()


@pytest.fixture
def upstreams() -> Iterator[Callable[[], ScriptedUpstream]]:
    """Makes scripted providers."""
    with ExitStack() as running:
        yield lambda: running.enter_context(ScriptedUpstream())


@pytest.fixture
def upstream(upstreams: Callable[[], ScriptedUpstream]) -> ScriptedUpstream:
    """A scripted provider."""
    return upstreams()


@pytest.fixture
def provider() -> ProviderBlock:
    """Makes the block of an OpenAI-compatible provider in llms.json, each with a key of its own.

    A provider is a scripted one, or the base URL of something else.
    """
    numbers = itertools.count(1)

    def block(
        upstream: ScriptedUpstream | str, models: Mapping[str, str] | None = None, **more: object
    ) -> dict[str, Any]:
        return {
            "enabled": True,
            "type": "OpenAiProvider",
            "base_url": upstream if isinstance(upstream, str) else upstream.base_url,
            "api_key": f"{MARK}{next(numbers)}",
            "models": dict(models or {"m": "up-m"}),
            **more,
        }

    return block


@pytest.fixture
def config_of() -> Callable[..., dict[str, Any]]:
    """Makes an llms.json of provider blocks, in the order given."""
    return lambda **providers: {"providers": providers}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Launch]:
    """Runs the real command; see `ChildGateway`."""
    launched: list[ChildGateway] = []

    def launch(
        config: Config | None,
        *,
        plugins: str = "",
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> ChildGateway:
        root = tmp_path / f"gateway-{len(launched) + 1}"
        root.mkdir()
        launched.append(ChildGateway(root, config, plugins, args, env or {}))
        launched[-1].wait_ready()
        return launched[-1]

    yield launch
    for one in launched:
        one.stop()
    for one in launched:
        _assert_no_key(one)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Serves the application from this process; see `ThreadGateway`."""
    running: list[ThreadGateway] = []
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LLMS_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def serve(config: Config | None, plugins: str = "") -> ThreadGateway:
        root = tmp_path / f"served-{len(running) + 1}"
        root.mkdir()
        running.append(ThreadGateway(root, config, plugins))
        running[-1].wait_ready()
        return running[-1]

    yield serve
    for one in reversed(running):
        one.close()
    for one in running:
        _assert_no_key(one)


def _assert_no_key(gateway: Gateway) -> None:
    leaks = [line for line in gateway.log().splitlines() if MARK in line]
    assert not leaks, f"the log has a provider's key: {leaks}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape what is no UTF-8 in captured output: xdist ends the whole run if it cannot send a report."""
    report = yield
    report.sections = [
        (title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections
    ]
    return report
