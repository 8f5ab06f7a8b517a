"""Whale's protocol by example, for the conformance suite: OpenAI's, with a token."""

from dataclasses import replace

from llms_core.testing.openai_wire import OPENAI
from llms_core.testing.wire import TokenExample

WIRE = replace(
    OPENAI,
    token=TokenExample(
        whole={"access_token": "$TOKEN", "token_type": "Bearer", "expires_in": 3600},
        path="/identity/token",
        setting="token_url",
        lasts=3600,
    ),
    settings={"project_id": "p1"},
)
