"""Two providers on this machine: the first one fails as it is told, and the second one answers."""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAILURES = ("unavailable", "silent", "cut")
SILENCE = 30
PORTS = {"first": 9001, "second": 9002}


class Provider(ThreadingHTTPServer):
    """A server of chat completions that always gives the same answer."""

    def __init__(self, name: str, failure: str | None) -> None:
        super().__init__(("127.0.0.1", PORTS[name]), Handler)
        self.name = name
        self.failure = failure


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Provider

    def do_POST(self) -> None:
        """Answer whole or in three pieces, unless the server has to fail."""
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        words = f"Hello from {self.server.name}!".split(" ")
        if self.server.failure == "unavailable":
            self.reply(503, "application/json", b'{"error": {"message": "Down for maintenance"}}')
        elif self.server.failure == "silent":
            time.sleep(SILENCE)
        elif request.get("stream"):
            events = [event({"content": f"{word} "}) for word in words]
            if self.server.failure == "cut":
                events = events[:1]
            else:
                events += [event({}, "stop"), b"data: [DONE]\n\n"]
            self.reply(200, "text/event-stream", b"".join(events))
        else:
            message = {"role": "assistant", "content": " ".join(words)}
            choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
            self.reply(
                200, "application/json", json.dumps(answer("chat.completion", choices)).encode()
            )

    def reply(self, status: int, kind: str, body: bytes) -> None:
        """Send a whole response."""
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def event(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    """Return one event of a stream."""
    choices = [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    return f"data: {json.dumps(answer('chat.completion.chunk', choices))}\n\n".encode()


def answer(kind: str, choices: list[dict[str, object]]) -> dict[str, object]:
    """Return what whole answers and chunks have in common."""
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "demo", "choices": choices}


if __name__ == "__main__":
    if sys.argv[1:] not in [[failure] for failure in FAILURES]:
        raise SystemExit(f"usage: providers.py {'|'.join(FAILURES)}")
    first, second = Provider("first", sys.argv[1]), Provider("second", None)
    threading.Thread(target=first.serve_forever, daemon=True).start()
    second.serve_forever()
