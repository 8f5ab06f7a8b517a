"""From questions to a tested block in llms.json."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from llms_core import startup
from llms_core.candidate import Configured
from llms_core.cli import config_file, session
from llms_core.cli.add import block, key, trial
from llms_core.cli.add.block import Block
from llms_core.cli.add.questions import Questions
from llms_core.cli.check.report import Lines, name_of
from llms_core.cli.config_file import ConfigFile
from llms_core.cli.user_error import Failure
from llms_core.startup import Startup


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says; None for what it does not."""

    provider: str | None
    key_env: str | None
    store_key: bool
    base_url: str | None
    name: str | None
    models: Sequence[str]
    #: `NAME=VALUE`
    settings: Sequence[str]
    #: whether a model is asked
    checks: bool
    #: whether the user may be asked
    asks: bool


def add(ctx: click.Context, options: Options, config: Path | None, plugins: Path | None) -> None:
    """Add a provider, or complete one. Raises UserError, UsageError and ConfigError; nothing has been written then."""
    session.configure_log(ctx)
    questions = Questions(wanted=options.asks)
    file = config_file.read(config, plugins)
    added = block.identify(file, questions, options.provider, options.name, options.base_url)
    added.members.update(block.parse_settings(options.settings))
    given = key.find(added, questions, options.key_env, file.startup.host.specs)
    if options.models:
        block.offer(added, options.models)
    text = block.written(file.text, added)
    if options.checks:
        text = _with_models(file, text, added, questions)
        _check(_preview(file, text, added), added, options.models, questions)
    if text == file.text:
        click.echo(f"{added.id}: nothing to change in {file.path}")
    else:
        config_file.write(file, text)
    key.keep(given, questions, store=options.store_key)


def _preview(file: ConfigFile, text: str, added: Block) -> Startup:
    """What the gateway would make of `text`. Raises Failure if it could not use the provider."""
    found = startup.preview(file.startup.plugins_toml, file.startup.host, file.path, text.encode())
    reason = _item(found, added.id).disabled
    if reason is not None:
        raise Failure(f"nothing was written, because {added.id} cannot be used: {reason}")
    return found


def _item(found: Startup, id: str) -> Configured:
    return next(item for item in found.configured if item.id == id)


def _with_models(file: ConfigFile, text: str, added: Block, questions: Questions) -> str:
    """Return `text` with a model for a provider that neither has nor lists any. Raises UsageError."""
    found = _preview(file, text, added)
    item = _item(found, added.id)
    if item.provider.models:
        return text
    listed = trial.list_models(found, item)
    if isinstance(listed, str):
        click.echo(f"{added.id} does not tell its models: {listed}", err=True)
        model = questions.text("Model", option="--model")
        block.offer(added, [model])
        return block.written(file.text, added)
    click.echo(f"{added.id} lists {len(listed)} models", err=True)
    return text


def _check(found: Startup, added: Block, models: Sequence[str], questions: Questions) -> None:
    """Ask a model. Raises Failure if it does not answer, unless the user wants the provider all the same."""
    results = trial.check(found, added.id, models)
    printer = Lines([name_of(result.provider, result.model) for result in results])
    for result in results:
        printer.add(result)
    if all(result.ok for result in results):
        return
    if not questions.agreed("Write it all the same?"):
        raise Failure(
            f"nothing was written, because {added.id} did not answer; --no-check writes it all the same"
        )
