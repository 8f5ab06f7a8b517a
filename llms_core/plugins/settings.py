"""Decodes the table `[plugin.NAME]` of plugins.toml into the plugin's own struct."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from llms_core.config.locate import explained, nearest
from llms_core.config.plugins_toml import mistake
from llms_core.config.references import (
    Resolve,
    UnresolvedError,
    described,
    plugin_reference,
    resolve_nothing,
)
from llms_core.errors import ConfigError
from llms_core.secret import Secret, redact

Struct = TypeVar("Struct", bound=msgspec.Struct)


class PluginSettings:
    """The user's settings for one plugin; empty if plugins.toml has no table for it."""

    def __init__(
        self,
        plugin: str,
        values: Mapping[str, Any] | None,
        path: str = "",
        env: Mapping[str, str] = os.environ,
        resolve: Resolve = resolve_nothing,
    ) -> None:
        #: Whether plugins.toml has a table for the plugin.
        self.is_given = values is not None
        #: Why the plugin is not used; empty if it is.
        self.switched_off = ""
        self._plugin = plugin
        self._values = values or {}
        self._path = path
        self._env = env
        self._resolve = resolve

    def switch_off(self, reason: str) -> None:
        """Do without the plugin: none of its other hooks is called, and `llms plugins` shows the reason."""
        self.switched_off = reason

    def decode(self, kind: type[Struct]) -> Struct:
        """Convert the settings to a struct of the plugin's own.

        A member of type `Secret` is written as `$NAME`, or as `$vault:path` if a plugin resolves that (`llms_secrets`).
        Raises ConfigError, with the file and the key, for an unknown key, a value of the wrong type, or a reference to
        what does not exist.
        """
        known = [field.encode_name for field in msgspec.structs.fields(kind)]
        for name in self._values:
            if name not in known:
                # msgspec could reject unknown keys itself, but would not suggest the nearest one.
                raise self.error((name,), "unknown key", _suggestion(name, known))
        try:
            return self._convert(dict(self._values), kind)
        except msgspec.ValidationError as error:
            message, at = explained(
                error, dict(self._values), lambda value: self._convert(value, kind)
            )
            raise self.error(at, message) from None

    def _convert(self, values: dict[str, Any], kind: type[Struct]) -> Struct:
        return msgspec.convert(values, kind, dec_hook=self._secret)

    def _secret(self, kind: type, value: Any) -> Any:
        """Resolve a reference to an environment variable, or to a secret that a plugin keeps.

        Literal secrets are rejected, because plugins.toml is a file that people share and commit.
        """
        if kind is not Secret:
            raise NotImplementedError(f"settings of type {kind.__name__} are not supported")
        if not isinstance(value, str) or not value.startswith("$"):
            raise ValueError("write a secret as a reference to an environment variable, $NAME")
        reference = plugin_reference(value)
        if reference is not None:
            return self._secret_of_plugin(reference)
        name = value[1:].removeprefix("{").removesuffix("}")
        if not self._env.get(name):
            raise ValueError(f"the environment variable {name} is not set")
        return _redacted(self._env[name])

    def _secret_of_plugin(self, reference: str) -> Secret:
        try:
            return _redacted(self._resolve(reference))
        except UnresolvedError as error:
            raise ValueError(described(reference, error)) from None

    def error(self, at: tuple[str | int, ...], message: str, hint: str = "") -> ConfigError:
        """Return the error for a value that the plugin cannot use; `at` is the path to it within the table."""
        return mistake(self._path, ("plugin", self._plugin, *at), message, hint)


def _redacted(value: str) -> Secret:
    """Return a secret whose value is masked in logs and error messages from now on."""
    secret = Secret(value)
    redact.add([secret])
    return secret


def _suggestion(name: str, known: list[str]) -> str:
    near = nearest(name, known)
    if near is not None:
        return f"did you mean '{near}'?"
    return f"known keys: {', '.join(known) or 'none'}"
