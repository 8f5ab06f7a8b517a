"""A provider block's type and the URL of its API (K-03, K-04, L-09, SR-113, SR-114)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from urllib.parse import urlsplit

import msgspec

from llms_core.config.locate import JsonPath, nearest
from llms_core.config.reader import Reader, Specs
from llms_core.config.shape import ProviderBlock
from llms_core.openai_compatible import OPENAI_COMPATIBLE, OpenAICompatible
from llms_core.provider import ProviderSettings, ProviderSpec

_VERSION = re.compile(r"v\d+")
#: A segment of a path: `v1`, `v4`, `v1beta`, `v1alpha2`, `v1.2`, …
_VERSION_SEGMENT = re.compile(
    r"/v\d+(?:\.\d+)*(?:(?:alpha|beta|preview|rc)\d*)?(?=/|$)", re.IGNORECASE
)
_WHITESPACE = re.compile(r"\s")
_COMMON_SETTINGS = frozenset(field.name for field in msgspec.structs.fields(ProviderSettings))


class TypeMatch(msgspec.Struct, frozen=True):
    """The spec that a block's type means."""

    spec: ProviderSpec
    #: whether the block is the provider that the spec describes, so that the spec's key is its key; otherwise the spec
    #: only lends its adapter
    is_own: bool
    #: whether the type is the general one: then a base URL gets `/v1`, whatever the spec's own looks like
    is_general: bool = False


class Target(msgspec.Struct, frozen=True):
    """Where a block's requests go, and through which adapter."""

    spec: ProviderSpec
    base_url: str = ""
    #: see TypeMatch
    is_own: bool = True
    #: why the block cannot be used; None if it can
    unusable: str | None = None
    #: whether that is a fault of the plugin
    is_faulty: bool = False


def resolve(reader: Reader, path: JsonPath, block: ProviderBlock) -> Target:
    """Find a block's adapter and base URL. Raises ConfigError for a type that does not exist."""
    provider = provider_name(path, block)
    match = find_type(reader.specs, block.type, provider, block.base_url or block.api)
    if match is None:
        return _unknown_type(reader, path, block, provider)
    url = _base_url(reader, path, block, match)
    if url or match.spec.name != OPENAI_COMPATIBLE.name:
        return Target(match.spec, url, match.is_own)
    if block.enabled:
        raise reader.source.error(
            path,
            "`base_url` is missing",
            "the URL to which /v1/chat/completions is appended",
        )
    return Target(match.spec, unusable="`base_url` is missing")


def provider_name(path: JsonPath, block: ProviderBlock) -> str:
    """The name of the known provider that a block may configure, in lower case."""
    return (block.id or str(path[-1])).lower()


def find_type(
    specs: Specs, type_name: str | None, provider: str, url: str | None
) -> TypeMatch | None:
    """Return what a block's type means, None for one that does not exist.

    Without a type the block is the known provider of its name. An OpenAI-compatible block that has the name or the host
    of an OpenAI-compatible provider uses its spec, for what that provider renames or refuses; but its key only if both
    are the provider's.
    """
    spec = specs.get(provider if type_name is None else type_name.strip().lower())
    if spec is None:
        return None
    if spec.name != OPENAI_COMPATIBLE.name:
        return TypeMatch(spec, is_own=True)
    namesake = specs.get(provider)
    if namesake is None or namesake.name == spec.name or not _speaks_openai(namesake):
        return TypeMatch(_spec_of_host(specs, url) or spec, is_own=False, is_general=True)
    return TypeMatch(namesake, is_own=is_same_host(url, namesake.base_url), is_general=True)


def _spec_of_host(specs: Specs, url: str | None) -> ProviderSpec | None:
    """Return the OpenAI-compatible provider on the internet that a block's URL leads to; None if it is not known."""
    for spec in specs.values() if url else ():
        if (
            spec.base_url.startswith("https://")
            and _speaks_openai(spec)
            and is_same_host(url, spec.base_url)
        ):
            return spec
    return None


def is_same_host(url: str | None, own: str) -> bool:
    """Whether a block's URL, if it has one, leads to the provider's own host. No other host is sent its key."""
    if not url:
        return True
    try:
        return urlsplit(url.strip()).hostname == urlsplit(own).hostname
    except ValueError:
        return False


