"""One block of `providers` to a Provider."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from llms_core.config.adapters import (
    Target,
    own_settings,
    resolve,
    settings_fault,
    unusable_target,
)
from llms_core.config.document import Document
from llms_core.config.headers import HiddenHeaders, headers
from llms_core.config.keys import api_key
from llms_core.config.locate import JsonPath
from llms_core.config.model import DISABLED_BY_USER, NO_KEY, Provider
from llms_core.config.models import models
from llms_core.config.price_shape import PriceRow
from llms_core.config.prices import price
from llms_core.config.reader import Reader
from llms_core.config.shape import Parameters, ProviderBlock, member_names
from llms_core.config.source import RawMembers, Source, is_given
from llms_core.contracts.request import ChatRequest
from llms_core.errors import ConfigError
from llms_core.provider import ProviderSettings
from llms_core.secret import Secret

_MEMBERS = member_names(ProviderBlock)
_PRICE_MEMBERS = member_names(PriceRow)
_PARAMETERS = member_names(Parameters)
# What is asked and how it is answered is the client's choice alone.
_NOT_FORCED = ("model", "messages", "stream")
# The parameters of a request, all optional: `force` has the same ranges.
_ForcedParameters = msgspec.defstruct(
    "_ForcedParameters",
    [
        (field.name, field.type, None)
        for field in msgspec.structs.fields(ChatRequest)
        if field.name not in _NOT_FORCED
    ],
)


def provider(
    reader: Reader,
    document: Document,
    id: str,
    raw: Raw,
    defaults: DefaultHeaders,
) -> Provider:
    """Return the provider of a block.

    Raises ConfigError if the block is wrong. If the provider merely cannot be used at present, that is a warning, and
    the reason is in `disabled`.
    """
    path: JsonPath = ("providers", id)
    source = reader.source
    members = source.members_of(raw, path)
    block = source.decode(_only(members, _MEMBERS), ProviderBlock, path)
    unusable = document.unusable.get(id)
    block, without_url = _with_url(reader, block)
    if without_url is not None and block.enabled:
        source.warn(path, f"left out: {without_url}")
    target = _target(reader, path, block, unusable or without_url)
    before = reader.references.mark
    merged_headers = HiddenHeaders(
        {**defaults.headers, **headers(reader, (*path, "headers"), block.headers)}
    )
    unresolved = [*defaults.unresolved, *reader.references.missing(before).unresolved]
    own = _own_members(reader, path, members, target)
    key: Secret | None = None
    missing_key = own.missing_key
    if unresolved:
        missing_key = f"no header: {'; '.join(unresolved)}"
    if target.unusable is None and missing_key is None:
        key, missing_key = api_key(reader, path, block, target, merged_headers)
    common = {
        "id": id,
        "base_url": target.base_url,
        "path": block.path or "",
        "protocol": block.protocol or "",
        "api_key": key,
        "headers": merged_headers,
        "defaults": _defaults(members, own.values),
        "force": _forced(source, (*path, "force"), members.get("force")),
        "pass_through": block.pass_through,
        "replay_streams": block.replay_streams,
    }
    settings, error = _settings(source, path, target, common, own)
    offered = models(source, path, block, target.spec)
    disabled = _disabled(source, block, target, error, missing_key)
    if disabled is None:
        source.warnings.extend(document.warnings_if_enabled.get(id, ()))
    elif block.enabled and error is not None:
        source.tolerate(error)
    elif block.enabled and missing_key is not None:
        source.left_out(path, missing_key)
    return Provider(
        id=id,
        spec=target.spec,
        settings=settings,
        disabled=disabled,
        misconfigured=block.enabled and (error is not None or target.is_faulty),
        models=offered.known,
        discover=offered.discover,
        include=block.include_models or None,
        exclude=block.exclude_models or None,
        fold_case=bool(block.lenient_names),
        prefix=block.model_prefix or "",
        retries=block.retries,
        price=price(block.default_pricing),
        check=block.check,
    )


def _with_url(reader: Reader, block: ProviderBlock) -> tuple[ProviderBlock, str | None]:
    """Replace a reference in place of the URL. The second result says what is missing."""
    for name in ("base_url", "api"):
        written = getattr(block, name)
        if written is None or not written.strip().startswith("$"):
            continue
        before = reader.references.mark
        url = reader.references.expand(written.strip())
        block = msgspec.structs.replace(block, **{name: url})
        if url is None:
            return block, f"no URL: {reader.references.missing(before).described()}"
    return block, None


def _disabled(
    source: Source,
    block: ProviderBlock,
    target: Target,
    error: ConfigError | None,
    missing_key: str | None,
) -> str | None:
    """Why the provider is not a candidate; None if it is."""
    if not block.enabled:
        if source.origin:
            return f"disabled by {source.origin}"
        return DISABLED_BY_USER
    if target.unusable is None and error is not None:
        return str(error)
    return target.unusable or missing_key


class DefaultHeaders(NamedTuple):
    """The headers of every provider."""

    headers: Mapping[str, str]
    #: Secrets of plugins that they need, and that are not resolved, each with the reason.
    unresolved: Sequence[str]


class _OwnMembers(NamedTuple):
    """The members of a block that only its adapter has."""

    values: Mapping[str, Any] = {}
    #: Which secrets among them are not set.
    missing_key: str | None = None
    #: What is wrong with them. A plugin's settings disable its own provider, and not the gateway.
    error: ConfigError | None = None


def _target(reader: Reader, path: JsonPath, block: ProviderBlock, unusable: str | None) -> Target:
    """The block's adapter and URL. `unusable` is why the upgrade could not find an adapter for it."""
    if unusable is not None:
        return unusable_target(reader, path, block, unusable)
    target = resolve(reader, path, block)
    if target.unusable is None:
        fault = settings_fault(target.spec.settings)
        if fault is not None:
            reader.source.warn(path, f"left out: {fault}")
            return msgspec.structs.replace(target, unusable=fault, is_faulty=True)
    return target


