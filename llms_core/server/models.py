"""`GET /v1/models` and `GET /v1/models/{id}` (SR-009), and the same at dialects' own paths."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import Response, Router, get
from litestar.connection import Request
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from litestar.params import Parameter
from msgspec import UNSET, UnsetType

from llms_core.candidate import Candidate
from llms_core.dialects import Dialect
from llms_core.errors import RequestError
from llms_core.routing.candidates import ModelIndex
from llms_core.server.authenticate import resolve
from llms_core.server.client_dialect import client_dialect
from llms_core.server.gateway import Gateway
from llms_core.server.openapi import error_responses

#: OpenAI reports when a model was created. The gateway does not know, and reports its own start.
_STARTED = int(time.time())


class ModelPrice(msgspec.Struct, omit_defaults=True):
    """What a model costs at its first provider, in USD per million tokens."""

    input: float
    output: float
    cache_read: float | None = None


class ModelObject(msgspec.Struct):
    """A model as OpenAI lists it, and what else is known. `owned_by` is the first provider that serves it.

    `operations` are those of all of its providers; `context_length` is in tokens.
    """

    id: str
    owned_by: str
    operations: list[str]
    object: str = "model"
    created: int = _STARTED
    context_length: int | UnsetType = UNSET
    price: ModelPrice | UnsetType = UNSET


class ModelList(msgspec.Struct):
    """Models of all enabled providers, in the order of llms.json."""

    data: list[ModelObject]
    object: str = "list"


@get("/", summary="List the models", responses=error_responses(400, 401, 503))
async def list_models(
    request: Request[object, object, State],
    operation: Annotated[
        str | None,
        Parameter(
            description="Only models for this operation. By default those for embeddings alone are left out."
        ),
    ] = None,
) -> ModelList:
    """Every model of every enabled provider, each name once."""
    gateway: Gateway = request.app.state.gateway
    await resolve(gateway.admit(request.scope))
    models = gateway.router.models
    if operation is not None and operation not in models.operation_names:
        known = ", ".join(models.operation_names)
        raise RequestError(
            f"There is no operation '{operation:.100}', only {known}", param="operation"
        )
    listed = models.listed_for(operation)
    dialect = client_dialect(request.headers, gateway.dialects)
    if dialect is not None and dialect.encode_models is not None:
        names = [candidate.client_model for candidate in listed]
        page: ModelList = _json(dialect.encode_models(names, request.query_params))
        return page
    return ModelList([_model_object(models, candidate) for candidate in listed])


@get(
    "/{model:path}",
    summary="Retrieve a model",
    responses=error_responses(400, 401, 404, 503),
)
async def retrieve_model(
    request: Request[object, object, State],
    model: Annotated[str, Parameter(description="The model's name, which may contain slashes")],
) -> ModelObject:
    """One model by its name."""
    gateway: Gateway = request.app.state.gateway
    await resolve(gateway.admit(request.scope))
    candidate = _find(gateway, model)
    dialect = client_dialect(request.headers, gateway.dialects)
    if dialect is not None and dialect.encode_model is not None:
        model_object: ModelObject = _json(dialect.encode_model(candidate.client_model))
        return model_object
    return _model_object(gateway.router.models, candidate)


def routers(gateway: Gateway) -> Sequence[Router]:
    """Return the router of `/v1/models`, and those of the dialects that have lists at paths of their own."""
    common = Router("/v1/models", route_handlers=[list_models, retrieve_model], tags=["Models"])
    return [common, *(_router_of(dialect) for dialect in gateway.dialects if dialect.models_path)]


def _router_of(dialect: Dialect) -> Router:
    """The routes of a dialect's own list of models."""
    path = dialect.models_path
    errors = error_responses(400, 401, 404, 503, body=dialect.openapi.error)

    @get("/", name=path, summary="List the models", responses=errors)
    async def list_own(request: Request[object, object, State]) -> Response[dict[str, Any]]:
        """Every model of every enabled provider, each name once."""
        gateway: Gateway = request.app.state.gateway
        await resolve(gateway.admit(request.scope))
        if dialect.encode_models is None:
            raise NotFoundException
        names = [candidate.client_model for candidate in gateway.router.models.listed_for(None)]
        page: Response[dict[str, Any]] = _json(dialect.encode_models(names, request.query_params))
        return page

    @get(
        "/{model:path}",
        name=f"{path}/",
        summary="Retrieve a model",
        responses=errors,
    )
    async def retrieve_own(
        request: Request[object, object, State],
        model: Annotated[str, Parameter(description="The model's name, which may contain slashes")],
    ) -> Response[dict[str, Any]]:
        """One model by its name."""
        gateway: Gateway = request.app.state.gateway
        await resolve(gateway.admit(request.scope))
        if dialect.encode_model is None:
            raise NotFoundException
        found: Response[dict[str, Any]] = _json(
            dialect.encode_model(_find(gateway, model).client_model)
        )
        return found

    return Router(path, route_handlers=[list_own, retrieve_own], tags=[dialect.openapi.tag])


def _find(gateway: Gateway, path: str) -> Candidate:
    """Return the first candidate of a model. Raises RequestError (404)."""
    # Litestar's path parameters begin with a slash.
    name = path.removeprefix("/")
    models = gateway.router.models
    found = models.find(name)
    if not found:
        raise models.not_found(name)
    return found[0]


def _json(data: bytes) -> Any:
    """Return a response that is not in OpenAI's format, which alone the OpenAPI document describes."""
    return Response(data, media_type="application/json")


def _model_object(models: ModelIndex, candidate: Candidate) -> ModelObject:
    price = candidate.price
    return ModelObject(
        id=candidate.client_model,
        owned_by=candidate.provider_id,
        operations=list(models.operations_of(candidate)),
        context_length=UNSET if candidate.context is None else candidate.context,
        price=UNSET if price is None else ModelPrice(price.input, price.output, price.cache_read),
    )
