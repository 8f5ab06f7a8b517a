"""What `llms serve` tells at the start: what is in effect, where it listens, and a first request to try."""

from __future__ import annotations

import os
import shlex
import subprocess

import msgspec

from llms_core.operations.chat import CHAT
from llms_core.routing.candidates import ModelIndex
from llms_core.server import in_effect
from llms_core.server.gateway import Gateway
from llms_core.server.logs import notices

#: Addresses that stand for all of a machine's -> one that a client of this machine can use.
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound


def announce(gateway: Gateway, host: str, port: int) -> None:
    """Tell the user of the terminal, and the log."""
    startup = gateway.startup
    for line in in_effect.lines(startup, os.environ):
        notices.info("%s", line)
    if not gateway.has_providers:
        notices.warning(in_effect.NO_PROVIDER)
    origin = _origin(_WILDCARDS.get(host, host), port)
    notices.info("status page: %s/, API documentation: %s/docs", origin, origin)
    notices.info("try it: %s", _quoted(request(gateway, origin)))
    # The last line: whoever started the process may wait for it.
    notices.info("listening on %s/v1", _origin(host, port))


def request(gateway: Gateway, origin: str) -> list[str]:
    """Return the arguments of a curl command that gets an answer: a chat, or else the list of models."""
    model = _model(gateway)
    key = () if gateway.is_open else ("-H", "Authorization: Bearer YOUR_KEY")
    if model is None:
        return ["curl", f"{origin}/v1/models", *key]
    body = {"model": model, "messages": [{"role": "user", "content": "Hello!"}]}
    url = f"{origin}/v1/chat/completions"
    return [
        "curl",
        url,
        *key,
        "-H",
        "Content-Type: application/json",
        "-d",
        msgspec.json.encode(body).decode(),
    ]


def _model(gateway: Gateway) -> str | None:
    """The default model of prompts if it is served, or else the first model for chats; None if none is known yet."""
    models: ModelIndex = gateway.configured_models()
    chosen = gateway.startup.llms_json.templates.get("text", {}).get("model")
    if isinstance(chosen, str) and models.find(chosen):
        return chosen
    for candidate in models.listed_for(None):
        if CHAT.name in candidate.operations:
            return candidate.client_model
    return None


def _quoted(command: list[str]) -> str:
    """The command as one types it in a shell."""
    if os.name == "nt":
        return subprocess.list2cmdline(command)
    return shlex.join(command)


def _origin(host: str, port: int) -> str:
    if ":" in host:
        return f"http://[{host}]:{port}"
    return f"http://{host}:{port}"