def _own_members(
    reader: Reader, path: JsonPath, members: RawMembers, target: Target
) -> _OwnMembers:
    """Decode the members that only this adapter has.

    Reports members that neither this adapter nor any block has (K-24).
    """
    if target.unusable is not None:
        return _OwnMembers()
    fields = own_settings(target.spec.settings)
    reader.source.known_members(
        members, (*_MEMBERS, *(field.encode_name for field in fields)), path
    )
    own = {}
    error: ConfigError | None = None
    before = reader.references.mark
    for field in fields:
        name = field.encode_name
        try:
            if name in members:
                own[field.name] = reader.decode_setting(members[name], field.type, (*path, name))
            elif field.required:
                hint = f'add "{name}" to the block'
                raise reader.source.error(
                    path, f"`{name}` is missing: '{target.spec.name}' needs it", hint
                )
        except ConfigError as mistake:
            error = error or mistake
    missing = reader.references.missing(before)
    _check_pricing(reader.source, (*path, "pricing"), members.get("pricing"))
    return _OwnMembers(own, f"{NO_KEY}: {missing.described()}" if missing else None, error)


def _check_pricing(source: Source, path: JsonPath, raw: Raw | None) -> None:
    """Report unknown members of price rows."""
    if not is_given(raw):
        return
    for name, row in source.members_of(raw, path).items():
        here = (*path, name)
        source.known_members(source.members_of(row, here), _PRICE_MEMBERS, here)


def _settings(
    source: Source, path: JsonPath, target: Target, common: Mapping[str, Any], own: _OwnMembers
) -> tuple[ProviderSettings, ConfigError | None]:
    """Return the settings of a provider, and what is wrong with those that only its adapter has."""
    error = own.error
    if target.unusable is None and error is None:
        try:
            return target.spec.settings(**common, **own.values), None
        except (TypeError, ValueError) as refusal:  # a plugin's own checks, in __post_init__
            error = source.error(
                path, f"'{target.spec.name}' does not accept these settings: {refusal}"
            )
    return ProviderSettings(**common), error


def _defaults(members: RawMembers, own: Collection[str]) -> RawMembers:
    """The parameters for requests that do not set them; an adapter may use a member of that name for itself."""
    defaults = {}
    for name in _PARAMETERS:
        if name not in own and is_given(members.get(name)):
            defaults[name] = members[name]
    return defaults


def _forced(source: Source, path: JsonPath, raw: Raw | None) -> RawMembers:
    """The members of `force`, checked like those of a request (K-13)."""
    if not is_given(raw):
        return {}
    forced = source.members_of(raw, path)
    for name in _NOT_FORCED:
        if name in forced:
            raise source.error(
                (*path, name), "cannot be forced: it is the client's choice", "remove it"
            )
    source.decode(raw, _ForcedParameters, path)
    return forced


def _only(members: RawMembers, names: Collection[str]) -> bytes:
    return msgspec.json.encode({name: value for name, value in members.items() if name in names})
