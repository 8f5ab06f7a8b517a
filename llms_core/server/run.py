"""`llms serve`: uvicorn, set up for streams and with bounds."""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import socket
import sys
from pathlib import Path
from typing import Any

import msgspec

from llms_core.config import places, plugins_toml
from llms_core.config.model import PluginsToml
from llms_core.errors import ConfigError
from llms_core.secret import redact

ENVIRONMENT = "LLMS_SERVE_OPTIONS"
"""How the options reach worker processes; for our own children only."""

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")  # all but the line feed


class ServeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says."""

    host: str = "127.0.0.1"
    port: int = 8000
    config: Path | None = None
    plugins: Path | None = None
    workers: int = 1
    reload: bool = False
    allow_anonymous: bool = False
    verbose: bool = False


def serve(options: ServeOptions) -> None:
    """Serve until told to stop. Raises ConfigError where the configuration or the address will not do."""
    import uvicorn

    path = places.plugins_toml(options.plugins, os.environ)
    settings = plugins_toml.load(path) if path is not None else PluginsToml()
    if not (_is_loopback(options.host) or options.allow_anonymous or _has_keys(settings)):
        raise ConfigError(
            f"{options.host} can be reached from other machines, and no keys are configured",
            hint="set [server] keys in plugins.toml, or pass --allow-anonymous",
        )
    port = _free_port(options.host, options.port)
    app = _application(options, settings)  # in the parent of several workers too: it tells what is wrong, once
    arguments: dict[str, Any] = {
        "host": options.host,
        "port": port,
        "http": "llms_core.server.protocol:BoundedProtocol",
        "ws": "none",
        "lifespan": "on",
        "access_log": False,
        "log_config": None,
        "proxy_headers": False,
        "server_header": False,
        "date_header": False,
        "timeout_graceful_shutdown": max(1, round(settings.server.drain)),
        "backlog": 2048,
    }
    host = f"[{options.host}]" if ":" in options.host else options.host
    sys.stderr.write(f"llms: listening on http://{host}:{port}/v1\n")
    if options.workers > 1 or options.reload:
        os.environ[ENVIRONMENT] = msgspec.json.encode(options, enc_hook=str).decode()
        factory = "llms_core.server.run:application_of_environment"
        uvicorn.run(factory, factory=True, workers=options.workers, reload=options.reload, **arguments)
    else:
        uvicorn.run(app, **arguments)


def application_of_environment() -> Any:
    """The application of a worker process."""
    options = msgspec.json.decode(os.environ[ENVIRONMENT], type=ServeOptions, dec_hook=lambda kind, value: kind(value))
    path = places.plugins_toml(options.plugins, os.environ)
    return _application(options, plugins_toml.load(path) if path is not None else PluginsToml())


def _application(options: ServeOptions, settings: PluginsToml) -> Any:
    from llms_core.server.app import create_app
    from llms_core.server.protocol import BoundedProtocol

    _configure_logging(options.verbose)
    BoundedProtocol.largest_head = settings.server.max_headers
    return create_app(options.config, options.plugins)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _has_keys(settings: PluginsToml) -> bool:
    return bool(settings.server.keys or settings.server.keys_file)


def _free_port(host: str, port: int) -> int:
    """The port to listen on: a free one for 0.

    Raises ConfigError where the address cannot be listened on; uvicorn would end with a bare log line.
    """
    try:
        family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, number) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"cannot listen on {host}:{port}: {reason}", hint="choose another with --port") from None


class _Redacting(logging.Formatter):
    """Leaves no known secret in a line, nor in the traceback under it.

    What a provider said may have lines and control characters in it: no line but the first begins like one of ours.
    """

    def format(self, record: logging.LogRecord) -> str:
        return redact(_CONTROL.sub("?", super().format(record)).replace("\n", "\n    "))


def _configure_logging(verbose: bool) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Redacting("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("llms_core").setLevel(logging.DEBUG if verbose else logging.WARNING)
