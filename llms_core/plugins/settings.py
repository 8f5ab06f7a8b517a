"""`[plugin.NAME]` of plugins.toml, decoded strictly into the plugin's own struct."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from llms_core.config.locate import dotted, explained, nearest
from llms_core.errors import ConfigError
from llms_core.secret import Secret, redact

Struct = TypeVar("Struct", bound=msgspec.Struct)


class PluginSettings:
    """What the user wrote for one plugin: nothing, where there is no table of its name."""

    def __init__(
        self, plugin: str, values: Mapping[str, Any], path: str = "", env: Mapping[str, str] = os.environ
    ) -> None:
        self._plugin, self._values, self._path, self._env = plugin, values, path, env

    def decode(self, kind: type[Struct]) -> Struct:
        """The settings as a struct of the plugin's. A member of type `Secret` is written as a reference, `$NAME`.

        Raises ConfigError, with the file and the member, for an unknown member, a value of the wrong type, or a
        variable that is not set.
        """
        known = [field.encode_name for field in msgspec.structs.fields(kind)]
        for name in self._values:
            if name not in known:
                near = nearest(name, known)
                hint = f"did you mean '{near}'?" if near else f"known here: {', '.join(known) or 'nothing'}"
                raise self._error((name,), "unknown member", hint)
        try:
            return self._convert(dict(self._values), kind)
        except msgspec.ValidationError as error:
            message, at = explained(error, dict(self._values), lambda value: self._convert(value, kind))
            raise self._error(at, message) from None

    def _convert(self, values: dict[str, Any], kind: type[Struct]) -> Struct:
        return msgspec.convert(values, kind, dec_hook=self._secret)

    def _secret(self, kind: type, value: Any) -> Any:
        """plugins.toml holds references only: it is a file that people share."""
        if kind is not Secret:
            raise NotImplementedError(f"settings of type {kind.__name__} cannot be read")
        if not isinstance(value, str) or not value.startswith("$"):
            raise ValueError("a secret is written as a reference, $NAME, to an environment variable")
        name = value[1:].removeprefix("{").removesuffix("}")
        if not self._env.get(name):
            raise ValueError(f"the environment variable {name} is not set")
        secret = Secret(self._env[name])
        redact.add([secret])
        return secret

    def _error(self, at: tuple[str | int, ...], message: str, hint: str = "") -> ConfigError:
        return ConfigError(message, path=self._path, field=dotted(("plugin", self._plugin, *at)), hint=hint)
