"""Creates the HTTP client that `[upstream] engine` of plugins.toml names."""

from __future__ import annotations

import os

from llms_core.config.model import Upstream
from llms_core.upstream.transport import HttpTransport

# In order of precedence: the names that curl reads, in both cases.
_PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy")


def create_transport(settings: Upstream) -> HttpTransport:
    """Create the transport that `[upstream] engine` names."""
    proxy = settings.proxy.reveal() if settings.proxy is not None else None
    # Imported only here, because HTTP clients are slow to import.
    if settings.engine == "httpx":
        from llms_core.upstream.httpx_transport import HttpxTransport

        return HttpxTransport(proxy or _proxy_from_environment())
    from llms_core.upstream.aiohttp_transport import AiohttpTransport

    return AiohttpTransport(proxy, trust_env=_proxy_from_environment() is not None)


def _proxy_from_environment() -> str | None:
    for name in _PROXY_VARIABLES:
        value = os.environ.get(name)
        if value:
            return value
    return None
