"""The names of OpenTelemetry's semantic conventions that this plugin uses, and the values that it gives to them.

They are written here, and not imported, because the package moves those that are not stable yet from one module to the
next with its versions. The tests compare them with the released package.
"""

from __future__ import annotations

from collections.abc import Mapping

# Attributes

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_STREAM = "gen_ai.request.stream"
RESPONSE_MODEL = "gen_ai.response.model"
TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHED_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS = "gen_ai.usage.cache_creation.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105 - no token of that kind
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
ERROR_TYPE = "error.type"
STATUS_CODE = "http.response.status_code"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"

# Our own

REQUEST_ID = "llms.request.id"
DIALECT = "llms.dialect"
COST = "llms.cost.usd"
PROVIDER_ID = "llms.provider.id"

# Metrics

CLIENT_DURATION = "gen_ai.client.operation.duration"
CLIENT_TOKENS = "gen_ai.client.token.usage"
CLIENT_FIRST_CHUNK = "gen_ai.client.operation.time_to_first_chunk"
SERVER_DURATION = "gen_ai.server.request.duration"
SERVER_FIRST_TOKEN = "gen_ai.server.time_to_first_token"  # noqa: S105
SERVER_PER_TOKEN = "gen_ai.server.time_per_output_token"  # noqa: S105

#: The boundaries that the conventions recommend.
DURATION_BOUNDARIES = (
    0.01,
    0.02,
    0.04,
    0.08,
    0.16,
    0.32,
    0.64,
    1.28,
    2.56,
    5.12,
    10.24,
    20.48,
    40.96,
    81.92,
)
TOKEN_BOUNDARIES = (
    1,
    4,
    16,
    64,
    256,
    1024,
    4096,
    16384,
    65536,
    262144,
    1048576,
    4194304,
    16777216,
    67108864,
)
FIRST_TOKEN_BOUNDARIES = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0
)  # fmt: skip
PER_TOKEN_BOUNDARIES = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)

_LEGACY_COMPLETIONS = "completions"

#: Our types of providers whose names in the conventions differ.
_PROVIDERS: Mapping[str, str] = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "google": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex": "gcp.vertex_ai",
    "vertex-anthropic": "gcp.vertex_ai",
    "xai": "x_ai",
}


def operation_name(operation: str, dialect: str = "") -> str:
    """Return the conventions' name of an operation; those that they lack keep theirs, as they allow."""
    if dialect == _LEGACY_COMPLETIONS:
        return "text_completion"
    return operation


def provider_name(provider_type: str) -> str:
    """Return the conventions' name of a type of providers; those that they lack keep theirs."""
    return _PROVIDERS.get(provider_type, provider_type)