@cache
def own_settings(settings: type[ProviderSettings]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """The members that an adapter's settings add to a provider block."""
    return tuple(
        field for field in msgspec.structs.fields(settings) if field.name not in _COMMON_SETTINGS
    )


def own_member_names(settings: type[ProviderSettings]) -> frozenset[str]:
    """The names of `own_settings`. Does not evaluate their types, which may be faulty."""
    return frozenset(settings.__struct_encode_fields__) - _COMMON_SETTINGS


@cache
def settings_fault(settings: type[ProviderSettings]) -> str | None:
    """Why msgspec cannot decode a plugin's settings. Such a plugin must not disable the other providers."""
    try:
        for field in own_settings(settings):
            msgspec.json.Decoder(field.type)
    except Exception as error:
        where = f"{settings.__module__}.{settings.__name__}"
        return f"the plugin's {where} has a member whose type msgspec cannot decode: {error}"
    return None


def _unknown_type(reader: Reader, path: JsonPath, block: ProviderBlock, provider: str) -> Target:
    """Handle a type that no plugin has.

    Raises ConfigError, unless the block is disabled, or a plugin is not in use that may have the type: a faulty plugin
    disables its own provider, and not the gateway.
    """
    name = provider
    place = path
    reason = "`type` is missing, and no known provider has the name of this block"
    if block.type is not None:
        name = block.type.strip()
        place = (*path, "type")
        reason = f"unknown type '{name}' of provider '{path[-1]}'"
    if block.enabled:
        if not reader.missing_plugins:
            raise reader.source.error(place, reason, _known_types(reader, name))
        reason = f"{reason}; {reader.missing_plugins}"
        reader.source.report(place, reason)
    return unusable_target(reader, path, block, reason)


def unusable_target(reader: Reader, path: JsonPath, block: ProviderBlock, reason: str) -> Target:
    """A block that cannot be used. Its URL is checked all the same."""
    match = TypeMatch(reader.openai_compatible, is_own=False, is_general=True)
    return Target(match.spec, _base_url(reader, path, block, match), is_own=False, unusable=reason)


def _known_types(reader: Reader, name: str) -> str:
    """A hint that lists the types that exist, the most similar one first."""
    known = dict.fromkeys(_type_names(reader.specs.values()))
    hint = f"known types: {', '.join(known)}"
    near = nearest(name, (*known, *reader.specs))
    return f"did you mean '{near}'? {hint}" if near else hint


def _type_names(specs: Iterable[ProviderSpec]) -> Iterable[str]:
    """Names and aliases, without the npm packages among the aliases: those are for files of llms.py."""
    names: set[str] = set()
    for spec in specs:
        names.add(spec.name)
        names.update(alias for alias in spec.aliases if "/" not in alias)
    return sorted(names, key=str.lower)


def _speaks_openai(spec: ProviderSpec) -> bool:
    return isinstance(spec.adapter, type) and issubclass(spec.adapter, OpenAICompatible)


def _base_url(reader: Reader, path: JsonPath, block: ProviderBlock, match: TypeMatch) -> str:
    """The URL that `/chat/completions` and the like are appended to; empty if neither block nor spec has one."""
    adapter = match.spec.adapter
    if isinstance(adapter, type) and not issubclass(adapter, OpenAICompatible):
        if block.path is not None:
            raise reader.source.error(
                (*path, "path"), f"'{match.spec.name}' has paths of its own", "remove it"
            )
        if block.protocol is not None:
            raise reader.source.error(
                (*path, "protocol"), f"'{match.spec.name}' has a protocol of its own", "remove it"
            )
    if block.base_url is not None:
        url = _checked_url(reader, (*path, "base_url"), block.base_url)
        if block.path is None:
            url = _with_version(url, match)
            _warn_of_lost_path(reader, (*path, "base_url"), url, match)
        return url
    if block.api is not None:
        url = _checked_url(reader, (*path, "api"), block.api)
        _warn_of_lost_path(reader, (*path, "api"), url, match)
        return url
    return match.spec.base_url.rstrip("/")


def _warn_of_lost_path(reader: Reader, path: JsonPath, url: str, match: TypeMatch) -> None:
    """Warn of a URL on the provider's host that lacks a part of the provider's own, such as `/v1` at its end."""
    own = match.spec.base_url.rstrip("/")
    if url == own or not is_same_host(url, own):
        return
    written = urlsplit(url).path.removesuffix("/v1").rstrip("/")
    missing = urlsplit(own).path.removeprefix(written)
    if urlsplit(own).path.startswith(written) and missing:
        message = f"the URL lacks the `{missing}` that the one of '{match.spec.name}' has"
        reader.source.warn(path, message, f"write {own}, or leave it out")


def _with_version(url: str, match: TypeMatch) -> str:
    """Append `/v1`, unless there is a version in the URL's path, or the URL is the provider's own (SR-114).

    Nothing is appended for providers whose own URL does not end in a version either.
    """
    own = match.spec.base_url
    if url == own.rstrip("/") or _has_version(url) or _ends_in_version(url):
        return url
    if match.is_general or _ends_in_version(own):
        return f"{url}/v1"
    return url


def _has_version(url: str) -> bool:
    return _VERSION_SEGMENT.search(urlsplit(url).path) is not None


def _ends_in_version(url: str) -> bool:
    last = url.rstrip("/").rpartition("/")[2]
    return _VERSION.fullmatch(last) is not None


def _checked_url(reader: Reader, path: JsonPath, url: str) -> str:
    """Return the URL without surrounding spaces and trailing slashes. Raises ConfigError if it cannot be used."""
    url = url.strip().rstrip("/")
    if not _is_http_url(url):
        raise reader.source.error(path, "not an http(s) URL", "such as https://api.example.com/v1")
    if "?" in url or "#" in url:
        raise reader.source.error(
            path,
            "a base URL must have no `?` and no `#`: a path is appended to it",
            "leave them out",
        )
    parts = urlsplit(url)
    if parts.username or parts.password:
        message = "a URL must have no user and password in it: URLs are logged"
        raise reader.source.error(path, message, "use `api_key` or `headers`")
    if url.endswith("/chat/completions"):
        raise reader.source.error(
            path, "the URL is too long", "leave out /chat/completions, which is appended"
        )
    return url


def _is_http_url(url: str) -> bool:
    if _WHITESPACE.search(url):
        return False
    try:
        parts = urlsplit(url)
        port = parts.port  # raises ValueError for one that is out of range
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0
