"""What values the shell completes for parameters of commands: `shell_complete` of click's options and arguments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from llms_core.cli.completion.names import known

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete paths, which the shell knows itself."""
    # Every command imports this module, and few are run to complete something.
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def providers(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the providers in llms.json."""
    return _beginning(incomplete, known(ctx).providers)


def enabled_providers(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the providers that are in use."""
    return _beginning(
        incomplete, (name for name, each in known(ctx).providers.items() if each.is_enabled)
    )


def further_providers(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the providers that are not in use, in llms.json or not."""
    names = known(ctx)
    unused = [name for name, each in names.providers.items() if not each.is_enabled]
    return _beginning(incomplete, [*unused, *names.installable])


def types(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the types of providers."""
    return _beginning(incomplete, known(ctx).types)


def models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the models of all providers that are in use."""
    found: list[str] = []
    for provider in known(ctx).providers.values():
        if provider.is_enabled:
            found.extend(provider.models)
    return _beginning(incomplete, found)


def models_of_provider(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the models of the provider that the parameter `provider` names."""
    provider = known(ctx).providers.get(ctx.params.get("provider") or "")
    if provider is None:
        return []
    return _beginning(incomplete, provider.models)


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    """The names that begin so, each once."""
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]
