"""The process that runs the local model: `Child` starts and watches it, `main` is the code that runs in it.

llama.cpp has a process of its own, because a crash of native code takes its whole process down. The protocol between
the two:

1. The parent writes `Orders`, including a random API key, as one line of JSON to the child's stdin.
2. The child loads the model, and writes a `Report` with the port of its HTTP server as one line of JSON to stdout.
3. The child logs to stderr.
4. The child ends when its stdin is closed: when the parent ends, in whatever way.

Modules that only a running model needs are imported where they are used: every `llms` command loads this module.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import IO, TYPE_CHECKING, Any

import msgspec

from llms_core import ErrorKind, ProviderError
from llms_core.secret import Secret

if TYPE_CHECKING:
    import subprocess
    from concurrent.futures import Future

MAX_RESTARTS = 3
"""How often a dying child is restarted within RESTART_WINDOW; then it stays down until the window is over."""

RESTART_WINDOW = 60.0
"""In seconds."""

# How many lines of the child's log are kept for the reason of its end, and how many of them are quoted.
_LOG_LINES_KEPT = 20
_LOG_LINES_QUOTED = 3


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to run a model."""

    #: path of the file; empty for the demo model
    gguf: str
    threads: int
    #: in tokens
    context: int
    #: how many requests run at the same time
    parallel: int
    #: in seconds
    start_timeout: float
    #: whether the model returns vectors instead of text; `context` is for one text then
    embedding: bool = False


class Orders(Options, frozen=True, kw_only=True):
    """What the parent sends to the child."""

    #: sent over stdin, because other users of the machine can read command lines and environments
    key: str


class Report(msgspec.Struct):
    """What the child sends to the parent once it answers requests."""

    port: int


class Running(msgspec.Struct, frozen=True, eq=False):
    """A child that answers requests."""

    base_url: str
    key: Secret
    pid: int
    #: set once the process has ended
    gone: threading.Event


