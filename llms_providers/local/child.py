"""The process that runs the local model: `Child` starts and watches it, `main` is what goes on inside it.

A crash of native code takes its process down, so llama.cpp has one to itself. It gets its orders, a random API key
among them, as one line of JSON on stdin; it tells the port of its HTTP server as one line of JSON on stdout; it logs to
stderr; and it ends when its stdin does, which is when the process that started it ends, however that ends.

What only a running model needs is imported where it is used: every `llms` command loads this module.
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
from typing import IO, TYPE_CHECKING

import msgspec

from llms_core import ErrorKind, ProviderError
from llms_core.secret import Secret

if TYPE_CHECKING:
    import subprocess
    from concurrent.futures import Future

RESTARTS, WINDOW = 3, 60.0
"""A child that keeps dying is restarted so often within so many seconds; then it stays down until they are over."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to run a model. `gguf` is empty for the demo model, `context` is in tokens, `start_timeout` in seconds."""

    gguf: str
    threads: int
    context: int
    parallel: int
    start_timeout: float


class Orders(Options, frozen=True, kw_only=True):
    """What a child is told. The key comes this way because command lines and environments can be read by others."""

    key: str


class Report(msgspec.Struct):
    """What a child says once it answers requests."""

    port: int


class Running(msgspec.Struct, frozen=True, eq=False):
    """A child that answers. `gone` is set once its process has ended."""

    base_url: str
    key: Secret
    pid: int
    gone: threading.Event


class Child:
    """One model's process: at most one at a time, started by whoever needs it first, and anew after it died.

    `gguf` finds the file to run; it raises ProviderError where there is none. `clock` is in seconds. Threads do the
    waiting, so that a child outlives the event loop that happened to start it.
    """

    def __init__(self, options: Options, gguf: Callable[[], Path], clock: Callable[[], float] = monotonic):
        self.options, self._gguf, self._clock = options, gguf, clock
        #: the child that answers, if one does; a plain read, for the path of every request
        self.running: Running | None = None
        self._lock = threading.Lock()
        self._starting: Future[Running] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = deque[float](maxlen=1 + RESTARTS)
        self._reason = ""
        self._closed = False

    def start(self) -> Future[Running]:
        """The child once it answers; all who ask during one start get the same.

        The future fails with ProviderError: there is nothing to run (network), the child did not come up in time or
        died (network), or it has died too often lately (overloaded, with the seconds left in `retry_after`).
        """
        from concurrent.futures import Future

        with self._lock:
            if self._starting is None or (self._starting.done() and self.running is None):
                self._starting = Future()
                self._starting.set_running_or_notify_cancel()  # one caller's cancellation is not the others'
                threading.Thread(target=self._start, args=(self._starting,), daemon=True).start()
            return self._starting

    def close(self) -> None:
        """End the child for good. Returns when its process is gone."""
        with self._lock:
            self._closed, process = True, self._process
        if process is not None:
            process.kill()  # it holds nothing worth saving
            process.wait()

    def _start(self, started: Future[Running]) -> None:
        try:
            running = self._launched()
        except ProviderError as error:
            started.set_exception(error)
        except Exception as error:  # whoever waits has to hear of it
            started.set_exception(_failure(str(error)))
        else:
            started.set_result(running)

    def _launched(self) -> Running:
        gguf, key = self._gguf(), os.urandom(32).hex()
        process, tail, late, gone = self._spawned(), deque[str](maxlen=20), threading.Event(), threading.Event()
        watcher = threading.Thread(target=self._watch, args=(process, tail, gone), daemon=True)
        watcher.start()

        def expire() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(self.options.start_timeout, expire)
        timer.daemon = True
        timer.start()
        orders = Orders(**{**msgspec.structs.asdict(self.options), "gguf": str(gguf)}, key=key)
        with suppress(OSError):  # a child that is dead already is found out by its silence
            _pipe(process.stdin).write(msgspec.json.encode(orders) + b"\n")
            _pipe(process.stdin).flush()
        with _pipe(process.stdout) as stdout:
            line = stdout.readline()
        timer.cancel()
        try:
            port = msgspec.json.decode(line, type=Report).port
        except msgspec.DecodeError:
            process.kill()
            watcher.join()
            late_by = f"it was not ready within {self.options.start_timeout:g} s"
            self._reason = _why(late_by if late.is_set() else f"exit code {process.returncode}", tail)
            raise _failure(self._reason) from None
        running = Running(f"http://127.0.0.1:{port}/v1", Secret(key), process.pid, gone)
        with self._lock:
            self.running = None if gone.is_set() else running
        return running

    def _spawned(self) -> subprocess.Popen[bytes]:
        import subprocess

        with self._lock:
            if self._closed:
                raise _failure("it has been shut down")
            now = self._clock()
            if len(self._starts) > RESTARTS and (wait := self._starts[0] + WINDOW - now) > 0:
                message = f"The local model died {RESTARTS + 1} times within {WINDOW:g} s; last: {self._reason}"
                raise ProviderError(ErrorKind.OVERLOADED, message, retry_after=wait)
            self._starts.append(now)
            # -P: what lies in the current directory is not imported. A session, or group, of its own: a Ctrl-C is
            # meant for the server, which may still have answers to finish.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "llms_providers.local.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=os.name == "posix",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
            return self._process

    def _watch(self, process: subprocess.Popen[bytes], tail: deque[str], gone: threading.Event) -> None:
        """Read what the child logs, up to its end."""
        import logging

        log = logging.getLogger("llms_providers.local")
        with _pipe(process.stderr) as stderr:
            for line in stderr:
                tail.append(line.decode(errors="replace").rstrip())
                log.debug("%s", tail[-1])
        code = process.wait()
        with suppress(OSError):  # orders that it never took
            _pipe(process.stdin).close()
        with self._lock:
            if self.running is not None and self.running.gone is gone:
                self.running, self._reason = None, _why(f"exit code {code}", tail)
                if not self._closed:
                    log.warning("The local model's process died: %s", self._reason)
            gone.set()


