"""Asks providers which models they have (`all_models`; SR-118): in the background, each within its own time."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable, Sequence

from llms_core.candidate import Configured
from llms_core.config.model import Model, Provider
from llms_core.errors import ErrorKind, ProviderError, RequestError
from llms_core.operations.adapter_results import expect
from llms_core.provider import Discovers, Prepares, UpstreamRequest
from llms_core.upstream.transport import HttpTransport

log = logging.getLogger(__name__)

TIMEOUT = 10.0
"""Seconds that a provider has to answer."""

_MAX_LIST_BYTES = 16 * 1024 * 1024


async def discover_models(
    transport: HttpTransport, configured: Iterable[Configured]
) -> dict[str, Sequence[Model] | str]:
    """Return, by provider id, the models of each provider with discovery, or the reason why there is no list."""
    asked = [item for item in configured if item.provider.discover and item.adapter is not None and not item.disabled]
    # Concurrently: a slow provider must not delay the others' lists.
    results = await asyncio.gather(*(_discover(transport, item) for item in asked))
    return {item.id: result for item, result in zip(asked, results, strict=True)}


async def _discover(transport: HttpTransport, item: Configured) -> Sequence[Model] | str:
    adapter = item.adapter
    if not isinstance(adapter, Discovers):
        return f"providers of type '{item.provider.spec.name}' cannot list their models"
    try:
        async with asyncio.timeout(TIMEOUT):
            if isinstance(adapter, Prepares):
                # A local server may have to be started first; that counts as time to answer.
                await adapter.prepare()
            status, body = await _fetch(transport, adapter.models_request())
        if not 200 <= status < 300:
            raise adapter.error(status, {}, body)
        return _wanted_models(item.provider, adapter.models(body))
    except TimeoutError:
        return f"no answer within {TIMEOUT:g} s"
    except (ProviderError, RequestError) as error:
        # RequestError: this machine cannot open another connection.
        return error.message
    except (Exception, SystemExit) as error:
        # The adapter is a plugin's: its bug must not stop the discovery of the other providers.
        log.exception("the adapter of provider '%s' failed to list its models", item.id)
        return f"the adapter failed: {type(error).__name__}"


async def _fetch(transport: HttpTransport, request: UpstreamRequest) -> tuple[int, bytes]:
    """Return a response's status and body."""
    response = await transport.send(request, TIMEOUT)
    pieces: list[bytes] = []
    size = 0
    try:
        while piece := await response.read():
            pieces.append(piece)
            size += len(piece)
            if size > _MAX_LIST_BYTES:
                raise ProviderError(ErrorKind.BAD_RESPONSE, f"the list exceeds {_MAX_LIST_BYTES} bytes")
    finally:
        await response.aclose()
    return response.status, b"".join(pieces)


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
