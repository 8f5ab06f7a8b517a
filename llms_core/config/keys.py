"""A provider's key (K-02, K-05, L-10, L-11)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from llms_core.config.adapters import Target
from llms_core.config.headers import SECRET_HEADERS
from llms_core.config.locate import JsonPath
from llms_core.config.model import LACKS_KEY, NO_KEY
from llms_core.config.reader import Reader
from llms_core.config.shape import ProviderBlock
from llms_core.openai_compatible import OPENAI_COMPATIBLE
from llms_core.secret import Secret

# How LiteLLM's files refer to environment variables.
_OF_LITELLM = re.compile(r"os\.environ/(\w+)", re.ASCII)
# Keys are sent in a header.
_HEADER_SAFE = re.compile(r"[\x20-\x7e]+")


def api_key(
    reader: Reader,
    path: JsonPath,
    block: ProviderBlock,
    target: Target,
    headers: Mapping[str, str],
) -> tuple[Secret | None, str | None]:
    """Return a block's key, and why the provider cannot be used without one: at most one of the two is not None."""
    written = (block.api_key or "").strip()
    if found := _OF_LITELLM.fullmatch(written):
        message = (
            f"LiteLLM's notation `os.environ/{found[1]}` is not a reference here: write ${found[1]}"
        )
        return None, f"no key: {message}"
    if written:
        before = reader.references.mark
        value = reader.references.expand(written)
        missing = reader.references.missing(before)
        if missing.unresolved:
            return None, f"{NO_KEY}: {missing.described()}"
        names = list(missing.variables)
        if value == written and written.startswith("$"):
            message = "starts with $, but is not of the form $NAME or $plugin:path: it is used as the key itself"
            reader.source.warn((*path, "api_key"), message)
    else:
        names = _variables(block, target)
        value = _first_set(reader, names)
    if value is not None:
        secret = reader.references.secret(value)
        if _HEADER_SAFE.fullmatch(value):
            return secret, None
        return None, "the key has characters that no header can hold"
    is_named = bool(written or names)
    if not _is_needed(block, target, headers, is_named=is_named):
        return None, None
    if names:
        return None, f"{LACKS_KEY}{' or '.join(names)}"
    return None, f"{NO_KEY}: give `api_key`"


def _variables(block: ProviderBlock, target: Target) -> list[str]:
    """The environment variables that may contain the key, in order."""
    if block.env is not None:
        return block.env
    if target.is_own:
        return list(dict.fromkeys(target.spec.key_env))
    return []


def _first_set(reader: Reader, names: list[str]) -> str | None:
    for name in names:
        value = reader.references.variable(name)
        if value is not None:
            return value
    return None


def _is_needed(
    block: ProviderBlock, target: Target, headers: Mapping[str, str], *, is_named: bool
) -> bool:
    """Whether the provider is of no use without a key."""
    if SECRET_HEADERS.intersection(headers):
        return False  # one of the headers is the key
    if block.needs_key is not None:
        return block.needs_key
    if target.spec.name == OPENAI_COMPATIBLE.name:
        return (
            is_named  # nothing is known of the server: a block that names a key means to send one
        )
    return target.spec.needs_key and (target.is_own or is_named)