class Child:
    """One model's process: at most one at a time, started on demand, and again after it died.

    `find_gguf` returns the file to run and raises ProviderError if it is missing. `clock` is in seconds. Threads do the
    waiting, so that a child outlives the event loop in which it was started.
    """

    def __init__(
        self,
        options: Options,
        find_gguf: Callable[[], Path],
        clock: Callable[[], float] = monotonic,
    ):
        self.options = options
        #: The child if it answers requests. Read without the lock, because every request does so.
        self.running: Running | None = None
        self._find_gguf = find_gguf
        self._clock = clock
        self._lock = threading.Lock()
        self._starting: Future[Running] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        # When the latest children were started. All of them fit into one window if the oldest is still in it.
        self._starts = deque[float](maxlen=1 + MAX_RESTARTS)
        # Why the last child ended.
        self._reason = ""
        self._closed = False

    def start(self) -> Future[Running]:
        """Start the child unless it runs or is being started; return a future for when it answers requests.

        The future fails with ProviderError: of the kind NETWORK if the model is missing or the child died or was not
        ready in time, of the kind OVERLOADED, with `retry_after`, if it has died too often lately.
        """
        from concurrent.futures import Future

        with self._lock:
            if self._starting is None or (self._starting.done() and self.running is None):
                self._starting = Future()
                # All callers share the future: one that gives up must not cancel it for the others.
                self._starting.set_running_or_notify_cancel()
                threading.Thread(target=self._start, args=(self._starting,), daemon=True).start()
            return self._starting

    def close(self) -> None:
        """End the child for good, and return when its process is gone."""
        with self._lock:
            self._closed = True
            process = self._process
        if process is not None:
            # It has no state worth saving.
            process.kill()
            process.wait()

    def _start(self, started: Future[Running]) -> None:
        try:
            running = self._launch()
        except ProviderError as error:
            started.set_exception(error)
        except Exception as error:
            # Whatever went wrong in this thread: the callers wait for the future and must learn of it.
            started.set_exception(_start_error(str(error)))
        else:
            started.set_result(running)

    def _launch(self) -> Running:
        gguf = self._find_gguf()
        key = os.urandom(32).hex()
        members = msgspec.structs.asdict(self.options)
        members["gguf"] = str(gguf)
        orders = Orders(**members, key=key)

        process = self._spawn()
        log_tail = deque[str](maxlen=_LOG_LINES_KEPT)
        gone = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(process, log_tail, gone), daemon=True)
        watcher.start()

        line, timed_out = self._exchange(process, orders)
        try:
            report = msgspec.json.decode(line, type=Report)
        except msgspec.DecodeError:
            process.kill()
            watcher.join()
            cause = f"exit code {process.returncode}"
            if timed_out:
                cause = f"it was not ready within {self.options.start_timeout:g} s"
            self._reason = _with_log(cause, log_tail)
            raise _start_error(self._reason) from None

        running = Running(f"http://127.0.0.1:{report.port}/v1", Secret(key), process.pid, gone)
        with self._lock:
            # It may have died between its report and now.
            if not gone.is_set():
                self.running = running
        return running

    def _spawn(self) -> subprocess.Popen[bytes]:
        import subprocess

        with self._lock:
            if self._closed:
                raise _start_error("it has been shut down")
            self._count_start()
            self._process = subprocess.Popen(
                # -P keeps modules in the current directory from being imported.
                [sys.executable, "-P", "-m", "llms_providers.local.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # A session or process group of its own: a Ctrl-C is meant for the gateway, which may still have
                # answers to finish.
                start_new_session=os.name == "posix",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
            return self._process

    def _count_start(self) -> None:
        """Record a start. Raises ProviderError if there were too many within the window."""
        now = self._clock()
        if len(self._starts) > MAX_RESTARTS:
            wait = self._starts[0] + RESTART_WINDOW - now
            if wait > 0:
                count = MAX_RESTARTS + 1
                message = f"The local model died {count} times within {RESTART_WINDOW:g} s; last: {self._reason}"
                raise ProviderError(ErrorKind.OVERLOADED, message, retry_after=wait)
        self._starts.append(now)

    def _exchange(self, process: subprocess.Popen[bytes], orders: Orders) -> tuple[bytes, bool]:
        """Send the orders; return the line with the report, empty if there is none, and whether time ran out."""
        timed_out = threading.Event()

        def expire() -> None:
            timed_out.set()
            process.kill()

        # Pipes cannot be read with a timeout on every platform. Killing the child ends the read instead.
        timer = threading.Timer(self.options.start_timeout, expire)
        timer.daemon = True
        timer.start()
        # A child that is already dead cannot read its orders; the missing report then says so.
        with suppress(OSError):
            stdin = _pipe(process.stdin)
            stdin.write(msgspec.json.encode(orders) + b"\n")
            stdin.flush()
        with _pipe(process.stdout) as stdout:
            line = stdout.readline()
        timer.cancel()
        return line, timed_out.is_set()

    def _watch(
        self, process: subprocess.Popen[bytes], log_tail: deque[str], gone: threading.Event
    ) -> None:
        """Read what the child logs until it ends, then record the reason."""
        import logging

        log = logging.getLogger("llms_providers.local")
        with _pipe(process.stderr) as stderr:
            for line in stderr:
                text = line.decode(errors="replace").rstrip()
                log_tail.append(text)
                log.debug("%s", text)
        code = process.wait()
        # Closing flushes, which fails if the child never read its orders.
        with suppress(OSError):
            _pipe(process.stdin).close()
        with self._lock:
            if self.running is not None and self.running.gone is gone:
                self.running = None
                self._reason = _with_log(f"exit code {code}", log_tail)
                if not self._closed:
                    log.warning("The local model's process died: %s", self._reason)
            gone.set()


def _start_error(reason: str) -> ProviderError:
    return ProviderError(ErrorKind.NETWORK, f"The local model cannot be started: {reason}")


def _with_log(cause: str, log_tail: deque[str]) -> str:
    """Return a cause with the end of the child's log, if it has written one."""
    if not log_tail:
        return cause
    lines = list(log_tail)[-_LOG_LINES_QUOTED:]
    return f"{cause}; its log ends with: {' | '.join(lines)}"


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    """Return one of a process's pipes, which its type allows to be None."""
    if stream is None:
        raise TypeError("the process was started without this pipe")
    return stream


def main() -> None:
    """Serve the model that stdin names, until stdin is closed."""
    import faulthandler

    # Native code prints to stdout as it likes. The report's line must stay clean, so stdout becomes stderr.
    report = os.dup(1)
    os.dup2(2, 1)
    orders = msgspec.json.decode(sys.stdin.buffer.readline(), type=Orders)
    # llama.cpp holds the GIL while it loads a model: the end of stdin goes unnoticed then, and a load that hangs would
    # never end. This watchdog needs no GIL.
    faulthandler.dump_traceback_later(orders.start_timeout, exit=True)
    server = _start_server(orders)
    faulthandler.cancel_dump_traceback_later()
    _restore_signals()

    host, _, port = server.listening_address.rpartition(":")
    if host != "http://127.0.0.1":
        sys.exit(f"llama.cpp listens on {server.listening_address}, which other machines may reach")
    os.write(report, msgspec.json.encode(Report(port=int(port))) + b"\n")
    os.close(report)
    sys.stdin.buffer.read()
    # Without cleanup: llama.cpp's destructors have nothing to save and may hang.
    os._exit(0)


def _start_server(orders: Orders) -> Any:
    """Load the model and return llama.cpp's HTTP server, which runs in threads of its own."""
    import xllamacpp  # type: ignore[import-not-found,import-untyped,unused-ignore]

    params = xllamacpp.CommonParams()
    params.model.path = orders.gguf
    # The default alias is the file's path, which answers would disclose.
    params.model_alias = {Path(orders.gguf).stem}
    params.n_ctx = orders.context
    if orders.embedding:
        params.embedding = True
        # A text is processed at once, and each of those that are processed together has a context of its own. A longer
        # text is refused, because the model has no position beyond its context.
        params.n_batch = orders.context
        params.n_ubatch = orders.context
        params.n_ctx = orders.context * orders.parallel
    params.n_parallel = orders.parallel
    # One cache for all requests; otherwise each would get only an equal share of the context.
    params.kv_unified = True
    params.cpuparams.n_threads = orders.threads
    params.cpuparams_batch.n_threads = orders.threads
    params.api_keys = [orders.key]
    # Any free port.
    params.port = 0
    params.offline = True
    params.cache_ram_mib = 0
    # Errors only.
    params.verbosity = 1
    return xllamacpp.Server(params)


def _restore_signals() -> None:
    """Undo the handlers of older versions of llama.cpp, which stop the server but do not end the process."""
    import signal

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    main()
