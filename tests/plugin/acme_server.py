"""Acme: a server that speaks the protocol of `acme/llms_provider_acme.py`, and nothing of OpenAI's.

What it does depends on what it is asked: "weather" calls the first tool, "fail", "rate" and "hot" are errors, "break"
breaks its stream off; the rest it repeats, word for word.
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
    """Serves on a port of its own while it is entered; `asked` are the requests' bodies."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"asked": self.asked}))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="acme", daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append(body)
        last = body["lines"][-1]
        if self.path != "/v1/talk":
            self._send(404, {"oops": ["lost", f"There is no {self.path}"]})
        elif self.headers["x-acme-key"] != KEY:
            self._send(401, {"oops": ["stranger", "Acme does not know this key"]})
        elif "fail" in last["say"]:
            self._send(500, {"oops": ["jam", "The machine is jammed"]})
        elif "hot" in last["say"]:
            self._send(400, {"oops": ["too_hot", "The heat is over 2"]})
        elif "rate" in last["say"]:
            self._send(429, {"oops": ["slow", "Too many questions in this minute"]}, {"retry-after": "7"})
        elif body["live"]:
            self._stream(_answer(body, last), broken="break" in last["say"])
        else:
            whole: dict[str, Any] = {"say": "", "calls": []}
            for event in _answer(body, last):
                whole |= {name: whole[name] + event[name] if name in whole else event[name] for name in event}
            self._send(200, whole)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""

    def _send(self, status: int, said: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        data = json.dumps(said).encode()
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


def _answer(body: dict[str, Any], last: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The events of an answer; a whole one is all of them together."""
    if last["by"] == "tool":
        yield {"say": f"The {last['ref']} says: {last['say']}"}
    elif "weather" in last["say"] and body.get("tools"):
        yield {"calls": [{"ref": "c-1", "tool": body["tools"][0]["name"], "with": {"city": "Paris"}}]}
        yield {"end": "calls", "spent": [11, 5]}
        return
    else:
        words = last["say"].split(" ")
        yield from ({"say": word if place == 0 else f" {word}"} for place, word in enumerate(words))
    yield {"end": "done", "spent": [9, 7]}
