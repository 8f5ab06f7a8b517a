"""llms.json in our format: the structs that it is decoded into. llms.py's formats are upgraded first (llms_py/)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

#: A decimal number without a sign. Its exponent has two digits at most, so that every amount is a finite float.
AMOUNT_PATTERN = r"^\s*(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?\s*$"

#: A path, with or without a query.
PATH_PATTERN = r"^/[^/\s#][^\s#]*$"

Template = dict[str, Any]
"""A chat request that the command line starts from."""

Amount = Annotated[str, Meta(pattern=AMOUNT_PATTERN)] | Annotated[float, Meta(ge=0)]
UsdAmount = Annotated[float, Meta(ge=0)]
TokenCount = Annotated[int, Meta(ge=0)]


class PriceRow(msgspec.Struct, kw_only=True):
    """What a model costs. A string is USD per token, a number is USD per million tokens."""

    input: Annotated[Amount, Meta(description="For prompt tokens.")]
    output: Annotated[Amount, Meta(description="For completion tokens.")]
    cache_read: Annotated[Amount | None, Meta(description="For prompt tokens read from a cache.")] = None
    cache_write: Annotated[Amount | None, Meta(description="For prompt tokens written to a cache.")] = None
    cache_write_1h: Annotated[Amount | None, Meta(description="For those that are kept for an hour.")] = None
    reasoning: Annotated[Amount | None, Meta(description="For reasoning tokens.")] = None
    input_audio: Annotated[Amount | None, Meta(description="For prompt tokens of sound.")] = None
    output_audio: Annotated[Amount | None, Meta(description="For completion tokens of sound.")] = None
    input_image: Annotated[Amount | None, Meta(description="For prompt tokens of images.")] = None
    output_image: Annotated[Amount | None, Meta(description="For completion tokens of images.")] = None
    image: Annotated[UsdAmount | None, Meta(description="USD for one generated image.")] = None
    minute: Annotated[UsdAmount | None, Meta(description="USD for a minute of sound.")] = None
    request: Annotated[UsdAmount | None, Meta(description="USD for a request, in addition.")] = None
    search: Annotated[UsdAmount | None, Meta(description="USD for a search by the provider, in addition.")] = None


class LongPromptCost(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a model costs for long prompts, in the format of models.dev."""

    input: Amount | None = None
    output: Amount | None = None
    cache_read: Amount | None = None
    cache_write: Amount | None = None


