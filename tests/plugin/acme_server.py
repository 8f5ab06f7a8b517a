"""A server that speaks the protocols of `acme/llms_provider_acme.py` and `acme/llms_provider_acme_jobs.py`.

The text of the last message determines the answer: "weather" calls the first tool, "fail", "rate" and "hot" are errors,
and "break" fails in the middle of the stream. Any other text is repeated word by word. A job is done when it is asked
for the second time, unless its text is "for ever".
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

KEY = "acme-key-of-tests"


class AcmeServer:
    """A context manager that serves on a free port."""

    def __init__(self) -> None:
        #: The bodies of the requests.
        self.requests: list[dict[str, Any]] = []
        #: The teams that paid for them.
        self.teams: list[str | None] = []
        #: The tickets that were handed out, of which the last one is valid.
        self.tickets: list[str] = []
        #: The jobs by their ids, each with how often it was asked for; those that were stopped are gone.
        self.jobs: dict[str, dict[str, Any]] = {}
        # http.server creates a handler for each request: class attributes are its only connection to the server.
        handler = type("Handler", (_Handler,), vars(self).copy())
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="acme", daemon=True
        )

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    requests: list[dict[str, Any]]
    teams: list[str | None]
    tickets: list[str]
    jobs: dict[str, dict[str, Any]]

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/v1/ticket":
            self._ticket()
            return
        body = json.loads(content)
        self.requests.append(body)
        if self.path == "/v1/jobs":
            self._job("", body)
            return
        self.teams.append(self.headers["x-acme-team"])
        last = body["lines"][-1]
        if self.path != "/v1/talk":
            self._send(404, {"oops": ["lost", f"{self.path} does not exist"]})
        elif self.headers["x-acme-key"] != KEY:
            self._send(401, {"oops": ["stranger", "The key is invalid"]})
        elif "fail" in last["say"]:
            self._send(500, {"oops": ["jam", "The machine is jammed"]})
        elif "hot" in last["say"]:
            self._send(400, {"oops": ["too_hot", "The heat must not exceed 2"]})
        elif "rate" in last["say"]:
            self._send(
                429, {"oops": ["slow", "Too many requests per minute"]}, {"retry-after": "7"}
            )
        elif body["live"]:
            self._stream(_events(body, last), broken="break" in last["say"])
        else:
            self._send(200, _joined(_events(body, last)))

    def do_GET(self) -> None:
        self._job(self.path.removeprefix("/v1/jobs/"))

    def do_DELETE(self) -> None:
        number = self.path.removeprefix("/v1/jobs/")
        self.jobs.pop(number, None)
        self._send(200, {"id": number})

    def _ticket(self) -> None:
        if self.headers["x-acme-key"] != KEY:
            self._send(401, {"oops": ["stranger", "The key is invalid"]})
            return
        self.tickets.append(f"acme-ticket-{len(self.tickets)}")
        self._send(200, {"ticket": self.tickets[-1], "valid": 600})

    def _job(self, number: str, body: dict[str, Any] | None = None) -> None:
        if self.headers["x-acme-key"] not in self.tickets[-1:]:
            self._send(401, {"oops": ["stranger", "The ticket is invalid"]})
        elif body is not None:
            number = str(len(self.jobs))
            self.jobs[number] = {"body": body, "asked": 0}
            self._send(200, {"id": number})
        else:
            job = self.jobs[number]
            job["asked"] += 1
            last = job["body"]["lines"][-1]
            is_done = job["asked"] == 2 and last["say"] != "for ever"
            answer = {"answer": _joined(_events(job["body"], last))} if is_done else {}
            self._send(200, {"id": number, **answer})

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""

    def _send(
        self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, events: Iterator[dict[str, Any]], *, broken: bool) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/x-ndjson")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for event in events:
            if broken and "end" in event:
                event = {"oops": ["jam", "The machine is jammed"]}
            line = json.dumps(event).encode() + b"\n"
            self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))
        self.wfile.write(b"0\r\n\r\n")


def _joined(events: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """The whole answer that consists of these events."""
    whole: dict[str, Any] = {"say": "", "calls": []}
    for event in events:
        for name, value in event.items():
            # Texts and lists of calls are continued; the other members occur once.
            whole[name] = whole[name] + value if name in whole else value
    return whole


def _events(body: dict[str, Any], last: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if last["by"] == "tool":
        yield {"say": f"Result of {last['ref']}: {last['say']}"}
    elif "weather" in last["say"] and body.get("tools"):
        yield {
            "calls": [{"ref": "c-1", "tool": body["tools"][0]["name"], "with": {"city": "Paris"}}]
        }
        yield {"end": "calls", "spent": [11, 5]}
        return
    else:
        first, *others = last["say"].split(" ")
        yield {"say": first}
        for word in others:
            yield {"say": f" {word}"}
    yield {"end": "done", "spent": [9, 7]}
