"""Reads llms.json, in our format or in any of llms.py's. Never writes it.

1. `Source` parses the text (source.py, locate.py).
2. `upgrade` turns a document of llms.py's into one of our format (llms_py/); ours stays as it is.
3. The document is decoded into the structs of shape.py, and each block becomes a Provider (blocks.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from llms_core.config import places
from llms_core.config.blocks import DefaultHeaders, provider
from llms_core.config.headers import headers
from llms_core.config.llms_py.upgrade import upgrade
from llms_core.config.model import LlmsJson
from llms_core.config.reader import Reader, with_openai_compatible
from llms_core.config.references import References, Resolve, resolve_nothing
from llms_core.config.shape import Defaults, File, RequestLimits, member_names
from llms_core.config.source import RawMembers, Source, is_given
from llms_core.errors import ConfigError
from llms_core.provider import ProviderSpec

_MEMBERS = member_names(File)
_LIMITS = member_names(RequestLimits)


def load(
    path: Path,
    specs: Mapping[str, ProviderSpec],
    *,
    env: Mapping[str, str],
    resolve: Resolve = resolve_nothing,
    strict: bool = False,
    absent: str = "",
) -> LlmsJson:
    """Read the file at `path`; see `read`. llms.py's catalogue is looked for beside it and in llms.py's folder."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", path=str(path)) from None
    folders = (path.parent, places.home(env))
    return read(data, str(path), specs, env=env, resolve=resolve, strict=strict, absent=absent, catalogue=folders)


def read(
    text: bytes,
    path: str,
    specs: Mapping[str, ProviderSpec],
    *,
    env: Mapping[str, str],
    resolve: Resolve = resolve_nothing,
    strict: bool = False,
    absent: str = "",
    catalogue: Sequence[Path] = (),
    origin: str = "",
) -> LlmsJson:
    """Read `text`, the content of the file at `path`.

    `specs` are the provider types by name and alias in lower case; `env` contains the keys, and `resolve` finds those
    that plugins keep. `absent` says which plugins are not in use: if there are any, an unknown type disables its
    provider, which is not an error. `catalogue` are folders that may contain llms.py's providers.json. `origin` is the
    plugin that gave the text, if one did. Raises ConfigError with file, line and member; if `strict`, for unknown
    members, too. No message contains the value of a key.
    """
    source = Source(text, path, strict=strict, origin=origin)
    known_specs = with_openai_compatible(specs)
    document = upgrade(source, known_specs, catalogue)
    members = source.known_members(document.members, _MEMBERS, ())
    limits = _limits(source, members)
    reader = Reader(source, References(env, resolve), known_specs, absent)
    defaults = source.decode(_encoded(_object(source, members, "defaults")), Defaults, ("defaults",))
    default_headers = DefaultHeaders(
        headers(reader, ("defaults", "headers"), defaults.headers), reader.references.missing().unresolved
    )
    blocks = _object(source, members, "providers")
    if not blocks:
        source.warn((), "there are no providers: `providers` is missing or empty")
    providers = [provider(reader, document, name, raw, default_headers) for name, raw in blocks.items()]
    optional: dict[str, Any] = {}
    if limits.client_max_size is not None:
        optional["max_body"] = limits.client_max_size
    return LlmsJson(
        path=path,
        providers=tuple(providers),
        client_timeout=limits.client_timeout,
        retries=limits.retries,
        warnings=tuple(source.warnings),
        notes=tuple(source.notes),
        secrets=tuple(reader.references.secrets),
        **optional,
    )


def _limits(source: Source, members: RawMembers) -> RequestLimits:
    """`limits`, with unknown members reported (K-19)."""
    limits = source.known_members(_object(source, members, "limits"), _LIMITS, ("limits",))
    return source.decode(_encoded(limits), RequestLimits, ("limits",))


def _object(source: Source, members: RawMembers, name: str) -> RawMembers:
    """The members of an object; none if it is missing or null. Raises ConfigError if it is something else."""
    raw = members.get(name)
    if is_given(raw):
        return source.members_of(raw, (name,))
    return {}


def _encoded(members: RawMembers) -> bytes:
    return msgspec.json.encode(members)
