"""`POST /providers/{name}`: switches a provider on or off in llms.json, as llms.py does (SR-090).

It changes a file, which no other route does. So it needs a key that permits it; without keys, it is only there for
programs of this machine.
"""

from __future__ import annotations

import asyncio
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from litestar import post
from litestar.connection import Request
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import (
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    Reference,
    RequestBody,
    Schema,
)
from litestar.params import Parameter

from llms_core import startup
from llms_core.config import llms_json
from llms_core.config.edit import set_member
from llms_core.config.model import DISABLED_BY_USER, Provider
from llms_core.config.replace_file import replace_file
from llms_core.errors import ConfigError, RequestError
from llms_core.plugins.host import PluginHost
from llms_core.secret import redact
from llms_core.server.authenticate import resolve
from llms_core.server.background import FileWatcher
from llms_core.server.gateway import Gateway
from llms_core.server.llms_py import status_of
from llms_core.server.openapi import error_responses

#: What proxies add to the requests of others, in lower case.
_PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


class Switch(msgspec.Struct):
    """What to do with the provider. One of the two has to be true."""

    enable: bool = False
    disable: bool = False


class Switched(msgspec.Struct):
    """The providers that are used, and those that are not, by name; `feedback` says why one cannot be used yet."""

    enabled: list[str]
    disabled: list[str]
    feedback: str


@dataclass
class _Described(Operation):
    """The route's part of the OpenAPI document: its body is only read once the client has been admitted."""

    def __post_init__(self) -> None:
        members: dict[str, Reference | Schema] = {}
        for name in Switch.__struct_fields__:
            members[name] = Schema(type=OpenAPIType.BOOLEAN)
        described = Schema(type=OpenAPIType.OBJECT, description=Switch.__doc__, properties=members)
        self.request_body = RequestBody(
            content={"application/json": OpenAPIMediaType(described)}, required=True
        )


def route(watcher: FileWatcher, *, is_loopback: bool) -> HTTPRouteHandler:
    """Return the route. `is_loopback`: only this machine can reach the server."""
    lock = asyncio.Lock()

    @post(
        "/providers/{name:path}",
        status_code=200,
        summary="Switch a provider on or off",
        operation_class=_Described,
        responses=error_responses(400, 401, 403, 404, 409, 503),
    )
    async def switch_provider(
        request: Request[object, object, State],
        name: Annotated[str, Parameter(description="The provider's name in llms.json")],
    ) -> Switched:
        """Set `enabled` of a provider in llms.json. Everything else in the file stays as it is.

        Without keys, only programs of this machine may do this; otherwise the client's key has to permit it.
        """
        gateway: Gateway = request.app.state.gateway
        await _require_permission(gateway, request, is_loopback=is_loopback)
        enabled = _wanted(await request.body())
        # Litestar's path parameters begin with a slash.
        name = name.removeprefix("/")
        _require_provider(gateway, name)
        async with lock:
            await asyncio.to_thread(
                _write, gateway.startup.host, watcher.config, name, enabled=enabled
            )
            await watcher.look()
        return _switched(gateway, name, enabled=enabled)

    return switch_provider


async def _require_permission(
    gateway: Gateway, request: Request[object, object, State], *, is_loopback: bool
) -> None:
    """Raise RequestError: 401 or 503 as everywhere, 403 for a client that may not change the configuration."""
    caller = await resolve(gateway.admit(request.scope))
    if caller is not None:
        if caller.is_admin:
            return
        raise _forbidden(
            f"'{caller.name}' may not switch providers: its key needs `admin = true` in plugins.toml, "
            "or its plugin has to return `Caller(…, is_admin=True)`"
        )
    if not is_loopback:
        raise _forbidden(
            "Without keys, providers can only be switched if the server listens on 127.0.0.1"
        )
    headers = request.headers
    if any(name in headers for name in _PROXY_HEADERS):
        raise _forbidden("Without keys, providers cannot be switched through a proxy")
    # Also of pages that may use the server otherwise.
    if "origin" in headers and not _is_own_page(headers):
        raise _forbidden("Web pages of other sites may not switch providers")


def _is_own_page(headers: Mapping[str, str]) -> bool:
    """Whether a page was loaded from this server; that `Host` is a name of this machine has been checked."""
    host = headers.get("host", "")
    return headers["origin"] in (f"http://{host}", f"https://{host}")


def _wanted(body: bytes) -> bool:
    """Return whether the provider is to be enabled. Raises RequestError."""
    try:
        switch = msgspec.json.decode(body, type=Switch)
    except msgspec.DecodeError as error:
        raise RequestError(f"The request body is invalid: {error}", code="invalid_value") from None
    if switch.enable == switch.disable:
        raise RequestError(
            'The request has to be {"enable": true} or {"disable": true}', code="invalid_value"
        )
    return switch.enable


def _require_provider(gateway: Gateway, name: str) -> None:
    known = [item.id for item in gateway.startup.configured]
    if name not in known:
        message = (
            f"There is no provider '{name:.100}' in llms.json, only {', '.join(known) or 'none'}"
        )
        raise RequestError(message, status=404, param="name", code="provider_not_found")


def _write(host: PluginHost, path: Path | None, name: str, *, enabled: bool) -> None:
    """Change the file, unless it says so already. Raises RequestError (409)."""
    if path is None:
        message = "There is no llms.json that could be changed: create one with `llms init`, and restart the server"
        raise _conflict(message)
    try:
        old = llms_json.content(path)
        # The file may have changed since it was loaded.
        reasons = {provider.id: provider.disabled for provider in _read(host, path, old)}
        if name not in reasons:
            raise _conflict(f"There is no provider '{name:.100}' in llms.json any more")
        if (reasons[name] != DISABLED_BY_USER) == enabled:
            return
        mark = BOM_UTF8 if old.startswith(BOM_UTF8) else b""
        text = old.removeprefix(mark).decode()
        new = mark + set_member(text, ("providers", name, "enabled"), enabled, first=True).encode()
        # What could not be read again must not be written.
        _read(host, path, new)
        replace_file(path, old, new)
    except ConfigError as error:
        raise _conflict(redact(str(error))) from None


def _read(host: PluginHost, path: Path, data: bytes) -> Sequence[Provider]:
    """Return the providers in an llms.json. Raises ConfigError."""
    return startup.read_content(host, path, data).providers


def _switched(gateway: Gateway, name: str, *, enabled: bool) -> Switched:
    """Return the state after the change. Raises RequestError (409) if the change is not in use."""
    if gateway.configuration_error is not None:
        raise _conflict(
            f"llms.json says so, but the configuration cannot be loaded: {gateway.configuration_error}"
        )
    status = status_of(gateway)
    feedback = ""
    if enabled and name not in status.enabled:
        [reason] = [item.disabled for item in gateway.startup.configured if item.id == name]
        feedback = redact(f"{name} is enabled, but cannot be used yet: {reason}")
    return Switched(status.enabled, status.disabled, feedback)


def _conflict(message: str) -> RequestError:
    return RequestError(message, status=409, code="configuration_not_changed")


def _forbidden(message: str) -> RequestError:
    return RequestError(message, status=403, type="permission_error", code="not_permitted")
