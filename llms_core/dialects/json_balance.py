"""Whether the fragments of a JSON object are complete, without decoding all of them again with each."""

from __future__ import annotations

import re

_SIGNS = re.compile(r'\\.|["{}\[\]]', re.DOTALL)


class Balance:
    """Counts the brackets of fragments that have come so far. Each character is looked at once."""

    def __init__(self) -> None:
        self._depth = 0
        self._is_text = False
        self._has_begun = False
        #: the first half of an escape sequence
        self._rest = ""

    def feed(self, text: str) -> bool:
        """Add a fragment; return whether the object is complete."""
        text = self._rest + text
        self._rest = ""
        end = 0
        for sign in _SIGNS.finditer(text):
            end = sign.end()
            match sign[0]:
                case '"':
                    self._is_text = not self._is_text
                case "{" | "[" if not self._is_text:
                    self._depth += 1
                    self._has_begun = True
                case "}" | "]" if not self._is_text:
                    self._depth -= 1
        if self._is_text and text.endswith("\\") and end < len(text):
            self._rest = "\\"
        return self.is_complete

    @property
    def is_complete(self) -> bool:
        """Whether the object is complete."""
        return self._has_begun and self._depth <= 0
