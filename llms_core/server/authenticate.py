"""From a request's headers to its caller. Without configured keys, any key or none is accepted (SR-003, SR-004)."""

from __future__ import annotations

import hashlib
import logging
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

from llms_core.config.model import PluginsToml
from llms_core.dialects import RawHeaders
from llms_core.errors import ConfigError, PluginError, RequestError
from llms_core.plugins.host import PluginHost
from llms_core.records import Caller

log = logging.getLogger(__name__)

Authenticate = Callable[[RawHeaders], Caller | None]

_KEY_HASH = re.compile(r"sha256:[0-9a-f]{64}")


def create(settings: PluginsToml, host: PluginHost) -> Authenticate | None:
    """Return the function that checks a request's headers, or None if there is nothing to check.

    It raises RequestError (401) for an unknown caller. Raises ConfigError if the configured keys are invalid.
    """
    callers = {key_hash: Caller(name) for name, key_hash in _keys(settings).items()}
    plugins = host.authenticators
    if not callers and not plugins:
        return None

    def authenticate(headers: RawHeaders) -> Caller | None:
        # latin-1 maps every byte to a character, so decoding never fails.
        decoded = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        caller = callers.get(_hash(_key_in(decoded)))
        if caller is not None:
            return caller
        for plugin, ask in plugins:
            caller = _ask_plugin(host.origin_of(plugin), ask, decoded)
            if caller is not None:
                return caller
        message = "Authentication required"
        raise RequestError(message, status=401, type="authentication_error", code="unauthorized", bare=True)

    return authenticate


def _ask_plugin(
    plugin: str, ask: Callable[[Mapping[str, str]], Caller | None], headers: Mapping[str, str]
) -> Caller | None:
    """Return the caller that a plugin recognizes. A plugin that fails does not recognize any caller.

    Raises the RequestError with which the plugin refuses the request.
    """
    try:
        caller = ask(headers)
        if caller is not None and not isinstance(caller, Caller):
            raise PluginError(f"it returned a {type(caller).__name__} instead of a Caller")
    except RequestError:
        raise
    except (Exception, SystemExit):
        log.exception("%s: llms_authenticate failed", plugin)
        return None
    return caller


def _key_in(headers: Mapping[str, str]) -> str:
    """The key that a request presents, in one of the headers that clients use; empty if there is none."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    return headers.get("api-key", headers.get("x-api-key", ""))


def _hash(key: str) -> str:
    # A fast hash is enough for long random keys. Looking callers up by hash also avoids leaking a key through the
    # timing of string comparisons.
    digest = hashlib.sha256(key.encode("latin-1", "replace")).hexdigest()
    return f"sha256:{digest}"


def _keys(settings: PluginsToml) -> dict[str, str]:
    """The hashes of `[server] keys` and of its `keys_file`, by name."""
    keys = dict(settings.server.keys)
    if settings.server.keys_file is None:
        return keys
    path = Path(settings.path).parent / Path(settings.server.keys_file).expanduser()
    try:
        entries = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        message = f"cannot read the file of keys: {error}"
        raise ConfigError(message, path=str(path), field="server.keys_file") from None
    if not entries:
        # An empty file would leave the gateway open, which is not what a file of keys is for.
        raise ConfigError("the file contains no keys", path=str(path), field="server.keys_file")
    for name, key_hash in entries.items():
        if not isinstance(key_hash, str) or not _KEY_HASH.fullmatch(key_hash):
            raise ConfigError("expected sha256:<64 hex digits>", path=str(path), field=name)
        keys[name] = key_hash
    return keys
