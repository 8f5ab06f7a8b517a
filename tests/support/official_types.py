"""Requests to providers, checked with the types of the providers' own SDKs: no unknown member, no wrong type."""

from __future__ import annotations

import base64
import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, get_type_hints

from anthropic.types.beta.message_create_params import (
    MessageCreateParamsNonStreaming as AnthropicParams,
)
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from cohere.v2.raw_client import RawV2Client
from google.genai.types import Content, GenerateContentConfig
from ollama._types import ChatRequest, Message, Options
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming as OpenAIParams,
)
from pydantic import BaseModel, TypeAdapter

Json = dict[str, Any]


def exhaust(value: Any) -> None:
    """Iterate over everything: pydantic validates the items of an `Iterable` only when they are read."""
    if isinstance(value, dict):
        value = value.values()
    elif isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return
    for item in value:
        exhaust(item)


# OpenAI -------------------------------------------------------------------------------------------------------------


@cache
def _openai_params() -> TypeAdapter[Any]:
    return TypeAdapter(OpenAIParams)


def check_openai(body: Json) -> None:
    """Check a request for a chat completion."""
    members = {name: value for name, value in body.items() if name != "stream"}
    assert members.keys() <= OpenAIParams.__annotations__.keys()
    exhaust(_openai_params().validate_python(members))


# Anthropic ----------------------------------------------------------------------------------------------------------

#: The SDK's version of the API has no sampling parameters.
_NOT_IN_SDK = {"stream", "temperature", "top_p", "top_k"}


@cache
def _anthropic_params() -> TypeAdapter[Any]:
    return TypeAdapter(AnthropicParams)


def check_anthropic(body: Json) -> None:
    """Check a request for a message."""
    members = {name: value for name, value in body.items() if name not in _NOT_IN_SDK}
    assert members.keys() <= AnthropicParams.__annotations__.keys()
    exhaust(_anthropic_params().validate_python(members))


# Gemini -------------------------------------------------------------------------------------------------------------


def check_gemini(body: Json) -> list[Content]:
    """Check a request for `generateContent`; return its contents."""
    whole = {**body, **body.get("generationConfig", {})}
    contents = [Content.model_validate_json(json.dumps(each)) for each in whole.pop("contents")]
    whole.pop("generationConfig", None)
    GenerateContentConfig.model_validate_json(json.dumps(whole))
    return contents


# Bedrock ------------------------------------------------------------------------------------------------------------


@cache
def bedrock_service(name: str = "bedrock-runtime") -> ServiceModel:
    """The SDK's model of a service."""
    return ServiceModel(Loader().load_service_model(name, "service-2"))


def check_bedrock(body: Json, model: str) -> Json:
    """Check a request for Converse. Return the parameters as the SDK takes them."""
    shape = bedrock_service().operation_model("Converse").input_shape
    params = _valid_params(shape, {**body, "modelId": model})
    roles = [each["role"] for each in body["messages"]]
    assert roles == [("user", "assistant")[at % 2] for at in range(len(roles))]
    blocks = [block for each in body["messages"] for block in each["content"]]
    assert all(block["text"].strip() for block in blocks if "text" in block)
    assert "toolConfig" in body or not any(
        "toolUse" in block or "toolResult" in block for block in blocks
    )
    names = [block["document"]["name"] for block in blocks if "document" in block]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"(?!.*  )[A-Za-z0-9()\[\] -]+", name) for name in names)
    return params


def check_bedrock_count(body: Json, model: str) -> None:
    """Check a request for CountTokens."""
    _valid_params(
        bedrock_service().operation_model("CountTokens").input_shape, {**body, "modelId": model}
    )


def _valid_params(shape: Any, body: Json) -> Json:
    params: Json = _as_params(shape, body, "")
    report = ParamValidator().validate(params, shape)
    assert not report.has_errors(), report.generate_report()
    return params


def _as_params(shape: Any, value: Any, where: str) -> Any:
    """Return JSON as parameters of the SDK, with blobs decoded; assert that the API declares and allows all of it."""
    if getattr(shape, "is_document_type", False):
        return value
    limits = shape.metadata
    match shape.type_name:
        case "structure":
            unknown = value.keys() - shape.members.keys()
            assert not unknown, f"{where}: {unknown}"
            return {
                name: _as_params(shape.members[name], each, f"{where}.{name}")
                for name, each in value.items()
            }
        case "list":
            assert len(value) <= limits.get("max", len(value)), where
            return [
                _as_params(shape.member, each, f"{where}[{at}]") for at, each in enumerate(value)
            ]
        case "map":
            return {
                name: _as_params(shape.value, each, f"{where}.{name}")
                for name, each in value.items()
            }
        case "blob":
            return base64.b64decode(value, validate=True)
        case "string":
            assert len(value) <= limits.get("max", len(value)), where
            assert "enum" not in limits or value in limits["enum"], f"{where}: {value}"
            assert "pattern" not in limits or re.fullmatch(limits["pattern"], value), (
                f"{where}: {value}"
            )
        case "float" | "integer":
            assert limits.get("min", value) <= value <= limits.get("max", value), where
    return value


# Cohere -------------------------------------------------------------------------------------------------------------


@cache
def _cohere_parameters() -> Mapping[str, TypeAdapter[Any]]:
    """Return the types of the SDK's parameters."""
    hints = get_type_hints(RawV2Client.chat)
    names = inspect.signature(RawV2Client.chat).parameters.keys() - {"self", "request_options"}
    return {name: TypeAdapter(hints[name]) for name in names}


def check_cohere(body: Json) -> None:
    """Check that each member of a request has the SDK's type, without members that the type does not declare."""
    for name, value in body.items():
        if name != "stream":
            _check_no_extra_members(_cohere_parameters()[name].validate_python(value))


def _check_no_extra_members(value: Any) -> None:
    if isinstance(value, BaseModel):
        assert not value.model_extra
        for each in value.__dict__.values():
            _check_no_extra_members(each)
    elif isinstance(value, list):
        for each in value:
            _check_no_extra_members(each)


# Ollama -------------------------------------------------------------------------------------------------------------

#: Of the API, and not yet of the SDK.
_NEWER = {"truncate", "shift"}
_NEWER_OPTIONS = {"min_p", "draft_num_predict"}


def check_ollama(body: Json) -> None:
    """Check a request for a chat."""
    ChatRequest.model_validate(body)
    assert body.keys() <= ChatRequest.model_fields.keys() | _NEWER
    for message in body["messages"]:
        images = [{"value": image} for image in message.get("images", ())]
        assert all(base64.b64decode(image["value"], validate=True) for image in images)
        Message.model_validate({**message, "images": images})
        assert message.keys() <= Message.model_fields.keys() | {"tool_call_id"}
    options = body.get("options", {})
    Options.model_validate(options)
    assert options.keys() <= Options.model_fields.keys() | _NEWER_OPTIONS


CHECKS: Mapping[str, Callable[[Json, str], object]] = {
    "openai": lambda body, model: check_openai(body),
    "anthropic": lambda body, model: check_anthropic(body),
    "google": lambda body, model: check_gemini(body),
    "bedrock": check_bedrock,
    "cohere": lambda body, model: check_cohere(body),
    "ollama": lambda body, model: check_ollama(body),
}
"""How to check the body of a request for a model, by the provider."""
