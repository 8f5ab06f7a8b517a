"""Creates the HTTP client that `[upstream] engine` of plugins.toml names."""

from __future__ import annotations

from pathlib import Path

from llms_core.config.model import PluginsToml, Upstream
from llms_core.errors import ConfigError
from llms_core.upstream.proxy import Proxy, ProxyRules
from llms_core.upstream.transport import HttpTransport


def check_settings(plugins_toml: PluginsToml) -> None:
    """Check the files and the proxy that `[upstream]` names. Raises ConfigError."""
    settings = plugins_toml.upstream
    if settings.proxy is not None:
        try:
            Proxy.parse(settings.proxy.reveal())
        except ValueError as error:
            raise ConfigError(str(error), path=plugins_toml.path, field="upstream.proxy") from None
    # `ssl` is slow to import, and most configurations do not need it here.
    if settings.ca is not None or settings.cert is not None:
        from llms_core.upstream.tls import create_tls_context

        folder = Path(plugins_toml.path).parent
        create_tls_context(_path(folder, settings.ca), _path(folder, settings.cert))


def create_transport(settings: Upstream, folder: Path = Path()) -> HttpTransport:
    """Create the transport that `[upstream] engine` names. `folder` is what paths in `settings` are relative to.

    Raises ConfigError if a file that the settings name cannot be used.
    """
    # Imported only here, because `ssl` and the HTTP clients are slow to import.
    from llms_core.upstream.tls import create_tls_context

    proxies = ProxyRules(settings.proxy.reveal() if settings.proxy is not None else None)
    tls = create_tls_context(_path(folder, settings.ca), _path(folder, settings.cert))
    if settings.engine == "httpx":
        from llms_core.upstream.httpx_transport import HttpxTransport

        return HttpxTransport(tls, proxies, max_decoded=settings.max_answer)
    from llms_core.upstream.http1.transport import Http1Transport

    return Http1Transport(tls, proxies, max_decoded=settings.max_answer)


def _path(folder: Path, name: str | None) -> Path | None:
    return folder / Path(name).expanduser() if name is not None else None
