"""Secrets: values that no log, error, header or repr shows."""

from __future__ import annotations

import re
from collections.abc import Iterable

MASK = "***"


class Secret:
    """A string that shows itself only to who asks by name."""

    __slots__ = ("_value",)

    def __init__(self, value: str):
        self._value = value

    def reveal(self) -> str:
        """The value itself: for the header of an upstream request, and nothing else."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class Redactor:
    """Replaces every known secret in a text. Shared by errors and logs; values are added as they are configured."""

    def __init__(self, secrets: Iterable[Secret] = ()):
        self._known: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.add(secrets)

    def add(self, secrets: Iterable[Secret]) -> None:
        """Know these too. Values under six characters are left out: they would maim ordinary text."""
        self._known.update(secret.reveal() for secret in secrets if len(secret.reveal()) >= 6)
        longest_first = sorted(self._known, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        return self._pattern.sub(MASK, text) if self._pattern else text


redact = Redactor()
"""What this process knows to be secret; the log's formatter and every error body use it."""
