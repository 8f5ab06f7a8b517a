"""The names of functions at providers that accept fewer names than a client uses.

Names have to come back unchanged in answers, so they are translated in both directions.
"""

from __future__ import annotations

import hashlib
import re
from functools import cached_property

from llms_core.contracts.request import ChatCall
from llms_core.contracts.tools import tool_names

_MAX_LENGTH = 64  # OpenAI's limit, and that of most providers
_HASH_LENGTH = 8


class NameRule:
    """Which names a provider accepts: at most 64 characters of an alphabet, and perhaps fewer at the beginning.

    Both arguments are the content of a regular expression's character class. `characters` must include the underscore,
    and `first` the letters.
    """

    def __init__(self, characters: str, first: str):
        self._valid = re.compile(rf"[{first}][{characters}]{{0,{_MAX_LENGTH - 1}}}")
        self._invalid_character = re.compile(rf"[^{characters}]")

    def accepts(self, name: str) -> bool:
        """Return whether the provider accepts a name."""
        return self._valid.fullmatch(name) is not None

    def adapt(self, name: str) -> str:
        """Return a name that the provider accepts and that resembles `name`."""
        adapted = self._invalid_character.sub("_", name)
        if not self.accepts(adapted[:1]):
            adapted = f"f_{adapted}"
        return adapted[:_MAX_LENGTH]


class FunctionNames:
    """Translates the names of one call's functions. A name that the provider accepts stays as it is.

    The translation of the request's tools depends on the request alone: its answer may be read with another object.
    """

    def __init__(self, call: ChatCall, rule: NameRule):
        self._call = call
        self._rule = rule
        #: The provider's names by the client's, where they differ.
        self._provider_names: dict[str, str] = {}

    def to_provider(self, name: str) -> str:
        """Return the provider's name of a function. Raises RequestError if the request has an invalid tool."""
        if self._rule.accepts(name):
            return name
        # The request's tools come first. A function of the conversation need not be among them any more.
        taken = self._client_names
        if name not in self._provider_names:
            self._rename(name, taken)
        return self._provider_names[name]

    def to_client(self, name: str) -> str:
        """Return the client's name of a function that the model called."""
        return self._client_names.get(name, name)

    @cached_property
    def _client_names(self) -> dict[str, str]:
        """The client's names by the provider's."""
        client_names = {}
        rejected = []
        for name in tool_names(self._call):
            if self._rule.accepts(name):
                client_names[name] = name
            else:
                rejected.append(name)
        for name in rejected:
            if name not in self._provider_names:
                self._rename(name, client_names)
        return client_names

    def _rename(self, name: str, client_names: dict[str, str]) -> None:
        """Add a name that the provider does not accept to both dictionaries."""
        adapted = self._rule.adapt(name)
        while adapted in client_names:
            digest = hashlib.sha256(f"{adapted} {name}".encode()).hexdigest()[:_HASH_LENGTH]
            adapted = f"{adapted[: _MAX_LENGTH - _HASH_LENGTH - 1]}_{digest}"
        self._provider_names[name] = adapted
        client_names[adapted] = name
