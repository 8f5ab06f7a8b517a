"""Creates the adapters of the provider blocks in llms.json. A factory that fails disables only its own provider."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from llms_core.candidate import Configured
from llms_core.config.model import LlmsJson, Provider
from llms_core.errors import LlmsError, PluginError
from llms_core.plugins.host import PluginHost
from llms_core.plugins.report import summary, where
from llms_core.provider import Adapter, Available, Closes, Generates
from llms_core.secret import Redactor, Secret

_METHODS = ("request", "completion", "chunks", "error")


class Built(msgspec.Struct, frozen=True):
    """The result of `build`."""

    #: In the order of llms.json, which is the order of routing.
    configured: tuple[Configured, ...]
    #: Adapters of the previous configuration that are not used any more and have to be closed.
    retired: tuple[Closes, ...] = ()


def build(host: PluginHost, llms_json: LlmsJson, previous: Sequence[Configured] = ()) -> Built:
    """Create an adapter for each enabled provider, reusing those of `previous` whose settings are unchanged."""
    previous_by_id = {item.id: item for item in previous}
    items = [
        _configure(host, provider, previous_by_id.get(provider.id))
        for provider in llms_json.providers
    ]
    # An embedded model that is not installed is nobody's concern: no file mentions it.
    configured = tuple(item for item in items if not (item.provider.implicit and item.disabled))
    return Built(configured, tuple(_retired(previous, configured)))


def _retired(previous: Sequence[Configured], current: Sequence[Configured]) -> Iterator[Closes]:
    """Yield the adapters that are not used any more, if they have to be closed."""
    in_use = {id(item.adapter) for item in current}
    for item in previous:
        if isinstance(item.adapter, Closes) and id(item.adapter) not in in_use:
            yield item.adapter


def _configure(host: PluginHost, provider: Provider, previous: Configured | None) -> Configured:
    if provider.disabled is not None:
        return Configured(
            provider.id, provider, None, provider.disabled, fault=provider.misconfigured
        )
    adapter = None
    fault = False
    try:
        adapter = _reusable(provider, previous)
        if adapter is None:
            adapter = _create(provider)
        # Asked again for a reused adapter: what was missing may have been installed since.
        disabled = adapter.available() if isinstance(adapter, Available) else None
    except (Exception, SystemExit) as error:
        disabled = _failure(host, provider, error)
        fault = True
    return Configured(provider.id, provider, adapter, disabled, fault)


def _reusable(provider: Provider, previous: Configured | None) -> Adapter | None:
    """Return the previous adapter if its spec and settings, including the value of the key, are unchanged."""
    if previous is None or previous.provider.spec is not provider.spec:
        return None
    if previous.provider.settings != provider.settings:
        return None
    return previous.adapter


def _create(provider: Provider) -> Adapter:
    adapter: Adapter = provider.spec.adapter(provider.spec, provider.settings)
    if isinstance(adapter, Generates):
        return adapter
    missing = [name for name in _METHODS if not callable(getattr(adapter, name, None))]
    if missing:
        place = where(type(adapter))
        located = f" ({place})" if place else ""
        raise PluginError(
            f"the adapter is a {type(adapter).__name__}{located} without the methods {', '.join(missing)}, or "
            "`generate`; HttpAdapter and Generates of llms_core.provider have all that are needed"
        )
    return adapter


def _failure(host: PluginHost, provider: Provider, error: BaseException) -> str:
    """Describe why an adapter could not be created, without the provider's key."""
    reason = str(error) if isinstance(error, LlmsError) else summary(error)
    members = msgspec.structs.asdict(provider.settings).values()
    secrets = [member for member in members if isinstance(member, Secret)]
    return Redactor(secrets)(f"{host.origin(provider.spec)}: {reason}")
