"""llms.json in our format: the structs that it is decoded into. llms.py's formats are upgraded first (llms_py/)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from llms_core.config.conversion_shape import Conversions
from llms_core.config.price_shape import Cost, PriceRow, TokenCount

#: A path, with or without a query.
PATH_PATTERN = r"^/[^/\s#][^\s#]*$"

Template = dict[str, Any]
"""A chat request that the command line starts from."""


class TokenLimits(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A model's limits, in tokens; not used."""

    context: Annotated[
        TokenCount | None,
        Meta(examples=[131072], description="For prompt and completion together."),
    ] = None
    output: Annotated[
        TokenCount | None, Meta(examples=[16384], description="For the completion.")
    ] = None


class Modalities(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a model reads and writes: text, image, audio, …"""

    #: what the model reads
    input: Annotated[list[str] | None, Meta(examples=[["text", "image"]])] = None
    #: what the model writes
    output: Annotated[list[str] | None, Meta(examples=[["text"]])] = None


class ModelEntry(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A model in the format of models.dev. Other members are for other programs."""

    id: Annotated[
        str | None,
        Meta(
            examples=["moonshotai/kimi-k2"],
            description="The provider's id, if it is not the name of this entry.",
        ),
    ] = None
    name: Annotated[
        str | None,
        Meta(
            examples=["Kimi K2"],
            description="The display name; with `lenient_names`, clients may use it, too.",
        ),
    ] = None
    #: what the model costs
    cost: Annotated[Cost | None, Meta(examples=[{"input": 0.5, "output": 2.5}])] = None
    #: the model's limits
    limit: Annotated[TokenLimits | None, Meta(examples=[{"context": 131072}])] = None
    #: what it reads and writes; not used
    modalities: Annotated[
        Modalities | None, Meta(examples=[{"input": ["text"], "output": ["text"]}])
    ] = None


class Parameters(msgspec.Struct, kw_only=True):
    """Parameters for requests in which the client does not set them. The ranges are those of the API."""

    #: how random the answer is
    temperature: Annotated[Annotated[float, Meta(ge=0, le=2)] | None, Meta(examples=[0.7])] = None
    #: from how much of the probability tokens are drawn
    top_p: Annotated[Annotated[float, Meta(ge=0, le=1)] | None, Meta(examples=[0.9])] = None
    #: how many alternatives are listed for each token
    top_logprobs: Annotated[Annotated[int, Meta(ge=0, le=20)] | None, Meta(examples=[3])] = None
    #: makes repetitions less likely, the more often a token has occurred
    frequency_penalty: Annotated[
        Annotated[float, Meta(ge=-2, le=2)] | None, Meta(examples=[0.5])
    ] = None
    #: makes tokens less likely that have occurred
    presence_penalty: Annotated[
        Annotated[float, Meta(ge=-2, le=2)] | None, Meta(examples=[0.5])
    ] = None
    #: the most tokens of an answer, thinking included
    max_completion_tokens: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(examples=[4096])] = (
        None
    )
    #: the number of answers
    n: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(examples=[1])] = None
    #: whether tools may be called at the same time
    parallel_tool_calls: Annotated[bool | None, Meta(examples=[True])] = None
    #: what requests with a common beginning share, for the cache of the provider
    prompt_cache_key: Annotated[str | None, Meta(examples=["my-app"])] = None
    #: how long models think: `none`, `minimal`, `low`, `medium`, `high`, …
    reasoning_effort: Annotated[str | None, Meta(examples=["low"])] = None
    #: a stable name for the user
    safety_identifier: Annotated[str | None, Meta(examples=["user-1"])] = None
    #: for answers that can be repeated, as far as the provider can
    seed: Annotated[int | None, Meta(examples=[7])] = None
    #: the provider's class of service
    service_tier: Annotated[str | None, Meta(examples=["flex"])] = None
    #: texts at which the answer ends
    stop: Annotated[str | list[str] | None, Meta(examples=[["END"]])] = None
    #: whether the provider stores the answer
    store: Annotated[bool | None, Meta(examples=[False])] = None
    #: how long answers are: `low`, `medium` or `high`
    verbosity: Annotated[str | None, Meta(examples=["low"])] = None
    enable_thinking: Annotated[
        bool | None,
        Meta(examples=[True], description="Whether models with this switch think first."),
    ] = None