class TierOfCost(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a tier is about, in the format of models.dev."""

    type: str = "context"
    size: TokenCount | None = None


class CostTier(LongPromptCost, kw_only=True, omit_defaults=True):
    """What a model costs for prompts with more tokens than `tier.size`."""

    tier: TierOfCost | None = None


class Cost(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a model costs, in the format of models.dev: USD per million tokens."""

    input: Amount | None = None
    output: Amount | None = None
    cache_read: Amount | None = None
    cache_write: Amount | None = None
    reasoning: Amount | None = None
    input_audio: Amount | None = None
    output_audio: Amount | None = None
    context_over_200k: Annotated[
        LongPromptCost | None, Meta(description="What a request costs whose prompt has more than 200,000 tokens.")
    ] = None
    tiers: Annotated[
        list[CostTier] | None, Meta(description="What requests with longer prompts cost, by their length.")
    ] = None
    type: Annotated[
        str | None,
        Meta(description="`request` for prices per request, which are not used."),
    ] = None


class TokenLimits(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A model's limits, in tokens; not used."""

    context: Annotated[TokenCount | None, Meta(description="For prompt and completion together.")] = None
    output: Annotated[TokenCount | None, Meta(description="For the completion.")] = None


class Modalities(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a model reads and writes: text, image, audio, …"""

    input: list[str] | None = None
    output: list[str] | None = None


class ModelEntry(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A model in the format of models.dev. Other members are for other programs."""

    id: Annotated[
        str | None,
        Meta(description="The provider's id, if it is not the name of this entry."),
    ] = None
    name: Annotated[
        str | None,
        Meta(description="The display name; with `lenient_names`, clients may use it, too."),
    ] = None
    cost: Cost | None = None
    limit: TokenLimits | None = None
    modalities: Modalities | None = None


class Parameters(msgspec.Struct, kw_only=True):
    """Parameters for requests in which the client does not set them. The ranges are those of the API."""

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
    enable_thinking: Annotated[bool | None, Meta(description="Whether models with this switch think first.")] = None


class ProviderBlock(Parameters, kw_only=True):
    """A provider. The order of the blocks is the order in which providers are tried."""

    enabled: Annotated[
        bool,
        Meta(description="Whether the provider may be used. If it needs a key, it is not used without."),
    ] = True
    type: Annotated[
        str | None,
        Meta(
            description="`openai-compatible`, or the name of any known provider. By default the provider that is named "
            "by `id` or by the name of this block.",
            examples=["openai-compatible"],
        ),
    ] = None
    id: Annotated[
        str | None,
        Meta(description="The known provider that this block configures, if the block has another name."),
    ] = None
    base_url: Annotated[
        str | None,
        Meta(
            description="The URL of the API, or `$NAME` for an environment variable with it. `/v1` is added for "
            "OpenAI-compatible providers, unless there is a version in the URL's path (`/v1`, `/v1beta/openai`, "
            "`/api/v3`, …) or the block has a `path`.",
            examples=["http://localhost:8080"],
        ),
    ] = None
    api: Annotated[
        str | None,
        Meta(description="In place of `base_url`: the URL that `/chat/completions` is appended to as it is."),
    ] = None
    path: Annotated[
        Annotated[str, Meta(pattern=PATH_PATTERN)] | None,
        Meta(
            description="The exact path of chat completions, which is appended to the URL as it is. By default "
            "`/chat/completions`. For OpenAI-compatible providers.",
            examples=["/api/chat/completions"],
        ),
    ] = None
    protocol: Annotated[
        Literal["chat", "responses"] | None,
        Meta(
            description="`chat` for chat completions, `responses` for OpenAI's Responses API. By default the one that "
            "the model is known to need, or that the provider asked for. For OpenAI-compatible providers.",
        ),
    ] = None
    api_key: Annotated[
        str | None,
        Meta(description="`$NAME` or `${NAME}` for an environment variable, or the key itself."),
    ] = None
    env: Annotated[
        list[str] | None,
        Meta(description="Environment variables that may contain the key, in order. By default the provider's own."),
    ] = None
    needs_key: Annotated[
        bool | None,
        Meta(description="Whether the provider is of no use without a key. By default as for its type."),
    ] = None
    models: Annotated[
        dict[str, str | ModelEntry] | list[str] | None,
        Meta(
            description="Names for clients, each with the provider's id of the model. By default the models that are "
            "known for the provider, or those that it lists itself."
        ),
    ] = None
    all_models: Annotated[
        bool | None,
        Meta(description="Also offer the models that the provider lists itself."),
    ] = None
    map_models: Annotated[
        dict[str, str] | None,
        Meta(description="Offer these models only: names for clients, each with the provider's id of the model."),
    ] = None
    include_models: Annotated[
        str | None,
        Meta(description="Offer only models whose id matches this regular expression."),
    ] = None
    exclude_models: Annotated[
        str | None,
        Meta(description="Do not offer models whose id matches this regular expression."),
    ] = None
    model_prefix: Annotated[
        str | None,
        Meta(
            description="What the names for clients of all models of this provider begin with.",
            examples=["openai/"],
        ),
    ] = None
    lenient_names: Annotated[
        bool | None,
        Meta(
            description="Also find models by the provider's id, by its last part and by their display name, in any "
            "case. This is how files of llms.py 3 and 4 work."
        ),
    ] = None
    pricing: Annotated[
        dict[str, PriceRow] | None,
        Meta(description="Prices, by the provider's id of a model or by its local name."),
    ] = None
    default_pricing: Annotated[PriceRow | None, Meta(description="The price of models without one of their own.")] = (
        None
    )
    headers: Annotated[
        dict[str, str] | None,
        Meta(description="HTTP headers of each request to the provider; `$NAME` is an environment variable."),
    ] = None
    force: Annotated[dict[str, Any] | None, Meta(description="Parameters that override the client's.")] = None
    pass_through: Annotated[
        bool,
        Meta(
            description="Whether a request in a protocol that the provider speaks itself, such as Anthropic's, is "
            "passed on as the client wrote it, rather than translated."
        ),
    ] = True
    replay_streams: Annotated[
        bool,
        Meta(
            description="Whether a client that wants a stream gets the whole answer as one, because the server cannot "
            "stream."
        ),
    ] = False
    retries: Annotated[
        int,
        Meta(
            ge=0,
            le=10,
            description="Retries at this provider before the next one is tried.",
        ),
    ] = 0
    check: Annotated[
        Template | None,
        Meta(description="The request that `llms check` sends to this provider, in place of `defaults.check`."),
    ] = None


class RequestLimits(msgspec.Struct, kw_only=True):
    """Limits of a request."""

    client_max_size: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="The largest body of a request, in bytes."),
    ] = None
    client_timeout: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="The longest time that a request may take, in seconds."),
    ] = None
    retries: Annotated[
        Annotated[int, Meta(ge=0, le=10)] | None,
        Meta(description="Attempts over all candidates."),
    ] = None


