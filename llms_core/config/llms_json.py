"""Reads llms.json, in our format or in any of llms.py's; edit.py changes it.

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
from llms_core.config.conversion_shape import Conversions, ImageConversion
from llms_core.config.headers import headers
from llms_core.config.llms_py.upgrade import upgrade
from llms_core.config.model import ImageLimits, LlmsJson
from llms_core.config.reader import Reader, with_openai_compatible
from llms_core.config.references import References, Resolve, resolve_nothing
from llms_core.config.shape import (
    TEMPLATES,
    Defaults,
    File,
    RequestLimits,
    member_names,
)
from llms_core.config.source import RawMembers, Source, is_given
from llms_core.errors import unreadable
from llms_core.provider import ProviderSpec

_MEMBERS = member_names(File)
_LIMITS = member_names(RequestLimits)
_CONVERSIONS = member_names(Conversions)
_IMAGE_CONVERSION = member_names(ImageConversion)


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
    folders = (path.parent, places.home(env))
    return read(
        content(path),
        str(path),
        specs,
        env=env,
        resolve=resolve,
        strict=strict,
        absent=absent,
        catalogue=folders,
    )


def content(path: Path) -> bytes:
    """Return the content of the file at `path`. Raises ConfigError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None


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
    defaults = source.decode(
        _encoded(_object(source, members, "defaults")), Defaults, ("defaults",)
    )
    default_headers = DefaultHeaders(
        headers(reader, ("defaults", "headers"), defaults.headers),
        reader.references.missing().unresolved,
    )
    blocks = _object(source, members, "providers")
    if not blocks:
        source.warn((), "there are no providers: `providers` is missing or empty")
    providers = [
        provider(reader, document, name, raw, default_headers) for name, raw in blocks.items()
    ]
    source.warn_of_missing_keys()
    optional: dict[str, Any] = {}
    if limits.client_max_size is not None:
        optional["max_body"] = limits.client_max_size
    return LlmsJson(
        path=path,
        providers=tuple(providers),
        client_timeout=limits.client_timeout,
        retries=limits.retries,
        templates=_templates(defaults),
        images=_image_limits(source, members),
        warnings=tuple(source.warnings),
        notes=tuple(source.notes),
        secrets=tuple(reader.references.secrets),
        requires_key=document.requires_key,
        **optional,
    )


def _templates(defaults: Defaults) -> dict[str, Mapping[str, Any]]:
    """The chat templates of `defaults` that there are (K-17, K-18)."""
    found = {name: getattr(defaults, name) for name in TEMPLATES}
    return {name: template for name, template in found.items() if template is not None}


def _limits(source: Source, members: RawMembers) -> RequestLimits:
    """`limits`, with unknown members reported (K-19)."""
    limits = source.known_members(_object(source, members, "limits"), _LIMITS, ("limits",))
    return source.decode(_encoded(limits), RequestLimits, ("limits",))


def _image_limits(source: Source, members: RawMembers) -> ImageLimits | None:
    """`convert.image`; None if it is missing or empty (K-20)."""
    convert = source.known_members(_object(source, members, "convert"), _CONVERSIONS, ("convert",))
    raw = convert.get("image")
    if not is_given(raw):
        return None
    path = ("convert", "image")
    known = source.known_members(source.members_of(raw, path), _IMAGE_CONVERSION, path)
    image = source.decode(_encoded(known), ImageConversion, path)
    limits: dict[str, int] = {}
    if image.max_size is not None:
        width, _, height = image.max_size.partition("x")
        limits = {"width": int(width), "height": int(height)}
    if image.max_length is not None:
        limits["size"] = image.max_length
    if limits:
        return ImageLimits(**limits)
    return None


def _object(source: Source, members: RawMembers, name: str) -> RawMembers:
    """The members of an object; none if it is missing or null. Raises ConfigError if it is something else."""
    raw = members.get(name)
    if is_given(raw):
        return source.members_of(raw, (name,))
    return {}


def _encoded(members: RawMembers) -> bytes:
    return msgspec.json.encode(members)
