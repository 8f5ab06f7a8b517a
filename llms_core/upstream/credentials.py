"""Redacts the credentials that a request carries: the core does not know a token that an adapter obtained itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import msgspec

from llms_core.contracts.json import UNREADABLE
from llms_core.provider import UpstreamReply, UpstreamRequest
from llms_core.secret import Secret, names_credential, redact

# Schemes whose credentials are a secret. A signature, as AWS uses it, is different for each request and worth nothing.
_SCHEMES = frozenset({"bearer", "basic", "token"})

# The value of each cookie in `set-cookie`, whose lines the HTTP client has joined by commas.
_COOKIE_VALUE = re.compile(r"(?:^|,\s*)[^=;,\s]+=\"?([^;,\"]+)")


def redact_credentials(request: UpstreamRequest) -> None:
    """Redact the credentials of a request from now on, in errors and in the log."""
    redact.add_recent(_credentials(request))


def redact_reply(reply: UpstreamReply) -> None:
    """Redact the credentials that a provider hands out: the cookies, and the members of a JSON object so named."""
    redact.add_recent(_handed_out(reply))


def _credentials(request: UpstreamRequest) -> Iterator[Secret]:
    named_values = [*request.headers.items(), *parse_qsl(urlsplit(request.url).query)]
    for name, value in named_values:
        if not names_credential(name):
            continue
        scheme, has_scheme, credentials = value.partition(" ")
        if not has_scheme:
            yield Secret(value)
        elif scheme.lower() in _SCHEMES:
            yield Secret(credentials.strip())


def _handed_out(reply: UpstreamReply) -> Iterator[Secret]:
    for cookie in _COOKIE_VALUE.findall(reply.headers.get("set-cookie", "")):
        yield Secret(cookie)
    try:
        members = msgspec.json.decode(reply.body)
    except UNREADABLE:
        return
    if isinstance(members, dict):
        for name, value in members.items():
            if isinstance(value, str) and names_credential(name):
                yield Secret(value)
