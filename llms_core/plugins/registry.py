"""Provider blocks of llms.json -> adapters that run. A factory that fails disables its own provider and no other."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from llms_core.candidate import Configured
from llms_core.config.model import LlmsJson, Provider
from llms_core.errors import LlmsError, PluginError
from llms_core.plugins.host import PluginHost
from llms_core.plugins.report import summary
from llms_core.provider import Available, Closes, HttpAdapter
from llms_core.secret import Redactor

_METHODS = ("request", "completion", "chunks", "error")


class Built(msgspec.Struct, frozen=True):
    """The providers in the order of routing, and adapters of the previous ones that have to be closed."""

    configured: tuple[Configured, ...]
    retired: tuple[Closes, ...] = ()


def build(host: PluginHost, llms_json: LlmsJson, previous: Sequence[Configured] = ()) -> Built:
    """An adapter for each enabled provider; one whose settings are as they were in `previous` is kept."""
    before = {item.id: item for item in previous}
    configured = tuple(_configure(host, provider, before.get(provider.id)) for provider in llms_json.providers)
    kept = {id(item.adapter) for item in configured}
    retired = [item.adapter for item in previous if item.adapter is not None and id(item.adapter) not in kept]
    return Built(configured, tuple(adapter for adapter in retired if isinstance(adapter, Closes)))


def _configure(host: PluginHost, provider: Provider, before: Configured | None) -> Configured:
    if provider.disabled is not None:
        return Configured(provider.id, provider, None, provider.disabled)
    secrets = [provider.settings.api_key] if provider.settings.api_key is not None else []
    adapter = None
    try:
        adapter = _kept(provider, before)
        adapter = _made(provider) if adapter is None else adapter
        disabled = adapter.available() if isinstance(adapter, Available) else None
    except (Exception, SystemExit) as error:
        reason = str(error) if isinstance(error, LlmsError) else summary(error)
        disabled = Redactor(secrets)(f"{host.origin(provider.spec)}: {reason}")
    return Configured(provider.id, provider, adapter, disabled)


def _kept(provider: Provider, before: Configured | None) -> HttpAdapter | None:
    """The adapter of before, where everything that it was made of is the same: the key's value too."""
    if before is None or before.provider.spec is not provider.spec:
        return None
    return before.adapter if before.provider.settings == provider.settings else None


def _made(provider: Provider) -> HttpAdapter:
    adapter = provider.spec.adapter(provider.spec, provider.settings)
    lacking = [name for name in _METHODS if not callable(getattr(adapter, name, None))]
    if lacking:
        raise PluginError(f"a {type(adapter).__name__} is no adapter: it has no {', '.join(lacking)}")
    return adapter
