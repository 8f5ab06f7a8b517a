"""Keys and headers of a provider: `$NAME`, `${NAME}` or literal (K-02, K-05, K-15, K-16, L-10, L-11)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from llms_core.config.adapters import GENERIC, Choice, same_host
from llms_core.config.llms_json_shape import ProviderBlock
from llms_core.config.llms_py.catalogue import Entry
from llms_core.config.locate import At
from llms_core.config.reading import Reading
from llms_core.secret import MASK, Secret

SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"})
# The adapters' and the HTTP client's own.
_NOT_OURS = frozenset({"content-length", "host", "transfer-encoding", "connection", "accept-encoding"})
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_KEY = re.compile(r"[\x20-\x7e]+")


class Headers(dict[str, str]):
    """Headers whose values do not show in a repr: any of them may be a secret of some vendor's."""

    def __repr__(self) -> str:
        return repr(dict.fromkeys(self, MASK))


def key(
    reading: Reading, at: At, block: ProviderBlock, choice: Choice, entry: Entry | None, headers: Mapping[str, str]
) -> tuple[Secret | None, str | None]:
    """A block's key, or the reason why the provider cannot be used without one."""
    given = (block.api_key or "").strip()
    if given:
        found, names = reading.expand(given), reading.unset[-1:]
        if found == given and given.startswith("$"):
            reading.warn((*at, "api_key"), "begins with $, but is no $NAME: taken for the key itself")
    else:
        names = list(_variables(block, choice, entry))
        found = next((value for name in names if (value := reading.variable(name))), None)
    if found is not None:
        secret = reading.secret(found)
        return (secret, None) if _KEY.fullmatch(found) else (None, "the key has characters that no header can hold")
    if not _is_needed(choice, headers, bool(given or names)):
        return None, None
    return None, f"no key: set {' or '.join(names)}" if names else "no key: give `api_key`"


def headers(reading: Reading, at: At, given: Mapping[str, str] | None) -> Headers:
    """Headers in lower case, with what they refer to. Content-Type is left out: adapters set it."""
    result = Headers()
    for name, value in (given or {}).items():
        lower, here = name.strip().lower(), (*at, name)
        if lower == "content-type":
            continue
        if not _NAME.fullmatch(lower):
            raise reading.error(here, "not a name of a header")
        if lower in _NOT_OURS:
            reading.warn(here, "left out: this header is not for a file to set")
            continue
        count = len(reading.unset)
        expanded = reading.expand_within(value)
        if expanded is None:
            names = " and ".join(dict.fromkeys(reading.unset[count:]))
            reading.warn(here, f"left out: {names} is not set")
            continue
        if not _VALUE.fullmatch(expanded):
            raise reading.error(here, "the value has characters that no header can hold")
        if lower in SECRET_HEADERS or expanded != value:  # what is taken from the environment is a secret, mostly
            for secret in {expanded, expanded.rpartition(" ")[2]} - {""}:
                reading.secret(secret)
        result[lower] = expanded
    return result


def _variables(block: ProviderBlock, choice: Choice, entry: Entry | None) -> tuple[str, ...]:
    """Where the key may be: as the block says, else as is known of the provider while it is at its own address."""
    if block.env is not None:
        return tuple(block.env)
    catalogued = entry.env if entry and same_host(choice.base_url, entry.api or choice.spec.base_url) else ()
    return tuple(dict.fromkeys((*catalogued, *(choice.spec.key_env if choice.itself else ()))))


def _is_needed(choice: Choice, headers: Mapping[str, str], named: bool) -> bool:
    """Whether the provider is of no use without a key: it is known to need one, or the block means to send one."""
    if SECRET_HEADERS.intersection(headers):
        return False
    if choice.spec.name == GENERIC:
        return named
    return choice.spec.needs_key and (choice.itself or named)
