"""Reads plugins.toml: which plugins may load, and how the gateway behaves. An unknown key is an error."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import msgspec

from llms_core.config.locate import JsonPath, dotted, explained, nearest
from llms_core.config.model import PluginsToml
from llms_core.errors import ConfigError
from llms_core.secret import Secret, redact

# How tomllib and msgspec word the errors that are taken apart here.
_TOML_ERROR = re.compile(r"(.*) \(at line (\d+), column (\d+)\)", re.DOTALL)
_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(.+)`")

_TABLE_HEADER = re.compile(r"\s*\[+([^\[\]]+)\]")
_ASSIGNMENT = re.compile(r"\s*([\w.\"' -]+?)\s*=")
_KEY_HASH = re.compile(r"sha256:[0-9a-fA-F]{64}")
_KEY_HINT = "write sha256: and the 64 hexadecimal digits of the key's SHA-256; the key itself does not belong here"


def load(path: Path) -> PluginsToml:
    """Read the file at `path`. Raises ConfigError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", path=str(path)) from None
    return read(data, str(path))


def read(text: bytes, path: str) -> PluginsToml:
    """Read `text`, the content of the file at `path`. Raises ConfigError with file, line and key."""
    source = _decoded(text, path)
    tables = _parsed(source, path)
    if "path" in tables:  # a member of the struct that is not one of the file
        raise _unknown(path, source, ("path",), PluginsToml)
    try:
        settings = _convert(tables)
    except msgspec.ValidationError as error:
        message, where = explained(error, tables, _convert)
        if unknown := _UNKNOWN_FIELD.fullmatch(message):
            raise _unknown(path, source, (*where, unknown[1]), _struct_at(where)) from None
        raise _error(path, source, where, message) from None
    keys = {}
    for name, key in settings.server.keys.items():
        if not _KEY_HASH.fullmatch(key):
            raise _error(path, source, ("server", "keys", name), "not the hash of a key", _KEY_HINT)
        keys[name] = key.lower()
    server = msgspec.structs.replace(settings.server, keys=keys)
    return msgspec.structs.replace(settings, path=path, server=server)


def _decoded(text: bytes, path: str) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise ConfigError("the file is not UTF-8", path=path, line=line, hint="save it as UTF-8") from None


def _parsed(source: str, path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        line = len(source.splitlines())  # tomllib gives no line for errors at the end of the file
        if found := _TOML_ERROR.fullmatch(message):
            message = f"{found[1]}, column {found[3]}"
            line = int(found[2])
        raise ConfigError(f"not valid TOML: {message}", path=path, line=line) from None
    except (RecursionError, ValueError) as error:
        raise ConfigError(f"not valid TOML: {error}", path=path) from None


def _convert(tables: Any) -> PluginsToml:
    return msgspec.convert(tables, PluginsToml, dec_hook=_decode_secret)


def _decode_secret(kind: type, value: Any) -> Any:
    """Decode a proxy's URL, which may contain a password."""
    if kind is not Secret or not isinstance(value, str):
        raise ValueError(f"Expected `str`, got `{type(value).__name__}`")
    secret = Secret(value)
    redact.add([secret])
    password = urlsplit(value).password
    if password:
        redact.add([Secret(password)])
    return secret


def _struct_at(path: JsonPath) -> type[msgspec.Struct]:
    """The struct that the table at `path` is decoded into."""
    kind: Any = PluginsToml
    for step in path:
        kind = _member_type(kind, str(step))
    return kind if _is_struct(kind) else PluginsToml


def _member_type(kind: Any, name: str) -> Any:
    """The type of a struct's member, or of a mapping's values."""
    if not _is_struct(kind):
        return get_args(kind)[1]
    for field in msgspec.structs.fields(kind):
        if field.encode_name == name:
            return field.type
    raise KeyError(name)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _unknown(file: str, source: str, path: JsonPath, table: type[msgspec.Struct]) -> ConfigError:
    names = [field.encode_name for field in msgspec.structs.fields(table)]
    if path == ("path",):
        names.remove("path")
    near = nearest(str(path[-1]), names)
    hint = f"did you mean '{near}'?" if near else f"known here: {', '.join(names)}"
    return _error(file, source, path, "unknown member", hint)


def _error(file: str, source: str, path: JsonPath, message: str, hint: str = "") -> ConfigError:
    return ConfigError(message, path=file, line=_line_of(source, path), field=dotted(path), hint=hint)


def _line_of(source: str, path: JsonPath) -> int | None:
    """The line, from 1, of a key, or else of its table; None if neither is found.

    tomllib does not report positions, so that lines are searched for headers and assignments. One inside of a
    multi-line string may be mistaken for such.
    """
    wanted = tuple(str(step) for step in path)
    table: tuple[str, ...] = ()
    best_length = 0
    best_line = None
    for number, line in enumerate(source.splitlines(), 1):
        if header := _TABLE_HEADER.match(line):
            table = _key_parts(header[1])
            here = table
        elif assignment := _ASSIGNMENT.match(line):
            here = (*table, *_key_parts(assignment[1]))
        else:
            continue
        is_on_the_way = wanted[: len(here)] == here
        if is_on_the_way and len(here) > best_length:
            best_length = len(here)
            best_line = number
    return best_line


def _key_parts(key: str) -> tuple[str, ...]:
    """Split a dotted key, whose parts may be quoted; nothing for one that is not valid."""
    try:
        value: Any = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    parts = []
    while isinstance(value, dict):
        [(name, value)] = value.items()
        parts.append(name)
    return tuple(parts)
