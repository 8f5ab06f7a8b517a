"""llms.json as it is written: what is decoded, and what llms.schema.json is made from. v2, v3/v4 and ours in one."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

AMOUNT = r"^\s*(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?\s*$"

Amount = Annotated[str, Meta(pattern=AMOUNT)] | Annotated[float, Meta(ge=0)]
Tokens = Annotated[int, Meta(ge=0)]
Template = dict[str, Any]


class PriceRow(msgspec.Struct, kw_only=True):
    """What a model costs. A string is USD per token, a number is USD per million tokens."""

    input: Annotated[Amount, Meta(description="Of a prompt's tokens.")]
    output: Annotated[Amount, Meta(description="Of an answer's tokens.")]
    cache_read: Annotated[Amount | None, Meta(description="Of prompt tokens read from a cache.")] = None
    cache_write: Annotated[Amount | None, Meta(description="Of prompt tokens written to a cache.")] = None
    reasoning: Annotated[Amount | None, Meta(description="Of tokens thought, where they cost otherwise.")] = None


class Cost(msgspec.Struct, kw_only=True):
    """What a model costs, in models.dev's shape: USD per million tokens."""

    input: Amount | None = None
    output: Amount | None = None
    cache_read: Amount | None = None
    cache_write: Amount | None = None
    reasoning: Amount | None = None
    type: Annotated[str | None, Meta(description="`request`: the price is one of a request, and not used.")] = None


class Limit(msgspec.Struct, kw_only=True):
    """A model's limits, in tokens. 0 is for "not known"."""

    context: Annotated[Tokens | None, Meta(description="Prompt and answer together.")] = None
    output: Annotated[Tokens | None, Meta(description="The answer alone.")] = None


class Modalities(msgspec.Struct, kw_only=True):
    """What a model takes and gives: text, image, audio, …"""

    input: list[str] | None = None
    output: list[str] | None = None


class ModelEntry(msgspec.Struct, kw_only=True):
    """A model in models.dev's shape; members that are not named here are for other programs."""

    id: Annotated[str | None, Meta(description="The provider's id, if it is not the name of this entry.")] = None
    name: Annotated[str | None, Meta(description="The name that people read; clients may use it too (v3).")] = None
    cost: Cost | None = None
    limit: Limit | None = None
    modalities: Modalities | None = None


class Parameters(msgspec.Struct, kw_only=True):
    """Parameters of chat completions, for where the client says nothing. Bounds are those of the API."""

    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    n: Annotated[int, Meta(ge=1)] | None = None
    parallel_tool_calls: bool | None = None
    prompt_cache_key: str | None = None
    reasoning_effort: str | None = None
    safety_identifier: str | None = None
    seed: int | None = None
    service_tier: str | None = None
    stop: str | list[str] | None = None
    store: bool | None = None
    verbosity: str | None = None
    enable_thinking: Annotated[bool | None, Meta(description="Qwen's switch.")] = None


TYPES = ("OpenAiProvider", "OllamaProvider", "GoogleProvider", "GoogleOpenAiProvider")


