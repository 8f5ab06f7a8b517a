"""The OpenAPI document, and a check of the server against it with Schemathesis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from llms_core.dialects.chat_completions import CHAT_COMPLETIONS
from llms_core.server.openapi import with_dialects
from llms_core.testing import Body, Reply, Seen, Status, completion, embeddings, json_body
from tests.core.server.conftest import CHAT, TEXT, Asking, Pair

EMBEDDINGS = "/v1/embeddings"

schemathesis = pytest.importorskip("schemathesis")

ROUTES = (
    ("POST", CHAT),
    ("POST", TEXT),
    ("POST", EMBEDDINGS),
    ("POST", "/v1/messages"),
    ("POST", "/v1/messages/count_tokens"),
    ("POST", "/v1/responses"),
    ("POST", "/v1/responses/input_tokens"),
    ("POST", "/v1/responses/compact"),
    ("POST", "/v1/rerank"),
    ("POST", "/rerank"),
    ("POST", "/v2/rerank"),
    ("POST", "/v1/moderations"),
    ("POST", "/v1/images/generations"),
    ("POST", "/v1/images/edits"),
    ("POST", "/v1/images/variations"),
    ("POST", "/v1/audio/speech"),
    ("POST", "/v1/audio/transcriptions"),
    ("POST", "/v1/audio/translations"),
    ("GET", "/v1/responses/{response_id}"),
    ("DELETE", "/v1/responses/{response_id}"),
    ("GET", "/v1/responses/{response_id}/input_items"),
    ("POST", "/v1beta/models/{model}:generateContent"),
    ("POST", "/v1beta/models/{model}:streamGenerateContent"),
    ("POST", "/v1beta/models/{model}:countTokens"),
    ("POST", "/v1/models/{model}:generateContent"),
    ("POST", "/v1/models/{model}:streamGenerateContent"),
    ("POST", "/v1/models/{model}:countTokens"),
    ("POST", "/v1beta/models/{model}:embedContent"),
    ("POST", "/v1beta/models/{model}:batchEmbedContents"),
    ("POST", "/v1/models/{model}:embedContent"),
    ("POST", "/v1/models/{model}:batchEmbedContents"),
    ("GET", "/v1beta/models"),
    ("GET", "/v1beta/models/{model}"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/{model}"),
    ("GET", "/health"),
    ("GET", "/ready"),
    ("GET", "/models"),
    ("GET", "/models/list"),
    ("GET", "/status"),
    ("GET", "/config"),
    ("POST", "/providers/{name}"),
)


IMAGES = {"created": 1, "data": [{"b64_json": "QUFB"}]}


def ranking(seen: Seen) -> Reply:
    """Rank all documents in their order."""
    return json_body(
        {
            "results": [
                {"index": i, "relevance_score": 0} for i in range(len(seen.json["documents"]))
            ]
        }
    )


#: What the healthy provider answers, by the end of the path.
ANSWERS = {
    "/embeddings": embeddings(),
    "/rerank": Reply(ranking),
    "/moderations": json_body({"results": [{"flagged": False}]}),
    "/images/generations": json_body(IMAGES),
    "/images/edits": json_body(IMAGES),
    "/images/variations": json_body(IMAGES),
    "/audio/speech": Reply(Status(200, {"content-type": "audio/mpeg"}), Body(b"sound")),
    "/audio/transcriptions": json_body({"text": "Hello"}),
    "/audio/translations": json_body({"text": "Hello"}),
}


@pytest.fixture(scope="module")
def schema(pair: Pair) -> Any:
    """The document, as Schemathesis reads it from the running server."""
    pair.upstream.routes.update(ANSWERS)
    return schemathesis.openapi.from_url(f"{pair.gateway.origin}/docs/openapi.json")


@pytest.fixture
def document(ask: Asking) -> dict[str, Any]:
    response = ask.get("/docs/openapi.json")
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


def test_the_document_is_valid_openapi_3_1(schema: Any, document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    schema.validate()


def test_the_document_has_every_route(document: dict[str, Any]) -> None:
    routes = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert routes == set(ROUTES)


def test_every_reference_resolves(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert {
        reference.removeprefix("#/components/schemas/") for reference in _references(document)
    } <= schemas.keys()


def test_sr_010_sr_011_model_and_messages_alone_are_required(document: dict[str, Any]) -> None:
    """SR-010, SR-011, SR-025."""
    assert document["components"]["schemas"]["ChatRequest"]["required"] == ["model", "messages"]


def test_sr_084_the_document_has_the_references_parameters(document: dict[str, Any]) -> None:
    """SR-084: with the ranges of the reference, and no default but null."""
    described = document["components"]["schemas"]["ChatRequest"]["properties"]
    ranges = {
        "temperature": (0, 2),
        "top_p": (0, 1),
        "frequency_penalty": (-2, 2),
        "presence_penalty": (-2, 2),
    }
    for name, (low, high) in {**ranges, "top_logprobs": (0, 20)}.items():
        number = described[name]["anyOf"][0]
        assert (number["minimum"], number["maximum"]) == (low, high)
    others = {"max_tokens", "max_completion_tokens", "stop", "seed", "stream", "logprobs"}
    assert others | {"reasoning_effort", "enable_thinking"} <= described.keys()
    assert {one.get("default") for one in described.values()} == {None}


@pytest.mark.parametrize("path", [CHAT, TEXT, "/v1/models", "/v1/models/{model}"])
def test_sr_065_every_error_is_openais(document: dict[str, Any], path: str) -> None:
    (operation,) = document["paths"][path].values()
    errors = {status: each for status, each in operation["responses"].items() if status != "200"}
    assert {"401", "503"} <= errors.keys()
    for answer in errors.values():
        assert answer["content"] == {
            "application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}
        }


class ErrorBody(msgspec.Struct):
    """A plugin's type with the name of one of ours."""

    failed: str


