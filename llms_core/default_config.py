"""What applies without an llms.json: the packaged one, and every other provider whose key is in the environment."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from llms_core.config import llms_json
from llms_core.config.comments import as_json
from llms_core.config.edit import set_member
from llms_core.config.model import LlmsJson
from llms_core.config.references import Resolve, resolve_nothing
from llms_core.plugins.host import PluginHost
from llms_core.provider import ProviderSpec

PACKAGED = "the packaged llms.json"
"""How messages name the llms.json that a plugin ships."""

EMBEDDED = "LLMS_EMBEDDED"
"""The environment variable that leaves out the embedded models that no file mentions, with the value `off`."""

_NO_PROVIDERS = b'{"providers": {}}'


class _Packaged(msgspec.Struct):
    """The packaged llms.json, as far as its blocks are copied."""

    providers: dict[str, dict[str, Any]] = {}


def read(host: PluginHost, env: Mapping[str, str], resolve: Resolve = resolve_nothing) -> LlmsJson:
    """Return the configuration of a user who has no llms.json."""
    packaged = _read_packaged(host, env, resolve)
    others = llms_json.read(
        msgspec.json.encode({"providers": _further_blocks(host, packaged, env)}),
        PACKAGED,
        host.specs,
        env=env,
    )
    # The user has not named any of these providers, so a missing key is not worth a warning.
    return msgspec.structs.replace(
        packaged,
        providers=packaged.providers + others.providers,
        secrets=packaged.secrets + others.secrets,
        warnings=(),
    )


def with_embedded(document: LlmsJson, host: PluginHost, env: Mapping[str, str]) -> LlmsJson:
    """Add the embedded models that the document does not mention, after all other providers."""
    if env.get(EMBEDDED, "").lower() in ("off", "0", "false"):
        return document
    mentioned: set[str] = set()
    for provider in document.providers:
        mentioned.update((provider.spec.name, provider.id))
    blocks = {name: {"type": name} for name in embedded(host) if name not in mentioned}
    if not blocks:
        return document
    text = msgspec.json.encode({"providers": blocks})
    added = [
        msgspec.structs.replace(provider, implicit=True)
        for provider in llms_json.read(text, PACKAGED, host.specs, env=env).providers
    ]
    return msgspec.structs.replace(document, providers=(*document.providers, *added))


def embedded(host: PluginHost) -> list[str]:
    """Return the names of the embedded models' providers."""
    return [spec.name for spec in dict.fromkeys(host.specs.values()) if spec.embedded]


def text(host: PluginHost, env: Mapping[str, str] = os.environ) -> str:
    """Return the same configuration as the text of a file."""
    written = _packaged_text(host).decode()
    for name, block in _further_blocks(host, _read_packaged(host, env), env).items():
        written = set_member(written, ("providers", name), block)
    return written


def names(host: PluginHost) -> list[str]:
    """Return the names for which there is a `block`: those of the packaged llms.json, then those of provider types."""
    types = [spec.name for spec in host.specs.values()]
    return list(dict.fromkeys([*_packaged_blocks(host, {}), *types]))


def block(
    name: str, host: PluginHost, env: Mapping[str, str] = os.environ
) -> dict[str, Any] | None:
    """Return a block for a provider that a file does not have yet; None if there is no such provider.

    It is that of the packaged llms.json, or else made for the provider type of this name, with its usual variable.
    """
    packaged = _packaged_blocks(host, env)
    if name in packaged:
        return {**packaged[name], "enabled": True}
    spec = host.specs.get(name.lower())
    if spec is None:
        return None
    key = _set_variable(spec, env)
    if key is None and spec.needs_key:
        key = next(iter(spec.key_env), None)
    return _block(spec, key)


def _packaged_text(host: PluginHost) -> bytes:
    return host.default_config() or _NO_PROVIDERS


def _packaged_blocks(host: PluginHost, env: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    _read_packaged(host, env)  # It is a plugin's, and may be invalid.
    return msgspec.json.decode(as_json(_packaged_text(host).decode()), type=_Packaged).providers


def _read_packaged(
    host: PluginHost, env: Mapping[str, str], resolve: Resolve = resolve_nothing
) -> LlmsJson:
    return llms_json.read(
        _packaged_text(host), PACKAGED, host.specs, env=env, resolve=resolve, absent=host.unused
    )


def _further_blocks(
    host: PluginHost, packaged: LlmsJson, env: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Blocks for every other provider whose key is in `env`, in the order of plugins."""
    return {
        spec.name: _block(spec, variable) for spec, variable in unused_keys(host, packaged, env)
    }


def unused_keys(
    host: PluginHost, document: LlmsJson, env: Mapping[str, str]
) -> Iterator[tuple[ProviderSpec, str]]:
    """Yield each provider type whose key is in `env`, in which variable, and that the document does not have.

    A key that a provider already uses is not used for another: several specs are ways to the same account.
    """
    used = {
        provider.settings.api_key.reveal()
        for provider in document.providers
        if provider.settings.api_key
    }
    taken_names = {provider.id.lower() for provider in document.providers}
    for spec in dict.fromkeys(host.specs.values()):
        key = _set_variable(spec, env)
        if key is None or env[key] in used:
            continue
        if taken_names.isdisjoint(_names(spec)):
            used.add(env[key])
            yield spec, key


def _set_variable(spec: ProviderSpec, env: Mapping[str, str]) -> str | None:
    """Return the first variable for the key that is set."""
    for name in spec.key_env:
        if env.get(name):
            return name
    return None


def _names(spec: ProviderSpec) -> set[str]:
    return {spec.name.lower(), *(alias.lower() for alias in spec.aliases)}


def _block(spec: ProviderSpec, key: str | None) -> dict[str, Any]:
    """Make a block for a provider type, whose key is in the variable `key`."""
    made: dict[str, Any] = {"enabled": True, "type": spec.name}
    if key is not None:
        made["api_key"] = f"${key}"
    made["all_models"] = True
    return made
