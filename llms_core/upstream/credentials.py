"""Redacts the credentials that a request carries: the core does not know a token that an adapter obtained itself."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

from llms_core.provider import UpstreamRequest
from llms_core.secret import Secret, names_credential, redact

# Schemes whose credentials are a secret. A signature, as AWS uses it, is different for each request and worth nothing.
_SCHEMES = frozenset({"bearer", "basic", "token"})


def redact_credentials(request: UpstreamRequest) -> None:
    """Redact the credentials of a request from now on, in errors and in the log."""
    redact.add_recent(_credentials(request))


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
