"""One block of `providers` to a Provider."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec import Raw

from llms_core.config import keys
from llms_core.config.adapters import Choice, choose
from llms_core.config.llms_json_shape import Parameters, PriceRow, ProviderBlock
from llms_core.config.llms_py.catalogue import Catalogue
from llms_core.config.locate import At
from llms_core.config.model import Provider
from llms_core.config.models import offer
from llms_core.config.prices import price
from llms_core.config.reading import Members, Reading
from llms_core.contracts.request import ChatRequest
from llms_core.provider import ProviderSettings

_MEMBERS = tuple(field.encode_name for field in msgspec.structs.fields(ProviderBlock))
_PRICES = tuple(field.encode_name for field in msgspec.structs.fields(PriceRow))
_PARAMETERS = tuple(field.name for field in msgspec.structs.fields(Parameters))
_COMMON = frozenset(field.name for field in msgspec.structs.fields(ProviderSettings))
# What llms.py has a use for, and this gateway has not.
_UNUSED = ("modalities", "server_tools", "speech_config")
_GEMINI = ("safety_settings", "thinking_config")
# These say what is asked and how it is answered: the client's business alone.
_NOT_FORCED = ("model", "messages", "stream")
_ChatParameters = msgspec.defstruct(
    "_ChatParameters",
    [(field.name, field.type, None) for field in msgspec.structs.fields(ChatRequest) if field.name not in _NOT_FORCED],
)


def provider(reading: Reading, id: str, raw: Raw, common: Mapping[str, str], catalogue: Catalogue | None) -> Provider:
    """The provider of a block. `common` are the headers of `defaults`; a catalogue is given for v3 files alone.

    Raises ConfigError where the block is wrong; that it cannot be used now is a warning, and why it is disabled.
    """
    at: At = ("providers", id)
    v3 = catalogue is not None
    given = reading.members_of(raw, at)
    block = reading.decode(_of(given, _MEMBERS), ProviderBlock, at)
    entry = catalogue.entry(block.id or id) if catalogue else None
    choice = choose(reading, at, block, entry, v3=v3)
    if choice.missing is None and (fault := _fault_of_plugin(choice.spec.settings)):
        reading.warn(at, f"left out: {fault}")
        choice = msgspec.structs.replace(choice, missing=fault)
    headers = keys.Headers({**common, **keys.headers(reading, (*at, "headers"), block.headers)})
    own, keyless = _own_members(reading, at, given, choice)
    secret = None
    if choice.missing is None and keyless is None:
        secret, keyless = keys.key(reading, at, block, choice, entry, headers)
    if keyless and block.enabled:
        reading.warn(at, f"left out: {keyless}")
    disabled = (None if block.enabled else "disabled in llms.json") or choice.missing or keyless
    _say_what_is_unused(reading, at, given, own, choice, used=disabled is None)
    offered = offer(reading, at, block, choice.spec, entry, v3=v3)
    kind = choice.spec.settings if choice.missing is None else ProviderSettings
    try:
        settings = kind(
            id=id,
            base_url=choice.base_url,
            api_key=secret,
            headers=headers,
            defaults={name: given[name] for name in _PARAMETERS if name not in own and _is_said(given.get(name))},
            force=_forced(reading, (*at, "force"), given.get("force")),
            **own,
        )
    except (TypeError, ValueError) as error:
        raise reading.error(at, f"'{choice.spec.name}' does not take this: {error}") from None
    return Provider(
        id=id,
        spec=choice.spec,
        settings=settings,
        disabled=disabled,
        models=offered.models,
        discover=offered.discover,
        include=block.include_models or None,
        exclude=block.exclude_models or None,
        fold_case=v3,
        retries=block.retries,
        check=None if block.check is None else given["check"],
        label=block.name or (entry.name if entry else None) or "",
        price=price(block.default_pricing),
    )


def _own_members(reading: Reading, at: At, given: Members, choice: Choice) -> tuple[dict[str, Any], str | None]:
    """The members that this adapter alone has, strictly decoded, and a reason where a secret of them is not set.

    What neither it nor any block has is odd (K-24). Raises ConfigError where the adapter needs one that is missing.
    """
    if choice.missing is not None:
        return {}, None
    fields = _own_fields(choice.spec.settings)
    reading.known(given, (*_MEMBERS, *(field.encode_name for field in fields)), at)
    own, so_far = {}, len(reading.unset)
    for field in fields:
        name = field.encode_name
        if name in given:
            own[field.name] = reading.decode(given[name], field.type, (*at, name))
        elif field.required:
            raise reading.error(at, f"`{name}` is missing: '{choice.spec.name}' needs it")
    unset = reading.unset[so_far:]
    if _is_said(pricing := given.get("pricing", Raw(b"null"))):
        for name, row in reading.members_of(pricing, (*at, "pricing")).items():
            reading.known(reading.members_of(row, (*at, "pricing", name)), _PRICES, (*at, "pricing", name))
    return own, f"no key: set {' and '.join(unset)}" if unset else None


@cache
def _own_fields(settings: type[ProviderSettings]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return tuple(field for field in msgspec.structs.fields(settings) if field.name not in _COMMON)


@cache
def _fault_of_plugin(settings: type[ProviderSettings]) -> str | None:
    """Why msgspec cannot decode a plugin's settings: that is no reason to leave out the other providers."""
    try:
        for field in _own_fields(settings):
            msgspec.json.Decoder(field.type)
    except Exception as error:
        return f"the plugin's {settings.__name__} cannot be read: {error}"
    return None


def _forced(reading: Reading, at: At, raw: Raw | None) -> Members:
    """`force`, with the same bounds as in a request (K-13)."""
    if not _is_said(raw) or raw is None:
        return {}
    forced = reading.members_of(raw, at)
    for name in _NOT_FORCED:
        if name in forced:
            raise reading.error((*at, name), "cannot be forced: it is for the client to say")
    reading.decode(raw, _ChatParameters, at)
    return forced


def _say_what_is_unused(
    reading: Reading, at: At, given: Members, own: Collection[str], choice: Choice, *, used: bool
) -> None:
    """Notes for what only llms.py uses (L-16 … L-18), warnings for what looks as if it did something (K-12, K-14)."""
    for name in _UNUSED:
        if _is_said(given.get(name)) and name not in own:
            reading.note((*at, name), "not used here")
    if _is_said(given.get("stream")):
        reading.note((*at, "stream"), "not used: the client says whether it wants a stream")
    if not used:
        return
    if given.get("curl") == Raw(b"true"):
        reading.warn((*at, "curl"), "not used: requests are never sent with curl")
    for name in _GEMINI:
        if _is_said(given.get(name)) and name not in own:
            reading.warn((*at, name), f"not used: the adapter '{choice.spec.name}' has no such setting")


def _of(members: Members, names: Collection[str]) -> bytes:
    return msgspec.json.encode({name: value for name, value in members.items() if name in names})


def _is_said(raw: Raw | None) -> bool:
    return raw is not None and bytes(raw) != b"null"
