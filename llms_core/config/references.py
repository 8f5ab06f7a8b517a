"""Environment variables that llms.json refers to, and the secrets that it contains (K-05, L-10)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from llms_core.secret import Secret

# A whole value: $NAME or ${NAME}.
_REFERENCE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})", re.ASCII)
# Part of a value, as in "Bearer $NAME". A bare $ inside a word, as in "US$5", refers to nothing.
_EMBEDDED_REFERENCE = re.compile(r"(?<!\S)\$([A-Za-z_]\w*)|\$\{([A-Za-z_]\w*)\}", re.ASCII)


class References:
    """Looks up environment variables, and remembers every secret and every variable that is not set."""

    def __init__(self, env: Mapping[str, str]):
        self._env = env
        #: for the redactor
        self.secrets: set[Secret] = set()
        #: names of variables that were looked up and are not set, in the order of the look-ups
        self.unset: list[str] = []

    def variable(self, name: str) -> str | None:
        """Return a variable without surrounding white space. An empty one counts as not set."""
        value = self._env.get(name, "").strip()
        if not value:
            self.unset.append(name)
            return None
        return value

    def expand(self, value: str) -> str | None:
        """Return the variable that `$NAME` or `${NAME}` refers to; None if it is not set. Other strings stay."""
        found = _REFERENCE.fullmatch(value)
        if found is None:
            return value
        return self.variable(found[1] or found[2])

    def expand_embedded(self, value: str) -> str | None:
        """Replace each reference in a string, such as `Bearer $NAME`; None if a variable is not set."""
        unset_before = len(self.unset)

        def look_up(found: re.Match[str]) -> str:
            return self.variable(found[1] or found[2]) or ""

        expanded = _EMBEDDED_REFERENCE.sub(look_up, value)
        if len(self.unset) > unset_before:
            return None
        return expanded

    def secret(self, value: str) -> Secret:
        """Return `value` as a secret, and remember it for the redactor."""
        secret = Secret(value)
        self.secrets.add(secret)
        return secret

    def decode_secret(self, kind: type, value: object) -> Secret:
        """Decode a `Secret` in the settings of an adapter: msgspec's hook for types that it does not know."""
        if kind is not Secret:
            raise ValueError(f"a file cannot contain a {kind.__name__}")
        if not isinstance(value, str):
            raise ValueError("Expected `str`")
        return self.secret(self.expand(value) or "")
