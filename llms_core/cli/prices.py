"""`llms prices`: what a model costs, and who says so."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from llms_core.cli.files import files, table

if TYPE_CHECKING:
    from llms_core.config.model import Model, Provider
    from llms_core.prices.book import PriceBook
    from llms_core.prices.listed import Listing
    from llms_core.prices.rates import Rates
    from llms_core.startup import Startup

#: The rates in the order in which they are shown, what they are for, and their units.
_FIGURES = (
    ("input", "input", "per 1M tokens"),
    ("cache_read", "input from a cache", "per 1M tokens"),
    ("cache_write", "input to a cache", "per 1M tokens"),
    ("cache_write_1h", "input to a cache for an hour", "per 1M tokens"),
    ("input_audio", "sound in", "per 1M tokens"),
    ("input_image", "images in", "per 1M tokens"),
    ("output", "output", "per 1M tokens"),
    ("reasoning", "reasoning", "per 1M tokens"),
    ("output_audio", "sound out", "per 1M tokens"),
    ("output_image", "images out", "per 1M tokens"),
    ("image", "image", "each"),
    ("minute", "sound", "per minute"),
    ("request", "request", "each"),
    ("search", "search", "each"),
)


class Priced(NamedTuple):
    """A model of one provider, with its rates; None if they are not known."""

    provider: str
    model: str
    rates: Rates | None
    #: Where the rates come from.
    source: str
    #: The pages that the price list names as its sources.
    pages: Sequence[str] = ()
    #: The first day of the price, as text; empty if it is not known.
    since: str = ""


@click.command(short_help="Show what a model costs.")
@click.argument("model")
@click.option(
    "--tier",
    metavar="NAME",
    help="The rates for a tier of service, such as flex, priority or batch.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@files
@click.pass_context
def command(
    ctx: click.Context,
    model: str,
    tier: str | None,
    as_json: bool,
    config: Path | None,
    plugins: Path | None,
) -> None:
    """Show each rate of MODEL in USD, and where it comes from.

    Providers of your llms.json that have the model come first, by whichever of its names; otherwise the price list of
    genai-prices is searched. What llms.json states counts more than the list, and what a provider reports with its
    answer more than both.

    \b
      llms prices kimi-k2
      llms prices claude-sonnet-4-5 --tier batch
    """
    from llms_core.cli import session
    from llms_core.cli.user_error import Failure
    from llms_core.config import places
    from llms_core.prices.book import price_book

    started = session.load(ctx, config, plugins)
    book = price_book(places.cache(os.environ))
    book.load()
    now = time.time()
    found = list(_configured(started, book, model, tier, now)) or [
        _listed(listing.provider.id, listing.model.id, listing, tier, now)
        for listing in book.search(model)
    ]
    if not found:
        hint = "`llms ls` lists the models that are known; `pricing` of llms.json sets a price"
        raise Failure(f"no price of '{model}' is known ({hint})")
    if as_json:
        _print_json(found)
        return
    for priced in found:
        _print(priced)


def _configured(
    started: Startup, book: PriceBook, name: str, tier: str | None, now: float
) -> Iterator[Priced]:
    for item in started.configured:
        for model in item.provider.models:
            if name in (*model.names, model.upstream):
                yield _priced(started.llms_json.path, item.provider, model, book, tier, now)


def _priced(
    path: str, provider: Provider, model: Model, book: PriceBook, tier: str | None, now: float
) -> Priced:
    if model.price is not None:
        return Priced(provider.id, model.upstream, model.price.rates, path)
    url = provider.settings.base_url or provider.spec.base_url
    listing = book.find("" if "{" in url else url, provider.spec.name, model.upstream)
    if listing is None:
        return Priced(provider.id, model.upstream, None, "unknown")
    return _listed(provider.id, model.upstream, listing, tier, now)


def _listed(provider: str, model: str, listing: Listing, tier: str | None, now: float) -> Priced:
    since = listing.since(now)
    return Priced(
        provider,
        model,
        listing.rates(now, tier),
        f"genai-prices {listing.version}: {listing.provider.id}/{listing.model.id}",
        listing.provider.sources,
        since.isoformat() if since is not None else "",
    )


def _print(priced: Priced) -> None:
    from llms_core.cli.terminal import printable

    click.secho(printable(f"{priced.provider}: {priced.model}"), bold=True)
    if priced.rates is None:
        click.echo(
            "  The price is not known: costs of this model are not counted. Set `pricing` in llms.json."
        )
        return
    table(list(_rows(priced.rates)), indent="  ")
    for tier in priced.rates.tiers:
        click.echo(f"  For prompts of more than {tier.above:,} tokens:")
        table(list(_rows(tier.rates, unlike=priced.rates)), indent="    ")
    since = f", since {priced.since}" if priced.since else ""
    click.echo(printable(f"  Source: {priced.source}{since}"))
    for page in priced.pages:
        click.echo(printable(f"          {page}"))


def _rows(rates: Rates, unlike: Rates | None = None) -> Iterable[tuple[str, str, str]]:
    for name, title, unit in _FIGURES:
        value = getattr(rates, name)
        if value is not None and (unlike is None or value != getattr(unlike, name)):
            yield title, f"${value:.10g}", unit


def _print_json(found: Sequence[Priced]) -> None:
    import msgspec

    rows = [priced._asdict() for priced in found]
    click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2))
