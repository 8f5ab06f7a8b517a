"""A configuration file of LiteLLM's proxy: its sections, and what is reported about its members."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from llms_core.config.locate import JsonPath, dotted
from llms_core.errors import ConfigError
from llms_core.secret import Secret, redact

Amount = Annotated[float, Meta(ge=0)]

_ENVIRONMENT = "os.environ/"
_VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)


class Document:
    """The file while it is converted: every member is either taken, or reported at the end."""

    def __init__(self, sections: Mapping[str, Any], env: Mapping[str, str] = os.environ):
        self.sections = dict(sections)
        #: what is not converted, or differs, with the path in the file
        self.report: list[str] = []
        #: whether every deployment is converted, and the key of clients
        self.is_complete = True
        #: keys that are written in the file, by the variables that take their place
        self.keys: dict[str, str] = {}
        #: the values of `credential_list` by their names
        self.credentials: dict[str, dict[str, Any]] = {}
        self._env = env

    def note(self, path: JsonPath, message: str) -> None:
        """Report what differs from LiteLLM."""
        self.report.append(f"{dotted(path)}: {message}")

    def leave_out(self, path: JsonPath, reason: str) -> None:
        """Report what is not converted."""
        self.note(path, f"not converted: {reason}")

    def leave_out_deployment(self, path: JsonPath, reason: str) -> None:
        """Report a deployment that is not converted."""
        self.leave_out(path, reason)
        self.is_complete = False

    def leave_out_rest(self, members: Mapping[str, Any], path: JsonPath) -> None:
        """Report the members that nothing has taken; null is the same as absent."""
        for name, value in members.items():
            if value is not None:
                self.leave_out((*path, name), "there is no counterpart")

    def section(self, name: str) -> dict[str, Any]:
        """Take a section out of the file: a mapping, which is empty if there is none."""
        return self.members(self.sections.pop(name, None), (name,))

    def members(self, value: Any, path: JsonPath) -> dict[str, Any]:
        """Return a copy of a mapping with strings as names; empty for null, and, with a report, for anything else."""
        found = _members(value)
        if found is None:
            self.leave_out(path, "it has to be a mapping")
        return found or {}

    def items(self, value: Any, path: JsonPath) -> list[Any]:
        """Return a list; empty for null, and, with a report, for anything else."""
        if value is not None and not isinstance(value, list):
            self.leave_out(path, "it has to be a list")
            return []
        return value or []

    def number(self, value: Any, path: JsonPath) -> float | None:
        """Return a number that is not negative, which may be text; None, with a report, for anything else."""
        try:
            return msgspec.convert(value, Amount, strict=False)
        except msgspec.ValidationError:
            self.leave_out(path, "it has to be a number, and not negative")
            return None

    def reference(self, value: str) -> str | None:
        """Return `$NAME` for `os.environ/NAME`; None for anything else."""
        name = value.strip().removeprefix(_ENVIRONMENT)
        if name == value.strip() or not _VARIABLE.fullmatch(name):
            return None
        return f"${name}"

    def text(self, value: Any, path: JsonPath) -> str | None:
        """Return a string, or what a variable contains now. None, with a report, if it is not set."""
        written = str(value)
        reference = self.reference(written)
        if reference is None:
            return written
        found = self._env.get(reference[1:])
        if not found:
            self.leave_out(path, f"{reference[1:]} is not set: set it, and import again")
            return None
        return found

    def secret(self, value: Any) -> str:
        """Return a reference to a key. One that is written in the file gets a variable of its own."""
        written = str(value)
        reference = self.reference(written)
        if reference is not None:
            return reference
        redact.add([Secret(written)])
        taken = {**self._env, **self.keys}
        names = (f"LITELLM_KEY_{number}" for number in count(1))
        # An earlier import may have used some names.
        name = next(each for each in names if taken.get(each) in (None, written))
        self.keys[name] = written
        return f"${name}"


def read(path: Path) -> dict[str, Any]:
    """Return the top-level members of a YAML file. Raises ConfigError."""
    try:
        import yaml  # an optional dependency
    except ImportError:
        hint = 'run `pip install "llms-core[litellm]"`'
        raise ConfigError("LiteLLM's files are YAML, which needs PyYAML", hint=hint) from None
    try:
        value = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", path=str(path)) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = None if mark is None else mark.line + 1
        problem = getattr(error, "problem", None) or type(error).__name__
        raise ConfigError(f"not valid YAML: {problem}", path=str(path), line=line) from None
    members = _members(value)
    if members is None:
        raise ConfigError("not a configuration of LiteLLM: it has no sections", path=str(path))
    return members


def _members(value: Any) -> dict[str, Any] | None:
    """Return a copy of a mapping with strings as names; empty for null, and None for anything else."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        return None
    return {str(name): item for name, item in value.items()}
