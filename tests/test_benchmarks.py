"""The benchmarks work: every phase is measured and every answer checked. No test depends on how fast anything is."""

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

#: A gateway that answers its first request, and so starts, and fails all others.
FAILING_GATEWAY = f"""\
#!{sys.executable}
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class AnswersOnce(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    requests = 0

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        AnswersOnce.requests += 1
        content = b"{RIGHT}"
        self.send_response(200 if AnswersOnce.requests == 1 else 500)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


ThreadingHTTPServer.request_queue_size = 64
port = int(sys.argv[sys.argv.index("--port") + 1])
ThreadingHTTPServer(("127.0.0.1", port), AnswersOnce).serve_forever()
"""


def run_module(*arguments: str, env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """Run `python -m …`; return its exit code, stdout and stderr.

    After a timeout it gets SIGTERM, not SIGKILL, so that it stops the processes that it has started.
    """
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
            output, errors = process.communicate(timeout=60)
        finally:
            process.terminate()
    return process.returncode, output, errors


def rows(table: str) -> list[list[str]]:
    """Return the cells of a Markdown table, line by line."""
    lines = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line] for line in lines]


@contextmanager
def answering(content: bytes, status: int = 200, chunked: bool = False) -> Iterator[int]:
    """Run a server that gives every request the same answer; yield its port."""

    class SameAnswer(BaseHTTPRequestHandler):
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

    with ThreadingHTTPServer(("127.0.0.1", 0), SameAnswer) as server:
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join(timeout=10)


def chunked_stream(*events: str) -> bytes:
    """Return the body of a stream in chunked transfer encoding."""
    body = b""
    for event in events:
        data = f"data: {event}\n\n".encode()
        body += b"%x\r\n%b\r\n" % (len(data), data)
    return body + b"0\r\n\r\n"


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[list[str]], Path]:
    """The table that `--smoke` prints, and the path of its chart."""
    chart = tmp_path_factory.mktemp("chart") / "chart.svg"
    code, output, errors = run_module("benchmarks", "--smoke", "--chart", str(chart))
    assert code == 0, errors
    return rows(output), chart


def test_table_has_every_phase_of_the_gateway(smoke: tuple[list[list[str]], Path]) -> None:
    heads, _, *lines = smoke[0]
    figures = {line[0]: line[heads.index("llms")] for line in lines if ":" in line[0]}
    assert {name.partition(":")[0] for name in figures} == PHASES
    assert "–" not in figures.values()


def test_no_answer_is_wrong(smoke: tuple[list[list[str]], Path]) -> None:
    name, *wrong = smoke[0][-1]
    assert name == "wrong answers"
    assert set(wrong) == {"0"}


def test_chart_has_a_bar_for_each_phase_under_load(smoke: tuple[list[list[str]], Path]) -> None:
    chart = ElementTree.parse(smoke[1]).getroot()
    assert chart.tag == f"{SVG}svg"
    assert len(chart.findall(f"{SVG}rect[@class='llms']")) == 4


def test_wrong_answers_are_reported_and_fail_the_run(tmp_path: Path) -> None:
    program = tmp_path / "gateway"
    chart = tmp_path / "chart.svg"
    program.write_text(FAILING_GATEWAY, "utf-8")
    program.chmod(0o755)
    options = ["--gateways", "litellm", "--phases", "plain"]
    options += ["--rounds", "1", "--seconds", "0.1", "--chart", str(chart)]
    code, output, errors = run_module(
        "benchmarks", *options, env={"LLMS_BENCH_LITELLM": str(program)}
    )
    assert code == 1
    wrong_answers = rows(output)[-1][1]
    assert int(wrong_answers) > 0
    assert "status 500" in errors


@pytest.mark.parametrize(
    ("content", "status", "chunks", "fault"),
    [
        pytest.param(RIGHT.encode(), 200, 0, "", id="right"),
        pytest.param(RIGHT.encode(), 503, 0, "status 503", id="status"),
        pytest.param(b"something else", 200, 0, "another text", id="text"),
        pytest.param(chunked_stream(STAMP, STAMP, "[DONE]"), 200, 2, "", id="right-stream"),
        pytest.param(
            chunked_stream(STAMP, "[DONE]"), 200, 2, "1 chunks in place of 2", id="length"
        ),
        pytest.param(chunked_stream(STAMP, STAMP), 200, 2, "no [DONE]", id="end"),
        pytest.param(b"zz\r\n0\r\n\r\n", 200, 2, "no HTTP", id="framing"),
    ],
)
def test_load_generator_checks_every_answer(
    content: bytes, status: int, chunks: int, fault: str
) -> None:
    with answering(content, status, chunked=chunks > 0) as port:
        load = {"port": port, "connections": 2, "requests": 6, "seconds": 10, "chunks": chunks}
        code, output, errors = run_module("benchmarks.load", json.dumps(load))
    assert code == 0, errors
    answered = json.loads(output)
    expected = (0, 6) if fault else (6, 0)
    assert (answered["right"], answered["wrong"]) == expected
    assert answered["fault"].startswith(fault)


def test_scaling_reports_each_value_of_a_factor() -> None:
    options = ("--factors", "plugins", "--rounds", "1", "--seconds", "0.1")
    code, output, errors = run_module("benchmarks", "scaling", *options)
    assert code == 0, errors
    assert [line[:2] for line in rows(output)[2:]] == [["plugins", "0"], ["plugins", "20"]]


def test_what_recording_costs_is_the_difference_to_a_gateway_without() -> None:
    code, output, errors = run_module(
        "benchmarks", "recording", "--rounds", "2", "--seconds", "0.2"
    )
    assert code == 0, errors
    assert [line[0] for line in rows(output)[2:]] == ["without", "ledger and metrics"]


def test_memory_is_reported_before_during_and_after_slow_streams() -> None:
    options = ("--requests", "50", "--streams", "5", "--slow", "5", "--hold", "3")
    code, output, errors = run_module("benchmarks", "memory", *options)
    assert code == 0, errors
    assert [line[0].partition(" ")[0] for line in rows(output)[2:]] == [
        "after",
        "after",
        "while",
        "after",
    ]


@pytest.mark.parametrize(
    "order", [(), ("--file-first",)], ids=["the model first", "the file first"]
)
def test_uploads_take_little_memory(order: tuple[str, ...]) -> None:
    """40 files of 5 MB arrive at once: far less than the 200 MB that they have together."""
    code, output, errors = run_module(
        "benchmarks", "uploads", "--uploads", "40", "--megabytes", "5", *order
    )
    assert code == 0, errors
    before, peak = (float(row[1]) for row in rows(output)[2:])
    assert peak - before < 120
