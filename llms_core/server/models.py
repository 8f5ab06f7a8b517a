"""`GET /v1/models` and `GET /v1/models/{id}` (SR-009)."""

from __future__ import annotations

import time
from typing import Annotated, Any

import msgspec
from litestar import Response, Router, get
from litestar.connection import Request
from litestar.datastructures import State
from litestar.params import Parameter
from msgspec import UNSET, UnsetType

from llms_core.candidate import Candidate
from llms_core.errors import RequestError
from llms_core.routing.candidates import ModelIndex
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


@get("/", summary="List the models", responses=error_responses(400, 401, 503), sync_to_thread=False)
def list_models(
    request: Request[object, object, State],
    operation: Annotated[
        str | None,
        Parameter(description="Only models for this operation. By default those for embeddings alone are left out."),
    ] = None,
) -> ModelList:
    """Every model of every enabled provider, each name once."""
    gateway: Gateway = request.app.state.gateway
    gateway.admit(request.scope)
    models = gateway.router.models
    if operation is not None and operation not in models.operation_names:
        known = ", ".join(models.operation_names)
        raise RequestError(f"There is no operation '{operation:.100}', only {known}", param="operation")
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
    sync_to_thread=False,
)
def retrieve_model(
    request: Request[object, object, State],
    model: Annotated[str, Parameter(description="The model's name, which may contain slashes")],
) -> ModelObject:
    """One model by its name."""
    gateway: Gateway = request.app.state.gateway
    gateway.admit(request.scope)
    # Litestar's path parameters begin with a slash.
    name = model.removeprefix("/")
    found = gateway.router.models.find(name)
    if not found:
        raise RequestError.model_not_found(name)
    dialect = client_dialect(request.headers, gateway.dialects)
    if dialect is not None and dialect.encode_model is not None:
        model_object: ModelObject = _json(dialect.encode_model(found[0].client_model))
        return model_object
    return _model_object(gateway.router.models, found[0])


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


router = Router("/v1/models", route_handlers=[list_models, retrieve_model], tags=["Models"])
