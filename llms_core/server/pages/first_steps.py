"""The part of the status page that one copies from: the base URL, and a request that works."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from litestar.connection import Request
from litestar.datastructures import State

from llms_core.operations.chat import CHAT
from llms_core.server.example_model import example_model
from llms_core.server.gateway import Gateway
from llms_core.server.pages.markup import Markup, element, join

#: `localhost:8000` or `[::1]:8000`: nothing that a shell understands.
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+)(:\d{1,5})?")


def section(request: Request[Any, Any, State], gateway: Gateway) -> Markup:
    """Return what a new user needs."""
    origin = _origin(request)
    return element(
        "section",
        element("h2", "Use it"),
        _copyable("Base URL", join(_origin_element(origin), "/v1"), "base-url"),
        _copyable("A first request", _curl(gateway, origin), "curl"),
        class_="card",
        data_live="first-steps",
        aria_label="Use it",
    )


def _copyable(label: str, text: Markup, key: str) -> Markup:
    """A text with a button that copies it, which only works with the script."""
    button = element(
        "button",
        "Copy",
        type="button",
        class_="quiet copy",
        hidden=True,
        data_copies=key,
        data_key=f"copy-{key}",
        aria_label=f"Copy: {label}",
    )
    # A long line can be scrolled with the keyboard, too.
    code = element(
        "pre", element("code", text, id=key), tabindex="0", role="region", aria_label=label
    )
    return element(
        "div", element("div", element("h3", label), button, class_="row"), code, class_="copyable"
    )


def _curl(gateway: Gateway, origin: str) -> Markup:
    """A chat with a model that is served, or else the list of models."""
    model = example_model(gateway, CHAT.name)
    path = "/v1/models" if model is None else "/v1/chat/completions"
    lines = [join('curl "', _origin_element(origin), path, '"')]
    if not gateway.is_open:
        lines.append(join('-H "Authorization: Bearer $LLMS_KEY"'))
    if model is not None:
        body = {"model": model, "messages": [{"role": "user", "content": "Hello!"}]}
        lines.append(join('-H "Content-Type: application/json"'))
        lines.append(join(f"-d {shlex.quote(json.dumps(body))}"))
    return Markup(" \\\n  ".join(lines))


def _origin(request: Request[Any, Any, State]) -> str:
    """The address at which the browser has reached the server."""
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        server = request.scope.get("server") or ("", 8000)
        host = f"127.0.0.1:{server[1]}"
    return f"{request.url.scheme}://{host}"


def _origin_element(origin: str) -> Markup:
    # Behind a proxy the browser knows better, and the script puts that in.
    return element("span", origin, data_origin=True)
