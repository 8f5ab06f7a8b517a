"""The OpenAPI document: Litestar's, plus the routes of the dialects, which Litestar does not parse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from litestar.connection import Request
from litestar.datastructures import State
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import License

from llms_core import __version__
from llms_core.dialects import MODEL, Dialect
from llms_core.dialects.openai_error import ErrorBody
from llms_core.dialects.paths import parameters
from llms_core.operations.chat import CHAT
from llms_core.server.example_model import example_model
from llms_core.server.gateway import Gateway
from llms_core.server.pages import docs

Schema = dict[str, Any]
"""A JSON schema."""

_SCHEME = "key"
_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "A key of `[server.keys]` in plugins.toml",
}
_WITHOUT_KEY = ("/health", "/ready")

_REF_TEMPLATE = "#/components/schemas/{name}"

_ERRORS = {
    "400": "The request is invalid",
    "401": "A valid key is required",
    "404": "No enabled provider has the model",
    "408": "The request body arrived too slowly",
    "413": "The request body is too large",
    "424": "No provider can serve the model until a key, a permission, a quota or a model's name is corrected",
    "429": "Every provider is at its rate limit",
    "502": "All providers failed",
    "503": "The server is at its limit of requests, or stopping",
    "504": "No provider answered in time",
}


_ERRORS_OF_FORMS = {"415": "The request is not a form"}
_ERRORS_OF_CHANGES = {
    "403": "The client may not change the configuration",
    "409": "The configuration cannot be changed",
}


def error_responses(*statuses: int, body: type = ErrorBody) -> dict[int, ResponseSpec]:
    """The errors of a Litestar route, for the document."""
    described = {**_ERRORS, **_ERRORS_OF_CHANGES}
    return {
        status: ResponseSpec(body, description=described[str(status)], generate_examples=False)
        for status in statuses
    }


def config(dialects: Sequence[Dialect]) -> OpenAPIConfig:
    """Litestar's configuration of the document, which is served at `/docs/openapi.json`."""
    return OpenAPIConfig(
        title="llms",
        version=__version__,
        description="An OpenAI-compatible gateway over every configured provider.",
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        openapi_router=docs.router(),
        render_plugins=[docs.ViewerPlugin(), _DocumentPlugin(dialects)],
        use_handler_docstrings=True,
    )


class _DocumentPlugin(JsonRenderPlugin):
    def __init__(self, dialects: Sequence[Dialect]):
        super().__init__(path=docs.DOCUMENT)
        self._dialects = dialects

    def render(self, request: Request[Any, Any, State], openapi_schema: dict[str, Any]) -> bytes:
        gateway: Gateway = request.app.state.gateway
        document = with_dialects(openapi_schema, self._dialects)
        document = with_key(document, is_required=not gateway.is_open)
        return self.render_json(request, with_models(document, self._dialects, gateway))


def with_dialects(document: dict[str, Any], dialects: Sequence[Dialect]) -> dict[str, Any]:
    """Return Litestar's document with the paths of the dialects added."""
    schema_of, schemas = _schemas(dialects)
    paths: dict[str, Any] = {}
    for dialect in dialects:
        for number, path in enumerate(dialect.paths):
            operation = _operation(dialect, path, schema_of)
            if number:
                # An operationId must be unique in the document.
                operation["operationId"] += str(number + 1)
            paths[path] = {"post": operation}
    components = document.get("components", {})
    return {
        **document,
        "paths": {**paths, **document["paths"]},
        "components": {**components, "schemas": {**components.get("schemas", {}), **schemas}},
    }


def with_key(document: dict[str, Any], *, is_required: bool) -> dict[str, Any]:
    """Return a document that says how clients present their key. The status of the server never needs one."""
    components = {**document.get("components", {}), "securitySchemes": {_SCHEME: _BEARER}}
    needed: list[dict[str, list[str]]] = [{_SCHEME: []}]
    paths = dict(document["paths"])
    for path in _WITHOUT_KEY:
        paths[path] = {
            method: {**operation, "security": []} for method, operation in paths[path].items()
        }
    return {
        **document,
        "paths": paths,
        "components": components,
        "security": needed if is_required else [{}, *needed],
    }


def with_models(
    document: dict[str, Any], dialects: Sequence[Dialect], gateway: Gateway
) -> dict[str, Any]:
    """Return a document whose examples name models that are served, so that they can be tried."""
    paths = dict(document["paths"])
    for dialect in dialects:
        # Tokens can be counted for any model.
        model = example_model(gateway, dialect.operation.name) or example_model(gateway, CHAT.name)
        for path in dialect.paths:
            if model is not None:
                paths[path] = _with_model(paths[path], model)
    return {**document, "paths": paths}


def _with_model(value: Any, model: str, *, is_example: bool = False) -> Any:
    """A part of the document in which examples have another model."""
    match value:
        case str() if is_example:
            return value.replace(MODEL, model)
        case dict():
            return {
                name: _with_model(each, model, is_example=is_example or name == "example")
                for name, each in value.items()
            }
        case list() | tuple():
            return [_with_model(each, model, is_example=is_example) for each in value]
    return value


def _operation(dialect: Dialect, path: str, schema_of: Mapping[type, Schema]) -> dict[str, Any]:
    """One path's operation."""
    openapi = dialect.openapi
    answer = {"type": "object"} if openapi.answer is None else schema_of[openapi.answer]
    error = {"application/json": {"schema": schema_of[openapi.error]}}
    success: dict[str, Any] = {
        "description": "The answer",
        "content": {openapi.answer_type: {"schema": answer}},
    }
    if dialect.stream_writer is not None:
        default = "The whole answer, or its chunks as server-sent events if they are requested"
        success["description"] = openapi.success or default
        success["content"]["text/event-stream"] = {}
    described = _ERRORS if dialect.form_fields is None else {**_ERRORS, **_ERRORS_OF_FORMS}
    errors = {status: {"description": text, "content": error} for status, text in described.items()}
    names = parameters(path)
    described_request: dict[str, Any] = {"schema": schema_of[openapi.request]}
    if openapi.example is not None:
        described_request["example"] = openapi.example
    return {
        "summary": openapi.summary,
        "operationId": openapi.operation_id,
        "tags": [openapi.tag],
        **({"parameters": [_parameter(name) for name in names]} if names else {}),
        "requestBody": {
            "required": True,
            "content": {openapi.request_type: described_request},
        },
        "responses": {"200": success, **errors},
    }


def _parameter(name: str) -> dict[str, Any]:
    example = {"example": MODEL} if name == "model" else {}
    return {
        **example,
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string"},
        "description": "May contain slashes and colons",
    }


def _schemas(dialects: Sequence[Dialect]) -> tuple[Mapping[type, Schema], dict[str, Schema]]:
    """The schema of each type, usually a reference, and the components that are referred to.

    One call for all types, because msgspec only disambiguates types of the same name (of two plugins) within a call.
    """
    types: list[type] = []
    for dialect in dialects:
        openapi = dialect.openapi
        types += [openapi.request, openapi.error]
        if openapi.answer is not None:
            types.append(openapi.answer)
    types = list(dict.fromkeys(types))
    found, components = msgspec.json.schema_components(types, ref_template=_REF_TEMPLATE)
    return dict(zip(types, found, strict=True)), components
