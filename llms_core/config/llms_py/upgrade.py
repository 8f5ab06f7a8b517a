"""Upgrades a document of llms.py's to our format. One in our format is not changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from llms_core.config.document import Document
from llms_core.config.llms_py.catalogue import LlmsPyCatalogue
from llms_core.config.llms_py.provider_block import BlockUpgrade
from llms_core.config.llms_py.shape import LlmsPyDefaults, LlmsPyFile, LlmsPyLimits
from llms_core.config.locate import nearest
from llms_core.config.reader import Specs
from llms_core.config.shape import Defaults, RequestLimits, member_names
from llms_core.config.source import RawMembers, Source, is_given

_MEMBERS = member_names(LlmsPyFile)
_DEFAULTS = member_names(LlmsPyDefaults)
_OUR_DEFAULTS = member_names(Defaults)
_OUR_LIMITS = member_names(RequestLimits)
_ALL_LIMITS = member_names(LlmsPyLimits)

# Templates of llms.py 3 that its documentation names. Users may add others.
_TEMPLATES_OF_V3 = ("out:image", "out:audio", "compact", "summarize", "commit")
# What has no effect here. The second group would not surprise anybody, so that it is not even noted.
_UNUSED_AND_NOTED = ("disable_extensions", "loading")
_UNUSED = ("version", "auth")

_AUTH_MESSAGE = (
    "signing in with GitHub is not supported here: "
    "clients need a key of [server.keys] in plugins.toml instead"
)


def upgrade(source: Source, specs: Specs, catalogue_folders: Sequence[Path]) -> Document:
    """Upgrade the document. Paths in it lead back to what the user wrote: see `Source.record_move`.

    Raises ConfigError for members of the wrong type.
    """
    members = dict(source.members)
    _drop_references(source, members)
    file = _checked(source, members)
    _drop_unused(source, members)
    defaults = _object(source, members, "defaults")
    _merge_limits(source, members, defaults)
    _move_conversions(source, members, defaults)
    _drop_templates(source, defaults)
    if "defaults" in members:
        members["defaults"] = _raw(defaults)
    is_v3 = file.version is not None and file.version >= 3
    requires_key = _enables_sign_in(source, file)
    document = Document(members, unusable={}, warnings_if_enabled={}, requires_key=requires_key)
    if is_given(members.get("providers")):
        catalogue = LlmsPyCatalogue(source, catalogue_folders) if is_v3 else None
        members["providers"] = _upgrade_providers(source, specs, catalogue, document)
    return document


def _upgrade_providers(
    source: Source, specs: Specs, catalogue: LlmsPyCatalogue | None, document: Document
) -> Raw:
    providers = {}
    for name, raw in _object(source, document.members, "providers").items():
        block = BlockUpgrade(source, specs, name, raw, catalogue)
        block.run()
        providers[name] = _raw(block.members)
        if block.unusable is not None:
            document.unusable[name] = block.unusable
        document.warnings_if_enabled[name] = tuple(block.warnings_if_enabled)
    return _raw(providers)


def _checked(source: Source, members: RawMembers) -> LlmsPyFile:
    """Check the types of all members but the providers. Raises ConfigError."""
    known = {name: raw for name, raw in members.items() if name in _MEMBERS and name != "providers"}
    return source.decode(msgspec.json.encode(known), LlmsPyFile, ())


def _enables_sign_in(source: Source, file: LlmsPyFile) -> bool:
    """Whether sign-in is enabled, which must not be dropped silently: the gateway would be open to everybody (K-21)."""
    if file.auth is None or not file.auth.enabled:
        return False
    source.note(("auth", "enabled"), _AUTH_MESSAGE)
    return True


def _drop_references(source: Source, members: RawMembers) -> None:
    """Drop unknown members such as `"site": "$SITE"`: llms.py replaces references anywhere in the file (K-22)."""
    for name, raw in list(members.items()):
        if name not in _MEMBERS and bytes(raw).startswith(b'"$'):
            source.note((name,), "not used here")
            del members[name]


def _drop_unused(source: Source, members: RawMembers) -> None:
    for name in _UNUSED_AND_NOTED:
        if name in members:
            source.note((name,), "not used here")
            del members[name]
    for name in _UNUSED:
        members.pop(name, None)


def _merge_limits(source: Source, members: RawMembers, defaults: RawMembers) -> None:
    """Move `defaults.limits` to `limits` (K-19, L-04).

    llms.py's documentation has the first, its code reads the second. The top level takes precedence.
    """
    limits = _object(source, members, "limits")
    nested = defaults.pop("limits", None)
    if is_given(nested):
        _move_limits(source, limits, source.members_of(nested, ("defaults", "limits")))
    for name in set(_ALL_LIMITS) - set(_OUR_LIMITS):
        limits.pop(name, None)
    if limits or "limits" in members:
        members["limits"] = _raw(limits)


def _move_limits(source: Source, limits: RawMembers, nested: RawMembers) -> None:
    for name, value in nested.items():
        written = ("defaults", "limits", name)
        if not is_given(limits.get(name)):
            limits[name] = value
            source.record_move(("limits", name), written)
        elif is_given(value) and _value(value) != _value(limits[name]):
            source.warn(written, "not used: `limits` at the top level has another value")


def _move_conversions(source: Source, members: RawMembers, defaults: RawMembers) -> None:
    """Move `defaults.convert` to `convert` (K-19, K-20). The top level takes precedence."""
    nested = defaults.pop("convert", None)
    if is_given(nested) and not is_given(members.get("convert")):
        members["convert"] = nested
        source.record_move(("convert",), ("defaults", "convert"))


def _drop_templates(source: Source, defaults: RawMembers) -> None:
    """Drop chat templates that are not used, which may have any name, and report what cannot be one (L-03)."""
    for name, raw in list(defaults.items()):
        if name in _OUR_DEFAULTS:
            continue
        del defaults[name]
        if name in (*_DEFAULTS, *_TEMPLATES_OF_V3) or not is_given(raw):
            continue
        near = nearest(name, _DEFAULTS, cutoff=0.75)
        is_object = bytes(raw).startswith(b"{")
        if near is not None or not is_object:
            hint = f"did you mean '{near}'?" if near is not None else ""
            source.report(("defaults", name), "unknown member, ignored", hint)


def _object(source: Source, members: RawMembers, name: str) -> RawMembers:
    raw = members.get(name)
    if is_given(raw):
        return source.members_of(raw, (name,))
    return {}


def _raw(members: RawMembers) -> Raw:
    return Raw(msgspec.json.encode(members))


def _value(raw: Raw) -> Any:
    return msgspec.json.decode(raw)
