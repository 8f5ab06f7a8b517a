"""`llms serve --log-json`: every line is a JSON object that programs can read, without a key."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from llms_core.routing.trace import RequestTrace, current_trace
from llms_core.secret import Secret, redact
from llms_core.server import logs
from llms_core.testing import Reply, ScriptedUpstream, Stall, completion, error
from tests.conftest import ChildGateway
from tests.core.server.conftest import KEY, NO_RETRIES, Asking, first_alone

if TYPE_CHECKING:
    from tests.conftest import Gateway, Launch

Ask = Callable[["Gateway"], Asking]
Json = dict[str, Any]

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[Json]]]:
    """The lines that the log of this process has written since the test began."""
    text = io.StringIO()
    root, core = logging.getLogger(), logging.getLogger("llms_core")
    before = root.handlers[:], root.level, core.level
    monkeypatch.setattr("llms_core.server.stderr.Stderr.write", lambda self, line: text.write(line))
    # pytest's own handlers would be closed.
    root.handlers = []
    logs.configure(logging.INFO, as_json=True)
    yield lambda: [json.loads(line) for line in text.getvalue().splitlines()]
    logging.captureWarnings(False)
    root.handlers, root.level, core.level = before


def test_a_line_has_its_time_level_logger_and_process(written: Callable[[], list[Json]]) -> None:
    logging.getLogger("llms_core.of_test").info("%s requests", 3)
    (line,) = written()
    assert (line["level"], line["logger"], line["message"]) == (
        "info",
        "llms_core.of_test",
        "3 requests",
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["time"])
    assert isinstance(line["pid"], int)
    assert "request_id" not in line


def test_line_breaks_and_control_characters_stay_within_a_line(
    written: Callable[[], list[Json]],
) -> None:
    logging.getLogger("llms_core").warning("%s", "one\ntwo\r\x1b[31m\udcff")
    (line,) = written()
    assert line["message"] == "one\ntwo\r\x1b[31m\\udcff"


def test_a_traceback_is_a_member_without_keys(written: Callable[[], list[Json]]) -> None:
    redact.add([Secret('sk-"of-the-log"\\')])
    try:
        raise ValueError('no good with sk-"of-the-log"\\')
    except ValueError:
        logging.getLogger("llms_core").exception('failed with sk-"of-the-log"\\')
    (line,) = written()
    assert line["message"] == "failed with ***"
    assert "ValueError: no good with ***" in line["exception"]


def test_warnings_of_python_are_lines_of_the_log(written: Callable[[], list[Json]]) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("soon to be gone", FutureWarning, stacklevel=1)
    (line,) = written()
    assert "soon to be gone" in line["message"]


@pytest.mark.parametrize(
    ("header", "trace"),
    [
        (TRACEPARENT, TRACE),
        (f" {TRACEPARENT} ", TRACE),
        (f"01-{TRACE}-00f067aa0ba902b7-01-of-a-later-version", TRACE),
        (f"ff-{TRACE}-00f067aa0ba902b7-01", ""),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", ""),
        (f"00-{TRACE}-{'0' * 16}-01", ""),
        (f"00-{TRACE.upper()}-00f067aa0ba902b7-01", ""),
        ("no trace", ""),
        ("", ""),
    ],
)
def test_the_trace_is_that_of_a_valid_traceparent(header: str, trace: str) -> None:
    assert RequestTrace(headers=[(b"traceparent", header.encode())]).trace_id == trace


def test_a_line_within_a_request_has_its_ids(written: Callable[[], list[Json]]) -> None:
    trace = RequestTrace(headers=[(b"traceparent", TRACEPARENT.encode())])
    token = current_trace.set(trace)
    try:
        logging.getLogger("llms_core").info("in the course of a request")
    finally:
        current_trace.reset(token)
    (line,) = written()
    assert (line["request_id"], line["trace_id"]) == (trace.id, TRACE)


@pytest.mark.slow  # real processes
@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_writes_nothing_but_json(
    upstream: ScriptedUpstream, gateway: Launch, workers: int
) -> None:
    """Our own lines and uvicorn's; those of one request have its id, and the client's trace."""
    upstream.script(completion(), error(500, f"no good with {KEY}\nFORGED"))
    args = ("--log-json", "--verbose", "--workers", str(workers))
    launched: ChildGateway = gateway(
        first_alone(upstream), plugins=f"{NO_RETRIES}[server]\ndrain = 1\n", args=args
    )
    with ExitStack() as closing:
        client = Asking(launched)
        closing.callback(client.http.close)
        served = client.chat({"traceparent": TRACEPARENT})
        failed = client.chat()
        # uvicorn logs that it cancels a request which is still running when the server stops.
        upstream.default = Reply(Stall())
        running = closing.enter_context(ThreadPoolExecutor(1)).submit(client.chat)
        upstream.wait_for_request(3)
        launched.stop()
        assert running.result().status_code == 503
    lines = [json.loads(line) for line in launched.log().splitlines()]
    assert [line["message"] for line in lines if "listening" in line["message"]] != []
    assert "uvicorn.error" in {line["logger"] for line in lines}
    (of_served,) = [
        line for line in lines if line.get("request_id") == served.headers["x-request-id"]
    ]
    assert of_served["trace_id"] == TRACE
    of_failed = [line for line in lines if line.get("request_id") == failed.headers["x-request-id"]]
    assert [line["level"] for line in of_failed] == ["warning", "info"]
    assert "no good with ***\nFORGED" in of_failed[0]["message"]
    assert KEY not in launched.log()
