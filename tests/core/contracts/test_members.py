"""What adapters use to read the members of a call, and to authenticate."""

from __future__ import annotations

from chat_requests import chat_call

from llms_core.provider import ProviderSettings
from llms_core.secret import Secret

BODY = {
    "model": "m",
    "messages": [{"role": "user", "content": "Hello"}],
    "seed": 0,
    "top_k": 5,
    "user": None,
}


def test_pick_returns_the_decoded_members_that_are_present_and_not_null() -> None:
    assert chat_call(BODY).pick(("top_k", "seed", "user", "absent")) == {"top_k": 5, "seed": 0}


def test_non_null_members_are_the_names_of_what_the_client_set() -> None:
    assert chat_call(BODY).non_null_members() == {"model", "messages", "seed", "top_k"}


def test_bearer_headers_contain_the_configured_headers_and_the_key() -> None:
    settings = ProviderSettings(id="acme", headers={"x-team": "search"})
    assert settings.bearer_headers() == {"content-type": "application/json", "x-team": "search"}
    settings.api_key = Secret("a-key")
    assert settings.bearer_headers()["authorization"] == "Bearer a-key"


def test_configured_content_type_is_kept_and_the_key_replaces_a_configured_authorization() -> None:
    configured = {"content-type": "application/json; charset=utf-8", "authorization": "Basic abc"}
    settings = ProviderSettings(id="acme", headers=configured, api_key=Secret("a-key"))
    assert settings.bearer_headers() == {**configured, "authorization": "Bearer a-key"}