def test_a_plugins_type_does_not_replace_one_of_the_same_name() -> None:
    """Each dialect keeps its own schemas, and each path its own operationId."""
    described = msgspec.structs.replace(
        CHAT_COMPLETIONS.openapi, operation_id="Own", error=ErrorBody
    )
    own = msgspec.structs.replace(CHAT_COMPLETIONS, paths=("/own", "/other"), openapi=described)
    document = with_dialects({"paths": {}}, (CHAT_COMPLETIONS, own))
    schemas = document["components"]["schemas"]

    def error_of(path: str) -> set[str]:
        content = document["paths"][path]["post"]["responses"]["400"]["content"]
        name = content["application/json"]["schema"]["$ref"].removeprefix("#/components/schemas/")
        return set(schemas[name]["properties"])

    assert (error_of(CHAT), error_of("/own")) == ({"error", "attempts"}, {"failed"})
    assert [item["post"]["operationId"] for item in document["paths"].values()] == [
        "Chat",
        "Own",
        "Own2",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [
        *((*route, "positive") for route in ROUTES),
        ("POST", CHAT, "negative"),
        ("POST", TEXT, "negative"),
    ],
)
def test_every_answer_is_as_described(
    schema: Any, pair: Pair, method: str, path: str, mode: str
) -> None:
    """Each answer has a status, a type and a shape of the document, for valid and invalid requests.

    Never a 5xx, because the provider is healthy.
    """
    # The document cannot express that a path is not a URL (SR-039), that 1.0 is not an integer, or which operations
    # there are.
    inexact = method == "POST" or path == "/v1/models"
    beyond = [schemathesis.checks.positive_data_acceptance] if inexact else []
    pair.upstream.default = completion()

    @settings(
        max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(case=schema[path][method].as_strategy(generation_mode=schemathesis.GenerationMode(mode)))
    def answer(case: Any) -> None:
        if (
            isinstance(case.body, dict)
            and isinstance(case.body.get("model"), str)
            and case.body["model"]
        ):
            case.body["model"] = "m"  # an existing one, so that the request gets beyond a 404
        case.call_and_validate(excluded_checks=beyond)

    answer()


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _references(each)
