"""A plugin that answers a repeated request from memory.

It does nothing until plugins.toml has the table `[plugin.cache]`:

    [plugin.cache]
    max_age = 3600
    max_bytes = 67108864

Only requests of the same caller that are equal in everything that has an effect count as repeated. Failures and
answers that were not complete are never stored. The header `x-llms-cache` tells the client whether its answer was a
`hit` or a `miss`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from llms_core.plugins.hookspecs import hookimpl
from llms_core.plugins.settings import PluginSettings

if TYPE_CHECKING:
    from llms_core.cache.middleware import Cache
    from llms_core.middleware import Middleware

_caches: list[Cache] = []


@hookimpl
def llms_configure(settings: PluginSettings) -> None:
    """Read `[plugin.cache]`; without the table, nothing is cached."""
    _caches.clear()
    if settings.is_given:
        # Imported here, because every command of the command line loads this module.
        from llms_core.cache.middleware import Cache, CacheSettings

        _caches.append(Cache(settings.decode(CacheSettings)))


@hookimpl(trylast=True)
def llms_middleware() -> Iterable[Middleware]:
    """Return the cache, if it is configured. It comes last: what others change makes another request."""
    return tuple(_caches)
