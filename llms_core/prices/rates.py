"""The rates of one model, and the amount that an answer costs by them."""

from __future__ import annotations

import msgspec

from llms_core.contracts.token_counts import Tokens


class Rates(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a model costs. Token rates are in USD per million; None stands for a rate that is not known.

    Of tokens that have no rate of their own, such as cached ones, each costs as much as any other of the prompt or
    of the answer.
    """

    input: float | None = None
    output: float | None = None
    #: for tokens of the prompt that are read from a cache, or written to it
    cache_read: float | None = None
    cache_write: float | None = None
    #: for those that are kept for an hour
    cache_write_1h: float | None = None
    reasoning: float | None = None
    input_audio: float | None = None
    output_audio: float | None = None
    input_image: float | None = None
    output_image: float | None = None
    #: in USD for one image of an operation on images
    image: float | None = None
    #: in USD for a minute of sound
    minute: float | None = None
    #: the seconds of sound that every request is charged for at least
    min_seconds: float = 0.0
    #: in USD for one request, in addition
    request: float | None = None
    #: in USD for one search that the provider made, in addition
    search: float | None = None
    #: the rates for longer prompts, in the order of their lengths
    tiers: tuple[Tier, ...] = ()


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """The rates of requests whose prompt has more tokens than `above`; they apply to all tokens of the request."""

    above: int
    rates: Rates


def amount(rates: Rates, tokens: Tokens) -> float | None:
    """Return what an answer costs in USD; None if a rate that it takes is not known."""
    if rates.tiers:
        rates = _applicable(rates, tokens.input)
    if tokens.images and (rates.image is not None or not tokens.input):
        if rates.image is None:
            return None
        return tokens.images * rates.image
    if tokens.seconds and not tokens.input:
        if rates.minute is None:
            return None
        return max(tokens.seconds, rates.min_seconds) / 60 * rates.minute
    if (tokens.input and rates.input is None) or (tokens.output and rates.output is None):
        return None
    per_million = _input(rates, tokens) + _output(rates, tokens)
    return per_million / 1e6 + (rates.request or 0.0) + tokens.searches * (rates.search or 0.0)


def _applicable(rates: Rates, length: int) -> Rates:
    for tier in reversed(rates.tiers):
        if length > tier.above:
            return tier.rates
    return rates


def _input(rates: Rates, tokens: Tokens) -> float:
    rate = rates.input or 0.0
    rest = tokens.input
    total = 0.0
    if tokens.cached:
        # A provider that counts more cached tokens than prompt tokens must not lead to a negative cost.
        cached = min(tokens.cached, rest)
        total += cached * (rate if rates.cache_read is None else rates.cache_read)
        rest -= cached
    if tokens.cache_write:
        written = min(tokens.cache_write, rest)
        hourly = min(tokens.cache_write_1h, written)
        write_rate = rate if rates.cache_write is None else rates.cache_write
        hourly_rate = write_rate if rates.cache_write_1h is None else rates.cache_write_1h
        total += (written - hourly) * write_rate + hourly * hourly_rate
        rest -= written
    if tokens.audio_input and rates.input_audio is not None:
        audio = min(tokens.audio_input, rest)
        total += audio * rates.input_audio
        rest -= audio
    if tokens.image_input and rates.input_image is not None:
        images = min(tokens.image_input, rest)
        total += images * rates.input_image
        rest -= images
    return total + rest * rate


def _output(rates: Rates, tokens: Tokens) -> float:
    rest = tokens.output
    total = 0.0
    if tokens.reasoning and rates.reasoning is not None:
        reasoning = min(tokens.reasoning, rest)
        total += reasoning * rates.reasoning
        rest -= reasoning
    if tokens.audio_output and rates.output_audio is not None:
        audio = min(tokens.audio_output, rest)
        total += audio * rates.output_audio
        rest -= audio
    if tokens.image_output and rates.output_image is not None:
        images = min(tokens.image_output, rest)
        total += images * rates.output_image
        rest -= images
    return total + rest * (rates.output or 0.0)
