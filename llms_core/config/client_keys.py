"""The keys of the server's clients: the hashes in `[server.keys]`, and those in `keys_file`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from llms_core.config.model import ClientKey, Server
from llms_core.errors import ConfigError
from llms_core.records import Caller

HINT = (
    "write sha256: and the 64 hexadecimal digits of the key's SHA-256, or a table with that as its `hash`; the key "
    "itself does not belong here"
)

_KEY_HASH = re.compile(r"sha256:[0-9a-f]{64}")


class ClientKeys(msgspec.Struct, frozen=True):
    """Who may use the server."""

    #: Hash -> who has the key.
    callers: Mapping[str, Caller] = {}
    #: The file that some of them come from.
    file: Path | None = None


def client_key(written: object) -> ClientKey | None:
    """Return a key with its hash as it is compared, in lower case; None if `written` is neither a hash nor a table."""
    try:
        key = msgspec.convert(written, str | ClientKey, from_attributes=False)
    except msgspec.ValidationError:
        return None
    if isinstance(key, str):
        key = ClientKey(hash=key)
    lower = key.hash.lower()
    if _KEY_HASH.fullmatch(lower):
        return msgspec.structs.replace(key, hash=lower)
    return None


def collect(server: Server, plugins_toml: str, *, may_be_empty: bool = False) -> ClientKeys:
    """Return the keys of `[server]` and of its `keys_file`, which is relative to the path of `plugins_toml`.

    Raises ConfigError if the file cannot be read. One that is missing or empty is an error at the start, because it
    would leave the gateway open. Later, when it `may_be_empty`, it means that its keys have been revoked.
    """
    callers = _callers(server.keys, plugins_toml)
    if server.keys_file is None:
        return ClientKeys(callers)
    path = Path(plugins_toml).parent / Path(server.keys_file).expanduser()
    entries = _entries(path, may_be_empty=may_be_empty)
    if not entries and not may_be_empty:
        raise ConfigError(
            "the file contains no keys",
            path=str(path),
            field="server.keys_file",
            hint="`llms keys new NAME` makes one and says how to write it",
        )
    return ClientKeys({**callers, **_callers(entries, str(path))}, path)


def still_listed(keys: ClientKeys, plugins_toml: Path) -> ClientKeys:
    """Return those of `keys` whose hash still occurs in the files, of which one cannot be parsed.

    A key must not work on because there is a mistake elsewhere in the file that it was removed from. If a file exists
    but cannot be read, nothing is known, and all keys stay.
    """
    text = ""
    for path in (plugins_toml, keys.file):
        if path is None:
            continue
        try:
            text += path.read_bytes().decode("latin-1").lower()
        except FileNotFoundError:
            continue
        except OSError:
            return keys
    callers = {hashed: caller for hashed, caller in keys.callers.items() if hashed in text}
    return msgspec.structs.replace(keys, callers=callers)


def _callers(entries: Mapping[str, object], path: str) -> dict[str, Caller]:
    """The callers by the hash of their keys. Raises ConfigError."""
    callers = {}
    for name, written in entries.items():
        key = client_key(written)
        if key is None:
            raise ConfigError("not the hash of a key", path=path, field=name, hint=HINT)
        callers[key.hash] = Caller(name, is_admin=key.admin)
    return callers


def _entries(path: Path, *, may_be_empty: bool) -> Mapping[str, object]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        if may_be_empty and isinstance(error, FileNotFoundError):
            return {}
        message = f"cannot read the file of keys: {error}"
        raise ConfigError(message, path=str(path), field="server.keys_file") from None
