"""Recorded embeddings of real providers: what was requested there is what is sent, and the answers are read.

The vectors of the recordings are cut to a few numbers.
"""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import msgspec
from recordings import Recording, failures, for_each, whole_answers

from llms_core import ErrorKind
from llms_core.contracts.embeddings import EmbeddingCall
from llms_core.operations.embeddings import EMBEDDINGS
from llms_core.testing.subject import find

JSON = dict[str, Any]

#: The recordings' names of providers -> ours.
PROVIDERS = {"gemini": "google"}

#: Members whose values are the client's choice, which these clients always make.
CHOICES = ("truncate", "truncation", "normalize", "max_tokens", "output_dtype", "embedding_types")


def adapter_of(recording: Recording) -> Any:
    return find(PROVIDERS.get(recording.provider, recording.provider), None).adapter


def texts_of(body: JSON) -> list[str]:
    """The texts of a request in any protocol."""
    match body:
        case {"texts": texts}:
            return list(texts)
        case {"input": texts}:
            return list(texts)
        case {"inputText": text}:
            return [text]
        case {"requests": requests}:
            return [request["content"]["parts"][0]["text"] for request in requests]
        case {"content": {"parts": [{"text": text}]}}:
            return [text]
        case {"instances": instances}:
            return [instance["content"] for instance in instances]
        case {"singleEmbeddingParams": {"text": {"value": text}}}:
            return [text]
    raise AssertionError(f"no texts in {body}")


def input_type_of(body: JSON) -> Any:
    """The provider's own value of the input type."""
    if "requests" in body:
        return body["requests"][0].get("taskType")
    if "instances" in body:
        return body["instances"][0].get("task_type")
    if "singleEmbeddingParams" in body:
        return body["singleEmbeddingParams"]["embeddingPurpose"]
    return body.get("input_type")


def dimensions_of(body: JSON) -> Any:
    if "requests" in body:
        return body["requests"][0].get("outputDimensionality")
    if "singleEmbeddingParams" in body:
        return body["singleEmbeddingParams"].get("embeddingDimension")
    return body.get("dimensions") or body.get("output_dimension")


def call_of(recording: Recording) -> EmbeddingCall:
    """The call that leads to the recorded request."""
    body = recording.request["body"]
    return EmbeddingCall(
        inputs=texts_of(body),
        upstream_model=recording.model,
        client_model="m",
        encoding="base64" if body.get("encoding_format") == "base64" else "float",
        dimensions=dimensions_of(body),
        input_type=input_type_of(body),
    )


def without_choices(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {
            name: without_choices(each)
            for name, each in value.items()
            if name not in CHOICES and each is not None
        }
        kept.pop("truncationMode", None)
        return kept
    if isinstance(value, list):
        return [without_choices(each) for each in value]
    return value


def numbers_in(value: Any) -> list[list[float]]:
    """Every vector in an answer, wherever it is."""
    if isinstance(value, list) and value and all(isinstance(each, int | float) for each in value):
        return [value]
    if isinstance(value, list):
        return [vector for each in value for vector in numbers_in(each)]
    if isinstance(value, dict):
        found = []
        for name, each in value.items():
            if name == "embedding" and isinstance(each, str):
                data = base64.b64decode(each)
                found.append(list(struct.unpack(f"<{len(data) // 4}f", data)))
            # The same vector again.
            elif name != "embeddingsByType":
                found += numbers_in(each)
        return found
    return []


#: The names of profiles do not tell the protocol of their models.
NAMED = [
    each
    for each in whole_answers("embeddings")
    if each.values[0] is None or "profile" not in each.values[0].model
]


@for_each(NAMED)
def test_the_request_is_the_recorded_one(recording: Recording) -> None:
    request = EMBEDDINGS.request(adapter_of(recording), call_of(recording))
    assert without_choices(json.loads(request.content)) == without_choices(
        recording.request["body"]
    )
    assert request.url.rpartition("/models/")[2].endswith(
        recording.request["path"].rpartition("/models/")[2][-20:]
    )


@for_each(NAMED)
def test_the_vectors_and_tokens_are_read(recording: Recording) -> None:
    # The dimensions are those of the recording, whose vectors are cut.
    call = msgspec.structs.replace(call_of(recording), dimensions=None)
    answer = EMBEDDINGS.answer(adapter_of(recording), call, recording.body)
    assert [list(vector) for vector in answer.vectors] == numbers_in(recording.response["json"])
    if recording.provider in ("openai", "voyage", "cohere", "vertex") or "titan" in recording.model:
        assert answer.usage is not None
        assert answer.usage.prompt_tokens == answer.usage.total_tokens


@for_each(failures("embeddings"))
def test_errors_are_classified(recording: Recording) -> None:
    error = adapter_of(recording).error(recording.status, recording.headers, recording.body)
    assert error.kind in (ErrorKind.MODEL_NOT_FOUND, ErrorKind.INVALID_REQUEST)
    assert "nonexistent" in error.message
