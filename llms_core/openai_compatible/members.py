"""Raw members of completions, chunks and requests: what is checked, completed or converted in them."""

from __future__ import annotations

import math

import msgspec
from msgspec import Raw

from llms_core.contracts.completion import Usage
from llms_core.contracts.json import ABSENT, NULL, decode_members, encode_raw, is_null

#: The values of `object`.
COMPLETION = Raw(b'"chat.completion"')
CHUNK = Raw(b'"chat.completion.chunk"')

EMPTY_LIST = Raw(b"[]")

#: The parameters of a function that takes none.
_NO_PARAMETERS = Raw(b'{"type":"object","properties":{}}')

_decode_tools = msgspec.json.Decoder(list[dict[str, Raw]]).decode

_INCLUDE_USAGE = Raw(b'{"include_usage":true}')

# Larger timestamps are milliseconds: in seconds, this is the year 5138.
_MAX_SECONDS = 1e11


def normalized_id(raw: Raw, fallback: str) -> Raw:
    """Return an answer's `id`; `fallback` if it is not a string or empty (SR-042)."""
    # The quotes alone are two bytes.
    if len(raw) > 2 and bytes(raw).startswith(b'"'):
        return raw
    return encode_raw(fallback)


def normalized_created(raw: Raw, fallback: int) -> Raw:
    """Return an answer's `created` as whole Unix seconds (SR-044); `fallback` if it is not a timestamp."""
    if len(raw) == 10 and bytes(raw).isdigit():
        return raw
    return encode_raw(_unix_seconds(raw, fallback))


def _unix_seconds(raw: Raw, fallback: int) -> int:
    """Convert a timestamp: providers also send floats, strings and milliseconds."""
    try:
        value = float(bytes(raw).strip(b'"'))
    except ValueError:
        return fallback
    # Also False for NaN.
    if not 1 <= value < math.inf:
        return fallback
    if value > _MAX_SECONDS:
        value /= 1000
    return int(value)


def with_total_tokens(raw: Raw, usage: Usage | None) -> Raw:
    """Return the usage as the provider wrote it, with the total added if that is missing (SR-049).

    `usage` is the same usage, decoded; None if it cannot be decoded, and then it is left as it is.
    """
    if usage is None or b'"total_tokens"' in bytes(raw):
        return raw
    members = decode_members(raw)
    members["total_tokens"] = encode_raw(usage.total_tokens)
    return encode_raw(members)


def with_earlier_counts(raw: Raw, usage: Usage, earlier: Usage | None) -> Raw:
    """Return a stream's usage with the counts of an earlier one where this one has zero."""
    if earlier is None:
        return raw
    prompt = usage.prompt_tokens or earlier.prompt_tokens
    completion = usage.completion_tokens or earlier.completion_tokens
    if (prompt, completion) == (usage.prompt_tokens, usage.completion_tokens):
        return raw
    members = decode_members(raw)
    members["prompt_tokens"] = encode_raw(prompt)
    members["completion_tokens"] = encode_raw(completion)
    members["total_tokens"] = encode_raw(prompt + completion)
    return encode_raw(members)


def with_include_usage(options: Raw) -> Raw:
    """Return the client's `stream_options` with `include_usage` switched on (SR-055)."""
    if not options or is_null(options):
        return _INCLUDE_USAGE
    members = decode_members(options)
    members["include_usage"] = Raw(b"true")
    return encode_raw(members)


def with_parameters(tools: Raw) -> Raw:
    """Return the tools with `parameters` in every function, even in those that take none."""
    decoded = _decode_tools(tools)
    incomplete = [tool for tool in decoded if _lacks_parameters(tool)]
    for tool in incomplete:
        function = decode_members(tool["function"])
        function["parameters"] = _NO_PARAMETERS
        tool["function"] = encode_raw(function)
    if incomplete:
        return encode_raw(decoded)
    return tools


def _lacks_parameters(tool: dict[str, Raw]) -> bool:
    function = tool.get("function", ABSENT)
    if not bytes(function).startswith(b"{"):
        return False
    return is_null(decode_members(function).get("parameters", NULL))


def count_logprobs(members: dict[str, Raw]) -> None:
    """Replace `logprobs` and `top_logprobs` by one number in `logprobs`; the least is 1."""
    wanted = members.pop("logprobs", NULL)
    number = members.pop("top_logprobs", NULL)
    if bytes(wanted) == b"true":
        members["logprobs"] = Raw(b"1") if is_null(number) or bytes(number) == b"0" else number
