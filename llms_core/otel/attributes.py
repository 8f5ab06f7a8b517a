"""What the spans of requests and attempts say."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from llms_core.contracts.token_counts import Tokens
from llms_core.otel import conventions as names
from llms_core.records import AttemptRecord, AttemptStart, RequestRecord

Attributes = dict[str, str | int | float | bool]

#: Characters of a model's name that a client made up.
_MAX_MODEL = 200


def start_attributes(start: AttemptStart) -> Attributes:
    """Return what is known when an attempt begins, and what samplers may decide by."""
    return {
        names.OPERATION: names.operation_name(start.operation),
        names.PROVIDER: names.provider_name(start.provider_type),
        names.REQUEST_MODEL: start.upstream_model,
        names.PROVIDER_ID: start.provider,
        **_server(start.base_url),
    }


def attempt_attributes(record: AttemptRecord) -> Attributes:
    """Return what is known when an attempt has ended."""
    found: Attributes = {names.REQUEST_STREAM: record.chunks > 0}
    if record.kind is not None:
        found[names.ERROR_TYPE] = record.kind.value
    if record.status is not None:
        found[names.STATUS_CODE] = record.status
    if record.chunks and record.first_token is not None:
        found[names.TIME_TO_FIRST_CHUNK] = record.first_token
    if record.cost is not None:
        found[names.COST] = record.cost
    if record.tokens is not None:
        found.update(_tokens(record.tokens))
    return found


def request_attributes(record: RequestRecord) -> Attributes:
    """Return what is known when a request has ended."""
    found: Attributes = {
        names.OPERATION: names.operation_name(record.operation, record.dialect),
        names.REQUEST_MODEL: record.model[:_MAX_MODEL],
        names.REQUEST_STREAM: record.stream,
        names.STATUS_CODE: record.status,
        names.REQUEST_ID: record.request_id,
        names.DIALECT: record.dialect,
    }
    if record.upstream_model is not None and record.attempts:
        found[names.RESPONSE_MODEL] = record.upstream_model
        found[names.PROVIDER] = names.provider_name(record.attempts[-1].provider_type)
    if record.at_fault is not None:
        found[names.ERROR_TYPE] = str(record.status) if record.kind is None else record.kind.value
    if record.cost is not None:
        found[names.COST] = record.cost
    if record.tokens is not None:
        found.update(_tokens(record.tokens))
    return found


def _tokens(tokens: Tokens) -> Attributes:
    found: Attributes = {names.INPUT_TOKENS: tokens.input, names.OUTPUT_TOKENS: tokens.output}
    if tokens.cached:
        found[names.CACHED_TOKENS] = tokens.cached
    if tokens.cache_write:
        found[names.CACHE_WRITE_TOKENS] = tokens.cache_write
    if tokens.reasoning:
        found[names.REASONING_TOKENS] = tokens.reasoning
    return found


@lru_cache(maxsize=1024)
def _server(base_url: str) -> Mapping[str, str | int]:
    """The host and port of a provider; nothing if its adapter makes the URL itself."""
    try:
        parts = urlsplit(base_url)
        port = parts.port or (80 if parts.scheme == "http" else 443)
    except ValueError:
        return {}
    if parts.hostname:
        return {names.SERVER_ADDRESS: parts.hostname, names.SERVER_PORT: port}
    return {}
