"""HTTP headers that llms.json sets for requests to providers (K-15, K-16)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from llms_core.config.locate import JsonPath
from llms_core.config.reader import Reader
from llms_core.secret import MASK, names_credential

SECRET_HEADERS = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "cookie",
    }
)

# The HTTP client sets these itself.
_RESERVED = frozenset(
    {"content-length", "host", "transfer-encoding", "connection", "accept-encoding"}
)
# RFC 9110: a token, and what may be in a field value.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class HiddenHeaders(dict[str, str]):
    """Headers whose values are not in their repr: any of them may be a secret."""

    def __repr__(self) -> str:
        return repr(dict.fromkeys(self, MASK))


def headers(reader: Reader, path: JsonPath, written: Mapping[str, str] | None) -> HiddenHeaders:
    """Return headers with names in lower case and references expanded. Raises ConfigError for an invalid one."""
    result = HiddenHeaders()
    for name, value in (written or {}).items():
        lower = name.strip().lower()
        here = (*path, name)
        if lower == "content-type":
            continue  # adapters set it; llms.py's files have it in every block
        if not _NAME.fullmatch(lower):
            raise reader.source.error(here, "not a name of a header")
        if lower in _RESERVED:
            reader.source.warn(here, "left out: the HTTP client sets this header itself")
            continue
        expanded = _expanded(reader, here, value)
        if expanded is None:
            continue
        # What comes from the environment is usually a secret, too.
        if names_credential(lower) or expanded != value:
            _remember_secrets(reader, expanded)
        result[lower] = expanded
    return result


def _expanded(reader: Reader, path: JsonPath, value: str) -> str | None:
    """Replace references in a value. None, with a warning, if a variable is not set.

    An unresolved secret of a plugin disables the provider, which is for the caller to do.
    """
    before = reader.references.mark
    expanded = reader.references.expand_embedded(value)
    if expanded is None:
        variables = dict.fromkeys(reader.references.missing(before).variables)
        if variables:
            reader.source.warn(path, f"left out: {' and '.join(variables)} is not set")
        return None
    # No line break: it would begin another header.
    if not _VALUE.fullmatch(expanded):
        raise reader.source.error(path, "the value has characters that no header can hold")
    return expanded


def _remember_secrets(reader: Reader, value: str) -> None:
    """Redact the value, and its last word: in `Bearer KEY` that is the key."""
    last_word = value.rpartition(" ")[2]
    for secret in {value, last_word} - {""}:
        reader.references.secret(secret)