class ProviderBlock(Parameters, kw_only=True):
    """A provider. The order of the blocks is the order in which providers are tried."""

    enabled: Annotated[bool, Meta(description="Whether the provider may be used. Without a key it is not, either.")] = (
        True
    )
    type: Annotated[
        str | None,
        Meta(
            description="The adapter, or any known provider's name. May be left out where this block has the name of "
            "a known provider.",
            examples=[*TYPES, "groq", "mistral", "vllm"],
        ),
    ] = None
    base_url: Annotated[
        str | None,
        Meta(
            description="Where the API is. `/v1` is added for OpenAI-compatible providers, unless the URL ends in "
            "`/v1`, `/v2`, …",
            examples=["https://api.groq.com/openai", "http://localhost:11434"],
        ),
    ] = None
    api_key: Annotated[
        str | None, Meta(description="`$NAME` or `${NAME}` of an environment variable, or the key itself.")
    ] = None
    models: Annotated[
        dict[str, str | ModelEntry] | list[str] | None,
        Meta(
            description="Names for clients, and the provider's id of each. Without any: what is known of the provider, "
            "or what it lists itself."
        ),
    ] = None
    all_models: Annotated[bool | None, Meta(description="Ask the provider for its models, too.")] = None
    pricing: Annotated[
        dict[str, PriceRow] | None, Meta(description="Prices by the provider's id of a model, or by its local name.")
    ] = None
    default_pricing: Annotated[PriceRow | None, Meta(description="The price of models without one of their own.")] = (
        None
    )
    check: Annotated[Template | None, Meta(description="The chat that `--check` sends to this provider.")] = None
    headers: Annotated[
        dict[str, str] | None,
        Meta(description="HTTP headers of each request to the provider; `$NAME` is an environment variable."),
    ] = None
    force: Annotated[dict[str, Any] | None, Meta(description="Parameters that override what the client sent.")] = None
    retries: Annotated[int, Meta(ge=0, le=10, description="Retries at this provider before the next one is tried.")] = 0
    safety_settings: Annotated[list[dict[str, Any]] | None, Meta(description="Gemini's.")] = None
    thinking_config: Annotated[dict[str, Any] | None, Meta(description="Gemini's.")] = None
    speech_config: Annotated[dict[str, Any] | None, Meta(description="Gemini's; not used.")] = None
    stream: Annotated[bool | None, Meta(description="Not used: the client says.")] = None
    curl: Annotated[bool | None, Meta(description="Not used.")] = None
    id: Annotated[str | None, Meta(description="v3: the id in the catalogue, if it is not the block's name.")] = None
    npm: Annotated[
        str | None, Meta(description="v3: the adapter.", examples=["@ai-sdk/openai-compatible", "ollama"])
    ] = None
    api: Annotated[
        str | None, Meta(description="v3: the URL that `/chat/completions` is appended to, with nothing added.")
    ] = None
    env: Annotated[list[str] | None, Meta(description="v3: environment variables that may hold the key.")] = None
    name: Annotated[str | None, Meta(description="The name that people read.")] = None
    doc: Annotated[str | None, Meta(description="Where the provider is documented.")] = None
    map_models: Annotated[
        dict[str, str] | None, Meta(description="v3: the only models to offer: name for clients and provider's id.")
    ] = None
    include_models: Annotated[
        str | None, Meta(description="v3: offer only models whose id matches this regular expression.")
    ] = None
    exclude_models: Annotated[
        str | None, Meta(description="v3: do not offer models whose id matches this regular expression.")
    ] = None
    modalities: Annotated[dict[str, Any] | None, Meta(description="v3: image and audio; not used.")] = None
    server_tools: Annotated[list[Any] | None, Meta(description="v3: tools of the provider's; not used.")] = None


class Limits(msgspec.Struct, kw_only=True):
    """Bounds of a request."""

    client_max_size: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="The largest body of a request, in bytes.")
    ] = None
    client_timeout: Annotated[
        Annotated[float, Meta(gt=0)] | None, Meta(description="The longest that a request may take, in seconds.")
    ] = None
    retries: Annotated[Annotated[int, Meta(ge=0, le=10)] | None, Meta(description="Attempts over all candidates.")] = (
        None
    )
    stream_checkpoint_interval: Annotated[Any, Meta(description="Not used.")] = None
    max_iterations: Annotated[Any, Meta(description="Not used.")] = None


class Auth(msgspec.Struct, kw_only=True):
    """llms.py's sign-in. Not supported: when it is enabled, the gateway does not start."""

    enabled: bool = False
    github: dict[str, Any] | None = None


class Defaults(msgspec.Struct, kw_only=True):
    """Chats that the command line starts from, by name; `model` in `text` is the default model."""

    headers: Annotated[dict[str, str] | None, Meta(description="HTTP headers of each request to every provider.")] = (
        None
    )
    text: Annotated[Template | None, Meta(description="A prompt alone.")] = None
    image: Annotated[Template | None, Meta(description="A prompt with an image.")] = None
    audio: Annotated[Template | None, Meta(description="A prompt with audio.")] = None
    file: Annotated[Template | None, Meta(description="A prompt with a file.")] = None
    check: Annotated[Template | None, Meta(description="What `--check` sends.")] = None
    limits: Limits | None = None
    convert: Annotated[dict[str, Any] | None, Meta(description="Not used: pictures are passed on as they are.")] = None
    events: Annotated[dict[str, Any] | None, Meta(description="v3; not used.")] = None
    voice: Annotated[dict[str, Any] | None, Meta(description="v3; not used.")] = None


class File(msgspec.Struct, kw_only=True):
    """llms.json: which providers and models there are, in which order they are tried, and with which keys."""

    schema: Annotated[str | None, Meta(description="Where this schema is.")] = msgspec.field(
        name="$schema", default=None
    )
    version: Annotated[int | None, Meta(description="3 for files of llms.py 3 and 4; none for any other.")] = None
    providers: Annotated[
        dict[str, ProviderBlock], Meta(description="The providers by id, in the order in which they are tried.")
    ] = msgspec.field(default_factory=dict)
    defaults: Defaults | None = None
    limits: Limits | None = None
    convert: Annotated[dict[str, Any] | None, Meta(description="Not used: pictures are passed on as they are.")] = None
    auth: Auth | None = None
    disable_extensions: Annotated[list[Any] | None, Meta(description="v3; not used.")] = None
    loading: Annotated[list[Any] | None, Meta(description="v3; not used.")] = None
