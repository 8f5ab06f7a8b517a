"""Repairs JSON that common encoders write and common parsers accept, but the standard (RFC 8259) does not allow.

Python's `json` writes NaN and Infinity; servers that stream text by tokens split a character between two chunks, as one
half of a surrogate pair in each.
"""

from __future__ import annotations

import re
from collections import deque

#: OpenAI's value for the log probability of a token that is very unlikely.
_VERY_UNLIKELY = b"-9999.0"
#: U+FFFD, which stands for a character that cannot be shown.
_REPLACEMENT = rb"\ufffd"

_SUSPECT = re.compile(rb"NaN|Infinity|\\u[dD][89a-fA-F]")
_TOKENS = re.compile(
    rb'(?P<logprob>"logprob"\s*:\s*)(?:NaN|-?Infinity)'
    # The quote at the end is optional, so that a truncated string does not make the search quadratic.
    rb'|(?P<text>"(?:[^"\\]++|\\.)*+"?)'
    rb"|(?P<constant>NaN|-?Infinity)",
    re.DOTALL,
)
_ESCAPES = re.compile(
    rb"(?P<pair>\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?P<high>\\u[dD][89abAB][0-9a-fA-F]{2})"
    rb"|(?P<low>\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|\\.",
    re.DOTALL,
)
_MAX_HELD = 64


class JsonRepair:
    """Repairs the JSON texts of one stream, or of one whole answer.

    The first half of a character at the end of a string is held until a string begins with the second half.
    """

    def __init__(self) -> None:
        self._first_halves: deque[bytes] = deque(maxlen=_MAX_HELD)

    def repaired(self, data: bytes) -> bytes | None:
        """Return the text with valid values in place of the invalid ones; None if it has none."""
        if _SUSPECT.search(data) is None:
            return None
        repaired = _TOKENS.sub(self._repair_token, data)
        return None if repaired == data else repaired

    def _repair_token(self, match: re.Match[bytes]) -> bytes:
        if match["text"] is not None:
            text = match["text"]
            if rb"\u" in text:
                return self._repair_text(text)
            return text
        if match["logprob"] is not None:
            return match["logprob"] + _VERY_UNLIKELY
        return b"null"

    def _repair_text(self, text: bytes) -> bytes:
        end = len(text) - 1

        def repair(match: re.Match[bytes]) -> bytes:
            if match["high"] is not None:
                if match.end() < end:
                    return _REPLACEMENT
                self._first_halves.append(match["high"])
                return b""
            if match["low"] is not None:
                is_continuation = match.start() == 1 and self._first_halves
                if is_continuation:
                    return self._first_halves.popleft() + match["low"]
                return _REPLACEMENT
            return match[0]

        return _ESCAPES.sub(repair, text)


def repaired(body: bytes) -> bytes | None:
    """Return a whole answer with valid values in place of the invalid ones; None if it has none."""
    return JsonRepair().repaired(body)