class ProviderBlock(Parameters, kw_only=True):
    """A provider. The order of the blocks is the order in which providers are tried."""

    enabled: Annotated[
        bool,
        Meta(
            description="Whether the provider may be used. If it needs a key, it is not used without."
        ),
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
        Meta(
            examples=["groq"],
            description="The known provider that this block configures, if the block has another name.",
        ),
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
        Meta(
            examples=["http://gpu-box:8080/api"],
            description="In place of `base_url`: the URL that `/chat/completions` is appended to as it is.",
        ),
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
            examples=["chat"],
            description="`chat` for chat completions, `responses` for OpenAI's Responses API. By default the one that "
            "the model is known to need, or that the provider asked for. For OpenAI-compatible providers.",
        ),
    ] = None
    api_key: Annotated[
        str | None,
        Meta(
            examples=["$MY_KEY"],
            description="`$NAME` or `${NAME}` for an environment variable, or the key itself.",
        ),
    ] = None
    env: Annotated[
        list[str] | None,
        Meta(
            examples=[["MY_KEY", "OTHER_KEY"]],
            description="Environment variables that may contain the key, in order. By default the provider's own.",
        ),
    ] = None
    needs_key: Annotated[
        bool | None,
        Meta(
            examples=[True],
            description="Whether the provider is of no use without a key. By default as for its type.",
        ),
    ] = None
    models: Annotated[
        dict[str, str | ModelEntry] | list[str] | None,
        Meta(
            examples=[{"kimi-k2": "moonshotai/kimi-k2"}],
            description="Names for clients, each with the provider's id of the model. By default the models that are "
            "known for the provider, or those that it lists itself.",
        ),
    ] = None
    all_models: Annotated[
        bool | None,
        Meta(examples=[True], description="Also offer the models that the provider lists itself."),
    ] = None
    map_models: Annotated[
        dict[str, str] | None,
        Meta(
            examples=[{"kimi-k2": "moonshotai/kimi-k2"}],
            description="Offer these models only: names for clients, each with the provider's id of the model.",
        ),
    ] = None
    include_models: Annotated[
        str | None,
        Meta(
            examples=["^moonshotai/"],
            description="Offer only models whose id matches this regular expression.",
        ),
    ] = None
    exclude_models: Annotated[
        str | None,
        Meta(
            examples=["preview"],
            description="Do not offer models whose id matches this regular expression.",
        ),
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
            examples=[True],
            description="Also find models by the provider's id, by its last part and by their display name, in any "
            "case. This is how files of llms.py 3 and 4 work.",
        ),
    ] = None
    pricing: Annotated[
        dict[str, PriceRow] | None,
        Meta(
            examples=[{"moonshotai/kimi-k2": {"input": 0.5, "output": 2.5}}],
            description="Prices, by the provider's id of a model or by its local name.",
        ),
    ] = None
    default_pricing: Annotated[
        PriceRow | None,
        Meta(
            examples=[{"input": "0", "output": "0"}],
            description="The price of models without one of their own.",
        ),
    ] = None
    headers: Annotated[
        dict[str, str] | None,
        Meta(
            examples=[{"X-Title": "llms"}],
            description="HTTP headers of each request to the provider; `$NAME` is an environment variable.",
        ),
    ] = None
    force: Annotated[
        dict[str, Any] | None,
        Meta(examples=[{"temperature": 0}], description="Parameters that override the client's."),
    ] = None
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
            examples=[1],
            ge=0,
            le=10,
            description="Retries at this provider before the next one is tried.",
        ),
    ] = 0
    check: Annotated[
        Template | None,
        Meta(
            examples=[{"messages": [{"role": "user", "content": "1+1="}]}],
            description="The request that `llms check` sends to this provider, in place of `defaults.check`.",
        ),
    ] = None


class RequestLimits(msgspec.Struct, kw_only=True):
    """Limits of a request."""

    client_max_size: Annotated[
        Annotated[int, Meta(ge=1, extra={"unit": "bytes"})] | None,
        Meta(examples=[20971520], description="The largest body of a request, in bytes."),
    ] = None
    client_timeout: Annotated[
        Annotated[float, Meta(gt=0, extra={"unit": "seconds"})] | None,
        Meta(examples=[600], description="The longest time that a request may take, in seconds."),
    ] = None
    retries: Annotated[
        Annotated[int, Meta(ge=0, le=10)] | None,
        Meta(examples=[3], description="Attempts over all candidates."),
    ] = None


TEMPLATES = ("text", "image", "audio", "file", "check")
"""The members of `defaults` that are templates."""


class Defaults(msgspec.Struct, kw_only=True):
    """What applies to every provider, and the requests that the command line starts from."""

    headers: Annotated[
        dict[str, str] | None,
        Meta(
            examples=[{"User-Agent": "llms"}],
            description="HTTP headers of each request to every provider.",
        ),
    ] = None
    text: Annotated[
        Template | None,
        Meta(
            examples=[{"model": "kimi-k2"}],
            description="The request that `llms PROMPT` starts from: its model, messages and parameters.",
        ),
    ] = None
    image: Annotated[
        Template | None,
        Meta(examples=[{"model": "qwen3"}], description="The same for `llms --image`."),
    ] = None
    audio: Annotated[
        Template | None,
        Meta(examples=[{"model": "qwen3"}], description="The same for `llms --audio`."),
    ] = None
    file: Annotated[
        Template | None,
        Meta(examples=[{"model": "qwen3"}], description="The same for `llms --file`."),
    ] = None
    check: Annotated[
        Template | None,
        Meta(
            examples=[
                {"messages": [{"role": "user", "content": "1+1="}], "max_completion_tokens": 16}
            ],
            description="The request that `llms check` sends.",
        ),
    ] = None


class File(msgspec.Struct, kw_only=True):
    """llms.json: which providers and models there are, in which order they are tried, and with which keys."""

    schema: Annotated[str | None, Meta(description="The location of this schema.")] = msgspec.field(
        name="$schema", default=None
    )
    providers: Annotated[
        Mapping[str, ProviderBlock],
        Meta(description="The providers by id, in the order in which they are tried."),
    ] = msgspec.field(default_factory=dict)
    #: what applies to every provider, and the requests that the command line starts from
    defaults: Defaults | None = None
    #: limits of requests
    limits: RequestLimits | None = None
    #: what is changed in requests
    convert: Conversions | None = None


def member_names(struct: type[msgspec.Struct]) -> tuple[str, ...]:
    """The names of a struct's members in a file."""
    return tuple(field.encode_name for field in msgspec.structs.fields(struct))
