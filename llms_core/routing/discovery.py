"""Asks providers which models they have (`all_models`; SR-118): in the background, each within its own time."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable, Sequence

from llms_core.candidate import Configured
from llms_core.config.model import Model, Provider
from llms_core.errors import ErrorKind, ProviderError, RequestError
from llms_core.operations.adapter_results import expect, refusal
from llms_core.preparation import Preparation, Preparations
from llms_core.provider import Discovers, UpstreamReply
from llms_core.upstream.body import AttemptLimits
from llms_core.upstream.provider_http import ProviderHttp
from llms_core.upstream.transport import HttpTransport

log = logging.getLogger(__name__)

TIMEOUT = 10.0
"""Seconds that a provider has to answer."""

_LIMITS = AttemptLimits(
    connect=TIMEOUT, first_token=TIMEOUT, idle=TIMEOUT, total=TIMEOUT, max_bytes=16 * 1024 * 1024
)


async def discover_models(
    transport: HttpTransport,
    configured: Iterable[Configured],
    preparations: Preparations | None = None,
) -> dict[str, Sequence[Model] | str]:
    """Return, by provider id, the models of each provider with discovery, or the reason why there is no list."""
    preparations = preparations or Preparations()
    asked = list(filter(_has_discovery, configured))
    # Concurrently: a slow provider must not delay the others' lists.
    results = await asyncio.gather(*(_discover(transport, item, preparations) for item in asked))
    return {item.id: result for item, result in zip(asked, results, strict=True)}


def _has_discovery(item: Configured) -> bool:
    return item.provider.discover and item.adapter is not None and not item.disabled


async def _discover(
    transport: HttpTransport, item: Configured, preparations: Preparations
) -> Sequence[Model] | str:
    adapter = item.adapter
    if not isinstance(adapter, Discovers):
        return f"providers of type '{item.provider.spec.name}' cannot list their models"
    try:
        async with asyncio.timeout(TIMEOUT):
            reply = await _list(transport, adapter, preparations.of(item.id, adapter))
        if not reply.is_success:
            raise refusal(adapter, reply.status, reply.headers, reply.body)
        return _wanted_models(item.provider, adapter.models(reply.body))
    except TimeoutError:
        return f"no answer within {TIMEOUT:g} s"
    except (ProviderError, RequestError) as error:
        # RequestError: this machine cannot open another connection.
        return error.message
    except (Exception, SystemExit) as error:
        # The adapter is a plugin's: its bug must not stop the discovery of the other providers.
        log.exception("the adapter of provider '%s' failed to list its models", item.id)
        return f"the adapter failed: {type(error).__name__}"


async def _list(
    transport: HttpTransport, adapter: Discovers, preparation: Preparation | None
) -> UpstreamReply:
    """Return a provider's response, whatever its status. Raises ProviderError, or what `prepare` raised."""

    async def ask() -> UpstreamReply:
        return await ProviderHttp(transport, _LIMITS).send(adapter.models_request())

    if preparation is None:
        return await ask()

    def client() -> ProviderHttp:
        return ProviderHttp(transport, _LIMITS, prepares=True)

    # A local server may have to be started first; that counts as time to answer.
    await preparation.ready(client, TIMEOUT)
    number = preparation.number
    reply = await ask()
    if reply.is_success:
        return reply
    if refusal(adapter, reply.status, reply.headers, reply.body).kind is not ErrorKind.AUTH:
        return reply
    if not preparation.rejected(number):
        return reply
    await preparation.ready(client, TIMEOUT)
    return await ask()


def _wanted_models(provider: Provider, found: dict[str, str]) -> Sequence[Model]:
    """The discovered models that `include_models` and `exclude_models` let through (L-15)."""
    models = []
    for name, upstream_model in found.items():
        # Any other type would only fail later, when the models are indexed, and end all discovery.
        expect(str, name, "models", "the name of a model")
        expect(str, upstream_model, "models", "the id of a model")
        is_included = provider.include is None or re.search(provider.include, upstream_model)
        is_excluded = provider.exclude is not None and re.search(provider.exclude, upstream_model)
        if is_included and not is_excluded:
            models.append(Model(names=(provider.prefix + name,), upstream=upstream_model))
    return models
