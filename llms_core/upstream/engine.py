"""Creates the HTTP client that `[upstream] engine` of plugins.toml names."""

from __future__ import annotations

from pathlib import Path

from llms_core.config.model import Upstream
from llms_core.upstream.proxy import ProxyRules
from llms_core.upstream.transport import HttpTransport


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
