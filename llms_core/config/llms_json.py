"""Reads llms.json: v2 and v3/v4 files of llms.py as they are, and ours. Never writes it.

- Reading: the text, what it may refer to, and what was odd about it: reading.py, locate.py
- File: the shape, and llms.schema.json: llms_json_shape.py, schema.py
- provider(): a block, with its adapter, key, models and prices: blocks.py and what it imports
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from llms_core.config import keys, places
from llms_core.config.blocks import provider
from llms_core.config.llms_json_shape import Defaults, File, Limits
from llms_core.config.llms_py.catalogue import Catalogue
from llms_core.config.locate import nearest
from llms_core.config.model import LlmsJson
from llms_core.config.reading import Members, Reading
from llms_core.errors import ConfigError
from llms_core.provider import ProviderSpec

V3 = 3
_MEMBERS = tuple(field.encode_name for field in msgspec.structs.fields(File))
_DEFAULTS = tuple(field.encode_name for field in msgspec.structs.fields(Defaults))
_LIMITS = tuple(field.encode_name for field in msgspec.structs.fields(Limits))
_NO_TEMPLATES = ("headers", "limits", "convert", "events", "voice")
_TEMPLATES_OF_V3 = ("out:image", "out:audio", "compact", "summarize", "commit")
_UNUSED = ("disable_extensions", "loading")
_NO_AUTH = "llms.py's sign-in is not supported here, and without it the gateway would be open to everybody"
_NO_AUTH_HINT = "remove `auth`, and protect the gateway with `keys` of [server] in plugins.toml"


def load(
    path: Path, specs: Mapping[str, ProviderSpec], *, env: Mapping[str, str], strict: bool = False, absent: str = ""
) -> LlmsJson:
    """Read the file at `path`; see `read`. llms.py's catalogue is looked for beside it and in llms.py's folder."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", path=str(path)) from None
    catalogue = (path.parent, places.home(env))
    return read(data, str(path), specs, env=env, strict=strict, absent=absent, catalogue=catalogue)


def read(
    text: bytes,
    path: str,
    specs: Mapping[str, ProviderSpec],
    *,
    env: Mapping[str, str],
    strict: bool = False,
    absent: str = "",
    catalogue: Sequence[Path] = (),
) -> LlmsJson:
    """What `text`, the content of the file at `path`, says.

    `specs` are the known providers by name and alias in lower case, `env` holds the keys. `absent` says which plugins
    are not in use: where there are some, an unknown type disables its provider and is no error. `catalogue` are folders
    that may have llms.py's providers.json. Raises ConfigError with file, line and member; with `strict` for what is
    unknown too. No message ever has a value of a key in it.
    """
    reading = Reading(text, path, specs, env, strict, absent)
    members = _known_members(reading)
    file = reading.decode(_without(members, "providers", "defaults"), File, ())
    if file.auth and file.auth.enabled:
        raise reading.error(("auth", "enabled"), _NO_AUTH, _NO_AUTH_HINT)
    version = 2 if file.version is None else file.version
    raw_defaults = _object(reading, members, "defaults")
    defaults, templates = _defaults(reading, raw_defaults)
    limits = _limits(reading, members, raw_defaults)
    headers = keys.headers(reading, ("defaults", "headers"), defaults.headers)
    known = Catalogue(reading, catalogue) if version >= V3 else None
    blocks = _object(reading, members, "providers")
    if not blocks:
        reading.warn((), "there are no providers: `providers` is missing or empty")
    providers = tuple(provider(reading, name, raw, headers, known) for name, raw in blocks.items())
    return LlmsJson(
        path=path,
        version=version,
        providers=providers,
        templates=templates,
        **({"max_body": limits.client_max_size} if limits.client_max_size else {}),
        client_timeout=limits.client_timeout,
        retries=limits.retries,
        warnings=tuple(reading.warnings),
        notes=tuple(reading.notes),
        secrets=tuple(reading.secrets),
    )


def _known_members(reading: Reading) -> Members:
    """The top-level members that mean something, without those that mean nothing to anybody (K-22, K-24)."""
    expanded = [name for name, raw in reading.members.items() if bytes(raw).startswith(b'"$') and name not in _MEMBERS]
    for name in expanded:
        reading.note((name,), "not used here")
    for name in _UNUSED:
        if name in reading.members:
            reading.note((name,), "not used here")
    return reading.known({name: raw for name, raw in reading.members.items() if name not in expanded}, _MEMBERS, ())


def _defaults(reading: Reading, members: Members) -> tuple[Defaults, Members]:
    """`defaults`, and its chat templates as they are written. Templates may have any name (K-17, K-18, L-03)."""
    defaults = reading.decode(_without(members, "limits"), Defaults, ("defaults",))
    templates = {}
    for name, raw in members.items():
        if name in _NO_TEMPLATES or bytes(raw) == b"null":
            continue
        if name not in (*_DEFAULTS, *_TEMPLATES_OF_V3):
            near = nearest(name, _DEFAULTS, cutoff=0.75)
            if near or not bytes(raw).startswith(b"{"):
                reading.odd(("defaults", name), "unknown member, ignored", f"did you mean '{near}'?" if near else "")
                continue
        templates[name] = raw
    return defaults, templates


def _limits(reading: Reading, members: Members, defaults: Members) -> Limits:
    """`limits` of either place; the top level wins, as in llms.py (K-19, L-04)."""
    found = Limits()
    for at, holder in ((("defaults", "limits"), defaults), (("limits",), members)):
        if "limits" not in holder or bytes(holder["limits"]) == b"null":
            continue
        reading.known(reading.members_of(holder["limits"], at), _LIMITS, at)
        limits = reading.decode(holder["limits"], Limits, at)
        for field in msgspec.structs.fields(Limits):
            value, other = getattr(limits, field.name), getattr(found, field.name)
            if value is not None:
                if other is not None and other != value:
                    at_other = ("defaults", "limits", field.name)
                    reading.warn(at_other, "not used: `limits` at the top level says otherwise")
                setattr(found, field.name, value)
    return found


def _object(reading: Reading, members: Members, name: str) -> Members:
    raw = members.get(name)
    return {} if raw is None or bytes(raw) == b"null" else reading.members_of(raw, (name,))


def _without(members: Members, *names: str) -> bytes:
    return msgspec.json.encode({name: raw for name, raw in members.items() if name not in names})
