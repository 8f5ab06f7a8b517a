"""Secrets: values that appear in no log, error, header or repr."""

from __future__ import annotations

import re
from collections.abc import Iterable

MASK = "***"

# Shorter values would redact ordinary words.
_MIN_LENGTH = 6


class Secret:
    """A string that is masked wherever it is printed; `reveal` returns it."""

    __slots__ = ("_value",)

    def __init__(self, value: str):
        self._value = value

    def reveal(self) -> str:
        """Return the value. Only for the header of an upstream request."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class Redactor:
    """Replaces every known secret in a text by the mask. Secrets are added as the configuration is read."""

    def __init__(self, secrets: Iterable[Secret] = ()):
        self._known: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.add(secrets)

    def add(self, secrets: Iterable[Secret]) -> None:
        """Redact these secrets from now on, except values shorter than six characters."""
        for secret in secrets:
            value = secret.reveal()
            if len(value) >= _MIN_LENGTH:
                self._known.add(value)
        if not self._known:
            return
        # The longest first: the first alternative wins, and a secret may begin with another one.
        longest_first = sorted(self._known, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def __call__(self, text: str) -> str:
        """Return the text with every known secret masked."""
        if self._pattern is None:
            return text
        return self._pattern.sub(MASK, text)


redact = Redactor()
"""The secrets of this process. The log formatter and every error body use it."""
