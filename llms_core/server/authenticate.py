"""Headers -> caller. With no keys configured any key, or none, is accepted (SR-003, SR-004)."""

from __future__ import annotations

import hashlib
import logging
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from llms_core.config.model import PluginsToml
from llms_core.errors import ConfigError, PluginError, RequestError
from llms_core.plugins.host import PluginHost
from llms_core.records import Caller

log = logging.getLogger(__name__)

RawHeaders = Iterable[tuple[bytes, bytes]]
Authenticate = Callable[[RawHeaders], Caller | None]

_KEY = re.compile(r"sha256:[0-9a-f]{64}")


def create(settings: PluginsToml, host: PluginHost) -> Authenticate | None:
    """What checks a request's headers; None where nothing is to be checked.

    It raises RequestError (401) for a caller that nobody vouches for. Raises ConfigError where the keys make no sense.
    """
    callers = {digest: Caller(name) for name, digest in _keys(settings).items()}
    plugins = host.authenticators
    if not callers and not plugins:
        return None

    def authenticate(headers: RawHeaders) -> Caller | None:
        known = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        if (caller := callers.get(_digest(_presented(known)))) is not None:
            return caller
        for plugin, vouch in plugins:
            if (caller := _vouched(host.origin_of(plugin), vouch, known)) is not None:
                return caller
        raise RequestError(
            "Authentication required", status=401, type="authentication_error", code="unauthorized", bare=True
        )

    return authenticate


def _vouched(
    plugin: str, vouch: Callable[[Mapping[str, str]], Caller | None], headers: Mapping[str, str]
) -> Caller | None:
    """Whom a plugin vouches for. Raises the RequestError by which it refuses; one that fails vouches for nobody."""
    try:
        caller = vouch(headers)
        if caller is not None and not isinstance(caller, Caller):
            raise PluginError(f"it gave a {type(caller).__name__} where a Caller is wanted")
    except RequestError:
        raise
    except (Exception, SystemExit):
        log.exception("%s: llms_authenticate failed", plugin)
        return None
    return caller


def _presented(headers: Mapping[str, str]) -> str:
    """The key that a request presents, in either of the headers that OpenAI's clients use."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else headers.get("api-key", headers.get("x-api-key", ""))


def _digest(key: str) -> str:
    return f"sha256:{hashlib.sha256(key.encode('latin-1', 'replace')).hexdigest()}"


def _keys(settings: PluginsToml) -> dict[str, str]:
    """Name -> digest, of `[server] keys` and of its `keys_file`."""
    keys = dict(settings.server.keys)
    if settings.server.keys_file is None:
        return keys
    path = Path(settings.path).parent / Path(settings.server.keys_file).expanduser()
    try:
        listed = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the file of keys cannot be read: {error}", path=str(path), field="server.keys_file"
        ) from None
    if not listed:  # else the gateway would be open, which is not what a file of keys is for
        raise ConfigError("there are no keys in it", path=str(path), field="server.keys_file")
    for name, digest in listed.items():
        if not isinstance(digest, str) or not _KEY.fullmatch(digest):
            raise ConfigError("expected sha256:<64 hex digits>", path=str(path), field=name)
        keys[name] = digest
    return keys
