"""The benchmarks work: every phase is measured, every answer checked. How fast anything is, is not asked here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]
PHASES = {"start", "one", "plain", "burst", "paced", "failover"}
SVG = "{http://www.w3.org/2000/svg}"
RIGHT = "a right answer"
STAMP = "sent at 0000000000000000001"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="CPU time and memory are read from /proc"),
]

FAILING_GATEWAY = f"""\
#!{sys.executable}
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Once(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked = 0

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        Once.asked += 1
        content = b"{RIGHT}"
        self.send_response(200 if Once.asked == 1 else 500)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


ThreadingHTTPServer.request_queue_size = 64
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Once).serve_forever()
"""


def outcome(*arguments: str, env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """Exit code, output and errors of `python -m …`; asked to end where it takes too long, so that it tidies up."""
    with subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            told, errors = process.communicate(timeout=60)
        finally:
            process.terminate()
    return process.returncode, told, errors


def rows(table: str) -> list[list[str]]:
    """The cells of a table in Markdown."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]


@contextmanager
def answering(content: bytes, status: int = 200, chunked: bool = False) -> Iterator[int]:
    """The port of a server that gives every request the same answer."""

    class Same(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            if chunked:
                self.send_header("transfer-encoding", "chunked")
            else:
                self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Same) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join(timeout=10)


def frames(*events: str) -> bytes:
    """A stream's body in chunked transfer encoding."""
    data = [f"data: {event}\n\n".encode() for event in events]
    return b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in data) + b"0\r\n\r\n"


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[list[str]], Path]:
    """What `--smoke` tells, and its chart."""
    chart = tmp_path_factory.mktemp("chart") / "chart.svg"
    code, told, errors = outcome("benchmarks", "--smoke", "--chart", str(chart))
    assert code == 0, errors
    return rows(told), chart


def test_every_phase_of_the_gateway_is_in_the_table(smoke: tuple[list[list[str]], Path]) -> None:
    heads, _, *lines = smoke[0]
    figures = {line[0]: line[heads.index("llms")] for line in lines if ":" in line[0]}
    assert {name.partition(":")[0] for name in figures} == PHASES
    assert "–" not in figures.values()


def test_every_answer_is_right(smoke: tuple[list[list[str]], Path]) -> None:
    name, *wrong = smoke[0][-1]
    assert name == "wrong answers"
    assert set(wrong) == {"0"}


def test_the_chart_has_a_bar_of_the_gateway_for_each_phase_under_load(smoke: tuple[list[list[str]], Path]) -> None:
    chart = ElementTree.parse(smoke[1]).getroot()
    assert chart.tag == f"{SVG}svg"
    assert len(chart.findall(f"{SVG}rect[@class='llms']")) == 4


def test_a_gateway_that_answers_wrongly_is_told_of_and_fails_the_run(tmp_path: Path) -> None:
    program, chart = tmp_path / "gateway", tmp_path / "chart.svg"
    program.write_text(FAILING_GATEWAY, "utf-8")
    program.chmod(0o755)
    options = ("--gateways", "litellm", "--phases", "plain", "--rounds", "1", "--seconds", "0.1", "--chart", str(chart))
    code, told, errors = outcome("benchmarks", *options, env={"LLMS_BENCH_LITELLM": str(program)})
    assert code == 1
    assert int(rows(told)[-1][1]) > 0
    assert "status 500" in errors


@pytest.mark.parametrize(
    ("content", "status", "chunks", "fault"),
    [
        pytest.param(RIGHT.encode(), 200, 0, "", id="right"),
        pytest.param(RIGHT.encode(), 503, 0, "status 503", id="status"),
        pytest.param(b"something else", 200, 0, "another text", id="text"),
        pytest.param(frames(STAMP, STAMP, "[DONE]"), 200, 2, "", id="right-stream"),
        pytest.param(frames(STAMP, "[DONE]"), 200, 2, "1 chunks in place of 2", id="length"),
        pytest.param(frames(STAMP, STAMP), 200, 2, "no [DONE]", id="end"),
        pytest.param(b"zz\r\n0\r\n\r\n", 200, 2, "no HTTP", id="framing"),
    ],
)
def test_the_load_generator_checks_every_answer(content: bytes, status: int, chunks: int, fault: str) -> None:
    with answering(content, status, chunked=chunks > 0) as port:
        load = {"port": port, "connections": 2, "requests": 6, "seconds": 10, "chunks": chunks}
        code, told, errors = outcome("benchmarks.load", json.dumps(load))
    assert code == 0, errors
    answered = json.loads(told)
    assert (answered["right"], answered["wrong"]) == ((0, 6) if fault else (6, 0))
    assert answered["fault"].startswith(fault)


def test_the_growth_of_the_cost_is_told_for_each_value_of_a_factor() -> None:
    code, told, errors = outcome("benchmarks", "scaling", "--factors", "plugins", "--rounds", "1", "--seconds", "0.1")
    assert code == 0, errors
    assert [line[:2] for line in rows(told)[2:]] == [["plugins", "0"], ["plugins", "20"]]


def test_memory_is_told_before_and_after_and_while_slow_streams_are_open() -> None:
    options = ("--requests", "50", "--streams", "5", "--slow", "5", "--hold", "3")
    code, told, errors = outcome("benchmarks", "memory", *options)
    assert code == 0, errors
    assert [line[0].partition(" ")[0] for line in rows(told)[2:]] == ["after", "after", "while", "after"]
