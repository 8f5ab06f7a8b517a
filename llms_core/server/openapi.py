"""The OpenAPI document: Litestar's, with the routes that are plain ASGI for speed described from the contracts."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar.connection import Request
from litestar.datastructures import State
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin, ScalarRenderPlugin
from litestar.openapi.spec import License

from llms_core import __version__
from llms_core.contracts.completion import Usage
from llms_core.contracts.request import ChatRequest


class ErrorObject(msgspec.Struct):
    """OpenAI's error object."""

    message: str
    type: str
    code: str | None
    param: str | None = None


class ErrorAnswer(msgspec.Struct):
    """Every answer that is not 2xx."""

    error: ErrorObject


class AnswerMessage(msgspec.Struct):
    """What the model says; further members are the provider's own."""

    role: str
    content: str | None


class AnswerChoice(msgspec.Struct):
    """One of the answers."""

    index: int
    message: AnswerMessage
    finish_reason: str


class ChatCompletion(msgspec.Struct):
    """A chat.completion, as far as it is promised."""

    id: str
    object: str
    created: int
    model: str
    choices: list[AnswerChoice]
    usage: Usage | None = None


class CompletionRequest(msgspec.Struct):
    """A legacy completion: one prompt; the parameters of a chat completion apply."""

    model: Annotated[str, msgspec.Meta(min_length=1)]
    prompt: str
    max_tokens: int | None = None
    temperature: float | None = None
    stream: bool | None = None


_ERRORS = {
    "400": "The request is wrong",
    "401": "A key is needed",
    "404": "No enabled provider has the model",
    "408": "The request's body came too slowly",
    "413": "The request's body is too large",
    "429": "Every provider is at its limit of requests",
    "502": "All providers failed",
    "503": "The server is full, or stopping",
    "504": "No provider answered in time",
}


def refusals(*statuses: int) -> dict[int, ResponseSpec]:
    """The errors that a route of Litestar's may answer with, for the document."""
    return {
        status: ResponseSpec(ErrorAnswer, description=_ERRORS[str(status)], generate_examples=False)
        for status in statuses
    }


class _Document(JsonRenderPlugin):
    """Serves the document at `/docs/openapi.json`."""

    def render(self, request: Request[Any, Any, State], openapi_schema: dict[str, Any]) -> bytes:
        return self.render_json(request, described(openapi_schema))


CONFIG = OpenAPIConfig(
    title="llms",
    version=__version__,
    description="An OpenAI-compatible gateway over every configured provider.",
    license=License(name="Apache-2.0", identifier="Apache-2.0"),
    path="/docs",
    render_plugins=[ScalarRenderPlugin(), _Document(path="/openapi.json")],
    use_handler_docstrings=True,
)


def described(document: dict[str, Any]) -> dict[str, Any]:
    """Litestar's document with the completion routes added."""
    template = "#/components/schemas/{name}"
    types = [ChatRequest, CompletionRequest, ChatCompletion, ErrorAnswer]
    _, schemas = msgspec.json.schema_components(types, ref_template=template)
    components = document.get("components", {})
    return {
        **document,
        "paths": {
            "/v1/chat/completions": {"post": _operation("ChatRequest", "ChatCompletion", "A chat completion")},
            "/v1/completions": {"post": _operation("CompletionRequest", None, "A legacy completion")},
            **document["paths"],
        },
        "components": {**components, "schemas": {**components.get("schemas", {}), **schemas}},
    }


def _operation(request: str, answer: str | None, summary: str) -> dict[str, Any]:
    whole = {"$ref": f"#/components/schemas/{answer}"} if answer else {"type": "object"}
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}}
    return {
        "summary": summary,
        "operationId": request.removesuffix("Request"),
        "tags": ["Completions"],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{request}"}}},
        },
        "responses": {
            "200": {
                "description": "The whole answer, or with `stream: true` its chunks as server-sent events",
                "content": {"application/json": {"schema": whole}, "text/event-stream": {}},
            },
            **{status: {"description": text, "content": error} for status, text in _ERRORS.items()},
        },
    }