def _failure(why: str) -> ProviderError:
    return ProviderError(ErrorKind.NETWORK, f"The local model cannot be started: {why}")


def _why(what: str, tail: deque[str]) -> str:
    return f"{what}; the last of its log: {' | '.join(list(tail)[-3:])}" if tail else what


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise TypeError("Popen was not asked for this pipe")
    return stream


def main() -> None:
    """Be the child: serve the model that stdin names, until stdin ends."""
    import faulthandler
    import signal

    report = os.dup(1)
    os.dup2(2, 1)  # native code prints where it likes; the line for our parent stays clean
    orders = msgspec.json.decode(sys.stdin.buffer.readline(), type=Orders)
    # llama.cpp loads with the GIL held: an end of stdin would go unheard, and a load that hangs would be for ever.
    faulthandler.dump_traceback_later(orders.start_timeout, exit=True)

    import xllamacpp  # type: ignore[import-not-found,import-untyped,unused-ignore]

    params = xllamacpp.CommonParams()
    params.model.path = orders.gguf
    params.model_alias = {Path(orders.gguf).stem}  # else answers name the model by its whole path
    params.n_ctx, params.n_parallel, params.kv_unified = orders.context, orders.parallel, True
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = orders.threads
    params.api_keys, params.port = [orders.key], 0
    params.offline, params.cache_ram_mib, params.verbosity = True, 0, 1  # 1: errors only
    server = xllamacpp.Server(params)
    faulthandler.cancel_dump_traceback_later()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)  # older versions' handlers stop the server, but leave the process
    host, _, port = server.listening_address.rpartition(":")
    if host != "http://127.0.0.1":
        sys.exit(f"llama.cpp listens on {server.listening_address}, which is not for this machine alone")
    os.write(report, msgspec.json.encode(Report(port=int(port))) + b"\n")
    os.close(report)
    sys.stdin.buffer.read()
    os._exit(0)  # at once: no destructor of llama.cpp's has anything to say now


if __name__ == "__main__":
    main()
