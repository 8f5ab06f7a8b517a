"""The keys of the server's clients: the hashes in `[server.keys]`, and those in `keys_file`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from llms_core.config.model import Server
from llms_core.errors import ConfigError

HINT = "write sha256: and the 64 hexadecimal digits of the key's SHA-256; the key itself does not belong here"

_KEY_HASH = re.compile(r"sha256:[0-9a-f]{64}")


class ClientKeys(msgspec.Struct, frozen=True):
    """Who may use the server."""

    #: Hash -> the name of its key.
    names: Mapping[str, str] = {}
    #: The file that some of them come from.
    file: Path | None = None


def key_hash(text: object) -> str | None:
    """Return the hash of a key as it is compared, in lower case, or None if `text` is not one."""
    if isinstance(text, str) and _KEY_HASH.fullmatch(text.lower()):
        return text.lower()
    return None


def collect(server: Server, plugins_toml: str, *, may_be_empty: bool = False) -> ClientKeys:
    """Return the keys of `[server]` and of its `keys_file`, which is relative to the path of `plugins_toml`.

    Raises ConfigError if the file cannot be read. One that is missing or empty is an error at the start, because it
    would leave the gateway open. Later, when it `may_be_empty`, it means that its keys have been revoked.
    """
    names = {text: name for name, text in server.keys.items()}
    if server.keys_file is None:
        return ClientKeys(names)
    path = Path(plugins_toml).parent / Path(server.keys_file).expanduser()
    entries = _entries(path, may_be_empty=may_be_empty)
    if not entries and not may_be_empty:
        raise ConfigError("the file contains no keys", path=str(path), field="server.keys_file")
    for name, text in entries.items():
        found = key_hash(text)
        if found is None:
            raise ConfigError("not the hash of a key", path=str(path), field=name, hint=HINT)
        names[found] = name
    return ClientKeys(names, path)


def _entries(path: Path, *, may_be_empty: bool) -> Mapping[str, object]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        if may_be_empty and isinstance(error, FileNotFoundError):
            return {}
        message = f"cannot read the file of keys: {error}"
        raise ConfigError(message, path=str(path), field="server.keys_file") from None
