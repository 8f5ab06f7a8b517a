"""Creates the HTTP client that `[upstream] engine` of plugins.toml names."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from llms_core.config.model import PluginsToml, Upstream
from llms_core.errors import ConfigError
from llms_core.upstream.proxy import Proxy, ProxyRules
from llms_core.upstream.transport import HttpTransport

if TYPE_CHECKING:
    import ssl

log = logging.getLogger(__name__)


def check_settings(plugins_toml: PluginsToml) -> None:
    """Check the files and the proxy that `[upstream]` names. Raises ConfigError."""
    settings = plugins_toml.upstream
    if settings.proxy is not None:
        try:
            Proxy.parse(settings.proxy.reveal())
        except ValueError as error:
            raise ConfigError(str(error), path=plugins_toml.path, field="upstream.proxy") from None
    _tls_context(settings, Path(plugins_toml.path).parent)


def create_transport(settings: Upstream, folder: Path = Path()) -> HttpTransport:
    """Create the transport that `[upstream] engine` names. `folder` is what paths in `settings` are relative to.

    Raises ConfigError if a file that the settings name cannot be used.
    """
    proxies = ProxyRules(settings.proxy.reveal() if settings.proxy is not None else None)
    tls = _tls_context(settings, folder)
    engine = settings.engine
    if engine == "native" and find_spec("httptools") is None:
        # There is no wheel for every platform, and a slower gateway is better than none.
        log.warning(
            'httptools is not installed, so that [upstream] engine = "httpx" is used instead of "native"'
        )
        engine = "httpx"
    # Imported only here, because HTTP clients are slow to import.
    if engine == "httpx":
        from llms_core.upstream.httpx_transport import HttpxTransport

        return HttpxTransport(tls, proxies, max_decoded=settings.max_answer)
    from llms_core.upstream.http1.transport import Http1Transport

    return Http1Transport(tls, proxies, max_decoded=settings.max_answer)


def _tls_context(settings: Upstream, folder: Path) -> ssl.SSLContext | None:
    """Return the context for the files that the settings name; None if they name none."""
    if settings.ca is None and settings.cert is None:
        return None
    # `ssl` is slow to import, and most configurations do not need it here.
    from llms_core.upstream.tls import create_tls_context

    ca = folder / Path(settings.ca).expanduser() if settings.ca is not None else None
    cert = folder / Path(settings.cert).expanduser() if settings.cert is not None else None
    return create_tls_context(ca, cert)
