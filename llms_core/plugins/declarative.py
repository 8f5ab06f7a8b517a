"""Provider types that plugins.toml declares without code: `[types.NAME]` -> ProviderSpec."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from llms_core.config.headers import SECRET_HEADERS, HiddenHeaders
from llms_core.config.locate import dotted, explained, nearest
from llms_core.config.shape import PATH_PATTERN
from llms_core.errors import ConfigError
from llms_core.openai_compatible import OPENAI_COMPATIBLE
from llms_core.openai_compatible.conversation import generated_id_length
from llms_core.provider import Adapter, Capabilities, ProviderSettings, ProviderSpec, RequestRules
from llms_core.secret import Secret, redact

Rules = TypeVar("Rules", bound=msgspec.Struct)
Expand = Callable[[str, str], str]
"""(text, its place in the file) -> the text without references. Raises ConfigError."""

AdapterFactory = Callable[[ProviderSpec[Any], Any], Adapter]


class DeclaredType(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[types.NAME]`: a provider type without code. What is left out is inherited from the type that it extends."""

    #: The type to start from; None means OPENAI_COMPATIBLE.
    extends: Annotated[str | None, Meta(examples=["openai-compatible"])] = None
    #: The name for humans; the name of the type by default.
    title: Annotated[str, Meta(examples=["Acme"])] = ""
    #: The URL of the provider's documentation.
    docs: Annotated[str, Meta(examples=["https://acme.example/docs"])] = ""
    #: The URL that paths such as `/chat/completions` are appended to; inherited by default.
    base_url: Annotated[
        Annotated[str, Meta(pattern="^https?://")] | None,
        Meta(examples=["https://api.acme.example/v1"]),
    ] = None
    #: What is appended to the base URL for chat completions.
    path: Annotated[
        Annotated[str, Meta(pattern=PATH_PATTERN)] | None, Meta(examples=["/chat/completions"])
    ] = None
    #: Operation -> what is appended to the base URL for it; replaces the inherited ones.
    paths: Annotated[
        dict[str, Annotated[str, Meta(pattern=PATH_PATTERN)]] | None,
        Meta(examples=[{"embeddings": "/embeddings"}]),
    ] = None
    #: The environment variable that has the key, or several of them, of which the first that is set is used.
    key_env: Annotated[str | tuple[str, ...] | None, Meta(examples=["ACME_API_KEY"])] = None
    #: None: as inherited, but true if `key_env` names a variable.
    needs_key: Annotated[bool | None, Meta(examples=[True])] = None
    #: Added to the inherited entries, as are `drop` and `capabilities`.
    rename: Annotated[dict[str, str], Meta(examples=[{"max_completion_tokens": "max_tokens"}])] = {}
    #: Parameters that the provider rejects.
    drop: Annotated[tuple[str, ...], Meta(examples=[["logit_bias"]])] = ()
    #: Members of RequestRules, each of which replaces the inherited one.
    rules: Annotated[dict[str, Any], Meta(examples=[{"developer": True}])] = {}
    #: Members of EmbeddingRules, each of which replaces the inherited one.
    embeddings: Annotated[dict[str, Any], Meta(examples=[{"max_inputs": 96}])] = {}
    #: Sent with each request; a provider block may override them. References in them are replaced.
    headers: Annotated[dict[str, str], Meta(examples=[{"X-Title": "llms"}])] = {}
    #: What the provider can do, by the names below.
    capabilities: Annotated[dict[str, bool], Meta(examples=[{"vision": False}])] = {}
    #: Whether the provider cannot stream; None: as inherited.
    replay_streams: Annotated[bool | None, Meta(examples=[True])] = None
    #: Name for clients -> the provider's id, or ids that clients use as they are.
    models: Annotated[
        dict[str, str] | tuple[str, ...] | None, Meta(examples=[{"acme-large": "acme-large-2026"}])
    ] = None
    #: Further names for the type.
    aliases: Annotated[tuple[str, ...], Meta(examples=[["acme-ai"]])] = ()


def declared(
    types: Mapping[str, Mapping[str, Any]],
    specs: Mapping[str, ProviderSpec],
    *,
    path: str = "",
    expand: Expand = lambda text, field: text,
) -> dict[str, ProviderSpec]:
    """Return the declared types by name and alias. A type may extend a plugin's type, or one declared before it.

    `expand` replaces references in the value of a header. Raises ConfigError, which names `path` and the invalid key.
    """
    known = {OPENAI_COMPATIBLE.name: OPENAI_COMPATIBLE, **specs}
    found: dict[str, ProviderSpec] = {}
    for name, table in types.items():
        spec = _spec(name, table, known, path, expand)
        for key in (name, *spec.aliases):
            found[key.lower()] = spec
        known.update(found)
    return found


