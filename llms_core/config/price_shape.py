"""Prices in llms.json: the structs that they are decoded into."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

#: A decimal number without a sign. Its exponent has two digits at most, so that every amount is a finite float.
AMOUNT_PATTERN = r"^\s*(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?\s*$"

Amount = Annotated[str, Meta(pattern=AMOUNT_PATTERN)] | Annotated[float, Meta(ge=0)]
TokenCount = Annotated[int, Meta(ge=0, extra={"unit": "tokens"})]
UsdAmount = Annotated[float, Meta(ge=0)]


class PriceRow(msgspec.Struct, kw_only=True):
    """What a model costs. A string is USD per token, a number is USD per million tokens."""

    input: Annotated[Amount, Meta(examples=["0.0000005"], description="For prompt tokens.")]
    output: Annotated[Amount, Meta(examples=[2.5], description="For completion tokens.")]
    #: for prompt tokens read from a cache
    cache_read: Annotated[Amount | None, Meta(examples=[0.05])] = None
    #: for prompt tokens written to a cache
    cache_write: Annotated[Amount | None, Meta(examples=[0.6])] = None
    #: for those that are kept for an hour
    cache_write_1h: Annotated[Amount | None, Meta(examples=[1.0])] = None
    #: for reasoning tokens
    reasoning: Annotated[Amount | None, Meta(examples=[2.5])] = None
    #: for prompt tokens of sound
    input_audio: Annotated[Amount | None, Meta(examples=[40])] = None
    #: for completion tokens of sound
    output_audio: Annotated[Amount | None, Meta(examples=[80])] = None
    #: for prompt tokens of images
    input_image: Annotated[Amount | None, Meta(examples=[10])] = None
    #: for completion tokens of images
    output_image: Annotated[Amount | None, Meta(examples=[40])] = None
    #: USD for one generated image
    image: Annotated[UsdAmount | None, Meta(examples=[0.04])] = None
    #: USD for a minute of sound
    minute: Annotated[UsdAmount | None, Meta(examples=[0.006])] = None
    #: USD for a request, in addition
    request: Annotated[UsdAmount | None, Meta(examples=[0.005])] = None
    #: USD for a search by the provider, in addition
    search: Annotated[UsdAmount | None, Meta(examples=[0.01])] = None


class LongPromptCost(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a model costs for long prompts, in the format of models.dev."""

    #: for prompt tokens
    input: Annotated[Amount | None, Meta(examples=[1.0])] = None
    #: for completion tokens
    output: Annotated[Amount | None, Meta(examples=[5.0])] = None
    #: for prompt tokens read from a cache
    cache_read: Annotated[Amount | None, Meta(examples=[0.1])] = None
    #: for prompt tokens written to a cache
    cache_write: Annotated[Amount | None, Meta(examples=[1.2])] = None


class TierOfCost(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a tier is about, in the format of models.dev."""

    #: `context` for the length of prompts; other tiers are not used
    type: Annotated[str, Meta(examples=["context"])] = "context"
    #: from how many tokens of the prompt on
    size: Annotated[TokenCount | None, Meta(examples=[200000])] = None


class CostTier(LongPromptCost, kw_only=True, omit_defaults=True):
    """What a model costs for prompts with more tokens than `tier.size`."""

    #: when these prices hold
    tier: Annotated[TierOfCost | None, Meta(examples=[{"type": "context", "size": 200000}])] = None


class Cost(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a model costs, in the format of models.dev: USD per million tokens."""

    #: for prompt tokens
    input: Annotated[Amount | None, Meta(examples=[0.5])] = None
    #: for completion tokens
    output: Annotated[Amount | None, Meta(examples=[2.5])] = None
    #: for prompt tokens read from a cache
    cache_read: Annotated[Amount | None, Meta(examples=[0.05])] = None
    #: for prompt tokens written to a cache
    cache_write: Annotated[Amount | None, Meta(examples=[0.6])] = None
    #: for reasoning tokens
    reasoning: Annotated[Amount | None, Meta(examples=[2.5])] = None
    #: for prompt tokens of sound
    input_audio: Annotated[Amount | None, Meta(examples=[40])] = None
    #: for completion tokens of sound
    output_audio: Annotated[Amount | None, Meta(examples=[80])] = None
    #: what a request costs whose prompt has more than 200,000 tokens
    context_over_200k: Annotated[
        LongPromptCost | None, Meta(examples=[{"input": 1, "output": 5}])
    ] = None
    #: what requests with longer prompts cost, by their length
    tiers: Annotated[
        list[CostTier] | None,
        Meta(examples=[[{"input": 1, "output": 5, "tier": {"type": "context", "size": 200000}}]]),
    ] = None
    type: Annotated[
        str | None,
        Meta(
            examples=["request"],
            description="`request` for prices per request, which are not used.",
        ),
    ] = None
