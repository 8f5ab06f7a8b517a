"""Providers that are pure configuration: `[types.NAME]` of plugins.toml -> ProviderSpec."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from llms_core.config.headers import SECRET_HEADERS, HiddenHeaders
from llms_core.config.locate import dotted, explained, nearest
from llms_core.errors import ConfigError
from llms_core.openai_compatible import OPENAI_COMPATIBLE
from llms_core.provider import Capabilities, HttpAdapter, ProviderSettings, ProviderSpec
from llms_core.secret import Secret, redact


class DeclaredType(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[types.NAME]`. `rename`, `drop` and `capabilities` are added to those of the type that it `extends`."""

    extends: str | None = None
    title: str = ""
    docs: str = ""
    base_url: Annotated[str, Meta(pattern="^https?://")] | None = None
    key_env: str | tuple[str, ...] | None = None
    needs_key: bool | None = None
    rename: dict[str, str] = {}
    drop: tuple[str, ...] = ()
    headers: dict[str, str] = {}
    capabilities: dict[str, bool] = {}
    models: dict[str, str] | tuple[str, ...] | None = None
    aliases: tuple[str, ...] = ()


def declared(
    types: Mapping[str, Mapping[str, Any]], specs: Mapping[str, ProviderSpec], *, path: str = ""
) -> dict[str, ProviderSpec]:
    """The declared providers by every name and alias; one may extend a plugin's, or one that stands before it.

    Raises ConfigError, naming `path` and the member at fault.
    """
    known = {OPENAI_COMPATIBLE.name: OPENAI_COMPATIBLE, **specs}
    found: dict[str, ProviderSpec] = {}
    for name, table in types.items():
        spec = _spec(name, table, known, path)
        found.update(dict.fromkeys((key.lower() for key in (name, *spec.aliases)), spec))
        known.update(found)
    return found


def _spec(name: str, table: Mapping[str, Any], known: Mapping[str, ProviderSpec], path: str) -> ProviderSpec:
    field = dotted(("types", name))
    _check_names(table, DeclaredType.__struct_fields__, field, path)
    try:
        type_ = msgspec.convert(table, DeclaredType)
    except msgspec.ValidationError as error:
        message, at = explained(error, table, lambda value: msgspec.convert(value, DeclaredType))
        raise ConfigError(message, path=path, field=dotted(("types", name, *at))) from None
    extended = type_.extends or OPENAI_COMPATIBLE.name
    base = known.get(extended.lower())
    if base is None:
        hint = _hint(extended, known)
        raise ConfigError(f"there is no provider type '{extended}'", path=path, field=f"{field}.extends", hint=hint)
    _check_names(type_.capabilities, Capabilities.__struct_fields__, f"{field}.capabilities", path)
    keys = (type_.key_env,) if isinstance(type_.key_env, str) else type_.key_env
    models = type_.models if isinstance(type_.models, dict) else {model: model for model in type_.models or ()}
    return msgspec.structs.replace(
        base,
        name=name,
        title=type_.title or name,
        docs=type_.docs,
        adapter=_with_headers(base, type_.headers),
        base_url=base.base_url if type_.base_url is None else type_.base_url.rstrip("/"),
        key_env=base.key_env if keys is None else keys,
        needs_key=(base.needs_key or bool(keys)) if type_.needs_key is None else type_.needs_key,
        rename={**base.rename, **type_.rename},
        drop=base.drop.union(type_.drop),
        capabilities=msgspec.structs.replace(base.capabilities, **type_.capabilities),
        models=base.models if type_.models is None else models,
        aliases=type_.aliases,
        demo=False,
    )


def _with_headers(base: ProviderSpec, headers: Mapping[str, str]) -> Any:
    """The adapter of `base`, with headers that a provider block may override."""
    if not headers:
        return base.adapter

    redact.add(Secret(value.rpartition(" ")[2]) for name, value in headers.items() if name.lower() in SECRET_HEADERS)
    own = HiddenHeaders({name.lower(): value for name, value in headers.items()})

    def adapter(spec: ProviderSpec, settings: ProviderSettings) -> HttpAdapter:
        merged = HiddenHeaders({**own, **settings.headers})
        return base.adapter(spec, msgspec.structs.replace(settings, headers=merged))

    return adapter


def _check_names(table: Mapping[str, Any], known: tuple[str, ...], field: str, path: str) -> None:
    for name in table:
        if name not in known:
            raise ConfigError(f"unknown key '{name}'", path=path, field=field, hint=_hint(name, known))


def _hint(name: str, known: Iterable[str]) -> str:
    """The known name that is nearest, or them all."""
    known = tuple(known)
    near = nearest(name, known)
    return f"did you mean '{near}'?" if near else f"known are {', '.join(sorted(known))}"