def _spec(
    name: str,
    table: Mapping[str, Any],
    known: Mapping[str, ProviderSpec],
    path: str,
    expand: Expand,
) -> ProviderSpec:
    field = dotted(("types", name))
    declaration = _decode(name, table, path)
    headers = {
        header: expand(value, dotted(("types", name, "headers", header)))
        for header, value in declaration.headers.items()
    }
    base = _extended(declaration, known, field, path)
    _check_names(
        declaration.capabilities, Capabilities.__struct_fields__, f"{field}.capabilities", path
    )
    replay_streams = base.replay_streams
    if declaration.replay_streams is not None:
        replay_streams = declaration.replay_streams
    return msgspec.structs.replace(
        base,
        name=name,
        title=declaration.title or name,
        docs=declaration.docs,
        adapter=_with_headers(base.adapter, headers),
        base_url=_base_url(declaration, base),
        path=declaration.path or base.path,
        paths=base.paths if declaration.paths is None else declaration.paths,
        key_env=_key_env(declaration, base),
        needs_key=_needs_key(declaration, base),
        rename={**base.rename, **declaration.rename},
        drop=base.drop.union(declaration.drop),
        rules=_rules(declaration, base, f"{field}.rules", path),
        embeddings=_replaced(base.embeddings, declaration.embeddings, f"{field}.embeddings", path),
        capabilities=msgspec.structs.replace(base.capabilities, **declaration.capabilities),
        replay_streams=replay_streams,
        models=_models(declaration, base),
        aliases=declaration.aliases,
        demo=False,
        embedded=False,
    )


def _decode(name: str, table: Mapping[str, Any], path: str) -> DeclaredType:
    # Checked before decoding, because msgspec's own error does not suggest the nearest name.
    _check_names(table, DeclaredType.__struct_fields__, dotted(("types", name)), path)
    try:
        return msgspec.convert(table, DeclaredType)
    except msgspec.ValidationError as error:
        message, at = explained(error, table, lambda value: msgspec.convert(value, DeclaredType))
        raise ConfigError(message, path=path, field=dotted(("types", name, *at))) from None


def _extended(
    declaration: DeclaredType, known: Mapping[str, ProviderSpec], field: str, path: str
) -> ProviderSpec:
    name = declaration.extends or OPENAI_COMPATIBLE.name
    base = known.get(name.lower())
    if base is None:
        hint = _suggestion(name, known, "known types")
        raise ConfigError(
            f"unknown provider type '{name}'", path=path, field=f"{field}.extends", hint=hint
        )
    return base


def _base_url(declaration: DeclaredType, base: ProviderSpec) -> str:
    if declaration.base_url is None:
        return base.base_url
    return declaration.base_url.rstrip("/")


def _replaced(inherited: Rules, members: Mapping[str, Any], field: str, path: str) -> Rules:
    """Return rules with some of their members replaced."""
    if not members:
        return inherited
    _check_names(members, inherited.__struct_fields__, field, path)
    try:
        return msgspec.convert({**msgspec.structs.asdict(inherited), **members}, type(inherited))
    except msgspec.ValidationError as error:
        raise ConfigError(str(error), path=path, field=field) from None


def _rules(declaration: DeclaredType, base: ProviderSpec, field: str, path: str) -> RequestRules:
    rules = _replaced(base.rules, declaration.rules, field, path)
    try:
        valid_id = re.compile(rules.tool_call_id)
    except re.error as error:
        raise ConfigError(str(error), path=path, field=field) from None
    if rules.tool_call_id and not generated_id_length(valid_id):
        message = "must match hexadecimal digits of some length, of which ids are made"
        raise ConfigError(message, path=path, field=f"{field}.tool_call_id")
    return rules


def _key_env(declaration: DeclaredType, base: ProviderSpec) -> tuple[str, ...]:
    if declaration.key_env is None:
        return base.key_env
    if isinstance(declaration.key_env, str):
        return (declaration.key_env,)
    return declaration.key_env


def _needs_key(declaration: DeclaredType, base: ProviderSpec) -> bool:
    if declaration.needs_key is not None:
        return declaration.needs_key
    return base.needs_key or bool(declaration.key_env)


def _models(declaration: DeclaredType, base: ProviderSpec) -> Mapping[str, str]:
    if declaration.models is None:
        return base.models
    if isinstance(declaration.models, dict):
        return declaration.models
    return {model: model for model in declaration.models}


def _with_headers(factory: AdapterFactory, headers: Mapping[str, str]) -> AdapterFactory:
    """Wrap an adapter factory so that `headers` are sent unless a provider block overrides them."""
    if not headers:
        return factory
    own = HiddenHeaders({name.lower(): value for name, value in headers.items()})
    for name in own.keys() & SECRET_HEADERS:
        scheme_and_token = own[name]
        redact.add([Secret(scheme_and_token.rpartition(" ")[2])])

    def adapter(spec: ProviderSpec[Any], settings: ProviderSettings) -> Adapter:
        merged = HiddenHeaders({**own, **settings.headers})
        return factory(spec, msgspec.structs.replace(settings, headers=merged))

    return adapter


def _check_names(table: Mapping[str, Any], known: tuple[str, ...], field: str, path: str) -> None:
    for name in table:
        if name not in known:
            hint = _suggestion(name, known, "known keys")
            raise ConfigError(f"unknown key '{name}'", path=path, field=field, hint=hint)


def _suggestion(name: str, known: Iterable[str], label: str) -> str:
    """Suggest the nearest known name, or list them all."""
    names = sorted(known)
    near = nearest(name, names)
    if near is not None:
        return f"did you mean '{near}'?"
    return f"{label}: {', '.join(names)}"
