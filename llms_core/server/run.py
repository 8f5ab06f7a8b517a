"""`llms serve`: runs the application on uvicorn, with settings for streams and with limits."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from llms_core.config import places, plugins_toml
from llms_core.config.model import PluginsToml, Server
from llms_core.errors import ConfigError
from llms_core.server import logs
from llms_core.server.stderr import open_standard_streams
from llms_core.upstream.local_limits import max_connections

log = logging.getLogger(__name__)

ENVIRONMENT = "LLMS_SERVE_OPTIONS"
"""The environment variable by which worker processes receive the options; for our own children only."""


class ServeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of the command line."""

    host: str = "127.0.0.1"
    port: int = 8000
    config: Path | None = None
    plugins: Path | None = None
    workers: int = 1
    reload: bool = False
    allow_anonymous: bool = False
    verbose: bool = False
    #: What every line of the log begins with.
    logprefix: str = ""
    #: Whether each line of the log is a JSON object.
    log_json: bool = False
    #: Set for worker processes: the server has been started with keys, and must not be open without them.
    requires_key: bool = False
    #: Set for worker processes: the folder that they share.
    workers_folder: Path | None = None


class _Stopped(KeyboardInterrupt, SystemExit):
    """SIGTERM. Code of a plugin that runs at that moment must not be blamed for it, as for a SystemExit of its own."""


def _stop(*_: object) -> None:
    raise _Stopped(0)


def serve(options: ServeOptions) -> None:
    """Serve until a signal stops the process. Raises ConfigError if the configuration or the address is invalid."""
    open_standard_streams()
    # To be stopped is not a failure. uvicorn has handlers of its own while it serves, and calls this one in the end.
    signal.signal(signal.SIGTERM, _stop)
    settings = _plugins_toml(options)
    # Built in the parent of several workers too, so that an error in the configuration is reported once.
    app = _application(options, settings)

    import uvicorn

    from llms_core.server.announce import announce
    from llms_core.server.browsers import is_loopback

    is_open = app.gateway.is_open
    if is_open and not is_loopback(options.host) and not options.allow_anonymous:
        raise ConfigError(
            f"{options.host} can be reached from other machines, and no keys are configured",
            hint="set [server] keys in plugins.toml, or pass --allow-anonymous",
        )
    port = _free_port(options.host, options.port)
    arguments: dict[str, Any] = {
        "host": options.host,
        "port": port,
        "http": protocol(settings.server),
        # Higher than our own limit, so that h11 never refuses a head before it does.
        "h11_max_incomplete_event_size": settings.server.max_headers + 2**20,
        "ws": "none",
        "lifespan": "on",
        # `server.accounting` logs requests, with their provider and attempts.
        "access_log": False,
        # uvicorn would replace our handlers, and with them the redaction of secrets.
        "log_config": None,
        # Nothing depends on the client's address, so no proxy has to be trusted.
        "proxy_headers": False,
        "server_header": False,
        "date_header": False,
        "timeout_graceful_shutdown": max(1, round(settings.server.drain)),
        # For bursts of new connections while the event loop is busy.
        "backlog": 2048,
    }
    announce(app.gateway, options.host, port)
    if options.workers == 1 and not options.reload:
        uvicorn.run(app, **arguments)
        return
    for_workers = msgspec.structs.replace(options, requires_key=not is_open)
    # Otherwise a worker would look for modules in the current folder first, even for the standard library's.
    os.environ["PYTHONSAFEPATH"] = "1"
    factory = "llms_core.server.run:application_of_environment"
    if options.reload:
        os.environ[ENVIRONMENT] = _encoded(for_workers)
        uvicorn.run(factory, factory=True, reload=True, **arguments)
        return
    from llms_core.server.workers import run_workers

    with TemporaryDirectory(prefix="llms-workers-") as folder:
        os.environ[ENVIRONMENT] = _encoded(
            msgspec.structs.replace(for_workers, workers_folder=Path(folder))
        )
        run_workers(uvicorn.Config(factory, factory=True, workers=options.workers, **arguments))


def _encoded(options: ServeOptions) -> str:
    return msgspec.json.encode(options, enc_hook=str).decode()


def protocol(server: Server | None = None) -> Any:
    """Return the class of the HTTP/1.1 protocol: httptools' if it can be imported, otherwise h11's.

    From now on it has the limits of `server`.
    """
    kind = _protocol()
    if server is not None:
        kind.max_head_bytes = server.max_headers
        kind.max_connections = max_connections(server.max_connections)
        kind.write_timeout = server.write_timeout
    return kind


def _protocol() -> Any:
    try:
        from llms_core.server.http1.protocol import Http1Protocol
    except ImportError:
        from llms_core.server.protocol_h11 import BoundedH11Protocol

        return BoundedH11Protocol
    return Http1Protocol


def application_of_environment() -> Any:
    """Return the application of a worker process."""
    options = msgspec.json.decode(
        os.environ[ENVIRONMENT], type=ServeOptions, dec_hook=lambda kind, value: kind(value)
    )
    return _application(options, _plugins_toml(options))


def _plugins_toml(options: ServeOptions) -> PluginsToml:
    path = places.plugins_toml(options.plugins, os.environ)
    if path is None:
        return PluginsToml()
    return plugins_toml.load(path)


def _application(options: ServeOptions, settings: PluginsToml) -> Any:
    """Import and build the application, which the garbage collector never looks at.

    Nothing of it becomes garbage. To find that out takes a tenth of the start, and later 30 ms at a time, in which
    nobody is served.
    """
    gc.disable()
    try:
        from llms_core.server.app import create_app

        level = logging.DEBUG if options.verbose else logging.WARNING
        logs.configure(level, options.logprefix, as_json=options.log_json)
        protocol(settings.server)
        app = create_app(
            options.config,
            options.plugins,
            host=options.host,
            requires_key=options.requires_key,
            workers_folder=options.workers_folder,
        )
        app.gateway.workers = options.workers
        gc.freeze()
    finally:
        gc.enable()
    return app


def _free_port(host: str, port: int) -> int:
    """Return the port to listen on: a free one for 0.

    Raises ConfigError if the address cannot be used; uvicorn would end with nothing but a log line.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, number, _, address = found[0]
        with socket.socket(family, kind, number) as probe:
            # As uvicorn does: a port that was closed a moment ago counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(
            f"cannot listen on {host}:{port}: {reason}", hint="choose another with --port"
        ) from None
