"""The TLS settings of connections to providers and proxies."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import certifi

from llms_core.errors import ConfigError


def create_tls_context(ca: Path | None = None, cert: Path | None = None) -> ssl.SSLContext:
    """Create a context that verifies servers by the system's certificates, certifi's and those of the file `ca`.

    `cert` is a PEM file with a client certificate and its private key. Raises ConfigError if a file cannot be loaded.
    """
    context = ssl.create_default_context()
    # In addition to the system's certificates, which slim container images do not have.
    context.load_verify_locations(certifi.where())
    # Some servers close connections without ALPN.
    context.set_alpn_protocols(["http/1.1"])
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except (OSError, ssl.SSLError) as error:
            raise _unusable("ca", ca, "a PEM file of certificates", error) from None
    if cert is not None:
        try:
            # The password function fails instead of asking on the terminal.
            context.load_cert_chain(cert, password=_no_password)
        except (OSError, ValueError, ssl.SSLError) as error:
            raise _unusable(
                "cert", cert, "a PEM file with a certificate and its unencrypted key", error
            ) from None
    return context


async def default_tls_context() -> ssl.SSLContext:
    """Return the context without settings, which is created at its first use and then shared.

    Reading all certificates takes a tenth of a second, during which other requests go on, and which a gateway of only
    local models never needs.
    """
    global _default
    if _default is None:
        _default = await asyncio.to_thread(create_tls_context)
    return _default


_default: ssl.SSLContext | None = None


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def _unusable(name: str, path: Path, expected: str, error: Exception) -> ConfigError:
    message = f"cannot be loaded: {error}"
    return ConfigError(
        message, path=str(path), field=f"upstream.{name}", hint=f"it must name {expected}"
    )
