"""Environment variables and secrets that the files refer to, and the secrets that they contain (K-05, L-10)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from llms_core.errors import LlmsError
from llms_core.secret import Secret

# A whole value: $NAME or ${NAME}.
_REFERENCE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})", re.ASCII)
# Part of a value, as in "Bearer $NAME". A bare $ inside a word, as in "US$5", refers to nothing.
_EMBEDDED_REFERENCE = re.compile(r"(?<!\S)\$([A-Za-z_]\w*)|\$\{([A-Za-z_]\w*)\}", re.ASCII)

# The same for plugins: $vault:path or ${vault:path}. The name before the colon is in lower case, as variables are not:
# "$USER:$PASSWORD" are two variables.
_OF_PLUGIN = re.compile(r"\$(?:([a-z][a-z0-9_.+-]*:.+)|\{([a-z][a-z0-9_.+-]*:[^}]+)\})", re.ASCII)
_EMBEDDED_OF_PLUGIN = re.compile(
    r"(?<!\S)\$([a-z][a-z0-9_.+-]*:\S+)|\$\{([a-z][a-z0-9_.+-]*:[^}]+)\}", re.ASCII
)

Resolve = Callable[[str], str]
"""Returns the secret that `vault:path` refers to. Raises UnresolvedError."""


class UnresolvedError(LlmsError):
    """No plugin resolves a reference; the message says why. It has neither the reference nor the secret."""


class Missing(NamedTuple):
    """What could not be found."""

    #: Names of environment variables that are not set.
    variables: Sequence[str] = ()
    #: References that no plugin resolves, each with the reason.
    unresolved: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.variables or self.unresolved)

    def described(self, conjunction: str = "and") -> str:
        """What the user should do, such as `set A and B`."""
        parts = list(self.unresolved)
        if self.variables:
            parts.insert(0, f"set {f' {conjunction} '.join(dict.fromkeys(self.variables))}")
        return "; ".join(parts)


def resolve_nothing(reference: str) -> str:
    """Without plugins, no reference is resolved."""
    raise UnresolvedError("no plugin resolves it: install one that implements llms_secrets")


def plugin_reference(value: str) -> str | None:
    """Return the reference `vault:path` if a value is `$vault:path` or `${vault:path}`, else None."""
    found = _OF_PLUGIN.fullmatch(value)
    if found is None:
        return None
    return found[1] or found[2]


def described(reference: str, error: UnresolvedError) -> str:
    """Say that a reference is not resolved, without what follows its colon: it could be a key that looks like one."""
    return f"${reference.partition(':')[0]}:… is not resolved: {error}"


class References:
    """Looks up variables and plugins' secrets, and remembers every secret, and everything that is missing."""

    def __init__(self, env: Mapping[str, str], resolve: Resolve = resolve_nothing):
        self._env = env
        self._resolve = resolve
        #: for the redactor
        self.secrets: set[Secret] = set()
        self._unset: list[str] = []
        self._unresolved: list[str] = []

    @property
    def mark(self) -> tuple[int, int]:
        """A point in time, for `missing`."""
        return len(self._unset), len(self._unresolved)

    def missing(self, since: tuple[int, int] = (0, 0)) -> Missing:
        """Return what was looked up in vain since a `mark`, in the order of the look-ups."""
        return Missing(self._unset[since[0] :], self._unresolved[since[1] :])

    def variable(self, name: str) -> str | None:
        """Return a variable without surrounding white space. An empty one counts as not set."""
        value = self._env.get(name, "").strip()
        if not value:
            self._unset.append(name)
            return None
        return value

    def expand(self, value: str) -> str | None:
        """Return what `$NAME` or `$plugin:path` refers to; None if that is missing. Other strings stay."""
        reference = plugin_reference(value)
        if reference is not None:
            return self._secret_of_plugin(reference)
        found = _REFERENCE.fullmatch(value)
        if found is None:
            return value
        return self.variable(found[1] or found[2])

    def expand_embedded(self, value: str) -> str | None:
        """Replace each reference in a string, such as `Bearer $NAME`; None if anything is missing."""
        before = self.mark

        def look_up_secret(found: re.Match[str]) -> str:
            return self._secret_of_plugin(found[1] or found[2]) or ""

        def look_up_variable(found: re.Match[str]) -> str:
            return self.variable(found[1] or found[2]) or ""

        # Between the secrets, which may look like references themselves.
        parts = []
        end = 0
        for found in _EMBEDDED_OF_PLUGIN.finditer(value):
            parts += [
                _EMBEDDED_REFERENCE.sub(look_up_variable, value[end : found.start()]),
                look_up_secret(found),
            ]
            end = found.end()
        parts.append(_EMBEDDED_REFERENCE.sub(look_up_variable, value[end:]))
        if self.missing(before):
            return None
        return "".join(parts)

    def _secret_of_plugin(self, reference: str) -> str | None:
        try:
            value = self._resolve(reference)
        except UnresolvedError as error:
            self._unresolved.append(described(reference, error))
            return None
        self.secret(value)
        return value

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
