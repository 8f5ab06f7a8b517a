"""One llms.json while it is read: what is in it, what it may refer to, and what was odd about it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeVar, overload

import msgspec
from msgspec import Raw

from llms_core.config.locate import At, dotted, explained, line_of, nearest, repeated
from llms_core.errors import ConfigError
from llms_core.provider import ProviderSpec
from llms_core.secret import Secret

T = TypeVar("T")
Members = dict[str, Raw]

_REFERENCE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})", re.ASCII)
_WITHIN = re.compile(r"(?<!\S)\$([A-Za-z_]\w*)|\$\{([A-Za-z_]\w*)\}", re.ASCII)
_members = msgspec.json.Decoder(Members)


class Reading:
    """Raises ConfigErrors that say where; collects warnings and notes; knows every secret that it came across.

    Nothing here ever puts a value of the file into a message: one could be a key. `absent` says which plugins are not
    in use, whose types the file may name all the same.
    """

    def __init__(
        self,
        data: bytes,
        path: str,
        specs: Mapping[str, ProviderSpec],
        env: Mapping[str, str],
        strict: bool = False,
        absent: str = "",
    ):
        self.path, self.specs, self.env, self.strict, self.absent = path, specs, env, strict, absent
        self.warnings: list[str] = []
        self.notes: list[str] = []
        self.secrets: set[Secret] = set()
        self.unset: list[str] = []
        self.text = _text(data, path)
        self.members = self._parse()

    def error(self, at: At, message: str, hint: str = "") -> ConfigError:
        """A fault at a member, for the caller to raise."""
        line = line_of(self.text, at) if at else None
        return ConfigError(message, path=self.path, line=line, field=dotted(at), hint=hint)

    def warn(self, at: At, message: str, hint: str = "") -> None:
        """Something that the user should mend, and that can be lived with."""
        self.warnings.append(str(self.error(at, message, hint)))

    def note(self, at: At, message: str) -> None:
        """Something that is not used here, and rightly in the file: llms.py uses it."""
        self.notes.append(str(self.error(at, message)))

    def odd(self, at: At, message: str, hint: str = "") -> None:
        """A warning, or an error where the user wants the file strictly read."""
        if self.strict:
            raise self.error(at, message, hint)
        self.warn(at, message, hint)

    def known(self, members: Members, names: Iterable[str], at: At) -> Members:
        """The members with known names; the others are odd (K-24)."""
        names = tuple(names)
        for name in members:
            if name not in names:
                near = nearest(name, names)
                self.odd((*at, name), "unknown member, ignored", f"did you mean '{near}'?" if near else "")
        return {name: value for name, value in members.items() if name in names}

    def members_of(self, raw: Raw | bytes, at: At) -> Members:
        """The members of what has to be an object."""
        return self.decode(raw, Members, at)

    @overload
    def decode(self, raw: Raw | bytes, kind: type[T], at: At) -> T: ...
    @overload
    def decode(self, raw: Raw | bytes, kind: Any, at: At) -> Any: ...

    def decode(self, raw: Raw | bytes, kind: Any, at: At) -> Any:
        """A value of a type. Raises ConfigError that names the member at fault."""
        try:
            return msgspec.json.decode(raw, type=kind, dec_hook=self._hook)
        except msgspec.ValidationError as error:
            message, where = explained(
                error,
                msgspec.json.decode(raw),
                lambda value: msgspec.json.decode(msgspec.json.encode(value), type=kind, dec_hook=self._hook),
            )
            raise self.error((*at, *where), message) from None
        except (msgspec.DecodeError, RecursionError) as error:
            raise self.error(at, f"not valid JSON: {error}") from None

    def secret(self, value: str) -> Secret:
        """`value` as a secret that the redactor will know."""
        secret = Secret(value)
        self.secrets.add(secret)
        return secret

    def expand(self, value: str) -> str | None:
        """The value of `$NAME` or `${NAME}` in the environment; any other string is itself.

        None where the variable is not set or empty; its name is then in `unset`.
        """
        found = _REFERENCE.fullmatch(value)
        return self.variable(found[1] or found[2]) if found else value

    def expand_within(self, value: str) -> str | None:
        """Like `expand`, for references that are a part of the string, such as `Bearer $NAME`."""
        missing = False

        def look_up(found: re.Match[str]) -> str:
            nonlocal missing
            value = self.variable(found[1] or found[2])
            missing = missing or value is None
            return value or ""

        expanded = _WITHIN.sub(look_up, value)
        return None if missing else expanded

    def variable(self, name: str) -> str | None:
        """An environment variable without the white space around it; empty is as good as not set."""
        value = self.env.get(name, "").strip()
        if not value:
            self.unset.append(name)
        return value or None

    def _parse(self) -> Members:
        """The top-level members, of what is known to be JSON without repeated names."""
        if not self.text.strip():
            raise ConfigError("the file is empty", path=self.path, hint='the least is {"providers": {}}')
        try:
            found = json.loads(self.text, object_pairs_hook=_once, parse_constant=_no_constant)
        except json.JSONDecodeError as error:
            raise self._syntax_error(error) from None
        except _RepeatedError:
            at, first, second = repeated(self.text) or ((), 0, 0)
            message = f"the member is there twice, in lines {first} and {second}"
            hint = "rename or remove one of the two"
            raise ConfigError(message, path=self.path, line=second, field=dotted(at), hint=hint) from None
        except RecursionError:
            raise ConfigError("the JSON is nested too deeply", path=self.path) from None
        except ValueError as error:
            raise ConfigError(f"not valid JSON: {error}", path=self.path) from None
        if not isinstance(found, dict):
            raise ConfigError("the file has to hold a JSON object", path=self.path, hint='{"providers": {…}}')
        try:
            return _members.decode(self.text.encode())
        except (msgspec.DecodeError, RecursionError) as error:
            raise ConfigError(f"not valid JSON: {error}", path=self.path) from None

    def _syntax_error(self, error: json.JSONDecodeError) -> ConfigError:
        rest = self.text[error.pos :].lstrip(" \t\r\n,")
        before = self.text[: error.pos].rstrip()
        if rest.startswith(("//", "/*", "#")):
            hint = "JSON has no comments: remove this one"
        elif rest.startswith(("}", "]")) or before.endswith(","):
            hint = "is there a comma after the last member?"
        else:
            hint = ""
        message = f"not valid JSON: {error.msg}, column {error.colno}"
        return ConfigError(message, path=self.path, line=error.lineno, hint=hint)

    def _hook(self, kind: type, value: object) -> object:
        """Secrets among the members of an adapter's own."""
        if kind is not Secret:
            raise ValueError(f"a file cannot hold a {kind.__name__}")
        if not isinstance(value, str):
            raise ValueError("Expected `str`")
        return self.secret(self.expand(value) or "")


class _RepeatedError(Exception):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise _RepeatedError
    return members


def _no_constant(name: str) -> Literal[0]:
    raise ValueError(f"{name} is no JSON")


def _text(data: bytes, path: str) -> str:
    """The file's text, without a byte order mark."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError("the file is UTF-16", path=path, hint="save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError("the file is not UTF-8", path=path, line=line, hint="save it as UTF-8") from None
