"""Asking providers which models they have (`all_models`; SR-118): in the background, each within its own time."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable, Sequence

from llms_core.config.model import Model, Provider
from llms_core.errors import ErrorKind, ProviderError
from llms_core.plugins.registry import Configured
from llms_core.provider import Discovers, Prepares
from llms_core.upstream.transport import HttpTransport

log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds that a provider has to answer."""

_LARGEST = 16 * 1024 * 1024


async def discover(engine: HttpTransport, configured: Iterable[Configured]) -> dict[str, Sequence[Model] | str]:
    """The models of each provider that is to be asked, by its id; or, as a string, why there is no list."""
    asked = [item for item in configured if item.provider.discover and item.adapter is not None and not item.disabled]
    answers = await asyncio.gather(*(_ask(engine, item) for item in asked))
    return {item.id: answer for item, answer in zip(asked, answers, strict=True)}


async def _ask(engine: HttpTransport, item: Configured) -> Sequence[Model] | str:
    adapter = item.adapter
    if not isinstance(adapter, Discovers):
        return f"providers of type '{item.provider.spec.name}' cannot list their models"
    try:
        async with asyncio.timeout(PATIENCE):
            if isinstance(adapter, Prepares):
                await adapter.prepare()
            answer = await engine.send(adapter.models_request(), PATIENCE)
            try:
                body = b""
                while piece := await answer.read():
                    body += piece
                    if len(body) > _LARGEST:
                        raise ProviderError(ErrorKind.BAD_RESPONSE, f"the list has over {_LARGEST} bytes")
            finally:
                await answer.aclose()
        if not 200 <= answer.status < 300:
            raise adapter.error(answer.status, {}, body)
        return _models(item.provider, adapter.models(body))
    except TimeoutError:
        return f"no answer within {PATIENCE:g} s"
    except ProviderError as error:
        return error.message
    except (Exception, SystemExit) as error:
        log.exception("the adapter of provider '%s' failed to list its models", item.id)
        return f"the adapter failed: {type(error).__name__}"


def _models(provider: Provider, found: dict[str, str]) -> Sequence[Model]:
    """What was found, as far as `include_models` and `exclude_models` let it (L-15)."""
    return [
        Model(names=(name,), upstream=upstream)
        for name, upstream in found.items()
        if (provider.include is None or re.search(provider.include, upstream))
        and (provider.exclude is None or not re.search(provider.exclude, upstream))
    ]
