"""Reads plugins.toml: which plugins may load, and how the gateway behaves. Strict: what is unknown is an error."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import msgspec

from llms_core.config.locate import At, dotted, explained, nearest
from llms_core.config.model import PluginsToml
from llms_core.errors import ConfigError
from llms_core.secret import Secret, redact

_UNKNOWN = re.compile(r"Object contains unknown field `(.+)`")
_HEADER = re.compile(r"\s*\[+([^\[\]]+)\]")
_ASSIGNMENT = re.compile(r"\s*([\w.\"' -]+?)\s*=")
_WHERE = re.compile(r"(.*) \(at line (\d+), column (\d+)\)", re.DOTALL)
_KEY = re.compile(r"sha256:[0-9a-fA-F]{64}")
_KEY_HINT = "write sha256: and the 64 hexadecimal digits of the key's SHA-256; the key itself does not belong here"


def load(path: Path) -> PluginsToml:
    """Read the file at `path`. Raises ConfigError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", path=str(path)) from None
    return read(data, str(path))


def read(text: bytes, path: str) -> PluginsToml:
    """What `text`, the content of the file at `path`, says. Raises ConfigError with file, line and member."""
    try:
        source = text.decode("utf-8-sig")
        found = tomllib.loads(source)
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise ConfigError("the file is not UTF-8", path=path, line=line, hint="save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        where = _WHERE.fullmatch(str(error))
        message = f"{where[1]}, column {where[3]}" if where else str(error)
        line = int(where[2]) if where else len(source.splitlines())  # else it is at the end of the file
        raise ConfigError(f"not valid TOML: {message}", path=path, line=line) from None
    except (RecursionError, ValueError) as error:
        raise ConfigError(f"not valid TOML: {error}", path=path) from None
    if "path" in found:  # a member of the struct, for the reader to set
        raise _unknown(path, source, ("path",), PluginsToml)
    try:
        settings = _convert(found)
    except msgspec.ValidationError as error:
        message, at = explained(error, found, _convert)
        if unknown := _UNKNOWN.fullmatch(message):
            raise _unknown(path, source, (*at, unknown[1]), _table(at)) from None
        raise _error(path, source, at, message) from None
    for name, key in settings.server.keys.items():
        if not _KEY.fullmatch(key):
            raise _error(path, source, ("server", "keys", name), "not the hash of a key", _KEY_HINT)
    keys = {name: key.lower() for name, key in settings.server.keys.items()}
    server = msgspec.structs.replace(settings.server, keys=keys)
    return msgspec.structs.replace(settings, path=path, server=server)


def _convert(found: Any) -> PluginsToml:
    return msgspec.convert(found, PluginsToml, dec_hook=_secret)


def _secret(kind: type, value: Any) -> Any:
    """A proxy's URL, which may have a password in it."""
    if kind is not Secret or not isinstance(value, str):
        raise ValueError(f"Expected `str`, got `{type(value).__name__}`")
    secret = Secret(value)
    redact.add([secret, *(Secret(password) for password in [urlsplit(value).password] if password)])
    return secret


def _table(at: At) -> type[msgspec.Struct]:
    """The struct that a table is decoded into."""
    kind: Any = PluginsToml
    for step in at:
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)} if _is_struct(kind) else {}
        kind = fields[str(step)] if fields else get_args(kind)[1]  # of a Mapping, the values'
    return kind if _is_struct(kind) else PluginsToml


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _unknown(path: str, source: str, at: At, table: type[msgspec.Struct]) -> ConfigError:
    names = [field.encode_name for field in msgspec.structs.fields(table) if at != ("path",) or field.name != "path"]
    near = nearest(str(at[-1]), names)
    hint = f"did you mean '{near}'?" if near else f"known here: {', '.join(names)}"
    return _error(path, source, at, "unknown member", hint)


def _error(path: str, source: str, at: At, message: str, hint: str = "") -> ConfigError:
    return ConfigError(message, path=path, line=_line_of(source, at), field=dotted(at), hint=hint)


def _line_of(source: str, at: At) -> int | None:
    """The line, from 1, where a member or else its table seems to be; a text in several lines may deceive it."""
    wanted = tuple(str(step) for step in at)
    table: tuple[str, ...] = ()
    best, found = 0, None
    for number, line in enumerate(source.splitlines(), 1):
        if header := _HEADER.match(line):
            here = table = _names(header[1])
        elif assignment := _ASSIGNMENT.match(line):
            here = (*table, *_names(assignment[1]))
        else:
            continue
        if len(here) > best and wanted[: len(here)] == here:
            best, found = len(here), number
    return found


def _names(key: str) -> tuple[str, ...]:
    """A dotted key's parts."""
    try:
        value: Any = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    names = []
    while isinstance(value, dict):
        [(name, value)] = value.items()
        names.append(name)
    return tuple(names)
