"""Reads plugins.toml: which plugins may load, and how the gateway behaves. An unknown key is an error."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from llms_core.config import choices, client_keys
from llms_core.config.locate import JsonPath, dotted, explained, nearest
from llms_core.config.model import ClientKey, PluginsToml, Server
from llms_core.errors import ConfigError, unreadable
from llms_core.secret import Secret, redact

# How tomllib and msgspec word the errors that are taken apart here.
_TOML_ERROR = re.compile(r"(.*) \(at line (\d+), column (\d+)\)", re.DOTALL)
_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(.+)`")

_TABLE_HEADER = re.compile(r"\s*\[+([^\[\]]+)\]")
_ASSIGNMENT = re.compile(r"\s*([\w.\"' -]+?)\s*=")
_ORIGIN = re.compile(r"\*|null|[a-z][a-z0-9+.-]*://[a-z0-9_.:\[\]-]+")
_ORIGIN_HINT = 'write a scheme and a host, such as "https://app.example", or "*" for every web page'
#: The core's plugins whose settings may be a table of their own, such as `[ledger]` for `[plugin.ledger]`.
_PLUGINS = ("ledger", "metrics", "otel")
_HOST = re.compile(r"[a-z0-9_.-]+|[0-9a-f:.]*:[0-9a-f:.]*")
_HOST_HINT = 'write a name without a port, such as "gateway.example"'


def load(path: Path) -> PluginsToml:
    """Read the file at `path`. Raises ConfigError."""
    return read(_content(path), str(path))


def load_keys(path: Path) -> Server:
    """Read only `keys` and `keys_file` of `[server]`, which apply even if another part of the file is invalid.

    Raises ConfigError if they are, or if the file is not TOML.
    """
    source = _decoded(_content(path), str(path))
    table = _parsed(source, str(path)).get("server")
    keys = {}
    if isinstance(table, dict):
        keys = {name: table[name] for name in ("keys", "keys_file") if name in table}
    return _checked({"server": keys}, source, str(path)).server


def read(text: bytes, path: str) -> PluginsToml:
    """Read `text`, the content of the file at `path`. Raises ConfigError with file, line and key."""
    source = _decoded(text, path)
    return _checked(_parsed(source, path), source, path)


def mistake(path: str, where: JsonPath, message: str, hint: str = "") -> ConfigError:
    """Return the error for a valid value that cannot be used, with the line that it has in the file at `path`."""
    source = ""
    with suppress(OSError, ConfigError):
        source = _decoded(Path(path).read_bytes(), path)
    return _error(path, source, where, message, hint)


def located(error: ConfigError, path: str) -> ConfigError:
    """Return an error about a member of the file at `path` with the file and the line, if it lacks them."""
    if error.line is not None or error.path not in ("", path):
        return error
    return mistake(path, _key_parts(error.field.partition("[")[0]), error.message, error.hint)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None


def _checked(tables: dict[str, Any], source: str, path: str) -> PluginsToml:
    """Decode the tables of `source`. Raises ConfigError."""
    if "path" in tables:  # a member of the struct that is not one of the file
        raise _unknown(path, source, ("path",), PluginsToml)
    try:
        settings = _convert(tables)
    except msgspec.ValidationError as error:
        message, where = explained(error, tables, _convert)
        if unknown := _UNKNOWN_FIELD.fullmatch(message):
            raise _unknown(
                path, source, (*where, unknown[1]), choices.struct_at(PluginsToml, where)
            ) from None
        message, where, hint = choices.explained(message, where, PluginsToml)
        raise _error(path, source, where, message, hint) from None
    return msgspec.structs.replace(
        settings,
        path=path,
        server=_checked_server(settings.server, source, path),
        plugin=_with_plugins_of_the_core(settings, path),
    )


def _with_plugins_of_the_core(settings: PluginsToml, path: str) -> Mapping[str, Mapping[str, Any]]:
    """`[plugin]`, with `[ledger]` as the settings of the plugin of that name. Raises ConfigError if it has both."""
    tables = dict(settings.plugin)
    for name in _PLUGINS:
        table: Mapping[str, Any] | None = getattr(settings, name)
        if table is None:
            continue
        if name in tables:
            hint = f"write all of it to [{name}]"
            raise ConfigError(
                f"[{name}] is there as well", path=path, field=f"plugin.{name}", hint=hint
            )
        tables[name] = table
    return tables


def _checked_server(server: Server, source: str, path: str) -> Server:
    """`[server]` with its keys, hosts and origins checked, in lower case. Raises ConfigError."""
    keys: dict[str, str | ClientKey] = {}
    for name, key in server.keys.items():
        checked = client_keys.client_key(key)
        if checked is None:
            raise _error(
                path, source, ("server", "keys", name), "not the hash of a key", client_keys.HINT
            )
        keys[name] = checked
    hosts = tuple(host.lower().strip("[]") for host in server.hosts)
    origins = tuple(map(_as_browsers_write, server.origins))
    for host, given in zip(hosts, server.hosts, strict=True):
        if not _HOST.fullmatch(host):
            raise _error(
                path,
                source,
                ("server", "hosts"),
                f"'{given}' is not the name of a host",
                _HOST_HINT,
            )
    for origin, given in zip(origins, server.origins, strict=True):
        if not _ORIGIN.fullmatch(origin):
            raise _error(
                path, source, ("server", "origins"), f"'{given}' is not an origin", _ORIGIN_HINT
            )
    return msgspec.structs.replace(server, keys=keys, hosts=hosts, origins=origins)


def _as_browsers_write(origin: str) -> str:
    origin = origin.lower().removesuffix("/")
    for scheme, default_port in (("http://", ":80"), ("https://", ":443")):
        if origin.startswith(scheme):
            return origin.removesuffix(default_port)
    return origin


def _decoded(text: bytes, path: str) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            "the file is not UTF-8", path=path, line=line, hint="save it as UTF-8"
        ) from None


def _parsed(source: str, path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        line = len(source.splitlines())  # tomllib gives no line for errors at the end of the file
        if found := _TOML_ERROR.fullmatch(message):
            message = f"{found[1]}, column {found[3]}"
            line = int(found[2])
        hint = "texts need quotes, and each key its own line"
        raise ConfigError(f"not valid TOML: {message}", path=path, line=line, hint=hint) from None
    except (RecursionError, ValueError) as error:
        raise ConfigError(f"not valid TOML: {error}", path=path) from None


def _convert(tables: Any) -> PluginsToml:
    return msgspec.convert(tables, PluginsToml, dec_hook=_decode_secret)


def _decode_secret(kind: type, value: Any) -> Any:
    """Decode a proxy's URL."""
    if kind is not Secret or not isinstance(value, str):
        raise ValueError(f"Expected `str`, got `{type(value).__name__}`")
    return proxy(value)


def proxy(url: str) -> Secret:
    """Return the URL of a proxy. It may contain a password, so that both are redacted from now on."""
    secret = Secret(url)
    redact.add([secret])
    with suppress(ValueError):  # which `engine.check_settings` reports
        password = urlsplit(url).password
        if password:
            redact.add([Secret(password)])
    return secret


def _unknown(file: str, source: str, path: JsonPath, table: type[msgspec.Struct]) -> ConfigError:
    names = [field.encode_name for field in msgspec.structs.fields(table)]
    if path == ("path",):
        names.remove("path")
    near = nearest(str(path[-1]), names)
    hint = f"did you mean '{near}'?" if near else f"known here: {', '.join(names)}"
    return _error(file, source, path, "unknown member", hint)


def _error(file: str, source: str, path: JsonPath, message: str, hint: str = "") -> ConfigError:
    return ConfigError(
        message, path=file, line=_line_of(source, path), field=dotted(path), hint=hint
    )


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
