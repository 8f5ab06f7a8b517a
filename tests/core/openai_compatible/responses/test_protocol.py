"""When a call is made by the Responses API, and what refusals tell about it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from responses_adapter import call_of

from llms_core.errors import OtherProtocol
from llms_core.openai_compatible import OPENAI_RULES, OpenAICompatible
from llms_core.openai_compatible.protocol import matches
from llms_core.provider import Negotiates, ProviderSettings, ProviderSpec

Json = dict[str, Any]

TOOLS = [{"type": "function", "function": {"name": "f"}}]


def adapter(**settings: Any) -> OpenAICompatible:
    spec = ProviderSpec(name="x", title="X", adapter=OpenAICompatible, rules=OPENAI_RULES)
    return OpenAICompatible(
        spec, ProviderSettings(id="x", base_url="https://api.example/v1", **settings)
    )


def uses_responses(
    model: str, ours: OpenAICompatible | None = None, protocol: str = "", **members: Any
) -> bool:
    call = msgspec.structs.replace(call_of(model, **members), protocol=protocol)
    return (ours or adapter()).request(call).url.endswith("/responses")


@pytest.mark.parametrize(
    "model",
    [
        "gpt-5-codex",
        "gpt-5.1-codex-max",
        "gpt-5.3-codex",
        "codex-mini-latest",
        "o1-pro",
        "o3-pro-2025-06-10",
        "gpt-5-pro",
        "gpt-5.2-pro",
        "o4-mini-deep-research",
        "computer-use-preview",
    ],
)
def test_models_that_only_the_responses_api_has(model: str) -> None:
    assert uses_responses(model)


@pytest.mark.parametrize(
    "model", ["gpt-4o", "gpt-5", "gpt-5-mini", "gpt-5.1", "o3", "o1", "gpt-4.1", "gpt-oss-120b"]
)
def test_all_other_models_get_chat_completions(model: str) -> None:
    assert not uses_responses(model, tools=TOOLS, reasoning_effort="high")


@pytest.mark.parametrize("model", ["gpt-5.4", "gpt-5.6-terra", "gpt-6-astra"])
def test_models_that_refuse_tools_beside_reasoning(model: str) -> None:
    assert uses_responses(model, tools=TOOLS, reasoning_effort="high")
    # They reason unless they are told not to.
    assert uses_responses(model, tools=TOOLS)
    assert not uses_responses(model, tools=TOOLS, reasoning_effort="none")
    assert not uses_responses(model, reasoning_effort="high")


def test_the_user_decides() -> None:
    assert uses_responses("gpt-4o", adapter(protocol="responses"))
    assert not uses_responses("gpt-5-codex", adapter(protocol="chat"))
    assert not uses_responses("gpt-4o", adapter(protocol="chat"), protocol="responses")


def test_the_url_keeps_the_path_and_its_query() -> None:
    ours = adapter(protocol="responses", path="/openai/chat/completions?v=2")
    assert ours.request(call_of()).url == "https://api.example/v1/openai/responses?v=2"


@pytest.mark.parametrize(
    ("model", "takes_effort"),
    [
        ("o3", True),
        ("gpt-5-mini", True),
        ("gpt-5.1-codex-max", True),
        ("gpt-5.6-terra", True),
        ("gpt-4o", False),
        ("gpt-5-chat-latest", False),
        ("gpt-5-pro", False),
        ("gpt-oss-120b", False),
    ],
)
def test_models_that_have_every_common_effort(model: str, takes_effort: bool) -> None:
    assert matches(model, OPENAI_RULES.reasoning_effort) is takes_effort


# Refusals


def after(
    status: int,
    message: str,
    ours: OpenAICompatible | None = None,
    protocol: str = "",
    **error: Any,
) -> OtherProtocol | None:
    ours = ours or adapter()
    assert isinstance(ours, Negotiates)
    model = error.pop("model", "gpt-x")
    call = msgspec.structs.replace(call_of(model, tools=TOOLS), protocol=protocol)
    body = json.dumps({"error": {"message": message, **error}}).encode()
    return ours.other_protocol(call, ours.error(status, {}, body))


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, "This model is only supported in v1/responses and not in v1/chat/completions."),
        (
            404,
            "This is not a chat model and thus not supported in the v1/chat/completions endpoint. "
            "Did you mean to use v1/completions?",
        ),
        (400, "model gpt-5.3-codex is not accessible via the /chat/completions endpoint"),
        (
            400,
            "The chatCompletion operation does not work with the specified model, gpt-5-codex. "
            "Please choose different model and try again.",
        ),
        (400, "Multi Agent requests are not allowed on chat completions"),
    ],
)
def test_documented_refusals_of_a_model_lead_to_the_responses_api(
    status: int, message: str
) -> None:
    assert after(status, message) == OtherProtocol("responses")
    assert after(status, message, adapter(protocol="chat")) is None
    # A server that was found to lack the other protocol is not asked again.
    assert after(status, message, protocol="chat") is None


@pytest.mark.parametrize(
    "message",
    [
        "Function tools with reasoning_effort are not supported for gpt-5.4 in /v1/chat/completions. "
        "Please use /v1/responses instead.",
        "Function tools with reasoning_effort are not supported for gpt-6 in /v1/chat/completions. "
        "To use function tools, use /v1/responses or set reasoning_effort to 'none'.",
    ],
)
def test_a_refusal_of_tools_is_only_about_them(message: str) -> None:
    other = after(400, message)
    assert other is not None
    assert uses_responses("gpt-x", protocol=other.name, tools=TOOLS)
    assert not uses_responses("gpt-x", protocol=other.name)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, "The model `gpt-x` does not exist or you do not have access to it."),
        (400, "Invalid value for 'tools'"),
        (401, "Incorrect API key provided"),
        (429, "Rate limit reached for gpt-x"),
        (500, "The server had an error"),
        (
            400,
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'.",
        ),
    ],
)
def test_other_refusals_stand(status: int, message: str) -> None:
    assert after(status, message) is None
    assert after(status, message, model="gpt-5-codex") is None


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, "Not Found"),
        (404, "Invalid URL (POST /v1/responses)"),
        (405, "Method Not Allowed"),
        (404, "Cannot POST /v1/responses"),
        (501, "Not implemented"),
        (200, "Unexpected endpoint or method. (POST /v1/responses)"),
    ],
)
def test_a_missing_path_leads_back_to_chat_completions(status: int, message: str) -> None:
    assert after(status, message, model="gpt-5-codex") == OtherProtocol("chat")
    assert after(status, message, adapter(protocol="responses")) is None
    assert after(status, message, model="gpt-x") is None


def test_a_page_in_place_of_an_error_is_a_missing_path() -> None:
    ours = adapter()
    error = ours.error(404, {}, b"<html><body>404 page not found</body></html>")
    assert ours.other_protocol(call_of("gpt-5-codex"), error) == OtherProtocol("chat")


def test_a_word_is_only_added_once() -> None:
    ours = adapter(protocol="responses")
    message = "Encrypted content is not supported with this model."
    assert after(400, message, ours, param="include") == OtherProtocol("no-encrypted-reasoning")
    assert after(400, message, ours, param="include", protocol="no-encrypted-reasoning") is None
    assert after(400, message, ours, param="include", protocol="no-summary") == OtherProtocol(
        "no-summary no-encrypted-reasoning"
    )