TEMPLATES = ("text", "image", "audio", "file", "check")
"""The members of `defaults` that are templates."""


class Defaults(msgspec.Struct, kw_only=True):
    """What applies to every provider, and the requests that the command line starts from."""

    headers: Annotated[
        dict[str, str] | None,
        Meta(description="HTTP headers of each request to every provider."),
    ] = None
    text: Annotated[
        Template | None,
        Meta(description="The request that `llms PROMPT` starts from: its model, messages and parameters."),
    ] = None
    image: Annotated[Template | None, Meta(description="The same for `llms --image`.")] = None
    audio: Annotated[Template | None, Meta(description="The same for `llms --audio`.")] = None
    file: Annotated[Template | None, Meta(description="The same for `llms --file`.")] = None
    check: Annotated[Template | None, Meta(description="The request that `llms check` sends.")] = None


#: WIDTHxHEIGHT in pixels.
SIZE_PATTERN = r"^\s*[1-9]\d{0,5}\s*x\s*[1-9]\d{0,5}\s*$"


class ImageConversion(msgspec.Struct, kw_only=True):
    """When images in chats are made smaller, with Pillow. Without any member, none is."""

    max_size: Annotated[
        Annotated[str, Meta(pattern=SIZE_PATTERN)] | None,
        Meta(description="The largest width and height, in pixels. By default 1536x1024.", examples=["1536x1024"]),
    ] = None
    max_length: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="The largest file, in bytes. By default 1572864."),
    ] = None


class Conversions(msgspec.Struct, kw_only=True):
    """What is changed in requests before they are sent."""

    image: ImageConversion | None = None


class File(msgspec.Struct, kw_only=True):
    """llms.json: which providers and models there are, in which order they are tried, and with which keys."""

    schema: Annotated[str | None, Meta(description="The location of this schema.")] = msgspec.field(
        name="$schema", default=None
    )
    providers: Annotated[
        Mapping[str, ProviderBlock],
        Meta(description="The providers by id, in the order in which they are tried."),
    ] = msgspec.field(default_factory=dict)
    defaults: Defaults | None = None
    limits: RequestLimits | None = None
    convert: Conversions | None = None


def member_names(struct: type[msgspec.Struct]) -> tuple[str, ...]:
    """The names of a struct's members in a file."""
    return tuple(field.encode_name for field in msgspec.structs.fields(struct))
