"""The dialects' paths are served without Litestar's router; nothing that was added to Litestar is lost silently."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from litestar import Litestar, get
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from llms_core.errors import LlmsError
from llms_core.server.direct_path import DirectPath

PATH = "/v1/chat/completions"


class Middleware(ASGIMiddleware):
    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        await next_app(scope, receive, send)


@get("/elsewhere", sync_to_thread=False)
def elsewhere() -> str:
    return "elsewhere"


async def direct(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"direct", "more_body": False})


def ask(app: DirectPath, method: str, path: str) -> tuple[int, bytes]:
    """The status and the body that the application sends."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
    }
    scope |= {
        "headers": [(b"host", b"x")],
        "server": ("x", 80),
        "client": ("x", 1),
        "scheme": "http",
        "root_path": "",
    }
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def test_a_post_to_the_very_path_bypasses_the_router() -> None:
    app = DirectPath(Litestar([elsewhere]), {PATH: direct})
    assert ask(app, "POST", PATH) == (200, b"direct")
    assert ask(app, "GET", "/elsewhere") == (200, b"elsewhere")
    assert ask(app, "GET", PATH)[0] == 404
    assert ask(app, "POST", f"{PATH}/")[0] == 404


@pytest.mark.parametrize(
    "options",
    [
        {"middleware": [Middleware()]},
        {"before_request": lambda request: None},
        {"after_request": lambda response: response},
        {"before_send": [lambda message, scope: None]},
        {"guards": [lambda connection, handler: None]},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_would_not_apply_to_these_paths_prevents_startup(options: dict[str, Any]) -> None:
    with pytest.raises(
        LlmsError, match=rf"`{next(iter(options))}` would not apply to {PATH}: wrap the application"
    ):
        DirectPath(Litestar([elsewhere], **options), {PATH: direct})
