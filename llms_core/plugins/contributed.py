"""Adds the providers that plugins contribute to those of llms.json."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from llms_core.config import llms_json
from llms_core.config.model import LlmsJson, Provider
from llms_core.config.references import Resolve
from llms_core.errors import ConfigError, PluginError
from llms_core.openai_compatible import OPENAI_COMPATIBLE
from llms_core.plugins.contributing import Block, Contributor
from llms_core.plugins.host import PluginHost
from llms_core.provider import ProviderSettings


def with_contributed(
    document: LlmsJson, host: PluginHost, env: Mapping[str, str], resolve: Resolve
) -> LlmsJson:
    """Return the document with the providers of plugins after its own, in the order of plugins.

    Where two have one name, that of the file is used, or that of the first plugin; a warning names the other. A block
    that is wrong disables its own provider.
    """
    owners = {provider.id: document.path for provider in document.providers}
    for contributor in host.contributors:
        for name, block in contributor.blocks.items():
            if name in owners:
                text = f"the provider '{name}' is left out: {owners[name]} has one of this name"
                warning = f"{contributor.origin}: llms_config: {text}"
                document = msgspec.structs.replace(document, warnings=(*document.warnings, warning))
                continue
            owners[name] = contributor.origin
            document = _joined(document, _read(contributor, name, block, host, env, resolve))
    return document


def _joined(document: LlmsJson, other: LlmsJson) -> LlmsJson:
    return msgspec.structs.replace(
        document,
        providers=document.providers + other.providers,
        warnings=document.warnings + other.warnings,
        secrets=document.secrets + other.secrets,
    )


def _read(
    contributor: Contributor,
    name: str,
    block: Block,
    host: PluginHost,
    env: Mapping[str, str],
    resolve: Resolve,
) -> LlmsJson:
    """Read one block as a document of its own."""
    path = f"{contributor.origin}: llms_config"
    try:
        if isinstance(block, PluginError):
            raise ConfigError(str(block), path=path, field=f"providers.{name}")
        text = b'{"providers": {%s: %s}}' % (msgspec.json.encode(name), block)
        document = llms_json.read(
            text, path, host.specs, env=env, resolve=resolve, origin=contributor.origin
        )
    except ConfigError as error:
        provider = _unusable(name, host, str(error))
        document = LlmsJson(path=path, providers=(provider,), warnings=(str(error),))
    providers = [
        msgspec.structs.replace(provider, contributor=contributor.name)
        for provider in document.providers
    ]
    return msgspec.structs.replace(document, providers=tuple(providers))


def _unusable(name: str, host: PluginHost, reason: str) -> Provider:
    spec = host.specs.get(OPENAI_COMPATIBLE.name, OPENAI_COMPATIBLE)
    return Provider(
        id=name, spec=spec, settings=ProviderSettings(id=name), disabled=reason, misconfigured=True
    )
