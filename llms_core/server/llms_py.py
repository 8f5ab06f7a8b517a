"""llms.py's own routes (SR-090), for programs that use them: its names and prices of models, and its state.

They need a key whenever all others do; llms.py asks nobody for one here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Router, get
from litestar.connection import Request
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler

from llms_core.candidate import Candidate
from llms_core.config.model import Price
from llms_core.config.prices import per_token
from llms_core.secret import MASK, redact
from llms_core.server.authenticate import resolve
from llms_core.server.gateway import Gateway
from llms_core.server.openapi import error_responses

#: A header of the SDKs of OpenAI and Anthropic. If such a client asks for `/models`, its base URL lacks `/v1`, which
#: the error says; llms.py's list would be no answer to it.
_SDK_HEADER = "x-stainless-lang"

#: The user and password of a URL.
_CREDENTIALS = re.compile(r"(?<=://)[^/?#\s]*@")


class PricePerToken(msgspec.Struct):
    """What a model costs, in USD per token, without exponents."""

    input: str
    output: str


class ActiveModel(msgspec.Struct):
    """A model, and the first provider that serves it."""

    id: str
    provider: str
    provider_model: str
    pricing: PricePerToken | None


class ProviderStatus(msgspec.Struct):
    """All providers in the order of llms.json; those that are used, and those that are not, by name."""

    all: list[str]
    enabled: list[str]
    disabled: list[str]


class ProviderEntry(msgspec.Struct):
    """A provider."""

    id: str


class Settings(msgspec.Struct, rename="camel"):
    """What llms.py tells its user interface: its chat templates, the state, and whether clients need a key."""

    defaults: dict[str, Any]
    status: ProviderStatus
    requires_auth: bool
    auth_type: str
    providers: list[ProviderEntry]


@get("/models", summary="Models with provider and price", responses=error_responses(401, 503))
async def active_models(request: Request[object, object, State]) -> list[ActiveModel]:
    """Every model of every enabled provider by name, with the first provider that serves it."""
    if _SDK_HEADER in request.headers:
        raise NotFoundException
    return [_active_model(candidate) for candidate in await _listed(request)]


@get("/models/list", summary="Names of the models", responses=error_responses(401, 503))
async def model_names(request: Request[object, object, State]) -> list[str]:
    """The name of every model of every enabled provider."""
    return [candidate.client_model for candidate in await _listed(request)]


@get("/status", summary="Enabled and disabled providers", responses=error_responses(401, 503))
async def provider_status(request: Request[object, object, State]) -> ProviderStatus:
    """The providers in llms.json. One that cannot be used, for example without its key, counts as disabled."""
    return status_of(await _admitting(request))


@get("/config", summary="Templates and state", responses=error_responses(401, 503))
async def configuration(request: Request[object, object, State]) -> Settings:
    """The chat templates in llms.json, and the state of its providers. It has no keys, headers or addresses."""
    gateway = await _admitting(request)
    status = status_of(gateway)
    return Settings(
        defaults=_without_secrets(gateway.startup.llms_json.templates),
        status=status,
        requires_auth=not gateway.is_open,
        auth_type="apikey",
        providers=[ProviderEntry(name) for name in status.all],
    )


def router(switch: HTTPRouteHandler) -> Router:
    """Return all routes, with the one that switches providers."""
    handlers = [active_models, model_names, provider_status, configuration, switch]
    return Router("/", route_handlers=handlers, tags=["llms.py"])


def status_of(gateway: Gateway) -> ProviderStatus:
    """Return which providers are used."""
    configured = gateway.startup.configured
    enabled = sorted(item.id for item in configured if item.disabled is None)
    disabled = sorted(item.id for item in configured if item.disabled is not None)
    return ProviderStatus([item.id for item in configured], enabled, disabled)


async def _admitting(request: Request[object, object, State]) -> Gateway:
    """Return the gateway, if it admits the client. Raises RequestError."""
    gateway: Gateway = request.app.state.gateway
    await resolve(gateway.admit(request.scope))
    return gateway


async def _listed(request: Request[object, object, State]) -> Sequence[Candidate]:
    gateway = await _admitting(request)
    listed = gateway.router.models.listed_for(None)
    return sorted(listed, key=lambda candidate: candidate.client_model)


def _active_model(candidate: Candidate) -> ActiveModel:
    return ActiveModel(
        candidate.client_model,
        candidate.provider_id,
        candidate.upstream_model,
        _pricing(candidate.price),
    )


def _pricing(price: Price | None) -> PricePerToken | None:
    if price is None:
        return None
    return PricePerToken(per_token(price.input), per_token(price.output))


def _without_secrets(value: Any) -> Any:
    """Return JSON without known keys, and without users and passwords in URLs."""
    match value:
        case str():
            return _CREDENTIALS.sub(f"{MASK}@", redact(value))
        case dict():
            return {_without_secrets(name): _without_secrets(each) for name, each in value.items()}
        case list():
            return [_without_secrets(each) for each in value]
    return value
